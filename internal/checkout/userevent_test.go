package checkout_test

import (
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

func TestUserEvents(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	tell := func(action, hash string, at time.Time) error {
		return w.UserEvent(t.Context(), p.ID, action, hash, at)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := tell(checkout.UserConnected, "h1", begin.Add(-time.Second)); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	must(t, tell(checkout.UserSent, "h1", begin.Add(-48*time.Hour)))
	must(t, tell(checkout.UserConnected, "h2", time.Time{}))
	var got []string
	for _, e := range w.events(p.ID) {
		if e.Kind == payment.EventUser {
			got = append(got, e.Fields[payment.FieldAction]+" "+e.Fields[payment.FieldHash]+" "+e.Fields[payment.FieldOccurred])
		}
	}
	want := []string{
		"connected h1 2026-01-02T11:59:59.000Z", "sent h1 2026-01-02T12:00:00.000Z", "connected h2 2026-01-02T12:00:00.000Z",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	refusedAs(t, "another action", tell("wallet_drained", "h", begin), fault.Invalid, "unknown_event")
	for _, hash := range []string{"a b", "a\x00", "é", strings.Repeat("x", 129)} {
		refusedAs(t, "the hash "+hash, tell(checkout.UserSent, hash, begin), fault.Invalid, "invalid_hash")
	}
	limited := 0
	for i := range 100 {
		if err := tell(checkout.UserApproved, fmt.Sprint(i), begin); fault.Is(err, fault.Limited) {
			limited++
		} else {
			must(t, err)
		}
	}
	if n := w.count(p.ID, payment.EventUser); n != 60 || limited != 43 {
		t.Errorf("%d events are kept, %d were turned away", n, limited)
	}
	must(t, tell(checkout.UserConnected, "h1", begin)) // known ones are still known
	if err := w.UserEvent(t.Context(), "01KE0000000000000000000099", checkout.UserSent, "", begin); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown payment: %v", err)
	}
	if s := w.load(p.ID).Standing; s.State != payment.Open {
		t.Errorf("the page's words made it %s", s.State)
	}
}

func TestOneNetwork(t *testing.T) {
	w := newWorld(t)
	there, ok := w.Book().Token("USDC-arbitrum-one")
	if !ok {
		t.Fatal("no such token")
	}
	_, _, err := w.Create(t.Context(), checkout.Draft{Merchant: owner, Requests: []checkout.DraftRequest{
		{Payee: payee, Token: w.usdc, Amount: big.NewInt(1)}, {Payee: payee, Token: there, Amount: big.NewInt(1)},
	}}, nil, nil)
	refusedAs(t, "two networks", err, fault.Invalid, "several_networks")
	if f := fault.From(err); f.Field != "requests[1]" {
		t.Errorf("field: %q", f.Field)
	}
}
