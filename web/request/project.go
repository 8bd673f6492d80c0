package request

import (
	"math/big"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// statusWord projects a state onto the dialect's words. Value on its way leaves
// a payment pending, and the documented set has no words for a cancelled or
// failed one but these.
func statusWord(s payment.State) string {
	switch s {
	case payment.Open, payment.Seen:
		return "pending"
	case payment.Paid:
		return "completed"
	case payment.Expired:
		return "expired"
	case payment.Canceled:
		return "invalidated"
	case payment.Failed:
		return "failed"
	}
	panic("request: no status for " + s)
}

func requestStatuses(p *payment.Payment) []requestStatus {
	out := make([]requestStatus, len(p.Terms.Requests))
	for i, r := range p.Terms.Requests {
		out[i] = requestStatus{RequestID: r.ID, HasBeenPaid: p.Standing.Requests[i].State == payment.Paid}
		if x, ok := p.Telling(i); ok {
			out[i].TxHash = x.Evidence.Tx
		}
	}
	return out
}

func (d *Dialect) single(p *payment.Payment) (singleWire, error) {
	r := p.Terms.Requests[0]
	token, ok := d.Checkout.Book().Token(r.Asset)
	if !ok {
		return singleWire{}, fault.New(fault.Unavailable, "asset_unknown", "The asset of this payment is not supported here any more.")
	}
	w := singleWire{
		PaymentType: "single", Status: statusWord(p.Standing.State),
		RedirectURL: optional(p.Terms.RedirectURL), RedirectLabel: optional(p.Terms.RedirectLabel),
		RequestIDs: []string{r.ID}, Payee: r.Payee.String(), Network: token.Network,
		Amount: r.Due.String(), PaymentCurrency: string(token.ID), IsNativeCurrency: token.Native,
		Destination: destinationOf(r, token), Reference: optional(p.Terms.Reference), FeePlan: d.feePlan(p),
		AmountHuman: money.Format(r.Due, token.Decimals), Decimals: token.Decimals,
		ReceivedHuman:    money.Format(p.Standing.Requests[0].Received, token.Decimals),
		PaymentReference: r.Reference, ExpiresAt: timestamp(p.Terms.ExpiresAt),
	}
	return w, nil
}

func destinationOf(r payment.Request, token asset.Token) *destinationWire {
	dest := asset.Destination{Wallet: r.Payee, Chain: token.Chain, Token: token.Address}
	return &destinationWire{
		DestinationID: dest.String(), PayeeAddress: dest.Interop(), TokenAddress: token.Address.String(),
		WalletAddress: r.Payee.String(), Network: token.Network,
	}
}

func (d *Dialect) found(p *payment.Payment) foundWire {
	r := p.Terms.Requests[0]
	w := foundWire{
		Token: string(p.ID), SecurePaymentURL: d.payURL(p), Status: statusWord(p.Standing.State), PaymentType: "single",
		CreatedAt: timestamp(p.Terms.CreatedAt), ExpiresAt: timestamp(p.Terms.ExpiresAt),
		RedirectURL: optional(p.Terms.RedirectURL), RedirectLabel: optional(p.Terms.RedirectLabel),
		Currency: string(r.Asset), RequestStatuses: requestStatuses(p),
	}
	if token, ok := d.Checkout.Book().Token(r.Asset); ok {
		w.Network, w.Destination = token.Network, destinationOf(r, token)
	}
	if !p.Standing.SettledAt.IsZero() {
		w.CompletedAt = optional(timestamp(p.Standing.SettledAt))
	}
	if x, ok := p.Telling(0); ok {
		w.PayerAddress = optional(x.Evidence.Payer)
	}
	return w
}

// timestamp is ISO-8601 in UTC with milliseconds, as in the vendor's examples.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// feePlan computes the vendor's fee snapshot. It counts in US dollars, so it is
// nil unless the asset is a dollar stablecoin, and nil where there is no fee.
func (d *Dialect) feePlan(p *payment.Payment) *feePlan {
	if len(p.Terms.Requests) != 1 {
		return nil
	}
	r := p.Terms.Requests[0]
	token, ok := d.Checkout.Book().Token(r.Asset)
	if !ok || r.Fee == nil || !strings.HasPrefix(token.Symbol, "USD") {
		return nil
	}
	bps, err := money.ParsePercent(r.Fee.Share)
	if err != nil {
		return nil
	}
	usd := func(v *big.Int) string { return money.Format(v, token.Decimals) }
	return &feePlan{
		Version: 1, Flow: "get_paid", DefaultFeeBearer: "payer",
		GrossAmountUSD: usd(r.Due), NetRecipientAmountUSD: usd(r.Due),
		PayerTotalAmountUSD: usd(new(big.Int).Add(r.Due, r.Fee.Amount)),
		TotalFeesUSD:        usd(r.Fee.Amount), PayeeBorneFeesUSD: "0", PayerBorneFeesUSD: usd(r.Fee.Amount),
		Fees: []planFee{{
			Type: "platform", Label: "Platform fee", FeeBearer: "payer", FeeBearerSource: "payment_default_override",
			PercentageBps: int(bps), CalculatedAmountUSD: usd(r.Fee.Amount), DestinationResolver: "fixed",
			DestinationRef: destinationRef{EVMAddress: r.Fee.Payee.String()}, ConfigSource: "request",
		}},
	}
}
