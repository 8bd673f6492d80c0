package bank

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Transfer is a SEPA credit transfer that a payer is asked for.
type Transfer struct {
	Name      string // of who is paid, at most 70 characters
	Account   IBAN   // in SEPA
	BIC       BIC    // "" where the account is in the European Economic Area
	Cents     int64  // 1 to 99,999,999,999
	Purpose   string // a code of ISO 20022's list of at most four letters, "" for none
	Reference string // a creditor reference of at most 35 characters, or
	Text      string // a remittance text of at most 140; never both
	Hint      string // what the payer's app may show, at most 70 characters
}

// The guideline's limits.
const (
	maxName      = 70
	maxReference = 35
	maxHint      = 70
	maxCents     = 99_999_999_999
	// MaxCodeBytes is what a QR code of version 13 holds in medium error correction,
	// which are the largest and the only ones allowed.
	MaxCodeBytes = 331
)

// ErrTransfer is a transfer of which no code can be made.
var ErrTransfer = errors.New("no code can be made of this transfer")

// Code is the text of the QR code that banking apps read, known as GiroCode (EPC069-12,
// version 2.1): twelve elements in lines, without those that are empty at the end, in
// UTF-8. Within the European Economic Area its version is 002, where the BIC may be left
// out, elsewhere 001.
//
// Errors: ErrTransfer, with what is wrong.
func (t Transfer) Code() (string, error) {
	version := "002"
	if !t.Account.EEA() {
		version = "001"
	}
	if err := t.check(version); err != nil {
		return "", err
	}
	lines := []string{
		"BCD", version, "1", "SCT", string(t.BIC), t.Name, string(t.Account), fmt.Sprintf("EUR%d.%02d", t.Cents/100, t.Cents%100),
		t.Purpose, t.Reference, t.Text, t.Hint,
	}
	code := strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if len(code) > MaxCodeBytes {
		return "", fmt.Errorf("%w: it takes %d bytes", ErrTransfer, len(code))
	}
	return code, nil
}

func (t Transfer) check(version string) error {
	wrong := func(what string) error { return fmt.Errorf("%w: %s", ErrTransfer, what) }
	parsed, err := ParseIBAN(string(t.Account))
	if err != nil || parsed != t.Account || !parsed.SEPA() {
		return wrong("its account is not in SEPA")
	}
	if bic, err := ParseBIC(string(t.BIC)); t.BIC != "" && (err != nil || bic != t.BIC) {
		return wrong("its BIC is none")
	}
	switch {
	case t.BIC == "" && version == "001":
		return wrong("its account's country needs a BIC")
	case t.Cents < 1 || t.Cents > maxCents:
		return wrong("its amount is nothing, or too much")
	case len(t.Purpose) > 4 || !only(t.Purpose, alphanumeric):
		return wrong("its purpose is no code")
	case t.Reference != "" && t.Text != "":
		return wrong("it has a reference and a text")
	}
	for _, x := range []struct {
		what, text string
		least, max int
	}{{"name", t.Name, 1, maxName}, {"reference", t.Reference, 0, maxReference}, {"text", t.Text, 0, MaxText}, {"hint", t.Hint, 0, maxHint}} {
		if n := utf8.RuneCountInString(x.text); n < x.least || n > x.max {
			return wrong(fmt.Sprintf("its %s has %d characters", x.what, n))
		}
		if !utf8.ValidString(x.text) || strings.ContainsFunc(x.text, func(r rune) bool {
			return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029'
		}) ||
			x.text != strings.TrimSpace(x.text) {
			return wrong("its " + x.what + " has characters that break its line")
		}
	}
	return nil
}
