package official

import "quittance/internal/asset"

// multicall3 is at the same address everywhere (mds1/multicall3 @19da7a5).
const multicall3 = "0xcA11bde05977b3631167028862bE2a173976CA11"

// Real returns the official contracts of the chains in asset.Real, none of them
// with a code hash: they were built by older compilers than the published
// artifacts, so an operator pins what two independent endpoints agree on.
//
// Source: @requestnetwork/smart-contracts 0.48.0, dist/src/lib/artifacts, equal
// to RequestNetwork/requestNetwork packages/smart-contracts v0.53.0 @f194280.
func Real() []Contract {
	contracts := []Contract{
		at(asset.Mainnet, ERC20FeeProxy, "0.2.0", "0x370DE27fdb7D1Ff1e1BaA7D11c5820a324Cf623C", 10774767),
		at(asset.ArbitrumOne, ERC20FeeProxy, "0.2.0", "0x0DfbEe143b42B41eFC5A6F87bFD1fFC78c2f0aC9", 5309741),
		at(asset.Base, ERC20FeeProxy, "0.2.0", "0x1892196E80C4c17ea5100Da765Ab48c1fE2Fb814", 10827274),
		at(asset.Optimism, ERC20FeeProxy, "0.2.0", "0x399F5EE127ce7432E4921a61b8CF52b0af52cbfE", 34638633),
		at(asset.Matic, ERC20FeeProxy, "0.2.0", "0x0DfbEe143b42B41eFC5A6F87bFD1fFC78c2f0aC9", 17427742),
		at(asset.BSC, ERC20FeeProxy, "0.2.0", "0x0DfbEe143b42B41eFC5A6F87bFD1fFC78c2f0aC9", 11540173),
		at(asset.Sepolia, ERC20FeeProxy, "0.2.0", "0x399F5EE127ce7432E4921a61b8CF52b0af52cbfE", 4733364),
		at(asset.Mainnet, EthereumFeeProxy, "0.2.0", "0xfCFBcfc4f5A421089e3Df45455F7f4985FE2D6a8", 14392218),
		at(asset.ArbitrumOne, EthereumFeeProxy, "0.2.0", "0xfCFBcfc4f5A421089e3Df45455F7f4985FE2D6a8", 7943516),
		at(asset.Base, EthereumFeeProxy, "0.2.0", "0xd9C3889eB8DA6ce449bfFE3cd194d08A436e96f2", 10827264),
		at(asset.Optimism, EthereumFeeProxy, "0.2.0", "0xe11BF2fDA23bF0A98365e1A4c04A87C9339e8687", 34638587),
		at(asset.Matic, EthereumFeeProxy, "0.2.0", "0xfCFBcfc4f5A421089e3Df45455F7f4985FE2D6a8", 25972999),
		at(asset.BSC, EthereumFeeProxy, "0.2.0", "0xfCFBcfc4f5A421089e3Df45455F7f4985FE2D6a8", 16084639),
		at(asset.Sepolia, EthereumFeeProxy, "0.2.0", "0xe11BF2fDA23bF0A98365e1A4c04A87C9339e8687", 4733361),
		at(asset.Mainnet, BatchPayments, "0.1.0", "0x3cF63891928B8CeebB81C95426600a18cd59C03f", 15832733),
		at(asset.ArbitrumOne, BatchPayments, "0.1.0", "0x3cF63891928B8CeebB81C95426600a18cd59C03f", 32766338),
		at(asset.Base, BatchPayments, "0.1.0", "0x1aF3f22685AcdDc788B3730ed415912d8f654420", 10827288),
		at(asset.Optimism, BatchPayments, "0.1.0", "0x3cF63891928B8CeebB81C95426600a18cd59C03f", 44224282),
		at(asset.Matic, BatchPayments, "0.1.0", "0x3cF63891928B8CeebB81C95426600a18cd59C03f", 34825335),
		at(asset.BSC, BatchPayments, "0.1.0", "0x3cF63891928B8CeebB81C95426600a18cd59C03f", 22511974),
		at(asset.Sepolia, BatchPayments, "0.1.0", "0x67818703c92580c0e106e401F253E8A410A66f8B", 4733368),
	}
	chains, _ := asset.Real()
	for _, c := range chains {
		contracts = append(contracts, at(c.ID, Multicall3, "3", multicall3, 0))
	}
	return contracts
}

// Sandbox returns the stand-ins on the sandbox chains, which are there from
// block 0, with the hash of the code that internal/sandbox/contracts puts there.
func Sandbox() []Contract {
	var contracts []Contract
	chains, _ := asset.Sandbox()
	for _, c := range chains {
		contracts = append(contracts,
			pinned(at(c.ID, ERC20FeeProxy, "0.2.0", "0x5a4db00000000000000000000000000000000e20", 0), "0xa0fee51f990aeb5f0181fd795aee29cf164342bb769ff0d1446b1ca8822a0427"),
			pinned(at(c.ID, EthereumFeeProxy, "0.2.0", "0x5a4db00000000000000000000000000000000e78", 0), "0xbc5cc26069c2dc27e322b614e08ca05522da396becf1cb19631f9668d9ac828a"),
			pinned(at(c.ID, BatchPayments, "0.1.0", "0x5a4db000000000000000000000000000000ba7c4", 0), "0x695ecd0bba9875112748e4059ff65bafbeaf0ee8988fb07429cb0d1bb70edada"),
			pinned(at(c.ID, Multicall3, "3", multicall3, 0), "0x730e7d0161c5cd6bc8e1f1766e35317dbfe5e905c155fbe499db801e28527b19"),
		)
	}
	return contracts
}

// at and pinned read source text of the tables above; a mistake there is found
// by the first test that builds a registry.
func at(chain asset.ChainID, kind Kind, version, address string, created uint64) Contract {
	a, err := asset.ParseAddress(address)
	if err != nil {
		panic("official: " + string(kind) + ": " + err.Error())
	}
	return Contract{Chain: chain, Kind: kind, Address: a, Version: version, CreationBlock: created}
}

func pinned(c Contract, code string) Contract {
	h, err := ParseHash(code)
	if err != nil {
		panic("official: " + string(c.Kind) + ": " + err.Error())
	}
	c.CodeHash = h
	return c
}
