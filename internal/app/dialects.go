package app

import (
	"context"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
	"quittance/web/request"
	"quittance/web/secpaid"
	"quittance/web/spacepay"
)

// dialects are the APIs that the server speaks: a new one is one more entry.
func dialects() []web.Dialect {
	return []web.Dialect{
		request.Spoken(),
		spacepay.Spoken(),
		secpaid.Spoken(),
	}
}

// encoders are what words the webhooks of each dialect.
func encoders(spoken []web.Dialect, w web.Wiring) map[string]webhook.Encoder {
	out := map[string]webhook.Encoder{}
	for _, d := range spoken {
		out[d.Name] = d.Encoder(w)
	}
	return out
}

// tells reports whether merchants are told of a kind of event in a dialect: what the
// dialect's encoder tells of. Events of no dialect go to nobody else either.
func tells(spoken []web.Dialect) func(dialect string, k payment.EventKind) bool {
	words := encoders(spoken, web.Wiring{})
	return func(dialect string, k payment.EventKind) bool {
		if e, ok := words[dialect]; ok {
			return e.Tells(k)
		}
		return k.Announced()
	}
}

// typed finds the payment that somebody names in the words of a dialect whose payments have
// public ids.
//
// Faults: NotFound.
func typed(ctx context.Context, s *checkout.Service, spoken []web.Dialect, name string) (*payment.Payment, error) {
	for _, d := range spoken {
		if d.Typed == nil {
			continue
		}
		alias, ok := d.Typed(name)
		if !ok {
			continue
		}
		if p, err := s.PaymentByAlias(ctx, d.Name, alias); !fault.Is(err, fault.NotFound) {
			return p, err
		}
	}
	return nil, fault.New(fault.NotFound, "payment_not_found", "There is no such payment.")
}
