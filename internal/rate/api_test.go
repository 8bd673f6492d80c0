package rate_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rate"
	"quittance/internal/rate/market"
)

// shop is a played price API and its reader.
type shop struct {
	*market.Market
	api *rate.API
	now time.Time
	url string
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{now: time.Now().UTC().Truncate(time.Second)}
	clock := func() time.Time { return s.now }
	s.Market = market.New(clock, map[string]string{"ethereum": "3742.0535391999", "usd-coin": "0.9999", "shiba": "1.2345e-05"})
	server := httptest.NewServer(s.Market)
	t.Cleanup(server.Close)
	s.url = server.URL + "/api/v3"
	var err error
	s.api, err = rate.NewAPI(rate.APIConfig{
		URL: s.url, Key: "secret-key", KeyHeader: "x-cg-demo-api-key", Timeout: time.Minute, PerMinute: 1000, Now: clock,
		IDs: map[asset.ID]string{eth: "ethereum", usdc: "usd-coin", "SHIB-base": "shiba", other: "unheard-of"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.api.Close)
	return s
}

func TestAPI(t *testing.T) {
	s := newShop(t)
	told := s.api.Prices(t.Context(), []asset.ID{eth, usdc, "SHIB-base", other, "NOBODY-base"})
	for id, want := range map[asset.ID]string{eth: "3742.05353919", usdc: "0.99990000", "SHIB-base": "0.00001234"} {
		if a := told[id]; a.Err != nil || a.Price.String() != want {
			t.Errorf("%s: %s, %v; want %s", id, a.Price, a.Err, want)
		}
	}
	if why(told[other].Err) != rate.Unknown || why(told["NOBODY-base"].Err) != rate.Unknown || s.Asked() != 1 {
		t.Errorf("%v, %v, asked %d times", told[other].Err, told["NOBODY-base"].Err, s.Asked())
	}
}

func TestAPIsThatCannotBeBelieved(t *testing.T) {
	s := newShop(t)
	want := map[string]rate.Why{
		"negative": rate.NotPositive, "nothing": rate.NotPositive, "huge": rate.NotPositive, "of tomorrow": rate.Ahead,
		"somebody else's": rate.Unknown,
	}
	for _, lie := range market.Lies() {
		if err := s.Behave(market.Mood{Lie: lie}); err != nil {
			t.Fatal(err)
		}
		w, ok := want[lie]
		if !ok {
			w = rate.Malformed
		}
		if _, err := ask(t.Context(), s.api, eth); why(err) != w {
			t.Errorf("%s: %v, want %s", lie, err, w)
		}
	}
	for _, c := range []struct {
		name string
		mood market.Mood
		want rate.Why
	}{
		{"old", market.Mood{Age: 6 * time.Minute}, rate.Stale},
		{"moved", market.Mood{Status: 302}, rate.Unreachable},
		{"too much", market.Mood{Status: 429}, rate.Unreachable},
	} {
		if err := s.Behave(c.mood); err != nil {
			t.Fatal(err)
		}
		_, err := ask(t.Context(), s.api, eth)
		if why(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if strings.Contains(fmt.Sprint(err), "secret-key") || strings.Contains(fmt.Sprint(err), s.url) {
			t.Errorf("%s: the error says too much: %v", c.name, err)
		}
	}
	// It wanted to be left alone.
	asked := s.Asked()
	if err := s.Behave(market.Mood{}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context(), s.api, eth); why(err) != rate.Unreachable || s.Asked() != asked {
		t.Errorf("%v, and it was asked %d times more", err, s.Asked()-asked)
	}
	s.now = s.now.Add(21 * time.Second)
	if _, err := ask(t.Context(), s.api, eth); err != nil {
		t.Errorf("it can be asked again: %v", err)
	}
}

// Whoever asks waits no longer than the API's timeout.
func TestSlowAPI(t *testing.T) {
	s := newShop(t)
	hasty, err := rate.NewAPI(rate.APIConfig{URL: s.url, IDs: map[asset.ID]string{eth: "ethereum"}, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hasty.Close)
	if err := s.Behave(market.Mood{Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context(), hasty, eth); why(err) != rate.Unreachable {
		t.Error(err)
	}
}

func TestAPIsLimits(t *testing.T) {
	s := newShop(t)
	few, err := rate.NewAPI(rate.APIConfig{URL: s.url, IDs: map[asset.ID]string{eth: "ethereum"}, PerMinute: 3, Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(few.Close)
	if err := s.Behave(market.Mood{Lie: "a list"}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, err = ask(t.Context(), few, eth)
	}
	if s.Asked() != 3 || why(err) != rate.Unreachable {
		t.Errorf("asked %d times, %v", s.Asked(), err)
	}
	if err := s.Behave(market.Mood{}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Minute)
	if _, err := ask(t.Context(), few, eth); err != nil || s.Asked() != 4 {
		t.Errorf("a minute later: asked %d times, %v", s.Asked(), err)
	}
	if err := s.Behave(market.Mood{Status: 500}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, _ = ask(t.Context(), s.api, eth) // its failures are what is counted
	}
	if got := s.Asked() - 4; got != 5 {
		t.Errorf("a broken API was asked %d times", got)
	}
}

// Anybody may ask for the prices of tokens, one by one, as often as the limits of a
// connection allow. That must not use up what the API may be asked: there would be no
// quotes for anybody.
func TestManyAssetsFitTheAPIsLimit(t *testing.T) {
	s := newShop(t)
	clock := func() time.Time { return s.now }
	names, prices := map[asset.ID]string{}, map[string]string{}
	for i := range 20 {
		name := fmt.Sprintf("asset-%d", i)
		names[asset.ID(name)], prices[name] = name, fmt.Sprint(100+i)
	}
	for name, dollars := range prices {
		s.Set(name, dollars)
	}
	api, err := rate.NewAPI(rate.APIConfig{URL: s.url, IDs: names, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	begun, last := s.now, 0
	for second := range 180 {
		kept := rate.Keep(api, 0, clock) // nobody keeps anything: the worst that can be asked
		for id, name := range names {
			p, err := ask(t.Context(), kept, id)
			if want := prices[name] + ".00000000"; err != nil || p.String() != want || s.now.Sub(p.At) > 5*time.Second {
				t.Fatalf("second %d: %s is %s of %s, %v; want %s", second, id, p, p.At, err, want)
			}
		}
		if s.now = s.now.Add(time.Second); s.now.Sub(begun)%time.Minute == 0 {
			if n := s.Asked() - last; n > 30 {
				t.Errorf("asked %d times in a minute", n)
			}
			last = s.Asked()
		}
	}
}
