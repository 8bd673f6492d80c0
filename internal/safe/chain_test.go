package safe_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

const sandbox = asset.SandboxBase

// world is a chain with the official contracts of all versions.
type world struct {
	*chaintest.Chain
	t     *testing.T
	table *safe.Table
	node  *chain.Client
}

func newWorld(t *testing.T, options ...chaintest.Option) *world {
	t.Helper()
	c := chaintest.New(t, append(safetest.Contracts(t, sandbox), append(options, chaintest.WithID(uint64(sandbox)))...)...)
	node, err := chain.NewClient(chain.Config{
		Chain: sandbox, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	return &world{Chain: c, t: t, table: safe.At(sandbox), node: node}
}

func (w *world) read(a asset.Address) *safe.Account {
	w.t.Helper()
	account, err := w.table.Read(w.t.Context(), w.node, sandbox, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return account
}

func (w *world) look(a asset.Address) safe.View {
	w.t.Helper()
	block, found, err := safe.Search(w.t.Context(), w.node, 0, w.Head(), a)
	if err != nil || block.Hash != w.HeadHash() {
		w.t.Fatal(block, err)
	}
	for _, e := range found {
		if at, err := safe.Confirm(w.t.Context(), w.node, e); err != nil || at.IsZero() {
			w.t.Fatalf("%+v: %s, %v", e, at, err)
		}
	}
	return safe.View{Nonce: w.read(a).Nonce, Executions: found}
}

const payee = "0x1111111111111111111111111111111111111111"

var reference = official.Reference{1, 2, 3, 4, 5, 6, 7, 8}

// payment is an approval of exactly what is due, and the fee proxy's call.
func (w *world) payment(amount int64) []rail.Call {
	w.t.Helper()
	usdc, feeProxy := address(w.t, w.USDC()), address(w.t, w.ERC20FeeProxy())
	approve, err := official.Approval{Spender: feeProxy, Amount: big.NewInt(amount)}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	pay, err := official.ERC20Payment{
		Token: usdc, Payee: address(w.t, payee), Amount: big.NewInt(amount), Reference: reference, Fee: new(big.Int), FeePayee: official.NoFeeAddress,
	}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return []rail.Call{{Kind: rail.Approve, To: usdc, Data: approve}, {Kind: rail.Pay, To: feeProxy, Data: pay}}
}

// each runs a test with a Safe of every version, with and without L2's events.
func each(t *testing.T, test func(t *testing.T, w *world, s *safetest.Safe)) {
	for _, v := range safe.Versions() {
		for _, l2 := range []bool{false, true} {
			t.Run(string(v)+map[bool]string{true: " L2"}[l2], func(t *testing.T) {
				w := newWorld(t, chaintest.WithCode(yes, yesCode, nil))
				test(t, w, safetest.Deploy(t, w.Chain, safetest.Options{Version: v, L2: l2}))
			})
		}
	}
}

func TestASafePays(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		w.Transfer(w.USDC(), s.Address.String(), big.NewInt(1_000_000))
		w.Mine(1)
		a, calls := w.read(s.Address), w.payment(750_000)
		tx, err := a.Batch(calls, a.Nonce)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := tx.Hash(sandbox, s.Address)
		if err != nil || hash != s.Hash(tx) {
			t.Fatalf("hash %s, %v; the contract says %s", hash, err, s.Hash(tx))
		}
		if got := refusals(w.table.Verify(safe.Proposal{Chain: sandbox, Safe: s.Address, Hash: hash, Tx: tx}, calls, a)); got != nil {
			t.Fatalf("refused by %s", got)
		}
		if got := safe.Judge(hash, &tx.Nonce, w.look(s.Address)); got.Fate != safe.Executable {
			t.Errorf("before: %+v", got)
		}
		sent := s.Execute(tx)
		w.Mine(1)
		if got := w.Balance(w.USDC(), payee); got.Int64() != 750_000 {
			t.Errorf("the payee has %v", got)
		}
		if left := w.Allowance(w.USDC(), s.Address.String(), w.ERC20FeeProxy()); left.Sign() != 0 {
			t.Errorf("%v stays allowed", left)
		}
		v := w.look(s.Address)
		got := safe.Judge(hash, &tx.Nonce, v)
		if got.Fate != safe.Succeeded || got.Event.Tx != sent || got.Event.Payment.Sign() != 0 || got.Event.Safe != s.Address || v.Nonce != 1 {
			t.Errorf("after: %+v of %+v", got, v)
		}
		// The event says the same without the nonce, and the execution is what was proposed.
		if got := safe.Judge(hash, nil, v); got.Fate != safe.Succeeded {
			t.Errorf("by the hash alone: %+v", got)
		}
		mined, err := chain.Ask(t.Context(), w.node, chain.TransactionCall(sent), chain.Result.Transaction)
		if err != nil {
			t.Fatal(err)
		}
		exec, signatures, err := safe.DecodeExec(mined.Data)
		if h, _ := exec.Hash(sandbox, s.Address); err != nil || h != hash || !bytes.Equal(signatures, s.Sign(tx)) {
			t.Errorf("execTransaction: %+v, %v", exec, err)
		}
		for i, w := range []*chaintest.Wallet{w.Wallet, w.Other} {
			if who, ok := safe.Signer(hash, w.SignDigest(hash)); !ok || who.String() != w.Address() {
				t.Errorf("signature %d is %s's", i, who)
			}
		}
	})
}

// Native currency goes with the call's value: by itself, and from within a batch,
// where the proxy gives the Safe back what is left.
func TestASafePaysNative(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		w.Send(s.Address.String(), big.NewInt(1_000), nil)
		w.Mine(1)
		data, err := official.EthPayment{Payee: address(t, payee), Reference: reference, Fee: big.NewInt(1), FeePayee: stranger}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		pay := rail.Call{Kind: rail.Pay, To: address(t, w.EthFeeProxy()), Data: data, Value: big.NewInt(101)}
		for nonce, calls := range [][]rail.Call{{pay}, {pay, pay}} {
			a := w.read(s.Address)
			tx, err := a.Batch(calls, a.Nonce)
			if err != nil {
				t.Fatal(err)
			}
			hash := s.Hash(tx)
			if got := refusals(w.table.Verify(safe.Proposal{Chain: sandbox, Safe: s.Address, Hash: hash, Tx: tx}, calls, a)); got != nil || tx.Nonce != uint64(nonce) {
				t.Errorf("nonce %d: refused by %s", tx.Nonce, got)
			}
			s.Execute(tx)
			w.Mine(1)
			if got := safe.Judge(hash, nil, w.look(s.Address)); got.Fate != safe.Succeeded {
				t.Errorf("%d calls: %+v", len(calls), got)
			}
		}
		if got, left := w.Balance("", payee), w.Balance("", s.Address.String()); got.Int64() != 300 || left.Int64() != 1_000-3*101 {
			t.Errorf("the payee has %v, the Safe %v", got, left)
		}
	})
}

// With safeTxGas, as protocol-kit sets it where asked, a call that fails uses the
// nonce up; without, the whole transaction fails and nothing happened.
func TestASafeFails(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		a := w.read(s.Address) // it holds nothing: the payment's transfer fails
		tx, err := a.Batch(w.payment(750_000), a.Nonce)
		if err != nil {
			t.Fatal(err)
		}
		sent := s.Execute(tx)
		w.Mine(1)
		hash := s.Hash(tx)
		if r := w.Receipt(sent); r.Status != 0 {
			t.Fatalf("%+v", r)
		}
		if got := safe.Judge(hash, &tx.Nonce, w.look(s.Address)); got.Fate != safe.Executable {
			t.Errorf("reverted: %+v", got)
		}
		tx.SafeTxGas = big.NewInt(200_000)
		sent = s.Execute(tx)
		w.Mine(1)
		gone := hash
		hash = s.Hash(tx)
		if r := w.Receipt(sent); r.Status != 1 {
			t.Fatalf("%+v", r)
		}
		v := w.look(s.Address)
		if got := safe.Judge(hash, &tx.Nonce, v); got.Fate != safe.Failed || got.Event.Tx != sent || got.Event.Success {
			t.Errorf("failed: %+v", got)
		}
		if got := safe.Judge(gone, &tx.Nonce, v); got.Fate != safe.Replaced || got.Event.Hash != hash {
			t.Errorf("the one before it: %+v", got)
		}
		if got := w.Balance(w.USDC(), payee); got.Sign() != 0 {
			t.Errorf("the payee has %v", got)
		}
	})
}

func TestASafeReplaces(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		a := w.read(s.Address)
		tx, err := a.Batch(w.payment(1), a.Nonce)
		if err != nil {
			t.Fatal(err)
		}
		hash := s.Hash(tx)
		instead := s.Execute(s.Reject(0))
		w.Mine(1)
		s.Execute(s.Reject(1))
		w.Mine(1)
		v := w.look(s.Address)
		if got := safe.Judge(hash, &tx.Nonce, v); got.Fate != safe.Replaced || got.Event.Tx != instead || v.Nonce != 2 {
			t.Errorf("%+v of %+v", got, v)
		}
		if got := safe.Judge(hash, nil, v); got.Fate != safe.Untold {
			t.Errorf("by the hash alone: %+v", got)
		}
		// Piece by piece it is the same.
		_, first, err := safe.Search(t.Context(), w.node, 0, w.Head()-1, s.Address)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, err := safe.Search(t.Context(), w.node, w.Head(), w.Head(), stranger, s.Address)
		if err != nil || !reflect.DeepEqual(slices.Concat(first, rest), v.Executions) {
			t.Errorf("%+v and %+v, %v", first, rest, err)
		}
		late := safe.View{Nonce: v.Nonce, Executions: rest}
		if got := safe.Judge(hash, &tx.Nonce, late); got.Fate != safe.Untold {
			t.Errorf("a view that begins too late: %+v", got)
		}
	})
}

// The scanner's path: the filter finds the events, and nothing else of the Safe.
func TestTheFilterFindsExecutions(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		for n := range uint64(3) {
			s.Execute(s.Reject(n))
			w.Mine(1)
		}
		logs, err := chain.Ask(t.Context(), w.node, chain.LogsCall(safe.Filter(s.Address), 0, w.Head()), chain.Result.Logs)
		if err != nil || len(logs) != 3 {
			t.Fatalf("%d logs, %v", len(logs), err)
		}
		for n, l := range logs {
			e, err := safe.DecodeExecution(l)
			if err != nil || e.Hash != s.Hash(s.Reject(uint64(n))) || !e.Success || len(l.Topics) != map[bool]int{true: 1, false: 2}[s.Version == safe.V130] {
				t.Errorf("%d: %+v, %v", n, e, err)
			}
		}
	})
}

func TestASafeIsRead(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		s.Execute(s.Reject(0))
		w.Mine(1)
		before := w.Requests()
		w.read(s.Address)
		if asked := w.Requests() - before; asked > 2 { // the first also asks which chain it is
			t.Errorf("%d round trips", asked)
		}
		before = w.Requests()
		a := w.read(s.Address)
		if asked := w.Requests() - before; asked != 1 {
			t.Errorf("%d round trips", asked)
		}
		if a.Version != s.Version || a.L2 != (t.Name()[len(t.Name())-2:] == "L2") || a.Nonce != 1 || a.Threshold != 2 || a.Block.Number != w.Head() || a.Block.Hash != w.HeadHash() {
			t.Errorf("%+v", a)
		}
		if len(a.Owners) != 3 || !slices.Contains(a.Owners, address(t, w.Address())) || !slices.Contains(a.Owners, address(t, w.Other.Address())) || !slices.Contains(a.Owners, safetest.Absent) || slices.Contains(a.Owners, stranger) {
			t.Errorf("owners %v", a.Owners)
		}
		if c, ok := w.table.Contract(sandbox, a.MultiSend); !ok || c.Kind != safe.MultiSendCallOnly || c.Version != a.Version {
			t.Errorf("batches go to %s: %+v", a.MultiSend, c)
		}
		if len(a.Warnings) != 0 || len(a.Modules) != 0 || a.MoreModules || !a.Guard.IsZero() || a.FallbackHandler.IsZero() {
			t.Errorf("%+v of %+v", a.Warnings, a)
		}
	})
}

// yes answers every call with true, as a guard must.
const yes = "0x00000000000000000000000000000000000057e5"

var yesCode = []byte{0x60, 1, 0x5f, 0x52, 0x60, 32, 0x5f, 0xf3} // PUSH1 1 PUSH0 MSTORE PUSH1 32 PUSH0 RETURN

// Safe's own calls change its modules and guards, and warnings say so.
func TestWarnings(t *testing.T) {
	each(t, func(t *testing.T, w *world, s *safetest.Safe) {
		abi := safetest.Interface(t, s.Version, "Safe")
		nonce := uint64(0)
		told := func(method string, arg asset.Address) {
			t.Helper()
			data, err := abi.Pack(method, [20]byte(arg))
			if err != nil {
				t.Fatal(err)
			}
			sent := s.Execute(safe.Tx{To: s.Address, Data: data, Nonce: nonce})
			w.Mine(1)
			if r := w.Receipt(sent); r.Status != 1 {
				t.Fatalf("%s: %+v", method, r)
			}
			nonce++
		}
		var codes []string
		for i := range 11 {
			told("enableModule", asset.Address{0x40, byte(i), 19: 1})
			if i == 0 {
				for _, x := range w.read(s.Address).Warnings {
					codes = append(codes, x.Code)
				}
			}
		}
		told("setFallbackHandler", stranger)
		told("setGuard", address(t, yes))
		want := []string{"safe_modules", "safe_modules", "safe_guard", "safe_fallback_handler"}
		if s.Version == safe.V150 {
			told("setModuleGuard", address(t, yes))
			want = []string{"safe_modules", "safe_modules", "safe_guard", "safe_module_guard", "safe_fallback_handler"}
		}
		a := w.read(s.Address)
		for _, x := range a.Warnings {
			codes = append(codes, x.Code)
		}
		if len(a.Modules) != 10 || !a.MoreModules || a.FallbackHandler != stranger {
			t.Errorf("%+v", a)
		}
		if !slices.Equal(codes, want) {
			t.Errorf("%v", codes)
		}
	})
}

func TestWhatIsNoSafe(t *testing.T) {
	strange := "0x00000000000000000000000000000000000005ae"
	w := newWorld(t, chaintest.WithCode(strange, safetest.Official(t, safe.V141, "SafeProxy").Runtime, nil))
	impostor := safetest.Deploy(t, w.Chain, safetest.Options{Version: safe.V150, Singleton: w.copyOfSingleton()})
	var version *safe.VersionError
	for name, c := range map[string]struct {
		at   asset.Address
		want error
	}{
		"an account":              {address(t, w.Address()), safe.ErrNoContract},
		"nobody":                  {stranger, safe.ErrNoContract},
		"a token":                 {address(t, w.USDC()), safe.ErrNotSafe},
		"a singleton":             {w.table.Contracts(sandbox, safe.Singleton)[0].Address, safe.ErrNotSafe},
		"a proxy of nothing":      {address(t, strange), safe.ErrNotSafe},
		"an unofficial singleton": {impostor.Address, safe.ErrVersion},
	} {
		a, err := w.table.Read(t.Context(), w.node, sandbox, c.at)
		if !errors.Is(err, c.want) || a != nil {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		if errors.As(err, &version) && version.Version != "1.5.0" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if version == nil {
		t.Error("no version was named")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.table.Read(ctx, w.node, sandbox, impostor.Address); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// copyOfSingleton deploys the official code at an address that is not official.
func (w *world) copyOfSingleton() asset.Address {
	w.t.Helper()
	runtime := safetest.Official(w.t, safe.V150, "Safe").Runtime
	// CODECOPY of what follows these twelve bytes, and RETURN.
	size := len(runtime)
	creation := []byte{0x61, byte(size >> 8), byte(size), 0x80, 0x60, 0x0c, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3}
	at, tx := w.Deploy(append(creation, runtime...))
	w.Mine(1)
	if r := w.Receipt(tx); r.Status != 1 {
		w.t.Fatalf("%+v", r)
	}
	return address(w.t, at)
}

// Where MultiSendCallOnly is missing, a delegatecall would succeed and do
// nothing: no batch is made for it.
func TestAChainWithoutMultiSend(t *testing.T) {
	c := chaintest.New(t, append(safetest.Contracts(t, sandbox, safe.MultiSendCallOnly), chaintest.WithID(uint64(sandbox)))...)
	node, err := chain.NewClient(chain.Config{Chain: sandbox, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	w := &world{Chain: c, t: t, table: safe.At(sandbox), node: node}
	s := safetest.Deploy(t, c, safetest.Options{Version: safe.V150})
	a := w.read(s.Address)
	if _, err := a.Batch(w.payment(1), 0); !errors.Is(err, safe.ErrMultiSend) || !a.MultiSend.IsZero() {
		t.Errorf("%v", err)
	}
	// What it would have done.
	a.MultiSend = w.table.Contracts(sandbox, safe.MultiSendCallOnly)[0].Address
	tx, err := a.Batch(w.payment(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Execute(tx)
	w.Mine(1)
	if got := safe.Judge(s.Hash(tx), nil, w.look(s.Address)); got.Fate != safe.Succeeded || w.Balance(w.USDC(), payee).Sign() != 0 {
		t.Errorf("%+v", got)
	}
}

// oldProxy is the deployed code of the proxies of 1.1.1: @gnosis.pm/safe-contracts
// 1.1.1, build/contracts/Proxy.json, LGPL-3.0. Its factory's code has the hash
// that @safe-global/safe-deployments lists.
const oldProxy = "608060405273ffffffffffffffffffffffffffffffffffffffff600054167fa619486e00000000000000000000000000000000000000000000000000" +
	"00000060003514156050578060005260206000f35b3660008037600080366000845af43d6000803e60008114156070573d6000fd5b3d6000f3fea265" +
	"627a7a72315820d8a00dc4fe6bf675a9d7416fc2d00bb3433362aa8186b750f76c4027269667ff64736f6c634300050e0032"

// A Safe that was made with 1.1.1 and changed to a later singleton is one of
// that version; with its old singleton it is of a version that is not known.
func TestAnOldSafe(t *testing.T) {
	at, older := asset.Address{0x01, 0xd5, 19: 1}, asset.Address{0x01, 0xd5, 19: 2}
	word := func(a asset.Address) common.Hash { return common.BytesToHash(a[:]) }
	sentinel, owner := asset.Address{19: 1}, asset.Address{0x0e, 19: 1}
	mapped := func(key asset.Address, slot byte) common.Hash {
		return crypto.Keccak256Hash(word(key).Bytes(), common.Hash{31: slot}.Bytes())
	}
	for _, c := range safe.At(sandbox).Contracts(sandbox, safe.Singleton) {
		storage := map[common.Hash]common.Hash{
			{}: word(c.Address), {31: 3}: {31: 1}, {31: 4}: {31: 1}, {31: 5}: {31: 42},
			mapped(sentinel, 1): word(sentinel), mapped(sentinel, 2): word(owner), mapped(owner, 2): word(sentinel),
		}
		w := newWorld(t, chaintest.WithCode(at.String(), common.FromHex(oldProxy), storage),
			chaintest.WithCode(older.String(), common.FromHex(oldProxy), map[common.Hash]common.Hash{{}: word(address(t, yes))}),
			chaintest.WithCode(yes, yesCode, nil))
		a := w.read(at)
		if a.Version != c.Version || a.L2 || a.Nonce != 42 || a.Threshold != 1 || !slices.Equal(a.Owners, []asset.Address{owner}) || len(a.Modules) != 0 || a.MoreModules {
			t.Errorf("%+v", a)
		}
		if a, err := w.table.Read(t.Context(), w.node, sandbox, older); !errors.Is(err, safe.ErrNotSafe) {
			t.Errorf("%+v, %v", a, err)
		}
	}
}
