//go:build !nosandbox

package templates

// SentWebhook is one delivery as the demo shows it.
type SentWebhook struct {
	Event  string
	State  string
	At     Moment
	Status int    // the receiver's HTTP status, 0 if there was none yet
	Error  string // why it did not arrive, "" if it did
	Body   string // the JSON, indented
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
