//go:build !nosandbox

package templates

import (
	"net/http"
	"strconv"
)

// waysPage is the ordinary page where it can also be paid from elsewhere.
func (b *book) waysPage() *PayPage {
	p := b.open()
	p.Others = []string{"USDT on Base (sandbox)", "USDC and USDT on Arbitrum One (sandbox)"}
	p.Data.Ways, p.Data.Route = "/static/ways-000000000000.js", "/static/route-000000000000.js"
	return p
}

// paths are six chains' worth of ways.
var paths = []drawnWay{
	{"USDC", "Base", "10.00 USDC", "a few seconds", "You have 250.00 USDC", "No fee"},
	{"USDC", "Arbitrum One", "10.03 USDC", "less than a minute", "You have 1,204.50 USDC", "Fee 0.03 USDC"},
	{"USDC", "OP Mainnet", "10.04 USDC", "less than a minute", "You have 80.00 USDC", "Fee 0.04 USDC"},
	{"USDT", "Base", "10.05 USDT", "a few seconds", "You have 31.17 USDT", "Fee 0.05 USDT"},
	{"USDT", "Polygon", "10.06 USDT", "about 2 minutes", "You have 54.00 USDT", "Fee 0.06 USDT"},
	{"USDT", "BNB Smart Chain", "10.08 USDT", "about 3 minutes", "You have 500.123456 USDT", "Fee 0.08 USDT"},
	{"USDT", "Ethereum", "10.31 USDT", "about 4 minutes", "You have 1,000,000.00 USDT", "Fee 0.31 USDT"},
}

type drawnWay struct{ symbol, chain, needed, time, balance, fee string }

// ways draws the choice: the first so many of paths can be afforded.
func (s scene) ways(all []drawnWay, enough, chosen int, words string) {
	s.connected()
	s.show("#ways")
	item := func(into string, w drawnWay, radio, checked bool) {
		x := s.copy("way-item", into)
		for part, text := range map[string]string{"name": w.symbol, "chain": w.chain, "needed": w.needed, "time": w.time, "balance": w.balance, "fee": w.fee} {
			x.Find(".way-" + part).SetText(text)
		}
		input := x.Find("input").SetAttr("value", w.symbol+w.chain)
		if !radio {
			input.SetAttr("hidden", "").SetAttr("disabled", "")
		} else if checked {
			input.SetAttr("checked", "")
		}
	}
	for i, w := range all[:enough] {
		item("#ways-enough", w, enough > 1, i == chosen)
	}
	for _, w := range all[enough:] {
		item("#ways-short", w, false, false)
	}
	if less := len(all) - enough; less > 0 {
		s.show("#ways-less")
		s.text("#ways-less-title", "Not enough in this wallet ("+strconv.Itoa(less)+")")
	}
	s.text("#ways-chosen", all[chosen].symbol+" on "+all[chosen].chain)
	switch others := max(enough-1, 0); others {
	case 0:
		s.text("#ways-count", "No other way")
	case 1:
		s.text("#ways-count", "1 other way")
	default:
		s.text("#ways-count", strconv.Itoa(others)+" other ways")
	}
	s.text("#way-words", words)
}

func (s scene) unfold(selectors ...string) {
	for _, sel := range selectors {
		s.doc.Find(sel).SetAttr("open", "")
	}
}

func (s scene) waysNote(text string) {
	s.copy("way-note", "#ways-notes").SetText(text)
}

func (s scene) route(rows ...[2]string) {
	for _, r := range rows {
		row := s.copy("route-row", "#route")
		row.Find("dt").SetText(r[0])
		row.Find("dd").SetText(r[1])
	}
}

func (s scene) routeChecks() {
	s.checked()
	for _, name := range routedOrder {
		item := s.copy("check-item", "#safety-checks").SetAttr("data-check", name).SetAttr("data-outcome", OutcomePassed)
		item.Find(".check-title").SetText(CheckTitle(name))
		item.Find(".detail").SetText("Agrees with what this page shows.")
	}
}

var routedOrder = []string{
	"route_target", "route_value", "route_calldata", "route_approval", "route_source", "route_bridge", "route_receiver", "route_refund", "route_output",
	"route_deadline", "route_payment",
}

func (s scene) bridging(title, text, elapsed string, value, seconds int) {
	s.state(StateSeen)
	s.text("#progress-title", title)
	s.text("#progress-text", text)
	s.hide("#confirmations", "#confirmations-text")
	if elapsed != "" {
		s.doc.Find("#bridging").SetAttr("max", strconv.Itoa(seconds)).SetAttr("value", strconv.Itoa(value)).RemoveAttr("hidden")
		s.text("#bridging-text", elapsed)
	}
	s.doc.Find("#progress-tx").SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
}

func (s scene) ended(title, text, link string) {
	s.text("#ways-told-title", title)
	s.text("#ways-told-text", text)
	s.show("#ways-told")
	if link != "" {
		s.doc.Find("#ways-told-link").SetText(link).SetAttr("href", explorer+"tx/"+storyTx).RemoveAttr("hidden")
	}
}

const (
	sameChainWords   = "You'll be paying on the same chain as your recipient"
	crossChainsWords = "You'll be paying across chain via Li.Fi"
)

// fromArbitrum is the usual route, proven.
func (s scene) fromArbitrum() {
	s.ways(paths, 7, 1, crossChainsWords)
	s.routeChecks()
	s.route([2]string{"You pay", "10.03 USDC"}, [2]string{"of which the route takes", "0.03 USDC"}, [2]string{"At least this arrives", "10.00 USDC"},
		[2]string{"Bridge", "Across"}, [2]string{"It takes", "less than a minute"},
		[2]string{"Your wallet calls", "LI.FI's contract 0x1231…4EaE"})
	s.funds("1,204.50 USDC", "about 0.000011 ETH", "")
}

// waysStories are the choice of a way to pay, and what becomes of it.
func (b *book) waysStories() {
	b.choiceStories()
	b.chosenStories()
	b.bridgingStories()
	b.routeEndStories()
	b.tell("open-others", "To be paid, from elsewhere too (its script has not run)", http.StatusOK, func(p *PayPage) {
		w := b.waysPage()
		p.Others, p.Data.Ways, p.Data.Route = w.Others, w.Data.Ways, w.Data.Route
	})
	b.tell("seen-bridging", "On a bridge, as the server says it", http.StatusOK, func(p *PayPage) {
		p.State, p.Route = StateSeen, Route{Chain: "Arbitrum One", Expect: About(120), TxURL: explorer + "tx/" + storyTx}
		p.Data.Ways = b.waysPage().Data.Ways
	})
}

// drawWay adds a story of the page that offers other ways.
func (b *book) drawWay(name, title string, with func(scene)) {
	b.drawOn(b.waysPage(), name, title, with)
}

// direct is the payment's own way, ready to be signed.
func (s scene) direct() {
	s.checked()
	s.funds("250.00 USDC", "about 0.000004 ETH", "")
	s.step("approve", "active", "Approve 10.00 USDC", "Lets the official contract take exactly this amount. No money moves yet.")
	s.step("pay", "todo", "Pay 10.00 USDC", "Sends the money to the recipient.")
	s.button("Approve 10.00 USDC", false)
}

// choiceStories are what a wallet could pay with.
func (b *book) choiceStories() {
	draw := b.drawWay
	draw("ways-looking", "Other ways are being looked up: the payment's own works", func(s scene) {
		s.ways(paths[:1], 1, 0, sameChainWords)
		s.text("#ways-count", "Looking for other ways…")
		s.direct()
	})
	draw("ways-found", "Other ways found, folded", func(s scene) {
		s.ways(paths, 6, 0, sameChainWords)
		s.direct()
	})
	draw("ways-choice", "Six chains to choose from", func(s scene) {
		s.ways(paths, 7, 0, sameChainWords)
		s.unfold("#ways-more")
		s.direct()
	})
	draw("ways-silent", "Some not enough, one chain silent", func(s scene) {
		s.ways(append(paths[:3:3], drawnWay{"USDT", "Polygon", "up to 10.10 USDT", "a few minutes", "You have 3.00 USDT", ""},
			drawnWay{"USDC", "Polygon", "up to 10.10 USDC", "a few minutes", "You have 0.00 USDC", ""}), 3, 0, sameChainWords)
		s.waysNote("Ethereum does not answer at the moment, so what you have there is not listed.")
		s.unfold("#ways-more", "#ways-less")
		s.direct()
	})
	draw("ways-none", "Nothing affordable", func(s scene) {
		s.ways([]drawnWay{
			{"USDC", "Base", "10.00 USDC", "a few seconds", "You have 3.20 USDC", "No fee"},
			{"USDT", "Base", "up to 10.10 USDT", "a few seconds", "You have 0.00 USDT", ""},
			{"USDC", "Arbitrum One", "up to 10.10 USDC", "a few minutes", "You have 9.99 USDC", ""},
		}, 0, 0, sameChainWords)
		s.text("#ways-none", "Nothing in this wallet is enough for this payment. You can add to it, or choose another wallet.")
		s.unfold("#ways-more", "#ways-less")
		s.funds("3.20 USDC", "about 0.000004 ETH", "You have 3.20 USDC, and this payment takes 10.00 USDC: 6.80 USDC is missing. Add it to this account or choose another one, then check again.")
		s.doc.Find("#go").SetText("Pay 10.00 USDC")
	})
	draw("ways-router-down", "The routing service does not answer", func(s scene) {
		s.ways(paths[:1], 1, 0, sameChainWords)
		s.text("#ways-count", "No other ways now")
		s.waysNote("Paying from another network or with another token is not possible right now.")
		s.unfold("#ways-more")
		s.direct()
	})
}

// chosenStories are another way than the payment's own, chosen.
func (b *book) chosenStories() {
	draw := b.drawWay
	draw("ways-switch", "Another network is chosen", func(s scene) {
		s.ways(paths, 7, 1, crossChainsWords)
		s.text("#wrong-chain-text", "You have chosen to pay from Arbitrum One.")
		s.text("#switch-chain", "Switch to Arbitrum One")
		s.show("#wrong-chain")
		s.hide(".go")
	})
	draw("ways-crosschain", "A proven route, two steps ahead", func(s scene) {
		s.fromArbitrum()
		s.step("approve", "active", "Approve 10.03 USDC", "Lets LI.FI's contract take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Pay 10.03 USDC", "Sends it over Across to Base (sandbox), where it pays the recipient.")
		s.button("Approve 10.03 USDC", false)
		s.unfold("#safety-more")
	})
	draw("ways-exchange", "An exchange first", func(s scene) {
		s.ways(paths, 7, 3, sameChainWords+". Your USDT is exchanged for USDC first, via Li.Fi, in your own wallet.")
		s.checked()
		s.route([2]string{"You pay", "10.05 USDT"}, [2]string{"of which the route takes", "0.05 USDT"}, [2]string{"You get at least", "10.00 USDC"},
			[2]string{"Exchanged by", "Li.Fi"}, [2]string{"It takes", "a few seconds"}, [2]string{"Your wallet calls", "LI.FI's contract 0x1231…4EaE"})
		s.funds("31.17 USDT", "about 0.000011 ETH", "")
		s.step("reset", "done", "Clear the old approval", "Done")
		s.step("approve", "done", "Approve 10.05 USDT", "Done")
		s.step("swap", "active", "Exchange 10.05 USDT", "Turns it into at least 10.00 USDC, in your own wallet.")
		s.step("approve", "todo", "Approve 10.00 USDC", "Lets the official contract take exactly this amount. No money moves yet.")
		s.step("pay", "todo", "Pay 10.00 USDC", "Sends the money to the recipient.")
		s.button("Exchange 10.05 USDT", false)
	})
	draw("ways-price", "The price has changed", func(s scene) {
		s.fromArbitrum()
		s.notice("warn", "The price has changed", "It was 10.03 USDC and is now 10.24 USDC. Nothing was paid. Accept the new amount to go on, or choose another way to pay.")
		s.text("#notice-retry", "Accept new amount")
		s.doc.Find("#go").SetText("Pay 10.03 USDC")
	})
	draw("ways-not-loaded", "The route's script could not be fetched", func(s scene) {
		s.ways(paths, 7, 0, sameChainWords)
		s.direct()
		s.ended("This way to pay could not be loaded", "Nothing was paid. You can pay on the same chain as your recipient, or choose this way again to try once more.", "")
	})
}

// bridgingStories are money on its way over a bridge.
func (b *book) bridgingStories() {
	draw := b.drawWay
	draw("route-bridging", "On its way over a bridge", func(s scene) {
		s.bridging("Your payment is on its way from Arbitrum One", "Bridging, about 2 minutes. This page updates by itself, and you can also close it. Do not pay again.",
			"40 seconds so far, about 2 minutes in all", 40, 120)
	})
	draw("route-slow", "It takes longer than usual", func(s scene) {
		s.bridging("Your payment is on its way from Arbitrum One", "This is taking longer than usual. Your money is safe: it either arrives, or the bridge gives it back to you. This page updates by itself, and you can also close it. Do not pay again.",
			"11 minutes so far", 120, 120)
	})
	draw("route-refunding", "The bridge gives the money back", func(s scene) {
		s.bridging("The bridge is giving your money back", "It could not deliver to Base (sandbox). This page says when your money is back in your wallet on Arbitrum One; you can also close it. Do not pay again before that.", "", 0, 0)
	})
}

// routeEndStories are ways that have not paid.
func (b *book) routeEndStories() {
	ended := func(name, title, heading, text, link string) {
		b.drawWay(name, title, func(s scene) {
			s.ways(paths, 7, 0, sameChainWords)
			s.direct()
			s.ended(heading, text, link)
		})
	}
	ended("route-refunded", "The bridge gave it back", "The bridge gave your money back",
		"Your 10.03 USDC did not reach Base (sandbox). The bridge has given it back to your wallet on Arbitrum One, less the fees that were taken on the way. Nothing was paid. You can pay again, in any way you like.", "See the refund")
	ended("route-recovered", "It arrived at the payer instead", "Your money arrived, but the payment did not go through",
		"It is in your own wallet on Base (sandbox), as USDC. The recipient has not been paid. You can pay from there now.", "See where it arrived")
	ended("route-broken", "Its transaction failed", "The transaction did not go through",
		"Arbitrum One refused it. Your 10.03 USDC never left your wallet; only a network fee is spent. You can pay again, in any way you like.", "See the transaction")
	b.drawWay("route-unsafe", "The page's own proof refused a route", func(s scene) {
		s.routeChecks()
		s.refused("route_receiver", "receiver (expected 0x1111…, found 0x2222…)")
	})
}
