package checkout

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// turn is what became of an attempt: the attempt as it is from now on, and what to
// tell of it. A turn that changes nothing tells nothing.
type turn struct {
	attempt payment.Attempt
	events  []payment.Event
}

// learn applies what was found out about an attempt to it as it is stored now; take is
// given the payment as of now and a copy of the attempt, may be called again, and
// returns no attempt to leave it. It returns payment and attempt as they are afterwards.
func (s *Service) learn(ctx context.Context, id payment.ID, key string, take func(tx Tx, p *payment.Payment, a payment.Attempt, now time.Time) (facts, error)) (p *payment.Payment, a *payment.Attempt, err error) {
	now := s.now().UTC()
	err = s.store.Write(ctx, func(tx Tx) error {
		if p, err = tx.Payment(ctx, id); err != nil {
			return err
		}
		known := attemptBy(p, key)
		if known == nil {
			return fmt.Errorf("attempt %s of %s is gone", key, id.Short())
		}
		f, err := take(tx, p.AsOf(now), detached(*known), now)
		if err != nil || len(f.attempts) == 0 || len(f.attempts) == 1 && len(f.events) == 0 && len(f.named) == 0 && reflect.DeepEqual(f.attempts[0], *known) {
			return err
		}
		_, err = s.change(ctx, tx, p, now, f)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return p, attemptBy(p, key), nil
}

// detached is a copy of an attempt that shares nothing which may change.
func detached(a payment.Attempt) payment.Attempt {
	if a.Route != nil {
		x := *a.Route
		a.Route = &x
	}
	if a.Safe != nil {
		x := *a.Safe
		a.Safe = &x
	}
	if a.Op != nil {
		x := *a.Op
		a.Op = &x
	}
	return a
}

func attemptBy(p *payment.Payment, key string) *payment.Attempt {
	if i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Key == key }); i >= 0 {
		return &p.Attempts[i]
	}
	return nil
}

// trackedBy loads the payment of a job's arguments, and returns the attempt's key.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) trackedBy(ctx context.Context, args string) (p *payment.Payment, key string, err error) {
	id, key, ok := strings.Cut(args, " ")
	if !ok {
		return nil, "", fault.Newf(fault.Invalid, "invalid_job", "%q names no attempt", args)
	}
	p, err = s.Payment(ctx, payment.ID(id))
	return p, key, err
}

// cameToNothing tells the merchant of an attempt that came to nothing, of a payment
// that goes on.
func cameToNothing(request int, reason, handle string) payment.Event {
	return payment.Event{
		Kind: payment.EventBroken, Request: request, Detail: reason,
		Fields: map[string]string{payment.FieldReason: reason, payment.FieldTx: handle},
	}
}

// goOn completes what was learned of an attempt that a transaction has executed, final
// or not ("" if none has): across chains it goes on as a transfer over a bridge. It
// returns the chain that is to be looked at, 0 for none.
func (s *Service) goOn(ctx context.Context, tx Tx, p *payment.Payment, a payment.Attempt, by string, now time.Time, f *facts) (asset.ChainID, error) {
	// A quick bridge has delivered before the transaction is final, and who paid must
	// be known then.
	ahead := a.Stage == payment.Announced && len(p.Attempts) < maxVouched
	switch {
	case by == "" || a.Stage != payment.Executed && !ahead:
		return 0, nil
	case a.Chain == s.home(p):
		return a.Chain, nil
	}
	return 0, s.handOver(ctx, tx, p, a, by, now, f)
}

// handOver announces the transaction that executed an attempt as a transfer over a
// bridge, unless somebody has. One that was given up because it was not there, or
// could not be read, is looked at again: now it is there for good, and what was
// executed in another contract's call can be read.
func (s *Service) handOver(ctx context.Context, tx Tx, p *payment.Payment, a payment.Attempt, by string, now time.Time, f *facts) error {
	b := payment.Attempt{Key: bridgeKey(a.Chain, by), Kind: payment.KindTx, Chain: a.Chain, Handle: by, Payer: a.Payer, Stage: payment.Announced, At: now}
	again := func(b payment.Attempt) bool { return a.Stage == payment.Executed && lost(b) } // for good, so once
	if _, known := announced(p, &b, again); known {
		return nil
	}
	if err := s.overBridge(ctx, tx, p, &b, now); err != nil {
		return err
	}
	f.attempts = append(f.attempts, b)
	f.events = append(f.events, payment.Event{Kind: payment.EventAnnounced, Request: -1, Detail: b.Handle})
	return nil
}

// lost reports whether a transfer over a bridge was given up without an end that its
// chain or the bridge has told.
func lost(a payment.Attempt) bool {
	return a.Route != nil && a.Stage == payment.Abandoned && (a.Until.IsZero() || a.Route.Progress == payment.Unknown)
}
