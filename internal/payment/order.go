package payment

import (
	"cmp"
	"slices"
)

// sortByTime orders transfers by when they happened; the key breaks ties so
// that the order never depends on how the facts were loaded.
func sortByTime(xs []Transfer) {
	slices.SortFunc(xs, func(a, b Transfer) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
}

// Latest returns the newest transfer that was not dropped, and whether there is one.
func (p *Payment) Latest() (Transfer, bool) {
	xs := slices.DeleteFunc(slices.Clone(p.Transfers), func(x Transfer) bool { return x.Stage == Dropped })
	if len(xs) == 0 {
		return Transfer{}, false
	}
	sortByTime(xs)
	return xs[len(xs)-1], true
}
