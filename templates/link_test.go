//go:build !nosandbox

package templates_test

import (
	"strings"
	"testing"

	"quittance/templates"
)

// What a payer of a link reads in each state.
func TestLinkWords(t *testing.T) {
	for _, row := range []struct{ story, selector, want string }{
		{"link-choose", "title", "Pay 49.99 EUR to Copycat Creations"},
		{"link-choose", "#amount", "49.99 EUR"},
		{"link-choose", "#details .row:has(#order-note) > dt", "Note"},
		{"link-choose", "#bank-choose", "Bank transfer From your bank account, in euros. Arrives in one to two banking days."},
		{"link-choose", "#choose-title", "Choose what to pay with"},
		{"link-crypto", "#choose-go", "Show amount and address"},
		{"link-split", "#choose-go", "Continue"},
		{"link-nothing", "#choose-form", "Nothing can be paid with at the moment. Please look again in a few minutes."},
		{"link-send", "#send-worth", "49.99 EUR at 3464.86438796 EUR for 1 ETH"},
		{"link-bank", "#choose-title", "Pay with something else"},
		{"link-bank", "#bank-iban", "DE89370400440532013000"},
		{"link-bank-part", "#partial", "You have sent 10.00 of 49.99 EUR. 39.99 EUR is still to be sent."},
		{"link-bank-part", "#bank-amount", "39.99"},
		{"link-paid", "#transfers li:last-child .transfer-more", "Confirmed Bank transfer 12 January 2026"},
		{"link-paid", "#used", "This link is paid and cannot be paid again."},
		{"link-paid", "#merchant-link", "Back to Copycat Creations"},
		{"link-canceled", "#canceled-by-payer", "It was canceled on this page, before it was paid. To pay after all, you need a new link: please ask Copycat Creations."},
		{"link-canceled", "#canceled-link", "Back to Copycat Creations"},
		{"link-canceled-late", "#late strong", "49.99 EUR came after the end and does not count any more."},
		{"link-called-off", "#canceled-by-merchant", "The recipient called this payment off. If you think this is a mistake, please contact Copycat Creations."},
		{"link-choose", "#cancel", "Cancel this payment"},
		{"link-cancel", "#cancel-title", "Cancel this payment?"},
		{"link-cancel-coming", "#cancel-title", "This payment cannot be canceled"},
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

// The bank's words are said where they are needed, and the question can be answered both
// ways without script.
func TestLinksWithoutScript(t *testing.T) {
	_, doc := render(t, story(t, "link-bank").Page)
	said := words(doc.Find("#bank"))
	for _, want := range []string{"one to two banking days", "you can close this page", "exactly this text and exactly this amount"} {
		if !strings.Contains(said, want) {
			t.Errorf("the bank transfer does not say %q", want)
		}
	}
	if got := doc.Find("noscript meta[http-equiv=refresh]").Length(); got != 0 {
		t.Error("a page that somebody types from reloads")
	}
	if got, want := doc.Find("#cancel").AttrOr("href", ""), "/link/1234567890123456/cancel"; got != want {
		t.Errorf("the question is at %q, want %q", got, want)
	}
	_, doc = render(t, story(t, "link-choose").Page)
	if got, want := doc.Find("#bank-choose").AttrOr("href", ""), "/payment?link_id=MTIzNDU2Nzg5MDEyMzQ1Ng==&method=bank"; got != want {
		t.Errorf("the bank transfer is at %q, want %q", got, want)
	}
	if got, want := doc.Find("#choose-form").AttrOr("action", ""), "/link/1234567890123456/quote"; got != want {
		t.Errorf("choices go to %q, want %q", got, want)
	}
	_, doc = render(t, story(t, "link-cancel").Page)
	form := doc.Find("form")
	if form.AttrOr("method", "") != "post" || form.AttrOr("action", "") != "/link/1234567890123456/cancel" || form.Find("button[type=submit]").Length() != 1 {
		t.Error("the question cannot be answered with yes")
	}
	if doc.Find("script").Length() != 0 || doc.Find("#cancel-no").AttrOr("href", "") == "" {
		t.Error("the question needs a script, or cannot be answered with no")
	}
}

// What is sent to an address needs one that is proven; a bank transfer does not.
func TestNoChoicesWithoutAProvenAddress(t *testing.T) {
	p := *story(t, "link-choose").Deposit
	p.Address, p.AddressQR = "", ""
	_, doc := render(t, templates.Deposit(&p))
	if doc.Find("#choose-form input").Length() != 0 || !shown(doc.Find("#bank-choose")) || doc.Find("#choose-go").Length() != 0 {
		t.Error("something can be chosen that cannot be sent, or the bank cannot")
	}
}
