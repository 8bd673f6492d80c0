package secpaid

import (
	"net/url"

	"quittance/internal/webhook"
	"quittance/web"
)

// Name is the dialect's name in payments and events.
const Name = "secpaid"

// Spoken is the dialect to the server.
func Spoken() web.Dialect {
	return web.Dialect{
		Name:    Name,
		Encoder: func(w web.Wiring) webhook.Encoder { return Encoder{Kept: w.Store} },
		Mount: func(w web.Wiring) {
			mount(config{
				Server: w.Server, Checkout: w.Checkout, Directory: w.Directory, Payments: w.Store, Accounts: w.Store, Ledger: w.Store,
				Networks: w.Sharing, Guard: w.Guard, Limits: w.Limits, BaseURL: w.BaseURL, Now: w.Now,
			})
		},
		Pages: &web.Pages{Link: Link, Param: "link_id", Return: Return, Path: func(alias string) string { return "/link/" + alias }, Alias: Alias},
		Typed: typed,
	}
}

// typed reads a link's address, its link_id or its number.
func typed(text string) (alias string, ok bool) {
	if u, err := url.Parse(text); err == nil && u.Query().Has("link_id") {
		text = u.Query().Get("link_id")
	}
	if alias, ok := Alias(text); ok {
		return alias, true
	}
	_, ok = parseLink(text)
	return text, ok
}
