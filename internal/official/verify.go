package official

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
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

// Expectation is one payment as the payer was shown it: what the transactions
// must say, nothing more and nothing less.
type Expectation struct {
	Chain     asset.ChainID
	Token     asset.Address // zero for the native currency
	Payee     asset.Address
	Amount    *big.Int // base units that must reach the payee
	Reference Reference
	Fee       *big.Int      // base units on top, zero for none
	FeePayee  asset.Address // zero if there is no fee
}

// Total is what leaves the payer: amount and fee.
func (e Expectation) Total() *big.Int { return new(big.Int).Add(e.Amount, e.Fee) }

// check refuses expectations that no honest payment has.
func (e Expectation) check() error {
	switch {
	case e.Amount == nil || e.Amount.Sign() <= 0:
		return fmt.Errorf("amount %v is not positive", e.Amount)
	case e.Fee == nil || e.Fee.Sign() < 0:
		return fmt.Errorf("fee %v is negative or missing", e.Fee)
	case e.Total().BitLen() > 256:
		return fmt.Errorf("amount and fee: %w", ErrAmount)
	case e.Payee.IsZero():
		return fmt.Errorf("payee is the zero address")
	case e.Fee.Sign() > 0 && e.FeePayee.IsZero():
		return fmt.Errorf("fee %s has no payee", e.Fee)
	}
	return nil
}

// PayCall builds the call of the official fee proxy that pays e.
func (r *Registry) PayCall(e Expectation) (rail.Call, error) {
	proxy, err := r.proxyFor(e)
	if err != nil {
		return rail.Call{}, err
	}
	call := rail.Call{Kind: rail.Pay, To: proxy.Address, Value: new(big.Int)}
	if e.Token.IsZero() {
		call.Value = e.Total()
		call.Data, err = EthPayment{Payee: e.Payee, Reference: e.Reference, Fee: e.Fee, FeePayee: e.FeePayee}.Encode()
	} else {
		call.Data, err = ERC20Payment{
			Token: e.Token, Payee: e.Payee, Amount: e.Amount, Reference: e.Reference, Fee: e.Fee, FeePayee: e.FeePayee,
		}.Encode()
	}
	return call, err
}

// ApproveCall builds the approval of exactly what PayCall takes, for an ERC-20.
func (r *Registry) ApproveCall(e Expectation) (rail.Call, error) {
	return r.approve(e, rail.Approve, e.Total())
}

// ResetCall builds the approval of nothing that some tokens demand before they
// change an allowance.
func (r *Registry) ResetCall(e Expectation) (rail.Call, error) {
	return r.approve(e, rail.Reset, new(big.Int))
}

func (r *Registry) approve(e Expectation, kind rail.CallKind, amount *big.Int) (rail.Call, error) {
	proxy, err := r.proxyFor(e)
	if err != nil {
		return rail.Call{}, err
	}
	if e.Token.IsZero() {
		return rail.Call{}, fmt.Errorf("chain %d: a native currency needs no approval", e.Chain)
	}
	data, err := Approval{Spender: proxy.Address, Amount: amount}.Encode()
	return rail.Call{Kind: kind, To: e.Token, Data: data, Value: new(big.Int)}, err
}

func (r *Registry) proxyFor(e Expectation) (Contract, error) {
	if err := e.check(); err != nil {
		return Contract{}, fmt.Errorf("payment on chain %d: %w", e.Chain, err)
	}
	proxy, ok := r.Proxy(e.Chain, e.Token)
	if !ok {
		return Contract{}, fmt.Errorf("chain %d has no official %s", e.Chain, proxyKind(e.Token))
	}
	return proxy, nil
}

// Verify decodes every call again and compares it with the payment. It trusts
// nothing that built the calls: targets are looked up, every byte of calldata
// is accounted for, and nothing but an approval that is needed (with its reset
// directly before it) may stand before the one payment. The answer always has
// the same three checks in the same order.
func (r *Registry) Verify(e Expectation, calls []rail.Call) []rail.Check {
	v := verifier{registry: r, e: e}
	v.run(calls)
	return []rail.Check{
		outcome(CheckContract, v.contract, "The payment goes to the official "+string(v.proxy.Kind)+" "+v.proxy.Version+"."),
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
	registry  *Registry
	e         Expectation
	proxy     Contract
	approvals int

	contract, calldata, approval string
}

func (v *verifier) approvalPassed() string {
	if v.approvals == 0 {
		return "No approval is asked for."
	}
	return "The approval is for the official contract and for exactly the amount that is needed."
}

func (v *verifier) run(calls []rail.Call) {
	var err error
	if v.proxy, err = v.registry.proxyFor(v.e); err != nil {
		v.contract = "Nothing can be compared: " + err.Error() + "."
		v.calldata, v.approval = v.contract, v.contract
		return
	}
	v.order(calls)
	for _, c := range calls {
		switch c.Kind {
		case rail.Pay:
			v.pay(c)
		case rail.Approve:
			v.approve(c, v.e.Total())
		case rail.Reset:
			v.approve(c, new(big.Int))
		}
	}
}

// order allows pay, approve-pay and reset-approve-pay; pay alone for a native currency.
func (v *verifier) order(calls []rail.Call) {
	rest := calls
	if !v.e.Token.IsZero() {
		if len(rest) > 1 && rest[0].Kind == rail.Reset && rest[1].Kind == rail.Approve {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].Kind == rail.Approve {
			rest = rest[1:]
		}
	}
	if len(rest) == 1 && rest[0].Kind == rail.Pay {
		return
	}
	kinds := make([]rail.CallKind, len(calls))
	for i, c := range calls {
		kinds[i] = c.Kind
	}
	set(&v.calldata, fmt.Sprintf("Transactions: expected one payment and at most its own approval before it, got %v.", kinds))
}

func (v *verifier) pay(c rail.Call) {
	if c.To != v.proxy.Address {
		set(&v.contract, differs("target", v.proxy.Address, c.To))
	}
	if v.e.Token.IsZero() {
		v.payEth(c)
		return
	}
	v.value(&v.calldata, c, new(big.Int))
	p, err := DecodeERC20Payment(c.Data)
	if err != nil {
		set(&v.calldata, "Calldata: "+err.Error()+".")
		return
	}
	if p.Token != v.e.Token {
		set(&v.calldata, differs("token", v.e.Token, p.Token))
	}
	if p.Amount.Cmp(v.e.Amount) != 0 {
		set(&v.calldata, differs("amount", v.e.Amount, p.Amount))
	}
	v.common(EthPayment{Payee: p.Payee, Reference: p.Reference, Fee: p.Fee, FeePayee: p.FeePayee})
}

func (v *verifier) payEth(c rail.Call) {
	v.value(&v.calldata, c, v.e.Total())
	p, err := DecodeEthPayment(c.Data)
	if err != nil {
		set(&v.calldata, "Calldata: "+err.Error()+".")
		return
	}
	v.common(p)
}

// common compares what both kinds of payment say.
func (v *verifier) common(p EthPayment) {
	if p.Payee != v.e.Payee {
		set(&v.calldata, differs("payee", v.e.Payee, p.Payee))
	}
	if p.Reference != v.e.Reference {
		set(&v.calldata, differs("payment reference", v.e.Reference, p.Reference))
	}
	if p.Fee.Cmp(v.e.Fee) != 0 {
		set(&v.calldata, differs("fee", v.e.Fee, p.Fee))
	}
	if p.FeePayee != v.e.FeePayee {
		set(&v.calldata, differs("fee address", v.e.FeePayee, p.FeePayee))
	}
}

func (v *verifier) approve(c rail.Call, amount *big.Int) {
	v.approvals++
	if v.e.Token.IsZero() {
		set(&v.approval, "A native currency needs no approval, got one.")
		return
	}
	if c.To != v.e.Token {
		set(&v.approval, differs("token that is approved", v.e.Token, c.To))
	}
	v.value(&v.approval, c, new(big.Int))
	a, err := DecodeApproval(c.Data)
	if err != nil {
		set(&v.approval, "Approval: "+err.Error()+".")
		return
	}
	if a.Spender != v.proxy.Address {
		set(&v.approval, differs("spender", v.proxy.Address, a.Spender))
	}
	if a.Amount.Cmp(amount) != 0 {
		set(&v.approval, differs("approved amount", amount, a.Amount))
	}
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
