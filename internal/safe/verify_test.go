package safe_test

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

var (
	self     = asset.Address{0x5a, 0xfe, 19: 1}
	token    = asset.Address{0x70, 19: 1}
	proxy    = asset.Address{0x9e, 19: 1}
	stranger = asset.Address{0xba, 0xd0, 19: 1}
)

// payCalls are what a payment hands out: an approval and the call that pays.
func payCalls(t testing.TB) []rail.Call {
	t.Helper()
	approve, err := official.Approval{Spender: proxy, Amount: big.NewInt(5_000_000)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return []rail.Call{
		{Kind: rail.Approve, To: token, Data: approve, Value: new(big.Int)},
		{Kind: rail.Pay, To: proxy, Data: []byte{0xc2, 0x19, 0xa1, 0x4d, 1, 2, 3, 4, 5, 6, 7, 8, 9}, Value: big.NewInt(3)},
	}
}

func reader(v safe.Version, chain asset.ChainID) *safe.Account {
	a := &safe.Account{Chain: chain, Address: self, Version: v, Nonce: 7}
	for _, c := range slices.Backward(safe.Pinned().Contracts(chain, safe.MultiSendCallOnly)) {
		if c.Version == v {
			a.MultiSend = c.Address
		}
	}
	return a
}

func propose(t testing.TB, a *safe.Account, calls []rail.Call) safe.Proposal {
	t.Helper()
	tx, err := a.Batch(calls, a.Nonce)
	if err != nil {
		t.Fatal(err)
	}
	return rehash(t, safe.Proposal{Chain: a.Chain, Safe: a.Address, Tx: tx})
}

// rehash announces a proposal by its own hash, as whoever made it would.
func rehash(t testing.TB, p safe.Proposal) safe.Proposal {
	t.Helper()
	h, err := p.Tx.Hash(p.Chain, p.Safe)
	if err != nil {
		t.Fatal(err)
	}
	p.Hash = h
	return p
}

func refusals(checks []rail.Check) (names []string) {
	for _, c := range checks {
		if c.Outcome == rail.Refused {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestHonestBatchesPass(t *testing.T) {
	for _, v := range safe.Versions() {
		for _, n := range []int{1, 2} {
			a := reader(v, asset.Base)
			want := payCalls(t)[2-n:]
			checks := safe.Pinned().Verify(propose(t, a, want), want, a)
			if len(checks) != 8 || refusals(checks) != nil {
				t.Errorf("%s, %d calls: %+v", v, n, checks)
			}
			for _, c := range checks {
				if c.Outcome != rail.Passed || !strings.HasSuffix(c.Detail, ".") {
					t.Errorf("%+v", c)
				}
			}
		}
	}
}

// Batches of another version's MultiSendCallOnly do the same, and so does a
// batch of one.
func TestEquivalentBatchesPass(t *testing.T) {
	a, want := reader(safe.V130, asset.Base), payCalls(t)
	for _, c := range safe.Pinned().Contracts(asset.Base, safe.MultiSendCallOnly) {
		p := propose(t, a, want)
		p.Tx.To = c.Address
		if got := refusals(safe.Pinned().Verify(rehash(t, p), want, a)); got != nil {
			t.Errorf("%s: %s", c.Address, got)
		}
	}
	data, err := safe.EncodeMultiSend([]safe.Item{{To: want[0].To, Data: want[0].Data}})
	if err != nil {
		t.Fatal(err)
	}
	p := rehash(t, safe.Proposal{Chain: asset.Base, Safe: self, Tx: safe.Tx{To: a.MultiSend, Operation: safe.OpDelegateCall, Data: data, Nonce: 7}})
	if got := refusals(safe.Pinned().Verify(p, want[:1], a)); got != nil {
		t.Errorf("a batch of one: %s", got)
	}
}

func TestNothingOfTheSafeIsNeeded(t *testing.T) {
	a, want := reader(safe.V141, asset.Base), payCalls(t)
	checks := safe.Pinned().Verify(propose(t, a, want), want, nil)
	for _, c := range checks {
		if outcome := map[bool]rail.Outcome{true: rail.Waiting, false: rail.Passed}[c.Name == safe.CheckNonce]; c.Outcome != outcome {
			t.Errorf("%+v", c)
		}
	}
}

type lie struct {
	name    string
	single  bool // of a proposal that is one call
	change  func(*safe.Proposal)
	refused string
}

// repack changes the items of a batch.
func repack(change func([]safe.Item) []safe.Item) func(*safe.Proposal) {
	return func(p *safe.Proposal) {
		items, err := safe.DecodeMultiSend(p.Tx.Data)
		if err != nil {
			panic(err)
		}
		for i := range items {
			items[i].Data = bytes.Clone(items[i].Data)
		}
		if p.Tx.Data, err = safe.EncodeMultiSend(change(items)); err != nil {
			panic(err)
		}
	}
}

func item(i int, change func(*safe.Item)) func(*safe.Proposal) {
	return repack(func(items []safe.Item) []safe.Item { change(&items[i]); return items })
}

var lies = []lie{
	{"another chain", false, func(p *safe.Proposal) { p.Chain = asset.Sepolia + 1 }, safe.CheckTarget},
	{"another Safe", false, func(p *safe.Proposal) { p.Safe = stranger }, safe.CheckNonce},
	{"a stranger's multisend", false, func(p *safe.Proposal) { p.Tx.To = stranger }, safe.CheckTarget},
	{"MultiSend, which delegates", false, func(p *safe.Proposal) { p.Tx.To = mustParse("0x38869bf66a61cF6bDB996A6aE40D5853Fd43B526") }, safe.CheckOperation},
	{"the singleton as target", false, func(p *safe.Proposal) { p.Tx.To = mustParse("0x41675C099F32341bf84BFc5382aF534df5C7461a") }, safe.CheckOperation},
	{"a batch that is only called", false, func(p *safe.Proposal) { p.Tx.Operation = safe.OpCall }, safe.CheckCalls},
	{"an operation that is none", false, func(p *safe.Proposal) { p.Tx.Operation = 2 }, safe.CheckOperation},
	{"a value beside the batch", false, func(p *safe.Proposal) { p.Tx.Value = big.NewInt(1) }, safe.CheckValue},
	{"a gas price", false, func(p *safe.Proposal) { p.Tx.GasPrice = big.NewInt(1) }, safe.CheckRefund},
	{"gas to be paid for", false, func(p *safe.Proposal) { p.Tx.BaseGas = big.NewInt(1) }, safe.CheckRefund},
	{"a token for gas", false, func(p *safe.Proposal) { p.Tx.GasToken = token }, safe.CheckRefund},
	{"a receiver of gas money", false, func(p *safe.Proposal) { p.Tx.RefundReceiver = stranger }, safe.CheckRefund},
	{"gas that nobody has", false, func(p *safe.Proposal) { p.Tx.SafeTxGas = new(big.Int).Lsh(big.NewInt(1), 200) }, safe.CheckGas},
	{"a nonce of the past", false, func(p *safe.Proposal) { p.Tx.Nonce = 6 }, safe.CheckNonce},
	{"a nonce far off", false, func(p *safe.Proposal) { p.Tx.Nonce = 7 + safe.MaxQueue + 1 }, safe.CheckNonce},
	{"no calldata", false, func(p *safe.Proposal) { p.Tx.Data = nil }, safe.CheckCalls},
	{"a byte behind the batch", false, func(p *safe.Proposal) { p.Tx.Data = append(bytes.Clone(p.Tx.Data), 0) }, safe.CheckCalls},
	{"one call less", false, repack(func(i []safe.Item) []safe.Item { return i[:1] }), safe.CheckCalls},
	{"one call more", false, repack(func(i []safe.Item) []safe.Item { return append(i, safe.Item{To: stranger, Value: big.NewInt(1)}) }), safe.CheckCalls},
	{"a call twice", false, repack(func(i []safe.Item) []safe.Item { return append(i, i[1]) }), safe.CheckCalls},
	{"another order", false, repack(func(i []safe.Item) []safe.Item { slices.Reverse(i); return i }), safe.CheckCalls},
	{"an approval for a stranger", false, item(0, func(i *safe.Item) { i.Data[20]++ }), safe.CheckCalls},
	{"a larger approval", false, item(0, func(i *safe.Item) { i.Data[40]++ }), safe.CheckCalls},
	{"an approval of another token", false, item(0, func(i *safe.Item) { i.To = stranger }), safe.CheckCalls},
	{"a value with the approval", false, item(0, func(i *safe.Item) { i.Value = big.NewInt(1) }), safe.CheckCalls},
	{"another contract that is paid", false, item(1, func(i *safe.Item) { i.To = stranger }), safe.CheckCalls},
	{"another reference", false, item(1, func(i *safe.Item) { i.Data[12]++ }), safe.CheckCalls},
	{"less value", false, item(1, func(i *safe.Item) { i.Value = big.NewInt(2) }), safe.CheckCalls},
	{"longer calldata", false, item(1, func(i *safe.Item) { i.Data = append(i.Data, 0) }), safe.CheckCalls},

	{"another target", true, func(p *safe.Proposal) { p.Tx.To = stranger }, safe.CheckTarget},
	{"the Safe as target", true, func(p *safe.Proposal) { p.Tx.To = p.Safe }, safe.CheckTarget},
	{"a delegatecall to what is paid", true, func(p *safe.Proposal) { p.Tx.Operation = safe.OpDelegateCall }, safe.CheckOperation},
	{"another value", true, func(p *safe.Proposal) { p.Tx.Value = big.NewInt(4) }, safe.CheckValue},
	{"no value", true, func(p *safe.Proposal) { p.Tx.Value = nil }, safe.CheckValue},
	{"other calldata", true, func(p *safe.Proposal) { p.Tx.Data = []byte{1} }, safe.CheckCalls},
	{"a price for gas", true, func(p *safe.Proposal) { p.Tx.GasPrice = big.NewInt(1) }, safe.CheckRefund},
}

func mustParse(s string) asset.Address {
	a, err := asset.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// Whoever announces a changed transaction under its own hash is refused by the
// check that it is about; under the honest hash, by the hash as well.
func TestLiesAreRefused(t *testing.T) {
	for _, v := range safe.Versions() {
		for _, l := range lies {
			a, want := reader(v, asset.Base), payCalls(t)
			if l.single {
				want = want[1:]
			}
			honest := propose(t, a, want)
			p := honest
			l.change(&p)
			p = rehash(t, p)
			if p.Hash == honest.Hash {
				t.Fatalf("%s changes nothing", l.name)
			}
			checks := safe.Pinned().Verify(p, want, a)
			if got := refusals(checks); !slices.Contains(got, l.refused) || slices.Contains(got, safe.CheckHash) || len(checks) != 8 {
				t.Errorf("%s, %s: refused by %s, not by %s", v, l.name, got, l.refused)
			}
			p.Hash = honest.Hash
			if got := refusals(safe.Pinned().Verify(p, want, a)); !slices.Contains(got, l.refused) || !slices.Contains(got, safe.CheckHash) {
				t.Errorf("%s, %s under the honest hash: refused by %s", v, l.name, got)
			}
		}
	}
}

// safeTxGas is the one field that is free, and even it is bound by the hash.
func TestGasIsFreeWithinReason(t *testing.T) {
	a, want := reader(safe.V150, asset.Base), payCalls(t)
	honest := propose(t, a, want)
	p := honest
	p.Tx.SafeTxGas = big.NewInt(300_000)
	if got := refusals(safe.Pinned().Verify(p, want, a)); !slices.Equal(got, []string{safe.CheckHash}) {
		t.Errorf("under the honest hash: %s", got)
	}
	if got := refusals(safe.Pinned().Verify(rehash(t, p), want, a)); got != nil {
		t.Errorf("under its own: %s", got)
	}
	p.Tx.SafeTxGas = new(big.Int).Lsh(big.NewInt(1), 256)
	if got := refusals(safe.Pinned().Verify(p, want, a)); !slices.Contains(got, safe.CheckHash) || !slices.Contains(got, safe.CheckGas) {
		t.Errorf("more than 256 bits: %s", got)
	}
}

// Calls that give the Safe orders about itself are never made nor accepted,
// whoever asks for them.
func TestTheSafeIsNotTold(t *testing.T) {
	a := reader(safe.V150, asset.Base)
	for _, to := range []asset.Address{self, {}} {
		for _, calls := range [][]rail.Call{{{To: to}}, append(payCalls(t), rail.Call{To: to})} {
			if tx, err := a.Batch(calls, 7); !errors.Is(err, safe.ErrBatch) {
				t.Errorf("%+v, %v", tx, err)
			}
			p := rehash(t, safe.Proposal{Chain: a.Chain, Safe: self, Tx: safe.Tx{To: to, Nonce: 7}})
			if got := refusals(safe.Pinned().Verify(p, calls, a)); !slices.Contains(got, safe.CheckTarget) {
				t.Errorf("%s: %s", to, got)
			}
		}
	}
}

func TestBatchRefuses(t *testing.T) {
	a, good := reader(safe.V141, asset.Base), payCalls(t)
	if _, err := a.Batch(nil, 7); !errors.Is(err, safe.ErrBatch) {
		t.Errorf("no call: %v", err)
	}
	if _, err := a.Batch(slices.Repeat(good, safe.MaxItems), 7); !errors.Is(err, safe.ErrBatch) {
		t.Errorf("too many: %v", err)
	}
	if _, err := a.Batch([]rail.Call{{To: token, Data: make([]byte, 256<<10)}}, 7); !errors.Is(err, safe.ErrBatch) {
		t.Errorf("too long: %v", err)
	}
	for _, v := range []*big.Int{big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 256)} {
		for n := range 2 {
			if _, err := a.Batch(append(good[:n:n], rail.Call{To: token, Value: v}), 7); !errors.Is(err, official.ErrAmount) {
				t.Errorf("%v after %d: %v", v, n, err)
			}
		}
	}
	a.MultiSend = asset.Address{}
	if _, err := a.Batch(good, 7); !errors.Is(err, safe.ErrMultiSend) {
		t.Errorf("no MultiSendCallOnly: %v", err)
	}
	if _, err := a.Batch(good[1:], 7); err != nil {
		t.Errorf("which one call does not need: %v", err)
	}
	if got := refusals(safe.Pinned().Verify(propose(t, reader(safe.V141, asset.Base), good), nil, a)); !slices.Contains(got, safe.CheckCalls) {
		t.Errorf("nothing to pay: %s", got)
	}
}

// Each byte of the calldata matters: whatever is flipped, it is not taken for
// the same calls.
func TestEveryByteOfABatchCounts(t *testing.T) {
	a, want := reader(safe.V150, asset.Base), payCalls(t)
	honest := propose(t, a, want)
	for i := range honest.Tx.Data {
		p := honest
		p.Tx.Data = bytes.Clone(p.Tx.Data)
		p.Tx.Data[i] ^= 1
		if got := refusals(safe.Pinned().Verify(rehash(t, p), want, a)); !slices.Contains(got, safe.CheckCalls) {
			t.Errorf("byte %d: %s", i, got)
		}
	}
}
