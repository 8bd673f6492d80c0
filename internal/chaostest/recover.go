//go:build linux

package chaostest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// blows is what hit a process and is not over yet.
type blows struct {
	mu      sync.Mutex
	watched bool // somebody waits for it
	last    kind
	at      time.Time
	probes  int
}

// coming reports whether it was hit and does not serve again yet.
func (n *node) coming() bool {
	n.blows.mu.Lock()
	defer n.blows.mu.Unlock()
	return n.blows.watched
}

func (n *node) hit() (kind, time.Time) {
	n.blows.mu.Lock()
	defer n.blows.mu.Unlock()
	return n.blows.last, n.blows.at
}

// watch has somebody wait until a process that was hit serves again; its time counts from
// the last blow.
func (s *Suite) watch(n *node, k kind, at time.Time) {
	n.blows.mu.Lock()
	defer n.blows.mu.Unlock()
	n.blows.last, n.blows.at = k, at
	if n.blows.watched {
		return
	}
	n.blows.watched = true
	s.recovering.Go(func() {
		var o *order
		for {
			k, at := n.hit()
			if o == nil || o.answer != nil { // else nobody knows whether it is there
				o = s.probe(n)
			}
			s.recover(n, o, k, at)
			n.blows.mu.Lock()
			over := n.blows.at.Equal(at)
			n.blows.watched = !over
			n.blows.mu.Unlock()
			if over {
				return
			}
		}
	})
}

// probe is a payment that one process has to take.
func (s *Suite) probe(n *node) *order {
	n.blows.mu.Lock()
	defer n.blows.mu.Unlock()
	n.blows.probes++
	return &order{shop: s.shops[0], key: fmt.Sprintf("probe-%s-%d", strings.ReplaceAll(n.name, " ", ""), n.blows.probes)}
}

// recover waits until a process takes a payment and shows its page, and is ready. It gives
// up when the process is hit again.
func (s *Suite) recover(n *node, o *order, k kind, begun time.Time) {
	took, ok := s.within(n, k, begun, 5*time.Millisecond, func() (string, bool) { return "took no payment and showed no page", s.probed(n, o) })
	if !ok {
		return
	}
	s.tally.recovered(k, took)
	if took, ok = s.within(n, k, begun, 10*time.Millisecond, func() (string, bool) {
		why, ok := s.ready(n)
		return "was not ready (" + why + ")", ok
	}); ok {
		s.tally.readied(k, took)
	}
}

// within waits for what a process has to do in time, or else says what it did not do. It
// gives up when that was hit again.
func (s *Suite) within(n *node, k kind, begun time.Time, every time.Duration, ok func() (otherwise string, done bool)) (time.Duration, bool) {
	reason := ""
	for {
		otherwise, done := ok()
		if !done {
			reason = otherwise
		}
		took := time.Since(begun)
		if _, at := n.hit(); !at.Equal(begun) {
			return 0, false
		}
		switch {
		case done && took > bound:
			s.late("%s %s for %v after %s", n.name, reason, took, k)
			return took, true
		case done:
			return took, true
		case took > s.c.Plan.limit():
			s.fail("%s %s for %v after %s", n.name, reason, s.c.Plan.limit(), k)
			return 0, false
		}
		pause(context.Background(), every)
	}
}

// probed has one process make a payment and show its page.
func (s *Suite) probed(n *node, o *order) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if o.answer == nil {
		path, body, h := o.post()
		status, answer := s.call(ctx, n, http.MethodPost, path, body, h)
		done, again := o.accepted(status, answer)
		if !done && !again {
			s.fail("%s refused %s: %d %s", n.name, o.key, status, answer)
		}
		if !done || o.read(answer) != nil {
			return false
		}
		s.book.add(o)
	}
	status, _ := s.call(ctx, n, http.MethodGet, "/?token="+o.id, "", nil)
	return status == http.StatusOK
}
