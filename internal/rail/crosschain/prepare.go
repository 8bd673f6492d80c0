package crosschain

import (
	"bytes"
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

// Gas that the calls take at most where neither a trial run nor the routing
// service could tell.
const (
	typicalApproveGas = 60_000
	typicalRouteGas   = 600_000 // fee leg, exchange and Stargate together
	typicalPayGas     = 150_000

	// maxRouteGas is the most that is believed of the service's own estimate.
	maxRouteGas = 3_000_000
)

// timeToSign is what must be left of an offer that is handed out.
const timeToSign = 15 * time.Second

// Prepare returns the calls of a route: between two chains approval and LI.FI's
// transaction, on one chain the exchange into the payer's own wallet and then
// the payment as the direct rail makes it. A route that Price asked for is used
// as long as it is fresh enough to be signed. The chain is asked once, for
// everything: funds, allowances, gas price and a trial run.
//
// A Safe gets the same calls around a route whatever it has allowed before, no
// gas is asked for in its funds, and its route's deadline is the contracts' own.
// Refunds, and what is left on arrival, go to the Safe.
//
// A smart account with its owner's money gets the same calls, too. Its funds are the
// owner's, with what the account may take of them as the allowance; refunds, and what
// is left on arrival, go to the owner; an exchange ends in the account, which pays
// from it, and keeps what it gives too much. The trial run begins with the owner
// letting the account take exactly what the route takes.
//
// Faults: as rail.Rail and Price; Invalid "contract_wallet" for a wallet that is
// another contract and pays from another chain; Unavailable also while the fee
// proxy's code was not read yet, or if the node cannot try the route out.
func (r *Rail) Prepare(ctx context.Context, p *payment.Payment, optionID string, payer rail.Payer) (rail.Instruction, error) {
	d, w, err := r.chosen(p, optionID, payer)
	if err != nil {
		return nil, err
	}
	if err := r.sameSafe(ctx, d, w, payer); err != nil {
		return nil, err
	}
	o, err := r.offer(ctx, p, d, w, payer, timeToSign)
	if err != nil {
		return nil, err
	}
	a, err := r.roundTrip(ctx, d, o, payer)
	if err != nil {
		return nil, err
	}
	if isContract(a.code) && !payer.Safe {
		return nil, fault.Field("wallet", "contract_wallet",
			"This wallet is a contract, which may not be yours on the payment's network. Please pay on the payment's own network.")
	}
	calls := &rail.Calls{Chain: o.from.Chain, Route: r.route(d, o)}
	allowance, dueAllowance := a.allowance, a.dueAllowance
	if payer.Safe || !payer.Owner.IsZero() {
		allowance, dueAllowance = nil, nil
	}
	if payer.Safe {
		calls.Route.Deadline = o.safeDeadline(p)
	}
	source, settle, err := r.plan(d, o, allowance, dueAllowance)
	if err != nil {
		return nil, err
	}
	calls.Steps = append(source, settle...)
	trial, cause, err := r.fill(calls, d, o, a)
	if err != nil {
		return nil, err
	}
	if payer.Safe {
		calls.SizeForSafe()
	}
	if payer.Safe || !payer.Owner.IsZero() { // somebody else pays for gas
		calls.Funds.NativeNeeded = new(big.Int).Set(o.step.Transaction.Value)
	}
	calls.Checks = append(r.checks(d, o, source, settle), trial)
	if bad, failed := rail.Failed(calls.Checks); failed {
		return nil, bad.Unsafe().Because(cause)
	}
	if err := unread(calls.Checks); err != nil {
		return nil, err
	}
	return calls, nil
}

// unread is the fault of code that nobody has looked at yet, nil if it was.
func unread(checks []rail.Check) error {
	if !slices.ContainsFunc(checks, func(c rail.Check) bool { return c.Name == official.CheckCode && c.Outcome == rail.Waiting }) {
		return nil
	}
	return fault.New(fault.Unavailable, "code_unread", "The contract's code is still being checked. Please try again in a moment.")
}

// isContract tells code from none, and from an account's own delegation
// (EIP-7702), which leaves its key in charge on every chain.
func isContract(code []byte) bool {
	delegated := len(code) == 23 && code[0] == 0xef && code[1] == 0x01 && code[2] == 0x00
	return len(code) > 0 && !delegated
}

// checks hold the route against the payment, and on one chain the payment's own
// calls as well; the fee proxy's code counts in either case.
func (r *Rail) checks(d debt, o *offer, source, settle []rail.Call) []rail.Check {
	checks := r.table.Verify(o.intent, o.step.Transaction, source[:len(source)-1], r.now())
	if !o.crosses {
		checks = append(checks, r.registry.Verify(d.order, settle)...)
	}
	return append(checks, r.codes.Check(d.to.Chain, official.ERC20FeeProxy))
}

// plan builds what the payer sends: up to LI.FI's transaction, and what comes
// after an exchange. Allowances that are nil make the longest sequence.
func (r *Rail) plan(d debt, o *offer, allowance, dueAllowance *big.Int) (source, settle []rail.Call, err error) {
	if source, err = o.approvals(allowance); err != nil {
		return nil, nil, err
	}
	tx := o.step.Transaction
	route := rail.Call{Kind: rail.Pay, To: tx.To, Data: bytes.Clone(tx.Data), Value: new(big.Int).Set(tx.Value)}
	if o.crosses {
		return append(source, route), nil, nil
	}
	route.Kind = rail.Swap
	if settle, err = r.settle(d, dueAllowance); err != nil {
		return nil, nil, err
	}
	return append(source, route), settle, nil
}

// settle builds the payment from what the payer has after an exchange.
func (r *Rail) settle(d debt, allowed *big.Int) (calls []rail.Call, err error) {
	add := func(build func() (rail.Call, error)) {
		var c rail.Call
		if err == nil {
			c, err = build()
		}
		calls = append(calls, c)
	}
	if allowed == nil || allowed.Cmp(d.required()) < 0 {
		if d.to.ResetAllowance && (allowed == nil || allowed.Sign() > 0) {
			add(func() (rail.Call, error) { return r.registry.ResetCall(d.order, d.to.Address) })
		}
		add(func() (rail.Call, error) { return r.registry.ApproveCall(d.order, d.to.Address) })
		for i := range calls {
			calls[i].Asset = d.to.ID
		}
	}
	add(func() (rail.Call, error) { return r.registry.PayCall(d.order) })
	if err != nil {
		return nil, fmt.Errorf("building the payment behind an exchange: %w", err)
	}
	return calls, nil
}

// answers is what one round trip told.
type answers struct {
	native, gasPrice   *big.Int
	balance, allowance *big.Int // of the payer's asset; the allowance is the Diamond's
	dueAllowance       *big.Int // of the payment's asset, for the fee proxy; nil between chains
	code               []byte   // of whoever is given back to; nil on one chain

	// pulled is what the trial run begins with for a smart account, nil for others:
	// source and settle come after it.
	pulled         *official.Rehearsal
	source, settle []rail.Call // what was tried out
	trial          []chain.Simulated
	trialErr       error
}

// roundTrip puts every question to the payer's chain at once. The longest
// sequence is what is tried out, because the allowances that decide are asked
// for beside it: a reset and an approval too many move no money. What is held is
// asked of whoever's money it is, and what is allowed of whoever takes it.
func (r *Rail) roundTrip(ctx context.Context, d debt, o *offer, payer rail.Payer) (a answers, err error) {
	msgs, err := r.rehearse(&a, d, o, payer)
	if err != nil {
		return answers{}, err
	}
	wallet, who, spender := payer.Wallet, payer.Person(), o.network.Diamond
	if !payer.Owner.IsZero() {
		spender = wallet
	}
	read := func(to asset.Address, data []byte) chain.Call {
		return chain.ContractCall(chain.Msg{From: wallet, To: to, Data: data}, chain.Latest)
	}
	questions := []chain.Call{
		chain.BalanceCall(who, chain.Latest), chain.GasPriceCall(), chain.SimulateCall(msgs, chain.Latest),
		read(o.from.Address, official.BalanceOf(who)), read(o.from.Address, official.Allowance(who, spender)),
	}
	if o.crosses {
		questions = append(questions, chain.CodeCall(who, chain.Latest))
	} else {
		questions = append(questions, read(d.to.Address, official.Allowance(wallet, o.network.FeeProxy)))
	}
	results, err := r.nodes[o.from.Chain].Batch(ctx, questions)
	if err == nil && len(results) != len(questions) {
		err = fmt.Errorf("asked %d questions, got %d answers", len(questions), len(results))
	}
	if err == nil {
		err = a.read(results, o.crosses)
	}
	if err != nil {
		return answers{}, chain.Unavailable(err)
	}
	return a, nil
}

// rehearse makes the trial run: the longest sequence, and for a smart account, which
// has nothing yet, how it gets the money before it.
func (r *Rail) rehearse(a *answers, d debt, o *offer, payer rail.Payer) (msgs []chain.Msg, err error) {
	if a.source, a.settle, err = r.plan(d, o, nil, nil); err != nil {
		return nil, err
	}
	add := func(from asset.Address, calls ...rail.Call) {
		for _, c := range calls {
			msgs = append(msgs, chain.Msg{From: from, To: c.To, Data: c.Data, Value: c.Value})
		}
	}
	if !payer.Owner.IsZero() {
		pulled, err := official.Pull{Owner: payer.Owner, Account: payer.Wallet, Token: o.from.Address, Amount: o.deposit}.Rehearse(o.from.ResetAllowance)
		if err != nil {
			return nil, err
		}
		a.pulled = &pulled
		add(payer.Owner, pulled.Allow...)
		add(payer.Wallet, pulled.Take)
	}
	add(payer.Wallet, a.source...)
	add(payer.Wallet, a.settle...)
	return msgs, nil
}

// read takes the answers in the order of the questions.
func (a *answers) read(results []chain.Result, crosses bool) error {
	var native, price, balance, allowance, last error
	a.native, native = results[0].Big()
	a.gasPrice, price = results[1].Big()
	a.trial, a.trialErr = results[2].Simulated()
	a.balance, balance = official.ReadAmount(results[3])
	a.allowance, allowance = official.ReadAmount(results[4])
	if crosses {
		a.code, last = results[5].Bytes()
	} else {
		a.dueAllowance, last = official.ReadAmount(results[5])
	}
	return errors.Join(native, price, balance, allowance, last)
}

// fill makes the calls' funds of the answers, and judges the trial run. cause
// explains a refused one for the logs.
func (r *Rail) fill(calls *rail.Calls, d debt, o *offer, a answers) (trial rail.Check, cause, err error) {
	held := rail.Holding{Asset: o.from.ID, Needed: new(big.Int).Set(o.deposit), Balance: a.balance, Allowance: a.allowance}
	calls.Funds = rail.Funds{Assets: []rail.Holding{held}, Native: a.native, GasPrice: a.gasPrice}
	value := o.step.Transaction.Value
	trial = rail.Check{Name: official.CheckSimulation, Outcome: rail.Waiting}
	usable := false
	switch {
	case !held.Enough():
		trial.Detail = "A trial run needs more " + o.from.Symbol + " than the connected wallet holds."
	case a.native.Cmp(value) < 0:
		trial.Detail = "A trial run needs more of the network's own currency than the connected wallet holds."
	case a.trialErr != nil:
		return rail.Check{}, nil, fault.New(fault.Unavailable, "trial_unavailable",
			"The network could not try this payment out. Please try again.").Because(a.trialErr)
	default:
		usable = true
		trial, cause = r.judge(d, o, &a)
	}
	gas(calls, o, a, usable)
	return trial, cause, nil
}

// gas fills in what the steps take. Without a usable trial the steps' own
// estimates stay zero, and the funds are reckoned with typical figures.
func gas(calls *rail.Calls, o *offer, a answers, usable bool) {
	type step struct {
		kind  rail.CallKind
		asset asset.ID
	}
	used := map[step]uint64{}
	for i, c := range append(a.source[:len(a.source):len(a.source)], a.settle...) {
		if usable && i < len(a.trial) {
			used[step{c.Kind, c.Asset}] = a.trial[i].GasUsed
		}
	}
	total, value := new(big.Int), new(big.Int)
	for i := range calls.Steps {
		s := &calls.Steps[i]
		s.Gas = used[step{s.Kind, s.Asset}]
		estimate := s.Gas
		if estimate == 0 {
			estimate = o.typicalGas(*s)
		}
		total.Add(total, new(big.Int).SetUint64(estimate))
		value.Add(value, s.Value)
	}
	total = rail.HoldForGas(total, a.gasPrice)
	calls.Funds.NativeNeeded = total.Add(total, value)
}

func (o *offer) typicalGas(s rail.Call) uint64 {
	switch {
	case s.Kind != rail.Pay && s.Kind != rail.Swap:
		return typicalApproveGas
	case s.To != o.step.Transaction.To:
		return typicalPayGas
	case o.step.Gas > 0 && o.step.Gas <= maxRouteGas:
		return o.step.Gas
	}
	return typicalRouteGas
}
