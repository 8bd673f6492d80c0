// Package devchain runs one go-ethereum chain inside this process: no peers, no ports, one producer
// of blocks, and blocks that can be taken back. It knows go-ethereum; it must not know which contracts
// or accounts are on the chain, nor what they are for.
package devchain

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/miner"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	gasLimit   = 60_000_000
	genesisFee = 10_000_000 // wei a gas: cheap, as on a rollup
	// genesisTime is a constant because a kept chain refuses to open with another genesis block.
	genesisTime = 1_735_689_600 // 2025-01-01T00:00:00Z
	startLimit  = 10 * time.Second
)

// Config describes a chain. ChainID and Alloc are required.
type Config struct {
	ChainID uint64
	Alloc   types.GenesisAlloc
	// DataDir keeps the chain between runs; empty means in memory. Only Close writes the last blocks:
	// a killed process may find its chain back at an earlier block.
	DataDir string
	// FinalityDepth is how many blocks the `finalized` tag trails the head, and `safe` half of that.
	// Negative leaves both tags at genesis until Finalize is called.
	FinalityDepth int
}

// Node is a running chain. Its methods may be called from several goroutines.
type Node struct {
	stack    *node.Node
	eth      *eth.Ethereum
	rpc      *rpc.Server
	client   *rpc.Client
	finality int

	mu     sync.Mutex // one producer at a time
	closed bool

	heading sync.RWMutex // held for writing while the head changes
}

// ErrGenesis is a kept chain that began otherwise than Config says: with other accounts or contracts.
var ErrGenesis = errors.New("the kept chain has another genesis block")

// Start opens or creates the chain. A new one has an empty block 1, a second after genesis. It
// produces no more blocks by itself: call Mine, or run Produce. Errors: ErrGenesis.
func Start(cfg Config) (*Node, error) {
	nc := node.DefaultConfig
	nc.Name = "chain"
	nc.DataDir = cfg.DataDir
	nc.P2P = p2p.Config{NoDiscovery: true, NoDial: true}
	stack, err := node.New(&nc)
	if err != nil {
		return nil, fmt.Errorf("opening the chain's directory: %w", err)
	}
	backend, err := eth.New(stack, ethConfig(cfg))
	if _, other := errors.AsType[*core.GenesisMismatchError](err); other {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrGenesis, err), stack.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the chain: %w", err), stack.Close())
	}
	server, err := serve(stack, backend)
	if err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	if err := stack.Start(); err != nil {
		server.Stop()
		return nil, fmt.Errorf("starting the chain: %w", err) // a failed start has closed the node
	}
	backend.SetSynced()
	n := &Node{
		stack: stack, eth: backend, rpc: server, client: rpc.DialInProc(server), finality: cfg.FinalityDepth,
	}
	n.markFinal(n.eth.BlockChain().CurrentBlock().Number.Uint64())
	if err := n.index(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// index waits until the node can tell an unknown transaction from one it has not indexed yet. On a
// chain that is only a genesis block it never could, hence block 1.
func (n *Node) index() error {
	if number, _ := n.Head(); number == 0 {
		if err := n.Mine(context.Background(), time.Unix(genesisTime+1, 0)); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(startLimit); !n.eth.BlockChain().TxIndexDone(); {
		if time.Now().After(deadline) {
			return errors.New("indexing the chain's transactions takes too long")
		}
		time.Sleep(100 * time.Microsecond) // the indexer has no signal to wait for
	}
	return nil
}

func ethConfig(cfg Config) *ethconfig.Config {
	chain := *params.AllDevChainProtocolChanges // a copy: the original is shared by the whole process
	chain.ChainID = new(big.Int).SetUint64(cfg.ChainID)
	// Forks ahead of today's chains; with Bogota a payment would cost three times the gas.
	chain.AmsterdamTime, chain.BogotaTime = nil, nil

	alloc := core.SystemContractAllocs()
	maps.Copy(alloc, cfg.Alloc)

	ec := ethconfig.Defaults
	ec.NetworkId = cfg.ChainID
	ec.Genesis = &core.Genesis{
		Config: &chain, GasLimit: gasLimit, BaseFee: big.NewInt(genesisFee), Alloc: alloc, Timestamp: genesisTime,
	}
	ec.SyncMode = ethconfig.FullSync
	ec.TxPool.NoLocals, ec.TxPool.Journal = true, ""
	ec.TxPool.PriceLimit, ec.Miner.GasPrice = 1, big.NewInt(1)
	ec.LogNoHistory = true // a sandbox's logs are few: search them without an index
	// Caches sized for a chain of a few thousand small blocks.
	ec.DatabaseCache, ec.DatabaseHandles = 16, 64
	ec.TrieCleanCache, ec.TrieDirtyCache, ec.SnapshotCache = 8, 16, 8
	return &ec
}

// Client returns an in-process client of the chain. It is closed by Close.
func (n *Node) Client() *rpc.Client { return n.client }

// Head returns the current block.
func (n *Node) Head() (number uint64, hash common.Hash) {
	h := n.eth.BlockChain().CurrentBlock()
	return h.Number.Uint64(), h.Hash()
}

// Submit adds a transaction to the pool and returns when the pool has digested it: NextNonce then
// counts it and the next block contains it. Submitting by RPC does the same.
func (n *Node) Submit(tx *types.Transaction) error {
	return submit(n.eth, tx)
}

func submit(backend *eth.Ethereum, tx *types.Transaction) error {
	return backend.TxPool().Add([]*types.Transaction{tx}, true)[0]
}

// NextNonce returns the nonce of an account's next transaction, pending ones counted.
func (n *Node) NextNonce(account common.Address) uint64 {
	return n.eth.TxPool().PoolNonce(account)
}

// Mine adds a block with what is in the transaction pool. Its time is at, or one second after its
// parent where at is not later than that.
func (n *Node) Mine(ctx context.Context, at time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.extend(ctx, at, false)
}

func (n *Node) extend(ctx context.Context, at time.Time, empty bool) error {
	if n.closed {
		return errors.New("the chain is closed")
	}
	chain := n.eth.BlockChain()
	block, err := n.build(chain.CurrentBlock(), at, empty)
	if err != nil {
		return err
	}
	if _, err := chain.InsertBlockWithoutSetHead(ctx, block, false); err != nil {
		return fmt.Errorf("adding block %d: %w", block.NumberU64(), err)
	}
	if err := n.setHead(block); err != nil {
		return err
	}
	n.markFinal(block.NumberU64())
	// Until it has followed the head, the pool may offer what is mined and hold back what is next.
	if err := n.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("waiting for the transaction pool: %w", err)
	}
	return nil
}

func (n *Node) setHead(block *types.Block) error {
	n.heading.Lock()
	defer n.heading.Unlock()
	if _, err := n.eth.BlockChain().SetCanonical(block); err != nil {
		return fmt.Errorf("making block %d the head: %w", block.NumberU64(), err)
	}
	return nil
}

// AwaitHead waits for a block that is about to become the head. The node shows the receipts of such a
// block a moment before the state they led to: who has seen a receipt and asks for the state next
// would get the old one.
func (n *Node) AwaitHead() {
	n.heading.RLock()
	defer n.heading.RUnlock()
}

func (n *Node) build(parent *types.Header, at time.Time, empty bool) (*types.Block, error) {
	args := &miner.BuildPayloadArgs{
		Parent:      parent.Hash(),
		Timestamp:   max(uint64(max(at.Unix(), 0)), parent.Time+1),
		Withdrawals: types.Withdrawals{},
		BeaconRoot:  &common.Hash{},
	}
	// It also makes blocks differ that replace each other in the same second.
	if _, err := rand.Read(args.Random[:]); err != nil {
		return nil, fmt.Errorf("reading randomness: %w", err)
	}
	block, _, err := n.eth.Miner().BuildTestingPayload(args, nil, empty, nil)
	if err != nil {
		return nil, fmt.Errorf("building a block on %d: %w", parent.Number, err)
	}
	return block, nil
}

// Reorg replaces the last depth blocks by as many empty ones, and forgets their transactions and
// every pending one: what they did has not happened. The head keeps its number and gets another hash.
// It refuses to touch a finalized block, as no real chain would.
func (n *Node) Reorg(ctx context.Context, depth int, at time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	chain := n.eth.BlockChain()
	head := chain.CurrentBlock()
	final := chain.CurrentFinalBlock()
	if depth < 1 || uint64(depth) > head.Number.Uint64()-final.Number.Uint64() {
		return fmt.Errorf("a reorg of %d blocks at %d: block %d is final", depth, head.Number, final.Number)
	}
	parent := chain.GetBlockByNumber(head.Number.Uint64() - uint64(depth))
	if parent == nil {
		return fmt.Errorf("no block %d below the head %d", depth, head.Number)
	}
	if err := n.setHead(parent); err != nil {
		return err
	}
	if chain.CurrentSafeBlock().Number.Cmp(parent.Number()) > 0 {
		chain.SetSafe(parent.Header())
	}
	for range depth {
		if err := n.extend(ctx, at, true); err != nil {
			return err
		}
	}
	// The pool has taken the dropped transactions back in; Clear waits for that and empties it.
	n.eth.TxPool().Clear()
	return nil
}

// Finalize moves the `finalized` and `safe` tags to the head.
func (n *Node) Finalize() {
	n.mu.Lock()
	defer n.mu.Unlock()
	chain := n.eth.BlockChain()
	chain.SetFinalized(chain.CurrentBlock())
	chain.SetSafe(chain.CurrentBlock())
}

// markFinal lets the tags follow the head; they exist from the first moment on and never go back.
func (n *Node) markFinal(head uint64) {
	chain := n.eth.BlockChain()
	final, safe := uint64(0), uint64(0)
	if n.finality >= 0 {
		depth := uint64(n.finality)
		final, safe = head-min(head, depth), head-min(head, depth/2)
	}
	if old := chain.CurrentFinalBlock(); old == nil || old.Number.Uint64() < final {
		chain.SetFinalized(chain.GetHeaderByNumber(final))
	}
	if old := chain.CurrentSafeBlock(); old == nil || old.Number.Uint64() < safe {
		chain.SetSafe(chain.GetHeaderByNumber(safe))
	}
}

// Produce makes blocks until ctx ends: one every period, or one for each arrival of transactions if
// period is zero. report gets the error of a block that could not be made; producing goes on.
func (n *Node) Produce(ctx context.Context, period time.Duration, report func(error)) {
	var ticks <-chan time.Time
	var arrivals <-chan struct{}
	if period > 0 {
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		ticks = ticker.C
	} else {
		var stop func()
		arrivals, stop = n.arrivals()
		defer stop()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		case <-arrivals:
		}
		if err := n.Mine(ctx, time.Now()); err != nil && ctx.Err() == nil {
			report(err)
		}
	}
}

// arrivals tells that transactions have become executable since it last told so. The feed is drained
// apart from the producer, which waits for the pool: a full feed would make the pool wait for it.
func (n *Node) arrivals() (told <-chan struct{}, stop func()) {
	events := make(chan core.NewTxsEvent)
	sub := n.eth.TxPool().SubscribeTransactions(events, true)
	tell := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-events:
				select {
				case tell <- struct{}{}:
				default:
				}
			case <-sub.Err():
				return
			}
		}
	}()
	return tell, func() {
		sub.Unsubscribe()
		<-done
	}
}

// Close stops serving, waits for what is under way and writes a kept chain to its directory. Produce
// must have returned. Calling it again does nothing.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	n.client.Close()
	n.rpc.Stop()
	if err := n.stack.Close(); err != nil {
		return fmt.Errorf("closing the chain: %w", err)
	}
	return nil
}
