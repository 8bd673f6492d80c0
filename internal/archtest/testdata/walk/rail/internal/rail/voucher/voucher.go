// Package voucher is the skeleton of a rail: payments of one asset on one chain, by one call
// to the payee. It knows the contract of package rail and asks nobody; whoever writes the
// next rail begins here, and has evidence, handles and real checks to add.
package voucher

import (
	"context"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// ID is the rail's name.
const ID rail.ID = "voucher"

// Rail takes vouchers. It is safe for concurrent use.
type Rail struct{ book *asset.Book }

var _ rail.Rail = (*Rail)(nil)

// New returns the rail.
func New(book *asset.Book) *Rail { return &Rail{book} }

// ID implements rail.Rail.
func (*Rail) ID() rail.ID { return ID }

// owed is what is missing of a payment that vouchers can pay: of one request, without a fee,
// in an asset of a chain.
func (r *Rail) owed(p *payment.Payment) (of asset.Token, missing *big.Int, ok bool) {
	if len(p.Terms.Requests) != 1 || len(p.Standing.Requests) != 1 || p.Terms.Requests[0].Fee != nil {
		return of, nil, false
	}
	q := p.Terms.Requests[0]
	of, ok = r.book.Token(q.Asset)
	return of, p.Standing.Requests[0].Missing(q.Due), ok && !of.Native
}

func option(of asset.Token) string { return string(ID) + ":" + string(of.ID) }

// Offer implements rail.Rail.
func (r *Rail) Offer(_ context.Context, p *payment.Payment, _ rail.Payer) ([]rail.Option, error) {
	of, missing, ok := r.owed(p)
	if !ok || missing.Sign() == 0 || p.Standing.State != payment.Open {
		return nil, nil
	}
	cost := rail.Cost{Asset: of.ID, Amount: missing}
	return []rail.Option{{ID: option(of), Rail: ID, Type: rail.SameChain, Chain: of.Chain, Costs: []rail.Cost{cost}}}, nil
}

// Prepare implements rail.Rail. It takes everybody's word that they have a voucher.
func (r *Rail) Prepare(_ context.Context, p *payment.Payment, id string, payer rail.Payer) (rail.Instruction, error) {
	of, missing, ok := r.owed(p)
	switch {
	case !ok || id != option(of):
		return nil, fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
	case missing.Sign() == 0:
		return nil, fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return nil, fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	}
	holding := rail.Holding{Asset: of.ID, Needed: missing}
	funds := rail.Funds{NativeNeeded: new(big.Int)}
	if !payer.Wallet.IsZero() {
		holding.Balance, funds.Native = missing, new(big.Int)
	}
	funds.Assets = []rail.Holding{holding}
	return &rail.Calls{
		Chain: of.Chain, Funds: funds,
		Steps:  []rail.Call{{Kind: rail.Pay, To: p.Terms.Requests[0].Payee, Value: new(big.Int)}},
		Checks: []rail.Check{{Name: "voucher_known", Outcome: rail.Passed, Detail: "A skeleton knows every voucher."}},
	}, nil
}
