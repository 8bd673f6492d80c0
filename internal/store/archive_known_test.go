package store

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// The danger is money that is taken for a stranger's because a filter knows too little.

func TestAFilterForgetsNothing(t *testing.T) {
	const count = 50_000
	f, r := newFilter(count), rand.New(rand.NewPCG(1, 2))
	marks := make([]int64, count+count/4)
	for i := range marks {
		if f.room == 0 {
			t.Fatal("it is full before it has what it has room for")
		}
		marks[i] = int64(r.Uint64())
		f.add(marks[i])
	}
	for _, m := range marks {
		if !f.mayHave(m) {
			t.Fatalf("mark %x is forgotten", m)
		}
	}
	mistaken := 0
	for range count {
		if f.mayHave(int64(r.Uint64())) {
			mistaken++
		}
	}
	if bytes := len(f.words) * 8; mistaken > count/50 || bytes > 2*len(marks) {
		t.Errorf("%d of %d others are taken for its own; %d bytes", mistaken, count, bytes)
	}
}

// shop is a store with closed payments, by the handles of their requests.
type shop struct {
	*Store
	owner   map[string]payment.ID
	handles []string
}

var longAgo = time.Date(2025, 1, 2, 12, 0, 0, 0, time.UTC)

func openShop(t *testing.T, s *Store, payments int) *shop {
	t.Helper()
	x := &shop{Store: s, owner: map[string]payment.ID{}}
	m := merchant.Merchant{ID: "01KM0000000000000000000001", Name: "Shop", CreatedAt: longAgo}
	if err := s.InsertMerchant(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for n := range payments {
		handle := fmt.Sprintf("0x%064x", n)
		p := &payment.Payment{ID: payment.ID(fmt.Sprintf("01KE%022d", n)), Version: 1, Terms: payment.Terms{
			Merchant: m.ID, Dialect: "request", CreatedAt: longAgo, ExpiresAt: longAgo.Add(time.Hour),
			Requests: []payment.Request{{ID: fmt.Sprintf("01%064x", n), Asset: "USDC-base", Due: big.NewInt(5), Handles: []payment.Handle{{Rail: "evmref", Value: handle}}}},
		}}
		p.Standing = payment.Standing{State: payment.Expired, Oddity: payment.None}
		if err := s.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) }); err != nil {
			t.Fatal(err)
		}
		x.owner[handle], x.handles = p.ID, append(x.handles, handle)
	}
	return x
}

// archiveAll archives what may be, once.
func archiveAll(ctx context.Context, s *Store) (moved int, err error) {
	for after := payment.ID(""); ; {
		a, err := s.Archive(ctx, after, longAgo.AddDate(1, 0, 0))
		if moved += a.Moved; err != nil || a.Last == "" {
			return moved, err
		}
		after = a.Last
	}
}

// asked looks for handles as a sweep does, and says which of ours was not found.
func (x *shop) asked(ctx context.Context, by *Store, writes bool, ours, strangers int) error {
	var handles []string
	for range ours {
		handles = append(handles, x.handles[rand.IntN(len(x.handles))])
	}
	for range strangers {
		handles = append(handles, fmt.Sprintf("0x%064x", rand.Uint64()|1<<63))
	}
	check := func(by func(context.Context, string, []string) (map[string]checkout.Owner, error)) error {
		found, err := by(ctx, "evmref", handles)
		if err != nil {
			return err
		}
		for i, h := range handles {
			if owner, ok := found[h]; ok != (i < ours) || owner.Payment != x.owner[h] {
				return fmt.Errorf("handle %d, %s, is of payment %q, not %q", i, h, owner.Payment, x.owner[h])
			}
		}
		return nil
	}
	if err := check(by.Owners); err != nil || !writes {
		return err
	}
	return by.Write(ctx, func(tx checkout.Tx) error { return check(tx.Owners) })
}

// follow lets stores know the archive's marks until the test, or stop, ends that.
func follow(t *testing.T, all ...*Store) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	for _, s := range all {
		done.Go(func() {
			if err := s.FollowMarks(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return stop
}

// knows waits until a store's filter is asked, and says of how many strangers it is not sure.
func knows(t *testing.T, s *Store) (unsure int) {
	t.Helper()
	strangers := make([]int64, 1000)
	for i := range strangers {
		strangers[i] = int64(rand.Uint64())
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		head, err := s.lastBatch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if unsure = len(s.known.possible(head, slices.Clone(strangers))); unsure < len(strangers) {
			return unsure
		}
		if time.Now().After(deadline) {
			t.Fatal("the marks are not known after a minute")
		}
	}
}

func shops(t *testing.T, open func(*testing.T) (*Store, error), nodes int) (all []*Store) {
	t.Helper()
	for range nodes {
		s, err := open(t)
		if err == nil {
			err = s.Migrate(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// Two nodes archive, bring back, look for handles and lose what they know, all at once. A
// SQLite file has one that writes, and one that looks.
func TestNoMoneyIsTakenForAStrangers(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		nodes := shops(t, open, 2)
		x := openShop(t, nodes[0], 120)
		follow(t, nodes...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, shared := nodes[0].engine.(*postgresEngine)
		writes := func(s *Store) bool { return shared || s == nodes[0] }
		var over atomic.Bool
		var busy, sweeps sync.WaitGroup
		for i, s := range nodes {
			busy.Go(func() {
				for n := 0; writes(s) && !over.Load(); n++ {
					if _, err := archiveAll(ctx, s); err != nil {
						t.Error("archive:", err)
						return
					}
					for range 30 { // as late money does
						id := x.owner[x.handles[rand.IntN(len(x.handles))]]
						if err := s.Write(ctx, func(tx checkout.Tx) error { _, err := tx.Payment(ctx, id); return err }); err != nil {
							t.Error("bring back:", err)
							return
						}
					}
					if n%4 == 3 {
						s.known.replace(nil, batch{})
					}
				}
			})
			sweeps.Go(func() {
				for n := range 60 {
					by := nodes[(i+n)%2]
					if err := x.asked(ctx, by, writes(by), 8, 8); err != nil {
						t.Error("a sweep:", err)
						return
					}
				}
			})
		}
		sweeps.Wait()
		over.Store(true)
		busy.Wait()
		if _, err := archiveAll(ctx, nodes[0]); err != nil {
			t.Fatal(err)
		}
		for _, s := range nodes {
			if unsure := knows(t, s); unsure > 50 {
				t.Errorf("of %d of 1000 strangers it is not sure", unsure)
			}
			if err := x.asked(ctx, s, writes(s), 100, 150); err != nil {
				t.Error(err)
			}
		}
	})
}

// What the database tells may be another story from one day to the next: a backup, or a
// replica that lacks the last commits. Numbers alone would look the same.
func TestAnotherHistoryIsReadAnew(t *testing.T) {
	stories := map[string][]string{
		"the last batches are others": {`DELETE FROM mark_batches WHERE batch = 3`, `INSERT INTO mark_batches (batch, tag, marks) VALUES (3, 'other', X'')`},
		"they are others, and more":   {`DELETE FROM mark_batches WHERE batch >= 2`, `INSERT INTO mark_batches (batch, tag, marks) VALUES (2, 'a', X''), (3, 'b', X''), (4, 'c', X'')`},
		"there are fewer":             {`DELETE FROM mark_batches WHERE batch >= 2`},
		"there are none":              {`DELETE FROM mark_batches`},
		"it is far behind":            {`INSERT INTO mark_batches (batch, tag, marks) VALUES (3000, 'far', X'')`, `DELETE FROM mark_batches WHERE batch < 3000`},
		"one is not there":            {`INSERT INTO mark_batches (batch, tag, marks) VALUES (5, 'gap', X'')`},
	}
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s := shops(t, open, 1)[0]
		x := openShop(t, s, 60)
		if moved, err := archiveAll(t.Context(), s); err != nil || moved != 60 {
			t.Fatalf("%d payments were archived, %v", moved, err)
		}
		_, shared := s.engine.(*postgresEngine)
		for what, story := range stories {
			if err := s.change(t.Context(), `DELETE FROM mark_batches`); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := s.write(t.Context(), func(tx *tx) error { return tx.addBatch(t.Context(), nil) }); err != nil {
					t.Fatal(err)
				}
			}
			stop := follow(t, s)
			s.known.more()
			knows(t, s)
			stop()
			// The marks of the other story are those that this process has not read.
			s.known.mu.Lock()
			clear(s.known.filter.words)
			s.known.mu.Unlock()
			if err := x.asked(t.Context(), s, true, 5, 0); err == nil {
				t.Fatal("the filter is not asked")
			}
			for _, change := range story {
				if shared {
					change = strings.ReplaceAll(change, `X''`, `''`)
				}
				if err := Script(t.Context(), s, change); err != nil {
					t.Fatal(err)
				}
			}
			if err := x.asked(t.Context(), s, true, 20, 20); err != nil {
				t.Errorf("%s: at first: %v", what, err)
			}
			stop = follow(t, s)
			knows(t, s)
			if err := x.asked(t.Context(), s, true, 20, 20); err != nil {
				t.Errorf("%s: in the end: %v", what, err)
			}
			stop()
		}
	})
}

// archiveAsBefore is what a node of the version before does.
func archiveAsBefore(ctx context.Context, t *tx, handles []string, owner map[string]payment.ID) error {
	for _, h := range handles {
		if _, err := t.exec(ctx, `INSERT INTO handle_marks (mark) VALUES ($1) ON CONFLICT (mark) DO NOTHING`, handleMark("evmref", h)); err != nil {
			return err
		}
		if err := t.move(ctx, []payment.ID{owner[h]}, ``, `_old`); err != nil {
			return err
		}
	}
	return nil
}

// What nodes of the version before have archived is known, and once a new one is there they
// archive no more: they would tell nobody.
func TestNodesOfBeforeAreHeard(t *testing.T) {
	const before = 9
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err == nil {
			err = s.MigrateTo(t.Context(), before)
		}
		if err != nil {
			t.Fatal(err)
		}
		x := openShop(t, s, 60)
		ctx := t.Context()
		old := func(handles []string, then func(*tx) error) error {
			return s.write(ctx, func(t *tx) error { return errors.Join(archiveAsBefore(ctx, t, handles, x.owner), then(t)) })
		}
		if err := old(x.handles[:20], func(*tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
		_, shared := s.engine.(*postgresEngine)
		migrated := make(chan error, 1)
		late := func(on *tx) error { // the migration begins while a transaction is under way
			go func() { migrated <- s.Migrate(ctx) }()
			for n := 0; shared && n == 0 && ctx.Err() == nil; {
				if err := on.row(ctx, `SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'handle_marks'::regclass`, nil, &n); err != nil {
					return err
				}
			}
			return nil
		}
		if err := errors.Join(old(x.handles[20:40], late), <-migrated); err != nil {
			t.Fatal(err)
		}
		if err := old(x.handles[40:41], func(*tx) error { return nil }); shared && err == nil {
			t.Error("a node of the version before archives without a word")
		}
		if moved, err := archiveAll(ctx, s); err != nil || moved < 19 {
			t.Errorf("%d payments were archived, %v", moved, err)
		}
		follow(t, s)
		if unsure := knows(t, s); unsure > 50 {
			t.Errorf("of %d of 1000 strangers it is not sure", unsure)
		}
		if err := x.asked(ctx, s, true, 200, 50); err != nil {
			t.Error(err)
		}
	})
}
