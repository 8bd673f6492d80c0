package evmref_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// What the contract charges for itself is offered, needed, approved and sent, and
// is exactly what it takes.
func TestBatchContractsOwnFee(t *testing.T) {
	const first = "0x1111111111111111111111111111111111111111"
	tests := []struct {
		name   string
		fee    int64  // of the requests
		limit  uint64 // of the contract
		offer  string
		needed string // contract fees by asset
		gets   string // who
		eth    int64  // what the contract's fee comes to
		usdt   int64
	}{
		// 2 % of 204 ether, 204 USDT, 102 USDC
		{"beside fees", 3, 150e8, "ETH-base 211, USDT-base 211, USDC-base 107", "4 4 2", feeTo, 4 + 3, 4 + 3},
		{"without fees", 0, 150e8, "ETH-base 208, USDT-base 208, USDC-base 104", "4 4 2", first, 4 + 204, 4 + 204},
		{"native only", 3, 0, "ETH-base 211, USDT-base 211, USDC-base 107", "4 4 2", feeTo, 4 + 3, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.charge(t, 200, tt.limit)
			p := mixedBatch(t, w, tt.fee)
			for i, want := range []int{2, 1} { // the first time it is news
				before := w.chain.Requests()
				w.prepareBatch(t, p, w.payer(t))
				if n := w.chain.Requests() - before; n != want {
					t.Errorf("round %d: %d requests, want %d", i, n, want)
				}
			}
			options, err := w.rail.Offer(t.Context(), p, rail.Payer{})
			if err != nil || costs(options[0].Costs) != tt.offer {
				t.Errorf("offered %+v %v, want %s", options, err, tt.offer)
			}
			if bad, failed := rail.Failed(w.rail.Guard(t.Context(), p)); failed {
				t.Errorf("guard: %+v", bad)
			}
			calls := w.prepareBatch(t, p, w.payer(t))
			var held []string
			for i, h := range calls.Funds.Assets {
				held = append(held, h.ContractFee.String())
				if h.Needed.Cmp(options[0].Costs[i].Amount) != 0 {
					t.Errorf("needs %s %s, offered %s", h.Needed, h.Asset, options[0].Costs[i].Amount)
				}
			}
			if got := strings.Join(held, " "); got != tt.needed {
				t.Errorf("contract's own fees %s, want %s", got, tt.needed)
			}
			if without := w.prepareBatch(t, p, rail.Payer{}); len(without.Steps) != len(calls.Steps) || string(without.Steps[2].Data) != string(calls.Steps[2].Data) {
				t.Errorf("without a wallet: %s, with one %s", stepsOf(without), stepsOf(calls))
			}
			if seen := w.carryOut(t, calls); len(seen) != 5 {
				t.Errorf("carried out: %+v", seen)
			}
			if eth, usdt := w.chain.Balance("", tt.gets), w.chain.Balance(w.chain.USDT(), tt.gets); eth.Int64() != tt.eth || usdt.Int64() != tt.usdt {
				t.Errorf("%s has %s wei and %s USDT, want %d and %d", tt.gets, eth, usdt, tt.eth, tt.usdt)
			}
			if left := w.chain.Allowance(w.chain.USDT(), w.chain.Address(), w.chain.BatchPayments()); left.Sign() != 0 {
				t.Errorf("allowance afterwards: %s", left)
			}
			w.charge(t, 0, tt.limit) // and back again
			if calls := w.prepareBatch(t, p, rail.Payer{}); calls.Funds.Assets[0].ContractFee != nil {
				t.Errorf("charged after the contract stopped: %+v", calls.Funds.Assets[0])
			}
		})
	}
}

// selector is how a question of the contract's terms begins.
func selector(i int) string { return "0x" + common.Bytes2Hex(official.BatchTermsCalls()[i]) }

// A node that lies about the contract's terms gets no payer to sign, and is not
// believed the next time.
func TestBatchTermsAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	p := mixedBatch(t, w, 3)
	word := func(hex string) string { return "0x" + strings.Repeat("0", 64-len(hex)) + hex }
	evil := "66666666" + strings.Repeat("6", 32)
	tests := []struct {
		name   string
		which  int
		answer any
		kind   fault.Kind
		field  string
	}{
		{"another ERC-20 proxy", 0, word(evil), fault.Forbidden, official.CheckContract},
		{"another native proxy", 1, word(evil), fault.Forbidden, official.CheckContract},
		{"no proxy", 0, word("0"), fault.Forbidden, official.CheckContract},
		{"a fee above 2 %", 2, word("c9"), fault.Forbidden, official.CheckContract},
		{"the largest fee", 2, word("ffff"), fault.Forbidden, official.CheckContract},
		{"a fee of another type", 2, "0x" + strings.Repeat("f", 64), fault.Unavailable, ""},
		{"a limit of another type", 3, "0x" + strings.Repeat("f", 64), fault.Unavailable, ""},
		{"a dirty proxy", 0, "0x1" + word(evil)[3:], fault.Unavailable, ""},
		{"nothing", 2, "0x", fault.Unavailable, ""},
		{"null", 1, nil, fault.Unavailable, ""},
		{"two words", 3, word("1") + strings.Repeat("0", 64), fault.Unavailable, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.chain.Lie("eth_call", func(params []json.RawMessage, honest json.RawMessage) any {
				if strings.Contains(string(params[0]), selector(tt.which)) {
					return tt.answer
				}
				return honest
			})
			defer w.chain.Behave()
			for _, payer := range []rail.Payer{{}, w.payer(t)} {
				in, err := w.rail.Prepare(t.Context(), p, batchOption, payer)
				if f := fault.From(err); in != nil || f == nil || f.Kind != tt.kind || f.Field != tt.field {
					t.Errorf("wallet %s: got %+v %+v, want %s at %q", payer.Wallet, in, f, tt.kind, tt.field)
				}
			}
			options, err := w.rail.Offer(t.Context(), p, rail.Payer{})
			if err != nil || costs(options[0].Costs) != "ETH-base 207, USDT-base 207, USDC-base 105" {
				t.Errorf("offered afterwards: %+v %v", options, err)
			}
		})
	}
	w.prepareBatch(t, p, w.payer(t))
}

// A contract that changes its mind between two questions is asked again later.
func TestBatchTermsThatChangeEachTime(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.chain.Lie("eth_call", func(params []json.RawMessage, honest json.RawMessage) any {
		if strings.Contains(string(params[0]), selector(2)) {
			n++
			return fmt.Sprintf("0x%064x", n)
		}
		return honest
	})
	_, err := w.rail.Prepare(t.Context(), mixedBatch(t, w, 3), batchOption, w.payer(t))
	if !fault.Is(err, fault.Unavailable) || n != 2 {
		t.Errorf("got %v after %d answers", err, n)
	}
}

// A fee that is within bounds and a lie is found out by the trial run.
func TestBatchTrialFindsOut(t *testing.T) {
	w := newWorld(t)
	p := mixedBatch(t, w, 3)
	simulated := func(change func(pay map[string]any)) func(t *testing.T) {
		return func(t *testing.T) {
			w.chain.Lie("eth_simulateV1", func(_ []json.RawMessage, honest json.RawMessage) any {
				var blocks []map[string]json.RawMessage
				var calls []map[string]any
				if err := json.Unmarshal(honest, &blocks); err != nil {
					t.Error(err)
				}
				if err := json.Unmarshal(blocks[0]["calls"], &calls); err != nil {
					t.Error(err)
				}
				change(calls[len(calls)-1])
				return []any{map[string]any{"calls": calls}}
			})
		}
	}
	logs := func(pay map[string]any) []any { return pay["logs"].([]any) }
	topic := func(l any, want string) bool { return l.(map[string]any)["topics"].([]any)[0] == want }
	find := func(pay map[string]any, want string) int {
		return slices.IndexFunc(logs(pay), func(l any) bool { return topic(l, want) })
	}
	tests := []struct {
		name string
		lie  func(t *testing.T)
	}{
		{"a fee the contract does not take", func(*testing.T) {
			w.chain.Lie("eth_call", func(params []json.RawMessage, honest json.RawMessage) any {
				if strings.Contains(string(params[0]), selector(2)) {
					return fmt.Sprintf("0x%064x", 200)
				}
				return honest
			})
		}},
		{"an event is missing", simulated(func(pay map[string]any) {
			i := find(pay, official.TopicERC20Paid)
			pay["logs"] = slices.Delete(logs(pay), i, i+1)
		})},
		{"an item twice", simulated(func(pay map[string]any) {
			i := find(pay, official.TopicERC20Paid)
			pay["logs"] = append(logs(pay), logs(pay)[i])
		})},
		{"a transfer twice", simulated(func(pay map[string]any) {
			pay["logs"] = append(logs(pay), logs(pay)[find(pay, official.TopicTransfer)])
		})},
		{"a transfer is missing", simulated(func(pay map[string]any) {
			i := find(pay, official.TopicTransfer)
			pay["logs"] = slices.Delete(logs(pay), i, i+1)
		})},
		{"no logs", simulated(func(pay map[string]any) { pay["logs"] = []any{} })},
		{"the payment fails", simulated(func(pay map[string]any) { pay["status"] = "0x0" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.lie(t)
			defer w.chain.Behave()
			in, err := w.rail.Prepare(t.Context(), p, batchOption, w.payer(t))
			if f := fault.From(err); in != nil || f == nil || f.Code != "unsafe" || f.Field != official.CheckSimulation {
				t.Errorf("got %+v %+v", in, f)
			}
		})
	}
	w.prepareBatch(t, p, w.payer(t))
}
