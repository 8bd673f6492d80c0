package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/payment"
	"quittance/internal/store"
)

// attic says what an archiver asks for.
type attic struct {
	since  time.Time
	steps  []store.Archived
	takes  time.Duration // for each step
	fails  bool
	asked  []time.Time // quiet times of the steps
	at     []time.Time // when they were asked for
	before []time.Time // of messages to forget
}

func (s *attic) ArchiveSince(context.Context) (time.Time, error) { return s.since, nil }

func (s *attic) Archive(_ context.Context, after payment.ID, quiet time.Time) (store.Archived, error) {
	s.asked, s.at = append(s.asked, quiet), append(s.at, time.Now())
	time.Sleep(s.takes)
	if s.fails {
		return store.Archived{}, errors.New("no")
	}
	n := 0
	for i, step := range s.steps {
		if step.Last != "" && step.Last == after {
			n = i + 1
		}
	}
	return s.steps[n], nil
}

func (s *attic) PruneMessages(_ context.Context, before time.Time) (int, error) {
	s.before = append(s.before, before)
	return 0, nil
}

// archiveFor runs an archiver for a time, which begins with since in the past.
func archiveFor(t *testing.T, k Keeping, s *attic, d time.Duration) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	if err := newArchiver(k, s, slog.New(slog.DiscardHandler)).run(ctx); err != nil {
		t.Error(err)
	}
}

func TestArchiverRestsBetweenSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := &attic{since: began.Add(-25 * time.Hour), takes: 10 * time.Millisecond, steps: []store.Archived{{Moved: 20, Last: "a"}, {Last: "b"}, {Moved: 3}}}
		archiveFor(t, Keeping{}, s, 30*time.Minute)
		if len(s.asked) != 3 || !s.asked[2].Equal(began.AddDate(0, 0, -90)) || s.at[1].Sub(s.at[0]) != 100*time.Millisecond {
			t.Errorf("asked for %v at %v", s.asked, s.at)
		}
		if len(s.before) != 1 || s.before[0].After(began.AddDate(0, 0, -400).Add(time.Second)) {
			t.Errorf("messages before %v are forgotten", s.before)
		}
	})
}

func TestArchiverWaitsForTheUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &attic{since: time.Now().Add(-30 * time.Minute), steps: []store.Archived{{}}}
		archiveFor(t, Keeping{}, s, 22*time.Hour+time.Minute)
		if len(s.asked) != 0 || len(s.before) != 23 {
			t.Errorf("archived %d times within a day of the upgrade, messages were looked at %d times", len(s.asked), len(s.before))
		}
		archiveFor(t, Keeping{}, s, 2*time.Hour+time.Minute)
		if len(s.asked) == 0 {
			t.Error("nothing is archived a day after the upgrade")
		}
	})
}

func TestArchiverGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &attic{since: time.Now().Add(-25 * time.Hour), fails: true}
		archiveFor(t, Keeping{}, s, 3*time.Hour+time.Minute)
		if len(s.asked) != 4 || len(s.before) != 4 {
			t.Errorf("tried %d times, messages %d times", len(s.asked), len(s.before))
		}
	})
}

func TestArchiverNeverDoesWhatIsNeverToBeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &attic{since: time.Now().Add(-25 * time.Hour)}
		archiveFor(t, Keeping{Archive: -1, Messages: -1}, s, 5*time.Hour)
		if len(s.asked) != 0 || len(s.before) != 0 {
			t.Error("archived, or forgot messages")
		}
	})
}
