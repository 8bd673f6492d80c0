//go:build !nosandbox

package app

import (
	"io"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/templates"
	"quittance/web"
)

// Where the demo's world is told how to behave. Whoever reaches these may play.
const (
	routerPath = "/sandbox/router"
	bridgePath = "/sandbox/bridge"
	chainsPath = "/sandbox/chains"
)

// webhooksPath is the demo merchant's endpoint, and where people see what it got.
const webhooksPath = "/sandbox/webhooks"

// mountSandbox serves the chains' RPC, the in-page wallets, what was sent to the
// merchant, the Safe app, the controls of the demo's world, and the storybook.
func mountSandbox(a *App, assets templates.Assets, world demoWorld, safe templates.SandboxSafe, kept *kept) {
	chains, routing := world.chains, world.routing
	s := a.Server
	s.Storybook(assets)
	s.Echo.GET("/metrics", echo.WrapHandler(a.watch.metrics.Handler())) // in production on the admin listener
	sandboxExplorer(a, assets)
	sandboxSafe(a, assets, chains, safe)
	sandboxBank(a, assets, safe.CSS, kept.MerchantID)
	s.Echo.Any("/sandbox/rpc/:network", echo.WrapHandler(chains.RPCHandler()))
	s.Echo.Any("/sandbox/wallet/:network", echo.WrapHandler(chains.WalletHandler()), ownHost)
	s.Echo.Any(saverPath+"/:network", echo.WrapHandler(chains.SaverHandler()), ownHost)
	s.Echo.Any(bundlerPath+"/:network", echo.WrapHandler(world.gateways.Control()), ownHost)
	s.Echo.Any(routerPath, echo.WrapHandler(routing.RouterControl()), ownHost)
	s.Echo.Any(bridgePath, echo.WrapHandler(routing.BridgeControl()), ownHost)
	s.Echo.Any(chainsPath+"/:network", echo.WrapHandler(chains.ChainControl()), ownHost)
	s.Echo.Any(pricesPath+"/*", echo.WrapHandler(world.prices.Market))
	s.Echo.Any(pricesControl, echo.WrapHandler(world.prices.Control()), ownHost)
	s.Echo.Any(feedsControlPath+"/:network", echo.WrapHandler(chains.FeedControl()), ownHost)
	s.Echo.Any(exchangePath+"/:network", echo.WrapHandler(chains.ExchangeHandler()), ownHost)
	s.Echo.POST(webhooksPath, func(c echo.Context) error {
		// The demo's own merchant: it accepts everything. What it got is listed below.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(c.Response(), c.Request().Body, web.MaxBody))
		return c.NoContent(http.StatusNoContent)
	})
	s.Echo.GET(webhooksPath, func(c echo.Context) error { return sandboxWebhooks(c, a, assets, kept.MerchantID) })
}

// ownHost refuses requests that name another host: the wallet signs for pages of
// its own origin, the controls obey them, and a name that was pointed at this machine afterwards (DNS
// rebinding) must not be one.
func ownHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host, _, err := net.SplitHostPort(c.Request().Host)
		if ip := net.ParseIP(host); err != nil || (host != "localhost" && ip == nil) {
			return fault.New(fault.Forbidden, "foreign_host", "The sandbox is used by address, or as localhost.")
		}
		return next(c)
	}
}
