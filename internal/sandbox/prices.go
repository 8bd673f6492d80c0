//go:build !nosandbox

package sandbox

import (
	"fmt"
	"net/http"
	"time"

	"quittance/internal/rate/market"
)

// Prices is a price API beside the feeds, with the same prices until it is told otherwise.
type Prices struct {
	URL    string // the API's base, on loopback
	Market *market.Market

	server *loopback
}

// StartPrices starts the price API.
func StartPrices() (*Prices, error) {
	dollars := map[string]string{}
	for _, p := range PricedAssets() {
		dollars[p.Name] = p.Dollars
	}
	m := market.New(time.Now, dollars)
	server, err := listen(m)
	if err != nil {
		return nil, fmt.Errorf("sandbox price API: %w", err)
	}
	return &Prices{URL: server.url, Market: m, server: server}, nil
}

// Close stops it and waits until it has.
func (p *Prices) Close() error { return p.server.close() }

// Control tells the API how to behave: see market.Market.Control. It is asked under any path.
func (p *Prices) Control() http.Handler {
	inner := p.Market.Control()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = "/"
		inner.ServeHTTP(w, r)
	})
}
