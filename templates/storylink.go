//go:build !nosandbox

package templates

import (
	_ "embed"
	"net/http"
	"strings"
	"time"
)

// The code of the stories' bank transfer, drawn once.
//
//go:embed stories/bank.svg
var storyBankQR Drawing

const (
	storyLink     = "/payment?link_id=MTIzNDU2Nzg5MDEyMzQ1Ng=="
	storyLinkPath = "/link/1234567890123456"
)

// link is a payment link of 49.99 euros that can be paid in every way but as a split, with
// nothing chosen.
func (b *book) link(p *DepositPage) {
	p.Page, p.Path, p.Link, p.Currency, p.OrderNote = storyLink, storyLinkPath, true, "EUR", "Invoice 1234"
	p.ExpiresAt = Moment{}
	s := &p.Status
	s.ExpiresAt, s.Currency, s.Amount, s.Missing, s.Cancellable = "2100-01-01T00:00:00Z", "EUR", "49.99", "49.99", true
	s.Methods.Bank = true
	s.Bank = &BankDetails{
		Holder: "Copycat Creations", IBAN: "DE89370400440532013000", IBANGrouped: "DE89 3704 0044 0532 0130 00", BIC: "COBADEFFXXX",
		Amount: "49.99", Text: "Invoice 1234 RF05ABCDEFGH1234", Reference: "RF05ABCDEFGH1234", QR: storyBankQR,
	}
	unchosen(p)
}

// unchosen is a page on which nothing was chosen yet.
func unchosen(p *DepositPage) {
	p.Status.Quote, p.Chosen = nil, DepositAsset{}
	for i := range p.Networks {
		for j := range p.Networks[i].Assets {
			p.Networks[i].Assets[j].Amount = ""
		}
	}
}

// bankOnly takes everything away but the bank.
func bankOnly(p *DepositPage) {
	p.Method, p.Networks, p.Addressed, p.Address, p.AddressQR, p.Status.Methods.Crypto = MethodBank, nil, false, "", "", false
	p.Safety = Safety{}
}

// linked adds a page of a link; change makes it out of the ordinary one.
func (b *book) linked(name, title string, status int, change func(*DepositPage)) {
	b.deposited("link-"+name, title, status, func(p *DepositPage) {
		b.link(p)
		change(p)
	})
}

// wired is money that came by a bank.
func (b *book) wired(amount string) DepositTransfer {
	return DepositTransfer{
		Key: "sepa:confirmed:1", Asset: "EUR", Symbol: "EUR", Amount: amount, Worth: amount, Bank: true, Chain: BankPlace, Stage: DepositFinal,
		At: b.now.UTC().Format("2006-01-02T00:00:00Z"),
	}
}

func (b *book) linkStories() {
	b.linkOpenStories()
	b.linkBankStories()
	b.linkEndStories()
	b.cancelStories()
	b.shareStories()
}

func (b *book) linkOpenStories() {
	open := func(name, title string, change func(*DepositPage)) { b.linked(name, title, http.StatusOK, change) }
	open("choose", "A link: bank or crypto, nothing chosen yet", func(*DepositPage) {})
	open("crypto", "A link without a bank transfer: nothing chosen yet", func(p *DepositPage) {
		p.Status.Bank, p.Status.Methods.Bank = nil, false
	})
	open("send", "A link: what to send where", func(p *DepositPage) {
		p.Chosen = p.Networks[0].Assets[0]
		p.Status.Quote = b.deposit().Status.Quote
		p.Status.Quote.Amount, p.Status.Quote.Units, p.Status.Quote.Rate = "0.01442760", "14427600000000000", "3464.86438796"
		p.Status.Quote.URI = "ethereum:" + storyPayee + "@900008453?value=14427600000000000"
		p.Networks[0].Assets[0].Amount, p.Chosen.Amount = "0.01442760", "0.01442760"
	})
	open("no-price", "A link: no price that can be relied on", func(p *DepositPage) {
		p.Chosen, p.Trouble = p.Networks[0].Assets[0], QuoteMissing
	})
	open("nothing", "A link: nothing can be paid with", func(p *DepositPage) {
		bankOnly(p)
		p.Method, p.Status.Bank, p.Status.Methods = "", nil, DepositMethods{}
	})
	open("checking", "A link: the address is not checked yet, a bank transfer can be made", func(p *DepositPage) {
		p.Address, p.AddressQR, p.Networks = "", "", nil
		p.Safety = NewDepositSafety(p.Merchant, []Check{{"address_matches", OutcomePending, "The recipient's key could not be read just now."}})
	})
	open("split", "A split link: nothing chosen yet", func(p *DepositPage) {
		bankOnly(p)
		p.Method, p.Status.Bank, p.Status.Methods = "", nil, DepositMethods{Split: true}
		p.Networks = b.deposit().Networks[:1]
		unchosen(p)
	})
	open("fixed", "A link without a way to cancel, without a note, with real money", func(p *DepositPage) {
		p.Status.Cancellable, p.OrderNote, p.Sandbox = false, "", false
	})
}

func (b *book) linkBankStories() {
	bank := func(name, title string, change func(*DepositPage)) {
		b.linked("bank"+name, title, http.StatusOK, func(p *DepositPage) {
			p.Method = MethodBank
			change(p)
		})
	}
	bank("", "A link: the bank transfer", func(*DepositPage) {})
	bank("-only", "A link: the bank transfer is all there is, and needs no BIC", func(p *DepositPage) {
		bankOnly(p)
		p.Status.Bank.BIC = ""
	})
	bank("-part", "A link: part came by crypto, the rest can be sent by bank", func(p *DepositPage) {
		p.Status.Oddity, p.Status.Cancellable = OddityUnder, false
		p.Status.arrive("10.00", "39.99", b.came("0.002886", "10.00", DepositFinal, 3))
		p.Status.Bank.Amount = "39.99"
	})
	bank("-long", "A link: long names and texts", func(p *DepositPage) {
		p.Merchant = "The Royal Society for the Preservation of Unreasonably Long Merchant Names"
		p.OrderNote = strings.Repeat("Donaudampfschifffahrtsgesellschaftskapitän ", 5)
		p.Status.Amount, p.Status.Missing = "1,000,000.00", "1,000,000.00"
		d := p.Status.Bank
		d.Holder, d.Amount = "The Royal Society for the Preservation of Unreasonably Long Merchant N", "1000000.00"
		d.IBAN, d.IBANGrouped = "MT84MALT011000012345MTLCAST001S", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"
		d.Text = strings.Repeat("Donaudampfschifffahrtsgesellschaft ", 3) + "RF05ABCDEFGH1234"
	})
}

func (b *book) linkEndStories() {
	ended := func(name, title, state string, status int, change func(*DepositPage)) {
		b.linked(name, title, status, func(p *DepositPage) {
			p.Status.State, p.Status.Payable, p.Status.Cancellable = state, false, false
			p.Status.Methods, p.Status.Bank = DepositMethods{}, nil
			change(p)
		})
	}
	ended("seen", "A link on its way: 1 of 3 confirmations", StateSeen, http.StatusOK, func(p *DepositPage) {
		p.Status.arrive("49.99", "0.00", b.came("0.01442760", "49.99", DepositPending, 1))
	})
	paid := func(p *DepositPage) {
		p.SettledAt = At(b.now)
		p.Status.SettledAt, p.Status.ReturnURL = p.SettledAt.Machine, "https://pay.example"+storyLinkPath+"/return"
	}
	ended("paid", "A link: used, paid by crypto and bank", StatePaid, http.StatusConflict, func(p *DepositPage) {
		paid(p)
		p.Status.arrive("49.99", "0.00", b.came("0.002886", "10.00", DepositFinal, 3), b.wired("39.99"))
	})
	ended("paid-bank", "A link: used, paid by a bank transfer, nowhere to go back to", StatePaid, http.StatusConflict, func(p *DepositPage) {
		paid(p)
		p.Status.ReturnURL = ""
		p.Status.arrive("49.99", "0.00", b.wired("49.99"))
	})
	ended("canceled", "A link: called off by who was to pay", StateCanceled, http.StatusForbidden, func(p *DepositPage) {
		p.Status.CanceledBy, p.Status.ReturnURL = CanceledByPayer, "https://pay.example"+storyLinkPath+"/return"
	})
	ended("canceled-late", "A link: called off, and a bank transfer came all the same", StateCanceled, http.StatusForbidden, func(p *DepositPage) {
		x := b.wired("49.99")
		x.Late = true
		p.Status.CanceledBy, p.Status.Oddity, p.Status.Late = CanceledByPayer, OddityLate, "49.99"
		p.Status.Transfers = []DepositTransfer{x}
	})
	ended("called-off", "A link: called off by the merchant", StateCanceled, http.StatusForbidden, func(p *DepositPage) {
		p.Status.CanceledBy = CanceledByMerchant
	})
}

func (b *book) cancelStories() {
	ask := func(name, title string, status int, trouble string) {
		b.add(Story{Name: "link-cancel" + name, Title: title, Status: status, Page: LinkCancel(&CancelPage{
			Assets: b.assets, Page: storyLink, Path: storyLinkPath, Sandbox: true, Merchant: "Copycat Creations", Amount: "49.99 EUR", Trouble: trouble,
		})})
	}
	ask("", "The question before a link is called off", http.StatusOK, "")
	ask("-coming", "A link cannot be called off: money is on its way", http.StatusConflict, CancelComing)
	ask("-never", "A link cannot be called off: the merchant does not want it", http.StatusForbidden, CancelNever)
}

// shareStories are pages where a link that goes to two people is paid, at a price.
func (b *book) shareStories() {
	share := func(name, title, state string, status int, change func(*PayPage)) {
		b.tell("share-"+name, title, status, func(p *PayPage) {
			several(p, 2)
			p.State, p.OrderNote, p.Worth, p.Again = state, "Invoice 1234", "46.30 EUR", storyLink
			p.ExpiresAt = At(b.now.Add(9 * time.Minute))
			p.Totals, p.Data.Assets = p.Totals[:1], p.Data.Assets[:1]
			p.Totals[0].Amount, p.Totals[0].Fee, p.Totals[0].Sum = "50.00", "", "50.00"
			for i := range p.Items {
				p.Items[i].Fee, p.Data.Items[i].Fee = "", "0"
			}
			p.RedirectURL = "https://pay.example" + storyLinkPath + "/return"
			p.each(state)
			change(p)
		})
	}
	share("open", "A split link at its price", StateOpen, http.StatusOK, func(*PayPage) {})
	share("expired", "A split link: the price has expired", StateExpired, http.StatusForbidden, func(*PayPage) {})
	share("paid", "A split link that is paid", StatePaid, http.StatusConflict, func(p *PayPage) {
		p.Tx, p.TxURL, p.Payer, p.Confirmations, p.SettledAt = storyTx, explorer+"tx/"+storyTx, storyPayer, 3, At(b.now)
	})
}
