//go:build !nosandbox

package templates_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"quittance/templates"
)

var (
	testNow    = time.Date(2026, 1, 12, 14, 15, 0, 0, time.UTC)
	testAssets = templates.Assets{CSS: "/static/pay-1.css", Icon: "/static/favicon-1.svg", Script: "/static/pay-1.js"}
)

func render(t testing.TB, page templ.Component) (string, *goquery.Document) {
	t.Helper()
	var buf bytes.Buffer
	if err := page.Render(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	text := buf.String()
	doc, err := goquery.NewDocumentFromReader(&buf)
	if err != nil {
		t.Fatal(err)
	}
	return text, doc
}

// stories are made once: tests change copies only.
var stories = sync.OnceValue(func() []templates.Story { return templates.Stories(testAssets, testNow) })

func story(t testing.TB, name string) templates.Story {
	t.Helper()
	for _, s := range stories() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no story %q", name)
	return templates.Story{}
}

// words is an element's text with its white space evened out, as a browser does.
func words(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

func TestEveryStoryIsASoundDocument(t *testing.T) {
	names := map[string]bool{}
	for _, s := range stories() {
		t.Run(s.Name, func(t *testing.T) {
			if names[s.Name] {
				t.Error("two stories of this name")
			}
			names[s.Name] = true
			text, doc := render(t, s.Page)
			checkDocument(t, text, doc)
			if s.View != nil {
				checkPayment(t, s, doc)
			}
			if s.Deposit != nil {
				checkDeposit(t, s.Deposit, doc)
			}
		})
	}
}

// ownLinks lead to pages of this server.
var ownLinks = map[string]bool{"look-again": true, "bank-choose": true, "cancel": true, "cancel-no": true, "quote-again": true}

// checkDocument holds for every page: what assistive technology, the content
// security policy and the tests rely on.
func checkDocument(t *testing.T, text string, doc *goquery.Document) {
	t.Helper()
	if err := balanced(text); err != nil {
		t.Error(err)
	}
	if lang := doc.Find("html").AttrOr("lang", ""); lang != "en" {
		t.Errorf("lang is %q", lang)
	}
	if n := doc.Find("h1").Length(); n != 1 {
		t.Errorf("%d h1 elements", n)
	}
	if n := doc.Find("main").Length(); n != 1 {
		t.Errorf("%d main elements", n)
	}
	if title := words(doc.Find("head title")); title == "" {
		t.Error("no title")
	}
	seen := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, el *goquery.Selection) {
		id := el.AttrOr("id", "")
		if seen[id] {
			t.Errorf("id %q twice", id)
		}
		seen[id] = true
		if test, ok := el.Attr("data-testid"); ok && test != id {
			t.Errorf("#%s has data-testid %q", id, test)
		}
	})
	doc.Find("[aria-labelledby]").Each(func(_ int, el *goquery.Selection) {
		if by := el.AttrOr("aria-labelledby", ""); !seen[by] {
			t.Errorf("aria-labelledby %q names nothing", by)
		}
	})
	doc.Find("*").Each(func(_ int, el *goquery.Selection) {
		for _, a := range el.Nodes[0].Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has attribute %s", el.Nodes[0].Data, a.Key)
			}
		}
	})
	if n := doc.Find("style").Length(); n != 0 {
		t.Errorf("%d style elements", n)
	}
	doc.Find("script").Each(func(_ int, el *goquery.Selection) {
		if el.AttrOr("type", "") != "application/json" && el.Text() != "" {
			t.Errorf("inline script: %s", el.Text())
		}
	})
	doc.Find("a[href]").Each(func(_ int, el *goquery.Selection) {
		href := el.AttrOr("href", "")
		wallet := el.AttrOr("id", "") == "open-wallet" && strings.HasPrefix(href, "ethereum:0x")
		if href != "" && !wallet && !strings.HasPrefix(href, "https://") && !strings.HasPrefix(href, "#") && !ownLinks[el.AttrOr("id", "")] {
			t.Errorf("link to %q", href)
		}
		if strings.HasPrefix(href, "https://") && el.AttrOr("rel", "") != "noopener noreferrer" {
			t.Errorf("link to %q without rel", href)
		}
	})
	doc.Find("button").Each(func(_ int, el *goquery.Selection) {
		if kind := el.AttrOr("type", ""); kind != "button" && (kind != "submit" || el.Closest("form").Length() == 0) {
			t.Errorf("button %q without a type", words(el))
		}
	})
}

var (
	scripts = regexp.MustCompile(`(?s)(<script[^>]*>).*?</script>`)
	tag     = regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)((?:\s[^<>]*?)?)(/?)>`)
	void    = []string{"meta", "link", "img", "br", "hr", "input", "wbr"}
)

// balanced says that every element that is opened is closed in its turn.
func balanced(text string) error {
	text, ok := strings.CutPrefix(text, "<!doctype html>")
	if !ok {
		if text, ok = strings.CutPrefix(text, "<!DOCTYPE html>"); !ok {
			return fmt.Errorf("no doctype: %.40q", text)
		}
	}
	text = scripts.ReplaceAllString(text, "$1</script>")
	var open []string
	for _, m := range tag.FindAllStringSubmatch(text, -1) {
		switch closing, name, selfClosed := m[1] != "", m[2], m[4] != ""; {
		case closing && (len(open) == 0 || open[len(open)-1] != name):
			return fmt.Errorf("</%s> closes %v", name, open)
		case closing:
			open = open[:len(open)-1]
		case !selfClosed && !slices.Contains(void, name):
			open = append(open, name)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("never closed: %v", open)
	}
	if rest := tag.ReplaceAllString(text, ""); strings.ContainsAny(rest, "<>") {
		return fmt.Errorf("a bracket outside of tags")
	}
	return nil
}

// everywhere are the hooks that each payment's page has, stages those that the
// script needs while the payment is alive.
var (
	everywhere = []string{"qt", "details", "network", "payee-name", "live", "payment"}
	ofOne      = []string{"amount", "payee", "reference"}
	ofSeveral  = []string{"amounts", "count", "items", "items-progress"}
	stages     = []string{
		"time-left", "safety", "safety-title", "safety-text", "safety-checks",
		"act", "wallet-list", "wallet-item", "wallet-none", "wallet-searching", "account", "account-address", "account-wallet",
		"account-change", "wrong-chain", "switch-chain", "funds", "funds-balance", "funds-gas", "funds-missing", "funds-refresh",
		"steps", "step-item", "go", "notice", "notice-title", "notice-text", "notice-retry", "advanced", "advanced-calls",
		"call-item", "call-row", "progress", "progress-title", "progress-text", "confirmations", "confirmations-text", "progress-tx",
		"success", "success-title", "success-text", "success-tx", "success-link", "unsafe", "unsafe-title", "unsafe-check", "unsafe-text", "over",
	}
)

// visible is the stage that each state shows.
var visible = map[string]string{
	"open": "act", "seen": "progress", "paid": "success", "unsafe": "unsafe", "expired": "over", "canceled": "over", "failed": "over", "blocked": "over",
}

// drawn are the stories in which the script has been at work.
var drawn = regexp.MustCompile(`^(act|ways|route)-`)

func checkPayment(t *testing.T, s templates.Story, doc *goquery.Document) {
	t.Helper()
	want := slices.Clone(everywhere)
	own := ofOne
	if s.View.Batch() {
		own = ofSeveral
	}
	want = append(want, own...)
	if s.View.State == templates.StateOpen {
		want = append(want, stages...)
		if s.View.Batch() {
			want = append(want, "totals")
		} else {
			want = append(want, "fee-row", "fee", "total")
		}
	}
	for _, id := range want {
		if doc.Find("#"+id).Length() != 1 {
			t.Errorf("no #%s", id)
		}
	}
	if got := doc.Find("#payee").Text(); got != s.View.Payee {
		t.Errorf("#payee is %q, want %q", got, s.View.Payee)
	}
	if got := doc.Find("#reference").Text(); got != s.View.Reference {
		t.Errorf("#reference is %q, want %q", got, s.View.Reference)
	}
	if got := words(doc.Find("#payee-name")); got != s.View.Merchant && !s.View.Payout {
		t.Errorf("#payee-name is %q, want %q", got, s.View.Merchant)
	}
	if got, want := doc.Find("#payee-copy").Length() == 1, s.View.Payee != "" && !s.View.PayeeShort; got != want {
		t.Errorf("a button to copy the payee: %v, want %v", got, want)
	}
	checkItems(t, s.View, doc)
	if got, want := doc.Find("#sandbox-banner").Length() == 1, s.View.Sandbox; got != want {
		t.Errorf("sandbox banner %v, want %v", got, want)
	}
	if drawn.MatchString(s.Name) {
		return // drawn: the script has moved on from the server's state
	}
	if got := doc.Find("#qt").AttrOr("data-state", ""); got != s.View.State {
		t.Errorf("data-state is %q, want %q", got, s.View.State)
	}
	doc.Find(".stage").Each(func(_ int, el *goquery.Selection) {
		id := el.AttrOr("id", "")
		_, hidden := el.Attr("hidden")
		if hidden == (id == visible[s.View.State]) {
			t.Errorf("#%s hidden: %v in state %s", id, hidden, s.View.State)
		}
	})
	var data templates.Data
	if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
		t.Error(err)
	} else if !reflect.DeepEqual(data, s.View.Data) {
		t.Errorf("data block is %+v, want %+v", data, s.View.Data)
	}
}

// checkItems holds the list of a batch against its view: what the script reads back.
func checkItems(t *testing.T, v *templates.PayPage, doc *goquery.Document) {
	t.Helper()
	rows := doc.Find("#items > [data-item]")
	if rows.Length() != len(v.Items) {
		t.Fatalf("%d payments are listed, want %d", rows.Length(), len(v.Items))
	}
	for k, i := range v.Items {
		row := rows.Eq(k)
		if at := row.AttrOr("data-item", ""); at != strconv.Itoa(i.Index) {
			t.Errorf("payment %d is listed as %s", i.Index, at)
		}
		fee := ""
		if i.Fee != "" {
			fee = i.Fee + " " + i.Symbol
		}
		for part, want := range map[string]string{"payee": i.Payee, "amount": i.Amount + " " + i.Symbol, "fee": fee, "reference": i.Reference} {
			if got := words(row.Find(".item-" + part)); got != want {
				t.Errorf("payment %d: %s is %q, want %q", i.Index, part, got, want)
			}
		}
	}
	if v.State == templates.StateUnsafe {
		return // a sum would tell what to pay
	}
	for k, total := range v.Totals {
		row := doc.Find("#totals > [data-total='" + strconv.Itoa(k) + "']")
		if got, want := words(row.Find(".total-sum")), total.Sum+" "+total.Symbol; got != want {
			t.Errorf("total %d is %q, want %q", k, got, want)
		}
		if got, want := words(row.Find(".total-amount")), total.Amount+" "+total.Symbol; got != want {
			t.Errorf("amount %d is %q, want %q", k, got, want)
		}
	}
}

// A hidden payment's page says where it stands, and nothing that the view model
// of its page has.
func TestLockedPagesTellNothing(t *testing.T) {
	secret := story(t, "open").View
	for _, s := range stories() {
		if !strings.HasPrefix(s.Name, "locked-") {
			continue
		}
		text, doc := render(t, s.Page)
		for _, told := range []string{secret.Merchant, secret.Payee, secret.Due, secret.Symbol, secret.Reference, secret.Network, secret.OrderNote, "USDC", "8453", "acme"} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(told)) {
				t.Errorf("%s tells %q", s.Name, told)
			}
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
			t.Fatal(err)
		}
		if len(data) != 3 || data["locked"] != true {
			t.Errorf("%s: data block is %v", s.Name, data)
		}
	}
}

func TestWordsArePartOfTheContract(t *testing.T) {
	for _, row := range []struct{ story, selector, want string }{
		{"open", "#safety-title", "This is a safe smart contract"},
		{"open", "#safety-text", "The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid."},
		{"open", "#sandbox-banner", "Sandbox: no real money"},
		{"open", "#amount", "10.00 USDC"},
		{"open", "#fee", ""},
		{"open", "#total", "10.00 USDC"},
		{"open", "#time-left", "until 14:30 UTC"},
		{"open", "#expires-at", "12 January 2026 at 14:30 UTC"},
		{"open-fee", "#fee", "0.25 USDC"},
		{"open-fee", "#total", "10.25 USDC"},
		{"open-partial", "#amount", "6.00 USDC"},
		{"open-partial", "#partial", "4.00 of 10.00 USDC has arrived. 6.00 USDC is still to pay."},
		{"open", "#merchant-link", "Back to Acme Store"},
		{"seen", "#amount", "10.00 USDC"},
		{"batch", "#count", "4 payments to 4 accounts, all in one transaction"},
		{"batch-long", "#items-more summary", "Show all 12 payments"},
		{"batch-200", "#count", "200 payments to 150 accounts, all in one transaction"},
		{"batch", "#items-progress", ""},
		{"batch-partial", "#items-progress", "1 of 4 paid"},
		{"batch-partial", "#partial", "35.00 USDC has arrived. 40.00 USDC and 25.00 USDT are still to pay."},
		{"batch-partial", "[data-item='1'] .item-state", "10.00 of 25.00 USDC has arrived"},
		{"batch-seen", "#items-progress", "12 of 12 on the way"},
		{"batch", "head title", "Pay 75.00 USDC and 25.00 USDT: Acme Store"},
		{"batch-contract-fee", "[data-total='0'] .total-contract", "0.225 USDC"},
		{"access-listed", "#access strong", "Only certain wallets can pay this."},
		{"access-screened", "#access strong", "Wallets are screened before they can pay this."},
		{"payee-short", "#payee", "0x8626…1199"},
		{"payout", "#heading", "You are paying out to Freelancer 4711"},
		{"payout", "#payout-for", "Acme Store"},
		{"payout-nameless", "#heading", "You are paying out to 0x8626…1199"},
		{"payout", "head title", "Pay out 10.00 USDC to Freelancer 4711"},
		{"blocked", ".ending-blocked h2", "This payment cannot be made"},
		{"locked-open", "head title", "Private payment"},
		{"locked-expired", "#locked-text", "You are coming too late. Please contact the recipient to send you a new payment link."},
		{"seen", "#confirmations-text", "1 of 3 confirmations"},
		{"paid", "#success-title", "This payment has already been made."},
		{"paid", "#success-text", "If that is not the case, please check the link and try again, or contact the recipient of this payment."},
		{"paid-bridge", "#success-given", "10.03 USDT on Arbitrum One"},
		{"paid", "#success-tx", "0x5e1d3a76fbf824220eafc8c79ad578ad2b67d01b0c2425eb1f1347e8f50882ab"},
		{"paid-default-label", "#merchant-link", "Go Back and Close"},
		{"paid-no-redirect", "#close", "Go Back and Close"},
		{"paid-over", "#surplus strong", "2.50 USDC more than asked for has arrived."},
		{"expired", ".ending-expired .lead", "You are coming too late. Please contact the recipient to send you a new payment link."},
		{"expired-under", "#arrived strong", "4.00 USDC has arrived all the same."},
		{"unsafe-code-pinned", "#unsafe-text", "There is an issue with this payment call data. Please contact the recipient to send you a new payment link."},
		{"unsafe-code-pinned", "#unsafe-check", "Contract code unchanged"},
		{"safe-waiting", "head title", "Waiting for signatures: Acme Store"},
		{"safe-waiting", "#progress-text", "The payment was proposed to a Safe. 2 of 3 owners must sign it, and then one of them executes it. Nothing leaves the Safe before that."},
		{"safe-waiting", "#safe-signed-text", "1 of 2 signatures"},
		{"safe-waiting", "#safe-queue", "Nonce 7, the next one"},
		{"safe-waiting-queue", "#safe-queue", "Nonce 12, 2 come before it"},
		{"safe-waiting-queue", "#safe-chain", "Arbitrum One (sandbox)"},
		{"safe-waiting", "[data-signed='true'] .safe-owner-state", "Signed"},
		{"safe-waiting-untold", "#safe-signed-text", ""},
		{"safe-waiting-signed", "#progress-title", "Signed, and waiting to be executed"},
		{"safe-foreign", "#progress-title", "A payment from a Safe is waiting"},
		{"safe-executed", "#progress-title", "The Safe has sent the payment"},
		{"safe-failed", "#failed-title", "The Safe's transaction failed"},
		{"safe-late", "#failed-title", "The Safe's transaction came too late"},
		{"failed", "#failed-title", "This payment did not go through"},
		{"open-safe-replaced", "#safe-told-title", "The Safe used another transaction instead"},
		{"open-safe-waiting", "#safe-told-title", "Your Safe can still make this payment"},
		{"paid-safe", "#payer-safe", "a Safe, signed by its owners"},
		{"op-waiting", "head title", "Your payment without gas is on its way: Acme Store"},
		{"op-waiting", "#op-gas", "0 ETH"},
		{"op-waiting", "#op-account", "0x8C1B…C0aF"},
		{"op-waiting-open", "#op-chain", "Arbitrum One (sandbox)"},
		{"op-foreign", "#progress-title", "A payment without gas is on its way"},
		{"op-executed", "#progress-title", "Your payment was carried out"},
		{"op-failing", "#progress-title", "The payment did not go through"},
		{"op-failing", "#op-why", "The contracts said: “ERC20: transfer amount exceeds balance”"},
		{"op-replacing", "#progress-title", "The payment did not go through"},
		{"open-op-failed", "#op-told-title", "The payment without gas did not go through"},
		{"open-op-replaced", "#op-told-title", "Your smart account did something else instead"},
		{"open-op-expired", "#op-told-title", "The payment without gas was not carried out in time"},
		{"open-op-refused", "#op-told-title", "The payment without gas could not be sent"},
		{"open-op-waiting", "#op-told-title", "Your earlier payment may still go through"},
		{"open-op-executed", "#op-told-title", "Your payment was carried out"},
		{"paid-gasless", "#payer-gasless", "the smart account of the payer's wallet"},
		{"paid-gasless", "#success-gas", "0 ETH, paid by a sponsor"},
		{"unknown", "#plain-text", "This URL is invalid. Please check the link and try again, or contact the recipient of this payment."},
		{"unknown", "#request-id", "01JZX7T6Q0"},
	} {
		_, doc := render(t, story(t, row.story).Page)
		el := doc.Find(row.selector)
		if el.Length() != 1 {
			t.Errorf("%s: %d of %s", row.story, el.Length(), row.selector)
		} else if got := words(el); got != row.want {
			t.Errorf("%s: %s is %q, want %q", row.story, row.selector, got, row.want)
		}
	}
}

// What is not proven must not be told to those who did not say it: the view has
// none of it, and the page makes up for none.
func TestForeignSafeTellsNothing(t *testing.T) {
	_, doc := render(t, story(t, "safe-foreign").Page)
	for _, hidden := range []string{"#safe-signatures", "#safe-owners", "#safe-address-row", "#safe-chain-row", "#safe-queue-row", "#safe-deadline-row"} {
		if _, ok := doc.Find(hidden).Attr("hidden"); !ok {
			t.Errorf("%s shows", hidden)
		}
	}
	if _, ok := doc.Find("#safe").Attr("data-told"); ok || doc.Find("#safe-owners li").Length() != 0 {
		t.Error("the page says that it knows the Safe")
	}
	if _, ok := doc.Find("#safe-until-row").Attr("hidden"); ok {
		t.Error("the page does not say how long that lasts")
	}
}

// Who may not know of an operation is told that there is one, and how long.
func TestForeignOperationTellsNothing(t *testing.T) {
	_, doc := render(t, story(t, "op-foreign").Page)
	for _, hidden := range []string{"#op-account-row", "#op-hash-row", "#op-chain-row", "#op-gas-row", "#op-why", "#progress-tx"} {
		if _, ok := doc.Find(hidden).Attr("hidden"); !ok {
			t.Errorf("%s is shown", hidden)
		}
	}
	if _, ok := doc.Find("#op").Attr("data-own"); ok {
		t.Error("the page says that its reader sent it")
	}
	if _, ok := doc.Find("#op-until-row").Attr("hidden"); ok {
		t.Error("the page does not say how long")
	}
}

// A page that cannot be paid without gas has no trace of it, and one that can shows
// nothing of it before the script knows more.
func TestWithoutGasIsTheScriptsDoing(t *testing.T) {
	_, plain := render(t, story(t, "open").Page)
	if n := plain.Find("#gasless, #gasless-plan, #gas-way, #op, #op-told, #success-revoke").Length(); n != 0 {
		t.Errorf("%d parts where there is no script for it", n)
	}
	_, doc := render(t, story(t, "open-op-expired").Page)
	for _, id := range []string{"#gasless", "#gasless-plan", "#gasless-revoke", "#gasless-cap", "#gasless-cap-own", "#success-revoke", "#op", "#success-gas-row"} {
		if _, hidden := doc.Find(id).Attr("hidden"); !hidden || doc.Find(id).Length() != 1 {
			t.Errorf("%s is there without script", id)
		}
	}
	if _, exact := doc.Find("#gasless-cap-exact").Attr("checked"); !exact {
		t.Error("the cap is not exact to begin with")
	}
	for name, title := range map[string]string{"op_sender": "Your own smart account, and no other", "op_paymaster": "The gas is paid by the sponsor"} {
		if got := templates.CheckTitle(name); got != title {
			t.Errorf("%s is called %q", name, got)
		}
	}
}

func TestUnsafePageOffersNoWayOn(t *testing.T) {
	for _, s := range stories() {
		if s.View == nil || s.View.State != templates.StateUnsafe {
			continue
		}
		_, doc := render(t, s.Page)
		for _, gone := range []string{"#act", "#go", "#onward", "#wallet-list", "#merchant-link", "#success", "#total", "#totals", "#in-total"} {
			if doc.Find(gone).Length() != 0 {
				t.Errorf("%s: has %s", s.Name, gone)
			}
		}
		if got := doc.Find("#safety").AttrOr("data-outcome", ""); got != "failed" {
			t.Errorf("%s: safety is %q", s.Name, got)
		}
	}
	// A state nobody knows must not be payable either.
	p := *story(t, "open").View
	p.State = "half-open"
	_, doc := render(t, templates.Pay(&p))
	if doc.Find("#go").Length() != 0 {
		t.Error("an unknown state can be paid")
	}
}

func TestPageWithoutScriptReloadsOnlyWhileSeen(t *testing.T) {
	for name, want := range map[string]bool{"open": false, "seen": true, "paid": false} {
		text, _ := render(t, story(t, name).Page)
		if got := strings.Contains(text, `<noscript><meta http-equiv="refresh" content="5"></noscript>`); got != want {
			t.Errorf("%s: reloads %v, want %v", name, got, want)
		}
	}
	text, _ := render(t, story(t, "safe-waiting").Page)
	if !strings.Contains(text, `<noscript><meta http-equiv="refresh" content="30"></noscript>`) {
		t.Error("a page that waits for owners of a Safe does not reload, or too often")
	}
	text, _ = render(t, story(t, "open").Page)
	if !strings.Contains(text, `id="noscript"`) {
		t.Error("the open page says nothing to a browser without script")
	}
}

func TestScriptsAreModulesAndTheSandboxWalletComesFirst(t *testing.T) {
	p := *story(t, "open").View
	p.Assets = templates.Assets{CSS: "/c", Icon: "/i", Script: "/static/pay-1.js", Sandbox: "/static/sandbox-wallet-1.js"}
	_, doc := render(t, templates.Pay(&p))
	var got []string
	doc.Find(`script[type="module"]`).Each(func(_ int, el *goquery.Selection) { got = append(got, el.AttrOr("src", "")) })
	if want := []string{"/static/sandbox-wallet-1.js", "/static/pay-1.js"}; !slices.Equal(got, want) {
		t.Errorf("modules are %v, want %v", got, want)
	}
}

func TestRedirectOnlyToTheWeb(t *testing.T) {
	for url, want := range map[string]string{
		"https://shop.example/a?b=c&d=1": "https://shop.example/a?b=c&d=1",
		"http://shop.example/":           "http://shop.example/",
		"javascript:alert(1)":            "",
		"JaVaScRiPt:alert(1)":            "",
		" https://shop.example/":         "",
		"data:text/html,x":               "",
		"//shop.example/":                "",
		"/relative":                      "",
	} {
		p := *story(t, "paid").View
		p.RedirectURL = url
		_, doc := render(t, templates.Pay(&p))
		link := doc.Find("#merchant-link")
		if got := link.AttrOr("href", ""); got != want {
			t.Errorf("%q leads to %q, want %q", url, got, want)
		}
		if want == "" && doc.Find("#close").Length() != 1 {
			t.Errorf("%q: no way to close", url)
		}
	}
}

func TestStoryIndexLinksEveryStory(t *testing.T) {
	all := stories()
	_, doc := render(t, templates.StoryIndex(testAssets, "/storybook/", all))
	for _, s := range all {
		if doc.Find(`a[href="/storybook/`+s.Name+`"]`).Length() != 1 {
			t.Errorf("no link to %s", s.Name)
		}
	}
}
