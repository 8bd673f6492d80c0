//go:build !nosandbox

package templates

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// Story is one canned page, for looking at and for tests. Stories load no
// script: a state that only the script can bring about is drawn as it leaves it.
type Story struct {
	Part   string // what it is about, with others
	Name   string // for the address: "open-partial"
	Title  string // what there is to see
	Status int    // the HTTP status such a page is sent with
	Page   templ.Component
	View   *PayPage // what Page shows, nil for others

	Deposit *DepositPage // what Page shows, nil for others
}

const (
	storyTx    = "0x5e1d3a76fbf824220eafc8c79ad578ad2b67d01b0c2425eb1f1347e8f50882ab"
	storyPayer = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
	storyPayee = "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199"
	storyToken = "0x5A4db000000000000000000000000000000005dC" // the sandbox's USDC
	storyProxy = "0x5A4dB00000000000000000000000000000000e20" // the sandbox's ERC20FeeProxy
	noAccount  = "0x0000000000000000000000000000000000000000"
	explorer   = "https://explorer.example/"
)

// Stories returns every state of every page, as it would look at now.
func Stories(a Assets, now time.Time) []Story {
	a.Script, a.Sandbox, a.Deposit = "", "", ""
	b := book{assets: a, now: now}
	for _, p := range parts {
		b.part = p.title
		p.tell(&b)
	}
	return b.stories
}

// parts are the storybook's chapters. A page state is one entry in one of them: the
// tests, the browser's and the index find it there.
var parts = [...]struct {
	title string
	tell  func(*book)
}{
	{"To be paid", (*book).openStories},
	{"With a wallet", (*book).actStories},
	{"From other networks, with other tokens", (*book).waysStories},
	{"Safety checks", (*book).safetyStories},
	{"Under way, paid, over", (*book).laterStories},
	{"Several payments at once", (*book).batchStories},
	{"Not for everyone", (*book).accessStories},
	{"Payouts", (*book).payoutStories},
	{"From a Safe", (*book).safeStories},
	{"Without gas", (*book).gaslessStories},
	{"Wallets that may not pay, and batches", (*book).barredStories},
	{"To an address of its own", (*book).depositStories},
	{"Payment links", (*book).linkStories},
	{"No payment to show", (*book).plainStories},
}

// partsOf are the stories part by part.
func partsOf(all []Story) [][]Story {
	var out [][]Story
	for i, s := range all {
		if i == 0 || s.Part != all[i-1].Part {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], s)
	}
	return out
}

// book collects stories.
type book struct {
	part    string // the title of the one being told
	assets  Assets
	now     time.Time
	stories []Story
}

// open is the ordinary page: 10 USDC on the sandbox's Base, everything checked.
func (b *book) open() *PayPage {
	expires := b.now.Add(15 * time.Minute)
	return &PayPage{
		Assets: b.assets, State: StateOpen, Oddity: OddityNone, Sandbox: true,
		Merchant: "Acme Store", Asked: "10.00", Due: "10.00", Total: "10.00", Symbol: "USDC", Network: "Base (sandbox)",
		AssetURL: explorer + "token/" + storyToken,
		Payee:    storyPayee, PayeeURL: explorer + "address/" + storyPayee,
		Reference: "0x86dfbccad783599a", OrderNote: "INV-2026-0042",
		ExpiresAt: At(expires), Required: 3,
		Safety: NewSafety([]Check{
			{"contract_official", OutcomePassed, "ERC20FeeProxy 0.2.0 at " + storyProxy + " is on the list of official contracts for this network."},
			{"code_pinned", OutcomePassed, "The code on the chain is the code that was reviewed."},
		}),
		RedirectURL: "https://acme.example/orders/42", RedirectLabel: "Back to Acme Store",
		Data: Data{
			Token: "01JZX7T6Q0V6WJ9N3B5H2R8C4D", State: StateOpen, Oddity: OddityNone, Payable: true, Sandbox: true,
			Now: b.now.UTC().Format(time.RFC3339), ExpiresAt: At(expires).Machine,
			Chain: Chain{
				ID: 900008453, Network: "base", Name: "Base (sandbox)", RPCURLs: []string{"https://rpc.example/base"},
				Explorer: explorer, Native: Native{Name: "Ether", Symbol: "ETH", Decimals: 18},
			},
			Assets:   []Asset{{ID: "USDC-base", Symbol: "USDC", Decimals: 6, Address: storyToken, ContractFee: "0"}},
			Items:    []DataItem{{Payee: storyPayee, Amount: "10000000", Fee: "0", Reference: "0x86dfbccad783599a"}},
			FeePayee: noAccount, Option: "evmref:base:USDC-base", Confirmations: 3, Kits: map[string]string{},
		},
	}
}

// tell adds a payment's page; change makes it out of the ordinary one.
func (b *book) tell(name, title string, status int, change func(*PayPage)) {
	p := b.open()
	change(p)
	p.Data.State, p.Data.Oddity, p.Data.Payable = p.State, p.Oddity, p.State == StateOpen
	b.add(Story{Name: name, Title: title, Status: status, Page: Pay(p), View: p})
}

func (b *book) plain(name, title string, status int, p *PlainPage) {
	b.add(Story{Name: name, Title: title, Status: status, Page: Plain(p)})
}

func (b *book) add(s Story) {
	s.Part = b.part
	b.stories = append(b.stories, s)
}

// plainStories are pages without a payment.
func (b *book) plainStories() {
	b.plain("unknown", "A link that names no payment", http.StatusNotFound, UnknownPage(b.assets, "01JZX7T6Q0"))
	b.plain("error", "A failure of the server", http.StatusInternalServerError, ErrorPage(b.assets, "01JZX7T6Q0"))
	b.plain("limited", "Too many requests", http.StatusTooManyRequests, RateLimitedPage(b.assets, "01JZX7T6Q0"))
	b.plain("maintenance", "A planned pause", http.StatusServiceUnavailable, MaintenancePage(b.assets, ""))
}

func (b *book) openStories() {
	open := func(name, title string, change func(*PayPage)) { b.tell(name, title, http.StatusOK, change) }
	open("open", "To be paid", func(*PayPage) {})
	open("open-live", "To be paid, with real money", func(p *PayPage) {
		p.Sandbox, p.Data.Sandbox = false, false
		p.Network, p.Data.Chain.Name, p.Data.Chain.ID = "Base", "Base", 8453
		p.Data.Assets[0].Address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
		p.AssetURL = explorer + "token/" + p.Data.Assets[0].Address
	})
	open("open-native", "In the network's own currency", native)
	open("open-fee", "With a fee on top", func(p *PayPage) {
		p.Fee, p.Total = "0.25", "10.25"
		p.Data.Items[0].Fee, p.Data.FeePayee = "250000", "0xdD2FD4581271e230360230F9337D5c0430Bf44C0"
	})
	open("open-long-name", "A merchant with a long name and order number", func(p *PayPage) {
		p.Merchant = "The Royal Society for the Preservation of Unreasonably Long Merchant Names and Donaudampfschifffahrtsgesellschaften"
		p.OrderNote = strings.Repeat("ORDER-2026-", 12) + "0042"
	})
	open("open-18-decimals", "An amount with 18 decimals", func(p *PayPage) {
		native(p)
		p.Due, p.Asked, p.Total = "0.123456789012345678", "0.123456789012345678", "0.123456789012345678"
		p.Data.Items[0].Amount = "123456789012345678"
	})
	open("open-huge", "The largest amount there is", func(p *PayPage) {
		const huge = "115792089237316195423570985008687907853269984665640564039457584007913129.639935"
		p.Due, p.Asked, p.Total = huge, huge, huge
		p.Data.Items[0].Amount = strings.Replace(huge, ".", "", 1)
	})
	open("open-bare", "No explorer, no order number, nowhere to go back to", func(p *PayPage) {
		p.AssetURL, p.PayeeURL, p.Data.Chain.Explorer, p.OrderNote = "", "", "", ""
		p.RedirectURL, p.RedirectLabel = "", ""
	})
	open("open-partial", "Part of it has arrived", func(p *PayPage) {
		p.Oddity, p.Received, p.Due, p.Total = OddityUnder, "4.00", "6.00", "6.00"
		p.Data.Items[0].Amount = "6000000"
	})
	open("open-reorged", "A payment was taken back by the network", func(p *PayPage) { p.Reorged = true })
	open("open-long-wait", "Open for a week", func(p *PayPage) {
		p.ExpiresAt = At(b.now.Add(7 * 24 * time.Hour))
		p.Data.ExpiresAt = p.ExpiresAt.Machine
	})
}

func native(p *PayPage) {
	p.Due, p.Asked, p.Total, p.Symbol, p.AssetURL = "0.0042", "0.0042", "0.0042", "ETH", ""
	p.Data.Items[0].Amount = "4200000000000000"
	p.Data.Assets[0] = Asset{ID: "ETH-base", Symbol: "ETH", Decimals: 18, Address: noAccount, Native: true, ContractFee: "0"}
	p.Data.Option = "evmref:base:ETH-base"
}

// safetyStories has one page per check that can fail, and one that is not done.
func (b *book) safetyStories() {
	b.tell("safety-pending", "The chain does not answer the safety check yet", http.StatusOK, func(p *PayPage) {
		p.Safety.Checks[1] = Check{"code_pinned", OutcomePending, "No endpoint has answered yet. It is asked again before anything is signed."}
		p.Safety = NewSafety(p.Safety.Checks)
	})
	for _, l := range listed {
		b.tell("unsafe-"+strings.ReplaceAll(l.name, "_", "-"), "Unsafe: "+l.title, http.StatusForbidden, func(p *PayPage) {
			p.State = StateUnsafe
			failed := Check{l.name, OutcomeRefused, "What was found is not what this payment needs."}
			p.Safety = NewSafety(append([]Check{failed}, p.Safety.Checks...))
		})
	}
}

func (b *book) laterStories() {
	seen := func(name, title string, change func(*PayPage)) {
		b.tell(name, title, http.StatusOK, func(p *PayPage) {
			p.State, p.Due, p.Total, p.Received = StateSeen, "0.00", "0.00", "10.00"
			p.Tx, p.TxURL, p.Payer, p.Confirmations = storyTx, explorer+"tx/"+storyTx, storyPayer, 1
			change(p)
		})
	}
	seen("seen", "On its way: 1 of 3 confirmations", func(*PayPage) {})
	seen("seen-2", "On its way: 2 of 3, no explorer", func(p *PayPage) { p.Confirmations, p.TxURL = 2, "" })

	paid := func(name, title string, change func(*PayPage)) {
		b.tell(name, title, http.StatusConflict, func(p *PayPage) {
			p.State, p.Due, p.Total, p.Received = StatePaid, "0.00", "0.00", "10.00"
			p.Tx, p.TxURL, p.Payer, p.Confirmations = storyTx, explorer+"tx/"+storyTx, storyPayer, 3
			p.SettledAt = At(b.now.Add(-2 * time.Minute))
			change(p)
		})
	}
	paid("paid", "Paid, opened again", func(*PayPage) {})
	paid("paid-default-label", "Paid, the merchant's button without words of its own", func(p *PayPage) { p.RedirectLabel = "" })
	paid("paid-no-redirect", "Paid, nowhere to go back to, no explorer", func(p *PayPage) {
		p.RedirectURL, p.RedirectLabel, p.TxURL = "", "", ""
	})
	paid("paid-bridge", "Paid over a bridge", func(p *PayPage) {
		p.Given, p.GivenURL = "10.03 USDT on Arbitrum One", explorer+"tx/"+storyTx
	})
	paid("paid-over", "Paid, more than asked for", func(p *PayPage) { p.Oddity, p.Excess, p.Received = OddityOver, "2.50", "12.50" })
	paid("paid-late", "Paid, and more came late", func(p *PayPage) { p.Oddity, p.Received = OddityLate, "20.00" })

	over := func(name, title, state string, change func(*PayPage)) {
		b.tell(name, title, http.StatusForbidden, func(p *PayPage) {
			p.State, p.ExpiresAt = state, At(b.now.Add(-time.Hour))
			p.Data.ExpiresAt = p.ExpiresAt.Machine
			change(p)
		})
	}
	over("expired", "Too late", StateExpired, func(*PayPage) {})
	over("expired-under", "Too late, part of it arrived in time", StateExpired, func(p *PayPage) { p.Oddity, p.Received = OddityUnder, "4.00" })
	over("expired-late", "Too late, and money came all the same", StateExpired, func(p *PayPage) { p.Oddity, p.Received = OddityLate, "10.00" })
	over("canceled", "Called off by the merchant", StateCanceled, func(*PayPage) {})
	over("failed", "Did not go through", StateFailed, func(*PayPage) {})
}
