package checkout

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

// deadAfter is by how much a chain's time must have passed a permit's deadline until
// the operation is as good as gone: a reorganisation may set the time back a little.
const deadAfter = 2 * time.Minute

// TrackGasless takes one look at what became of a user operation and records what there
// is to see; again is when to look again, zero if that has an end. Only what final
// blocks show ends it, or that its permit's deadline has passed. What it finds is
// recorded only if it still fits what is stored, so it may run twice, at the same time,
// or be cut off anywhere. An hour after a grant of gas it settles that, too, if nothing
// else has.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) TrackGasless(ctx context.Context, args string) (again time.Time, err error) {
	p, key, err := s.trackedBy(ctx, args)
	if err != nil {
		return time.Time{}, err
	}
	now := s.now().UTC()
	a := attemptBy(p, key)
	switch late := strings.HasPrefix(key, grantPrefix); {
	case !late && (a == nil || !opWatched(p, *a, now)):
		return time.Time{}, nil
	case s.gasless == nil: // until operations are switched on again
		return now.Add(time.Hour), nil
	case late:
		return s.settleLate(ctx, p, key)
	}
	p, a, looked, err := s.watchOp(ctx, p, *a, lookWithin)
	if err != nil || !opWatched(p, *a, now) {
		return time.Time{}, err
	}
	pause := pauseOp(*a, now)
	if !looked {
		pause = max(pause, 30*time.Second)
	}
	return s.now().UTC().Add(pause), nil
}

// watchOp takes a look and records it. looked is false if the chain did not answer.
func (s *Service) watchOp(ctx context.Context, p *payment.Payment, a payment.Attempt, within time.Duration) (_ *payment.Payment, _ *payment.Attempt, looked bool, err error) {
	looking, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	sight, err := s.lookOp(looking, a)
	if err != nil {
		s.log.WarnContext(ctx, "a user operation could not be looked for", "payment", p.ID, "chain", a.Chain, "tx", a.Handle, "err", err)
		return p, &a, false, nil
	}
	fresh, known, err := s.learnOp(ctx, p.ID, a.Key, sight.Cost, func(p *payment.Payment, a payment.Attempt) turn { return judgeOp(p, a, sight) })
	return fresh, known, err == nil, err
}

// opWatched reports whether there is still something to see of an operation. One that
// the bundler did not take is watched for as long as it would have held the payment:
// its word is no evidence.
func opWatched(p *payment.Payment, a payment.Attempt, now time.Time) bool {
	switch {
	case a.Op == nil:
		return false
	case a.Stage == payment.Announced:
		return !now.After(watchedUntil(p))
	}
	return a.Reason == payment.ReasonOpRefused && now.Before(payment.OpHeldUntil(a))
}

// lookOp searches the chain for what became of an operation.
func (s *Service) lookOp(ctx context.Context, a payment.Attempt) (GaslessSight, error) {
	account, err := asset.ParseAddress(a.Payer)
	if err != nil {
		return GaslessSight{}, fmt.Errorf("a stored account %q: %w", a.Payer, err)
	}
	nonce, ok := new(big.Int).SetString(a.Op.Nonce, 10)
	if !ok {
		return GaslessSight{}, fmt.Errorf("a stored nonce %q is no number", a.Op.Nonce)
	}
	sight, err := s.gasless.Look(ctx, a.Chain, account, a.Handle, nonce, a.Op.Next)
	if err == nil && !sight.sensible() {
		err = errSight
	}
	return sight, err
}

// sensible reports whether a sight is one.
func (s GaslessSight) sensible() bool {
	switch s.Fate {
	case OpExecutable:
		return true
	case OpSucceeded, OpFailed:
		return isHash(s.Tx)
	case OpReplaced:
		return s.Tx == "" || isHash(s.Tx)
	}
	return false
}

// learnOp applies a turn to a user operation whose end is not known, as it is stored
// now, and settles its grant if that was the end. cost is what the sponsor paid, nil if
// that is not known.
func (s *Service) learnOp(ctx context.Context, id payment.ID, key string, cost *big.Int, take func(*payment.Payment, payment.Attempt) turn) (*payment.Payment, *payment.Attempt, error) {
	var nudge asset.ChainID
	p, a, err := s.learn(ctx, id, key, func(tx Tx, p *payment.Payment, a payment.Attempt, now time.Time) (f facts, err error) {
		nudge = 0
		if !opWatched(p, a, now) {
			return facts{}, nil
		}
		t := take(p, a)
		f = facts{attempts: []payment.Attempt{t.attempt}, events: t.events}
		if t.attempt.Stage != a.Stage {
			if err := settleGrant(ctx, tx, t.attempt, cost); err != nil {
				return f, fmt.Errorf("settle a grant of gas: %w", err)
			}
		}
		if t.attempt.Op.Fate == payment.FateSucceeded {
			nudge, err = s.goOn(ctx, tx, p, t.attempt, t.attempt.Op.ExecutedBy, now, &f)
		}
		return f, err
	})
	if err != nil {
		return nil, nil, err
	}
	if nudge != 0 {
		s.nudge(nudge)
	}
	return p, a, nil
}

// judgeOp is what a look at its chain makes of a user operation whose end is not known.
// What is not final is told, and holds the payment on.
func judgeOp(p *payment.Payment, a payment.Attempt, sight GaslessSight) turn {
	x := a.Op
	x.Fate, x.ExecutedBy, x.Why = "", sight.Tx, sight.Why
	switch sight.Fate {
	case OpSucceeded:
		x.Fate = payment.FateSucceeded
		if sight.Final { // a bundler may have said that it had refused it
			a.Stage, a.Reason = payment.Executed, ""
		}
		return turn{attempt: a}
	case OpFailed:
		return endedBy(p, a, payment.FateFailed, payment.ReasonOpFailed, sight.Final)
	case OpReplaced:
		return endedBy(p, a, payment.FateReplaced, payment.ReasonOpReplaced, sight.Final)
	case OpExecutable:
	}
	x.ExecutedBy, x.Why = "", ""
	if a.Stage == payment.Announced && !a.Until.IsZero() && sight.Time.After(a.Until.Add(deadAfter)) {
		return endOp(p, a, payment.ReasonOpExpired)
	}
	if sight.Next >= x.Next+searchedStep {
		x.Next = sight.Next
	}
	return turn{attempt: a}
}

func endedBy(p *payment.Payment, a payment.Attempt, fate, reason string, final bool) turn {
	a.Op.Fate = fate
	if a.Stage == payment.Announced && final {
		return endOp(p, a, reason)
	}
	return turn{attempt: a}
}

// endOp ends a user operation that came to nothing. The payment can be made again, and
// the merchant is told so.
func endOp(p *payment.Payment, a payment.Attempt, reason string) turn {
	a.Stage, a.Reason = payment.Abandoned, reason
	t := turn{attempt: a}
	if p.Standing.State == payment.Open {
		t.events = []payment.Event{cameToNothing(-1, reason, a.Handle)}
	}
	return t
}

// pauseOp is how long to wait before the next look: bundlers take seconds. Around the
// permit's end it is looked closely again.
func pauseOp(a payment.Attempt, now time.Time) time.Duration {
	since, dead := now.Sub(a.At), a.Until.Add(deadAfter)
	if !a.Until.IsZero() && !now.Before(dead) {
		since = min(since, now.Sub(dead))
	}
	wait := time.Second
	switch {
	case since > time.Hour:
		wait = 5 * time.Minute
	case since > 10*time.Minute:
		wait = time.Minute
	case since > 2*time.Minute:
		wait = 15 * time.Second
	case since > 30*time.Second:
		wait = 3 * time.Second
	}
	if a.Op.Fate != "" {
		wait = min(wait, 15*time.Second)
	}
	if !a.Until.IsZero() && now.Before(dead) {
		wait = min(wait, dead.Sub(now)+time.Second)
	}
	return wait
}
