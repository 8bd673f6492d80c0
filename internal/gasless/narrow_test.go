package gasless

import (
	"math/big"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// An operation that says that it takes much more gas than it does is within the limits
// for the largest one, and would pay whoever bundles it himself: nobody is asked to pay
// for it.
func TestGasOfOthers(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	d := w.draw("payer", w.USDC())
	honest := w.stepwise(d)
	sponsored := func() (n int) {
		for _, q := range s.Gateway.Asked() {
			if q.Method == userop.MethodData {
				n++
			}
		}
		return n
	}
	for name, c := range map[string]struct {
		change func(o *userop.Op)
		check  string // "" if it is paid for
	}{
		"as it was estimated":       {func(*userop.Op) {}, ""},
		"somewhat more":             {func(o *userop.Op) { o.PreVerificationGas = big.NewInt(100_000) }, ""},
		"much more for the bundler": {func(o *userop.Op) { o.PreVerificationGas = big.NewInt(1_900_000) }, userop.CheckGas},
		"three times the price":     {func(o *userop.Op) { o.MaxFeePerGas = new(big.Int).Mul(honest.MaxFeePerGas, big.NewInt(3)) }, userop.CheckFees},
	} {
		o := honest
		c.change(&o)
		if got := w.refused(d, o); len(got) > 0 {
			t.Errorf("%s: not within the limits: %v", name, got)
		}
		before := sponsored()
		grant, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessData, Method: userop.MethodData, Op: w.text(o)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bad, failed := rail.Failed(grant.Checks)
		if failed != (c.check != "") || bad.Name != c.check || failed == (grant.Result != nil) {
			t.Errorf("%s: %+v", name, grant)
		}
		if n := sponsored() - before; n != map[bool]int{true: 0, false: 1}[failed] {
			t.Errorf("%s: the sponsor was asked %d times", name, n)
		}
	}
	s.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodEstimate: {Code: -32500, Message: "AA23 reverted"}}})
	defer s.Gateway.Behave(gateway.Behaviour{})
	grant, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessData, Method: userop.MethodData, Op: w.text(honest)})
	if !fault.Is(err, fault.Invalid) || grant.Result != nil {
		t.Errorf("what cannot be estimated: %+v, %v", grant, err)
	}
}

// A stub that is good for sending would be a grant that nobody has counted: whoever gets
// it can have the operation bundled without us.
func TestStubsThatAreGrants(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	stub := checkout.GaslessQuestion{Kind: checkout.GaslessStub, Method: userop.MethodStub, Op: w.text(d.op)}
	if _, err := w.Service.Ask(t.Context(), sandbox, stub); err != nil {
		t.Fatal(err)
	}
	s.Gateway.Behave(gateway.Behaviour{Final: true})
	defer s.Gateway.Behave(gateway.Behaviour{})
	if answer, err := w.Service.Ask(t.Context(), sandbox, stub); !fault.Is(err, fault.Forbidden) || answer != nil {
		t.Errorf("given away: %s, %v", answer, err)
	}
	w.sponsor(d) // which is counted
}
