package crosschain

import (
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Claims implements rail.Claimer. Between two chains the last call is one of
// LI.FI's pinned contract that pays one of the payment's requests on arrival, and
// gives what cannot be delivered, or is left, back to the account, or to its owner
// where it is a smart account with its owner's money. On one chain
// its exchange ends in the account, and what follows is the payment as the direct
// rail makes it. Approvals are exact, fees and cost within the rail's limits.
//
// Routes grow old while owners sign, so they are judged as of when they were
// quoted; Claim.Deadline says how long they are good.
func (r *Rail) Claims(p *payment.Payment, id asset.ChainID, payer rail.Payer, calls []rail.Call, now time.Time) (rail.Claim, bool) {
	const most = 6 // reset, approval, exchange, reset, approval, payment
	network, pinned := r.table.Network(id)
	at := slices.IndexFunc(calls, func(c rail.Call) bool { return c.To == network.Diamond })
	if !pinned || len(calls) > most || at < 0 {
		return rail.Claim{}, false
	}
	route := calls[at]
	call, err := lifi.DecodeCall(route.Data)
	if err != nil || route.Value == nil {
		return rail.Claim{}, false
	}
	from, ok := r.book.TokenAt(id, spent(call))
	if !ok {
		return rail.Claim{}, false
	}
	in := lifi.Intent{Payer: payer.Wallet, From: from, Refund: payer.Person(), Fallback: payer.Person(), MaxFee: r.maxFee}
	claim := rail.Claim{Type: rail.Crosschain, Cost: rail.Cost{Asset: from.ID, Amount: call.Deposit()}}
	if call.Bridge == nil {
		claim.Type = rail.Conversion
		in.Payment, in.To, ok = r.settles(p, id, calls[at+1:])
	} else if at == len(calls)-1 {
		in.Payment, in.To, ok = r.arrives(p, call)
	} else {
		ok = false
	}
	if !ok || in.Crosses() != (call.Bridge != nil) {
		return rail.Claim{}, false
	}
	in.MaxFrom = lifi.SourceCap(in.Required(), in.From, in.To, r.maxCost)
	if call.Across != nil {
		if quoted := time.Unix(int64(call.Across.QuoteTimestamp), 0); quoted.Before(now) {
			now = quoted
		}
	}
	tx := lifi.Transaction{Chain: id, From: payer.Wallet, To: route.To, Data: route.Data, Value: route.Value}
	if _, refused := rail.Failed(r.table.Verify(in, tx, official.Named(calls[:at+1])[:at], now)); refused {
		return rail.Claim{}, false
	}
	claim.Deadline = call.Validity(now).Latest
	return claim, true
}

// spent is the asset that a route begins with.
func spent(call *lifi.Call) asset.Address {
	switch {
	case len(call.Swaps) > 0:
		return call.Swaps[0].SendingAsset
	case call.Bridge != nil:
		return call.Bridge.SendingAsset
	}
	return asset.Address{}
}

// arrives reads which request of a payment a bridge's call pays on arrival.
func (r *Rail) arrives(p *payment.Payment, call *lifi.Call) (paid official.ERC20Payment, to asset.Token, ok bool) {
	if _, paid, ok = arrival(call); !ok {
		return paid, to, false
	}
	q, to, ok := due(r.book, p, paid)
	return paid, to, ok && ownFee(q, paid)
}

// settles reads which request of a payment is paid behind an exchange, and proves
// the calls that do it.
func (r *Rail) settles(p *payment.Payment, id asset.ChainID, calls []rail.Call) (paid official.ERC20Payment, to asset.Token, ok bool) {
	if len(calls) == 0 {
		return paid, to, false
	}
	paid, err := official.DecodeERC20Payment(calls[len(calls)-1].Data)
	if err != nil {
		return paid, to, false
	}
	q, to, ok := due(r.book, p, paid)
	if !ok || to.Chain != id || !ownFee(q, paid) {
		return paid, to, false
	}
	order := official.Expectation{
		Chain: id, Token: paid.Token, Payee: paid.Payee, Amount: paid.Amount, Reference: paid.Reference, Fee: paid.Fee, FeePayee: paid.FeePayee,
	}
	_, refused := rail.Failed(r.registry.Verify(order, official.Named(calls)))
	return paid, to, !refused
}

// ownFee reports whether a payment's fee goes to nobody but the request's own fee
// payee.
func ownFee(q payment.Request, paid official.ERC20Payment) bool {
	want := asset.Address{}
	if paid.Fee.Sign() > 0 {
		want = q.FeePayee()
	}
	return paid.FeePayee == want
}

// due finds the request of a payment that a call of the fee proxy pays, of
// whatever amount.
func due(book *asset.Book, p *payment.Payment, paid official.ERC20Payment) (payment.Request, asset.Token, bool) {
	for _, q := range p.Terms.Requests {
		token, ok := book.Token(q.Asset)
		if ok && token.Address == paid.Token && q.Payee == paid.Payee && q.Reference == paid.Reference.String() {
			return q, token, true
		}
	}
	return payment.Request{}, asset.Token{}, false
}
