package evmref_test

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

// newRail is a rail that was just started.
func newRail(t testing.TB, w *world) *evmref.Rail {
	t.Helper()
	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	return evmref.New(evmref.Config{Book: book, Registry: official.Default(), Codes: w.codes, Nodes: map[asset.ChainID]chain.Batcher{asset.SandboxBase: w.client}})
}

// claimed is a payment and honest calls for it.
type claimed struct {
	p     *payment.Payment
	order official.Order
	calls []rail.Call
}

// claims are payments of each form on the sandbox's Base, named by the rail, and
// the calls that a Safe makes for them. Nobody is asked.
func claims(t testing.TB, r *evmref.Rail) (token, native, batch claimed) {
	t.Helper()
	registry := official.Default()
	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	expect := func(q payment.Request) official.Expectation {
		known, _ := book.Token(q.Asset)
		ref, err := official.ParseReference(q.Reference)
		if err != nil {
			t.Fatal(err)
		}
		return official.Expectation{
			Chain: asset.SandboxBase, Token: known.Address, Payee: q.Payee, Amount: q.Due, Reference: ref, Fee: q.FeeAmount(), FeePayee: q.FeePayee(),
		}
	}
	build := func(order official.Order, p *payment.Payment) claimed {
		return claimed{p: p, order: order, calls: safeCalls(t, registry, order)}
	}
	one := railtest.Open(t, r, request(t, "USDT-base", 3))
	coin := railtest.Open(t, r, request(t, "ETH-base", 3))
	several := railtest.Open(t, r, amounts(request(t, "ETH-base", 2), request(t, "USDT-base", 0), request(t, "USDC-base", 1), request(t, "USDC-base", 0))...)
	b := official.Batch{Chain: asset.SandboxBase, Terms: registry.BatchTerms(asset.SandboxBase)}
	for _, q := range several.Terms.Requests {
		b.Requests = append(b.Requests, expect(q))
	}
	return build(expect(one.Terms.Requests[0]), one), build(expect(coin.Terms.Requests[0]), coin), build(b, several)
}

// safeCalls is every call that an order can take.
func safeCalls(t testing.TB, registry *official.Registry, order official.Order) (calls []rail.Call) {
	t.Helper()
	add := func(c rail.Call, err error) {
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, rail.Call{To: c.To, Data: c.Data, Value: c.Value})
	}
	for _, n := range order.Needs() {
		if n.Token.IsZero() {
			continue
		}
		if n.Token == addrOf(t, "USDT-base") {
			add(registry.ResetCall(order, n.Token))
		}
		add(registry.ApproveCall(order, n.Token))
	}
	add(registry.PayCall(order))
	return calls
}

func addrOf(t testing.TB, id asset.ID) asset.Address {
	t.Helper()
	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	token, ok := book.Token(id)
	if !ok {
		t.Fatalf("no asset %s", id)
	}
	return token.Address
}

var thief = asset.Address{0x66, 19: 0x66}

// Payments of whatever amount are claimed, with the approvals they need or
// without; everything else is not.
func TestClaims(t *testing.T) {
	w := newWorld(t)
	token, native, batch := claims(t, w.rail)
	e := token.order.(official.Expectation)
	n := native.order.(official.Expectation)
	b := batch.order.(official.Batch)
	with := func(e official.Expectation, change func(*official.Expectation)) []rail.Call {
		change(&e)
		return safeCalls(t, official.Default(), e)
	}
	several := func(change func(*official.Batch)) []rail.Call {
		c := b
		c.Requests = slices.Clone(b.Requests)
		change(&c)
		return safeCalls(t, official.Default(), c)
	}
	edit := func(c claimed, change func([]rail.Call) []rail.Call) []rail.Call {
		calls := slices.Clone(c.calls)
		for i := range calls {
			calls[i].Data, calls[i].Value = bytes.Clone(calls[i].Data), new(big.Int).Set(calls[i].Value)
		}
		return change(calls)
	}
	approval := func(spender asset.Address, amount int64) []byte {
		data, err := official.Approval{Spender: spender, Amount: big.NewInt(amount)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	last := func(c []rail.Call) *rail.Call { return &c[len(c)-1] }
	transfer := rail.Call{To: e.Token, Value: new(big.Int), Data: append([]byte{0xa9, 0x05, 0x9c, 0xbb}, make([]byte, 64)...)}
	proxy := token.calls[len(token.calls)-1].To
	if _, ok := w.rail.Claims(&payment.Payment{}, asset.SandboxBase, rail.Payer{}, token.calls, railtest.Now); ok {
		t.Error("a payment of nothing claims calls")
	}
	for _, tt := range []struct {
		name  string
		p     *payment.Payment
		calls []rail.Call
		want  bool
	}{
		{"a token", token.p, token.calls, true},
		{"a token without a reset", token.p, token.calls[1:], true},
		{"a token that is allowed already", token.p, token.calls[2:], true},
		{"less", token.p, with(e, func(e *official.Expectation) { e.Amount = big.NewInt(1) }), true},
		{"more", token.p, with(e, func(e *official.Expectation) { e.Amount = big.NewInt(1e9) }), true},
		{"the rest, whose fee was paid", token.p, with(e, func(e *official.Expectation) { e.Fee, e.FeePayee = new(big.Int), asset.Address{} }), true},
		{"native", native.p, native.calls, true},
		{"native, less", native.p, with(n, func(e *official.Expectation) { e.Amount = big.NewInt(1) }), true},
		{"several", batch.p, batch.calls, true},
		{"several, less of each", batch.p, several(func(b *official.Batch) {
			for i := range b.Requests {
				b.Requests[i].Amount = big.NewInt(7)
			}
		}), true},
		{"some of several", batch.p, several(func(b *official.Batch) { b.Requests = b.Requests[1:3] }), true},
		{"one of several", batch.p, safeCalls(t, official.Default(), b.Requests[2]), true},
		{"one native of several", batch.p, safeCalls(t, official.Default(), b.Requests[0]), true},

		{"no calls", token.p, nil, false},
		{"another payee", token.p, with(e, func(e *official.Expectation) { e.Payee = thief }), false},
		{"another fee payee", token.p, with(e, func(e *official.Expectation) { e.FeePayee = thief }), false},
		{"a fee nobody asked for", batch.p, safeCalls(t, official.Default(), func() official.Expectation {
			e := b.Requests[1]
			e.Fee, e.FeePayee = big.NewInt(1), thief
			return e
		}()), false},
		{"another token", token.p, with(e, func(e *official.Expectation) { e.Token = addrOf(t, "USDC-base") }), false},
		{"a token nobody knows", token.p, with(e, func(e *official.Expectation) { e.Token = thief }), false},
		{"another reference", token.p, with(e, func(e *official.Expectation) { e.Reference[0]++ }), false},
		{"native for a token", token.p, native.calls, false},
		{"a token for native", native.p, token.calls, false},
		{"another payment", token.p, batch.calls, false},
		{"nothing", token.p, edit(token, func(c []rail.Call) []rail.Call {
			last(c).Data, _ = official.ERC20Payment{Token: e.Token, Payee: e.Payee, Amount: new(big.Int), Reference: e.Reference, Fee: e.Fee, FeePayee: e.FeePayee}.Encode()
			return c[len(c)-1:]
		}), false},
		{"native, a fee and nothing else", native.p, edit(native, func(c []rail.Call) []rail.Call { last(c).Value = n.Fee; return c }), false},
		{"native, less than the fee", native.p, edit(native, func(c []rail.Call) []rail.Call { last(c).Value = big.NewInt(1); return c }), false},
		{"native, no value", native.p, edit(native, func(c []rail.Call) []rail.Call { last(c).Value = nil; return c }), false},
		{"native, another payee", native.p, with(n, func(e *official.Expectation) { e.Payee = thief }), false},
		{"an approval of more", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].Data = approval(proxy, 104); return c }), false},
		{"an approval of less", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].Data = approval(proxy, 102); return c }), false},
		{"an approval for somebody", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].Data = approval(thief, 103); return c }), false},
		{"a reset for somebody", token.p, edit(token, func(c []rail.Call) []rail.Call { c[0].Data = approval(thief, 0); return c }), false},
		{"an approval of another token", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].To = thief; return c }), false},
		{"an approval with native currency", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].Value.SetInt64(1); return c }), false},
		{"a reset and no approval", token.p, edit(token, func(c []rail.Call) []rail.Call { return append(c[:1], c[2]) }), false},
		{"two approvals", token.p, edit(token, func(c []rail.Call) []rail.Call { return append(c[1:2], c[1], c[2]) }), false},
		{"an approval for native", native.p, append([]rail.Call{token.calls[1]}, native.calls...), false},
		{"a transfer before", token.p, append([]rail.Call{transfer}, token.calls...), false},
		{"a transfer in place of the reset", token.p, append([]rail.Call{transfer}, token.calls[1:]...), false},
		{"a transfer behind", token.p, append(slices.Clone(token.calls), transfer), false},
		{"the payment twice", token.p, append(slices.Clone(token.calls), *last(token.calls)), false},
		{"the payment first", token.p, edit(token, func(c []rail.Call) []rail.Call { slices.Reverse(c); return c }), false},
		{"no payment", token.p, token.calls[:2], false},
		{"value with a token", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).Value.SetInt64(1); return c }), false},
		{"another contract", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).To = thief; return c }), false},
		{"the contract for native", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).To = native.calls[0].To; return c }), false},
		{"the contract that only reads", token.p, edit(token, func(c []rail.Call) []rail.Call {
			m, _ := official.Default().Contract(asset.SandboxBase, official.Multicall3)
			last(c).To = m.Address
			return c
		}), false},
		{"a byte too many", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).Data = append(last(c).Data, 0); return c }), false},
		{"a byte too few", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).Data = last(c).Data[:len(last(c).Data)-1]; return c }), false},
		{"a dirty bit", token.p, edit(token, func(c []rail.Call) []rail.Call { last(c).Data[4] = 1; return c }), false},
		{"a dirty approval", token.p, edit(token, func(c []rail.Call) []rail.Call { c[1].Data[4] = 1; return c }), false},

		{"one more payment among several", batch.p, several(func(b *official.Batch) {
			more := b.Requests[3]
			more.Reference, more.Payee = official.Reference{9}, thief
			b.Requests = append(b.Requests, more)
		}), false},
		{"another payee among several", batch.p, several(func(b *official.Batch) { b.Requests[1].Payee = thief }), false},
		{"another fee payee of several", batch.p, several(func(b *official.Batch) { b.Requests[0].FeePayee, b.Requests[2].FeePayee = thief, thief }), false},
		{"another token among several", batch.p, several(func(b *official.Batch) { b.Requests[1].Token = b.Requests[2].Token }), false},
		{"several in another order", batch.p, several(func(b *official.Batch) { slices.Reverse(b.Requests) }), false},
		{"several, an approval of more", batch.p, edit(batch, func(c []rail.Call) []rail.Call {
			c[1].Data = approval(last(c).To, 1_000_000)
			return c
		}), false},
		{"several, more native", batch.p, edit(batch, func(c []rail.Call) []rail.Call { last(c).Value.SetInt64(1_000_000); return c }), false},
		{"several, approvals in another order", batch.p, edit(batch, func(c []rail.Call) []rail.Call { return []rail.Call{c[2], c[0], c[1], c[3]} }), false},
		{"several of another payment", token.p, batch.calls[2:], false},
	} {
		claim, ok := w.rail.Claims(tt.p, asset.SandboxBase, rail.Payer{Safe: true}, tt.calls, railtest.Now)
		if ok != tt.want {
			t.Errorf("%s: claimed %t, %+v", tt.name, ok, claim)
		}
		if ok && (claim.Cost.Amount.Sign() <= 0 || claim.Cost.Asset == "") {
			t.Errorf("%s: claim %+v", tt.name, claim)
		}
	}
}

// Whatever bytes come in, what is claimed is only approvals of an official
// contract and a payment whose every payee is the payment's own.
func FuzzClaims(f *testing.F) {
	w := newWorld(f)
	token, native, batch := claims(f, w.rail)
	for which, c := range []claimed{token, native, batch} {
		call := c.calls[len(c.calls)-1]
		f.Add(uint8(which), c.calls[0].Data, call.Data, call.Value.Bytes(), call.To[:])
	}
	f.Fuzz(func(t *testing.T, which uint8, approval, pay, value, to []byte) {
		c := []claimed{token, native, batch}[int(which)%3]
		if len(value) > 40 || len(to) != 20 {
			return
		}
		last := rail.Call{To: asset.Address(to), Data: pay, Value: new(big.Int).SetBytes(value)}
		for _, calls := range [][]rail.Call{{last}, {{To: c.calls[0].To, Data: approval, Value: new(big.Int)}, last}} {
			if _, ok := w.rail.Claims(c.p, asset.SandboxBase, rail.Payer{Safe: true}, calls, railtest.Now); ok {
				wantOwn(t, c, calls)
			}
		}
	})
}

func wantOwn(t *testing.T, c claimed, calls []rail.Call) {
	t.Helper()
	last := calls[len(calls)-1]
	contract, ok := official.Default().At(asset.SandboxBase, last.To)
	if !ok || contract.Kind == official.Multicall3 {
		t.Fatalf("claimed a call of %s", last.To)
	}
	for _, call := range calls[:len(calls)-1] {
		if a, err := official.DecodeApproval(call.Data); err != nil || a.Spender != last.To {
			t.Fatalf("claimed %x before the payment", call.Data)
		}
	}
	own := func(payee asset.Address) bool {
		return slices.ContainsFunc(c.p.Terms.Requests, func(q payment.Request) bool { return q.Payee == payee })
	}
	if p, err := official.DecodeERC20Payment(last.Data); err == nil && own(p.Payee) {
		return
	}
	if p, err := official.DecodeEthPayment(last.Data); err == nil && own(p.Payee) {
		return
	}
	p, err := official.DecodeBatchPayment(last.Data)
	if err != nil || slices.ContainsFunc(p.Items, func(i official.BatchItem) bool { return !own(i.Payee) }) {
		t.Fatalf("claimed %x", last.Data)
	}
}
