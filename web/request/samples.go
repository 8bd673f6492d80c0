package request

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// testable are the events that can be tested, in the order in which the vendor
// lists them.
var testable = []string{
	"payment.processing", "payment.failed", "payment.refunded", "payment.confirmed", "payment.partial", "request.recurring",
	"payment_detail.updated", "compliance.updated", "client_id.linked", "secure_payment.access_rejected",
	"kyt.screening.completed", "secure_payment.user_event",
}

// The samples' own values are recognisable as such and lead nowhere.
var (
	sampleHash   = "0x" + strings.Repeat("ab", 32)
	sampleWallet = asset.Address{0x92, 0xfc, 0x34, 0x06, 19: 0xd5}
)

// Sample words an event of a payment that does not exist, complete as a real
// one. Events that this server never sends have the vendor's shape: whoever has
// code for them can try it here.
func (e Encoder) Sample(event string, now time.Time) (webhook.Message, error) {
	tokens := e.Book.Tokens()
	i := slices.IndexFunc(tokens, func(t asset.Token) bool { return !t.Native })
	if i < 0 {
		return webhook.Message{}, fmt.Errorf("sample of %s: no token is known", event)
	}
	p, ev := samplePayment(tokens[i], now)
	var all []webhook.Message
	var err error
	switch event {
	case "payment.confirmed":
		ev.Kind = payment.EventPaid
		all, err = e.Encode(context.Background(), ev, p)
	case "payment.partial":
		ev.Kind = payment.EventPartial
		ev.Transfer.Amount = new(big.Int).Div(ev.Transfer.Amount, big.NewInt(2))
		ev.Standing.Settled = ev.Transfer.Amount
		all, err = e.Encode(context.Background(), ev, p)
	case "payment.failed":
		ev.Kind, ev.Detail, p.Transfers = payment.EventBroken, checkout.ReasonCallFailed, nil
		ev.Fields = map[string]string{payment.FieldReason: ev.Detail, payment.FieldTx: sampleHash}
		p.Attempts = []payment.Attempt{{Kind: "bridge", Chain: e.sampleSource(tokens[i]).Chain, Handle: sampleHash}}
		all, err = e.Encode(context.Background(), ev, p)
	case "payment.refunded":
		ev.Kind, p.Transfers = payment.EventRefunded, nil
		from := e.sampleSource(tokens[i])
		back := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(from.Decimals)+2), nil)
		ev.Fields = map[string]string{
			payment.FieldWallet: sampleWallet.String(), payment.FieldAmount: back.String(), payment.FieldAsset: string(from.ID),
			payment.FieldTx: sampleHash, payment.FieldReason: checkout.ReasonBridgeRefunded,
		}
		all, err = e.Encode(context.Background(), ev, p)
	case "secure_payment.access_rejected":
		ev.Kind = payment.EventRejected
		ev.Fields = map[string]string{payment.FieldWallet: sampleWallet.String(), payment.FieldReason: "wallet_not_allowed"}
		all, err = e.Encode(context.Background(), ev, p)
	case "secure_payment.user_event":
		ev.Kind = payment.EventUser
		ev.Fields = map[string]string{
			payment.FieldAction: checkout.UserApproved, payment.FieldHash: strings.Repeat("ab", 32), payment.FieldProvider: "metamask",
			payment.FieldTx: sampleHash, payment.FieldOccurred: timestamp(now),
		}
		all, err = e.Encode(context.Background(), ev, p)
	default:
		all, err = foreign(event, p, tokens[i], now)
	}
	if err != nil {
		return webhook.Message{}, fmt.Errorf("sample of %s: %w", event, err)
	}
	if len(all) == 0 {
		return webhook.Message{}, fmt.Errorf("sample of %s: there is none", event)
	}
	return all[0], nil // the plain one; its variants differ by their name
}

// sampleSource is a token of another chain than that of a sample's, or the same
// one where there is no other.
func (e Encoder) sampleSource(due asset.Token) asset.Token {
	for _, t := range e.Book.Tokens() {
		if t.Chain != due.Chain && dollar(t) {
			return t
		}
	}
	return due
}

// samplePayment is a payment of 100 units and the event of its transfer.
func samplePayment(token asset.Token, now time.Time) (*payment.Payment, payment.Event) {
	amount := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(token.Decimals)+2), nil)
	r := payment.Request{
		ID: "01" + strings.Repeat("51", 32), Asset: token.ID, Due: amount, Payee: asset.Address{0x74, 0x2d, 0x35, 0xcc, 19: 0x4e},
		Reference: "0x2c3366941274c34c",
	}
	x := payment.Transfer{
		Key: "sample", Rail: "evmref", Asset: token.ID, Amount: amount, Credit: amount, Stage: payment.Final, At: now,
		Evidence: payment.Evidence{Chain: token.Chain, Block: 1, Tx: sampleHash, Payer: sampleWallet.String()},
	}
	p := &payment.Payment{
		ID:        payment.ID(payment.NamedULID("sample payment")),
		Terms:     payment.Terms{Dialect: Name, Requests: []payment.Request{r}, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Reference: "test-delivery"},
		Transfers: []payment.Transfer{x},
	}
	p.Standing = p.StandingAt(now)
	return p, payment.Event{
		ID: "sample", Seq: 1, Payment: p.ID, Dialect: Name, Request: 0, Transfer: &x, Standing: p.Standing.Requests[0], At: now,
	}
}

// foreign are events of the vendor's that nothing here causes: payouts to bank
// accounts, subscriptions, orchestrators. Their members are those of its examples. It is
// long because each of them is spelled out.
func foreign(event string, p *payment.Payment, token asset.Token, now time.Time) ([]webhook.Message, error) {
	r, at := p.Terms.Requests[0], timestamp(now)
	type object = map[string]any
	switch event {
	case "payment.processing":
		return one(event, struct {
			Event            string `json:"event"`
			RequestID        string `json:"requestId"`
			RequestIDUpper   string `json:"requestID"`
			PaymentReference string `json:"paymentReference"`
			OfframpID        string `json:"offrampId"`
			Timestamp        string `json:"timestamp"`
			SubStatus        string `json:"subStatus"`
			PaymentProcessor string `json:"paymentProcessor"`
			RawPayload       object `json:"rawPayload"`
		}{event, r.ID, r.ID, r.Reference, "offramp_test", second(now), "ongoing_checks", "request-tech", object{"status": "ongoing_checks", "providerId": "provider_test"}})
	case "request.recurring":
		return one(event, struct {
			Event             string `json:"event"`
			RequestID         string `json:"requestId"`
			PaymentReference  string `json:"paymentReference"`
			OriginalRequestID string `json:"originalRequestId"`
			OriginalReference string `json:"originalRequestPaymentReference"`
			Timestamp         string `json:"timestamp"`
			PaymentProcessor  string `json:"paymentProcessor"`
		}{event, r.ID, r.Reference, r.ID, r.Reference, at, processor})
	case "payment_detail.updated":
		return one(event, struct {
			Event            string `json:"event"`
			ClientUserID     string `json:"clientUserId"`
			PaymentDetailsID string `json:"paymentDetailsId"`
			Status           string `json:"status"`
			Timestamp        string `json:"timestamp"`
		}{event, "user_test", "fa898aec_test", "approved", at})
	case "compliance.updated":
		return one(event, struct {
			Event           string `json:"event"`
			ClientUserID    string `json:"clientUserId"`
			KYCStatus       string `json:"kycStatus"`
			AgreementStatus string `json:"agreementStatus"`
			IsCompliant     bool   `json:"isCompliant"`
			Timestamp       string `json:"timestamp"`
			RawPayload      object `json:"rawPayload"`
		}{event, "user_test", "approved", "completed", true, second(now), object{"verificationLevel": "full", "documents": "verified"}})
	case "client_id.linked":
		to := asset.Destination{Wallet: r.Payee, Chain: token.Chain, Token: token.Address}
		return one(event, struct {
			Event             string `json:"event"`
			ClientID          string `json:"clientId"`
			OrchestratorID    string `json:"orchestratorId"`
			LinkID            string `json:"linkId"`
			IntentID          string `json:"intentId"`
			ExternalID        string `json:"externalId"`
			DestinationID     string `json:"destinationId"`
			DestinationWallet string `json:"destinationWalletAddress"`
			Chain             string `json:"chain"`
			Currency          string `json:"currency"`
			Timestamp         string `json:"timestamp"`
		}{event, "cli_test", sampleID("orchestrator"), sampleID("link"), sampleID("intent"), "merchant_test", to.String(), r.Payee.Lower(), token.Network, token.Symbol, at})
	case "kyt.screening.completed":
		return one(event, struct {
			Event               string  `json:"event"`
			PaymentToken        string  `json:"paymentToken"`
			WalletAddress       string  `json:"walletAddress"`
			EOAAddress          string  `json:"eoaAddress"`
			SmartAccountAddress *string `json:"smartAccountAddress"`
			Status              string  `json:"status"`
			Provider            string  `json:"provider"`
			PolicyID            string  `json:"policyId"`
			Timestamp           string  `json:"timestamp"`
		}{event, string(p.ID), sampleWallet.Lower(), sampleWallet.Lower(), nil, "approved", "hypernative", "11111111-1111-4111-8111-111111111111", at})
	}
	return nil, nil
}

func sampleID(of string) string { return payment.NamedULID("sample", of) }
