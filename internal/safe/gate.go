package safe

import (
	"errors"
	"sync"
	"time"
)

// After so many failures in a row the service is left alone, for longer each
// time.
const (
	maxFailures = 5
	minRest     = 15 * time.Second
	maxRest     = 5 * time.Minute
)

// errResting is a question that was not put.
var errResting = errors.New("it is left alone for now")

// gate holds questions back until an instant. Its zero value is open.
type gate struct {
	mu       sync.Mutex
	failures int
	pause    time.Duration
	until    time.Time
	limited  bool // closed because the service said so
	probing  bool // the first question after a rest is under way
}

func (g *gate) open(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !now.Before(g.until)
}

// enter lets a question through. The first one after a rest keeps the gate
// closed behind it for as long as it can take, or until its end is told.
func (g *gate) enter(now time.Time, timeout time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case now.Before(g.until) && g.limited:
		return errLimited
	case now.Before(g.until):
		return errResting
	}
	g.limited = false
	if g.failures >= maxFailures {
		g.until, g.probing = now.Add(timeout), true
	}
	return nil
}

// well opens the gate, unless the service has said meanwhile that it wants to be
// left alone.
func (g *gate) well() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures, g.pause, g.probing = 0, 0, false
	if !g.limited {
		g.until = time.Time{}
	}
}

// rest closes the gate because the service said so.
func (g *gate) rest(now time.Time, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until, g.limited, g.probing = now.Add(wait), true, false
}

// failed closes the gate once there were too many. Stragglers from before do
// not close it for longer.
func (g *gate) failed(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures++
	if g.failures == maxFailures || g.probing {
		g.pause = min(max(2*g.pause, minRest), maxRest)
		g.probing = false
		if until := now.Add(g.pause); until.After(g.until) {
			g.until = until
		}
	}
}
