package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"quittance/internal/addresses"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/gasless"
	"quittance/internal/job"
	"quittance/internal/lifecycle"
	"quittance/internal/merchant"
	"quittance/internal/multisig"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/screening"
	"quittance/internal/siwe"
	"quittance/internal/store"
	"quittance/internal/webhook"
	"quittance/templates"
	"quittance/web"
	"quittance/web/pay"
)

// Setup is everything that the ways to run, serve, demo and tests, decide
// differently.
type Setup struct {
	BaseURL        string
	Database       string   // "sqlite:PATH" or "postgres://..."
	Keys           [][]byte // 32 bytes each, newest first
	Book           *asset.Book
	Registry       *official.Registry
	Chains         []ChainSetup
	Window, Grace  time.Duration // 0 for the checkout's defaults
	Proxies        []*net.IPNet
	FrameAncestors []string
	Placeholders   bool           // accept the wrong checksums of published examples
	AllowLoopback  bool           // webhooks may go to this machine
	Screening      ScreeningSetup // who is asked about wallets
	Routing        *RoutingSetup  // nil for payments on their own chain only
	Safe           *SafeSetup     // nil if Safes may not pay
	Gasless        *GaslessSetup  // nil if nobody pays for payers' gas
	Deposits       *DepositSetup  // nil if nothing is due in dollars
	Limits         web.Limits
	Streams        pay.Bounds                   // of pages that follow payments
	Drain          time.Duration                // for how long a server that stops still answers, and says that it is not ready
	Keeping        Keeping                      // for how long what is over stays where it is
	OpenSignup     bool                         // a wallet that signs in for the first time becomes a merchant
	SandboxScript  bool                         // pages load the sandbox wallet
	Mount          func(*App, templates.Assets) // further routes, nil for none
	Tracing        *TracingSetup                // nil if nothing is traced
	LogLevel       *slog.LevelVar               // from which on Log logs; nil if it cannot be changed
	Log            *slog.Logger
}

// App is a built server. Run starts it; Close releases what New opened.
type App struct {
	Store     *store.Store
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Webhooks  *webhook.Service
	Guard     *webhook.Guard
	Server    *web.Server

	rails     []rail.Rail
	dialects  []web.Dialect
	reader    official.CodeReader
	codes     *official.Codes
	verifier  *siwe.Verifier
	heads     *heads
	nodes     map[asset.ChainID]*chain.Client
	pricing   pricing
	screening *screening.Service // nil if nobody is asked about wallets
	safes     *multisig.Safes    // nil without Safes
	gasless   *gasless.Service   // nil if nobody pays for payers' gas
	worker    *job.Worker
	pages     *pay.Streams
	watch     *watch
	admin     net.Listener // nil for none
	log       *slog.Logger
	shared    []lifecycle.Part // what one node does for all
	drain     time.Duration
	leaving   atomic.Bool // others should be sent payers instead
}

// New makes an App of a setup. Nothing runs yet, but the database is open and
// migrated.
func New(ctx context.Context, s Setup) (*App, error) {
	return compose(ctx, s, rails, dialects())
}

// compose makes an App of a setup, of whatever rails and dialects.
func compose(ctx context.Context, s Setup, rails func(ground) ([]rail.Rail, error), dialects []web.Dialect) (_ *App, err error) {
	a := &App{log: s.Log, drain: s.Drain, nodes: map[asset.ChainID]*chain.Client{}, dialects: dialects, watch: newWatch(s)}
	box, sessions, err := secrets(s.Keys)
	if err != nil {
		return nil, err
	}
	if a.Store, err = store.Open(ctx, store.Config{DSN: s.Database, Seal: box, Log: s.Log, Tells: tells(dialects), Committed: a.watch.committed}); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := a.Store.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	a.Directory = merchant.NewDirectory(a.Store)
	if a.screening, err = s.Screening.build(s.Log); err != nil {
		return nil, err
	}
	if err := a.chains(s, rails); err != nil {
		return nil, err
	}
	if err := addresses.KeepWord(ctx, a.Store, a.pricing.assets, time.Now()); err != nil {
		return nil, err
	}
	a.background(s)
	a.share(s.Chains, newArchiver(s.Keeping, a.Store, s.Log))
	a.readings(s)
	return a, a.routes(s, sessions)
}

// bidFarewell makes what has a server that is told to stop say so first, and go on
// answering until whoever sends it payers has noticed. A part's failure leaves no
// time for that.
func (a *App) bidFarewell(told context.Context) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		if told.Err() != nil && a.drain > 0 {
			a.leaving.Store(true)
			a.log.InfoContext(ctx, "about to stop", "in", a.drain.String())
			time.Sleep(a.drain)
		}
		return nil
	}
}

// stopWithin is how long a stop may take after that; open requests have most of it.
const stopWithin = 15 * time.Second

// Run answers on l (on nothing if it is nil) and does the background work until
// ctx ends or a part fails: a checkout whose watcher died must not go on taking
// payments.
func (a *App) Run(ctx context.Context, l net.Listener) error {
	parts := []lifecycle.Part{
		{Name: "code watch", Run: a.codes.Run},
		{Name: "jobs", Run: a.worker.Run},
		{Name: "pages", Run: a.pages.Run},
		{Name: "farewell", Stage: lifecycle.Farewell, Run: a.bidFarewell(ctx)},
	}
	if a.screening != nil && a.screening.List() != nil {
		parts = append(parts, lifecycle.Part{Name: "sanctions list", Run: a.screening.List().Run})
	}
	for _, r := range a.rails {
		if w, ok := r.(worker); ok {
			parts = append(parts, lifecycle.Part{Name: "rail " + string(r.ID()), Run: w.Run})
		}
	}
	parts = append(parts, a.gasParts()...)
	parts = append(parts, a.shared...)
	if l != nil {
		parts = append(parts, lifecycle.Part{Name: "http", Stage: lifecycle.Serve, Run: func(ctx context.Context) error { return a.Server.Serve(ctx, l) }})
	}
	if a.admin != nil {
		parts = append(parts, lifecycle.Part{Name: "admin", Stage: lifecycle.Serve, Run: a.serveAdmin})
	}
	return (&lifecycle.Group{StopWithin: a.drain + stopWithin, Log: a.log}).Run(ctx, parts...)
}

// Close releases what was opened. It waits for writes under way.
func (a *App) Close() error {
	if a.Server != nil {
		a.Server.EndStreams() // of a server that something else than Run listened for
	}
	a.watch.close()
	for _, n := range a.nodes {
		n.Close()
	}
	if a.screening != nil {
		a.screening.Close()
	}
	for _, r := range allWith[closer](a.rails) {
		r.Close()
	}
	if a.safes != nil {
		a.safes.Close()
	}
	if a.gasless != nil {
		a.gasless.Close()
	}
	a.pricing.close()
	if a.Store == nil {
		return nil
	}
	return a.Store.Close()
}
