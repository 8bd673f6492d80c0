// Package evmref is the direct rail: a payment's requests paid on their own
// chain, in ERC-20s and the native currency, by one call that carries their
// payment references: of an official fee proxy for one request, of the official
// batch contract for several. What is due in a fiat currency it pays at the payment's
// quotes. It knows calldata, allowances and the proxies' events. It must not know where
// prices come from, stores, pages or other rails, and it trusts no node further than
// official lets it.
package evmref

import (
	"context"
	"crypto/rand"
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

// ID is the rail's id.
const ID rail.ID = "evmref"

// Config is what a Rail is made of.
type Config struct {
	Book     *asset.Book
	Registry *official.Registry
	Codes    *official.Codes
	// Nodes are the chains that can be asked; only those are offered.
	Nodes map[asset.ChainID]chain.Batcher
	// Assets are those that amounts in fiat currencies can be paid in, in the order in which
	// they are offered; others than the book's are passed over.
	Assets []asset.ID
	Now    func() time.Time // time.Now if nil
}

// Rail is the direct rail. It is safe for concurrent use.
type Rail struct {
	book     *asset.Book
	registry *official.Registry
	codes    *official.Codes
	nodes    map[asset.ChainID]chain.Batcher
	assets   []asset.ID
	now      func() time.Time
	terms    terms
}

var (
	_ rail.Rail    = (*Rail)(nil)
	_ rail.Guard   = (*Rail)(nil)
	_ rail.Naming  = (*Rail)(nil)
	_ rail.Claimer = (*Rail)(nil)
)

// New returns the rail.
func New(c Config) *Rail {
	r := &Rail{book: c.Book, registry: c.Registry, codes: c.Codes, nodes: c.Nodes, assets: slices.Clone(c.Assets), now: c.Now}
	r.terms.said = map[asset.ChainID]official.BatchTerms{}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// ID implements rail.Rail.
func (r *Rail) ID() rail.ID { return ID }

// Name gives a request its id (unless it has one), salt, reference and topic, which is
// its handle. What is due in a fiat currency gets none, unless it goes to an account of the
// payee's own: no contract takes it.
func (r *Rail) Name(p *payment.Payment, q *payment.Request) error {
	if q.Fiat() && !q.Quoted() {
		return nil
	}
	var err error
	if q.ID == "" {
		q.ID, err = official.NewRequestID(official.RequestContent{
			Creator: string(p.Terms.Merchant), Payment: string(p.ID), Index: q.Index,
			Payee: q.Payee, Asset: q.Asset, Amount: q.Due, CreatedAt: p.Terms.CreatedAt,
		}, rand.Reader)
		if err != nil {
			return err
		}
	}
	if q.Salt, err = official.NewSalt(rand.Reader); err != nil {
		return err
	}
	ref := official.PaymentReference(q.ID, q.Salt, q.Payee.Lower())
	q.Reference, q.Topic = ref.String(), ref.Topic().String()
	q.Handles = append(q.Handles, payment.Handle{Rail: string(ID), Value: q.Topic})
	return nil
}

// Offer returns the one way to pay what is missing, if the payer can go it: a smart
// account with its owner's money pays in one token only. Of what is paid at quotes there is
// a way for each asset, for wallets alone.
func (r *Rail) Offer(_ context.Context, p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	if p.Standing.State != payment.Open {
		return nil, nil
	}
	if p.Terms.Quoted() {
		return r.offerQuoted(p, payer)
	}
	d, ok, err := r.debt(p)
	if err != nil || !ok || d.settled || r.nodes[d.chain] == nil || d.fits(payer) != nil {
		return nil, err
	}
	return []rail.Option{{
		ID: d.option, Rail: ID, Type: rail.SameChain, Chain: d.chain, Costs: d.costs(), Spender: r.spender(d),
	}}, nil
}

// costs are what the payer needs of each asset.
func (d debt) costs() []rail.Cost {
	costs := make([]rail.Cost, len(d.needs))
	for i, n := range d.needs {
		costs[i] = rail.Cost{Asset: n.token.ID, Amount: n.Hold}
	}
	return costs
}

// spender is the contract that pulls the first cost, zero for native currency.
func (r *Rail) spender(d debt) asset.Address {
	if d.needs[0].token.Native {
		return asset.Address{}
	}
	target, _ := r.registry.Contract(d.chain, d.kinds[0]) // debt made sure of it
	return target.Address
}

// MissingFor implements rail.PayerExplainer: why a smart account cannot pay what its
// owner could, and why neither it nor a Safe can pay at a quote.
func (r *Rail) MissingFor(_ context.Context, p *payment.Payment, payer rail.Payer) []rail.Missing {
	if p.Standing.State != payment.Open {
		return nil
	}
	if f := unquotable(payer); f != nil && len(r.quotable(p)) > 0 {
		return []rail.Missing{{Chain: p.Terms.Requests[0].Chain, Code: f.Code, Why: f.Public}}
	}
	d, ok, err := r.debt(p)
	if err != nil || !ok || d.settled || r.nodes[d.chain] == nil {
		return nil
	}
	if f := fault.From(d.fits(payer)); f != nil {
		return []rail.Missing{{Chain: d.chain, Code: f.Code, Why: f.Public}}
	}
	return nil
}

// Guard proves the target before a wallet is connected: the calls are built,
// decoded again and compared, and the deployed code is the pinned one. It asks
// no chain. When nothing is missing any more it is the whole payment that is
// checked.
func (r *Rail) Guard(_ context.Context, p *payment.Payment) []rail.Check {
	if p.Terms.Quoted() {
		return r.guardQuoted(p)
	}
	d, ok, err := r.debt(p)
	if err == nil && !ok {
		return nil
	}
	return r.guardDebt(d, err)
}

// guardDebt is Guard of a debt, or of what kept it from being read.
func (r *Rail) guardDebt(d debt, err error) []rail.Check {
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
	return append(r.registry.Verify(d.order, steps), r.codes.Check(d.chain, d.kinds[0], d.kinds[1:]...))
}

// steps are the calls a payer sends.
func (r *Rail) steps(d debt, payer rail.Payer, allowances []*big.Int) ([]rail.Call, error) {
	if payer.Safe || !payer.Owner.IsZero() {
		return r.everyStep(d)
	}
	return r.plan(d, allowances)
}

// plan builds the calls the payer sends. With nil allowances, ones that are not
// known, they are taken for zero.
func (r *Rail) plan(d debt, allowances []*big.Int) ([]rail.Call, error) {
	var steps []rail.Call
	for i, n := range d.needs {
		allowed := new(big.Int)
		if allowances != nil && allowances[i] != nil {
			allowed = allowances[i]
		}
		if n.token.Native || allowed.Cmp(n.Take) >= 0 {
			continue
		}
		more, err := r.approvals(d, n, allowed.Sign() > 0)
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return r.andPay(d, steps)
}

// everyStep is the longest sequence the payer may have to send, whatever was
// allowed before. It is what Safes and smart accounts send. It is also what is tried out for
// everybody, because the allowances that decide are asked for in the same round
// trip: a reset and an approval too many change nothing about the payment.
func (r *Rail) everyStep(d debt) ([]rail.Call, error) {
	var steps []rail.Call
	for _, n := range d.needs {
		if n.token.Native {
			continue
		}
		more, err := r.approvals(d, n, true)
		if err != nil {
			return nil, err
		}
		steps = append(steps, more...)
	}
	return r.andPay(d, steps)
}

// approvals builds one asset's approval, after a reset if there is an allowance
// and the token demands it.
func (r *Rail) approvals(d debt, n need, allowed bool) ([]rail.Call, error) {
	var steps []rail.Call
	if n.token.ResetAllowance && allowed {
		reset, err := r.registry.ResetCall(d.order, n.Token)
		if err != nil {
			return nil, fmt.Errorf("building the reset transaction: %w", err)
		}
		steps = append(steps, reset)
	}
	approve, err := r.registry.ApproveCall(d.order, n.Token)
	if err != nil {
		return nil, fmt.Errorf("building the approve transaction: %w", err)
	}
	steps = append(steps, approve)
	for i := range steps {
		steps[i].Asset = n.token.ID
	}
	return steps, nil
}

func (r *Rail) andPay(d debt, steps []rail.Call) ([]rail.Call, error) {
	pay, err := r.registry.PayCall(d.order)
	if err != nil {
		return nil, fmt.Errorf("building the pay transaction: %w", err)
	}
	return append(steps, pay), nil
}

// Prepare returns the calls that pay what is missing. With a wallet it asks the
// chain once, for everything: funds, allowances, gas price and a trial run. For a
// batch it asks for the contract's terms as well, without a wallet too; only if
// they are not what they were the last time, it asks a second time.
//
// A Safe gets the same calls whatever it has allowed before, and no gas is asked
// for in its funds: whoever executes its transaction pays that.
//
// A smart account with its owner's money gets the same calls, too. Its funds are the
// owner's, with what the account may take of them as the allowance. The trial run
// begins with the owner letting it, whether by permit or by approval, and the account
// taking exactly what it pays.
//
// What is due in a fiat currency is paid by the quotes that are good now: none is made.
//
// Faults: as rail.Rail; Conflict "quote_expired" if one of those quotes is over. Of an amount
// at quotes, Invalid for a Safe, on the field "isSafe" "safe_unsupported", and for a smart
// account with its owner's money, on "eoaWallet" "gasless_quoted". Of others for such an
// account, on the same field: "gasless_native" if native currency is due, "gasless_assets" if
// several tokens are, "gasless_rest" if the batch contract asks for more than it takes.
// Unavailable also while the contract's code was not read yet; Forbidden "unsafe" has the
// refused check's name as its field.
func (r *Rail) Prepare(ctx context.Context, p *payment.Payment, optionID string, payer rail.Payer) (rail.Instruction, error) {
	d, err := r.chosen(p, optionID, payer)
	if err != nil {
		return nil, err
	}
	if err := d.fits(payer); err != nil {
		return nil, err
	}
	d, found, err := r.ask(ctx, d, payer)
	if err != nil {
		return nil, err
	}
	calls := &rail.Calls{Chain: d.chain}
	trial, cause, err := r.fill(calls, d, payer, found)
	if err != nil {
		return nil, err
	}
	calls.Checks = append(r.checks(d, calls.Steps), trial)
	for _, c := range calls.Checks {
		if c.Outcome == rail.Refused {
			return nil, c.Unsafe().Because(cause)
		}
		if c.Name == official.CheckCode && c.Outcome == rail.Waiting {
			return nil, fault.New(fault.Unavailable, "code_unread", "The contract's code is still being checked. Please try again in a moment.")
		}
	}
	return calls, nil
}

// chosen is the debt an option pays.
func (r *Rail) chosen(p *payment.Payment, optionID string, payer rail.Payer) (debt, error) {
	if p.Terms.Quoted() {
		return r.chosenQuoted(p, optionID, payer)
	}
	d, ok, err := r.debt(p)
	if err != nil {
		return debt{}, err
	}
	if !ok || r.nodes[d.chain] == nil || optionID != d.option {
		return debt{}, noRoute()
	}
	return d, payable(p, d.settled)
}

func noRoute() error {
	return fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
}

// payable is nil if something is missing of a payment and it can be paid.
func payable(p *payment.Payment, settled bool) error {
	switch {
	case settled:
		return fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	}
	return nil
}
