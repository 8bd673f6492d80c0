package rate

import "quittance/internal/asset"

// Feeds are the price feeds that are known on a chain, by what they are the price of in
// dollars ("ETH", "USDC", "EUR"), and the uptime feed of its sequencer, zero for chains
// that have none. All are proxies with eight decimals, the uptime feeds but with none.
//
// Each address was found in two independent sources at least: @hypotenuselabs/
// ts-chainlink-datafeed 0.0.8, Dune's spellbook, @aave-dao/aave-address-book 4.68.1 and
// others; the uptime feeds in Chainlink's documentation and in several projects'
// configurations. None was read on its chain when this was written: doctor asks each of
// them for its description and its decimals. How old an answer may be is not here: it is
// the operator's to say, from Chainlink's list of feeds.
func Feeds(chain asset.ChainID) (feeds map[string]asset.Address, sequencer asset.Address) {
	feeds = map[string]asset.Address{}
	for name, text := range knownFeeds[chain] {
		a, err := asset.ParseAddress(text)
		if err != nil {
			panic("rate: feed " + name + ": " + err.Error()) // the table is part of the build and tested
		}
		if name == uptime {
			sequencer = a
			continue
		}
		feeds[name] = a
	}
	return feeds, sequencer
}

const uptime = "sequencer"

var knownFeeds = map[asset.ChainID]map[string]string{
	asset.Mainnet: {
		"ETH": "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", "EUR": "0xb49f677943BC038e9857d61E7d053CaA2C1734C1",
		"USDC": "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6", "USDT": "0x3E7d1eAB13ad0104d2750B8863b489D65364e32D",
	},
	asset.ArbitrumOne: {
		"ETH": "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612", "EUR": "0xA14d53bC1F1c0F31B4aA3BD109344E5009051a84",
		"USDC": "0x50834F3163758fcC1Df9973b6e91f0F0F0434aD3", "USDT": "0x3f3f5dF88dC9F13eac63DF89EC16ef6e7E25DdE7",
		uptime: "0xFdB631F5EE196F0ed6FAa767959853A9F217697D",
	},
	asset.Base: {
		"ETH": "0x71041dddad3595F9CEd3DcCFBe3D1F4b0a16Bb70", "EUR": "0xc91D87E81faB8f93699ECf7Ee9B44D11e1D53F0F",
		"USDC": "0x7e860098F58bBFC8648a4311b374B1D669a2bc6B", "USDT": "0xf19d560eB8d2ADf07BD6D13ed03e1D11215721F9",
		uptime: "0xBCF85224fc0756B9Fa45aA7892530B47e10b6433",
	},
	asset.Optimism: {
		"ETH": "0x13e3Ee699D1909E989722E753853AE30b17e08c5", "EUR": "0x3626369857A10CcC6cc3A6e4f5C2f5984a519F20",
		"USDC": "0x16a9FA2FDa030272Ce99B29CF780dFA30361E0f3", "USDT": "0xECef79E109e997bCA29c1c0897ec9d7b03647F5E",
		uptime: "0x371EAD81c9102C9BF4874A9075FFFf170F2Ee389",
	},
	asset.Matic: {
		"ETH": "0xF9680D99D6C9589e2a93a78A04A279e509205945", "EUR": "0x73366Fe0AA0Ded304479862808e02506FE556a98",
		"USDC": "0xfE4A8cc5b5B2366C1B58Bea3858e81843581b2F7", "USDT": "0x0A6513e40db6EB1b165753AD52E80663aeA50545",
		"POL": "0xAB594600376Ec9fD91F8e885dADF0CE036862dE0",
	},
	asset.BSC: {
		"ETH": "0x9ef1B8c0E4F7dc8bF5719Ea496883DC6401d5b2e", "EUR": "0x0bf79F617988C472DcA68ff41eFe1338955b9A80",
		"USDC": "0x51597f405303C4377E36123cBc172b13269EA163", "USDT": "0xB97Ad0E74fa7d920791E90258A6E2085088b4320",
		"BNB": "0x0567F2323251f0Aab15c8dFb1967E4e8A7D42aeE",
	},
}
