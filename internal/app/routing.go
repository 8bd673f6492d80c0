package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/config"
	"quittance/internal/lifecycle"
	"quittance/internal/lifi"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/web"
)

// RoutingSetup is how routes from other chains and tokens are offered.
type RoutingSetup struct {
	// Service is whom routes are asked of; its Table is what they are held against.
	Service lifi.Config
	MaxCost money.BasisPoints // what a route may cost at most; the rail's default if zero
}

// realRouting is the configured service over the configured chains, as far as
// they are pinned; nil if there are none, or if it is switched off.
func realRouting(c config.Routing, book *asset.Book) (*RoutingSetup, error) {
	var networks []lifi.Network
	all := lifi.Pinned()
	for _, x := range book.Chains() {
		if n, ok := all.Network(x.ID); ok {
			networks = append(networks, n)
		}
	}
	if !c.On() || len(networks) == 0 {
		return nil, nil
	}
	table, err := lifi.NewTable(networks)
	if err != nil {
		return nil, fmt.Errorf("routing: %w", err)
	}
	return &RoutingSetup{MaxCost: money.BasisPoints(c.MaxCost), Service: lifi.Config{
		BaseURL: c.BaseURL, APIKey: string(c.APIKey), Integrator: c.Integrator, Bridges: c.Bridges,
		Slippage: money.BasisPoints(c.Slippage), Table: table, Timeout: time.Duration(c.Timeout),
	}}, nil
}

// routing is the rail over other chains and tokens, what follows its transfers, and the
// service that both ask.
type routing struct {
	*crosschain.Rail
	*crosschain.Tracker
	client *lifi.Client
	pins   pinWatch
}

// newRouting makes the rail; nil if there is no routing.
func newRouting(g ground) (rail.Rail, error) {
	s := g.Routing
	if s == nil {
		return nil, nil
	}
	client, err := lifi.NewClient(s.Service)
	if err != nil {
		return nil, fmt.Errorf("routing: %w", err)
	}
	finality := map[asset.ChainID]chain.Finality{}
	for _, c := range g.Chains {
		finality[c.ID] = c.finality()
	}
	r := crosschain.New(crosschain.Config{
		Book: g.Book, Registry: g.Registry, Codes: g.codes, Nodes: g.nodes, SameSafe: sameSafe(g.safes),
		Client: client, Bridges: s.Service.Bridges, MaxCost: s.MaxCost, Log: g.Log,
	})
	return &routing{
		Rail: r, client: client, pins: pinWatch{check: client.CheckPins, tell: r.SetPins, log: g.Log},
		Tracker: crosschain.NewTracker(crosschain.TrackerConfig{Book: g.Book, Client: client, Nodes: g.nodes, Finality: finality, Safes: g.Safe.table()}),
	}, nil
}

// Run keeps what is known of the service fresh until ctx ends. It cannot fail: payments that
// need no route go on without the service.
func (r *routing) Run(ctx context.Context) error {
	return lifecycle.Run(ctx, lifecycle.Part{Name: "routes", Run: r.Rail.Run}, lifecycle.Part{Name: "pins", Run: r.pins.run})
}

// Close ends questions to the service.
func (r *routing) Close() {
	r.Rail.Close()
	r.client.Close()
}

// Restamped implements restamper.
func (r *routing) Restamped(ctx context.Context, p *payment.Payment, owner asset.Address, step []byte) (web.Stamped, error) {
	got, err := r.RestampFor(ctx, p, owner, step)
	if err != nil {
		return web.Stamped{}, err
	}
	tx := got.Step.Transaction
	return web.Stamped{
		Chain: tx.Chain, From: tx.From, Give: got.Give, ExpiresAt: got.ExpiresAt, Deadline: got.Deadline, Raw: got.Step.Raw,
		Call: rail.Call{Kind: rail.Pay, To: tx.To, Data: tx.Data, Value: tx.Value, Gas: got.Step.Gas},
	}, nil
}

// pinWatch compares the routing service's contracts with the pinned ones again
// and again.
type pinWatch struct {
	check func(context.Context) error
	tell  func(error) // hears the outcome of every comparison
	log   *slog.Logger
}

const (
	// pinsEvery is how often the contracts are compared. The client keeps the
	// service's answer for an hour, so less would compare the same one again.
	pinsEvery = time.Hour + time.Minute
	// A service that was not reached is asked again after these pauses, each twice
	// the one before.
	pinsRetryMin, pinsRetryMax = 5 * time.Second, 10 * time.Minute
)

// run compares until ctx ends, and returns nil then.
func (w *pinWatch) run(ctx context.Context) error {
	retry, before := pinsRetryMin, errors.New("never compared")
	for {
		err := w.check(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.tell(err)
		wait := pinsEvery
		switch _, wrong := errors.AsType[*lifi.PinError](err); {
		case wrong:
			w.log.ErrorContext(ctx, "ALARM: the routing service's contracts are not the pinned ones; no routes are offered", "rail", crosschain.ID, "err", err)
		case err != nil:
			w.log.WarnContext(ctx, "the routing service was not reached", "rail", crosschain.ID, "err", err)
			wait, retry = retry, min(2*retry, pinsRetryMax)
		case before != nil:
			w.log.InfoContext(ctx, "the routing service's contracts are the pinned ones", "rail", crosschain.ID)
		}
		if before = err; wait == pinsEvery {
			retry = pinsRetryMin
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
