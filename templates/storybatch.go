//go:build !nosandbox

package templates

import (
	"fmt"
	"net/http"
	"strings"
)

const (
	storyTether = "0x5A4db000000000000000000000000000000005d7" // the sandbox's USDT
	storyFee    = "0xdD2FD4581271e230360230F9337D5c0430Bf44C0"
	storyShort  = "0x8626…1199" // storyPayee
)

// several turns the ordinary page into one of n payments: in USDC, every third
// of them in USDT, with a fee of one percent each.
func several(p *PayPage, n int) {
	p.Payee, p.PayeeURL, p.Reference, p.Symbol, p.AssetURL, p.Due, p.Asked, p.Total = "", "", "", "", "", "", "", ""
	p.Data.Batch, p.Data.Option, p.Data.FeePayee, p.Data.Items = true, "evmref:base:batch", storyFee, nil
	p.Data.Assets = append(p.Data.Assets[:1:1], Asset{
		ID: "USDT-base", Symbol: "USDT", Decimals: 6, Address: storyTether, ResetAllowance: true, ContractFee: "0",
	})
	counts := [2]int{}
	for i := range n {
		a := 0
		if i%3 == 2 {
			a = 1
		}
		counts[a]++
		payee := fmt.Sprintf("0x%s%038x", storyPayee[2:4], 0x626f6940e2eb+i%150)
		reference := fmt.Sprintf("0x86dfbccad7%06x", i)
		p.Items = append(p.Items, Item{
			Index: i, Payee: payee, PayeeURL: explorer + "address/" + payee, Amount: "25.00", Fee: "0.25", Symbol: p.Data.Assets[a].Symbol,
			Reference: reference, State: StateOpen,
		})
		p.Data.Items = append(p.Data.Items, DataItem{Index: i, Asset: a, Payee: payee, Amount: "25000000", Fee: "250000", Reference: reference})
	}
	p.Totals = nil
	for a, c := range counts {
		p.Totals = append(p.Totals, Total{
			Symbol: p.Data.Assets[a].Symbol, AssetURL: explorer + "token/" + p.Data.Assets[a].Address, Count: c,
			Amount: grouping(c * 2500), Fee: grouping(c * 25), Sum: grouping(c * 2525),
		})
	}
}

// grouping writes cents as the page does: "1,234.50".
func grouping(cents int) string {
	whole := fmt.Sprint(cents / 100)
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	return fmt.Sprintf("%s.%02d", whole, cents%100)
}

// batchStories are payments of several requests.
func (b *book) batchStories() {
	open := func(name, title string, n int, change func(*PayPage)) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			several(p, n)
			change(p)
		})
	}
	open("batch", "Several payments in two tokens", 4, func(*PayPage) {})
	open("batch-long", "More payments than are listed at once", 12, func(*PayPage) {})
	open("batch-200", "As many payments as there can be", 200, func(*PayPage) {})
	open("batch-contract-fee", "A batch contract that takes a fee of its own", 4, func(p *PayPage) {
		p.Totals[0].ContractFee, p.Totals[0].Sum = "0.225", "75.975"
		p.Totals[1].ContractFee, p.Totals[1].Sum = "0.075", "25.325"
		p.Data.Assets[0].ContractFee, p.Data.Assets[1].ContractFee = "225000", "75000"
	})
	open("batch-native", "A batch with the network's own currency in it", 3, func(p *PayPage) {
		p.Items[2].Symbol, p.Items[2].Amount, p.Items[2].Fee = "ETH", "0.123456789012345678", ""
		p.Totals[1] = Total{Symbol: "ETH", Count: 1, Amount: "0.123456789012345678", Sum: "0.123456789012345678"}
		p.Data.Items[2].Amount, p.Data.Items[2].Fee = "123456789012345678", "0"
		p.Data.Assets[1] = Asset{ID: "ETH-base", Symbol: "ETH", Decimals: 18, Address: noAccount, Native: true, ContractFee: "0"}
	})
	open("batch-partial", "A batch of which part has arrived", 4, func(p *PayPage) {
		p.Oddity, p.Received = OddityUnder, "35.00 USDC"
		p.Items[0].State = StatePaid
		p.Items[1].Received, p.Items[1].Asked, p.Items[1].Amount, p.Items[1].Fee = "10.00", "25.00 USDC", "15.00", ""
		p.Totals[0].Count, p.Totals[0].Amount, p.Totals[0].Fee, p.Totals[0].Sum = 2, "40.00", "0.25", "40.25"
		p.Data.Items = p.Data.Items[1:]
		p.Data.Items[0].Amount, p.Data.Items[0].Fee = "15000000", "0"
	})
	open("batch-seen", "A batch on its way", 12, func(p *PayPage) {
		p.State, p.Tx, p.TxURL, p.Payer, p.Confirmations = StateSeen, storyTx, explorer+"tx/"+storyTx, storyPayer, 1
		p.each(StateSeen)
	})
	b.unsafeBatch()
	b.tell("batch-paid", "A batch that is paid", http.StatusConflict, func(p *PayPage) {
		several(p, 4)
		p.State, p.Tx, p.TxURL, p.Payer, p.Confirmations = StatePaid, storyTx, explorer+"tx/"+storyTx, storyPayer, 3
		p.SettledAt = At(b.now)
		p.each(StatePaid)
	})
	b.tell("batch-expired", "A batch too late, part of it arrived", http.StatusForbidden, func(p *PayPage) {
		several(p, 4)
		p.State, p.Oddity, p.Received = StateExpired, OddityUnder, "25.00 USDC"
		p.each(StateExpired)
		p.Items[2].State = StatePaid
	})
}

// unsafeBatch is a batch that a check refuses.
func (b *book) unsafeBatch() {
	b.tell("unsafe-batch", "Unsafe: a batch", http.StatusForbidden, func(p *PayPage) {
		several(p, 4)
		p.State = StateUnsafe
		p.Safety = NewSafety([]Check{{"calldata_matches", OutcomeRefused, "Payment 3: payee: expected one account, got another."}})
	})
}

// each puts all payments into one state.
func (p *PayPage) each(state string) {
	for i := range p.Items {
		p.Items[i].State = state
	}
}

// accessStories are payments that not everyone may see, pay or know whole.
func (b *book) accessStories() {
	for _, a := range []struct {
		name, title string
		access      Access
	}{
		{"access-listed", "Only wallets that the merchant has named", Access{Listed: true}},
		{"access-screened", "Only wallets that pass a screening", Access{Screened: true}},
		{"access-both", "Only named wallets, and screened", Access{Listed: true, Screened: true}},
	} {
		b.tell(a.name, a.title, http.StatusOK, func(p *PayPage) { p.Access, p.Data.Restricted = a.access, true })
	}
	b.tell("payee-short", "The payee is shortened", http.StatusOK, func(p *PayPage) {
		p.Payee, p.PayeeURL, p.PayeeShort = storyShort, "", true
		p.Data.Items[0].Payee, p.Data.Items[0].PayeeHash = storyShort, "0x"+strings.Repeat("5e", 32)
	})
	b.tell("payee-short-batch", "The payees of a batch are shortened", http.StatusOK, func(p *PayPage) {
		several(p, 3)
		p.PayeeShort = true
		for i := range p.Items {
			p.Items[i].Payee, p.Items[i].PayeeURL = storyShort, ""
			p.Data.Items[i].Payee, p.Data.Items[i].PayeeHash = storyShort, "0x"+strings.Repeat("5e", 32)
		}
	})
	for _, l := range []struct {
		state  string
		status int
	}{
		{StateOpen, http.StatusOK}, {StateSeen, http.StatusOK}, {StatePaid, http.StatusConflict},
		{StateExpired, http.StatusForbidden}, {StateBlocked, http.StatusForbidden},
	} {
		b.add(Story{Name: "locked-" + l.state, Title: "Hidden until a wallet is let in: " + l.state, Status: l.status, Page: Locked(b.locked(l.state))})
	}
	b.tell("blocked", "The payee did not pass a screening", http.StatusForbidden, func(p *PayPage) { p.State = StateBlocked })
}

func (b *book) locked(state string) *LockedPage {
	return &LockedPage{Assets: b.assets, State: state, Sandbox: true, Data: LockedData{Token: "01JZX7T6Q0V6WJ9N3B5H2R8C4D", State: state, Locked: true}}
}

// payoutStories are payments that a merchant makes.
func (b *book) payoutStories() {
	b.tell("payout", "A payout to somebody with a name", http.StatusOK, func(p *PayPage) { p.Payout, p.Recipient = true, "Freelancer 4711" })
	b.tell("payout-nameless", "A payout to an account", http.StatusOK, func(p *PayPage) { p.Payout = true })
	b.tell("payout-paid", "A payout that is made", http.StatusConflict, func(p *PayPage) {
		p.Payout, p.Recipient, p.State, p.Due, p.Total = true, "Freelancer 4711", StatePaid, "0.00", "0.00"
		p.Tx, p.TxURL, p.Payer, p.Confirmations, p.SettledAt = storyTx, explorer+"tx/"+storyTx, storyPayer, 3, At(b.now)
	})
}

// barredStories are what the script makes of wallets that may not pay, and of
// batches under way.
func (b *book) barredStories() {
	barred := func(name, title, notice, text, retry string) {
		b.drawOn(b.restricted(), name, title, func(s scene) {
			s.connected()
			s.hide("#wallet-list", "#access", ".go")
			s.notice("warn", notice, text)
			s.text("#notice-retry", retry)
		})
	}
	barred("act-other-wallet", "A wallet that is not on the list", "This payment is for another wallet",
		"The recipient has named the wallets that may pay, and the one you have connected is not among them. Nothing was paid. Choose the right wallet or account, or contact the recipient.", "Choose another wallet")
	barred("act-screening-refused", "A wallet that the screening refused", "This wallet cannot be used here",
		"Wallets are screened before they can pay here, and this one was not let in. This can have many reasons and need not be about you. Nothing was paid. Please contact the recipient, or choose another wallet.", "Choose another wallet")
	barred("act-screening-silent", "A screening that does not answer", "Your wallet could not be checked just now",
		"Wallets are screened before they can pay here, and the screening does not answer. Nothing was paid. Wait a moment, then try again.", "Try again")
	b.drawPage(Locked(b.locked(StateOpen)), nil, "act-locked-other", "A hidden payment and a wallet that is not let in", func(s scene) {
		s.connected()
		s.hide("#wallet-list")
		s.notice("warn", "This payment is for another wallet", "The recipient has named the wallets that may pay, and the one you have connected is not among them. Nothing was paid. Choose the right wallet or account, or contact the recipient.")
		s.text("#notice-retry", "Choose another wallet")
	})
	batch := b.open()
	several(batch, 4)
	b.drawOn(batch, "act-batch", "A batch: two approvals and one payment", func(s scene) {
		s.connected()
		s.funds("250.00 USDC, 40.00 USDT", "about 0.000021 ETH", "")
		s.checked()
		s.step("approve", "done", "Allow 75.75 USDC", "Done")
		s.step("approve", "active", "Allow 25.25 USDT", "Lets the official batch contract take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Pay 75.75 USDC + 25.25 USDT", "Pays everyone on the list at once, through the official batch contract.")
		s.button("Allow 25.25 USDT", false)
	})
}

func (b *book) restricted() *PayPage {
	p := b.open()
	p.Access, p.Data.Restricted = Access{Listed: true}, true
	return p
}
