package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

type arrivals struct {
	Payments   []map[string]any
	Pagination struct {
		Total, Limit, Offset int
		HasMore              bool
	}
}

// search asks for payments; headers are the caller's, the merchant's key if none.
func search(t *testing.T, w *webtest.World, query string, as ...string) arrivals {
	t.Helper()
	if as == nil {
		as = []string{"X-Api-Key: " + w.APIKey}
	}
	var got arrivals
	r := w.Do(http.MethodGet, "/v2/payments?"+query, "", as...).Want(http.StatusOK)
	if err := json.Unmarshal(r.Body, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// settle pays a payment's first request and waits until the transfer is final.
func settle(t *testing.T, w *webtest.World, token string, units int64) (tx string) {
	t.Helper()
	tx = w.PayOnChain(w.Chain.Wallet, token, units)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("the transfer to be final", func() bool {
		p := w.Load(token)
		return len(p.Transfers) > 0 && p.Transfers[len(p.Transfers)-1].Stage == payment.Final
	})
	return tx
}

func TestPaymentsSearch(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	id := addClientID(t, w, shop)
	mine := []string{id, "Origin: " + shop}
	paid := w.Create(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"12.50"}],"reference":"ORDER-1","feePercentage":"2","feeAddress":"` + feeAddress + `"}`)
	partly := str(w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}],"reference":"ORDER-2"}`, mine...).Want(http.StatusCreated).JSON()["token"])
	idle := w.CreatePayment("1")
	first, second := settle(t, w, paid, 12_500_000), settle(t, w, partly, 2_000_000)
	p, q := w.Load(paid).Terms.Requests[0], w.Load(partly).Terms.Requests[0]

	got := search(t, w, "type=direct")
	if len(got.Payments) != 2 || got.Pagination.Total != 2 || got.Pagination.Limit != 20 || got.Pagination.Offset != 0 || got.Pagination.HasMore {
		t.Fatalf("all: %+v", got)
	}
	row := got.Payments[1] // newest first
	holds(t, "row", row, map[string]any{
		"amount": "12.5", "sourceNetwork": "base", "destinationNetwork": "base", "sourceTxHash": first, "destinationTxHash": first, "type": "direct",
		"currency": "USDC-base", "paymentCurrency": "USDC-base", "recurringPaymentId": nil, "rateProvider": nil, "conversionRateSource": nil,
		"conversionRateDestination": nil, "convertedAmountSource": nil, "convertedAmountDestination": nil,
		"payerAddress": w.Chain.Address(), "payeeAddress": payee, "securePaymentToken": paid,
	})
	fees, _ := row["fees"].([]any)
	if len(fees) != 1 {
		t.Fatalf("fees: %v", row["fees"])
	}
	holds(t, "fee", fees[0].(map[string]any), map[string]any{"type": "platform", "amount": "0.25", "currency": "USDC-base", "receiverAddress": feeAddress, "network": "base", "provider": "request-network", "amountInUSD": nil})
	holds(t, "request", row["request"].(map[string]any), map[string]any{"requestId": p.ID, "paymentReference": p.Reference, "hasBeenPaid": true, "customerInfo": nil, "reference": "ORDER-1"})
	holds(t, "request of the other", got.Payments[0]["request"].(map[string]any), map[string]any{"requestId": q.ID, "hasBeenPaid": false})
	if got.Payments[0]["fees"] != nil || len(str(row["id"])) != 26 || row["id"] == got.Payments[0]["id"] {
		t.Errorf("rows: %v", got.Payments)
	}

	at := str(row["timestamp"])
	for query, want := range map[string][]string{
		"txHash=" + first: {first}, "txHash=0x" + strings.ToUpper(second[2:]): {second}, "txHash=0x" + strings.Repeat("0", 64): nil,
		"requestId=" + p.ID: {first}, "requestId=" + w.Load(idle).Terms.Requests[0].ID: nil, "requestId=01" + strings.Repeat("0", 64): nil,
		"paymentReference=" + p.Reference: {first}, "paymentReference=0x" + strings.ToUpper(q.Reference[2:]): {second}, "paymentReference=0x0000000000000000": nil,
		"reference=ORDER-2": {second}, "reference=order-2": nil, "reference=%25": nil, "reference=%E2%98%83": nil,
		"walletAddress=" + w.Chain.Address(): {second, first}, "walletAddress=" + strings.ToLower(payee): {second, first}, "walletAddress=" + feeAddress: nil,
		"walletAddress=TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t": nil, "walletAddress=0x0000000000000000000000000000000000000000": nil,
		"type=conversion": nil, "type=crosschain": nil, "type=recurring": nil,
		"invoiceCurrency=USDC-base": {second, first}, "paymentCurrency=usdc-BASE": {second, first}, "paymentCurrency=ETH-base": nil, "invoiceCurrency=USD": nil,
		"txHash=" + first + "&reference=ORDER-1&type=direct&paymentCurrency=USDC-base": {first}, "txHash=" + first + "&reference=ORDER-2": nil,
		"reference=ORDER-1&fromDate=" + at + "&toDate=" + at: {first}, "type=direct&fromDate=" + at: {second, first}, "type=direct&toDate=2020-01-01T00:00:00Z": nil,
		"type=direct&fromDate=2020-01-01T00:00:00.000Z": {second, first}, "type=direct&fromDate=9999-01-01T00:00:00Z": nil,
		"type=direct&limit=1": {second}, "type=direct&limit=1&offset=1": {first}, "type=direct&offset=10000": nil,
	} {
		var hashes []string
		for _, x := range search(t, w, query).Payments {
			hashes = append(hashes, str(x["sourceTxHash"]))
		}
		if fmt.Sprint(hashes) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", query, hashes, want)
		}
	}
	page := search(t, w, "type=direct&limit=1")
	if page.Pagination.Total != 2 || page.Pagination.Limit != 1 || !page.Pagination.HasMore || search(t, w, "type=direct&limit=1&offset=1").Pagination.HasMore {
		t.Errorf("pages: %+v", page.Pagination)
	}

	// A client id sees its own payments, another merchant none.
	if own := search(t, w, "type=direct", mine...); len(own.Payments) != 1 || own.Payments[0]["sourceTxHash"] != second {
		t.Errorf("of the client id: %+v", own)
	}
	if _, told := search(t, w, "type=direct", mine...).Payments[0]["securePaymentToken"]; told {
		t.Error("a public client id gets what opens the page")
	}
	hidden := []string{`{"mode":"inherit","hidePayeeAddress":true}`, `{"hideUntilApproved":true,"allowedPayerAddresses":["` + w.Chain.Address() + `"]}`}
	for _, policy := range hidden {
		made := w.Do(http.MethodPost, route, `{"requests":[{"amount":"1"}],"accessPolicy":`+policy+`}`, mine...).Want(http.StatusCreated).JSON()
		tx := settle(t, w, str(made["token"]), 1_000_000)
		for _, query := range []string{"type=direct", "txHash=" + tx, "walletAddress=" + w.Chain.Address()} {
			for _, x := range search(t, w, query, mine...).Payments {
				if x["sourceTxHash"] == tx {
					t.Errorf("%s with a page's client id finds a payment with the policy %s", query, policy)
				}
			}
		}
		if got := search(t, w, "txHash="+tx); len(got.Payments) != 1 {
			t.Errorf("the merchant does not find its own: %+v", got)
		}
	}
	if own := search(t, w, "txHash="+first, mine...); len(own.Payments) != 0 || own.Pagination.Total != 0 {
		t.Errorf("another's with the client id: %+v", own)
	}
	other := "X-Api-Key: " + w.AddMerchant("Other")
	for _, query := range []string{"type=direct", "txHash=" + first, "requestId=" + p.ID, "paymentReference=" + p.Reference, "walletAddress=" + payee, "reference=ORDER-1"} {
		if got := search(t, w, query, other); len(got.Payments) != 0 || got.Pagination.Total != 0 {
			t.Errorf("another merchant's %s: %+v", query, got)
		}
	}
}

// Of several requests each has its own answer to whether it was paid.
func TestPaymentsSearchInABatch(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"},{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"2"}]}`)
	settle(t, w, token, 1_000_000)
	got := search(t, w, "walletAddress="+payee)
	if len(got.Payments) != 1 {
		t.Fatalf("got %+v", got)
	}
	holds(t, "the paid one", got.Payments[0]["request"].(map[string]any), map[string]any{"requestId": w.Load(token).Terms.Requests[0].ID, "hasBeenPaid": true})
}

func TestPaymentsSearchesThatAreRefused(t *testing.T) {
	w := webtest.New(t)
	for query, want := range map[string][]string{ // field and, where it is documented, the text
		"":                                    {"txHash"},
		"limit=5":                             {"txHash"},
		"type=":                               {"txHash"},
		"fromDate=2026-01-01T00:00:00Z":       {"txHash"},
		"txHash=0x12":                         {"txHash"},
		"txHash=" + strings.Repeat("a", 66):   {"txHash"},
		"txHash=0x" + strings.Repeat("g", 64): {"txHash"},
		"txHash=a&txHash=b":                   {"txHash"},
		"paymentReference=0x1":                {"paymentReference"},
		"requestId=1":                         {"requestId"},
		"walletAddress=0x1":                   {"walletAddress"},
		"walletAddress=0x742D35cc6634c0532925A3b844bC454e4438f44e": {"walletAddress"},
		"type=all":                                  {"type"},
		"type=Direct":                               {"type"},
		"reference=" + strings.Repeat("x", 256):     {"reference"},
		"reference=%00":                             {"reference"},
		"reference=%ff":                             {"reference"},
		"type=direct&fromDate=yesterday":            {"fromDate"},
		"type=direct&fromDate=2026-01-01":           {"fromDate"},
		"type=direct&fromDate=2026-13-01T00:00:00Z": {"fromDate"},
		"type=direct&fromDate=0001-01-01T00:00:00Z": {"fromDate"},
		"type=direct&toDate=1":                      {"toDate"},
		"type=direct&fromDate=2026-01-02T00:00:00Z&toDate=2026-01-01T00:00:00Z": {"toDate", "toDate must be after or equal to fromDate"},
		"type=direct&limit=0":                    {"limit"},
		"type=direct&limit=101":                  {"limit"},
		"type=direct&limit=-1":                   {"limit"},
		"type=direct&limit=1e3":                  {"limit"},
		"type=direct&limit=0x10":                 {"limit"},
		"type=direct&limit=99999999999999999999": {"limit"},
		"type=direct&limit=+1":                   {"limit"},
		"type=direct&offset=-1":                  {"offset"},
		"type=direct&offset=10001":               {"offset"},
		"type=direct&offset=x":                   {"offset"},
	} {
		got := w.API(http.MethodGet, "/v2/payments?"+query, "").Want(http.StatusBadRequest).JSON()
		errs, _ := got["errors"].([]any)
		if got["statusCode"] != 400.0 || got["message"] != "Validation failed" || len(errs) == 0 || got["field"] != want[0] {
			t.Errorf("%.60q: %v", query, got)
			continue
		}
		e, _ := errs[0].(map[string]any)
		if e["field"] != want[0] || str(e["message"]) == "" || (len(want) > 1 && e["message"] != want[1]) {
			t.Errorf("%.60q: %v", query, errs)
		}
	}
	got := w.API(http.MethodGet, "/v2/payments?type=x&limit=0&offset=x", "").Want(http.StatusBadRequest).JSON()
	if errs, _ := got["errors"].([]any); len(errs) != 3 {
		t.Errorf("several mistakes: %v", got)
	}
	holds(t, "without a credential", w.Do(http.MethodGet, "/v2/payments?type=direct", "").Want(http.StatusUnauthorized).JSON(),
		map[string]any{"statusCode": 401.0, "message": "Unauthorized", "error": "Unauthorized"})
	w.Do(http.MethodGet, "/v2/payments?type=direct", "", addClientID(t, w, shop), "Origin: https://evil.example").Want(http.StatusForbidden)
}

// FuzzPaymentsSearch: whatever is asked, the answer is 200 or 400.
func FuzzPaymentsSearch(f *testing.F) {
	w := webtest.New(f)
	for _, seed := range []string{"type=direct&limit=20&offset=0", "fromDate=2026-01-01T00:00:00.000Z&toDate=9999-12-31T23:59:59Z&reference=x", "walletAddress=0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
		"txHash=%00", "limit=9e99&type=", "paymentCurrency=USDC-base&invoiceCurrency=%ff", ";&=&&"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		u := url.URL{Path: "/v2/payments", RawQuery: query}
		if _, err := http.NewRequest(http.MethodGet, u.String(), nil); err != nil || strings.ContainsAny(query, " \r\n\t#") || strings.ContainsFunc(query, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip()
		}
		switch r := w.For(t).API(http.MethodGet, u.String(), ""); r.Status {
		case http.StatusOK, http.StatusBadRequest, http.StatusTooManyRequests:
		default:
			t.Errorf("%q: status %d: %s", query, r.Status, r.Body)
		}
	})
}
