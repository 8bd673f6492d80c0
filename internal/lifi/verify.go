package lifi

import (
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// The names of the checks, in their order. They are stored and sent on wires:
// they never change. Those marked are asked of bridges only.
const (
	CheckTarget   = "route_target"   // LI.FI's pinned contract on the payer's chain
	CheckValue    = "route_value"    // native currency: none, or the bridge's fee within its limit
	CheckCalldata = "route_calldata" // a known function, decoded to the last byte
	CheckApproval = "route_approval" // exactly what the contract pulls, for that contract
	CheckSource   = "route_source"   // what is pulled, LI.FI's fee and exchanges
	CheckBridge   = "route_bridge"   // bridge: asset and amount that go in, and the chain
	CheckReceiver = "route_receiver" // the pinned contract, or the payer, gets the asked asset
	CheckRefund   = "route_refund"   // bridge: the payer gets back what cannot be delivered
	CheckOutput   = "route_output"   // what surely arrives covers amount and fee
	CheckDeadline = "route_deadline" // bridge: neither stale nor open for long
	CheckPayment  = "route_payment"  // bridge: the call on arrival is this payment and nothing else
)

var (
	bridgeChecks = []string{CheckTarget, CheckValue, CheckCalldata, CheckApproval, CheckSource, CheckBridge, CheckReceiver,
		CheckRefund, CheckOutput, CheckDeadline, CheckPayment}
	swapChecks = []string{CheckTarget, CheckValue, CheckCalldata, CheckApproval, CheckSource, CheckReceiver, CheckOutput}

	passed = map[string]string{
		CheckTarget:   "The transaction calls LI.FI's known contract.",
		CheckValue:    "No native currency is sent but the bridge's own fee.",
		CheckCalldata: "Every byte of the transaction was read.",
		CheckApproval: "The allowance is for LI.FI's contract and for exactly what it takes.",
		CheckSource:   "It takes no more than agreed, and fees stay within their limit.",
		CheckBridge:   "The bridge gets the right asset for the right chain.",
		CheckReceiver: "The right asset goes to the known receiver.",
		CheckRefund:   "Whatever cannot be delivered comes back to you.",
		CheckOutput:   "What arrives at least covers the payment and its fee.",
		CheckDeadline: "The offer is fresh and ends soon.",
		CheckPayment:  "On arrival exactly this payment is made.",
	}
)

// Transaction is what LI.FI wants signed.
type Transaction struct {
	Chain asset.ChainID
	From  asset.Address // zero if it was not said
	To    asset.Address
	Data  []byte
	Value *big.Int // wei
	// Spender is whom LI.FI says to allow the source asset, zero if it did not.
	Spender asset.Address
}

// Verify decodes a transaction and the approvals before it and compares them
// with what the payer agreed to. It trusts nothing that built them. The answer
// always has the same checks in the same order, eleven for a bridge and seven
// on one chain. It is pure and takes a fraction of a millisecond.
//
// approvals are the reset and approve calls that go before, in order; none if
// the allowance suffices already.
func (t *Table) Verify(in Intent, tx Transaction, approvals []rail.Call, now time.Time) []rail.Check {
	v := &verifier{table: t, in: in, tx: tx, now: now, refused: map[string]string{}}
	names := swapChecks
	if in.Crosses() {
		names = bridgeChecks
	}
	v.run(names, approvals)
	checks := make([]rail.Check, len(names))
	for i, name := range names {
		checks[i] = rail.Check{Name: name, Outcome: rail.Passed, Detail: passed[name]}
		if why := v.refused[name]; why != "" {
			checks[i].Outcome, checks[i].Detail = rail.Refused, why
		}
	}
	return checks
}

// verifier keeps the first thing that is wrong for each check.
type verifier struct {
	table    *Table
	in       Intent
	tx       Transaction
	now      time.Time
	from, to Network
	call     *Call
	refused  map[string]string
}

func (v *verifier) run(names []string, approvals []rail.Call) {
	if err := v.in.check(v.table); err != nil {
		v.unknown(names, "Nothing can be compared: "+err.Error()+".")
		return
	}
	v.from, _ = v.table.Network(v.in.From.Chain)
	v.to, _ = v.table.Network(v.in.To.Chain)
	v.target()
	call, err := DecodeCall(v.tx.Data)
	if err == nil && (call.Swap == nil) != v.in.Crosses() {
		err = fmt.Errorf("selector 0x%x: %w here", call.Selector, ErrSelector)
	}
	if err != nil {
		v.set(CheckCalldata, "Calldata: "+err.Error()+".")
		v.unknown(names, "Not known: the calldata could not be read.")
		return
	}
	v.call = call
	v.value()
	v.approvals(approvals)
	v.source()
	if call.Swap != nil {
		v.swap()
		return
	}
	v.bridge()
	if call.Across != nil {
		v.across(call.Across)
	} else {
		v.stargate(call.Stargate)
	}
	v.message(call.message())
}

// unknown refuses whatever could not be told.
func (v *verifier) unknown(names []string, why string) {
	for _, name := range names {
		if name != CheckTarget || v.from.Chain == 0 {
			v.set(name, why)
		}
	}
}

// set keeps the first reason.
func (v *verifier) set(check, why string) {
	if v.refused[check] == "" {
		v.refused[check] = why
	}
}

// same refuses two values that differ.
func same[T comparable](v *verifier, check, field string, expected, got T) {
	if expected != got {
		v.set(check, differs(field, expected, got))
	}
}

func sameAmount(v *verifier, check, field string, expected, got *big.Int) {
	if got == nil || expected.Cmp(got) != 0 {
		v.set(check, differs(field, expected, got))
	}
}

func differs(field string, expected, got any) string {
	return fmt.Sprintf("The %s differs: expected %v, got %v.", field, expected, got)
}

func (v *verifier) target() {
	same(v, CheckTarget, "chain of the transaction", v.in.From.Chain, v.tx.Chain)
	same(v, CheckTarget, "target", v.from.Diamond, v.tx.To)
	if !v.tx.From.IsZero() {
		same(v, CheckTarget, "sender", v.in.Payer, v.tx.From)
	}
	if !v.tx.Spender.IsZero() {
		same(v, CheckApproval, "contract that LI.FI wants allowed", v.from.Diamond, v.tx.Spender)
	}
}

func (v *verifier) value() {
	want := new(big.Int)
	if s := v.call.Stargate; s != nil {
		want = s.NativeFee
		if want.Cmp(v.from.MaxNativeFee) > 0 {
			v.set(CheckValue, fmt.Sprintf("The bridge's fee of %v wei is over the limit of %v.", want, v.from.MaxNativeFee))
		}
	}
	sameAmount(v, CheckValue, "value sent", want, v.tx.Value)
}

// approvals allows none, an approval, and a reset with an approval after it.
func (v *verifier) approvals(calls []rail.Call) {
	switch {
	case len(calls) == 0,
		len(calls) == 1 && calls[0].Kind == rail.Approve,
		len(calls) == 2 && calls[0].Kind == rail.Reset && calls[1].Kind == rail.Approve:
	default:
		v.set(CheckApproval, fmt.Sprintf("Expected at most one approval and its reset, got %d calls.", len(calls)))
	}
	for _, c := range calls {
		amount := v.call.Deposit()
		if c.Kind == rail.Reset {
			amount = new(big.Int)
		}
		same(v, CheckApproval, "asset that is approved", v.in.From.Address, c.To)
		sameAmount(v, CheckApproval, "value sent with the approval", new(big.Int), c.Value)
		a, err := official.DecodeApproval(c.Data)
		if err != nil {
			v.set(CheckApproval, "Approval: "+err.Error()+".")
			continue
		}
		same(v, CheckApproval, "spender", v.from.Diamond, a.Spender)
		sameAmount(v, CheckApproval, "approved amount", amount, a.Amount)
	}
}

// swap compares an exchange on one chain. Its last asset and the exchange
// itself are source's.
func (v *verifier) swap() {
	same(v, CheckReceiver, "receiver", v.in.Payer, v.call.Swap.Receiver)
	v.covers()
}
