package webtest

import (
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rate"
	"quittance/internal/rate/market"
)

// XPub is the account that the merchant's addresses are derived from, m/44'/60'/0' of the
// test phrase that everybody has ("test test … junk").
const XPub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"

// Deposits has payments in dollars made. The zero value is all assets of one chain, with
// feeds on it and a second source that agrees with them, and a merchant with a key.
type Deposits struct {
	Two     bool           // the sandbox's other chain, too
	Assets  []asset.ID     // the enabled ones; all if empty
	Pool    int            // free addresses; 20 if zero
	Slice   int            // addresses that have their turn at one block; the rail's own if zero
	Life    time.Duration  // of a payment, by the merchant's key; the dialect's own if zero
	Quoted  asset.ID       // what first quotes are in, by the merchant's key
	NoKey   bool           // the merchant has no key for addresses yet
	OneOnly bool           // feeds and no second source
	Market  *market.Market // one that is set up already
	Alone   bool           // the feeds' word is enough while the second source has no price
	NoEuro  bool           // nobody is asked what a euro costs
}

// What things cost until a test says otherwise, with eight decimals.
const (
	ETHPrice  = "3742.05353900"
	USDCPrice = "0.99985000"
	USDTPrice = "1.00021000"
	EURPrice  = "1.08000000"
)

// feedOf are the addresses of the feeds, the same on every chain, and what the second
// source calls their assets.
var feedOf = map[string]struct{ feed, name, price string }{
	"ETH":  {"0x5a4db000000000000000000000000000feed0e78", "ethereum", ETHPrice},
	"USDC": {"0x5a4db000000000000000000000000000feed05dc", "usd-coin", USDCPrice},
	"USDT": {"0x5a4db000000000000000000000000000feed05d7", "tether", USDTPrice},
	"EUR":  {"0x5a4db000000000000000000000000000feed0978", "euro-coin", EURPrice},
}

// weekend is how old the euro's price may be.
const weekend = 76 * time.Hour

func (d *Deposits) two() bool { return d != nil && d.Two }

// Feeds are the price feeds of a chain, for one that a test brings along.
func (d *Deposits) Feeds(t testing.TB) (out []chaintest.Option) {
	t.Helper()
	if d == nil {
		return nil
	}
	for symbol, f := range feedOf {
		out = append(out, chaintest.WithFeed(t, f.feed, symbol+" / USD", price(t, f.price), time.Now()))
	}
	return out
}

func price(t testing.TB, text string) *big.Int {
	t.Helper()
	v, err := money.Parse(text, money.PriceDecimals)
	if err != nil {
		t.Fatalf("price: %v", err)
	}
	return v
}

func (w *World) startMarket(o Options) {
	if o.Deposits == nil {
		return
	}
	if w.Market = o.Deposits.Market; w.Market == nil {
		prices := map[string]string{}
		for _, f := range feedOf {
			prices[f.name] = f.price
		}
		w.Market = market.New(time.Now, prices)
	}
}

func (w *World) deposits(o Options) *app.DepositSetup {
	d := o.Deposits
	if d == nil {
		return nil
	}
	ids := map[asset.ID]string{}
	s := &app.DepositSetup{Assets: d.Assets, Pool: d.Pool, Keep: time.Millisecond, Prices: app.PriceSetup{Feeds: map[asset.ChainID]app.FeedSetup{}, Alone: d.Alone}}
	if s.Pool == 0 {
		s.Pool = 20
	}
	chains, _ := asset.Sandbox()
	for i, c := range []*chaintest.Chain{w.Chain, w.Second} {
		if c == nil {
			continue
		}
		feeds := map[asset.ID]rate.Feed{}
		for symbol, f := range feedOf {
			id, age := asset.ID(symbol+"-"+chains[i].Network), time.Hour
			if symbol == string(asset.EUR) {
				if id, age = asset.EUR, weekend; i > 0 || d.NoEuro {
					continue // an asset has one feed
				}
			}
			at, err := asset.ParseAddress(f.feed)
			if err != nil {
				w.t.Fatalf("feed: %v", err)
			}
			feeds[id], ids[id] = rate.Feed{Address: at, MaxAge: age}, f.name
		}
		s.Prices.Feeds[chains[i].ID] = app.FeedSetup{Feeds: feeds}
		if d.Slice != 0 {
			if s.Slices == nil {
				s.Slices = map[asset.ChainID]int{}
			}
			s.Slices[chains[i].ID] = d.Slice
		}
	}
	if !d.OneOnly {
		s.Prices.API = &rate.APIConfig{URL: "http://127.0.0.1:1/prices", IDs: ids, PerMinute: 1_000_000, Transport: played{w.Market}}
	}
	return s
}

// played carries questions to a market in the same process.
type played struct{ market *market.Market }

// RoundTrip implements http.RoundTripper.
func (p played) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	p.market.ServeHTTP(rec, r)
	out := rec.Result()
	out.Request = r
	return out, nil
}

// seedDeposits gives the merchant a secret key of the dialect, and the key that its
// addresses are derived from.
func (w *World) seedDeposits(o Options) {
	w.t.Helper()
	if o.Deposits == nil {
		return
	}
	w.SpacePayKey = w.AddSpacePayKey(w.Merchant)
	if !o.Deposits.NoKey {
		w.Branch = w.AddBranch(w.Merchant, XPub, o.Deposits.Quoted, o.Deposits.Life)
	}
}

// AddSpacePayKey makes a secret key of the SpacePay dialect for a merchant.
func (w *World) AddSpacePayKey(m payment.MerchantID) string {
	w.t.Helper()
	secret := merchant.NewSecret(merchant.SpacePaySecret, true)
	err := w.App.Store.InsertCredential(w.t.Context(), merchant.Credential{
		ID: payment.NewULID(time.Now()), Merchant: m, Kind: merchant.SpacePaySecret, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		w.t.Fatalf("insert key: %v", err)
	}
	return secret
}

// AddBranch makes an extended public key a merchant's active one.
func (w *World) AddBranch(m payment.MerchantID, xpub string, quoted asset.ID, life time.Duration) merchant.Branch {
	w.t.Helper()
	key, err := hdkey.OpenBranch(xpub)
	if err != nil {
		w.t.Fatalf("open branch: %v", err)
	}
	id, err := key.ID()
	if err != nil {
		w.t.Fatalf("name branch: %v", err)
	}
	b := merchant.Branch{ID: id, Merchant: m, XPub: xpub, Asset: quoted, Life: life, Active: true, CreatedAt: time.Now().UTC()}
	if err := w.App.Store.SetBranch(w.t.Context(), b); err != nil {
		w.t.Fatalf("set branch: %v", err)
	}
	return b
}

// AwaitAddresses polls until there are addresses to be given out.
func (w *World) AwaitAddresses() {
	w.t.Helper()
	w.Await("deposit addresses", func() bool {
		free, err := w.App.Store.FreeAddresses(w.t.Context(), w.Branch.ID)
		return err == nil && len(free) > 0
	})
}

// SpacePay calls the SpacePay dialect with the merchant's secret key.
func (w *World) SpacePay(method, path, body string, headers ...string) Response {
	w.t.Helper()
	return w.Do(method, path, body, append(headers, "X-SpacePay-Secret-Key: "+w.SpacePayKey)...)
}

// chains are those that run.
func (w *World) chains() []*chaintest.Chain {
	if w.Second == nil {
		return []*chaintest.Chain{w.Chain}
	}
	return []*chaintest.Chain{w.Chain, w.Second}
}

// Price has the feeds of a symbol ("ETH", "EUR") and the second source say another price, in
// dollars with at most eight decimals.
func (w *World) Price(symbol, dollars string) {
	w.t.Helper()
	for _, c := range w.chains() {
		c.Publish(feedOf[symbol].feed, price(w.t, dollars))
		c.Mine(1)
	}
	w.Market.Set(feedOf[symbol].name, dollars)
}

// PriceNow is Price on chains that are ahead of time: feeds say it is of this moment.
func (w *World) PriceNow(symbol, dollars string) {
	w.t.Helper()
	for _, c := range w.chains() {
		c.Pretend(feedOf[symbol].feed, price(w.t, dollars), time.Now())
		c.Mine(1)
	}
	w.Market.Set(feedOf[symbol].name, dollars)
}

// FeedPrice has the feeds of a symbol alone say another price.
func (w *World) FeedPrice(symbol, dollars string) {
	w.t.Helper()
	for _, c := range w.chains() {
		c.Publish(feedOf[symbol].feed, price(w.t, dollars))
		c.Mine(1)
	}
}

// StaleFeed has the feeds of a symbol say that their price is so old.
func (w *World) StaleFeed(symbol string, age time.Duration) {
	w.t.Helper()
	for _, c := range w.chains() {
		c.Pretend(feedOf[symbol].feed, price(w.t, feedOf[symbol].price), time.Now().Add(-age))
		c.Mine(1)
	}
}

// SilentFeed has the feeds of a symbol refuse to answer, or answer again.
func (w *World) SilentFeed(symbol string, silent bool) {
	w.t.Helper()
	for _, c := range w.chains() {
		c.Silence(feedOf[symbol].feed, silent)
		c.Mine(1)
	}
}
