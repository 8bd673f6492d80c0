// Package templates is the look of the hosted page: templ components and the
// view models they show. A view model mirrors its page in plain strings,
// numbers and booleans that the web layer has already checked and put into
// words. The package knows no payment, no rail, no chain and no HTTP; it may
// import only static.
package templates

import (
	"strconv"
	"time"
)

// The states a PayPage can be in: what main's data-state says. All but StateUnsafe
// are also what the status stream reports.
//
// What each page shows beyond the details that every page shows:
//
//	open      Due, Safety; Received and Asked once part of it has arrived
//	          (Oddity "under"); Reorged if a payment was taken back
//	seen      Tx, Confirmations, Required; Received
//	paid      Tx, SettledAt, Payer, Excess (Oddity "over"), Late (Oddity "late"), Redirect
//	expired   Received if money arrived all the same (Oddity "under" or "late")
//	canceled  the same
//	failed    the same
//	blocked   the same; the payee was screened and refused
//	unsafe    Safety, whose failed check it names
const (
	StateOpen     = "open"
	StateSeen     = "seen"
	StatePaid     = "paid"
	StateExpired  = "expired"
	StateCanceled = "canceled"
	StateFailed   = "failed"
	StateBlocked  = "blocked"
	StateUnsafe   = "unsafe"
)

// The oddities of a payment: how what arrived differs from what was asked.
const (
	OddityNone  = "none"
	OddityUnder = "under"
	OddityOver  = "over"
	OddityLate  = "late"
)

// The outcomes of a safety check, and of all of them together.
const (
	OutcomePassed  = "passed"
	OutcomeRefused = "failed"
	OutcomePending = "pending"
)

// Sentences that are part of the product's contract, word for word.
const (
	SafetyPassedTitle = "This is a safe smart contract"
	SafetyPassedText  = "The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid."
	ExpiredText       = "You are coming too late. Please contact the recipient to send you a new payment link."
	UnknownText       = "This URL is invalid. Please check the link and try again, or contact the recipient of this payment."
	PaidTitle         = "This payment has already been made."
	PaidText          = "If that is not the case, please check the link and try again, or contact the recipient of this payment."
	UnsafeText        = "There is an issue with this payment call data. Please contact the recipient to send you a new payment link."
	DefaultRedirect   = "Go Back and Close"
	SandboxText       = "Sandbox: no real money"
)

// Assets are the URLs of what the page loads, from static.Assets.URL.
type Assets struct {
	CSS     string
	Icon    string
	Script  string // the page's own script, "" for none (storybook)
	Sandbox string // the in-page sandbox wallet, "" outside the demo
	// Fetched when they are needed.
	Lock  string // the script of a LockedPage, instead of Script
	Ways  string // ways to pay beside the payment's own
	Route string // the proof of such a way
	Safe  string // paying from a Safe
	// Gasless pays without gas, with one of the kits of smart accounts: LightAccounts,
	// and Safe accounts with a module.
	Gasless, KitLight, KitSafe string
	// Deposit is the script of a DepositPage, instead of Script, and DepositCSS its style
	// sheet beside CSS.
	Deposit, DepositCSS string
}

// PayPage is the page of one payment in any of its states. Amounts are decimal
// strings in whole units of the asset, without its symbol ("10.00"); "" means
// that there is nothing to show.
type PayPage struct {
	Assets Assets
	Data   Data // what the script reads

	State   string // one of StateOpen to StateUnsafe
	Oddity  string // one of OddityNone to OddityLate
	Sandbox bool   // no real money: shows the banner

	Merchant string // the merchant's name: the recipient, or who has it paid out
	Payout   bool   // money goes out in the merchant's name
	// Recipient is the merchant's own name for who a payout goes to, "" if none.
	Recipient string
	Access    Access

	Asked    string // what the merchant asked for in the beginning
	Due      string // what has to be paid now; equal to Asked unless part has arrived
	Fee      string // on top of Due, "" if none
	Total    string // Due and Fee together: what leaves the wallet, gas not included; shown with Fee while it is to be paid
	Symbol   string // of the asset: "USDC"
	AssetURL string // the asset's contract in an explorer, "" for native currency or no explorer
	Network  string // "Base"

	Payee      string // EIP-55 address, shown in full; shortened if PayeeShort
	PayeeURL   string // the payee in an explorer, "" if there is none
	PayeeShort bool   // the merchant wants payees to be shortened

	Reference string // payment reference, 0x and 16 hex digits

	// Items are the payments of a batch; none for a payment of one. With them
	// Payee, Reference, Due, Asked, Fee, Total, Symbol and AssetURL are empty, and
	// Received and Excess have their symbols with them.
	Items     []Item
	Totals    []Total
	OrderNote string // the merchant's own order number, "" if none

	ExpiresAt Moment
	Safety    Safety

	Received string // what has arrived so far, pending included
	Excess   string // what arrived beyond what was asked
	Reorged  bool   // a payment that was seen has been taken back by the network

	// Others are the ways to pay beside the payment's own: "USDC on Arbitrum One".
	Others []string
	Route  Route // a transfer over a bridge that is under way, in the state seen
	// Safe is a Safe transaction: one under way in the state seen, one that came to
	// nothing in the states open and failed.
	Safe Safe
	// Op is a payment without gas: one under way in the state seen, one that came to
	// nothing, or may still come, in the state open.
	Op Op
	// Worth is what the amounts come to in the currency that a link is due in, "49.99 EUR",
	// and Again the link's page, where another price can be got; "" for other payments.
	Worth, Again string
	// Framed tells that the page was asked for as a frame of another.
	Framed bool

	Tx            string // hash of the transaction that pays, 0x and 64 hex digits
	TxURL         string // the same in an explorer
	Payer         string // who paid, EIP-55
	PayerSafe     bool   // and that is a Safe
	PaidGas       string // what a payer without gas gave for it: "0 ETH, paid by a sponsor"; "" for others
	Given         string // what the payer gave if a bridge brought it: "10.04 USDT on Arbitrum One"
	GivenURL      string // where that can be looked up, "" if nowhere
	Confirmations int
	Required      int // confirmations until the payment is final
	SettledAt     Moment

	RedirectURL   string // where the merchant's button leads, http or https only, "" if nowhere
	RedirectLabel string // its words, "" for DefaultRedirect
}

// Route is a transfer over a bridge. Chain is "" if there is none.
type Route struct {
	Chain  string // where it comes from
	Expect string // how long it should take: "about 2 minutes", "" if not known
	TxURL  string // where it left, in an explorer; "" if there is none
}

// Moment is an instant as a page says it.
type Moment struct {
	Machine string // RFC 3339, for the datetime attribute; "" if there is no such instant
	Text    string // "12 January 2026 at 14:30 UTC"
	Clock   string // "14:30 UTC"
}

// At puts t into words. The zero time gives the zero Moment.
func At(t time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	t = t.UTC()
	return Moment{
		Machine: t.Format(time.RFC3339),
		Text:    t.Format("2 January 2006 at 15:04 UTC"),
		Clock:   t.Format("15:04 UTC"),
	}
}

// Seen is the moment as who reads the page at now needs it: without its day where that is
// today's.
func (m Moment) Seen(now string) string {
	const day = len("2006-01-02")
	if len(now) >= day && len(m.Machine) >= day && now[:day] == m.Machine[:day] {
		return m.Clock
	}
	return m.Text
}

// About is a time for people who wait: "about 2 minutes".
func About(seconds int) string {
	if seconds < 50 {
		return "less than a minute"
	}
	minutes := (seconds + 30) / 60
	if minutes == 1 {
		return "about a minute"
	}
	return "about " + strconv.Itoa(minutes) + " minutes"
}

// Safety is the result of the contract safety check as far as the server can
// give it. The page's own checks are added by its script.
type Safety struct {
	Outcome string // one of OutcomePassed, OutcomeRefused, OutcomePending
	Title   string
	Text    string
	Checks  []Check
}

// Check is one named check of the contract safety check.
type Check struct {
	Name    string // one of the names in CheckTitle
	Outcome string // one of OutcomePassed, OutcomeRefused, OutcomePending
	Detail  string // one plain sentence, "" for none
}

// NewSafety sums up checks and finds the words: refused as soon as one is
// refused, passed when none is refused and every one is passed, else pending.
// Checks that did not run are left out by the caller; no check at all is pending.
func NewSafety(checks []Check) Safety {
	s := Safety{Outcome: OutcomePassed, Checks: checks}
	if len(checks) == 0 {
		s.Outcome = OutcomePending
	}
	for _, c := range checks {
		switch {
		case c.Outcome == OutcomeRefused:
			s.Outcome = OutcomeRefused
		case c.Outcome != OutcomePassed && s.Outcome != OutcomeRefused:
			s.Outcome = OutcomePending
		}
	}
	switch s.Outcome {
	case OutcomePassed:
		s.Title, s.Text = SafetyPassedTitle, SafetyPassedText
	case OutcomeRefused:
		s.Title, s.Text = "Do not pay", UnsafeText
	default:
		s.Title = "Still checking the smart contract"
		s.Text = "You can read everything here, but nothing can be signed before every check has passed."
	}
	return s
}

// failedCheck is the name of the first refused check, "" if there is none.
func (s Safety) failedCheck() string {
	for _, c := range s.Checks {
		if c.Outcome == OutcomeRefused {
			return c.Name
		}
	}
	return ""
}

// Data is what the page's script reads from the page. Amounts are decimal
// strings of base units.
type Data struct {
	Token         string     `json:"token"`
	State         string     `json:"state"`
	Oddity        string     `json:"oddity"`
	Payable       bool       `json:"payable"`
	Sandbox       bool       `json:"sandbox"`
	Now           string     `json:"now"`       // RFC 3339: the server's clock
	ExpiresAt     string     `json:"expiresAt"` // RFC 3339
	Chain         Chain      `json:"chain"`
	Assets        []Asset    `json:"assets"`     // in the order of their first use
	Items         []DataItem `json:"items"`      // what is to be paid now; everything, once nothing is
	FeePayee      string     `json:"feePayee"`   // who gets every fee, the zero address if nobody does
	Batch         bool       `json:"batch"`      // paid with one call of the batch contract
	Restricted    bool       `json:"restricted"` // only wallets that are let in may pay
	Option        string     `json:"option"`     // which way to pay: "evmref:base:USDC-base"
	Confirmations int        `json:"confirmations"`
	// Scripts of this site for ways beside the payment's own, "" if there are none.
	Ways  string `json:"ways"`
	Route string `json:"route"`
	// Safe is the script for paying from a Safe, "" where that cannot be.
	Safe string `json:"safe"`
	// Gasless is the script for paying without gas and for wallets that make several
	// calls at once, "" where that cannot be.
	Gasless string `json:"gasless"`
	// Kits are the scripts that it makes operations with, by the kind of account.
	Kits map[string]string `json:"kits"`
	// Frames are the origins whose pages may frame this one.
	Frames []string `json:"frames"`
}

// Chain is what a wallet needs to know of a chain.
type Chain struct {
	ID       uint64   `json:"id"`
	Network  string   `json:"network"`
	Name     string   `json:"name"`
	RPCURLs  []string `json:"rpcUrls"`
	Explorer string   `json:"explorer"` // "" or a URL that ends in a slash
	Native   Native   `json:"native"`
}

// Native is a chain's own currency.
type Native struct {
	Name     string `json:"name"`
	Symbol   string `json:"symbol"`
	Decimals int    `json:"decimals"`
}

// Asset is what the payment is made in.
type Asset struct {
	ID             string `json:"id"`
	Symbol         string `json:"symbol"`
	Decimals       int    `json:"decimals"`
	Address        string `json:"address"` // EIP-55, the zero address for native currency
	Native         bool   `json:"native"`
	ResetAllowance bool   `json:"resetAllowance"` // an allowance must be zero before it is set anew
	ContractFee    string `json:"contractFee"`    // what the batch contract itself may take on top
}

// DataItem is one amount that must reach one payee.
type DataItem struct {
	Index     int    `json:"index"`     // among the payment's requests
	Asset     int    `json:"asset"`     // in Data.Assets
	Payee     string `json:"payee"`     // EIP-55, or shortened
	PayeeHash string `json:"payeeHash"` // names a shortened payee to the script, else ""
	Amount    string `json:"amount"`
	Fee       string `json:"fee"`
	Reference string `json:"reference"`
}

// PlainPage says why there is no payment to show and what to do about it. It
// loads no script.
type PlainPage struct {
	Assets    Assets
	Kind      string // for tests and styles: "unknown", "error", "limited", "maintenance"
	Title     string
	Text      string
	Next      string // what to do now
	RequestID string // to quote when asking for help, "" if none
	Ask       bool   // asks for a link to a payment
}

// UnknownPage is for a link that names no payment (404).
func UnknownPage(a Assets, requestID string) *PlainPage {
	return &PlainPage{
		Assets: a, Kind: "unknown", RequestID: requestID,
		Title: "Payment not found",
		Text:  UnknownText,
		Next:  "Links often break when only part of them is copied. Open the link from the original message again. Nothing has been charged.",
	}
}

// SafeAppPage is the page as an app of Safe's own, which is opened without a
// payment.
func SafeAppPage(a Assets) *PlainPage {
	return &PlainPage{
		Assets: a, Kind: "safe-app", Ask: true,
		Title: "Pay from this Safe",
		Text:  "Paste the payment link that the recipient has sent you.",
		Next:  "The payment opens here. You see what is paid to whom before anything is proposed to your Safe.",
	}
}

// ErrorPage is for a failure of ours (500, 502, 503).
func ErrorPage(a Assets, requestID string) *PlainPage {
	return &PlainPage{
		Assets: a, Kind: "error", RequestID: requestID,
		Title: "Something went wrong on our side",
		Text:  "We could not show this payment. Nothing was taken from your wallet by opening this page.",
		Next:  "Wait a moment and reload the page. If you have already paid, do not pay again: your payment is on the blockchain and will be found. If this keeps happening, contact the recipient and give them the number below.",
	}
}

// RateLimitedPage is for a caller that asks too often (429).
func RateLimitedPage(a Assets, requestID string) *PlainPage {
	return &PlainPage{
		Assets: a, Kind: "limited", RequestID: requestID,
		Title: "Too many requests",
		Text:  "This page was opened too often from your connection in a short time. Your payment is not affected.",
		Next:  "Wait a minute, then reload the page.",
	}
}

// MaintenancePage is for a planned pause (503).
func MaintenancePage(a Assets, requestID string) *PlainPage {
	return &PlainPage{
		Assets: a, Kind: "maintenance", RequestID: requestID,
		Title: "Back in a few minutes",
		Text:  "We are updating this service, so payments cannot be started at the moment.",
		Next:  "Reload the page in a few minutes. If you have already paid, do not pay again: your payment is on the blockchain and will be found as soon as we are back.",
	}
}
