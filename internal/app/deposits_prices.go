package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/rate"
)

// tellAgain is how often the same reason for a missing price is logged.
const tellAgain = time.Minute

// prices are the sources' for the checkout, by the currency that they tell prices in. Why
// there is none is for operators: it is logged, and nobody else learns it.
type prices struct {
	in  map[asset.ID]rate.Source
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	told map[pair]toldWhy
}

// pair is an asset and the currency that its price is in.
type pair struct{ in, of asset.ID }

type toldWhy struct {
	why rate.Why
	at  time.Time
}

var _ checkout.Prices = (*prices)(nil)

// newPrices tells prices in dollars by a source of them, and in euros by what the same
// source says a euro costs.
func newPrices(dollars rate.Source, log *slog.Logger) *prices {
	in := map[asset.ID]rate.Source{asset.USD: dollars, asset.EUR: rate.Euro{Dollars: dollars}}
	return &prices{in: in, log: logged(log), now: time.Now, told: map[pair]toldWhy{}}
}

// Prices implements checkout.Prices.
func (p *prices) Prices(ctx context.Context, in asset.ID, of []asset.ID) map[asset.ID]money.Price {
	source, ok := p.in[in]
	if !ok {
		return nil
	}
	out := map[asset.ID]money.Price{}
	for id, a := range source.Prices(ctx, of) {
		if a.Err == nil {
			out[id] = a.Price
		}
		p.tell(ctx, pair{in, id}, a.Err)
	}
	return out
}

// tell logs that an asset has no price, or that it has one again, but not over and over.
func (p *prices) tell(ctx context.Context, x pair, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before, missing := p.told[x]
	if err == nil {
		if missing {
			delete(p.told, x)
			p.log.InfoContext(ctx, "there is a price again", "asset", x.of, "currency", x.in)
		}
		return
	}
	why := rate.Unreachable
	if e, ok := errors.AsType[*rate.Error](err); ok {
		why = e.Why
	}
	if missing && before.why == why && p.now().Sub(before.at) < tellAgain {
		return
	}
	p.told[x] = toldWhy{why, p.now()}
	p.log.WarnContext(ctx, "no price: nothing is quoted in this asset", "asset", x.of, "currency", x.in, "why", why, "err", err)
}

// logged is a log that may be left out.
func logged(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
