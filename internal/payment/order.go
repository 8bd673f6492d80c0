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

// Telling returns the transfer that tells how a request was paid: the one that
// completed it, taking final value if it is Paid and any value in time
// otherwise; failing that, the newest. What a stranger sends afterwards says
// nothing about the payer.
func (p *Payment) Telling(index int) (Transfer, bool) {
	r, late := p.Terms.Requests[index], lateness(p.Terms, p.Attempts)
	paid := p.Standing.Requests[index].State == Paid
	mine := slices.DeleteFunc(slices.Clone(p.Transfers), func(x Transfer) bool { return x.Request != index || x.Stage == Dropped })
	if len(mine) == 0 {
		return Transfer{}, false
	}
	if x, ok := reaching(r.Due, slices.DeleteFunc(slices.Clone(mine), func(x Transfer) bool {
		return late(x) || (paid && x.Stage != Final)
	})); ok {
		return x, true
	}
	sortByTime(mine)
	return mine[len(mine)-1], true
}

// reaching is the transfer with which a sum in time's order reaches due.
func reaching(due *big.Int, xs []Transfer) (Transfer, bool) {
	sortByTime(xs)
	sum := new(big.Int)
	for _, x := range xs {
		if sum.Add(sum, x.Credit).Cmp(due) >= 0 {
			return x, true
		}
	}
	return Transfer{}, false
}

// Outstanding is what has to move now to complete a request: what is missing of
// its due, and what is missing of its fee. Both are never negative.
func (p *Payment) Outstanding(index int) (due, fee *big.Int) {
	r, late := p.Terms.Requests[index], lateness(p.Terms, p.Attempts)
	fee = r.FeeAmount()
	for _, x := range p.Transfers {
		if x.Request == index && x.Stage != Dropped && x.Fee != nil && !late(x) {
			fee.Sub(fee, x.Fee)
		}
	}
	if fee.Sign() < 0 {
		fee.SetInt64(0)
	}
	return p.Standing.Requests[index].Missing(r.Due), fee
}
