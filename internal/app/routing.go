package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"quittance/internal/asset"
	"quittance/internal/config"
	"quittance/internal/lifecycle"
	"quittance/internal/lifi"
	"quittance/internal/money"
	"quittance/internal/rail/crosschain"
)

// RoutingSetup is how routes from other chains and tokens are offered.
type RoutingSetup struct {
	// Service is whom routes are asked of; its Table is what they are held against.
	Service lifi.Config
	MaxCost money.BasisPoints // what a route may cost at most; the rail's default if zero
}

// routing is the service and the rail over it.
type routing struct {
	client *lifi.Client
	rail   *crosschain.Rail
	pins   pinWatch
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

// build makes the client and the rail of the setup; nil if there is no routing.
// cfg holds what the rail gets from elsewhere.
func (s *RoutingSetup) build(cfg crosschain.Config) (*routing, error) {
	if s == nil {
		return nil, nil
	}
	client, err := lifi.NewClient(s.Service)
	if err != nil {
		return nil, fmt.Errorf("routing: %w", err)
	}
	cfg.Client, cfg.Bridges, cfg.MaxCost = client, s.Service.Bridges, s.MaxCost
	r := crosschain.New(cfg)
	return &routing{client: client, rail: r, pins: pinWatch{check: client.CheckPins, tell: r.SetPins, log: cfg.Log}}, nil
}

// parts is what runs in the background. None of it can fail: payments that need
// no route go on without the service.
func (r *routing) parts() []lifecycle.Part {
	if r == nil {
		return nil
	}
	return []lifecycle.Part{{Name: "routes", Run: r.rail.Run}, {Name: "routing pins", Run: r.pins.run}}
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
