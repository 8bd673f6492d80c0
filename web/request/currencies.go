package request

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
)

type currencyWire struct {
	ID       asset.ID      `json:"id"`
	Name     string        `json:"name"`
	Symbol   string        `json:"symbol"`
	Decimals uint8         `json:"decimals"`
	Address  string        `json:"address"`
	Network  string        `json:"network"`
	Type     string        `json:"type"`
	Hash     string        `json:"hash"`
	ChainID  asset.ChainID `json:"chainId"`
}

// issuesWire is the vendor's body for a query that fails its schema.
type issuesWire struct {
	StatusCode int     `json:"statusCode"`
	Message    []issue `json:"message"`
	Error      string  `json:"error"`
	Code       string  `json:"code"`
	Field      string  `json:"field"`
}

type issue struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Path    []string `json:"path"`
}

var errNoToken = fault.New(fault.NotFound, "not_found", "Token not found")

// currencies lists what payments can be made in: all, or what the query names.
func (d *dialect) currencies(c echo.Context) error {
	if _, err := d.authenticate(c); err != nil {
		return err
	}
	book := d.Checkout.Book()
	network, symbol := c.QueryParam("network"), c.QueryParam("symbol")
	firstOnly, why := first(c.QueryParam("firstOnly"), network, symbol)
	if why != "" {
		return c.JSON(http.StatusBadRequest, issuesWire{
			StatusCode: http.StatusBadRequest, Message: []issue{{Code: "custom", Message: why, Path: []string{"firstOnly"}}},
			Error: http.StatusText(http.StatusBadRequest), Code: "invalid_first_only", Field: "firstOnly",
		})
	}
	if id := c.QueryParam("id"); id != "" {
		t, ok := book.Token(asset.ID(id))
		if !ok {
			return errNoToken
		}
		return c.JSON(http.StatusOK, currency(t))
	}
	found := []currencyWire{}
	for _, t := range book.Tokens() {
		if network != "" {
			chain, ok := book.Network(network)
			if !ok || chain.ID != t.Chain {
				continue
			}
		}
		if symbol == "" || strings.EqualFold(symbol, t.Symbol) {
			found = append(found, currency(t))
		}
	}
	switch {
	case len(found) == 0:
		return errNoToken
	case firstOnly:
		return c.JSON(http.StatusOK, found[0])
	}
	return c.JSON(http.StatusOK, found)
}

// first reads firstOnly; why is the vendor's sentence if it cannot be.
func first(text, network, symbol string) (only bool, why string) {
	switch {
	case text != "" && text != "true" && text != "false":
		return false, "firstOnly must be 'true' or 'false' if provided"
	case text == "true" && (network == "" || symbol == ""):
		return false, "firstOnly can only be used when both network and symbol are provided"
	}
	return text == "true", ""
}

func currency(t asset.Token) currencyWire {
	w := currencyWire{
		ID: t.ID, Name: t.Name, Symbol: t.Symbol, Decimals: t.Decimals, Address: t.Address.String(), Network: t.Network,
		Type: "ERC20", Hash: t.Address.String(), ChainID: t.Chain,
	}
	if t.Native {
		w.Type = "ETH"
	}
	return w
}

// routesWire is where a currency can be converted to. It has the member network,
// or networks if the query asked for several.
type routesWire struct {
	CurrencyID asset.ID `json:"currencyId"`
	*networkWire
	Networks         []string       `json:"networks,omitempty"`
	ConversionRoutes []currencyWire `json:"conversionRoutes"`
}

type networkWire struct {
	Network *string `json:"network"`
}

// conversionRoutes lists what a currency can be paid with by conversion: nothing,
// because every payment here is made in the currency it is counted in.
func (d *dialect) conversionRoutes(c echo.Context) error {
	if _, err := d.authenticate(c); err != nil {
		return err
	}
	book := d.Checkout.Book()
	t, ok := book.Token(asset.ID(param(c, "currencyId")))
	if !ok {
		return errNoToken
	}
	w := routesWire{CurrencyID: t.ID, networkWire: &networkWire{}, ConversionRoutes: []currencyWire{}}
	one, several := c.QueryParam("network"), c.QueryParam("networks")
	switch {
	case one != "" && several != "":
		return fault.Field("networks", "ambiguous_network", "Give network or networks, not both.")
	case one != "":
		chain, ok := book.Network(one)
		if !ok {
			return fault.Field("network", "unknown_network", "network is not one of the supported networks.")
		}
		w.Network = &chain.Network
	case several != "":
		w.networkWire = nil
		for name := range strings.SplitSeq(several, ",") {
			chain, ok := book.Network(strings.TrimSpace(name))
			if !ok {
				return fault.Field("networks", "unknown_network", "networks must be names of supported networks with commas between them.")
			}
			if !slices.Contains(w.Networks, chain.Network) {
				w.Networks = append(w.Networks, chain.Network)
			}
		}
	}
	return c.JSON(http.StatusOK, w)
}

// param is a part of the path as it was meant: routers hand out escaped paths as
// they came.
func param(c echo.Context, name string) string {
	text := c.Param(name)
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
