//go:build !nosandbox

package app

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/sandbox"
	"quittance/static"
	"quittance/templates"
	"quittance/web"
)

const safePath = "/sandbox/safe"

// safeOrigin is where the demo's Safe app is opened: under another name of this
// machine, so that its frame shows pages of another origin, as Safe's own app
// does. Where there is no other name it is the demo's own.
func safeOrigin(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() != "127.0.0.1" {
		return baseURL
	}
	u.Host = net.JoinHostPort("localhost", u.Port())
	return u.String()
}

// safeApp is what its script is told: see sandbox-safe.ts.
type safeApp struct {
	API      string        `json:"api"`
	RPC      string        `json:"rpc"`
	Checkout string        `json:"checkout"`
	Networks []safeNetwork `json:"networks"`
}

type safeNetwork struct {
	Network   string               `json:"network"`
	Name      string               `json:"name"`
	ChainID   uint64               `json:"chainId"`
	ShortName string               `json:"shortName"`
	Explorer  string               `json:"explorer"`
	Native    safeNative           `json:"native"`
	Tokens    map[string]demoToken `json:"tokens"`
}

type safeNative struct {
	Name     string `json:"name"`
	Symbol   string `json:"symbol"`
	Decimals uint8  `json:"decimals"`
}

// sandboxSafe serves the demo's Safe app: the page, and what its script asks.
func sandboxSafe(a *App, assets templates.Assets, chains *sandbox.Chains, v templates.SandboxSafe) {
	// As every page, and this demo's checkout in the frame.
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; " +
		"frame-src " + v.Checkout + "; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
	origin := safeOrigin(v.Checkout)
	a.Server.Echo.GET(safePath, func(c echo.Context) error {
		// Under another name the frame would be refused, or of the page's own origin.
		if "http://"+c.Request().Host != origin {
			return c.Redirect(http.StatusSeeOther, origin+c.Request().URL.RequestURI())
		}
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy, policy)
		c.Response().Header().Set(echo.HeaderXFrameOptions, "DENY")
		return web.Page(c, http.StatusOK, templates.SandboxSafeApp(assets, v))
	}, ownHost)
	a.Server.Echo.Any(safePath+"/*", echo.WrapHandler(http.StripPrefix(safePath, chains.SafeHandler())), ownHost)
}

// safeView is what the Safe app shows, whose frame may show baseURL's pages.
func safeView(book *asset.Book, chains *sandbox.Chains, baseURL string) (templates.SandboxSafe, error) {
	files, err := static.Load()
	if err != nil {
		return templates.SandboxSafe{}, err
	}
	told := safeApp{API: safePath, RPC: "/sandbox/rpc", Checkout: baseURL}
	v := templates.SandboxSafe{
		CSS: files.URL("sandbox-safe.css"), Script: files.URL("sandbox-safe.js"), Address: chains.Safe().Address, Owners: chains.Safe().Owners, Checkout: baseURL,
	}
	for _, c := range chains.All() {
		x, ok := book.Chain(asset.ChainID(c.ChainID))
		if !ok {
			return v, fmt.Errorf("the book has no chain %s", c.Network)
		}
		n := safeNetwork{
			Network: c.Network, Name: x.Name, ChainID: c.ChainID, ShortName: strings.ToLower(c.Name), Explorer: x.Explorer,
			Native: safeNative{Name: x.Native.Name, Symbol: x.Native.Symbol, Decimals: x.Native.Decimals}, Tokens: map[string]demoToken{},
		}
		for symbol, t := range c.Tokens {
			n.Tokens[symbol] = demoToken{Address: t.Address, Decimals: t.Decimals}
		}
		told.Networks = append(told.Networks, n)
		v.Networks = append(v.Networks, templates.SandboxChoice{Value: c.Network, Name: x.Name})
	}
	text, err := json.Marshal(told)
	if err != nil {
		return v, fmt.Errorf("what the Safe app is told: %w", err)
	}
	v.Config = string(text)
	return v, nil
}
