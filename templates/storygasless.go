//go:build !nosandbox

package templates

import (
	"net/http"
	"strings"
	"time"
)

const (
	mayText      = "You allowed that before. It is your own account, which obeys your wallet alone. To take it back is a transaction with a network fee."
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
		p.Tx, p.TxURL, p.Payer, p.PaidGas, p.Confirmations = storyTx, explorer+"tx/"+storyTx, storyAccount, "0 ETH, paid by a sponsor", 3
		p.SettledAt = At(b.now.Add(-2 * time.Minute))
	})
	b.gasChoiceStories()
	b.gasActStories()
}

// gasWay draws one way of the choice.
func (s scene) gasWay(way, name, cost, text string, chosen bool) {
	s.show("#gasless")
	x := s.copy("gas-way", "#gasless-ways")
	x.Find(".gas-name").SetText(name)
	x.Find(".gas-cost").SetText(cost)
	x.Find(".gas-text").SetText(text)
	input := x.Find("input").SetAttr("value", way)
	if chosen {
		input.SetAttr("checked", "")
	}
}

func (s scene) gasChoice(free bool) {
	s.connected()
	s.gasWay("op_permit", "Pay without gas", "free", "Two signatures in your wallet, no coins needed. The network fee is paid by Alchemy.", free)
	s.ownGas(!free)
}

// ownGas is the plain way.
func (s scene) ownGas(chosen bool) {
	s.gasWay("plain", "With your wallet's own coins", "you pay about 0.000004 ETH", "2 confirmations in your wallet.", chosen)
}

// gasPlan draws what an operation means.
func (s scene) gasPlan(text string) {
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
	s.step("permit", permit, "Allow your smart account 10.00 USDC", "A signature, free of charge. No money moves yet.")
	s.step("pay", op, "Pay 10.00 USDC without gas", "A signature, free of charge. Sends the money to the recipient.")
}

// What the script says of it.
const (
	opThen = "takes 10.00 USDC from your wallet and pays the recipient, in one step."
	opPlan = "You sign twice: that your smart account may take the money, and the payment. It " + opThen
	opNone = "none: paid by Alchemy"
	opFree = "Pay 10.00 USDC without gas"
)

// drawGas adds a story of the page that can also be paid without gas.
func (b *book) drawGas(name, title string, with func(scene)) {
	b.drawOn(b.gasPage(), name, title, with)
}

// gasChoiceStories are what a wallet that can pay without gas is offered.
func (b *book) gasChoiceStories() {
	draw := b.drawGas
	draw("act-gasless", "Without gas, chosen because there is none", func(s scene) {
		s.gasChoice(true)
		s.gasPlan(opPlan)
		s.funds("250.00 USDC", opNone, "")
		s.gasSteps("active", "todo")
		s.button(opFree, false)
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
		s.gasWay("op_approval", "Pay without gas", "after one approval", "USDT asks for an approval once, and that costs a network fee. What follows is free: it is paid by Alchemy.", true)
		s.ownGas(false)
		s.gasPlan("First you approve that your smart account may take the money. That is a transaction with a network fee. Then you sign once, free of charge, and it " + strings.ReplaceAll(opThen, "USDC", "USDT"))
		s.funds("250.00 USDT", "about 0.0000021 ETH", "")
		s.step("allow", "active", "Approve 10.00 USDT for your smart account", "A transaction with a network fee, needed once. No money moves yet.")
		s.step("pay", "todo", "Pay 10.00 USDT without gas", "A signature, free of charge. Sends the money to the recipient.")
		s.button("Approve 10.00 USDT for your smart account", false)
	})
	draw("act-gasless-approved", "Without gas, approved before", func(s scene) {
		s.gasChoice(true)
		s.gasPlan("You sign once. Your smart account, which you have allowed to take the money, " + opThen)
		s.hide("#gasless-cap")
		s.text("#gasless-may", "90.00 USDC, as you allowed before")
		s.text("#gasless-revoke-title", "Your smart account may still take 90.00 USDC")
		s.text("#gasless-revoke-text", mayText)
		s.show("#gasless-revoke")
		s.funds("250.00 USDC", opNone, "")
		s.step("pay", "active", opFree, "A signature, free of charge. Sends the money to the recipient.")
		s.button(opFree, false)
	})
}

// gasActStories are what a payer changes of it, and what becomes of it.
func (b *book) gasActStories() {
	draw := b.drawGas
	draw("act-gasless-cap", "Without gas: a larger cap, and a wrong one", func(s scene) {
		s.gasChoice(true)
		s.gasPlan(opPlan)
		s.unfold("#gasless-cap", "#gasless-more")
		s.doc.Find("#gasless-cap-exact").RemoveAttr("checked")
		s.doc.Find("#gasless-cap-larger").SetAttr("checked", "")
		s.show("#gasless-cap-own")
		s.doc.Find("#gasless-cap-amount").SetAttr("value", "9.00").SetAttr("aria-invalid", "true")
		s.text("#gasless-cap-error", "It must be at least 10.00 USDC, or this payment cannot be made.")
		s.gasSteps("active", "todo")
		s.doc.Find("#go").SetText(opFree)
	})
	draw("act-gasless-batch", "A wallet that makes all calls at once, for which a sponsor pays", func(s scene) {
		s.connected()
		s.gasWay("batch_sponsored", "Pay without gas", "free", "One confirmation in your wallet for all steps. Alchemy pays the network fee.", true)
		s.gasWay("batch", "All steps at once", "you pay about 0.000003 ETH", "One confirmation in your wallet for all steps.", false)
		s.ownGas(false)
		s.funds("250.00 USDC", opNone, "")
		s.step("approve", "todo", "Approve 10.00 USDC", "Together with the others, in one confirmation.")
		s.step("pay", "todo", "Pay 10.00 USDC", "Together with the others, in one confirmation.")
		s.button(opFree, false)
	})
	draw("act-gasless-signing", "Without gas: waiting for the second signature", func(s scene) {
		s.gasChoice(true)
		s.doc.Find("#gasless-ways input").SetAttr("disabled", "")
		s.gasPlan(opPlan)
		s.gasChecks()
		s.unfold("#safety-more")
		s.gasSteps("done", "signing")
		s.doc.Find("#steps .step-link").SetAttr("hidden", "")
		s.button("Sign in your wallet (2 of 2)…", true)
	})
	draw("act-gasless-down", "Without gas is not to be had just now", func(s scene) {
		s.connected()
		s.show("#gasless")
		s.text("#gasless-why", "Paying without gas does not work at the moment. You can pay with your wallet's own coins.")
		s.funds("250.00 USDC", "about 0.000004 ETH", "You need about 0.000004 ETH more on Base (sandbox) for the network fee. Add some ETH to this account, then check again.")
		s.doc.Find("#go").SetText("Pay 10.00 USDC")
	})
	draw("act-gasless-unsafe", "The operation does something else", func(s scene) {
		s.refused("op_calls", "call 3 of 4 pays another account")
	})
	draw("act-gasless-paid", "Followed live: paid without gas, and more is allowed", func(s scene) {
		s.state(StatePaid)
		s.text("#success-tx", storyTx)
		s.text("#payer", storyAccount)
		s.show("#payer-row", "#payer-gasless", "#success-gas-row", "#success-revoke")
		s.text("#success-gas", "0 ETH, paid by a sponsor")
		s.text("#success-revoke-title", "Your smart account may still take 90.00 USDC")
		s.text("#success-revoke-text", mayText)
		s.doc.Find("#success-link").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	})
}
