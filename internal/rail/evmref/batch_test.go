package evmref_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
	"quittance/internal/sandbox/contracts"
)

const batchOption = "evmref:base:batch"

func (w *world) prepareBatch(t testing.TB, p *payment.Payment, payer rail.Payer) *rail.Calls {
	t.Helper()
	in, err := w.rail.Prepare(t.Context(), p, batchOption, payer)
	if err != nil {
		t.Fatal(err)
	}
	return in.(*rail.Calls)
}

// charge sets the batch contract's own fee.
func (w *world) charge(t *testing.T, rate uint16, limit uint64) {
	t.Helper()
	w.chain.Send(w.chain.BatchPayments(), nil, contracts.Call(contracts.BatchPayments, "setBatchFee", rate))
	tx := w.chain.Send(w.chain.BatchPayments(), nil, contracts.Call(contracts.BatchPayments, "setBatchFeeAmountUSDLimit", limit))
	w.chain.Mine(1)
	if r := w.chain.Receipt(tx); r == nil || r.Status != 1 {
		t.Fatal("setting the batch fee failed")
	}
}

// amounts gives requests amounts of their own: 100 and the index on top.
func amounts(requests ...payment.Request) []payment.Request {
	for i := range requests {
		requests[i].Due = big.NewInt(100 + int64(i))
	}
	return requests
}

func mixedBatch(t testing.TB, w *world, fee int64) *payment.Payment {
	return railtest.Open(t, w.rail, amounts(request(t, "ETH-base", fee), request(t, "USDT-base", 0), request(t, "USDC-base", fee),
		request(t, "USDT-base", fee), request(t, "ETH-base", 0))...)
}

func costs(c []rail.Cost) string {
	var out []string
	for _, x := range c {
		out = append(out, fmt.Sprintf("%s %s", x.Asset, x.Amount))
	}
	return strings.Join(out, ", ")
}

func stepsOf(calls *rail.Calls) string {
	var out []string
	for _, s := range calls.Steps {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s", s.Kind, s.Asset)))
	}
	return strings.Join(out, ", ")
}

// One option, one cost for each asset in the order of the requests, fees included.
func TestBatchOffer(t *testing.T) {
	w := newWorld(t)
	got, err := w.rail.Offer(t.Context(), mixedBatch(t, w, 3), rail.Payer{})
	if err != nil || len(got) != 1 || got[0].ID != batchOption || got[0].Chain != asset.SandboxBase {
		t.Fatalf("got %+v %v", got, err)
	}
	if c := costs(got[0].Costs); c != "ETH-base 207, USDT-base 207, USDC-base 105" {
		t.Errorf("costs %s", c)
	}
}

// Everything there is to know takes one round trip, the contract's terms too.
func TestBatchAsksOnce(t *testing.T) {
	w := newWorld(t)
	p := mixedBatch(t, w, 3)
	for who, payer := range map[string]rail.Payer{"nobody": {}, "the payer": w.payer(t)} {
		before := w.chain.Requests()
		w.prepareBatch(t, p, payer)
		if n := w.chain.Requests() - before; n != 1 {
			t.Errorf("for %s: %d requests, want 1", who, n)
		}
	}
}

// Each asset's own allowance decides about its approval.
func TestBatchApprovals(t *testing.T) {
	tests := []struct {
		name       string
		usdt, usdc int64
		want       string
	}{
		{"nothing allowed", 0, 0, "approve USDT-base, approve USDC-base, pay"},
		{"one has enough", 207, 0, "approve USDC-base, pay"},
		{"the other has enough", 0, 1_000, "approve USDT-base, pay"},
		{"one has too little and wants a reset", 206, 104, "reset USDT-base, approve USDT-base, approve USDC-base, pay"},
		{"both have enough", 207, 105, "pay"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.chain.Approve(w.chain.USDT(), w.chain.BatchPayments(), big.NewInt(tt.usdt))
			w.chain.Approve(w.chain.USDC(), w.chain.BatchPayments(), big.NewInt(tt.usdc))
			w.chain.Approve(w.chain.USDC(), w.chain.ERC20FeeProxy(), big.NewInt(1_000_000)) // says nothing here
			w.chain.Mine(1)
			p := mixedBatch(t, w, 3)
			calls := w.prepareBatch(t, p, w.payer(t))
			if got := stepsOf(calls); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			f := calls.Funds.Assets
			if f[0].Allowance != nil || f[1].Allowance.Int64() != tt.usdt || f[2].Allowance.Int64() != tt.usdc {
				t.Errorf("allowances: %+v", f)
			}
			for _, s := range calls.Steps {
				if s.Gas == 0 {
					t.Errorf("no estimate for the %s transaction of %s", s.Kind, s.Asset)
				}
			}
			if seen := w.carryOut(t, calls); len(seen) != 5 {
				t.Errorf("carried out: %+v", seen)
			}
			for token, left := range map[string]int64{w.chain.USDT(): max(tt.usdt-207, 0), w.chain.USDC(): max(tt.usdc-105, 0)} {
				if got := w.chain.Allowance(token, w.chain.Address(), w.chain.BatchPayments()); got.Int64() != left {
					t.Errorf("allowance over %s afterwards: got %s, want %d", token, got, left)
				}
			}
		})
	}
}

// The code of the batch contract and of both proxies decides.
func TestBatchCodeDecides(t *testing.T) {
	for _, kind := range []official.Kind{official.BatchPayments, official.ERC20FeeProxy, official.EthereumFeeProxy} {
		w := newWorld(t)
		c, _ := official.Default().Contract(asset.SandboxBase, kind)
		w.chain.Lie("eth_getCode", func(params []json.RawMessage, honest json.RawMessage) any {
			if strings.Contains(string(params[0]), c.Address.Lower()) {
				return "0x6001"
			}
			return honest
		})
		if err := w.codes.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := railtest.Open(t, w.rail, request(t, "USDC-base", 0), request(t, "USDC-base", 0))
		_, err := w.rail.Prepare(t.Context(), p, batchOption, rail.Payer{})
		if f := fault.From(err); f == nil || f.Code != "unsafe" || f.Field != official.CheckCode {
			t.Errorf("%s: got %v", kind, err)
		}
		if bad, failed := rail.Failed(w.rail.Guard(t.Context(), p)); !failed || bad.Name != official.CheckCode {
			t.Errorf("%s: guard %+v", kind, bad)
		}
	}
}

// A wallet that holds too little of one asset is told which.
func TestBatchPoorWallet(t *testing.T) {
	w := newWorld(t)
	poor := rail.Payer{Wallet: addr(t, "0x9999999999999999999999999999999999999999")}
	w.chain.Send(poor.Wallet.String(), big.NewInt(1_000), nil)
	w.chain.Send(w.chain.USDT(), nil, contracts.Call(contracts.USDT, "transfer", common.HexToAddress(poor.Wallet.String()), big.NewInt(1_000)))
	w.chain.Mine(1)
	calls := w.prepareBatch(t, mixedBatch(t, w, 3), poor)
	c := check(t, calls, official.CheckSimulation)
	if c.Outcome != rail.Waiting || !strings.Contains(c.Detail, "more USDC") || calls.Funds.EnoughBalance() || calls.Funds.EnoughGas() {
		t.Errorf("got %+v, funds %+v", c, calls.Funds)
	}
	if !calls.Funds.Assets[0].Enough() || !calls.Funds.Assets[1].Enough() || calls.Funds.Assets[2].Enough() {
		t.Errorf("funds %+v", calls.Funds.Assets)
	}
}

// What is paid is left out, part payments are completed with the rest of their
// fee, and a last request alone is no batch any more.
func TestBatchPaysWhatIsOutstanding(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, amounts(request(t, "USDC-base", 3), request(t, "ETH-base", 3), request(t, "USDC-base", 3), request(t, "USDT-base", 3))...)
	got := func(index int, amount, fee int64, stage payment.Stage) payment.Transfer {
		return railtest.ReceivedBy(p, index, fmt.Sprintf("%d: %d", index, amount), big.NewInt(amount), big.NewInt(fee), stage)
	}
	tests := []struct {
		name      string
		transfers []payment.Transfer
		offer     string
		steps     string
		items     string // amount and fee of each item, tokens first
	}{
		{"nothing paid", nil, "USDC-base 208, ETH-base 104, USDT-base 106", "approve USDC-base, approve USDT-base, pay", "100+3 102+3 103+3 101+3"},
		{"one paid", []payment.Transfer{got(1, 101, 3, payment.Final)}, "USDC-base 208, USDT-base 106", "approve USDC-base, approve USDT-base, pay", "100+3 102+3 103+3"},
		{"one seen, one in part", []payment.Transfer{got(1, 101, 3, payment.Pending), got(0, 60, 2, payment.Final)}, "USDC-base 146, USDT-base 106", "approve USDC-base, approve USDT-base, pay", "40+1 102+3 103+3"},
		{"paid without the fee", []payment.Transfer{got(0, 100, 0, payment.Final)}, "ETH-base 104, USDC-base 105, USDT-base 106", "approve USDC-base, approve USDT-base, pay", "102+3 103+3 101+3"},
		{"dropped again", []payment.Transfer{got(1, 101, 3, payment.Dropped)}, "USDC-base 208, ETH-base 104, USDT-base 106", "approve USDC-base, approve USDT-base, pay", "100+3 102+3 103+3 101+3"},
		{"one left", []payment.Transfer{got(0, 100, 3, payment.Final), got(1, 101, 3, payment.Final), got(3, 103, 3, payment.Pending)}, "USDC-base 105", "approve USDC-base, pay", ""},
		{"part of one left", []payment.Transfer{got(0, 100, 3, payment.Final), got(1, 51, 3, payment.Final), got(2, 102, 3, payment.Final), got(3, 103, 3, payment.Final)}, "ETH-base 50", "pay", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := railtest.With(p, tt.transfers...)
			options, err := w.rail.Offer(t.Context(), p, rail.Payer{})
			if err != nil || len(options) != 1 || options[0].ID != batchOption || costs(options[0].Costs) != tt.offer {
				t.Fatalf("offered %+v %v, want %s", options, err, tt.offer)
			}
			calls := w.prepareBatch(t, p, w.payer(t))
			if got := stepsOf(calls); got != tt.steps {
				t.Errorf("steps %s, want %s", got, tt.steps)
			}
			if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
				t.Errorf("trial: %+v", c)
			}
			pay := calls.Steps[len(calls.Steps)-1]
			if tt.items == "" {
				if at, _ := official.Default().At(asset.SandboxBase, pay.To); at.Kind == official.BatchPayments || at.Kind == "" {
					t.Errorf("the last one goes to %s", pay.To)
				}
				return
			}
			b, err := official.DecodeBatchPayment(pay.Data)
			if err != nil {
				t.Fatal(err)
			}
			var items []string
			for _, i := range b.Items {
				items = append(items, fmt.Sprintf("%s+%s", i.Amount, i.Fee))
			}
			if got := strings.Join(items, " "); got != tt.items {
				t.Errorf("items %s, want %s", got, tt.items)
			}
		})
	}
}

// carriedBy makes transfers of sightings, as the checkout does.
func carriedBy(t *testing.T, p *payment.Payment, seen []rail.Sighting, stage payment.Stage) []payment.Transfer {
	t.Helper()
	var out []payment.Transfer
	for _, s := range seen {
		i := slices.IndexFunc(p.Terms.Requests, func(q payment.Request) bool { return q.Topic == s.Handle })
		if i < 0 {
			t.Fatalf("nobody's: %+v", s)
		}
		x := railtest.ReceivedBy(p, i, s.Key+":"+s.Handle, s.Amount, s.Fee, stage)
		x.Evidence = s.Evidence
		out = append(out, x)
	}
	return out
}

// One transaction pays the most requests there can be; each gets its transfer.
// A reorganisation takes all back, and paid again they count once.
func TestBatchOfTwoHundred(t *testing.T) {
	w := newWorld(t)
	var list []payment.Request
	for i := range official.MaxBatch {
		q := request(t, []asset.ID{"USDC-base", "ETH-base", "USDT-base", "USDC-base"}[i%4], int64(i%3))
		q.Payee = asset.Address{0: 0x12, 18: byte(i), 19: 0x34} // nobody has these accounts yet
		list = append(list, q)
	}
	p := railtest.Open(t, w.rail, amounts(list...)...)
	calls := w.prepareBatch(t, p, w.payer(t))
	if got := stepsOf(calls); got != "approve USDC-base, approve USDT-base, pay" {
		t.Errorf("steps %s", got)
	}
	for _, c := range calls.Checks {
		if c.Outcome != rail.Passed {
			t.Errorf("check %+v", c)
		}
	}
	gas := calls.Steps[2].Gas
	t.Logf("%d bytes of calldata, %d gas", len(calls.Steps[2].Data), gas)
	if gas == 0 || gas > 1<<24 {
		t.Errorf("%d gas: more than a transaction may take (EIP-7825)", gas)
	}
	// A wallet that cannot be tried out is told to hold enough, and not three times that.
	poor := w.prepareBatch(t, p, rail.Payer{Wallet: addr(t, "0x9999999999999999999999999999999999999999")}).Funds
	told := new(big.Int).Quo(new(big.Int).Sub(poor.NativeNeeded, calls.Steps[2].Value), poor.GasPrice).Uint64()
	if told < gas || told > 3*gas {
		t.Errorf("without a trial run the payer is told to hold %d gas, it takes %d", told, gas)
	}
	seen := w.carryOut(t, calls)
	if len(seen) != official.MaxBatch {
		t.Fatalf("%d transfers, want %d", len(seen), official.MaxBatch)
	}
	keys := map[string]bool{}
	for _, s := range seen {
		keys[s.Key] = true
	}
	if len(keys) != official.MaxBatch {
		t.Errorf("%d keys", len(keys))
	}
	paid := railtest.With(p, carriedBy(t, p, seen, payment.Final)...)
	if paid.Standing.State != payment.Paid || paid.Standing.Oddity != payment.None {
		t.Errorf("standing %+v", paid.Standing)
	}
	again := w.sightings(t, w.chain.Head())
	for i := range again {
		if again[i].Key != seen[i].Key || again[i].Handle != seen[i].Handle {
			t.Errorf("read again: %+v, first %+v", again[i], seen[i])
		}
	}

	w.chain.Reorg(1)
	if got := w.sightings(t, w.chain.Head()); len(got) != 0 {
		t.Errorf("after the reorganisation: %+v", got)
	}
	dropped := railtest.With(p, carriedBy(t, p, seen, payment.Dropped)...)
	if s := w.carryOut(t, w.prepareBatch(t, dropped, w.payer(t))); len(s) != official.MaxBatch {
		t.Errorf("paid again: %d transfers", len(s))
	}
}

func BenchmarkGuardBatch200(b *testing.B) {
	w := newWorld(b)
	var list []payment.Request
	for i := range official.MaxBatch {
		list = append(list, request(b, []asset.ID{"USDC-base", "ETH-base", "USDT-base"}[i%3], int64(i%2)))
	}
	p := railtest.Open(b, w.rail, list...)
	b.ReportAllocs()
	for b.Loop() {
		if bad, failed := rail.Failed(w.rail.Guard(b.Context(), p)); failed {
			b.Fatal(bad)
		}
	}
}
