package payment

import (
	"math/big"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
)

// dollars are terms of an amount in cents that are over exactly when they expire.
func dollars(cents int64) Terms {
	return Terms{CreatedAt: created, ExpiresAt: expires, Requests: []Request{{Asset: asset.USD, Due: money.Cents(cents)}}}
}

// worth is a transfer of a credit of a thousandth of a cent each, unpriced if zero.
func worth(key string, thousandths int64, stage Stage, at time.Time) Transfer {
	c := new(big.Int).Quo(new(big.Int).Mul(money.Cents(1), big.NewInt(thousandths)), big.NewInt(1000))
	return Transfer{Key: key, Asset: "ETH-base", Amount: big.NewInt(7), Credit: c, Stage: stage, At: at}
}

func TestAssessDollars(t *testing.T) {
	canceled := dollars(100)
	canceled.CanceledAt = before.Add(time.Minute)
	for _, c := range []struct {
		name      string
		terms     Terms
		transfers []Transfer
		now       time.Time
		state     State
		oddity    Oddity
		part      bool
	}{
		{"nothing yet", dollars(100), nil, before, Open, None, false},
		{"exactly enough", dollars(100), []Transfer{worth("a", 100_000, Final, before)}, before, Paid, None, true},
		{"not final", dollars(100), []Transfer{worth("a", 100_000, Pending, before)}, before, Seen, None, true},
		{"a thousandth of a cent short", dollars(100), []Transfer{worth("a", 99_999, Final, before)}, before, Open, Under, true},
		{"just less than a cent over", dollars(100), []Transfer{worth("a", 100_999, Final, before)}, before, Paid, None, true},
		{"a cent over", dollars(100), []Transfer{worth("a", 101_000, Final, before)}, before, Paid, Over, true},
		{"a cent over by what came late", dollars(100), []Transfer{worth("a", 100_000, Final, before), worth("b", 1000, Final, after)}, after, Paid, Over, true},
		{"less than a cent came late", dollars(100), []Transfer{worth("a", 100_000, Final, before), worth("b", 999, Final, after)}, after, Paid, None, true},
		{"nobody knows what it is worth", dollars(100), []Transfer{worth("a", 0, Final, before)}, before, Open, Under, true},
		{"nor in the end", dollars(100), []Transfer{worth("a", 0, Final, before)}, after, Expired, Under, true},
		{"enough, and one that nobody can price", dollars(100), []Transfer{worth("a", 100_000, Final, before), worth("b", 0, Final, before)}, before, Paid, None, true},
		{"one that nobody can price came late", dollars(100), []Transfer{worth("a", 0, Final, after)}, after, Expired, Late, false},
		{"it was taken back", dollars(100), []Transfer{worth("a", 100_000, Dropped, before)}, after, Expired, None, false},
		{"the last instant", dollars(100), []Transfer{worth("a", 100_000, Final, expires)}, after, Paid, None, true},
		{"the next one", dollars(100), []Transfer{worth("a", 100_000, Final, expires.Add(time.Microsecond))}, after, Expired, Late, false},
		{"called off, then paid", canceled, []Transfer{worth("a", 100_000, Final, canceled.CanceledAt.Add(1))}, after, Canceled, Late, false},
	} {
		p := &Payment{Terms: c.terms, Transfers: c.transfers}
		p.Standing = Assess(c.terms, c.transfers, nil, c.now)
		if p.Standing.State != c.state || p.Standing.Oddity != c.oddity || p.Part() != c.part {
			t.Errorf("%s: %s/%s, part %t", c.name, p.Standing.State, p.Standing.Oddity, p.Part())
		}
		over := p.Terms.Requests[0].Excess(p.Standing.Requests[0]).Sign() > 0
		if over != (c.oddity == Over) {
			t.Errorf("%s: excess %t", c.name, over)
		}
		if paid := c.state == Paid; paid == p.Standing.SettledAt.IsZero() {
			t.Errorf("%s: settled at %v", c.name, p.Standing.SettledAt)
		}
	}
}

// The transfer that tells of a payment is the one with which enough was there, by what
// each is worth and not by what it is in.
func TestWhichDepositTells(t *testing.T) {
	p := &Payment{Terms: dollars(100), Transfers: []Transfer{
		worth("c", 30_000, Final, before.Add(3*time.Minute)), worth("a", 60_000, Final, before), worth("unpriced", 0, Final, before.Add(time.Minute)),
		worth("b", 40_000, Final, before.Add(2*time.Minute)),
	}}
	p.Standing = Assess(p.Terms, p.Transfers, nil, after)
	if x, ok := p.Telling(0); !ok || x.Key != "b" || !p.Standing.SettledAt.Equal(x.At) {
		t.Errorf("%q tells, settled at %v", x.Key, p.Standing.SettledAt)
	}
	p.Transfers = []Transfer{worth("unpriced", 0, Pending, before)}
	p.Standing = Assess(p.Terms, p.Transfers, nil, before)
	if x, ok := p.Telling(0); !ok || x.Key != "unpriced" || x.Priced() {
		t.Errorf("%q tells of a payment with nothing else", x.Key)
	}
	if due, _ := p.Outstanding(0); due.Cmp(money.Cents(100)) != 0 {
		t.Errorf("%s is missing", due)
	}
}
