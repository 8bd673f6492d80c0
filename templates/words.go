package templates

import (
	"cmp"
	"slices"
	"strings"
)

// listed is the order in which the checks are shown. A check that the caller
// has no result for yet is shown as pending, so that the script finds every row
// in its place and nothing moves when results come in.
var listed = [...]struct{ name, title, waiting string }{
	{"contract_official", "Official contract", "Runs before your wallet is asked to sign."},
	{"code_pinned", "Contract code unchanged", "Runs before your wallet is asked to sign."},
	{"calldata_matches", "Payment instructions match this page", "Runs before your wallet is asked to sign."},
	{"approval_exact", "Approval for the exact amount only", "Runs before your wallet is asked to sign."},
	{"simulation_matches", "Test run moves exactly this amount", "Runs before your wallet is asked to sign."},
	{"page_registry", "Contract checked again in your browser", "Runs in your browser before your wallet is asked to sign."},
	{"page_calldata", "Instructions checked again in your browser", "Runs in your browser before your wallet is asked to sign."},
}

// routed are the checks of a way over a bridge or an exchange. They concern a page
// once its payer has chosen one: the script adds their rows.
var routed = map[string]string{
	"route_target":   "LI.FI's own contract",
	"route_value":    "No coins beyond the bridge's fee",
	"route_calldata": "Route instructions read to the last byte",
	"route_approval": "LI.FI may take the exact amount only",
	"route_source":   "Amount, fee and exchange on the way",
	"route_bridge":   "Bridge, network and amount",
	"route_receiver": "Who gets the money on the way",
	"route_refund":   "You get it back if the bridge fails",
	"route_output":   "Enough is sure to arrive",
	"route_deadline": "The offer is fresh and ends soon",
	"route_payment":  "The payment at the end is this one",
}

// proposed are the checks of a Safe transaction, likewise.
var proposed = map[string]string{
	"safe_hash":      "What the owners sign is this transaction",
	"safe_target":    "Official Safe contract for batches",
	"safe_operation": "Nothing takes over the Safe",
	"safe_calls":     "The Safe makes these calls and no others",
	"safe_value":     "No coins beyond the payment's own",
	"safe_refund":    "Nobody is paid for executing it",
	"safe_gas":       "It can be executed",
	"safe_nonce":     "Its place in the Safe's queue",
}

// operated are the checks of a user operation, likewise.
var operated = map[string]string{
	"op_sender":    "Your own smart account, and no other",
	"op_factory":   "Made by the official contract",
	"op_nonce":     "It can be carried out once",
	"op_calls":     "It makes this payment and nothing else",
	"op_permit":    "It may take what you agreed to, and no more",
	"op_value":     "No coins go with it",
	"op_gas":       "The gas is within bounds",
	"op_fees":      "The price of gas is within bounds",
	"op_paymaster": "The gas is paid by the sponsor",
}

// CheckTitle is a check's name in words; a name that is not known is its own title.
func CheckTitle(name string) string {
	for _, l := range listed {
		if l.name == name {
			return l.title
		}
	}
	return cmp.Or(routed[name], proposed[name], operated[name], deposited[name], name)
}

// checks is every check that concerns the page in the order of listed, then
// those of the caller that are not in it: a refusal is never left out.
func (p *PayPage) checks() []Check {
	out := make([]Check, 0, len(listed)+len(p.Safety.Checks))
	for _, l := range listed {
		if l.name == "approval_exact" && !p.approves() {
			continue
		}
		row := Check{Name: l.name, Outcome: OutcomePending, Detail: l.waiting}
		for _, c := range p.Safety.Checks {
			if c.Name == l.name && row.Outcome != OutcomeRefused {
				row = c
			}
		}
		out = append(out, row)
	}
	for _, c := range p.Safety.Checks {
		if CheckTitle(c.Name) == c.Name {
			out = append(out, c)
		}
	}
	return out
}

// approves says that something has to be approved: native currency has not.
func (p *PayPage) approves() bool {
	return slices.ContainsFunc(p.Data.Assets, func(a Asset) bool { return !a.Native })
}

// title is the document's title: the state first, since a tab shows little.
func (p *PayPage) title() string {
	switch p.State {
	case StateOpen:
		if p.Payout {
			return "Pay out " + p.dueWords() + " to " + p.to()
		}
		if p.Batch() {
			return "Pay " + p.dueWords() + ": " + p.Merchant
		}
		return "Pay " + p.dueWords() + " to " + p.Merchant
	case StateSeen:
		if p.safeWaits() {
			return p.Safe.title() + ": " + p.Merchant
		}
		if p.opWaits() {
			return p.Op.title() + ": " + p.Merchant
		}
		return "Confirming your payment to " + p.Merchant
	case StatePaid:
		return "Paid: " + p.Merchant
	case StateExpired:
		return "Expired payment link: " + p.Merchant
	case StateCanceled:
		return "Canceled payment: " + p.Merchant
	case StateFailed:
		return "Failed payment: " + p.Merchant
	case StateBlocked:
		return "Stopped payment: " + p.Merchant
	}
	return "Do not pay: unsafe payment"
}

// partial says that some of the amount has arrived and the rest is still due.
func (p *PayPage) partial() bool {
	return p.State == StateOpen && p.Oddity == OddityUnder && p.Received != ""
}

// amount is what the page says in large: what to pay while it can be paid, and
// what was asked for after that.
func (p *PayPage) amount() string {
	if p.State == StateOpen || p.State == StateUnsafe || p.Asked == "" {
		return p.Due
	}
	return p.Asked
}

// long amounts are set smaller: 18 decimals fit a phone.
func long(amount string) bool { return len(amount) > 12 }

// label is the words of the merchant's button.
func (p *PayPage) label() string {
	if p.RedirectLabel == "" {
		return DefaultRedirect
	}
	return p.RedirectLabel
}

// web says that a link leads to the web and is no script or other scheme. The
// server checks addresses where they enter; this is the last gate before they
// become a link.
func web(url string) bool {
	return strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")
}

// progressURL is where a payment under way can be looked up.
func (p *PayPage) progressURL() string {
	if p.safeWaits() {
		return p.Safe.TxURL
	}
	if p.opWaits() {
		return p.Op.TxURL
	}
	if p.Route.Chain != "" {
		return p.Route.TxURL
	}
	return p.TxURL
}

// joined puts a list into a sentence: "a, b or c".
func joined(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// required is at least one: a progress bar needs a length.
func (p *PayPage) required() int {
	return max(p.Required, 1)
}

// unsafeCheck is the failed check in words, "" if the caller named none.
func (p *PayPage) unsafeCheck() string {
	if name := p.Safety.failedCheck(); name != "" {
		return CheckTitle(name)
	}
	return ""
}

// alive says that the payment may still be paid or become final.
func (p *PayPage) alive() bool {
	return p.State == StateOpen || p.State == StateSeen
}

// isOver says that the payment can no longer be made.
func (p *PayPage) isOver() bool {
	return p.State == StateExpired || p.State == StateCanceled || p.State == StateFailed || p.State == StateBlocked
}

// confirming says that the payment was seen and its confirmations count.
func (p *PayPage) confirming() bool { return p.Route.Chain == "" && !p.safeWaits() && !p.opWaits() }

// reload is after how many seconds a page without script reloads, "" for never:
// owners of a Safe take hours, a network seconds.
func (p *PayPage) reload() string {
	switch {
	case p.State != StateSeen:
		return ""
	case p.Safe.Stage == SafeWaiting:
		return "30"
	}
	return "5"
}

// safeWaits says that the payment waits for a Safe.
func (p *PayPage) safeWaits() bool { return p.State == StateSeen && p.Safe.under() }

// safeAside says that a Safe transaction is to be told of beside paying.
func (p *PayPage) safeAside() bool { return p.State == StateOpen && p.Safe.Stage != "" }

// safeTitle and safeText say what became of a Safe transaction that did not pay.
func (p *PayPage) safeTitle() string {
	title, _ := p.Safe.ending(p.State == StateOpen)
	return title
}

func (p *PayPage) safeText() string {
	_, text := p.Safe.ending(p.State == StateOpen)
	return text
}
