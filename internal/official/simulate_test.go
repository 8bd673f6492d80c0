package official_test

import (
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

const topicApproval = "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"

func wordOf(v *big.Int) []byte { return v.FillBytes(make([]byte, 32)) }

func indexed(a asset.Address) string { return "0x000000000000000000000000" + a.Lower()[2:] }

func transferEvent(token, from, to asset.Address, amount int64) official.Event {
	return official.Event{Address: token, Topics: []string{official.TopicTransfer, indexed(from), indexed(to)}, Data: wordOf(big.NewInt(amount))}
}

func paidEvent(e official.Expectation, from asset.Address) official.Event {
	ev := official.Event{Address: from, Topics: []string{official.TopicEthPaid, e.Reference.Topic().String()}}
	pad := func(a asset.Address) { ev.Data = append(ev.Data, append(make([]byte, 12), a[:]...)...) }
	if !e.Token.IsZero() {
		ev.Topics[0] = official.TopicERC20Paid
		pad(e.Token)
	}
	pad(e.Payee)
	ev.Data = append(ev.Data, wordOf(e.Amount)...)
	ev.Data = append(ev.Data, wordOf(e.Fee)...)
	pad(e.FeePayee)
	return ev
}

func TestSimulation(t *testing.T) {
	payer, evil := addr(t, "0x7777777777777777777777777777777777777777"), addr(t, "0x6666666666666666666666666666666666666666")
	e, native := expected(t, false), expected(t, true)
	proxy, _ := official.Default().Proxy(e.Chain, e.Token)
	ethProxy, _ := official.Default().Proxy(e.Chain, asset.Address{})
	approval := func(token, spender asset.Address) official.Event {
		return official.Event{Address: token, Topics: []string{topicApproval, indexed(payer), indexed(spender)}, Data: wordOf(big.NewInt(103))}
	}
	honest := func() []official.SimulatedCall {
		return []official.SimulatedCall{
			{Kind: rail.Approve, Succeeded: true, Events: []official.Event{approval(e.Token, proxy.Address)}},
			{Kind: rail.Pay, Succeeded: true, Events: []official.Event{
				transferEvent(e.Token, payer, e.Payee, 100), transferEvent(e.Token, payer, e.FeePayee, 3), paidEvent(e, proxy.Address),
			}},
		}
	}
	honestNative := func() []official.SimulatedCall {
		tracer := official.NativeTracer
		return []official.SimulatedCall{{Kind: rail.Pay, Succeeded: true, Events: []official.Event{
			transferEvent(tracer, payer, ethProxy.Address, 103), transferEvent(tracer, ethProxy.Address, native.Payee, 100),
			transferEvent(tracer, ethProxy.Address, native.FeePayee, 3), paidEvent(native, ethProxy.Address),
		}}}
	}
	// in adds an event to one call, without replaces those of a call.
	in := func(calls []official.SimulatedCall, i int, ev official.Event) []official.SimulatedCall {
		calls[i].Events = append(calls[i].Events, ev)
		return calls
	}
	swap := func(calls []official.SimulatedCall, i, j int, ev ...official.Event) []official.SimulatedCall {
		calls[i].Events = slices.Replace(calls[i].Events, j, j+1, ev...)
		return calls
	}
	other := func(change func(*official.Expectation)) official.Expectation { x := e; change(&x); return x }
	single := func(topic string) official.Event {
		return official.Event{Address: evil, Topics: []string{topic, indexed(evil), indexed(payer), indexed(evil)}, Data: make([]byte, 64)}
	}
	const erc1155 = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"

	tests := []struct {
		name  string
		e     official.Expectation
		calls []official.SimulatedCall
		want  string // of the detail; "" for passed
	}{
		{"token payment", e, honest(), ""},
		{"native payment", native, honestNative(), ""},
		{"others' transfers do not matter", e, in(honest(), 1, transferEvent(e.Token, e.Payee, evil, 50)), ""},
		{"a refund of nothing does not matter", native, in(honestNative(), 0, transferEvent(official.NativeTracer, ethProxy.Address, payer, 0)), ""},
		{"someone else's payment event does not matter", e, in(honest(), 1, paidEvent(e, evil)), ""},

		{"reverted payment", e, func() []official.SimulatedCall { c := honest(); c[1].Succeeded = false; return c }(), "pay transaction fails"},
		{"reverted approval", e, func() []official.SimulatedCall { c := honest(); c[0].Succeeded = false; return c }(), "approve transaction fails"},
		{"nothing", e, nil, "0 payments"},
		{"only an approval", e, honest()[:1], "0 payments"},
		{"two payments", e, append(honest(), honest()[1]), "2 payments"},
		{"payee gets less", e, swap(honest(), 1, 0, transferEvent(e.Token, payer, e.Payee, 99)), "not shown"},
		{"payee gets less because the token keeps some", e, swap(honest(), 1, 0, transferEvent(e.Token, payer, e.Payee, 99), transferEvent(e.Token, payer, evil, 1)), "not shown"},
		{"payee gets nothing", e, swap(honest(), 1, 0), "does not get 100"},
		{"fee is not paid", e, swap(honest(), 1, 1), "does not get 3"},
		{"someone else is paid too", e, in(honest(), 1, transferEvent(e.Token, payer, evil, 1)), "not shown"},
		{"payee is paid twice", e, in(honest(), 1, transferEvent(e.Token, payer, e.Payee, 100)), "not shown"},
		{"money moves during the approval", e, in(honest(), 0, transferEvent(e.Token, payer, evil, 1)), "approve transaction moves money"},
		{"another token leaves", e, in(honest(), 1, transferEvent(evil, payer, evil, 1)), "another asset"},
		{"native currency leaves with a token payment", e, in(honest(), 1, transferEvent(official.NativeTracer, payer, evil, 1)), "another asset"},
		{"an ERC-721 leaves", e, in(honest(), 1, official.Event{Address: evil, Topics: []string{official.TopicTransfer, indexed(payer), indexed(evil), indexed(evil)}}), "another asset"},
		{"an ERC-1155 leaves", e, in(honest(), 1, single(erc1155)), "tokens"},
		{"unreadable transfer", e, in(honest(), 1, official.Event{Address: e.Token, Topics: []string{official.TopicTransfer}, Data: make([]byte, 96)}), "cannot be read"},
		{"transfer with short data", e, in(honest(), 1, official.Event{Address: e.Token, Topics: []string{official.TopicTransfer, indexed(payer), indexed(evil)}, Data: make([]byte, 31)}), "cannot be read"},
		{"allowance for someone else", e, in(honest(), 0, approval(e.Token, evil)), "allowance"},
		{"allowance over another token", e, in(honest(), 1, approval(evil, proxy.Address)), "allowance"},
		{"no payment event", e, swap(honest(), 1, 2), "announces 0"},
		{"two payment events", e, in(honest(), 1, paidEvent(e, proxy.Address)), "announces 2"},
		{"event of someone else", e, swap(honest(), 1, 2, paidEvent(e, evil)), "announces 0"},
		{"event of the other kind", e, swap(honest(), 1, 2, paidEvent(native, proxy.Address)), "cannot be read"},
		{"event with another reference", e, swap(honest(), 1, 2, paidEvent(other(func(e *official.Expectation) { e.Reference[0]++ }), proxy.Address)), "another payment"},
		{"event with another amount", e, swap(honest(), 1, 2, paidEvent(other(func(e *official.Expectation) { e.Amount = big.NewInt(1) }), proxy.Address)), "another payment"},
		{"event with another payee", e, swap(honest(), 1, 2, paidEvent(other(func(e *official.Expectation) { e.Payee = evil }), proxy.Address)), "another payment"},
		{"native: more is taken", native, swap(honestNative(), 0, 0, transferEvent(official.NativeTracer, payer, ethProxy.Address, 104)), "not shown"},
		{"native: goes round the proxy", native, in(honestNative(), 0, transferEvent(official.NativeTracer, payer, evil, 1)), "not shown"},
		{"native: some comes back", native, in(honestNative(), 0, transferEvent(official.NativeTracer, ethProxy.Address, payer, 1)), "not shown"},
		{"native: payee gets less", native, swap(honestNative(), 0, 1, transferEvent(official.NativeTracer, ethProxy.Address, native.Payee, 99)), "not shown"},
		{"native: a token leaves", native, in(honestNative(), 0, transferEvent(e.Token, payer, evil, 1)), "another asset"},
		{"impossible payment", other(func(e *official.Expectation) { e.Chain = 84532 }), honest(), "Nothing can be compared"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := official.Default().SimulationMatches(tt.e, payer, tt.calls)
			want := rail.Refused
			if tt.want == "" {
				want = rail.Passed
			}
			if got.Name != official.CheckSimulation || got.Outcome != want || !strings.Contains(got.Detail, tt.want) {
				t.Errorf("got %+v, want %s about %q", got, want, tt.want)
			}
		})
	}
}

// The logs that the official bytecode emitted on a development chain decode to
// what was paid.
func TestDecodePaidReadsOfficialLogs(t *testing.T) {
	type sample struct {
		Ref    string
		Topics []string
		Data   string
	}
	file := load[struct{ SamplePayment map[string]sample }](t, "official-contracts.json")
	for name, kind := range map[string]official.Kind{"erc20": official.ERC20FeeProxy, "eth": official.EthereumFeeProxy} {
		s := file.SamplePayment[name]
		data, err := hex.DecodeString(strings.TrimPrefix(s.Data, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		p, got, err := official.DecodePaid(official.Event{Topics: s.Topics, Data: data})
		if err != nil || got != kind {
			t.Errorf("%s: got %s %v", name, got, err)
			continue
		}
		if p.Topic != ref(t, s.Ref).Topic().String() || p.Amount.Int64() != 12345 || p.Fee.Int64() != 67 ||
			p.Payee != addr(t, "0x1111111111111111111111111111111111111111") || p.FeePayee != addr(t, "0x2222222222222222222222222222222222222222") {
			t.Errorf("%s: got %+v", name, p)
		}
		if p.Token.IsZero() != (kind == official.EthereumFeeProxy) {
			t.Errorf("%s: token %s", name, p.Token)
		}
	}
}

func TestDecodePaidIsStrict(t *testing.T) {
	good := paidEvent(expected(t, false), asset.Address{})
	change := func(f func(*official.Event)) official.Event {
		ev := good
		ev.Topics, ev.Data = slices.Clone(good.Topics), slices.Clone(good.Data)
		f(&ev)
		return ev
	}
	for name, ev := range map[string]official.Event{
		"no topics":       change(func(e *official.Event) { e.Topics = nil }),
		"three topics":    change(func(e *official.Event) { e.Topics = append(e.Topics, e.Topics[1]) }),
		"other event":     change(func(e *official.Event) { e.Topics[0] = official.TopicTransfer }),
		"no reference":    change(func(e *official.Event) { e.Topics[1] = "" }),
		"short":           change(func(e *official.Event) { e.Data = e.Data[:159] }),
		"long":            change(func(e *official.Event) { e.Data = append(e.Data, 0) }),
		"native's length": change(func(e *official.Event) { e.Topics[0] = official.TopicEthPaid }),
		"dirty token":     change(func(e *official.Event) { e.Data[0] = 1 }),
		"dirty payee":     change(func(e *official.Event) { e.Data[43] = 1 }),
		"no token":        change(func(e *official.Event) { clear(e.Data[:32]) }),
	} {
		if p, _, err := official.DecodePaid(ev); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}
