//go:build !nosandbox

package templates

import "strconv"

// SentWebhook is one delivery as the demo shows it.
type SentWebhook struct {
	Event  string
	State  string
	At     Moment
	Status int    // the receiver's HTTP status, 0 if there was none yet
	Error  string // why it did not arrive, "" if it did
	Body   string // the JSON, indented
}

// outcome is what became of it: "delivered, answered 204".
func (d SentWebhook) outcome() string {
	out := d.State
	if d.Status != 0 {
		out += ", answered " + strconv.Itoa(d.Status)
	}
	if d.Error != "" {
		out += ": " + d.Error
	}
	return out
}

// SandboxRecord is what the demo's explorer shows of a transaction or an address.
type SandboxRecord struct {
	Title string
	Rows  []SandboxRow
}

// SandboxRow is one fact.
type SandboxRow struct{ Name, Value string }

// SandboxSafe is what the demo's Safe app starts from.
type SandboxSafe struct {
	CSS, Script string // its own, beside the pages'
	Address     string
	Owners      []string
	Networks    []SandboxChoice
	Checkout    string // whose pages its frame may show, an origin
	Config      string // JSON for its script
}

// SandboxChoice is one entry of a list to choose from.
type SandboxChoice struct{ Value, Name string }

// SandboxBankView is the demo's bank, after a statement was read or before.
type SandboxBankView struct {
	CSS               string // beside the pages'
	Account, Holder   string
	Import, Statement string // where its forms go
	Link              string // what is filled in
	Amount, Text      string
	Versions          []string
	Problem           string // why nothing was done, "" if it was
	Title             string // of what was just read
	Said              []SandboxBooking
	Bookings          []SandboxBooking // newest first
}

// SandboxBooking is one movement of the merchant's account.
type SandboxBooking struct {
	Amount, Day, Text string
	Outcome, Sentence string
	Link              string // the page of what it was for, "" if it is nobody's
}

// about is when it was, and what the payer told.
func (b SandboxBooking) about() string {
	if b.Text == "" {
		return b.Day
	}
	return b.Day + ", “" + b.Text + "”"
}
