package rate

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
)

// Euro tells prices in euros: those of a source that knows dollars, divided by what a euro
// costs in dollars, which that source knows as the price of asset.EUR. Both have to be
// fresh by that source's own rules. Prices are rounded down, so that what makes up an
// amount of euros at them is never worth less.
//
// A feed of currencies stands still while their market does, from Friday evening to Sunday
// night: how old its answer may be has to allow for that.
type Euro struct {
	Dollars Source
}

// A euro has cost between 0.80 and 1.60 dollars as long as it exists. What is far from
// there is the price of something else.
var lowestEuro, highestEuro = big.NewInt(30_000_000), big.NewInt(300_000_000)

// Prices implements Source. It asks once. A euro costs a euro.
func (s Euro) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	ask := slices.Clone(of)
	if !slices.Contains(ask, asset.EUR) {
		ask = append(ask, asset.EUR)
	}
	told := s.Dollars.Prices(ctx, ask)
	euro, ok := told[asset.EUR]
	if !ok {
		euro.Err = &Error{Asset: asset.EUR, Source: "source", Why: Unknown}
	}
	if v := euro.Price.Value; euro.Err == nil && (v.Cmp(lowestEuro) < 0 || v.Cmp(highestEuro) > 0) {
		euro.Err = &Error{Asset: asset.EUR, Source: euro.Price.Source, Why: NotPositive, Detail: euro.Price.String() + " dollars for a euro"}
	}
	out := map[asset.ID]Answer{}
	for _, id := range of {
		out[id] = inEuros(id, told, euro)
	}
	return out
}

func inEuros(id asset.ID, told map[asset.ID]Answer, euro Answer) Answer {
	a, ok := told[id]
	switch {
	case !ok:
		return Answer{Err: &Error{Asset: id, Source: "source", Why: Unknown}}
	case a.Err != nil:
		return Answer{Err: a.Err}
	case euro.Err != nil:
		return Answer{Err: noEuro(id, euro.Err)}
	}
	p, err := divide(a.Price, euro.Price)
	if err != nil {
		return Answer{Err: &Error{Asset: id, Source: a.Price.Source, Why: NotPositive, cause: err}}
	}
	return Answer{Price: p}
}

// noEuro says of an asset that the euro's price is what is missing, with the reason for it.
func noEuro(id asset.ID, cause error) *Error {
	e := &Error{Asset: id, Source: "euro", Why: Unknown, cause: cause}
	if why, ok := errors.AsType[*Error](cause); ok {
		e.Why = why.Why
	}
	return e
}

// divide is what something costs in euros if it and a euro cost so many dollars, rounded
// down. It is as old as the older of the two.
func divide(dollars, euro Price) (Price, error) {
	v := new(big.Int).Mul(dollars.Value, new(big.Int).Exp(big.NewInt(10), big.NewInt(money.PriceDecimals), nil))
	if v.Quo(v, euro.Value); v.Sign() <= 0 {
		return Price{}, fmt.Errorf("%s dollars are no price in euros", dollars)
	}
	p := Price{Value: v, At: earlier(dollars.At, euro.At), Source: dollars.Source}
	if euro.Source != dollars.Source {
		p.Source += "/" + euro.Source
	}
	return p, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
