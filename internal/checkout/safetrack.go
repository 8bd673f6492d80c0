package checkout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// SafeTrackKind is the kind of the job that follows a Safe transaction; its
// arguments are Follow.Args.
const SafeTrackKind = "safe.track"

const (
	// maxLooks and lookFor bound how much of a chain one run of the job searches, and
	// how long it does.
	maxLooks = 20
	lookFor  = 15 * time.Second
	// lookWithin bounds one look at a chain.
	lookWithin = 30 * time.Second
	// guessFor is how long a hash that was taken for a Safe's is looked for as a
	// transaction's: nodes hear of some a little late.
	guessFor = 10 * time.Minute
	// routeFor is how long most routes over bridges are good, and looked for closely.
	routeFor = time.Hour
)

// TrackSafe takes one look at what became of a Safe transaction and records what
// there is to see; again is when to look again, zero if that has an end. Only what
// final blocks show ends it. What it finds is recorded only if it still fits what
// is stored, so it may run twice, at the same time, or be cut off anywhere.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) TrackSafe(ctx context.Context, args string) (again time.Time, err error) {
	p, key, err := s.trackedBy(ctx, args)
	if err != nil {
		return time.Time{}, err
	}
	now := s.now().UTC()
	a := safeAttempt(p, key)
	switch {
	case a == nil || a.Stage != payment.Announced || now.After(watchedUntil(p)):
		return time.Time{}, nil
	case s.safes == nil: // until Safes are switched on again
		return now.Add(time.Hour), nil
	}
	if a.Safe.Guessed && a.Safe.Tx == nil && now.Sub(a.At) < guessFor {
		if done, err := s.unguess(ctx, p, *a); err != nil || done {
			return time.Time{}, err
		}
	}
	p, a, troubled, err := s.watch(ctx, p, *a, now)
	if err == nil && waits(a) && !troubled && pauseSafe(p, *a, now) > time.Second {
		p, a, troubled, err = s.hearSafe(ctx, p, *a)
	}
	if err != nil || !waits(a) {
		return time.Time{}, err
	}
	pause := pauseSafe(p, *a, now)
	if a.Chain != s.home(p) && p.Standing.State == payment.Open && now.Sub(a.At) < routeFor {
		pause = min(pause, 10*time.Second) // a bridge takes no longer
	}
	if troubled {
		pause = max(pause, 30*time.Second)
	}
	return s.now().UTC().Add(pause), nil
}

// waits reports whether a Safe transaction's end is not known.
func waits(a *payment.Attempt) bool { return a != nil && a.Stage == payment.Announced }

// watchedUntil is how long a payment's Safe transactions are followed where their
// chain does not say that their time is over.
func watchedUntil(p *payment.Payment) time.Time { return p.Terms.Deadline().Add(followFor) }

// watch searches the chain for the outcome. troubled tells that it did not answer.
func (s *Service) watch(ctx context.Context, p *payment.Payment, a payment.Attempt, began time.Time) (_ *payment.Payment, _ *payment.Attempt, troubled bool, err error) {
	last := &a
	for range maxLooks {
		sight, lerr := s.lookSafe(ctx, *last)
		if lerr != nil {
			s.log.WarnContext(ctx, "a Safe transaction could not be looked for", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", lerr)
			return p, last, true, nil
		}
		if p, last, err = s.learnSafe(ctx, p.ID, a.Key, func(p *payment.Payment, a payment.Attempt) turn { return s.judgeSafe(p, a, sight) }); err != nil {
			return nil, nil, false, err
		}
		if !waits(last) || !sight.More || s.now().Sub(began) > lookFor {
			break
		}
	}
	return p, last, false, nil
}

// errSight is a look that does not make sense. Nothing is made of it.
var errSight = errors.New("an outcome that was not asked for")

func (s *Service) lookSafe(ctx context.Context, a payment.Attempt) (SafeSight, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	accounts, err := addresses(a.Safe.Among)
	if err != nil {
		return SafeSight{}, err
	}
	sight, err := s.safes.Look(ctx, a.Chain, accounts, a.Handle, a.Safe.Nonce, a.Safe.Next)
	if err != nil {
		return SafeSight{}, err
	}
	if sight.Ahead != nil && !sight.Ahead.sensible(accounts) {
		sight.Ahead = nil
	}
	if sight.Fate != SafeWaiting && (!sight.Final || !sight.sensible(accounts)) || sight.Next < a.Safe.Next {
		return SafeSight{}, errSight
	}
	return sight, nil
}

// sensible reports whether an outcome is one, of one of these accounts.
func (o SafeOutcome) sensible(accounts []asset.Address) bool {
	switch o.Fate {
	case SafeExecuted, SafeFailed:
		return isHash(o.Tx) && !o.At.IsZero() && slices.Contains(accounts, o.Account)
	case SafeReplaced:
		return (o.Tx == "" || isHash(o.Tx)) && slices.Contains(accounts, o.Account)
	case SafeWaiting:
	}
	return false
}

func addresses(texts []string) ([]asset.Address, error) {
	var out []asset.Address
	for _, text := range texts {
		a, err := asset.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("a stored Safe %q: %w", text, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// hearSafe asks the Transaction Service for what it has collected: the transaction,
// where only the hash was known, signatures, and by what it was executed.
func (s *Service) hearSafe(ctx context.Context, p *payment.Payment, a payment.Attempt) (_ *payment.Payment, _ *payment.Attempt, troubled bool, err error) {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	news, nerr := s.safes.Ask(asking, a.Chain, a.Handle)
	if nerr != nil {
		s.log.WarnContext(ctx, "a Safe transaction could not be asked about", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", nerr)
		return p, &a, true, nil
	}
	if news == nil {
		return p, &a, false, nil
	}
	foreign, more := s.heard(p, a, news)
	hint := s.hinted(asking, p, a, news)
	now := s.now().UTC()
	p, last, err := s.learnSafe(ctx, p.ID, a.Key, func(p *payment.Payment, a payment.Attempt) turn {
		switch {
		case foreign:
			return failSafe(p, a, ReasonSafeForeign, now, "", false, now)
		case hint != nil && hint.Final:
			return s.judgeSafe(p, a, SafeSight{SafeOutcome: *hint, Next: a.Safe.Next})
		}
		a = s.merge(p, a, more, now)
		if hint != nil && hint.Fate == SafeExecuted {
			a.Safe.ExecutedBy = hint.Tx
		}
		return turn{attempt: a}
	})
	return p, last, false, err
}

// heard is what the service's word is worth: the hash proves the transaction, and a
// signature its owner. foreign tells that the transaction pays something else.
func (s *Service) heard(p *payment.Payment, a payment.Attempt, news *SafeNews) (foreign bool, more payment.Attempt) {
	x := &payment.Safe{Among: a.Safe.Among, From: a.Safe.From}
	more = payment.Attempt{Payer: a.Payer, Safe: x}
	if a.Safe.Tx == nil && news.Tx != nil && len(news.Tx) <= maxSafeTx {
		if tx, err := s.safes.Read(a.Chain, news.Account, a.Handle, news.Tx); err == nil {
			switch claim, ok := s.claimed(p, a.Chain, news.Account, tx.Calls); {
			case ok:
				x.Nonce, x.Tx, x.Deadline, x.Among = &tx.Nonce, tx.JSON, claim.Deadline, texts([]asset.Address{news.Account})
				more.Payer = x.Among[0]
			case !s.paysToo(p, a.Chain, news.Account, tx.Calls):
				return true, more
			}
		}
	}
	x.Signed = texts(s.safes.Signers(a.Handle, news.Signatures[:min(len(news.Signatures), maxSigned)]))
	return false, more
}

// hinted looks up the transaction that is said to have executed it, nil if there is
// none or if it shows nothing.
func (s *Service) hinted(ctx context.Context, p *payment.Payment, a payment.Attempt, news *SafeNews) *SafeOutcome {
	tx := strings.ToLower(news.ExecutedBy)
	accounts, err := addresses(a.Safe.Among)
	if !isHash(tx) || tx == a.Safe.ExecutedBy || err != nil {
		return nil
	}
	out, err := s.safes.Outcome(ctx, a.Chain, accounts, a.Handle, tx)
	if err != nil {
		s.log.WarnContext(ctx, "a Safe transaction could not be looked up", "payment", p.ID, "chain", a.Chain, "tx", tx, "err", err)
	}
	if err != nil || out == nil || !out.sensible(accounts) || out.Fate == SafeReplaced {
		return nil
	}
	return out
}

// unguess looks whether a hash that was taken for a Safe's is a transaction's after
// all, which its node had not heard of. Then it is announced as one.
func (s *Service) unguess(ctx context.Context, p *payment.Payment, a payment.Attempt) (done bool, err error) {
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	sent, serr := s.safes.Sent(asking, a.Chain, a.Handle)
	if serr != nil {
		s.log.WarnContext(ctx, "a transaction could not be looked up", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", serr)
	}
	if serr != nil || !sent {
		return false, nil
	}
	wallet, _ := asset.ParseAddress(a.Payer)
	if _, err := s.Announce(ctx, p.ID, a.Chain, a.Handle, rail.Payer{Wallet: wallet}); err != nil && !fault.Is(err, fault.Limited) {
		return false, err
	}
	_, _, err = s.learnSafe(ctx, p.ID, a.Key, func(_ *payment.Payment, a payment.Attempt) turn {
		a.Stage, a.Decides, a.Safe = payment.Abandoned, false, nil // it never was a Safe's
		return turn{attempt: a}
	})
	return err == nil, err
}

// learnSafe applies a turn to a pending Safe transaction as it is stored now. The
// attempt is nil if it is none of a Safe's any more.
func (s *Service) learnSafe(ctx context.Context, id payment.ID, key string, take func(*payment.Payment, payment.Attempt) turn) (*payment.Payment, *payment.Attempt, error) {
	var nudge asset.ChainID
	p, _, err := s.learn(ctx, id, key, func(tx Tx, p *payment.Payment, a payment.Attempt, now time.Time) (f facts, err error) {
		nudge = 0
		if a.Safe == nil || !waits(&a) {
			return facts{}, nil
		}
		t := take(p, a)
		f = facts{attempts: []payment.Attempt{t.attempt}, events: t.events}
		if t.attempt.Safe != nil {
			nudge, err = s.goOn(ctx, tx, p, t.attempt, t.attempt.Safe.ExecutedBy, now, &f)
		}
		return f, err
	})
	if err != nil {
		return nil, nil, err
	}
	if nudge != 0 {
		s.nudge(nudge)
	}
	return p, safeAttempt(p, key), nil
}

// pauseSafe is how long to wait before the next look. Owners take hours, so looks
// get rare; they come quickly again around the deadline.
func pauseSafe(p *payment.Payment, a payment.Attempt, now time.Time) time.Duration {
	since, end := now.Sub(a.At), a.Safe.Deadline
	if !end.IsZero() && !now.Before(end) {
		since = min(since, now.Sub(end))
	}
	wait := time.Second
	switch {
	case since > 6*time.Hour:
		wait = 5 * time.Minute
	case since > time.Hour:
		wait = 2 * time.Minute
	case since > 10*time.Minute:
		wait = time.Minute
	case since > 2*time.Minute:
		wait = 15 * time.Second
	case since > 20*time.Second:
		wait = 5 * time.Second
	}
	switch signed := uint64(len(a.Safe.Signed)); {
	case p.Standing.State == payment.Paid:
		wait = max(wait, 30*time.Second)
	case a.Safe.ExecutedBy != "":
		wait = min(wait, 15*time.Second)
	case a.Safe.Threshold > 0 && signed >= a.Safe.Threshold:
		wait = min(wait, 30*time.Second)
	}
	if now.Before(end) {
		wait = min(wait, end.Sub(now)+time.Second)
	}
	return wait
}
