package spacepay

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
)

// What payments can be paid in: nobody needs a credential to know.

var (
	errChain = fault.New(fault.NotFound, "chain_not_found", "Chain not found")
	errToken = fault.New(fault.NotFound, "token_not_found", "Token not found")
)

type chainsWire struct {
	Data       []chainWire `json:"data"`
	Pagination pageWire    `json:"pagination"`
}

type tokensWire struct {
	Data       []tokenWire `json:"data"`
	Pagination pageWire    `json:"pagination"`
}

type pricedWire struct {
	tokenWire
	TokenPriceUSD *json.Number `json:"tokenPriceUsd"` // null where there is no fresh price
}

// alive answers that the API is there.
func (d *dialect) alive(c echo.Context) error {
	return answer(c, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// public counts a call that needs no credential.
func (d *dialect) public(c echo.Context) error {
	return d.Limits.Take(c, d.Limits.Clients, "public", "")
}

// offered are the enabled assets' chains, in the order of the assets.
func (d *dialect) offered() []chainWire {
	var out []chainWire
	for _, l := range d.enabled {
		if w := l.chain(); !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

func (d *dialect) listChains(c echo.Context) error {
	if err := d.public(c); err != nil {
		return err
	}
	l, err := parsePage(c.QueryParams())
	if err != nil {
		return err
	}
	all := d.offered()
	return answer(c, http.StatusOK, chainsWire{cut(all, l), page(len(all), l)})
}

func (d *dialect) showChain(c echo.Context) error {
	if err := d.public(c); err != nil {
		return err
	}
	for _, w := range d.offered() {
		if strconv.FormatUint(w.ChainID, 10) == c.Param("chainId") {
			return answer(c, http.StatusOK, w)
		}
	}
	return errChain
}

func (d *dialect) listTokens(c echo.Context) error {
	if err := d.public(c); err != nil {
		return err
	}
	q := c.QueryParams()
	l, err := parsePage(q)
	if err != nil {
		return err
	}
	var all []tokenWire
	for _, x := range d.enabled {
		if fits(q, "chainId", strconv.FormatUint(uint64(x.Chain.ID), 10)) && fits(q, "symbol", x.Token.Symbol) && fits(q, "contractAddress", x.Token.Address.String()) {
			all = append(all, x.wire())
		}
	}
	return answer(c, http.StatusOK, tokensWire{cut(all, l), page(len(all), l)})
}

// fits reports whether a value is the one that a parameter asks for, whatever the case.
func fits(q url.Values, name, value string) bool {
	return q.Get(name) == "" || strings.EqualFold(q.Get(name), value)
}

func (d *dialect) showToken(c echo.Context) error {
	if err := d.public(c); err != nil {
		return err
	}
	i := slices.IndexFunc(d.enabled, func(l listed) bool { return l.ID == c.Param("tokenId") })
	if i < 0 {
		return errToken
	}
	out := pricedWire{tokenWire: d.enabled[i].wire()}
	if d.Prices != nil {
		id := d.enabled[i].Token.ID
		if p, ok := d.Prices.Prices(c.Request().Context(), asset.USD, []asset.ID{id})[id]; ok {
			n := json.Number(p.String())
			out.TokenPriceUSD = &n
		}
	}
	return answer(c, http.StatusOK, out)
}

// cut is the part of a list that was asked for.
func cut[T any](all []T, l listing) []T {
	from := min(l.Offset, len(all))
	return append([]T{}, all[from:min(from+l.Limit, len(all))]...)
}
