//go:build !nosandbox

// Package sandbox is the world `quittance demo` plays in: two chains inside the process with this
// project's own copies of the payment contracts, tokens worth nothing, payers' wallets that pages may
// use, a treasury that gives money away, a bridge between the chains with a router that quotes for it,
// bundlers with a sponsor behind them, a Safe of three owners with an app of its own, price feeds with a
// price API beside them, and an exchange that pays out. It knows chains and
// accounts; it must not know payments, merchants or the database.
// Production builds leave it out with the build tag nosandbox.
package sandbox

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"quittance/internal/asset"
	"quittance/internal/sandbox/contracts"
	"quittance/internal/sandbox/devchain"
)

// MineOnTransaction as Options.BlockPeriod makes a block whenever a transaction arrives, and no
// others. Blocks are at least a second apart by their own time, which then runs ahead of the clock.
const MineOnTransaction = -1 * time.Nanosecond

const (
	defaultPeriod   = time.Second
	defaultFinality = 3
)

// Options of Start. The zero value is a sandbox in memory with a block every second.
type Options struct {
	// DataDir keeps keys (mode 0600) and chains between runs; empty means in memory with new random
	// keys. The chains are written by Close: a killed process may lose its last blocks.
	DataDir string
	// BlockPeriod is the time between blocks: zero for one second, or MineOnTransaction.
	BlockPeriod time.Duration
	// FinalityDepth is how many blocks the `finalized` tag trails the head: zero for three.
	FinalityDepth int
	// Logger gets what goes wrong in the background, and what go-ethereum logs at level error, for
	// the whole process. Nil drops both.
	Logger *slog.Logger
}

// Chains are the running sandbox chains.
type Chains struct {
	chains []*Chain
	payer  *ecdsa.PrivateKey
	safe   *Safe

	saver, bundler, sponsor *ecdsa.PrivateKey

	stop     context.CancelFunc
	produce  sync.WaitGroup
	closing  sync.Once
	closeErr error
}

// ErrGenesis is a directory with chains that began otherwise: made by another version, or with other
// keys. Nobody but their owner can say that they may go.
var ErrGenesis = devchain.ErrGenesis

// Start starts both chains; it takes a fraction of a second. ctx bounds the start only: call Close to
// stop what was started. Errors: ErrGenesis.
func Start(ctx context.Context, o Options) (*Chains, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	} else {
		devchain.RouteErrors(log)
	}
	keys, err := openKeys(o.DataDir)
	if err != nil {
		return nil, err
	}
	table, _ := asset.Sandbox()
	s := &Chains{payer: keys.payer, saver: keys.saver, bundler: keys.bundler, sponsor: keys.sponsor, chains: make([]*Chain, len(table))}
	var start errgroup.Group
	for i, chain := range table {
		start.Go(func() error {
			c, err := open(ctx, chain, keys, o)
			s.chains[i] = c
			return err
		})
	}
	if err := errors.Join(start.Wait(), ctx.Err()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.safe = newSafe(s.chains, keys)
	s.run(o, log)
	return s, nil
}

func open(ctx context.Context, chain asset.Chain, keys keys, o Options) (*Chain, error) {
	holdings := map[common.Address]contracts.Holding{
		address(keys.payer):       {Native: coins(10), USDC: units(10_000), USDT: units(10_000)},
		address(keys.partners[0]): {Native: coins(10)},
		address(keys.partners[1]): {Native: coins(10)},
		address(keys.saver):       {USDC: units(10_000), USDT: units(10_000)},
		address(keys.bundler):     {Native: coins(1_000)}, // the paymaster pays it back
		// It is the bridge's relayer and the exchange's account, too.
		address(keys.treasury): {Native: coins(1_000_000_000), USDC: units(1_000_000_000), USDT: units(1_000_000_000)},
	}
	addExchange(holdings)
	cfg := devchain.Config{
		ChainID:       uint64(chain.ID),
		FinalityDepth: o.FinalityDepth,
		Alloc:         contracts.Genesis(address(keys.treasury), holdings),
	}
	if err := addFeeds(cfg.Alloc, address(keys.treasury)); err != nil {
		return nil, err
	}
	if err := addSafeContracts(cfg.Alloc, chain.ID); err != nil {
		return nil, err
	}
	if err := addGaslessContracts(cfg.Alloc, chain.ID, keys); err != nil {
		return nil, err
	}
	if cfg.FinalityDepth == 0 {
		cfg.FinalityDepth = defaultFinality
	}
	if o.DataDir != "" {
		cfg.DataDir = filepath.Join(o.DataDir, chain.Network)
	}
	node, err := devchain.Start(cfg)
	if err != nil {
		return nil, fmt.Errorf("sandbox chain %s: %w", chain.Network, err)
	}
	c := newChain(chain, node, keys)
	made, err := c.makeSafe(ctx, keys)
	if err == nil {
		var told []common.Hash
		told, err = c.sendMoods(ctx, true)
		made = append(made, told...)
	}
	if err == nil {
		// What has deadlines is tried against the head, which must not be as old as the genesis block.
		err = c.Mine(ctx, 1)
	}
	if err == nil {
		err = c.confirmed(ctx, made)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox chain %s: %w", chain.Network, err), node.Close())
	}
	return c, nil
}

// run starts the producers. They end with Close.
func (s *Chains) run(o Options, log *slog.Logger) {
	period := o.BlockPeriod
	switch {
	case period == 0:
		period = defaultPeriod
	case period < 0:
		period = 0
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	for _, c := range s.chains {
		s.produce.Go(func() {
			c.node.Produce(ctx, period, func(err error) {
				log.ErrorContext(ctx, "the sandbox chain cannot make a block", "chain", c.Network, "error", err)
			})
		})
		s.produce.Go(func() { c.publish(ctx, log) })
	}
}

// Close stops the chains and waits until they have: requests under way are answered, and kept chains
// are written to their directory. Calling it again returns the same.
func (s *Chains) Close() error {
	s.closing.Do(func() {
		if s.stop != nil {
			s.stop()
		}
		s.produce.Wait()
		var errs []error
		for _, c := range s.chains {
			if c != nil { // a chain that did not start
				errs = append(errs, c.node.Close())
			}
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// All returns the chains in a fixed order.
func (s *Chains) All() []*Chain { return append([]*Chain(nil), s.chains...) }

// Chain returns the chain of a network ("base", "arbitrum-one"), or nil if there is none.
func (s *Chains) Chain(network string) *Chain {
	for _, c := range s.chains {
		if c.Network == network {
			return c
		}
	}
	return nil
}

// Safe returns the Safe that the payer owns together with two others.
func (s *Chains) Safe() *Safe { return s.safe }

// Payer returns the payer's checksummed address and private key (0x-hex), the same on both chains.
// In the genesis block it holds 10 native coins and 10,000 of each token on each chain.
func (s *Chains) Payer() (addr, privateKey string) {
	return exposed(s.payer)
}

func exposed(k *ecdsa.PrivateKey) (addr, privateKey string) {
	return address(k).Hex(), "0x" + hex.EncodeToString(crypto.FromECDSA(k))
}

// Saver returns the checksummed address and private key (0x-hex) of a second payer, the same on both
// chains: in the genesis block it holds 10,000 of each token on each chain and no native coins, so that
// others must pay for its gas.
func (s *Chains) Saver() (addr, privateKey string) { return exposed(s.saver) }

// RPCHandler serves each chain's RPC under its network's name: the last element of the URL's path.
func (s *Chains) RPCHandler() http.Handler {
	return s.byNetwork(func(c *Chain) http.Handler { return c.RPC })
}

// WalletHandler serves the payer's wallet on each chain in the same way. See Chain.Wallet.
func (s *Chains) WalletHandler() http.Handler {
	return s.byNetwork(func(c *Chain) http.Handler { return c.Wallet })
}

// SaverHandler serves the saver's wallet on each chain in the same way. See Chain.SaverWallet.
func (s *Chains) SaverHandler() http.Handler {
	return s.byNetwork(func(c *Chain) http.Handler { return c.SaverWallet })
}

func (s *Chains) byNetwork(pick func(*Chain) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := s.Chain(path.Base(r.URL.Path))
		if c == nil {
			http.NotFound(w, r)
			return
		}
		pick(c).ServeHTTP(w, r)
	})
}

func address(k *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(k.PublicKey) }

// coins are native coins in wei.
func coins(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }

// units are whole tokens in base units.
func units(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e6)) }
