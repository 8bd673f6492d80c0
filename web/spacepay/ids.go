package spacepay

import (
	"strconv"

	"quittance/internal/asset"
	"quittance/web"
)

// published are the ids of tokens that the vendor has published.
var published = map[asset.ChainID]map[string]string{
	84532: {
		"0x0000000000000000000000000000000000000000": "f9d14525-367d-4e16-b247-8d4ed23f1413",
		"0x00fc61d7de7655db3984db634e3489130ebeacf6": "4f245c9b-b6d1-403b-b9d6-46887e701f78",
		"0xe290136a17a1804d4e538bd747b7a48d1a44a629": "887c9fff-f62f-4451-bce5-85ce3e7529b5",
	},
	11155111: {
		"0x0000000000000000000000000000000000000000": "4d3d0cd9-2994-485a-bce6-b28b4c1501c9",
		"0xcae5e5b4a5dd769b021f9f93257b44b0742f77d3": "d4d08c7c-056a-4d26-857d-37599119cd04",
		"0xd14fce5bc55861c3b71bdea38d22590df8666dbc": "f613b815-986b-4377-be9f-97f3d7c1684b",
	},
}

// space is the namespace of our own names: a UUID that was drawn for it.
var space = [16]byte{0x5d, 0x0e, 0x9c, 0x3a, 0x7b, 0x21, 0x4f, 0x6d, 0x9a, 0x58, 0x31, 0xc4, 0xe6, 0x0f, 0x82, 0xb7}

// tokenID names a token: by the vendor's published id where there is one, else by one
// that follows from its chain and address and never changes.
func tokenID(t asset.Token) string {
	address := t.Address.Lower()
	if id, ok := published[t.Chain][address]; ok {
		return id
	}
	return named("eip155:"+strconv.FormatUint(uint64(t.Chain), 10), address)
}

// named is the id in this API of a thing of ours that has another kind of id.
func named(kind, id string) string { return web.NamedUUID(space, kind+"/"+id) }

// coingecko are that service's names, by the symbols of what they are the price of.
var coingecko = map[string]string{
	"ETH": "ethereum", "USDC": "usd-coin", "USDT": "tether", "USDT0": "tether", "BNB": "binancecoin", "POL": "polygon-ecosystem-token", "AVAX": "avalanche-2", "EURC": "euro-coin",
}

// stable are the symbols of stablecoins.
var stable = map[string]bool{"USDC": true, "USDT": true, "USDT0": true, "EURC": true}

// list is a token as the API lists it.
func list(t asset.Token, c asset.Chain) listed {
	return listed{ID: tokenID(t), Token: t, Chain: c, CoingeckoID: coingecko[t.Symbol], Stable: stable[t.Symbol]}
}
