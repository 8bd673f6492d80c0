package userop_test

import (
	"math/big"
	"testing"

	"quittance/internal/rail"
	"quittance/internal/userop"
)

// What an operation says that it takes may be no more than about what a bundler says:
// the limits for the largest one are worth money to who bundles a small one himself.
func TestLimitsAroundAnEstimate(t *testing.T) {
	kind := userop.At(sandbox).Kinds(sandbox)[0]
	o := newOffer(t, kind, true)
	gas := userop.Gas{
		Call: o.op.CallGasLimit, Verification: o.op.VerificationGasLimit, PreVerification: o.op.PreVerificationGas,
		PaymasterVerification: o.op.PaymasterVerificationGasLimit, PaymasterPostOp: o.op.PaymasterPostOpGasLimit,
	}
	fees := userop.Fees{Max: o.op.MaxFeePerGas, Tip: o.op.MaxPriorityFeePerGas}
	twice := func(v *big.Int, more int64) *big.Int {
		return new(big.Int).Add(new(big.Int).Lsh(v, 1), big.NewInt(more))
	}
	for name, c := range map[string]struct {
		change  func(o *userop.Op)
		refused string
	}{
		"as it was estimated":         {func(*userop.Op) {}, ""},
		"calls, twice":                {func(p *userop.Op) { p.CallGasLimit = twice(gas.Call, 50_000) }, ""},
		"calls, more":                 {func(p *userop.Op) { p.CallGasLimit = twice(gas.Call, 50_001) }, userop.CheckGas},
		"for the account, more":       {func(p *userop.Op) { p.VerificationGasLimit = twice(gas.Verification, 50_001) }, userop.CheckGas},
		"for the bundler, twice":      {func(p *userop.Op) { p.PreVerificationGas = twice(gas.PreVerification, 50_000) }, ""},
		"for the bundler, more":       {func(p *userop.Op) { p.PreVerificationGas = twice(gas.PreVerification, 50_001) }, userop.CheckGas},
		"a price of twice as much":    {func(p *userop.Op) { p.MaxFeePerGas = twice(fees.Max, 0) }, ""},
		"a higher price":              {func(p *userop.Op) { p.MaxFeePerGas = twice(fees.Max, 1) }, userop.CheckFees},
		"a tip higher than the price": {func(p *userop.Op) { p.MaxPriorityFeePerGas = twice(fees.Max, 1) }, userop.CheckFees},
	} {
		op, want := o.op, o.want
		want.Limits = want.Limits.Around(gas, fees)
		c.change(&op)
		checks := userop.Verify(op, want)
		if c.refused != "" {
			refusedFor(t, name, checks, c.refused)
		} else if bad, failed := rail.Failed(checks); failed {
			t.Errorf("%s: %+v", name, bad)
		}
	}
	wide := o.want.Limits
	huge := userop.Gas{Call: big.NewInt(1e12), Verification: big.NewInt(1e12), PreVerification: big.NewInt(1e12), PaymasterVerification: big.NewInt(1e12)}
	for name, got := range map[string]userop.Limits{
		"nothing is said":  wide.Around(userop.Gas{}, userop.Fees{}),
		"too much is said": wide.Around(huge, userop.Fees{Max: big.NewInt(1e18)}),
		"zero is said":     wide.Around(userop.Gas{Call: new(big.Int)}, userop.Fees{Max: new(big.Int)}),
	} {
		for _, b := range [][2]*big.Int{
			{got.CallGas, wide.CallGas}, {got.VerificationGas, wide.VerificationGas}, {got.DeployGas, wide.DeployGas}, {got.PaymasterGas, wide.PaymasterGas},
			{got.PreVerificationGas, wide.PreVerificationGas}, {got.MaxFeePerGas, wide.MaxFeePerGas}, {got.MaxCost, wide.MaxCost},
		} {
			if b[0].Cmp(b[1]) != 0 {
				t.Errorf("%s: %v instead of %v", name, b[0], b[1])
			}
		}
	}
	if none := (userop.Limits{}).Around(gas, fees); none.CallGas != nil || none.MaxFeePerGas != nil {
		t.Errorf("no limits became %+v", none)
	}
}
