package checkout

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// PriceKind is the kind of the job that says what a transfer is worth for which there was
// no price; its arguments are Follow.Args.
const PriceKind = "deposit.price"

// valuer says what money is worth to a payment that is due in a fiat currency.
type valuer struct {
	p      *payment.Payment
	prices priceList
	now    time.Time
	made   []payment.Quote // that were needed, and are to be kept with the payment
}

// priceList is what assets cost now, by the fiat currency that the price is in.
type priceList map[asset.ID]map[asset.ID]money.Price

// wanted are the assets whose prices are needed, by the fiat currency.
type wanted map[asset.ID][]asset.ID

func (w wanted) add(in, of asset.ID) {
	if !slices.Contains(w[in], of) {
		w[in] = append(w[in], of)
	}
}

// listOf asks for all of them at the same time.
func (s *Service) listOf(ctx context.Context, w wanted) priceList {
	var (
		mu     sync.Mutex
		asking sync.WaitGroup
	)
	list := priceList{}
	for in, of := range w {
		asking.Go(func() {
			prices := s.pricesOf(ctx, in, of...)
			mu.Lock()
			defer mu.Unlock()
			list[in] = prices
		})
	}
	asking.Wait()
	return list
}

// quote is the quote by which units that moved at a moment count: one that somebody was
// shown then, else one of the price of now, which is made if need be. There is none where
// there is no price: an older one never counts.
func (v *valuer) quote(r payment.Request, token asset.Token, units *big.Int, at time.Time) (q payment.Quote, found bool) {
	if q, found = quoteFor(v.p, r.Index, token.ID, units, at); found {
		return q, true
	}
	if i := slices.IndexFunc(v.made, func(q payment.Quote) bool { return q.Request == r.Index && q.Asset == token.ID }); i >= 0 {
		return v.made[i], true
	}
	price, ok := v.prices[r.Asset][token.ID]
	if !ok {
		return payment.Quote{}, false
	}
	q, err := payment.FreezeQuote(payment.NewULID(v.now), r.Index, r.Due, token, price, v.now, v.now)
	return q, err == nil
}

// keep remembers a quote that v.quote has given and that counts.
func (v *valuer) keep(q payment.Quote) {
	is := func(x payment.Quote) bool { return x.ID == q.ID }
	if !slices.ContainsFunc(v.p.Quotes, is) && !slices.ContainsFunc(v.made, is) {
		v.made = append(v.made, q)
	}
}

// save stores the quotes that were made.
func (v *valuer) save(ctx context.Context, tx Tx) error {
	for _, q := range v.made {
		if err := tx.InsertQuote(ctx, v.p.ID, q); err != nil {
			return fmt.Errorf("keep quote: %w", err)
		}
	}
	v.p.Quotes = append(v.p.Quotes, v.made...)
	return nil
}

// quoteFor is Payment.QuoteFor with clocks that differ: a block's time may lie before
// that of a quote which its money was sent by. Such a quote counts where no other was good
// at that time, or where the money fits it.
func quoteFor(p *payment.Payment, request int, of asset.ID, units *big.Int, at time.Time) (q payment.Quote, found bool) {
	q, found = p.QuoteFor(request, of, units, at)
	if found && q.Fits(units) {
		return q, true
	}
	if x, ok := p.QuoteFor(request, of, units, at.Add(clockSkew)); ok && (!found || x.Fits(units)) {
		return x, true
	}
	return q, found
}

// tooEarly is why what is older than its payment pays nothing.
const tooEarly = "too_early"

// astray says why what came for a request that is due in a fiat currency is no transfer of
// it, whatever it is worth; "" if it is one.
func (s *Service) astray(p *payment.Payment, r payment.Request, x rail.Sighting) (token asset.Token, reason string) {
	token, listed := s.book.TokenAt(x.Chain, x.Token)
	switch {
	case r.Quoted() && x.Chain != r.Chain:
		reason = "wrong_chain"
	case !listed:
		reason = "wrong_asset"
	case x.To != r.Payee:
		reason = "wrong_payee"
	case x.Amount.Sign() <= 0:
		reason = "no_value"
	case x.At.Before(p.Terms.CreatedAt.Add(-clockSkew)):
		reason = tooEarly
	}
	return token, reason
}

// worth makes a transfer of what came for a request that is due in a fiat currency, or says
// why it is none. Which rail has seen it does not matter.
func (s *Service) worth(v *valuer, r payment.Request, x rail.Sighting, parts int) (t payment.Transfer, reason string) {
	token, reason := s.astray(v.p, r, x)
	t = unvalued(r, token.ID, x)
	if reason != "" {
		return t, reason
	}
	if i := slices.IndexFunc(v.p.Transfers, func(k payment.Transfer) bool { return k.Key == t.Key }); i >= 0 {
		return as(t, v.p.Transfers[i], v.p.Quotes), ""
	}
	q, priced := v.quote(r, token, x.Amount, x.At)
	if priced {
		t.Credit, t.Quote = q.Credit(x.Amount), q.ID
	}
	switch {
	case parts >= maxParts && priced && isDust(r, t.Credit):
		return t, "dust"
	case parts >= 2*maxParts && !priced: // it may be dust
		return t, "dust"
	}
	if priced {
		v.keep(q)
	}
	return t, ""
}

// unvalued is a transfer that nobody knows yet what it is worth. The key names the
// asset as well: after a reorganisation the same place may hold an event of another token.
func unvalued(r payment.Request, of asset.ID, x rail.Sighting) payment.Transfer {
	return payment.Transfer{
		Key: x.Key + ":" + x.Handle + ":" + string(of), Request: r.Index, Rail: string(x.Rail), Asset: of, Amount: x.Amount, Credit: new(big.Int),
		Stage: payment.Pending, At: x.At, Evidence: x.Evidence,
	}
}

// as gives a transfer that was seen before the credit that was fixed then. If another
// amount stands in its place now, it counts by the same quote.
func as(t, known payment.Transfer, quotes []payment.Quote) payment.Transfer {
	t.Credit, t.Quote = known.Credit, known.Quote
	if t.Amount.Cmp(known.Amount) == 0 {
		return t
	}
	if i := slices.IndexFunc(quotes, func(q payment.Quote) bool { return q.ID == t.Quote }); i >= 0 {
		t.Credit = quotes[i].Credit(t.Amount)
	}
	return t
}

// unpriced reports whether somebody has to find out what a transfer is worth.
func unpriced(x payment.Transfer) bool { return x.Stage != payment.Dropped && !x.Priced() }

// pricedLater enqueues the jobs that find out what transfers are worth that are new, or
// there again, and have no quote.
func pricedLater(ctx context.Context, tx Tx, p *payment.Payment, xs []payment.Transfer, now time.Time) error {
	for _, x := range xs {
		waits := slices.ContainsFunc(p.Transfers, func(k payment.Transfer) bool { return k.Key == x.Key && k.Stage != payment.Dropped })
		if x.Priced() || waits {
			continue
		}
		if err := tx.Follow(ctx, Follow{Kind: PriceKind, Payment: p.ID, Key: x.Key, Chain: x.Evidence.Chain, At: now}); err != nil {
			return fmt.Errorf("have a transfer priced: %w", err)
		}
	}
	return nil
}

// askPrices asks what the assets in a sweep cost that will need a quote. It asks nobody if
// nothing in it is for a payment that is due in a fiat currency, or everything has a quote.
func (s *Service) askPrices(ctx context.Context, all []rail.Sighting) (priceList, error) {
	if s.prices == nil || len(all) == 0 {
		return nil, nil
	}
	mine, err := owned(ctx, s.store, all)
	if err != nil {
		return nil, err
	}
	want := wanted{}
	for _, id := range inOrder(mine) {
		p, err := s.store.Payment(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("load payment %s: %w", id.Short(), err)
		}
		for _, c := range mine[id] {
			token, listed := s.book.TokenAt(c.Chain, c.Token)
			if listed && needsPrice(p, c.request, token.ID, c.Sighting) {
				want.add(p.Terms.Requests[c.request].Asset, token.ID)
			}
		}
	}
	return s.listOf(ctx, want), nil
}

// needsPrice reports whether a sighting is new, for a request that is due in a fiat
// currency, and no quote says what it is worth.
func needsPrice(p *payment.Payment, request int, of asset.ID, x rail.Sighting) bool {
	r := p.Terms.Requests[request]
	if !r.Fiat() || r.Quoted() && x.Chain != r.Chain {
		return false
	}
	key := unvalued(r, of, x).Key
	if slices.ContainsFunc(p.Transfers, func(k payment.Transfer) bool { return k.Key == key }) {
		return false
	}
	_, found := quoteFor(p, request, of, x.Amount, x.At)
	return !found
}

// PriceTransfers says what a payment's transfers are worth for which there was no price,
// as far as there is one now, and has the payment go on as if they had just come. again is
// when to look again, zero if nothing is left. It may run twice, at the same time, or be
// cut off anywhere.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) PriceTransfers(ctx context.Context, args string) (again time.Time, err error) {
	p, _, err := s.trackedBy(ctx, args)
	if err != nil {
		return time.Time{}, err
	}
	want := wanted{}
	for _, x := range p.Transfers {
		if unpriced(x) {
			want.add(p.Terms.Requests[x.Request].Asset, x.Asset)
		}
	}
	if len(want) == 0 {
		return time.Time{}, nil
	}
	prices := s.listOf(ctx, want)
	now := s.now().UTC().Truncate(time.Microsecond)
	err = s.store.Write(ctx, func(tx Tx) error {
		if p, err = tx.Payment(ctx, p.ID); err != nil {
			return err
		}
		return s.priceAll(ctx, tx, p, prices, now)
	})
	if err != nil {
		return time.Time{}, err
	}
	for _, x := range p.Transfers {
		if wait := now.Add(pricePause(now.Sub(x.At))); unpriced(x) && (again.IsZero() || wait.Before(again)) {
			again = wait
		}
	}
	return again, nil
}

func (s *Service) priceAll(ctx context.Context, tx Tx, p *payment.Payment, prices priceList, now time.Time) error {
	v := &valuer{p: p, prices: prices, now: now}
	var f facts
	for _, x := range p.Transfers {
		token, listed := s.book.Token(x.Asset)
		if !listed || !unpriced(x) {
			continue
		}
		if q, ok := v.quote(p.Terms.Requests[x.Request], token, x.Amount, x.At); ok {
			v.keep(q)
			x.Credit, x.Quote = q.Credit(x.Amount), q.ID
			f.credited = append(f.credited, x)
		}
	}
	if len(f.credited) == 0 {
		return nil
	}
	if err := v.save(ctx, tx); err != nil {
		return err
	}
	_, err := s.change(ctx, tx, p, now, f)
	return err
}

// pricePause is how long to wait for a price of what came so long ago.
func pricePause(since time.Duration) time.Duration {
	switch {
	case since > 24*time.Hour:
		return time.Hour
	case since > time.Hour:
		return 5 * time.Minute
	case since > 2*time.Minute:
		return 30 * time.Second
	}
	return 5 * time.Second
}
