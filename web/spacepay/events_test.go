package spacepay

import (
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/web"
)

// What stands for a thing of ours in shops' databases never changes.
func TestNamedIDs(t *testing.T) {
	if got := named("merchant", "01JD0000000000000000000001"); got != "37bbd6aa-fa6c-554e-9099-1493da24c6dc" {
		t.Error(got)
	}
}

// Tokens have the ids that were published, or ids of their own that do not change.
func TestTokenIDs(t *testing.T) {
	if got := tokenID(asset.Token{Chain: 84532, Native: true}); got != "f9d14525-367d-4e16-b247-8d4ed23f1413" {
		t.Errorf("the documented token is %s", got)
	}
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]asset.ID{}
	for _, of := range book.Tokens() {
		id := tokenID(of)
		if !web.IsUUID(id) || seen[id] != "" {
			t.Errorf("%s and %s are %s", of.ID, seen[id], id)
		}
		seen[id] = of.ID
		c, _ := book.Chain(of.Chain)
		l := list(of, c).wire()
		known := l.CoingeckoAPIID != "" || of.Chain == asset.Sepolia // test tokens have no price
		if !known || (l.AssetType == "native") != of.Native || (l.Type == "stablecoin") != (strings.HasPrefix(of.Symbol, "USD") || of.Symbol == "EURC") {
			t.Errorf("%s: %+v", of.ID, l)
		}
	}
	usdc, _ := book.Token("USDC-base")
	if got := tokenID(usdc); got != "f1457e32-5f43-5f41-bbc3-b47b980ae8a4" { // clients have stored it
		t.Errorf("USDC on Base is %s", got)
	}
}
