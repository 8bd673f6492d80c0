package checkout

import (
	"cmp"
	"context"
	"fmt"
	"maps"
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
	events    []payment.Event    // beside those that follow from the transfers
	named     []payment.Transfer // known ones of which it became known where they came from
	credited  []payment.Transfer // known ones of which it became known what they are worth
	cancel    payment.Canceler   // "" for nobody
}

// change is the one write path: it stores facts, lets payment.Assess say what
// they mean, saves the standing guarded by the version and appends what
// happened to the log, all in the caller's transaction. Facts that are known
// already change nothing and announce nothing; changed tells.
func (s *Service) change(ctx context.Context, tx Tx, p *payment.Payment, now time.Time, f facts) (changed bool, err error) {
	storedState, storedOddity := p.Standing.State, p.Standing.Oddity
	before := p.StandingAt(now)

	news, moved, err := f.keep(ctx, tx, p)
	if err != nil {
		return false, err
	}
	if f.cancel != "" {
		p.Terms.CanceledAt, p.Terms.CanceledBy = now, f.cancel
	}

	events := append(f.events, tellOf(p, news, now)...)
	p.Standing = p.StandingAt(now)
	events = append(events, counted(p, before, events)...)
	if p.Standing.State != storedState {
		events = append(events, ended(p)...)
	}
	if len(news) == 0 && !moved && f.cancel == "" && len(events) == 0 &&
		p.Standing.State == storedState && p.Standing.Oddity == storedOddity {
		return false, nil
	}
	if err := tx.SaveStanding(ctx, p); err != nil {
		return false, fmt.Errorf("save standing of %s: %w", p.ID.Short(), err)
	}
	for _, e := range events {
		if err := tx.AppendEvent(ctx, complete(e, p, now)); err != nil {
			return false, fmt.Errorf("append event %s of %s: %w", e.Kind, p.ID.Short(), err)
		}
	}
	return true, nil
}

// keep stores facts of a payment, and adds to it what is no transfer that came or counts
// anew: those are news, which are told one by one. moved tells that anything else is new.
func (f facts) keep(ctx context.Context, tx Tx, p *payment.Payment) (news []payment.Transfer, moved bool, err error) {
	for _, x := range f.transfers {
		changed, err := tx.PutTransfer(ctx, p.ID, x)
		if err != nil {
			return nil, false, fmt.Errorf("record transfer %s: %w", x.Key, err)
		}
		if changed {
			news = append(news, x)
		}
	}
	for _, x := range f.credited {
		changed, err := tx.Credit(ctx, p.ID, x.Key, x.Credit, x.Quote)
		if err != nil {
			return nil, false, fmt.Errorf("credit transfer %s: %w", x.Key, err)
		}
		if changed {
			news = append(news, x)
		}
	}
	for _, x := range f.named {
		named, err := tx.PutTransfer(ctx, p.ID, x)
		if err != nil {
			return nil, false, fmt.Errorf("record the source of transfer %s: %w", x.Key, err)
		}
		p.Transfers = replaceTransfer(p.Transfers, x)
		moved = moved || named
	}
	for _, a := range f.attempts {
		changed, err := tx.PutAttempt(ctx, p.ID, a)
		if err != nil {
			return nil, false, fmt.Errorf("record attempt %s: %w", a.Key, err)
		}
		if changed {
			p.Attempts = replaceAttempt(p.Attempts, a)
			moved = true
		}
	}
	return news, moved, nil
}

// endKinds are the events of states that a payment enters as a whole.
var endKinds = map[payment.State]payment.EventKind{
	payment.Expired:  payment.EventExpired,
	payment.Canceled: payment.EventCanceled,
	payment.Failed:   payment.EventFailed,
}

// ended tells of a payment that has entered such a state.
func ended(p *payment.Payment) []payment.Event {
	kind, ok := endKinds[p.Standing.State]
	if !ok {
		return nil
	}
	e := payment.Event{Kind: kind, Request: -1}
	if kind == payment.EventFailed {
		why, _ := p.Failure()
		e.Detail = why.Reason
	}
	return []payment.Event{e}
}

// complete fills in what all events tell. Those that say themselves how the payment stood
// at their own moment keep it.
func complete(e payment.Event, p *payment.Payment, now time.Time) payment.Event {
	if e.ID == "" {
		e.ID = payment.NewULID(now)
	}
	if _, told := e.Fields[payment.FieldState]; !told {
		fields := standing(p, p.Standing.State)
		maps.Copy(fields, e.Fields)
		e.Fields = fields
	}
	e.Payment, e.Merchant, e.Dialect, e.At = p.ID, p.Terms.Merchant, p.Terms.Dialect, now
	return e
}

// standing is how a payment stands, as events tell it.
func standing(p *payment.Payment, is payment.State) map[string]string {
	fields := map[string]string{payment.FieldState: string(is)}
	if p.Part() {
		fields[payment.FieldPart] = "1"
	}
	return fields
}

// tellOf adds new transfers to a payment in the order in which the money moved,
// and says what each of them means with the numbers of its own moment. Of final money that
// nobody knows what it is worth it says nothing: that is told when it is known.
func tellOf(p *payment.Payment, news []payment.Transfer, now time.Time) []payment.Event {
	slices.SortFunc(news, func(a, b payment.Transfer) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Key, b.Key))
	})
	before := p.StandingAt(now)
	var events []payment.Event
	for _, x := range news {
		p.Transfers = replaceTransfer(p.Transfers, x)
		after := p.StandingAt(now)
		e := payment.Event{Request: x.Request, Transfer: &x, Standing: after.Requests[x.Request], Fields: standing(p, after.State)}
		due := p.Terms.Requests[x.Request].Due
		switch {
		case x.Stage == payment.Pending:
			e.Kind = payment.EventSeen
		case x.Stage == payment.Dropped:
			e.Kind = payment.EventReorged
		case !x.Priced():
			before = after
			continue
		case p.Late(x):
			e.Kind = payment.EventLate
		case before.Requests[x.Request].Settled.Cmp(due) >= 0:
			e.Kind = payment.EventSurplus
		case e.Standing.Settled.Cmp(due) >= 0:
			e.Kind = payment.EventPaid
		default:
			e.Kind = payment.EventPartial
		}
		events = append(events, e)
		before = after
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
	Rewound   int64  // of the cursor that the range continues
	Sightings []rail.Sighting
	// Recoveries are of anybody's transfers over bridges; their emitters were checked.
	Recoveries []rail.Recovery
	// Balances are of deposit addresses, after blocks in which they changed.
	Balances []Balance
}

// RecordSweep stores what a watcher found and moves its cursor, in one
// transaction: after a crash either both are there or neither. A sweep may be
// recorded again. Sightings whose handle nobody here owns are other people's
// payments and are passed over; those that name a request of ours but pay the
// wrong account or asset, or are dust, are kept as orphans. What came for a request that is
// due in a fiat currency counts by the payment's quotes, or by the price of now, which is asked for before the
// transaction; without a price it is kept, and a job says later what it is worth.
// ErrStale if another server moved the cursor, or took it back since it was read.
func (s *Service) RecordSweep(ctx context.Context, sw Sweep) error {
	return s.record(ctx, sw, func(tx Tx) error {
		if err := tx.SaveCursor(ctx, sw.Chain, sw.From, sw.To, sw.Final); err != nil {
			return err
		}
		// The cursor is ours until the commit. That it is at the same height does not mean that it
		// stayed there: another server may have gone back and come forward again since, and what
		// was read beside the logs, like balances, would be of both chains.
		n, err := tx.Rewound(ctx, sw.Chain)
		if err == nil && n != sw.Rewound {
			err = ErrStale
		}
		return err
	})
}

// RecordLate stores what a sweep that was recorded had not found. It moves no cursor.
func (s *Service) RecordLate(ctx context.Context, sw Sweep) error {
	return s.record(ctx, sw, func(Tx) error { return nil })
}

func (s *Service) record(ctx context.Context, sw Sweep, then func(Tx) error) error {
	prices, err := s.askPrices(ctx, sw.Sightings)
	if err != nil {
		return err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	return s.store.Write(ctx, func(tx Tx) error {
		mine, err := owned(ctx, tx, sw.Sightings)
		if err != nil {
			return err
		}
		back, err := s.recoveries(ctx, tx, sw.Recoveries, now)
		if err != nil {
			return err
		}
		for id := range back {
			if _, ok := mine[id]; !ok {
				mine[id] = nil
			}
		}
		for _, id := range inOrder(mine) {
			p, err := tx.Payment(ctx, id)
			if err != nil {
				return fmt.Errorf("load payment %s: %w", id.Short(), err)
			}
			xs, err := s.accept(ctx, tx, &valuer{p: p, prices: prices, now: now}, mine[id])
			if err != nil {
				return err
			}
			ended, events := s.recoverAll(p, back[id], xs)
			if events, err = untold(ctx, tx, p, events); err != nil {
				return err
			}
			f := facts{transfers: xs, attempts: append(executed(p, xs), ended...), events: events}
			if _, err := s.change(ctx, tx, p, now, f); err != nil {
				return err
			}
		}
		if err := tx.PutBalances(ctx, sw.Chain, sw.Balances); err != nil {
			return fmt.Errorf("keep balances: %w", err)
		}
		return then(tx)
	})
}

// inOrder is the order in which a transaction touches payments. It is the same
// everywhere: transactions that meet then wait for each other and never in a circle.
func inOrder[V any](m map[payment.ID]V) []payment.ID { return slices.Sorted(maps.Keys(m)) }

// executed marks announced transactions and proven routes whose transfer has now
// been seen. A route that somebody said had failed has arrived all the same.
func executed(p *payment.Payment, xs []payment.Transfer) []payment.Attempt {
	var done []payment.Attempt
	for _, a := range p.Attempts {
		for _, x := range xs {
			switch {
			case a.Stage == payment.Announced && a.Kind == payment.KindTx && a.Handle == x.Evidence.Tx && a.Chain == x.Evidence.Chain:
				a.Stage = payment.Executed
			case brought(a, x) && (a.Stage != payment.Executed || p.TakenBack(a.Route.ID)):
				a = arrive(a, x)
			default:
				continue
			}
			done = append(done, a)
			break
		}
	}
	return done
}

// Rewind takes back what a reorganisation removed: everything of a chain above
// block to. Final transfers stay: to may be an older checkpoint than the final
// height, and the watcher stops by itself where a chain takes back final blocks.
//
// rewound is Cursor.Rewound of the cursor that is gone back from. ErrStale if it was taken
// back since: block to may be of a chain that is gone.
func (s *Service) Rewind(ctx context.Context, chain asset.ChainID, to Block, rewound int64) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		if err := s.dropAbove(ctx, tx, chain, to.Number, now); err != nil {
			return err
		}
		if err := tx.RewindCursor(ctx, chain, to); err != nil {
			return err
		}
		if n, err := tx.Rewound(ctx, chain); err != nil {
			return err
		} else if n != rewound+1 {
			return ErrStale
		}
		// From here on the cursor is ours. What another server recorded while we looked came
		// before it was, and has to go as well.
		return s.dropAbove(ctx, tx, chain, to.Number, now)
	})
}

// dropAbove takes back everything of a chain above a block.
func (s *Service) dropAbove(ctx context.Context, tx Tx, chain asset.ChainID, number uint64, now time.Time) error {
	gone, err := tx.TransfersAbove(ctx, chain, number)
	if err != nil {
		return fmt.Errorf("find transfers above block %d: %w", number, err)
	}
	err = s.restage(ctx, tx, gone, now, payment.Dropped, func(e payment.Evidence) bool {
		return e.Chain == chain && e.Block > number
	})
	if err != nil {
		return err
	}
	if err := tx.DropBalances(ctx, chain, number); err != nil {
		return fmt.Errorf("forget balances above block %d: %w", number, err)
	}
	return nil
}

// Finalize makes the transfers in blocks final. The caller has proven that the
// blocks are canonical and deep enough.
func (s *Service) Finalize(ctx context.Context, chain asset.ChainID, blocks []Block) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		var found []Owned
		proven := map[string]uint64{}
		for _, b := range blocks {
			some, err := tx.TransfersIn(ctx, chain, b)
			if err != nil {
				return fmt.Errorf("find transfers in block %d: %w", b.Number, err)
			}
			found = append(found, some...)
			proven[b.Hash] = b.Number
			if err := tx.SettleBalances(ctx, chain, b); err != nil {
				return fmt.Errorf("settle balances of block %d: %w", b.Number, err)
			}
		}
		return s.restage(ctx, tx, found, now, payment.Final, func(e payment.Evidence) bool {
			n, ok := proven[e.BlockHash]
			return ok && e.Chain == chain && e.Block == n
		})
	})
}

// restage moves the pending transfers of some payments whose evidence fits to
// another stage. What was found was read before the payments were locked, and
// another node may have been faster: so it only says which payments to look at.
func (s *Service) restage(ctx context.Context, tx Tx, found []Owned, now time.Time, to payment.Stage, fits func(payment.Evidence) bool) error {
	return s.restageAll(ctx, tx, found, now, to, func(x payment.Transfer) bool { return fits(x.Evidence) })
}

// restageAll is restage by more than the evidence.
func (s *Service) restageAll(ctx context.Context, tx Tx, found []Owned, now time.Time, to payment.Stage, fits func(payment.Transfer) bool) error {
	some := map[payment.ID]bool{}
	for _, o := range found {
		some[o.Payment] = true
	}
	for _, id := range inOrder(some) {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return fmt.Errorf("load payment %s: %w", id.Short(), err)
		}
		var xs []payment.Transfer
		for _, x := range p.Transfers {
			if x.Stage == payment.Pending && fits(x) {
				x.Stage = to
				xs = append(xs, x)
			}
		}
		if _, err := s.change(ctx, tx, p, now, facts{transfers: xs}); err != nil {
			return err
		}
	}
	return nil
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

// ExpireOverdue closes payments whose window has passed for as long as a block may
// take to become known here, and returns how many it closed. It must only run while
// every watcher has caught up with its chain: money that arrived in time while the
// server was down is to be seen first.
func (s *Service) ExpireOverdue(ctx context.Context) (int, error) {
	total := 0
	for {
		now := s.now().UTC()
		ids, err := s.store.Overdue(ctx, now.Add(-s.settle), expireBatch)
		if err != nil {
			return total, fmt.Errorf("find overdue payments: %w", err)
		}
		closed, err := s.expire(ctx, ids, now)
		if err != nil {
			return total, fmt.Errorf("expire payments: %w", err)
		}
		total += closed
		if len(ids) < expireBatch || closed == 0 {
			return total, nil
		}
	}
}

// expire looks at payments again in one transaction and returns how many changed.
func (s *Service) expire(ctx context.Context, ids []payment.ID, now time.Time) (closed int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	slices.Sort(ids) // see inOrder
	err = s.store.Write(ctx, func(tx Tx) error {
		closed = 0
		for _, id := range ids {
			p, err := tx.Payment(ctx, id)
			if err != nil {
				return fmt.Errorf("load payment %s: %w", id.Short(), err)
			}
			changed, err := s.change(ctx, tx, p, now, facts{})
			if err != nil {
				return err
			}
			if changed {
				closed++
			}
		}
		return nil
	})
	return closed, err
}

// Mine returns the indexes of the sightings whose handle names a request here.
func (s *Service) Mine(ctx context.Context, xs []rail.Sighting) (mine []int, err error) {
	owners, err := ownersOf(ctx, s.store, xs)
	if err != nil {
		return nil, err
	}
	for i, owner := range owners {
		if owner != nil {
			mine = append(mine, i)
		}
	}
	return mine, nil
}
