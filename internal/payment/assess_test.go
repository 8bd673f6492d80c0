package payment

import (
	"bytes"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	created = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	expires = created.Add(time.Hour)
	grace   = 10 * time.Minute
	before  = created.Add(time.Minute)
	inGrace = expires.Add(grace)
	late    = inGrace.Add(time.Microsecond)
	after   = expires.Add(24 * time.Hour)
)

func terms(dues ...int64) Terms {
	t := Terms{CreatedAt: created, ExpiresAt: expires, Grace: grace}
	for i, d := range dues {
		t.Requests = append(t.Requests, Request{Index: i, Asset: "USDC-base", Due: big.NewInt(d)})
	}
	return t
}

func pay(request int, amount int64, stage Stage, at time.Time) Transfer {
	v := big.NewInt(amount)
	return Transfer{Key: at.String() + string(stage) + v.String(), Request: request, Amount: v, Credit: v, Stage: stage, At: at}
}

func abandoned(at time.Time) Attempt {
	return Attempt{Key: "safe:" + at.String(), Decides: true, Stage: Abandoned, At: at}
}

func TestAssess(t *testing.T) {
	canceled := terms(100)
	canceled.CanceledAt = before.Add(time.Minute)
	cases := []struct {
		name      string
		terms     Terms
		transfers []Transfer
		attempts  []Attempt
		now       time.Time
		state     State
		oddity    Oddity
	}{
		{"nothing yet", terms(100), nil, nil, before, Open, None},
		{"at the last instant of the window", terms(100), nil, nil, expires, Open, None},
		{"just after the window", terms(100), nil, nil, expires.Add(1), Expired, None},
		{"enough but not final", terms(100), []Transfer{pay(0, 100, Pending, before)}, nil, before, Seen, None},
		{"enough and final", terms(100), []Transfer{pay(0, 100, Final, before)}, nil, before, Paid, None},
		{"one unit short", terms(100), []Transfer{pay(0, 99, Final, before)}, nil, before, Open, Under},
		{"one unit over", terms(100), []Transfer{pay(0, 101, Final, before)}, nil, before, Paid, Over},
		{"two parts make the whole", terms(100), []Transfer{pay(0, 60, Final, before), pay(0, 40, Final, before)}, nil, after, Paid, None},
		{"half final, half pending", terms(100), []Transfer{pay(0, 60, Final, before), pay(0, 40, Pending, before)}, nil, before, Seen, None},
		{"paid twice", terms(100), []Transfer{pay(0, 100, Final, before), pay(0, 100, Pending, before.Add(1))}, nil, before, Paid, Over},
		{"reorg before the window ends", terms(100), []Transfer{pay(0, 100, Dropped, before)}, nil, before, Open, None},
		{"reorg after the window", terms(100), []Transfer{pay(0, 100, Dropped, before)}, nil, after, Expired, None},
		{"mined at the last second", terms(100), []Transfer{pay(0, 100, Final, expires)}, nil, after, Paid, None},
		{"mined at the end of the grace", terms(100), []Transfer{pay(0, 100, Final, inGrace)}, nil, after, Paid, None},
		{"mined just after the grace", terms(100), []Transfer{pay(0, 100, Final, late)}, nil, after, Expired, Late},
		{"late final does not settle an early pending", terms(100), []Transfer{pay(0, 100, Pending, before), pay(0, 100, Final, late)}, nil, after, Seen, Over},
		{"partial, then late rest", terms(100), []Transfer{pay(0, 50, Final, before), pay(0, 50, Final, late)}, nil, after, Expired, Late},
		{"partial at expiry", terms(100), []Transfer{pay(0, 50, Final, before)}, nil, after, Expired, Under},
		{"canceled with nothing", canceled, nil, nil, before, Canceled, None},
		{"canceled, but paid before", canceled, []Transfer{pay(0, 100, Final, before)}, nil, after, Paid, None},
		{"canceled, paid in the grace", canceled, []Transfer{pay(0, 100, Final, canceled.CanceledAt.Add(grace))}, nil, after, Paid, None},
		{"canceled, paid after the grace but inside the window", canceled, []Transfer{pay(0, 100, Final, canceled.CanceledAt.Add(grace+1))}, nil, after, Canceled, Late},
		{"attempt failed with nothing paid", terms(100), nil, []Attempt{abandoned(before)}, before, Failed, None},
		{"attempt failed, window over", terms(100), nil, []Attempt{abandoned(before)}, after, Failed, None},
		{"attempt failed but money came", terms(100), []Transfer{pay(0, 100, Final, before)}, []Attempt{abandoned(before)}, after, Paid, None},
		{"a newer attempt is under way", terms(100), nil, []Attempt{abandoned(before), {Key: "b", Decides: true, Stage: Announced, At: before.Add(1)}}, before, Open, None},
		{"an announced transaction decides nothing", terms(100), nil, []Attempt{{Key: "tx", Stage: Abandoned, At: before}}, before, Open, None},
		{"batch: one of two paid", terms(100, 50), []Transfer{pay(0, 100, Final, before)}, nil, before, Open, Under},
		{"batch: one final, one pending", terms(100, 50), []Transfer{pay(0, 100, Final, before), pay(1, 50, Pending, before)}, nil, before, Seen, None},
		{"batch: all paid", terms(100, 50), []Transfer{pay(0, 100, Final, before), pay(1, 50, Final, before)}, nil, before, Paid, None},
		{"batch: surplus on one does not pay the other", terms(100, 50), []Transfer{pay(0, 150, Final, before)}, nil, before, Open, Over},
		{"batch: one paid, expired", terms(100, 50), []Transfer{pay(0, 100, Final, before)}, nil, after, Expired, Under},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Assess(c.terms, c.transfers, c.attempts, c.now)
			if got.State != c.state || got.Oddity != c.oddity {
				t.Errorf("got %s/%s, want %s/%s", got.State, got.Oddity, c.state, c.oddity)
			}
			if paid := got.State == Paid; paid == got.SettledAt.IsZero() {
				t.Errorf("state %s with SettledAt %v", got.State, got.SettledAt)
			}
		})
	}
}

func TestSettledAtIsTheTransferThatCompleted(t *testing.T) {
	second := before.Add(time.Minute)
	got := Assess(terms(100), []Transfer{pay(0, 40, Final, second.Add(time.Hour/2)), pay(0, 60, Final, before), pay(0, 40, Final, second)}, nil, after)
	if !got.SettledAt.Equal(second) {
		t.Errorf("SettledAt: got %v, want %v", got.SettledAt, second)
	}
}

func TestOutstanding(t *testing.T) {
	p := Payment{Terms: terms(100)}
	p.Terms.Requests[0].Fee = &Fee{Share: "10", Amount: big.NewInt(10)}
	check := func(name string, due, fee int64) {
		t.Helper()
		p.Standing = Assess(p.Terms, p.Transfers, nil, before)
		gotDue, gotFee := p.Outstanding(0)
		if gotDue.Int64() != due || gotFee.Int64() != fee {
			t.Errorf("%s: got %s and fee %s, want %d and %d", name, gotDue, gotFee, due, fee)
		}
	}
	check("fresh", 100, 10)
	part := pay(0, 30, Pending, before)
	part.Fee = big.NewInt(10)
	p.Transfers = []Transfer{part}
	check("after a part with the whole fee", 70, 0)
	p.Transfers[0].Stage = Dropped
	check("after its reorg", 100, 10)
	over := pay(0, 300, Final, before)
	over.Fee = big.NewInt(50)
	p.Transfers = []Transfer{over}
	check("never negative", 0, 0)
	if p.Terms.Requests[0].Fee.Amount.Int64() != 10 {
		t.Error("Outstanding changed the terms")
	}
}

func drawFacts(t *rapid.T) (Terms, []Transfer) {
	tm := terms(rapid.Int64Range(1, 50).Draw(t, "due0"), rapid.Int64Range(1, 50).Draw(t, "due1"))
	if rapid.Bool().Draw(t, "canceled") {
		tm.CanceledAt = created.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "canceledAfter")))
	}
	n := rapid.IntRange(0, 8).Draw(t, "n")
	var xs []Transfer
	for i := range n {
		x := pay(rapid.IntRange(0, 1).Draw(t, "request"), rapid.Int64Range(1, 60).Draw(t, "amount"),
			rapid.SampledFrom([]Stage{Dropped, Pending, Final}).Draw(t, "stage"),
			created.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "at"))))
		x.Key = string(rune('a' + i))
		xs = append(xs, x)
	}
	return tm, xs
}

func same(a, b Standing) bool {
	if a.State != b.State || a.Oddity != b.Oddity || !a.SettledAt.Equal(b.SettledAt) {
		return false
	}
	for i := range a.Requests {
		x, y := a.Requests[i], b.Requests[i]
		if x.State != y.State || x.Oddity != y.Oddity || x.Received.Cmp(y.Received) != 0 || x.Settled.Cmp(y.Settled) != 0 || x.Late.Cmp(y.Late) != 0 {
			return false
		}
	}
	return true
}

func TestOrderOfEvidenceDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm, xs := drawFacts(t)
		now := created.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "now")))
		shuffled := rapid.Permutation(xs).Draw(t, "shuffled")
		if a, b := Assess(tm, xs, nil, now), Assess(tm, shuffled, nil, now); !same(a, b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}

func TestPaidMeansSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm, xs := drawFacts(t)
		s := Assess(tm, xs, nil, after)
		for i, r := range s.Requests {
			if (r.Settled.Cmp(tm.Requests[i].Due) >= 0) != (r.State == Paid) {
				t.Fatalf("request %d: settled %s of %s is %s", i, r.Settled, tm.Requests[i].Due, r.State)
			}
			if s.State == Paid && r.State != Paid {
				t.Fatalf("payment is paid while request %d is %s", i, r.State)
			}
		}
	})
}

func TestPaidSurvivesLosingEverythingPending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm, xs := drawFacts(t)
		now := created.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "now")))
		for i, r := range tm.Requests {
			xs = append(xs, Transfer{Key: "whole" + r.Due.String(), Request: i, Amount: r.Due, Credit: r.Due, Stage: Final, At: created})
		}
		if got := Assess(tm, xs, nil, now).State; got != Paid {
			t.Fatalf("got %s with everything paid at once", got)
		}
		for i := range xs {
			if xs[i].Stage == Pending {
				xs[i].Stage = Dropped
			}
		}
		if got := Assess(tm, xs, nil, now.Add(48*time.Hour)).State; got != Paid {
			t.Fatalf("paid became %s", got)
		}
	})
}

func TestULIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewULID(created)
		if seen[id] {
			t.Fatalf("%s twice", id)
		}
		seen[id] = true
		if got, ok := ParseID(id); !ok || string(got) != id {
			t.Fatalf("ParseID(%s): %s, %v", id, got, ok)
		}
	}
	for _, bad := range []string{"", "x", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVV", "01ARZ3NDEKTSV4RRFFQ69G5FA!", "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"} {
		if id, ok := ParseID(bad); ok {
			t.Errorf("ParseID(%q) gave %s", bad, id)
		}
	}
}

func TestNamesAndShortIDs(t *testing.T) {
	a := NamedULID("p", "unsafe", "server", "code")
	if _, ok := ParseID(a); !ok || a != NamedULID("p", "unsafe", "server", "code") {
		t.Errorf("%s is no ULID or not the same twice", a)
	}
	for _, other := range [][]string{{"p", "unsafe", "serverc", "ode"}, {"p", "unsafe", "server", "code", ""}, {"q", "unsafe", "server", "code"}} {
		if NamedULID(other...) == a {
			t.Errorf("%q has the same id", other)
		}
	}
	var log bytes.Buffer
	id := ID(NewULID(created))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "payment", id)
	if strings.Contains(log.String(), string(id)) || !strings.Contains(log.String(), string(id[:14])) {
		t.Errorf("a log line opens the payment's page: %s", log.String())
	}
}
