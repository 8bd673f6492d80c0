// Package sepa is the rail over banks: a payer is asked for a euro transfer with a
// reference, and a bank's statement says which transfers came. It knows references,
// amounts, what a payer types or scans, and what a booking means for whoever is waited
// for. It must not know stores, use cases, chains, or how a statement came to be read.
package sepa

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"quittance/internal/bank"
	"quittance/internal/fault"
	"quittance/internal/rail"
)

// ID is the rail's name.
const ID rail.ID = "sepa"

// Payee is whose account is paid into.
type Payee struct {
	Name    string
	Account bank.IBAN
	BIC     bank.BIC // "" if it is not needed
}

const maxName = 70 // of SEPA's rulebook

// NewPayee checks what a merchant says of the own account.
//
// Faults: Invalid with its field: "name" "invalid_name", "iban" "invalid_iban" or
// "not_in_sepa", "bic" "invalid_bic" or "bic_missing".
func NewPayee(name, iban, bic string) (Payee, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, hidden) {
		return Payee{}, fault.Field("name", "invalid_name", "The account holder's name must have 1 to 70 characters.")
	}
	p := Payee{Name: name}
	var err error
	if p.Account, err = bank.ParseIBAN(iban); err != nil {
		return Payee{}, fault.Field("iban", "invalid_iban", "This is not an IBAN: its length or its check digits are wrong.")
	}
	if !p.Account.SEPA() {
		return Payee{}, fault.Field("iban", "not_in_sepa", "This account's country takes no part in SEPA.")
	}
	if strings.TrimSpace(bic) != "" {
		if p.BIC, err = bank.ParseBIC(bic); err != nil {
			return Payee{}, fault.Field("bic", "invalid_bic", "This is not a BIC.")
		}
	} else if !p.Account.EEA() {
		return Payee{}, fault.Field("bic", "bic_missing", "Outside of the European Economic Area the BIC is needed.")
	}
	if _, err := p.Ask(1, strings.Repeat("x", bank.MaxText)).Code(); err != nil { // what is in a text takes a byte each
		return Payee{}, fault.Field("name", "invalid_name", "The account holder's name has too many characters beyond ASCII for the code that banking apps scan.").Because(err)
	}
	return p, nil
}

// hidden are characters that are not seen, or that make a name read as another one.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}

// Draw makes a reference for a transfer, and the text that the payer is to give: the
// merchant's words and the reference.
//
// Faults: Invalid "invalid_remittance" if the words cannot be part of such a text.
func Draw(words string) (bank.Reference, string, error) {
	var err error
	for range 20 { // words and reference together may look like another one: then it is another's turn
		r := bank.NewReference()
		var text string
		if text, err = bank.Remittance(words, r); err == nil {
			return r, text, nil
		}
	}
	return "", "", fault.Field("remittance", "invalid_remittance",
		"The text for the bank statement is too long, or has characters that banks do not pass on.").Because(err)
}

// Ask is the transfer that a payer is asked for, of so many cents with such a text.
func (p Payee) Ask(cents int64, text string) bank.Transfer {
	return bank.Transfer{Name: p.Name, Account: p.Account, BIC: p.BIC, Cents: cents, Text: text}
}
