package templates

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What a refused or passed check of a deposit's address means to a payer.
const (
	DepositPassedTitle = "This address is for this payment only"
	DepositUnsafeText  = "The address of this payment could not be traced back to the recipient. Please contact the recipient to send you a new payment link."
)

// NewDepositSafety is NewSafety in words about an address in place of a contract.
func NewDepositSafety(merchant string, checks []Check) Safety {
	s := NewSafety(checks)
	switch s.Outcome {
	case OutcomePassed:
		s.Title = DepositPassedTitle
		s.Text = "It was made from the public key of " + merchant + " and was checked again just now. Whoever holds the private key gets the money. " +
			"This server does not have it: it can watch the address, and cannot move money from it."
	case OutcomeRefused:
		s.Text = DepositUnsafeText
	default:
		s.Title = "Still checking the address"
		s.Text = "The address is shown as soon as it is proven to belong to " + merchant + "."
	}
	return s
}

// deposited are the checks of a deposit.
var deposited = map[string]string{
	"address_matches": "The address belongs to the recipient's key",
	"page_address":    "Your wallet pays the address on this page",
}

// moment reads a time as a status has it.
func moment(text string) Moment {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return Moment{}
	}
	return At(t)
}

// some says that a dollar amount of a status is more than nothing.
func some(dollars string) bool { return dollars != "" && dollars != "0.00" }

func (p *DepositPage) alive() bool {
	return p.Status.State == StateOpen || p.Status.State == StateSeen
}

func (p *DepositPage) over() bool {
	switch p.Status.State {
	case StateExpired, StateCanceled, StateFailed:
		return true
	}
	return false
}

func (p *DepositPage) open() bool { return p.Status.State == StateOpen }

// sendable says that something may be sent: the address has proven to be right.
func (p *DepositPage) sendable() bool { return p.open() && p.Address != "" }

// choosing says that nothing is chosen yet; what a split link is paid in is chosen for
// another page, and can be chosen here again.
func (p *DepositPage) choosing() bool {
	return p.Status.Methods.Split || p.Chosen.ID == "" && !p.banking()
}

// quoted says that there is an amount to send, and a proven address to send it to.
func (p *DepositPage) quoted() bool {
	return p.sendable() && p.Status.Quote != nil
}

// quote is the quote that is shown, an empty one if there is none.
func (p *DepositPage) quote() DepositQuote {
	if p.Status.Quote == nil {
		return DepositQuote{}
	}
	return *p.Status.Quote
}

// place names the chosen asset and its network: "ETH on Base".
func (p *DepositPage) place() string {
	if p.Chosen.ID == "" {
		return ""
	}
	return p.Chosen.Symbol + " on " + p.Chosen.Chain
}

func (p *DepositPage) action() string { return p.Path + "/quote" }

// again is the page of what is chosen.
func (p *DepositPage) again() string {
	switch {
	case p.banking():
		return p.with("method", p.Method)
	case p.choosing():
		return p.Page
	}
	return p.with("asset", p.Chosen.ID)
}

// with is the page's address with one more parameter.
func (p *DepositPage) with(name, value string) string {
	sign := "?"
	if strings.Contains(p.Page, "?") {
		sign = "&"
	}
	return p.Page + sign + name + "=" + url.QueryEscape(value)
}

// title is the document's title: the state first, since a tab shows little.
func (p *DepositPage) title() string {
	switch p.Status.State {
	case StateOpen:
		return "Pay " + p.Status.Missing + " " + p.Currency + " to " + p.Merchant
	case StateSeen:
		return "Confirming your payment to " + p.Merchant
	case StatePaid:
		return "Paid: " + p.Merchant
	case StateExpired:
		return "Expired payment link: " + p.Merchant
	case StateCanceled:
		return "Canceled payment: " + p.Merchant
	case StateFailed:
		return "Too little was sent: " + p.Merchant
	}
	return "Do not pay: unsafe payment"
}

// reload is what a page without script does by itself, "" for nothing: a list that
// somebody is choosing from must not change under them.
func (p *DepositPage) reload() string {
	switch {
	case p.Status.State == StateSeen || p.open() && len(p.Status.Transfers) > 0 && !p.banking():
		return "10; url=" + p.again()
	case p.quoted():
		return "30; url=" + p.again()
	}
	return ""
}

// partial says that some of the amount has arrived and the rest is still to be sent.
func (p *DepositPage) partial() bool { return p.open() && some(p.Status.Received) }

// more is what is still to be sent, in the chosen asset where it has a price.
func (p *DepositPage) more() string {
	if q := p.Status.Quote; q != nil && p.Address != "" {
		return "Send " + q.Amount + " " + q.Symbol + " more."
	}
	return p.Status.Missing + " " + p.Currency + " is still to be sent."
}

// unpriced lists what has arrived and has no price yet: "0.01 ETH and 5 USDC".
func (p *DepositPage) unpriced() string {
	var all []string
	for _, t := range p.Status.Transfers {
		if t.Worth == "" && t.Stage != DepositDropped {
			all = append(all, t.Amount+" "+t.Symbol)
		}
	}
	return strings.Join(all, " and ")
}

// reorged says that a payment which is open again had been seen.
func (p *DepositPage) reorged() bool {
	for _, t := range p.Status.Transfers {
		if t.Stage == DepositDropped {
			return p.open()
		}
	}
	return false
}

// worth is what the amount to send comes to: "25.00 USD at 3742.05 USD for 1 ETH".
func (p *DepositPage) worth() string {
	q := p.quote()
	return p.Status.Missing + " " + p.Currency + " at " + rate(q.Rate) + " " + p.Currency + " for 1 " + q.Symbol
}

// rate is a price with the decimals it needs, two at the least.
func rate(price string) string {
	whole, decimals, _ := strings.Cut(price, ".")
	decimals = strings.TrimRight(decimals, "0")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return whole + "." + decimals
}

// transfersTitle heads what has arrived, by where the payment stands.
func (p *DepositPage) transfersTitle() string {
	switch p.Status.State {
	case StateOpen:
		return "What has arrived so far"
	case StateSeen:
		return "Your payment is on its way"
	case StatePaid:
		return "What was sent"
	}
	return "What has arrived"
}

// worth is what a transfer counts as.
func (t DepositTransfer) worth(currency string) string {
	switch {
	case t.Stage == DepositDropped:
		return "does not count"
	case t.Worth == "":
		return "no price yet"
	case t.Late:
		return t.Worth + " " + currency + ", too late"
	}
	return "counts as " + t.Worth + " " + currency
}

// progress is how settled a transfer is.
func (t DepositTransfer) progress() string {
	switch t.Stage {
	case DepositDropped:
		return "Taken back by the network"
	case DepositFinal:
		return "Confirmed"
	}
	return strconv.Itoa(t.Confirmations) + " of " + strconv.Itoa(t.required()) + " confirmations"
}

// when is when it came: banks tell the day.
func (t DepositTransfer) when() string {
	text := moment(t.At).Text
	if t.Bank {
		text, _, _ = strings.Cut(text, " at ")
	}
	return text
}

// required is at least one: a progress bar needs a length.
func (t DepositTransfer) required() int { return max(t.Required, 1) }

// label is the words of the merchant's button.
func (p *DepositPage) label() string {
	if p.RedirectLabel == "" {
		return "Back to " + p.Merchant
	}
	return p.RedirectLabel
}

// checks are the checks there are, and the address's own where it was not made yet.
func (p *DepositPage) checks() []Check {
	if len(p.Safety.Checks) > 0 {
		return p.Safety.Checks
	}
	return []Check{{Name: "address_matches", Outcome: OutcomePending, Detail: "Not done yet."}}
}

// unsafeCheck is the failed check in words.
func (p *DepositPage) unsafeCheck() string {
	if name := p.Safety.failedCheck(); name != "" {
		return CheckTitle(name)
	}
	return ""
}

// tokenURL is where the chosen token can be looked up, "" for nowhere.
func (p *DepositPage) tokenURL() string {
	if web(p.Chosen.AssetURL) {
		return p.Chosen.AssetURL
	}
	return ""
}

// walletURL opens a wallet with all of the payment filled in, "" for none.
func (p *DepositPage) walletURL() string {
	if uri := p.quote().URI; strings.HasPrefix(uri, "ethereum:") {
		return uri
	}
	return ""
}
