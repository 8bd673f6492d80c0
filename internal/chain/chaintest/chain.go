// Package chaintest runs a simulated chain for the tests of other packages: the sandbox's contracts
// and tokens, funded wallets, blocks when the test says so, and a JSON-RPC endpoint that misbehaves on
// command. It knows nothing of payments, stores or scanners, and nothing but tests may import it.
//
// Addresses, hashes and references are the strings and bytes of the wire, so that packages without
// go-ethereum can use it. All methods may be called from any goroutine except where a failure ends
// the test (testing.TB.FailNow): call them from the test's own.
package chaintest

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/sandbox/contracts"
	"quittance/internal/sandbox/devchain"
)

// DefaultID is the chain id of New without WithID: the sandbox's "base".
const DefaultID = 900008453

// Chain is one simulated chain. The embedded wallet is the first of its funded wallets, the payer.
type Chain struct {
	*Wallet
	// Other is a second funded wallet.
	Other *Wallet

	t       testing.TB
	id      uint64
	node    *devchain.Node
	client  *ethclient.Client
	server  *httptest.Server
	manners *manners

	mu    sync.Mutex
	clock func() time.Time
}

// Option changes how New makes a chain.
type Option func(*settings)

type settings struct {
	id      uint64
	genesis types.GenesisAlloc
}

// WithID sets the chain id.
func WithID(id uint64) Option { return func(s *settings) { s.id = id } }

// WithCode puts runtime code (and storage, which may be nil) at an address in the genesis block.
func WithCode(address string, runtime []byte, storage map[common.Hash]common.Hash) Option {
	return func(s *settings) {
		s.genesis[common.HexToAddress(address)] = types.Account{
			Balance: new(big.Int), Nonce: 1, Code: runtime, Storage: storage,
		}
	}
}

// copiedSlots is how much of a contract's storage WithCopy takes along: its plain variables.
const copiedSlots = 16

// WithCopy puts a copy of what is deployed at an address of another chain at an address in the genesis
// block: its code and plain variables, no mappings.
func WithCopy(address string, from *Chain, at string) Option {
	from.t.Helper()
	ctx, source, storage := from.t.Context(), common.HexToAddress(at), map[common.Hash]common.Hash{}
	code, err := from.client.CodeAt(ctx, source, nil)
	for i := 0; i < copiedSlots && err == nil; i++ {
		slot := common.BigToHash(big.NewInt(int64(i)))
		var value []byte
		if value, err = from.client.StorageAt(ctx, source, slot, nil); common.BytesToHash(value) != (common.Hash{}) {
			storage[slot] = common.BytesToHash(value)
		}
	}
	if err != nil || len(code) == 0 {
		from.t.Fatalf("chaintest: copying %s: %d bytes of code, %v", at, len(code), err)
	}
	return WithCode(address, code, storage)
}

// WithUSDC puts a second token that behaves as USDC does at an address in the genesis block, with the
// same holders.
func WithUSDC(address string) Option {
	return func(s *settings) {
		s.genesis[common.HexToAddress(address)] = s.genesis[contracts.Address(contracts.USDC)]
	}
}

// New starts a chain at block 1, which is empty, and closes it when the test ends. The two wallets
// hold 1,000 native coins and 1,000,000 of each token. `finalized` and `safe` are block 0 until
// Finalize.
func New(t testing.TB, options ...Option) *Chain {
	t.Helper()
	payer, other := key(t, "payer"), key(t, "other")
	rich := contracts.Holding{
		Native: new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18)), USDC: big.NewInt(1e12), USDT: big.NewInt(1e12),
	}
	s := &settings{id: DefaultID, genesis: contracts.Genesis(address(payer), map[common.Address]contracts.Holding{
		address(payer): rich, address(other): rich,
	})}
	for _, o := range options {
		o(s)
	}
	node, err := devchain.Start(devchain.Config{ChainID: s.id, Alloc: s.genesis, FinalityDepth: -1})
	if err != nil {
		t.Fatalf("chaintest: starting a chain: %v", err)
	}
	c := &Chain{t: t, id: s.id, node: node, client: ethclient.NewClient(node.Client()), clock: time.Now}
	c.Wallet = &Wallet{chain: c, key: payer}
	c.Other = &Wallet{chain: c, key: other}
	c.manners = newManners(node.Client())
	c.server = httptest.NewServer(c.manners)
	t.Cleanup(func() {
		c.manners.behave()
		c.server.Close()
		if err := node.Close(); err != nil {
			t.Errorf("chaintest: closing the chain: %v", err)
		}
	})
	return c
}

// key derives the same key in every run: a failure can be repeated to the byte.
func key(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte("quittance chaintest " + name)))
	if err != nil {
		t.Fatalf("chaintest: deriving a key: %v", err)
	}
	return k
}

func address(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

// ID returns the chain id.
func (c *Chain) ID() uint64 { return c.id }

// URL returns the address of the JSON-RPC endpoint, which obeys Stall, Fail and Lie.
func (c *Chain) URL() string { return c.server.URL }

// Client returns a client of the chain itself, which is always honest.
func (c *Chain) Client() *rpc.Client { return c.node.Client() }

// USDC returns the address of the token that behaves as USDC does.
func (c *Chain) USDC() string { return contracts.Address(contracts.USDC).Hex() }

// USDT returns the address of the token that behaves as USDT on Ethereum does.
func (c *Chain) USDT() string { return contracts.Address(contracts.USDT).Hex() }

// ERC20FeeProxy returns the address of the proxy for token payments.
func (c *Chain) ERC20FeeProxy() string { return contracts.Address(contracts.ERC20FeeProxy).Hex() }

// EthFeeProxy returns the address of the proxy for native payments.
func (c *Chain) EthFeeProxy() string { return contracts.Address(contracts.EthereumFeeProxy).Hex() }

// BatchPayments returns the address of the batch contract.
func (c *Chain) BatchPayments() string { return contracts.Address(contracts.BatchPayments).Hex() }

// Multicall3 returns the address of the Multicall3 contract.
func (c *Chain) Multicall3() string { return contracts.Address(contracts.Multicall3).Hex() }

// Mine adds n blocks, the first with everything that is pending, and returns the head's number.
func (c *Chain) Mine(n int) uint64 {
	c.t.Helper()
	for range n {
		if err := c.node.Mine(context.Background(), c.now()); err != nil {
			c.t.Fatalf("chaintest: mining: %v", err)
		}
	}
	return c.Head()
}

// SetClock makes blocks take their time from now instead of the wall clock. A block is never earlier
// than one second after its parent, and genesis is at 2025-01-01.
func (c *Chain) SetClock(now func() time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock = now
}

func (c *Chain) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock()
}

// Head returns the number of the current block.
func (c *Chain) Head() uint64 {
	number, _ := c.node.Head()
	return number
}

// HeadHash returns the hash of the current block.
func (c *Chain) HeadHash() string {
	_, hash := c.node.Head()
	return hash.Hex()
}

// Reorg replaces the last depth blocks by as many empty ones and drops their transactions, and all
// pending ones, for good. The head keeps its number. Finalized blocks cannot be replaced.
func (c *Chain) Reorg(depth int) {
	c.t.Helper()
	if err := c.node.Reorg(context.Background(), depth, c.now()); err != nil {
		c.t.Fatalf("chaintest: %v", err)
	}
}

// Finalize moves the `finalized` and `safe` tags to the head.
func (c *Chain) Finalize() { c.node.Finalize() }

// Receipt returns the receipt of a mined transaction, or nil.
func (c *Chain) Receipt(txHash string) *types.Receipt {
	c.t.Helper()
	var r *types.Receipt
	// By hand, because ethclient makes an error of a missing receipt.
	if err := c.Client().Call(&r, "eth_getTransactionReceipt", txHash); err != nil {
		c.t.Fatalf("chaintest: receipt of %s: %v", txHash, err)
	}
	return r
}

// Balance returns what an account holds at the head: of a token, or of the native coin if token is "".
func (c *Chain) Balance(token, account string) *big.Int {
	c.t.Helper()
	if token == "" {
		balance, err := c.client.BalanceAt(context.Background(), common.HexToAddress(account), nil)
		if err != nil {
			c.t.Fatalf("chaintest: balance of %s: %v", account, err)
		}
		return balance
	}
	return c.ask(token, "balanceOf", common.HexToAddress(account))
}

// Allowance returns what spender may take from owner at the head.
func (c *Chain) Allowance(token, owner, spender string) *big.Int {
	c.t.Helper()
	return c.ask(token, "allowance", common.HexToAddress(owner), common.HexToAddress(spender))
}

func (c *Chain) ask(token, method string, args ...any) *big.Int {
	c.t.Helper()
	var out string
	call := map[string]any{
		"to": token, "data": "0x" + common.Bytes2Hex(contracts.Call(contracts.USDC, method, args...)),
	}
	if err := c.Client().Call(&out, "eth_call", call, "latest"); err != nil {
		c.t.Fatalf("chaintest: %s of %s: %v", method, token, err)
	}
	return new(big.Int).SetBytes(common.FromHex(out))
}
