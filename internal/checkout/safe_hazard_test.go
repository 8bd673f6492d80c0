package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// story is what may happen to a payment, step by step. A step is repeated after a
// crash, as wallets, watchers and jobs repeat theirs.
type story struct {
	*world
	p    *payment.Payment
	args string
	hash string
	op   *paysBy
}

func (s *story) announce(change ...func(*proposal)) func() error {
	return func() error {
		a, err := s.proposes(s.p, change...).try()
		if err == nil {
			s.hash, s.args = a.Handle, checkout.Follow{Payment: s.p.ID, Key: a.Key}.Args()
		}
		return err
	}
}

func (s *story) look() error {
	_, err := s.TrackSafe(s.t.Context(), s.args)
	return err
}

func (s *story) executes(on rail.Option, ok bool, n int) func() error {
	return func() error {
		if len(s.vault.done) == 0 {
			s.vault.executes(on.Chain, box, s.hash, 7, ok, n)
		}
		return nil
	}
}

func (s *story) mines(n int) func() error {
	return func() error { s.until(n); return nil }
}

func (s *story) scans(n int) func() error {
	return func() error {
		c, err := s.Cursor(s.t.Context(), base)
		if err != nil || c.Blocks[0].Number >= uint64(n) {
			return err
		}
		return s.sweep(int(c.Blocks[0].Number)+1, block(n, 0), s.pays(s.p, box, s.vault.done[0].tx, 100, n))
	}
}

func (s *story) settles(n int) func() error {
	return func() error { return s.Finalize(s.t.Context(), base, []checkout.Block{block(n, 0)}) }
}

// TestSafeCrashes lets the power go out before and after every commit of these
// stories: each ends as it does without.
func TestSafeCrashes(t *testing.T) {
	here, there := rail.Option{Chain: base}, rail.Option{Chain: arbitrum}
	deadline := by(block(1100, 0).Time)
	for name, steps := range map[string]func(*story) []func() error{
		"pays": func(s *story) []func() error {
			return []func() error{s.announce(proves), s.look, s.executes(here, true, 1010), s.look, s.scans(1010), s.mines(1020), s.look, s.settles(1010), s.look}
		},
		"pays, seen late": func(s *story) []func() error {
			return []func() error{s.announce(deadline), s.executes(here, true, 1100), s.mines(1200), s.look, s.scans(1100), s.settles(1100)}
		},
		"fails": func(s *story) []func() error {
			return []func() error{s.announce(), s.executes(here, false, 1010), s.look, s.mines(1010), s.look, s.look}
		},
		"is too late": func(s *story) []func() error {
			return []func() error{s.announce(deadline), s.mines(1150), s.look, s.executes(here, true, 1160), s.scans(1160), s.settles(1160), s.look}
		},
		"is replaced": func(s *story) []func() error {
			return []func() error{s.announce(anonymous), s.mines(1600), s.look, s.announce(anonymous, proves), func() error {
				if len(s.vault.done) == 0 {
					s.vault.executes(base, box, hash(666), 7, true, 1610)
				}
				return nil
			}, s.mines(1610), s.announce(proves, func(r *proposal) { r.note.Nonce = 8 }), s.look}
		},
		"pays from another chain": func(s *story) []func() error {
			return []func() error{s.announce(across, proves), s.executes(there, true, 1010), s.mines(1020), s.look, s.look}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashes(t, safeWorld, steps)
		})
	}
}

// crashes lets the power go out before and after every commit of a story.
func crashes(t *testing.T, in func(testing.TB) *world, steps func(*story) []func() error) {
	t.Helper()
	want, writes := tell(t, in, steps, 0, false)
	if writes < 2 {
		t.Fatalf("%d writes", writes)
	}
	for n := 1; n <= writes; n++ {
		for _, after := range []bool{false, true} {
			if got, _ := tell(t, in, steps, n, after); got != want {
				t.Errorf("write %d, after its commit %t: %s\nwant %s", n, after, got, want)
			}
		}
	}
}

// tell tells a story in which the n-th write dies, and says how it ends and how
// many writes it took.
func tell(t *testing.T, in func(testing.TB) *world, steps func(*story) []func() error, n int, after bool) (end string, writes int) {
	t.Helper()
	s := &story{world: in(t)}
	s.p = s.create(100)
	s.fail = func(_ context.Context, write func() error) error {
		if writes++; writes != n {
			return write()
		}
		if after {
			if err := write(); err != nil {
				return err
			}
		}
		return errTrouble
	}
	for _, step := range steps(s) {
		err := step()
		if errors.Is(err, errTrouble) {
			s.restart()
			err = step()
		}
		must(t, err)
	}
	p := s.load(s.p.ID)
	end = fmt.Sprintf("%s/%s", p.Standing.State, p.Standing.Oddity)
	for _, a := range p.Attempts {
		end += fmt.Sprintf("; %s %s %q %t", a.Kind, a.Stage, a.Reason, a.Decides)
	}
	return fmt.Sprint(end, "; ", s.kinds(p.ID)), writes
}

// Jobs are there for every attempt that is to be followed, whatever died.
func TestSafeCrashesLeaveNoAttemptWithoutAJob(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	w.fail = func(_ context.Context, write func() error) error {
		if err := write(); err != nil {
			return err
		}
		return errTrouble
	}
	if _, err := w.proposes(p).try(); !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	w.fail = nil
	w.restart()
	a := w.ends(p, payment.Announced, "")
	jobs, err := w.store.Claim(t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(t, err)
	if !slices.ContainsFunc(jobs, func(j job.Job) bool { return j.Kind == checkout.SafeTrackKind && j.Args == string(p.ID)+" "+a.Key }) {
		t.Errorf("jobs %+v", jobs)
	}
}

// A look that took its time finds another's outcome stored, and leaves it.
func TestASlowLookChangesNoEnd(t *testing.T) {
	w := safeWorld(t)
	p := w.create(100)
	a, args := w.proposes(p, proves).announce()
	tx := w.vault.executes(base, box, a.Handle, 7, false, 1010)
	w.until(1010)
	w.vault.lie = func(s *checkout.SafeSight) { s.Fate = checkout.SafeExecuted } // as a node that another chain has forked off
	w.fail = func(_ context.Context, write func() error) error {
		w.fail, w.vault.lie = nil, nil
		w.trackSafe(args) // somebody else's look, in between
		return write()
	}
	if again := w.trackSafe(args); !again.IsZero() {
		t.Errorf("followed on at %v", again)
	}
	if a = w.ends(p, payment.Abandoned, "safe_execution_failed"); a.Safe.ExecutedBy != tx {
		t.Errorf("ended as %+v", a.Safe)
	}
	w.stands(p, payment.Failed, false)
	w.told(p, "announced", "failed")
}
