package secpaid

import (
	"strings"

	"quittance/internal/bank"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
)

const (
	maxNote = 1000 // characters
	keySize = 32   // of AES-256, as text
)

// account is what a merchant has set for links.
type account struct {
	Merchant  payment.MerchantID
	Callbacks []string // URLs that a link may name by their places
	Endpoints []string // likewise
	// Default names the endpoints of links that name none, as the field does: "0".
	Default string
	// Transfers tells that the merchant has a bank account that can be paid into: Bank.
	Transfers     bool
	Bank          merchant.BankAccount
	Encrypted     bool   // webhooks of links that do not say otherwise
	EncryptionKey string // for links that bring none, "" for none
	ServiceFee    money.BasisPoints
}

// order is what createLink and createSplitLink ask for.
type order struct {
	Cents       int64
	Note        string
	Redirect    string   // "" for our own pages
	Callbacks   []string // all of them, the redirect first
	Endpoints   []string // where webhooks go
	Cancellable bool
	Transfer    bool   // by bank
	Key         string // of webhooks, "" for plain ones
	Statement   string // before the reference, on the payer's bank statement
	QR          bool
	Split       *split // nil for a link of one recipient
}

// parseOrder reads the fields of createLink, in the order in which their documentation has
// them. may judges URLs that the server itself would call. Fields that nobody knows are
// passed over.
//
// Faults: Invalid; of the amount first.
func parseOrder(in input, a account, may func(url string) bool) (order, error) {
	var o order
	var err error
	if o.Cents, err = in.amount(); err != nil {
		return order{}, err
	}
	if o.Note, err = in.lines("recipient_note", maxNote); err != nil {
		return order{}, err
	}
	if err := o.urls(in, a, may); err != nil {
		return order{}, err
	}
	if o.Cancellable, err = in.cancellable(); err != nil {
		return order{}, err
	}
	// A link that asks for a transfer to a merchant without an account is one without.
	if o.Transfer, err = in.truth("bank_transfer", true); err != nil {
		return order{}, err
	}
	o.Transfer = o.Transfer && a.Transfers
	if o.Key, err = in.encryptionKey(a); err != nil {
		return order{}, err
	}
	if o.Statement, err = in.line("bank_statement_description", bank.MaxText); err != nil {
		return order{}, err
	}
	if bank.CheckWords(o.Statement) != nil {
		return order{}, invalid("bank_statement_description")
	}
	if o.QR, err = in.truth("is_qr_link", false); err != nil {
		return order{}, err
	}
	return o, nil
}

// parseSplitOrder reads the fields of createSplitLink. A bank pays one account at a time, so
// no transfer is offered.
//
// Faults: Invalid; of what createLink has first.
func parseSplitOrder(in input, a account, may func(url string) bool) (order, error) {
	o, err := parseOrder(in, a, may)
	if err != nil {
		return order{}, err
	}
	o.Transfer = false
	if o.Split, err = parseSplit(in); err != nil {
		return order{}, err
	}
	return o, nil
}

// urls reads where the payer and the webhooks go.
func (o *order) urls(in input, a account, may func(url string) bool) error {
	callback, err := in.line("callback_url", maxURL*maxURLs)
	if err != nil {
		return err
	}
	ok := false
	if o.Callbacks, ok = resolve(callback, a.Callbacks, canRedirect, may); !ok {
		return invalid("callback_url")
	}
	if len(o.Callbacks) > 0 {
		o.Redirect = o.Callbacks[0]
	}
	endpoint, err := in.line("payment_endpoint", maxURL*maxURLs)
	if err != nil {
		return err
	}
	if endpoint == "" {
		endpoint = a.Default
	}
	if o.Endpoints, ok = resolve(endpoint, a.Endpoints, nil, may); !ok {
		return invalid("payment_endpoint")
	}
	return nil
}

// cancellable reads whether the payer may cancel. Earlier clients say it as
// is_cancellation, in which "No" disables the button (old documentation, field table; the
// answer's member of that name means the opposite).
func (in input) cancellable() (bool, error) {
	old, err := in.truth("is_cancellation", true)
	if err != nil {
		return false, err
	}
	return in.truth("cancellable", old)
}

// encryptionKey reads the key of a link's webhooks, "" for plain ones. Whoever sends a key
// wants them encrypted, unless is_encryption says otherwise.
func (in input) encryptionKey(a account) (string, error) {
	own, err := in.line("encryption_key", 10*keySize)
	if err != nil {
		return "", err
	}
	on, err := in.truth("is_encryption", a.Encrypted || own != "")
	if err != nil || !on {
		return "", err
	}
	if own == "" {
		own = a.EncryptionKey
	}
	if !isKey(own) {
		return "", invalid("encryption_key")
	}
	return own, nil
}

// isKey reports whether a text is a key: 32 characters of one byte each, for its bytes are
// the key.
func isKey(s string) bool {
	return len(s) == keySize && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
