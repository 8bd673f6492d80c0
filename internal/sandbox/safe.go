//go:build !nosandbox

package sandbox

import (
	"context"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/safe"
	"quittance/internal/safe/artifacts"
)

// SafeVersion is the release of Safe's contracts that the sandbox's Safe is of.
const SafeVersion = safe.V141

// safeThreshold is how many of its owners must sign.
const safeThreshold = 2

// Safe is a multisig account with the same address and owners on every sandbox chain, made by the official
// contracts. It plays a Safe wallet too: it keeps what was proposed and who has signed it, as Safe's own
// Transaction Service would. Nobody else learns of that: the server follows the chain. Proposals are
// forgotten when the process ends.
type Safe struct {
	Address string   // checksummed
	Owners  []string // the payer first

	address common.Address
	chains  []*Chain

	mu        sync.Mutex
	proposals []*proposal // oldest first
}

func newSafe(chains []*Chain, keys keys) *Safe {
	s := &Safe{address: chains[0].safe, Address: chains[0].safe.Hex(), chains: chains}
	for _, key := range keys.owners() {
		s.Owners = append(s.Owners, address(key).Hex())
	}
	return s
}

// Threshold is how many owners must sign a transaction.
func (s *Safe) Threshold() int { return safeThreshold }

// addSafeContracts puts the official contracts of all versions at their official addresses.
func addSafeContracts(alloc types.GenesisAlloc, id asset.ChainID) error {
	deployed, err := artifacts.Deployed(id)
	if err != nil {
		return err
	}
	for _, c := range deployed {
		storage := map[common.Hash]common.Hash{}
		for slot, value := range c.Storage {
			storage[slot] = value
		}
		alloc[common.Address(c.Address)] = types.Account{Balance: new(big.Int), Nonce: 1, Code: c.Runtime, Storage: storage}
	}
	return nil
}

// pack encodes a call of an official contract of the Safe's version.
func pack(contract, method string, args ...any) ([]byte, error) {
	parsed, err := artifacts.Interface(SafeVersion, contract)
	if err != nil {
		return nil, err
	}
	return parsed.Pack(method, args...)
}

// pinned returns where the official contract of a kind stands.
func pinned(chain uint64, kind safe.Kind) (common.Address, error) {
	for _, c := range safe.At(asset.ChainID(chain)).Contracts(asset.ChainID(chain), kind) {
		if c.Version == SafeVersion {
			return common.Address(c.Address), nil
		}
	}
	return common.Address{}, fmt.Errorf("no %s of version %s is pinned", kind, SafeVersion)
}

// makeSafe has the official factory make the Safe unless the chain has it, gives it money, and returns the
// transactions to wait for. The address follows from owners and threshold, so that it is the same everywhere.
func (c *Chain) makeSafe(ctx context.Context, keys keys) ([]common.Hash, error) {
	singleton, err := pinned(c.ChainID, safe.SingletonL2)
	if err != nil {
		return nil, err
	}
	handler, err := pinned(c.ChainID, safe.FallbackHandler)
	if err != nil {
		return nil, err
	}
	var owners []common.Address
	for _, key := range keys.owners() {
		owners = append(owners, address(key))
	}
	none := common.Address{}
	setup, err := pack("Safe", "setup", owners, big.NewInt(safeThreshold), none, []byte{}, handler, none, new(big.Int), none)
	if err != nil {
		return nil, fmt.Errorf("setup of the Safe: %w", err)
	}
	create, err := pack(artifacts.Factory, "createProxyWithNonce", singleton, setup, new(big.Int))
	if err != nil {
		return nil, fmt.Errorf("creation of the Safe: %w", err)
	}
	factory := common.Address(artifacts.FactoryAddress(SafeVersion))
	if c.safe, err = c.safeAddress(ctx, factory, singleton, setup); err != nil {
		return nil, fmt.Errorf("address of the Safe: %w", err)
	}
	code, err := c.client.CodeAt(ctx, c.safe, nil)
	if err != nil || len(code) > 0 {
		return nil, err
	}
	made, err := c.treasury.send(ctx, call{to: factory, data: create})
	if err != nil {
		return nil, fmt.Errorf("creating the Safe: %w", err)
	}
	// A Safe's receive function logs and so takes more gas than what an account takes, which is
	// what the node estimates before the Safe is there.
	coin, err := c.treasury.send(ctx, call{to: c.safe, value: coins(10), gas: 100_000})
	if err != nil {
		return nil, fmt.Errorf("funding the Safe: %w", err)
	}
	gifts, err := c.give(ctx, c.safe, Funds{USDC: units(10_000), USDT: units(10_000)})
	return append(gifts, made, coin), err
}

// safeAddress is what CREATE2 makes of the factory, the proxy's creation code and the setup.
func (c *Chain) safeAddress(ctx context.Context, factory, singleton common.Address, setup []byte) (common.Address, error) {
	ask, err := pack(artifacts.Factory, "proxyCreationCode")
	if err != nil {
		return common.Address{}, err
	}
	out, err := c.client.CallContract(ctx, ethereum.CallMsg{To: &factory, Data: ask}, nil)
	if err != nil {
		return common.Address{}, err
	}
	parsed, err := artifacts.Interface(SafeVersion, artifacts.Factory)
	if err != nil {
		return common.Address{}, err
	}
	var code []byte
	if err := parsed.UnpackIntoInterface(&code, "proxyCreationCode", out); err != nil {
		return common.Address{}, err
	}
	creation := append(code, common.LeftPadBytes(singleton[:], 32)...)
	salt := crypto.Keccak256Hash(crypto.Keccak256(setup), make([]byte, 32))
	return crypto.CreateAddress2(factory, salt, crypto.Keccak256(creation)), nil
}

// holding is what the Safe's contract says of itself, and what it owns.
type holding struct {
	nonce              uint64
	native, usdc, usdt *big.Int
}

func (c *Chain) safeNonce(ctx context.Context) (uint64, error) {
	ask, err := pack("Safe", "nonce")
	if err != nil {
		return 0, err
	}
	out, err := c.client.CallContract(ctx, ethereum.CallMsg{To: &c.safe, Data: ask}, nil)
	if err != nil || len(out) != 32 {
		return 0, fmt.Errorf("nonce of the Safe: %x %w", out, err)
	}
	return new(big.Int).SetBytes(out).Uint64(), nil
}

func (c *Chain) safeHolding(ctx context.Context) (h holding, err error) {
	if h.nonce, err = c.safeNonce(ctx); err != nil {
		return h, err
	}
	if h.native, err = c.client.BalanceAt(ctx, c.safe, nil); err != nil {
		return h, fmt.Errorf("balance of the Safe: %w", err)
	}
	for symbol, into := range map[string]**big.Int{"USDC": &h.usdc, "USDT": &h.usdt} {
		token := common.HexToAddress(c.Tokens[symbol].Address)
		out, err := c.client.CallContract(ctx, ethereum.CallMsg{To: &token, Data: balanceOf(c.safe)}, nil)
		if err != nil {
			return h, fmt.Errorf("%s of the Safe: %w", symbol, err)
		}
		*into = new(big.Int).SetBytes(out)
	}
	return h, nil
}

func balanceOf(a common.Address) []byte {
	return append([]byte{0x70, 0xa0, 0x82, 0x31}, common.LeftPadBytes(a[:], 32)...)
}
