package chain

import (
	"context"
	"errors"
	"maps"
	"time"
)

// Kind says what was wrong with an answer, or with there being none.
type Kind string

// The kinds of failures: nothing was learned from the endpoint. NotAnswer is text that
// is no answer to what was asked.
const (
	Unreachable Kind = "unreachable"
	TimedOut    Kind = "timeout"
	RateLimited Kind = "rate_limited"
	NotAnswer   Kind = "garbage"
)

// The kinds of lies: the endpoint answered, and what it says is not so.
const (
	Missing         Kind = "missing"          // it leaves out logs that the others have
	Invented        Kind = "invented"         // it has logs that the others do not
	Altered         Kind = "altered"          // it has a log that reads differently at the others
	OtherFork       Kind = "other_fork"       // its final blocks are not those of the others
	WrongChain      Kind = "wrong_chain"      // it is on another chain
	StaleHead       Kind = "stale_head"       // it stands still while the chain goes on
	ImpossibleReorg Kind = "impossible_reorg" // it no longer has a block that was final
	Contradiction   Kind = "contradiction"    // its answer contradicts itself, or the question
	Disputed        Kind = "disputed"         // it and others disagree on logs, and there is no majority yet
)

// FailureKinds and LieKinds are all there are, for whoever counts them.
func FailureKinds() []Kind { return []Kind{Unreachable, TimedOut, RateLimited, NotAnswer} }

// LieKinds are the kinds of lies.
func LieKinds() []Kind {
	return []Kind{Missing, Invented, Altered, OtherFork, WrongChain, StaleHead, ImpossibleReorg, Contradiction, Disputed}
}

// failureKind sorts a failure.
func failureKind(err error) Kind {
	if _, limited := errors.AsType[*limitError](err); limited {
		return RateLimited
	}
	switch {
	case errors.Is(err, errMalformed), errors.Is(err, errTooLong), errors.Is(err, errHex), errors.Is(err, errNull):
		return NotAnswer
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	}
	return Unreachable
}

// tally counts what an endpoint did since the process began.
type tally struct {
	requests  uint64
	hedges    uint64
	hedgesWon uint64
	failed    map[Kind]uint64
	lies      map[Kind]uint64
}

func newTally() tally {
	t := tally{failed: map[Kind]uint64{}, lies: map[Kind]uint64{}}
	for _, k := range FailureKinds() {
		t.failed[k] = 0 // a count of nothing is shown, too
	}
	for _, k := range LieKinds() {
		t.lies[k] = 0
	}
	return t
}

func (t tally) show(h *EndpointHealth) {
	h.Requests, h.Hedges, h.HedgesWon = t.requests, t.hedges, t.hedgesWon
	h.Failed, h.Lies = maps.Clone(t.failed), maps.Clone(t.lies)
}

// The bounds of how long an endpoint that lied is the last to be asked.
const (
	asideMin = 30 * time.Second
	asideMax = time.Hour
)

// lied counts a lie and sets the endpoint aside, each time for twice as long; a quiet time
// as long as the longest ends that. It reports whether the lie is news: the
// first of its kind since the endpoint was last believed.
func (e *endpoint) lied(now time.Time, k Kind) (news bool, aside time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count.lies[k]++
	if now.Sub(e.asideUntil) > asideMax {
		e.asideTimes = 0
	}
	standing := now.Before(e.asideUntil)
	news = !standing || e.seen.LastLie != k
	e.seen.LastLie, e.seen.LastLieAt = k, now
	if standing {
		return news, e.asideUntil.Sub(now) // lies of one time are one time
	}
	aside = min(asideMin<<min(e.asideTimes, 20), asideMax)
	e.asideTimes++
	e.asideUntil = now.Add(aside)
	return news, aside
}

// disputed counts a dispute, which says nothing about who is wrong.
func (e *endpoint) disputed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count.lies[Disputed]++
}

// aside reports whether the endpoint is the last to be asked.
func (e *endpoint) aside(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Before(e.asideUntil)
}

// lied keeps the record of an endpoint that lied, and logs what is new.
func (c *Client) lied(ctx context.Context, i int, k Kind, detail string) {
	e := c.endpoints[i]
	if news, aside := e.lied(time.Now(), k); news {
		c.log.WarnContext(ctx, "endpoint told what is not so", "endpoint", e.name, "kind", string(k), "detail", detail,
			"last_to_be_asked_for", aside.Round(time.Second).String())
	}
}
