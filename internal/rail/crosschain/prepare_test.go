package crosschain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
)

const (
	reset, approve, swap, pay = rail.Reset, rail.Approve, rail.Swap, rail.Pay
)

// The allowances there are decide which approvals are asked for, and each is for
// exactly what is taken.
func TestApprovalsThatAreNeeded(t *testing.T) {
	tests := []struct {
		name     string
		from, to asset.ID
		diamond  int64 // allowance in thousandths of what is taken
		proxy    int64 // likewise, of the payment's asset
		want     []rail.CallKind
	}{
		{"bridge, nothing allowed", "USDC-arbitrum-one", "USDC-base", 0, 0, []rail.CallKind{approve, pay}},
		{"bridge, too little", "USDC-arbitrum-one", "USDC-base", 999, 0, []rail.CallKind{approve, pay}},
		{"bridge, exactly enough", "USDC-arbitrum-one", "USDC-base", 1000, 0, []rail.CallKind{pay}},
		{"bridge, more than enough", "USDC-arbitrum-one", "USDC-base", 5000, 0, []rail.CallKind{pay}},
		{"bridge, the proxy's allowance is none", "USDC-arbitrum-one", "USDC-base", 0, 5000, []rail.CallKind{approve, pay}},
		{"bridge, token wants resets, nothing allowed", "USDT-mainnet", "USDC-base", 0, 0, []rail.CallKind{approve, pay}},
		{"bridge, token wants resets, too little", "USDT-mainnet", "USDC-base", 1, 0, []rail.CallKind{reset, approve, pay}},
		{"bridge, token wants resets, enough", "USDT-mainnet", "USDC-base", 1000, 0, []rail.CallKind{pay}},
		{"exchange, nothing allowed", "USDT-base", "USDC-base", 0, 0, []rail.CallKind{approve, swap, approve, pay}},
		{"exchange, all allowed", "USDT-base", "USDC-base", 1000, 1000, []rail.CallKind{swap, pay}},
		{"exchange, first allowed", "USDT-base", "USDC-base", 1000, 999, []rail.CallKind{swap, approve, pay}},
		{"exchange, second allowed", "USDT-base", "USDC-base", 0, 1000, []rail.CallKind{approve, swap, pay}},
		{"exchange, given token wants resets", "USDT-mainnet", "USDC-mainnet", 1, 0, []rail.CallKind{reset, approve, swap, approve, pay}},
		{"exchange, due token wants resets", "USDC-mainnet", "USDT-mainnet", 1, 1, []rail.CallKind{approve, swap, reset, approve, pay}},
		{"exchange, due token wants resets, enough", "USDC-mainnet", "USDT-mainnet", 0, 1000, []rail.CallKind{approve, swap, pay}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.open(t, tt.to, 10_000, 50)
			from, to := w.token(t, tt.from), w.token(t, tt.to)
			deposit, due := w.mustPrice(t, p, tt.from).Costs[0].Amount, w.dollars(t, tt.to, 10_050)
			n := w.nodes[from.Chain]
			n.allowed[n.network.Diamond] = thousandths(deposit, tt.diamond)
			n.allowed[n.network.FeeProxy] = thousandths(due, tt.proxy)
			calls := w.mustPrepare(t, p, tt.from)
			if got := kinds(calls); !slices.Equal(got, tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			route := slices.IndexFunc(calls.Steps, func(c rail.Call) bool { return c.To == n.network.Diamond })
			for i, step := range calls.Steps {
				token, spender, amount := from, n.network.Diamond, deposit
				if i > route {
					token, spender, amount = to, n.network.FeeProxy, due
				}
				if step.Kind == reset {
					amount = new(big.Int)
				}
				switch step.Kind {
				case pay, swap:
					if step.Asset != "" {
						t.Errorf("step %d is for the allowance of %s", i, step.Asset)
					}
				default:
					a, err := official.DecodeApproval(step.Data)
					if err != nil || a.Spender != spender || a.Amount.Cmp(amount) != 0 || step.To != token.Address || step.Asset != token.ID || step.Value.Sign() != 0 {
						t.Errorf("step %d: %+v of %+v (%v), want %v for %s", i, a, step, err, amount, spender)
					}
				}
				if step.Gas != 0x10000 {
					t.Errorf("step %d: %d gas", i, step.Gas)
				}
			}
			if h := calls.Funds.Assets[0]; h.Allowance.Cmp(n.allowed[n.network.Diamond]) != 0 || !h.Enough() {
				t.Errorf("funds %+v", h)
			}
			for _, c := range calls.Checks {
				if c.Outcome != rail.Passed || c.Detail == "" {
					t.Errorf("check %+v", c)
				}
			}
		})
	}
}

func thousandths(v *big.Int, n int64) *big.Int {
	v = new(big.Int).Mul(v, big.NewInt(n))
	return v.Quo(v, big.NewInt(1000))
}

// What is proven is named: a bridge's eleven checks, an exchange's seven and the
// direct payment's three, the proxy's code and the trial run.
func TestChecksAreNamed(t *testing.T) {
	w := newWorld(t)
	bridge := []string{lifi.CheckTarget, lifi.CheckValue, lifi.CheckCalldata, lifi.CheckApproval, lifi.CheckSource, lifi.CheckBridge,
		lifi.CheckReceiver, lifi.CheckRefund, lifi.CheckOutput, lifi.CheckDeadline, lifi.CheckPayment, official.CheckCode, official.CheckSimulation}
	exchange := []string{lifi.CheckTarget, lifi.CheckValue, lifi.CheckCalldata, lifi.CheckApproval, lifi.CheckSource, lifi.CheckReceiver, lifi.CheckOutput,
		official.CheckContract, official.CheckCalldata, official.CheckApproval, official.CheckCode, official.CheckSimulation}
	for from, want := range map[asset.ID][]string{"USDC-arbitrum-one": bridge, "USDT-base": exchange} {
		var got []string
		for _, c := range w.mustPrepare(t, w.open(t, "USDC-base", 10_000, 50), from).Checks {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", from, got, want)
		}
	}
}

// Every way of the pinned table can be prepared, with whatever decimals.
func TestEveryPairCanBePrepared(t *testing.T) {
	w := newWorld(t)
	ways := 0
	for _, to := range []asset.ID{"USDC-base", "USDT-mainnet", "USDC-bsc", "USDT-matic"} {
		p := w.open(t, to, 12_345, 0)
		for _, o := range w.offers(t, p) {
			in, err := w.rail.Prepare(t.Context(), p, o.ID, payer)
			if err != nil {
				t.Errorf("%s by %s: %v", to, o.ID, err)
				continue
			}
			calls := in.(*rail.Calls)
			if calls.Chain != o.Chain || calls.Route.Type != o.Type || calls.Route.Give.Amount.Cmp(o.Least) < 0 || calls.Route.Give.Amount.Cmp(o.Costs[0].Amount) > 0 {
				t.Errorf("%s by %s: takes %v, offered %v to %v", to, o.ID, calls.Route.Give, o.Least, o.Costs[0].Amount)
			}
			if route := routeStep(calls); route.To != o.Spender {
				t.Errorf("%s by %s: calls %s", to, o.ID, route.To)
			}
			ways++
		}
	}
	if ways != 4*12 {
		t.Errorf("%d ways", ways)
	}
}

// Whatever has to be known is asked in one round trip, of the payer's chain.
func TestPrepareAsksOnce(t *testing.T) {
	w := newWorld(t)
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		p := w.open(t, "USDC-base", 10_000, 50)
		w.mustPrepare(t, p, from)
		for id, n := range w.nodes {
			want := 0
			if id == w.token(t, from).Chain {
				want = 1
			}
			if n.batches != want {
				t.Errorf("%s: chain %d was asked %d times, want %d", from, id, n.batches, want)
			}
			n.batches = 0
		}
		again := w.mustPrepare(t, p, from)
		if first := w.mustPrepare(t, p, from); !reflect.DeepEqual(first, again) {
			t.Errorf("%s: prepared again, another instruction", from)
		}
		w.nodes[w.token(t, from).Chain].batches = 0
	}
}

// A wallet that holds too little gets the calls, words, and no trial run.
func TestPoorWallet(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		n := w.nodes[w.token(t, from).Chain]
		n.balance, n.native = w.dollars(t, from, 10_050), new(big.Int)
		n.refuse["eth_simulateV1"] = errors.New("must not matter")
		calls := w.mustPrepare(t, p, from)
		c := check(t, calls, official.CheckSimulation)
		if c.Outcome != rail.Waiting || !strings.Contains(c.Detail, "more "+w.token(t, from).Symbol) {
			t.Errorf("%s: %+v", from, c)
		}
		if f := calls.Funds; f.EnoughBalance() || f.EnoughGas() || f.NativeNeeded.Sign() <= 0 || f.Assets[0].Balance.Cmp(n.balance) != 0 {
			t.Errorf("%s: funds %+v", from, f)
		}
		for _, s := range calls.Steps {
			if s.Gas != 0 {
				t.Errorf("%s: gas %d for the %s transaction, which was not tried", from, s.Gas, s.Kind)
			}
		}
	}
}

// A bridge may ask for native currency: it is shown, needed, and waited for.
func TestNativeFee(t *testing.T) {
	w := newWorld(t)
	w.router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	p := w.open(t, "USDC-mainnet", 10_000, 50)
	calls := w.mustPrepare(t, p, "USDC-base")
	value := routeStep(calls).Value
	gas := new(big.Int).Sub(calls.Funds.NativeNeeded, value)
	if want := big.NewInt(2 * 0x10000 * 1e9 * 5 / 4); value.Sign() <= 0 || gas.Cmp(want) != 0 {
		t.Errorf("value %v, gas %v, want %v", value, gas, want)
	}
	if last := calls.Route.Fees[len(calls.Route.Fees)-1]; last.Asset != "ETH-base" || last.Amount.Cmp(value) != 0 || !calls.Route.Deadline.IsZero() {
		t.Errorf("fees %+v", calls.Route.Fees)
	}
	w.nodes[asset.Base].native = new(big.Int).Sub(value, big.NewInt(1))
	calls = w.mustPrepare(t, p, "USDC-base")
	if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Waiting || calls.Funds.EnoughGas() || !calls.Funds.EnoughBalance() {
		t.Errorf("without the bridge's fee: %+v %+v", c, calls.Funds)
	}
}

// A contract's address may be somebody else's on the payment's chain, where what
// is left over goes; an account's own delegation changes nothing about that.
func TestContractWallets(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	delegated := append([]byte{0xef, 0x01, 0x00}, lifitest.Thief[:]...)
	for _, tt := range []struct {
		name string
		code []byte
		ok   bool
	}{{"account", nil, true}, {"delegated account", delegated, true}, {"contract", []byte{0x60, 0x80}, false},
		{"contract of a delegation's length", append([]byte{0x60, 0x01, 0x00}, lifitest.Thief[:]...), false},
		{"contract that begins like a delegation", append(delegated, 0), false}} {
		w.nodes[asset.ArbitrumOne].code, w.nodes[asset.Base].code = tt.code, tt.code
		_, err := w.prepare(t, p, "USDC-arbitrum-one")
		if tt.ok && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if !tt.ok {
			wantFault(t, tt.name, err, fault.Invalid, "contract_wallet", "wallet")
		}
		if _, err := w.prepare(t, p, "USDT-base"); err != nil { // stays on its chain
			t.Errorf("%s, exchange: %v", tt.name, err)
		}
	}
}

// A stalled, dead or talking node gets no payer to sign.
func TestNodesThatFail(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		n := w.nodes[w.token(t, from).Chain]
		w.mustPrepare(t, p, from) // the route is known then
		tests := []struct {
			name string
			do   func()
			code string
		}{
			{"dead", func() { n.dead = errors.New("connection refused") }, "chain_unavailable"},
			{"stalled", func() { n.stall = true }, "chain_unavailable"},
			{"one answer too few", func() { n.short = true }, "chain_unavailable"},
			{"no balance", func() { n.refuse["eth_getBalance"] = errors.New("no") }, "chain_unavailable"},
			{"no gas price", func() { n.refuse["eth_gasPrice"] = errors.New("no") }, "chain_unavailable"},
			{"no allowance", func() { n.refuse["eth_call"] = errors.New("execution reverted") }, "chain_unavailable"},
			{"no trial run", func() { n.refuse["eth_simulateV1"] = &chain.RPCError{Code: -32601, Message: "no such method"} }, "trial_unavailable"},
		}
		if from == "USDC-arbitrum-one" {
			tests = append(tests, tests[0])
			tests[len(tests)-1].name, tests[len(tests)-1].do = "no code", func() { n.refuse["eth_getCode"] = errors.New("no") }
		}
		for _, tt := range tests {
			tt.do()
			most := time.Minute
			if n.stall {
				most = 250 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), most)
			_, err := w.rail.Prepare(ctx, p, w.optionID(t, from), payer)
			cancel()
			wantFault(t, fmt.Sprint(from, " ", tt.name), err, fault.Unavailable, tt.code, "")
			n.dead, n.stall, n.short = nil, false, false
			clear(n.refuse)
		}
		w.mustPrepare(t, p, from)
	}
}

// The code of the contract that pays in the end decides, on whatever chain.
func TestCodeDecides(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	with := func(deployed []byte, refresh bool) {
		c := w.config
		c.Codes = official.NewCodes(c.Registry, real, func(_ context.Context, id asset.ChainID, at []asset.Address) ([][]byte, error) {
			codes := slices.Repeat([][]byte{code}, len(at))
			if id == asset.Base {
				codes = slices.Repeat([][]byte{deployed}, len(at))
			}
			return codes, nil
		}, slog.New(slog.DiscardHandler))
		if refresh {
			if err := c.Codes.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.rail = crosschain.New(c)
		w.rail.SetPins(nil)
		w.connect(t)
	}
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		step := w.mustPrepare(t, p, from).Route.Raw
		with([]byte{0x60, 0x02}, true)
		_, err := w.prepare(t, p, from)
		wantFault(t, "other code", err, fault.Forbidden, "unsafe", official.CheckCode)
		_, err = w.rail.Restamp(t.Context(), p, step)
		wantFault(t, "other code, stamped anew", err, fault.Forbidden, "unsafe", official.CheckCode)
		with(nil, true)
		_, err = w.prepare(t, p, from)
		wantFault(t, "no code", err, fault.Forbidden, "unsafe", official.CheckCode)
		with(code, false)
		_, err = w.prepare(t, p, from)
		wantFault(t, "unread", err, fault.Unavailable, "code_unread", "")
		_, err = w.rail.Restamp(t.Context(), p, step)
		wantFault(t, "unread, stamped anew", err, fault.Unavailable, "code_unread", "")
		with(code, true)
		w.mustPrepare(t, p, from)
	}
}

// What a trial run shows beside what is shown, a payer does not sign.
func TestTrialRunsDecide(t *testing.T) {
	w := newWorld(t)
	thief := topic(lifitest.Thief)
	me, one := payer.Wallet, big.NewInt(1)
	// last is the outcome of LI.FI's transaction.
	bridge := func(change func(last *outcome)) func([]outcome) []outcome {
		return func(o []outcome) []outcome { change(&o[len(o)-1]); return o }
	}
	exchange := func(change func(last *outcome)) func([]outcome) []outcome {
		return func(o []outcome) []outcome { change(&o[len(o)-3]); return o }
	}
	type lie struct {
		name string
		from asset.ID
		do   func([]outcome) []outcome
	}
	var lies []lie
	for from, last := range map[asset.ID]func(func(*outcome)) func([]outcome) []outcome{"USDC-arbitrum-one": bridge, "USDT-base": exchange} {
		token, other := w.token(t, from).Address, w.token(t, "USDT-mainnet").Address
		add := func(name string, change func(*outcome)) { lies = append(lies, lie{name, from, last(change)}) }
		log := func(name string, e event) { add(name, func(o *outcome) { o.Logs = append(o.Logs, e) }) }
		add("the route fails", func(o *outcome) { o.Status = "0x0" })
		add("nothing moves", func(o *outcome) { o.Logs = o.Logs[1:] })
		add("it moves twice", func(o *outcome) { o.Logs = append(o.Logs, o.Logs[0]) })
		add("less moves", func(o *outcome) { o.Logs[0].Data = word(one) })
		add("it moves elsewhere", func(o *outcome) { o.Logs[0].Topics[2] = thief })
		add("it moves another token", func(o *outcome) { o.Logs[0].Address = other.Lower() })
		add("the transfer cannot be read", func(o *outcome) { o.Logs[0].Data = "0x" + strings.Repeat("00", 32) + o.Logs[0].Data[2:] })
		log("more of it moves", moved(token, me, lifitest.Thief, one))
		log("another token moves", moved(other, me, lifitest.Thief, one))
		log("native currency moves", moved(official.NativeTracer, me, lifitest.Thief, one))
		log("a transfer without indexes", event{other.Lower(), []string{official.TopicTransfer}, word(one) + word(one)[2:] + word(one)[2:]})
		log("a transfer with half its indexes", event{other.Lower(), []string{official.TopicTransfer, topic(me)}, word(one) + word(one)[2:]})
		log("an NFT moves", event{other.Lower(), []string{official.TopicTransfer, topic(me), thief, word(one)}, "0x"})
		log("a multi token moves", event{other.Lower(), []string{topicSingle, thief, topic(me), thief}, word(one) + word(one)[2:]})
		log("somebody else is approved", event{token.Lower(), []string{topicApproval, topic(me), thief}, word(one)})
		log("another token is approved", event{other.Lower(), []string{topicApproval, topic(me), topic(w.nodes[asset.Base].network.Diamond)}, word(one)})
		log("all is approved", event{other.Lower(), []string{topicApprovalForAll, topic(me), thief}, word(one)})
		lies = append(lies,
			lie{"the approval fails", from, func(o []outcome) []outcome { o[0].Status = "0x0"; return o }},
			lie{"the approval moves a part", from, func(o []outcome) []outcome {
				o[0].Logs = append(o[0].Logs, moved(token, me, w.nodes[asset.Base].network.Diamond, one))
				return lessByOne(o, 1)
			}},
			lie{"the approval is for somebody else", from, func(o []outcome) []outcome { o[0].Logs[0].Topics[2] = thief; return o }},
			lie{"a call is left out", from, func(o []outcome) []outcome { return o[1:] }},
			lie{"a call is added", from, func(o []outcome) []outcome { return append(o, o[0]) }},
			lie{"no calls", from, func([]outcome) []outcome { return []outcome{} }},
		)
	}
	due, elsewhere := w.token(t, "USDC-base").Address, asset.Address{7}
	add := func(name string, do func(o []outcome)) {
		lies = append(lies, lie{name, "USDT-base", func(o []outcome) []outcome { do(o); return o }})
	}
	add("the exchange gives nothing", func(o []outcome) { o[1].Logs = o[1].Logs[:1] })
	add("the exchange gives too little", func(o []outcome) { o[1].Logs[1].Data = word(w.dollars(t, "USDC-base", 10_049)) })
	add("the exchange gives it to somebody else", func(o []outcome) { o[1].Logs[1].Topics[2] = thief })
	add("the exchange gives another token", func(o []outcome) { o[1].Logs[1].Address = elsewhere.Lower() })
	add("the exchange takes of what is due", func(o []outcome) { o[1].Logs = append(o[1].Logs, moved(due, me, lifitest.Thief, one)) })
	add("the exchange takes a part of what is due", func(o []outcome) {
		o[1].Logs = append(o[1].Logs, moved(due, me, w.nodes[asset.Base].network.Diamond, one))
		lessByOne(o, 1)
	})
	add("the exchange gives back what it took", func(o []outcome) {
		o[1].Logs[1].Address = w.token(t, "USDT-base").Address.Lower()
	})
	add("the payment fails", func(o []outcome) { o[3].Status = "0x0" })
	add("the payee gets nothing", func(o []outcome) { o[3].Logs = o[3].Logs[1:] })
	add("the payment is not announced", func(o []outcome) { o[3].Logs = o[3].Logs[:2] })
	add("another payment is announced", func(o []outcome) { o[3].Logs[2].Topics[1] = word(one) })
	add("the payment takes another token too", func(o []outcome) { o[3].Logs = append(o[3].Logs, moved(elsewhere, me, lifitest.Thief, one)) })
	if len(lies) < 50 {
		t.Errorf("%d lies", len(lies))
	}
	p := w.open(t, "USDC-base", 10_000, 50)
	for _, l := range lies {
		n := w.nodes[w.token(t, l.from).Chain]
		n.lie = l.do
		_, err := w.prepare(t, p, l.from)
		n.lie = nil
		wantFault(t, fmt.Sprint(l.from, ": ", l.name), err, fault.Forbidden, "unsafe", official.CheckSimulation)
	}
	// What others do, and what the payer gets, is not his loss.
	for _, from := range []asset.ID{"USDC-arbitrum-one", "USDT-base"} {
		n, token := w.nodes[w.token(t, from).Chain], w.token(t, from).Address
		n.lie = func(o []outcome) []outcome {
			o[1].Logs = append(o[1].Logs,
				moved(elsewhere, lifitest.Thief, me, one), moved(token, lifitest.Thief, me, one), moved(token, me, lifitest.Thief, new(big.Int)),
				event{token.Lower(), []string{topicApproval, topic(me), topic(n.network.Diamond)}, word(new(big.Int))},
				event{token.Lower(), []string{topicApproval, thief, thief}, word(one)}, event{elsewhere.Lower(), nil, "0x"})
			return o
		}
		w.mustPrepare(t, p, from)
		n.lie = nil
	}
}

// lessByOne takes one base unit off the first transfer of a call.
func lessByOne(o []outcome, call int) []outcome {
	v, _ := new(big.Int).SetString(o[call].Logs[0].Data[2:], 16)
	o[call].Logs[0].Data = word(v.Sub(v, big.NewInt(1)))
	return o
}

// Native currency leaves the payer for the bridge's fee and for nothing else.
func TestTrialRunsOfNativeFees(t *testing.T) {
	w := newWorld(t)
	w.router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	p := w.open(t, "USDC-mainnet", 10_000, 50)
	n := w.nodes[asset.Base]
	w.mustPrepare(t, p, "USDC-base")
	for name, change := range map[string]func(*outcome){
		"none moves":         func(o *outcome) { o.Logs = o.Logs[1:] },
		"more moves":         func(o *outcome) { o.Logs = append(o.Logs, o.Logs[0]) },
		"it moves elsewhere": func(o *outcome) { o.Logs[0].Topics[2] = topic(lifitest.Thief) },
	} {
		n.lie = func(o []outcome) []outcome { change(&o[len(o)-1]); return o }
		_, err := w.prepare(t, p, "USDC-base")
		wantFault(t, name, err, fault.Forbidden, "unsafe", official.CheckSimulation)
	}
}

// What has nothing to do with routes is refused before anybody is asked.
func TestNothingIsAskedForNothing(t *testing.T) {
	w := newWorld(t)
	p := w.open(t, "USDC-base", 10_000, 50)
	p.ID = payment.ID("01NOBODY")
	_, err := w.rail.Price(t.Context(), p, w.optionID(t, "USDC-arbitrum-one"), rail.Payer{})
	wantFault(t, "without a wallet", err, fault.Invalid, "missing_wallet", "wallet")
	if w.quotes() != 0 {
		t.Error("a route was asked for")
	}
}

func BenchmarkPrepare(b *testing.B) {
	w := newWorld(b)
	p, id := w.open(b, "USDC-base", 10_000, 50), w.optionID(b, "USDT-arbitrum-one")
	for b.Loop() {
		if _, err := w.rail.Prepare(b.Context(), p, id, payer); err != nil {
			b.Fatal(err)
		}
	}
}
