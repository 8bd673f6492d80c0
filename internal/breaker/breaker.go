// Package breaker leaves a service alone that failed repeatedly, or that said it
// wants to be, so that nobody waits for what will not come. It knows failures and
// times; it must not know what is asked, or how.
package breaker

import (
	"errors"
	"sync"
	"time"
)

// After so many failures in a row a service is left alone, for longer each time.
const (
	Failures = 5
	MinRest  = 15 * time.Second
	MaxRest  = 5 * time.Minute
)

// The reasons why a question is not put.
var (
	ErrResting = errors.New("it failed repeatedly and is left alone for now")
	ErrLimited = errors.New("it wants to be asked less often")
)

// Verdict is what a question showed of the service as a whole. To refuse a question
// is a sign of health.
type Verdict int

// The verdicts.
const (
	Neither Verdict = iota // it says nothing about the service
	Healthy
	Failed
)

// Breaker lets everything through, nothing, or one question to see whether the
// service is back. Its zero value lets everything through. It is safe for concurrent
// use.
type Breaker struct {
	mu       sync.Mutex
	failures int
	rest     time.Duration
	until    time.Time // zero while closed
	limited  time.Time // when it may be asked again, by its own word
	probing  bool
}

// Pass is one question's leave to be put.
type Pass struct{ probe bool }

// Enter lets a question through, as the probe if it is the first after a rest. Each
// Pass is to be given back by Leave. Errors: ErrResting, ErrLimited.
func (b *Breaker) Enter(now time.Time) (Pass, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case now.Before(b.limited):
		return Pass{}, ErrLimited
	case b.until.IsZero():
		return Pass{}, nil
	case b.probing || now.Before(b.until):
		return Pass{}, ErrResting
	}
	b.probing = true
	return Pass{probe: true}, nil
}

// Leave keeps what a question showed. A health does not end a rest that the service
// asked for.
func (b *Breaker) Leave(now time.Time, p Pass, v Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.probe {
		b.probing = false
	}
	switch v {
	case Healthy:
		b.failures, b.rest, b.until = 0, 0, time.Time{}
	case Failed:
		b.failures++
		// Stragglers from before the break do not lengthen it.
		if p.probe || b.until.IsZero() && b.failures >= Failures {
			b.rest = min(max(2*b.rest, MinRest), MaxRest)
			b.until = now.Add(b.rest)
		}
	}
}

// Rest leaves the service alone for as long as it said.
func (b *Breaker) Rest(now time.Time, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limited = now.Add(wait)
}

// Available reports whether a question would be let through.
func (b *Breaker) Available(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !now.Before(b.limited) && (b.until.IsZero() || !now.Before(b.until) && !b.probing)
}
