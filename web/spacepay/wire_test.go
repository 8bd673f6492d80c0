package spacepay

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

func TestReceiptHasBothShapes(t *testing.T) {
	raw, err := json.Marshal(receiptWire{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"transactionHash", "blockNumber", "confirmations", "requiredConfirmations", "completedAt", "paymentId", "selectedQuote", "settledToken",
		"settledChain", "settledAmountAsset", "settledAmountUsd", "txHash", "txBlockNumber", "txTimestamp", "txSenderAddress", "createdAt"} {
		if !strings.Contains(string(raw), `"`+name+`":`) {
			t.Errorf("the receipt has no %s", name)
		}
	}
	for cents, want := range map[int64]string{0: "0.00", 5: "0.05", 100: "1.00", 12345: "123.45", 100_000_000: "1000000.00"} {
		if got := dollars(money.Cents(cents)); got != want {
			t.Errorf("%d cents are %s", cents, got)
		}
	}
	if got := dollars(new(big.Int).Sub(money.Cents(100), big.NewInt(1))); got != "0.99" {
		t.Errorf("just less than a dollar is %s", got)
	}
}

// Every state has a status, with and without money, and is found by it again.
func TestStatuses(t *testing.T) {
	for state, want := range map[payment.State][2]string{
		payment.Open: {"pending", "processing"}, payment.Seen: {"processing", "processing"}, payment.Paid: {"completed", "completed"},
		payment.Expired: {"expired", "failed"}, payment.Failed: {"failed", "failed"}, payment.Canceled: {"cancelled", "cancelled"},
	} {
		for i, part := range []bool{false, true} {
			if got := word(state, part); got != want[i] {
				t.Errorf("%s, %t: %s, want %s", state, part, got, want[i])
			}
			for _, status := range statuses {
				finds := slices.ContainsFunc(withStatus(status), func(x checkout.StatePart) bool { return x.State == state && (x.Part == nil || *x.Part == part) })
				if finds != (status == want[i]) {
					t.Errorf("%s, %t: found as %s: %t", state, part, status, finds)
				}
			}
		}
	}
	for _, s := range payment.States() {
		_ = word(s, false) // panics for one that was forgotten
	}
	if withStatus("") != nil {
		t.Error("no status is a filter")
	}
}

func TestEnvelope(t *testing.T) {
	for _, c := range []struct {
		f      *fault.Error
		status int
		want   string
	}{
		{fault.Field("amount", "invalid_amount", "The amount must be greater than 0"), 400,
			`{"error":{"type":"invalid_request_error","message":"The amount must be greater than 0","code":"invalid_amount","param":"amount"}}`},
		{errKey, 401, `{"error":{"type":"authentication_error","message":"Invalid or missing x-spacepay-secret-key header","code":"invalid_api_key"}}`},
		{errSecret, 401, `{"error":{"type":"authentication_error","message":"Invalid or missing x-spacepay-payment-secret header","code":"invalid_payment_secret"}}`},
		{errPayment, 404, `{"error":{"type":"not_found_error","message":"Payment not found","code":"payment_not_found"}}`},
		{errPending, 400, `{"error":{"type":"invalid_request_error","message":"Payment is not pending, cannot create or update a quote","code":"payment_not_pending"}}`},
		{fault.New(fault.Unavailable, "price_unavailable", "t"), 503, ""}, {fault.New(fault.Mismatch, "c", "t"), 409, ""}, {fault.New(fault.Locked, "c", "t"), 409, ""},
	} {
		status, body := answerTo(c.f)
		raw, err := json.Marshal(body)
		if err != nil || status != c.status || c.want != "" && string(raw) != c.want {
			t.Errorf("%d, %s, %v", status, raw, err)
		}
	}
	for _, k := range fault.Kinds() {
		if status, body := answerTo(fault.New(k, "c", "t")); status < http.StatusBadRequest || body.Error.Type == "" {
			t.Errorf("%s: %d, %+v", k, status, body)
		}
	}
}

const documented = `{"orderId":"order_123","amount":100,"currency":"USD","redirectUrl":"https://merchant.example.com/checkout/success","customMetadata":"{\"cartId\":\"abc123\",\"promo\":\"SUMMER24\"}"}`

func TestCreation(t *testing.T) {
	o, err := parseOrder([]byte(documented))
	if err != nil || o != (order{"order_123", 100, "https://merchant.example.com/checkout/success", `{"cartId":"abc123","promo":"SUMMER24"}`}) {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, amount := range []string{"100", "100.0", "1e2", "1E+2", "100000000", "1.5e3"} {
		if _, err := parseOrder([]byte(`{"orderId":"o","currency":"USD","unknown":[],"amount":` + amount + `}`)); err != nil {
			t.Errorf("%s: %v", amount, err)
		}
	}
	for body, want := range map[string][2]string{
		`{"amount":100,"currency":"USD"}`:                                              {"orderId", "missing_order_id"},
		`{"orderId":"","amount":100,"currency":"USD"}`:                                 {"orderId", "missing_order_id"},
		`{"orderId":"` + strings.Repeat("ä", 256) + `","amount":100,"currency":"USD"}`: {"orderId", "invalid_order_id"},
		`{"orderId":"o","currency":"USD"}`:                                             {"amount", "invalid_amount"},
		`{"orderId":"o","amount":"100","currency":"USD"}`:                              {"amount", "invalid_amount"},
		`{"orderId":"o","amount":0,"currency":"USD"}`:                                  {"amount", "invalid_amount"},
		`{"orderId":"o","amount":-100,"currency":"USD"}`:                               {"amount", "invalid_amount"},
		`{"orderId":"o","amount":99,"currency":"USD"}`:                                 {"amount", "invalid_amount"},
		`{"orderId":"o","amount":100000001,"currency":"USD"}`:                          {"amount", "invalid_amount"},
		`{"orderId":"o","amount":100.5,"currency":"USD"}`:                              {"amount", "invalid_amount"},
		`{"orderId":"o","amount":1e99999,"currency":"USD"}`:                            {"amount", "invalid_amount"},
		`{"orderId":"o","amount":1e-9999999,"currency":"USD"}`:                         {"amount", "invalid_amount"},
		`{"orderId":"o","amount":null,"currency":"USD"}`:                               {"amount", "invalid_amount"},
		`{"orderId":"o","amount":100}`:                                                 {"currency", "invalid_currency"},
		`{"orderId":"o","amount":100,"currency":"EUR"}`:                                {"currency", "invalid_currency"},
		`{"orderId":"o","amount":100,"currency":"USD","type":"deposit"}`:               {"type", "invalid_type"},
		`{"orderId":"o","amount":100,"currency":"USD","redirectUrl":"javascript:1"}`:   {"redirectUrl", "invalid_redirect_url"},
		`{"orderId":"o","amount":100,"currency":"USD","redirectUrl":"//example.com"}`:  {"redirectUrl", "invalid_redirect_url"},
		`{"orderId":"o","amount":100,"currency":"USD","redirectUrl":"https://a:b@c/"}`: {"redirectUrl", "invalid_redirect_url"},
		`{"orderId":"o","amount":100,"currency":"USD","customMetadata":"[1]"}`:         {"customMetadata", "invalid_custom_metadata"},
		`{"orderId":"o","amount":100,"currency":"USD","customMetadata":{"a":1}}`:       {"customMetadata", "wrong_type"},
		`{"orderId":"o","orderId":"p","amount":100,"currency":"USD"}`:                  {"orderId", "duplicate_key"},
		`{"orderId":1,"amount":100,"currency":"USD"}`:                                  {"orderId", "wrong_type"},
		`[]`: {"", "wrong_type"}, ``: {"", "empty_body"}, `{`: {"", "invalid_json"},
	} {
		_, err := parseOrder([]byte(body))
		if f := fault.From(err); err == nil || f.Kind != fault.Invalid || f.Field != want[0] || f.Code != want[1] {
			t.Errorf("%.80s: %v, want %v", body, err, want)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   string
		ok     bool
	}{
		{nil, "", true}, {[]string{"unique-key-for-request"}, "unique-key-for-request", true}, {[]string{""}, "", false}, {[]string{"a", "b"}, "", false},
		{[]string{strings.Repeat("k", 255)}, strings.Repeat("k", 255), true}, {[]string{strings.Repeat("k", 256)}, "", false}, {[]string{"a\x00"}, "", false}, {[]string{"ä"}, "", false},
	} {
		if got, err := idempotencyKey(c.values); got != c.want || (err == nil) != c.ok {
			t.Errorf("%.20q: %q, %v", c.values, got, err)
		}
	}
}

func TestListing(t *testing.T) {
	l, err := parseListing(url.Values{})
	if err != nil || l != (listing{Limit: 100}) {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = parseListing(url.Values{"status": {"failed"}, "search": {" 0xab "}, "sortBy": {"amountInCents"}, "sortOrder": {"ASC"}, "limit": {"1000"}, "offset": {"7"}, "type": {"payment"}, "x": {"y"}})
	if err != nil || l != (listing{"failed", "0xab", true, true, 1000, 7, false}) {
		t.Errorf("%+v, %v", l, err)
	}
	for query, param := range map[string]string{
		"status=done": "status", "type=other": "type", "sortBy=id": "sortBy", "sortOrder=asc": "sortOrder", "limit=0": "limit", "limit=1001": "limit", "limit=": "limit", "limit=1.5": "limit",
		"offset=-1": "offset", "offset=1000001": "offset", "search=%00": "search", "search=%ff": "search",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := parseListing(q); fault.From(err) == nil || fault.From(err).Field != param {
			t.Errorf("%s: %+v, %v", query, l, err)
		}
	}
	for _, c := range []struct {
		total int
		l     listing
		want  pageWire
	}{
		{0, listing{Limit: 100}, pageWire{0, 100, 0, false, 0, 1}},
		{250, listing{Limit: 100, Offset: 100}, pageWire{250, 100, 100, true, 3, 2}},
		{200, listing{Limit: 100, Offset: 100}, pageWire{200, 100, 100, false, 2, 2}},
	} {
		if got := page(c.total, c.l); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func FuzzCreation(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte(`{"orderId":"o","amount":1e2,"currency":"USD","redirectUrl":"http://[::1]:8/%zz"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := parseOrder(body)
		if err != nil {
			if fault.From(err).Kind == fault.Internal {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if o.Cents < minCents || o.Cents > maxCents || o.OrderID == "" {
			t.Fatalf("%q: %+v", body, o)
		}
		if o.RedirectURL == "" {
			return
		}
		if to, err := redirectTo(o.RedirectURL, "ID", statusCompleted, o.CustomMetadata); err != nil || !strings.HasPrefix(to, "http") {
			t.Fatalf("%q: %q, %v", body, to, err)
		}
	})
}
