package asset

// The production table. Networks, currency ids, addresses and decimals are the
// Request Network's own (docs "supported chains" and request-token-list
// @76ba15d), each address also found in a second source: Circle's
// stablecoin-evm @46e61d0 for USDC, @aave-dao/aave-address-book 4.68.1 and the
// ERC-7730 clear-signing registry @3b66ba2 for the rest. Explorers are the
// EIP-3091 ones of the ethereum-lists chain registry.
//
// EURC is not in the Request Network's list; its ids are made as that list makes
// them. Its addresses and decimals stand in @aave-dao/aave-address-book 4.68.1,
// and, on Base, in Circle's documentation ("EURC contract addresses"), on Ethereum
// on Etherscan's page of the token (FiatTokenProxy, "EURC", 6 decimals). Of the
// chains here, Circle issues it on these two alone.
//
// Where the token list and the documentation spell an id differently
// ("USDCn-matic", "USDC-matic") the list's spelling is the id and the other an
// alias. Bridged USDC of Polygon and Optimism is left out: nobody should be
// able to pay it by mistake for the native one.

// The ids of the chains in the table. A sandbox chain's id is 900000000 plus
// the real one's, so that no wallet can take one for the other.
const (
	Mainnet         ChainID = 1
	Optimism        ChainID = 10
	BSC             ChainID = 56
	Matic           ChainID = 137
	Base            ChainID = 8453
	ArbitrumOne     ChainID = 42161
	Sepolia         ChainID = 11155111
	SandboxBase     ChainID = 900008453
	SandboxArbitrum ChainID = 900042161
)

// Real returns the chains and tokens that hold real money, and Sepolia.
func Real() ([]Chain, []Token) {
	chains := []Chain{
		evm(Mainnet, "mainnet", "ETHEREUM", "Ethereum", "https://etherscan.io", "ETH", "Ether", "eth"),
		evm(ArbitrumOne, "arbitrum-one", "ARBITRUM", "Arbitrum One", "https://arbiscan.io", "ETH", "Ether", "arbitrum one"),
		evm(Base, "base", "BASE", "Base", "https://basescan.org", "ETH", "Ether"),
		evm(Optimism, "optimism", "OPTIMISM", "OP Mainnet", "https://optimistic.etherscan.io", "ETH", "Ether", "op"),
		evm(Matic, "matic", "POLYGON", "Polygon", "https://polygonscan.com", "POL", "POL"),
		evm(BSC, "bsc", "BNB", "BNB Smart Chain", "https://bscscan.com", "BNB", "BNB"),
		evm(Sepolia, "sepolia", "SEPOLIA", "Sepolia", "https://sepolia.etherscan.io", "ETH", "Sepolia Ether"),
	}
	for i := range chains {
		n := &chains[i].Native
		switch n.Chain {
		case Matic:
			n.Aliases = []ID{"MATIC-matic", "POL-polygon", "MATIC-polygon"}
		case Sepolia:
			n.ID, n.Aliases = "ETH-sepolia-sepolia", []ID{"ETH-sepolia"}
		}
	}
	tokens := []Token{
		erc20(Mainnet, "mainnet", "USDC", "USD Coin", 6, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", "USDC-mainnet"),
		erc20(ArbitrumOne, "arbitrum-one", "USDC", "USD Coin", 6, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", "USDC-arbitrum-one"),
		erc20(Base, "base", "USDC", "USD Coin", 6, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "USDC-base"),
		erc20(Optimism, "optimism", "USDC", "USD Coin", 6, "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85", "USDCn-optimism", "USDC-optimism"),
		erc20(Matic, "matic", "USDC", "USD Coin", 6, "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "USDCn-matic", "USDC-matic"),
		erc20(BSC, "bsc", "USDC", "USD Coin (Binance-Peg)", 18, "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d", "USDC-bsc"),
		erc20(Mainnet, "mainnet", "USDT", "Tether USD", 6, "0xdAC17F958D2ee523a2206206994597C13D831ec7", "USDT-mainnet"),
		erc20(ArbitrumOne, "arbitrum-one", "USDT", "USD₮0", 6, "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9", "USDT-arbitrum-one", "USDT0-arbitrum-one"),
		erc20(Base, "base", "USDT", "Tether USD (bridged)", 6, "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2", "USDT-base"),
		erc20(Optimism, "optimism", "USDT", "Tether USD (bridged, legacy)", 6, "0x94b008aA00579c1307B0EF2c499aD98a8ce58e58", "USDT-optimism"),
		erc20(Optimism, "optimism", "USDT0", "USD₮0", 6, "0x01bFF41798a0BcF287b996046Ca68b395DbC1071", "USDT0-optimism"),
		erc20(Matic, "matic", "USDT", "USDT0", 6, "0xc2132D05D31c914a87C6611C10748AEb04B58e8F", "USDT-matic", "USDT0-matic"),
		erc20(BSC, "bsc", "USDT", "Tether USD (Binance-Peg)", 18, "0x55d398326f99059fF775485246999027B3197955", "USDT-bsc"),
		erc20(Mainnet, "mainnet", "EURC", "EURC", 6, "0x1aBaEA1f7C830bD89Acc67eC4af516284b1bC33c", "EURC-mainnet"),
		erc20(Base, "base", "EURC", "EURC", 6, "0x60a3E35Cc302bFA44Cb288Bc5a4F316Fdb1adb42", "EURC-base"),
		erc20(Sepolia, "sepolia", "USDC", "USDC (test)", 6, "0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238", "fUSDC-sepolia", "USDC-sepolia"),
		erc20(Sepolia, "sepolia", "FAU", "FAU (test)", 18, "0x370DE27fdb7D1Ff1e1BaA7D11c5820a324Cf623C", "FAU-sepolia"),
		erc20(Sepolia, "sepolia", "USDT", "fUSDT (test)", 6, "0xF046b3CA5ae2879c6bAcC4D42fAF363eE8379F78", "fUSDT-sepolia", "USDT-sepolia"),
	}
	for i := range tokens {
		// Tether's first contract refuses to change one non-zero allowance to another.
		tokens[i].ResetAllowance = tokens[i].ID == "USDT-mainnet"
	}
	return chains, tokens
}

// Sandbox returns the demo's two chains, whose money is worth nothing. They
// bear the network names of real chains, so a book has these or the real ones.
// The token addresses are those of internal/sandbox/contracts.
func Sandbox() ([]Chain, []Token) {
	chains := []Chain{
		evm(SandboxBase, "base", "BASE", "Base (sandbox)", "", "ETH", "Sandbox Ether"),
		evm(SandboxArbitrum, "arbitrum-one", "ARBITRUM", "Arbitrum One (sandbox)", "", "ETH", "Sandbox Ether"),
	}
	var tokens []Token
	for i := range chains {
		c := &chains[i]
		c.Sandbox = true
		usdc := erc20(c.ID, c.Network, "USDC", "Sandbox USD Coin", 6, "0x5a4db000000000000000000000000000000005dc", ID("USDC-"+c.Network))
		usdt := erc20(c.ID, c.Network, "USDT", "Sandbox Tether USD", 6, "0x5a4db000000000000000000000000000000005d7", ID("USDT-"+c.Network))
		usdt.ResetAllowance = true
		tokens = append(tokens, usdc, usdt)
	}
	return chains, tokens
}

// evm is a chain whose native currency has 18 decimals and the id "SYMBOL-network".
func evm(id ChainID, network, selector, name, explorer, symbol, nativeName string, aliases ...string) Chain {
	return Chain{
		ID: id, Network: network, Selector: selector, Name: name, Explorer: explorer, Aliases: aliases,
		Native: Token{
			ID: ID(symbol + "-" + network), Chain: id, Network: network,
			Symbol: symbol, Name: nativeName, Decimals: 18, Native: true,
		},
	}
}

// erc20 is a token of the table. A wrong address is a mistake in the source
// text above, found by the first test that builds a book.
func erc20(chain ChainID, network, symbol, name string, decimals uint8, address string, id ID, aliases ...ID) Token {
	a, err := ParseAddress(address)
	if err != nil {
		panic("asset: " + string(id) + ": " + err.Error())
	}
	return Token{
		ID: id, Aliases: aliases, Chain: chain, Network: network,
		Symbol: symbol, Name: name, Address: a, Decimals: decimals,
	}
}
