package official_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// batchEvents are the events of an honest run of a batch by a contract that
// charges nothing itself. What the official bytecode emits is tried in
// internal/sandbox/contracts.
func batchEvents(b official.Batch, payer asset.Address) []official.Event {
	r := official.Default()
	batch, _ := r.Contract(b.Chain, official.BatchPayments)
	erc20, _ := r.Contract(b.Chain, official.ERC20FeeProxy)
	eth, _ := r.Contract(b.Chain, official.EthereumFeeProxy)
	feeTo := b.FeeAddress()
	tracer := official.NativeTracer
	var tokens, native []official.Event
	for _, n := range b.Needs() {
		if n.Token.IsZero() {
			native = append(native, transferEvent(tracer, payer, batch.Address, n.Take.Int64()))
			continue
		}
		tokens = append(tokens, transferEvent(n.Token, payer, batch.Address, n.Take.Int64()), transferEvent(n.Token, payer, feeTo, 0))
	}
	for _, e := range b.Requests {
		said := e
		said.FeePayee = feeTo
		if e.Token.IsZero() {
			native = append(native, transferEvent(tracer, batch.Address, eth.Address, e.Total().Int64()),
				transferEvent(tracer, eth.Address, e.Payee, e.Amount.Int64()))
			if e.Fee.Sign() > 0 {
				native = append(native, transferEvent(tracer, eth.Address, feeTo, e.Fee.Int64()))
			}
			native = append(native, paidEvent(said, eth.Address))
			continue
		}
		tokens = append(tokens, transferEvent(e.Token, batch.Address, e.Payee, e.Amount.Int64()))
		if e.Fee.Sign() > 0 {
			tokens = append(tokens, transferEvent(e.Token, batch.Address, feeTo, e.Fee.Int64()))
		}
		tokens = append(tokens, paidEvent(said, erc20.Address))
	}
	return append(tokens, native...)
}

func TestBatchSimulation(t *testing.T) {
	payer, evil, eth := asset.Address{0: 0x77}, asset.Address{0: 0xee}, asset.Address{}
	r := official.Default()
	batch, _ := r.Contract(asset.Base, official.BatchPayments)
	erc20, _ := r.Contract(asset.Base, official.ERC20FeeProxy)
	ethProxy, _ := r.Contract(asset.Base, official.EthereumFeeProxy)
	b := batchOf(owed(eth, 0, 2), owed(usdtBase, 1, 0), owed(usdcBase, 2, 3), owed(usdtBase, 3, 4), owed(eth, 4, 0))
	approval := func(token, spender asset.Address) official.Event {
		return official.Event{Address: token, Topics: []string{topicApproval, indexed(payer), indexed(spender)}, Data: wordOf(big.NewInt(1))}
	}
	run := func(b official.Batch) []official.SimulatedCall {
		return []official.SimulatedCall{
			{Kind: rail.Reset, Succeeded: true, Events: []official.Event{approval(usdtBase, batch.Address)}},
			{Kind: rail.Approve, Succeeded: true, Events: []official.Event{approval(usdtBase, batch.Address)}},
			{Kind: rail.Approve, Succeeded: true, Events: []official.Event{approval(usdcBase, batch.Address)}},
			{Kind: rail.Pay, Succeeded: true, Events: batchEvents(b, payer)},
		}
	}
	const pay = 3
	at := func(calls []official.SimulatedCall, ev official.Event) int {
		i := slices.IndexFunc(calls[pay].Events, func(e official.Event) bool {
			return e.Address == ev.Address && slices.Equal(e.Topics, ev.Topics) && slices.Equal(e.Data, ev.Data)
		})
		if i < 0 {
			t.Fatalf("no event %+v", ev)
		}
		return i
	}
	without := func(ev official.Event) func([]official.SimulatedCall) []official.SimulatedCall {
		return func(c []official.SimulatedCall) []official.SimulatedCall {
			i := at(c, ev)
			c[pay].Events = slices.Delete(c[pay].Events, i, i+1)
			return c
		}
	}
	with := func(ev ...official.Event) func([]official.SimulatedCall) []official.SimulatedCall {
		return func(c []official.SimulatedCall) []official.SimulatedCall {
			c[pay].Events = append(c[pay].Events, ev...)
			return c
		}
	}
	instead := func(old, ev official.Event) func([]official.SimulatedCall) []official.SimulatedCall {
		return func(c []official.SimulatedCall) []official.SimulatedCall { c[pay].Events[at(c, old)] = ev; return c }
	}
	paid := func(i int) official.Event {
		e, from := b.Requests[i], erc20.Address
		if e.Token.IsZero() {
			from = ethProxy.Address
		}
		e.FeePayee = batchFeeTo
		return paidEvent(e, from)
	}
	other := func(i int, change func(e *official.Expectation)) official.Event {
		e := b.Requests[i]
		e.FeePayee = batchFeeTo
		change(&e)
		return paidEvent(e, erc20.Address)
	}
	to := func(i int) official.Event {
		e := b.Requests[i]
		return transferEvent(e.Token, batch.Address, e.Payee, e.Amount.Int64())
	}
	first := b.Requests[0]
	tests := []struct {
		name   string
		change func([]official.SimulatedCall) []official.SimulatedCall
		want   string // of the detail; "" for passed
	}{
		{"honest", with(), ""},
		{"others' transfers do not matter", with(transferEvent(usdcBase, evil, evil, 5), transferEvent(evil, batch.Address, evil, 5)), ""},
		{"a refund of nothing does not matter", with(transferEvent(official.NativeTracer, batch.Address, payer, 0)), ""},
		{"the contract lets its proxy have tokens", with(official.Event{Address: usdcBase, Topics: []string{topicApproval, indexed(batch.Address), indexed(erc20.Address)}, Data: make([]byte, 32)}), ""},

		{"a payee is left out", without(to(1)), "does not get"},
		{"a payee is paid twice", with(to(1)), "not shown"},
		{"a payee gets another's amount", instead(to(1), transferEvent(usdtBase, batch.Address, b.Requests[1].Payee, b.Requests[3].Amount.Int64())), "not shown"},
		{"a payee gets another token", instead(to(2), transferEvent(usdtBase, batch.Address, b.Requests[2].Payee, b.Requests[2].Amount.Int64())), "not shown"},
		{"a payee is paid by the payer", instead(to(2), transferEvent(usdcBase, payer, b.Requests[2].Payee, b.Requests[2].Amount.Int64())), "not shown"},
		{"a fee is left out", without(transferEvent(usdcBase, batch.Address, batchFeeTo, 3)), "does not get 3"},
		{"a fee goes elsewhere", instead(transferEvent(usdcBase, batch.Address, batchFeeTo, 3), transferEvent(usdcBase, batch.Address, evil, 3)), "not shown"},
		{"the contract takes more of a token", instead(transferEvent(usdcBase, payer, batch.Address, 1_000_005), transferEvent(usdcBase, payer, batch.Address, 1_000_006)), "not shown"},
		{"the contract takes a token twice", with(transferEvent(usdcBase, payer, batch.Address, 1_000_005)), "not shown"},
		{"the contract keeps some", instead(to(2), transferEvent(usdcBase, batch.Address, b.Requests[2].Payee, 1)), "not shown"},
		{"the contract charges what it did not say", with(transferEvent(usdcBase, payer, batchFeeTo, 1)), "not shown"},
		{"a token leaves the payer", with(transferEvent(usdcBase, payer, evil, 1)), "not shown"},
		{"another token leaves the payer", with(transferEvent(evil, payer, evil, 1)), "another asset"},
		{"native currency leaves beside the call", with(transferEvent(official.NativeTracer, payer, evil, 1)), "not shown"},
		{"native currency comes back", with(transferEvent(official.NativeTracer, batch.Address, payer, 1)), "not shown"},
		{"a native payee gets less", instead(transferEvent(official.NativeTracer, ethProxy.Address, first.Payee, first.Amount.Int64()), transferEvent(official.NativeTracer, ethProxy.Address, first.Payee, 1)), "not shown"},
		{"a native amount does not go through its proxy", without(transferEvent(official.NativeTracer, batch.Address, ethProxy.Address, first.Total().Int64())), "does not get"},
		{"the proxy sends something of its own", with(transferEvent(usdcBase, erc20.Address, evil, 1)), "not shown"},
		{"an event is missing", without(paid(2)), "announces 4 payments instead of 5"},
		{"a native event is missing", without(paid(4)), "announces 4 payments instead of 5"},
		{"an event too many", with(paid(2)), "announces 6 payments instead of 5"},
		{"an event instead of another", instead(paid(1), paid(3)), "another payment"},
		{"an event from someone else", instead(paid(1), paidEvent(b.Requests[1], evil)), "announces 4"},
		{"an event of the other proxy", instead(paid(0), func() official.Event { e := paid(0); e.Address = erc20.Address; return e }()), "cannot be read"},
		{"an event with another reference", instead(paid(1), other(1, func(e *official.Expectation) { e.Reference[3]++ })), "another payment"},
		{"an event with another payee", instead(paid(1), other(1, func(e *official.Expectation) { e.Payee = evil })), "another payment"},
		{"an event with another amount", instead(paid(1), other(1, func(e *official.Expectation) { e.Amount = big.NewInt(1) })), "another payment"},
		{"an event with another token", instead(paid(1), other(1, func(e *official.Expectation) { e.Token = usdcBase })), "another payment"},
		{"an event with another fee", instead(paid(1), other(1, func(e *official.Expectation) { e.Fee = big.NewInt(1) })), "another payment"},
		{"an event with another fee address", instead(paid(1), other(1, func(e *official.Expectation) { e.FeePayee = evil })), "another payment"},
		{"an allowance for someone else", with(approval(usdcBase, evil)), "allowance"},
		{"an allowance for the fee proxy", with(approval(usdcBase, erc20.Address)), "allowance"},
		{"an allowance over another token", with(approval(evil, batch.Address)), "allowance"},
		{"money moves during an approval", func(c []official.SimulatedCall) []official.SimulatedCall {
			c[1].Events = append(c[1].Events, c[pay].Events[0])
			return c
		}, "moves money"},
		{"the payment fails", func(c []official.SimulatedCall) []official.SimulatedCall { c[pay].Succeeded = false; return c }, "pay transaction fails"},
		{"the second approval fails", func(c []official.SimulatedCall) []official.SimulatedCall { c[2].Succeeded = false; return c }, "approve transaction fails"},
		{"nothing happens", func([]official.SimulatedCall) []official.SimulatedCall { return nil }, "0 payments"},
		{"two payments", func(c []official.SimulatedCall) []official.SimulatedCall { return append(c, c[pay]) }, "2 payments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.SimulationMatches(b, payer, tt.change(run(b)))
			want := rail.Refused
			if tt.want == "" {
				want = rail.Passed
			}
			if got.Name != official.CheckSimulation || got.Outcome != want || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("got %+v, want %s about %q", got, want, tt.want)
			}
		})
	}
	for name, b := range map[string]official.Batch{"the most there can be": large(official.MaxBatch), "the payer is a payee": func() official.Batch {
		b := batchOf(slices.Clone(b.Requests)...)
		b.Requests[0].Payee, b.Requests[2].Payee = payer, payer
		return b
	}()} {
		if got := r.SimulationMatches(b, payer, run(b)); got.Outcome != rail.Passed {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func BenchmarkSimulationMatches200(b *testing.B) {
	r, order, payer := official.Default(), large(official.MaxBatch), asset.Address{0: 0x77}
	calls := []official.SimulatedCall{{Kind: rail.Pay, Succeeded: true, Events: batchEvents(order, payer)}}
	b.ReportAllocs()
	for b.Loop() {
		if got := r.SimulationMatches(order, payer, calls); got.Outcome != rail.Passed {
			b.Fatal(got)
		}
	}
}
