package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/addresses"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/deposit"
	"quittance/internal/rail/deposit/deposittest"
	"quittance/internal/rail/evmref"
	"quittance/internal/seal"
	"quittance/internal/store"
)

// dying is a store of a process that dies at one of its writes: before the commit or after
// it, and from then on nothing is read or written any more.
type dying struct {
	checkout.Store
	in   atomic.Int64 // writes until then, 0 for never
	late atomic.Bool  // after the commit
	dead atomic.Bool
}

func (d *dying) Write(ctx context.Context, f func(checkout.Tx) error) error {
	if d.dead.Load() {
		return errCut
	}
	if d.in.Load() == 0 || d.in.Add(-1) > 0 {
		return d.Store.Write(ctx, f)
	}
	d.dead.Store(true)
	if d.late.Load() {
		return errors.Join(d.Store.Write(ctx, f), errCut)
	}
	return d.Store.Write(ctx, func(tx checkout.Tx) error { return errors.Join(f(tx), errCut) })
}

func (d *dying) Cursor(ctx context.Context, id asset.ChainID) (checkout.Cursor, error) {
	if d.dead.Load() {
		return checkout.Cursor{}, errCut
	}
	return d.Store.Cursor(ctx, id)
}

// courseServer is a server as far as chains go: the real scanner, client, sink, watcher,
// checkout and store.
type courseServer struct {
	db      *store.Store
	dying   *dying
	service *checkout.Service
	watched *addresses.Service // nil without payments to deposit addresses
	stop    func()             // as a process that is killed stops: in the middle of whatever it does
}

// course is a chain, a database, the servers on it, and what they should make of it.
type course struct {
	t       testing.TB
	ctx     context.Context
	rnd     *rand.Rand
	seed    uint64
	chain   *courseChain
	book    *asset.Book
	dsn     string
	mixed   bool   // with payments to deposit addresses, and by operations without gas
	depth   uint64 // confirmations
	longest uint64 // blocks of one sweep, 0 for the scanner's own bound
	servers []*courseServer
	owed    []payment.ID
	paid    map[payment.ID]bool
	waiting []payTx // dropped, and not in a block again yet
	ops     []playedOp
	nonce   int
	starts  int
	mu      sync.Mutex
	said    []string // what was done, for whoever has to understand a failure
}

func (c *course) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

func (c *course) must(err error) {
	c.t.Helper()
	if err != nil {
		c.fatal("%v", err)
	}
}

func (c *course) fatal(format string, args ...any) {
	c.t.Helper()
	c.mu.Lock()
	said := strings.Join(c.said, "\n")
	c.mu.Unlock()
	c.t.Fatalf("seed %d, %d confirmations, %d servers, sweeps of %d: %s\nafter\n%s", c.seed, c.depth, len(c.servers), c.longest, fmt.Sprintf(format, args...), said)
}

// Prices implements checkout.Prices, as history does: a wei is worth a hundredth of a dollar.
func (c *course) Prices(_ context.Context, _ asset.ID, of []asset.ID) map[asset.ID]money.Price {
	out := map[asset.ID]money.Price{}
	for _, id := range of {
		hundredths := new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e8))
		if id == historyETH {
			hundredths.Mul(hundredths, big.NewInt(1e12))
		}
		out[id] = money.Price{Value: hundredths, At: c.chain.now(), Source: "played"}
	}
	return out
}

// courseInterval is how often a scanner looks: all the time, nearly.
const courseInterval = 2 * time.Millisecond

// start starts a server on the database.
func (c *course) start() *courseServer {
	c.t.Helper()
	c.starts++
	s := &courseServer{}
	box, err := seal.New(bytes.Repeat([]byte{7}, 32))
	c.must(err)
	log := slog.New(slog.DiscardHandler)
	s.db, err = store.Open(c.ctx, store.Config{DSN: c.dsn, Seal: box, Tells: tells(dialects())})
	c.must(err)
	client, err := chain.NewClient(chain.Config{
		Chain: historyChain, Endpoints: []chain.Endpoint{{Transport: deposittest.Node(c.chain.ask)}}, RestMin: time.Millisecond, RestMax: courseInterval, Log: log,
	})
	c.must(err)
	nodes := map[asset.ChainID]chain.Batcher{historyChain: client}
	proxies := evmref.New(evmref.Config{Book: c.book, Registry: official.Default(), Nodes: nodes, Now: c.chain.now})
	all, sources, longest := []rail.Rail{proxies}, []source{proxies}, c.longest
	if c.mixed {
		kept := c.watcher(s.db, client)
		direct, err := deposit.NewRail(deposit.RailConfig{Book: c.book, Nodes: nodes, Assets: []asset.ID{historyETH, historyUSDC}, Keys: given{}, Now: c.chain.now})
		c.must(err)
		all, sources = append(all, direct), append(sources, &deposits{direct, kept})
		s.watched = kept
	}
	s.dying = &dying{Store: s.db}
	cfg := checkout.Config{Store: s.dying, Book: c.book, Rails: all, Prices: c, Grace: time.Minute, Now: c.chain.now}
	if c.mixed {
		cfg.Gasless = c.gas(s.db, nodes)
	}
	s.service = checkout.New(cfg)
	scanner, err := chain.NewScanner(chain.ScannerConfig{
		Client: client, Filter: func() chain.Filter { return filter(sources, historyChain) }, MaxRange: maxRange(sources, longest),
		Blocks:   func() bool { return whole(sources) },
		Sink:     &traced{&sink{checkout: s.service, sources: sources, node: client, registry: official.Default(), log: log}, c, c.starts},
		Finality: chain.Finality{Confirmations: c.depth}, StartBlock: 1, Interval: courseInterval, Log: log,
	})
	c.must(err)
	ctx, cancel := context.WithCancel(c.ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = scanner.Run(ctx) }) // it ends with its context, with nothing to say
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		client.Close()
		c.must(s.db.Close())
	})
	return s
}

func (c *course) watcher(db *store.Store, node chain.Batcher) *addresses.Service {
	token, _ := c.book.Token(historyUSDC)
	kept, err := addresses.New(addresses.Config{Store: db, Chains: []deposit.Config{{
		Chain: historyChain, Node: node, Multicall: asset.Address{19: 0xca}, Tokens: []asset.Address{token.Address}, Slice: 2, Horizon: 12,
	}}})
	c.must(err)
	return kept
}

// restart has a server die, wherever it is, and another one start.
func (c *course) restart(i int) {
	c.servers[i].stop()
	c.servers[i] = c.start()
}

// work does the jobs that are due.
func (c *course) work(i int) {
	c.t.Helper()
	s := c.servers[i]
	jobs, err := s.db.Claim(c.ctx, c.chain.now(), time.Second, job.Room{Free: 100, Laned: 100, PerLane: 100})
	c.must(err)
	for _, j := range jobs {
		var again time.Time
		does := map[string]func(context.Context, string) (time.Time, error){checkout.PriceKind: s.service.PriceTransfers, checkout.GaslessTrackKind: s.service.TrackGasless}[j.Kind]
		if does != nil {
			if again, err = does(c.ctx, j.Args); err != nil && !errors.Is(err, errCut) {
				c.must(err)
			} else if err != nil {
				return
			}
		}
		if again.IsZero() {
			c.must(s.db.Done(c.ctx, j.ID))
		} else {
			c.must(s.db.Snooze(c.ctx, j.ID, again, ""))
		}
	}
}

// traced tells what a scanner does to the database.
type traced struct {
	chain.Sink
	course *course
	server int
}

func (s *traced) Apply(ctx context.Context, sw chain.Sweep) error {
	err := s.Sink.Apply(ctx, sw)
	s.course.say("  %d applies %d to %d %.6s with %d logs, final %d: %v", s.server, sw.From, sw.To.Number, sw.To.Hash, len(sw.Logs), sw.Final, err)
	return err
}

func (s *traced) Rewind(ctx context.Context, id asset.ChainID, to chain.Block, rewound int64) error {
	err := s.Sink.Rewind(ctx, id, to, rewound)
	s.course.say("  %d rewinds to %d %.6s: %v", s.server, to.Number, to.Hash, err)
	return err
}
