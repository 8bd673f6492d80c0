package official_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// One payment of 100 with a fee of 3, in USDC (or the native currency) on Base.
func expected(t testing.TB, native bool) official.Expectation {
	t.Helper()
	e := official.Expectation{
		Chain: asset.Base, Token: addr(t, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
		Payee: addr(t, "0x1111111111111111111111111111111111111111"), Amount: big.NewInt(100),
		Reference: official.Reference{1, 2, 3, 4, 5, 6, 7, 8},
		Fee:       big.NewInt(3), FeePayee: addr(t, "0x2222222222222222222222222222222222222222"),
	}
	if native {
		e.Token = asset.Address{}
	}
	return e
}

func must(t testing.TB) func(rail.Call, error) rail.Call {
	return func(c rail.Call, err error) rail.Call {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func steps(t testing.TB, e official.Expectation, kinds ...rail.CallKind) []rail.Call {
	t.Helper()
	r := official.Default()
	calls := make([]rail.Call, len(kinds))
	for i, k := range kinds {
		switch k {
		case rail.Reset:
			calls[i] = must(t)(r.ResetCall(e, e.Token))
		case rail.Approve:
			calls[i] = must(t)(r.ApproveCall(e, e.Token))
		case rail.Pay:
			calls[i] = must(t)(r.PayCall(e))
		}
	}
	return calls
}

func TestVerifyAcceptsWhatAPaymentNeeds(t *testing.T) {
	none := expected(t, false)
	none.Fee, none.FeePayee = new(big.Int), asset.Address{}
	tests := []struct {
		name  string
		e     official.Expectation
		kinds []rail.CallKind
	}{
		{"pay alone", expected(t, false), []rail.CallKind{rail.Pay}},
		{"approve, pay", expected(t, false), []rail.CallKind{rail.Approve, rail.Pay}},
		{"reset, approve, pay", expected(t, false), []rail.CallKind{rail.Reset, rail.Approve, rail.Pay}},
		{"without a fee", none, []rail.CallKind{rail.Approve, rail.Pay}},
		{"native", expected(t, true), []rail.CallKind{rail.Pay}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checks := official.Default().Verify(tt.e, steps(t, tt.e, tt.kinds...))
			for i, name := range []string{official.CheckContract, official.CheckCalldata, official.CheckApproval} {
				if checks[i].Name != name || checks[i].Outcome != rail.Passed || checks[i].Detail == "" {
					t.Errorf("got %+v, want %s passed", checks[i], name)
				}
			}
		})
	}
}

// Every way to take more, send elsewhere or slip something in is refused by the
// check that is named for it, with words for what differs.
func TestVerifyRefusesTampering(t *testing.T) {
	evil := addr(t, "0x6666666666666666666666666666666666666666")
	e, native := expected(t, false), expected(t, true)
	with := func(e official.Expectation, change func(*official.Expectation)) official.Expectation {
		change(&e)
		return e
	}
	// built are honest calls for another payment.
	built := func(e official.Expectation, change func(*official.Expectation)) []rail.Call {
		if e.Token.IsZero() {
			return steps(t, with(e, change), rail.Pay)
		}
		// The approval stays right, so that only the payment differs.
		return append(steps(t, e, rail.Approve), steps(t, with(e, change), rail.Pay)...)
	}
	// edited are honest calls with one thing changed.
	edited := func(e official.Expectation, change func([]rail.Call) []rail.Call) []rail.Call {
		if e.Token.IsZero() {
			return change(steps(t, e, rail.Pay))
		}
		return change(steps(t, e, rail.Approve, rail.Pay))
	}
	approval := func(spender asset.Address, amount *big.Int) []byte {
		data, err := official.Approval{Spender: spender, Amount: amount}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	proxy, _ := official.Default().Proxy(e.Chain, e.Token)
	unlimited := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

	tests := []struct {
		name   string
		e      official.Expectation
		calls  []rail.Call
		check  string
		detail string
	}{
		{"target", e, edited(e, func(c []rail.Call) []rail.Call { c[1].To = evil; return c }), official.CheckContract, "target"},
		{"target is the other chain's proxy", e, edited(e, func(c []rail.Call) []rail.Call {
			c[1].To = addr(t, "0x370DE27fdb7D1Ff1e1BaA7D11c5820a324Cf623C")
			return c
		}), official.CheckContract, "target"},
		{"target is the batch contract", e, edited(e, func(c []rail.Call) []rail.Call {
			c[1].To = addr(t, "0x1aF3f22685AcdDc788B3730ed415912d8f654420")
			return c
		}), official.CheckContract, "target"},
		{"native target is the token proxy", native, edited(native, func(c []rail.Call) []rail.Call { c[0].To = proxy.Address; return c }), official.CheckContract, "target"},
		{"payee", e, built(e, func(e *official.Expectation) { e.Payee = evil }), official.CheckCalldata, "payee"},
		{"native payee", native, built(native, func(e *official.Expectation) { e.Payee = evil }), official.CheckCalldata, "payee"},
		{"amount", e, built(e, func(e *official.Expectation) { e.Amount = big.NewInt(101) }), official.CheckCalldata, "amount"},
		{"smaller amount", e, built(e, func(e *official.Expectation) { e.Amount = big.NewInt(99) }), official.CheckCalldata, "amount"},
		{"native amount", native, built(native, func(e *official.Expectation) { e.Amount = big.NewInt(101) }), official.CheckCalldata, "value"},
		{"token", e, built(e, func(e *official.Expectation) { e.Token = addr(t, "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2") }), official.CheckCalldata, "token"},
		{"fee", e, built(e, func(e *official.Expectation) { e.Fee = big.NewInt(4) }), official.CheckCalldata, "fee"},
		{"native fee out of the amount", native, built(native, func(e *official.Expectation) { e.Fee, e.Amount = big.NewInt(4), big.NewInt(99) }), official.CheckCalldata, "fee"},
		{"fee address", e, built(e, func(e *official.Expectation) { e.FeePayee = evil }), official.CheckCalldata, "fee address"},
		{"native fee address", native, built(native, func(e *official.Expectation) { e.FeePayee = evil }), official.CheckCalldata, "fee address"},
		{"reference", e, built(e, func(e *official.Expectation) { e.Reference[7]++ }), official.CheckCalldata, "reference"},
		{"native reference", native, built(native, func(e *official.Expectation) { e.Reference[0]++ }), official.CheckCalldata, "reference"},
		{"selector", e, edited(e, func(c []rail.Call) []rail.Call { c[1].Data[0] ^= 1; return c }), official.CheckCalldata, "selector"},
		{"trailing bytes", e, edited(e, func(c []rail.Call) []rail.Call { c[1].Data = append(c[1].Data, 0); return c }), official.CheckCalldata, "length"},
		{"value with a token payment", e, edited(e, func(c []rail.Call) []rail.Call { c[1].Value = big.NewInt(1); return c }), official.CheckCalldata, "value"},
		{"no value at all", e, edited(e, func(c []rail.Call) []rail.Call { c[1].Value = nil; return c }), official.CheckCalldata, "value"},
		{"more native value", native, edited(native, func(c []rail.Call) []rail.Call { c[0].Value = big.NewInt(104); return c }), official.CheckCalldata, "value"},
		{"native value without the fee", native, edited(native, func(c []rail.Call) []rail.Call { c[0].Value = big.NewInt(100); return c }), official.CheckCalldata, "value"},
		{"no payment", e, steps(t, e, rail.Approve), official.CheckCalldata, "one payment"},
		{"nothing", e, nil, official.CheckCalldata, "one payment"},
		{"two payments", e, steps(t, e, rail.Pay, rail.Pay), official.CheckCalldata, "one payment"},
		{"two approvals", e, steps(t, e, rail.Approve, rail.Approve, rail.Pay), official.CheckCalldata, "one payment"},
		{"approval after the payment", e, steps(t, e, rail.Pay, rail.Approve), official.CheckCalldata, "one payment"},
		{"reset without an approval", e, steps(t, e, rail.Reset, rail.Pay), official.CheckCalldata, "one payment"},
		{"reset after the approval", e, steps(t, e, rail.Approve, rail.Reset, rail.Pay), official.CheckCalldata, "one payment"},
		{"a call of no known kind", e, edited(e, func(c []rail.Call) []rail.Call {
			return append([]rail.Call{{Kind: "sweep", To: evil, Value: new(big.Int)}}, c...)
		}), official.CheckCalldata, "sweep"},
		{"an approval for a native payment", native, append(steps(t, e, rail.Approve), steps(t, native, rail.Pay)...), official.CheckApproval, "native"},
		{"spender", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data = approval(evil, e.Total()); return c }), official.CheckApproval, "spender"},
		{"unlimited approval", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data = approval(proxy.Address, unlimited); return c }), official.CheckApproval, "approved amount"},
		{"approval of one too many", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data = approval(proxy.Address, big.NewInt(104)); return c }), official.CheckApproval, "approved amount"},
		{"approval without the fee", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data = approval(proxy.Address, big.NewInt(100)); return c }), official.CheckApproval, "approved amount"},
		{"a reset that is none", e, func() []rail.Call {
			c := steps(t, e, rail.Reset, rail.Approve, rail.Pay)
			c[0].Data = approval(proxy.Address, big.NewInt(1))
			return c
		}(), official.CheckApproval, "approved amount"},
		{"approval of another token", e, edited(e, func(c []rail.Call) []rail.Call { c[0].To = evil; return c }), official.CheckApproval, "token"},
		{"approval with value", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Value = big.NewInt(1); return c }), official.CheckApproval, "value"},
		{"approval with another selector", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data[0] ^= 1; return c }), official.CheckApproval, "selector"},
		{"approval with trailing bytes", e, edited(e, func(c []rail.Call) []rail.Call { c[0].Data = append(c[0].Data, 0); return c }), official.CheckApproval, "length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checks := official.Default().Verify(tt.e, tt.calls)
			if !slices.ContainsFunc(checks, func(c rail.Check) bool {
				return c.Name == tt.check && c.Outcome == rail.Refused && strings.Contains(c.Detail, tt.detail)
			}) {
				t.Errorf("got %+v, want %s refused for the %s", checks, tt.check, tt.detail)
			}
		})
	}
}

// A payment that makes no sense, or a chain without official contracts, can
// neither be built nor verified, and no check passes by accident.
func TestNothingIsBuiltForImpossiblePayments(t *testing.T) {
	tests := []struct {
		name   string
		change func(*official.Expectation)
	}{
		{"unknown chain", func(e *official.Expectation) { e.Chain = 84532 }},
		{"no amount", func(e *official.Expectation) { e.Amount = new(big.Int) }},
		{"nil amount", func(e *official.Expectation) { e.Amount = nil }},
		{"negative amount", func(e *official.Expectation) { e.Amount = big.NewInt(-1) }},
		{"negative fee", func(e *official.Expectation) { e.Fee = big.NewInt(-1) }},
		{"nil fee", func(e *official.Expectation) { e.Fee = nil }},
		{"sum over 256 bits", func(e *official.Expectation) {
			e.Amount = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(2))
		}},
		{"zero payee", func(e *official.Expectation) { e.Payee = asset.Address{} }},
		{"fee for nobody", func(e *official.Expectation) { e.FeePayee = asset.Address{} }},
	}
	r := official.Default()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := expected(t, false)
			honest := steps(t, e, rail.Approve, rail.Pay)
			tt.change(&e)
			if c, err := r.PayCall(e); err == nil {
				t.Errorf("built %+v", c)
			}
			for _, check := range r.Verify(e, honest) {
				if check.Outcome != rail.Refused {
					t.Errorf("got %+v, want it refused", check)
				}
			}
		})
	}
	if c, err := r.ApproveCall(expected(t, true), asset.Address{}); err == nil {
		t.Errorf("approval of a native currency: %+v", c)
	}
}

// Whatever payment is built verifies against itself and against no other.
func TestVerifyIsExact(t *testing.T) {
	r := official.Default()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) official.Expectation {
			e := official.Expectation{
				Chain: asset.Base, Payee: addresses.Draw(t, name+" payee"), Reference: references.Draw(t, name+" reference"),
				Amount:   new(big.Int).SetUint64(rapid.Uint64Range(1, 3).Draw(t, name+" amount")),
				Fee:      new(big.Int).SetUint64(rapid.Uint64Range(0, 2).Draw(t, name+" fee")),
				FeePayee: addresses.Draw(t, name+" fee payee"),
			}
			if rapid.Bool().Draw(t, name+" token") {
				e.Token = addresses.Draw(t, name+" token address")
			}
			return e
		}
		a, b := draw("a"), draw("b")
		if rapid.Bool().Draw(t, "nearly the same") { // one field differs, or none
			c := a
			switch rapid.IntRange(0, 5).Draw(t, "field") {
			case 0:
				c.Payee = b.Payee
			case 1:
				c.Reference = b.Reference
			case 2:
				c.Amount = b.Amount
			case 3:
				c.Fee = b.Fee
			case 4:
				c.FeePayee = b.FeePayee
			case 5:
				c.Token = b.Token
			}
			b = c
		}
		pay, err := r.PayCall(a)
		if err != nil {
			t.Skip("no such payment")
		}
		if _, failed := rail.Failed(r.Verify(a, []rail.Call{pay})); failed {
			t.Fatalf("%+v refuses its own call", a)
		}
		same := a.Token == b.Token && a.Payee == b.Payee && a.Reference == b.Reference && a.FeePayee == b.FeePayee &&
			a.Amount.Cmp(b.Amount) == 0 && a.Fee.Cmp(b.Fee) == 0
		if _, failed := rail.Failed(r.Verify(b, []rail.Call{pay})); failed == same {
			t.Fatalf("the call of %+v for %+v: refused %v", a, b, failed)
		}
	})
}

func TestRegistryRefusesNonsense(t *testing.T) {
	a, b := addr(t, "0x1111111111111111111111111111111111111111"), addr(t, "0x2222222222222222222222222222222222222222")
	tests := []struct {
		name      string
		contracts []official.Contract
	}{
		{"kind twice", []official.Contract{{Chain: 1, Kind: official.ERC20FeeProxy, Address: a}, {Chain: 1, Kind: official.ERC20FeeProxy, Address: b}}},
		{"address twice", []official.Contract{{Chain: 1, Kind: official.ERC20FeeProxy, Address: a}, {Chain: 1, Kind: official.EthereumFeeProxy, Address: a}}},
		{"no address", []official.Contract{{Chain: 1, Kind: official.ERC20FeeProxy}}},
		{"no chain", []official.Contract{{Kind: official.ERC20FeeProxy, Address: a}}},
		{"unknown kind", []official.Contract{{Chain: 1, Kind: "Router", Address: a}}},
	}
	for _, tt := range tests {
		if _, err := official.NewRegistry(tt.contracts); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	if _, err := official.NewRegistry([]official.Contract{
		{Chain: 1, Kind: official.ERC20FeeProxy, Address: a}, {Chain: 2, Kind: official.ERC20FeeProxy, Address: a},
	}); err != nil {
		t.Errorf("one address on two chains: %v", err)
	}
}

func BenchmarkBuildPayCall(b *testing.B) {
	r, e := official.Default(), expected(b, false)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.PayCall(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, e := official.Default(), expected(b, false)
	calls := steps(b, e, rail.Approve, rail.Pay)
	b.ReportAllocs()
	for b.Loop() {
		if bad, failed := rail.Failed(r.Verify(e, calls)); failed {
			b.Fatal(bad)
		}
	}
}
