// Package camt reads bank statements in ISO 20022's message camt.053 (BankToCustomer-
// Statement), versions 001.02 and 001.08, for the money that came in. Statements are
// files from outside: they are read as a stream, within limits, without entities, and as
// a whole or not at all. It knows banks' words and no payments: what a booking is worth
// to whom is not decided here.
//
// Names of elements are those of the ISO 20022 message definition report; what German
// banks fill in, those of the DFÜ agreement's annex 3.
package camt

import (
	"errors"
	"fmt"
	"io"
	"time"

	"quittance/internal/bank"
)

// The limits of a file.
const (
	MaxBytes     = 32 << 20
	MaxEntries   = 100_000 // transactions of all its statements
	maxDepth     = 40      // of elements; the message has some fifteen
	maxText      = 4000    // bytes of one element's text
	maxTextLines = 60      // of one transaction's remittance information
)

// Version is a message's version.
type Version string

// The versions that are read.
const (
	V02 Version = "camt.053.001.02"
	V08 Version = "camt.053.001.08"
)

const namespace = "urn:iso:std:iso:20022:tech:xsd:"

// File is what was read.
type File struct {
	Version    Version
	Message    string // the sender's id of the message
	Statements []Statement
}

// Statement is one account's.
type Statement struct {
	ID      string
	Account bank.IBAN // "" if it is not named by an IBAN: then nothing of it is read
	Entries []Entry
	Skipped []Skipped
	Debits  int // bookings of money that went out, which nobody asks about
}

// Kind says which way money went.
type Kind string

// The kinds of entries.
const (
	Credit    Kind = "credit"     // money came in
	TakenBack Kind = "taken_back" // money that had come in was taken back (a reversed credit)
	Returned  Kind = "returned"   // money that had gone out came back: nobody paid anything
)

// Entry is one transaction that was booked, in euros.
type Entry struct {
	// Key names the booking: the same wherever it is told again, in this file or in
	// another one, of either version.
	Key     string
	Place   string // in the file, for people: "statement 1, entry 3, transaction 2"
	Kind    Kind
	Account bank.IBAN // whose statement it is
	Cents   int64     // more than zero
	Booked  time.Time // the day, at midnight in UTC
	// Texts are what the payer told, in the lines that the bank made of it, creditor
	// references at the end.
	Texts         []string
	EndToEnd      string    // the payer's own id, "" if none was told
	Debtor        string    // who paid, "" if it is not told
	DebtorAccount bank.IBAN // likewise, and if it is no IBAN
	Servicer      string    // the bank's reference, "" if it has none
}

// Why says why something was passed over.
type Why string

// The reasons. Whoever imports tells of them: money may be behind each.
const (
	NotBooked     Why = "not_booked"     // it is pending, or for information
	OtherCurrency Why = "other_currency" // not in euros
	OtherAccount  Why = "account_unnamed"
	NoDate        Why = "no_date"
	NoDetails     Why = "no_details"    // several transactions in one sum, not told one by one
	Contradictory Why = "contradictory" // its parts do not add up, or go different ways
	NoAmount      Why = "no_amount"     // a sum of zero
)

// Skipped is a booking that was passed over.
type Skipped struct {
	Place  string
	Why    Why
	Amount string // as the bank wrote it, with its currency
}

// Reason says why a file is refused.
type Reason string

// The reasons.
const (
	TooLarge      Reason = "too_large"
	TooMany       Reason = "too_many" // entries, or lines of one
	TooDeep       Reason = "too_deep"
	Malformed     Reason = "malformed"      // no XML, or not in the order that the message has
	HasDTD        Reason = "has_dtd"        // a document type, which no statement has and attacks do
	WrongEncoding Reason = "wrong_encoding" // not UTF-8
	WrongMessage  Reason = "wrong_message"  // not a camt.053
	WrongVersion  Reason = "wrong_version"
)

// Error is why a file is refused, and where.
type Error struct {
	Reason Reason
	Line   int
	Detail string
	cause  error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("bank statement, line %d: %s: %s", e.Line, e.Reason, e.Detail)
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Parse reads a statement file.
//
// Errors: *Error of a file that is refused; what reading it says, otherwise.
func Parse(in io.Reader) (*File, error) { return parseWithin(in, MaxBytes, MaxEntries) }

func parseWithin(in io.Reader, maxBytes, maxEntries int) (*File, error) {
	limited := &limit{in: in, left: maxBytes}
	r := newReader(limited, maxEntries)
	f, err := r.document()
	if limited.err != nil { // whatever the XML said then
		return nil, fmt.Errorf("reading a bank statement: %w", limited.err)
	}
	if limited.over {
		return nil, r.fail(TooLarge, fmt.Sprintf("more than %d bytes", maxBytes))
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// limit ends after so many bytes, and remembers what reading them said.
type limit struct {
	in   io.Reader
	left int
	over bool
	err  error
}

func (l *limit) Read(p []byte) (int, error) {
	if l.left == 0 {
		var one [1]byte
		n, err := l.in.Read(one[:])
		if n > 0 {
			l.over = true
		} else if err != nil && !errors.Is(err, io.EOF) {
			l.err = err
		} else if err == nil {
			return 0, nil
		}
		return 0, io.EOF
	}
	n, err := l.in.Read(p[:min(len(p), l.left)])
	l.left -= n
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}
