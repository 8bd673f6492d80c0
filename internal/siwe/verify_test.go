package siwe_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/siwe"
)

// vectors were made with viem 2 by a script that signs with a fixed key.
type vectors struct {
	Messages []struct {
		Account, Message, Digest, Signature string
	}
	Typed struct {
		Account, Separator, ContractSeparator, Struct, Digest, Signature string
	}
}

func load(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/viem.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Messages) == 0 || v.Typed.Digest == "" {
		t.Fatal("no vectors")
	}
	return v
}

func address(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessagesOfAnotherImplementation(t *testing.T) {
	v := siwe.NewVerifier(nil)
	for _, m := range load(t).Messages {
		digest := siwe.MessageDigest(m.Message)
		if got := "0x" + hex.EncodeToString(digest[:]); got != m.Digest {
			t.Errorf("%q: digest %s, want %s", m.Message, got, m.Digest)
		}
		if err := v.Verify(t.Context(), asset.Base, address(t, m.Account), digest, unhex(t, m.Signature)); err != nil {
			t.Errorf("%q: %v", m.Message, err)
		}
	}
}

func TestTypedDataOfAnotherImplementation(t *testing.T) {
	want := load(t).Typed
	account := address(t, want.Account)
	domain := siwe.Domain{Name: "Quittance", Version: "1", Chain: asset.Base}
	same(t, "separator", domain.Separator(), want.Separator)
	same(t, "separator with a contract", siwe.Domain{
		Name: "N", Version: "2", Chain: asset.Mainnet, Contract: address(t, "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"),
	}.Separator(), want.ContractSeparator)
	hash := siwe.StructHash("PayeeDestination", siwe.Account("wallet", account), siwe.Text("destination", "x@eip155:1"),
		siwe.Number("chainId", big.NewInt(8453)), siwe.Hash("nonce", [32]byte(bytes.Repeat([]byte{0x11}, 32))))
	same(t, "struct", hash, want.Struct)
	digest := siwe.TypedDigest(domain.Separator(), hash)
	same(t, "digest", digest, want.Digest)
	if err := siwe.NewVerifier(nil).Verify(t.Context(), asset.Base, account, digest, unhex(t, want.Signature)); err != nil {
		t.Error(err)
	}
}

// The example of EIP-712 itself has structs within structs; its domain has not.
func TestDomainOfTheStandard(t *testing.T) {
	d := siwe.Domain{Name: "Ether Mail", Version: "1", Chain: asset.Mainnet, Contract: address(t, "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC")}
	same(t, "separator", d.Separator(), "0xf2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
	same(t, "person", siwe.StructHash("Person", siwe.Text("name", "Cow"),
		siwe.Account("wallet", address(t, "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"))),
		"0xfc71e5fa27ff56c350aa531bc129ebdf613b772b6604664f5d8dbe21b85eb0c8")
}

func same(t *testing.T, what string, got [32]byte, want string) {
	t.Helper()
	if g := "0x" + hex.EncodeToString(got[:]); g != want {
		t.Errorf("%s: %s, want %s", what, g, want)
	}
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *ecdsa.PrivateKey, digest [32]byte) []byte {
	t.Helper()
	s, err := crypto.Sign(digest[:], k)
	if err != nil {
		t.Fatal(err)
	}
	s[64] += 27
	return s
}

func TestAccounts(t *testing.T) {
	k := key(t)
	account := asset.Address(crypto.PubkeyToAddress(k.PublicKey))
	digest := siwe.MessageDigest("this is what was signed")
	good := sign(t, k, digest)
	v := siwe.NewVerifier(nil)
	check := func(a asset.Address, d [32]byte, s []byte) error { return v.Verify(t.Context(), asset.Base, a, d, s) }

	bare := bytes.Clone(good)
	bare[64] -= 27
	for name, s := range map[string][]byte{"v of 27 or 28": good, "v of 0 or 1": bare} {
		if err := check(account, digest, s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	change := func(f func(s []byte)) []byte { s := bytes.Clone(good); f(s); return s }
	n := crypto.S256().Params().N
	high := change(func(s []byte) {
		new(big.Int).Sub(n, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
		s[64] = 27 + 28 - s[64]
	})
	if pub, err := crypto.SigToPub(digest[:], change(func(s []byte) { copy(s, high); s[64] -= 27 })); err != nil ||
		asset.Address(crypto.PubkeyToAddress(*pub)) != account {
		t.Fatal("the mirrored signature must be one that recovers the same key")
	}
	for name, s := range map[string][]byte{
		"mirrored, high s": high,
		"other digest":     sign(t, k, siwe.MessageDigest("something else")),
		"other key":        sign(t, key(t), digest),
		"flipped v":        change(func(s []byte) { s[64] = 27 + 28 - s[64] }),
		"v of 2":           change(func(s []byte) { s[64] = 2 }),
		"v of 29":          change(func(s []byte) { s[64] = 29 }),
		"v of 37":          change(func(s []byte) { s[64] += 10 }),
		"r of zero":        change(func(s []byte) { clear(s[:32]) }),
		"s of zero":        change(func(s []byte) { clear(s[32:64]) }),
		"r of the order":   change(func(s []byte) { n.FillBytes(s[:32]) }),
		"all ones":         bytes.Repeat([]byte{0xff}, 65),
		"all zeros":        make([]byte, 65),
		"compact":          good[:64],
		"too long":         append(bytes.Clone(good), 0),
		"enormous":         make([]byte, siwe.MaxSignature+1),
		"empty":            nil,
	} {
		if err := check(account, digest, s); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := check(asset.Address{}, digest, good); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("the zero address signs nothing: %v", err)
	}
}

// code is the runtime code of contracts that behave badly, in assembled form.
var code = map[string]string{
	"accepts anything":      "7f1626ba7e0000000000000000000000000000000000000000000000000000000060005260206000f3",
	"reverts":               "60006000fd",
	"reverts with words":    "7f08c379a0000000000000000000000000000000000000000000000000000000006000527f1626ba7e0000000000000000000000000000000000000000000000000000000060045260246000fd",
	"burns all gas":         "5b600056",
	"has no such opcode":    "fe",
	"underflows the stack":  "01",
	"jumps nowhere":         "600156",
	"returns nothing":       "00",
	"returns four bytes":    "631626ba7e60e01b60005260046000f3",
	"returns the word low":  "631626ba7e60005260206000f3",
	"returns all ones":      "60001960005260206000f3",
	"returns true":          "600160005260206000f3",
	"returns much":          "620fffff6000f3",
	"returns the old magic": "6320c13b0b60e01b60005260206000f3",
	"returns a dirty word":  "7f1626ba7e0000000000000000000000000000000000000000000000000000000160005260206000f3",
}

func place(i int) asset.Address { return asset.Address{0xc0, 0xde, 19: byte(i)} }

func TestContracts(t *testing.T) {
	owner := key(t)
	owned := place(0)
	runtime, err := os.ReadFile("testdata/OwnedWallet.hex")
	if err != nil {
		t.Fatal(err)
	}
	options := []chaintest.Option{chaintest.WithCode(owned.Lower(), unhex(t, strings.TrimSpace(string(runtime))),
		map[common.Hash]common.Hash{{}: common.BytesToHash(crypto.PubkeyToAddress(owner.PublicKey).Bytes())})}
	places := map[string]asset.Address{}
	for name, c := range code {
		places[name] = place(len(places) + 1)
		options = append(options, chaintest.WithCode(places[name].Lower(), unhex(t, c), nil))
	}
	c := chaintest.New(t, options...)
	id := asset.ChainID(c.ID())
	client, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: c.URL()}}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v := siwe.NewVerifier(map[asset.ChainID]chain.Batcher{id: client})
	digest := siwe.MessageDigest("signed by a contract")

	if err := v.Verify(t.Context(), id, owned, digest, sign(t, owner, digest)); err != nil {
		t.Errorf("its owner signed: %v", err)
	}
	if err := v.Verify(t.Context(), id, places["accepts anything"], digest, []byte("any length at all")); err != nil {
		t.Errorf("a contract that accepts: %v", err)
	}
	refused := map[string]error{
		"another signed":   v.Verify(t.Context(), id, owned, digest, sign(t, key(t), digest)),
		"other digest":     v.Verify(t.Context(), id, owned, siwe.MessageDigest("other"), sign(t, owner, digest)),
		"contract reverts": v.Verify(t.Context(), id, owned, digest, []byte("short")),
		"not on the chain": v.Verify(t.Context(), id+1, owned, digest, sign(t, owner, digest)),
		"no code":          v.Verify(t.Context(), id, place(99), digest, sign(t, owner, digest)),
	}
	for name := range code {
		if name != "accepts anything" {
			refused[name] = v.Verify(t.Context(), id, places[name], digest, sign(t, owner, digest))
		}
	}
	for name, err := range refused {
		if !fault.Is(err, fault.Unauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A node decides nothing by failing.
func TestChainThatDoesNotAnswer(t *testing.T) {
	digest := siwe.MessageDigest("signed")
	accepted := []byte(`"0x` + code["accepts anything"][2:66] + `"`)
	for name, b := range map[string]batch{
		"no endpoint answers":     {err: fault.New(fault.Unavailable, "chain_unavailable", "…")},
		"something else breaks":   {err: errors.New("broken")},
		"code is refused":         {results: []chain.Result{{Err: &chain.RPCError{Code: -32000, Message: "header not found"}}, {Raw: accepted}}},
		"code is no hex":          {results: []chain.Result{{Raw: []byte(`"0xZZ"`)}, {Raw: accepted}}},
		"call is not executed":    {results: []chain.Result{{Raw: []byte(`"0x01"`)}, {Err: &chain.RPCError{Code: -32603, Message: "internal error"}}}},
		"answer is no hex":        {results: []chain.Result{{Raw: []byte(`"0x01"`)}, {Raw: []byte(`{}`)}}},
		"the time for it was up":  {results: []chain.Result{{Raw: []byte(`"0x01"`)}, {Err: &chain.RPCError{Code: -32000, Message: "execution aborted (timeout = 5s)"}}}},
		"the answer is missing":   {results: []chain.Result{{Raw: []byte(`"0x01"`)}, {Raw: []byte(`null`)}}},
		"the code is null as yet": {results: []chain.Result{{Raw: []byte(`null`)}, {Raw: accepted}}},
	} {
		v := siwe.NewVerifier(map[asset.ChainID]chain.Batcher{asset.Base: b})
		if err := v.Verify(t.Context(), asset.Base, place(1), digest, make([]byte, 65)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := siwe.NewVerifier(map[asset.ChainID]chain.Batcher{asset.Base: batch{err: context.Canceled}})
	if err := v.Verify(t.Context(), asset.Base, place(1), digest, make([]byte, 65)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

type batch struct {
	results []chain.Result
	err     error
}

func (b batch) Batch(context.Context, []chain.Call) ([]chain.Result, error) { return b.results, b.err }
