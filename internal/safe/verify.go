package safe

import (
	"bytes"
	"fmt"
	"math/big"

	"quittance/internal/rail"
)

// The names of the checks, in their order. They are stored and sent on wires:
// they never change.
const (
	CheckHash      = "safe_hash"      // the announced hash is this transaction's, on this chain and Safe
	CheckTarget    = "safe_target"    // the call's own target, or a pinned MultiSendCallOnly
	CheckOperation = "safe_operation" // a plain call, or a delegatecall to MultiSendCallOnly
	CheckCalls     = "safe_calls"     // exactly the payment's calls, decoded to the last byte
	CheckValue     = "safe_value"     // native currency: the call's own, or none beside a batch
	CheckRefund    = "safe_refund"    // nobody is paid for gas
	CheckGas       = "safe_gas"       // a bound on gas under which it can be executed
	CheckNonce     = "safe_nonce"     // it is still to come, and soon; pending while the Safe was not read
)

var checkNames = []string{CheckHash, CheckTarget, CheckOperation, CheckCalls, CheckValue, CheckRefund, CheckGas, CheckNonce}

var passed = map[string]string{
	CheckHash:      "The hash is that of this transaction.",
	CheckTarget:    "The transaction goes to the contract it must, or to Safe's own for batches.",
	CheckOperation: "No other code acts as the Safe.",
	CheckCalls:     "It makes the calls of this payment and nothing else.",
	CheckValue:     "It sends no native currency but the payment's own.",
	CheckRefund:    "Nobody is paid for executing it.",
	CheckGas:       "Its limit for gas lets it be executed.",
	CheckNonce:     "The Safe can still execute it.",
}

// MaxQueue is how many of a Safe's transactions may have to be executed before.
const MaxQueue = 100

// maxGas is what a transaction may use at the most (EIP-7825).
const maxGas = 1 << 24

// Verify compares a Safe transaction with the calls that must be made, in their
// order. It trusts nothing that built or passed it on. The answer always has the
// same eight checks in the same order. a is the Safe as it was read, nil if it
// was not; nothing of it but the nonce is used. A transaction that was executed
// already is refused for its nonce: ask Judge first.
func (t *Table) Verify(p Proposal, calls []rail.Call, a *Account) []rail.Check {
	v := &verifier{table: t, p: p, refused: map[string]string{}}
	v.hash()
	v.calls(calls)
	v.payment()
	v.nonce(a)
	checks := make([]rail.Check, len(checkNames))
	for i, name := range checkNames {
		checks[i] = rail.Check{Name: name, Outcome: rail.Passed, Detail: passed[name]}
		if why := v.refused[name]; why != "" {
			checks[i].Outcome, checks[i].Detail = rail.Refused, why
		} else if name == CheckNonce && a == nil {
			checks[i].Outcome, checks[i].Detail = rail.Waiting, "The Safe was not read yet."
		}
	}
	return checks
}

// verifier keeps the first thing that is wrong for each check.
type verifier struct {
	table   *Table
	p       Proposal
	refused map[string]string
}

func (v *verifier) set(check, format string, args ...any) {
	if v.refused[check] == "" {
		v.refused[check] = fmt.Sprintf(format, args...)
	}
}

func (v *verifier) hash() {
	h, err := v.p.Tx.Hash(v.p.Chain, v.p.Safe)
	switch {
	case err != nil:
		v.set(CheckHash, "The transaction has no hash: %v.", err)
	case h != v.p.Hash:
		v.set(CheckHash, "The hash differs: expected %s, got %s.", h, v.p.Hash)
	}
}

func (v *verifier) calls(want []rail.Call) {
	tx := v.p.Tx
	if len(want) == 0 {
		v.set(CheckCalls, "There is nothing to pay.")
		return
	}
	for _, c := range want {
		if c.To == v.p.Safe || c.To.IsZero() {
			v.set(CheckTarget, "The Safe would be told to change itself.")
		}
	}
	if tx.Operation == OpCall {
		v.single(want)
		return
	}
	if tx.Operation != OpDelegateCall {
		v.set(CheckOperation, "Operation %d is none.", tx.Operation)
	}
	c, ok := v.table.Contract(v.p.Chain, tx.To)
	if !ok || c.Kind != MultiSendCallOnly {
		v.set(CheckTarget, "%s is not Safe's contract for batches of calls.", tx.To)
		v.set(CheckOperation, "Code of %s would act as the Safe.", tx.To)
	}
	if orZero(tx.Value).Sign() != 0 {
		v.set(CheckValue, "A batch bears no value of its own: got %v wei.", tx.Value)
	}
	items, err := DecodeMultiSend(tx.Data)
	if err != nil {
		v.set(CheckCalls, "The batch cannot be read: %v.", err)
		return
	}
	if len(items) != len(want) {
		v.set(CheckCalls, "Expected %d calls, got %d.", len(want), len(items))
		return
	}
	for i, item := range items {
		if why := differs(want[i], item); why != "" {
			v.set(CheckCalls, "Call %d: %s", i+1, why)
		}
	}
}

// single judges a transaction that is a call by itself.
func (v *verifier) single(want []rail.Call) {
	tx := v.p.Tx
	if len(want) != 1 {
		v.set(CheckCalls, "Expected %d calls, got one.", len(want))
	}
	if tx.To != want[0].To {
		v.set(CheckTarget, "The target differs: expected %s, got %s.", want[0].To, tx.To)
	}
	if orZero(want[0].Value).Cmp(orZero(tx.Value)) != 0 {
		v.set(CheckValue, "The value differs: expected %v, got %v wei.", orZero(want[0].Value), tx.Value)
	}
	if why := differs(want[0], Item{To: tx.To, Value: orZero(tx.Value), Data: tx.Data}); why != "" {
		v.set(CheckCalls, "%s", why)
	}
}

// differs says how an item is not the call it should be, "" if it is.
func differs(want rail.Call, got Item) string {
	switch {
	case got.To != want.To:
		return fmt.Sprintf("The target differs: expected %s, got %s.", want.To, got.To)
	case orZero(want.Value).Cmp(got.Value) != 0:
		return fmt.Sprintf("The value differs: expected %v, got %v wei.", orZero(want.Value), got.Value)
	case !bytes.Equal(got.Data, want.Data):
		return "The calldata differs."
	}
	return ""
}

// payment judges what the Safe pays for gas. With a price of zero the other
// fields have no effect; whoever filled them in wanted something else.
func (v *verifier) payment() {
	tx := v.p.Tx
	switch {
	case orZero(tx.GasPrice).Sign() != 0:
		v.set(CheckRefund, "The Safe would pay for gas: %v for each unit.", tx.GasPrice)
	case orZero(tx.BaseGas).Sign() != 0:
		v.set(CheckRefund, "The Safe would pay for %v of gas.", tx.BaseGas)
	case !tx.GasToken.IsZero():
		v.set(CheckRefund, "The Safe would pay for gas in %s.", tx.GasToken)
	case !tx.RefundReceiver.IsZero():
		v.set(CheckRefund, "The Safe would pay %s for gas.", tx.RefundReceiver)
	}
	if g := orZero(tx.SafeTxGas); g.Sign() < 0 || g.Cmp(big.NewInt(maxGas)) > 0 {
		v.set(CheckGas, "It demands %v of gas, more than a transaction can have.", g)
	}
}

func (v *verifier) nonce(a *Account) {
	switch n := v.p.Tx.Nonce; {
	case a == nil:
	case a.Chain != v.p.Chain || a.Address != v.p.Safe:
		v.set(CheckNonce, "Another Safe was read.")
	case n < a.Nonce:
		v.set(CheckNonce, "The Safe is past nonce %d: its next is %d.", n, a.Nonce)
	case n-a.Nonce > MaxQueue:
		v.set(CheckNonce, "The Safe would first have to execute %d others.", n-a.Nonce)
	}
}
