package app

import (
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/config"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/rate"
	"quittance/internal/rate/market"
	"quittance/internal/seal"
	"quittance/internal/store"
)

// configured is a configuration of the environment, on Base and Polygon.
func configured(t *testing.T, env map[string]string) (Setup, error) {
	t.Helper()
	c, err := config.Load("", func(name string) string {
		if v, set := env[name]; set {
			return v
		}
		return map[string]string{
			"QUITTANCE_BASE_URL": "https://pay.example.com", "QUITTANCE_KEYS": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
			"QUITTANCE_CHAIN_MATIC_RPC": "http://127.0.0.1:1", "QUITTANCE_CHAIN_BASE_RPC": "http://127.0.0.1:1",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return production(c, slog.New(slog.DiscardHandler))
}

// What a configuration means for amounts in dollars.
func TestDepositSetup(t *testing.T) {
	if s, err := configured(t, nil); err != nil || s.Deposits != nil {
		t.Fatalf("by default: %+v, %v", s.Deposits, err)
	}
	const otherFeed = "0x7e860098F58bBFC8648a4311b374B1D669a2bc6B"
	s, err := configured(t, map[string]string{
		"QUITTANCE_PRICES_CHAINLINK_BASE":  "ETH-base=known@30m,USDC-base=" + otherFeed + "@25h",
		"QUITTANCE_PRICES_CHAINLINK_MATIC": "POL-matic=known@1h,USDT0-matic=known@25h", "QUITTANCE_DEPOSITS_ASSETS": "USDT-matic,eth-base",
		"QUITTANCE_DEPOSITS_SLICE_MATIC": "700", "QUITTANCE_PRICES_BOUND": "1", "QUITTANCE_PRICES_API_URL": "https://api.example/v3", "QUITTANCE_PRICES_API_IDS": "ETH-base=ethereum",
	})
	if err != nil {
		t.Fatal(err)
	}
	base, matic := s.Deposits.Prices.Feeds[asset.Base], s.Deposits.Prices.Feeds[asset.Matic]
	known, uptime := rate.Feeds(asset.Base)
	polygon, _ := rate.Feeds(asset.Matic)
	if base.Feeds["ETH-base"] != (rate.Feed{Address: known["ETH"], MaxAge: 30 * time.Minute}) || base.Feeds["USDC-base"].Address.String() != otherFeed || base.Sequencer != uptime ||
		matic.Feeds["POL-matic"].Address != polygon["POL"] || matic.Feeds["USDT-matic"].Address != polygon["USDT"] || !matic.Sequencer.IsZero() {
		t.Errorf("feeds %+v, %+v", base, matic)
	}
	if !slices.Equal(s.Deposits.Assets, []asset.ID{"USDT-matic", "ETH-base"}) || s.Deposits.Slices[asset.Matic] != 700 || s.Deposits.Prices.Bound != 100 ||
		s.Deposits.Prices.API.IDs["ETH-base"] != "ethereum" || s.Deposits.Pool != 200 {
		t.Errorf("got %+v", s.Deposits)
	}
	s, err = configured(t, map[string]string{
		"QUITTANCE_PRICES_CHAINLINK_BASE": "ETH-base=known@30m,EUR=known", "QUITTANCE_PRICES_API_URL": "https://api.example/v3", "QUITTANCE_PRICES_API_IDS": "EURC-base=euro-coin,EUR=euro-coin",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Deposits.Prices.Feeds[asset.Base].Feeds[asset.EUR]; got != (rate.Feed{Address: known["EUR"], MaxAge: 76 * time.Hour}) {
		t.Errorf("the euro's feed: %+v", got)
	}
	if ids := s.Deposits.Prices.API.IDs; ids[asset.EUR] != "euro-coin" || ids["EURC-base"] != "euro-coin" {
		t.Errorf("names %v", ids)
	}
	for name, env := range map[string]map[string]string{
		"deposits.assets[0]":                    {"QUITTANCE_DEPOSITS_ASSETS": "ETH-bsc"},
		"prices.chainlink.base: USD is":         {"QUITTANCE_PRICES_CHAINLINK_BASE": "USD=known@1h"},
		"deposits.assets[0]: EUR":               {"QUITTANCE_DEPOSITS_ASSETS": "EUR"},
		"prices.chainlink.base: ETH-bsc":        {"QUITTANCE_PRICES_CHAINLINK_BASE": "ETH-bsc=known@1h"},
		"prices.chainlink.matic.USDC-base.feed": {"QUITTANCE_PRICES_CHAINLINK_MATIC": "USDC-base=0x7E860098F58bBFC8648a4311b374B1D669a2bc6B@1h"},
		"prices.sequencer.matic":                {"QUITTANCE_PRICES_CHAINLINK_MATIC": "USDC-base=known@1h", "QUITTANCE_PRICES_SEQUENCER_MATIC": "known"},
		"prices.api.ids":                        {"QUITTANCE_PRICES_API_IDS": "ETH-tron=ethereum"},
	} {
		all := map[string]string{"QUITTANCE_PRICES_API_URL": "https://api.example", "QUITTANCE_PRICES_API_IDS": "ETH-base=ethereum"}
		for k, v := range env {
			all[k] = v
		}
		if _, err := configured(t, all); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

var ethFeed = asset.Address{0: 0x5a, 19: 1}

// priced is a setup over a chain with a feed, as the doctor gets it.
func priced(t *testing.T, c *chaintest.Chain, prices PriceSetup, assets ...asset.ID) Setup {
	t.Helper()
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains[:1], slices.DeleteFunc(tokens, func(x asset.Token) bool { return x.Chain != asset.SandboxBase }))
	if err != nil {
		t.Fatal(err)
	}
	return Setup{
		Book: book, Registry: official.Default(), Log: slog.New(slog.DiscardHandler), Chains: []ChainSetup{{ID: asset.SandboxBase, Endpoints: []chain.Endpoint{{URL: c.URL()}}}},
		Deposits: &DepositSetup{Assets: assets, Prices: prices},
	}
}

// The doctor asks each source what operators have to know.
func TestDoctorOfPrices(t *testing.T) {
	answer := big.NewInt(374205353900)
	c := chaintest.New(t, chaintest.WithFeed(t, ethFeed.String(), "ETH / USD", answer, time.Now()))
	c.Mine(1)
	prices := PriceSetup{Feeds: map[asset.ChainID]FeedSetup{asset.SandboxBase: {Feeds: map[asset.ID]rate.Feed{"ETH-base": {Address: ethFeed, MaxAge: time.Hour}}}}}
	of := func(name asset.ID) PriceSetup {
		p := prices
		p.Feeds = map[asset.ChainID]FeedSetup{asset.SandboxBase: {Feeds: map[asset.ID]rate.Feed{name: {Address: ethFeed, MaxAge: time.Hour}}}}
		return p
	}
	m := market.New(time.Now, map[string]string{"ethereum": "3742"})
	server := httptest.NewServer(m)
	defer server.Close()
	withAPI := prices
	withAPI.API = &rate.APIConfig{URL: server.URL, IDs: map[asset.ID]string{"ETH-base": "ethereum"}}
	for name, tt := range map[string]struct {
		setup  Setup
		before func()
		bad    string // the check that fails, "" for none
	}{
		"all is well":        {priced(t, c, prices), func() {}, ""},
		"and an API":         {priced(t, c, withAPI), func() {}, ""},
		"no price at all":    {priced(t, c, PriceSetup{}), func() {}, "deposits"},
		"an unpriced asset":  {priced(t, c, prices, "USDC-base"), func() {}, "deposits"},
		"another's feed":     {priced(t, c, of("USDC-base")), func() {}, "base price of USDC-base feed"},
		"a feed that is old": {priced(t, c, prices), func() { c.Pretend(ethFeed.String(), answer, time.Now().Add(-2*time.Hour)); c.Mine(1) }, "base price of ETH-base is fresh"},
		"a silent feed":      {priced(t, c, prices), func() { c.Silence(ethFeed.String(), true); c.Mine(1) }, "base price of ETH-base is fresh"},
		"a silent API": {priced(t, c, withAPI), func() {
			if err := m.Behave(market.Mood{Status: 500}); err != nil {
				t.Fatal(err)
			}
		}, "price API"},
		"a silent chain": {priced(t, c, prices), func() { c.Fail(503) }, "base deposit addresses"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.before()
			defer func() {
				c.Behave()
				c.Silence(ethFeed.String(), false)
				c.Publish(ethFeed.String(), answer)
				c.Mine(1)
				if err := m.Behave(market.Mood{}); err != nil {
					t.Fatal(err)
				}
			}()
			failed := map[string]string{}
			var all []string
			d := &doctor{report: func(f Finding) {
				all = append(all, f.Check)
				if !f.OK {
					failed[f.Check] = f.Detail
				}
			}}
			d.deposits(t.Context(), tt.setup)
			if _, found := failed[tt.bad]; found != (tt.bad != "") || tt.bad == "" && len(failed) > 0 || len(all) == 0 {
				t.Errorf("failed: %v, want %q, of %v", failed, tt.bad, all)
			}
		})
	}
}

// Without a price of the euro links can be paid by bank only, and the doctor says so: as it
// was set up, or as a failure.
func TestDoctorOfTheEuro(t *testing.T) {
	euroFeed := asset.Address{0: 0x5a, 19: 2}
	c := chaintest.New(t, chaintest.WithFeed(t, ethFeed.String(), "ETH / USD", big.NewInt(374205353900), time.Now()),
		chaintest.WithFeed(t, euroFeed.String(), "EUR / USD", big.NewInt(108000000), time.Now()))
	c.Mine(1)
	feeds := map[asset.ID]rate.Feed{"ETH-base": {Address: ethFeed, MaxAge: time.Hour}}
	withEuro := maps.Clone(feeds)
	withEuro[asset.EUR] = rate.Feed{Address: euroFeed, MaxAge: 76 * time.Hour}
	m := market.New(time.Now, map[string]string{"ethereum": "3742", "euro-coin": "1.081"})
	server := httptest.NewServer(m)
	defer server.Close()
	of := func(feeds map[asset.ID]rate.Feed) PriceSetup {
		return PriceSetup{Feeds: map[asset.ChainID]FeedSetup{asset.SandboxBase: {Feeds: feeds}}}
	}
	second := of(withEuro)
	second.API = &rate.APIConfig{URL: server.URL, IDs: map[asset.ID]string{asset.EUR: "euro-coin"}}
	weekend := func(age time.Duration) func() {
		return func() { c.Pretend(euroFeed.String(), big.NewInt(108000000), time.Now().Add(-age)); c.Mine(1) }
	}
	for name, tt := range map[string]struct {
		prices PriceSetup
		before func()
		ok     bool
		detail string
	}{
		"none is configured":    {of(feeds), func() {}, true, byBankOnly},
		"fresh":                 {of(withEuro), func() {}, true, "1.08000000 dollars"},
		"after a weekend":       {of(withEuro), weekend(75 * time.Hour), true, "1.08000000 dollars"},
		"after a long weekend":  {of(withEuro), weekend(77 * time.Hour), false, byBankOnly},
		"confirmed":             {second, func() {}, true, "1.08000000 dollars"},
		"contradicted":          {second, func() { m.Set("euro-coin", "1.2") }, false, byBankOnly},
		"something else's feed": {of(withEuro), func() { c.Publish(euroFeed.String(), big.NewInt(374205353900)); c.Mine(1) }, false, byBankOnly},
	} {
		t.Run(name, func(t *testing.T) {
			tt.before()
			defer func() {
				m.Set("euro-coin", "1.081")
				c.Publish(euroFeed.String(), big.NewInt(108000000))
				c.Mine(1)
			}()
			found := map[string]Finding{}
			d := &doctor{report: func(f Finding) { found[f.Check] = f }}
			d.deposits(t.Context(), priced(t, c, tt.prices))
			if f := found["price of the euro"]; f.OK != tt.ok || !strings.Contains(f.Detail, tt.detail) || f.OK && d.failed {
				t.Errorf("%+v, of %v", f, found)
			}
		})
	}
	var all []Finding
	d := &doctor{report: func(f Finding) { all = append(all, f) }}
	if d.deposits(t.Context(), Setup{}); len(all) != 1 || !all[0].OK || !strings.Contains(all[0].Detail, byBankOnly) {
		t.Errorf("without prices: %v", all)
	}
}

// Keys that have no addresses ready are found, and those that are sealed with a lost key.
func TestDoctorOfKeys(t *testing.T) {
	const xpub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "q.db")
	open := func(key byte) *store.Store {
		box, err := seal.New([]byte(strings.Repeat(string(rune(key)), 32)))
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return db
	}
	look := func(db *store.Store) (out []string) {
		d := &doctor{report: func(f Finding) { out = append(out, fmt.Sprint(f.OK, " ", f.Check)) }}
		d.branches(t.Context(), Setup{Deposits: &DepositSetup{}}, db)
		return out
	}
	db := open('a')
	defer db.Close()
	if got := look(db); !slices.Equal(got, []string{"true deposit keys"}) {
		t.Errorf("without a key: %v", got)
	}
	key, err := hdkey.OpenBranch(xpub)
	if err != nil {
		t.Fatal(err)
	}
	id, err := key.ID()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	if err := db.InsertMerchant(t.Context(), merchant.Merchant{ID: "01M", Name: "M", CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	if err := db.SetBranch(t.Context(), merchant.Branch{ID: id, Merchant: "01M", XPub: xpub, Active: true, CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	if got := look(db); !slices.Equal(got, []string{"false deposit key of merchant 01M"}) {
		t.Errorf("without addresses: %v", got)
	}
	a, err := key.Address(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.AddAddresses(t.Context(), []merchant.DepositAddress{{Address: a, Merchant: "01M", Branch: id, CheckedAt: now}}); err != nil {
		t.Fatal(err)
	}
	if got := look(db); !slices.Equal(got, []string{"true deposit key of merchant 01M"}) {
		t.Errorf("with one: %v", got)
	}
	lost := open('b')
	defer lost.Close()
	if got := look(lost); !slices.Equal(got, []string{"false deposit keys"}) {
		t.Errorf("with another seal: %v", got)
	}
}
