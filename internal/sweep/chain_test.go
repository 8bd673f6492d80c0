package sweep_test

import (
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/sweep"
)

// What hardware wallets are given hashes to what is signed.
func TestUnsignedBytes(t *testing.T) {
	p, _ := plan(t)
	for i, x := range p.Transfers {
		raw, err := p.Unsigned(x)
		if err != nil {
			t.Fatal(err)
		}
		if hash := p.SigHash(x); hash != crypto.Keccak256Hash(raw) {
			t.Errorf("transaction %d: %x hashes to something else than %x", i, raw, hash)
		}
	}
}

// Everything arrives, on a real chain.
func TestSweepOnAChain(t *testing.T) {
	c := chaintest.New(t)
	network := asset.Chain{
		ID: asset.ChainID(c.ID()), Network: "base", Selector: "BASE",
		Native: asset.Token{ID: "ETH-base", Chain: asset.ChainID(c.ID()), Network: "base", Decimals: 18, Native: true},
	}
	usdc := asset.Token{ID: "USDC-base", Chain: network.ID, Network: "base", Decimals: 6, Address: parse(t, c.USDC())}
	usdt := asset.Token{ID: "USDT-base", Chain: network.ID, Network: "base", Decimals: 6, Address: parse(t, c.USDT())}
	one, two := address(t, 1), address(t, 2)
	c.Send(one.String(), big.NewInt(1e18), nil)
	c.Transfer(c.USDC(), one.String(), big.NewInt(700))
	c.Send(two.String(), big.NewInt(300_000*1e9), nil)
	c.Transfer(c.USDC(), two.String(), big.NewInt(11))
	c.Transfer(c.USDT(), two.String(), big.NewInt(12))
	c.Mine(1)

	terms := terms(t, nil)
	terms.Chain, terms.Reserve = network, nil
	hold := func(t asset.Token, units int64) sweep.TokenHolding {
		return sweep.TokenHolding{Token: t, Units: big.NewInt(units)}
	}
	p, err := sweep.Make([]sweep.Holding{
		{Index: 1, Address: one, Native: big.NewInt(1e18), Tokens: []sweep.TokenHolding{hold(usdc, 700)}},
		{Index: 2, Address: two, Native: big.NewInt(300_000 * 1e9), Tokens: []sweep.TokenHolding{hold(usdc, 11), hold(usdt, 12)}},
	}, terms)
	if err != nil {
		t.Fatal(err)
	}
	signed, _, err := open(t).Sign(p, treasury)
	if err != nil {
		t.Fatal(err)
	}
	ready, missing, err := p.Match(signed)
	if err != nil || missing > 0 {
		t.Fatalf("%d missing, %v", missing, err)
	}
	for _, r := range ready {
		var hash string
		if err := c.Client().CallContext(t.Context(), &hash, "eth_sendRawTransaction", "0x"+hex.EncodeToString(r.Raw)); err != nil || hash != r.Hash {
			t.Fatalf("sending %+v: %s, %v", r.Transfer, hash, err)
		}
		c.Mine(1)
		if receipt := c.Receipt(r.Hash); receipt == nil || receipt.Status != 1 {
			t.Errorf("%s of %s failed", r.Kind, r.From)
		}
	}
	for token, want := range map[string]int64{c.USDC(): 711, c.USDT(): 12} {
		if got := c.Balance(token, treasury.String()); got.Int64() != want {
			t.Errorf("%s of %s arrived, want %d", got, token, want)
		}
	}
	if got, want := c.Balance("", treasury.String()), p.Totals()["ETH-base"]; got.Cmp(want) != 0 || got.Sign() == 0 {
		t.Errorf("%s wei arrived, want %s", got, want)
	}
}

func parse(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
