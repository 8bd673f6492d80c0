package pay_test

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/templates"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

// The accounts that a split link's shares go to.
const (
	ownerShare = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
	otherShare = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
)

// splitWorld is a server with a link of 50 euros that goes to two people on the sandbox's Base.
func splitWorld(t *testing.T) (*webtest.World, link) {
	t.Helper()
	w := linkWorld(t)
	other, err := w.App.Directory.Authenticate(t.Context(), merchant.APIKey, w.AddMerchant("Bob"))
	if err != nil {
		t.Fatal(err)
	}
	for m, address := range map[payment.MerchantID]string{w.Merchant: ownerShare, other.Merchant: otherShare} {
		to, err := asset.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		d := merchant.Destination{ID: payment.NewULID(now), Merchant: m, To: asset.Destination{Wallet: to, Chain: asset.SandboxBase}, Active: true, CreatedAt: now}
		if err := w.App.Store.InsertDestination(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	return w, newLink(t, w, `{"amount":50,"recipients":[{"token":"`+w.AddSecPaidToken(other.Merchant)+`","share":40}],"callback_url":"https://shop.example/done"}`)
}

func dataIn(t *testing.T, r webtest.Response) (d templates.Data) {
	t.Helper()
	if err := json.Unmarshal([]byte(page(t, r).Find("script#payment").Text()), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSplitLink(t *testing.T) {
	w, l := splitWorld(t)
	doc := l.open(http.StatusOK)
	if doc.Find("#bank-choose, #bank, #send, #safety").Length() != 0 || doc.Find("#choose input[name=asset]").Length() != 3 || !shown(doc, "choose") || text(doc, "amount") != "50.00 EUR" {
		t.Error("the ways to pay are not those of a split link")
	}
	if s := l.status(); s.Methods != (templates.DepositMethods{Split: true}) || s.Bank != nil || s.Quote != nil || !s.Payable || s.Missing != "50.00" {
		t.Errorf("status: %+v", s)
	}
	token := string(l.id) + "~USDC-base"
	// Before there is a price, nothing is due in anything.
	l.leads(w.Get("/?token="+token), http.StatusSeeOther, l.page)
	if r := w.Get("/checkout/" + token + "/status").Want(http.StatusConflict).JSON(); r["code"] != "other_page" {
		t.Errorf("without a price: %v", r)
	}
	l.leads(l.post("/quote", url.Values{"asset": {"usdc-BASE"}}), http.StatusSeeOther, "/?token="+token)
	for _, other := range []string{"nonsense", "", "USDC-arbitrum-one", "EUR"} {
		if r := l.post("/quote", url.Values{"asset": {other}}); r.Status != http.StatusBadRequest || !shown(page(t, r), "choose") {
			t.Errorf("%q: %d", other, r.Status)
		}
	}
	r := w.Get("/?token=" + token).Want(http.StatusOK)
	d, doc := dataIn(t, r), page(t, r)
	if d.Token != token || !d.Batch || !d.Payable || len(d.Items) != 2 || d.Option == "" || d.Safe != "" || d.Gasless != "" || d.Ways != "" || len(d.Assets) != 1 || d.Assets[0].ID != "USDC-base" {
		t.Fatalf("data: %+v", d)
	}
	if got := []string{d.Items[0].Payee, d.Items[1].Payee}; got[0] != otherShare || got[1] != ownerShare {
		t.Errorf("it goes to %v", got)
	}
	sum := new(big.Int)
	for _, i := range d.Items {
		units, _ := new(big.Int).SetString(i.Amount, 10)
		sum.Add(sum, units)
	}
	if sum.Int64() < 54008101 || sum.Int64() > 54008106 || text(doc, "worth") != "50.00 EUR" || text(doc, "safety-title") != templates.SafetyPassedTitle { // 50 euros at 1.08 dollars, USDC at 0.99985, each share rounded up
		t.Errorf("%s units are due, worth %q; %q", sum, text(doc, "worth"), text(doc, "safety-title"))
	}
	at := "/checkout/" + token
	var calls struct {
		Transactions []struct{ To, Data, Value string }
	}
	if err := json.Unmarshal(w.Get(at+"/pay?option="+d.Option+"&wallet="+w.Chain.Address()).Want(http.StatusOK).Body, &calls); err != nil || len(calls.Transactions) == 0 {
		t.Fatalf("calls: %v, %v", calls, err)
	}
	last := calls.Transactions[len(calls.Transactions)-1].Data
	for _, address := range []string{ownerShare, otherShare} {
		if !strings.Contains(strings.ToLower(last), strings.ToLower(address[2:])) {
			t.Errorf("the call pays nothing to %s", address)
		}
	}
	for _, i := range d.Items {
		if !strings.Contains(last, strings.TrimPrefix(i.Reference, "0x")) {
			t.Errorf("the call does not name %s", i.Reference)
		}
	}
	s := w.Get(at + "/status").Want(http.StatusOK).JSON()
	if requests, _ := s["requests"].([]any); s["state"] != "open" || s["payable"] != true || len(requests) != 2 {
		t.Errorf("status: %v", s)
	}
	for _, bad := range []string{string(l.id) + "~", string(l.id) + "~DAI", string(l.id) + "~~USDC-base", "~USDC-base", string(l.id) + "~USDC-base~x", w.CreatePayment("1") + "~USDC-base"} {
		w.Get("/?token=" + url.QueryEscape(bad)).Want(http.StatusNotFound)
		w.Get("/checkout/" + url.PathEscape(bad) + "/status").Want(http.StatusNotFound)
	}
}

// unhex reads bytes as a page has them.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSplitLinkIsPaid(t *testing.T) {
	w, l := splitWorld(t)
	l.post("/quote", url.Values{"asset": {"ETH-base"}}).Want(http.StatusSeeOther)
	token := string(l.id) + "~ETH-base"
	d := dataIn(t, w.Get("/?token="+token).Want(http.StatusOK))
	var calls struct {
		Transactions []struct{ To, Data, Value string }
	}
	if err := json.Unmarshal(w.Get("/checkout/"+token+"/pay?option="+d.Option+"&wallet="+w.Chain.Address()).Want(http.StatusOK).Body, &calls); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls.Transactions {
		value, ok := new(big.Int).SetString(c.Value, 0)
		if !ok {
			t.Fatalf("value %q", c.Value)
		}
		w.Chain.Send(c.To, value, unhex(t, c.Data))
	}
	w.Chain.Mine(1)
	l.await("the shares to be seen", func(s templates.DepositStatus) bool { return s.State == "seen" })
	doc := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if doc.Find("#qt").AttrOr("data-state", "") != "seen" {
		t.Error("the page does not follow the payment")
	}
	w.Chain.Mine(webtest.Confirmations)
	s := l.await("the end", func(s templates.DepositStatus) bool { return s.State == "paid" })
	if s.Received != "50.00" || s.Excess != "0.00" || len(s.Transfers) != 2 || s.ReturnURL != webtest.BaseURL+l.path+"/return" {
		t.Errorf("paid: %+v", s)
	}
	r := w.Get("/?token=" + token).Want(http.StatusConflict)
	if got := page(t, r).Find("#merchant-link").AttrOr("href", ""); got != webtest.BaseURL+l.path+"/return" {
		t.Errorf("the button leads to %q", got)
	}
	if page(t, r).Find("#expires-at").Length() != 0 {
		t.Error("a receipt has an end of the payment")
	}
	l.open(http.StatusConflict)
	if to := w.Get(l.path + "/return").Want(http.StatusFound).Header.Get("Location"); !strings.HasPrefix(to, "https://shop.example/done?pay_id="+l.alias+"&") || !strings.HasSuffix(to, "&status=success") {
		t.Errorf("leads to %s", to)
	}
}

// Once a price is over, another has to be got on the link's own page.
func TestSplitLinkPriceExpires(t *testing.T) {
	w, l := splitWorld(t)
	l.post("/quote", url.Values{"asset": {"USDC-base"}}).Want(http.StatusSeeOther)
	token := string(l.id) + "~USDC-base"
	r := played{asset: "USDC-base", none: true}
	soon := besideWith(t, w, r, payment.QuoteLife+time.Second, secpaid.Spoken())
	if s := seen(t, soon, "/checkout/"+token+"/status").Want(http.StatusOK).JSON(); s["state"] != "open" {
		t.Errorf("what was sent a moment ago has no time to come: %v", s)
	}
	later := besideWith(t, w, r, payment.QuoteLife+payment.QuoteGrace+time.Second, secpaid.Spoken())
	doc := page(t, seen(t, later, "/?token="+token).Want(http.StatusForbidden))
	if doc.Find("#qt").AttrOr("data-state", "") != "expired" || doc.Find("#quote-again").AttrOr("href", "") != l.page || !strings.HasPrefix(text(doc, "over"), "This price has expired") {
		t.Errorf("after the price: %s", text(doc, "over"))
	}
	if s := seen(t, later, "/checkout/"+token+"/status").Want(http.StatusOK).JSON(); s["state"] != "expired" || s["payable"] != false {
		t.Errorf("status: %v", s)
	}
	page(t, seen(t, later, l.page).Want(http.StatusOK))
}
