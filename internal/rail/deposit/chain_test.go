package deposit_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
)

// rig is a real chain, a client of it and a watcher, and what a database would hold.
type rig struct {
	*chaintest.Chain
	t       testing.TB
	client  *chain.Client
	books   *books
	index   *deposit.Index
	watcher *deposit.Watcher
}

func newRig(t testing.TB) *rig {
	t.Helper()
	c := chaintest.New(t)
	client, err := chain.NewClient(chain.Config{Chain: asset.ChainID(c.ID()), Endpoints: []chain.Endpoint{{URL: c.URL()}}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r := &rig{Chain: c, t: t, client: client, books: newBooks(), index: deposit.NewIndex()}
	r.books.blocks = []chain.Block{r.block(c.Head())}
	r.watcher, err = deposit.New(deposit.Config{
		Chain: asset.ChainID(c.ID()), Node: client, Multicall: address(t, c.Multicall3()),
		Tokens: []asset.Address{address(t, c.USDC()), address(t, c.USDT())}, Index: r.index, Ledger: r.books,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func address(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *rig) block(n uint64) chain.Block {
	r.t.Helper()
	h, err := chain.Ask(r.t.Context(), r.client, chain.HeaderCall(chain.AtBlock(n)), chain.Result.Header)
	if err != nil || h == nil {
		r.t.Fatalf("block %d: %v, %v", n, h, err)
	}
	return h.Block
}

// scan reads everything up to the head as one sweep and stores it.
func (r *rig) scan() {
	r.t.Helper()
	cursor := r.books.blocks[len(r.books.blocks)-1]
	if r.block(cursor.Number) != cursor {
		for len(r.books.blocks) > 1 && r.block(cursor.Number) != cursor {
			r.books.blocks = r.books.blocks[:len(r.books.blocks)-1]
			cursor = r.books.blocks[len(r.books.blocks)-1]
		}
		r.books.rewind(cursor)
	}
	sw := chain.Sweep{Chain: asset.ChainID(r.ID()), From: cursor.Number + 1, To: r.block(r.Head())}
	sw.Head = sw.To
	if sw.From > sw.To.Number {
		return
	}
	logs, err := chain.Ask(r.t.Context(), r.client, chain.LogsCall(r.watcher.Filter(), sw.From, sw.To.Number), chain.Result.Logs)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, l := range logs {
		logs[i].Block = r.block(l.Block.Number)
	}
	sw.Logs = logs
	found, err := r.watcher.Read(r.t.Context(), sw)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.books.apply(sw.To, found); err != nil {
		r.t.Fatal(err)
	}
}

// only returns the one sighting that a list must be.
func only(t *testing.T, xs []rail.Sighting) rail.Sighting {
	t.Helper()
	if len(xs) != 1 {
		t.Fatalf("%d sightings: %+v", len(xs), xs)
	}
	return xs[0]
}

// at returns what was seen of an address, in the order of the chain.
func (r *rig) at(a asset.Address) []rail.Sighting {
	var out []rail.Sighting
	for _, x := range r.books.sightings {
		if x.To == a {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(x, y rail.Sighting) int {
		if x.Evidence.Block != y.Evidence.Block {
			return int(x.Evidence.Block) - int(y.Evidence.Block)
		}
		return strings.Compare(x.Key, y.Key)
	})
	return out
}

// account is a deposit address, with the key that only its merchant has.
func account(t testing.TB, n byte) (*ecdsa.PrivateKey, asset.Address) {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k, asset.Address(crypto.PubkeyToAddress(k.PublicKey))
}

// Small contracts, by hand. Each pays on what it is sent, to whom its calldata or its
// storage says.
var (
	payNamed   = code("5f5f5f5f345f355af100")       // call(gas, calldata[0:32], callvalue)
	payStored  = code("5f5f5f5f345f545af100")       // call(gas, storage[0], callvalue)
	payAndUndo = code("5f5f5f5f345f355af1505f5ffd") // the same as payNamed, and then revert
	destroy    = code("5f35ff")                     // selfdestruct(calldata[0:32])
)

func code(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err) // written above
	}
	return b
}

// deploy makes the creation code of a contract whose first slot holds an address.
func creation(runtime []byte, stored asset.Address) []byte {
	init := append(append([]byte{0x73}, stored[:]...), 0x5f, 0x55) // sstore(0, stored)
	size := byte(len(runtime))
	at := byte(len(init) + 10)
	init = append(init, 0x60, size, 0x60, at, 0x5f, 0x39, 0x60, size, 0x5f, 0xf3) // return the runtime
	return append(init, runtime...)
}

func padded(a asset.Address) []byte { return append(make([]byte, 12), a[:]...) }

const ether = 1e18

// Every way in which money reaches an address, on a real chain.
func TestWaysToPay(t *testing.T) {
	r := newRig(t)
	none := asset.Address{}
	named, _ := r.Deploy(creation(payNamed, none))
	undo, _ := r.Deploy(creation(payAndUndo, none))
	end, _ := r.Deploy(creation(destroy, none))
	_, stored := account(t, 9)
	r.index.Add(stored)
	vault, _ := r.Deploy(creation(payStored, stored))
	r.Mine(1)

	wei := big.NewInt(ether)
	for name, c := range map[string]struct {
		n     byte
		send  func(to asset.Address) string
		token string // "" for native
		want  int64
		payer string // "" if it cannot be known
		tx    bool   // whether the transaction is known
	}{
		"a wallet":        {1, func(to asset.Address) string { return r.Send(to.String(), wei, nil) }, "", ether, r.Address(), true},
		"with data":       {2, func(to asset.Address) string { return r.Send(to.String(), wei, []byte("order 7")) }, "", ether, r.Address(), true},
		"a contract":      {3, func(to asset.Address) string { return r.Send(named, wei, padded(to)) }, "", ether, "", true},
		"a selfdestruct":  {4, func(to asset.Address) string { return r.Send(end, wei, padded(to)) }, "", ether, "", true},
		"USDC":            {5, func(to asset.Address) string { return r.Transfer(r.USDC(), to.String(), big.NewInt(7)) }, r.USDC(), 7, r.Address(), true},
		"USDT":            {6, func(to asset.Address) string { return r.Transfer(r.USDT(), to.String(), big.NewInt(8)) }, r.USDT(), 8, r.Address(), true},
		"nothing, undone": {7, func(to asset.Address) string { return r.Send(undo, wei, padded(to)) }, "", 0, "", false},
		"an approval":     {8, func(to asset.Address) string { return r.Approve(r.USDC(), to.String(), wei) }, "", 0, "", false},
		"from storage":    {9, func(asset.Address) string { return r.Send(vault, wei, nil) }, "", ether, "", false},
		"no token at all": {10, func(to asset.Address) string { return r.Transfer(r.USDC(), to.String(), new(big.Int)) }, "", 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, to := account(t, c.n)
			r.index.Add(to)
			tx := c.send(to)
			n := r.Mine(1)
			r.scan()
			if c.want == 0 {
				if xs := r.at(to); len(xs) > 0 {
					t.Fatalf("seen: %+v", xs)
				}
				return
			}
			x := only(t, r.at(to))
			if x.Amount.Int64() != c.want || x.Token.IsZero() != (c.token == "") || c.token != "" && x.Token != address(t, c.token) {
				t.Errorf("%s of %s, want %d of %q", x.Amount, x.Token, c.want, c.token)
			}
			if x.Evidence.Payer != c.payer || (x.Evidence.Tx == tx) != c.tx || x.Evidence.Block != n || x.Evidence.BlockHash != r.HeadHash() {
				t.Errorf("evidence %+v, want transaction %s of %q in block %d", x.Evidence, tx, c.payer, n)
			}
			if x.Rail != deposit.ID || x.Handle != to.Lower() || x.At != r.block(n).Time {
				t.Errorf("got %+v", x)
			}
		})
	}
}

// The merchant moves money on, and it goes on counting right.
func TestMoneyThatIsMovedOn(t *testing.T) {
	r := newRig(t)
	named, _ := r.Deploy(creation(payNamed, asset.Address{}))
	r.Mine(1)
	k, a := account(t, 1)
	r.index.Add(a)
	r.Send(a.String(), big.NewInt(ether), nil)
	r.Mine(1)
	r.scan()
	for i := range uint64(3) {
		r.spend(k, i, r.Address(), big.NewInt(ether/10))
		r.Send(named, big.NewInt(1000), padded(a)) // in the same block
		r.Mine(1)
		r.scan()
	}
	r.spend(k, 3, a.String(), big.NewInt(1)) // to itself: nothing came
	r.Mine(3)
	r.scan()
	xs := r.at(a)
	if len(xs) != 4 || xs[1].Amount.Int64() != 1000 || xs[2].Amount.Int64() != 1000 || xs[3].Amount.Int64() != 1000 {
		t.Fatalf("%d sightings: %+v", len(xs), xs)
	}
	if xs[1].Evidence.Payer != "" || xs[1].Evidence.Tx == "" {
		t.Errorf("evidence %+v", xs[1].Evidence)
	}
}

// spend sends from a deposit address, as only its merchant can.
func (r *rig) spend(k *ecdsa.PrivateKey, nonce uint64, to string, wei *big.Int) {
	r.t.Helper()
	id := new(big.Int).SetUint64(r.ID())
	target := common.HexToAddress(to)
	tx, err := types.SignNewTx(k, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, To: &target, Value: wei, Gas: 21000, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1e9),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Client().CallContext(r.t.Context(), nil, "eth_sendRawTransaction", "0x"+hex.EncodeToString(raw)); err != nil {
		r.t.Fatal(err)
	}
}

// A transaction that a reorganisation takes away is taken back, and the same one in
// another block is the same transfer.
func TestReorganised(t *testing.T) {
	r := newRig(t)
	_, a := account(t, 1)
	r.index.Add(a)
	r.Mine(1)
	r.scan()
	r.Send(a.String(), big.NewInt(5), nil)
	r.Transfer(r.USDC(), a.String(), big.NewInt(6))
	r.Mine(2)
	r.scan()
	if len(r.at(a)) != 2 {
		t.Fatalf("seen: %+v", r.at(a))
	}
	r.Reorg(2)
	r.Mine(1)
	r.scan()
	if xs := r.at(a); len(xs) != 0 {
		t.Fatalf("seen: %+v", xs)
	}
	r.Send(a.String(), big.NewInt(7), nil)
	r.Mine(1)
	r.scan()
	if x := only(t, r.at(a)); x.Amount.Int64() != 7 {
		t.Errorf("got %+v", x)
	}
}

// A node that says nothing, or nonsense, is no reason to believe that nothing came.
func TestNodesThatLie(t *testing.T) {
	for name, spoil := range map[string]func(r *rig){
		"no balances":     func(r *rig) { r.FailMethod("eth_call", -32000, "out of memory") },
		"no blocks":       func(r *rig) { r.FailMethod("eth_getBlockByNumber", -32000, "pruned") },
		"no receipts":     func(r *rig) { r.FailMethod("eth_getTransactionReceipt", -32000, "pruned") },
		"down":            func(r *rig) { r.Fail(503) },
		"an empty answer": func(r *rig) { r.Lie("eth_call", func([]json.RawMessage, json.RawMessage) any { return "0x" }) },
		"another's receipt": func(r *rig) {
			r.Lie("eth_getTransactionReceipt", func([]json.RawMessage, json.RawMessage) any { return nil })
		},
		"a block of the past": func(r *rig) {
			r.Lie("eth_getBlockByNumber", func([]json.RawMessage, json.RawMessage) any { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, a := account(t, 1)
			r.index.Add(a)
			r.Send(a.String(), big.NewInt(5), nil)
			r.Mine(1)
			sw := chain.Sweep{Chain: asset.ChainID(r.ID()), From: r.Head(), To: r.block(r.Head())}
			sw.Head = sw.To
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			spoil(r)
			if found, err := r.watcher.Read(ctx, sw); err == nil {
				t.Fatalf("believed: %+v", found)
			}
			r.Behave()
			found, err := r.watcher.Read(ctx, sw)
			if err != nil || only(t, found.Sightings).Amount.Int64() != 5 {
				t.Fatalf("%+v, %v", found, err)
			}
		})
	}
}

// Another endpoint may be on another fork.
func TestSweepOfAnotherFork(t *testing.T) {
	r := newRig(t)
	_, a := account(t, 1)
	r.index.Add(a)
	r.Mine(2)
	sw := chain.Sweep{Chain: asset.ChainID(r.ID()), From: r.Head() - 1, To: r.block(r.Head())}
	sw.Head = sw.To
	r.Reorg(2)
	if found, err := r.watcher.Read(t.Context(), sw); err == nil {
		t.Errorf("read of another chain: %+v", found)
	}
}

// What it costs, whatever the number of open payments: round trips and questions of one
// block that brings one payment, with a hundred thousand open ones.
func TestCostOfABlock(t *testing.T) {
	r := newRig(t)
	_, a := account(t, 1)
	r.index.Add(a)
	many(r.index, 100_000)
	r.Mine(1)
	r.scan()
	r.Send(a.String(), big.NewInt(5), nil)
	r.Mine(1)
	sw := chain.Sweep{Chain: asset.ChainID(r.ID()), From: r.Head(), To: r.block(r.Head())}
	sw.Head = sw.To
	requests, calls := r.Requests(), r.Calls("eth_call")
	found, err := r.watcher.Read(t.Context(), sw)
	if err != nil || only(t, found.Sightings).Amount.Int64() != 5 {
		t.Fatalf("%+v, %v", found, err)
	}
	if n := r.Requests() - requests; n > 3 {
		t.Errorf("%d round trips: one for the block, one for balances and one for the receipt", n)
	}
	if n := r.Calls("eth_call") - calls; n > 6 {
		t.Errorf("%d calls for balances: the block's parent, and two turns of some 1,600 addresses", n)
	}
	if n := r.watcher.RoundLength(); n != 65 {
		t.Errorf("a round takes %d blocks", n)
	}
}

// many adds addresses that nobody has.
func many(x *deposit.Index, n int) {
	as := make([]asset.Address, n)
	for i := range as {
		copy(as[i][:], crypto.Keccak256(big.NewInt(int64(i)).Bytes()))
	}
	x.Add(as...)
}

// A block with 200 transactions, three of them payments, and 100,000 open ones.
func BenchmarkBlock(b *testing.B) {
	r := newRig(b)
	_, a := account(b, 1)
	r.index.Add(a)
	many(r.index, 100_000)
	r.Mine(1)
	for i := range 197 {
		r.Transfer(r.USDC(), r.Other.Address(), big.NewInt(int64(i+1)))
	}
	r.Send(a.String(), big.NewInt(5), nil)
	r.Send(a.String(), big.NewInt(6), nil)
	r.Send(a.String(), big.NewInt(7), nil)
	r.Mine(1)
	sw := chain.Sweep{Chain: asset.ChainID(r.ID()), From: r.Head(), To: r.block(r.Head())}
	sw.Head = sw.To
	requests := r.Requests()
	for b.Loop() {
		if found, err := r.watcher.Read(b.Context(), sw); err != nil || len(found.Sightings) != 3 {
			b.Fatalf("%+v, %v", found, err)
		}
	}
	b.ReportMetric(float64(r.Requests()-requests)/float64(b.N), "round-trips/op")
}
