package checkout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// learnRoute applies a turn to an attempt as it is stored now, and then what the
// payment's own chain has shown of the route: that wins over whatever was said.
func (s *Service) learnRoute(ctx context.Context, id payment.ID, key string, take func(*payment.Payment, payment.Attempt) turn) (*payment.Payment, *payment.Attempt, error) {
	return s.learn(ctx, id, key, func(tx Tx, p *payment.Payment, a payment.Attempt, _ time.Time) (facts, error) {
		t := turn{attempt: a}
		if a.Stage != payment.Abandoned {
			t = take(p, a)
		}
		f, err := s.shown(ctx, tx, p, t)
		if err != nil {
			return f, err
		}
		f.events, err = untold(ctx, tx, p, f.events)
		return f, err
	})
}

// untold leaves out what the merchant was told before of the same transfer's end: one whose
// arrival is taken back ends again as it had.
func untold(ctx context.Context, tx Tx, p *payment.Payment, events []payment.Event) ([]payment.Event, error) {
	ends := func(e payment.Event) bool {
		return (e.Kind == payment.EventBroken || e.Kind == payment.EventRefunded) && e.Fields[payment.FieldReason] != ""
	}
	if !slices.ContainsFunc(events, ends) {
		return events, nil
	}
	log, err := tx.Events(ctx, p.ID)
	if err != nil {
		return nil, fmt.Errorf("read what was told of %s: %w", p.ID.Short(), err)
	}
	return slices.DeleteFunc(events, func(e payment.Event) bool {
		return ends(e) && slices.ContainsFunc(log, func(x payment.Event) bool {
			return x.Kind == e.Kind && x.Fields[payment.FieldReason] == e.Fields[payment.FieldReason] && x.Fields[payment.FieldTx] == e.Fields[payment.FieldTx]
		})
	}), nil
}

// shown completes a turn by what the payment's own chain has shown: an arrival
// ends the attempt well, whatever is said of it, and a recovery badly.
func (s *Service) shown(ctx context.Context, tx Tx, p *payment.Payment, t turn) (facts, error) {
	a := t.attempt
	if a.Until.IsZero() {
		return facts{attempts: []payment.Attempt{a}, events: t.events}, nil
	}
	var named []payment.Transfer
	for _, x := range p.Transfers {
		if !brought(a, x) {
			continue
		}
		if x.Stage != payment.Dropped && a.Stage != payment.Executed {
			a, t.events = arrive(a, x), onlyBridging(t.events)
		}
		if x.Evidence.Source.Tx == "" {
			named = append(named, cameFrom(x, a))
		}
	}
	if waiting(p, a) {
		kept, err := tx.Recoveries(ctx, a.Route.ID)
		if err != nil {
			return facts{}, fmt.Errorf("look up recoveries of %s: %w", p.ID.Short(), err)
		}
		for _, r := range kept {
			if s.recovers(p, a, r.Recovery) {
				a, t.events = recovered(p, a, r.Tx, t.events)
				break
			}
		}
	}
	return facts{attempts: []payment.Attempt{a}, events: t.events, named: named}, nil
}

// onlyBridging drops what an arrival disproves.
func onlyBridging(events []payment.Event) []payment.Event {
	return slices.DeleteFunc(events, func(e payment.Event) bool { return e.Kind != payment.EventBridging })
}

// clockSkew is how far the clocks of two chains may be apart.
const clockSkew = 2 * time.Minute

// brought reports whether a transfer is what a route brought. Anybody can have
// LI.FI's executor name any route, so the money must be the route's as well; and
// anybody can send a copy of a route, so it must not have come before that left.
func brought(a payment.Attempt, x payment.Transfer) bool {
	r := a.Route
	return r != nil && !a.Until.IsZero() && x.Evidence.Source.Route == r.ID && x.Evidence.Chain == r.To &&
		x.Request == r.Request && x.Amount.Cmp(r.Pays) == 0 && !x.At.Before(r.SentAt.Add(-clockSkew))
}

func arrive(a payment.Attempt, x payment.Transfer) payment.Attempt {
	r := *a.Route
	r.Progress, r.Tx = payment.Arrived, x.Evidence.Tx
	a.Stage, a.Reason, a.Route = payment.Executed, "", &r
	return a
}

// cameFrom writes down who paid and what: the contracts on the payment's chain
// know neither.
func cameFrom(x payment.Transfer, a payment.Attempt) payment.Transfer {
	x.Evidence.Payer = a.Payer
	x.Evidence.Source = payment.Source{Route: a.Route.ID, Chain: a.Chain, Tx: a.Handle, Asset: a.Route.From, Amount: a.Route.Amount}
	return x
}

// sourced completes transfers that bridges brought by what is proven of their
// routes, and keeps what was known before of the same block.
func sourced(p *payment.Payment, xs []payment.Transfer) {
	for i := range xs {
		x := &xs[i]
		for _, known := range p.Transfers {
			if known.Key == x.Key && known.Evidence.BlockHash == x.Evidence.BlockHash && x.Evidence.Payer == "" && x.Evidence.Source.Route == "" {
				x.Evidence.Payer, x.Evidence.Source = known.Evidence.Payer, known.Evidence.Source
			}
		}
		for _, a := range p.Attempts {
			if brought(a, *x) {
				*x = cameFrom(*x, a)
				break
			}
		}
	}
}

// recovers reports whether a recovery is a route's own. Anybody can have LI.FI's
// receivers name any route, by a transfer of their own that fails: so it must be
// the payment's asset, enough of it, and in the hands of whom the route named.
func (s *Service) recovers(p *payment.Payment, a payment.Attempt, r rail.Recovery) bool {
	if a.Route == nil || a.Until.IsZero() || a.Route.ID != r.Route || a.Route.To != r.Chain || a.Route.Request >= len(p.Terms.Requests) {
		return false
	}
	token, ok := s.book.TokenAt(r.Chain, r.Token)
	return ok && token.ID == p.Terms.Requests[a.Route.Request].Asset && r.To.String() == a.Route.Fallback && r.Amount.Cmp(a.Route.Pays) >= 0
}

func recovered(p *payment.Payment, a payment.Attempt, tx string, events []payment.Event) (payment.Attempt, []payment.Event) {
	return broken(p, a, payment.Recovered, tx, ReasonCallFailed, onlyBridging(events))
}

// recoveries finds the payments that recoveries belong to, and keeps them all:
// whose they are may be proven later. One that a reorganisation takes away is not
// taken back: should the money arrive after all, its event wins.
func (s *Service) recoveries(ctx context.Context, tx Tx, found []rail.Recovery, now time.Time) (map[payment.ID][]rail.Recovery, error) {
	mine := map[payment.ID][]rail.Recovery{}
	for _, r := range found {
		if err := tx.PutRecovery(ctx, Recovery{Recovery: r, Forget: now.Add(forgetFor)}); err != nil {
			return nil, fmt.Errorf("keep a recovery: %w", err)
		}
		ids, err := tx.PaymentsByRoute(ctx, r.Route)
		if err != nil {
			return nil, fmt.Errorf("find the payment of a recovery: %w", err)
		}
		for _, id := range ids {
			mine[id] = append(mine[id], r)
		}
	}
	return mine, nil
}

// recoverAll ends the attempts whose money was delivered beside the payment,
// unless the payment has it all the same.
func (s *Service) recoverAll(p *payment.Payment, rs []rail.Recovery, arriving []payment.Transfer) (attempts []payment.Attempt, events []payment.Event) {
	for _, a := range p.Attempts {
		if a.Route == nil || !waiting(p, a) || slices.ContainsFunc(arriving, func(x payment.Transfer) bool { return brought(a, x) }) {
			continue
		}
		for _, r := range rs {
			if s.recovers(p, a, r) {
				a, events = recovered(p, a, r.Tx, events)
				attempts = append(attempts, a)
				break
			}
		}
	}
	return attempts, events
}

// weigh is what a look at its chain makes of a transfer.
func weigh(p *payment.Payment, a payment.Attempt, proof rail.Proof, now time.Time) turn {
	proven := !a.Until.IsZero()
	switch proof.Route.Progress {
	case payment.Sent:
		return missed(a, proof, now)
	case payment.Unknown:
		return abandon(a, payment.Unknown)
	case payment.Broken:
		if !proof.Route.Final && now.Sub(a.At) < revertFor {
			return turn{attempt: a}
		}
		if proof.Route.ID == "" {
			return abandon(a, payment.Broken) // whoever announced it: it was never for this payment
		}
		a.Route = &proof.Route
		var t turn
		t.attempt, t.events = broken(p, a, payment.Broken, a.Handle, ReasonSourceFailed, nil)
		return t
	}
	route := proof.Route
	route.Progress = payment.Bridging
	if proven && a.Route.Progress != payment.Sent {
		route.Progress, route.Tx = a.Route.Progress, a.Route.Tx
	}
	if a.Payer != proof.Payer { // whose account it is was told of another
		a.Owner = ""
	}
	a.Route, a.Payer, a.Until = &route, proof.Payer, proof.Until
	if a.Stage != payment.Announced {
		return turn{attempt: a}
	}
	a.Stage = payment.Proven
	return turn{attempt: a, events: []payment.Event{{
		Kind: payment.EventBridging, Request: route.Request, Detail: a.Handle, Fields: map[string]string{payment.FieldTx: a.Handle},
	}}}
}

// missed is what not being in a block makes of a transfer. One node that lags
// behind must neither let a payment go nor end the search.
func missed(a payment.Attempt, proof rail.Proof, now time.Time) turn {
	since := a.At
	if !a.Until.IsZero() {
		if a.Route.Missed.IsZero() {
			a.Route.Missed = now
		}
		since = a.Route.Missed
	}
	patience := unseenFor
	if proof.Route.ID != "" {
		patience = pendingFor
	}
	switch {
	case a.Stage == payment.Executed: // its arrival proves that it was sent
		a.Route.Missed = time.Time{}
	case now.Sub(since) > patience:
		return abandon(a, payment.Unknown)
	case !a.Until.IsZero() && now.Sub(since) > missedFor:
		a.Route.Progress = payment.Sent
	}
	return turn{attempt: a}
}

// abandon ends a transfer of which nobody need be told.
func abandon(a payment.Attempt, why payment.Progress) turn {
	a.Stage, a.Route.Progress = payment.Abandoned, why
	return turn{attempt: a}
}

// hear is what the bridge's word makes of a transfer that is under way.
func hear(p *payment.Payment, a payment.Attempt, news rail.News) turn {
	if !waiting(p, a) {
		return turn{attempt: a}
	}
	switch news.Progress {
	case payment.Bridging, payment.Arrived, payment.Refunding:
		a.Route.Progress, a.Route.Tx = news.Progress, news.Tx
	case payment.Recovered:
		return said(broken(p, a, payment.Recovered, news.Tx, ReasonCallFailed, nil))
	case payment.Broken:
		return said(broken(p, a, payment.Broken, news.Tx, ReasonSourceFailed, nil))
	case payment.Refunded:
		return refunded(p, a, news)
	case payment.Sent, payment.Unknown: // it has not heard of it yet: nothing to learn
	}
	return turn{attempt: a}
}

func said(a payment.Attempt, events []payment.Event) turn { return turn{attempt: a, events: events} }

// broken ends a transfer that came to nothing. The merchant is told, unless the
// payment was made in another way: he would take it for the payment's failure.
func broken(p *payment.Payment, a payment.Attempt, how payment.Progress, tx, reason string, before []payment.Event) (payment.Attempt, []payment.Event) {
	r := *a.Route
	r.Progress, r.Tx = how, tx
	a.Stage, a.Reason, a.Route = payment.Abandoned, reason, &r
	if made(p) {
		return a, before
	}
	return a, append(before, cameToNothing(r.Request, reason, a.Handle))
}

// made reports whether the payment has all its money, final or not.
func made(p *payment.Payment) bool {
	return p.Standing.State == payment.Paid || p.Standing.State == payment.Seen
}

// refunded ends a transfer whose money the payer has again on its own chain.
func refunded(p *payment.Payment, a payment.Attempt, news rail.News) turn {
	back, amount := asset.ID(""), a.Route.Amount
	if back = a.Route.From; news.Amount != nil && news.Asset != "" {
		back, amount = news.Asset, news.Amount
	}
	tx := news.Tx
	if tx == "" {
		tx = a.Handle
	}
	r := *a.Route
	r.Progress, r.Tx = payment.Refunded, news.Tx
	a.Stage, a.Reason, a.Route = payment.Abandoned, ReasonBridgeRefunded, &r
	t := turn{attempt: a}
	if !made(p) {
		t.events = []payment.Event{{Kind: payment.EventRefunded, Request: r.Request, Detail: tx, Fields: map[string]string{
			payment.FieldWallet: a.Payer, payment.FieldAmount: amount.String(), payment.FieldAsset: string(back),
			payment.FieldTx: tx, payment.FieldReason: ReasonBridgeRefunded,
		}}}
	}
	return t
}
