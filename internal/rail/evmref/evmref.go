// Package evmref is the direct rail: one request paid on its own chain by one
// call of an official fee proxy that carries the request's payment reference,
// in an ERC-20 or the native currency. It knows calldata, allowances and the
// proxies' events. It must not know stores, pages or other rails, and it trusts
// no node further than official lets it.
package evmref

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// ID is the rail's id.
const ID rail.ID = "evmref"

// Config is what a Rail is made of.
type Config struct {
	Book     *asset.Book
	Registry *official.Registry
	Codes    *official.Codes
	// Nodes are the chains that can be asked; only those are offered.
	Nodes map[asset.ChainID]chain.Batcher
	// Random is where salts and request ids come from; crypto/rand if nil.
	Random io.Reader
}

// Rail is the direct rail. It is safe for concurrent use if Random is.
type Rail struct {
	book     *asset.Book
	registry *official.Registry
	codes    *official.Codes
	nodes    map[asset.ChainID]chain.Batcher
	random   io.Reader
}

var (
	_ rail.Rail   = (*Rail)(nil)
	_ rail.Guard  = (*Rail)(nil)
	_ rail.Naming = (*Rail)(nil)
)

// New returns the rail.
func New(c Config) *Rail {
	r := &Rail{book: c.Book, registry: c.Registry, codes: c.Codes, nodes: c.Nodes, random: c.Random}
	if r.random == nil {
		r.random = rand.Reader
	}
	return r
}

// ID implements rail.Rail.
func (r *Rail) ID() rail.ID { return ID }

// Name gives a request its id (unless it has one), salt, reference and topic.
func (r *Rail) Name(p *payment.Payment, q *payment.Request) error {
	var err error
	if q.ID == "" {
		q.ID, err = official.NewRequestID(official.RequestContent{
			Creator: string(p.Terms.Merchant), Payment: string(p.ID), Index: q.Index,
			Payee: q.Payee, Asset: q.Asset, Amount: q.Due, CreatedAt: p.Terms.CreatedAt,
		}, r.random)
		if err != nil {
			return err
		}
	}
	if q.Salt, err = official.NewSalt(r.random); err != nil {
		return err
	}
	ref := official.PaymentReference(q.ID, q.Salt, q.Payee.Lower())
	q.Reference, q.Topic = ref.String(), ref.Topic().String()
	return nil
}

// debt is what one payment still needs, as this rail would pay it.
type debt struct {
	token asset.Token
	official.Expectation
}

func (d debt) optionID() string {
	return fmt.Sprintf("%s:%s:%s", ID, d.token.Network, d.token.ID)
}

// debt reads the payment's one request. ok is false if the payment does not fit
// this rail: several requests, or an asset without an official proxy.
func (r *Rail) debt(p *payment.Payment) (d debt, ok bool, err error) {
	if len(p.Terms.Requests) != 1 || len(p.Standing.Requests) != 1 {
		return debt{}, false, nil
	}
	q := p.Terms.Requests[0]
	if d.token, ok = r.book.Token(q.Asset); !ok {
		return debt{}, false, nil
	}
	if _, ok = r.registry.Proxy(d.token.Chain, d.token.Address); !ok {
		return debt{}, false, nil
	}
	due, fee := p.Outstanding(0)
	d.Expectation = official.Expectation{
		Chain: d.token.Chain, Token: d.token.Address, Payee: q.Payee, Amount: due, Fee: fee,
	}
	if d.Fee.Sign() > 0 {
		d.FeePayee = q.FeePayee()
	}
	if d.Reference, err = official.ParseReference(q.Reference); err != nil {
		return debt{}, false, fmt.Errorf("request %s: %w", q.ID, err)
	}
	return d, true, nil
}

// Offer returns the one way to pay what is missing.
func (r *Rail) Offer(_ context.Context, p *payment.Payment, _ rail.Payer) ([]rail.Option, error) {
	if p.Standing.State != payment.Open {
		return nil, nil
	}
	d, ok, err := r.debt(p)
	if err != nil || !ok || d.Amount.Sign() == 0 || r.nodes[d.Chain] == nil {
		return nil, err
	}
	return []rail.Option{{ID: d.optionID(), Rail: ID, Chain: d.Chain, Costs: []rail.Cost{{Asset: d.token.ID, Amount: d.Total()}}}}, nil
}

// Guard proves the target before a wallet is connected: the calls are built,
// decoded again and compared, and the deployed code is the pinned one. It asks
// no chain. When nothing is missing any more it is the whole payment that is
// checked.
func (r *Rail) Guard(_ context.Context, p *payment.Payment) []rail.Check {
	d, ok, err := r.debt(p)
	if err == nil && !ok {
		return nil
	}
	if ok && d.Amount.Sign() == 0 {
		d.Amount = p.Terms.Requests[0].Due
	}
	var steps []rail.Call
	if err == nil {
		steps, err = r.plan(d, nil)
	}
	if err != nil {
		return []rail.Check{{Name: official.CheckCalldata, Outcome: rail.Refused, Detail: "The transactions for this payment cannot be built."}}
	}
	return r.checks(d, steps)
}

// checks is the first layer and the cached part of the third.
func (r *Rail) checks(d debt, steps []rail.Call) []rail.Check {
	proxy, _ := r.registry.Proxy(d.Chain, d.Token) // debt made sure of it
	return append(r.registry.Verify(d.Expectation, steps), r.codes.Check(d.Chain, proxy.Kind))
}

// plan builds the calls the payer sends. With a nil allowance, one that is not
// known, it is taken for zero.
func (r *Rail) plan(d debt, allowance *big.Int) ([]rail.Call, error) {
	if allowance == nil {
		allowance = new(big.Int)
	}
	switch {
	case d.token.Native || allowance.Cmp(d.Total()) >= 0:
		return r.build(d, rail.Pay)
	case d.token.ResetAllowance && allowance.Sign() > 0:
		return r.build(d, rail.Reset, rail.Approve, rail.Pay)
	default:
		return r.build(d, rail.Approve, rail.Pay)
	}
}

func (r *Rail) build(d debt, kinds ...rail.CallKind) ([]rail.Call, error) {
	steps := make([]rail.Call, len(kinds))
	for i, kind := range kinds {
		maker := r.registry.PayCall
		switch kind {
		case rail.Reset:
			maker = r.registry.ResetCall
		case rail.Approve:
			maker = r.registry.ApproveCall
		case rail.Pay:
		}
		var err error
		if steps[i], err = maker(d.Expectation); err != nil {
			return nil, fmt.Errorf("building the %s transaction: %w", kind, err)
		}
	}
	return steps, nil
}

// Prepare returns the calls that pay what is missing. With a wallet it asks the
// chain once, for everything: funds, allowance, gas price and a trial run.
//
// Faults: as rail.Rail; Unavailable also while the contract's code was not read
// yet; Forbidden "unsafe" has the refused check's name as its field.
func (r *Rail) Prepare(ctx context.Context, p *payment.Payment, optionID string, payer rail.Payer) (rail.Instruction, error) {
	d, err := r.chosen(p, optionID)
	if err != nil {
		return nil, err
	}
	calls := &rail.Calls{Chain: d.Chain, Funds: rail.Funds{Assets: []rail.Holding{{Asset: d.token.ID, Needed: d.Total()}}}}
	trial := rail.Check{Name: official.CheckSimulation, Outcome: rail.Waiting, Detail: "A trial run needs a connected wallet."}
	var cause error
	if payer.Wallet.IsZero() {
		calls.Steps, err = r.plan(d, nil)
	} else {
		trial, cause, err = r.ask(ctx, d, payer.Wallet, calls)
	}
	if err != nil {
		return nil, err
	}
	calls.Checks = append(r.checks(d, calls.Steps), trial)
	for _, c := range calls.Checks {
		if c.Outcome == rail.Refused {
			return nil, fault.New(fault.Forbidden, "unsafe", c.Detail).At(c.Name).Because(cause)
		}
		if c.Name == official.CheckCode && c.Outcome == rail.Waiting {
			return nil, fault.New(fault.Unavailable, "code_unread", "The contract's code is still being checked. Please try again in a moment.")
		}
	}
	return calls, nil
}

// chosen is the debt an option pays.
func (r *Rail) chosen(p *payment.Payment, optionID string) (debt, error) {
	d, ok, err := r.debt(p)
	if err != nil {
		return debt{}, err
	}
	if !ok || r.nodes[d.Chain] == nil || optionID != d.optionID() {
		return debt{}, fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
	}
	switch {
	case d.Amount.Sign() == 0:
		return debt{}, fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return debt{}, fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	}
	return d, nil
}
