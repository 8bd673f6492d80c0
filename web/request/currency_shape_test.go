package request

import (
	"encoding/json"
	"testing"

	"quittance/internal/asset"
)

// What the documentation shows of real currencies is what we would answer.
func TestCurrenciesAsDocumented(t *testing.T) {
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[asset.ID]string{
		"USDC-mainnet": `{"id":"USDC-mainnet","name":"USD Coin","symbol":"USDC","decimals":6,"address":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",` +
			`"network":"mainnet","type":"ERC20","hash":"0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48","chainId":1}`,
		"USDT-mainnet": `{"id":"USDT-mainnet","name":"Tether USD","symbol":"USDT","decimals":6,"address":"0xdAC17F958D2ee523a2206206994597C13D831ec7",` +
			`"network":"mainnet","type":"ERC20","hash":"0xdAC17F958D2ee523a2206206994597C13D831ec7","chainId":1}`,
		"POL-matic": `{"id":"POL-matic","name":"POL","symbol":"POL","decimals":18,"address":"0x0000000000000000000000000000000000000000",` +
			`"network":"matic","type":"ETH","hash":"0x0000000000000000000000000000000000000000","chainId":137}`,
	} {
		token, ok := book.Token(id)
		got, err := json.Marshal(currency(token))
		if !ok || err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v\nwant %s", id, got, err, want)
		}
	}
	// Other names of networks mean the same.
	for name, want := range map[string]string{"polygon": "matic", "POLYGON": "matic", "ethereum": "mainnet", "mainnet": "mainnet", "bnb": "bsc", "arbitrum": "arbitrum-one"} {
		if chain, ok := book.Network(name); !ok || chain.Network != want {
			t.Errorf("%s: got %q", name, chain.Network)
		}
	}
}
