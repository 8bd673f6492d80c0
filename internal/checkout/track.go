package checkout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// TrackKind is the kind of the job that follows a transfer over a bridge; its
// arguments are Follow.Args.
const TrackKind = "route.track"

// Tracker follows transfers over bridges. An error says nothing of a transfer: whoever gets
// one asks again later.
type Tracker interface {
	// Prove looks for an announced transfer's transaction on its chain and reads
	// what it does. What is there and is not this payment's is an answer, and no error.
	Prove(ctx context.Context, p *payment.Payment, a payment.Attempt) (rail.Proof, error)
	// News asks how far a proven transfer is. It is news and no evidence.
	News(ctx context.Context, a payment.Attempt) (rail.News, error)
}

// Args are the job's arguments.
func (f Follow) Args() string { return string(f.Payment) + " " + f.Key }

// Lane holds jobs to those of the same chain.
func (f Follow) Lane() string { return fmt.Sprintf("%s %d", f.Kind, f.Chain) }

// Reasons why a transfer over a bridge came to nothing. They go over wires.
const (
	ReasonCallFailed     = "destination_call_failed"   // it arrived, and the payment failed there
	ReasonSourceFailed   = "source_transaction_failed" // the payer's transaction failed, or the bridge says that the transfer did
	ReasonBridgeRefunded = "bridge_refunded"           // the bridge gave it back
)

// How long what cannot be seen is waited for.
const (
	unseenFor  = 10 * time.Minute // a transaction that its chain does not know
	pendingFor = 24 * time.Hour   // one that is known and in no block
	missedFor  = 2 * time.Minute  // a proven one that is gone, before the payment is let go
	revertFor  = 2 * time.Minute  // one that failed in a block which may still go
	followFor  = 24 * time.Hour   // after it should have arrived
	forgetFor  = 8 * 24 * time.Hour
)

// askWithin bounds one question to a chain or a bridge.
const askWithin = 20 * time.Second

// Track takes one look at a transfer over a bridge and records what there is to
// see; again is when to look again, zero if that has an end. What it finds is
// recorded only if it still fits what is stored, so it may run twice, at the same
// time, or be cut off anywhere.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) Track(ctx context.Context, args string) (again time.Time, err error) {
	p, key, err := s.trackedBy(ctx, args)
	if err != nil {
		return time.Time{}, err
	}
	now := s.now().UTC()
	a := attemptBy(p, key)
	switch {
	case a == nil || a.Route == nil || !followed(p, *a, now):
		return time.Time{}, nil
	case s.tracker == nil: // until routes are switched on again
		return now.Add(time.Hour), nil
	}
	troubled := false
	if !a.Route.Final {
		proof, perr := s.prove(ctx, p, *a)
		if troubled = perr != nil; troubled {
			s.log.WarnContext(ctx, "a transfer over a bridge could not be looked at", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", perr)
		} else if p, a, err = s.learnRoute(ctx, p.ID, key, func(p *payment.Payment, a payment.Attempt) turn { return weigh(p, a, proof, now) }); err != nil {
			return time.Time{}, err
		}
	}
	if waiting(p, *a) {
		news, nerr := s.news(ctx, *a)
		if nerr != nil {
			troubled = true
			s.log.WarnContext(ctx, "a bridge did not say how far a transfer is", "payment", p.ID, "tx", a.Handle, "err", nerr)
		} else if p, a, err = s.learnRoute(ctx, p.ID, key, func(p *payment.Payment, a payment.Attempt) turn { return hear(p, a, news) }); err != nil {
			return time.Time{}, err
		}
		if a.Route.Progress == payment.Arrived {
			s.nudge(a.Route.To)
		}
	}
	if !followed(p, *a, now) {
		return time.Time{}, nil
	}
	return s.now().UTC().Add(pause(p, *a, now, troubled)), nil
}

// Vouched reports whether a transaction may be announced to a payment that takes no
// more of anybody's word, because another chain shows that it would pay this: it is
// mined, failed or still to be. That chain is asked only if the payment is so full.
func (s *Service) Vouched(ctx context.Context, p *payment.Payment, chain asset.ChainID, claimedTx string) bool {
	home, ok := s.book.Token(p.Terms.Requests[0].Asset)
	if !ok || home.Chain == chain || s.tracker == nil || len(p.Attempts) < maxAnnounced || len(p.Attempts) >= maxVouched {
		return false
	}
	hash := strings.ToLower(claimedTx)
	if !isHash(hash) {
		return false
	}
	proof, err := s.prove(ctx, p, payment.Attempt{Chain: chain, Handle: hash, At: s.now().UTC(), Route: &payment.Route{To: home.Chain}})
	if err != nil {
		s.log.WarnContext(ctx, "a transfer over a bridge could not be looked at", "payment", p.ID, "chain", chain, "tx", hash, "err", err)
	}
	return err == nil && proof.Route.ID != ""
}

func (s *Service) prove(ctx context.Context, p *payment.Payment, a payment.Attempt) (rail.Proof, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return s.tracker.Prove(ctx, p, a)
}

func (s *Service) news(ctx context.Context, a payment.Attempt) (rail.News, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return s.tracker.News(ctx, a)
}

// followed reports whether there is still something to see of a transfer.
func followed(p *payment.Payment, a payment.Attempt, now time.Time) bool {
	if a.Stage == payment.Abandoned || now.After(end(a).Add(followFor)) {
		return false
	}
	return a.Stage != payment.Executed || !settled(p, a.Route.ID)
}

// givenUp reports whether a transfer was looked for in vain. Its chain may show it
// all the same, later: not every node hears of every transaction before its block.
func givenUp(a payment.Attempt, now time.Time) bool {
	return a.Route != nil && a.Stage == payment.Abandoned && a.Route.Progress == payment.Unknown && a.Until.IsZero() && now.Sub(a.At) > unseenFor
}

// end is when a transfer should have arrived, for one that is not proven when it
// should have been sent.
func end(a payment.Attempt) time.Time {
	if a.Until.IsZero() {
		return a.At.Add(pendingFor)
	}
	return a.Until
}

// settled reports whether something that a route brought is final.
func settled(p *payment.Payment, route string) bool {
	for _, x := range p.Transfers {
		if x.Evidence.Source.Route == route && x.Stage == payment.Final {
			return true
		}
	}
	return false
}

// waiting reports whether the bridge is to act, as far as the chains show.
func waiting(p *payment.Payment, a payment.Attempt) bool {
	return a.Stage == payment.Proven || a.Stage == payment.Executed && p.TakenBack(a.Route.ID)
}

// pause is how long to wait before the next look: the first minutes decide, and
// a service or chain in trouble is not to be hurried.
func pause(p *payment.Payment, a payment.Attempt, now time.Time, troubled bool) time.Duration {
	since := now.Sub(a.At)
	if sent := now.Sub(a.Route.SentAt); sent < since {
		since = sent
	}
	wait := 5 * time.Second
	switch {
	case since > 6*time.Hour:
		wait = 30 * time.Minute
	case since > time.Hour:
		wait = 5 * time.Minute
	case since > 10*time.Minute:
		wait = time.Minute
	case since > 2*time.Minute:
		wait = 15 * time.Second
	case a.Stage == payment.Announced && since < 20*time.Second:
		wait = time.Second // the next block has it, and a quick bridge may be done soon after
	}
	if troubled || a.Stage == payment.Executed && !waiting(p, a) {
		wait = max(wait, 30*time.Second)
	}
	return wait
}
