package payment

import (
	"fmt"
	"math/big"
	"testing"
	"time"
)

// bridge is a proven route that pays so much of a request.
func bridge(n int, request int, pays int64) Attempt {
	return Attempt{
		Key: fmt.Sprint("tx:", n), Kind: "bridge", Stage: Proven, At: before, Until: before.Add(time.Hour),
		Route: &Route{ID: fmt.Sprint("r", n), Request: request, Pays: big.NewInt(pays), Progress: Bridging},
	}
}

func brought(route string, stage Stage) Transfer {
	x := pay(0, 100, stage, before)
	x.Evidence.Source.Route = route
	return x
}

func with(a Attempt, change func(*Attempt)) Attempt {
	change(&a)
	return a
}

func TestUnderWay(t *testing.T) {
	executed := with(bridge(1, 0, 100), func(a *Attempt) { a.Stage = Executed })
	for name, c := range map[string]struct {
		dues      []int64
		transfers []Transfer
		attempts  []Attempt
		now       time.Time
		want      string
	}{
		"nothing":                        {dues: []int64{100}, now: before},
		"a plain transaction":            {dues: []int64{100}, attempts: []Attempt{{Key: "tx:0", Stage: Announced}}, now: before},
		"announced":                      {dues: []int64{100}, attempts: []Attempt{{Key: "tx:0", Stage: Announced, Route: &Route{Progress: Sent}}}, now: before},
		"proven":                         {dues: []int64{100}, attempts: []Attempt{bridge(1, 0, 100)}, now: before, want: "tx:1"},
		"the newest of two":              {dues: []int64{100}, attempts: []Attempt{bridge(1, 0, 100), bridge(2, 0, 100)}, now: before, want: "tx:2"},
		"up to its end":                  {dues: []int64{100}, attempts: []Attempt{bridge(1, 0, 100)}, now: before.Add(time.Hour - 1), want: "tx:1"},
		"no longer":                      {dues: []int64{100}, attempts: []Attempt{bridge(1, 0, 100)}, now: before.Add(time.Hour)},
		"gone from its chain":            {dues: []int64{100}, attempts: []Attempt{with(bridge(1, 0, 100), func(a *Attempt) { a.Route.Progress = Sent })}, now: before},
		"ended":                          {dues: []int64{100}, attempts: []Attempt{with(bridge(1, 0, 100), func(a *Attempt) { a.Stage = Abandoned })}, now: before},
		"one unit short":                 {dues: []int64{100}, attempts: []Attempt{bridge(1, 0, 99)}, now: before},
		"the rest":                       {dues: []int64{100}, transfers: []Transfer{pay(0, 1, Pending, before)}, attempts: []Attempt{bridge(1, 0, 99)}, now: before, want: "tx:1"},
		"the rest, with late money":      {dues: []int64{100}, transfers: []Transfer{pay(0, 1, Final, late)}, attempts: []Attempt{bridge(1, 0, 99)}, now: before},
		"one of two requests":            {dues: []int64{100, 50}, attempts: []Attempt{bridge(1, 0, 100)}, now: before},
		"the last of two requests":       {dues: []int64{100, 50}, transfers: []Transfer{pay(0, 100, Final, before)}, attempts: []Attempt{bridge(1, 1, 50)}, now: before, want: "tx:1"},
		"arrived":                        {dues: []int64{100}, transfers: []Transfer{brought("r1", Pending)}, attempts: []Attempt{executed}, now: before},
		"arrived and taken back":         {dues: []int64{100}, transfers: []Transfer{brought("r1", Dropped)}, attempts: []Attempt{executed}, now: before, want: "tx:1"},
		"another's arrival taken back":   {dues: []int64{100}, transfers: []Transfer{brought("r2", Dropped)}, attempts: []Attempt{executed}, now: before},
		"taken back and there elsewhere": {dues: []int64{100}, transfers: []Transfer{brought("r1", Dropped), brought("r1", Final)}, attempts: []Attempt{executed}, now: before},
		"the fourth": {dues: []int64{100}, now: before, attempts: []Attempt{
			with(bridge(1, 0, 100), func(a *Attempt) { a.Stage = Abandoned }), with(bridge(2, 0, 100), func(a *Attempt) { a.Stage = Abandoned }),
			with(bridge(3, 0, 100), func(a *Attempt) { a.Stage = Abandoned }), bridge(4, 0, 100),
		}},
		"after three that are next to nothing": {dues: []int64{100}, now: before, want: "tx:4", attempts: []Attempt{
			bridge(1, 0, 1), bridge(2, 0, 1), bridge(3, 0, 99), bridge(4, 0, 100),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := Payment{Terms: terms(c.dues...), Transfers: c.transfers, Attempts: c.attempts}
			p.Standing = Assess(p.Terms, p.Transfers, p.Attempts, before)
			got, ok := p.UnderWay(c.now)
			if got.Key != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %t, want %q", got.Key, ok, c.want)
			}
		})
	}
}

// A payment that nobody has assessed has everything missing.
func TestUnderWayBeforeAssessment(t *testing.T) {
	p := Payment{Terms: terms(100), Attempts: []Attempt{bridge(1, 0, 100)}}
	if _, ok := p.UnderWay(before); !ok {
		t.Error("what covers all of it does not hold it")
	}
	p.Attempts = []Attempt{bridge(1, 0, 99)}
	if _, ok := p.UnderWay(before); ok {
		t.Error("a part holds it")
	}
}
