package crosschain

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// First topics beside official.TopicTransfer.
const (
	// topicApproval is Approval(address,address,uint256) of ERC-20 and of ERC-721.
	topicApproval = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
	// topicApprovalForAll is ApprovalForAll(address,address,bool) of ERC-721 and ERC-1155.
	topicApprovalForAll = "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31"
	// topicTransferSingle and topicTransferBatch are ERC-1155's.
	topicTransferSingle = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
	topicTransferBatch  = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb"
)

// judge compares the trial run with the offer. The destination's side cannot be
// tried out from here: it is proven from the calldata alone. What is left of the trial
// run afterwards are the outcomes of the steps.
func (r *Rail) judge(d debt, o *offer, a *answers) (c rail.Check, cause error) {
	for i, t := range a.trial {
		if t.Err != nil {
			cause = fmt.Errorf("call %d of the trial run: %w", i, t.Err)
			break
		}
	}
	c = rail.Check{Name: official.CheckSimulation, Outcome: rail.Passed, Detail: "A trial run on the chain moves exactly the amounts that are shown."}
	t := trial{offer: o, payer: topicOf(o.intent.Payer), given: new(big.Int), native: new(big.Int), got: new(big.Int)}
	before := 0
	if a.pulled != nil {
		before = a.pulled.Calls()
	}
	if len(a.trial) != before+len(a.source)+len(a.settle) {
		c.Outcome, c.Detail = rail.Refused, "The trial run has another number of transactions." // a node that answers another question
		a.trial = nil
		return c, cause
	}
	if a.pulled != nil {
		if why := a.pulled.Refused(simulated(nil, a.trial)); why != "" {
			c.Outcome, c.Detail = rail.Refused, why
			return c, cause
		}
	}
	a.trial = a.trial[before:]
	if why := t.run(a.source, a.trial[:len(a.source)]); why != "" {
		c.Outcome, c.Detail = rail.Refused, why
		return c, cause
	}
	if !o.crosses {
		return r.registry.SimulationMatches(d.order, o.intent.Payer, simulated(a.settle, a.trial[len(a.source):])), cause
	}
	return c, cause
}

// simulated are the outcomes of calls, or of any if there are none.
func simulated(calls []rail.Call, outcomes []chain.Simulated) []official.SimulatedCall {
	out := make([]official.SimulatedCall, len(outcomes))
	for i, s := range outcomes {
		out[i] = official.SimulatedCall{Succeeded: s.Succeeded, Events: make([]official.Event, len(s.Logs))}
		if len(calls) > 0 {
			out[i].Kind = calls[i].Kind
		}
		for j, l := range s.Logs {
			out[i].Events[j] = official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data}
		}
	}
	return out
}

// trial adds up what the calls up to LI.FI's transaction do to the payer.
type trial struct {
	*offer
	payer  string // as an indexed argument
	given  *big.Int
	native *big.Int
	got    *big.Int // of the payment's asset, out of an exchange
}

// run returns what is wrong, or "".
func (t *trial) run(calls []rail.Call, outcomes []chain.Simulated) string {
	for i, outcome := range outcomes {
		last := i == len(outcomes)-1
		if !outcome.Succeeded {
			return fmt.Sprintf("In a trial run the %s transaction fails.", calls[i].Kind)
		}
		for _, l := range outcome.Logs {
			if why := t.event(l, last); why != "" {
				return why
			}
		}
	}
	switch {
	case t.given.Cmp(t.deposit) != 0:
		return fmt.Sprintf("In a trial run %v of %s leaves the payer, shown is %v.", t.given, t.from.Symbol, t.deposit)
	case t.native.Cmp(t.step.Transaction.Value) != 0:
		return fmt.Sprintf("In a trial run %v wei leave the payer, shown are %v.", t.native, t.step.Transaction.Value)
	case !t.crosses && t.got.Cmp(t.intent.Required()) < 0:
		return fmt.Sprintf("In a trial run the exchange gives %v of %s, the payment needs %v.", t.got, t.intent.To.Symbol, t.intent.Required())
	}
	return ""
}

// event takes note of one event, or says why it must not happen. route tells
// that it belongs to LI.FI's transaction and not to an approval.
func (t *trial) event(l chain.Log, route bool) string {
	if len(l.Topics) == 0 {
		return ""
	}
	switch l.Topics[0] {
	case official.TopicTransfer:
		return t.transfer(l, route)
	case topicApproval:
		if len(l.Topics) > 2 && l.Topics[1] == t.payer && (l.Address != t.from.Address || l.Topics[2] != topicOf(t.network.Diamond)) {
			return fmt.Sprintf("In a trial run another contract gets an allowance over the payer's %s.", l.Address)
		}
	case topicApprovalForAll:
		if len(l.Topics) > 1 && l.Topics[1] == t.payer {
			return fmt.Sprintf("In a trial run somebody may take all of the payer's %s.", l.Address)
		}
	case topicTransferSingle, topicTransferBatch:
		if len(l.Topics) > 2 && l.Topics[2] == t.payer {
			return fmt.Sprintf("In a trial run tokens of %s leave the payer.", l.Address)
		}
	}
	return ""
}

func (t *trial) transfer(l chain.Log, route bool) string {
	if len(l.Topics) < 3 {
		// Before ERC-20 was settled some tokens indexed nothing: such an event
		// cannot be told from one that takes the payer's money.
		return fmt.Sprintf("In a trial run %s emits a transfer that cannot be read.", l.Address)
	}
	from, to := l.Topics[1] == t.payer, l.Topics[2] == t.payer
	known := len(l.Topics) == 3 && (l.Address == t.from.Address || l.Address == t.intent.To.Address || l.Address == official.NativeTracer)
	switch {
	case !from && !to, !known && !from:
		return ""
	case !known || l.Address == t.intent.To.Address && from && l.Address != t.from.Address:
		return fmt.Sprintf("In a trial run another asset leaves the payer: %s.", l.Address)
	case len(l.Data) != 32:
		return fmt.Sprintf("In a trial run %s emits a transfer that cannot be read.", l.Address)
	}
	amount := new(big.Int).SetBytes(l.Data)
	switch {
	case from && amount.Sign() > 0 && (!route || l.Topics[2] != topicOf(t.network.Diamond)):
		return fmt.Sprintf("In a trial run %v of %s goes to %s, which is not shown.", amount, l.Address, l.Topics[2])
	case from && l.Address == official.NativeTracer:
		t.native.Add(t.native, amount)
	case from:
		t.given.Add(t.given, amount)
	case l.Address == t.intent.To.Address && route:
		t.got.Add(t.got, amount)
	}
	return ""
}

// topicOf is an address as an indexed argument.
func topicOf(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }
