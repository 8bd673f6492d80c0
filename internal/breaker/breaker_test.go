package breaker_test

import (
	"errors"
	"testing"
	"time"

	"quittance/internal/breaker"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ask puts a question and says what came of it.
func ask(t *testing.T, b *breaker.Breaker, now time.Time, v breaker.Verdict) {
	t.Helper()
	pass, err := b.Enter(now)
	if err != nil {
		t.Fatalf("at %v: %v", now.Sub(start), err)
	}
	b.Leave(now, pass, v)
}

func refused(t *testing.T, b *breaker.Breaker, now time.Time, want error) {
	t.Helper()
	if _, err := b.Enter(now); !errors.Is(err, want) || b.Available(now) {
		t.Errorf("at %v: %v, available %t; want %v", now.Sub(start), err, b.Available(now), want)
	}
}

func fail(t *testing.T, b *breaker.Breaker, now time.Time) {
	t.Helper()
	for range breaker.Failures {
		ask(t, b, now, breaker.Failed)
	}
}

func TestFailuresInARowBreak(t *testing.T) {
	var b breaker.Breaker
	for range breaker.Failures - 1 {
		ask(t, &b, start, breaker.Failed)
	}
	ask(t, &b, start, breaker.Neither)
	ask(t, &b, start, breaker.Healthy)
	fail(t, &b, start) // counted from the beginning
	refused(t, &b, start.Add(breaker.MinRest-1), breaker.ErrResting)
	if !b.Available(start.Add(breaker.MinRest)) {
		t.Error("not available after the rest")
	}
}

func TestRestsGrowAndEnd(t *testing.T) {
	var b breaker.Breaker
	fail(t, &b, start)
	now, rest := start, breaker.MinRest
	for range 8 {
		now = now.Add(rest)
		ask(t, &b, now, breaker.Failed) // one probe is enough to rest again
		rest = min(2*rest, breaker.MaxRest)
		refused(t, &b, now.Add(rest-1), breaker.ErrResting)
	}
	if rest != breaker.MaxRest {
		t.Errorf("it rests for %v in the end", rest)
	}
	now = now.Add(rest)
	ask(t, &b, now, breaker.Healthy)
	fail(t, &b, now)
	if !b.Available(now.Add(breaker.MinRest)) {
		t.Error("a long rest is remembered after health")
	}
}

func TestOneProbeAtATime(t *testing.T) {
	var b breaker.Breaker
	fail(t, &b, start)
	now := start.Add(breaker.MinRest)
	pass, err := b.Enter(now)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, &b, now, breaker.ErrResting)
	b.Leave(now, pass, breaker.Neither) // a caller who went away
	ask(t, &b, now, breaker.Healthy)
	ask(t, &b, now, breaker.Healthy)
}

// What was asked before the break and fails after it must not lengthen the rest.
func TestStragglers(t *testing.T) {
	var b breaker.Breaker
	late, err := b.Enter(start)
	if err != nil {
		t.Fatal(err)
	}
	fail(t, &b, start)
	b.Leave(start.Add(breaker.MinRest-1), late, breaker.Failed)
	if !b.Available(start.Add(breaker.MinRest)) {
		t.Error("a straggler lengthened the rest")
	}
}

func TestAServicesOwnWord(t *testing.T) {
	var b breaker.Breaker
	earlier, err := b.Enter(start)
	if err != nil {
		t.Fatal(err)
	}
	b.Rest(start, time.Minute)
	b.Leave(start, earlier, breaker.Healthy)
	refused(t, &b, start.Add(time.Minute-1), breaker.ErrLimited)
	ask(t, &b, start.Add(time.Minute), breaker.Healthy)

	fail(t, &b, start.Add(time.Minute))
	probe := start.Add(time.Minute + breaker.MinRest)
	pass, err := b.Enter(probe)
	if err != nil {
		t.Fatal(err)
	}
	b.Rest(probe, time.Hour)
	b.Leave(probe, pass, breaker.Neither)
	refused(t, &b, probe.Add(time.Hour-1), breaker.ErrLimited)
	if pass, err = b.Enter(probe.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	refused(t, &b, probe.Add(time.Hour), breaker.ErrResting) // it is still a probe
	b.Leave(probe.Add(time.Hour), pass, breaker.Healthy)
}
