package crosschain

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Price asks for a route and returns the option with exactly what it takes of
// this payer. What was asked is remembered for payment, option, wallet and the
// amount that is missing, as long as it is fresh: asking again, at the same time
// or a moment later, asks nobody.
//
// Faults: as rail.Pricer; Invalid at "wallet" without one, and those of
// Config.SameSafe for a Safe that pays from another chain; Limited if the service
// may not be asked so often; Forbidden "unsafe" if the route does something else
// than pay this, with the refused check's name as its field.
func (r *Rail) Price(ctx context.Context, p *payment.Payment, optionID string, payer rail.Payer) (rail.Option, error) {
	d, w, err := r.chosen(p, optionID, payer)
	if err != nil {
		return rail.Option{}, err
	}
	if err := r.sameSafe(ctx, d, w, payer); err != nil {
		return rail.Option{}, err
	}
	found, err := r.offer(ctx, p, d, w, payer, 0)
	if err != nil {
		return rail.Option{}, err
	}
	o := r.option(d, w)
	o.Costs[0].Amount, o.Least, o.Estimated = new(big.Int).Set(found.deposit), nil, false
	o.Fee, o.Duration = found.fee(), found.step.Duration
	return o, nil
}

// offer returns a proven route that is fresh for so much longer.
func (r *Rail) offer(ctx context.Context, p *payment.Payment, d debt, w way, payer rail.Payer, left time.Duration) (*offer, error) {
	if payer.Wallet.IsZero() {
		return nil, fault.Field("wallet", "missing_wallet", "wallet is required.")
	}
	in := r.intent(d, w, payer)
	terms, err := in.Payment.Encode()
	if err != nil {
		return nil, fmt.Errorf("encoding the payment: %w", err)
	}
	q := question{payment: p.ID, option: w.option, wallet: payer.Wallet, owner: payer.Owner, terms: string(d.to.ID) + string(terms)}
	found, err := r.offers.get(ctx, q, r.now, left, func(ctx context.Context) (*offer, error) {
		return r.ask(ctx, w, in)
	})
	if err == nil && r.late(p, w, found.step) {
		return nil, fault.New(fault.NotFound, "no_route", "This payment closes before the money could arrive this way.").At("option")
	}
	return found, err
}

// late reports whether a route may deliver after the payment has closed, when
// money pays nothing any more. A bridge takes up to twice what it says.
func (r *Rail) late(p *payment.Payment, w way, step lifi.Step) bool {
	return w.crosses && r.now().Add(2*step.Duration).After(p.Terms.Deadline())
}

// intent is what the payer agrees to. Refunds, and what is left on arrival, go
// to his own account on either chain, those of a smart account to its owner: it may
// be on one chain only, and he looks for money in his wallet.
func (r *Rail) intent(d debt, w way, payer rail.Payer) lifi.Intent {
	return lifi.Intent{
		Payer: payer.Wallet, From: w.from, MaxFrom: r.most(d, w), To: d.to, Payment: d.payment(),
		Refund: payer.Person(), Fallback: payer.Person(), Bridges: r.bridgesOf(payer), MaxFee: r.maxFee,
	}
}

// payment is the order as a call of the ERC-20 fee proxy.
func (d debt) payment() official.ERC20Payment {
	return official.ERC20Payment{
		Token: d.order.Token, Payee: d.order.Payee, Amount: d.order.Amount, Reference: d.order.Reference,
		Fee: d.order.Fee, FeePayee: d.order.FeePayee,
	}
}

// ask gets a route and proves it, with the approvals that would go before it.
func (r *Rail) ask(ctx context.Context, w way, in lifi.Intent) (*offer, error) {
	step, err := r.client.Quote(ctx, in)
	if err != nil {
		return nil, err
	}
	return r.prove(w, in, step)
}

// prove reads a route. One that is honest and too dear is none.
func (r *Rail) prove(w way, in lifi.Intent, step lifi.Step) (*offer, error) {
	call, err := lifi.DecodeCall(step.Transaction.Data)
	if err != nil {
		return nil, unsafe(r.table.Verify(in, step.Transaction, nil, r.now()))
	}
	if tool := bridgeOf(call); tool != "" && !slices.Contains(in.Bridges, tool) {
		return nil, noRoute(fmt.Errorf("the route goes over %s, which it may not", tool))
	}
	if step.Transaction.Data, err = refunding(call, in, step.Transaction.Data); err != nil {
		return nil, err
	}
	o := &offer{way: w, step: step, call: call, intent: in, deposit: call.Deposit(), valid: validity(call, in, step.FetchedAt)}
	approvals, err := o.approvals(nil)
	if err != nil {
		return nil, err
	}
	dear := o.deposit.Cmp(in.MaxFrom) > 0
	held := in
	if dear { // whether it is honest beside that
		held.MaxFrom = o.deposit
	}
	if err := unsafe(r.table.Verify(held, step.Transaction, approvals, r.now())); err != nil {
		return nil, err
	}
	if dear {
		return nil, noRoute(fmt.Errorf("the route takes %v of %s, the limit is %v", o.deposit, in.From.ID, in.MaxFrom))
	}
	return o, nil
}

func noRoute(cause error) error {
	return fault.New(fault.NotFound, "no_route", "No route is offered for this payment right now.").Because(cause)
}

// bridgeOf is the bridge that a call goes over, "" on one chain.
func bridgeOf(call *lifi.Call) string {
	switch {
	case call.Across != nil:
		return lifi.BridgeAcross
	case call.Stargate != nil:
		return lifi.BridgeStargate
	}
	return ""
}

// unsafe is the fault of the first check that was refused, nil if there is none.
func unsafe(checks []rail.Check) error {
	if bad, failed := rail.Failed(checks); failed {
		return bad.Unsafe()
	}
	return nil
}

// approvals are the calls that let the routing contract take the deposit; nil
// for an allowance that is not known makes the longest sequence.
func (o *offer) approvals(allowed *big.Int) ([]rail.Call, error) {
	if allowed != nil && allowed.Cmp(o.deposit) >= 0 {
		return nil, nil
	}
	var calls []rail.Call
	amounts := []*big.Int{o.deposit}
	if o.from.ResetAllowance && (allowed == nil || allowed.Sign() > 0) {
		amounts = []*big.Int{new(big.Int), o.deposit}
	}
	for i, amount := range amounts {
		// The target is the pinned contract: every route was proven to call it.
		data, err := official.Approval{Spender: o.step.Transaction.To, Amount: amount}.Encode()
		if err != nil {
			return nil, fmt.Errorf("building the approve transaction: %w", err)
		}
		kind := rail.Approve
		if i < len(amounts)-1 {
			kind = rail.Reset
		}
		calls = append(calls, rail.Call{Kind: kind, To: o.from.Address, Data: data, Value: new(big.Int), Asset: o.from.ID})
	}
	return calls, nil
}
