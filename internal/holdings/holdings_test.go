package holdings_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/holdings"
	"quittance/internal/official"
)

const sandbox = asset.SandboxBase

// spender may pull something of the first token in these tests.
var spender = asset.Address{0xaa, 19: 0x01}

type world struct {
	*chaintest.Chain
	reader *holdings.Reader
	wallet asset.Address
	usdc   asset.Token
	usdt   asset.Token
}

// reverting is the runtime code of a contract that refuses every call.
var reverting = []byte{0x5f, 0x5f, 0xfd} // PUSH0 PUSH0 REVERT

// chatty returns two words where one is expected.
var chatty = []byte{0x60, 0x40, 0x5f, 0xf3} // PUSH1 64 PUSH0 RETURN

func newWorld(t *testing.T, options ...chaintest.Option) *world {
	t.Helper()
	c := chaintest.New(t, append(options, chaintest.WithID(uint64(sandbox)))...)
	client, err := chain.NewClient(chain.Config{
		Chain: sandbox, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := &world{
		Chain: c, reader: holdings.New(map[asset.ChainID]chain.Batcher{sandbox: client}, official.Default()),
		wallet: address(t, c.Address()),
	}
	_, tokens := asset.Sandbox()
	for _, k := range tokens {
		switch {
		case k.Chain == sandbox && k.Symbol == "USDC":
			w.usdc = k
		case k.Chain == sandbox && k.Symbol == "USDT":
			w.usdt = k
		}
	}
	return w
}

func address(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// One request, whatever is asked, and what it says is what the chain has.
func TestHoldings(t *testing.T) {
	w := newWorld(t)
	w.Approve(w.USDC(), spender.String(), big.NewInt(777))
	w.Mine(1)
	before := w.Requests()
	held, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, []checkout.HoldingQuestion{
		{Token: w.usdc, Spender: spender}, {Token: w.usdt, Spender: spender}, {Token: w.usdc},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Requests() - before; got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
	if got := w.Calls("eth_call"); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
	if held.Native.Cmp(w.Balance("", w.Address())) != 0 {
		t.Errorf("native: got %s, want %s", held.Native, w.Balance("", w.Address()))
	}
	want := []checkout.TokenHolding{
		{Balance: w.Balance(w.USDC(), w.Address()), Allowance: big.NewInt(777)},
		{Balance: w.Balance(w.USDT(), w.Address()), Allowance: new(big.Int)},
		{Balance: w.Balance(w.USDC(), w.Address())},
	}
	if len(held.Tokens) != len(want) {
		t.Fatalf("got %d answers, want %d", len(held.Tokens), len(want))
	}
	for i, x := range want {
		same(t, held.Tokens[i].Balance, x.Balance)
		same(t, held.Tokens[i].Allowance, x.Allowance)
	}
	// Nobody has anything: zero is an answer, and not the same as none.
	none, err := w.reader.Holdings(t.Context(), asset.Address{1}, sandbox, []checkout.HoldingQuestion{{Token: w.usdc, Spender: spender}})
	if err != nil || none.Native.Sign() != 0 || none.Tokens[0].Balance.Sign() != 0 || none.Tokens[0].Allowance.Sign() != 0 {
		t.Errorf("an empty wallet: %+v, %v", none, err)
	}
	// The native currency is asked for with every question.
	bare, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, nil)
	if err != nil || bare.Native.Cmp(held.Native) != 0 || len(bare.Tokens) != 0 {
		t.Errorf("no question: %+v, %v", bare, err)
	}
}

func same(t *testing.T, got, want *big.Int) {
	t.Helper()
	if (got == nil) != (want == nil) || (got != nil && got.Cmp(want) != 0) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What one token does is nothing to the others.
func TestATokenThatSaysNothing(t *testing.T) {
	w := newWorld(t, chaintest.WithCode("0x0000000000000000000000000000000000bad001", reverting, nil), chaintest.WithCode("0x0000000000000000000000000000000000bad002", chatty, nil))
	other := func(at string) asset.Token {
		k := w.usdc
		k.ID, k.Address = asset.ID(at), address(t, at)
		return k
	}
	held, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, []checkout.HoldingQuestion{
		{Token: other("0x0000000000000000000000000000000000bad001"), Spender: spender},
		{Token: other("0x0000000000000000000000000000000000bad002"), Spender: spender},
		{Token: other("0x0000000000000000000000000000000000bad003"), Spender: spender}, // nobody is there
		{Token: w.usdc, Spender: spender},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range held.Tokens[:3] {
		if x.Balance != nil || x.Allowance != nil {
			t.Errorf("token %d: got %v and %v, want nothing", i, x.Balance, x.Allowance)
		}
	}
	same(t, held.Tokens[3].Balance, w.Balance(w.USDC(), w.Address()))
}

// Questions that are the same take the place of one in the call.
func TestNothingIsAskedTwice(t *testing.T) {
	w := newWorld(t)
	size := func(questions ...checkout.HoldingQuestion) (n int) {
		t.Helper()
		w.Lie("eth_call", func(params []json.RawMessage, honest json.RawMessage) any {
			n = len(params[0])
			return honest
		})
		if _, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, questions); err != nil {
			t.Fatal(err)
		}
		return n
	}
	q := checkout.HoldingQuestion{Token: w.usdc, Spender: spender}
	if once, often := size(q), size(q, q, checkout.HoldingQuestion{Token: w.usdc}, q); once != often {
		t.Errorf("asking four times sends %d bytes, once %d", often, once)
	}
}

// A node may say anything: only what is an answer to the question counts.
func TestHostileAnswers(t *testing.T) {
	w := newWorld(t)
	questions := []checkout.HoldingQuestion{{Token: w.usdc, Spender: spender}, {Token: w.usdt}}
	for name, lie := range map[string]func(honest []byte) any{
		"null":                   func([]byte) any { return nil },
		"a number":               func([]byte) any { return 7 },
		"nothing":                func([]byte) any { return "0x" },
		"no hex":                 func([]byte) any { return "0xzz" },
		"half of it":             func(b []byte) any { return hexOf(b[:len(b)/2]) },
		"a byte less":            func(b []byte) any { return hexOf(b[:len(b)-1]) },
		"a word more":            func(b []byte) any { return hexOf(append(b, make([]byte, 32)...)) },
		"an answer too few":      func(b []byte) any { b[63]--; return hexOf(b) },
		"an answer too many":     func(b []byte) any { b[63]++; return hexOf(b) },
		"a vast number of them":  func(b []byte) any { copy(b[32:64], strings.Repeat("\xff", 32)); return hexOf(b) },
		"another first offset":   func(b []byte) any { b[31] = 0x40; return hexOf(b) },
		"answers that share":     func(b []byte) any { copy(b[96:128], b[64:96]); return hexOf(b) },
		"an offset out of reach": func(b []byte) any { b[64] = 0x80; return hexOf(b) },
		"neither true nor false": func(b []byte) any { b[64+4*32+31] = 2; return hexOf(b) },
		"no native balance":      func(b []byte) any { b[64+4*32+31] = 0; return hexOf(b) },
		"a length out of reach":  func(b []byte) any { b[64+6*32+28] = 0x7f; return hexOf(b) },
	} {
		t.Run(name, func(t *testing.T) {
			w.Lie("eth_call", func(_ []json.RawMessage, honest json.RawMessage) any { return lie(bytesOf(t, honest)) })
			defer w.Behave()
			held, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, questions)
			if err == nil {
				t.Errorf("got %+v, want an error", held)
			}
		})
	}
	// Every other number a node may make up; nobody can tell that.
	w.Lie("eth_call", func(_ []json.RawMessage, honest json.RawMessage) any {
		b := bytesOf(t, honest)
		copy(b[64+4*32+3*32:], strings.Repeat("\xff", 32))
		return hexOf(b)
	})
	held, err := w.reader.Holdings(t.Context(), w.wallet, sandbox, questions)
	if err != nil || held.Native.BitLen() != 256 {
		t.Errorf("got %+v, %v", held, err)
	}
}

func hexOf(b []byte) string { return "0x" + hex.EncodeToString(b) }

func bytesOf(t *testing.T, answer json.RawMessage) []byte {
	t.Helper()
	var text string
	if err := json.Unmarshal(answer, &text); err != nil {
		t.Error(err)
	}
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Error(err)
	}
	return b
}

func TestChainsThatCannotBeAsked(t *testing.T) {
	w := newWorld(t)
	ask := func(ctx context.Context, id asset.ChainID, q ...checkout.HoldingQuestion) error {
		_, err := w.reader.Holdings(ctx, w.wallet, id, q)
		return err
	}
	foreign := w.usdc
	foreign.Chain = asset.SandboxArbitrum
	native := w.usdc
	native.Native = true
	for name, err := range map[string]error{
		"a chain without a node":    ask(t.Context(), asset.SandboxArbitrum),
		"a token of another chain":  ask(t.Context(), sandbox, checkout.HoldingQuestion{Token: foreign}),
		"the native currency":       ask(t.Context(), sandbox, checkout.HoldingQuestion{Token: native}),
		"a chain with no Multicall": func() error { _, err := bare(t).Holdings(t.Context(), w.wallet, sandbox, nil); return err }(),
	} {
		if err == nil {
			t.Errorf("%s was asked", name)
		}
	}
	if n := w.Requests(); n != 0 {
		t.Errorf("%d requests went out", n)
	}
	w.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := ask(ctx, sandbox, checkout.HoldingQuestion{Token: w.usdc}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a dead chain: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := ask(gone, sandbox); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
}

// bare knows a node and no contract.
func bare(t *testing.T) *holdings.Reader {
	t.Helper()
	registry, err := official.NewRegistry(nil)
	if err != nil {
		t.Fatal(err)
	}
	return holdings.New(map[asset.ChainID]chain.Batcher{sandbox: nil}, registry)
}
