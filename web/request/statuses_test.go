package request

import (
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"quittance/internal/payment"
)

// What is told of each request while a Safe is to pay, and afterwards.
func TestRequestStatusesOfASafe(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	end := now.Add(time.Hour)
	attempt := func(stage payment.AttemptStage, change ...func(*payment.Attempt)) payment.Attempt {
		a := payment.Attempt{Key: "safe:10:0x5a", Kind: "safe_tx", Chain: 10, Handle: "0x5a", Stage: stage, At: now.Add(-time.Minute), Until: end, Safe: &payment.Safe{}}
		for _, f := range change {
			f(&a)
		}
		return a
	}
	due := func(a *payment.Attempt) { a.Safe.Deadline = end }
	by := func(tx string) func(*payment.Attempt) { return func(a *payment.Attempt) { a.Safe.ExecutedBy = tx } }
	fails := func(a *payment.Attempt) { a.Decides, a.Reason, a.Safe.Ended = true, "safe_deadline_passed", now }
	came := func(request int, units int64, stage payment.Stage, tx string) payment.Transfer {
		return payment.Transfer{Key: tx, Request: request, Amount: big.NewInt(units), Credit: big.NewInt(units), Stage: stage, At: now, Evidence: payment.Evidence{Tx: tx}}
	}
	const (
		first  = `[{"requestId":"a","hasBeenPaid":false`
		second = `},{"requestId":"b","hasBeenPaid":false`
		safe   = `,"safeTxHash":"0x5a","chainId":10`
		until  = `,"safePaymentDeadline":1767358800`
	)
	for name, c := range map[string]struct {
		attempts []payment.Attempt
		moved    []payment.Transfer
		canceled bool
		masked   bool
		want     string
	}{
		"nothing":                {want: first + second},
		"pending":                {attempts: []payment.Attempt{attempt(payment.Announced, due)}, want: first + safe + until + second + safe + until},
		"without a deadline":     {attempts: []payment.Attempt{attempt(payment.Announced)}, want: first + safe + second + safe},
		"hidden":                 {attempts: []payment.Attempt{attempt(payment.Announced, due)}, masked: true, want: first + second},
		"a part was there":       {attempts: []payment.Attempt{attempt(payment.Announced)}, moved: []payment.Transfer{came(0, 1, payment.Final, "0x1")}, want: first + `,"txHash":"0x1"` + safe + second + safe},
		"one is paid":            {attempts: []payment.Attempt{attempt(payment.Announced)}, moved: []payment.Transfer{came(0, 100, payment.Final, "0x1")}, want: `[{"requestId":"a","hasBeenPaid":true,"txHash":"0x1"` + second + safe},
		"replaced":               {attempts: []payment.Attempt{attempt(payment.Abandoned)}, want: first + second},
		"failed":                 {attempts: []payment.Attempt{attempt(payment.Abandoned, fails, due)}, want: first + safe + until + second + safe + until},
		"failed, and hidden":     {attempts: []payment.Attempt{attempt(payment.Abandoned, fails, due)}, masked: true, want: first + second},
		"called off, and yet":    {attempts: []payment.Attempt{attempt(payment.Announced)}, canceled: true, want: first + safe + second + safe},
		"its money is seen":      {attempts: []payment.Attempt{attempt(payment.Executed, by("0x1"))}, moved: []payment.Transfer{came(0, 100, payment.Pending, "0x1"), came(1, 100, payment.Pending, "0x1.")}, want: first + `,"txHash":"0x1"` + safe + second + `,"txHash":"0x1."` + safe},
		"another's money":        {attempts: []payment.Attempt{attempt(payment.Executed, by("0x2"))}, moved: []payment.Transfer{came(0, 1, payment.Pending, "0x1")}, want: first + `,"txHash":"0x1"` + second},
		"its money is here":      {attempts: []payment.Attempt{attempt(payment.Executed, by("0x1"))}, moved: []payment.Transfer{came(0, 100, payment.Final, "0x1"), came(1, 100, payment.Final, "0x1.")}, want: `[{"requestId":"a","hasBeenPaid":true,"txHash":"0x1"},{"requestId":"b","hasBeenPaid":true,"txHash":"0x1."`},
		"a stranger's, long ago": {attempts: []payment.Attempt{attempt(payment.Announced, func(a *payment.Attempt) { a.Until = now })}, want: first + second},
	} {
		p := &payment.Payment{
			Terms:    payment.Terms{Requests: []payment.Request{{ID: "a", Due: big.NewInt(100)}, {ID: "b", Index: 1, Due: big.NewInt(100)}}, ExpiresAt: end},
			Attempts: c.attempts, Transfers: c.moved,
		}
		if c.canceled {
			p.Terms.CanceledAt = now
		}
		p.Standing = payment.Assess(p.Terms, p.Transfers, p.Attempts, now)
		got, err := json.Marshal(requestStatuses(p, c.masked, now))
		if err != nil || string(got) != c.want+"}]" {
			t.Errorf("%s (%s):\ngot  %s\nwant %s}]", name, p.Standing.State, got, c.want)
		}
	}
}
