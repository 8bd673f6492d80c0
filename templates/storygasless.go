//go:build !nosandbox

package templates

import (
	"net/http"
	"strings"
	"time"
)

const (
	storyAccount = "0x8C1B7F0E5A7d1B1C4bD3A2f07E8bD2bAA0E6C0aF"
	storyOp      = "0x5d2ce6f4f1ec4a86e5c0e4d4b7d13c5a0c53d3a1a4f0c1b9bfc8d1c6e0b4f7a2"
)

// gasPage is the ordinary page where it can also be paid without gas.
func (b *book) gasPage() *PayPage {
	p := b.open()
	p.Data.Gasless = "/static/gasless-000000000000.js"
	return p
}

// sent is an operation that this browser has sent.
func (b *book) sent() Op {
	return Op{
		Stage: OpWaiting, Own: true, Locked: true, Account: storyAccount, URL: explorer + "address/" + storyAccount, Hash: storyOp,
		Gas: "0 ETH", Until: At(b.now.Add(9 * time.Minute)),
	}
}

// gaslessStories are payments without gas, as the server shows them and as the
// script does.
func (b *book) gaslessStories() {
	under := func(name, title string, change func(*PayPage)) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			p.Data.Gasless = b.gasPage().Data.Gasless
			p.State, p.Op = StateSeen, b.sent()
			change(p)
		})
	}
	under("op-waiting", "Without gas: sent", func(*PayPage) {})
	under("op-waiting-open", "Without gas: sent after an approval, from another chain", func(p *PayPage) {
		p.Op.Until, p.Op.Chain, p.Op.URL = Moment{}, "Arbitrum One (sandbox)", ""
	})
	under("op-foreign", "Without gas: sent by somebody else, who hides the payee", func(p *PayPage) {
		p.Op = Op{Stage: OpWaiting, Locked: true, Until: p.Op.Until}
	})
	under("op-executed", "Without gas: carried out", func(p *PayPage) { p.Op.Stage, p.Op.TxURL = OpExecuted, explorer+"tx/"+storyTx })
	under("op-failing", "Without gas: failed, which is not final yet", func(p *PayPage) {
		p.Op.Stage, p.Op.TxURL, p.Op.Why = OpFailed, explorer+"tx/"+storyTx, "ERC20: transfer amount exceeds balance"
	})
	under("op-replacing", "Without gas: replaced, which is not final yet", func(p *PayPage) { p.Op.Stage, p.Op.TxURL = OpReplaced, explorer+"tx/"+storyTx })

	again := func(name, title, stage string, change func(*Op)) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			p.Data.Gasless, p.Op = b.gasPage().Data.Gasless, b.sent()
			p.Op.Stage, p.Op.Locked = stage, false
			change(&p.Op)
		})
	}
	again("open-op-failed", "To be paid again: the operation failed", OpFailed, func(o *Op) {
		o.TxURL, o.Why = explorer+"tx/"+storyTx, "ERC20: transfer amount exceeds balance"
	})
	again("open-op-failed-rude", "To be paid again: the contracts said something long", OpFailed, func(o *Op) {
		o.TxURL, o.Why = explorer+"tx/"+storyTx, "</p><script>alert(1)</script> "+strings.Repeat("Call+4915200000000orsendyourseedphrase", 6)
	})
	again("open-op-replaced", "To be paid again: the account did something else", OpReplaced, func(o *Op) { o.TxURL = explorer + "tx/" + storyTx })
	again("open-op-expired", "To be paid again: the permit has run out", OpExpired, func(*Op) {})
	again("open-op-refused", "To be paid again: the bundler refused", OpRefused, func(*Op) {})
	again("open-op-waiting", "Not kept for the operation any more, which may still be carried out", OpWaiting, func(*Op) {})
	again("open-op-executed", "The operation was carried out, and the money is not seen yet", OpExecuted, func(o *Op) { o.TxURL = explorer + "tx/" + storyTx })
	b.tell("paid-gasless", "Paid without gas", http.StatusConflict, func(p *PayPage) {
		p.State, p.Due, p.Total, p.Received = StatePaid, "0.00", "0.00", "10.00"
		p.Tx, p.TxURL, p.Payer, p.PaidGas, p.Confirmations = storyTx, explorer+"tx/"+storyTx, storyAccount, "0 ETH, paid by Alchemy", 3
		p.SettledAt = At(b.now.Add(-2 * time.Minute))
	})
	b.gaslessActStories()
}

// gasWay draws one way of the choice.
func (s scene) gasWay(name, cost, text string, free, chosen bool) {
	s.show("#gasless")
	x := s.copy("gas-way", "#gasless-ways")
	x.Find(".gas-name").SetText(name)
	x.Find(".gas-cost").SetText(cost)
	x.Find(".gas-text").SetText(text)
	input := x.Find("input").SetAttr("value", name)
	if free {
		x.SetAttr("data-free", "")
	}
	if chosen {
		input.SetAttr("checked", "")
	}
}

func (s scene) gasChoice(free bool) {
	s.connected()
	s.gasWay("Pay without gas", "0 ETH", "Paid by Alchemy. You only sign.", true, free)
	s.gasWay("Pay gas yourself", "about 0.000004 ETH", "Two transactions from your wallet.", false, !free)
}

// gasPlan draws what an operation means.
func (s scene) gasPlan(text string) {
	s.text("#go-text", "Your wallet asks you to sign. You send no transaction, and gas costs you nothing.")
	s.text("#gasless-text", text)
	s.text("#gasless-account", Short(storyAccount))
	s.doc.Find("#gasless-account").SetAttr("title", storyAccount)
	s.doc.Find("#gasless-link").SetAttr("href", explorer+"address/"+storyAccount)
	s.text("#gasless-may", "exactly 10.00 USDC")
	s.text("#gasless-cap-least", "10.00 USDC")
	s.text("#gasless-cap-symbol", "USDC")
	s.show("#gasless-plan", "#gasless-cap")
}

func (s scene) gasChecks() {
	s.checked()
	for _, name := range operatedOrder {
		item := s.copy("check-item", "#safety-checks").SetAttr("data-check", name).SetAttr("data-outcome", OutcomePassed)
		item.Find(".check-title").SetText(CheckTitle(name))
		item.Find(".detail").SetText("Agrees with what this page shows.")
	}
}

var operatedOrder = []string{"op_sender", "op_factory", "op_nonce", "op_calls", "op_permit", "op_value", "op_gas", "op_fees", "op_paymaster"}

func (s scene) gasSteps(permit, op string) {
	s.step("permit", permit, "Sign: take 10.00 USDC", "Lets your smart account take exactly this amount. No money moves yet.")
	s.step("pay", op, "Sign: pay 10.00 USDC", "Your smart account takes the money and pays the recipient, in one step.")
}

// gaslessActStories are what the script makes of a wallet that can pay without gas.
func (b *book) gaslessActStories() {
	draw := func(name, title string, with func(scene)) { b.drawOn(b.gasPage(), name, title, with) }
	const plan = "You sign twice and send nothing yourself: first what your smart account may take, then the payment."
	draw("act-gasless", "Without gas, chosen because there is none", func(s scene) {
		s.gasChoice(true)
		s.text("#gasless-why", "Chosen for you: your wallet has USDC, and no ETH for gas.")
		s.gasPlan(plan)
		s.funds("250.00 USDC", "0 ETH, paid by Alchemy", "")
		s.gasSteps("active", "todo")
		s.button("Sign: take 10.00 USDC", false)
	})
	draw("act-gasless-beside", "Without gas, offered beside the plain way", func(s scene) {
		s.gasChoice(false)
		s.funds("250.00 USDC", "about 0.000004 ETH", "")
		s.step("approve", "active", "Approve 10.00 USDC", "Lets the official contract take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.button("Approve 10.00 USDC", false)
	})
	draw("act-gasless-approval", "Without gas after an approval, which costs gas once", func(s scene) {
		s.connected()
		s.gasWay("Pay without gas", "0.0000021 ETH once", "USDT needs an approval first, which costs gas. Alchemy pays for this payment, and for later ones.", false, true)
		s.gasWay("Pay gas yourself", "about 0.000004 ETH", "Two transactions from your wallet.", false, false)
		s.gasPlan("You approve what your smart account may take, a transaction that costs gas, and then sign the payment.")
		s.text("#go-text", "Your wallet asks you to confirm. Nothing is paid before that. It also shows a small network fee (gas), for the approval alone.")
		s.funds("250.00 USDT", "about 0.0000021 ETH", "")
		s.step("approve", "active", "Approve 10.00 USDT", "Lets your smart account take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Sign: pay 10.00 USDT", "Your smart account takes the money and pays the recipient, in one step.")
		s.button("Approve 10.00 USDT", false)
	})
	draw("act-gasless-approved", "Without gas, approved before", func(s scene) {
		s.gasChoice(true)
		s.gasPlan("You sign once: the payment. Your smart account may take the money already.")
		s.hide("#gasless-cap")
		s.text("#gasless-may", "up to 90.00 USDC")
		s.text("#gasless-revoke-title", "Your smart account may take up to 90.00 USDC")
		s.text("#gasless-revoke-text", "You allowed that earlier. Taking it back is a transaction of your wallet, which costs gas.")
		s.show("#gasless-revoke")
		s.funds("250.00 USDC", "0 ETH, paid by Alchemy", "")
		s.step("pay", "active", "Sign: pay 10.00 USDC", "Your smart account takes the money and pays the recipient, in one step.")
		s.button("Sign: pay 10.00 USDC", false)
	})
	draw("act-gasless-cap", "Without gas: a larger cap, and a wrong one", func(s scene) {
		s.gasChoice(true)
		s.gasPlan(plan)
		s.unfold("#gasless-cap", "#gasless-more")
		s.doc.Find("#gasless-cap-exact").RemoveAttr("checked")
		s.doc.Find("#gasless-cap-larger").SetAttr("checked", "")
		s.show("#gasless-cap-own")
		s.doc.Find("#gasless-cap-amount").SetAttr("value", "9.00").SetAttr("aria-invalid", "true")
		s.text("#gasless-cap-error", "This payment takes 10.00 USDC: less would not do.")
		s.gasSteps("active", "todo")
		s.doc.Find("#go").SetText("Sign: take 10.00 USDC")
	})
	draw("act-gasless-batch", "A wallet that makes all calls at once, for which a sponsor pays", func(s scene) {
		s.connected()
		s.gasWay("Pay without gas", "0 ETH", "Your wallet does it in one step. Paid by Pimlico.", true, true)
		s.gasWay("Pay gas yourself, in one step", "about 0.000003 ETH", "Your wallet does both calls at once.", false, false)
		s.gasWay("Pay gas yourself, step by step", "about 0.000004 ETH", "Two transactions from your wallet.", false, false)
		s.funds("250.00 USDC", "0 ETH, paid by Pimlico", "")
		s.step("pay", "active", "Pay 10.00 USDC", "One request to your wallet: it approves exactly this amount and pays the recipient.")
		s.button("Pay 10.00 USDC", false)
	})
	draw("act-gasless-signing", "Without gas: waiting for the second signature", func(s scene) {
		s.gasChoice(true)
		s.doc.Find("#gasless-ways input").SetAttr("disabled", "")
		s.gasPlan(plan)
		s.gasChecks()
		s.unfold("#safety-more")
		s.gasSteps("done", "signing")
		s.doc.Find("#steps .step-link").SetAttr("hidden", "")
		s.button("Confirm in your wallet…", true)
	})
	draw("act-gasless-down", "Without gas is not to be had just now", func(s scene) {
		s.connected()
		s.gasWay("Pay gas yourself", "about 0.000004 ETH", "Two transactions from your wallet.", false, true)
		s.text("#gasless-why", "Paying without gas does not work just now. You can pay with your wallet's own.")
		s.funds("250.00 USDC", "about 0.000004 ETH", "You need about 0.000004 ETH more on Base (sandbox) for the network fee. Add some ETH to this account, then check again.")
		s.doc.Find("#go").SetText("Pay 10.00 USDC")
	})
	draw("act-gasless-unsafe", "The operation does something else", func(s scene) {
		s.state(StateUnsafe)
		item := s.copy("check-item", "#safety-checks").SetAttr("data-check", "op_calls").SetAttr("data-outcome", OutcomeRefused)
		item.Find(".check-title").SetText(CheckTitle("op_calls"))
		item.Find(".detail").SetText("call 3 of 4 pays another account")
		s.text("#unsafe-check", CheckTitle("op_calls"))
		s.text("#safety-title", "Do not pay")
		s.text("#safety-text", UnsafeText)
		s.doc.Find("#safety").SetAttr("data-outcome", OutcomeRefused)
		s.unfold("#safety-more")
	})
	draw("act-gasless-paid", "Followed live: paid without gas, and more is allowed", func(s scene) {
		s.state(StatePaid)
		s.text("#success-tx", storyTx)
		s.text("#payer", storyAccount)
		s.show("#payer-row", "#payer-gasless", "#success-gas-row", "#success-revoke")
		s.text("#success-gas", "0 ETH, paid by Alchemy")
		s.text("#success-revoke-title", "Your smart account may still take 90.00 USDC")
		s.text("#success-revoke-text", "You allowed that for later payments. Taking it back is a transaction of your wallet, which costs gas.")
		s.doc.Find("#success-link").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	})
}
