package chain

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The reasons an endpoint is passed over. errNotAsked says that the calls
// themselves never left for the endpoint.
var (
	errNotAsked   = errors.New("not asked")
	errWrongChain = errors.New("the endpoint is on another chain")
)

// limitError is an endpoint that wants to be asked less often.
type limitError struct {
	after time.Duration // what it asked for, 0 if nothing
	cause error
}

func (e *limitError) Error() string { return "asked too often: " + e.cause.Error() }
func (e *limitError) Unwrap() error { return e.cause }

// EndpointState says whether an endpoint is used.
type EndpointState string

// The states of an endpoint.
const (
	Unproven EndpointState = "unproven" // not asked yet, or its chain must be verified again
	Good     EndpointState = "good"
	Resting  EndpointState = "resting" // failed; left alone for a while
	Refused  EndpointState = "refused" // on another chain; never asked again
	Aside    EndpointState = "aside"   // it lied; the last to be asked for a while
)

// EndpointHealth is how one endpoint is doing.
type EndpointHealth struct {
	Name        string // without the keys that a URL may hold
	State       EndpointState
	ChainID     uint64 // what it says it is, 0 if it never said
	Head        uint64 // number of the newest block it reported, 0 if never asked
	LastSuccess time.Time
	LastFailure time.Time
	LastError   string // for operators, not for payers
	Latency     time.Duration
	Failures    int // in a row

	AsideUntil time.Time // the last to be asked until then, in the past if it is not
	LastLie    Kind      // "" if it never lied
	LastLieAt  time.Time

	// What it did since the process began. Failed and Lies have all kinds, those
	// that never happened too.
	Requests  uint64 // round trips
	Hedges    uint64 // round trips because another endpoint was slow
	HedgesWon uint64 // those of them that were answered first
	Failed    map[Kind]uint64
	Lies      map[Kind]uint64
}

// endpoint is one endpoint and its circuit: after two failures in a row, or one
// refusal to be asked so often, it rests; then one caller at a time probes it.
type endpoint struct {
	name             string
	host             string // who answers: endpoints of one host are one opinion
	wire             wire
	limit            bucket
	restMin, restMax time.Duration
	request          atomic.Int64 // bytes it takes at once, 0 for requestMost

	mu         sync.Mutex
	verified   bool
	verifiedAt time.Time
	refused    bool
	probing    bool
	failures   int
	restUntil  time.Time
	seen       EndpointHealth
	count      tally

	asideUntil time.Time
	asideTimes int

	beaten    int // times in a row that another endpoint answered sooner
	slowUntil time.Time

	headAt time.Time // when it told its head
	stale  bool      // that head was behind those of the others
}

// verifyEvery is how often an endpoint is asked which chain it is on: the question travels
// with another one.
const verifyEvery = time.Minute

// enter asks for leave to put n questions, and tells whether the chain must be verified.
func (e *endpoint) enter(now time.Time, n int, hedge bool) (verify bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.refused:
		return false, fmt.Errorf("%w: %w", errNotAsked, errWrongChain)
	case now.Before(e.restUntil):
		return false, fmt.Errorf("%w: it rests after failures, the last: %s", errNotAsked, e.seen.LastError)
	case !e.restUntil.IsZero() && e.probing:
		return false, fmt.Errorf("%w: it is being probed", errNotAsked)
	}
	if wait, ok := e.limit.take(now, n); !ok {
		return false, &spentError{wait}
	}
	if now.Sub(e.verifiedAt) > verifyEvery {
		e.verified = false // behind the same name there may be another node by now
	}
	e.probing = !e.restUntil.IsZero()
	e.count.requests++
	if hedge {
		e.count.hedges++
	}
	return !e.verified, nil
}

// slowAfter is how many answers in a row that others gave sooner make an endpoint one
// that is asked after them, for slowFor.
const (
	slowAfter = 3
	slowFor   = 30 * time.Second
)

// leave ends a call that tells nothing about the endpoint but that it took at least so
// long, and whether another one was quicker.
func (e *endpoint) leave(now time.Time, took time.Duration, beaten bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.probing = false
	if beaten {
		if e.beaten++; e.beaten >= slowAfter {
			e.beaten, e.slowUntil = 0, now.Add(slowFor)
		}
	}
	if took > e.seen.Latency && e.seen.Latency > 0 {
		e.seen.Latency = (7*e.seen.Latency + took) / 8
	}
}

// identify keeps what the endpoint says it is; another chain is the end of it.
func (e *endpoint) identify(got, want uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen.ChainID = got
	e.verified, e.verifiedAt, e.refused = got == want, time.Now(), e.refused || got != want
	if got != want {
		e.probing = false
		e.seen.LastError = fmt.Sprintf("it is on chain %d, not %d", got, want)
		e.seen.LastFailure = time.Now()
		e.seen.LastLie, e.seen.LastLieAt = WrongChain, time.Now()
		e.count.lies[WrongChain]++
	}
	return !e.refused
}

func (e *endpoint) succeed(now time.Time, latency time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures, e.beaten, e.probing, e.restUntil = 0, 0, false, time.Time{}
	e.seen.LastSuccess = now
	if e.seen.Latency == 0 {
		e.seen.Latency = latency
	}
	e.seen.Latency = (7*e.seen.Latency + latency) / 8 // smoothed: one slow answer is not a slow endpoint
}

// maxRetryAfter bounds how long an endpoint can send us away for.
const maxRetryAfter = 5 * time.Minute

// fail records a failure and returns for how long the endpoint now rests. The
// chain must be verified again: behind the same name there may be another node.
func (e *endpoint) fail(now time.Time, err error) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.verified, e.probing = false, false
	e.seen.LastFailure, e.seen.LastError = now, clean(err.Error())
	e.count.failed[failureKind(err)]++
	if now.Before(e.restUntil) {
		return 0 // a call that was under way when the circuit opened counts once with the others
	}
	e.failures++
	limit, limited := errors.AsType[*limitError](err)
	if e.failures == 1 && !limited {
		return 0 // one lost connection is no reason to refuse the next caller
	}
	rest := e.restMin << min(max(e.failures-2, 0), 20)
	if rest > e.restMax || rest <= 0 {
		rest = e.restMax
	}
	if limited {
		rest = max(rest, min(limit.after, maxRetryAfter))
	}
	rest += time.Duration(rand.Int64N(int64(rest)/5 + 1)) // so that several servers do not come back together
	e.restUntil = now.Add(rest)
	return rest
}

func (e *endpoint) health(now time.Time) EndpointHealth {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.seen
	h.Name, h.Failures, h.AsideUntil = e.name, e.failures, e.asideUntil
	e.count.show(&h)
	switch {
	case e.refused:
		h.State = Refused
	case now.Before(e.restUntil):
		h.State = Resting
	case now.Before(e.asideUntil):
		h.State = Aside
	case e.verified:
		h.State = Good
	default:
		h.State = Unproven
	}
	return h
}
