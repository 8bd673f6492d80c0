package payment

import (
	"math/big"
	"slices"
	"time"

	"quittance/internal/money"
)

// State says where a payment stands. The comments say who acts next.
type State string

// The states.
const (
	Open     State = "open"     // the payer may still pay
	Seen     State = "seen"     // enough has arrived, but not all of it is final: the chain acts
	Paid     State = "paid"     // enough has arrived for good: the merchant delivers
	Failed   State = "failed"   // an attempt the payment depended on failed: the merchant decides
	Expired  State = "expired"  // the window closed: the merchant may make a new payment
	Canceled State = "canceled" // the merchant called it off
)

// States lists every state, for projections that must cover them all.
func States() []State { return []State{Open, Seen, Paid, Failed, Expired, Canceled} }

// Oddity says what is unusual about the money, beside the state.
type Oddity string

// The oddities.
const (
	None  Oddity = "none"
	Under Oddity = "under" // some value arrived in time, but not enough
	Over  Oddity = "over"  // more value arrived than was due, of fiat currencies by a cent at least
	Late  Oddity = "late"  // value arrived after the payment was over
)

// Oddities lists every oddity.
func Oddities() []Oddity { return []Oddity{None, Under, Over, Late} }

// Standing is where the facts leave a payment.
type Standing struct {
	State    State
	Oddity   Oddity
	Requests []RequestStanding
	// SettledAt is when the last transfer that was needed happened, zero unless Paid.
	SettledAt time.Time
}

// RequestStanding is where the facts leave one request, in base units of its asset.
type RequestStanding struct {
	State    State
	Oddity   Oddity
	Received *big.Int // in time, final or not
	Settled  *big.Int // in time and final
	Late     *big.Int // after the deadline, final or not
}

// Missing is what is still needed of due, never negative.
func (s RequestStanding) Missing(due *big.Int) *big.Int {
	m := new(big.Int).Sub(due, s.Received)
	if m.Sign() < 0 {
		return new(big.Int)
	}
	return m
}

// Excess is what arrived beyond due, early or late, never negative. Whether it is worth a
// word, Request.Excess tells.
func (s RequestStanding) Excess(due *big.Int) *big.Int {
	e := new(big.Int).Add(s.Received, s.Late)
	e.Sub(e, due)
	if e.Sign() < 0 {
		return new(big.Int)
	}
	return e
}

// Deadline is the last instant at which value still counts by the terms alone: the
// end of the window, or the cancellation if that came first, plus the grace. Whether
// value is late, Payment.Late tells.
func (t Terms) Deadline() time.Time {
	end := t.ExpiresAt
	if !t.CanceledAt.IsZero() && t.CanceledAt.Before(end) {
		end = t.CanceledAt
	}
	return end.Add(t.Grace)
}

// Assess computes where a payment stands from nothing but facts and the time.
// The order of the facts does not matter, and a payment that is Paid stays so
// whatever non-final value goes away.
func Assess(t Terms, transfers []Transfer, attempts []Attempt, now time.Time) Standing {
	s := Standing{State: Paid, Oddity: None, Requests: make([]RequestStanding, len(t.Requests))}
	late := lateness(t, attempts)
	idle := idleState(t, attempts, now.After(t.ExpiresAt))
	for i, r := range t.Requests {
		s.Requests[i] = assessRequest(r, i, transfers, late, idle)
		s.State = leastSettled(s.State, s.Requests[i].State)
		s.Oddity = oddest(s.Oddity, s.Requests[i].Oddity)
	}
	if s.State == Paid {
		s.SettledAt = settledAt(t, transfers, late)
	} else if s.Oddity == None && s.State != Seen && anyPaid(s.Requests) {
		s.Oddity = Under
	}
	return s
}

// StandingAt is where the facts leave the payment at a moment, whatever was stored.
func (p *Payment) StandingAt(now time.Time) Standing {
	return Assess(p.Terms, p.Transfers, p.Attempts, now)
}

// AsOf is the payment with where it stands at a moment. All else is shared with p, which
// keeps the standing it has.
func (p *Payment) AsOf(now time.Time) *Payment {
	then := *p
	then.Standing = p.StandingAt(now)
	return &then
}

// idleState is the state of a request for which not enough has arrived.
func idleState(t Terms, attempts []Attempt, over bool) State {
	switch {
	case !t.CanceledAt.IsZero():
		return Canceled
	case failed(attempts):
		return Failed
	case over:
		return Expired
	default:
		return Open
	}
}

func failed(attempts []Attempt) bool {
	_, ok := failure(attempts)
	return ok
}

// Failure returns the attempt whose end decided that the payment failed.
func (p *Payment) Failure() (Attempt, bool) { return failure(p.Attempts) }

func failure(attempts []Attempt) (Attempt, bool) {
	a, ok := deciding(attempts)
	if !ok || a.Stage != Abandoned {
		return Attempt{}, false
	}
	return a, true
}

// deciding returns the newest attempt that the payment depends on.
func deciding(attempts []Attempt) (Attempt, bool) {
	var last *Attempt
	for i := range attempts {
		a := &attempts[i]
		if a.Decides && (last == nil || a.At.After(last.At) || (a.At.Equal(last.At) && a.Key > last.Key)) {
			last = a
		}
	}
	if last == nil {
		return Attempt{}, false
	}
	return *last, true
}

func assessRequest(r Request, index int, transfers []Transfer, late func(Transfer) bool, idle State) RequestStanding {
	s := RequestStanding{Received: new(big.Int), Settled: new(big.Int), Late: new(big.Int), Oddity: None}
	some, someLate := false, false // value came, be it known what it is worth or not
	for _, x := range transfers {
		if x.Request != index || x.Stage == Dropped {
			continue
		}
		switch {
		case late(x):
			someLate = true
			s.Late.Add(s.Late, x.Credit)
		case x.Stage == Final:
			some = true
			s.Settled.Add(s.Settled, x.Credit)
			s.Received.Add(s.Received, x.Credit)
		default:
			some = true
			s.Received.Add(s.Received, x.Credit)
		}
	}
	switch {
	case s.Settled.Cmp(r.Due) >= 0:
		s.State = Paid
	case s.Received.Cmp(r.Due) >= 0:
		s.State = Seen
	default:
		s.State = idle
	}
	enough := s.State == Paid || s.State == Seen
	switch {
	case enough && r.Excess(s).Sign() > 0:
		s.Oddity = Over
	case !enough && someLate:
		s.Oddity = Late
	case !enough && some:
		s.Oddity = Under
	}
	return s
}

// Excess is what arrived beyond what was due, as far as it is worth a word: of a fiat
// currency nothing below a cent, which is what rounding to an asset's units may cost.
func (r Request) Excess(s RequestStanding) *big.Int {
	e := s.Excess(r.Due)
	if r.Fiat() && money.WholeCents(e).Sign() == 0 {
		return new(big.Int)
	}
	return e
}

// Part reports whether value has arrived in time, enough or not, final or not, be it
// known what it is worth or not.
func (p *Payment) Part() bool {
	late := lateness(p.Terms, p.Attempts)
	return slices.ContainsFunc(p.Transfers, func(x Transfer) bool { return x.Stage != Dropped && !late(x) })
}

func anyPaid(rs []RequestStanding) bool {
	for _, r := range rs {
		if r.State == Paid || r.State == Seen {
			return true
		}
	}
	return false
}

// leastSettled of two states: one unpaid request leaves the payment unpaid.
func leastSettled(a, b State) State {
	rank := func(s State) int {
		switch s {
		case Paid:
			return 2
		case Seen:
			return 1
		case Open, Failed, Expired, Canceled:
			return 0
		}
		panic("payment: no rank for state " + s)
	}
	if rank(b) < rank(a) {
		return b
	}
	return a
}

// oddest of two oddities: what the merchant must act on first.
func oddest(a, b Oddity) Oddity {
	rank := func(o Oddity) int {
		switch o {
		case None:
			return 0
		case Under:
			return 1
		case Over:
			return 2
		case Late:
			return 3
		}
		panic("payment: no rank for oddity " + o)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// settledAt is when the payment became complete: for each request the time of
// the transfer that reached what was due, taking final value in time's order.
func settledAt(t Terms, transfers []Transfer, late func(Transfer) bool) time.Time {
	var last time.Time
	for i, r := range t.Requests {
		if at := reachedAt(r, i, transfers, late); at.After(last) {
			last = at
		}
	}
	return last
}

func reachedAt(r Request, index int, transfers []Transfer, late func(Transfer) bool) time.Time {
	var mine []Transfer
	for _, x := range transfers {
		if x.Request == index && x.Stage == Final && !late(x) {
			mine = append(mine, x)
		}
	}
	x, _ := reaching(r.Due, mine)
	return x.At
}
