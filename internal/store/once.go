package store

import (
	"context"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

// fillAnswer puts the answer where the key was claimed.
const fillAnswer = `UPDATE idempotency SET status = $4, body = $5 WHERE merchant = $1 AND route = $2 AND key = $3`

// Once runs effect in one transaction and stores its answer under the key in the
// same one, so that neither is ever there without the other; an effect that
// fails leaves nothing, and its key is free. If the key has an answer already,
// effect does not run, and that answer comes back with replayed true. Without a
// key (once is nil) it is one transaction and nothing is stored beside the effect.
//
// Every method of the Store that is given effect's context reads and writes in
// the transaction. So effect must pass that context on, must not use it in
// another goroutine or keep it, must be quick (on SQLite all other writes wait
// for it: no calls to chains or other servers), and must do nothing that cannot
// be undone: the database may ask for it to run again, or refuse the commit.
//
// Faults: those of effect; Mismatch if the key was used for another request.
func (s *Store) Once(ctx context.Context, once *checkout.Once, now time.Time, effect func(context.Context) (checkout.Answer, error)) (a checkout.Answer, replayed bool, err error) {
	err = s.write(ctx, func(t *tx) error {
		replayed = false
		if once != nil {
			first, err := t.Answer(ctx, once.Key)
			if err != nil {
				return err
			}
			if first != nil {
				a, replayed = *first, true
				return once.Accepts(a)
			}
			// The claim comes first: on PostgreSQL a second request waits here for
			// this one, before it meets what this one has changed.
			if err := t.PutAnswer(ctx, once.Key, checkout.Answer{RequestHash: once.RequestHash, At: now}); err != nil {
				return err
			}
		}
		if a, err = effect(context.WithValue(ctx, ambientKey{}, t)); err != nil {
			return err
		}
		a.At = now
		if once == nil {
			return nil
		}
		a.RequestHash = once.RequestHash
		_, err := t.exec(ctx, fillAnswer, once.Key.Merchant, once.Key.Route, once.Key.Key, a.Status, s.sealAnswer(once.Key, a.Body))
		return err
	})
	if once != nil && fault.CodeOf(err) == codeKeyTaken {
		first, rerr := s.Answer(ctx, once.Key)
		if rerr != nil || first == nil {
			return checkout.Answer{}, false, err
		}
		return *first, true, once.Accepts(*first)
	}
	if err != nil {
		return checkout.Answer{}, false, err
	}
	return a, replayed, nil
}

// ambientKey is where a context carries the transaction of an effect.
type ambientKey struct{}

// ambient is the transaction that a context belongs to, nil for none.
func ambient(ctx context.Context) *tx {
	t, _ := ctx.Value(ambientKey{}).(*tx)
	return t
}

// join runs a write as a part of the transaction: if it fails, what it did is
// undone and the rest stands, as if it had had a transaction of its own.
func (t *tx) join(ctx context.Context, f func(*tx) error) error {
	if _, err := t.exec(ctx, `SAVEPOINT part`); err != nil {
		return err
	}
	created, touched, warmed, told, enqueued := len(t.created), len(t.touched), len(t.warmed), len(t.told), t.enqueued
	t.parts++ // what is a part must fail where it is
	err := f(t)
	t.parts--
	if err == nil {
		err = t.failed
	}
	if err == nil {
		_, err = t.exec(ctx, `RELEASE SAVEPOINT part`)
		return err
	}
	ctx = context.WithoutCancel(ctx)
	for _, undo := range []string{`ROLLBACK TO SAVEPOINT part`, `RELEASE SAVEPOINT part`} {
		if _, uerr := t.session.exec(ctx, undo); uerr != nil {
			t.failed = uerr
			return err
		}
	}
	t.silent = nil // for all of them insertEvent looks what is there
	t.failed, t.created, t.touched, t.warmed, t.told, t.enqueued = nil, t.created[:created], t.touched[:touched], t.warmed[:warmed], t.told[:told], enqueued
	return err
}

// joining is a session for reads: within an effect they see what it has written,
// and need no second connection while it holds one.
type joining struct{ session }

func (j joining) on(ctx context.Context) session {
	if t := ambient(ctx); t != nil {
		return t
	}
	return j.session
}

func (j joining) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return j.on(ctx).exec(ctx, query, args...)
}

func (j joining) query(ctx context.Context, query string, args ...any) (rows, error) {
	return j.on(ctx).query(ctx, query, args...)
}

func (j joining) row(ctx context.Context, query string, args []any, dest ...any) error {
	return j.on(ctx).row(ctx, query, args, dest...)
}
