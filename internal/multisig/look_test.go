package multisig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

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
	h, err := chain.Ask(w.t.Context(), w.node, chain.HeaderCall(chain.Latest), chain.Result.Header)
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
	w.node.change = func(calls []chain.Call, rs []chain.Result) {
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
	w.node.change = nil
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
	before := w.asked()
	if s := w.look(w.safe.Hash(tx), &tx.Nonce, w.Head()); s.Fate != checkout.SafeWaiting || s.More {
		t.Errorf("%+v", s)
	}
	if asked := w.asked() - before; asked != 1+maxBack {
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
	if s := w.look(hash, &tx.Nonce, from); s.Next != w.Head()+1 || s.More || w.asked() != 0 || s.Time.Unix() != int64(w.block()) {
		t.Errorf("%d questions: %+v", w.asked(), s)
	}
	w.MaxRange(3)
	sent := w.safe.Execute(tx)
	w.mine(1)
	looks := 0
	s := checkout.SafeSight{Next: from}
	for s.Fate != checkout.SafeExecuted {
		if looks++; looks > 10 {
			t.Fatalf("no end: %+v", s)
		}
		next := s.Next
		before := w.asked()
		if s = w.look(hash, nil, next); s.Fate == checkout.SafeWaiting && (!s.More || s.Next <= next) {
			t.Fatalf("from %d: %+v", next, s)
		}
		if asked := w.asked() - before; asked > maxStretches {
			t.Errorf("%d questions at once", asked)
		}
	}
	if s.Tx != sent || looks < 3 {
		t.Errorf("after %d looks: %+v", looks, s)
	}
	if width := w.strides[w.id].Width(); width > 4 {
		t.Errorf("%d blocks are asked for of a node that answers for 3", width)
	}
	w.MaxRange(0)
	for range 3 {
		w.look(official.Hash{1}, nil, from)
	}
	if width := w.strides[w.id].Width(); width != 8 {
		t.Errorf("%d blocks are asked for of a node that answers for all", width)
	}
}

// With several Safes a hash alone finds its own. Another that says what became of
// the hash is not believed: its owners can have it say anything.
func TestLookAmongSeveral(t *testing.T) {
	w := newVault(t, safe.V150)
	other := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V130})
	among := []asset.Address{other.Address, w.safe.Address}
	tx, from := w.pays(0), w.Head()+1
	tx.SafeTxGas = big.NewInt(50_000)
	hash := w.safe.Hash(tx)
	for nonce, lies := range []struct {
		topic string
		fate  checkout.SafeFate
	}{{safe.TopicFailure, checkout.SafeFailed}, {safe.TopicSuccess, checkout.SafeExecuted}} {
		// LOG2 of an empty word with the event's topic and the hash.
		code := slices.Concat([]byte{0x7f}, hash[:], []byte{0x7f}, hexes(t, lies.topic), []byte{0x60, 32, 0x5f, 0xa2, 0x00})
		creation := slices.Concat([]byte{0x60, byte(len(code)), 0x80, 0x60, 0x0b, 0x5f, 0x39, 0x5f, 0xf3, 0x00, 0x00}, code)
		at, made := w.Deploy(creation)
		w.Mine(1)
		if r := w.Receipt(made); r.Status != 1 {
			t.Fatalf("%+v", r)
		}
		lie := other.Execute(safe.Tx{To: address(t, at), Operation: safe.OpDelegateCall, Nonce: uint64(nonce)})
		w.mine(1)
		if r := w.Receipt(lie); r.Status != 1 || len(r.Logs) != 2 {
			t.Fatalf("nothing was forged: %+v", r)
		}
		if s := w.look(hash, nil, from, other.Address); s.Fate != lies.fate {
			t.Errorf("alone its word counts: %+v", s)
		}
		if s := w.look(hash, nil, from, among...); s.Fate != checkout.SafeWaiting || s.Nonce != nil || s.Owners != nil || s.Next != w.Head()+1 {
			t.Errorf("among others it does not: %+v", s)
		}
		if o, err := w.Outcome(t.Context(), w.id, among, hash.String(), lie); err != nil || o != nil {
			t.Errorf("nor does its transaction: %+v, %v", o, err)
		}
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
		w.node.change = change
		for _, nonce := range []*uint64{nil, &tx.Nonce} {
			if s, err := w.Look(t.Context(), w.id, []asset.Address{w.safe.Address}, hash.String(), nonce, from); err == nil {
				t.Errorf("%s: %+v", name, s)
			}
		}
	}
	w.node.change = nil
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
	w.node.change = func(calls []chain.Call, rs []chain.Result) {
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
