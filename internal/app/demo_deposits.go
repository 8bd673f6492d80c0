//go:build !nosandbox

package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rate"
	"quittance/internal/sandbox"
	"quittance/web"
	"quittance/web/spacepay"
)

// Where the demo's prices are and are told what to be, and where its exchange pays out,
// all but the first two followed by "/" and a network.
const (
	pricesPath       = "/sandbox/prices"
	pricesControl    = "/sandbox/control/prices"
	feedsControlPath = "/sandbox/control/feeds"
	exchangePath     = "/sandbox/exchange"
)

// The demo merchant's key for deposit addresses: the first account (m/44'/60'/0') of the
// test phrase that everybody has, "test test … junk", so that the demo's addresses can be
// swept. The server has the public one only.
const (
	demoXPub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
	demoXPrv = "xprv9yeny6n2dNUokQFykGoZU6BDLeKbEBUoBeCFe2VF6MXdrHrprMYRc4tddncDRxrJCy7GtPDk68zRcgWtGFveqdCV5NyhZwVgMoZVbTm78vx"
	demoPath = "m/44'/60'/0'"
)

// demoPool is how many addresses are kept ahead: looking at each costs the start a moment.
const demoPool = 100

// demoDeposits has every asset of both chains priced by a feed on its chain, which must
// agree with the price API. What a euro costs is the first chain's word, held against the
// same API. What prices are told is felt within a second.
func demoDeposits(chains *sandbox.Chains, prices *sandbox.Prices) (*DepositSetup, error) {
	names := map[asset.ID]string{}
	s := &DepositSetup{Pool: demoPool, Keep: time.Second, Prices: PriceSetup{
		Feeds: map[asset.ChainID]FeedSetup{}, API: &rate.APIConfig{URL: prices.URL, IDs: names, PerMinute: 100_000},
	}}
	for i, c := range chains.All() {
		feeds := FeedSetup{Feeds: map[asset.ID]rate.Feed{}}
		var err error
		if feeds.Sequencer, err = asset.ParseAddress(c.Sequencer); err != nil {
			return nil, fmt.Errorf("sandbox sequencer feed: %w", err)
		}
		for _, p := range sandbox.PricedAssets() {
			at, err := asset.ParseAddress(c.Feeds[p.Symbol])
			if err != nil {
				return nil, fmt.Errorf("sandbox feed of %s: %w", p.Symbol, err)
			}
			id := asset.ID(p.Symbol + "-" + c.Network)
			if asset.ID(p.Symbol) == asset.EUR {
				if i > 0 {
					continue // an asset has one feed
				}
				id = asset.EUR
			}
			feeds.Feeds[id], names[id] = rate.Feed{Address: at, MaxAge: 5 * sandbox.FeedEvery}, p.Name
		}
		s.Prices.Feeds[asset.ChainID(c.ChainID)] = feeds
	}
	return s, nil
}

// seedBranch gives the demo's merchant its key for deposit addresses.
func seedBranch(ctx context.Context, a *App, m payment.MerchantID, life time.Duration) error {
	_, err := a.Store.Branch(ctx, m)
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	id, err := demoBranch()
	if err != nil {
		return err
	}
	return a.Store.SetBranch(ctx, merchant.Branch{ID: id, Merchant: m, XPub: demoXPub, Life: life, Active: true, CreatedAt: time.Now().UTC()})
}

// demoPatience is how long the demo waits for addresses and prices when it starts.
const demoPatience = 20 * time.Second

// demoDeposit makes a payment of 25 dollars and returns its link. The first addresses are
// looked at when the server has started, so it waits for them.
func demoDeposit(ctx context.Context, a *App, kept *kept, baseURL string) (string, error) {
	_, hash := spacepay.NewPaymentSecret()
	d := checkout.Draft{
		Merchant: kept.MerchantID, Dialect: spacepay.Name, Requests: []checkout.DraftRequest{{Fiat: asset.USD, Amount: money.Cents(2500)}},
		Reference: "ORDER-1004", RedirectURL: baseURL + webhooksPath, Metadata: `{"cartId":"abc123","promo":"SUMMER24"}`,
		Alias: web.NewUUID(), SecretHash: hash, Exact: true, Window: spacepay.Life,
	}
	branch, err := demoBranch()
	if err != nil {
		return "", err
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(demoPatience); ; {
		free, err := a.Store.FreeAddresses(ctx, branch)
		if err != nil {
			return "", err
		}
		if len(free) > 0 {
			break
		}
		if time.Now().After(deadline) {
			return "", errors.New("no deposit address was found untouched")
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-poll.C:
		}
	}
	_, _, err = a.Checkout.Create(ctx, d, nil, func(*payment.Payment) (checkout.Answer, error) {
		return checkout.Answer{Status: http.StatusCreated}, nil
	})
	return baseURL + spacepay.Link(d.Alias), err
}

// demoBranch is the id of the demo merchant's key.
func demoBranch() (string, error) {
	branch, err := hdkey.OpenBranch(demoXPub)
	if err != nil {
		return "", err
	}
	return branch.ID()
}

// demoKey is the key material of the demo's deposit addresses. Nobody's money is there.
type demoKey struct {
	XPub string `json:"xpub"`
	XPrv string `json:"xprv"`
	Path string `json:"path"` // of the account
}
