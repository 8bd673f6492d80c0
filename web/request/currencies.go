package request

import (
	"net/http"
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
func (d *Dialect) currencies(c echo.Context) error {
	if _, err := d.authenticate(c); err != nil {
		return err
	}
	book := d.Checkout.Book()
	if id := c.QueryParam("id"); id != "" {
		t, ok := book.Token(asset.ID(id))
		if !ok {
			return errNoToken
		}
		return c.JSON(http.StatusOK, currency(t))
	}
	network, symbol := c.QueryParam("network"), c.QueryParam("symbol")
	firstOnly, why := first(c.QueryParam("firstOnly"), network, symbol)
	if why != "" {
		return c.JSON(http.StatusBadRequest, issuesWire{
			StatusCode: http.StatusBadRequest, Message: []issue{{Code: "custom", Message: why, Path: []string{"firstOnly"}}},
			Error: http.StatusText(http.StatusBadRequest), Code: "invalid_first_only", Field: "firstOnly",
		})
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
