package official

import (
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/rail"
)

// The names of the checks. They are stored and sent on wires: they never change.
const (
	CheckContract   = "contract_official"
	CheckCalldata   = "calldata_matches"
	CheckApproval   = "approval_exact"
	CheckCode       = "code_pinned"
	CheckSimulation = "simulation_matches"
)

// Verify decodes every call again and compares it with the order. It trusts
// nothing that built the calls: targets are looked up, every byte of calldata
// is accounted for, and nothing but approvals that are needed (each with its
// reset directly before it) may stand before the one payment. The answer always
// has the same three checks in the same order.
func (r *Registry) Verify(order Order, calls []rail.Call) []rail.Check {
	v := verifier{order: order}
	var err error
	if v.outline, err = r.outline(order); err != nil {
		why := "Nothing can be compared: " + err.Error() + "."
		return []rail.Check{outcome(CheckContract, why, ""), outcome(CheckCalldata, why, ""), outcome(CheckApproval, why, "")}
	}
	v.run(calls)
	target := v.target()
	return []rail.Check{
		outcome(CheckContract, v.contract, "The payment goes to the official "+string(target.Kind)+" "+target.Version+"."),
		outcome(CheckCalldata, v.calldata, "The transaction says exactly what is shown: asset, payee, amount, fee and reference."),
		outcome(CheckApproval, v.approval, v.approvalPassed()),
	}
}

func outcome(name, refused, passed string) rail.Check {
	if refused != "" {
		return rail.Check{Name: name, Outcome: rail.Refused, Detail: refused}
	}
	return rail.Check{Name: name, Outcome: rail.Passed, Detail: passed}
}

// verifier keeps the first thing that is wrong for each check.
type verifier struct {
	outline
	order     Order
	approvals int

	contract, calldata, approval string
}

func (v *verifier) approvalPassed() string {
	switch v.approvals {
	case 0:
		return "No approval is asked for."
	case 1:
		return "The approval is for the official contract and for exactly the amount that is needed."
	default:
		return "The approvals are for the official contract and for exactly the amounts that are needed."
	}
}

func (v *verifier) run(calls []rail.Call) {
	v.sequence(calls)
	done := -1 // the last token that was approved
	for _, c := range calls {
		switch c.Kind {
		case rail.Pay:
			v.pay(c)
		case rail.Approve:
			done = v.approve(c, done)
		case rail.Reset:
			v.approve(c, done)
		}
	}
}

// sequence allows, before the one payment that comes last, at most one approval
// for each token, directly after a reset of the same token if there is one.
func (v *verifier) sequence(calls []rail.Call) {
	rest, approvals := calls, 0
	for len(rest) > 1 {
		if rest[0].Kind == rail.Reset && rest[1].Kind == rail.Approve && rest[0].To == rest[1].To {
			rest = rest[1:]
		}
		if rest[0].Kind != rail.Approve {
			break
		}
		rest = rest[1:]
		approvals++
	}
	if len(rest) == 1 && rest[0].Kind == rail.Pay && approvals <= len(v.tokens) {
		return
	}
	kinds := make([]rail.CallKind, len(calls))
	for i, c := range calls {
		kinds[i] = c.Kind
	}
	set(&v.calldata, fmt.Sprintf("Transactions: expected one payment and at most its own approvals before it, got %v.", kinds))
}

func (v *verifier) pay(c rail.Call) {
	if c.To != v.target().Address {
		set(&v.contract, differs("target", v.target().Address, c.To))
	}
	value := new(big.Int)
	for _, n := range v.order.Needs() {
		if n.Token.IsZero() {
			value = n.Take
		}
	}
	v.value(&v.calldata, c, value)
	v.order.compare(v, c.Data)
}

// payment compares one payment's calldata. which begins each complaint.
func (v *verifier) payment(which string, want Expectation, got BatchItem) {
	if got.Token != want.Token {
		set(&v.calldata, which+differs("token", want.Token, got.Token))
	}
	if got.Payee != want.Payee {
		set(&v.calldata, which+differs("payee", want.Payee, got.Payee))
	}
	if got.Amount.Cmp(want.Amount) != 0 {
		set(&v.calldata, which+differs("amount", want.Amount, got.Amount))
	}
	if got.Reference != want.Reference {
		set(&v.calldata, which+differs("payment reference", want.Reference, got.Reference))
	}
	if got.Fee.Cmp(want.Fee) != 0 {
		set(&v.calldata, which+differs("fee", want.Fee, got.Fee))
	}
}

// approve compares one approval or reset. It returns which of the tokens it is
// for: they must come in their order, after the one that is done.
func (v *verifier) approve(c rail.Call, done int) (which int) {
	if c.Kind == rail.Approve {
		v.approvals++
	}
	if len(v.tokens) == 0 {
		set(&v.approval, "A native currency needs no approval, got one.")
		return done
	}
	which = v.token(c.To)
	expected := v.tokens[min(done+1, len(v.tokens)-1)]
	if which > done {
		expected = v.tokens[which]
	} else {
		set(&v.approval, differs("token that is approved", expected.Token, c.To))
		which = done
	}
	v.value(&v.approval, c, new(big.Int))
	a, err := DecodeApproval(c.Data)
	if err != nil {
		set(&v.approval, "Approval: "+err.Error()+".")
		return which
	}
	if a.Spender != v.target().Address {
		set(&v.approval, differs("spender", v.target().Address, a.Spender))
	}
	amount := expected.Take
	if c.Kind == rail.Reset {
		amount = new(big.Int)
	}
	if a.Amount.Cmp(amount) != 0 {
		set(&v.approval, differs("approved amount", amount, a.Amount))
	}
	return which
}

func (v *verifier) value(check *string, c rail.Call, want *big.Int) {
	if c.Value == nil || c.Value.Cmp(want) != 0 {
		set(check, differs("value sent with the "+string(c.Kind)+" transaction", want, c.Value))
	}
}

// set keeps the first reason.
func set(check *string, why string) {
	if *check == "" {
		*check = why
	}
}

func differs(field string, expected, got any) string {
	return fmt.Sprintf("The %s differs: expected %v, got %v.", field, expected, got)
}

// Named returns calls that somebody else put together with the kinds that a
// payment's calls have by their place: the last one pays, and before it what
// approves nothing resets and all else must approve.
func Named(calls []rail.Call) []rail.Call {
	named := slices.Clone(calls)
	for i := range named {
		named[i].Kind = rail.Approve
		if a, err := DecodeApproval(named[i].Data); err == nil && a.Amount.Sign() == 0 {
			named[i].Kind = rail.Reset
		}
	}
	if len(named) > 0 {
		named[len(named)-1].Kind = rail.Pay
	}
	return named
}
