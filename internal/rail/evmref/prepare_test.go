package evmref_test

import (
	"encoding/json"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

func (w *world) prepare(t *testing.T, p *payment.Payment, payer rail.Payer) (*rail.Calls, error) {
	t.Helper()
	id := "evmref:base:" + string(p.Terms.Requests[0].Asset)
	in, err := w.rail.Prepare(t.Context(), p, id, payer)
	if err != nil {
		return nil, err
	}
	return in.(*rail.Calls), nil
}

func (w *world) mustPrepare(t *testing.T, p *payment.Payment, payer rail.Payer) *rail.Calls {
	t.Helper()
	calls, err := w.prepare(t, p, payer)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

func kinds(calls *rail.Calls) []rail.CallKind {
	var out []rail.CallKind
	for _, s := range calls.Steps {
		out = append(out, s.Kind)
	}
	return out
}

func check(t *testing.T, calls *rail.Calls, name string) rail.Check {
	t.Helper()
	for _, c := range calls.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %s in %+v", name, calls.Checks)
	return rail.Check{}
}

// The allowance there is decides which approvals are asked for.
func TestApprovalsThatAreNeeded(t *testing.T) {
	pay, approve, reset := rail.Pay, rail.Approve, rail.Reset
	tests := []struct {
		name    string
		asset   asset.ID
		allowed int64
		want    []rail.CallKind
	}{
		{"nothing allowed", "USDC-base", 0, []rail.CallKind{approve, pay}},
		{"one too little", "USDC-base", 102, []rail.CallKind{approve, pay}},
		{"exactly enough", "USDC-base", 103, []rail.CallKind{pay}},
		{"more than enough", "USDC-base", 1_000_000, []rail.CallKind{pay}},
		{"nothing allowed, token wants resets", "USDT-base", 0, []rail.CallKind{approve, pay}},
		{"too little, token wants resets", "USDT-base", 1, []rail.CallKind{reset, approve, pay}},
		{"enough, token wants resets", "USDT-base", 103, []rail.CallKind{pay}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			token := w.chain.USDC()
			if tt.asset == "USDT-base" {
				token = w.chain.USDT()
			}
			if tt.allowed > 0 {
				w.chain.Approve(token, w.chain.ERC20FeeProxy(), big.NewInt(tt.allowed))
				w.chain.Mine(1)
			}
			p := railtest.Open(t, w.rail, request(t, tt.asset, 3))
			calls := w.mustPrepare(t, p, w.payer(t))
			if got := kinds(calls); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if calls.Funds.Assets[0].Allowance.Int64() != tt.allowed {
				t.Errorf("allowance: got %s, want %d", calls.Funds.Assets[0].Allowance, tt.allowed)
			}
			if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
				t.Errorf("trial run: %+v", c)
			}
			if seen := w.carryOut(t, calls); len(seen) != 1 || seen[0].Amount.Int64() != 100 || seen[0].Fee.Int64() != 3 {
				t.Errorf("carried out: %+v", seen)
			}
			left := max(tt.allowed-103, 0)
			if got := w.chain.Allowance(token, w.chain.Address(), w.chain.ERC20FeeProxy()); got.Int64() != left {
				t.Errorf("allowance afterwards: got %s, want %d", got, left)
			}
		})
	}
}

// Whatever has to be known is asked in one round trip.
func TestPrepareAsksOnce(t *testing.T) {
	w := newWorld(t)
	for _, id := range []asset.ID{"USDC-base", "USDT-base", "ETH-base"} {
		p := railtest.Open(t, w.rail, request(t, id, 3))
		before := w.chain.Requests()
		w.mustPrepare(t, p, w.payer(t))
		if n := w.chain.Requests() - before; n != 1 {
			t.Errorf("%s: %d requests, want 1", id, n)
		}
		before = w.chain.Requests()
		calls := w.mustPrepare(t, p, rail.Payer{})
		if n := w.chain.Requests() - before; n != 0 {
			t.Errorf("%s without a wallet: %d requests, want none", id, n)
		}
		if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Waiting || calls.Funds.Native != nil {
			t.Errorf("%s without a wallet: %+v, funds %+v", id, c, calls.Funds)
		}
	}
}

// What the payer is told to hold suffices, and the estimates are the chain's.
func TestGasIsEnough(t *testing.T) {
	w := newWorld(t)
	for _, id := range []asset.ID{"USDC-base", "ETH-base"} {
		p := railtest.Open(t, w.rail, request(t, id, 3))
		calls := w.mustPrepare(t, p, w.payer(t))
		used := new(big.Int)
		for _, step := range calls.Steps {
			tx := w.chain.Send(step.To.String(), step.Value, step.Data)
			w.chain.Mine(1)
			gas := w.chain.Receipt(tx).GasUsed
			if step.Gas < gas/2 || step.Gas > 2*gas {
				t.Errorf("%s %s: estimated %d gas, used %d", id, step.Kind, step.Gas, gas)
			}
			used.Add(used, new(big.Int).SetUint64(gas))
			used.Add(used, new(big.Int).Div(step.Value, calls.Funds.GasPrice))
		}
		if cost := used.Mul(used, calls.Funds.GasPrice); calls.Funds.NativeNeeded.Cmp(cost) < 0 {
			t.Errorf("%s: told to hold %s wei, it cost %s", id, calls.Funds.NativeNeeded, cost)
		}
		if !calls.Funds.EnoughGas() || !calls.Funds.EnoughBalance() {
			t.Errorf("%s: funds %+v", id, calls.Funds)
		}
	}
}

// A wallet that holds too little gets the calls, words, and no trial run.
func TestPoorWallet(t *testing.T) {
	w := newWorld(t)
	poor := rail.Payer{Wallet: addr(t, "0x9999999999999999999999999999999999999999")}
	for _, id := range []asset.ID{"USDC-base", "USDT-base", "ETH-base"} {
		calls := w.mustPrepare(t, railtest.Open(t, w.rail, request(t, id, 3)), poor)
		c := check(t, calls, official.CheckSimulation)
		if c.Outcome != rail.Waiting || !strings.Contains(c.Detail, "more "+strings.TrimSuffix(string(id), "-base")) {
			t.Errorf("%s: %+v", id, c)
		}
		f := calls.Funds
		if f.EnoughBalance() || f.EnoughGas() || f.Assets[0].Balance.Sign() != 0 || f.NativeNeeded.Sign() <= 0 {
			t.Errorf("%s: funds %+v", id, f)
		}
		for _, s := range calls.Steps {
			if s.Gas != 0 {
				t.Errorf("%s: gas %d for the %s transaction, which was not tried", id, s.Gas, s.Kind)
			}
		}
	}
}

// The rest of a part payment carries the part of the fee that is missing.
func TestFeeIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name      string
		transfers []payment.Transfer
		need, fee int64
	}{
		{"nothing paid", nil, 103, 3},
		{"part and the whole fee", []payment.Transfer{transfer("1", 40, big.NewInt(3), payment.Final)}, 60, 0},
		{"part and some of the fee", []payment.Transfer{transfer("1", 40, big.NewInt(1), payment.Pending)}, 62, 2},
		{"part without a fee", []payment.Transfer{transfer("1", 40, nil, payment.Final)}, 63, 3},
		{"more fee than asked for", []payment.Transfer{transfer("1", 40, big.NewInt(9), payment.Final)}, 60, 0},
		{"a fee that was dropped", []payment.Transfer{transfer("1", 40, big.NewInt(3), payment.Dropped)}, 103, 3},
		{"two parts", []payment.Transfer{transfer("1", 40, big.NewInt(3), payment.Final), transfer("2", 50, new(big.Int), payment.Final)}, 10, 0},
	}
	for _, id := range []asset.ID{"USDC-base", "ETH-base"} {
		p := railtest.Open(t, w.rail, request(t, id, 3))
		for _, tt := range tests {
			t.Run(string(id)+" "+tt.name, func(t *testing.T) {
				calls := w.mustPrepare(t, railtest.With(p, tt.transfers...), w.payer(t))
				if calls.Funds.Assets[0].Needed.Int64() != tt.need {
					t.Errorf("needs %s, want %d", calls.Funds.Assets[0].Needed, tt.need)
				}
				pay := calls.Steps[len(calls.Steps)-1]
				var fee *big.Int
				var feePayee asset.Address
				if id == "ETH-base" {
					d, err := official.DecodeEthPayment(pay.Data)
					if err != nil || pay.Value.Int64() != tt.need {
						t.Fatalf("value %s, want %d (%v)", pay.Value, tt.need, err)
					}
					fee, feePayee = d.Fee, d.FeePayee
				} else {
					d, err := official.DecodeERC20Payment(pay.Data)
					if err != nil || d.Amount.Int64() != tt.need-tt.fee {
						t.Fatalf("amount %s, want %d (%v)", d.Amount, tt.need-tt.fee, err)
					}
					fee, feePayee = d.Fee, d.FeePayee
				}
				if fee.Int64() != tt.fee || feePayee.IsZero() != (tt.fee == 0) {
					t.Errorf("fee %s to %s, want %d", fee, feePayee, tt.fee)
				}
			})
		}
	}
}

func transfer(key string, amount int64, fee *big.Int, stage payment.Stage) payment.Transfer {
	return payment.Transfer{Key: key, Amount: big.NewInt(amount), Credit: big.NewInt(amount), Fee: fee, Stage: stage, At: railtest.Now}
}

// A node that shows other effects, other code, or none, gets no payer to sign.
func TestUnsafeIsRefusedByName(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "USDC-base", 3))
	simulate := func(change func(calls []map[string]any) []map[string]any) func() {
		return func() {
			w.chain.Lie("eth_simulateV1", func(_ []json.RawMessage, honest json.RawMessage) any {
				var blocks []map[string]json.RawMessage
				var calls []map[string]any
				if err := json.Unmarshal(honest, &blocks); err != nil {
					t.Error(err)
				}
				if err := json.Unmarshal(blocks[0]["calls"], &calls); err != nil {
					t.Error(err)
				}
				return []any{map[string]any{"calls": change(calls)}}
			})
		}
	}
	logs := func(call map[string]any) []any { return call["logs"].([]any) }
	tests := []struct {
		name  string
		lie   func()
		kind  fault.Kind
		code  string
		field string
	}{
		{"the payment fails", simulate(func(c []map[string]any) []map[string]any { c[1]["status"] = "0x0"; return c }), fault.Forbidden, "unsafe", official.CheckSimulation},
		{"the fee is not moved", simulate(func(c []map[string]any) []map[string]any { c[1]["logs"] = logs(c[1])[:1]; return c }), fault.Forbidden, "unsafe", official.CheckSimulation},
		{"something moves twice", simulate(func(c []map[string]any) []map[string]any {
			c[1]["logs"] = append(logs(c[1]), logs(c[1])[0])
			return c
		}), fault.Forbidden, "unsafe", official.CheckSimulation},
		{"a call is left out", simulate(func(c []map[string]any) []map[string]any { return c[1:] }), fault.Forbidden, "unsafe", official.CheckSimulation},
		{"a call is added", simulate(func(c []map[string]any) []map[string]any { return append(c, c[0]) }), fault.Forbidden, "unsafe", official.CheckSimulation},
		{"no such method", func() { w.chain.FailMethod("eth_simulateV1", -32601, "the method does not exist") }, fault.Unavailable, "trial_unavailable", ""},
		{"no balance is told", func() { w.chain.FailMethod("eth_getBalance", -32000, "no") }, fault.Unavailable, "chain_unavailable", ""},
		{"no allowance is told", func() { w.chain.FailMethod("eth_call", 3, "execution reverted") }, fault.Unavailable, "chain_unavailable", ""},
		{"a balance that is none", func() {
			w.chain.Lie("eth_call", func([]json.RawMessage, json.RawMessage) any { return "0x01" })
		}, fault.Unavailable, "chain_unavailable", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.lie()
			defer w.chain.Behave()
			calls, err := w.prepare(t, p, w.payer(t))
			f := fault.From(err)
			if calls != nil || f == nil || f.Kind != tt.kind || f.Code != tt.code || f.Field != tt.field {
				t.Errorf("got %+v %+v, want %s %s at %q", calls, f, tt.kind, tt.code, tt.field)
			}
		})
	}
	w.mustPrepare(t, p, w.payer(t)) // and goes on when the node behaves
}

// Deployed code decides with a wallet and without.
func TestCodeDecides(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "ETH-base", 0))
	refused := func(kind fault.Kind, code, field string) {
		t.Helper()
		for _, payer := range []rail.Payer{{}, w.payer(t)} {
			_, err := w.prepare(t, p, payer)
			if f := fault.From(err); f == nil || f.Kind != kind || f.Code != code || f.Field != field {
				t.Errorf("wallet %s: got %+v, want %s %s at %q", payer.Wallet, f, kind, code, field)
			}
		}
	}
	w.chain.Lie("eth_getCode", func([]json.RawMessage, json.RawMessage) any { return "0x6001" })
	if err := w.codes.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(fault.Forbidden, "unsafe", official.CheckCode)
	if bad, failed := rail.Failed(w.rail.Guard(t.Context(), p)); !failed || bad.Name != official.CheckCode {
		t.Errorf("guard: got %+v, want %s refused", bad, official.CheckCode)
	}
	w.chain.Behave()

	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	unread := official.NewCodes(official.Default(), []asset.ChainID{asset.SandboxBase}, w.readCode, slog.New(slog.DiscardHandler))
	w.rail = evmref.New(evmref.Config{
		Book: book, Registry: official.Default(), Codes: unread, Nodes: map[asset.ChainID]chain.Batcher{asset.SandboxBase: w.client},
	})
	refused(fault.Unavailable, "code_unread", "")
	if got := w.rail.Guard(t.Context(), p); got[len(got)-1].Outcome != rail.Waiting {
		t.Errorf("guard: got %+v, want the code pending", got)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "USDC-base", 3), request(t, "USDC-base", 3))
	a, b := p.Terms.Requests[0], p.Terms.Requests[1]
	if a.ID == b.ID || a.Salt == b.Salt || a.Reference == b.Reference || a.Topic == b.Topic {
		t.Errorf("two requests share a name: %+v %+v", a, b)
	}
	want := official.PaymentReference(a.ID, a.Salt, payee)
	if a.Reference != want.String() || a.Topic != want.Topic().String() {
		t.Errorf("got %s %s, want %s %s", a.Reference, a.Topic, want, want.Topic())
	}
	// An id that another rail gave stays.
	q := request(t, "USDC-base", 0)
	q.ID = "01" + strings.Repeat("ab", 32)
	if err := w.rail.Name(p, &q); err != nil || q.ID != "01"+strings.Repeat("ab", 32) || q.Reference == "" {
		t.Errorf("got %+v %v", q, err)
	}
}

// A request whose stored reference is not one is our fault, and refused.
func TestBrokenReference(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "USDC-base", 0))
	p.Terms.Requests[0].Reference = "0x12"
	if _, err := w.prepare(t, p, rail.Payer{}); err == nil || fault.From(err).Kind != fault.Internal {
		t.Errorf("prepare: got %v", err)
	}
	if _, failed := rail.Failed(w.rail.Guard(t.Context(), p)); !failed {
		t.Error("guard: nothing is refused")
	}
}
