package lifi

import (
	"errors"
	"sync"
	"time"
)

// After so many failures in a row the service is left alone, for longer each
// time, so that pages do not wait for what will not come.
const (
	breakAfter = 5
	restMin    = 15 * time.Second
	restMax    = 5 * time.Minute
)

// errOpen is a question that was not put.
var errOpen = errors.New("the routing service failed repeatedly and is left alone for now")

type verdict int

const (
	neither verdict = iota // the exchange says nothing about the service
	healthy
	failed
)

// breaker lets everything through, nothing, or one question to see whether the
// service is back. Its zero value lets everything through.
type breaker struct {
	mu       sync.Mutex
	failures int
	rest     time.Duration
	until    time.Time // zero while closed
	probing  bool
}

// enter lets a question through, as the probe if it is the first after a rest.
func (b *breaker) enter(now time.Time) (probe bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return false, nil
	}
	if b.probing || now.Before(b.until) {
		return false, errOpen
	}
	b.probing = true
	return true, nil
}

// leave keeps what a question showed.
func (b *breaker) leave(now time.Time, probe bool, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch v {
	case healthy:
		b.failures, b.rest, b.until = 0, 0, time.Time{}
	case failed:
		b.failures++
		// Stragglers from before the break do not lengthen it.
		if probe || b.until.IsZero() && b.failures >= breakAfter {
			b.rest = min(max(2*b.rest, restMin), restMax)
			b.until = now.Add(b.rest)
		}
	}
}

// Available reports whether the service may be asked: false while it is left
// alone after repeated failures.
func (c *Client) Available() bool { return c.circuit.closed(c.now()) }

func (b *breaker) closed(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until.IsZero() || !now.Before(b.until) && !b.probing
}
