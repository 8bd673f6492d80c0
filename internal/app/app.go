package app

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/holdings"
	"quittance/internal/job"
	"quittance/internal/lifecycle"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/sepa"
	"quittance/internal/screening"
	"quittance/internal/seal"
	"quittance/internal/siwe"
	"quittance/internal/store"
	"quittance/internal/webhook"
	"quittance/static"
	"quittance/templates"
	"quittance/web"
	"quittance/web/apidoc"
	"quittance/web/pay"
	"quittance/web/request"
	"quittance/web/secpaid"
	"quittance/web/spacepay"
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
	OpenSignup     bool                         // a wallet that signs in for the first time becomes a merchant
	SandboxScript  bool                         // pages load the sandbox wallet
	Mount          func(*App, templates.Assets) // further routes, nil for none
	Log            *slog.Logger
}

// ChainSetup is one chain and how it is read.
type ChainSetup struct {
	ID            asset.ChainID
	Endpoints     []chain.Endpoint
	PublicRPC     []string
	Confirmations int
	FinalizedTag  bool // the network's own finality instead of Confirmations
	Agree         int
	StartBlock    uint64
	MaxRange      uint64
	Interval      time.Duration
}

// finality is the rule by which blocks are there for good. Where the network's
// own finality is asked for, a number of confirmations must not be enough: it is
// shown to payers and decides nothing.
func (c ChainSetup) finality() chain.Finality {
	if c.FinalizedTag {
		return chain.Finality{Tag: true}
	}
	return chain.Finality{Confirmations: uint64(c.Confirmations)}
}

// App is a built server. Run starts it; Close releases what New opened.
type App struct {
	Store     *store.Store
	Checkout  *checkout.Service
	Directory *merchant.Directory
	Webhooks  *webhook.Service
	Guard     *webhook.Guard
	Server    *web.Server

	reader    official.CodeReader
	codes     *official.Codes
	verifier  *siwe.Verifier
	heads     heads
	nodes     map[asset.ChainID]*chain.Client
	screening *screening.Service // nil if nobody is asked about wallets
	routing   *routing           // nil without routes
	safes     *safes             // nil without Safes
	gasless   *gasless           // nil if nobody pays for payers' gas
	deposits  *deposits          // nil if nothing is due in dollars
	worker    *job.Worker
	log       *slog.Logger
	scanners  []*chain.Scanner
}

// New makes an App of a setup. Nothing runs yet, but the database is open and
// migrated.
func New(ctx context.Context, s Setup) (_ *App, err error) {
	a := &App{log: s.Log, nodes: map[asset.ChainID]*chain.Client{}}
	box, sessions, err := secrets(s.Keys)
	if err != nil {
		return nil, err
	}
	if a.Store, err = store.Open(ctx, store.Config{DSN: s.Database, Seal: box, Log: s.Log, Tells: tells}); err != nil {
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
	if err := a.chains(s); err != nil {
		return nil, err
	}
	if err := a.deposits.keepWord(ctx, a.Store, time.Now()); err != nil {
		return nil, err
	}
	if err := a.background(s); err != nil {
		return nil, err
	}
	return a, a.routes(s, sessions)
}

// secrets derives the keys for sealing and for cookies from the operator's.
func secrets(keys [][]byte) (*seal.Box, *web.Sessions, error) {
	var sealing, cookies [][]byte
	for _, k := range keys {
		s, err := hkdf.Key(sha256.New, k, nil, "quittance seal v1", 32)
		if err != nil {
			return nil, nil, fmt.Errorf("derive sealing key: %w", err)
		}
		c, err := hkdf.Key(sha256.New, k, nil, "quittance session v1", 64)
		if err != nil {
			return nil, nil, fmt.Errorf("derive session key: %w", err)
		}
		sealing, cookies = append(sealing, s), append(cookies, c)
	}
	box, err := seal.New(sealing...)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing keys: %w", err)
	}
	sessions, err := web.NewSessions(cookies)
	return box, sessions, err
}

// chains builds what reads chains: clients, the safety check's code watch, the
// rail, the checkout and the scanners.
func (a *App) chains(s Setup) (err error) {
	batchers := map[asset.ChainID]chain.Batcher{}
	var ids []asset.ChainID
	for _, c := range s.Chains {
		client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
		if err != nil {
			return fmt.Errorf("chain %d: %w", c.ID, err)
		}
		a.nodes[c.ID], batchers[c.ID], ids = client, client, append(ids, c.ID)
	}
	a.reader = CodeReader(batchers)
	a.codes = official.NewCodes(s.Registry, ids, a.reader, s.Log)
	a.verifier = siwe.NewVerifier(batchers)
	a.heads = heads{scanners: map[asset.ChainID]*chain.Scanner{}, required: map[asset.ChainID]int{}}
	if a.safes, err = s.Safe.build(s.Chains, batchers, a.heads.final); err != nil {
		return err
	}
	if a.gasless, err = s.Gasless.build(s.Chains, batchers, s.Registry, a.heads.final, s.Log); err != nil {
		return err
	}
	if a.deposits, err = s.Deposits.build(s, batchers, a.Store); err != nil {
		return err
	}
	direct := evmref.New(evmref.Config{Book: s.Book, Registry: s.Registry, Codes: a.codes, Nodes: batchers, Assets: a.deposits.enabled()})
	rails := []rail.Rail{direct}
	a.routing, err = s.Routing.build(crosschain.Config{Book: s.Book, Registry: s.Registry, Codes: a.codes, Nodes: batchers, SameSafe: a.safes.sameSafe(), Log: s.Log})
	if err != nil {
		return err
	}
	if a.routing != nil {
		rails = append(rails, a.routing.rail)
	}
	rails = append(append(rails, a.deposits.rails()...), sepa.NewRail())
	var follow checkout.Tracker
	var over bridges
	if t := a.routing.tracker(s, batchers); t != nil {
		follow, over = t, t
	}
	a.Checkout = checkout.New(checkout.Config{
		Store: a.deposits.store(a.Store), Book: s.Book, Rails: rails, Prices: a.deposits.known(), Screener: a.screener(), Wallets: holdings.New(batchers, s.Registry), Tracker: follow, Safes: a.safes.port(), Gasless: a.gasless.port(), Window: s.Window, Grace: s.Grace, Settle: s.settle(), Log: s.Log,
		Nudge: a.nudge,
	})
	promises := a.deposits.promises(a.Store)
	for _, c := range s.Chains {
		sc, err := chain.NewScanner(chain.ScannerConfig{
			Client: a.nodes[c.ID], Filter: func() chain.Filter { return a.deposits.filter(c.ID, filter(direct, over, c.ID)) },
			Sink:     &sink{checkout: a.Checkout, rail: direct, bridges: over, deposits: a.deposits, promised: promises, node: a.nodes[c.ID], book: s.Book, registry: s.Registry, safes: s.Safe.table(), log: s.Log},
			Finality: c.finality(),
			Agree:    c.Agree, StartBlock: c.StartBlock, MaxRange: a.deposits.maxRange(c.MaxRange), Interval: c.Interval, Log: s.Log,
		})
		if err != nil {
			return fmt.Errorf("chain %d: %w", c.ID, err)
		}
		a.heads.scanners[c.ID], a.heads.required[c.ID] = sc, c.Confirmations
		a.scanners = append(a.scanners, sc)
	}
	return nil
}

// nudge has a chain looked at at once.
func (a *App) nudge(id asset.ChainID) {
	if sc, ok := a.heads.scanners[id]; ok {
		sc.Nudge()
	}
}

// CodeReader reads deployed code in one round trip.
func CodeReader(nodes map[asset.ChainID]chain.Batcher) official.CodeReader {
	return func(ctx context.Context, id asset.ChainID, addresses []asset.Address) ([][]byte, error) {
		node, ok := nodes[id]
		if !ok {
			return nil, fmt.Errorf("chain %d is not configured", id)
		}
		calls := make([]chain.Call, len(addresses))
		for i, at := range addresses {
			calls[i] = chain.CodeCall(at, chain.Latest)
		}
		results, err := node.Batch(ctx, calls)
		if err != nil {
			return nil, err
		}
		codes := make([][]byte, len(results))
		for i, r := range results {
			if codes[i], err = r.Bytes(); err != nil {
				return nil, fmt.Errorf("code of %s: %w", addresses[i], err)
			}
		}
		return codes, nil
	}
}

// background builds the webhook service and the worker that runs jobs.
func (a *App) background(s Setup) error {
	a.Guard = &webhook.Guard{AllowLoopback: s.AllowLoopback}
	a.Webhooks = webhook.New(webhook.Config{Store: a.Store, Guard: a.Guard, Log: s.Log, Encoders: map[string]webhook.Encoder{
		request.Name:  request.Encoder{Book: s.Book, BaseURL: s.BaseURL},
		spacepay.Name: spacepay.Encoder{Book: s.Book, Names: a.Directory, Chains: a.heads},
		secpaid.Name:  secpaid.Encoder{Kept: a.Store},
	}})
	handlers := a.Webhooks.Handlers()
	handlers[checkout.TrackKind] = track(a.Checkout.Track, "a transfer over a bridge is under way")
	// Without Safes, too: a job that nobody knows is given up, and they may come back.
	handlers[checkout.SafeTrackKind] = track(a.Checkout.TrackSafe, "a Safe transaction is waiting for its owners")
	handlers[checkout.GaslessTrackKind] = track(a.Checkout.TrackGasless, "a user operation is under way")
	handlers[checkout.PriceKind] = track(a.Checkout.PriceTransfers, "there is no price of what was sent")
	a.worker = job.NewWorker(workerConfig(a.Store, handlers, s.Log))
	return nil
}

// workerConfig is how jobs are run. Each place for a delivery is a connection to
// a receiver that may take its whole time limit to say nothing, so there are
// many; each endpoint gets a few of them.
func workerConfig(db *store.Store, handlers map[string]job.Handler, log *slog.Logger) job.Config {
	return job.Config{Queue: db, Handlers: handlers, Log: log, Wake: db.JobsReady(), Laned: 512, PerLane: 8}
}

func (a *App) routes(s Setup, sessions *web.Sessions) error {
	assets, err := static.Load()
	if err != nil {
		return err
	}
	a.Server = web.New(web.Config{BaseURL: s.BaseURL, FrameAncestors: s.FrameAncestors, TrustedProxies: s.Proxies, Log: s.Log})
	urls := templates.Assets{
		CSS: assets.URL("pay.css"), Icon: assets.URL("favicon.svg"), Script: assets.URL("pay.js"),
		Lock: assets.URL("lock.js"), Ways: assets.URL("ways.js"), Route: assets.URL("route.js"), Safe: assets.URL("safe.js"),
		Gasless: assets.URL("gasless.js"), KitLight: assets.URL("kit-light.js"), KitSafe: assets.URL("kit-safe.js"),
		Deposit: assets.URL("deposit.js"), DepositCSS: assets.URL("deposit.css"),
	}
	if s.SandboxScript {
		urls.Sandbox = assets.URL("sandbox-wallet.js")
	}
	a.Server.Static(assets)
	public := map[asset.ChainID][]string{}
	for _, c := range s.Chains {
		public[c.ID] = c.PublicRPC
	}
	limiter := a.limiter(s)
	spoken := []web.Dialect{request.Spoken(), spacepay.Spoken(), secpaid.Spoken()}
	wiring := a.wiring(s, sessions, limiter)
	for _, d := range spoken {
		d.Mount(wiring)
	}
	apidoc.Mount(apidoc.Config{Server: a.Server, BaseURL: s.BaseURL, Assets: urls, CSS: assets.URL("docs.css")})
	if s.Mount != nil {
		s.Mount(a, urls)
	}
	see := []string{http.MethodGet, http.MethodHead}
	a.Server.Echo.Match(see, "/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	a.Server.Echo.Match(see, "/readyz", a.ready, a.Server.Bounded)
	hashing, err := hkdf.Key(sha256.New, s.Keys[0], nil, "quittance wallet hash v1", 32)
	if err != nil {
		return fmt.Errorf("derive key for wallet hashes: %w", err)
	}
	pay.Mount(pay.Config{
		Server: a.Server, Checkout: a.Checkout, Directory: a.Directory, Sessions: sessions, Chains: a.heads, Assets: urls, HashKey: hashing,
		Subscribe: a.Store.Subscribe, PublicRPC: public, BaseURL: s.BaseURL, Limits: limiter, Log: s.Log,
		Dialects: spoken, Now: time.Now,
	})
	return nil
}

// wiring is what the server has for its dialects.
func (a *App) wiring(s Setup, sessions *web.Sessions, limiter *web.Limiter) web.Wiring {
	return web.Wiring{
		Server: a.Server, Checkout: a.Checkout, Directory: a.Directory, Webhooks: a.Webhooks, Store: a.Store, Sessions: sessions, Limits: limiter,
		Guard: a.Guard, Verifier: a.verifier, Book: s.Book, Chains: a.heads, Codes: a.reader, Nudge: a.nudge, Subscribe: a.Store.Subscribe,
		Priced: a.deposits.enabled(), Prices: a.deposits.known(), Sharing: a.deposits.networks(s), Restamp: a.routing.restamper(),
		BaseURL: s.BaseURL, OpenSignup: s.OpenSignup, PlaceholderChecksums: s.Placeholders, Now: time.Now,
	}
}

// CaughtUp reports whether payments can be made and would be noticed: every
// chain has been read up to its head, and the code of the contracts that take
// payments has been looked at. Whether it is the right code, pages say.
func (a *App) CaughtUp() bool {
	for id := range a.nodes {
		for _, kind := range []official.Kind{official.ERC20FeeProxy, official.EthereumFeeProxy} {
			if a.codes.Check(id, kind).Outcome == rail.Waiting {
				return false
			}
		}
	}
	return a.heads.caughtUp()
}

// PaysGas reports whether payers' gas is paid for on a chain right now.
func (a *App) PaysGas(id asset.ChainID) bool {
	if a.gasless == nil {
		return false
	}
	_, offered := a.gasless.Offer(id)
	return offered
}

// ready answers whether there is any use in sending payers here.
func (a *App) ready(c echo.Context) error {
	if err := a.Store.Ping(c.Request().Context()); err != nil {
		return c.String(http.StatusServiceUnavailable, "the database does not answer\n")
	}
	if !a.CaughtUp() {
		return c.String(http.StatusServiceUnavailable, "a chain is still being read\n")
	}
	return c.String(http.StatusOK, "ready\n")
}

const (
	sweepEvery = 5 * time.Second // how often payments whose window has passed are looked for
	keepEvery  = time.Minute     // how often what has served its time is deleted
)

// stopWithin is how long a stop may take; open requests have most of it.
const stopWithin = 15 * time.Second

// settle is how long what is in a block may take to become known: some looks at the
// chain that is looked at least often.
func (s Setup) settle() time.Duration {
	const looks = 5
	var slowest time.Duration
	for _, c := range s.Chains {
		slowest = max(slowest, cmp.Or(c.Interval, chain.DefaultInterval))
	}
	return looks * slowest
}

// Run answers on l (on nothing if it is nil) and does the background work until
// ctx ends or a part fails: a checkout whose watcher died must not go on taking
// payments.
func (a *App) Run(ctx context.Context, l net.Listener) error {
	parts := []lifecycle.Part{
		{Name: "code watch", Run: a.codes.Run},
		{Name: "jobs", Run: a.worker.Run},
		{Name: "expiry", Run: a.expire},
		{Name: "housekeeping", Run: a.keepHouse},
	}
	if a.screening != nil && a.screening.List() != nil {
		parts = append(parts, lifecycle.Part{Name: "sanctions list", Run: a.screening.List().Run})
	}
	parts = append(parts, a.routing.parts()...)
	parts = append(parts, a.gasless.parts()...)
	parts = append(parts, a.deposits.parts()...)
	for _, sc := range a.scanners {
		parts = append(parts, lifecycle.Part{Name: "scanner", Run: sc.Run})
	}
	if l != nil {
		parts = append(parts, lifecycle.Part{Name: "http", Stage: lifecycle.Serve, Run: func(ctx context.Context) error { return a.Server.Serve(ctx, l) }})
	}
	return (&lifecycle.Group{StopWithin: stopWithin, Log: a.log}).Run(ctx, parts...)
}

// expire closes payments whose window has passed, but only while every scanner
// has caught up: money that arrived in time while we were down counts first.
func (a *App) expire(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !a.heads.caughtUp() {
			continue
		}
		if n, err := a.Checkout.ExpireOverdue(ctx); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "expiry sweep failed", "err", err)
		} else if n > 0 {
			a.log.InfoContext(ctx, "payments expired", "count", n)
		}
	}
}

// Close releases what was opened. It waits for writes under way.
func (a *App) Close() error {
	for _, n := range a.nodes {
		n.Close()
	}
	if a.screening != nil {
		a.screening.Close()
	}
	if a.routing != nil {
		a.routing.rail.Close()
		a.routing.client.Close()
	}
	a.safes.close()
	a.gasless.close()
	a.deposits.close()
	if a.Store == nil {
		return nil
	}
	return a.Store.Close()
}
