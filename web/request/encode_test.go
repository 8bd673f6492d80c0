package request_test

import (
	"context"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web/request"
)

// The documented bodies, from the vendor's pages, and those that integrators
// published. Ids are shortened; names, types and order are as they are.
var documented = map[string]string{
	"payment.confirmed": `{"event":"payment.confirmed","requestId":"0151b394","requestID":"0151b394","paymentReference":"0x2c3366941274c34c",
		"explorer":"https://scan.request.network/request/0151b394","amount":"100.0","totalAmountPaid":"100.0","expectedAmount":"100.0",
		"timestamp":"2025-10-03T14:30:00Z","txHash":"0xabcdef","payerAddress":"0x92Fc","payerEoaAddress":"0x7A1F","network":"ethereum",
		"currency":"USDC","paymentCurrency":"USDC","isCryptoToFiat":false,"subStatus":"","paymentProcessor":"request-network",
		"fees":[{"type":"network","amount":"0.02","currency":"ETH"}]}`,
	"payment.partial": `{"event":"payment.partial","requestId":"0151b394","requestID":"0151b394","paymentReference":"0x2c3366941274c34c",
		"explorer":"https://scan.request.network/request/0151b394","amount":"50.0","totalAmountPaid":"50.0","expectedAmount":"100.0",
		"timestamp":"2025-10-03T14:30:00Z","txHash":"0xabcdef","payerAddress":"0x92Fc","payerEoaAddress":"0x7A1F","network":"ethereum",
		"currency":"USDC","paymentCurrency":"USDC","isCryptoToFiat":false,"subStatus":"","paymentProcessor":"request-network","fees":[]}`,
	"payment.confirmed of a client id": `{"event":"payment.confirmed","requestId":"01de2a88","paymentReference":"0xabc123","payee":"0x6923",
		"amount":"10.0","totalAmountPaid":"10.0","expectedAmount":"10.0","timestamp":"2026-03-02T20:15:00.000Z","txHash":"0x1234",
		"network":"sepolia","currency":"FAU","paymentCurrency":"FAU","clientId":"cli_nz1b","origin":"https://mydomain.com"}`,
	"payment.failed": `{"event":"payment.failed","requestId":"0151b394","requestID":"0151b394","paymentReference":"0x2c3366941274c34c",
		"subStatus":"insufficient_funds","paymentProcessor":"request-network"}`,
	"payment.failed, an integrator's": `{"event":"payment.failed","requestId":"req_fail","paymentReference":"0xfail","amount":"100.0",
		"totalAmountPaid":"0.0","expectedAmount":"100.0","timestamp":"2025-08-28T18:25:45.995Z","paymentCurrency":"USDC","isCryptoToFiat":true,
		"paymentProcessor":"request-network","subStatus":"insufficient_funds","failureReason":"Insufficient fiat liquidity"}`,
	"payment.refunded": `{"event":"payment.refunded","requestId":"req_refunded","paymentReference":"0xrefund","refundedTo":"0x742d",
		"refundAmount":"100.0","currency":"USDC","timestamp":"2025-11-04T05:20:45.123Z","paymentProcessor":"request-network"}`,
	"secure_payment.user_event": `{"event":"secure_payment.user_event","userEvent":"payment_approved_in_wallet","securePaymentToken":"spt_3fk",
		"requestId":"01JD3E6J","requestIds":["01JD3E6J"],"orchestratorId":null,"occurredAt":"2026-08-05T14:03:21.512Z",
		"timestamp":"2026-08-05T14:03:22.104Z","properties":{"wallet_provider":"metamask","payment_submission_id":"0x6a4f",
		"payment_submission_id_type":"evm_tx_hash","selected_source_chain":"base","payment_type":"single"}}`,
	"secure_payment.access_rejected": `{"event":"secure_payment.access_rejected","requestId":"0151b394",
		"attemptedPayerWalletAddress":"0x2e2e5c79f571ef1658d4c2d3684a1fe97dd30570","timestamp":"2026-08-10T10:05:00.000Z"}`,
	"payment.processing": `{"event":"payment.processing","requestId":"0151b394","requestID":"0151b394","paymentReference":"0x2c33",
		"offrampId":"offramp_test","timestamp":"2025-10-03T14:35:00Z","subStatus":"ongoing_checks","paymentProcessor":"request-tech",
		"rawPayload":{"status":"ongoing_checks","providerId":"provider_test123"}}`,
	"compliance.updated": `{"event":"compliance.updated","clientUserId":"user_test","kycStatus":"approved","agreementStatus":"completed",
		"isCompliant":true,"timestamp":"2025-10-03T14:30:00Z","rawPayload":{"verificationLevel":"full","documents":"verified"}}`,
	"request.recurring": `{"event":"request.recurring","requestId":"req","paymentReference":"0x98","originalRequestId":"req_o",
		"originalRequestPaymentReference":"0x12","timestamp":"2025-11-04T05:21:22.149Z","paymentProcessor":"request-network"}`,
	"client_id.linked": `{"event":"client_id.linked","clientId":"cli_P","orchestratorId":"01A","linkId":"01B","intentId":"01C",
		"externalId":"merchant_123","destinationId":"0x742d@eip155:8453#B4FD67BB:0x8335","destinationWalletAddress":"0x742d","chain":"base",
		"currency":"USDC","timestamp":"2026-08-14T10:00:00.000Z"}`,
	"kyt.screening.completed": `{"event":"kyt.screening.completed","paymentToken":"01K","walletAddress":"0x2e2e","eoaAddress":"0x2e2e",
		"smartAccountAddress":null,"status":"approved","provider":"hypernative","policyId":"11111111-1111-4111-8111-111111111111",
		"timestamp":"2026-08-14T10:00:00.000Z"}`,
}

// has reports every member of the documented body that got lacks or has in
// another type.
func has(t *testing.T, name string, body []byte) map[string]any {
	t.Helper()
	var got, want map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, body)
	}
	if err := json.Unmarshal([]byte(documented[name]), &want); err != nil || len(want) == 0 {
		t.Fatalf("no documented body of %s: %v", name, err)
	}
	var check func(path string, got, want any)
	check = func(path string, got, want any) {
		switch want := want.(type) {
		case map[string]any:
			g, ok := got.(map[string]any)
			if !ok {
				t.Errorf("%s: %s is %v, want an object", name, path, got)
				return
			}
			for k, v := range want {
				if _, ok := g[k]; !ok {
					t.Errorf("%s: %s%s is missing\n%s", name, path, k, body)
					continue
				}
				check(path+k+".", g[k], v)
			}
		case []any:
			g, ok := got.([]any)
			if !ok {
				t.Errorf("%s: %s is %v, want a list", name, path, got)
				return
			}
			if len(want) > 0 && len(g) > 0 {
				check(path+"0.", g[0], want[0])
			}
		case string:
			if _, ok := got.(string); !ok {
				t.Errorf("%s: %s is %v, want a text", name, path, got)
			}
		case bool:
			if _, ok := got.(bool); !ok {
				t.Errorf("%s: %s is %v, want a boolean", name, path, got)
			}
		case nil:
			if got != nil {
				t.Errorf("%s: %s is %v, want null", name, path, got)
			}
		default:
			t.Fatalf("%s: %s is documented as %v", name, path, want)
		}
	}
	check("", got, want)
	if image, err := webhook.Marshal(json.RawMessage(body)); err != nil || string(image) != string(body) {
		t.Errorf("%s does not survive JavaScript: %v\n%s", name, err, body)
	}
	return got
}

var moment = time.Date(2026, 1, 2, 12, 0, 0, 123_000_000, time.UTC)

const paidTx = "0xabababababababababababababababababababababababababababababababab"

func encoder(t *testing.T) request.Encoder {
	t.Helper()
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	return request.Encoder{Book: book, BaseURL: "https://pay.example.com"}
}

// told is a payment of n requests of 100 USDC on Base and an event of its second
// one, or of its only one.
func told(n int, kind payment.EventKind) (*payment.Payment, payment.Event) {
	p := &payment.Payment{ID: "01KE0000000000000000000001", Terms: payment.Terms{
		Merchant: "M", Dialect: "request", CreatedAt: moment, ExpiresAt: moment.Add(time.Hour), Reference: "order <7> & co", PayerIdentifier: "payer-7",
		ClientID: "cli_shop", Origin: "https://shop.example",
	}}
	for i := range n {
		p.Terms.Requests = append(p.Terms.Requests, payment.Request{
			Index: i, ID: "01" + strings.Repeat(string(rune('a'+i)), 64), Asset: "USDC-base", Due: big.NewInt(100_000_000),
			Payee: asset.Address{0x74, 19: 0x4e}, Reference: "0x2c3366941274c34c",
		})
	}
	x := payment.Transfer{
		Key: "k", Request: n - 1, Asset: "USDC-base", Amount: big.NewInt(100_000_000), Credit: big.NewInt(100_000_000), Fee: big.NewInt(20_000),
		Stage: payment.Final, At: moment, Evidence: payment.Evidence{Chain: 8453, Tx: paidTx, Payer: asset.Address{0x92, 19: 1}.String()},
	}
	p.Transfers = []payment.Transfer{x}
	p.Standing = payment.Assess(p.Terms, p.Transfers, nil, moment)
	return p, payment.Event{
		ID: "E", Seq: 7, Payment: p.ID, Merchant: "M", Dialect: "request", Kind: kind, Request: n - 1, Transfer: &x,
		Standing: p.Standing.Requests[n-1], At: moment,
	}
}

func encode(t *testing.T, p *payment.Payment, ev payment.Event) map[string]webhook.Message {
	t.Helper()
	all, err := encoder(t).Encode(context.Background(), ev, p)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]webhook.Message{}
	for _, m := range all {
		if _, twice := got[m.Event]; twice {
			t.Errorf("two messages are named %s", m.Event)
		}
		got[m.Event] = m
	}
	return got
}

func names(all map[string]webhook.Message) []string {
	var ns []string
	for n := range all {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	return ns
}

func TestPaymentEventsAreAsDocumented(t *testing.T) {
	for kind, name := range map[payment.EventKind]string{payment.EventPaid: "payment.confirmed", payment.EventPartial: "payment.partial"} {
		p, ev := told(1, kind)
		all := encode(t, p, ev)
		if got, want := names(all), []string{name, name + ".checkout", name + ".client_id"}; !slices.Equal(got, want) {
			t.Errorf("messages %v, want %v", got, want)
		}
		for n, m := range all {
			body := has(t, name, m.Body)
			has(t, "payment.confirmed of a client id", m.Body)
			if body["event"] != n || body["sequence"] != 7.0 || body["securePaymentToken"] != string(p.ID) || body["reference"] != "order <7> & co" ||
				body["clientId"] != "cli_shop" || body["amount"] != "100" {
				t.Errorf("%s: %s", n, m.Body)
			}
			if (m.ClientID == "cli_shop") != (n == name+".client_id") {
				t.Errorf("%s is for client id %q", n, m.ClientID)
			}
		}
		p.Terms.ClientID, p.Terms.Origin = "", ""
		all = encode(t, p, ev)
		if got, want := names(all), []string{name, name + ".checkout"}; !slices.Equal(got, want) {
			t.Errorf("made with a key: messages %v, want %v", got, want)
		}
		if body := has(t, name, all[name].Body); body["clientId"] != nil || body["origin"] != nil {
			t.Errorf("made with a key: %s", all[name].Body)
		}
	}
}

// Each request of a batch tells of itself; the token says which payment it is in.
func TestRequestsOfABatchTellOfThemselves(t *testing.T) {
	p, ev := told(3, payment.EventPaid)
	body := has(t, "payment.confirmed", encode(t, p, ev)["payment.confirmed"].Body)
	if body["requestId"] != p.Terms.Requests[2].ID || body["securePaymentToken"] != string(p.ID) {
		t.Errorf("got %v", body)
	}
}

func TestFailed(t *testing.T) {
	p, ev := told(2, payment.EventFailed)
	ev.Request, ev.Transfer, ev.Standing, ev.Detail = -1, nil, payment.RequestStanding{}, "compliance_failed"
	all := encode(t, p, ev)
	body := has(t, "payment.failed", all["payment.failed"].Body)
	has(t, "payment.failed, an integrator's", all["payment.failed"].Body)
	if len(all) != 1 || body["subStatus"] != "compliance_failed" || body["totalAmountPaid"] != "0" || body["requestId"] != p.Terms.Requests[0].ID ||
		len(body["requestIds"].([]any)) != 2 || body["failureReason"] == "The payment failed." {
		t.Errorf("got %v: %v", names(all), body)
	}
	ev.Request, ev.Detail = 1, "something else"
	if body := has(t, "payment.failed", encode(t, p, ev)["payment.failed"].Body); body["totalAmountPaid"] != "100" || body["failureReason"] != "The payment failed." {
		t.Errorf("of a request that was paid: %v", body)
	}
}

func TestRefunded(t *testing.T) {
	p, ev := told(2, payment.EventRefunded)
	to := asset.Address{0x74, 19: 0x2d}.String()
	ev.Transfer, ev.Fields = nil, map[string]string{payment.FieldWallet: to, payment.FieldAmount: "1500000", payment.FieldTx: paidTx}
	body := has(t, "payment.refunded", encode(t, p, ev)["payment.refunded"].Body)
	if body["refundAmount"] != "1.5" || body["refundedTo"] != to || body["txHash"] != paidTx || body["requestId"] != p.Terms.Requests[1].ID {
		t.Errorf("got %v", body)
	}
	for what, spoil := range map[string]func(*payment.Event){
		"no amount":         func(e *payment.Event) { e.Fields = nil },
		"a strange amount":  func(e *payment.Event) { e.Fields = map[string]string{payment.FieldAmount: "1.5"} },
		"no request":        func(e *payment.Event) { e.Request = -1 },
		"no request so far": func(e *payment.Event) { e.Request = 2 },
	} {
		bad := ev
		spoil(&bad)
		if _, err := encoder(t).Encode(t.Context(), bad, p); err == nil {
			t.Errorf("%s was worded", what)
		}
	}
}

// sentTx is a transaction on another chain.
var sentTx = "0x" + strings.Repeat("5e", 32)

// An attempt over a bridge that came to nothing is told of like a failure, and
// says that the payment goes on.
func TestBrokenAttempt(t *testing.T) {
	p, ev := told(2, payment.EventBroken)
	p.Transfers, ev.Transfer = nil, nil
	p.Attempts = []payment.Attempt{{Kind: "tx", Chain: 1, Handle: paidTx}, {Kind: "bridge", Chain: 42161, Handle: sentTx}}
	for reason, words := range map[string]string{checkout.ReasonCallFailed: "over a bridge and the payment", checkout.ReasonSourceFailed: "transaction that was to send", "news": "The payment failed."} {
		ev.Detail, ev.Fields = reason, map[string]string{payment.FieldReason: reason, payment.FieldTx: sentTx}
		all := encode(t, p, ev)
		body := has(t, "payment.failed", all["payment.failed"].Body)
		has(t, "payment.failed, an integrator's", all["payment.failed"].Body)
		holds(t, reason, body, map[string]any{
			"subStatus": reason, "status": "pending", "requestId": p.Terms.Requests[1].ID, "sourceNetwork": "arbitrum-one", "sourceTxHash": sentTx,
			"totalAmountPaid": "0", "expectedAmount": "100", "timestamp": "2026-01-02T12:00:00Z", "paymentProcessor": "request-network",
		})
		if len(all) != 1 || !strings.Contains(str(body["failureReason"]), words) {
			t.Errorf("%s: %v %v", reason, names(all), body["failureReason"])
		}
	}
	failed, whole := told(1, payment.EventFailed)
	if body := has(t, "payment.failed", encode(t, failed, whole)["payment.failed"].Body); body["sourceNetwork"] != nil || body["sourceTxHash"] != nil {
		t.Errorf("a payment that failed has a source: %v", body)
	}
}

// What a bridge gives back is in the asset, and on the network, it was sent from.
func TestBridgeRefund(t *testing.T) {
	p, ev := told(1, payment.EventRefunded)
	to := asset.Address{0x74, 19: 0x2d}.String()
	ev.Transfer, ev.Fields = nil, map[string]string{
		payment.FieldWallet: to, payment.FieldAmount: "1500000000000000000", payment.FieldAsset: "USDT-bsc", payment.FieldTx: sentTx,
		payment.FieldReason: checkout.ReasonBridgeRefunded,
	}
	body := has(t, "payment.refunded", encode(t, p, ev)["payment.refunded"].Body)
	holds(t, "refund", body, map[string]any{
		"refundAmount": "1.5", "currency": "USDT", "network": "bsc", "refundedTo": to, "txHash": sentTx, "reason": "bridge_refunded",
	})
	ev.Fields[payment.FieldAsset] = "NOPE-bsc"
	if _, err := encoder(t).Encode(t.Context(), ev, p); err == nil {
		t.Error("a refund in an unknown asset was worded")
	}
}

// Money that a bridge brought says where it was taken from; what is not known yet
// is left out.
func TestPaidOverABridgeInWords(t *testing.T) {
	p, ev := told(1, payment.EventPaid)
	ev.Transfer.Evidence.Source = payment.Source{Route: "0x" + strings.Repeat("77", 32), Chain: 42161, Tx: sentTx, Asset: "USDT-arbitrum-one", Amount: big.NewInt(100_300_000)}
	body := has(t, "payment.confirmed", encode(t, p, ev)["payment.confirmed"].Body)
	holds(t, "confirmed", body, map[string]any{
		"sourceNetwork": "arbitrum-one", "sourceTxHash": sentTx, "network": "base", "txHash": paidTx, "currency": "USDC", "paymentCurrency": "USDC",
		"amount": "100", "paymentProcessor": "request-network", "payerAddress": asset.Address{0x92, 19: 1}.String(),
	})
	ev.Transfer.Evidence.Source = payment.Source{Route: "0x" + strings.Repeat("77", 32), Chain: 42161}
	ev.Transfer.Evidence.Payer = ""
	body = nil
	if err := json.Unmarshal(encode(t, p, ev)["payment.confirmed"].Body, &body); err != nil {
		t.Fatal(err)
	}
	if body["sourceNetwork"] != "arbitrum-one" || body["sourceTxHash"] != nil || body["payerAddress"] != nil {
		t.Errorf("without an intent: %v", body)
	}
	direct, plain := told(1, payment.EventPaid)
	if body := has(t, "payment.confirmed", encode(t, direct, plain)["payment.confirmed"].Body); body["sourceNetwork"] != nil {
		t.Errorf("without a bridge: %v", body)
	}
}

func TestUserEvent(t *testing.T) {
	p, ev := told(1, payment.EventUser)
	ev.Request, ev.Transfer = -1, nil
	ev.Fields = map[string]string{
		payment.FieldAction: checkout.UserApproved, payment.FieldHash: "c0ffee", payment.FieldOccurred: "2026-01-02T11:59:59.500Z",
		payment.FieldProvider: "metamask", payment.FieldTx: paidTx,
	}
	body := has(t, "secure_payment.user_event", encode(t, p, ev)["secure_payment.user_event"].Body)
	props := body["properties"].(map[string]any)
	if body["userEvent"] != "payment_approved_in_wallet" || body["occurredAt"] != "2026-01-02T11:59:59.500Z" || body["timestamp"] != "2026-01-02T12:00:00.123Z" ||
		props["wallet_address_hashed"] != "c0ffee" || props["selected_source_chain"] != "base" {
		t.Errorf("got %v", body)
	}
	p.Attempts = []payment.Attempt{{Kind: "bridge", Chain: 42161, Handle: paidTx}}
	if body := string(encode(t, p, ev)["secure_payment.user_event"].Body); !strings.Contains(body, `"selected_source_chain":"arbitrum-one"`) {
		t.Errorf("from another chain: %s", body)
	}
	p, _ = told(2, payment.EventUser)
	ev.Fields = map[string]string{payment.FieldAction: checkout.UserConnected}
	m := encode(t, p, ev)["secure_payment.user_event"]
	if strings.Contains(string(m.Body), `"requestId"`) || !strings.Contains(string(m.Body), `"payment_type":"batch"`) || strings.Contains(string(m.Body), "submission") {
		t.Errorf("of a batch: %s", m.Body)
	}
}

func TestAccessRejected(t *testing.T) {
	p, ev := told(1, payment.EventRejected)
	ev.Request, ev.Transfer = -1, nil
	wallet := asset.Address{0x2e, 0x2e, 0x5c, 19: 0xAB}.String()
	ev.Fields = map[string]string{payment.FieldWallet: wallet, payment.FieldReason: "wallet_not_allowed"}
	body := has(t, "secure_payment.access_rejected", encode(t, p, ev)["secure_payment.access_rejected"].Body)
	if body["attemptedPayerWalletAddress"] != strings.ToLower(wallet) || wallet == strings.ToLower(wallet) || body["reason"] != "wallet_not_allowed" {
		t.Errorf("got %v", body)
	}
}

// Every kind of event that the merchant is told of has words, and no other.
func TestEveryAnnouncedKindHasWords(t *testing.T) {
	for _, kind := range []payment.EventKind{
		payment.EventCreated, payment.EventAnnounced, payment.EventSeen, payment.EventPartial, payment.EventPaid, payment.EventSurplus,
		payment.EventLate, payment.EventReorged, payment.EventExpired, payment.EventCanceled, payment.EventFailed, payment.EventUnsafe,
		payment.EventRefunded, payment.EventUser, payment.EventRejected, payment.EventBridging, payment.EventBroken,
	} {
		p, ev := told(1, kind)
		ev.Fields = map[string]string{payment.FieldAmount: "1"}
		all := encode(t, p, ev)
		if (len(all) > 0) != kind.Announced() {
			t.Errorf("%s: messages %v", kind, names(all))
		}
		for n, m := range all {
			if !strings.Contains(string(m.Body), `"sequence":7`) {
				t.Errorf("%s has no sequence: %s", n, m.Body)
			}
		}
	}
}

func TestSamplesAreComplete(t *testing.T) {
	e := encoder(t)
	for _, event := range []string{
		"payment.processing", "payment.failed", "payment.refunded", "payment.confirmed", "payment.partial", "request.recurring",
		"compliance.updated", "client_id.linked", "secure_payment.access_rejected", "kyt.screening.completed", "secure_payment.user_event",
	} {
		m, err := e.Sample(event, moment)
		if err != nil {
			t.Fatal(err)
		}
		if body := has(t, event, m.Body); m.Event != event || body["event"] != event {
			t.Errorf("%s: %s %s", event, m.Event, m.Body)
		}
	}
	// The vendor documents no body of this one.
	if m, err := e.Sample("payment_detail.updated", moment); err != nil || !strings.HasPrefix(string(m.Body), `{"event":"payment_detail.updated",`) {
		t.Errorf("%s, %v", m.Body, err)
	}
	if _, err := e.Sample("payment.confirmed.checkout", moment); err == nil {
		t.Error("a sample of what cannot be tested")
	}
}

func TestHeadersWhileTwoSecretsSign(t *testing.T) {
	e, d := encoder(t), webhook.Delivery{ID: "D", Body: []byte("{}"), Attempts: 2}
	old, both := e.Headers(d, []string{"old"}, moment), e.Headers(d, []string{"new", "old"}, moment)
	if both["x-request-network-signature"] != old["x-request-network-signature"] {
		t.Error("the documented header changed before the overlap has ended")
	}
	if both["x-request-network-signature-next"] != e.Headers(d, []string{"new"}, moment)["x-request-network-signature"] {
		t.Error("the next header is not the new secret's")
	}
	if _, ok := old["x-request-network-signature-next"]; ok {
		t.Error("a next header with one secret")
	}
}

func TestDisabledHidesTheQuery(t *testing.T) {
	m, err := encoder(t).Disabled(merchant.Endpoint{
		ID: "01E", URL: "https://shop.example/hook?token=hush", FailingSince: moment, DisabledAt: moment.Add(time.Hour), DisabledWhy: "10 attempts",
	})
	want := `{"event":"webhook.disabled","webhookId":"01E","url":"https://shop.example/hook","reason":"10 attempts",` +
		`"failingSince":"2026-01-02T12:00:00.123Z","timestamp":"2026-01-02T13:00:00.123Z"}`
	if err != nil || m.Event != "webhook.disabled" || string(m.Body) != want {
		t.Errorf("got %s, %v, want %s", m.Body, err, want)
	}
}
