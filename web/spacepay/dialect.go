package spacepay

import (
	"strings"

	"quittance/internal/webhook"
	"quittance/web"
)

// Name is the dialect's name in payments and events.
const Name = "spacepay"

// Spoken is the dialect to the server.
func Spoken() web.Dialect {
	return web.Dialect{
		Name: Name,
		Encoder: func(w web.Wiring) webhook.Encoder {
			return Encoder{Book: w.Book, Names: w.Directory, Chains: w.Chains}
		},
		Mount: func(w web.Wiring) {
			mount(config{
				Server: w.Server, Checkout: w.Checkout, Directory: w.Directory, Payments: w.Store, Ledger: w.Store, Branches: w.Store,
				Assets: w.Priced, Prices: w.Prices, Chains: w.Chains, Limits: w.Limits, Nudge: w.Nudge, Subscribe: w.Subscribe,
				BaseURL: w.BaseURL, Now: w.Now,
			})
		},
		Pages: &web.Pages{Link: Link, Param: "paymentId", Return: Return},
		Typed: func(text string) (string, bool) { alias := strings.ToLower(text); return alias, web.IsUUID(alias) },
	}
}
