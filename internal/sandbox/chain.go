//go:build !nosandbox

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/asset"
	"quittance/internal/sandbox/contracts"
	"quittance/internal/sandbox/devchain"
)

// Chain is one sandbox chain. Its fields do not change.
type Chain struct {
	Name      string // the API's query value: "BASE"
	Network   string // the Request Network name: "base"
	ChainID   uint64 // 900000000 plus the id of the chain it plays
	Tokens    map[string]Token
	Contracts Contracts
	// Feeds are the price feeds in dollars by their asset's symbol, and Sequencer the uptime feed of the
	// chain's sequencer. Checksummed addresses.
	Feeds     map[string]string
	Sequencer string
	// RPC serves JSON-RPC by POST and WebSocket to every origin: eth, net and web3 calls only.
	RPC http.Handler
	// Wallet serves the payer's wallet, which signs whatever it is asked to, to pages of the same
	// origin: demo only.
	Wallet http.Handler
	// SaverWallet is that of Chains.Saver, served as Wallet is.
	SaverWallet http.Handler
	// Line is how the server reads the chain; it can be told to be out of order.
	Line *Line

	node     *devchain.Node
	client   *ethclient.Client
	treasury *account
	owners   []*account // of the Safe, the payer first
	safe     common.Address
	moods    *moods
}

// Token is an ERC-20 token of the sandbox.
type Token struct {
	Address  string // checksummed
	Decimals int
}

// Contracts are checksummed addresses.
type Contracts struct {
	ERC20FeeProxy, EthFeeProxy, BatchPayments, Multicall3 string
}

func newChain(table asset.Chain, node *devchain.Node, keys keys) *Chain {
	at := func(name string) string { return contracts.Address(name).Hex() }
	c := &Chain{
		Name: table.Selector, Network: table.Network, ChainID: uint64(table.ID),
		Tokens: map[string]Token{
			"USDC": {at(contracts.USDC), contracts.TokenDecimals},
			"USDT": {at(contracts.USDT), contracts.TokenDecimals},
		},
		Contracts: Contracts{
			ERC20FeeProxy: at(contracts.ERC20FeeProxy), EthFeeProxy: at(contracts.EthereumFeeProxy),
			BatchPayments: at(contracts.BatchPayments), Multicall3: at(contracts.Multicall3),
		},
		Feeds: map[string]string{}, Sequencer: sequencerAddress.Hex(),
		moods:  &moods{of: map[string]FeedMood{}},
		RPC:    node.Handler(),
		Line:   newLine(node.Client()),
		node:   node,
		client: ethclient.NewClient(node.Client()),
	}
	for symbol, feed := range feedAddresses {
		c.Feeds[symbol] = feed.Hex()
	}
	c.treasury = newAccount(keys.treasury, c.ChainID, node)
	for _, key := range keys.owners() {
		c.owners = append(c.owners, newAccount(key, c.ChainID, node))
	}
	c.Wallet = &wallet{account: c.owners[0], rpc: node.Client()}
	c.SaverWallet = &wallet{account: newAccount(keys.saver, c.ChainID, node), rpc: node.Client()}
	return c
}

// Client returns an in-process client of the chain. Close of Chains closes it.
func (c *Chain) Client() *rpc.Client { return c.node.Client() }

// RuntimeHash returns keccak256 of the code at a contract's or token's address, 0x-hex, and false for
// an address that is not the sandbox's. The code is the same on every sandbox chain.
func (c *Chain) RuntimeHash(addr string) (hash string, ok bool) {
	for _, name := range contracts.Names() {
		if contracts.Address(name) == common.HexToAddress(addr) {
			return contracts.Get(name).RuntimeHash.Hex(), true
		}
	}
	return "", false
}

// Funds are amounts in base units; nil is none.
type Funds struct {
	Native, USDC, USDT *big.Int
}

// Fund gives money to an address, the tokens newly minted, and returns once the chain has confirmed
// it: up to one block period.
func (c *Chain) Fund(ctx context.Context, addr string, f Funds) error {
	if !common.IsHexAddress(addr) {
		return fmt.Errorf("funding %q: not an address", addr)
	}
	to := common.HexToAddress(addr)
	hashes, err := c.give(ctx, to, f)
	if err != nil {
		return fmt.Errorf("funding %s: %w", to, err)
	}
	// Only now: what was sent together shares a block.
	if err := c.confirmed(ctx, hashes); err != nil {
		return fmt.Errorf("funding %s: %w", to, err)
	}
	return nil
}

// give sends money to an address and returns the transactions that do it.
func (c *Chain) give(ctx context.Context, to common.Address, f Funds) ([]common.Hash, error) {
	var gifts []call
	if positive(f.Native) {
		gifts = append(gifts, call{to: to, value: f.Native})
	}
	for name, amount := range map[string]*big.Int{contracts.USDC: f.USDC, contracts.USDT: f.USDT} {
		if positive(amount) {
			gifts = append(gifts, call{to: contracts.Address(name), data: contracts.Call(name, "mint", to, amount)})
		}
	}
	hashes := make([]common.Hash, len(gifts))
	for i, gift := range gifts {
		var err error
		if hashes[i], err = c.treasury.send(ctx, gift); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func positive(x *big.Int) bool { return x != nil && x.Sign() > 0 }

func (c *Chain) confirmed(ctx context.Context, hashes []common.Hash) error {
	for _, hash := range hashes {
		if err := c.confirm(ctx, hash); err != nil {
			return err
		}
	}
	return nil
}

// confirm waits until a transaction is in a block, and returns an error if it was reverted.
func (c *Chain) confirm(ctx context.Context, hash common.Hash) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		receipt, err := c.client.TransactionReceipt(ctx, hash)
		switch {
		case err == nil && receipt.Status == types.ReceiptStatusSuccessful:
			c.node.AwaitHead() // the caller may look at once
			return nil
		case err == nil:
			return fmt.Errorf("transaction %s was reverted", hash)
		case !errors.Is(err, ethereum.NotFound):
			return fmt.Errorf("receipt of %s: %w", hash, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", hash, ctx.Err())
		case <-poll.C:
		}
	}
}

// Mine adds n blocks at once, the first with what is pending.
func (c *Chain) Mine(ctx context.Context, n int) error {
	for range n {
		if err := c.node.Mine(ctx, time.Now()); err != nil {
			return fmt.Errorf("sandbox chain %s: %w", c.Network, err)
		}
	}
	return nil
}

// Reorg replaces the last depth blocks by empty ones and drops their transactions, and all pending
// ones, for good. Finalized blocks cannot be replaced.
func (c *Chain) Reorg(ctx context.Context, depth int) error {
	if err := c.node.Reorg(ctx, depth, time.Now()); err != nil {
		return fmt.Errorf("sandbox chain %s: %w", c.Network, err)
	}
	return nil
}
