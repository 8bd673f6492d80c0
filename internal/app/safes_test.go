package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

// vault is a chain with a Safe, and what the adapter says of it.
type vault struct {
	*chaintest.Chain
	*safes
	t     *testing.T
	id    asset.ChainID
	safe  *safetest.Safe
	upTo  atomic.Uint64 // blocks that are final and were searched for payments
	count *counting
}

// counting counts the questions for logs, and may refuse ranges.
type counting struct {
	chain.Batcher
	logs   int
	limit  uint64 // the widest range that is answered, 0 for any
	change func(calls []chain.Call, rs []chain.Result)
}

func (c *counting) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	rs, err := c.Batcher.Batch(ctx, calls)
	for i, call := range calls {
		if err != nil || call.Method != "eth_getLogs" {
			continue
		}
		c.logs++
		text, _ := json.Marshal(call.Params[0])
		var q struct{ FromBlock, ToBlock string }
		var from, to uint64
		if json.Unmarshal(text, &q) == nil {
			_, _ = fmt.Sscanf(q.FromBlock, "0x%x", &from)
			_, _ = fmt.Sscanf(q.ToBlock, "0x%x", &to)
		}
		if c.limit > 0 && to-from+1 > c.limit {
			rs[i] = chain.Result{Err: &chain.RPCError{Code: -32005, Message: "block range is too wide"}}
		}
	}
	if err == nil && c.change != nil {
		c.change(calls, rs)
	}
	return rs, err
}

func newVault(t *testing.T, v safe.Version) *vault {
	t.Helper()
	id := asset.SandboxBase
	c := chaintest.New(t, append(safetest.Contracts(t, id), chaintest.WithID(uint64(id)))...)
	node, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	w := &vault{Chain: c, t: t, id: id, count: &counting{Batcher: node}}
	setup := &SafeSetup{Table: safe.At(id)}
	w.safes, err = setup.build([]ChainSetup{{ID: id, MaxRange: 8}}, map[asset.ChainID]chain.Batcher{id: w.count}, func(asset.ChainID) uint64 { return w.upTo.Load() })
	if err != nil {
		t.Fatal(err)
	}
	w.safe = safetest.Deploy(t, c, safetest.Options{Version: v})
	c.Mine(1)
	return w
}

// mine has so many blocks made, and all of them final.
func (w *vault) mine(n int) { w.upTo.Store(w.Mine(n)) }

// pays is a transaction that pays nobody in particular.
func (w *vault) pays(nonce uint64) safe.Tx {
	return safe.Tx{To: address(w.t, w.Other.Address()), Value: big.NewInt(1), Nonce: nonce}
}

func (w *vault) look(hash official.Hash, nonce *uint64, from uint64, among ...asset.Address) checkout.SafeSight {
	w.t.Helper()
	if len(among) == 0 {
		among = []asset.Address{w.safe.Address}
	}
	sight, err := w.Look(w.t.Context(), w.id, among, hash.String(), nonce, from)
	if err != nil {
		w.t.Fatal(err)
	}
	return sight
}

func address(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func eachVersion(t *testing.T, test func(t *testing.T, w *vault)) {
	for _, v := range safe.Versions() {
		t.Run(string(v), func(t *testing.T) { test(t, newVault(t, v)) })
	}
}

// What is executed shows before its block is final, and for good after.
func TestLookFindsAnExecution(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *vault) {
		w.Send(w.safe.Address.String(), big.NewInt(10), nil)
		w.mine(1)
		tx, from := w.pays(0), w.Head()+1
		hash := w.safe.Hash(tx)
		for _, nonce := range []*uint64{nil, &tx.Nonce} {
			if s := w.look(hash, nonce, from); s.Fate != checkout.SafeWaiting || s.Next != from || s.More || s.Ahead != nil || !s.Time.IsZero() ||
				s.Nonce == nil || *s.Nonce != 0 || len(s.Owners) != 3 || s.Threshold != 2 {
				t.Errorf("before: %+v", s)
			}
		}
		sent := w.safe.Execute(tx)
		w.Mine(1)
		at := time.Unix(int64(w.block()), 0).UTC()
		for _, nonce := range []*uint64{nil, &tx.Nonce} {
			s := w.look(hash, nonce, from)
			if s.Fate != checkout.SafeWaiting || s.Next != from || s.Ahead == nil || s.Ahead.Fate != checkout.SafeExecuted || s.Ahead.Tx != sent || s.Ahead.Final || !s.Ahead.At.Equal(at) {
				t.Errorf("not final: %+v, ahead %+v", s, s.Ahead)
			}
			if o, err := w.Outcome(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), sent); err != nil || o == nil || *o != *s.Ahead {
				t.Errorf("by its transaction: %+v, %v", o, err)
			}
		}
		w.mine(1)
		for _, nonce := range []*uint64{nil, &tx.Nonce} {
			s := w.look(hash, nonce, from)
			if s.Fate != checkout.SafeExecuted || s.Account != w.safe.Address || s.Tx != sent || !s.At.Equal(at) || !s.Final || s.Ahead != nil || s.More || *s.Nonce != 1 {
				t.Errorf("final: %+v, ahead %+v", s, s.Ahead)
			}
		}
		if o, err := w.Outcome(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), sent); err != nil || o == nil || !o.Final {
			t.Errorf("by its transaction: %+v, %v", o, err)
		}
		for name, other := range map[string]string{"another transaction": w.safe.Execute(w.pays(1)), "none": "0x" + strings.Repeat("ab", 32)} {
			w.Mine(1)
			if o, err := w.Outcome(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), other); err != nil || o != nil {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
		}
	})
}

// block is the time of the newest block.
func (w *vault) block() uint64 {
	w.t.Helper()
	h, err := chain.Ask(w.t.Context(), w.count, chain.HeaderCall(chain.Latest), chain.Result.Header)
	if err != nil {
		w.t.Fatal(err)
	}
	return uint64(h.Time.Unix())
}

// A call that fails ends a transaction for good where it may.
func TestLookFindsAFailure(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *vault) {
		tx, from := w.pays(0), w.Head()+1 // the Safe has nothing to send
		tx.SafeTxGas = big.NewInt(50_000)
		sent := w.safe.Execute(tx)
		w.mine(1)
		if s := w.look(w.safe.Hash(tx), nil, from); s.Fate != checkout.SafeFailed || s.Tx != sent || !s.Final {
			t.Errorf("%+v", s)
		}
	})
}

// A nonce that others used up is told from the nonce, with the block in which it
// happened: whenever one looks, and also if that was before one began.
func TestLookFindsAReplacement(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *vault) {
		tx, from := w.pays(1), w.Head()+1
		hash := w.safe.Hash(tx)
		w.safe.Execute(w.safe.Reject(0))
		w.mine(1)
		if s := w.look(hash, &tx.Nonce, from); s.Fate != checkout.SafeWaiting || s.Next != from+1 || *s.Nonce != 1 || s.Time.IsZero() {
			t.Errorf("one before: %+v", s)
		}
		instead := w.safe.Execute(w.safe.Reject(1))
		w.Mine(1)
		if s := w.look(hash, &tx.Nonce, from); s.Fate != checkout.SafeWaiting || s.Ahead == nil || s.Ahead.Fate != checkout.SafeReplaced || s.Ahead.Tx != instead {
			t.Errorf("not final: %+v, ahead %+v", s, s.Ahead)
		}
		w.safe.Execute(w.safe.Reject(2))
		w.mine(2)
		for _, begun := range []uint64{from, from + 1, from + 2, w.Head()} {
			if s := w.look(hash, &tx.Nonce, begun); s.Fate != checkout.SafeReplaced || s.Tx != instead || !s.Final {
				t.Errorf("from block %d: %+v", begun, s)
			}
		}
		if s := w.look(hash, nil, from); s.Fate != checkout.SafeWaiting || s.Next != w.Head()+1 {
			t.Errorf("by the hash alone: %+v", s)
		}
	})
}

// Between two questions of a batch a block can come. Then the nonce is newer than
// the block it came with, and the events up to there are one too few.
func TestLookDoesNotMixBlocks(t *testing.T) {
	w := newVault(t, safe.V150)
	w.Send(w.safe.Address.String(), big.NewInt(10), nil)
	w.mine(1)
	tx, from := w.pays(1), w.Head()+1
	w.safe.Execute(w.safe.Reject(0))
	w.mine(1)
	var old json.RawMessage
	w.count.change = func(calls []chain.Call, rs []chain.Result) {
		if calls[0].Method == "eth_getBlockByNumber" && calls[0].Params[0] == chain.Latest {
			if old == nil {
				old = rs[0].Raw
			}
			rs[0].Raw = old
		}
	}
	w.look(w.safe.Hash(tx), &tx.Nonce, from)
	if old == nil {
		t.Fatal("the head was not asked for")
	}
	w.safe.Execute(tx)
	w.Mine(1)
	if s := w.look(w.safe.Hash(tx), &tx.Nonce, from); s.Fate != checkout.SafeWaiting || s.Ahead != nil {
		t.Errorf("%+v, ahead %+v", s, s.Ahead)
	}
	w.count.change = nil
	w.mine(1)
	if s := w.look(w.safe.Hash(tx), &tx.Nonce, from); s.Fate != checkout.SafeExecuted {
		t.Errorf("%+v", s)
	}
}

// What is far below where one began stays unknown.
func TestLookDoesNotSearchBackWithoutEnd(t *testing.T) {
	w := newVault(t, safe.V141)
	w.safe.Execute(w.safe.Reject(0))
	w.mine(8*maxBack + 2)
	tx := w.pays(0)
	before := w.count.logs
	if s := w.look(w.safe.Hash(tx), &tx.Nonce, w.Head()); s.Fate != checkout.SafeWaiting || s.More {
		t.Errorf("%+v", s)
	}
	if asked := w.count.logs - before; asked != 1+maxBack {
		t.Errorf("%d questions", asked)
	}
}

// While the nonce says that nothing happened no block is searched; with a hash
// alone all are, in pieces that the node answers, and not all at once.
func TestLookSearchesInPieces(t *testing.T) {
	w := newVault(t, safe.V130)
	w.Send(w.safe.Address.String(), big.NewInt(10), nil)
	tx, from := w.pays(0), uint64(1)
	hash := w.safe.Hash(tx)
	w.mine(8 * (maxStretches + 3))
	if s := w.look(hash, &tx.Nonce, from); s.Next != w.Head()+1 || s.More || w.count.logs != 0 || s.Time.Unix() != int64(w.block()) {
		t.Errorf("%d questions: %+v", w.count.logs, s)
	}
	w.count.limit = 3
	sent := w.safe.Execute(tx)
	w.mine(1)
	looks := 0
	s := checkout.SafeSight{Next: from}
	for s.Fate != checkout.SafeExecuted {
		if looks++; looks > 10 {
			t.Fatalf("no end: %+v", s)
		}
		next := s.Next
		before := w.count.logs
		if s = w.look(hash, nil, next); s.Fate == checkout.SafeWaiting && (!s.More || s.Next <= next) {
			t.Fatalf("from %d: %+v", next, s)
		}
		if asked := w.count.logs - before; asked > maxStretches {
			t.Errorf("%d questions at once", asked)
		}
	}
	if s.Tx != sent || looks < 3 {
		t.Errorf("after %d looks: %+v", looks, s)
	}
	if width := w.strides[w.id].get(); width > 4 {
		t.Errorf("%d blocks are asked for of a node that answers for 3", width)
	}
	w.count.limit = 0
	for range 3 {
		w.look(official.Hash{1}, nil, from)
	}
	if width := w.strides[w.id].get(); width != 8 {
		t.Errorf("%d blocks are asked for of a node that answers for all", width)
	}
}

// With several Safes a hash alone finds its own. Another that says the hash
// failed is not believed: its owners can have it say anything.
func TestLookAmongSeveral(t *testing.T) {
	w := newVault(t, safe.V150)
	other := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V130})
	among := []asset.Address{other.Address, w.safe.Address}
	tx, from := w.pays(0), w.Head()+1
	tx.SafeTxGas = big.NewInt(50_000)
	hash := w.safe.Hash(tx)
	// LOG2 of an empty word with the topics of a failure and the hash.
	code := slices.Concat([]byte{0x7f}, hash[:], []byte{0x7f}, hexes(t, safe.TopicFailure), []byte{0x60, 32, 0x5f, 0xa2, 0x00})
	creation := slices.Concat([]byte{0x60, byte(len(code)), 0x80, 0x60, 0x0b, 0x5f, 0x39, 0x5f, 0xf3, 0x00, 0x00}, code)
	at, made := w.Deploy(creation)
	w.Mine(1)
	if r := w.Receipt(made); r.Status != 1 {
		t.Fatalf("%+v", r)
	}
	lie := other.Execute(safe.Tx{To: address(t, at), Operation: safe.OpDelegateCall, Nonce: 0})
	w.mine(1)
	if r := w.Receipt(lie); r.Status != 1 || len(r.Logs) != 2 {
		t.Fatalf("nothing was forged: %+v", r)
	}
	if s := w.look(hash, nil, from, other.Address); s.Fate != checkout.SafeFailed {
		t.Errorf("alone its word counts: %+v", s)
	}
	if s := w.look(hash, nil, from, among...); s.Fate != checkout.SafeWaiting || s.Nonce != nil || s.Owners != nil || s.Next != w.Head()+1 {
		t.Errorf("among others it does not: %+v", s)
	}
	if o, err := w.Outcome(t.Context(), w.id, among, hash.String(), lie); err != nil || o != nil {
		t.Errorf("nor does its transaction: %+v, %v", o, err)
	}
	sent := w.safe.Execute(tx)
	w.safe.Execute(w.safe.Reject(1))
	w.mine(1)
	if s := w.look(hash, nil, from, among...); s.Fate != checkout.SafeFailed || s.Account != w.safe.Address || s.Tx != sent {
		t.Errorf("what can prove it is believed: %+v", s)
	}
}

func hexes(t *testing.T, text string) []byte {
	t.Helper()
	h, err := official.ParseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	return h[:]
}

// A node that contradicts itself is an error, and decides nothing.
func TestLookBelievesNoLies(t *testing.T) {
	w := newVault(t, safe.V141)
	w.Send(w.safe.Address.String(), big.NewInt(10), nil)
	w.mine(1)
	tx, from := w.pays(0), w.Head()+1
	hash := w.safe.Hash(tx)
	sent := w.safe.Execute(tx)
	w.mine(2)
	edit := func(method, old, now string) func([]chain.Call, []chain.Result) {
		return func(calls []chain.Call, rs []chain.Result) {
			for i, c := range calls {
				if c.Method == method {
					rs[i].Raw = json.RawMessage(strings.ReplaceAll(string(rs[i].Raw), old, now))
				}
			}
		}
	}
	mined := w.Receipt(sent)
	other := "0x" + strings.Repeat("ab", 32)
	for name, change := range map[string]func([]chain.Call, []chain.Result){
		"an event in another block":   edit("eth_getLogs", mined.BlockHash.Hex(), other),
		"an event out of range":       edit("eth_getLogs", fmt.Sprintf(`"blockNumber":"0x%x"`, mined.BlockNumber), `"blockNumber":"0x1"`),
		"an event of another":         edit("eth_getLogs", w.safe.Address.Lower(), "0x00000000000000000000000000000000000000aa"),
		"a success that is a failure": edit("eth_getLogs", safe.TopicSuccess, safe.TopicFailure),
		"an event without a receipt":  edit("eth_getLogs", sent, other),
		"a receipt without an event":  edit("eth_getTransactionReceipt", hash.String(), other),
		"a receipt of a failure":      edit("eth_getTransactionReceipt", `"status":"0x1"`, `"status":"0x0"`),
		"another block":               edit("eth_getBlockByNumber", mined.BlockHash.Hex(), other),
	} {
		w.count.change = change
		for _, nonce := range []*uint64{nil, &tx.Nonce} {
			if s, err := w.Look(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), nonce, from); err == nil {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
	w.count.change = nil
	if s := w.look(hash, &tx.Nonce, from); s.Fate != checkout.SafeExecuted {
		t.Errorf("honest: %+v", s)
	}
	// A chain that is down, slow or refuses is an error too, within its time.
	w.Fail(503)
	if _, err := w.Look(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), nil, from); !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %v", err)
	}
	w.Behave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Look(ctx, w.id, []asset.Address{w.safe.Address}, hash.String(), nil, from); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	for name, c := range map[string]struct {
		id    asset.ChainID
		among []asset.Address
		hash  string
	}{
		"a chain that is not there": {asset.SandboxArbitrum, []asset.Address{w.safe.Address}, hash.String()},
		"nobody":                    {w.id, nil, hash.String()},
		"no hash":                   {w.id, []asset.Address{w.safe.Address}, "0x12"},
	} {
		if s, err := w.Look(t.Context(), c.id, c.among, c.hash, nil, from); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// A Safe whose owners have changed it to other code still has its events.
func TestLookAtWhatIsNoSafeAnyMore(t *testing.T) {
	w := newVault(t, safe.V141)
	tx, from := w.safe.Reject(0), w.Head()+1
	sent := w.safe.Execute(tx)
	w.mine(1)
	w.count.change = func(calls []chain.Call, rs []chain.Result) {
		for i, c := range calls {
			if c.Method == "eth_getStorageAt" {
				rs[i].Raw = json.RawMessage(`"0x` + strings.Repeat("0", 63) + `1"`)
			}
		}
	}
	if s := w.look(w.safe.Hash(tx), &tx.Nonce, from); s.Fate != checkout.SafeExecuted || s.Tx != sent || s.Nonce != nil {
		t.Errorf("%+v", s)
	}
}

// fieldOf is the fault's field and code.
func fieldOf(err error) string {
	f := fault.From(err)
	if f == nil {
		return ""
	}
	return f.Field + " " + f.Code
}

func TestAccounts(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *vault) {
		m, err := w.Account(t.Context(), w.id, w.safe.Address)
		if err != nil || m.Address != w.safe.Address || m.Chain != w.id || m.Version != string(w.safe.Version) || len(m.Owners) != 3 || m.Threshold != 2 ||
			m.Nonce != 0 || m.MultiSend.IsZero() || m.Block != w.Head() || len(m.Warnings) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
		for at, want := range map[asset.Address]string{
			address(t, w.Address()): "wallet no_contract", address(t, w.USDC()): "wallet not_a_safe", {0xee}: "wallet no_contract",
		} {
			if m, err := w.Account(t.Context(), w.id, at); fieldOf(err) != want || !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %+v, %v", at, m, err)
			}
		}
		if m, err := w.Account(t.Context(), asset.SandboxArbitrum, w.safe.Address); fieldOf(err) != "wallet safe_unsupported" {
			t.Errorf("on another chain: %+v, %v", m, err)
		}
		w.count.change = func(_ []chain.Call, rs []chain.Result) { rs[0].Raw = json.RawMessage(`"0x"`) }
		if m, err := w.Account(t.Context(), w.id, w.safe.Address); !fault.Is(err, fault.Unavailable) {
			t.Errorf("nonsense: %+v, %v", m, err)
		}
		w.Fail(502)
		if m, err := w.Account(t.Context(), w.id, w.safe.Address); !fault.Is(err, fault.Unavailable) {
			t.Errorf("down: %+v, %v", m, err)
		}
	})
}

// A transaction is what its hash says; what must not be is refused by its name.
func TestReadProvesTransactions(t *testing.T) {
	eachVersion(t, func(t *testing.T, w *vault) {
		account, err := w.table.Read(t.Context(), w.count, w.id, w.safe.Address)
		if err != nil {
			t.Fatal(err)
		}
		calls := []rail.Call{{To: address(t, w.USDC()), Data: []byte{1, 2, 3, 4}}, {To: address(t, w.Other.Address()), Value: big.NewInt(7)}}
		batch, err := account.Batch(calls, 5)
		if err != nil {
			t.Fatal(err)
		}
		read := func(tx safe.Tx, hash official.Hash) (checkout.SafeTx, error) {
			text, err := tx.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			return w.Read(w.id, w.safe.Address, hash.String(), text)
		}
		got, err := read(batch, w.safe.Hash(batch))
		if err != nil || got.Nonce != 5 || len(got.Calls) != 2 || got.Calls[0].To != calls[0].To || string(got.Calls[0].Data) != string(calls[0].Data) || got.Calls[1].Value.Int64() != 7 {
			t.Errorf("%+v, %v", got, err)
		}
		if again, err := safe.ParseTx(got.JSON); err != nil || w.safe.Hash(again) != w.safe.Hash(batch) {
			t.Errorf("%s: %v", got.JSON, err)
		}
		single := w.pays(1)
		if got, err := read(single, w.safe.Hash(single)); err != nil || len(got.Calls) != 1 || got.Calls[0].Value.Int64() != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		for name, c := range map[string]struct {
			change func(*safe.Tx)
			want   string
		}{
			"a delegatecall to anybody":   {func(x *safe.Tx) { x.To = calls[0].To }, safe.CheckTarget},
			"a batch that cannot be read": {func(x *safe.Tx) { x.Data = x.Data[:len(x.Data)-1] }, safe.CheckCalls},
			"a batch of nothing":          {func(x *safe.Tx) { x.Data = nil }, safe.CheckCalls},
			"money beside the batch":      {func(x *safe.Tx) { x.Value = big.NewInt(1) }, safe.CheckValue},
			"paid for gas":                {func(x *safe.Tx) { x.GasPrice = big.NewInt(1) }, safe.CheckRefund},
			"too much gas":                {func(x *safe.Tx) { x.SafeTxGas = big.NewInt(1 << 40) }, safe.CheckGas},
			"a change of the Safe itself": {func(x *safe.Tx) { *x = w.safe.Reject(5) }, safe.CheckTarget},
		} {
			tx := batch
			c.change(&tx)
			if got, err := read(tx, w.safe.Hash(tx)); fieldOf(err) != "safeTx "+c.want {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		if got, err := read(batch, w.safe.Hash(single)); fieldOf(err) != "safeTx "+safe.CheckHash {
			t.Errorf("another hash: %+v, %v", got, err)
		}
		if got, err := w.Read(w.id, w.safe.Address, w.safe.Hash(batch).String(), []byte(`{"to":1}`)); fieldOf(err) != "safeTx safe_tx_invalid" {
			t.Errorf("no transaction: %+v, %v", got, err)
		}
		if got, err := w.Read(w.id, w.safe.Address, "0x", nil); fieldOf(err) != "safeTx "+safe.CheckHash {
			t.Errorf("no hash: %+v, %v", got, err)
		}
	})
}

func TestSigners(t *testing.T) {
	w := newVault(t, safe.V150)
	tx := w.pays(0)
	hash := w.safe.Hash(tx)
	one, two := w.Wallet.SignDigest(hash), w.Other.SignDigest(hash)
	owners := inOrder([]asset.Address{address(t, w.Address()), address(t, w.Other.Address())})
	for name, c := range map[string]struct {
		signatures [][]byte
		want       int
	}{
		"apart": {[][]byte{one, two}, 2}, "together": {[][]byte{w.safe.Sign(tx)}, 2}, "one twice": {[][]byte{one, one}, 1},
		"nobody's": {[][]byte{one[:64], nil, {1}, two}, 1}, "none": {nil, 0},
		"too many": {[][]byte{make([]byte, oneSignature*maxSignatures), one}, 0},
	} {
		if got := w.Signers(hash.String(), c.signatures); len(got) != c.want || c.want == 2 && !slices.Equal(got, owners) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := w.Signers("0x", [][]byte{one}); got != nil {
		t.Errorf("of no hash: %v", got)
	}
}

// The service's word: news if it knows the hash, nothing if it does not or there
// is none, and an error if it makes no sense.
func TestAskTheService(t *testing.T) {
	w := newVault(t, safe.V141)
	tx := w.pays(3)
	hash := w.safe.Hash(tx)
	if news, err := w.Ask(t.Context(), w.id, hash.String()); news != nil || err != nil {
		t.Errorf("without a service: %+v, %v", news, err)
	}
	played := safetest.NewService()
	server := httptest.NewServer(played)
	t.Cleanup(server.Close)
	var err error
	if w.service, err = safe.NewService(safe.ServiceConfig{BaseURLs: map[asset.ChainID]string{w.id: server.URL + "/api"}}); err != nil {
		t.Fatal(err)
	}
	if news, err := w.Ask(t.Context(), w.id, hash.String()); news != nil || err != nil {
		t.Errorf("what it does not know: %+v, %v", news, err)
	}
	if news, err := w.Ask(t.Context(), asset.SandboxArbitrum, hash.String()); news != nil || err != nil {
		t.Errorf("another chain: %+v, %v", news, err)
	}
	e := safetest.Entry{Chain: w.id, Safe: w.safe.Address, Tx: tx, Required: 2, Agreements: []safetest.Agreement{
		{Owner: address(t, w.Address()), Signature: w.Wallet.SignDigest(hash)}, {Owner: safetest.Absent},
	}}
	put := func() *checkout.SafeNews {
		t.Helper()
		if _, err := played.Put(e); err != nil {
			t.Fatal(err)
		}
		news, err := w.Ask(t.Context(), w.id, hash.String())
		if err != nil {
			t.Fatal(err)
		}
		return news
	}
	news := put()
	if read, err := w.Read(w.id, news.Account, hash.String(), news.Tx); err != nil || read.Nonce != 3 || news.Account != w.safe.Address || news.ExecutedBy != "" {
		t.Errorf("%+v of %+v, %v", read, news, err)
	}
	if got := w.Signers(hash.String(), news.Signatures); len(got) != 1 || got[0].String() != w.Address() {
		t.Errorf("signed by %v", got)
	}
	e.ExecutedBy, e.Successful = official.Hash{7}, true
	if news := put(); news.ExecutedBy != (official.Hash{7}).String() {
		t.Errorf("%+v", news)
	}
	for name, b := range map[string]safetest.Behaviour{
		"down": {Status: 500}, "cut": {Cut: true}, "elsewhere": {Redirect: "https://example.com"},
		"another transaction": {Lie: func(a map[string]any) { a["nonce"] = "9" }},
	} {
		played.Behave(b)
		if news, err := w.Ask(t.Context(), w.id, hash.String()); err == nil {
			t.Errorf("%s: %+v", name, news)
		}
	}
	w.close()
}

// A chain is asked whether it knows a transaction, in a block or waiting.
func TestSent(t *testing.T) {
	w := newVault(t, safe.V150)
	tx := w.Send(w.Other.Address(), big.NewInt(1), nil)
	for _, mined := range []bool{false, true} {
		if mined {
			w.Mine(1)
		}
		if sent, err := w.Sent(t.Context(), w.id, tx); err != nil || !sent {
			t.Errorf("mined %v: %v, %v", mined, sent, err)
		}
	}
	if sent, err := w.Sent(t.Context(), w.id, "0x"+strings.Repeat("ab", 32)); err != nil || sent {
		t.Errorf("nobody's: %v, %v", sent, err)
	}
	w.Fail(503)
	if sent, err := w.Sent(t.Context(), w.id, tx); err == nil {
		t.Errorf("down: %v", sent)
	}
}

// The same Safe on two chains is one address with one set of owners.
func TestSameSafe(t *testing.T) {
	w, twin := newVault(t, safe.V141), asset.SandboxArbitrum
	c := chaintest.New(t, append(safetest.Contracts(t, twin), chaintest.WithID(uint64(twin)))...)
	node, err := chain.NewClient(chain.Config{Chain: twin, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	w.table, w.nodes[twin] = safe.At(w.id, twin), node
	here := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V150, Salt: 99})
	if err := w.same(t.Context(), w.id, twin, here.Address); fieldOf(err) != "wallet safe_not_there" || !fault.Is(err, fault.Invalid) {
		t.Errorf("not there: %v", err)
	}
	if err := w.same(t.Context(), twin, w.id, here.Address); fieldOf(err) != "wallet no_contract" {
		t.Errorf("not here: %v", err)
	}
	there := safetest.Deploy(t, c, safetest.Options{Version: safe.V150, Salt: 99})
	if there.Address != here.Address {
		t.Fatalf("%s and %s", here.Address, there.Address)
	}
	if err := w.same(t.Context(), w.id, twin, here.Address); err != nil {
		t.Errorf("the same: %v", err)
	}
	data, err := safetest.Interface(t, safe.V150, "Safe").Pack("changeThreshold", big.NewInt(3))
	if err != nil {
		t.Fatal(err)
	}
	there.Execute(safe.Tx{To: there.Address, Data: data})
	c.Mine(1)
	if err := w.same(t.Context(), w.id, twin, here.Address); fieldOf(err) != "wallet safe_not_there" {
		t.Errorf("other owners: %v", err)
	}
	c.Fail(503)
	if err := w.same(t.Context(), w.id, twin, here.Address); !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %v", err)
	}
}
