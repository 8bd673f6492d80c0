// Package bank knows the words of euro bank transfers: account numbers (IBAN), banks'
// codes (BIC), the characters that banks pass on, creditor references, and the text of
// the codes that banking apps scan. It knows no statement files, no payments and no
// HTTP, and asks nobody: whether an account exists is its bank's to say.
package bank

import (
	"errors"
	"strings"
)

// IBAN is an account number (ISO 13616), checked, without blanks and in capitals; "" is
// none.
type IBAN string

// ErrIBAN is a text that is no account number.
var ErrIBAN = errors.New("not a valid IBAN")

// ParseIBAN reads an account number, with the blanks that people write in groups of four.
// Country, length (the registry's) and check digits must be right.
//
// Errors: ErrIBAN.
func ParseIBAN(text string) (IBAN, error) {
	if len(text) > 50 {
		return "", ErrIBAN
	}
	s := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if len(s) < 5 || !only(s, alphanumeric) || !only(s[:2], letters) || !only(s[2:4], digits) {
		return "", ErrIBAN
	}
	// 00, 01 and 99 leave the same remainder as 97, 98 and 02, which alone are made.
	if c, ok := countries[s[:2]]; !ok || len(s) != c.length || s[2:4] < "02" || s[2:4] > "98" || mod97(s[4:]+s[:4]) != 1 {
		return "", ErrIBAN
	}
	return IBAN(s), nil
}

// Country is the ISO 3166 code of the account's country.
func (i IBAN) Country() string {
	if len(i) < 2 {
		return ""
	}
	return string(i[:2])
}

// SEPA reports whether accounts of this country can be reached by SEPA credit transfers.
func (i IBAN) SEPA() bool { return countries[i.Country()].area != outside }

// EEA reports whether the account's country is in the European Economic Area, where
// nobody needs its bank's BIC.
func (i IBAN) EEA() bool { return countries[i.Country()].area == eea }

// Grouped writes the number as people read it, "DE89 3704 0044 0532 0130 00".
func (i IBAN) Grouped() string {
	var b strings.Builder
	for n, r := range string(i) {
		if n > 0 && n%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Masked hides the middle of the number, "DE89…3000": enough to tell one's own accounts
// apart.
func (i IBAN) Masked() string {
	if len(i) < 10 {
		return string(i)
	}
	return string(i[:4]) + "…" + string(i[len(i)-4:])
}

// BIC is a bank's code (ISO 9362) of 8 or 11 characters, in capitals; "" is none.
type BIC string

// ErrBIC is a text that is no bank's code.
var ErrBIC = errors.New("not a valid BIC")

// ParseBIC reads a bank's code: four letters or digits, a country, two and perhaps three
// more letters or digits (AnyBICDec2014Identifier of ISO 20022). It has no check digits.
//
// Errors: ErrBIC.
func ParseBIC(text string) (BIC, error) {
	if len(text) > 20 {
		return "", ErrBIC
	}
	s := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if len(s) != 8 && len(s) != 11 || !only(s, alphanumeric) || !only(s[4:6], letters) {
		return "", ErrBIC
	}
	return BIC(s), nil
}

const (
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
	alphanumeric = letters + digits
)

func only(s, allowed string) bool { return strings.Trim(s, allowed) == "" }

// mod97 is the remainder of ISO 7064 (MOD 97-10) of digits and capitals, which count as
// 10 to 35.
func mod97(s string) int {
	rest := 0
	for i := range len(s) {
		if c := s[i]; c <= '9' {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}
