package asset

import (
	"math/big"
	"strconv"
)

// PaymentURI is the ERC-681 URI that asks a wallet to send so many base units of a token
// or native currency to an account, on the token's chain and no other:
// "ethereum:{to}@{chain}?value={wei}", "ethereum:{token}@{chain}/transfer?address={to}&uint256={units}".
func PaymentURI(of Token, to Address, units *big.Int) string {
	chain := strconv.FormatUint(uint64(of.Chain), 10)
	if of.Native {
		return "ethereum:" + to.String() + "@" + chain + "?value=" + units.String()
	}
	return "ethereum:" + of.Address.String() + "@" + chain + "/transfer?address=" + to.String() + "&uint256=" + units.String()
}
