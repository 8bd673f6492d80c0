package checkout

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// facts is what one change adds to a payment.
type facts struct {
	transfers []payment.Transfer
	attempts  []payment.Attempt
	events    []payment.Event // beside those that follow from the transfers
	cancel    bool
}

// change is the one write path: it stores facts, lets payment.Assess say what
// they mean, saves the standing guarded by the version and appends what
// happened to the log, all in the caller's transaction. Facts that are known
// already change nothing and announce nothing.
func (s *Service) change(ctx context.Context, tx Tx, p *payment.Payment, now time.Time, f facts) error {
	before := payment.Assess(p.Terms, p.Transfers, p.Attempts, now)
	storedState, storedOddity := p.Standing.State, p.Standing.Oddity

	var news []payment.Transfer
	for _, x := range f.transfers {
		changed, err := tx.PutTransfer(ctx, p.ID, x)
		if err != nil {
			return fmt.Errorf("record transfer %s: %w", x.Key, err)
		}
		if changed {
			news = append(news, x)
			p.Transfers = replaceTransfer(p.Transfers, x)
		}
	}
	for _, a := range f.attempts {
		changed, err := tx.PutAttempt(ctx, p.ID, a)
		if err != nil {
			return fmt.Errorf("record attempt %s: %w", a.Key, err)
		}
		if changed {
			p.Attempts = replaceAttempt(p.Attempts, a)
		}
	}
	if f.cancel {
		p.Terms.CanceledAt = now
	}

	p.Standing = payment.Assess(p.Terms, p.Transfers, p.Attempts, now)
	events := append(f.events, transferEvents(p, before, news)...)
	if p.Standing.State != storedState {
		if kind, ok := endKinds[p.Standing.State]; ok {
			events = append(events, payment.Event{Kind: kind, Request: -1})
		}
	}
	if len(news) == 0 && len(f.attempts) == 0 && !f.cancel && len(events) == 0 &&
		p.Standing.State == storedState && p.Standing.Oddity == storedOddity {
		return nil
	}
	if err := tx.SaveStanding(ctx, p); err != nil {
		return fmt.Errorf("save standing of %s: %w", p.ID, err)
	}
	for _, e := range events {
		if err := tx.AppendEvent(ctx, complete(e, p, now)); err != nil {
			return fmt.Errorf("append event %s of %s: %w", e.Kind, p.ID, err)
		}
	}
	return nil
}

// endKinds are the events of states that a payment enters as a whole.
var endKinds = map[payment.State]payment.EventKind{
	payment.Expired:  payment.EventExpired,
	payment.Canceled: payment.EventCanceled,
	payment.Failed:   payment.EventFailed,
}

func complete(e payment.Event, p *payment.Payment, now time.Time) payment.Event {
	e.ID = payment.NewULID(now)
	e.Payment, e.Merchant, e.Dialect, e.At = p.ID, p.Terms.Merchant, p.Terms.Dialect, now
	if e.Request >= 0 {
		e.Standing = p.Standing.Requests[e.Request]
	}
	return e
}

// transferEvents says what newly recorded transfers mean, in the order in which
// the money moved.
func transferEvents(p *payment.Payment, before payment.Standing, news []payment.Transfer) []payment.Event {
	slices.SortFunc(news, func(a, b payment.Transfer) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	deadline := p.Terms.Deadline()
	settled := make([]*big.Int, len(p.Terms.Requests))
	for i := range settled {
		settled[i] = new(big.Int).Set(before.Requests[i].Settled)
	}
	var events []payment.Event
	for _, x := range news {
		e := payment.Event{Request: x.Request, Transfer: &x}
		due := p.Terms.Requests[x.Request].Due
		switch {
		case x.Stage == payment.Pending:
			e.Kind = payment.EventSeen
		case x.Stage == payment.Dropped:
			e.Kind = payment.EventReorged
		case x.At.After(deadline):
			e.Kind = payment.EventLate
		case settled[x.Request].Cmp(due) >= 0:
			e.Kind = payment.EventSurplus
		case settled[x.Request].Add(settled[x.Request], x.Credit).Cmp(due) >= 0:
			e.Kind = payment.EventPaid
		default:
			e.Kind = payment.EventPartial
		}
		events = append(events, e)
	}
	return events
}

func replaceTransfer(xs []payment.Transfer, x payment.Transfer) []payment.Transfer {
	if i := slices.IndexFunc(xs, func(y payment.Transfer) bool { return y.Key == x.Key }); i >= 0 {
		xs[i] = x
		return xs
	}
	return append(xs, x)
}

func replaceAttempt(as []payment.Attempt, a payment.Attempt) []payment.Attempt {
	if i := slices.IndexFunc(as, func(b payment.Attempt) bool { return b.Key == a.Key }); i >= 0 {
		as[i] = a
		return as
	}
	return append(as, a)
}

// Sweep is what a watcher found in one range of blocks.
type Sweep struct {
	Chain     asset.ChainID
	From      uint64 // the range's first block
	To        Block  // the range's end, which becomes the cursor
	Final     uint64 // blocks at or below are final
	Sightings []rail.Sighting
}

// RecordSweep stores what a watcher found and moves its cursor, in one
// transaction: after a crash either both are there or neither. A sweep may be
// recorded again. Sightings whose handle nobody here owns are other people's
// payments and are passed over; those that name a request of ours but pay the
// wrong account or asset are kept as orphans.
func (s *Service) RecordSweep(ctx context.Context, sw Sweep) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		mine, err := s.sort(ctx, tx, sw.Sightings, now)
		if err != nil {
			return err
		}
		for id, xs := range mine {
			p, err := tx.Payment(ctx, id)
			if err != nil {
				return fmt.Errorf("load payment %s: %w", id, err)
			}
			if err := s.change(ctx, tx, p, now, facts{transfers: xs, attempts: executed(p, xs)}); err != nil {
				return err
			}
		}
		return tx.SaveCursor(ctx, sw.Chain, sw.From, sw.To, sw.Final)
	})
}

// executed marks announced transactions whose transfer has now been seen.
func executed(p *payment.Payment, xs []payment.Transfer) []payment.Attempt {
	var done []payment.Attempt
	for _, a := range p.Attempts {
		for _, x := range xs {
			if a.Stage == payment.Announced && a.Kind == "tx" && a.Handle == x.Evidence.Tx {
				a.Stage = payment.Executed
				done = append(done, a)
				break
			}
		}
	}
	return done
}

// sort gives each sighting to the payment that owns its handle.
func (s *Service) sort(ctx context.Context, tx Tx, all []rail.Sighting, now time.Time) (map[payment.ID][]payment.Transfer, error) {
	handles := map[rail.ID][]string{}
	for _, x := range all {
		handles[x.Rail] = append(handles[x.Rail], x.Handle)
	}
	mine := map[payment.ID][]payment.Transfer{}
	for id, hs := range handles {
		owners, err := tx.Owners(ctx, string(id), hs)
		if err != nil {
			return nil, fmt.Errorf("look up owners: %w", err)
		}
		for _, x := range all {
			owner, ok := owners[x.Handle]
			if x.Rail != id || !ok {
				continue
			}
			p, err := tx.Payment(ctx, owner.Payment)
			if err != nil {
				return nil, fmt.Errorf("load payment %s: %w", owner.Payment, err)
			}
			if reason := s.mismatch(p.Terms.Requests[owner.Request], x); reason != "" {
				if err := tx.PutOrphan(ctx, orphan(x, owner, reason, now)); err != nil {
					return nil, fmt.Errorf("keep orphan %s: %w", x.Key, err)
				}
				continue
			}
			mine[owner.Payment] = append(mine[owner.Payment], transfer(p.Terms.Requests[owner.Request], x))
		}
	}
	return mine, nil
}

// mismatch says why value with the right handle is not this request's, or "".
func (s *Service) mismatch(r payment.Request, x rail.Sighting) string {
	token, ok := s.book.TokenAt(x.Chain, x.Token)
	switch {
	case !ok || token.ID != r.Asset:
		return "wrong_asset"
	case x.To != r.Payee:
		return "wrong_payee"
	case x.Amount.Sign() <= 0:
		return "no_value"
	}
	return ""
}

func transfer(r payment.Request, x rail.Sighting) payment.Transfer {
	t := payment.Transfer{
		Key: x.Key, Request: r.Index, Rail: string(x.Rail), Asset: r.Asset, Amount: x.Amount, Credit: x.Amount,
		Stage: payment.Pending, At: x.At, Evidence: x.Evidence,
	}
	if x.Fee != nil && r.Fee != nil && x.FeeTo == r.Fee.Payee {
		t.Fee = x.Fee
	}
	return t
}

func orphan(x rail.Sighting, owner Owner, reason string, now time.Time) Orphan {
	return Orphan{
		Key: x.Key, Rail: string(x.Rail), Handle: x.Handle, Reason: reason, Payment: owner.Payment,
		Asset: x.Token.String(), Amount: x.Amount.String(), To: x.To.String(), Evidence: x.Evidence, At: now,
	}
}

// Rewind takes back what a reorganisation removed: everything of a chain above
// block to. Final transfers stay: to may be an older checkpoint than the final
// height, and the watcher stops by itself where a chain takes back final blocks.
func (s *Service) Rewind(ctx context.Context, chain asset.ChainID, to Block) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		gone, err := tx.TransfersAbove(ctx, chain, to.Number)
		if err != nil {
			return fmt.Errorf("find transfers above block %d: %w", to.Number, err)
		}
		for id, xs := range byPayment(gone) {
			xs = slices.DeleteFunc(xs, func(x payment.Transfer) bool { return x.Stage == payment.Final })
			for i := range xs {
				xs[i].Stage = payment.Dropped
			}
			if err := s.apply(ctx, tx, id, now, facts{transfers: xs}); err != nil {
				return err
			}
		}
		return tx.RewindCursor(ctx, chain, to)
	})
}

// Finalize makes the transfers in blocks final. The caller has proven that the
// blocks are canonical and deep enough.
func (s *Service) Finalize(ctx context.Context, chain asset.ChainID, blocks []Block) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		for _, b := range blocks {
			found, err := tx.TransfersIn(ctx, chain, b)
			if err != nil {
				return fmt.Errorf("find transfers in block %d: %w", b.Number, err)
			}
			for id, xs := range byPayment(found) {
				for i := range xs {
					xs[i].Stage = payment.Final
				}
				if err := s.apply(ctx, tx, id, now, facts{transfers: xs}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (s *Service) apply(ctx context.Context, tx Tx, id payment.ID, now time.Time, f facts) error {
	p, err := tx.Payment(ctx, id)
	if err != nil {
		return fmt.Errorf("load payment %s: %w", id, err)
	}
	return s.change(ctx, tx, p, now, f)
}

func byPayment(owned []Owned) map[payment.ID][]payment.Transfer {
	m := map[payment.ID][]payment.Transfer{}
	for _, o := range owned {
		m[o.Payment] = append(m[o.Payment], o.Transfer)
	}
	return m
}

// Cursor returns how far a chain was scanned.
func (s *Service) Cursor(ctx context.Context, chain asset.ChainID) (Cursor, error) {
	return s.store.Cursor(ctx, chain)
}

// Unsettled returns the blocks at or below upTo that hold transfers which are
// not final.
func (s *Service) Unsettled(ctx context.Context, chain asset.ChainID, upTo uint64) ([]Block, error) {
	return s.store.Unsettled(ctx, chain, upTo)
}

// expireBatch is how many payments one sweep of ExpireOverdue takes at a time.
const expireBatch = 200

// ExpireOverdue closes payments whose window has passed and returns how many it
// closed. It must only run while every watcher has caught up with its chain:
// money that arrived in time while the server was down is to be seen first.
func (s *Service) ExpireOverdue(ctx context.Context) (int, error) {
	total := 0
	for {
		now := s.now().UTC()
		ids, err := s.store.Overdue(ctx, now, expireBatch)
		if err != nil {
			return total, fmt.Errorf("find overdue payments: %w", err)
		}
		if len(ids) == 0 {
			return total, nil
		}
		err = s.store.Write(ctx, func(tx Tx) error {
			for _, id := range ids {
				if err := s.apply(ctx, tx, id, now, facts{}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, fmt.Errorf("expire payments: %w", err)
		}
		total += len(ids)
		if len(ids) < expireBatch {
			return total, nil
		}
	}
}

// Mine returns the indexes of the sightings whose handle names a request here.
func (s *Service) Mine(ctx context.Context, xs []rail.Sighting) ([]int, error) {
	handles := map[rail.ID][]string{}
	for _, x := range xs {
		handles[x.Rail] = append(handles[x.Rail], x.Handle)
	}
	var mine []int
	for id, hs := range handles {
		owners, err := s.store.Owners(ctx, string(id), hs)
		if err != nil {
			return nil, fmt.Errorf("look up owners: %w", err)
		}
		for i, x := range xs {
			if _, ok := owners[x.Handle]; ok && x.Rail == id {
				mine = append(mine, i)
			}
		}
	}
	slices.Sort(mine)
	return mine, nil
}
