package userop_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/siwe"
	"quittance/internal/userop"
)

func (v permitVector) read(t testing.TB) (userop.PermitTerms, userop.Permit) {
	t.Helper()
	terms := userop.PermitTerms{
		Domain: siwe.Domain{Name: v.Name, Version: v.Version, Chain: v.ChainID, Contract: address(t, v.VerifyingContract)},
		Owner:  address(t, v.Owner), Nonce: number(t, v.Nonce),
	}
	p := userop.Permit{Owner: terms.Owner, Spender: address(t, v.Spender), Value: number(t, v.Value), Deadline: number(t, v.Deadline)}
	return terms, p
}

func TestPermitsOfAnotherImplementation(t *testing.T) {
	for i, v := range load(t).Permits {
		terms, p := v.read(t)
		if s := terms.Domain.Separator(); "0x"+hex.EncodeToString(s[:]) != v.Separator {
			t.Errorf("permit %d: separator %x, want %s", i, s, v.Separator)
		}
		if d := terms.Digest(p); d.String() != v.Digest {
			t.Errorf("permit %d: digest %s, want %s", i, d, v.Digest)
		}
		if terms.Signed(p) {
			t.Errorf("permit %d: signed before it was", i)
		}
		signed, err := p.WithSignature(unhex(t, v.Signature))
		if err != nil || !terms.Signed(signed) {
			t.Fatalf("permit %d: not signed: %v", i, err)
		}
		data, err := signed.Encode()
		if err != nil || !bytes.Equal(data, unhex(t, v.Call)) {
			t.Errorf("permit %d: %v\n%x\n%s", i, err, data, v.Call)
		}
		again, err := userop.DecodePermit(data)
		if err != nil || !terms.Signed(again) || again.Value.Cmp(p.Value) != 0 {
			t.Errorf("permit %d came back as %+v, %v", i, again, err)
		}
		// A wallet that reads the typed data signs the same.
		text, err := terms.TypedData(p)
		var typed apitypes.TypedData
		if err == nil {
			err = json.Unmarshal(text, &typed)
		}
		if err != nil {
			t.Fatal(err)
		}
		if digest, _, err := apitypes.TypedDataAndHash(typed); err != nil || "0x"+hex.EncodeToString(digest) != v.Digest {
			t.Errorf("permit %d: a wallet would sign %x, %v", i, digest, err)
		}
	}
}

func TestPermitSignatures(t *testing.T) {
	v := load(t).Permits[0]
	terms, p := v.read(t)
	signature := unhex(t, v.Signature)
	fromZero := slices.Clone(signature)
	fromZero[64] -= 27
	if got, err := p.WithSignature(fromZero); err != nil || !terms.Signed(got) {
		t.Errorf("counted from zero: %v", err)
	}
	for what, s := range map[string][]byte{
		"none": nil, "64 bytes": signature[:64], "66 bytes": append(slices.Clone(signature), 0), "another end": append(slices.Clone(signature[:64]), 29),
	} {
		if _, err := p.WithSignature(s); !errors.Is(err, userop.ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good, err := p.WithSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(t *userop.PermitTerms, p *userop.Permit){
		"owner": func(_ *userop.PermitTerms, p *userop.Permit) { p.Owner = stranger }, "spender": func(_ *userop.PermitTerms, p *userop.Permit) { p.Spender = stranger },
		"value": func(_ *userop.PermitTerms, p *userop.Permit) { p.Value = big.NewInt(1) }, "deadline": func(_ *userop.PermitTerms, p *userop.Permit) { p.Deadline = big.NewInt(1) },
		"v": func(_ *userop.PermitTerms, p *userop.Permit) { p.V ^= 7 }, "r": func(_ *userop.PermitTerms, p *userop.Permit) { p.R[3]++ }, "s": func(_ *userop.PermitTerms, p *userop.Permit) { p.S[3]++ },
		"nonce": func(t *userop.PermitTerms, _ *userop.Permit) { t.Nonce = big.NewInt(999_999) }, "token": func(t *userop.PermitTerms, _ *userop.Permit) { t.Domain.Contract = stranger },
		"chain": func(t *userop.PermitTerms, _ *userop.Permit) { t.Domain.Chain++ }, "terms' owner": func(t *userop.PermitTerms, _ *userop.Permit) { t.Owner = stranger },
	} {
		terms, p := terms, good
		change(&terms, &p)
		if terms.Signed(p) {
			t.Errorf("another %s: still signed", what)
		}
	}
}

func TestDecodePermitRefuses(t *testing.T) {
	good := unhex(t, load(t).Permits[0].Call)
	change := func(at int, to byte) []byte { b := slices.Clone(good); b[at] = to; return b }
	for what, data := range map[string][]byte{
		"nothing": nil, "a byte less": good[:len(good)-1], "a byte more": append(slices.Clone(good), 0), "a dirty owner": change(4, 1),
		"a dirty spender": change(4+32, 1), "a dirty v": change(4+4*32, 1), "another function": change(0, 0),
		// permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
		"DAI's form": append([]byte{0x8f, 0xcb, 0xaf, 0x0c}, make([]byte, 8*32)...),
	} {
		if _, err := userop.DecodePermit(data); !errors.Is(err, userop.ErrCalldata) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := (userop.Permit{Value: new(big.Int).Lsh(big.NewInt(1), 256)}).Encode(); !errors.Is(err, official.ErrAmount) {
		t.Errorf("257 bits: %v", err)
	}
}

// token answers questions as a token would; what it does not know it refuses.
type token map[string][]byte

func (k token) Batch(_ context.Context, calls []chain.Call) ([]chain.Result, error) {
	out := make([]chain.Result, len(calls))
	for i, c := range calls {
		selector := c.Params[0].(map[string]any)["input"].(string)[:10]
		if said, ok := k[selector]; ok {
			out[i] = chain.Result{Raw: []byte(`"0x` + hex.EncodeToString(said) + `"`)}
		} else {
			out[i] = chain.Result{Err: &chain.RPCError{Code: 3, Message: "execution reverted"}}
		}
	}
	return out, nil
}

const (
	askSeparator, askNonces, askType  = "0x3644e515", "0x7ecebe00", "0x30adf81f"
	askName, askVersion, askTheDomain = "0x06fdde03", "0x54fd4d50", "0x84b0196e"
)

// text is a returned string.
func text(s string) []byte {
	return append(append(append(make([]byte, 31), 32), big.NewInt(int64(len(s))).FillBytes(make([]byte, 32))...), append([]byte(s), make([]byte, (32-len(s)%32)%32)...)...)
}

// ercDomain is what eip712Domain() returns.
func ercDomain(fields byte, name, version string) []byte {
	word := func(n int) []byte { return big.NewInt(int64(n)).FillBytes(make([]byte, 32)) }
	tail := func(s string) []byte { return text(s)[32:] }
	out := append([]byte{fields}, make([]byte, 31)...)
	out = append(out, word(7*32)...)
	out = append(out, word(7*32+len(tail(name)))...)
	out = append(out, make([]byte, 3*32)...)
	out = append(out, word(7*32+len(tail(name))+len(tail(version)))...)
	return append(append(append(out, tail(name)...), tail(version)...), word(0)...)
}

func TestReadPermit(t *testing.T) {
	const id = asset.Base
	separator := func(name, version string) []byte {
		s := siwe.Domain{Name: name, Version: version, Chain: id, Contract: usdc}.Separator()
		return s[:]
	}
	nonce := big.NewInt(9).FillBytes(make([]byte, 32))
	permitType := unhex(t, "0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9")
	daiType := unhex(t, "0xea2aa0a1be11a07ed86d755c93467f4f82362b452371d1ba94d1715123511acb")
	for what, c := range map[string]struct {
		token         token
		name, version string // "" for no permits
	}{
		"USDC":                            {token{askSeparator: separator("USD Coin", "2"), askNonces: nonce, askType: permitType, askName: text("USD Coin"), askVersion: text("2")}, "USD Coin", "2"},
		"no version told":                 {token{askSeparator: separator("Token", "1"), askNonces: nonce, askName: text("Token")}, "Token", "1"},
		"a version and domain 1":          {token{askSeparator: separator("Token", "1"), askNonces: nonce, askName: text("Token"), askVersion: text("3.2")}, "Token", "1"},
		"told by ERC-5267":                {token{askSeparator: separator("T", "7"), askNonces: nonce, askName: text("Other"), askTheDomain: ercDomain(0x0f, "T", "7")}, "T", "7"},
		"other members":                   {token{askSeparator: separator("T", "7"), askNonces: nonce, askTheDomain: ercDomain(0x1f, "T", "7")}, "", ""},
		"DAI":                             {token{askSeparator: separator("Dai Stablecoin", "1"), askNonces: nonce, askType: daiType, askName: text("Dai Stablecoin"), askVersion: text("1")}, "", ""},
		"another chain's":                 {token{askSeparator: separator("USD Coin", "3"), askNonces: nonce, askName: text("USD Coin"), askVersion: text("2")}, "", ""},
		"no nonces":                       {token{askSeparator: separator("USD Coin", "2"), askName: text("USD Coin"), askVersion: text("2")}, "", ""},
		"no separator":                    {token{askNonces: nonce, askName: text("USD Coin"), askVersion: text("2")}, "", ""},
		"nonces of another form":          {token{askSeparator: separator("USD Coin", "2"), askNonces: append(nonce, nonce...), askName: text("USD Coin"), askVersion: text("2")}, "", ""},
		"a name of another form":          {token{askSeparator: separator("USD Coin", "1"), askNonces: nonce, askName: append([]byte("USD Coin"), make([]byte, 24)...)}, "", ""},
		"a contract that says yes to all": {token{askSeparator: nonce, askNonces: nonce, askType: nonce, askName: nonce, askVersion: nonce, askTheDomain: nonce}, "", ""},
		"an account without code":         {token{askSeparator: {}, askNonces: {}, askType: {}, askName: {}, askVersion: {}, askTheDomain: {}}, "", ""},
	} {
		got, err := userop.ReadPermit(t.Context(), c.token, id, usdc, stranger)
		if c.name == "" {
			if !errors.Is(err, userop.ErrNoPermit) {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
			continue
		}
		if err != nil || got.Domain != (siwe.Domain{Name: c.name, Version: c.version, Chain: id, Contract: usdc}) || got.Nonce.Int64() != 9 || got.Owner != stranger {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

// A node that cannot ask is not a token that has no permits.
func TestReadPermitWithoutAnAnswer(t *testing.T) {
	for message, want := range map[string]bool{"rate limit exceeded": false, "header not found": false, "invalid opcode: INVALID": true, "execution reverted": true} {
		_, err := userop.ReadPermit(t.Context(), refusing(message), asset.Base, usdc, stranger)
		if errors.Is(err, userop.ErrNoPermit) != want || err == nil {
			t.Errorf("%s: %v", message, err)
		}
	}
}

// refusing is a node that refuses every question.
type refusing string

func (r refusing) Batch(_ context.Context, calls []chain.Call) ([]chain.Result, error) {
	return slices.Repeat([]chain.Result{{Err: &chain.RPCError{Code: -32000, Message: string(r)}}}, len(calls)), nil
}

func TestReadPermitOfAChain(t *testing.T) {
	c := chaintest.New(t)
	node, err := chain.NewClient(chain.Config{Chain: sandbox, Endpoints: []chain.Endpoint{{URL: c.URL()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	got, err := userop.ReadPermit(t.Context(), node, sandbox, address(t, c.USDC()), stranger)
	if err != nil || got.Domain.Name != "USD Coin" || got.Domain.Version != "2" || got.Nonce.Sign() != 0 {
		t.Errorf("USDC: %+v, %v", got, err)
	}
	for what, token := range map[string]string{"USDT": c.USDT(), "a wallet": c.Address(), "another contract": c.ERC20FeeProxy()} {
		if _, err := userop.ReadPermit(t.Context(), node, sandbox, address(t, token), stranger); !errors.Is(err, userop.ErrNoPermit) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = userop.ReadPermit(t.Context(), broken{}, sandbox, usdc, stranger)
	if !fault.Is(err, fault.Unavailable) || errors.Is(err, userop.ErrNoPermit) {
		t.Errorf("a chain that does not answer: %v", err)
	}
	_, err = userop.Read(t.Context(), broken{}, userop.At(sandbox).Kinds(sandbox)[0].Account(sandbox, stranger), usdc)
	if !fault.Is(err, fault.Unavailable) || errors.Is(err, userop.ErrMissing) {
		t.Errorf("a chain that does not answer: %v", err)
	}
}

// broken is a chain that does not answer.
type broken struct{}

func (broken) Batch(context.Context, []chain.Call) ([]chain.Result, error) {
	return nil, fault.New(fault.Unavailable, "chain_unavailable", "The chain does not answer.")
}
