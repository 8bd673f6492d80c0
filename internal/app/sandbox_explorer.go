//go:build !nosandbox

package app

import (
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/templates"
	"quittance/web"
)

var errNoRecord = fault.New(fault.NotFound, "not_found", "The sandbox chain has no such record.")

// sandboxExplorer serves what links to a block explorer show in the demo.
func sandboxExplorer(a *App, assets templates.Assets) {
	with := []echo.MiddlewareFunc{a.Server.Faults(func(c echo.Context, f *fault.Error) error {
		return web.Page(c, web.StatusOf(f.Kind), templates.Plain(templates.UnknownPage(assets, web.RequestID(c))))
	}), a.Server.Bounded}
	explorer := a.Server.Echo.Group("/sandbox/explorer/:network")
	explorer.GET("/tx/:hash", func(c echo.Context) error {
		network, node, err := a.explored(c)
		if err != nil {
			return err
		}
		r, err := chain.Ask(c.Request().Context(), node, chain.ReceiptCall(c.Param("hash")), chain.Result.Receipt)
		if _, refused := errors.AsType[*chain.RPCError](err); refused || (err == nil && r == nil) {
			return errNoRecord
		}
		if err != nil {
			return err
		}
		return web.Page(c, http.StatusOK, templates.SandboxExplorer(assets, a.receiptRecord(network, r)))
	}, with...)
	explorer.GET("/address/:address", func(c echo.Context) error {
		network, node, err := a.explored(c)
		if err != nil {
			return err
		}
		at, err := asset.ParseAddress(c.Param("address"))
		if err != nil {
			return errNoRecord
		}
		wei, err := chain.Ask(c.Request().Context(), node, chain.BalanceCall(at, chain.Latest), chain.Result.Big)
		if err != nil {
			return err
		}
		return web.Page(c, http.StatusOK, templates.SandboxExplorer(assets, templates.SandboxRecord{
			Title: "Address on " + network.Name,
			Rows:  []templates.SandboxRow{{Name: "Address", Value: at.String()}, {Name: "Balance", Value: coins(wei, network)}},
		}))
	}, with...)
}

func (a *App) explored(c echo.Context) (asset.Chain, *chain.Client, error) {
	network, ok := a.Checkout.Book().Network(c.Param("network"))
	if !ok {
		return network, nil, errNoRecord
	}
	return network, a.nodes[network.ID], nil
}

func (a *App) receiptRecord(network asset.Chain, r *chain.Receipt) templates.SandboxRecord {
	outcome := "failed"
	if r.Succeeded {
		outcome = "succeeded"
	}
	out := templates.SandboxRecord{Title: "Transaction on " + network.Name, Rows: []templates.SandboxRow{
		{Name: "Hash", Value: r.Tx}, {Name: "Outcome", Value: outcome}, {Name: "Block", Value: strconv.FormatUint(r.Block.Number, 10)},
		{Name: "From", Value: r.From.String()}, {Name: "To", Value: r.To.String()}, {Name: "Gas used", Value: strconv.FormatUint(r.GasUsed, 10)},
	}}
	for _, l := range r.Logs {
		token, ok := a.Checkout.Book().TokenAt(network.ID, l.Address)
		if !ok || len(l.Topics) != 3 || l.Topics[0] != official.TopicTransfer || len(l.Data) != 32 {
			continue
		}
		out.Rows = append(out.Rows, templates.SandboxRow{Name: "Token transfer", Value: fmt.Sprintf("%s %s from 0x%s to 0x%s",
			money.Display(new(big.Int).SetBytes(l.Data), token.Decimals), token.Symbol, l.Topics[1][26:], l.Topics[2][26:])})
	}
	return out
}

func coins(wei *big.Int, network asset.Chain) string {
	return money.Display(wei, network.Native.Decimals) + " " + network.Native.Symbol
}
