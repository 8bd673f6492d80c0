package app

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rate"
)

// moody has a price, or a reason for none.
type moody struct{ why rate.Why }

func (m *moody) Prices(_ context.Context, of []asset.ID) map[asset.ID]rate.Answer {
	out := map[asset.ID]rate.Answer{}
	for _, id := range of {
		if m.why == "" {
			out[id] = rate.Answer{Price: rate.Price{Value: big.NewInt(1)}}
			continue
		}
		out[id] = rate.Answer{Err: &rate.Error{Asset: id, Source: "played", Why: m.why}}
	}
	return out
}

// Why there is no price is logged: at once, again after a minute, and when it is another
// reason; and that there is one again, once.
func TestWhyThereIsNoPriceIsLogged(t *testing.T) {
	var log bytes.Buffer
	source, now := &moody{}, time.Now()
	p := newPrices(source, slog.New(slog.NewTextHandler(&log, nil)))
	p.now = func() time.Time { return now }
	for i, step := range []struct {
		why   rate.Why
		after time.Duration
		lines int
	}{
		{"", 0, 0}, {rate.Stale, 0, 1}, {rate.Stale, tellAgain - 1, 0}, {rate.Stale, time.Second, 1}, {rate.Disagree, time.Second, 1},
		{rate.Disagree, time.Second, 0}, {"", time.Second, 1}, {"", time.Second, 0},
	} {
		source.why, now = step.why, now.Add(step.after)
		log.Reset()
		got := p.Prices(t.Context(), asset.USD, []asset.ID{"ETH-base"})
		if _, priced := got["ETH-base"]; priced != (step.why == "") {
			t.Errorf("step %d: %v", i, got)
		}
		if n := strings.Count(log.String(), "\n"); n != step.lines || step.why != "" && n > 0 && !strings.Contains(log.String(), string(step.why)) {
			t.Errorf("step %d: %d lines, want %d: %s", i, n, step.lines, log.String())
		}
	}
}

// tariff knows the prices that stand in it, in hundred-millionths of a dollar.
type tariff struct {
	of    map[asset.ID]int64
	why   map[asset.ID]rate.Why
	asked int
}

func (s *tariff) Prices(_ context.Context, of []asset.ID) map[asset.ID]rate.Answer {
	s.asked++
	out := map[asset.ID]rate.Answer{}
	for _, id := range of {
		if v, ok := s.of[id]; ok && s.why[id] == "" {
			out[id] = rate.Answer{Price: rate.Price{Value: big.NewInt(v), At: time.Now()}}
			continue
		}
		out[id] = rate.Answer{Err: &rate.Error{Asset: id, Source: "played", Why: cmp.Or(s.why[id], rate.Unknown)}}
	}
	return out
}

// Prices in euros and in dollars are of one source, which is asked once for both; without a
// price of the euro there are those in dollars alone, and other currencies have none.
func TestPricesByCurrency(t *testing.T) {
	source := &tariff{of: map[asset.ID]int64{"ETH-base": 3742_00000000, "USDC-base": 1_00000000, asset.EUR: 1_08000000}, why: map[asset.ID]rate.Why{}}
	now := time.Now()
	p := newPrices(rate.Keep(source, 10*time.Second, func() time.Time { return now }), nil)
	all := []asset.ID{"ETH-base", "USDC-base"}
	for in, want := range map[asset.ID]string{asset.USD: "3742.00000000 1.00000000", asset.EUR: "3464.81481481 0.92592592"} {
		got := p.Prices(t.Context(), in, all)
		if text := got["ETH-base"].String() + " " + got["USDC-base"].String(); text != want || len(got) != 2 {
			t.Errorf("in %s: %s, want %s", in, text, want)
		}
	}
	p.Prices(t.Context(), asset.EUR, all)
	if source.asked > 2 {
		t.Errorf("asked %d times", source.asked)
	}
	if got := p.Prices(t.Context(), "CHF", all); len(got) != 0 {
		t.Errorf("in francs: %v", got)
	}
	source.why[asset.EUR], now = rate.Stale, now.Add(time.Minute)
	if got := p.Prices(t.Context(), asset.EUR, all); len(got) != 0 {
		t.Errorf("without a euro: %v", got)
	}
	if got := p.Prices(t.Context(), asset.USD, all); len(got) != 2 {
		t.Errorf("dollars without a euro: %v", got)
	}
}
