package evmref

import (
	"context"
	"errors"
	"math/big"

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
)

// A wallet sets a higher limit than what is used, and prices move before it
// signs: the payer is told to hold five quarters of the estimate.
const gasMarginNumerator, gasMarginDenominator = 5, 4

// answers is what one round trip told.
type answers struct {
	native    *big.Int
	gasPrice  *big.Int
	balance   *big.Int // of the asset
	allowance *big.Int // nil for native currency
	trial     []chain.Simulated
	trialErr  error
}

// ask reads the payer's funds and tries the payment out, in one round trip, and
// fills in the calls' steps and funds. cause explains a refused trial for the logs.
func (r *Rail) ask(ctx context.Context, d debt, wallet asset.Address, calls *rail.Calls) (trial rail.Check, cause, err error) {
	tried, err := r.everyStep(d)
	if err != nil {
		return rail.Check{}, nil, err
	}
	a, err := r.roundTrip(ctx, d, wallet, tried)
	if err != nil {
		return rail.Check{}, nil, fault.New(fault.Unavailable, "chain_unavailable",
			"The network does not answer at the moment. Please try again.").Because(err)
	}
	if calls.Steps, err = r.plan(d, a.allowance); err != nil {
		return rail.Check{}, nil, err
	}
	calls.Funds.Assets[0].Balance, calls.Funds.Assets[0].Allowance = a.balance, a.allowance
	calls.Funds.Native, calls.Funds.GasPrice = a.native, a.gasPrice

	trial = rail.Check{
		Name: official.CheckSimulation, Outcome: rail.Waiting,
		Detail: "A trial run needs more " + d.token.Symbol + " than the connected wallet holds.",
	}
	usable := calls.Funds.EnoughBalance()
	if usable {
		if a.trialErr != nil {
			return rail.Check{}, nil, fault.New(fault.Unavailable, "trial_unavailable",
				"The network could not try this payment out. Please try again.").Because(a.trialErr)
		}
		trial, cause = r.judge(d, wallet, tried, a.trial)
	}
	gas(calls, tried, a, usable)
	return trial, cause, nil
}

// everyStep is the longest sequence the payer may have to send. It is what is
// tried out, because the allowance that decides is asked for in the same
// round trip: a reset and an approval too many change nothing about the payment.
func (r *Rail) everyStep(d debt) ([]rail.Call, error) {
	switch {
	case d.token.Native:
		return r.build(d, rail.Pay)
	case d.token.ResetAllowance:
		return r.build(d, rail.Reset, rail.Approve, rail.Pay)
	default:
		return r.build(d, rail.Approve, rail.Pay)
	}
}

func (r *Rail) roundTrip(ctx context.Context, d debt, wallet asset.Address, tried []rail.Call) (answers, error) {
	msgs := make([]chain.Msg, len(tried))
	for i, c := range tried {
		msgs[i] = chain.Msg{From: wallet, To: c.To, Data: c.Data, Value: c.Value}
	}
	questions := []chain.Call{
		chain.BalanceCall(wallet, chain.Latest), chain.GasPriceCall(), chain.SimulateCall(msgs, chain.Latest),
	}
	if !d.token.Native {
		proxy, _ := r.registry.Proxy(d.Chain, d.Token) // debt made sure of it
		questions = append(questions,
			chain.ContractCall(chain.Msg{From: wallet, To: d.Token, Data: official.BalanceOf(wallet)}, chain.Latest),
			chain.ContractCall(chain.Msg{From: wallet, To: d.Token, Data: official.Allowance(wallet, proxy.Address)}, chain.Latest))
	}
	results, err := r.nodes[d.Chain].Batch(ctx, questions)
	if err != nil {
		return answers{}, err
	}
	var a answers
	var errs [4]error
	a.native, errs[0] = results[0].Big()
	a.gasPrice, errs[1] = results[1].Big()
	a.trial, a.trialErr = results[2].Simulated()
	a.balance = a.native
	if !d.token.Native {
		a.balance, errs[2] = amountOf(results[3])
		a.allowance, errs[3] = amountOf(results[4])
	}
	return a, errors.Join(errs[:]...)
}

func amountOf(r chain.Result) (*big.Int, error) {
	b, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	return official.DecodeAmount(b)
}

// judge compares the trial run with the payment.
func (r *Rail) judge(d debt, wallet asset.Address, tried []rail.Call, trial []chain.Simulated) (c rail.Check, cause error) {
	calls := make([]official.SimulatedCall, len(trial))
	for i, t := range trial {
		if t.Err != nil && cause == nil {
			cause = t.Err
		}
		calls[i] = official.SimulatedCall{Succeeded: t.Succeeded, Events: make([]official.Event, len(t.Logs))}
		if i < len(tried) {
			calls[i].Kind = tried[i].Kind
		}
		for j, l := range t.Logs {
			calls[i].Events[j] = official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data}
		}
	}
	if len(trial) != len(tried) {
		calls = nil // a node that answers another question has proven nothing
	}
	return r.registry.SimulationMatches(d.Expectation, wallet, calls), cause
}

// gas fills in what the steps take. Without a usable trial the steps' own
// estimates stay zero, and the funds are reckoned with typical figures.
func gas(calls *rail.Calls, tried []rail.Call, a answers, usable bool) {
	used := map[rail.CallKind]uint64{}
	for i, t := range a.trial {
		if usable && i < len(tried) {
			used[tried[i].Kind] = t.GasUsed
		}
	}
	total := new(big.Int)
	for i := range calls.Steps {
		step := &calls.Steps[i]
		step.Gas = used[step.Kind]
		estimate := step.Gas
		switch {
		case estimate > 0:
		case step.Kind != rail.Pay:
			estimate = typicalApproveGas
		case a.allowance != nil:
			estimate = typicalERC20Gas
		default:
			estimate = typicalEthGas
		}
		total.Add(total, new(big.Int).SetUint64(estimate))
	}
	total.Mul(total, a.gasPrice)
	total.Mul(total, big.NewInt(gasMarginNumerator)).Quo(total, big.NewInt(gasMarginDenominator))
	for _, step := range calls.Steps {
		total.Add(total, step.Value)
	}
	calls.Funds.NativeNeeded = total
}
