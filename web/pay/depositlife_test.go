package pay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
	"quittance/web/pay"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

func TestDepositIsPaidInParts(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	first := d.status()
	tx := d.send(first.Quote, 400)
	w.Chain.Mine(1)
	s := d.await("the first part", func(s templates.DepositStatus) bool { return len(s.Transfers) == 1 })
	if s.State != "open" || !s.Payable || !s.Part || s.Oddity != "under" || s.Received != "10.00" || s.Missing != "15.00" || s.Required != webtest.Confirmations {
		t.Errorf("after a part: %+v", s)
	}
	if x := s.Transfers[0]; x.Symbol != "ETH" || x.Worth != "10.00" || x.Stage != "pending" || x.TxHash != tx || x.ExplorerURL != "" || x.Late || x.Chain != "Base (sandbox)" || x.Required != webtest.Confirmations {
		t.Errorf("the first part is told as %+v", x)
	}
	rest, _ := new(big.Int).SetString(first.Quote.Units, 10)
	rest.Sub(rest, new(big.Int).Quo(new(big.Int).Mul(rest, big.NewInt(400)), big.NewInt(1000)))
	doc := d.page(http.StatusOK)
	if got, want := text(doc, "partial"), "You have sent 10.00 of 25.00 USD. Send "+s.Quote.Amount+" ETH more."; got != want || !shown(doc, "partial") || !shown(doc, "arrived") {
		t.Errorf("the page says %q, want %q", got, want)
	}
	if diff := new(big.Int).Sub(rest, units(t, s.Quote)); diff.CmpAbs(big.NewInt(1e10)) > 0 {
		t.Errorf("%s is still asked for, want %s", s.Quote.Units, rest)
	}
	// The rest comes in another token.
	s = statusIn(t, d.form(url.Values{"asset": {"USDC-base"}}, "Accept: application/json").Want(http.StatusOK))
	if s.Quote.Amount != "15.002241" { // 15 / 0.99985 less what the first part was rounded up by
		t.Errorf("the rest is %s", s.Quote.Amount)
	}
	d.send(s.Quote, 1000)
	w.Chain.Mine(1)
	s = d.await("the rest", func(s templates.DepositStatus) bool { return s.State == "seen" })
	if s.Payable || s.Quote != nil || s.Received != "25.00" || s.Missing != "0.00" || s.Transfers[1].Worth != "15.00" || s.Transfers[1].Symbol != "USDC" || s.Confirmations != 1 {
		t.Errorf("enough: %+v", s)
	}
	doc = d.page(http.StatusOK)
	if shown(doc, "send") || !shown(doc, "arrived-text") || text(doc, "arrived-title") != "Your payment is on its way" {
		t.Error("more is asked for than is due")
	}
	w.Chain.Mine(webtest.Confirmations)
	s = d.await("paid", func(s templates.DepositStatus) bool { return s.State == "paid" })
	want := "https://shop.example/done?x=1&paymentId=" + d.alias + "&status=completed&cart=a%26b"
	if s.ReturnURL != want || s.SettledAt == "" || s.Excess != "0.00" || s.Oddity != "none" {
		t.Errorf("paid: %+v", s)
	}
	doc = d.page(http.StatusOK)
	if got := doc.Find("#merchant-link").AttrOr("href", ""); got != want || !shown(doc, "success") || shown(doc, "surplus") || doc.Find("#transfers li").Length() != 2 {
		t.Errorf("the receipt leads to %q", got)
	}
}

func units(t *testing.T, q *templates.DepositQuote) *big.Int {
	t.Helper()
	if q == nil {
		t.Fatal("no quote")
	}
	x, ok := new(big.Int).SetString(q.Units, 10)
	if !ok {
		t.Fatalf("units %q", q.Units)
	}
	return x
}

func TestDepositStream(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	next := follow(t, w, d.path+"/events?asset=ETH-base")
	next("open", func(v map[string]any) bool { return v["state"] == "open" && v["quote"] != nil && v["now"] != "" })
	d.send(d.status().Quote, 1500)
	w.Chain.Mine(1)
	next("the first confirmation", func(v map[string]any) bool {
		return v["state"] == "seen" && v["confirmations"] == 1.0 && v["required"] == 3.0 && v["payable"] == false && v["quote"] == nil
	})
	w.Chain.Mine(1)
	next("the second", func(v map[string]any) bool { return v["state"] == "seen" && v["confirmations"] == 2.0 })
	w.Chain.Mine(2)
	next("paid", func(v map[string]any) bool {
		return v["state"] == "paid" && v["excess"] == "12.50" && v["oddity"] == "over"
	})
	if doc := d.page(http.StatusOK); text(doc, "excess") != "12.50" || !shown(doc, "surplus") {
		t.Error("nothing is said of what came on top")
	}
}

func TestDepositsThatEnd(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	expired, failed, called := newDeposit(t, w, dollars25), newDeposit(t, w, dollars25), newDeposit(t, w, dollars25)
	failed.send(failed.status().Quote, 400)
	w.Chain.Mine(1)
	failed.await("a part", func(s templates.DepositStatus) bool { return s.Part })
	w.SpacePay(http.MethodPost, secretKeyPayments+"/"+called.alias+"/cancel", "").Want(http.StatusOK)

	if s, doc := called.status(), called.page(http.StatusOK); s.State != "canceled" || s.Payable || s.Quote != nil || !shown(doc, "over") || doc.Find(".ending-canceled").Length() != 1 || doc.Find(".ending").Length() != 1 {
		t.Errorf("canceled: %+v", s)
	}
	if r := called.form(url.Values{"asset": {"ETH-base"}}).Want(http.StatusSeeOther); r.Header.Get("Location") != called.path {
		t.Errorf("a quote of what is over: %s", r.Header.Get("Location"))
	}
	called.form(url.Values{"asset": {"ETH-base"}}, "Accept: application/json").Want(http.StatusForbidden)
	w.Get(called.path + "/pay?asset=ETH-base&wallet=" + webtest.Payee).Want(http.StatusForbidden)

	after := beside(t, w, played{asset: "ETH-base", outcome: rail.Passed}, 61*time.Minute)
	if s := statusIn(t, seen(t, after, expired.path+"/status")); s.State != "expired" || s.Payable || s.Quote != nil {
		t.Errorf("expired: %+v", s)
	}
	if doc := page(t, seen(t, after, expired.path).Want(http.StatusOK)); doc.Find(".ending-expired").Length() != 1 || shown(doc, "late") || doc.Find("#address").Length() != 0 {
		t.Error("an expired payment still says where to send")
	}
	if s := statusIn(t, seen(t, after, failed.path+"/status")); s.State != "failed" || !s.Part || s.Received != "10.00" || s.ReturnURL != "" {
		t.Errorf("failed: %+v", s)
	}
	doc := page(t, seen(t, after, failed.path).Want(http.StatusOK))
	if got := text(doc, "failed-text"); got != "10.00 of 25.00 USD arrived before the time ran out, so this payment has failed." || !shown(doc, "arrived") {
		t.Errorf("failed: %q", got)
	}
}

func TestDepositsThatComeLate(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{Life: 2 * time.Second}})
	d := newDeposit(t, w, dollars25)
	// Blocks tell whole seconds.
	d.await("a block's time after the end", func(s templates.DepositStatus) bool { return s.State == "expired" && s.Now > s.ExpiresAt })
	w.Chain.Send(d.address, d.load().Quotes[0].Units, nil)
	w.Chain.Mine(webtest.Confirmations + 1)
	s := d.await("what came late", func(s templates.DepositStatus) bool { return s.Late == "25.00" })
	if s.State != "expired" || s.Oddity != "late" || !s.Transfers[0].Late || s.Received != "0.00" || s.Part {
		t.Errorf("late: %+v", s)
	}
	if doc := d.page(http.StatusOK); text(doc, "late-amount") != "25.00" || !shown(doc, "late") {
		t.Error("nothing is said of what came late")
	}
}

func TestDepositWithAWallet(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	payee := d.load().Terms.Requests[0].Payee.String()
	at := func(query string) webtest.Response { return w.Get(d.path + "/pay?" + query) }
	eth := at("asset=ETH-base&wallet=" + w.Chain.Wallet.Address()).Want(http.StatusOK).JSON()
	q := d.status().Quote
	steps, _ := eth["transactions"].([]any)
	step, _ := steps[0].(map[string]any)
	if len(steps) != 1 || step["to"] != payee || step["data"] != "0x" || step["value"] != fmt.Sprintf("0x%x", units(t, q)) || eth["address"] != payee || eth["units"] != q.Units {
		t.Errorf("calls: %v", eth)
	}
	if r := at("asset=USDC-base&wallet=" + webtest.Payee).Want(http.StatusConflict).JSON(); r["code"] != "quote_expired" {
		t.Errorf("without a quote: %v", r)
	}
	if len(d.load().Quotes) != 1 {
		t.Error("asking for calls made a quote")
	}
	for query, field := range map[string]string{"asset=ETH-base": "wallet", "asset=ETH-base&wallet=0x1": "wallet", "wallet=" + webtest.Payee: "asset", "asset=USD&wallet=" + webtest.Payee: "asset"} {
		if r := at(query).Want(http.StatusBadRequest).JSON(); r["field"] != field {
			t.Errorf("%s: %v", query, r)
		}
	}

	tx := d.send(q, 1000)
	intent := fmt.Sprintf(`{"txHash":%q,"wallet":%q,"chain":900008453}`, strings.ToUpper(tx[2:]), w.Chain.Wallet.Address())
	w.Do(http.MethodPost, d.path+"/intent", intent).Want(http.StatusBadRequest)
	intent = fmt.Sprintf(`{"txHash":%q,"wallet":%q,"chain":900008453}`, tx, w.Chain.Wallet.Address())
	r := w.Do(http.MethodPost, d.path+"/intent", intent).Want(http.StatusOK)
	cookie, _, _ := strings.Cut(r.Header.Get("Set-Cookie"), ";")
	if s := statusIn(t, w.Get(d.path+"/status", "Cookie: "+cookie)); s.AnnouncedTx != tx {
		t.Errorf("this browser announced %q, want %s", s.AnnouncedTx, tx)
	}
	if s := d.status(); s.AnnouncedTx != "" {
		t.Error("another browser is told what this one announced")
	}
	w.Do(http.MethodPost, d.path+"/intent", strings.Replace(intent, "900008453", "0", 1)).Want(http.StatusBadRequest)
	w.Do(http.MethodPost, d.path+"/intent", intent, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example").Want(http.StatusForbidden)

	w.Do(http.MethodPost, d.path+"/telemetry", `{"event":"unsafe_refused","check":"page_address","detail":"another address"}`).Want(http.StatusNoContent)
	events, err := w.App.Store.Events(t.Context(), d.load().ID)
	if err != nil {
		t.Fatal(err)
	}
	unsafe := ""
	for _, e := range events {
		if e.Kind == payment.EventUnsafe {
			unsafe = e.Detail
		}
	}
	if !strings.Contains(unsafe, "page_address") {
		t.Errorf("the page's refusal is kept as %q", unsafe)
	}
}

// played is a rail for one asset, whose check of the address says what a test wants.
type played struct {
	asset   asset.ID
	outcome rail.Outcome
	none    bool // it checks nothing
}

func (played) ID() rail.ID { return "played" }
func (r played) Offer(context.Context, *payment.Payment, rail.Payer) ([]rail.Option, error) {
	return []rail.Option{{ID: "played:" + string(r.asset), Rail: "played", Type: rail.SameChain, Chain: 900008453, Asset: r.asset}}, nil
}
func (played) Prepare(context.Context, *payment.Payment, string, rail.Payer) (rail.Instruction, error) {
	return nil, errors.New("not played")
}
func (r played) Guard(context.Context, *payment.Payment) []rail.Check {
	if r.none {
		return nil
	}
	return []rail.Check{{Name: "address_matches", Outcome: r.outcome, Detail: "As the test says."}}
}

type heads struct{}

func (heads) Head(asset.ChainID) (uint64, bool) { return 0, false }
func (heads) Required(asset.ChainID) int        { return webtest.Confirmations }

// beside is another server for the same payments, with one rail and a clock of its own.
func beside(t *testing.T, w *webtest.World, r played, later time.Duration) http.Handler {
	t.Helper()
	return besideWith(t, w, r, later, spacepay.Spoken())
}

func besideWith(t *testing.T, w *webtest.World, r played, later time.Duration, d web.Dialect) http.Handler {
	t.Helper()
	now := func() time.Time { return time.Now().Add(later) }
	sessions, err := web.NewSessions([][]byte{make([]byte, 64)})
	if err != nil {
		t.Fatal(err)
	}
	s := web.New(web.Config{BaseURL: webtest.BaseURL})
	pay.Mount(pay.Config{
		Server: s, Directory: w.App.Directory, Sessions: sessions, Chains: heads{}, Watch: w.App.Store.Watch, BaseURL: webtest.BaseURL, Now: now,
		Checkout: checkout.New(checkout.Config{Store: w.App.Store, Book: w.App.Checkout.Book(), Rails: []rail.Rail{r}, Now: now}),
		Dialects: []web.Dialect{d}, Limits: web.NewLimiter(web.Limits{}, nil), Log: slog.New(slog.DiscardHandler),
	})
	return s
}

func seen(t *testing.T, h http.Handler, path string) webtest.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return webtest.Answer(t, rec.Code, rec.Header(), rec.Body.Bytes())
}

// An address that is not proven is shown nowhere, and one that was refused stops all.
func TestDepositAddressMustBeProven(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	for name, row := range map[string]struct {
		rail   played
		status int
		state  string
		says   string
	}{
		"refused":     {played{outcome: rail.Refused}, http.StatusForbidden, "unsafe", "Do not pay"},
		"not told":    {played{outcome: rail.Waiting}, http.StatusOK, "open", "Still checking the address"},
		"not checked": {played{none: true}, http.StatusOK, "open", "Still checking the address"},
	} {
		row.rail.asset = "ETH-base"
		h := beside(t, w, row.rail, 0)
		r := seen(t, h, d.path+"?asset=ETH-base").Want(row.status)
		doc := page(t, r)
		if got := text(doc, "safety-title"); got != row.says || doc.Find("#qt").AttrOr("data-state", "") != row.state || shown(doc, "send") {
			t.Errorf("%s: %q in %s", name, got, doc.Find("#qt").AttrOr("data-state", ""))
		}
		status := seen(t, h, d.path+"/status?asset=ETH-base").Want(http.StatusOK)
		if s := statusIn(t, status); s.State != row.state || s.Quote != nil || s.Payable != (row.state == "open") {
			t.Errorf("%s: %+v", name, s)
		}
		for _, body := range []string{string(r.Body), string(status.Body)} {
			if strings.Contains(strings.ToLower(body), strings.ToLower(d.address[2:])) {
				t.Errorf("%s: the address is told", name)
			}
		}
	}
	if got := seen(t, beside(t, w, played{asset: "ETH-base", outcome: rail.Passed}, 0), d.path).Want(http.StatusOK); !shown(page(t, got), "quote") {
		t.Error("a proven address is not shown")
	}
}

func TestDepositPriceExpires(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	d := newDeposit(t, w, dollars25)
	later := beside(t, w, played{asset: "ETH-base", outcome: rail.Passed}, payment.QuoteLife+time.Second)
	doc := page(t, seen(t, later, d.path+"?asset=ETH-base").Want(http.StatusOK))
	if !shown(doc, "quote-lapsed") || shown(doc, "quote") || doc.Find("#qr svg").Length() != 0 || text(doc, "refresh-go") != "Get a new price" {
		t.Error("an old price is still shown")
	}
	if s := statusIn(t, seen(t, later, d.path+"/status?asset=ETH-base")); s.Quote != nil || !s.Payable || s.State != "open" {
		t.Errorf("status: %+v", s)
	}
	if doc := page(t, seen(t, later, d.path)); doc.Find("#choose-more[open]").Length() != 1 || shown(doc, "send") {
		t.Error("with no quote that is good, nothing can be chosen")
	}
}
