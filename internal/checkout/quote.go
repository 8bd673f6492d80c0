package checkout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

const (
	// CodeNoPrice is the code of the fault that there is no reliable price for an asset.
	CodeNoPrice = "price_unavailable"

	priceWithin = 3 * time.Second
	maxQuotes   = 300                // that a payment's page may ask for in a day
	minQuotes   = 20                 // of each request, however many there are
	quotesKept  = 7 * 24 * time.Hour // after their end, for money that becomes known late
	shareHold   = time.Minute        // before their end, quotes of shares make room for fresh ones
	quoteAgain  = 15 * time.Second   // how old a quote must be for a fresh one to take its place
)

var (
	errNoPrice    = fault.New(fault.Unavailable, CodeNoPrice, "There is no reliable price for this currency at the moment. Please try again shortly, or pay with another one.")
	errNoDeposits = fault.New(fault.Unavailable, "deposits_unavailable", "Amounts in a fiat currency cannot be paid on this server at the moment.")
	errNoAsset    = fault.Field("asset", "unknown_asset", "This payment cannot be made with that currency.")
)

// pricesOf asks what assets cost now in a fiat currency. Those without a price are missing.
func (s *Service) pricesOf(ctx context.Context, in asset.ID, of ...asset.ID) map[asset.ID]money.Price {
	if s.prices == nil || len(of) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, priceWithin)
	defer cancel()
	return s.prices.Prices(ctx, in, of)
}

// payableIn lists the assets in which a payment can be paid at a quote, in the order in
// which they are offered.
func payableIn(options []rail.Option) (of []asset.ID) {
	for _, o := range options {
		if o.Asset != "" && !slices.Contains(of, o.Asset) {
			of = append(of, o.Asset)
		}
	}
	return of
}

// firstQuote freezes the quote that a new payment has from the start: of the asset that
// is wanted if it has a price, else of the first that has one.
//
// Faults: Unavailable "price_unavailable"; those of payment.FreezeQuote.
func (s *Service) firstQuote(ctx context.Context, p *payment.Payment, want asset.ID, among []asset.ID) (payment.Quote, error) {
	if i := slices.Index(among, want); i > 0 {
		among = slices.Concat(among[i:i+1], among[:i], among[i+1:])
	}
	r, now := p.Terms.Requests[0], p.Terms.CreatedAt
	prices := s.pricesOf(ctx, r.Asset, among[0])
	if _, ok := prices[among[0]]; !ok {
		prices = s.pricesOf(ctx, r.Asset, among[1:]...)
	}
	for _, id := range among {
		token, listed := s.book.Token(id)
		if price, ok := prices[id]; ok && listed {
			return asked(payment.FreezeQuote(payment.NewULID(now), r.Index, r.Due, token, price, now, quotedUntil(p, now)))
		}
	}
	return payment.Quote{}, errNoPrice
}

func asked(q payment.Quote, err error) (payment.Quote, error) {
	q.Asked = true
	return q, err
}

// quotedUntil is how long a quote of now is good: never longer than the payment.
func quotedUntil(p *payment.Payment, now time.Time) time.Time {
	if until := now.Add(payment.QuoteLife); until.Before(p.Terms.ExpiresAt) {
		return until
	}
	return p.Terms.ExpiresAt
}

// Quote returns what makes up a payment in an asset: the quote that is good now if there
// is one, else a new one of what is missing. With fresh it is a new one, unless the last
// is only some seconds old and of just that. How much is to be sent is always the quote's
// For of what is missing, which is its Units where nothing has come yet.
//
// A payment that is due to several payees has a quote for each request that misses
// something, all at one price and made at once; the first of them is returned, and
// Payment.ActiveQuote gives the others.
//
// Faults: NotFound; those of Payable; Invalid on "asset" "unknown_asset"; Unavailable
// "price_unavailable"; Limited "too_many_quotes".
func (s *Service) Quote(ctx context.Context, id payment.ID, of asset.ID, fresh bool) (*payment.Payment, payment.Quote, error) {
	p, err := s.Payment(ctx, id)
	if err != nil {
		return nil, payment.Quote{}, err
	}
	if err := s.Payable(p); err != nil {
		return p, payment.Quote{}, err
	}
	if !p.Terms.Fiat() {
		return p, payment.Quote{}, errNoAsset
	}
	options, err := s.Offers(ctx, p, rail.Payer{})
	if err != nil {
		return p, payment.Quote{}, err
	}
	token, listed := s.book.Token(of)
	if !listed || !slices.Contains(payableIn(options), token.ID) || swallows(token, p) {
		return p, payment.Quote{}, errNoAsset
	}
	if q, ok := stillGood(p, token.ID, fresh, s.now()); ok {
		return p, q, nil
	}
	if err := quotable(p, s.now()); err != nil {
		return p, payment.Quote{}, err
	}
	price, ok := s.pricesOf(ctx, p.Terms.Requests[0].Asset, token.ID)[token.ID]
	if !ok {
		return p, payment.Quote{}, errNoPrice
	}
	return s.quote(ctx, id, token, price, fresh)
}

// swallows reports whether one of the payees is the token's own contract: what is sent to
// it is lost.
func swallows(token asset.Token, p *payment.Payment) bool {
	return !token.Native && slices.ContainsFunc(p.Terms.Requests, func(r payment.Request) bool { return r.Payee == token.Address })
}

// missing lists the requests that miss something.
func missing(p *payment.Payment) (of []payment.Request) {
	for i, r := range p.Terms.Requests {
		if p.Standing.Requests[i].Missing(r.Due).Sign() > 0 {
			of = append(of, r)
		}
	}
	return of
}

// stillGood returns the first of the quotes that new ones are not needed for: there is one
// of each request that misses something, and they were made at once. Who wants fresh ones
// gets some that are young, and of all that is missing and no more. Those of shares are
// until shortly before their end: a payer is signing them together, and another visitor
// must not change what is signed.
func stillGood(p *payment.Payment, of asset.ID, fresh bool, now time.Time) (first payment.Quote, ok bool) {
	for i, r := range missing(p) {
		q, found := p.ActiveQuote(r.Index, of, now)
		if i == 0 {
			first = q
		}
		due := p.Standing.Requests[r.Index].Missing(r.Due)
		young := now.Sub(q.CreatedAt) < quoteAgain || r.Quoted() && q.ExpiresAt.Sub(now) > shareHold
		if !found || fresh && !(young && q.Due.Cmp(due) == 0) || !q.CreatedAt.Equal(first.CreatedAt) {
			return payment.Quote{}, false
		}
		ok = true
	}
	return first, ok
}

// quotable refuses a payment for which prices were asked for too often in the last day: so
// nobody closes one for ever that has no end. Of one with many requests that is less often:
// each time makes a quote of each of them.
func quotable(p *payment.Payment, now time.Time) error {
	n := map[int]int{}
	for _, q := range p.Quotes {
		if q.Asked && now.Sub(q.CreatedAt) < 24*time.Hour {
			n[q.Request]++
		}
	}
	limit := max(maxQuotes/len(p.Terms.Requests), minQuotes)
	for _, asked := range n {
		if asked >= limit {
			return fault.New(fault.Limited, "too_many_quotes", "Too many prices were asked for for this payment.")
		}
	}
	return nil
}

// forgetQuotes drops quotes of a payment without an end that ended long ago and by which
// nothing counts: every look at a payment reads all that it has.
func forgetQuotes(ctx context.Context, tx Tx, p *payment.Payment, now time.Time) error {
	before := now.Add(-quotesKept)
	if !p.Terms.Endless() || !slices.ContainsFunc(p.Quotes, func(q payment.Quote) bool { return q.ExpiresAt.Before(before) }) {
		return nil
	}
	if err := tx.ForgetQuotes(ctx, p.ID, before); err != nil {
		return fmt.Errorf("forget quotes: %w", err)
	}
	p.Quotes = slices.DeleteFunc(p.Quotes, func(q payment.Quote) bool {
		return q.ExpiresAt.Before(before) && !slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool { return x.Quote == q.ID })
	})
	return nil
}

// quote adds quotes to a payment, unless it got some or is over since it was looked at.
func (s *Service) quote(ctx context.Context, id payment.ID, token asset.Token, price money.Price, fresh bool) (p *payment.Payment, first payment.Quote, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	err = s.store.Write(ctx, func(tx Tx) error {
		if p, err = tx.Payment(ctx, id); err != nil {
			return err
		}
		p.Standing = p.StandingAt(now)
		if err := s.Payable(p); err != nil {
			return err
		}
		var ok bool
		if first, ok = stillGood(p, token.ID, fresh, now); ok {
			return nil
		}
		if err := quotable(p, now); err != nil {
			return err
		}
		if err := forgetQuotes(ctx, tx, p, now); err != nil {
			return err
		}
		for i, r := range missing(p) {
			due := p.Standing.Requests[r.Index].Missing(r.Due)
			q, err := asked(payment.FreezeQuote(payment.NewULID(now), r.Index, due, token, price, now, quotedUntil(p, now)))
			if err != nil {
				return err
			}
			if err := tx.InsertQuote(ctx, id, q); err != nil {
				return fmt.Errorf("keep quote: %w", err)
			}
			p.Quotes = append(p.Quotes, q)
			if i == 0 {
				first = q
			}
		}
		return nil
	})
	if err != nil {
		return p, payment.Quote{}, err
	}
	return p, first, nil
}

// PaymentByAlias is Payment by its public id in a dialect.
//
// Faults: NotFound.
func (s *Service) PaymentByAlias(ctx context.Context, dialect, alias string) (*payment.Payment, error) {
	p, err := s.store.PaymentByAlias(ctx, dialect, alias)
	if err != nil {
		return nil, err
	}
	p.Standing = p.StandingAt(s.now())
	return p, nil
}
