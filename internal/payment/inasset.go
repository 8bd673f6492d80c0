package payment

import (
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
)

// Quoted reports whether all that is due is due in a fiat currency to accounts of the
// payees' own. A payment has no other requests beside such.
func (t Terms) Quoted() bool {
	return len(t.Requests) > 0 && !slices.ContainsFunc(t.Requests, func(r Request) bool { return !r.Quoted() })
}

// InAsset is a Quoted payment as it is due in one asset: what a contract call has to move,
// and the page that shows it.
//
// While something is missing it has the requests that miss something, each due in what
// makes up all that it misses by the quote that is good now; nothing has come for those,
// and they are due until the first of the quotes ends. ok is false if one of them has no
// such quote. Once nothing is missing, it has the requests that were paid in the asset, due
// and paid in what has come; ok is false if there are none.
//
// Requests keep ids, references, salts, topics and payees; their indexes are those of the
// result. It is for showing and preparing only, and must not be stored.
func InAsset(p *Payment, of asset.ID, now time.Time) (in *Payment, ok bool) {
	if !p.Terms.Quoted() {
		return nil, false
	}
	standing := p.StandingAt(now)
	missing := make([]*big.Int, len(p.Terms.Requests))
	left := false
	for i, r := range p.Terms.Requests {
		missing[i] = standing.Requests[i].Missing(r.Due)
		left = left || missing[i].Sign() > 0
	}
	made := *p
	made.Terms.Requests, made.Transfers, made.Quotes = nil, nil, nil
	if left {
		ok = made.owes(p, of, missing, now)
	} else {
		ok = made.got(p, of)
	}
	if !ok {
		return nil, false
	}
	made.Standing = made.StandingAt(now)
	return &made, true
}

// LastInAsset is InAsset for who may have been looking at it for a while: once the quotes
// have ended it is what it was when the newest of them was made, and Expired once what was
// sent by that has had time to come. ok is false if it was never due in the asset.
func LastInAsset(p *Payment, of asset.ID, now time.Time) (in *Payment, ok bool) {
	if in, ok := InAsset(p, of, now); ok {
		return in, true
	}
	var newest Quote
	for _, q := range p.Quotes {
		if q.Asked && q.Asset == of && q.CreatedAt.After(newest.CreatedAt) {
			newest = q
		}
	}
	in, ok = InAsset(p, of, newest.CreatedAt)
	if ok && now.After(newest.ExpiresAt.Add(QuoteGrace)) {
		in.Standing = in.StandingAt(now)
	}
	return in, ok
}

// owes fills in what is missing of whole, by the quotes that are good now.
func (p *Payment) owes(whole *Payment, of asset.ID, missing []*big.Int, now time.Time) bool {
	for i, r := range whole.Terms.Requests {
		if missing[i].Sign() == 0 {
			continue
		}
		q, ok := whole.ActiveQuote(i, of, now)
		if !ok || q.Chain != r.Chain {
			return false
		}
		p.Terms.Requests = append(p.Terms.Requests, r.in(of, len(p.Terms.Requests), q.For(missing[i])))
		if q.ExpiresAt.Before(p.Terms.ExpiresAt) {
			p.Terms.ExpiresAt = q.ExpiresAt
		}
	}
	return true
}

// got fills in what has come of an asset for whole. What came late is there too, and was
// not due.
func (p *Payment) got(whole *Payment, of asset.ID) bool {
	late := lateness(whole.Terms, whole.Attempts)
	for i, r := range whole.Terms.Requests {
		var came []Transfer
		due := new(big.Int)
		for _, x := range whole.Transfers {
			if x.Request != i || x.Asset != of || x.Stage == Dropped {
				continue
			}
			if !late(x) {
				due.Add(due, x.Amount)
			}
			x.Request, x.Credit, x.Quote = len(p.Terms.Requests), x.Amount, ""
			came = append(came, x)
		}
		if due.Sign() > 0 {
			p.Terms.Requests = append(p.Terms.Requests, r.in(of, len(p.Terms.Requests), due))
			p.Transfers = append(p.Transfers, came...)
		}
	}
	return len(p.Terms.Requests) > 0
}

// in is the request, due in base units of an asset.
func (r Request) in(of asset.ID, index int, due *big.Int) Request {
	r.Index, r.Asset, r.Due, r.Chain = index, of, due, 0
	return r
}
