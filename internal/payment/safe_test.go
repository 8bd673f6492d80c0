package payment

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// proposed is a pending Safe transaction that was announced at a time, on the
// chain of transfers that name none.
func proposed(n int, at time.Time, change ...func(*Attempt)) Attempt {
	a := Attempt{
		Key: fmt.Sprint("safe:", n), Kind: "safe_tx", Handle: fmt.Sprint(n), Stage: Announced, At: at, Until: expires,
		Safe: &Safe{Among: []string{"0x1"}},
	}
	for _, f := range change {
		f(&a)
	}
	return a
}

func decides(a *Attempt) { a.Decides = true }

func due(by time.Time) func(*Attempt) {
	return func(a *Attempt) { a.Until, a.Safe.Deadline = by, by }
}

func ended(at time.Time) func(*Attempt) {
	return func(a *Attempt) { a.Stage, a.Safe.Ended = Abandoned, at }
}

func staged(s AttemptStage) func(*Attempt) { return func(a *Attempt) { a.Stage = s } }

func known(a *Attempt) { a.Safe.Tx = []byte("{}") }

func vouched(a *Attempt) { a.Safe.Vouched = true }

func guessed(a *Attempt) { a.Safe.Guessed = true }

func signed(a *Attempt) { a.Safe.Signed = []string{"0x2"} }

func TestSafeLock(t *testing.T) {
	long := terms(100)
	long.ExpiresAt = created.Add(7 * 24 * time.Hour)
	toTheEnd := func(a *Attempt) { a.Until = long.ExpiresAt }
	three := []Attempt{proposed(1, created, ended(created)), proposed(2, created.Add(1), ended(created)), proposed(3, created.Add(2), ended(created))}
	for name, c := range map[string]struct {
		terms    Terms
		attempts []Attempt
		now      time.Time
		want     string
	}{
		"nothing":                              {now: before},
		"a plain transaction":                  {attempts: []Attempt{{Key: "tx:1", Stage: Announced, Until: expires}}, now: before},
		"pending":                              {attempts: []Attempt{proposed(1, created)}, now: before, want: "safe:1"},
		"until the payment's end":              {attempts: []Attempt{proposed(1, created)}, now: expires.Add(-1), want: "safe:1"},
		"no longer":                            {attempts: []Attempt{proposed(1, created)}, now: expires},
		"until its deadline":                   {attempts: []Attempt{proposed(1, created, due(before))}, now: before.Add(-1), want: "safe:1"},
		"its deadline has passed":              {attempts: []Attempt{proposed(1, created, due(before))}, now: before},
		"a deadline after the payment's end":   {attempts: []Attempt{proposed(1, created, due(after))}, now: expires},
		"passed, and the end is not known":     {attempts: []Attempt{proposed(1, created, due(before), decides)}, now: before.Add(time.Minute), want: "safe:1"},
		"passed, of one that is known":         {attempts: []Attempt{proposed(1, created, due(before), known)}, now: before.Add(time.Minute), want: "safe:1"},
		"known, after a day":                   {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, known)}, now: created.Add(24 * time.Hour)},
		"passed, after the payment's end":      {attempts: []Attempt{proposed(1, created, due(before), decides)}, now: expires},
		"executed":                             {attempts: []Attempt{proposed(1, created, staged(Executed))}, now: before},
		"given up":                             {attempts: []Attempt{proposed(1, created, ended(created))}, now: before},
		"a stranger's word, for a day":         {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd)}, now: created.Add(24*time.Hour - 1), want: "safe:1"},
		"a stranger's word, after a day":       {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd)}, now: created.Add(24 * time.Hour)},
		"an owner's, after a day":              {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, signed)}, now: created.Add(24 * time.Hour), want: "safe:1"},
		"the merchant's, after a day":          {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, decides)}, now: created.Add(24 * time.Hour), want: "safe:1"},
		"a guess, after a day":                 {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, decides, guessed)}, now: created.Add(24 * time.Hour)},
		"a guess, for a day":                   {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, decides, guessed)}, now: created.Add(24*time.Hour - 1), want: "safe:1"},
		"a guess that was signed":              {terms: long, attempts: []Attempt{proposed(1, created, toTheEnd, decides, guessed, signed)}, now: created.Add(24 * time.Hour), want: "safe:1"},
		"a stranger's, deadline within a day":  {terms: long, attempts: []Attempt{proposed(1, created, due(before))}, now: before},
		"the newest of two":                    {attempts: []Attempt{proposed(2, created.Add(1)), proposed(1, created)}, now: before, want: "safe:2"},
		"the third":                            {attempts: append(slices.Clone(three[:2]), proposed(4, before)), now: before, want: "safe:4"},
		"the fourth":                           {attempts: append(slices.Clone(three), proposed(4, before)), now: before},
		"the fourth, and the merchant's first": {attempts: append(slices.Clone(three), proposed(4, before, vouched), proposed(5, before)), now: before, want: "safe:4"},
		"the third, loaded after the fourth":   {attempts: append([]Attempt{proposed(5, before.Add(1)), proposed(4, before)}, three[:2]...), now: before.Add(1), want: "safe:4"},
		"bridges do not count among the three": {attempts: []Attempt{bridge(1, 0, 1), bridge(2, 0, 1), bridge(3, 0, 1), proposed(1, created)}, now: before, want: "safe:1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Payment{Terms: c.terms, Attempts: c.attempts}
			if p.Terms.Requests == nil {
				p.Terms = terms(100)
			}
			a, ok := p.SafeLock(c.now)
			if a.Key != c.want || ok != (c.want != "") {
				t.Errorf("locked by %q (%t), want %q", a.Key, ok, c.want)
			}
			if ok && !c.now.Before(p.HeldUntil(a)) {
				t.Errorf("it holds only until %v", p.HeldUntil(a))
			}
		})
	}
	p := Payment{Terms: terms(100), Attempts: three}
	if fourth := proposed(4, before); p.MayHold(fourth) || !p.HeldUntil(fourth).IsZero() || !p.MayHold(three[0]) || !p.MayHold(proposed(4, before, vouched)) {
		t.Error("the fourth may hold, or the first may not")
	}
	if p.Attempts = three[:2]; !p.MayHold(proposed(4, before)) {
		t.Error("a third may not hold")
	}
}

// What an executed transaction has sent is gone from the Safe before anything of it
// is seen here: until then nobody is asked to pay again.
func TestSafeLockUntilItsMoneyIsSeen(t *testing.T) {
	executed := func(by string) func(*Attempt) {
		return func(a *Attempt) { a.Stage, a.Safe.ExecutedBy = Executed, by }
	}
	proven := func(a *Attempt) { a.Safe.Tx = []byte("{}") }
	bridge := func(handle string, stage AttemptStage) Attempt {
		return Attempt{Key: "tx:" + handle, Handle: handle, Stage: stage, At: created, Route: &Route{}}
	}
	came := func(tx string, from Source) Transfer { return Transfer{Evidence: Evidence{Tx: tx, Source: from}} }
	for name, c := range map[string]struct {
		attempts []Attempt
		moved    []Transfer
		now      time.Time
		held     bool
	}{
		"nothing seen":                {attempts: []Attempt{proposed(1, created, proven, executed("a"))}, now: before, held: true},
		"another's transfer":          {attempts: []Attempt{proposed(1, created, proven, executed("a"))}, moved: []Transfer{came("b", Source{})}, now: before, held: true},
		"its transfer":                {attempts: []Attempt{proposed(1, created, proven, executed("a"))}, moved: []Transfer{came("a", Source{})}, now: before},
		"to the payment's end":        {attempts: []Attempt{proposed(1, created, proven, executed("a"))}, now: expires},
		"whatever was behind a hash":  {attempts: []Attempt{proposed(1, created, executed("a"))}, now: before},
		"by nobody knows what":        {attempts: []Attempt{proposed(1, created, proven, executed(""))}, now: before},
		"a bridge to be proven":       {attempts: []Attempt{proposed(1, created, executed("a")), bridge("a", Announced)}, now: before, held: true},
		"a bridge that holds it":      {attempts: []Attempt{proposed(1, created, proven, executed("a")), bridge("a", Proven)}, now: before},
		"a bridge that was none":      {attempts: []Attempt{proposed(1, created, proven, executed("a")), bridge("a", Abandoned)}, now: before},
		"another's bridge":            {attempts: []Attempt{proposed(1, created, proven, executed("a")), bridge("b", Proven)}, now: before, held: true},
		"came over an unknown bridge": {attempts: []Attempt{proposed(1, created, proven, executed("a"))}, moved: []Transfer{came("x", Source{Tx: "a"})}, now: before},
		"another one's turn":          {attempts: []Attempt{proposed(1, created, proven, executed("a")), proposed(2, created.Add(1), ended(created))}, now: before, held: true},
	} {
		p := &Payment{Terms: terms(100), Attempts: c.attempts, Transfers: c.moved}
		if a, held := p.SafeLock(c.now); held != c.held || held && a.Key != "safe:1" {
			t.Errorf("%s: held %t by %q", name, held, a.Key)
		}
	}
}

func TestMoneyAfterASafeTransactionCameToNothing(t *testing.T) {
	elsewhere := func(a *Attempt) { a.Chain = 137 }
	over := before.Add(time.Minute)
	for name, c := range map[string]struct {
		attempts  []Attempt
		transfers []Transfer
		state     State
		oddity    Oddity
	}{
		"before it failed":                    {[]Attempt{proposed(1, created, decides, ended(over))}, []Transfer{pay(0, 100, Final, over)}, Paid, None},
		"after it failed":                     {[]Attempt{proposed(1, created, decides, ended(over))}, []Transfer{pay(0, 100, Final, over.Add(1))}, Failed, Late},
		"after it failed elsewhere":           {[]Attempt{proposed(1, created, decides, ended(over), elsewhere)}, []Transfer{pay(0, 100, Final, over.Add(1))}, Failed, Late},
		"a part before, a part after":         {[]Attempt{proposed(1, created, decides, ended(over))}, []Transfer{pay(0, 50, Final, over), pay(0, 50, Final, over.Add(1))}, Failed, Late},
		"nothing":                             {[]Attempt{proposed(1, created, decides, ended(over))}, nil, Failed, None},
		"it decided nothing":                  {[]Attempt{proposed(1, created, ended(over))}, []Transfer{pay(0, 100, Final, over.Add(1))}, Paid, None},
		"past a deadline, before it is known": {[]Attempt{proposed(1, created, decides, due(over))}, []Transfer{pay(0, 100, Pending, over.Add(1))}, Open, Late},
		"at a deadline":                       {[]Attempt{proposed(1, created, decides, due(over))}, []Transfer{pay(0, 100, Pending, over)}, Seen, None},
		"a stranger's deadline":               {[]Attempt{proposed(1, created, due(over))}, []Transfer{pay(0, 100, Pending, over.Add(1))}, Seen, None},
		"another chain's deadline":            {[]Attempt{proposed(1, created, decides, due(over), elsewhere)}, []Transfer{pay(0, 100, Pending, over.Add(1))}, Seen, None},
		"executed before its deadline":        {[]Attempt{proposed(1, created, decides, due(over), staged(Executed))}, []Transfer{pay(0, 100, Pending, over.Add(1))}, Seen, None},
		"a newer one is pending":              {[]Attempt{proposed(1, created, decides, due(over)), proposed(2, over, decides)}, []Transfer{pay(0, 100, Pending, over.Add(1))}, Seen, None},
		"compliance failed it as well":        {[]Attempt{proposed(1, created, decides, ended(over)), abandoned(after)}, []Transfer{pay(0, 100, Final, over.Add(1))}, Failed, Late},
		"the end of the payment came first":   {[]Attempt{proposed(1, created, decides, ended(after))}, []Transfer{pay(0, 100, Final, late)}, Failed, Late},
	} {
		t.Run(name, func(t *testing.T) {
			p := Payment{Terms: terms(100), Transfers: c.transfers, Attempts: c.attempts}
			p.Terms.Requests[0].Fee = &Fee{Amount: big.NewInt(10)}
			for i := range p.Transfers {
				p.Transfers[i].Fee = big.NewInt(10)
			}
			p.Standing = Assess(p.Terms, p.Transfers, p.Attempts, over)
			if p.Standing.State != c.state || p.Standing.Oddity != c.oddity {
				t.Fatalf("got %s/%s, want %s/%s", p.Standing.State, p.Standing.Oddity, c.state, c.oddity)
			}
			late := new(big.Int)
			fees := big.NewInt(10)
			for _, x := range p.Transfers {
				if p.Late(x) {
					late.Add(late, x.Credit)
				} else {
					fees.SetInt64(0)
				}
			}
			if p.Standing.Requests[0].Late.Cmp(late) != 0 {
				t.Errorf("%s is late by the standing, %s by Late", p.Standing.Requests[0].Late, late)
			}
			if _, fee := p.Outstanding(0); fee.Cmp(fees) != 0 {
				t.Errorf("a fee of %s is missing, want %s", fee, fees)
			}
			if x, ok := p.Telling(0); ok && (c.state == Paid || c.state == Seen) && p.Late(x) {
				t.Error("a late transfer tells how it was paid")
			}
		})
	}
}

func drawSafes(t *rapid.T) []Attempt {
	instant := func(name string) time.Time {
		return created.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, name)))
	}
	var as []Attempt
	for i := range rapid.IntRange(0, 5).Draw(t, "safes") {
		a := proposed(i, instant("proposed"))
		a.Decides = rapid.Bool().Draw(t, "decides")
		if rapid.Bool().Draw(t, "limited") {
			due(instant("deadline"))(&a)
		}
		if a.Stage = rapid.SampledFrom([]AttemptStage{Announced, Executed, Abandoned}).Draw(t, "stage"); a.Stage == Abandoned {
			a.Safe.Ended = instant("ended")
		}
		as = append(as, a)
	}
	return as
}

func TestOrderOfSafeTransactionsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm, xs := drawFacts(t)
		as := drawSafes(t)
		now := created.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Hour)).Draw(t, "now")))
		p := Payment{Terms: tm, Transfers: xs, Attempts: as}
		q := Payment{Terms: tm, Transfers: rapid.Permutation(xs).Draw(t, "transfers"), Attempts: rapid.Permutation(as).Draw(t, "attempts")}
		if a, b := Assess(tm, xs, as, now), Assess(tm, q.Transfers, q.Attempts, now); !same(a, b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
		a, ok := p.SafeLock(now)
		b, same := q.SafeLock(now)
		if a.Key != b.Key || ok != same {
			t.Fatalf("locked by %s or %s", a.Key, b.Key)
		}
		if ok && (p.Attempts[slices.IndexFunc(p.Attempts, func(x Attempt) bool { return x.Key == a.Key })].Stage != Announced || !now.Before(tm.ExpiresAt)) {
			t.Fatalf("locked by %+v", a)
		}
	})
}

// What was paid in time stays paid, whatever becomes of the money that is not
// final, of the Safe transactions, and of the time.
func TestPaidSurvivesSafeTransactions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tm, xs := drawFacts(t)
		for i, r := range tm.Requests {
			xs = append(xs, Transfer{Key: "whole" + r.Due.String(), Request: i, Amount: r.Due, Credit: r.Due, Stage: Final, At: created})
		}
		as := drawSafes(t)
		for i := range xs {
			if xs[i].Stage == Pending && rapid.Bool().Draw(t, "gone") {
				xs[i].Stage = Dropped
			}
		}
		if got := Assess(tm, xs, as, created.Add(48*time.Hour)).State; got != Paid {
			t.Fatalf("paid is %s", got)
		}
	})
}
