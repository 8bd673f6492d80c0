package evmref

import (
	"context"
	"errors"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Gas that the calls take at most where a trial run could not tell: measured
// with the official contracts and USDC, the fee going to a fresh account,
// rounded up.
const (
	typicalApproveGas = 60_000
	typicalERC20Gas   = 150_000
	typicalEthGas     = 110_000

	typicalBatchGas     = 150_000 // of the call and its tokens, beside the items
	typicalBatchItemGas = 65_000
)

// answers is what one round trip told. Without a wallet it is no more than the
// terms of the batch contract.
type answers struct {
	native     *big.Int
	gasPrice   *big.Int
	balances   []*big.Int // of the debt's needs
	allowances []*big.Int // of the debt's needs, nil for native currency
	// pulled is what the trial run begins with for a smart account, nil for others:
	// tried is what comes after it.
	pulled   *official.Rehearsal
	tried    []rail.Call
	trial    []chain.Simulated
	trialErr error
	terms    official.BatchTerms
}

// ask reads the payer's funds and tries the payment out, in one round trip. For a
// batch it returns the debt at the terms the contract has.
func (r *Rail) ask(ctx context.Context, d debt, payer rail.Payer) (debt, answers, error) {
	batch, several := d.order.(official.Batch)
	if payer.Wallet.IsZero() && !several {
		return d, answers{}, nil
	}
	a, err := r.roundTrip(ctx, d, payer)
	if err != nil || !several || a.terms == batch.Terms {
		return d, a, err
	}
	if why := a.terms.Refused(r.registry.BatchTerms(d.chain)); why != "" {
		return debt{}, answers{}, rail.Check{Name: official.CheckContract, Outcome: rail.Refused, Detail: why}.Unsafe()
	}
	r.terms.remember(d.chain, a.terms)
	batch.Terms = a.terms
	if d, _, err = r.with(d, batch); err != nil || payer.Wallet.IsZero() {
		return d, a, err
	}
	if err := d.fits(payer); err != nil {
		return debt{}, answers{}, err
	}
	// What was tried out was another payment.
	if a, err = r.roundTrip(ctx, d, payer); err == nil && a.terms != batch.Terms {
		err = chain.Unavailable(errors.New("the batch contract's terms changed from one question to the next"))
	}
	return d, a, err
}

// roundTrip puts every question at once. What is held is asked of whoever's money it
// is, and what is allowed of whoever takes it.
func (r *Rail) roundTrip(ctx context.Context, d debt, payer rail.Payer) (a answers, err error) {
	target, _ := r.registry.Contract(d.chain, d.kinds[0]) // debt made sure of it
	wallet, who, spender := payer.Wallet, payer.Person(), target.Address
	if !payer.Owner.IsZero() {
		spender = wallet
	}
	read := func(from, to asset.Address, data []byte) chain.Call {
		return chain.ContractCall(chain.Msg{From: from, To: to, Data: data}, chain.Latest)
	}
	var questions []chain.Call
	if !wallet.IsZero() {
		trial, err := r.rehearse(&a, d, payer)
		if err != nil {
			return answers{}, err
		}
		questions = append(questions, chain.BalanceCall(who, chain.Latest), chain.GasPriceCall(), chain.SimulateCall(trial, chain.Latest))
		for _, n := range d.needs {
			if !n.token.Native {
				questions = append(questions,
					read(who, n.Token, official.BalanceOf(who)), read(who, n.Token, official.Allowance(who, spender)))
			}
		}
	}
	if _, several := d.order.(official.Batch); several {
		for _, data := range official.BatchTermsCalls() {
			questions = append(questions, read(wallet, target.Address, data))
		}
	}
	results, err := r.nodes[d.chain].Batch(ctx, questions)
	if err == nil {
		err = a.read(d, results, !wallet.IsZero())
	}
	if err != nil {
		return answers{}, chain.Unavailable(err)
	}
	return a, nil
}

// rehearse makes the trial run: every step, and for a smart account, which has
// nothing yet, how it gets the money before them.
func (r *Rail) rehearse(a *answers, d debt, payer rail.Payer) (msgs []chain.Msg, err error) {
	if a.tried, err = r.everyStep(d); err != nil {
		return nil, err
	}
	add := func(from asset.Address, calls ...rail.Call) {
		for _, c := range calls {
			msgs = append(msgs, chain.Msg{From: from, To: c.To, Data: c.Data, Value: c.Value})
		}
	}
	if !payer.Owner.IsZero() {
		n := d.needs[0]
		pulled, err := official.Pull{Owner: payer.Owner, Account: payer.Wallet, Token: n.Token, Amount: n.Take}.Rehearse(n.token.ResetAllowance)
		if err != nil {
			return nil, err
		}
		a.pulled = &pulled
		add(payer.Owner, pulled.Allow...)
		add(payer.Wallet, pulled.Take)
	}
	add(payer.Wallet, a.tried...)
	return msgs, nil
}

// read takes the answers in the order of the questions.
func (a *answers) read(d debt, results []chain.Result, wallet bool) error {
	var errs []error
	next := func() chain.Result {
		r := results[0]
		results = results[1:]
		return r
	}
	amount := func(decode func(chain.Result) (*big.Int, error)) *big.Int {
		v, err := decode(next())
		errs = append(errs, err)
		return v
	}
	if wallet {
		a.native, a.gasPrice = amount(chain.Result.Big), amount(chain.Result.Big)
		a.trial, a.trialErr = next().Simulated()
		for _, n := range d.needs {
			balance, allowance := a.native, (*big.Int)(nil)
			if !n.token.Native {
				balance, allowance = amount(official.ReadAmount), amount(official.ReadAmount)
			}
			a.balances, a.allowances = append(a.balances, balance), append(a.allowances, allowance)
		}
	}
	if _, several := d.order.(official.Batch); several {
		said := make([][]byte, len(results))
		for i := range said {
			b, err := next().Bytes()
			said[i], errs = b, append(errs, err)
		}
		var err error
		a.terms, err = official.DecodeBatchTerms(said)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// fill makes the calls' steps and funds of the answers, and judges the trial.
// cause explains a refused one for the logs.
func (r *Rail) fill(calls *rail.Calls, d debt, payer rail.Payer, a answers) (trial rail.Check, cause, err error) {
	if calls.Steps, err = r.steps(d, payer, a.allowances); err != nil {
		return rail.Check{}, nil, err
	}
	for i, n := range d.needs {
		h := rail.Holding{Asset: n.token.ID, Needed: n.Hold}
		if n.ContractFee.Sign() > 0 {
			h.ContractFee = n.ContractFee
		}
		if a.balances != nil {
			h.Balance, h.Allowance = a.balances[i], a.allowances[i]
		}
		calls.Funds.Assets = append(calls.Funds.Assets, h)
	}
	trial = rail.Check{Name: official.CheckSimulation, Outcome: rail.Waiting}
	if payer.Wallet.IsZero() {
		trial.Detail = "A trial run needs a connected wallet."
		return trial, nil, nil
	}
	calls.Funds.Native, calls.Funds.GasPrice = a.native, a.gasPrice
	usable := calls.Funds.EnoughBalance()
	switch {
	case usable && a.trialErr != nil:
		return rail.Check{}, nil, fault.New(fault.Unavailable, "trial_unavailable",
			"The network could not try this payment out. Please try again.").Because(a.trialErr)
	case usable:
		trial, cause = r.judge(d, payer.Wallet, &a)
	default:
		short := slices.IndexFunc(calls.Funds.Assets, func(h rail.Holding) bool { return !h.Enough() })
		trial.Detail = "A trial run needs more " + d.needs[short].token.Symbol + " than the connected wallet holds."
	}
	gas(calls, d, payer, a, usable)
	return trial, cause, nil
}

// judge compares the trial run with the payment. What is left of it afterwards are
// the outcomes of the steps.
func (r *Rail) judge(d debt, wallet asset.Address, a *answers) (c rail.Check, cause error) {
	calls := make([]official.SimulatedCall, len(a.trial))
	before := 0
	if a.pulled != nil {
		before = a.pulled.Calls()
	}
	for i, t := range a.trial {
		if t.Err != nil && cause == nil {
			cause = t.Err
		}
		calls[i] = official.SimulatedCall{Succeeded: t.Succeeded, Events: make([]official.Event, len(t.Logs))}
		if i >= before && i < before+len(a.tried) {
			calls[i].Kind = a.tried[i-before].Kind
		}
		for j, l := range t.Logs {
			calls[i].Events[j] = official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data}
		}
	}
	if len(a.trial) != before+len(a.tried) { // a node that answers another question has proven nothing
		a.trial = nil
		return r.registry.SimulationMatches(d.order, wallet, nil), cause
	}
	a.trial = a.trial[before:]
	if a.pulled != nil {
		if why := a.pulled.Refused(calls); why != "" {
			return rail.Check{Name: official.CheckSimulation, Outcome: rail.Refused, Detail: why}, cause
		}
	}
	return r.registry.SimulationMatches(d.order, wallet, calls[before:]), cause
}

// gas fills in what the steps take. Without a usable trial the steps' own
// estimates stay zero, and the funds are reckoned with typical figures.
func gas(calls *rail.Calls, d debt, payer rail.Payer, a answers, usable bool) {
	type step struct {
		kind  rail.CallKind
		asset asset.ID
	}
	used := map[step]uint64{}
	for i, t := range a.trial {
		if usable && i < len(a.tried) {
			used[step{a.tried[i].Kind, a.tried[i].Asset}] = t.GasUsed
		}
	}
	total := new(big.Int)
	for i := range calls.Steps {
		s := &calls.Steps[i]
		s.Gas = used[step{s.Kind, s.Asset}]
		estimate := s.Gas
		switch {
		case estimate > 0:
		case s.Kind != rail.Pay:
			estimate = typicalApproveGas
		default:
			estimate = typicalPayGas(d.order)
		}
		total.Add(total, new(big.Int).SetUint64(estimate))
	}
	total = rail.HoldForGas(total, a.gasPrice)
	if payer.Safe {
		calls.SizeForSafe()
	}
	if payer.Safe || !payer.Owner.IsZero() { // somebody else pays for gas
		total.SetInt64(0)
	}
	for _, s := range calls.Steps {
		total.Add(total, s.Value)
	}
	calls.Funds.NativeNeeded = total
}

func typicalPayGas(order official.Order) uint64 {
	switch o := order.(type) {
	case official.Batch:
		return typicalBatchGas + typicalBatchItemGas*uint64(len(o.Requests))
	case official.Expectation:
		if o.Token.IsZero() {
			return typicalEthGas
		}
	}
	return typicalERC20Gas
}
