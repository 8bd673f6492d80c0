package app

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/store"
	"quittance/static"
	"quittance/templates"
	"quittance/web"
	"quittance/web/apidoc"
	"quittance/web/pay"
)

// routes builds the server and mounts all that it answers.
func (a *App) routes(s Setup, sessions *web.Sessions) error {
	assets, err := static.Load()
	if err != nil {
		return err
	}
	hashing, err := walletHashing(s.Keys)
	if err != nil {
		return err
	}
	a.Server = web.New(web.Config{BaseURL: s.BaseURL, FrameAncestors: s.FrameAncestors, TrustedProxies: s.Proxies, Served: a.watch.served, Tracer: a.watch.tracer(), Log: s.Log})
	a.Server.Echo.Use(a.windDown)
	a.Server.Static(assets)
	urls := assetURLs(assets, s.SandboxScript)
	limiter := a.limiter(s)
	w := a.wiring(s, sessions, limiter)
	for _, d := range a.dialects {
		d.Mount(w)
	}
	apidoc.Mount(apidoc.Config{Server: a.Server, BaseURL: s.BaseURL, Assets: urls, CSS: assets.URL("docs.css")})
	if s.Mount != nil {
		s.Mount(a, urls)
	}
	see := []string{http.MethodGet, http.MethodHead}
	a.Server.Echo.Match(see, "/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	a.Server.Echo.Match(see, "/readyz", a.ready, a.Server.Bounded)
	public := map[asset.ChainID][]string{}
	for _, c := range s.Chains {
		public[c.ID] = c.PublicRPC
	}
	a.pages = pay.Mount(pay.Config{
		Server: a.Server, Checkout: a.Checkout, Directory: a.Directory, Sessions: sessions, Chains: a.heads, Assets: urls, HashKey: hashing,
		Watch: a.Store.Watch, Marks: a.Store.Marks, MarkOf: store.MarkOf, PublicRPC: public, BaseURL: s.BaseURL, Limits: limiter, Streams: s.Streams, Log: s.Log,
		Dialects: a.dialects, Now: time.Now,
	})
	return nil
}

// assetURLs are the addresses of the page's files; sandbox adds the sandbox wallet's.
func assetURLs(assets *static.Assets, sandbox bool) templates.Assets {
	urls := templates.Assets{
		CSS: assets.URL("pay.css"), Icon: assets.URL("favicon.svg"), Script: assets.URL("pay.js"),
		Lock: assets.URL("lock.js"), Ways: assets.URL("ways.js"), Route: assets.URL("route.js"), Safe: assets.URL("safe.js"),
		Gasless: assets.URL("gasless.js"), KitLight: assets.URL("kit-light.js"), KitSafe: assets.URL("kit-safe.js"),
		Deposit: assets.URL("deposit.js"), DepositCSS: assets.URL("deposit.css"),
	}
	if sandbox {
		urls.Sandbox = assets.URL("sandbox-wallet.js")
	}
	return urls
}

// wiring is what the server has for its dialects.
func (a *App) wiring(s Setup, sessions *web.Sessions, limiter *web.Limiter) web.Wiring {
	w := web.Wiring{
		Server: a.Server, Checkout: a.Checkout, Directory: a.Directory, Webhooks: a.Webhooks, Store: a.Store, Sessions: sessions, Limits: limiter,
		Guard: a.Guard, Verifier: a.verifier, Book: s.Book, Chains: a.heads, Codes: a.reader, Nudge: a.nudge, Subscribe: a.Store.Subscribe,
		Priced: a.pricing.assets, Prices: a.pricing.prices, Sharing: a.pricing.sharing(s),
		BaseURL: s.BaseURL, OpenSignup: s.OpenSignup, PlaceholderChecksums: s.Placeholders, Now: time.Now,
	}
	if r := oneWith[restamper](a.rails); r != nil {
		w.Restamp = r.Restamped
	}
	return w
}

// windDown ends connections that are used while the server is about to stop: whoever
// keeps one would ask here again.
func (a *App) windDown(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.leaving.Load() {
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		return next(c)
	}
}

// ready answers whether there is any use in sending payers here.
func (a *App) ready(c echo.Context) error {
	status, why := a.readiness(c.Request().Context())
	return c.String(status, why+"\n")
}

// readiness is what is answered to that, as a status of HTTP and in words.
func (a *App) readiness(ctx context.Context) (status int, why string) {
	switch {
	case a.leaving.Load():
		return http.StatusServiceUnavailable, "this server is about to stop"
	case a.watch.alive.ping(ctx, a.Store) != nil:
		return http.StatusServiceUnavailable, "the database does not answer"
	case !a.looked():
		return http.StatusServiceUnavailable, "the contracts are still being looked at"
	case !a.heads.followed():
		return http.StatusServiceUnavailable, "a chain is still being read"
	}
	return http.StatusOK, "ready"
}
