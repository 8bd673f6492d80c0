//go:build !nosandbox

package templates

import (
	_ "embed"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What a code looks like, drawn once: 0.006680823708011 ETH to the stories' payee.
var (
	//go:embed stories/payment.svg
	storyQR Drawing
	//go:embed stories/address.svg
	storyAddressQR Drawing
)

const storyPage = "/payment/4291f98b-d68c-4eb0-883e-6bc790a41c96"

const storyWei = "6680823708011000"

// deposit is the ordinary page of a deposit: 25 dollars, ETH on the sandbox's Base chosen.
func (b *book) deposit() *DepositPage {
	expires := b.now.Add(52 * time.Minute)
	ether := func(chain, network string, id uint64, amount string) DepositAsset {
		return DepositAsset{
			ID: "ETH-" + network, Symbol: "ETH", Name: "Ether", Decimals: 18, Token: noAccount, Native: true, Chain: chain, Network: network, ChainID: id, Amount: amount,
		}
	}
	coin := func(symbol, name, chain, network string, id uint64) DepositAsset {
		return DepositAsset{
			ID: symbol + "-" + network, Symbol: symbol, Name: name, Decimals: 6, Token: storyToken, Chain: chain, Network: network, ChainID: id,
			AssetURL: explorer + "token/" + storyToken,
		}
	}
	const base, arbitrum = "Base (sandbox)", "Arbitrum One (sandbox)"
	p := &DepositPage{
		Assets: b.assets, Page: storyPage, Path: storyPage, Addressed: true, Sandbox: true,
		Merchant: "Copycat Creations", Currency: "USD", OrderNote: "order_123",
		Address: storyPayee, AddressQR: storyAddressQR,
		Safety: NewDepositSafety("Copycat Creations", []Check{
			{"address_matches", OutcomePassed, "Made again from the recipient's public key, it is the same address."},
		}),
		Networks: []DepositNetwork{
			{base, []DepositAsset{ether(base, "base", 900008453, "0.006680823708011"), coin("USDC", "USD Coin", base, "base", 900008453), coin("USDT", "Tether USD", base, "base", 900008453)}},
			{arbitrum, []DepositAsset{ether(arbitrum, "arbitrum-one", 900042161, ""), coin("USDC", "USD Coin", arbitrum, "arbitrum-one", 900042161)}},
		},
		ExpiresAt: At(expires),
		Status: DepositStatus{
			State: StateOpen, Oddity: OddityNone, Payable: true, Now: b.now.UTC().Format(time.RFC3339), ExpiresAt: At(expires).Machine,
			Currency: "USD", Methods: DepositMethods{Crypto: true}, Amount: "25.00", Received: "0.00", Missing: "25.00", Excess: "0.00", Late: "0.00",
		},
	}
	p.Chosen = p.Networks[0].Assets[0]
	p.Status.Quote = &DepositQuote{
		Asset: p.Chosen.ID, Symbol: "ETH", Chain: base, Network: "base", ChainID: 900008453, Decimals: 18, Token: noAccount, Native: true,
		Amount: "0.006680823708011", Units: storyWei, Rate: "3742.05353900", ExpiresAt: At(b.now.Add(9*time.Minute + 40*time.Second)).Machine,
		URI: "ethereum:" + storyPayee + "@900008453?value=" + storyWei, Address: storyPayee, QR: storyQR,
	}
	return p
}

// deposited adds a page of a deposit; change makes it out of the ordinary one.
func (b *book) deposited(name, title string, status int, change func(*DepositPage)) {
	p := b.deposit()
	change(p)
	d := DepositData{
		Page: p.Page, Path: p.Path, Method: p.Method, Merchant: p.Merchant, Sandbox: p.Sandbox, Currency: p.Currency, Asset: p.Chosen.ID, Address: p.Address,
		Chains: []Chain{b.open().Data.Chain}, Frames: []string{}, Status: p.Status,
	}
	for _, n := range p.Networks {
		d.Assets = append(d.Assets, n.Assets...)
	}
	if q := d.Status.Quote; q != nil {
		bare := *q
		bare.QR, d.Status.Quote = "", &bare
	}
	if bank := d.Status.Bank; bank != nil {
		bare := *bank
		bare.QR, d.Status.Bank = "", &bare
	}
	p.Data = d
	b.add(Story{Name: name, Title: title, Status: status, Page: Deposit(p), Deposit: p})
}

// came is a transfer of the chosen ETH.
func (b *book) came(amount, worth, stage string, confirmations int) DepositTransfer {
	return DepositTransfer{
		Key: "deposit:900008453:" + amount, Asset: "ETH-base", Symbol: "ETH", Amount: amount, Worth: worth, Chain: "Base (sandbox)", Network: "base",
		TxHash: storyTx, ExplorerURL: explorer + "tx/" + storyTx, Stage: stage, Confirmations: confirmations, Required: 3, At: b.now.Add(-3 * time.Minute).UTC().Format(time.RFC3339),
	}
}

// arrive puts transfers into a status.
func (s *DepositStatus) arrive(received, missing string, transfers ...DepositTransfer) {
	s.Part, s.Received, s.Missing, s.Transfers = true, received, missing, transfers
	last := transfers[len(transfers)-1]
	s.Confirmations, s.Required = last.Confirmations, last.Required
}

func (b *book) depositStories() {
	b.depositOpenStories()
	b.depositPartStories()
	b.depositEndStories()
}

func (b *book) depositOpenStories() {
	open := func(name, title string, change func(*DepositPage)) {
		b.deposited("deposit-"+name, title, http.StatusOK, change)
	}
	unquoted := func(p *DepositPage) {
		p.Status.Quote = nil
		p.Networks[0].Assets[0].Amount, p.Chosen.Amount = "", ""
	}
	open("choose", "A deposit: nothing chosen yet", func(p *DepositPage) {
		unquoted(p)
		p.Chosen = DepositAsset{}
	})
	open("send", "A deposit: what to send where", func(*DepositPage) {})
	open("send-token", "A deposit: a token to send", func(p *DepositPage) {
		p.Chosen = p.Networks[0].Assets[1]
		q := p.Status.Quote
		q.Asset, q.Symbol, q.Decimals, q.Token, q.Native = p.Chosen.ID, "USDC", 6, storyToken, false
		q.Amount, q.Units, q.Rate = "25.003251", "25003251", "0.99987000"
		q.URI = "ethereum:" + storyToken + "@900008453/transfer?address=" + storyPayee + "&uint256=25003251"
	})
	open("lapsed", "A deposit: the price has expired", func(p *DepositPage) {
		unquoted(p)
		p.Trouble = QuoteLapsed
	})
	open("asked", "A deposit: chosen by a link, no price asked for", unquoted)
	open("no-price", "A deposit: no price that can be relied on", func(p *DepositPage) {
		unquoted(p)
		p.Trouble = QuoteMissing
	})
	open("too-many", "A deposit: too many prices were asked for", func(p *DepositPage) {
		unquoted(p)
		p.Trouble = QuoteTooMany
	})
	open("nothing", "A deposit: nothing can be paid with", func(p *DepositPage) {
		unquoted(p)
		p.Chosen, p.Networks = DepositAsset{}, nil
	})
	open("long", "A deposit: long names, a large amount", func(p *DepositPage) {
		p.Merchant = "The Royal Society for the Preservation of Unreasonably Long Merchant Names and Donaudampfschifffahrtsgesellschaften"
		p.OrderNote = strings.Repeat("ORDER-2026-", 12) + "0042"
		p.Status.Amount, p.Status.Missing = "1,000,000.00", "1,000,000.00"
		p.Status.Quote.Amount = "267.232948320464012345"
		p.Safety = NewDepositSafety(p.Merchant, p.Safety.Checks)
	})
	open("live", "A deposit with real money, no order number", func(p *DepositPage) {
		p.Sandbox, p.OrderNote = false, ""
	})
	open("checking", "A deposit: the address is not checked yet", func(p *DepositPage) {
		p.Address, p.AddressQR, p.Status.Quote = "", "", nil
		p.Safety = NewDepositSafety(p.Merchant, []Check{{"address_matches", OutcomePending, "The recipient's key could not be read just now."}})
	})
	b.deposited("deposit-unsafe", "A deposit: the address is not the recipient's", http.StatusForbidden, func(p *DepositPage) {
		unquoted(p)
		p.Address, p.AddressQR, p.Networks, p.Chosen = "", "", nil, DepositAsset{}
		p.Status.State, p.Status.Payable = StateUnsafe, false
		p.Safety = NewDepositSafety(p.Merchant, []Check{{"address_matches", OutcomeRefused, "The recipient's key makes another address."}})
	})
}

func (b *book) depositPartStories() {
	open := func(name, title string, change func(*DepositPage)) {
		b.deposited("deposit-"+name, title, http.StatusOK, change)
	}
	open("part", "A deposit: part of it has arrived", func(p *DepositPage) {
		p.Status.Oddity = OddityUnder
		p.Status.Quote.Amount, p.Status.Quote.Units = "0.004008494224807", "4008494224807000"
		p.Status.arrive("10.00", "15.00", b.came("0.002672329483204", "10.00", DepositFinal, 3))
	})
	open("part-lapsed", "A deposit: part of it has arrived, the price has expired", func(p *DepositPage) {
		p.Status.Oddity, p.Trouble, p.Status.Quote, p.Chosen.Amount = OddityUnder, QuoteLapsed, nil, ""
		p.Status.arrive("10.00", "15.00", b.came("0.002672329483204", "10.00", DepositPending, 1))
	})
	open("unpriced", "A deposit: something arrived that has no price yet", func(p *DepositPage) {
		p.Trouble, p.Status.Quote, p.Chosen.Amount = QuoteMissing, nil, ""
		p.Status.arrive("0.00", "25.00", b.came("0.006680823708011", "", DepositFinal, 3))
	})
	open("reorged", "A deposit: the network took the payment back", func(p *DepositPage) {
		p.Status.arrive("0.00", "25.00", b.came("0.006680823708011", "25.00", DepositDropped, 0))
		p.Status.Part = false
	})
	seen := func(name, title string, change func(*DepositPage)) {
		open(name, title, func(p *DepositPage) {
			p.Status.State, p.Status.Payable, p.Status.Quote = StateSeen, false, nil
			p.Status.arrive("25.00", "0.00", b.came("0.006680823708011", "25.00", DepositPending, 1))
			change(p)
		})
	}
	seen("seen", "A deposit on its way: 1 of 3 confirmations", func(*DepositPage) {})
	seen("seen-two", "A deposit on its way in two parts, one by an exchange in another token", func(p *DepositPage) {
		second := b.came("15.002", "15.00", DepositPending, 7)
		second.Asset, second.Symbol, second.Chain, second.Network, second.Required = "USDC-arbitrum-one", "USDC", "Arbitrum One (sandbox)", "arbitrum-one", 12
		second.TxHash, second.ExplorerURL = "", ""
		p.Status.arrive("25.00", "0.00", b.came("0.002672329483204", "10.00", DepositFinal, 3), second)
	})
}

func (b *book) depositEndStories() {
	ended := func(name, title, state string, change func(*DepositPage)) {
		b.deposited("deposit-"+name, title, http.StatusOK, func(p *DepositPage) {
			p.Status.State, p.Status.Payable, p.Status.Quote = state, false, nil
			change(p)
		})
	}
	paid := func(name, title string, change func(*DepositPage)) {
		ended(name, title, StatePaid, func(p *DepositPage) {
			p.Status.ReturnURL = "https://merchant.example/checkout/success?paymentId=4291f98b"
			p.SettledAt = At(b.now.Add(-3 * time.Minute))
			p.Status.SettledAt = p.SettledAt.Machine
			p.Status.arrive("25.00", "0.00", b.came("0.006680823708011", "25.00", DepositFinal, 3))
			change(p)
		})
	}
	paid("paid", "A deposit: paid", func(*DepositPage) {})
	paid("paid-over", "A deposit: paid, more than needed", func(p *DepositPage) {
		p.Status.Oddity, p.Status.Excess = OddityOver, "12.42"
		p.Status.arrive("37.42", "0.00", b.came("0.010000000000000001", "37.42", DepositFinal, 3))
	})
	paid("paid-parts", "A deposit: paid in parts, nowhere to go back to", func(p *DepositPage) {
		p.Status.ReturnURL = ""
		hidden := b.came("0.004008494224807", "15.00", DepositFinal, 3)
		hidden.TxHash, hidden.ExplorerURL = "", ""
		p.Status.arrive("25.00", "0.00", b.came("0.002672329483204", "10.00", DepositFinal, 3), hidden)
	})
	late := func(p *DepositPage) {
		x := b.came("0.006680823708011", "25.00", DepositFinal, 3)
		x.Late = true
		p.Status.Oddity, p.Status.Late = OddityLate, "25.00"
		p.Status.Transfers = slices.Concat(p.Status.Transfers, []DepositTransfer{x})
	}
	ended("expired", "A deposit: too late", StateExpired, func(*DepositPage) {})
	ended("expired-late", "A deposit: it came too late", StateExpired, late)
	under := func(p *DepositPage) {
		p.Status.Oddity = OddityUnder
		p.Status.arrive("10.00", "15.00", b.came("0.002672329483204", "10.00", DepositFinal, 3))
	}
	ended("failed", "A deposit: too little in time", StateFailed, under)
	ended("failed-late", "A deposit: too little in time, the rest too late", StateFailed, func(p *DepositPage) {
		under(p)
		late(p)
	})
	ended("canceled", "A deposit: called off by the merchant", StateCanceled, func(*DepositPage) {})
	ended("canceled-late", "A deposit: called off, and money came all the same", StateCanceled, late)
}
