//go:build !nosandbox

package templates

import (
	"net/http"
	"time"
)

const (
	storySafe = "0x41675C099F32341bf84BFc5382aF534df5C7461a"
	storyMore = "0xdD2FD4581271e230360230F9337D5c0430Bf44C0"
)

// safePage is the ordinary page where it can also be paid from a Safe.
func (b *book) safePage() *PayPage {
	p := b.open()
	p.Data.Safe = "/static/safe-000000000000.js"
	return p
}

// waiting is a Safe of which one owner has signed.
func (b *book) waiting() Safe {
	return Safe{
		Stage: SafeWaiting, Address: storySafe, URL: explorer + "address/" + storySafe, Threshold: 2, Told: true, Own: true,
		Owners: []SafeOwner{{storyPayer, true}, {storyPayee, false}, {storyMore, false}},
		Nonce:  "7", Ahead: "0", Deadline: At(b.now.Add(46 * time.Hour)),
	}
}

// safeStories are payments from a Safe, as the server shows them and as the
// script does.
func (b *book) safeStories() {
	b.safeWaitStories()
	b.safeEndStories()
	b.safeActStories()
	b.plain("safe-app", "The page as a Safe App, before a payment is opened", http.StatusOK, SafeAppPage(b.assets))
}

// safeWaitStories are transactions that wait for a Safe's owners, or for the network.
func (b *book) safeWaitStories() {
	under := func(name, title string, change func(*PayPage)) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			p.Data.Safe = b.safePage().Data.Safe
			p.State, p.Safe = StateSeen, b.waiting()
			change(p)
		})
	}
	under("safe-waiting", "A Safe: one of two signatures", func(*PayPage) {})
	under("safe-waiting-untold", "A Safe: nobody told who has signed", func(p *PayPage) {
		p.Safe.Told, p.Safe.Owners[0].Signed = false, false
	})
	under("safe-waiting-signed", "A Safe: all have signed, nobody has executed it", func(p *PayPage) { p.Safe.Owners[1].Signed = true })
	under("safe-waiting-queue", "A Safe on another chain, with others in its queue", func(p *PayPage) {
		p.Safe.Chain, p.Safe.Nonce, p.Safe.Ahead, p.Safe.Deadline = "Arbitrum One (sandbox)", "12", "2", At(b.now.Add(50*time.Minute))
	})
	under("safe-waiting-hash", "A Safe: only its hash is known, and it is not waited for that long", func(p *PayPage) {
		p.Safe = Safe{Stage: SafeWaiting, Own: true, Deadline: p.Safe.Deadline, Until: At(b.now.Add(24 * time.Hour))}
	})
	under("safe-waiting-many", "A Safe of twelve owners", func(p *PayPage) {
		for len(p.Safe.Owners) < 12 {
			p.Safe.Owners = append(p.Safe.Owners, SafeOwner{storyMore, len(p.Safe.Owners) < 6})
		}
		p.Safe.Threshold = 8
	})
	under("safe-foreign", "Somebody's Safe, of which nothing is proven", func(p *PayPage) {
		p.Safe = Safe{Stage: SafeWaiting, Deadline: p.Safe.Deadline, Until: At(b.now.Add(24 * time.Hour))}
	})
	under("safe-executed", "A Safe has executed it", func(p *PayPage) { p.Safe.Stage, p.Safe.TxURL = SafeExecuted, explorer+"tx/"+storyTx })
}

// safeEndStories are what became of a Safe's transaction.
func (b *book) safeEndStories() {
	over := func(name, title, stage, url string) {
		b.tell(name, title, http.StatusForbidden, func(p *PayPage) {
			p.State, p.Safe = StateFailed, b.waiting()
			p.Safe.Stage, p.Safe.TxURL = stage, url
		})
	}
	over("safe-failed", "A Safe's transaction failed", SafeFailed, explorer+"tx/"+storyTx)
	over("safe-other", "A Safe's transaction pays something else", SafeForeign, "")
	b.tell("safe-late-executed", "A Safe's transaction was executed too late", http.StatusForbidden, func(p *PayPage) {
		p.State, p.Safe, p.Oddity, p.Received = StateFailed, b.waiting(), OddityLate, "10.00"
		p.Safe.Stage, p.Safe.Executed, p.Safe.TxURL = SafeLate, true, explorer+"tx/"+storyTx
	})
	over("safe-late", "A Safe's transaction came too late", SafeLate, "")
	again := func(name, title, stage string) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			p.Data.Safe, p.Safe = b.safePage().Data.Safe, b.waiting()
			if p.Safe.Stage = stage; stage != SafeWaiting {
				p.Safe.TxURL = explorer + "tx/" + storyTx
			}
		})
	}
	again("open-safe-replaced", "To be paid again: the Safe executed another transaction", SafeReplaced)
	again("open-safe-failed", "To be paid again: a stranger's Safe transaction failed", SafeFailed)
	again("open-safe-executed", "The Safe has executed it, and the money is not seen yet", SafeExecuted)
	again("open-safe-waiting", "Not reserved for the Safe any more, which may still execute it", SafeWaiting)
	b.tell("paid-safe", "Paid from a Safe", http.StatusConflict, func(p *PayPage) {
		p.State, p.Due, p.Total, p.Received = StatePaid, "0.00", "0.00", "10.00"
		p.Tx, p.TxURL, p.Payer, p.PayerSafe, p.Confirmations = storyTx, explorer+"tx/"+storyTx, storySafe, true, 3
		p.SettledAt = At(b.now.Add(-2 * time.Minute))
	})
}

// safeActStories are what the script makes of a Safe that is connected.
func (b *book) safeActStories() {
	draw := func(name, title string, with func(scene)) {
		b.drawOn(b.safePage(), name, title, func(s scene) {
			s.connected()
			s.text("#account-wallet", "Safe on Base (sandbox)")
			s.text("#account-address", storySafe)
			s.checked()
			with(s)
		})
	}
	account := func(s scene, warnings ...string) {
		s.text("#safe-account-title", "You pay from a Safe: 2 of 3 owners must sign")
		s.text("#safe-account-text", "All steps are proposed to it as one transaction. Nothing leaves the Safe before enough owners have signed and one of them has executed it.")
		s.show("#safe-account")
		for _, w := range warnings {
			s.copy("safe-warning", "#safe-warnings").SetText(w)
		}
	}
	proposal := func(s scene) {
		s.funds("250.00 USDC", "paid by the owner who executes it", "")
		s.step("pay", "active", "Propose 10.00 USDC", "One transaction of the Safe: it approves exactly this amount and sends it to the recipient.")
		s.button("Propose to your Safe", false)
	}
	draw("act-safe", "A Safe is connected", func(s scene) {
		account(s)
		proposal(s)
	})
	draw("act-safe-warnings", "A Safe that others can act for", func(s scene) {
		account(s, "This Safe has a module, which can move its money without its owners' signatures.", "A guard looks at each of its transactions and may refuse this one.")
		proposal(s)
	})
	draw("act-safe-proposing", "A Safe is asked to sign", func(s scene) {
		account(s)
		s.step("pay", "signing", "Propose 10.00 USDC", "Confirm in your Safe")
		s.button("Confirm in your Safe…", true)
	})
	draw("act-safe-unsafe", "What the Safe would sign is something else", func(s scene) {
		s.refused("safe_calls", "call 2 of 2 pays another account")
	})
}
