package userop

import (
	"bytes"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// The names of the checks, in their order. They are stored and sent on wires: they
// never change.
const (
	CheckSender    = "op_sender"    // the account that follows from the connected wallet
	CheckFactory   = "op_factory"   // made by exactly the pinned call, or deployed already
	CheckNonce     = "op_nonce"     // the account's next, with the key 0; pending while it was not read
	CheckCalls     = "op_calls"     // exactly the prepared calls, decoded to the last byte
	CheckPermit    = "op_permit"    // the wallet's own, for this account, within its cap
	CheckValue     = "op_value"     // no native currency
	CheckGas       = "op_gas"       // gas within bounds
	CheckFees      = "op_fees"      // its price and the whole cost within bounds
	CheckPaymaster = "op_paymaster" // what the configured paymaster gave, and nothing else
)

var checkNames = []string{CheckSender, CheckFactory, CheckNonce, CheckCalls, CheckPermit, CheckValue, CheckGas, CheckFees, CheckPaymaster}

var passed = map[string]string{
	CheckSender:    "The operation is of the smart account that belongs to the connected wallet.",
	CheckFactory:   "The account is made by its official contract, or is there already.",
	CheckNonce:     "It is the account's next operation.",
	CheckCalls:     "It makes the calls of this payment and nothing else.",
	CheckPermit:    "The account may take no more of the wallet's money than was agreed to.",
	CheckValue:     "It sends no native currency.",
	CheckGas:       "Its limits for gas are within bounds.",
	CheckFees:      "Its price for gas is within bounds.",
	CheckPaymaster: "Gas is paid for by the configured sponsor, or by nobody yet.",
}

// Limits bound what a sponsor may be made to pay for. Zero and nil allow nothing.
type Limits struct {
	CallGas            *big.Int
	VerificationGas    *big.Int // of an account that exists
	DeployGas          *big.Int // of one that is made first
	PreVerificationGas *big.Int // rollups put the cost of their data here
	PaymasterGas       *big.Int // verification and afterwards, together
	MaxFeePerGas       *big.Int // wei
	MaxCost            *big.Int // wei: all gas at its highest price
}

// DefaultLimits fits a payment of a permit, a transfer, an approval and one call of
// a fee proxy, made with any kind here; prices have to be set for each chain.
func DefaultLimits(maxFeePerGas, maxCost *big.Int) Limits {
	return Limits{
		CallGas: big.NewInt(1_000_000), VerificationGas: big.NewInt(500_000), DeployGas: big.NewInt(1_500_000),
		PreVerificationGas: big.NewInt(2_000_000), PaymasterGas: big.NewInt(500_000),
		MaxFeePerGas: maxFeePerGas, MaxCost: maxCost,
	}
}

// Grant is what a paymaster has filled in.
type Grant struct {
	Paymaster       asset.Address
	Data            []byte
	VerificationGas *big.Int
	PostOpGas       *big.Int
}

// Apply returns the operation with the grant in it.
func (g Grant) Apply(o Op) Op {
	o.Paymaster, o.PaymasterData = g.Paymaster, bytes.Clone(g.Data)
	o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit = orZero(g.VerificationGas), orZero(g.PostOpGas)
	return o
}

// GrantOf takes a grant out of an operation, nil if it has none.
func GrantOf(o Op) *Grant {
	if o.Paymaster.IsZero() {
		return nil
	}
	return &Grant{o.Paymaster, o.PaymasterData, o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit}
}

// PermitRule is the permit that an operation must begin with.
type PermitRule struct {
	Terms PermitTerms
	Cap   *big.Int  // the most that the payer agreed to; what is pulled if nil
	Until time.Time // the latest deadline
}

// Expectation is the operation that pays, as far as it is known beforehand.
type Expectation struct {
	Kind Kind
	// Plan is the payment. Its Permit must be nil: the operation brings it.
	Plan Plan
	// Permit is nil if the account may take the money already: then no permit may be
	// in the operation.
	Permit *PermitRule
	State  *State // the account as it was read, nil if it was not
	Limits Limits
	Grant  *Grant // nil before the paymaster was asked: then there may be none
	Now    time.Time
}

// Verify compares an operation with what it must do. It trusts nothing that built or
// passed it on. The answer always has the same nine checks in the same order.
func Verify(o Op, want Expectation) []rail.Check {
	v := &verifier{op: o, want: want, refused: map[string]string{}}
	v.account()
	v.nonce()
	v.calls()
	v.gas()
	v.paymaster()
	checks := make([]rail.Check, len(checkNames))
	for i, name := range checkNames {
		checks[i] = rail.Check{Name: name, Outcome: rail.Passed, Detail: passed[name]}
		if why := v.refused[name]; why != "" {
			checks[i].Outcome, checks[i].Detail = rail.Refused, why
		} else if name == CheckNonce && want.State == nil {
			checks[i].Outcome, checks[i].Detail = rail.Waiting, "The account was not read yet."
		}
	}
	return checks
}

// verifier keeps the first thing that is wrong for each check.
type verifier struct {
	op      Op
	want    Expectation
	refused map[string]string
}

func (v *verifier) set(check, format string, args ...any) {
	if v.refused[check] == "" {
		v.refused[check] = fmt.Sprintf(format, args...)
	}
}

func (v *verifier) account() {
	// The plan's account is derived anew: it may come from whoever asks.
	a := v.want.Plan.Account
	derived := v.want.Kind.Account(a.Chain, a.Owner)
	if derived.Address != a.Address || v.op.Sender != derived.Address {
		v.set(CheckSender, "The sender differs: expected %s, got %s.", derived.Address, v.op.Sender)
	}
	made := !v.op.Factory.IsZero()
	switch s := v.want.State; {
	case made && v.op.Factory != derived.Factory:
		v.set(CheckFactory, "%s is not the account's official factory.", v.op.Factory)
	case made && !bytes.Equal(v.op.FactoryData, derived.FactoryData):
		v.set(CheckFactory, "The factory would be told something else.")
	case !made && len(v.op.FactoryData) > 0:
		v.set(CheckFactory, "There is data for no factory.")
	case s != nil && made && s.Deployed:
		v.set(CheckFactory, "The account is there already and cannot be made again.")
	case s != nil && !made && !s.Deployed:
		v.set(CheckFactory, "The account is not there yet and has to be made.")
	}
}

func (v *verifier) nonce() {
	n := orZero(v.op.Nonce)
	a := v.want.Plan.Account
	switch s := v.want.State; {
	case v.want.Kind.Account(a.Chain, a.Owner).AnyKey:
	case n.Sign() < 0 || n.BitLen() > 64:
		v.set(CheckNonce, "The nonce has a key of its own.")
	case s == nil:
	case n.Uint64() < s.Nonce:
		v.set(CheckNonce, "The nonce %d is used: the next is %d.", n, s.Nonce)
	case n.Uint64() > s.Nonce:
		v.set(CheckNonce, "The nonce %d is not due: the next is %d.", n, s.Nonce)
	}
}

func (v *verifier) calls() {
	got, err := v.want.Kind.Decode(v.op.CallData)
	if err != nil {
		v.set(CheckCalls, "The calls cannot be read: %v.", err)
		return
	}
	for i, c := range got {
		if orZero(c.Value).Sign() != 0 {
			v.set(CheckValue, "Call %d sends %v wei.", i+1, c.Value)
		}
	}
	plan, first := v.want.Plan, 1
	plan.Permit = v.permit(got)
	if _, found := PermitOf(got, plan.Token); found && plan.Permit == nil && v.want.Permit != nil {
		got, first = got[1:], 2 // what is wrong with it is said; the calls behind it are none the worse
	}
	want, err := plan.Calls()
	if err != nil {
		v.set(CheckCalls, "There is nothing to compare with: %v.", err)
		return
	}
	if len(got) != len(want) {
		v.set(CheckCalls, "Expected %d calls, got %d.", len(want), len(got))
		return
	}
	for i := range got {
		switch {
		case got[i].To != want[i].To:
			v.set(CheckCalls, "Call %d: the target differs: expected %s, got %s.", i+first, want[i].To, got[i].To)
		case !bytes.Equal(got[i].Data, want[i].Data): // of its value CheckValue tells: no plan has any
			v.set(CheckCalls, "Call %d: the calldata differs.", i+first)
		}
	}
}

// leastPermit is how long a permit must be good: an operation that comes too late
// fails, and costs its sponsor all the same.
const leastPermit = 30 * time.Second

// permit judges the permit among the calls and returns it if it is what there must
// be, so that it can be compared as part of the plan.
func (v *verifier) permit(got []rail.Call) *Permit {
	p, found := PermitOf(got, v.want.Plan.Token)
	rule := v.want.Permit
	if rule == nil {
		if found {
			v.set(CheckPermit, "No permit is needed.")
		}
		return nil
	}
	if !found {
		v.set(CheckPermit, "The wallet's permit is missing: the account could take nothing.")
		return nil
	}
	most := rule.Cap
	if most == nil {
		most = v.want.Plan.Amount
	}
	a := v.want.Plan.Account
	switch {
	case p.Owner != a.Owner:
		v.set(CheckPermit, "The permit is of %s and not of the connected wallet.", p.Owner)
	case p.Spender != a.Address:
		v.set(CheckPermit, "The permit is for %s and not for the account.", p.Spender)
	case p.Value.Cmp(orZero(v.want.Plan.Amount)) < 0:
		v.set(CheckPermit, "The permit is for too little: %v.", p.Value)
	case p.Value.Cmp(orZero(most)) > 0:
		v.set(CheckPermit, "The permit is for more than was agreed to: %v, at most %v.", p.Value, most)
	case p.Deadline.Cmp(big.NewInt(v.want.Now.Add(leastPermit).Unix())) < 0:
		v.set(CheckPermit, "The permit is over, or will be before it can be used.")
	case p.Deadline.Cmp(big.NewInt(rule.Until.Unix())) > 0:
		v.set(CheckPermit, "The permit would be good for too long.")
	case rule.Terms.Domain.Contract != v.want.Plan.Token || rule.Terms.Domain.Chain != a.Chain:
		v.set(CheckPermit, "The permit's terms are those of another token.")
	case !rule.Terms.Signed(p):
		v.set(CheckPermit, "The connected wallet did not sign the permit.")
	default:
		return &p
	}
	return nil
}

func (v *verifier) gas() {
	l, o := v.want.Limits, v.op
	verification := l.VerificationGas
	if !o.Factory.IsZero() {
		verification = l.DeployGas
	}
	paymaster := new(big.Int).Add(orZero(o.PaymasterVerificationGasLimit), orZero(o.PaymasterPostOpGasLimit))
	for _, b := range []struct {
		check, what string
		got, most   *big.Int
	}{
		{CheckGas, "gas for the calls", o.CallGasLimit, l.CallGas},
		{CheckGas, "gas for the account", o.VerificationGasLimit, verification},
		{CheckGas, "gas for the bundler", o.PreVerificationGas, l.PreVerificationGas},
		{CheckGas, "gas for the paymaster", paymaster, l.PaymasterGas},
		{CheckFees, "wei for each unit of gas", o.MaxFeePerGas, l.MaxFeePerGas},
		{CheckFees, "wei for each unit of gas as a tip", o.MaxPriorityFeePerGas, l.MaxFeePerGas},
		{CheckFees, "wei in all", o.MaxCost(), l.MaxCost},
	} {
		if got, most := orZero(b.got), orZero(b.most); got.Sign() < 0 || got.Cmp(most) > 0 {
			v.set(b.check, "%v %s are too much: at most %v.", got, b.what, most)
		}
	}
}

func (v *verifier) paymaster() {
	g, o := v.want.Grant, v.op
	if g == nil {
		g = &Grant{}
	}
	switch {
	case o.Paymaster != g.Paymaster:
		v.set(CheckPaymaster, "The paymaster differs: expected %s, got %s.", g.Paymaster, o.Paymaster)
	case !bytes.Equal(o.PaymasterData, g.Data):
		v.set(CheckPaymaster, "The paymaster's data differ.")
	case orZero(o.PaymasterVerificationGasLimit).Cmp(orZero(g.VerificationGas)) != 0 || orZero(o.PaymasterPostOpGasLimit).Cmp(orZero(g.PostOpGas)) != 0:
		v.set(CheckPaymaster, "The paymaster's gas differs.")
	}
}
