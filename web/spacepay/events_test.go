package spacepay

import (
	"strings"
	"testing"

	"quittance/internal/asset"
)

func TestIDs(t *testing.T) {
	a, b := newID(), newID()
	if a == b || !isID(a) || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
		t.Errorf("%s, %s", a, b)
	}
	for text, want := range map[string]bool{
		"4291f98b-d68c-4eb0-883e-6bc790a41c96": true, "4291F98B-d68c-4eb0-883e-6bc790a41c96": false, "4291f98bd68c4eb0883e6bc790a41c96": false,
		"": false, "4291f98b-d68c-4eb0-883e-6bc790a41c9g": false, "4291f98b-d68c-4eb0-883e-6bc790a41c96 ": false,
	} {
		if isID(text) != want {
			t.Errorf("%q is an id: %t", text, !want)
		}
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
		if !isID(id) || seen[id] != "" {
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
