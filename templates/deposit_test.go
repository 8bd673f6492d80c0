//go:build !nosandbox

package templates_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"quittance/templates"
)

// depositHooks are what the script needs while a deposit is alive.
var depositHooks = []string{
	"time-left", "partial", "partial-text", "partial-more", "unpriced", "unpriced-what", "reorged", "received-row", "received", "missing-row", "missing",
	"choose", "choose-more", "choose-title", "choose-form", "send", "send-title", "quote-lapsed", "quote-missing", "quote-limited", "quote",
	"send-number", "send-symbol", "send-worth", "send-network", "amount-copy", "asset-link", "address", "address-copy", "quote-left", "qr", "open-wallet",
	"refresh", "refresh-asset", "refresh-go", "wallet", "wallet-searching", "wallet-list", "wallet-none", "wallet-item", "account", "account-wallet", "account-address",
	"account-change", "funds", "funds-balance", "funds-gas", "funds-missing", "funds-refresh", "notice", "notice-title", "notice-text", "notice-retry",
	"go", "go-text", "arrived", "arrived-title", "arrived-text", "transfers", "transfer-item", "safety", "safety-title", "safety-text", "safety-checks",
	"success", "surplus", "excess", "settled-row", "settled-at", "merchant-link", "return", "return-text", "stay",
	"over", "failed-received", "late", "late-amount", "unsafe", "unsafe-title", "unsafe-text", "unsafe-check",
}

// sendHooks are those of depositHooks that are there where the payment has an address of
// its own.
var sendHooks = depositHooks[slices.Index(depositHooks, "send"):slices.Index(depositHooks, "arrived")]

// shown tells that nothing around an element hides it; noscript and templates are no
// part of what is shown.
func shown(el *goquery.Selection) bool {
	return el.Length() == 1 && el.Closest("[hidden]").Length() == 0 && el.Closest("template").Length() == 0
}

func checkDeposit(t *testing.T, p *templates.DepositPage, doc *goquery.Document) {
	t.Helper()
	state := p.Status.State
	want := []string{"qt", "details", "payee-name", "amount", "live", "payment"}
	alive := state == templates.StateOpen || state == templates.StateSeen
	if alive {
		want = append(want, depositHooks...)
		want = slices.DeleteFunc(want, func(id string) bool {
			return id == "time-left" && (state == templates.StateSeen || p.Link) ||
				!p.Addressed && (slices.Contains(sendHooks, id) || strings.HasPrefix(id, "safety"))
		})
		if p.Link {
			want = append(want, "cancel", "canceled-by-merchant", "canceled-by-payer", "canceled-link")
		}
	}
	for _, id := range want {
		if doc.Find("#"+id).Length() != 1 {
			t.Errorf("no #%s", id)
		}
	}
	if got := doc.Find("#qt").AttrOr("data-state", ""); got != state {
		t.Errorf("data-state is %q, want %q", got, state)
	}
	visible := map[string]string{"paid": "success", "unsafe": "unsafe", "expired": "over", "canceled": "over", "failed": "over"}
	doc.Find(".stage").Each(func(_ int, el *goquery.Selection) {
		id := el.AttrOr("id", "")
		if _, hidden := el.Attr("hidden"); hidden == (id == visible[state]) {
			t.Errorf("#%s hidden: %v in state %s", id, hidden, state)
		}
	})
	quoted := state == templates.StateOpen && p.Status.Quote != nil
	if got := shown(doc.Find("#quote")); got != quoted {
		t.Errorf("what to send is shown: %v, want %v", got, quoted)
	}
	if quoted {
		for id, want := range map[string]string{"send-number": p.Status.Quote.Amount, "send-symbol": p.Status.Quote.Symbol, "address": p.Address, "send-network": p.Chosen.Chain} {
			if got := doc.Find("#" + id).Text(); got != want {
				t.Errorf("#%s is %q, want %q", id, got, want)
			}
		}
		if got := doc.Find("#open-wallet").AttrOr("href", ""); got != p.Status.Quote.URI {
			t.Errorf("a wallet is opened with %q, want %q", got, p.Status.Quote.URI)
		}
		if doc.Find("#qr svg[role=img][aria-label]").Length() != 1 {
			t.Error("no code to scan")
		}
	}
	checkTransfers(t, p, doc)
	checkBank(t, p, doc)
	var data templates.DepositData
	if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
		t.Error(err)
	} else if !reflect.DeepEqual(data, p.Data) {
		t.Errorf("data block is %+v, want %+v", data, p.Data)
	}
}

func checkBank(t *testing.T, p *templates.DepositPage, doc *goquery.Document) {
	t.Helper()
	chosen := p.Method == templates.MethodBank && p.Status.Bank != nil
	if shown(doc.Find("#bank")) != chosen || shown(doc.Find("#bank-choose")) != (p.Status.Bank != nil && !chosen) {
		t.Error("the bank transfer, or the way to it, is shown where it should not be, or is not")
	}
	if shown(doc.Find("#cancel")) != p.Status.Cancellable {
		t.Error("the way to cancel is shown where it should not be, or is not")
	}
	if !chosen {
		return
	}
	b := p.Status.Bank
	for id, want := range map[string]string{"bank-holder": b.Holder, "bank-iban": b.IBAN, "bank-bic": b.BIC, "bank-amount": b.Amount, "bank-text": b.Text} {
		el := doc.Find("#" + id)
		if got := el.Text(); got != want || (want != "") != (doc.Find("button#"+id+"-copy").Length() == 1) {
			t.Errorf("#%s is %q, want %q", id, got, want)
		}
		if want != "" && !el.HasClass("pick") {
			t.Errorf("#%s is not selected as a whole", id)
		}
	}
	if doc.Find("#bank-qr svg[role=img][aria-label]").Length() != 1 {
		t.Error("no code to scan")
	}
}

func checkTransfers(t *testing.T, p *templates.DepositPage, doc *goquery.Document) {
	t.Helper()
	rows := doc.Find("#transfers > li")
	if rows.Length() != len(p.Status.Transfers) || shown(doc.Find("#arrived")) != (rows.Length() > 0) {
		t.Fatalf("%d transfers are listed, want %d", rows.Length(), len(p.Status.Transfers))
	}
	for i, x := range p.Status.Transfers {
		row := rows.Eq(i)
		if got, want := words(row.Find(".transfer-amount")), x.Amount+" "+x.Symbol; got != want {
			t.Errorf("transfer %d is %q, want %q", i, got, want)
		}
		if row.AttrOr("data-transfer", "") != x.Key || row.AttrOr("data-stage", "") != x.Stage {
			t.Errorf("transfer %d is marked as another", i)
		}
		if got := row.Find("a").AttrOr("href", ""); got != x.ExplorerURL || shown(row.Find("a")) != (x.ExplorerURL != "") {
			t.Errorf("transfer %d leads to %q, want %q", i, got, x.ExplorerURL)
		}
		if got := shown(row.Find("progress")); got != (x.Stage == templates.DepositPending) {
			t.Errorf("transfer %d has a bar: %v", i, got)
		}
	}
}

// What a payer reads in each state.
func TestDepositsAreToldInPlainWords(t *testing.T) {
	for _, row := range []struct{ story, selector, want string }{
		{"deposit-choose", "#choose-title", "Choose what to pay with"},
		{"deposit-choose", "#choose legend", "On Base (sandbox)On Arbitrum One (sandbox)"},
		{"deposit-send", "#amount", "25.00 USD"},
		{"deposit-send", "#time-left", "until 15:07 UTC"},
		{"deposit-send", "#send-title", "Send ETH on Base (sandbox)"},
		{"deposit-send", "#send-amount", "0.006680823708011 ETH"},
		{"deposit-send", "#send-worth", "25.00 USD at 3742.053539 USD for 1 ETH"},
		{"deposit-send", "#quote-time", "Price holds until 14:24 UTC"},
		{"deposit-send", "#safety-title", "This address is for this payment only"},
		{"deposit-send-token", "#send-worth", "25.00 USD at 0.99987 USD for 1 USDC"},
		{"deposit-lapsed", "#refresh-go", "Get a new price"},
		{"deposit-asked", "#refresh-go", "Get the price"},
		{"deposit-part", "#partial", "You have sent 10.00 of 25.00 USD. Send 0.004008494224807 ETH more."},
		{"deposit-part-lapsed", "#partial", "You have sent 10.00 of 25.00 USD. 15.00 USD is still to be sent."},
		{"deposit-part-lapsed", "#transfers .transfer-state", "1 of 3 confirmations"},
		{"deposit-unpriced", "#unpriced-what", "0.006680823708011 ETH"},
		{"deposit-unpriced", "#transfers .transfer-worth", "no price yet"},
		{"deposit-reorged", "#transfers .transfer-state", "Taken back by the network"},
		{"deposit-seen", "#arrived-title", "Your payment is on its way"},
		{"deposit-seen-two", "#transfers .transfer-worth", "counts as 10.00 USDcounts as 15.00 USD"},
		{"deposit-paid", "#success-title", "Payment complete"},
		{"deposit-paid-over", "#surplus strong", "You sent 12.42 USD more than needed."},
		{"deposit-failed", "#failed-text", "10.00 of 25.00 USD arrived before the time ran out, so this payment has failed."},
		{"deposit-expired-late", "#late strong", "25.00 USD came after the end and does not count any more."},
		{"deposit-expired-late", "#transfers .transfer-worth", "25.00 USD, too late"},
		{"deposit-unsafe", "#unsafe-check", "The address belongs to the recipient's key"},
		{"deposit-checking", "#safety-title", "Still checking the address"},
	} {
		_, doc := render(t, story(t, row.story).Page)
		el := doc.Find(row.selector)
		if got := words(el); got != row.want {
			t.Errorf("%s: %s is %q, want %q", row.story, row.selector, got, row.want)
		}
		if el.Length() == 1 && !shown(el) {
			t.Errorf("%s: %s is hidden", row.story, row.selector)
		}
	}
}

func TestDepositsSayNothingThatIsNotSo(t *testing.T) {
	notes := []string{"partial", "unpriced", "reorged", "quote-lapsed", "quote-missing", "quote-limited", "surplus", "late", "arrived-text"}
	for name, want := range map[string][]string{
		"deposit-choose": nil, "deposit-send": nil, "deposit-asked": nil, "deposit-lapsed": {"quote-lapsed"}, "deposit-no-price": {"quote-missing"}, "deposit-too-many": {"quote-limited"},
		"deposit-part": {"partial"}, "deposit-part-lapsed": {"partial", "quote-lapsed"}, "deposit-unpriced": {"unpriced", "quote-missing"}, "deposit-reorged": {"reorged"},
		"deposit-seen": {"arrived-text"}, "deposit-paid": nil, "deposit-paid-over": {"surplus"}, "deposit-expired": nil, "deposit-expired-late": {"late"},
	} {
		_, doc := render(t, story(t, name).Page)
		var got []string
		for _, id := range notes {
			el := doc.Find("#" + id)
			stage := el.Closest(".stage")
			if shown(el) && (stage.Length() == 0 || shown(stage)) {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s says %v, want %v", name, got, want)
		}
	}
}

// An address that is not proven is nowhere in the page.
func TestNoAddressWithoutProof(t *testing.T) {
	for _, name := range []string{"deposit-checking", "deposit-unsafe"} {
		text, doc := render(t, story(t, name).Page)
		if address := strings.ToLower(story(t, "deposit-send").Deposit.Address[2:]); strings.Contains(strings.ToLower(text), address) {
			t.Errorf("%s has the address", name)
		}
		if doc.Find("svg[role=img]").Length() != 0 {
			t.Errorf("%s has a code to scan", name)
		}
	}
}

func TestDepositFormsAskForTheirOwnPage(t *testing.T) {
	_, doc := render(t, story(t, "deposit-lapsed").Page)
	for _, id := range []string{"choose-form", "refresh"} {
		form := doc.Find("form#" + id)
		if form.AttrOr("method", "") != "post" || form.AttrOr("action", "") != "/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96/quote" {
			t.Errorf("#%s goes to %s %s", id, form.AttrOr("method", ""), form.AttrOr("action", ""))
		}
	}
	if got := doc.Find("#refresh input[name=asset]").AttrOr("value", ""); got != "ETH-base" {
		t.Errorf("a new price is asked for %q", got)
	}
	if got := doc.Find("#choose input[type=radio][name=asset]").Length(); got != 5 {
		t.Errorf("%d assets to choose from, want 5", got)
	}
	if _, checked := doc.Find("#choose input[value=ETH-base]").Attr("checked"); !checked {
		t.Error("what is chosen is not marked")
	}
}

// A page without script looks for itself, but never while somebody is choosing.
func TestDepositsReloadWithoutScript(t *testing.T) {
	for name, want := range map[string]string{
		"deposit-choose": "", "deposit-lapsed": "", "deposit-paid": "", "deposit-expired": "",
		"deposit-send": `content="30; url=/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96?asset=ETH-base"`,
		"deposit-part": `content="10; url=`, "deposit-seen": `content="10; url=`,
	} {
		text, _ := render(t, story(t, name).Page)
		if got := strings.Contains(text, `http-equiv="refresh"`); got != (want != "") || !strings.Contains(text, want) {
			t.Errorf("%s reloads: %v, want %q", name, got, want)
		}
	}
}

// filledDeposit is a copy of p with s in every text but its own paths, address and IBAN, which are cut
// into parts by their length, and the drawings.
func filledDeposit(p *templates.DepositPage, s string) *templates.DepositPage {
	c := *p
	c.Safety.Checks, c.Status.Transfers = slices.Clone(c.Safety.Checks), slices.Clone(c.Status.Transfers)
	c.Networks, c.Data.Assets, c.Data.Chains, c.Data.Frames = slices.Clone(c.Networks), slices.Clone(c.Data.Assets), slices.Clone(c.Data.Chains), slices.Clone(c.Data.Frames)
	for i := range c.Networks {
		c.Networks[i].Assets = slices.Clone(c.Networks[i].Assets)
	}
	for i := range c.Data.Chains {
		c.Data.Chains[i].RPCURLs = slices.Clone(c.Data.Chains[i].RPCURLs)
	}
	c.Data.Status.Transfers = slices.Clone(c.Data.Status.Transfers)
	for _, quote := range []**templates.DepositQuote{&c.Status.Quote, &c.Data.Status.Quote} {
		if *quote != nil {
			q := **quote
			fill(reflect.ValueOf(&q).Elem(), s)
			q.QR = (*quote).QR
			*quote = &q
		}
	}
	fill(reflect.ValueOf(&c).Elem(), s)
	if c.Status.Bank != nil {
		b := *c.Status.Bank
		fill(reflect.ValueOf(&b).Elem(), s)
		b.QR, b.IBAN = p.Status.Bank.QR, p.Status.Bank.IBAN
		c.Status.Bank = &b
	}
	c.Data.Status.Bank, c.Status.CanceledBy = c.Status.Bank, p.Status.CanceledBy
	c.Assets, c.Page, c.Path, c.Method, c.Address, c.AddressQR, c.Chosen.ID = p.Assets, p.Page, p.Path, p.Method, p.Address, p.AddressQR, p.Chosen.ID
	return &c
}

func TestHostileTextChangesNoMarkupOfDeposits(t *testing.T) {
	for _, s := range stories() {
		if s.Deposit == nil {
			continue
		}
		_, doc := render(t, templates.Deposit(filledDeposit(s.Deposit, "harmless text")))
		want := shape(doc)
		for _, h := range hostile {
			text, doc := render(t, templates.Deposit(filledDeposit(s.Deposit, h)))
			if got := shape(doc); got != want {
				t.Errorf("%s: %.40q changes the markup", s.Name, h)
			}
			if err := balanced(text); err != nil {
				t.Errorf("%s: %.40q: %v", s.Name, h, err)
			}
			checkDocumentLinks(t, doc)
		}
	}
}

func TestHostileNamesOfDepositsAreShownAsTheyAre(t *testing.T) {
	const name = `Bob & "Söhne" <script>alert('1')</script>`
	p := *filledDeposit(story(t, "deposit-send").Deposit, name)
	_, doc := render(t, templates.Deposit(&p))
	for _, id := range []string{"#payee-name", "#order-note", "#send-number", "#send-symbol", "#send-network"} {
		if got := doc.Find(id).Text(); got != name {
			t.Errorf("%s is %q, want %q", id, got, name)
		}
	}
	if got := doc.Find("#choose strong").First().Text(); got != name {
		t.Errorf("an asset is named %q", got)
	}
	if href, ok := doc.Find("#open-wallet").Attr("href"); ok {
		t.Errorf("a wallet is opened with %q", href)
	}
}

func BenchmarkDepositPage(b *testing.B) {
	p := *story(b, "deposit-send").Deposit
	size := &counter{}
	if err := templates.Deposit(&p).Render(b.Context(), size); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size.n))
	b.ReportAllocs()
	for b.Loop() {
		if err := templates.Deposit(&p).Render(b.Context(), &counter{}); err != nil {
			b.Fatal(err)
		}
	}
}
