// Package crosschain is the rail over bridges and exchanges: a payment in one
// dollar token is paid with another, of the same chain or of another one, by a
// route that LI.FI offers and package lifi proves. It knows routes, their prices
// and what a payer must sign for them. It must not know stores, pages or other
// rails, and it believes neither the routing service nor a node further than
// calldata, pins and a trial run show.
package crosschain

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lifi"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// ID is the rail's id.
const ID rail.ID = "crosschain"

// DefaultMaxCost is what a way may cost on top of what is required. Honest
// routes between dollars take well under 1 %; this leaves room for small
// amounts, of which a relayer's gas is a larger part.
const DefaultMaxCost money.BasisPoints = 500

// Config is what a Rail is made of.
type Config struct {
	Book     *asset.Book
	Registry *official.Registry
	Codes    *official.Codes
	// Nodes are the chains that can be asked; only those are offered.
	Nodes  map[asset.ChainID]chain.Batcher
	Client *lifi.Client // its Table is what routes are held against
	// Bridges are those the client may use, by LI.FI's names; both if empty.
	Bridges []string
	MaxCost money.BasisPoints // DefaultMaxCost if zero
	MaxFee  money.BasisPoints // lifi.DefaultMaxFee if zero
	// SameSafe finds out whether an address is a Safe on a chain, and on another one
	// a Safe of the same owners: what a bridge gives back to it, or has left there,
	// is then theirs. With nil no Safe pays from another chain.
	//
	// Faults: Invalid on the field "wallet", "safe_not_there" if it is no such Safe on
	// the second chain; Unavailable.
	SameSafe func(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error
	Now      func() time.Time // time.Now if nil
	Log      *slog.Logger     // nothing is logged if nil
}

// Rail is the rail over bridges and exchanges. It is safe for concurrent use.
// It offers nothing until SetPins was told that the service's contracts are the
// pinned ones and Run has learnt which chains are connected.
type Rail struct {
	book     *asset.Book
	registry *official.Registry
	codes    *official.Codes
	nodes    map[asset.ChainID]chain.Batcher
	client   *lifi.Client
	table    *lifi.Table
	bridges  []string
	maxCost  money.BasisPoints
	maxFee   money.BasisPoints
	now      func() time.Time
	log      *slog.Logger

	tools  atomic.Pointer[lifi.Tools] // nil until they are known
	pins   pins
	offers *offers
	safes  *safes
}

var (
	_ rail.Rail           = (*Rail)(nil)
	_ rail.Pricer         = (*Rail)(nil)
	_ rail.Explainer      = (*Rail)(nil)
	_ rail.PayerExplainer = (*Rail)(nil)
	_ rail.Claimer        = (*Rail)(nil)
)

// New returns the rail. It asks nobody.
func New(c Config) *Rail {
	r := &Rail{
		book: c.Book, registry: c.Registry, codes: c.Codes, nodes: c.Nodes, client: c.Client, table: c.Client.Table(),
		bridges: slices.Clone(c.Bridges), maxCost: cmp.Or(c.MaxCost, DefaultMaxCost), maxFee: cmp.Or(c.MaxFee, lifi.DefaultMaxFee),
		now: c.Now, log: c.Log, offers: newOffers(),
	}
	if len(r.bridges) == 0 {
		r.bridges = []string{lifi.BridgeAcross, lifi.BridgeStargate}
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.safes = newSafes(c.SameSafe, r.now)
	return r
}

// Close ends the questions under way and waits for them.
func (r *Rail) Close() { r.offers.close() }

// ID implements rail.Rail.
func (r *Rail) ID() rail.ID { return ID }

// pins is the last verdict on the service's contracts.
type pins struct {
	mu        sync.Mutex
	confirmed bool
	wrong     bool
}

// SetPins takes the outcome of lifi.Client.CheckPins: nil turns the rail on, a
// *lifi.PinError off, and any other error, of a service that was not reached,
// leaves the last verdict. Raising the alarm is the caller's.
func (r *Rail) SetPins(err error) {
	r.pins.mu.Lock()
	defer r.pins.mu.Unlock()
	_, wrong := errors.AsType[*lifi.PinError](err)
	if err == nil || wrong {
		r.pins.confirmed, r.pins.wrong = !wrong, wrong
	}
}

const (
	// toolsEvery is how often the connections are looked at again; the client
	// itself asks once an hour.
	toolsEvery = 10 * time.Minute
	toolsRetry = 15 * time.Second
)

// Run keeps the map of connected chains filled until the context ends; it
// returns nil then. Offers are made from that map alone: they are made on every
// page load, which must not wait for a routing service, and a map that is an
// hour old misleads nobody, because the price is asked for before anything is
// signed.
func (r *Rail) Run(ctx context.Context) error {
	for {
		wait := toolsEvery
		if tools, err := r.client.Tools(ctx); err == nil {
			r.tools.Store(&tools)
		} else if ctx.Err() == nil {
			r.log.WarnContext(ctx, "the routing service did not say which chains it connects", "rail", ID, "err", err)
			wait = toolsRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
