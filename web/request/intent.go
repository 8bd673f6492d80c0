package request

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web"
)

// asked is where a request keeps the payment that it is about.
const asked = "payment"

// intent takes the caller's word that a transaction was sent: a hint that makes
// us look at once, never evidence. The same hash again is no news, and with an
// Idempotency-Key the first answer comes back even when the payment is over.
func (d *Dialect) intent(c echo.Context) error {
	err := d.once(d.authenticate, d.intend)(c)
	p, _ := c.Get(asked).(*payment.Payment)
	if err == nil || p == nil {
		return err
	}
	return d.ended(c, p, checkout.Admission{}, err)
}

// intend checks an intent. Whether the wallet may pay, and what a chain shows, is
// asked before the effect: providers and nodes take their time.
func (d *Dialect) intend(c echo.Context, who caller, body []byte) (effect, error) {
	var in intentBody
	if err := web.Decode(body, &in); err != nil {
		return nil, err
	}
	ctx := c.Request().Context()
	p, err := d.owned(ctx, who, c.Param("token"))
	if err != nil {
		return nil, err
	}
	c.Set(asked, p)
	if err := over(p); err != nil {
		return nil, err
	}
	from, payer, err := d.intended(in)
	if err != nil {
		return nil, err
	}
	admitted, err := d.Checkout.Admit(ctx, p, payer.Wallet)
	if err != nil {
		return nil, err
	}
	if err := admitted.Refusal(); err != nil {
		return nil, err
	}
	// Only who may see the payment learns what it is due in.
	if err := d.fits(p, in, from); err != nil {
		return nil, err
	}
	announce := d.Checkout.Announce
	if d.Checkout.Vouched(ctx, p, from.chain.ID, in.TxHash) {
		announce = d.Checkout.AnnounceVouched
	}
	return func(ctx context.Context) (reply, error) {
		a, err := announce(ctx, p.ID, from.chain.ID, in.TxHash, payer)
		if err != nil {
			return reply{}, err
		}
		w := intentWire{
			IntentID: string(p.ID) + ":" + a.Handle, PaymentReference: p.Terms.Requests[0].Reference,
			TxHash: a.Handle, IsListening: true, PayerAddress: in.PayerAddress,
		}
		if len(p.Terms.Requests) > 1 {
			for _, r := range p.Terms.Requests {
				w.PaymentReferences = append(w.PaymentReferences, r.Reference)
			}
		}
		return reply{status: http.StatusOK, body: w}, nil
	}, nil
}

// intended checks the body of an intent by itself.
func (d *Dialect) intended(in intentBody) (from source, payer rail.Payer, err error) {
	switch {
	case in.TxHash != "" && in.SafeTxHash != "":
		return from, payer, fault.Field("txHash", "ambiguous_hash", "Exactly one of txHash and safeTxHash must be given.")
	case in.SafeTxHash != "":
		return from, payer, fault.Field("safeTxHash", "unsupported_safe", "Paying from a Safe is not supported.")
	case in.SafePaymentDeadline != nil:
		return from, payer, fault.Field("safePaymentDeadline", "deadline_without_safe", "safePaymentDeadline can only be sent with safeTxHash.")
	case in.TxHash == "":
		return from, payer, fault.Field("txHash", "missing_tx_hash", "txHash is required.")
	}
	var ok bool
	if from.chain, ok = d.Checkout.Book().Network(in.Chain); !ok || in.Chain != from.chain.Selector {
		return from, payer, fault.Field("chain", "unknown_chain", "chain is required and must be one of the supported chains, like BASE.")
	}
	if from.token, ok = tokenOn(d.Checkout.Book(), from.chain, in.Token); !ok {
		return from, payer, fault.Field("token", "unsupported_token", "token is required and must be a token that is supported on the chain, like USDC.")
	}
	if err := d.execution(in, from); err != nil {
		return from, payer, err
	}
	// A restricted payment is for the account that holds the keys, not for the
	// smart account it may act through.
	for _, x := range []struct {
		field string
		text  *string
	}{{"payerAddress", in.PayerAddress}, {"payerEoaAddress", in.PayerEOAAddress}} {
		if x.text == nil {
			continue
		}
		a, err := asset.ParseAddress(*x.text)
		if err != nil {
			return from, payer, fault.Field(x.field, "invalid_wallet", x.field+" is "+err.Error()+".")
		}
		payer.Wallet = a
	}
	return from, payer, nil
}

// The documented words for how a transaction pays.
const (
	executesSame    = "evm_same_chain"
	executesCross   = "evm_cross_chain"
	routeSame       = "same_chain"
	routeConversion = "same_chain_conversion"
	routeCross      = "crosschain"
)

func badExecution(field string) *fault.Error {
	return fault.Field(field, "unsupported_execution", "Invalid or unsupported crosschain execution payload")
}

// execution checks what an intent tells of its route: the words, and that they
// are about the source that chain and token name. All of it may be left out, and
// nothing is made of it: the chain shows what a transaction does.
func (d *Dialect) execution(in intentBody, from source) error {
	for _, word := range []struct {
		field string
		value *string
		among []string
	}{
		{"executionKind", in.ExecutionKind, []string{executesSame, executesCross}},
		{"routeKind", in.RouteKind, []string{routeSame, routeConversion, routeCross}},
		{"bridgeTool", in.BridgeTool, []string{"across", "stargate"}},
	} {
		if word.value != nil && !slices.Contains(word.among, *word.value) {
			return badExecution(word.field)
		}
	}
	if in.SourceNetwork != nil {
		if chain, ok := d.Checkout.Book().Network(*in.SourceNetwork); !ok || chain.ID != from.chain.ID {
			return badExecution("sourceNetwork")
		}
	}
	if in.SourceToken != nil && !d.names(*in.SourceToken, from) {
		return badExecution("sourceToken")
	}
	if in.SourceAmount != nil {
		if units, err := money.Parse(*in.SourceAmount, from.token.Decimals); err != nil || units.Sign() == 0 {
			return badExecution("sourceAmount")
		}
	}
	return nil
}

// names reports whether a text is a token's symbol, its currency id or its contract.
func (d *Dialect) names(text string, from source) bool {
	t, ok := tokenOn(d.Checkout.Book(), from.chain, text)
	if !ok {
		t, ok = d.Checkout.Book().Token(asset.ID(text))
	}
	if a, err := asset.ParseAddress(text); err == nil {
		t, ok = d.Checkout.Book().TokenAt(from.chain.ID, a)
	}
	return ok && t.ID == from.token.ID
}

// fits reports why a transaction from a source cannot be one that pays the
// payment, or not in the way it was told.
func (d *Dialect) fits(p *payment.Payment, in intentBody, from source) error {
	due, _ := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	own := slices.ContainsFunc(p.Terms.Requests, func(r payment.Request) bool { return r.Asset == from.token.ID })
	if !own && (d.Restamp == nil || len(p.Terms.Requests) > 1 || !dollar(from.token) || !dollar(due)) {
		return badExecution("token")
	}
	crosses := from.chain.ID != due.Chain
	executes, route := executesSame, routeSame
	switch {
	case crosses:
		executes, route = executesCross, routeCross
	case !own:
		route = routeConversion
	}
	switch {
	case in.ExecutionKind != nil && *in.ExecutionKind != executes:
		return badExecution("executionKind")
	case in.RouteKind != nil && *in.RouteKind != route:
		return badExecution("routeKind")
	case in.BridgeTool != nil && !crosses:
		return badExecution("bridgeTool")
	}
	return nil
}
