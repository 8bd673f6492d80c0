package payment

import (
	"cmp"
	"math/big"
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

// Outstanding is what has to move now to complete a request: what is missing of
// its due, and what is missing of its fee. Both are never negative.
func (p *Payment) Outstanding(index int) (due, fee *big.Int) {
	r := p.Terms.Requests[index]
	fee = r.FeeAmount()
	for _, x := range p.Transfers {
		if x.Request == index && x.Stage != Dropped && x.Fee != nil && !x.At.After(p.Terms.Deadline()) {
			fee.Sub(fee, x.Fee)
		}
	}
	if fee.Sign() < 0 {
		fee.SetInt64(0)
	}
	return p.Standing.Requests[index].Missing(r.Due), fee
}
