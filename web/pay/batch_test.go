package pay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// batch makes a body of n requests, USDC and USDT in turn, to accounts that end
// in their number.
func batch(n int, more string) string {
	items := make([]string, n)
	for i := range n {
		items[i] = fmt.Sprintf(`{"payee":"%s","paymentCurrency":"%s-base","amount":"%d.25"}`, numbered(i), []string{"USDC", "USDT"}[i%2], i+1)
	}
	return `{"requests":[` + strings.Join(items, ",") + `]` + more + `}`
}

func numbered(i int) asset.Address {
	return asset.Address{0: 0xaa, 18: byte(i >> 8), 19: byte(i)}
}

// data reads a page's data block.
func data(t *testing.T, d *goquery.Document) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(d.Find("#payment").Text()), &v); err != nil {
		t.Fatalf("data block: %v", err)
	}
	return v
}

func TestBatchPage(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(batch(6, `,"feePercentage":"1","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"`))
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if got := text(d, "count"); got != "6 payments to 6 accounts, all in one transaction" {
		t.Errorf("count: %q", got)
	}
	if got := text(d, "in-total"); got != "9.8475 USDC and 12.8775 USDT in total, with the fees" {
		t.Errorf("in total: %q", got)
	}
	if n := d.Find("details#items-more #items > li").Length(); n != 6 {
		t.Errorf("%d payments behind the summary, want 6", n)
	}
	row := d.Find("[data-item='3']")
	for part, want := range map[string]string{
		"payee": numbered(3).String(), "amount": "4.25 USDT", "fee": "0.0425 USDT", "reference": w.Load(token).Terms.Requests[3].Reference, "state": "",
	} {
		if got := strings.Join(strings.Fields(row.Find(".item-"+part).Text()), " "); got != want {
			t.Errorf("%s: got %q, want %q", part, got, want)
		}
	}
	v := data(t, d)
	items, _ := v["items"].([]any)
	assets, _ := v["assets"].([]any)
	if len(items) != 6 || len(assets) != 2 || v["batch"] != true || v["option"] != "evmref:base:batch" || v["feePayee"] != "0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7" {
		t.Errorf("data block: %v", v)
	}
	calls := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	if txs, _ := calls["transactions"].([]any); len(txs) != 3 {
		t.Errorf("transactions: %v", calls["transactions"])
	}
	status := w.Get("/checkout/" + token + "/status").JSON()
	if rs, _ := status["requests"].([]any); len(rs) != 6 || fmt.Sprint(rs[5]) != "map[missing:6250000 state:open]" {
		t.Errorf("status: %v", status)
	}
	if fmt.Sprint(status["contractFees"]) != "[0 0]" {
		t.Errorf("contract fees: %v", status["contractFees"])
	}
}

// Somebody pays one request of a batch by itself: the page asks for the rest.
func TestBatchOfWhichOneIsPaid(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(batch(3, ""))
	w.PayOnChain(w.Chain.Wallet, token, 1_250_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("one of three to be paid", func() bool { return w.Load(token).Standing.Requests[0].State == payment.Paid })
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	for id, want := range map[string]string{
		"items-progress": "1 of 3 paid", "partial": "1.25 USDC has arrived. 2.25 USDT and 3.25 USDC are still to pay.",
	} {
		if got := text(d, id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	if got := d.Find("[data-item='0']").AttrOr("data-state", ""); got != "paid" {
		t.Errorf("the first is %q", got)
	}
	v := data(t, d)
	items, _ := v["items"].([]any)
	if first, _ := items[0].(map[string]any); len(items) != 2 || first["index"] != 1.0 || v["batch"] != true {
		t.Errorf("items: %v", items)
	}
	w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK)
}

// The last request of a batch is paid like any single one; the list stays.
func TestLastRequestOfABatch(t *testing.T) {
	w := webtest.New(t)
	token := w.Create(`{"requests":[{"payee":"` + webtest.Payee + `","paymentCurrency":"USDC-base","amount":"1"},{"payee":"` + numbered(7).String() + `","paymentCurrency":"ETH-base","amount":"0.5"}]}`)
	w.PayOnChain(w.Chain.Wallet, token, 1_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("one of two to be paid", func() bool { return w.Load(token).Standing.Requests[0].State == payment.Paid })
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	v := data(t, d)
	if items, _ := v["items"].([]any); len(items) != 1 || v["batch"] != false || d.Find("#items > li").Length() != 2 {
		t.Errorf("data block: %v", v)
	}
	calls := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	if txs, _ := calls["transactions"].([]any); len(txs) != 1 {
		t.Errorf("transactions: %v", txs)
	}
}

func BenchmarkBatchOf200(b *testing.B) {
	w := webtest.New(b)
	token := w.Create(batch(200, `,"feePercentage":"1","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"`))
	b.ReportAllocs()
	for b.Loop() {
		w.Get("/?token=" + token).Want(http.StatusOK)
	}
}
