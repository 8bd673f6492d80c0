package chain

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestFailuresAreSorted(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Kind
	}{
		{&limitError{cause: errors.New("HTTP status 429")}, RateLimited},
		{fmt.Errorf("calling: %w", context.DeadlineExceeded), TimedOut},
		{fmt.Errorf("%w: an unknown id", errMalformed), NotAnswer},
		{errTooLong, NotAnswer},
		{errors.New("connection refused"), Unreachable},
	} {
		if got := failureKind(c.err); got != c.want {
			t.Errorf("%v is %s, want %s", c.err, got, c.want)
		}
	}
}

func TestALiarIsSetAsideForLongerEachTime(t *testing.T) {
	e := &endpoint{count: newTally()}
	now := time.Unix(1_700_000_000, 0)
	for i, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
		news, aside := e.lied(now, Invented)
		if !news || aside != want {
			t.Errorf("lie %d: news %v, aside for %s, want %s", i+1, news, aside, want)
		}
		if again, left := e.lied(now.Add(time.Second), Invented); again || left >= aside {
			t.Errorf("lie %d said twice: news %v, aside for %s", i+1, again, left)
		}
		if !e.aside(now.Add(aside-1)) || e.aside(now.Add(aside)) {
			t.Errorf("lie %d: not set aside for exactly %s", i+1, aside)
		}
		now = now.Add(aside)
	}
	for range 20 {
		_, aside := e.lied(now, Missing)
		if aside > time.Hour {
			t.Fatalf("aside for %s", aside)
		}
		now = now.Add(aside)
	}
	if _, aside := e.lied(now.Add(2*time.Hour), Missing); aside != 30*time.Second {
		t.Errorf("aside for %s after two honest hours", aside)
	}
	h := e.health(now)
	if h.Lies[Invented] != 8 || h.Lies[Missing] != 21 || h.LastLie != Missing {
		t.Errorf("health %+v", h)
	}
}
