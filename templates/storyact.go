//go:build !nosandbox

package templates

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

// scene is a page's document while a story draws into it what the script would:
// text, attributes and copies of the page's own patterns.
type scene struct{ doc *goquery.Document }

func (s scene) text(selector, text string) { s.doc.Find(selector).SetText(text).RemoveAttr("hidden") }
func (s scene) hide(selectors ...string) {
	for _, sel := range selectors {
		s.doc.Find(sel).SetAttr("hidden", "")
	}
}
func (s scene) show(selectors ...string) {
	for _, sel := range selectors {
		s.doc.Find(sel).RemoveAttr("hidden")
	}
}

// copy appends the pattern of that id to the element and returns what it added.
func (s scene) copy(pattern, into string) *goquery.Selection {
	s.show(into)
	s.doc.Find(into).AppendSelection(s.doc.Find("template#" + pattern).Children().Clone())
	return s.doc.Find(into).Children().Last()
}

func (s scene) state(state string) { s.doc.Find("#qt").SetAttr("data-state", state) }

func (s scene) wallets(names ...string) {
	s.hide("#wallet-searching")
	for _, name := range names {
		item := s.copy("wallet-item", "#wallet-list")
		item.Find(".wallet-name").SetText(name)
		item.Find(".wallet-icon").SetAttr("src", "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 36 36'%3E%3Crect width='36' height='36' fill='%23f6851b'/%3E%3C/svg%3E")
	}
}

func (s scene) connected() {
	s.hide("#wallet-searching")
	s.text("#account-wallet", "Sandbox wallet")
	s.text("#account-address", storyPayer)
	s.show("#account")
}

func (s scene) funds(balance, gas, missing string) {
	s.text("#funds-balance", balance)
	s.text("#funds-gas", gas)
	s.text("#funds-missing", missing)
	s.show("#funds")
}

func (s scene) step(kind, status, title, text string) {
	item := s.copy("step-item", "#steps").SetAttr("data-step", kind).SetAttr("data-status", status)
	item.Find(".step-title").SetText(title)
	item.Find(".step-text").SetText(text)
	if status == "done" || status == "pending" {
		item.Find(".step-link").SetText("See the transaction").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	}
}

func (s scene) button(text string, busy bool) {
	b := s.doc.Find("#go").SetText(text)
	if busy {
		b.SetAttr("aria-busy", "true").SetAttr("disabled", "")
		return
	}
	b.RemoveAttr("disabled")
}

func (s scene) notice(kind, title, text string) {
	s.text("#notice-title", title)
	s.text("#notice-text", text)
	s.doc.Find("#notice").SetAttr("data-kind", kind).RemoveAttr("hidden")
}

func (s scene) checked() {
	s.doc.Find("#safety-checks li").SetAttr("data-outcome", OutcomePassed).Find(".detail").SetText("Agrees with what this page shows.")
}

func (s scene) call(rows ...[2]string) {
	s.copy("call-item", "#advanced-calls")
	s.doc.Find("#advanced").SetAttr("open", "")
	list := s.doc.Find("#advanced-calls .call-rows").Last()
	for _, r := range rows {
		list.AppendSelection(s.doc.Find("template#call-row").Children().Clone())
		row := list.Children().Last()
		row.Find("dt").SetText(r[0])
		row.Find("dd").SetText(r[1])
	}
}

// draw adds a story of the ordinary page after the script has worked on it.
func (b *book) draw(name, title string, with func(scene)) { b.drawOn(b.open(), name, title, with) }

// drawOn is draw for another page.
func (b *book) drawOn(p *PayPage, name, title string, with func(scene)) {
	b.drawPage(Pay(p), p, name, title, with)
}

func (b *book) drawPage(on templ.Component, p *PayPage, name, title string, with func(scene)) {
	page := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		buf := new(bytes.Buffer)
		if err := on.Render(ctx, buf); err != nil {
			return err
		}
		doc, err := goquery.NewDocumentFromReader(buf)
		if err != nil {
			return fmt.Errorf("reading the page for story %s: %w", name, err)
		}
		with(scene{doc})
		return goquery.Render(w, doc.Selection)
	})
	b.add(Story{Name: name, Title: title, Status: http.StatusOK, Page: page, View: p})
}

// refused shows that a check of the page's own failed, adding its row where it has none.
func (s scene) refused(check, detail string) {
	s.state(StateUnsafe)
	row := s.doc.Find("li[data-check=" + check + "]")
	if row.Length() == 0 {
		row = s.copy("check-item", "#safety-checks").SetAttr("data-check", check)
		row.Find(".check-title").SetText(CheckTitle(check))
	}
	row.SetAttr("data-outcome", OutcomeRefused).Find(".detail").SetText(detail)
	s.text("#unsafe-check", CheckTitle(check))
	s.text("#safety-title", "Do not pay")
	s.text("#safety-text", UnsafeText)
	s.doc.Find("#safety").SetAttr("data-outcome", OutcomeRefused)
	s.unfold("#safety-more")
}

// actStories are what the script makes of the open page, in the order a payer
// meets them.
func (b *book) actStories() {
	b.walletStories()
	b.stepStories()
	b.followedStories()
}

// walletStories are wallets, and what they hold.
func (b *book) walletStories() {
	b.draw("act-wallets", "Wallets found", func(s scene) {
		s.wallets("Sandbox wallet", "MetaMask", "A wallet whose maker could not decide on a short name")
	})
	b.draw("act-no-wallet", "No wallet found", func(s scene) { s.hide("#wallet-searching"); s.show("#wallet-none") })
	b.draw("act-wrong-chain", "The wallet is on another network", func(s scene) {
		s.connected()
		s.show("#wrong-chain")
		s.doc.Find("#go").SetText("Switch to Base (sandbox) to continue")
	})
	b.draw("act-connected", "Connected, two steps ahead", func(s scene) {
		s.connected()
		s.funds("250.00 USDC", "about 0.000004 ETH", "")
		s.checked()
		s.step("approve", "active", "Approve 10.00 USDC", "Lets the official contract take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.button("Approve 10.00 USDC", false)
	})
	b.draw("act-advanced", "The decoded calls", func(s scene) {
		s.connected()
		s.checked()
		s.step("pay", "active", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.button("Pay 10.00 USDC", false)
		s.call([2]string{"Call", "Pay 10.00 USDC"}, [2]string{"Contract", storyProxy + " (official ERC20FeeProxy 0.2.0)"},
			[2]string{"Function", "transferFromWithReferenceAndFee"}, [2]string{"payee", storyPayee}, [2]string{"amount", "10000000"},
			[2]string{"paymentReference", "0x86dfbccad783599a"}, [2]string{"Value", "0"},
			[2]string{"Data", "0xc219a14d000000000000000000000000833589fcd6edb6e08f4c7c32d4f71b54bda02913000000000000000000000000"})
	})
	b.draw("act-no-balance", "Too little of the asset", func(s scene) {
		s.connected()
		s.funds("3.20 USDC", "about 0.000004 ETH", "You have 3.20 USDC, and this payment takes 10.00 USDC: 6.80 USDC is missing. Add it to this account or choose another one, then check again.")
		s.doc.Find("#go").SetText("Pay 10.00 USDC")
	})
	b.draw("act-no-gas", "Too little for the network fee", func(s scene) {
		s.connected()
		s.funds("250.00 USDC", "about 0.000004 ETH", "You need about 0.000004 ETH more on Base (sandbox) for the network fee. Add some ETH to this account, then check again.")
		s.doc.Find("#go").SetText("Pay 10.00 USDC")
	})
}

// stepStories are what is signed, and what becomes of it.
func (b *book) stepStories() {
	b.draw("act-signing", "Waiting for the wallet to approve", func(s scene) {
		s.connected()
		s.step("approve", "signing", "Approve 10.00 USDC", "Confirm in your wallet")
		s.step("pay", "todo", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.button("Confirm in your wallet…", true)
	})
	b.draw("act-pending", "Approved, the payment was sent", func(s scene) {
		s.connected()
		s.step("approve", "done", "Approve 10.00 USDC", "Done")
		s.step("pay", "pending", "Pay 10.00 USDC", "Waiting for the network")
		s.button("Waiting for the network…", true)
	})
	b.draw("act-rejected", "Rejected in the wallet", func(s scene) {
		s.connected()
		s.step("approve", "done", "Approve 10.00 USDC", "Done")
		s.step("pay", "active", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.notice("info", "You declined in your wallet. Nothing was paid.", "That is fine. You can try again whenever you are ready.")
		s.button("Pay 10.00 USDC", false)
	})
	b.draw("act-failed", "The transaction failed on the chain", func(s scene) {
		s.connected()
		s.step("pay", "failed", "Pay 10.00 USDC", "Did not go through")
		s.notice("error", "The payment did not go through", "The network refused the transaction. Nothing was paid, only a network fee was spent. You can try again.")
		s.button("Pay 10.00 USDC", false)
	})
	b.draw("act-unsafe", "The page's own check refused the calldata", func(s scene) {
		s.refused("page_calldata", "payee (expected 0x8626…1199, found 0xDeaD…beef)")
	})
}

// followedStories are payments that the page has seen through.
func (b *book) followedStories() {
	b.draw("act-seen", "Followed live: 2 of 3 confirmations", func(s scene) {
		s.state(StateSeen)
		s.doc.Find("#confirmations").SetAttr("value", "2")
		s.text("#confirmations-text", "2 of 3 confirmations")
		s.doc.Find("#progress-tx").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	})
	b.draw("act-paid", "Followed live: paid", func(s scene) {
		s.state(StatePaid)
		s.text("#success-tx", storyTx)
		s.doc.Find("#success-link").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	})
}
