package request

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

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
func (d *dialect) intent(c echo.Context) error {
	err := d.once(d.authenticate, d.intend)(c)
	p, _ := c.Get(asked).(*payment.Payment)
	if err == nil || p == nil {
		return err
	}
	if underWay(fault.CodeOf(err)) {
		return err // money, a Safe or an operation that was there first: it refuses this intent, and locks none
	}
	return d.ended(c, p, checkout.Admission{}, err)
}

// intend checks an intent. Whether the wallet may pay, and what a chain shows, is
// asked before the effect: providers and nodes take their time.
func (d *dialect) intend(c echo.Context, who caller, body []byte) (effect, error) {
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
	by, err := d.intended(in)
	if err != nil {
		return nil, err
	}
	told, err := safeIntent(in, by, time.Now())
	if err != nil {
		return nil, err
	}
	if in.SafeTxHash != "" {
		return d.propose(ctx, p, in, by, told)
	}
	if _, err := d.admit(ctx, p, by.holder); err != nil {
		return nil, err
	}
	// Only who may see the payment learns what it is due in.
	if err := d.fits(p, in, by.source); err != nil {
		return nil, err
	}
	// Wallets that are connected to a Safe give its own hash out for a transaction's.
	if d.Checkout.MeansSafe(ctx, p, by.chain.ID, in.TxHash, by.wallet) {
		return d.propose(ctx, p, in, by, checkout.GuessSafe(by.chain.ID, in.TxHash, by.wallet, true))
	}
	announce := d.Checkout.Announce
	if d.Checkout.Vouched(ctx, p, by.chain.ID, in.TxHash) {
		announce = d.Checkout.AnnounceVouched
	}
	payer := rail.Payer{Wallet: cmp.Or(by.wallet, by.holder)}
	if by.holder != payer.Wallet {
		payer.Owner = by.holder
	}
	return func(ctx context.Context) (reply, error) {
		a, err := announce(ctx, p.ID, by.chain.ID, in.TxHash, payer)
		if err != nil {
			return reply{}, err
		}
		w := answerTo(p, a, in)
		w.TxHash = a.Handle
		return reply{status: http.StatusOK, body: w}, nil
	}, nil
}

// admit lets a wallet in, or returns why not as the fault.
func (d *dialect) admit(ctx context.Context, p *payment.Payment, wallet asset.Address) (checkout.Admission, error) {
	a, err := d.Checkout.Admit(ctx, p, wallet)
	if err != nil {
		return a, err
	}
	return a, a.Refusal()
}

// answerTo words what is alike in the answers to all intents.
func answerTo(p *payment.Payment, a payment.Attempt, in intentBody) intentWire {
	w := intentWire{
		IntentID: string(p.ID) + ":" + a.Handle, PaymentReference: p.Terms.Requests[0].Reference, IsListening: true, PayerAddress: in.PayerAddress,
	}
	if len(p.Terms.Requests) > 1 {
		for _, r := range p.Terms.Requests {
			w.PaymentReferences = append(w.PaymentReferences, r.Reference)
		}
	}
	return w
}

// sender is what an intent tells of who sent a transaction, and of what.
type sender struct {
	source
	wallet asset.Address // payerAddress, zero if it was not told
	// holder is the account that holds the keys, for which a restricted payment is:
	// payerEoaAddress, where the wallet is a smart account that it acts through.
	holder asset.Address
}

// intended checks the body of an intent by itself, but for what it tells of a Safe.
func (d *dialect) intended(in intentBody) (by sender, err error) {
	const one = "Exactly one of txHash and safeTxHash must be given."
	safe := in.SafeTxHash != ""
	switch {
	case in.TxHash != "" && safe:
		return by, fault.Field("txHash", "ambiguous_hash", one)
	case in.TxHash == "" && !safe:
		return by, fault.Field("txHash", "missing_tx_hash", one)
	case in.SafePaymentDeadline != nil && !safe:
		return by, fault.Field("safePaymentDeadline", "deadline_without_safe", "safePaymentDeadline can only be sent with safeTxHash.")
	case in.SafeTx.text != nil && !safe:
		return by, fault.Field("safeTx", "safe_tx_without_safe", "safeTx can only be sent with safeTxHash.")
	case in.SafeSignatures != nil && !safe:
		return by, fault.Field("safeSignatures", "signatures_without_safe", "safeSignatures can only be sent with safeTxHash.")
	}
	var ok bool
	if by.chain, ok = d.Checkout.Book().Network(in.Chain); !ok || in.Chain != by.chain.Selector {
		return by, fault.Field("chain", "unknown_chain", "chain is required and must be one of the supported chains, like BASE.")
	}
	if by.token, ok = tokenOn(d.Checkout.Book(), by.chain, in.Token); !ok {
		return by, fault.Field("token", "unsupported_token", "token is required and must be a token that is supported on the chain, like USDC.")
	}
	if err := d.execution(in, by.source); err != nil {
		return by, err
	}
	for _, x := range []struct {
		field string
		text  *string
		to    *asset.Address
	}{{"payerAddress", in.PayerAddress, &by.wallet}, {"payerEoaAddress", in.PayerEOAAddress, &by.holder}} {
		if x.text == nil {
			continue
		}
		a, err := asset.ParseAddress(*x.text)
		if err != nil {
			return by, fault.Field(x.field, "invalid_wallet", x.field+" is "+err.Error()+".")
		}
		*x.to = a
	}
	if in.PayerEOAAddress == nil {
		by.holder = by.wallet
	}
	return by, nil
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
func (d *dialect) execution(in intentBody, from source) error {
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
func (d *dialect) names(text string, from source) bool {
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
func (d *dialect) fits(p *payment.Payment, in intentBody, from source) error {
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
