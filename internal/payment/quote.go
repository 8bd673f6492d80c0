package payment

import (
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
)

// QuoteLife is how long a quote is good for (the SpacePay documentation's example: ten
// minutes).
const QuoteLife = 10 * time.Minute

// QuoteGrace is how much longer than it is shown a quote counts for money that moved:
// exchanges take their time.
const QuoteGrace = 2 * time.Minute

// Quote is how much of one asset makes up what is missing of a request that is due in a
// fiat currency, frozen for a while. It never changes: a refresh is a new quote.
type Quote struct {
	ID      string // ULID
	Request int    // index of the request
	Asset   asset.ID
	Chain   asset.ChainID

	Due   *big.Int // of the request's currency, in units of 10^-money.FiatDecimals: what Units are worth
	Units *big.Int // base units of the asset, rounded up: never worth less than Due
	Price money.Price

	CreatedAt, ExpiresAt time.Time
	// Asked tells that somebody was shown it. Others were made by the server, to count
	// money that came without one.
	Asked bool
}

// FreezeQuote makes a quote for an amount of a fiat currency at a price in it.
//
// Faults: Invalid "invalid_amount" if nothing is due or it is more than can be; what the
// price is was checked by its source.
func FreezeQuote(id string, request int, due *big.Int, of asset.Token, p money.Price, now, until time.Time) (Quote, error) {
	units := money.UnitsFor(due, of.Decimals, p)
	if due.Sign() <= 0 || units.BitLen() > 256 {
		return Quote{}, fault.Field("amount", "invalid_amount", "There is nothing to pay, or more than anybody has.")
	}
	return Quote{
		ID: id, Request: request, Asset: of.ID, Chain: of.Chain, Due: new(big.Int).Set(due), Units: units, Price: p,
		CreatedAt: now.UTC(), ExpiresAt: until.UTC(),
	}, nil
}

// Active reports whether the quote is good at a moment.
func (q Quote) Active(now time.Time) bool { return now.Before(q.ExpiresAt) }

// Credit is what base units of the asset are worth by the quote, in base units of the fiat
// currency, rounded up: so parts are never worth less together than they are at once, by whatever
// order they come in, and all of Units are worth Due, to the last digit.
func (q Quote) Credit(units *big.Int) *big.Int {
	return money.CeilQuo(new(big.Int).Mul(q.Due, units), q.Units)
}

// For is how many base units of the asset make up an amount of the fiat currency by the
// quote.
func (q Quote) For(fiat *big.Int) *big.Int {
	return money.CeilQuo(new(big.Int).Mul(fiat, q.Units), q.Due)
}

// askDecimals is how many decimals people are asked to type: many exchanges take no more,
// and leave out what is behind them.
const askDecimals = 8

// Ask is how many base units people are asked to send for an amount of the fiat currency, of
// an asset with so many decimals: For, rounded up to what exchanges let them type where
// that is worth less than a tenth of a cent.
func (q Quote) Ask(fiat *big.Int, decimals uint8) *big.Int {
	units := q.For(fiat)
	if decimals <= askDecimals {
		return units
	}
	step := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals-askDecimals)), nil)
	round := money.CeilQuo(units, step)
	round.Mul(round, step)
	more := new(big.Int).Sub(q.Credit(round), q.Credit(units))
	if more.Mul(more, big.NewInt(10)).Cmp(money.Cents(1)) >= 0 {
		return units
	}
	return round
}

// Fits reports whether units are what the quote asked for, to less than a cent above.
func (q Quote) Fits(units *big.Int) bool {
	return units.Cmp(q.Units) >= 0 && new(big.Int).Sub(q.Credit(units), q.Due).Cmp(money.Cents(1)) < 0
}

// QuoteFor returns the quote by which money that moved at a moment counts: of those of
// its request and asset that were good then, or had been until no longer than QuoteGrace
// before, one that it fits, else the newest that somebody was
// shown, else the newest.
func (p *Payment) QuoteFor(request int, of asset.ID, units *big.Int, at time.Time) (q Quote, found bool) {
	for _, x := range p.Quotes {
		if x.Request != request || x.Asset != of || x.CreatedAt.After(at) || !x.Active(at.Add(-QuoteGrace)) {
			continue
		}
		if !found || better(x, q, units) {
			q, found = x, true
		}
	}
	return q, found
}

// better reports whether money counts by quote x rather than by y.
func better(x, y Quote, units *big.Int) bool {
	if fits := x.Fits(units); fits != y.Fits(units) {
		return fits
	}
	if x.Asked != y.Asked {
		return x.Asked
	}
	return x.CreatedAt.After(y.CreatedAt)
}

// ActiveQuote returns the newest quote of an asset that somebody was shown and that is
// good now.
func (p *Payment) ActiveQuote(request int, of asset.ID, now time.Time) (q Quote, found bool) {
	for _, x := range p.Quotes {
		if x.Asked && x.Request == request && x.Asset == of && x.Active(now) && (!found || x.CreatedAt.After(q.CreatedAt)) {
			q, found = x, true
		}
	}
	return q, found
}
