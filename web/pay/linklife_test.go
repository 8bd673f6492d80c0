package pay_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/webtest"
)

// Without a price of the euro nothing can be paid by coin; banks do not care.
func TestLinkWithoutAPriceOfTheEuro(t *testing.T) {
	w := linkWorld(t, func(o *webtest.Options) { o.Deposits.NoEuro = true })
	l := newLink(t, w, euros)
	doc := page(t, l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusServiceUnavailable))
	if !shown(doc, "quote-missing") || shown(doc, "quote") || !shown(doc, "bank-choose") || shown(doc, "bank") {
		t.Errorf("without a price: %s", text(doc, "send"))
	}
	if j := l.post("/quote", url.Values{"asset": {"USDC-base"}}, "Accept: application/json").Want(http.StatusServiceUnavailable).JSON(); j["code"] != "price_unavailable" {
		t.Errorf("for the script: %v", j)
	}
	w.PayByBank(l.load(), 4999)
	l.open(http.StatusConflict)
}

// A merchant without a key for addresses has links that the bank alone can pay.
func TestLinkWithoutAKey(t *testing.T) {
	w := linkWorld(t, func(o *webtest.Options) { o.Deposits.NoKey = true })
	l := newLink(t, w, euros)
	doc := l.open(http.StatusOK)
	if !shown(doc, "bank") || shown(doc, "choose") || doc.Find("#send, #safety").Length() != 0 {
		t.Error("more is shown than the bank, or not even that")
	}
	r := w.Get(l.path + "/pay?asset=USDC-base&wallet=" + webtest.Payee)
	if j := r.Want(http.StatusBadRequest).JSON(); j["code"] != "unknown_asset" {
		t.Errorf("a wallet: %v", j)
	}
}

func TestLinkStream(t *testing.T) {
	w := linkWorld(t)
	l := newLink(t, w, euros)
	next := follow(t, w, l.path+"/events?method=bank")
	next("open", func(v map[string]any) bool {
		bank, _ := v["bank"].(map[string]any)
		svg, _ := bank["qr"].(string)
		return v["state"] == "open" && v["currency"] == "EUR" && bank["amount"] == "49.99" && strings.HasPrefix(svg, "<svg")
	})
	w.PayByBank(l.load(), 1999)
	next("a part", func(v map[string]any) bool {
		bank, _ := v["bank"].(map[string]any)
		return v["missing"] == "30.00" && bank["amount"] == "30.00" && v["cancellable"] == false
	})
	w.PayByBank(l.load(), 3000)
	next("the end", func(v map[string]any) bool {
		return v["state"] == "paid" && v["bank"] == nil && v["returnUrl"] == webtest.BaseURL+l.path+"/return"
	})

	// Whoever has the page open learns that the link was taken away.
	gone := newLink(t, w, euros)
	next = follow(t, w, gone.path+"/events")
	next("open", func(v map[string]any) bool { return v["state"] == "open" })
	if err := w.App.Checkout.Delete(t.Context(), w.Merchant, gone.id); err != nil {
		t.Fatal(err)
	}
	next("the end", func(v map[string]any) bool {
		return v["state"] == "canceled" && v["canceledBy"] == "merchant" && v["returnUrl"] == ""
	})
	gone.open(http.StatusNotFound)
}

func TestShareStream(t *testing.T) {
	w, l := splitWorld(t)
	l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	at := "/checkout/" + string(l.id) + "~USDC-base"
	next := follow(t, w, at+"/events")
	next("open", func(v map[string]any) bool {
		requests, _ := v["requests"].([]any)
		return v["state"] == "open" && v["payable"] == true && len(requests) == 2
	})
	l.post("/cancel", nil).Want(http.StatusSeeOther)
	next("the end", func(v map[string]any) bool { return v["state"] == "canceled" && v["payable"] == false })
	// Neither Safes nor what pays without gas can wait as long as a price holds.
	body := `{"safeTxHash":"0x` + strings.Repeat("ab", 32) + `","wallet":"` + webtest.Payee + `"}`
	if r := w.Do(http.MethodPost, at+"/intent", body, "Content-Type: application/json"); r.Status < 400 || r.Status >= 500 {
		t.Errorf("a Safe's word: %d %s", r.Status, r.Body)
	}
	if r := w.Get(at + "/gasless?wallet=" + webtest.Payee + "&option=evmref:base:USDC-base:quoted"); r.Status < 400 {
		t.Errorf("without gas: %d %s", r.Status, r.Body)
	}
}

func TestLinkLimits(t *testing.T) {
	w := linkWorld(t, func(o *webtest.Options) { o.Limits = web.Limits{Page: ratelimit.Rate{PerMinute: 1, Burst: 2}} })
	l := newLink(t, w, euros)
	at := "/payment/qr" + strings.TrimPrefix(l.page, "/payment")
	w.Get(at).Want(http.StatusOK)
	l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	if doc := page(t, l.post("/quote", url.Values{"asset": {"USDT-base"}}).Want(http.StatusTooManyRequests)); !shown(doc, "quote-limited") || !shown(doc, "bank-choose") {
		t.Error("who asks too often is not told so, or cannot pay by bank")
	}
	l.post("/cancel", nil).Want(http.StatusTooManyRequests)
	w.Get(at).Want(http.StatusTooManyRequests)
	if s := l.status(); s.State != "open" {
		t.Errorf("status: %+v", s)
	}
}
