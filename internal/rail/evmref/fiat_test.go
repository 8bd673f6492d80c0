package evmref_test

import (
	"testing"

	"quittance/internal/payment"
	"quittance/internal/rail/evmref"
	"quittance/internal/rail/railtest"
)

// What is due in dollars gets no name here, and honest calls for the same payee are not
// taken for its payment.
func TestDollarsAreAnotherRails(t *testing.T) {
	w := newWorld(t)
	dollars := railtest.Open(t, w.rail, request(t, "USD", 0))
	if q := dollars.Terms.Requests[0]; q.ID != "" || q.Reference != "" || q.Topic != "" || len(q.Handles) != 0 {
		t.Errorf("named %+v", q)
	}
	if got := w.rail.MissingFor(t.Context(), dollars, w.payer(t)); len(got) != 0 {
		t.Errorf("missing %+v", got)
	}
	token, native, batch := claims(t, w.rail)
	for _, c := range []claimed{token, native, batch} {
		if got, ok := w.rail.Claims(dollars, 900008453, w.payer(t), c.calls, railtest.Now); ok {
			t.Errorf("claimed %+v by calls that take %+v", got, c.order.Needs()[0])
		}
		// Even where the reference is the same.
		other := *dollars
		other.Terms.Requests = append([]payment.Request{}, dollars.Terms.Requests...)
		other.Terms.Requests[0].Reference = c.p.Terms.Requests[0].Reference
		if got, ok := w.rail.Claims(&other, 900008453, w.payer(t), c.calls, railtest.Now); ok {
			t.Errorf("claimed %+v by a reference", got)
		}
	}
}

func TestTheTopicIsTheHandle(t *testing.T) {
	w := newWorld(t)
	p := railtest.Open(t, w.rail, request(t, "USDC-base", 0), request(t, "ETH-base", 0))
	for _, q := range p.Terms.Requests {
		if len(q.Handles) != 1 || q.Handles[0] != (payment.Handle{Rail: string(evmref.ID), Value: q.Topic}) || q.Topic == "" {
			t.Errorf("handles %+v of topic %q", q.Handles, q.Topic)
		}
	}
}
