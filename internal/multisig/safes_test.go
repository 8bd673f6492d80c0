package multisig

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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
	*Safes
	t    *testing.T
	id   asset.ChainID
	safe *safetest.Safe
	upTo atomic.Uint64 // blocks that are final and were searched for payments
	node *tapped
}

// tapped is a node whose answers a test may change.
type tapped struct {
	chain.Batcher
	change func(calls []chain.Call, rs []chain.Result)
}

func (n *tapped) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	rs, err := n.Batcher.Batch(ctx, calls)
	if err == nil && n.change != nil {
		n.change(calls, rs)
	}
	return rs, err
}

// asked is how many questions for logs the chain has had.
func (w *vault) asked() int { return w.Calls("eth_getLogs") }

func newVault(t *testing.T, v safe.Version) *vault {
	t.Helper()
	id := asset.SandboxBase
	c := chaintest.New(t, append(safetest.Contracts(t, id), chaintest.WithID(uint64(id)))...)
	node, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	w := &vault{Chain: c, t: t, id: id, node: &tapped{Batcher: node}}
	w.Safes, err = New(Config{
		Table: safe.At(id), Nodes: map[asset.ChainID]chain.Batcher{id: w.node}, Final: func(asset.ChainID) uint64 { return w.upTo.Load() },
		Ranges: map[asset.ChainID]uint64{id: 8},
	})
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
		w.node.change = func(_ []chain.Call, rs []chain.Result) { rs[0].Raw = json.RawMessage(`"0x"`) }
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
		account, err := w.table.Read(t.Context(), w.node, w.id, w.safe.Address)
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
	var err error
	if w.service, err = safe.NewService(safe.ServiceConfig{BaseURLs: map[asset.ChainID]string{w.id: played.Serve(t) + "/api"}}); err != nil {
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
	w.Close()
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
	if err := w.Same(t.Context(), w.id, twin, here.Address); fieldOf(err) != "wallet safe_not_there" || !fault.Is(err, fault.Invalid) {
		t.Errorf("not there: %v", err)
	}
	if err := w.Same(t.Context(), twin, w.id, here.Address); fieldOf(err) != "wallet no_contract" {
		t.Errorf("not here: %v", err)
	}
	there := safetest.Deploy(t, c, safetest.Options{Version: safe.V150, Salt: 99})
	if there.Address != here.Address {
		t.Fatalf("%s and %s", here.Address, there.Address)
	}
	if err := w.Same(t.Context(), w.id, twin, here.Address); err != nil {
		t.Errorf("the same: %v", err)
	}
	data, err := safetest.Interface(t, safe.V150, "Safe").Pack("changeThreshold", big.NewInt(3))
	if err != nil {
		t.Fatal(err)
	}
	there.Execute(safe.Tx{To: there.Address, Data: data})
	c.Mine(1)
	if err := w.Same(t.Context(), w.id, twin, here.Address); fieldOf(err) != "wallet safe_not_there" {
		t.Errorf("other owners: %v", err)
	}
	c.Fail(503)
	if err := w.Same(t.Context(), w.id, twin, here.Address); !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %v", err)
	}
}
