package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/store"
	"quittance/internal/telemetry"
)

// readings are the numbers that are read when somebody looks.
func (a *App) readings(s Setup) {
	m := a.watch.metrics
	m.Add(a.scannerNumbers()...)
	m.Add(a.endpointNumbers()...)
	m.Add(a.databaseNumbers()...)
	m.Add(a.serviceNumbers(s)...)
	m.Add(telemetry.Number{Name: "http_streams_open", Help: "Pages that follow a payment at the moment.", Read: func(emit telemetry.Emit) { emit(float64(a.Server.Streams())) }})
}

// scans are the scanners whose chain is read here; of the others their node tells.
func (a *App) scans(each func(network string, h chain.ScanHealth)) {
	for id, sc := range a.heads.scanners {
		if k := a.heads.keeper; k == nil || k.Holds(chainLease(id)) {
			each(a.watch.network(id), sc.Health())
		}
	}
}

// scanStates are all there are, so that each is a series from the start.
var scanStates = []chain.ScanState{chain.Starting, chain.CatchingUp, chain.Following, chain.Lagging, chain.Failing, chain.PastFinality}

func (a *App) scannerNumbers() []telemetry.Number {
	of := func(name, help string, value func(chain.ScanHealth) (float64, bool)) telemetry.Number {
		return telemetry.Number{Name: "scanner_" + name, Help: help, Labels: []string{"chain"}, Read: func(emit telemetry.Emit) {
			a.scans(func(network string, h chain.ScanHealth) {
				if v, known := value(h); known {
					emit(v, network)
				}
			})
		}}
	}
	block := func(b chain.Block) (float64, bool) { return float64(b.Number), b.Hash != "" }
	return []telemetry.Number{
		of("head_block", "The chain's newest block at the last look.", func(h chain.ScanHealth) (float64, bool) { return block(h.Head) }),
		of("cursor_block", "The newest block that was searched.", func(h chain.ScanHealth) (float64, bool) { return block(h.Cursor) }),
		of("final_block", "The newest block that was searched and is final.", func(h chain.ScanHealth) (float64, bool) { return float64(h.Final), h.Final > 0 }),
		of("distance_blocks", "Blocks between the chain's newest and the newest that was searched.", func(h chain.ScanHealth) (float64, bool) {
			return max(0, float64(h.Head.Number)-float64(h.Cursor.Number)), h.Head.Hash != "" && h.Cursor.Hash != ""
		}),
		of("head_age_seconds", "How long ago the chain's newest block was made, by its own time.", func(h chain.ScanHealth) (float64, bool) {
			return max(0, time.Since(h.Head.Time).Seconds()), !h.Head.Time.IsZero()
		}),
		of("look_age_seconds", "How long ago a look at the chain ended well.", func(h chain.ScanHealth) (float64, bool) {
			return time.Since(h.LastLook).Seconds(), !h.LastLook.IsZero()
		}),
		of("caught_up", "Whether everything up to the chain's newest block was searched.", func(h chain.ScanHealth) (float64, bool) { return truth(h.CaughtUp), true }),
		of("disagreement", "Whether blocks that should be final are not, because endpoints do not agree.", func(h chain.ScanHealth) (float64, bool) { return truth(h.Disagreement != ""), true }),
		{Name: "scanner_state", Help: "What the scanner does; 1 for its state.", Labels: []string{"chain", "state"}, Read: func(emit telemetry.Emit) {
			a.scans(func(network string, h chain.ScanHealth) {
				for _, state := range scanStates {
					emit(truth(h.State == state), network, string(state))
				}
			})
		}},
		{Name: "lease_held", Help: "Whether this node does what one node does for all.", Labels: []string{"name"}, Read: a.leases},
	}
}

// leases tells of all that one node does for all; a node that is alone does it all.
func (a *App) leases(emit telemetry.Emit) {
	names := []string{"archive", "expiry", "housekeeping", "search packs"}
	for id := range a.heads.scanners {
		names = append(names, chainLease(id))
	}
	for _, name := range names {
		emit(truth(a.heads.keeper == nil || a.heads.keeper.Holds(name)), name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// endpoints are the chains' endpoints, each under a name of its own.
func (a *App) endpoints(each func(network, name string, h chain.EndpointHealth)) {
	for id, n := range a.nodes {
		times := map[string]int{}
		for _, h := range n.Health() {
			_, name, ok := strings.Cut(h.Name, "://")
			if !ok {
				name = h.Name
			}
			if times[name]++; times[name] > 1 {
				name = fmt.Sprintf("%s #%d", name, times[name])
			}
			each(a.watch.network(id), name, h)
		}
	}
}

var endpointStates = []chain.EndpointState{chain.Unproven, chain.Good, chain.Resting, chain.Refused, chain.Aside}

func (a *App) endpointNumbers() []telemetry.Number {
	number := func(name, help string, kind telemetry.Kind, value func(chain.EndpointHealth) float64) telemetry.Number {
		return telemetry.Number{Name: "rpc_" + name, Help: help, Kind: kind, Labels: []string{"chain", "endpoint"}, Read: func(emit telemetry.Emit) {
			a.endpoints(func(network, name string, h chain.EndpointHealth) { emit(value(h), network, name) })
		}}
	}
	kinds := func(name, help string, of func(chain.EndpointHealth) map[chain.Kind]uint64) telemetry.Number {
		return telemetry.Number{Name: "rpc_" + name, Help: help, Kind: telemetry.Counter, Labels: []string{"chain", "endpoint", "kind"}, Read: func(emit telemetry.Emit) {
			a.endpoints(func(network, name string, h chain.EndpointHealth) {
				for kind, n := range of(h) {
					emit(float64(n), network, name, string(kind))
				}
			})
		}}
	}
	return []telemetry.Number{
		number("requests_total", "Round trips to an endpoint of a chain.", telemetry.Counter, func(h chain.EndpointHealth) float64 { return float64(h.Requests) }),
		number("hedges_total", "Round trips because another endpoint was slow.", telemetry.Counter, func(h chain.EndpointHealth) float64 { return float64(h.Hedges) }),
		number("hedges_won_total", "Those that were answered before the slow one.", telemetry.Counter, func(h chain.EndpointHealth) float64 { return float64(h.HedgesWon) }),
		kinds("failures_total", "Failures of an endpoint, by kind.", func(h chain.EndpointHealth) map[chain.Kind]uint64 { return h.Failed }),
		kinds("lies_total", "What an endpoint said and was found wrong, by kind.", func(h chain.EndpointHealth) map[chain.Kind]uint64 { return h.Lies }),
		number("latency_seconds", "How long an endpoint takes to answer, smoothed.", telemetry.Gauge, func(h chain.EndpointHealth) float64 { return h.Latency.Seconds() }),
		number("head_block", "The newest block that an endpoint told of.", telemetry.Gauge, func(h chain.EndpointHealth) float64 { return float64(h.Head) }),
		{Name: "rpc_endpoint_state", Help: "Whether an endpoint is used; 1 for its state.", Labels: []string{"chain", "endpoint", "state"}, Read: func(emit telemetry.Emit) {
			a.endpoints(func(network, name string, h chain.EndpointHealth) {
				for _, state := range endpointStates {
					emit(truth(h.State == state), network, name, string(state))
				}
			})
		}},
	}
}

func (a *App) serviceNumbers(s Setup) []telemetry.Number {
	return []telemetry.Number{
		{Name: "service_available", Help: "Whether a service is asked; 0 while it is left alone after failures.", Labels: []string{"service"}, Read: func(emit telemetry.Emit) {
			if r := oneWith[*routing](a.rails); r != nil {
				emit(truth(r.client.Available()), "routes")
			}
			if a.pricing.api != nil {
				emit(truth(a.pricing.api.Available()), "prices")
			}
		}},
		{Name: "gas_offered", Help: "Whether payers' gas is paid for: bundler and sponsor answer.", Labels: []string{"chain"}, Read: func(emit telemetry.Emit) {
			if s.Gasless != nil {
				for id := range s.Gasless.Chains {
					emit(truth(a.PaysGas(id)), a.watch.network(id))
				}
			}
		}},
		{Name: "gas_budget_coins", Help: "What may be spent on payers' gas in a day, in the chain's coin.", Labels: []string{"chain"}, Read: func(emit telemetry.Emit) {
			if s.Gasless != nil {
				for id, g := range s.Gasless.Chains {
					emit(a.watch.coins(id, g.Budget.ChainDay), a.watch.network(id))
				}
			}
		}},
	}
}

// coins is an amount of a chain's own coin, as near as a number can be.
func (w *watch) coins(id asset.ChainID, wei *big.Int) float64 {
	c, ok := w.book.Chain(id)
	if !ok || wei == nil {
		return 0
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Native.Decimals)), nil)
	v, _ := new(big.Rat).SetFrac(wei, unit).Float64()
	return v
}

func (a *App) databaseNumbers() []telemetry.Number {
	pool := func(name, help string, kind telemetry.Kind, value func(store.Pool) float64) telemetry.Number {
		return telemetry.Number{Name: "database_" + name, Help: help, Kind: kind, Read: func(emit telemetry.Emit) { emit(value(a.Store.Pool())) }}
	}
	waiting := func(name, help string, labels []string, read func(store.Backlog, time.Time, telemetry.Emit)) telemetry.Number {
		return telemetry.Number{Name: name, Help: help, Labels: labels, Read: func(emit telemetry.Emit) {
			if b, at := a.watch.backlog.look(a); !at.IsZero() {
				read(b.Backlog, time.Now(), emit)
			}
		}}
	}
	age := func(since, now time.Time) float64 {
		if since.IsZero() {
			return 0
		}
		return max(0, now.Sub(since).Seconds())
	}
	some := fmt.Sprintf("; counted up to %d.", store.MostCounted)
	return []telemetry.Number{
		pool("connections_open", "Connections to the database, of SQLite those that read.", telemetry.Gauge, func(p store.Pool) float64 { return float64(p.Open) }),
		pool("connections_in_use", "Those that are busy.", telemetry.Gauge, func(p store.Pool) float64 { return float64(p.InUse) }),
		pool("connection_waits_total", "How often somebody waited for a connection.", telemetry.Counter, func(p store.Pool) float64 { return float64(p.Waits) }),
		pool("connection_wait_seconds_total", "How long, all together.", telemetry.Counter, func(p store.Pool) float64 { return p.Waited.Seconds() }),
		pool("writes_waiting", "Writes that wait for their turn, with SQLite.", telemetry.Gauge, func(p store.Pool) float64 { return float64(p.Writes) }),
		{Name: "database_up", Help: "Whether the database told in time what waits.", Read: func(emit telemetry.Emit) {
			_, at := a.watch.backlog.look(a)
			emit(truth(!at.IsZero()))
		}},
		waiting("jobs_due", "Background jobs whose time has come, those that run included"+some, nil, func(b store.Backlog, _ time.Time, emit telemetry.Emit) { emit(float64(b.Due)) }),
		waiting("jobs_queued", "Background jobs by kind, those that wait for their time included"+some, []string{"kind"}, func(b store.Backlog, _ time.Time, emit telemetry.Emit) {
			for _, kind := range a.watch.kinds {
				emit(float64(b.Kinds[kind]), kind)
			}
		}),
		waiting("jobs_buried", "Background jobs that were given up"+some, nil, func(b store.Backlog, _ time.Time, emit telemetry.Emit) { emit(float64(b.Buried)) }),
		waiting("job_oldest_due_seconds", "For how long the oldest due job waits for a worker.", nil, func(b store.Backlog, now time.Time, emit telemetry.Emit) { emit(age(b.OldestDue, now)) }),
		waiting("webhooks_undelivered", "Webhook deliveries that are still tried"+some, nil, func(b store.Backlog, _ time.Time, emit telemetry.Emit) { emit(float64(b.Undelivered)) }),
		waiting("webhook_oldest_undelivered_seconds", "How old the oldest of them is.", nil, func(b store.Backlog, now time.Time, emit telemetry.Emit) { emit(age(b.Oldest, now)) }),
		{Name: "gas_spent_coins", Help: "What was promised and spent on payers' gas today (UTC), in the chain's coin.", Labels: []string{"chain"}, Read: func(emit telemetry.Emit) {
			b, _ := a.watch.backlog.look(a)
			for id, wei := range b.gas {
				emit(a.watch.coins(id, wei), a.watch.network(id))
			}
		}},
	}
}

// backlog is what waits in the database, as of a few seconds ago.
type backlog struct {
	looks sync.WaitGroup

	mu    sync.Mutex
	last  waits
	at    time.Time     // of the last look that ended well
	begun time.Time     // of the last look
	busy  chan struct{} // closed when the look under way ends, nil for none
}

type waits struct {
	store.Backlog
	gas map[asset.ChainID]*big.Int // spent today, in wei
}

const (
	lookAgain  = 5 * time.Second  // how long what was seen is told again
	lookWithin = 10 * time.Second // how long a look may take
	lookWait   = time.Second      // how long somebody who asks waits for one
	lookOld    = 30 * time.Second // after how long what was seen is told no more
)

// look is what waits, and when that was so; zero if the database does not tell. It
// waits for a second at most: numbers are wanted when the database hangs, too.
func (b *backlog) look(a *App) (waits, time.Time) {
	b.mu.Lock()
	if time.Since(b.begun) > lookAgain && b.busy == nil {
		b.begun, b.busy = time.Now(), make(chan struct{})
		b.looks.Go(func() { b.renew(a) })
	}
	busy := b.busy
	b.mu.Unlock()
	if busy != nil {
		select {
		case <-busy:
		case <-time.After(lookWait):
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.at) > lookOld {
		return waits{}, time.Time{}
	}
	return b.last, b.at
}

// renew looks into the database.
func (b *backlog) renew(a *App) {
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	now := time.Now().UTC()
	seen, err := a.waits(ctx, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.busy)
	b.busy = nil
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelDebug, "what waits could not be counted", slog.Any("err", err))
		return
	}
	b.last, b.at = seen, now
}

func (a *App) waits(ctx context.Context, now time.Time) (w waits, err error) {
	if w.Backlog, err = a.Store.Backlog(ctx, now); err != nil {
		return waits{}, err
	}
	w.gas = map[asset.ChainID]*big.Int{}
	for _, id := range a.watch.sponsored {
		if w.gas[id], err = a.Store.GasOfDay(ctx, id, now, now.Add(-checkout.GrantFor)); err != nil {
			return waits{}, fmt.Errorf("add up gas: %w", err)
		}
	}
	return w, nil
}
