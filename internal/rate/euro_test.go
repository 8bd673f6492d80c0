package rate_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/rate"
)

// table is a source that knows what stands in it.
type table map[asset.ID]rate.Answer

func (s table) Prices(_ context.Context, of []asset.ID) map[asset.ID]rate.Answer {
	out := map[asset.ID]rate.Answer{}
	for _, id := range of {
		if a, ok := s[id]; ok {
			out[id] = a
		}
	}
	return out
}

var friday = time.Date(2026, 11, 20, 21, 0, 0, 0, time.UTC)

func dollars(value int64, at time.Time, source string) rate.Answer {
	return rate.Answer{Price: rate.Price{Value: big.NewInt(value), At: at, Source: source}}
}

func TestEuroPrices(t *testing.T) {
	s := rate.Euro{Dollars: table{
		"ETH-base": dollars(374205353900, friday.Add(time.Hour), "chainlink"), "USDC-base": dollars(99990000, friday, "price-api"), asset.EUR: dollars(115_940_000, friday, "chainlink"),
		"DUST-base": dollars(1, friday, "chainlink"), "OLD-base": {Err: &rate.Error{Asset: "OLD-base", Source: "chainlink", Why: rate.Stale}},
	}}
	got := s.Prices(t.Context(), []asset.ID{"ETH-base", "USDC-base", asset.EUR, "DUST-base", "OLD-base", "NONE-base"})
	// 3742.053539 / 1.1594 = 3227.577659996... and 0.9999 / 1.1594 = 0.86242884...
	for id, want := range map[asset.ID]rate.Price{
		"ETH-base": {Value: big.NewInt(322757765999), At: friday, Source: "chainlink"}, "USDC-base": {Value: big.NewInt(86242884), At: friday, Source: "price-api/chainlink"},
		asset.EUR: {Value: big.NewInt(100_000_000), At: friday, Source: "chainlink"},
	} {
		if a := got[id]; a.Err != nil || a.Price.Value.Cmp(want.Value) != 0 || !a.Price.At.Equal(want.At) || a.Price.Source != want.Source {
			t.Errorf("%s: %+v, want %+v", id, a, want)
		}
	}
	for id, want := range map[asset.ID]rate.Why{"DUST-base": rate.NotPositive, "OLD-base": rate.Stale, "NONE-base": rate.Unknown} {
		if e, ok := errors.AsType[*rate.Error](got[id].Err); !ok || e.Why != want || e.Asset != id {
			t.Errorf("%s: %+v", id, got[id])
		}
	}
	if len(got) != 6 {
		t.Errorf("%d answers", len(got))
	}
}

// Without a sound price of the euro nothing has one, and the reason is told.
func TestNoEuro(t *testing.T) {
	for name, c := range map[string]struct {
		euro rate.Answer
		want rate.Why
	}{
		"stale":                   {rate.Answer{Err: &rate.Error{Asset: asset.EUR, Source: "chainlink", Why: rate.Stale}}, rate.Stale},
		"something else's price":  {dollars(374205353900, friday, "chainlink"), rate.NotPositive},
		"turned upside down":      {dollars(862, friday, "chainlink"), rate.NotPositive},
		"an error of another way": {rate.Answer{Err: errors.New("broken")}, rate.Unknown},
	} {
		s := rate.Euro{Dollars: table{"ETH-base": dollars(374205353900, friday, "chainlink"), asset.EUR: c.euro}}
		for _, id := range []asset.ID{"ETH-base", asset.EUR} {
			a := s.Prices(t.Context(), []asset.ID{id})[id]
			e, ok := errors.AsType[*rate.Error](a.Err)
			if id == asset.EUR && c.euro.Err != nil {
				if a.Err == nil {
					t.Errorf("%s: a euro at %s", name, a.Price)
				}
				continue
			}
			if !ok || e.Why != c.want || e.Asset != id {
				t.Errorf("%s: %s: %+v", name, id, a)
			}
		}
	}
	a := rate.Euro{Dollars: table{"ETH-base": dollars(1e8, friday, "x")}}.Prices(t.Context(), []asset.ID{"ETH-base"})["ETH-base"]
	if a.Err == nil || !strings.Contains(a.Err.Error(), "EUR") {
		t.Errorf("%+v", a)
	}
}

// Whatever the prices are, what is asked for an amount of euros is worth that amount at
// least, by the exact prices and not only by the rounded one; and not much more.
func TestEurosAreNeverLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.Int64Range(1_000_000, 20_000_000_000_000).Draw(t, "price")
		euro := rapid.Int64Range(80_000_000, 160_000_000).Draw(t, "euro")
		cents := rapid.Int64Range(1, 100_000_000).Draw(t, "cents")
		decimals := rapid.SampledFrom([]uint8{6, 8, 18}).Draw(t, "decimals")
		s := rate.Euro{Dollars: table{"X": dollars(price, friday, "a"), asset.EUR: dollars(euro, friday, "a")}}
		a := s.Prices(context.Background(), []asset.ID{"X"})["X"]
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		units := money.UnitsFor(money.Cents(cents), decimals, a.Price)
		// units · price ≥ cents · euro, in the same small fractions of a dollar.
		scale := func(v *big.Int, tens int64) *big.Int {
			return v.Mul(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(tens), nil))
		}
		worth := scale(new(big.Int).Mul(units, big.NewInt(price)), 2)
		due := scale(new(big.Int).Mul(big.NewInt(cents), big.NewInt(euro)), int64(decimals))
		if worth.Cmp(due) < 0 {
			t.Fatalf("%s units at %d for %d cents at %d", units, price, cents, euro)
		}
		// One unit less, and a ten-thousandth, is too little: nobody pays much too much.
		less := scale(new(big.Int).Mul(new(big.Int).Sub(units, big.NewInt(1)), big.NewInt(price)), 2)
		if less.Mul(less, big.NewInt(9999)).Cmp(new(big.Int).Mul(due, big.NewInt(10000))) >= 0 {
			t.Fatalf("%s units at %d for %d cents at %d are too much", units, price, cents, euro)
		}
	})
}
