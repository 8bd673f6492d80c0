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
