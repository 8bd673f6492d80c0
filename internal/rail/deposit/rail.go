package deposit

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// CheckAddress is the name of the check that a deposit address is its merchant's.
const CheckAddress = "address_matches"

// Keys are the merchants' extended public keys.
type Keys interface {
	// Derive makes the address of a payment's request again, from the key of its
	// merchant and the index that the payment was given, and from nothing else.
	//
	// Faults: NotFound if no address of that merchant was given to the request.
	Derive(ctx context.Context, p *payment.Payment, request int) (asset.Address, error)
}

// RailConfig is what a Rail is made of. Book, Nodes and Keys are needed.
type RailConfig struct {
	Book *asset.Book
	// Nodes are the chains that can be asked; only assets of those are offered.
	Nodes  map[asset.ChainID]chain.Batcher
	Assets []asset.ID // the enabled ones, in the order in which they are offered
	Keys   Keys
	Now    func() time.Time // time.Now if nil
}

// Rail is the rail over deposit addresses. What is due in a fiat currency is paid with
// any enabled asset, by a plain transfer to the payment's own address. It is safe for
// concurrent use.
type Rail struct {
	book   *asset.Book
	nodes  map[asset.ChainID]chain.Batcher
	assets []asset.Token
	keys   Keys
	now    func() time.Time
}

var (
	_ rail.Addressed = (*Rail)(nil)
	_ rail.Guard     = (*Rail)(nil)
)

// NewRail returns the rail. It asks nobody. An asset that the book does not have, or
// that stands twice, is an error.
func NewRail(c RailConfig) (*Rail, error) {
	if c.Book == nil || c.Keys == nil {
		return nil, errors.New("deposit: book and keys are needed")
	}
	r := &Rail{book: c.Book, nodes: c.Nodes, keys: c.Keys, now: c.Now}
	for _, id := range c.Assets {
		t, ok := c.Book.Token(id)
		if !ok || slices.ContainsFunc(r.assets, func(x asset.Token) bool { return x.ID == t.ID }) {
			return nil, fmt.Errorf("deposit: %q is no asset, or stands twice", id)
		}
		r.assets = append(r.assets, t)
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// ID implements rail.Rail.
func (r *Rail) ID() rail.ID { return ID }

// OptionID names the way of paying with an asset.
func OptionID(of asset.Token) string { return fmt.Sprintf("%s:%s:%s", ID, of.Network, of.ID) }

// owed is the request that this rail can pay, and what is missing of it in units of
// 10^-money.FiatDecimals. ok is false of payments that are not due in a fiat currency, that
// were given no address, or that go to the payees' own accounts.
func owed(p *payment.Payment) (q payment.Request, missing *big.Int, ok bool) {
	if len(p.Terms.Requests) != 1 || len(p.Standing.Requests) != 1 {
		return payment.Request{}, nil, false
	}
	q = p.Terms.Requests[0]
	if !q.Fiat() || q.Quoted() || q.Payee.IsZero() {
		return payment.Request{}, nil, false
	}
	missing, _ = p.Outstanding(0)
	return q, missing, true
}

// HandleOf implements rail.Addressed.
func (*Rail) HandleOf(a asset.Address) payment.Handle {
	return payment.Handle{Rail: string(ID), Value: Handle(a)}
}

// Offer returns one option for each enabled asset. Its cost is what makes up all that
// is missing by the quote that is active, and none while there is no such quote. A smart
// account with its owner's money is offered nothing: whoever pays for gas is asked for
// other calls.
func (r *Rail) Offer(_ context.Context, p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	q, missing, ok := owed(p)
	if !ok || p.Standing.State != payment.Open || missing.Sign() <= 0 || !payer.Owner.IsZero() {
		return nil, nil
	}
	now := r.now()
	var out []rail.Option
	for _, t := range r.assets {
		if r.nodes[t.Chain] == nil {
			continue
		}
		o := rail.Option{ID: OptionID(t), Rail: ID, Type: rail.SameChain, Chain: t.Chain, Asset: t.ID}
		if quote, found := p.ActiveQuote(q.Index, t.ID, now); found {
			o.Costs = []rail.Cost{{Asset: t.ID, Amount: quote.Ask(missing, t.Decimals)}}
		}
		out = append(out, o)
	}
	return out, nil
}

// Guard proves the address before a wallet is connected: it is made again from the
// merchant's key. It asks no chain.
func (r *Rail) Guard(ctx context.Context, p *payment.Payment) []rail.Check {
	q, _, ok := owed(p)
	if !ok {
		return nil
	}
	c, _ := r.checkAddress(ctx, p, q)
	return []rail.Check{c}
}

// checkAddress compares the address with what the merchant's key gives. The cause of a
// check that is not passed is for logs.
func (r *Rail) checkAddress(ctx context.Context, p *payment.Payment, q payment.Request) (rail.Check, error) {
	c := rail.Check{Name: CheckAddress, Outcome: rail.Refused}
	switch made, err := r.keys.Derive(ctx, p, q.Index); {
	case fault.Is(err, fault.NotFound):
		c.Detail = "This payment was never given the address that stands in it."
		return c, err
	case err != nil:
		c.Outcome, c.Detail = rail.Waiting, "The address could not be checked at the moment."
		return c, err
	case made != q.Payee:
		c.Detail = "The address is not the one that the merchant's key gives for this payment."
		return c, fmt.Errorf("the key gives %s, the payment says %s", made, q.Payee)
	}
	c.Outcome, c.Detail = rail.Passed, "The address belongs to the merchant's own key and was made for this payment alone."
	return c, nil
}

// Prepare returns the transfer that makes up what is missing, by the active quote of the
// option's asset: it makes none. With a wallet it returns the same transfer as a call,
// and asks the chain once, for funds, the gas price and a trial run.
//
// Faults: as rail.Rail; Conflict "quote_expired" if no quote of the asset is active;
// Forbidden "unsafe" has the refused check's name as its field.
func (r *Rail) Prepare(ctx context.Context, p *payment.Payment, optionID string, payer rail.Payer) (rail.Instruction, error) {
	q, missing, ok := owed(p)
	i := slices.IndexFunc(r.assets, func(t asset.Token) bool { return r.nodes[t.Chain] != nil && OptionID(t) == optionID })
	switch {
	case !ok || i < 0 || !payer.Owner.IsZero():
		return nil, fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
	case missing.Sign() <= 0:
		return nil, fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return nil, fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	}
	t := r.assets[i]
	quote, found := p.ActiveQuote(q.Index, t.ID, r.now())
	if !found {
		return nil, fault.New(fault.Conflict, "quote_expired", "The price has expired. Please get a new one.").At("asset")
	}
	check, cause := r.checkAddress(ctx, p, q)
	if check.Outcome == rail.Waiting {
		return nil, fault.New(fault.Unavailable, "address_unchecked", "The address could not be checked at the moment. Please try again.").Because(cause)
	}
	amount := quote.Ask(missing, t.Decimals)
	d := &rail.Deposit{
		Address: q.Payee, Asset: t.ID, Amount: amount, URI: asset.PaymentURI(t, q.Payee, amount), Quote: quote, Checks: []rail.Check{check},
	}
	if check.Outcome == rail.Passed && !payer.Wallet.IsZero() {
		calls, why, err := r.calls(ctx, transfer{of: t, to: q.Payee, amount: amount}, payer)
		if err != nil {
			return nil, err
		}
		calls.Checks = append(d.Checks, calls.Checks...)
		d.Calls, d.Checks, cause = calls, calls.Checks, why
	}
	if c, refused := rail.Failed(d.Checks); refused {
		return nil, c.Unsafe().Because(cause)
	}
	return d, nil
}

// calls is a transfer as one call of the payer's wallet, with what the chain says of it.
// why explains a refused check for logs.
func (r *Rail) calls(ctx context.Context, x transfer, payer rail.Payer) (calls *rail.Calls, why, err error) {
	call := x.call()
	questions := []chain.Call{
		chain.BalanceCall(payer.Wallet, chain.Latest), chain.GasPriceCall(),
		chain.SimulateCall([]chain.Msg{{From: payer.Wallet, To: call.To, Data: call.Data, Value: call.Value}}, chain.Latest),
	}
	if !x.of.Native {
		questions = append(questions, chain.ContractCall(chain.Msg{From: payer.Wallet, To: x.of.Address, Data: official.BalanceOf(payer.Wallet)}, chain.Latest))
	}
	rs, err := r.nodes[x.of.Chain].Batch(ctx, questions)
	if err != nil {
		return nil, nil, chain.Unavailable(err)
	}
	native, err := rs[0].Big()
	price, err2 := rs[1].Big()
	held := native
	var err3 error
	if !x.of.Native {
		held, err3 = official.ReadAmount(rs[3])
	}
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, nil, chain.Unavailable(err)
	}
	h := rail.Holding{Asset: x.of.ID, Needed: new(big.Int).Set(x.amount), Balance: held}
	checks := []rail.Check{x.matches(call)}
	trial := rail.Check{Name: official.CheckSimulation, Outcome: rail.Waiting, Detail: "A trial run needs more " + x.of.Symbol + " than the connected wallet holds."}
	if h.Enough() {
		trial, call.Gas, why = x.tried(payer.Wallet, rs[2])
	}
	calls = &rail.Calls{
		Chain: x.of.Chain, Steps: []rail.Call{call}, Checks: append(checks, trial),
		Funds: rail.Funds{Assets: []rail.Holding{h}, Native: native, GasPrice: price, NativeNeeded: x.nativeNeeded(call, price, payer)},
	}
	if payer.Safe {
		calls.SizeForSafe()
	}
	return calls, why, nil
}
