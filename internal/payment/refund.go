package payment

import (
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/money"
)

// Back is what a refund was worth to its request, in base units of the request's asset: as
// much as what it gives back was when it came, for nobody asked for a price as it went. e is
// an EventRefunded; zero if it tells of no amount, of an asset that has not come for good,
// and of what a bridge gave back, which never came.
func (p *Payment) Back(e Event) *big.Int {
	amount, ok := new(big.Int).SetString(e.Fields[FieldAmount], 10)
	if !ok || e.Kind != EventRefunded || e.Fields[FieldReason] != "" || e.Request < 0 || e.Request >= len(p.Terms.Requests) {
		return new(big.Int)
	}
	of := asset.ID(e.Fields[FieldAsset])
	if of == "" || of == p.Terms.Requests[e.Request].Asset {
		return amount
	}
	units, credit := p.Came(e.Request, of)
	if units.Sign() == 0 {
		return new(big.Int)
	}
	return amount.Mul(amount, credit).Quo(amount, units)
}

// Came is what has come of an asset for a request for good, in time or late, in base units
// of the asset, and what that is worth to the request. With "" it is of every asset, and
// the units say nothing.
func (p *Payment) Came(request int, of asset.ID) (units, credit *big.Int) {
	units, credit = new(big.Int), new(big.Int)
	for _, x := range p.Transfers {
		if x.Request == request && x.Stage == Final && (of == "" || x.Asset == of) {
			units.Add(units, x.Amount)
			credit.Add(credit, x.Credit)
		}
	}
	return units, credit
}

// GivenBack reports whether all that has come was given back, as the payment's log tells:
// of each request for which something came, to the cent where it is due in a fiat currency,
// or because the merchant has said so.
func (p *Payment) GivenBack(events []Event) bool {
	any := false
	for i, r := range p.Terms.Requests {
		_, left := p.Came(i, "")
		if left.Sign() == 0 {
			continue
		}
		any = true
		for _, e := range events {
			if e.Kind != EventRefunded || e.Request != i {
				continue
			}
			if e.Fields[FieldFull] != "" {
				left.SetInt64(0)
				break
			}
			left.Sub(left, p.Back(e))
		}
		if r.Fiat() {
			left = money.WholeCents(left)
		}
		if left.Sign() > 0 {
			return false
		}
	}
	return any
}
