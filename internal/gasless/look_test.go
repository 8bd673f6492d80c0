package gasless

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// sight is one look from a block on, at what an operation with a nonce became.
func (w *station) sight(d *drawn, hash string, from uint64) checkout.GaslessSight {
	w.t.Helper()
	s, err := w.Look(w.t.Context(), sandbox, d.state.Account, hash, d.state.Nonce, from)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// hashOf is the hash of an operation as it is.
func (w *station) hashOf(o userop.Op) string {
	w.t.Helper()
	h, err := o.Hash(sandbox)
	if err != nil {
		w.t.Fatal(err)
	}
	return h.String()
}

func (w *station) timeOf(number uint64) time.Time {
	w.t.Helper()
	h, err := chain.Ask(w.t.Context(), w.Node, chain.HeaderCall(chain.AtBlock(number)), chain.Result.Header)
	if err != nil || h == nil {
		w.t.Fatal(err)
	}
	return h.Time
}

// What is executed shows before its block is final, and for good after; time is that
// of final blocks.
func TestLookFindsAnExecution(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	op := w.sponsor(d)
	hash, from := w.hashOf(op), w.Head()
	w.upTo.Store(from)
	if got := w.sight(d, hash, from); got.Fate != checkout.OpExecutable || !got.Final || got.Tx != "" || got.Next != from+1 || !got.Time.Equal(w.timeOf(from)) {
		t.Errorf("before: %+v", got)
	}
	if sent, err := w.send(d, op); err != nil || sent != hash {
		t.Fatalf("%s, %v", sent, err)
	}
	executed := w.Head()
	s.Chain.Mine(3)
	if got := w.sight(d, hash, from); got.Fate != checkout.OpSucceeded || got.Final || len(got.Tx) != 66 || !got.At.Equal(w.timeOf(executed)) || got.Cost == nil || got.Cost.Sign() <= 0 ||
		!got.Time.Equal(w.timeOf(from)) || got.Next != from+1 {
		t.Errorf("not final: %+v", got)
	}
	w.upTo.Store(executed)
	for _, start := range []uint64{from, executed, executed + 1, executed + 3} { // whoever announces it may have had it executed before
		if got := w.sight(d, hash, start); got.Fate != checkout.OpSucceeded || !got.Final || got.Why != "" {
			t.Errorf("from %d: %+v", start, got)
		}
	}
	other := "0x" + strings.Repeat("ab", 32)
	if got := w.sight(d, other, from); got.Fate != checkout.OpReplaced || !got.Final || len(got.Tx) != 66 || got.Cost != nil {
		t.Errorf("another with its nonce: %+v", got)
	}
	w.upTo.Store(executed - 1)
	if got := w.sight(d, other, from); got.Fate != checkout.OpReplaced || got.Final {
		t.Errorf("another with its nonce, not final: %+v", got)
	}
	next := *d
	next.state.Nonce = big.NewInt(1)
	if got := w.sight(&next, other, from); got.Fate != checkout.OpExecutable {
		t.Errorf("with the next nonce: %+v", got)
	}
	for what, ask := range map[string]func() error{
		"another chain": func() error {
			_, err := w.Look(t.Context(), 77, d.state.Account, hash, d.state.Nonce, from)
			return err
		},
		"no hash": func() error {
			_, err := w.Look(t.Context(), sandbox, d.state.Account, "0x12", d.state.Nonce, from)
			return err
		},
	} {
		if ask() == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// Calls that fail use the nonce up, in a transaction that succeeds.
func TestLookFindsAFailure(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	op := w.sponsor(d)
	// The permit is sent by a stranger: the batch that has it fails.
	calls, err := w.one.kind.Decode(op.CallData)
	if err != nil {
		t.Fatal(err)
	}
	s.Other.Send(calls[0].To.String(), nil, calls[0].Data)
	from := s.Mine(1)
	hash, err := w.send(d, op)
	if err != nil {
		t.Fatal(err)
	}
	w.upTo.Store(s.Head())
	if got := w.sight(d, hash, from); got.Fate != checkout.OpFailed || !got.Final || got.Why != "EIP2612: invalid signature" || got.Cost.Sign() <= 0 || len(got.Tx) != 66 {
		t.Errorf("%+v", got)
	}
}

// An owner can have the EntryPoint count a nonce on without an operation of that nonce
// behind it: then the nonce at a final block tells.
func TestLookWithoutEvents(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	data, err := w.one.kind.Encode([]rail.Call{{To: userop.EntryPoint, Data: append([]byte{0x0b, 0xd2, 0x8e, 0x3b}, make([]byte, 32)...)}}) // incrementNonce(0)
	if err != nil {
		t.Fatal(err)
	}
	op := d.op
	op.CallData = data
	if op, err = w.one.sponsor.Sponsor(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	from := s.Head()
	if _, err := w.send(d, op); err != nil {
		t.Fatal(err)
	}
	executed := s.Head()
	second := *d
	second.state.Nonce = big.NewInt(1) // counted on by the first operation
	w.upTo.Store(from)
	hash := "0x" + strings.Repeat("ab", 32)
	if got := w.sight(&second, hash, from); got.Fate != checkout.OpReplaced || got.Final {
		t.Errorf("not final: %+v", got)
	}
	w.upTo.Store(executed)
	if got := w.sight(&second, hash, from); got.Fate != checkout.OpReplaced || !got.Final || got.Tx != "" {
		t.Errorf("final: %+v", got)
	}
}

// Nodes refuse wide ranges, and answer for others: the search goes on where it left
// off, and says nothing of blocks that it has not seen.
func TestLookInStretches(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	s.Chain.MaxRange(8)
	d := w.draw("payer", w.USDC())
	op := w.sponsor(d)
	from := s.Head()
	hash, err := w.send(d, op)
	if err != nil {
		t.Fatal(err)
	}
	s.Chain.Mine(40)
	w.upTo.Store(s.Head())
	if got := w.sight(d, hash, from); got.Fate != checkout.OpSucceeded || !got.Final {
		t.Errorf("%+v", got)
	}
	if asked := s.Calls("eth_getLogs"); asked < 6 {
		t.Errorf("%d questions for events", asked)
	}
	s.Chain.MaxRange(1)
	s.Chain.Mine(60)
	w.upTo.Store(s.Head())
	other := "0x" + strings.Repeat("ab", 32)
	late := *d
	got := w.sight(&late, other, from+2)
	if got.Fate != checkout.OpExecutable || got.Final || got.Next <= from+2 || !got.Time.Equal(w.timeOf(got.Next-1)) {
		t.Errorf("a part of the blocks: %+v", got)
	}
}

// An event that is not in the receipt of its transaction is none.
func TestLookBelievesReceipts(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	op := w.sponsor(d)
	from := s.Head()
	hash, err := w.send(d, op)
	if err != nil {
		t.Fatal(err)
	}
	w.one.node = &tallied{Batcher: s.Node, n: &w.asked, change: func(calls []chain.Call, rs []chain.Result) {
		for i, c := range calls {
			if c.Method == "eth_getTransactionReceipt" {
				rs[i].Raw = []byte("null")
			}
		}
	}}
	w.upTo.Store(s.Head())
	if got, err := w.Look(t.Context(), sandbox, d.state.Account, hash, d.state.Nonce, from); err == nil {
		t.Errorf("a final event without a receipt: %+v", got)
	}
	w.upTo.Store(from)
	if got := w.sight(d, hash, from); got.Fate != checkout.OpExecutable || got.Final {
		t.Errorf("an event ahead without a receipt: %+v", got)
	}
}

// Whatever the services say that is not so, nobody is told that gas is paid for who
// has to sign what is refused then.
func TestServicesLie(t *testing.T) {
	s := useroptest.New(t)
	for _, provider := range []string{ProviderAlchemy, ProviderERC7677} {
		w := newStation(t, s, setup(s, provider, userop.KindLight))
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
		d := w.draw(provider, w.USDC())
		for _, lie := range gateway.Lies() {
			s.Gateway.Behave(gateway.Behaviour{Lie: lie.Tell})
			grant, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessSponsor, Method: userop.MethodAlchemy, Op: w.text(d.op)})
			_, refused := rail.Failed(grant.Checks)
			if bad := lie.Name == "paymaster" || lie.Name == "price"; bad != (err != nil || refused) || bad && grant.Result != nil {
				t.Errorf("%s, %s: %+v, %v", provider, lie.Name, grant, err)
			}
		}
		s.Gateway.Behave(gateway.Behaviour{})
	}
}

// A chain whose bundler, contracts or sponsor fail the check offers nothing.
func TestCheckOfServices(t *testing.T) {
	s := useroptest.New(t)
	lie := func(name string) gateway.Behaviour {
		for _, l := range gateway.Lies() {
			if l.Name == name {
				return gateway.Behaviour{Lie: l.Tell}
			}
		}
		t.Fatalf("there is no lie %q", name)
		return gateway.Behaviour{}
	}
	refuse := func(method string, code int) gateway.Behaviour {
		return gateway.Behaviour{Refuse: map[string]gateway.Refusal{method: {Code: code, Message: "no"}}}
	}
	for what, b := range map[string]gateway.Behaviour{
		"a bundler of another chain": lie("chain"), "a paymaster that is not there": lie("paymaster"), "a broken line": {Cut: true}, "an error": {Status: 500},
		"no EntryPoint": {Lie: func(method string, result any) any {
			if method == userop.MethodEntryPoints {
				return []string{"0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"}
			}
			return result
		}},
		"a policy that says no": refuse(userop.MethodStub, -32000), "no prices": refuse(userop.MethodPrices, -32601),
	} {
		w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
		s.Gateway.Behave(b)
		err := w.check()
		if _, offered := w.Offer(sandbox); err == nil || offered {
			t.Errorf("%s: offered %t, %v", what, offered, err)
		}
		if err != nil && strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: the address is in %v", what, err)
		}
		s.Gateway.Behave(gateway.Behaviour{})
		if err := w.check(); err != nil {
			t.Errorf("%s, over again: %v", what, err)
		}
		if _, offered := w.Offer(sandbox); !offered {
			t.Errorf("%s, over again: nothing is offered", what)
		}
	}
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	w.one.limits.MaxCost = new(big.Int).Mul(big.NewInt(1e18), big.NewInt(1000)) // more than its deposit
	if err := w.check(); err == nil || !strings.Contains(err.Error(), "wei in the EntryPoint") {
		t.Errorf("a paymaster without money: %v", err)
	}
	w = newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	w.one.node = &tallied{Batcher: s.Node, n: &w.asked, change: func(calls []chain.Call, rs []chain.Result) {
		for i, c := range calls {
			if c.Method == "eth_getCode" {
				rs[i].Raw = []byte(`"0x"`)
			}
		}
	}}
	if err := w.check(); err == nil || !misconfigured(err) {
		t.Errorf("a chain without the contracts: %v", err)
	}
	w.one.well.Store(false)
	d := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight)).draw("payer", s.USDC())
	if _, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessSponsor, Method: userop.MethodAlchemy, Op: w.text(d.op)}); err == nil {
		t.Error("it sponsors all the same")
	}
	if at, ok := w.Account(sandbox, asset.Address{1}); !ok || at.IsZero() {
		t.Error("accounts are not derived any more")
	}
}
