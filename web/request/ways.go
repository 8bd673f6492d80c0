package request

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// source is a token on a chain that a payer wants to pay with.
type source struct {
	chain asset.Chain
	token asset.Token
}

// payer reads the query of a look at a payment: the wallet, who owns it, and the
// source, nil if none is named. It is read by itself: whether a payment can be made
// from there, only who may see the payment learns.
func (d *dialect) payer(c echo.Context) (rail.Payer, *source, error) {
	text := c.QueryParam("wallet")
	safe, err := d.safePayer(c, text)
	if err != nil {
		return rail.Payer{}, nil, err
	}
	owner, err := ownerOf(c)
	if err != nil {
		return rail.Payer{}, nil, err
	}
	if text == "" && !owner.IsZero() {
		return rail.Payer{}, nil, badSource("wallet", "missing_wallet", "wallet is required with eoaWallet: it is the smart account.")
	}
	from, err := d.source(c.QueryParam("chain"), c.QueryParam("token"))
	if err != nil {
		return rail.Payer{}, nil, err
	}
	if text == "" {
		return rail.Payer{}, from, nil
	}
	wallet, err := asset.ParseAddress(text)
	if err != nil {
		return rail.Payer{}, nil, fault.Field("wallet", "invalid_wallet", "wallet must be an EVM address: "+err.Error()+".")
	}
	if wallet.IsZero() && (safe || !owner.IsZero()) {
		return rail.Payer{}, nil, badSource("wallet", "invalid_wallet", "wallet is the zero address, which is nobody's account.")
	}
	return rail.Payer{Wallet: wallet, Safe: safe, Owner: owner}, from, nil
}

// invalidCalldata is the documented text of what cannot be answered with
// calldata; the reason follows it.
const invalidCalldata = "Invalid secure payment calldata request"

func badSource(field, code, why string) *fault.Error {
	return fault.Field(field, code, invalidCalldata+": "+why)
}

// source reads what a payer wants to pay with; nil if neither is given.
func (d *dialect) source(selector, symbol string) (*source, error) {
	switch {
	case selector == "" && symbol == "":
		return nil, nil
	case selector == "":
		return nil, badSource("chain", "missing_chain", "chain is missing: chain and token can only be given together.")
	case symbol == "":
		return nil, badSource("token", "missing_token", "token is missing: chain and token can only be given together.")
	case strings.EqualFold(selector, "tron"):
		return nil, badSource("chain", "tron_unsupported", "payments from Tron are not supported here.")
	}
	chain, ok := d.Checkout.Book().Network(selector)
	if !ok || selector != chain.Selector {
		return nil, badSource("chain", "unknown_chain", "chain must be one of the supported chains, like BASE.")
	}
	token, ok := tokenOn(d.Checkout.Book(), chain, symbol)
	if !ok {
		return nil, badSource("token", "unsupported_token", fmt.Sprintf("%s on %s is not supported here.", clip(symbol, 20), chain.Name))
	}
	return &source{chain, token}, nil
}

// tokenOn finds a chain's token by its symbol or, as for USDT0, by another name
// that the chain's table has for it.
func tokenOn(book *asset.Book, chain asset.Chain, symbol string) (asset.Token, bool) {
	for _, t := range book.Tokens() {
		if t.Chain == chain.ID && strings.EqualFold(t.Symbol, symbol) {
			return t, true
		}
	}
	t, ok := book.Token(asset.ID(symbol + "-" + chain.Network))
	return t, ok && t.Chain == chain.ID
}

func (s source) String() string { return s.token.Symbol + " on " + s.chain.Name }

// dollar reports whether a token is one of those that routes start from and end
// in, by the documented list.
func dollar(t asset.Token) bool {
	return !t.Native && slices.Contains([]string{"USDC", "USDT", "USDT0"}, t.Symbol)
}

// way finds the option that starts from a source.
//
// Faults: Invalid if there is none; Unavailable "routing_off" or
// "routing_unavailable" if there would be one, but not now.
func (d *dialect) way(ctx context.Context, p *payment.Payment, payer rail.Payer, from source) (rail.Option, error) {
	chooses := payer
	if !payer.Owner.IsZero() { // what his account cannot pay, Prepare says
		chooses = rail.Payer{Wallet: payer.Owner}
	}
	offered, err := d.Checkout.Offers(ctx, p, chooses)
	if err != nil {
		return rail.Option{}, err
	}
	if i := slices.IndexFunc(offered, func(o rail.Option) bool {
		return o.Chain == from.chain.ID && slices.ContainsFunc(o.Costs, func(c rail.Cost) bool { return c.Asset == from.token.ID })
	}); i >= 0 {
		return offered[i], nil
	}
	due, _ := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	switch {
	case len(p.Terms.Requests) > 1:
		return rail.Option{}, badSource("token", "unsupported_route", "several requests are paid from their own chain, with their own assets.")
	case !dollar(from.token), !dollar(due):
		return rail.Option{}, badSource("token", "unsupported_route", fmt.Sprintf("this payment cannot be made with %s.", from))
	}
	return rail.Option{}, d.closed(ctx, p, payer, from)
}

// closed says why there is no way from a source that there could be one from.
func (d *dialect) closed(ctx context.Context, p *payment.Payment, payer rail.Payer, from source) error {
	due, _ := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	for _, m := range d.Checkout.MissingFor(ctx, p, payer) {
		small := m.Code == "amount_too_small" && due.Chain == from.chain.ID // of no concern to an exchange
		if small || (m.Chain != 0 && m.Chain != from.chain.ID) || (m.Asset != "" && m.Asset != from.token.ID) {
			continue
		}
		if m.Code == "routing_off" || m.Code == "routing_unavailable" {
			return fault.New(fault.Unavailable, m.Code, m.Why)
		}
		if field := barring(m); field != "" {
			return fault.Field(field, m.Code, m.Why)
		}
		return badSource("chain", m.Code, m.Why)
	}
	if d.Restamp == nil {
		return errRoutingOff
	}
	return badSource("token", "unsupported_route", fmt.Sprintf("this payment cannot be made with %s.", from))
}

// chosen finds the option that a caller wants calldata for, "" for the payment's
// own. It asks what Prepare asks again: whoever may not see the payment must not
// learn from here what it is due in.
//
// Faults: those of Payable, Admission.Refusal and way; Invalid without a wallet.
func (d *dialect) chosen(ctx context.Context, p *payment.Payment, payer rail.Payer, from *source) (string, error) {
	if from == nil {
		return "", nil
	}
	if err := d.Checkout.Payable(p); err != nil {
		return "", err
	}
	admitted, err := d.Checkout.Admit(ctx, p, payer.Person())
	if err != nil {
		return "", err
	}
	if err := admitted.Refusal(); err != nil {
		return "", err
	}
	o, err := d.way(ctx, p, payer, *from)
	if err == nil && o.Type != rail.SameChain && payer.Wallet.IsZero() {
		return "", badSource("wallet", "missing_wallet", "wallet is required to pay from another chain or with another token.")
	}
	return o.ID, err
}

// unrouted words what goes wrong with a route. A service that offers none for a
// source is the caller's to hear as a wrong source; the rest passes.
func unrouted(from *source, err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case from == nil || !ok:
		return err
	case f.Kind == fault.NotFound && f.Code == "no_bridge":
		return badSource("chain", f.Code, f.Public).Because(err)
	case f.Kind == fault.NotFound && f.Code == "no_route":
		return badSource("token", "no_route", fmt.Sprintf("there is no route from %s to this payment now.", from)).Because(err)
	case f.Kind == fault.Invalid && f.Field == "":
		return f.At("token")
	}
	return err
}

// choice is what a wallet may choose among: by chain and token, human amounts.
type choice struct {
	PaymentOptions map[string]map[string]optionWire `json:"paymentOptions"`

	// Additions to the documented shape: chains that did not answer in time, and
	// ways that are not offered now.
	UnavailableChains []string           `json:"unavailableChains"`
	UnavailableRoutes []unavailableRoute `json:"unavailableRoutes"`
}

type optionWire struct {
	Balance          string `json:"balance"`
	HasEnoughBalance bool   `json:"hasEnoughBalance"`
	NeededAmount     string `json:"neededAmount"`

	// Additions to the documented shape.
	BalanceUnits     string         `json:"balanceUnits"`
	NeededUnits      string         `json:"neededUnits"`
	Decimals         uint8          `json:"decimals"`
	FeeAmount        string         `json:"feeAmount,omitempty"` // absent where only the price tells
	RouteType        rail.RouteType `json:"routeType"`
	EstimatedSeconds int64          `json:"estimatedSeconds"`
	// Estimated tells that the amount is what the way takes at most.
	Estimated bool `json:"estimated"`
}

type unavailableRoute struct {
	Chain   string `json:"chain,omitempty"` // absent for all but the payment's own
	Token   string `json:"token,omitempty"` // absent for all of the chain
	Code    string `json:"code"`
	Message string `json:"message"`
}

// choice words what a wallet may choose among; nil where there is no choice to
// make: no wallet, or a payment that needs nothing now.
//
// Faults: those of Options; Invalid for a Safe or a smart account that cannot sign where
// it is to.
func (d *dialect) choice(ctx context.Context, p *payment.Payment, payer rail.Payer, from *source) (*choice, error) {
	if payer.Wallet.IsZero() || d.Checkout.Payable(p) != nil {
		return nil, nil
	}
	_, found, err := d.Checkout.Options(ctx, p.ID, payer)
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Forbidden) {
		return nil, nil // it was paid, or is over, since p was loaded
	}
	if err != nil {
		return nil, err
	}
	if err := d.elsewhere(p, payer, from, found); err != nil {
		return nil, err
	}
	w := &choice{PaymentOptions: map[string]map[string]optionWire{}, UnavailableChains: []string{}, UnavailableRoutes: []unavailableRoute{}}
	for _, id := range found.Silent {
		w.UnavailableChains = append(w.UnavailableChains, d.selector(id))
	}
	for _, m := range found.Missing {
		out := unavailableRoute{Code: m.Code, Message: m.Why}
		if m.Chain != 0 {
			out.Chain = d.selector(m.Chain)
		}
		if token, ok := d.Checkout.Book().Token(m.Asset); ok {
			out.Token = token.Symbol
		}
		w.UnavailableRoutes = append(w.UnavailableRoutes, out)
	}
	for _, o := range found.Ways {
		w.add(d.selector(o.Chain), o)
	}
	return w, nil
}

// add words one way. Of two that start from the same token the first is the
// cheaper one.
func (w *choice) add(chain string, o checkout.Way) {
	if o.Balance == nil {
		w.UnavailableRoutes = append(w.UnavailableRoutes, unavailableRoute{
			Chain: chain, Token: o.Token.Symbol, Code: "balance_unknown", Message: "The token did not say what the wallet holds.",
		})
		return
	}
	if _, there := w.PaymentOptions[chain][o.Token.Symbol]; there {
		return
	}
	if w.PaymentOptions[chain] == nil {
		w.PaymentOptions[chain] = map[string]optionWire{}
	}
	out := optionWire{
		Balance: money.Format(o.Balance, o.Token.Decimals), HasEnoughBalance: o.Enough(), NeededAmount: money.Format(o.Needed(), o.Token.Decimals),
		BalanceUnits: o.Balance.String(), NeededUnits: o.Needed().String(), Decimals: o.Token.Decimals,
		RouteType: o.Type, EstimatedSeconds: int64(o.Duration.Seconds()), Estimated: o.Estimated,
	}
	switch {
	case o.Fee != nil:
		out.FeeAmount = money.Format(o.Fee, o.Token.Decimals)
	case !o.Estimated:
		out.FeeAmount = "0"
	}
	w.PaymentOptions[chain][o.Token.Symbol] = out
}

func (d *dialect) selector(id asset.ChainID) string {
	chain, _ := d.Checkout.Book().Chain(id)
	return chain.Selector
}
