package request

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// Encoder words events as the vendor's webhooks.
type Encoder struct {
	Book    *asset.Book
	BaseURL string
}

// processor is one of the two values the vendor documents; receivers match on it.
const processor = "request-network"

// Encode implements webhook.Encoder. A payment made over a hosted page tells of
// itself twice, under the plain name and as .checkout, and a third time as
// .client_id if a client id made it.
func (e Encoder) Encode(_ context.Context, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	switch ev.Kind {
	case payment.EventPaid:
		return e.moved("payment.confirmed", true, ev, p)
	case payment.EventPartial:
		return e.moved("payment.partial", true, ev, p)
	case payment.EventLate:
		return e.moved("payment.late", false, ev, p)
	case payment.EventSurplus:
		return e.moved("payment.overpaid", false, ev, p)
	case payment.EventFailed:
		return e.failed(ev, p, statusOf(p))
	case payment.EventBroken:
		return e.failed(ev, p, statusWord(payment.Open))
	case payment.EventRefunded:
		return e.refunded(ev, p)
	case payment.EventUser:
		return e.user(ev, p)
	case payment.EventRejected:
		return one("secure_payment.access_rejected", rejectedEvent{
			Event: "secure_payment.access_rejected", RequestID: p.Terms.Requests[0].ID,
			AttemptedPayerWalletAddress: strings.ToLower(ev.Fields[payment.FieldWallet]), Timestamp: timestamp(ev.At),
			SecurePaymentToken: string(p.ID), RequestIDs: requestIDs(p), Reason: ev.Fields[payment.FieldReason], Sequence: ev.Seq,
		})
	case payment.EventUnsafe:
		return one("secure_payment.unsafe", unsafeEvent{
			Event: "secure_payment.unsafe", RequestID: p.Terms.Requests[0].ID, SecurePaymentToken: string(p.ID),
			Detail: ev.Detail, Timestamp: second(ev.At), Sequence: ev.Seq,
		})
	case payment.EventCreated, payment.EventAnnounced, payment.EventBridging, payment.EventSeen, payment.EventReorged, payment.EventExpired, payment.EventCanceled:
		return nil, nil
	}
	return nil, fmt.Errorf("no webhook for event kind %q", ev.Kind)
}

func one(name string, v any) ([]webhook.Message, error) {
	body, err := webhook.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return []webhook.Message{{Event: name, Body: body}}, nil
}

func requestIDs(p *payment.Payment) []string {
	ids := make([]string, len(p.Terms.Requests))
	for i, r := range p.Terms.Requests {
		ids[i] = r.ID
	}
	return ids
}

// moved words an event about money.
func (e Encoder) moved(name string, variants bool, ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	if ev.Transfer == nil || ev.Request < 0 || ev.Request >= len(p.Terms.Requests) {
		return nil, fmt.Errorf("event %s of kind %s carries no transfer", ev.ID, ev.Kind)
	}
	body, err := e.body(ev, p)
	if err != nil {
		return nil, err
	}
	names := []string{name}
	if variants {
		names = append(names, name+".checkout")
		if p.Terms.ClientID != "" {
			names = append(names, name+".client_id")
		}
	}
	var out []webhook.Message
	for _, n := range names {
		b := body
		b.Event = n
		m := webhook.Message{Event: n}
		if n == name+".client_id" {
			m.ClientID = p.Terms.ClientID
		}
		if m.Body, err = webhook.Marshal(b); err != nil {
			return nil, fmt.Errorf("encode %s: %w", n, err)
		}
		out = append(out, m)
	}
	return out, nil
}

func (e Encoder) body(ev payment.Event, p *payment.Payment) (paymentEvent, error) {
	r, x := p.Terms.Requests[ev.Request], *ev.Transfer
	token, ok := e.Book.Token(r.Asset)
	if !ok {
		return paymentEvent{}, fmt.Errorf("asset %s is not known any more", r.Asset)
	}
	chain, _ := e.Book.Chain(token.Chain)
	human := func(v *big.Int) string { return money.Format(v, token.Decimals) }
	b := paymentEvent{
		RequestID: r.ID, RequestIDUpper: r.ID, PaymentReference: r.Reference, Explorer: chain.TxURL(x.Evidence.Tx),
		Amount: human(x.Amount), TotalAmountPaid: human(new(big.Int).Add(ev.Standing.Settled, ev.Standing.Late)), ExpectedAmount: human(r.Due),
		Timestamp: second(ev.At), TxHash: x.Evidence.Tx, PayerAddress: optional(x.Evidence.Payer), PayerEOAAddress: optional(p.Holder(x)),
		Network: token.Network, Currency: token.Symbol, PaymentCurrency: token.Symbol, PaymentProcessor: processor, Fees: []eventFee{},
		SecurePaymentToken: string(p.ID), Sequence: ev.Seq, Payee: r.Payee.String(), Reference: p.Terms.Reference,
		PayerIdentifier: p.Terms.PayerIdentifier, RecipientIdentifier: p.Terms.RecipientIdentifier,
		ClientID: p.Terms.ClientID, Origin: p.Terms.Origin,
	}
	if b.Explorer == "" {
		b.Explorer = e.BaseURL + web.PagePath(string(p.ID))
	}
	if x.Fee != nil && x.Fee.Sign() > 0 {
		b.Fees = append(b.Fees, eventFee{Type: "platform", Amount: human(x.Fee), Currency: token.Symbol})
	}
	if from := x.Evidence.Source; from.Route != "" {
		source, _ := e.Book.Chain(from.Chain)
		b.SourceNetwork, b.SourceTxHash = source.Network, from.Tx
	}
	if excess := ev.Standing.Excess(r.Due); excess.Sign() > 0 {
		b.ExcessAmount = human(excess)
	}
	return b, nil
}

// failures are our words for the reasons that payments, or attempts at them, fail
// for.
var failures = map[string]string{
	checkout.ReasonCallFailed:   "The money arrived over a bridge and the payment with it failed: the payer has the money, on the payment's network.",
	checkout.ReasonSourceFailed: "The transaction that was to send the money over a bridge failed.",

	"compliance_failed":         "A compliance check refused the recipient's wallet.",
	checkout.ReasonSafeFailed:   "The Safe's transaction was executed and failed.",
	checkout.ReasonSafeLate:     "The Safe's transaction was not executed in time.",
	checkout.ReasonSafeReplaced: "Another transaction of the Safe took the place of the one that was to pay.",
	checkout.ReasonSafeForeign:  "The Safe's transaction does not make this payment.",

	payment.ReasonOpFailed:   "The smart account's operation was executed, and its calls failed.",
	payment.ReasonOpReplaced: "Another operation of the smart account took the place of the one that was to pay.",
	payment.ReasonOpExpired:  "The smart account's operation was not executed in time.",
	payment.ReasonOpRefused:  "The smart account's operation was refused before it could be executed.",
}

// failed words the end of a payment that can no longer be made, or of an attempt
// at one that can; status tells. It fails as a whole; the documented body has room
// for one request, so the others are beside it.
func (e Encoder) failed(ev payment.Event, p *payment.Payment, status string) ([]webhook.Message, error) {
	r := p.Terms.Requests[max(ev.Request, 0)]
	token, ok := e.Book.Token(r.Asset)
	if !ok {
		return nil, fmt.Errorf("asset %s is not known any more", r.Asset)
	}
	paid := new(big.Int)
	for _, x := range p.Transfers {
		if x.Request == r.Index && x.Stage == payment.Final && !x.At.After(ev.At) {
			paid.Add(paid, x.Credit)
		}
	}
	why, known := failures[ev.Detail]
	if !known {
		why = "The payment failed."
	}
	due := money.Format(r.Due, token.Decimals)
	w := failedEvent{
		Event: "payment.failed", RequestID: r.ID, RequestIDUpper: r.ID, PaymentReference: r.Reference, SubStatus: ev.Detail,
		PaymentProcessor: processor, Amount: due, TotalAmountPaid: money.Format(paid, token.Decimals), ExpectedAmount: due,
		Timestamp: second(ev.At), PaymentCurrency: token.Symbol, FailureReason: why,
		SecurePaymentToken: string(p.ID), RequestIDs: requestIDs(p), Reference: p.Terms.Reference, Sequence: ev.Seq,
		Status: status, SourceTxHash: ev.Fields[payment.FieldTx],
	}
	if a, ok := failing(ev, p); ok {
		chain, _ := e.Book.Chain(a.Chain)
		w.SourceNetwork = chain.Network
		if a.Safe != nil {
			w.SafeTxHash, w.SourceTxHash = a.Handle, a.Safe.ExecutedBy
		}
		if a.Op != nil {
			w.UserOpHash, w.SourceTxHash = a.Handle, a.Op.ExecutedBy
			w.PayerAddress, w.PayerEOAAddress = a.Payer, a.Op.Owner
		}
	}
	return one(w.Event, w)
}

// failing finds the attempt that an event says came to nothing. That of a Safe
// may have been what the payment depended on.
func failing(ev payment.Event, p *payment.Payment) (payment.Attempt, bool) {
	if a, ok := attemptOf(p, ev.Fields[payment.FieldTx]); ok {
		return a, true
	}
	a, ok := p.Failure()
	return a, ok && a.Safe != nil && ev.Kind == payment.EventFailed && a.Reason == ev.Detail
}

// attemptOf finds the attempt of a transaction, or of a Safe's or a smart account's.
func attemptOf(p *payment.Payment, tx string) (payment.Attempt, bool) {
	i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return tx != "" && a.Handle == tx })
	if i < 0 {
		return payment.Attempt{}, false
	}
	return p.Attempts[i], true
}

// refunded words value that went back: what the merchant recorded, in the
// request's asset, or what a bridge gave back, in the asset and on the network
// that the payer sent it from.
func (e Encoder) refunded(ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	if ev.Request < 0 || ev.Request >= len(p.Terms.Requests) {
		return nil, fmt.Errorf("event %s of kind %s names no request", ev.ID, ev.Kind)
	}
	r := p.Terms.Requests[ev.Request]
	id := cmp.Or(asset.ID(ev.Fields[payment.FieldAsset]), r.Asset)
	token, ok := e.Book.Token(id)
	amount, valid := new(big.Int).SetString(ev.Fields[payment.FieldAmount], 10)
	if !ok || !valid {
		return nil, fmt.Errorf("event %s refunds %q of asset %s", ev.ID, ev.Fields[payment.FieldAmount], id)
	}
	return one("payment.refunded", refundedEvent{
		Event: "payment.refunded", RequestID: r.ID, RequestIDUpper: r.ID, PaymentReference: r.Reference, RefundedTo: ev.Fields[payment.FieldWallet],
		RefundAmount: money.Format(amount, token.Decimals), Currency: token.Symbol, Timestamp: timestamp(ev.At), PaymentProcessor: processor,
		TxHash: ev.Fields[payment.FieldTx], Network: token.Network, Reason: ev.Fields[payment.FieldReason], SecurePaymentToken: string(p.ID), Reference: p.Terms.Reference, Sequence: ev.Seq,
	})
}

// userWords are the API's words for what a payer did.
var userWords = map[string]string{
	checkout.UserConnected: "wallet_connected", checkout.UserSent: "payment_sent_to_wallet", checkout.UserApproved: "payment_approved_in_wallet",
}

// user words what the payer's page told. A wallet's account is in it as a hash only.
func (e Encoder) user(ev payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	w := userEvent{
		Event: "secure_payment.user_event", UserEvent: userWords[ev.Fields[payment.FieldAction]], SecurePaymentToken: string(p.ID), RequestIDs: requestIDs(p),
		OccurredAt: ev.Fields[payment.FieldOccurred], Timestamp: timestamp(ev.At), Sequence: ev.Seq,
		Properties: userProperties{
			WalletProvider: ev.Fields[payment.FieldProvider], SubmissionID: ev.Fields[payment.FieldTx],
			PaymentType: typeOf(p), WalletAddressHashed: ev.Fields[payment.FieldHash],
		},
	}
	if len(w.RequestIDs) == 1 {
		w.RequestID = w.RequestIDs[0]
	}
	if w.OccurredAt == "" {
		w.OccurredAt = w.Timestamp
	}
	if w.Properties.SubmissionID != "" {
		w.Properties.SubmissionIDType = "evm_tx_hash"
	}
	// Another chain than the payment's own is known once its transaction was announced.
	if token, ok := e.Book.Token(p.Terms.Requests[0].Asset); ok {
		w.Properties.SelectedSourceChain = token.Network
	}
	if a, ok := attemptOf(p, w.Properties.SubmissionID); ok {
		chain, _ := e.Book.Chain(a.Chain)
		w.Properties.SelectedSourceChain = chain.Network
		if a.Safe != nil {
			w.Properties.SubmissionIDType = "safe_tx_hash"
		}
		if a.Op != nil {
			w.Properties.SubmissionIDType = "user_op_hash"
		}
	}
	return one(w.Event, w)
}

// Tells implements webhook.Encoder: what the API documents.
func (Encoder) Tells(k payment.EventKind) bool { return k.Announced() }

// Disabled implements webhook.Encoder. What follows the path of the endpoint's
// URL is left out: it may be a secret that another endpoint must not learn.
func (e Encoder) Disabled(at merchant.Endpoint) (webhook.Message, error) {
	shown, _, _ := strings.Cut(at.URL, "?")
	ms, err := one(eventDisabled, disabledEvent{
		Event: eventDisabled, WebhookID: at.ID, URL: shown, ClientID: at.ClientID, Reason: at.DisabledWhy,
		FailingSince: timestamp(at.FailingSince), Timestamp: timestamp(at.DisabledAt),
	})
	if err != nil {
		return webhook.Message{}, err
	}
	return ms[0], nil
}

// second is ISO-8601 in UTC without fractions, as in the vendor's webhooks.
func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Headers implements webhook.Encoder. The signature is over the body alone, as
// documented; careful receivers use the timestamped one beside it. The documented
// header holds one signature: while a rotation's overlap lasts it stays with the
// secret that every receiver has, and the new one's is beside it.
func (e Encoder) Headers(d webhook.Delivery, secrets []string, _ time.Time) map[string]string {
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.Body)
		return hex.EncodeToString(mac.Sum(nil))
	}
	h := map[string]string{
		"x-request-network-signature":   sign(secrets[len(secrets)-1]),
		"x-request-network-delivery":    d.ID,
		"x-request-network-retry-count": strconv.Itoa(d.Attempts),
	}
	if len(secrets) > 1 {
		h["x-request-network-signature-next"] = sign(secrets[0])
	}
	if d.Test {
		h["x-request-network-test"] = "true"
	}
	return h
}
