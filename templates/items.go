package templates

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Access says who may pay, as far as it is not everyone.
type Access struct {
	Listed   bool // only wallets that the merchant has named
	Screened bool // only wallets that pass a screening
}

// open says that everyone may pay.
func (a Access) open() bool { return !a.Listed && !a.Screened }

// Item is one payment of a batch. Amounts are decimal strings in whole units.
type Item struct {
	Index     int    // among the payment's requests, from 0
	Payee     string // EIP-55, or shortened
	PayeeURL  string // "" if there is no explorer
	Amount    string // what has to be paid now; what was asked once nothing has
	Fee       string // on top of Amount, "" if none
	Symbol    string
	Reference string // 0x and 16 hex digits
	State     string // one of StateOpen to StateBlocked
	Received  string // the part that has arrived while State says that it is not all, "" if none
	Asked     string // beside Received: what was asked
}

// Total is what a batch comes to in one asset: what is due while it can be
// paid, what was asked after that.
type Total struct {
	Symbol      string
	AssetURL    string // the asset's contract in an explorer, "" if there is none
	Count       int    // payments in this asset
	Amount      string // what the payees get
	Fee         string // "" if none
	ContractFee string // what the batch contract itself may take, "" if nothing
	Sum         string // all of it together
}

// counted is a number of payments in words.
func counted(n int) string {
	if n == 1 {
		return "1 payment"
	}
	return strconv.Itoa(n) + " payments"
}

// listLimit is how many payments are shown without being asked for.
const listLimit = 5

// Batch says that there are several payments.
func (p *PayPage) Batch() bool { return len(p.Items) > 0 }

// number is an item's place for people.
func (i Item) number() string { return strconv.Itoa(i.Index + 1) }

// extra says that more leaves the wallet of this asset than the payees get.
func (t Total) extra() bool { return t.Fee != "" || t.ContractFee != "" }

// state is how far a payment is, in words; "" while it is to be paid as a whole.
func (i Item) state() string {
	switch {
	case i.State == StatePaid:
		return "Paid"
	case i.State == StateSeen:
		return "On its way"
	case i.Received != "":
		return i.Received + " of " + i.Asked + " has arrived"
	}
	return ""
}

// ends cut an address so that its two ends, which people compare, can be set
// apart. An address that is too short is all middle.
func (i Item) ends() (first, middle, last string) {
	if len(i.Payee) < 12 {
		return "", i.Payee, ""
	}
	return i.Payee[:6], i.Payee[6 : len(i.Payee)-4], i.Payee[len(i.Payee)-4:]
}

// itemsProgress sums up how many payments are done; "" while none is.
func (p *PayPage) itemsProgress() string {
	var parts []string
	for _, s := range []struct{ state, words string }{{StatePaid, " paid"}, {StateSeen, " on the way"}} {
		n := 0
		for _, i := range p.Items {
			if i.State == s.state {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, strconv.Itoa(n)+" of "+strconv.Itoa(len(p.Items))+s.words)
		}
	}
	return strings.Join(parts, ", ")
}

// countWords is how many payments there are to how many accounts.
func (p *PayPage) countWords() string {
	payees := make([]string, len(p.Items))
	for i, item := range p.Items {
		payees[i] = item.Payee
	}
	slices.Sort(payees)
	words := strconv.Itoa(len(p.Items)) + " payments"
	switch n := len(slices.Compact(payees)); {
	case p.PayeeShort: // shortened accounts cannot be told apart
	case n == 1:
		words += " to one account"
	default:
		words += " to " + strconv.Itoa(n) + " accounts"
	}
	return words
}

// together says how a batch is paid, while it is to be paid.
func (p *PayPage) together() string {
	if p.State == StateOpen {
		return ", all in one transaction"
	}
	return ""
}

// all is what a batch comes to without fees, in words: "10.00 USDC and 5.00 USDT".
func (p *PayPage) all() string {
	parts := make([]string, len(p.Totals))
	for i, t := range p.Totals {
		parts[i] = t.Amount + " " + t.Symbol
	}
	return strings.Join(parts, " and ")
}

// allVerb agrees with all.
func (p *PayPage) allVerb() string {
	if len(p.Totals) > 1 {
		return "are"
	}
	return "is"
}

// sumWords is what leaves the wallet, if that is more than the payees get.
func (p *PayPage) sumWords() string {
	parts, extra := make([]string, len(p.Totals)), false
	for i, t := range p.Totals {
		parts[i], extra = t.Sum+" "+t.Symbol, extra || t.extra()
	}
	if !extra {
		return ""
	}
	return strings.Join(parts, " and ")
}

// dueWords is the amount of the page in words, whatever kind of payment it is.
func (p *PayPage) dueWords() string {
	if p.Batch() {
		return p.all()
	}
	return p.Due + " " + p.Symbol
}

// to is who gets the money, by name: the merchant, or who a payout goes to.
func (p *PayPage) to() string {
	if !p.Payout {
		return p.Merchant
	}
	if p.Batch() {
		return cmp.Or(p.Recipient, p.countWords())
	}
	if p.Recipient == "" && len(p.Payee) > 12 {
		return p.Payee[:6] + "…" + p.Payee[len(p.Payee)-4:]
	}
	return cmp.Or(p.Recipient, p.Payee)
}

// title and text say who may pay, before a wallet is connected.
func (a Access) title() string {
	switch {
	case a.Listed && a.Screened:
		return "Only certain wallets can pay this, and they are screened."
	case a.Listed:
		return "Only certain wallets can pay this."
	}
	return "Wallets are screened before they can pay this."
}

func (a Access) text() string {
	switch {
	case a.Listed && a.Screened:
		return "The recipient has named them. A wallet that you connect is compared with these, and its address is given to a screening service."
	case a.Listed:
		return "The recipient has named them. Connect yours, and this page tells you whether it is one of them."
	}
	return "The address of a wallet that you connect is given to a screening service. Nothing is paid by that."
}
