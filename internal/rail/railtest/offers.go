package railtest

import (
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/internal/rail"
)

func (s Subject) offer(t *testing.T, p *payment.Payment, payer rail.Payer) []rail.Option {
	t.Helper()
	options, err := s.Rail.Offer(t.Context(), p, payer)
	if err != nil {
		t.Fatalf("offer: %v", err)
	}
	return options
}

func (s Subject) first(t *testing.T, p *payment.Payment) rail.Option {
	t.Helper()
	options := s.offer(t, p, s.Payer)
	if len(options) == 0 {
		t.Fatal("nothing is offered")
	}
	return options[0]
}

// booked wants bookings to pay what the rail can pay, also once it is over, and nothing else.
func (s Subject) booked(t *testing.T, p *payment.Payment, want bool) {
	b, ok := s.Rail.(rail.Booked)
	if !ok {
		return
	}
	over := With(p)
	over.Terms.CanceledAt = Now.Add(-time.Minute)
	for _, p := range []*payment.Payment{p, over} {
		if got := b.Books(p); got != want {
			t.Errorf("bookings pay it: %t, want %t", got, want)
		}
	}
}

func (s Subject) foreign(t *testing.T, p *payment.Payment) {
	s.booked(t, p, false)
	if got := s.offer(t, p, s.Payer); len(got) != 0 {
		t.Errorf("offered %+v", got)
	}
	if g, ok := s.Rail.(rail.Guard); ok {
		if got := g.Guard(t.Context(), p); len(got) != 0 {
			t.Errorf("guarded: %+v", got)
		}
	}
}

func (s Subject) offers(t *testing.T, p *payment.Payment) {
	s.booked(t, p, true)
	before, asked := image(t, p), s.Outside()
	first := s.offer(t, p, s.Payer)
	if len(first) == 0 {
		t.Fatal("nothing is offered")
	}
	seen := map[string]bool{}
	for _, o := range first {
		if o.Rail != s.Rail.ID() || !strings.HasPrefix(o.ID, string(s.Rail.ID())+":") || seen[o.ID] {
			t.Errorf("option %q of rail %q: ids must be unique and begin with the rail's", o.ID, o.Rail)
		}
		seen[o.ID] = true
		if (o.Chain == 0) != (o.Type == rail.Bank) || o.Type == rail.Bank && o.Asset != "" || len(o.Costs) == 0 {
			t.Errorf("incomplete option %+v", o)
		}
		for _, c := range o.Costs {
			if c.Amount == nil || c.Amount.Sign() <= 0 || c.Asset == "" {
				t.Errorf("incomplete option %+v", o)
			}
		}
	}
	if again := s.offer(t, p, s.Payer); !reflect.DeepEqual(again, first) {
		t.Errorf("asked again: got %+v, want %+v", again, first)
	}
	// Whoever gets an option may reckon with its amount in place.
	want := image(t, first)
	first[0].Costs[0].Amount.SetInt64(0)
	if again := image(t, s.offer(t, p, s.Payer)); again != want {
		t.Errorf("after a caller changed its copy: got %s, want %s", again, want)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Rail.Offer(t.Context(), p, s.Payer); err != nil {
				t.Errorf("offer: %v", err)
			}
		})
	}
	wg.Wait()
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
	if n := s.Outside() - asked; n != 0 {
		t.Errorf("offering asked the outside %d times", n)
	}
}

func (s Subject) guard(t *testing.T, p *payment.Payment) {
	g, ok := s.Rail.(rail.Guard)
	if !ok {
		t.Skip("this rail has no guard")
	}
	before, asked := image(t, p), s.Outside()
	checks := g.Guard(t.Context(), p)
	wantChecks(t, checks)
	if again := g.Guard(t.Context(), p); !reflect.DeepEqual(again, checks) {
		t.Errorf("asked again: got %+v, want %+v", again, checks)
	}
	if after := image(t, p); after != before {
		t.Errorf("the payment was changed from %s to %s", before, after)
	}
	if n := s.Outside() - asked; n != 0 {
		t.Errorf("the guard asked the outside %d times", n)
	}
}

// wantChecks wants checks with names, answers and words, none twice and none refused.
func wantChecks(t *testing.T, checks []rail.Check) {
	t.Helper()
	if len(checks) == 0 {
		t.Error("no checks")
	}
	seen := map[string]bool{}
	for _, c := range checks {
		if c.Name == "" || c.Detail == "" || seen[c.Name] || (c.Outcome != rail.Passed && c.Outcome != rail.Waiting) {
			t.Errorf("check %+v", c)
		}
		seen[c.Name] = true
	}
}
