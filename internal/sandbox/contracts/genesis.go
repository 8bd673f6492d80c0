package contracts

import (
	"maps"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Holding is what an account owns in the genesis block, in base units (wei, and 6-decimal units of
// the tokens). A nil amount is zero.
type Holding struct {
	Native, USDC, USDT *big.Int
}

// ExchangeStock is how much of each token the exchange holds in the genesis block, in base units: a
// billion whole ones, which nobody here can use up.
const ExchangeStock = 1e15

// Genesis returns the genesis accounts of a sandbox chain: every contract at its address, with owner
// as the tokens' and the batch contract's owner, and the given holdings. The token supply is the sum
// of what is held, the exchange's stock included. The owner is also the SpokePool's, which lets it
// repay and refund, and may fill without approving first, and the exchange's hot wallet's.
func Genesis(owner common.Address, holdings map[common.Address]Holding) types.GenesisAlloc {
	alloc := types.GenesisAlloc{}
	for _, name := range Names() {
		// Nonce 1 is what a deployed contract starts with (EIP-161).
		alloc[Address(name)] = types.Account{
			Balance: new(big.Int), Nonce: 1, Code: Get(name).Runtime, Storage: map[common.Hash]common.Hash{},
		}
	}
	usdc, usdt := new(big.Int), new(big.Int)
	holdings = maps.Clone(holdings)
	holdings[Address(Exchange)] = Holding{USDC: big.NewInt(ExchangeStock), USDT: big.NewInt(ExchangeStock)}
	for account, h := range holdings {
		there := alloc[account] // a contract, or nothing yet
		there.Balance = amount(h.Native)
		alloc[account] = there
		put(alloc, USDC, mapping(USDC, "balanceOf", account), amount(h.USDC))
		put(alloc, USDT, mapping(USDT, "balanceOf", account), amount(h.USDT))
		usdc.Add(usdc, amount(h.USDC))
		usdt.Add(usdt, amount(h.USDT))
	}
	for name, supply := range map[string]*big.Int{USDC: usdc, USDT: usdt} {
		put(alloc, name, variable(name, "owner"), owner.Big())
		put(alloc, name, variable(name, "totalSupply"), supply)
		put(alloc, name, allowance(name, owner, Address(SpokePool)), MaxUint256())
	}
	put(alloc, SpokePool, variable(SpokePool, "owner"), owner.Big())
	put(alloc, HotWallet, variable(HotWallet, "owner"), owner.Big())
	put(alloc, BatchPayments, variable(BatchPayments, "owner"), owner.Big())
	put(alloc, BatchPayments, variable(BatchPayments, "paymentErc20Proxy"), Address(ERC20FeeProxy).Big())
	put(alloc, BatchPayments, variable(BatchPayments, "paymentNativeProxy"), Address(EthereumFeeProxy).Big())
	return alloc
}

// put adds a value to a slot, beside others that share it.
func put(alloc types.GenesisAlloc, name string, at place, value *big.Int) {
	storage := alloc[Address(name)].Storage
	shifted := new(big.Int).Lsh(value, 8*at.offset)
	storage[at.key] = common.BigToHash(shifted.Or(shifted, storage[at.key].Big()))
}

type place struct {
	key    common.Hash
	offset uint
}

func variable(name, label string) place {
	s, ok := Get(name).storage[label]
	if !ok {
		panic("contracts: " + name + " has no variable " + label)
	}
	return place{common.BigToHash(big.NewInt(s.Slot)), s.Offset}
}

// mapping finds the entry of a mapping(address => uint256), as the Solidity storage layout defines it.
func mapping(name, label string, key common.Address) place {
	base := variable(name, label)
	return place{crypto.Keccak256Hash(common.LeftPadBytes(key[:], 32), base.key[:]), 0}
}

// allowance finds the entry of a mapping(address => mapping(address => uint256)).
func allowance(name string, owner, spender common.Address) place {
	outer := mapping(name, "allowance", owner)
	return place{crypto.Keccak256Hash(common.LeftPadBytes(spender[:], 32), outer.key[:]), 0}
}

func amount(x *big.Int) *big.Int {
	if x == nil {
		return new(big.Int)
	}
	return x
}
