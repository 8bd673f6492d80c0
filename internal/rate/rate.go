// Package rate knows what assets cost in US dollars and in euros. Prices come from
// Chainlink's feeds on a chain and from a price API over HTTP; one can be held against the
// other. There is a fresh price or there is none: never an old one, and never a guess.
//
// It must not know payments, stores or pages. It calculates with integers only.
package rate

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
)

// Price is what one whole unit of an asset costs.
type Price = money.Price

// maxPrice is a hundred billion dollars for one: whoever says more is mistaken.
var maxPrice = new(big.Int).Mul(big.NewInt(1e11), big.NewInt(1e8))

// Answer is a price, or why there is none: Err is an *Error.
type Answer struct {
	Price Price
	Err   error
}

// Source knows prices.
type Source interface {
	// Prices asks for several assets at once; each of them has an answer.
	Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer
}

// Why says why there is no price.
type Why string

// The reasons.
const (
	Unknown     Why = "unknown_asset" // the source has no price of this asset
	Unreachable Why = "unreachable"   // it does not answer, or wants to be left alone
	Malformed   Why = "malformed"     // it answers with something else
	NotPositive Why = "not_positive"  // it says nothing, less than nothing, or an absurd price
	Stale       Why = "stale"         // its price is too old
	Ahead       Why = "from_the_future"
	Incomplete  Why = "incomplete"     // a round that was not answered
	Decimal     Why = "wrong_decimals" // the feed is not the one that was configured
	Behind      Why = "node_behind"    // the chain's newest block is old: so may prices be
	Down        Why = "sequencer_down" // the rollup's sequencer is down, or was until a moment ago
	Disagree    Why = "disagree"       // two sources are further apart than allowed
)

// Error is why there is no price of an asset.
type Error struct {
	Asset  asset.ID
	Source string
	Why    Why
	Detail string // for logs
	cause  error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("no price of %s from %s: %s", e.Asset, e.Source, e.Why)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// failed gives all assets the same answer.
func failed(of []asset.ID, source string, why Why, cause error) map[asset.ID]Answer {
	out := map[asset.ID]Answer{}
	for _, id := range of {
		out[id] = Answer{Err: &Error{Asset: id, Source: source, Why: why, cause: cause}}
	}
	return out
}

// sane says what is wrong with a price, "" if nothing is. Nobody's clock is exact.
func sane(p Price, maxAge time.Duration, now time.Time) (Why, string) {
	const skew = 2 * time.Minute
	switch {
	case p.Value.Sign() <= 0 || p.Value.Cmp(maxPrice) > 0:
		return NotPositive, p.Value.String()
	case p.At.After(now.Add(skew)):
		return Ahead, p.At.UTC().Format(time.RFC3339)
	case p.At.Before(now.Add(-maxAge)):
		return Stale, "it is of " + p.At.UTC().Format(time.RFC3339)
	}
	return "", ""
}

// apart reports whether two prices differ by more than a bound, measured by the smaller.
func apart(a, b *big.Int, bound money.BasisPoints) bool {
	low, high := a, b
	if low.Cmp(high) > 0 {
		low, high = high, low
	}
	gap := new(big.Int).Sub(high, low)
	return gap.Mul(gap, big.NewInt(10_000)).Cmp(new(big.Int).Mul(low, big.NewInt(int64(bound)))) > 0
}
