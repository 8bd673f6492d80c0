package evmref_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

var smart = userop.At(asset.SandboxBase)

// thrift is a saver in a world.
type thrift struct {
	*world
	*railtest.Saver
	t *testing.T
}

func newThrift(t *testing.T, w *world, kind userop.Kind) *thrift {
	t.Helper()
	s := &thrift{world: w, Saver: railtest.NewSaver(t, w.chain, kind, t.Name()), t: t}
	for _, token := range []string{w.chain.USDC(), w.chain.USDT()} {
		s.Fund(addr(t, token), 1_000_000)
	}
	return s
}

// pay has the calls executed as one operation, whose money the wallet lets the
// account take by a permit or, where the token has none, by an approval.
func (s *thrift) pay(calls *rail.Calls) []rail.Sighting {
	s.t.Helper()
	held := calls.Funds.Assets[0]
	token := addr(s.t, s.world.chain.USDC())
	var permit *userop.Permit
	if held.Asset == "USDC-base" {
		permit = s.Permit(s.client, token, held.Needed)
	} else {
		token = addr(s.t, s.world.chain.USDT())
		s.Approve(token, held.Needed)
	}
	op := s.Op(0, s.Calls(token, held.Needed, permit, calls.Steps))
	tx := railtest.Bundle(s.t, s.world.chain, op)
	head := s.world.chain.Mine(1)
	r := s.world.chain.Receipt(tx)
	if r == nil || r.Status != 1 {
		s.t.Fatalf("not executed: %+v", r)
	}
	return s.sightings(s.t, head)
}

// A payer with tokens and no native currency pays from an account that is not there
// yet, and then from the one that is: what is handed out is the account's, what is
// held and allowed the wallet's, and all four checks pass before anything is signed.
func TestSmartAccountsPay(t *testing.T) {
	w := newWorld(t, useroptest.Contracts(t, asset.SandboxBase)...)
	open := func(requests ...payment.Request) *payment.Payment {
		return railtest.Open(t, w.rail, amounts(requests...)...)
	}
	for _, kind := range smart.Kinds(asset.SandboxBase) {
		t.Run(kind.Name(), func(t *testing.T) {
			s := newThrift(t, w, kind)
			for _, c := range []struct {
				p      *payment.Payment
				steps  string
				amount int64
			}{
				{open(request(t, "USDC-base", 3)), "approve USDC-base, pay", 103},
				{open(request(t, "USDC-base", 0)), "approve USDC-base, pay", 100},
				{open(request(t, "USDT-base", 3)), "reset USDT-base, approve USDT-base, pay", 103},
				{open(request(t, "USDC-base", 3), request(t, "USDC-base", 0)), "approve USDC-base, pay", 204},
				{open(request(t, "USDT-base", 0), request(t, "USDT-base", 2)), "reset USDT-base, approve USDT-base, pay", 203},
			} {
				before := w.chain.Requests()
				calls := w.offered(t, c.p, s.Payer())
				if n := w.chain.Requests() - before; n != 1 {
					t.Errorf("%s: %d requests", c.steps, n)
				}
				if got := stepsOf(calls); got != c.steps {
					t.Errorf("got %s, want %s", got, c.steps)
				}
				for _, check := range calls.Checks {
					if check.Outcome != rail.Passed {
						t.Errorf("%s: %+v", c.steps, check)
					}
				}
				f := calls.Funds
				if len(f.Assets) != 1 || f.Assets[0].Needed.Int64() != c.amount || f.Assets[0].Allowance.Sign() != 0 ||
					f.NativeNeeded.Sign() != 0 || f.Native.Cmp(w.chain.Balance("", s.Wallet.Address().String())) != 0 || !f.EnoughGas() || !f.EnoughBalance() {
					t.Errorf("%s: funds %+v", c.steps, f)
				}
				token, id := w.chain.USDC(), f.Assets[0].Asset
				if id == "USDT-base" {
					token = w.chain.USDT()
				}
				had := w.chain.Balance(token, s.Wallet.Address().String())
				if f.Assets[0].Balance.Cmp(had) != 0 {
					t.Errorf("%s: told of %v, the wallet has %v", c.steps, f.Assets[0].Balance, had)
				}
				for _, step := range calls.Steps {
					if step.Gas == 0 || step.Value.Sign() != 0 {
						t.Errorf("%s: %s takes %d gas and %v wei", c.steps, step.Kind, step.Gas, step.Value)
					}
				}
				if claim, ok := w.rail.Claims(c.p, asset.SandboxBase, s.Payer(), calls.Steps, railtest.Now); !ok || claim.Cost.Amount.Int64() != c.amount {
					t.Errorf("%s: claim %+v, %t", c.steps, claim, ok)
				}
				if seen := s.pay(calls); len(seen) != len(c.p.Terms.Requests) {
					t.Errorf("%s: seen %+v", c.steps, seen)
				}
				if gave := had.Sub(had, w.chain.Balance(token, s.Wallet.Address().String())); gave.Int64() != c.amount {
					t.Errorf("%s: the wallet gave %v", c.steps, gave)
				}
				if left := w.chain.Balance(token, s.Account.Address.String()); left.Sign() != 0 {
					t.Errorf("%s: the account kept %v", c.steps, left)
				}
			}
		})
	}
}

// The calls are the same whatever was allowed, to the contract by the account or to
// the account by the wallet, which is what is told; and for a wallet that has nothing.
func TestSmartAccountCallsAreTheSame(t *testing.T) {
	w := newWorld(t, useroptest.Contracts(t, asset.SandboxBase)...)
	kind, _ := smart.Kind(asset.SandboxBase, userop.KindLight)
	s := newThrift(t, w, kind)
	usdt := addr(t, w.chain.USDT())
	p := railtest.Open(t, w.rail, request(t, "USDT-base", 3))
	want := w.offered(t, p, s.Payer())
	for _, allowed := range []int64{1, 103, 1_000_000} {
		s.Approve(usdt, new(big.Int)) // the token demands it
		s.Approve(usdt, big.NewInt(allowed))
		got := w.offered(t, p, s.Payer())
		if a := got.Funds.Assets[0].Allowance; a.Int64() != allowed {
			t.Errorf("with %d allowed: told of %v", allowed, a)
		}
		if !reflect.DeepEqual(bare(got), bare(want)) {
			t.Errorf("with %d allowed: %s", allowed, stepsOf(got))
		}
		if c := check(t, got, official.CheckSimulation); c.Outcome != rail.Passed {
			t.Errorf("with %d allowed: %+v", allowed, c)
		}
	}
	poor := railtest.NewSaver(t, w.chain, kind, "poor")
	w.chain.Transfer(w.chain.USDT(), poor.Account.Address.String(), big.NewInt(1_000_000)) // what the account has is not looked at
	w.chain.Mine(1)
	calls := w.offered(t, p, poor.Payer())
	if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Waiting || !strings.Contains(c.Detail, "more USDT") {
		t.Errorf("of a wallet that has nothing: %+v", c)
	}
	if f := calls.Funds; !reflect.DeepEqual(bare(calls), bare(want)) || f.EnoughBalance() || !f.EnoughGas() || f.Assets[0].Balance.Sign() != 0 {
		t.Errorf("of a wallet that has nothing: %s, %+v", stepsOf(calls), f)
	}
}

func bare(calls *rail.Calls) []rail.Call {
	steps := slices.Clone(calls.Steps)
	for i := range steps {
		steps[i].Gas = 0
	}
	return steps
}

// What an account cannot take from its owner as one amount of one token is not
// offered, and refused by name.
func TestWhatSmartAccountsCannotPay(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests []payment.Request
		rate     uint16 // of the batch contract's own fee
		limit    uint64
		code     string // "" if it can be paid
	}{
		{"native", []payment.Request{request(t, "ETH-base", 3)}, 0, 0, "gasless_native"},
		{"two native", []payment.Request{request(t, "ETH-base", 0), request(t, "ETH-base", 1)}, 0, 0, "gasless_native"},
		{"native beside a token", []payment.Request{request(t, "USDC-base", 0), request(t, "ETH-base", 1)}, 0, 0, "gasless_native"},
		{"two tokens", []payment.Request{request(t, "USDC-base", 0), request(t, "USDT-base", 0)}, 0, 0, "gasless_assets"},
		{"asked for more than is taken", []payment.Request{request(t, "USDC-base", 0), request(t, "USDC-base", 0)}, 200, 0, "gasless_rest"},
		{"charged", []payment.Request{request(t, "USDC-base", 0), request(t, "USDC-base", 0)}, 200, 150e8, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, useroptest.Contracts(t, asset.SandboxBase)...)
			w.charge(t, c.rate, c.limit)
			s := newThrift(t, w, smart.Kinds(asset.SandboxBase)[0])
			p := railtest.Open(t, w.rail, c.requests...)
			plain, err := w.rail.Offer(t.Context(), p, rail.Payer{})
			if err != nil || len(plain) != 1 {
				t.Fatalf("offered %+v, %v", plain, err)
			}
			in, err := w.rail.Prepare(t.Context(), p, plain[0].ID, s.Payer())
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				if seen := s.pay(in.(*rail.Calls)); len(seen) != len(c.requests) {
					t.Errorf("seen %+v", seen)
				}
				return
			}
			if f := fault.From(err); in != nil || f == nil || f.Kind != fault.Invalid || f.Code != c.code || f.Field != "eoaWallet" {
				t.Errorf("prepared %+v, %v", in, err)
			}
			if got, err := w.rail.Offer(t.Context(), p, s.Payer()); err != nil || len(got) != 0 {
				t.Errorf("offered %+v, %v", got, err)
			}
		})
	}
}

// A node that shows other effects of a smart account's calls gets nobody to sign.
func TestTrialsOfSmartAccountsThatLie(t *testing.T) {
	w := newWorld(t, useroptest.Contracts(t, asset.SandboxBase)...)
	s := newThrift(t, w, smart.Kinds(asset.SandboxBase)[0])
	p := railtest.Open(t, w.rail, request(t, "USDC-base", 3))
	owner, account, thief := s.Wallet.Address(), s.Account.Address, asset.Address{0x66, 19: 0x66}
	type call = map[string]any
	event := func(token, topic string, from, to asset.Address, amount int64) any {
		return call{
			"address": token, "data": "0x" + strings.Repeat("0", 48) + big.NewInt(1<<62+amount).Text(16),
			"topics": []any{topic, "0x" + strings.Repeat("0", 24) + from.Lower()[2:], "0x" + strings.Repeat("0", 24) + to.Lower()[2:]},
		}
	}
	logs := func(c call) []any { return c["logs"].([]any) }
	add := func(c call, e any) { c["logs"] = append(logs(c), e) }
	const allow, take, approve, pay = 0, 1, 2, 3
	tests := map[string]func(c []call) []call{
		"nothing is lied about":         nil,
		"the wallet lets nobody":        func(c []call) []call { c[allow]["status"] = "0x0"; return c },
		"the account takes nothing":     func(c []call) []call { c[take]["logs"] = []any{}; return c },
		"the pull fails":                func(c []call) []call { c[take]["status"] = "0x0"; return c },
		"the pull happens twice":        func(c []call) []call { add(c[take], logs(c[take])[0]); return c },
		"the pull happens again, later": func(c []call) []call { add(c[pay], logs(c[take])[0]); return c },
		"money leaves before it is pulled": func(c []call) []call {
			add(c[allow], event(w.chain.USDC(), official.TopicTransfer, owner, thief, 0))
			return c
		},
		"somebody else takes some too": func(c []call) []call {
			add(c[take], event(w.chain.USDC(), official.TopicTransfer, owner, thief, 0))
			return c
		},
		"another token leaves the wallet": func(c []call) []call {
			add(c[pay], event(w.chain.USDT(), official.TopicTransfer, owner, thief, 0))
			return c
		},
		"the account's leaves while pulling": func(c []call) []call {
			add(c[take], event(w.chain.USDT(), official.TopicTransfer, account, thief, 0))
			return c
		},
		"the account's leaves while paying": func(c []call) []call {
			add(c[pay], event(w.chain.USDT(), official.TopicTransfer, account, thief, 0))
			return c
		},
		"an allowance for somebody":        func(c []call) []call { add(c[allow], event(w.chain.USDC(), topicApproval, owner, thief, 0)); return c },
		"an allowance for somebody, later": func(c []call) []call { add(c[pay], event(w.chain.USDC(), topicApproval, owner, account, 0)); return c },
		"an allowance of the account's":    func(c []call) []call { add(c[take], event(w.chain.USDC(), topicApproval, account, thief, 0)); return c },
		"an allowance over everything": func(c []call) []call {
			add(c[pay], event(w.chain.USDC(), topicApprovalForAll, owner, thief, 0))
			return c
		},
		"the approval fails":                   func(c []call) []call { c[approve]["status"] = "0x0"; return c },
		"the payment fails":                    func(c []call) []call { c[pay]["status"] = "0x0"; return c },
		"the payment does nothing":             func(c []call) []call { c[pay]["logs"] = []any{}; return c },
		"a call is left out":                   func(c []call) []call { return c[1:] },
		"only the beginning is told of":        func(c []call) []call { return c[:2] },
		"a call is added":                      func(c []call) []call { return append(c, c[0]) },
		"an allowance that is used up is told": nil, // below
	}
	for name, lie := range tests {
		t.Run(name, func(t *testing.T) {
			told := lie == nil
			if name == "an allowance that is used up is told" {
				lie = func(c []call) []call { add(c[take], event(w.chain.USDC(), topicApproval, owner, account, 0)); return c }
			}
			if lie != nil {
				w.chain.Lie("eth_simulateV1", func(_ []json.RawMessage, honest json.RawMessage) any {
					var blocks []struct{ Calls []call }
					if err := json.Unmarshal(honest, &blocks); err != nil {
						t.Error(err)
					}
					return []any{call{"calls": lie(blocks[0].Calls)}}
				})
			}
			defer w.chain.Behave()
			calls, err := w.prepare(t, p, s.Payer())
			if f := fault.From(err); told != (err == nil) || err != nil && (calls != nil || f.Code != "unsafe" || f.Field != official.CheckSimulation) {
				t.Errorf("got %+v, %+v", calls, f)
			}
		})
	}
	w.chain.FailMethod("eth_simulateV1", -32601, "the method does not exist")
	defer w.chain.Behave()
	if _, err := w.prepare(t, p, s.Payer()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without trial runs: %v", err)
	}
}

const (
	topicApproval       = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"
	topicApprovalForAll = "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31"
)
