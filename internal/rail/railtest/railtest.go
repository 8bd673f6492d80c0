// Package railtest is the suite that every rail passes: what checkout, pages and
// dialects rely on, whatever way the money moves. It knows the contract of
// package rail and no rail in particular; nothing but tests may import it.
//
// A rail gets all of it by one call, in a test of its own:
//
//	func TestConformance(t *testing.T) {
//		r := myrail.New(...)
//		railtest.Run(t, railtest.Subject{
//			Rail: r, Payer: rail.Payer{Wallet: funded},
//			Payable: map[string]*payment.Payment{"a token": railtest.Open(t, r, request)},
//			Foreign: map[string]*payment.Payment{"euros": railtest.Open(t, r, euros)},
//			Outside: node.Requests, Silence: node.Silence, CarryOut: sendMineAndDecode,
//		})
//	}
//
// What a rail implements beside rail.Rail is found out and tested with it: Guard, Claimer,
// Booked. A new kind of instruction needs a case in prepare.
package railtest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Now is the time at which the suite's payments are open: they are made an hour
// before and may be paid for a day.
var Now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Subject is a rail with the world it works in.
type Subject struct {
	Rail  rail.Rail
	Payer rail.Payer // holds enough for every payment of the suite

	// Payable are payments the rail can pay, Foreign ones it cannot. Open makes
	// them.
	Payable map[string]*payment.Payment
	Foreign map[string]*payment.Payment

	// Outside counts the questions put to anything outside the process so far.
	Outside func() int
	// Silence makes everything outside stop answering until the returned
	// function is called; nil for rails that ask nobody.
	Silence func() (speak func())
	// CarryOut does what the instruction asks of the payer, waits until it has
	// happened, and returns what the rail makes of the evidence; of a bank's booking
	// Rail, Key, Handle, Amount and At. Nil for a rail whose money comes over another one,
	// which sees it: it is held to what it offers and refuses, and its ways may be estimated.
	CarryOut func(t *testing.T, in rail.Instruction) []rail.Sighting
}

// Open makes a payment of requests and has the rail name them.
func Open(t testing.TB, r rail.Rail, requests ...payment.Request) *payment.Payment {
	t.Helper()
	p := &payment.Payment{ID: "01RAILTEST", Terms: payment.Terms{
		Merchant: "01MERCHANT", Dialect: "test", Requests: requests,
		CreatedAt: Now.Add(-time.Hour), ExpiresAt: Now.Add(24 * time.Hour), Grace: time.Minute,
	}}
	for i := range p.Terms.Requests {
		q := &p.Terms.Requests[i]
		q.Index = i
		if n, ok := r.(rail.Naming); ok {
			if err := n.Name(p, q); err != nil {
				t.Fatalf("name request %d: %v", i, err)
			}
		}
	}
	assess(p)
	return p
}

func assess(p *payment.Payment) {
	p.Standing = p.StandingAt(Now)
}

// With returns a copy of the payment with more transfers, assessed.
func With(p *payment.Payment, transfers ...payment.Transfer) *payment.Payment {
	c := *p
	c.Transfers = append(append([]payment.Transfer{}, p.Transfers...), transfers...)
	assess(&c)
	return &c
}

// Received is a transfer of value to a payment's first request.
func Received(p *payment.Payment, key string, amount, fee *big.Int, stage payment.Stage) payment.Transfer {
	return ReceivedBy(p, 0, key, amount, fee, stage)
}

// ReceivedBy is a transfer of value to one of a payment's requests.
func ReceivedBy(p *payment.Payment, index int, key string, amount, fee *big.Int, stage payment.Stage) payment.Transfer {
	return payment.Transfer{
		Key: key, Request: index, Rail: "railtest", Asset: p.Terms.Requests[index].Asset, Amount: amount, Credit: amount, Fee: fee,
		Stage: stage, At: Now,
	}
}

// Settled are transfers that pay requests from first to before end in full.
func Settled(p *payment.Payment, first, end int, stage payment.Stage) []payment.Transfer {
	var xs []payment.Transfer
	for i := first; i < end; i++ {
		q := p.Terms.Requests[i]
		xs = append(xs, ReceivedBy(p, i, fmt.Sprintf("settled %d", i), q.Due, q.FeeAmount(), stage))
	}
	return xs
}

// Run runs the suite. Every part is named by what the rest of the house relies on.
func Run(t *testing.T, s Subject) {
	if s.Rail.ID() == "" {
		t.Fatal("the rail has no id")
	}
	if len(s.Payable) == 0 || len(s.Foreign) == 0 {
		t.Fatal("the suite needs payments that fit the rail and such that do not")
	}
	for name, p := range s.Foreign {
		t.Run("foreign/"+name, func(t *testing.T) { s.foreign(t, p) })
	}
	for name, p := range s.Payable {
		t.Run(name, func(t *testing.T) {
			t.Run("offers are pure", func(t *testing.T) { s.offers(t, p) })
			t.Run("prepare refuses what was not offered", func(t *testing.T) { s.notOffered(t, p) })
			t.Run("nothing is offered when it is over", func(t *testing.T) { s.over(t, p) })
			t.Run("the rest is offered", func(t *testing.T) { s.rest(t, p) })
			if s.Silence != nil {
				t.Run("silence is unavailable", func(t *testing.T) { s.silence(t, p) })
			}
			if s.CarryOut == nil {
				return
			}
			t.Run("the target is proven without a wallet", func(t *testing.T) { s.guard(t, p) })
			t.Run("prepare is repeatable", func(t *testing.T) { s.prepare(t, p) })
			t.Run("a Safe's calls are known again", func(t *testing.T) { s.safe(t, p) })
			if len(p.Terms.Requests) > 1 {
				t.Run("what is paid is left out", func(t *testing.T) { s.leftOut(t, p) })
			}
			t.Run("what is carried out is seen", func(t *testing.T) { s.carriedOut(t, p) })
		})
	}
}

// image is a payment as text, to see whether anything in it was changed.
func image(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
