package request

import (
	"quittance/internal/webhook"
	"quittance/web"
)

// Name is the dialect's name in payments and events.
const Name = "request"

// Spoken is the dialect to the server.
func Spoken() web.Dialect {
	return web.Dialect{
		Name:    Name,
		Encoder: func(w web.Wiring) webhook.Encoder { return Encoder{Book: w.Book, BaseURL: w.BaseURL} },
		Mount: func(w web.Wiring) {
			mount(config{
				Server: w.Server, Checkout: w.Checkout, Directory: w.Directory, Ledger: w.Store, Arrivals: w.Store, Accounts: w.Store,
				Sessions: w.Sessions, Verifier: w.Verifier, Limits: w.Limits, Webhooks: w.Webhooks, Restamp: w.Restamp, BaseURL: w.BaseURL,
				OpenSignup: w.OpenSignup, Codes: w.Codes, PlaceholderChecksums: w.PlaceholderChecksums,
			})
		},
	}
}
