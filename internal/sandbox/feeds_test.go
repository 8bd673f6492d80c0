//go:build !nosandbox

package sandbox_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/rate"
	"quittance/internal/sandbox"
)

func parsed(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return a
}

// feeds reads a chain's feeds as the server does.
func feeds(t testing.TB, c *sandbox.Chain) rate.Source {
	t.Helper()
	client, err := chain.NewClient(chain.Config{Chain: asset.ChainID(c.ChainID), Endpoints: []chain.Endpoint{{Transport: c.Line, Name: "sandbox"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	of := map[asset.ID]rate.Feed{}
	for symbol, at := range c.Feeds {
		of[asset.ID(symbol)] = rate.Feed{Address: parsed(t, at), MaxAge: 5 * time.Minute}
	}
	s, err := rate.NewChainlink(rate.ChainlinkConfig{
		Chain: asset.ChainID(c.ChainID), Node: client, Multicall: parsed(t, c.Contracts.Multicall3), Feeds: of, Sequencer: parsed(t, c.Sequencer),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// says is the price of an asset, or why there is none.
func says(t testing.TB, s rate.Source, of asset.ID) string {
	t.Helper()
	a := s.Prices(t.Context(), []asset.ID{of})[of]
	if why, ok := errors.AsType[*rate.Error](a.Err); ok {
		return string(why.Why)
	}
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	return a.Price.String()
}

func TestFeedsAreFreshAtTheStart(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: time.Hour})
	for _, c := range s.All() {
		source := feeds(t, c)
		for _, p := range sandbox.PricedAssets() {
			if got := says(t, source, asset.ID(p.Symbol)); got != p.Dollars {
				t.Errorf("%s on %s: %s, want %s", p.Symbol, c.Network, got, p.Dollars)
			}
		}
	}
}

// Whatever the feeds are told, the server sees it, and what they are not told stays.
func TestFeedsAreToldWhatToSay(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	c := s.Chain("base")
	source, control := feeds(t, c), s.FeedControl()
	tell := func(body string) int {
		w := httptest.NewRecorder()
		control.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/sandbox/control/feeds/base", strings.NewReader(body)))
		return w.Code
	}
	for _, x := range []struct{ body, eth, usdc string }{
		{`{"asset":"ETH","jump":20}`, "4490.46424680", "0.99985000"},
		{`{"asset":"ETH","price":"3000.5"}`, "3000.50000000", "0.99985000"},
		{`{"asset":"USDC","jump":-50}`, "3000.50000000", "0.49992500"},
		{`{"asset":"ETH"}`, "3742.05353900", "0.49992500"},
		{`{"stale":"3h"}`, string(rate.Stale), string(rate.Stale)},
		{`{"asset":"ETH"}`, "3742.05353900", string(rate.Stale)},
		{`{"asset":"ETH","down":true}`, string(rate.Malformed), string(rate.Stale)},
		{`{}`, "3742.05353900", "0.99985000"},
		{`{"asset":"ETH","garbage":true}`, string(rate.Incomplete), "0.99985000"},
		{`{"asset":"USDC","decimals":18}`, string(rate.Incomplete), string(rate.Decimal)},
		{`{}`, "3742.05353900", "0.99985000"},
		{`{"sequencerDown":true}`, string(rate.Down), string(rate.Down)},
		{`{}`, "3742.05353900", "0.99985000"},
	} {
		if status := tell(x.body); status != http.StatusNoContent {
			t.Fatalf("%s: status %d", x.body, status)
		}
		if eth, usdc := says(t, source, "ETH"), says(t, source, "USDC"); eth != x.eth || usdc != x.usdc {
			t.Errorf("after %s: %s and %s, want %s and %s", x.body, eth, usdc, x.eth, x.usdc)
		}
	}
	for _, body := range []string{`{"asset":"GBP"}`, `{"jump":-100}`, `{"stale":"-1h"}`, `{"stale":"soon"}`, `{"price":"much"}`, `{"colour":"red"}`, `[]`} {
		if status := tell(body); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, status)
		}
	}
	w := httptest.NewRecorder()
	control.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sandbox/control/feeds/base", nil))
	if !strings.Contains(w.Body.String(), `"ETH":{"address":"`+c.Feeds["ETH"]+`","price":"3742.05353900","jump":0,"stale":"0s","decimals":8,"down":false,"garbage":false}`) {
		t.Errorf("shown: %s", w.Body)
	}
	w = httptest.NewRecorder()
	control.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/sandbox/control/feeds/mars", strings.NewReader("{}")))
	if w.Code != http.StatusNotFound {
		t.Errorf("feeds of no chain: status %d", w.Code)
	}
	if status := tell(`{"asset":"EUR","price":"1.2"}`); status != http.StatusNoContent {
		t.Fatalf("the euro: status %d", status)
	}
	if euro, eth := says(t, source, "EUR"), says(t, source, "ETH"); euro != "1.20000000" || eth != "3742.05353900" {
		t.Errorf("the euro costs %s, and ETH %s", euro, eth)
	}
	// The other chain's have heard nothing of it.
	other := feeds(t, s.Chain("arbitrum-one"))
	if eth, euro := says(t, other, "ETH"), says(t, other, "EUR"); eth != "3742.05353900" || euro != "1.08000000" {
		t.Errorf("the other chain says %s and %s", eth, euro)
	}
}

// A feed that lay when the sandbox stopped tells the truth after the next start.
func TestFeedsForgetTheirMoods(t *testing.T) {
	o := sandbox.Options{DataDir: t.TempDir(), BlockPeriod: sandbox.MineOnTransaction}
	first, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Chain("base").SetFeed(t.Context(), "", sandbox.FeedMood{Down: true}, true); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := says(t, feeds(t, start(t, o).Chain("base")), "USDT"); got != "1.00021000" {
		t.Errorf("after the restart: %s", got)
	}
}

// The price API says what the feeds say, until it is told otherwise.
func TestPriceAPIAgreesWithTheFeeds(t *testing.T) {
	p, err := sandbox.StartPrices()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	names := map[asset.ID]string{}
	for _, x := range sandbox.PricedAssets() {
		names[asset.ID(x.Symbol)] = x.Name
	}
	api, err := rate.NewAPI(rate.APIConfig{URL: p.URL, IDs: names})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	for _, x := range sandbox.PricedAssets() {
		if got := says(t, api, asset.ID(x.Symbol)); got != x.Dollars {
			t.Errorf("%s: %s, want %s", x.Symbol, got, x.Dollars)
		}
	}
	w := httptest.NewRecorder()
	p.Control().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/sandbox/control/prices", strings.NewReader(`{"prices":{"ethereum":"3000"}}`)))
	if got := says(t, api, "ETH"); w.Code != http.StatusNoContent || got != "3000.00000000" {
		t.Errorf("status %d, then %s", w.Code, got)
	}
}
