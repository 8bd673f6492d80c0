package storetest

import (
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

func screening(role checkout.Role, wallet int, v checkout.Verdict) checkout.Screening {
	return checkout.Screening{
		Role: role, Wallet: address(wallet), Verdict: v, Reason: "sanctioned", Provider: "vendor", Reference: "ref-1 ☕",
		Report: "https://vendor.example/report?id=1&x=<y>", Raw: "HIGH", At: start,
	}
}

var screenings = map[string]func(*testing.T, *fixture){
	"what goes in comes out, and the newest answer counts": func(t *testing.T, f *fixture) {
		p, other := f.payment(t, 1), f.payment(t, 1)
		put := func(x checkout.Screening) {
			t.Helper()
			f.write(t, func(tx checkout.Tx) error { return tx.PutScreening(t.Context(), p.ID, x) })
		}
		none, err := f.Screenings(t.Context(), p.ID)
		must(t, err)
		if len(none) != 0 {
			t.Errorf("before any: %v", none)
		}
		first, payee := screening(checkout.PayerRole, 1, checkout.Unknown), screening(checkout.PayeeRole, 1, checkout.Approved)
		put(first)
		payee.At, payee.Reason = start.Add(time.Second), ""
		put(payee)
		again := screening(checkout.PayerRole, 1, checkout.Rejected)
		again.At, again.Raw, again.Provider, again.Report = start.Add(time.Minute), "", "list", ""
		put(again)
		late := screening(checkout.PayerRole, 1, checkout.Approved) // asked before, and answered after
		late.At = again.At.Add(-time.Microsecond)
		put(late)
		got, err := f.Screenings(t.Context(), p.ID)
		must(t, err)
		exact(t, "oldest first", got, []checkout.Screening{payee, again})
		got, err = f.node(t).Screenings(t.Context(), other.ID)
		must(t, err)
		if len(got) != 0 {
			t.Errorf("another payment has %v", got)
		}
	},

	"of an unknown payment": func(t *testing.T, f *fixture) {
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			return tx.PutScreening(t.Context(), "01KE0000000000000000000000", screening(checkout.PayerRole, 1, checkout.Approved))
		})
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("got %v, want NotFound", err)
		}
	},
}
