package pay

import (
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
)

// options is what a wallet may choose among; amounts are decimal strings of base
// units of the way's token.
type options struct {
	Options []way `json:"options"`
	// Silent are the names of chains that did not answer in time.
	Silent  []string      `json:"silent"`
	Missing []missingWays `json:"missing"`
}

type way struct {
	ID      string          `json:"id"`
	Type    rail.RouteType  `json:"type"`
	Chain   templates.Chain `json:"chain"`
	Token   wayToken        `json:"token"`
	Balance *string         `json:"balance"` // null where it is not known
	Needed  string          `json:"needed"`
	// Fee is the part of needed that the way itself takes.
	Fee string `json:"fee"`
	// Least is what the wallet must hold for a price to be asked for.
	Least  string `json:"least"`
	Enough bool   `json:"enough"`
	// Estimated tells that needed is the most it can be.
	Estimated bool `json:"estimated"`
	Seconds   int  `json:"seconds"` // until the payee has it, 0 for the next block
	Steps     int  `json:"steps"`   // how often the wallet will ask
	// Gasless tells that somebody would pay for the gas of a user operation.
	Gasless bool `json:"gasless"`
}

type wayToken struct {
	ID             asset.ID `json:"id"`
	Symbol         string   `json:"symbol"`
	Decimals       uint8    `json:"decimals"`
	Address        string   `json:"address"`
	ResetAllowance bool     `json:"resetAllowance"`
}

type missingWays struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Chain string `json:"chain,omitempty"` // its name, absent for all
}

// options tells what a wallet holds that the payment could be made with.
func (p *hosted) options(c echo.Context) error {
	pm, err := p.load(c)
	if err != nil {
		return err
	}
	wallet, err := walletOf(c)
	if err != nil {
		return err
	}
	safe, err := web.IsSafe(c)
	if err != nil {
		return err
	}
	_, found, err := p.Checkout.Options(c.Request().Context(), pm.ID, rail.Payer{Wallet: wallet, Safe: safe})
	if err != nil {
		return err
	}
	answer := options{Options: []way{}, Silent: []string{}, Missing: []missingWays{}}
	for _, w := range found.Ways {
		if chain, ok := p.Checkout.Book().Chain(w.Chain); ok {
			answer.Options = append(answer.Options, p.way(w, chain, found.Ways))
		}
	}
	for _, id := range found.Silent {
		answer.Silent = append(answer.Silent, p.chainName(id))
	}
	for _, m := range found.Missing {
		said := missingWays{Code: m.Code, Text: m.Why}
		if m.Chain != 0 {
			said.Chain = p.chainName(m.Chain)
		}
		answer.Missing = append(answer.Missing, said)
	}
	return c.JSON(http.StatusOK, answer)
}

func (p *hosted) way(w checkout.Way, chain asset.Chain, all []checkout.Way) way {
	out := way{
		ID: w.ID, Type: w.Type, Chain: p.wireChain(chain), Needed: w.Needed().String(), Fee: "0", Least: w.Needed().String(),
		Token: wayToken{
			ID: w.Token.ID, Symbol: w.Token.Symbol, Decimals: w.Token.Decimals, Address: w.Token.Address.String(), ResetAllowance: w.Token.ResetAllowance,
		},
		Enough: w.Enough(), Estimated: w.Estimated, Seconds: int(w.Duration.Seconds()), Steps: steps(w, all), Gasless: w.Gasless,
	}
	if w.Balance != nil {
		held := w.Balance.String()
		out.Balance = &held
	}
	if w.Fee != nil {
		out.Fee = w.Fee.String()
	}
	if w.Least != nil {
		out.Least = w.Least.String()
	}
	return out
}

// steps is how often a wallet will ask for a way: for what sets allowances, for
// an exchange and for the payment. An allowance that is not known counts as none.
func steps(w checkout.Way, all []checkout.Way) int {
	n := approvals(w, w.Needed()) + 1
	if w.Type != rail.Conversion {
		return n
	}
	// What was exchanged is then paid like the payment's own asset.
	if i := slices.IndexFunc(all, func(x checkout.Way) bool { return x.Type == rail.SameChain }); i >= 0 {
		return n + steps(all[i], all)
	}
	return n + 2
}

func approvals(w checkout.Way, needed *big.Int) int {
	switch {
	case w.Token.Native || (w.Allowance != nil && w.Allowance.Cmp(needed) >= 0):
		return 0
	case w.Token.ResetAllowance && w.Allowance != nil && w.Allowance.Sign() > 0:
		return 2
	}
	return 1
}

func (p *hosted) chainName(id asset.ChainID) string {
	chain, _ := p.Checkout.Book().Chain(id)
	return chain.Name
}

// wireChain is a chain as a wallet is told of it.
func (p *hosted) wireChain(chain asset.Chain) templates.Chain {
	explorer := chain.Explorer
	if explorer != "" && explorer[len(explorer)-1] != '/' {
		explorer += "/"
	}
	rpc := p.PublicRPC[chain.ID]
	if rpc == nil {
		rpc = []string{}
	}
	return templates.Chain{
		ID: uint64(chain.ID), Network: chain.Network, Name: chain.Name, RPCURLs: rpc, Explorer: explorer,
		Native: templates.Native{Name: chain.Native.Name, Symbol: chain.Native.Symbol, Decimals: int(chain.Native.Decimals)},
	}
}

// direct are the options in the payment's own assets on its own chain.
func direct(all []rail.Option) []rail.Option {
	return slices.DeleteFunc(slices.Clone(all), func(o rail.Option) bool { return o.Type != rail.SameChain })
}

// others names the ways that lead over a bridge or an exchange, by their chains:
// "USDC and USDT on Arbitrum One".
func (p *hosted) others(all []rail.Option) (names []string) {
	symbols := map[asset.ChainID][]string{}
	var chains []asset.ChainID
	for _, o := range all {
		token, known := p.Checkout.Book().Token(o.Costs[0].Asset)
		if !known || o.Type == rail.SameChain {
			continue
		}
		if symbols[o.Chain] == nil {
			chains = append(chains, o.Chain)
		}
		symbols[o.Chain] = append(symbols[o.Chain], token.Symbol)
	}
	for _, id := range chains {
		names = append(names, strings.Join(symbols[id], " and ")+" on "+p.chainName(id))
	}
	return names
}
