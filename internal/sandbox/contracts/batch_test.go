package contracts_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain"
	check "quittance/internal/official"
	"quittance/internal/rail"
)

func at(t testing.TB, hex string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(common.HexToAddress(hex).Hex())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// registry is the registry of a world's own contracts.
func (w *world) registry(t testing.TB) *check.Registry {
	t.Helper()
	id := asset.ChainID(w.ID())
	r, err := check.NewRegistry([]check.Contract{
		{Chain: id, Kind: check.ERC20FeeProxy, Address: at(t, w.erc20)},
		{Chain: id, Kind: check.EthereumFeeProxy, Address: at(t, w.eth)},
		{Chain: id, Kind: check.BatchPayments, Address: at(t, w.batch)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// item is one payment of a test's batch; token is "", "USDC" or "USDT".
type item struct {
	token, payee string
	amount, fee  int64
}

// order is the batch at the terms the contract says it has.
func (w *world) order(t testing.TB, node *chain.Client, items []item) check.Batch {
	t.Helper()
	b := check.Batch{Chain: asset.ChainID(w.ID())}
	for i, x := range items {
		e := check.Expectation{
			Chain: b.Chain, Payee: at(t, x.payee), Amount: units(x.amount), Fee: units(x.fee),
			Reference: check.Reference{1, 2, 3, 4, 5, 6, byte(i >> 8), byte(i)},
		}
		switch x.token {
		case "USDC":
			e.Token = at(t, w.USDC())
		case "USDT":
			e.Token = at(t, w.USDT())
		}
		if x.fee > 0 {
			e.FeePayee = at(t, feeTo)
		}
		b.Requests = append(b.Requests, e)
	}
	var answers [][]byte
	for _, data := range check.BatchTermsCalls() {
		answer, err := chain.Ask(t.Context(), node, chain.ContractCall(chain.Msg{To: at(t, w.batch), Data: data}, chain.Latest), chain.Result.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	var err error
	if b.Terms, err = check.DecodeBatchTerms(answers); err != nil {
		t.Fatal(err)
	}
	return b
}

// settle tries a batch out, carries it out, and returns the payment's effect and gas.
func (w *world) settle(t testing.TB, items []item) (effect, uint64) {
	t.Helper()
	node, err := chain.NewClient(chain.Config{
		Chain: asset.ChainID(w.ID()), Endpoints: []chain.Endpoint{{URL: w.URL()}}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	r, b, payer := w.registry(t), w.order(t, node, items), at(t, w.Address())
	var calls []rail.Call
	for _, n := range b.Needs() {
		if !n.Token.IsZero() {
			c, err := r.ApproveCall(b, n.Token)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, c)
		}
	}
	pay, err := r.PayCall(b)
	if err != nil {
		t.Fatal(err)
	}
	calls = append(calls, pay)
	if bad, failed := rail.Failed(r.Verify(b, calls)); failed {
		t.Fatalf("verify: %+v", bad)
	}

	msgs := make([]chain.Msg, len(calls))
	for i, c := range calls {
		msgs[i] = chain.Msg{From: payer, To: c.To, Data: c.Data, Value: c.Value}
	}
	trial, err := chain.Ask(t.Context(), node, chain.SimulateCall(msgs, chain.Latest), chain.Result.Simulated)
	if err != nil {
		t.Fatal(err)
	}
	var simulated []check.SimulatedCall
	for i, s := range trial {
		c := check.SimulatedCall{Kind: calls[i].Kind, Succeeded: s.Succeeded}
		for _, l := range s.Logs {
			c.Events = append(c.Events, check.Event{Address: l.Address, Topics: l.Topics, Data: l.Data})
		}
		simulated = append(simulated, c)
	}
	if got := r.SimulationMatches(b, payer, simulated); got.Outcome != rail.Passed {
		t.Errorf("trial run: %+v", got)
	}

	for _, c := range calls[:len(calls)-1] {
		w.Send(c.To.String(), nil, c.Data)
	}
	w.Mine(1)
	got := w.run(pay.To.String(), pay.Value, pay.Data)
	for _, token := range []string{w.USDC(), w.USDT()} {
		if left := w.Allowance(token, w.Address(), w.batch); left.Sign() != 0 {
			t.Errorf("%s of an allowance are left", left)
		}
	}
	return got, trial[len(trial)-1].GasUsed
}

// What the safety check builds, verifies and expects of a trial run is what the
// official bytecode does, and what the sandbox's own contract does.
func TestOurBatchesOnTheOfficialContract(t *testing.T) {
	mixed := []item{{"", payee, 100, 5}, {"USDT", third, 70_000, 0}, {"USDC", payee, 50_000, 7}, {"USDT", payee, 30_000, 1}, {"", third, 20_000, 0}}
	bare := []item{{"USDC", third, 40_000, 0}, {"", payee, 30_000, 0}, {"USDC", payee, 20_000, 0}}
	tests := []struct {
		name  string
		rate  uint16
		limit uint64
		items []item
	}{
		{"mixed with fees", 0, 0, mixed},
		{"mixed with fees, a limit and no rate", 0, 150e8, mixed},
		{"no fees", 0, 0, bare},
		{"native alone", 0, 0, []item{{"", payee, 5, 0}, {"", third, 6, 0}}},
		{"one token", 0, 0, []item{{"USDT", payee, 5, 1}, {"USDT", third, 6, 0}}},
		{"charged, with fees", 30, 150e8, mixed},
		{"charged, no fees", 200, 150e8, bare},
		{"native alone charged", 200, 0, mixed},
		{"charged on native alone, no fees", 7, 0, bare},
		{"to one payee, the same amount twice", 100, 150e8, []item{{"USDC", payee, 500, 2}, {"USDC", payee, 500, 2}, {"", payee, 500, 2}, {"", payee, 500, 2}}},
		{"a fee to its payee", 0, 0, []item{{"USDC", feeTo, 500, 2}, {"", feeTo, 500, 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			compare(t, 1, func(w *world) effect {
				charge(w, tt.rate, tt.limit)
				got, _ := w.settle(t, tt.items)
				return got
			})
		})
	}
}

// The value that the published SDK sends for native items, their amounts alone, is
// not enough for the official contract as soon as there are fees.
func TestTheSDKsValueIsNotEnough(t *testing.T) {
	compare(t, 0, func(w *world) effect {
		return batch(w, 100, feeTo, meta(3, owedNative(payee, 60, 5, 1), owedNative(third, 40, 0, 2)))
	})
}

// What the official bytecode takes for the largest batch, everything at its most
// expensive: accounts that are new to the chain and to the tokens.
func TestGasOfTheLargestBatch(t *testing.T) {
	for _, tokens := range [][]string{{"USDC"}, {""}, {"USDC", "", "USDT"}} {
		var list []item
		for i := range check.MaxBatch {
			list = append(list, item{tokens[i%len(tokens)], fmt.Sprintf("0x99%036x%02x", 0, i), 1_000 + int64(i), 3})
		}
		w := newWorld(t, readOfficial(t))
		got, gas := w.settle(t, list)
		if got.Status != 1 || len(got.Logs) < check.MaxBatch {
			t.Errorf("%v: status %d, %d logs", tokens, got.Status, len(got.Logs))
		}
		t.Logf("%v: %d gas, %d for each", tokens, gas, gas/check.MaxBatch)
		if gas > 1<<24 {
			t.Errorf("%v: %d gas is more than a transaction may take (EIP-7825)", tokens, gas)
		}
	}
}

// The four questions of the contract's terms have the names and types of the
// official interface.
func TestTermsAreOfficial(t *testing.T) {
	methods := readOfficial(t)["BatchConversionPayments"].abi.Methods
	calls := check.BatchTermsCalls()
	for i, name := range []string{"paymentErc20Proxy", "paymentNativeProxy", "batchFee", "batchFeeAmountUSDLimit"} {
		m, ok := methods[name]
		if !ok || string(m.ID) != string(calls[i]) || len(m.Inputs) != 0 || len(m.Outputs) != 1 ||
			m.Outputs[0].Type.String() != []string{"address", "address", "uint16", "uint64"}[i] {
			t.Errorf("%s: %v", name, m)
		}
	}
}
