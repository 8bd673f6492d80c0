// Package sample plays a bank: it writes statements for the demo and for tests, as the
// reader of package camt takes them, of money that nobody has moved. It knows the form of
// statements, and nothing of payments.
package sample

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
)

// Statement is one day of an account.
type Statement struct {
	Version  camt.Version
	ID       string
	Account  bank.IBAN
	Owner    string
	Day      time.Time
	Bookings []Booking
}

// Booking is one movement. Without Parts it is one transaction.
type Booking struct {
	Transaction
	Debit     bool // money went out
	Reversal  bool // of a booking the other way
	Pending   bool
	Reference string // the bank's own, "" for none
	Parts     []Transaction
}

// Transaction is what somebody has transferred.
type Transaction struct {
	Cents    int64
	Text     string
	EndToEnd string
	From     string // a name
	Account  bank.IBAN
}

// The elements, of both versions; the members that only one has are pointers.

type document struct {
	XMLName xml.Name `xml:"Document"`
	Space   string   `xml:"xmlns,attr"`
	Message message  `xml:"BkToCstmrStmt"`
}

type message struct {
	ID        string    `xml:"GrpHdr>MsgId"`
	Created   string    `xml:"GrpHdr>CreDtTm"`
	Statement statement `xml:"Stmt"`
}

type statement struct {
	ID       string    `xml:"Id"`
	Created  string    `xml:"CreDtTm"`
	Account  string    `xml:"Acct>Id>IBAN"`
	Currency string    `xml:"Acct>Ccy"`
	Owner    *name     `xml:"Acct>Ownr"`
	Balances []balance `xml:"Bal"`
	Entries  []entry   `xml:"Ntry"`
}

type name struct {
	Name string `xml:"Nm"`
}

type balance struct {
	Code      string `xml:"Tp>CdOrPrtry>Cd"`
	Amount    sum    `xml:"Amt"`
	Direction string `xml:"CdtDbtInd"`
	Day       string `xml:"Dt>Dt"`
}

type sum struct {
	Currency string `xml:"Ccy,attr"`
	Text     string `xml:",chardata"`
}

type entry struct {
	Amount    sum           `xml:"Amt"`
	Direction string        `xml:"CdtDbtInd"`
	Reversal  string        `xml:"RvslInd,omitempty"`
	Status    status        `xml:"Sts"`
	Booked    string        `xml:"BookgDt>Dt"`
	Value     string        `xml:"ValDt>Dt"`
	Reference string        `xml:"AcctSvcrRef,omitempty"`
	Domain    string        `xml:"BkTxCd>Domn>Cd"`
	Family    string        `xml:"BkTxCd>Domn>Fmly>Cd"`
	Sub       string        `xml:"BkTxCd>Domn>Fmly>SubFmlyCd"`
	Batch     *batch        `xml:"NtryDtls>Btch"`
	Parts     []transaction `xml:"NtryDtls>TxDtls"`
}

type batch struct {
	Count int `xml:"NbOfTxs"`
}

type status struct {
	Text string `xml:",chardata"`    // of version 001.02
	Code string `xml:"Cd,omitempty"` // of version 001.08
}

type transaction struct {
	EndToEnd string   `xml:"Refs>EndToEndId"`
	Amount   *sum     `xml:"Amt"`               // of version 001.08
	Details  *sum     `xml:"AmtDtls>TxAmt>Amt"` // of version 001.02
	Debtor   *debtor  `xml:"RltdPties>Dbtr"`
	Account  *account `xml:"RltdPties>DbtrAcct"`
	Text     *text    `xml:"RmtInf"`
}

type debtor struct {
	Name  string `xml:"Nm,omitempty"`
	Party *name  `xml:"Pty"` // of version 001.08
}

type account struct {
	IBAN string `xml:"Id>IBAN"`
}

type text struct {
	Line string `xml:"Ustrd"`
}

// XML writes the statement.
func (s Statement) XML() ([]byte, error) {
	day := s.Day.UTC().Truncate(24 * time.Hour)
	at := day.Add(22 * time.Hour).Format(time.RFC3339)
	d := document{Space: "urn:iso:std:iso:20022:tech:xsd:" + string(s.Version), Message: message{
		ID: "MSG-" + s.ID, Created: at, Statement: statement{ID: s.ID, Created: at, Account: string(s.Account), Currency: "EUR"},
	}}
	if s.Owner != "" {
		d.Message.Statement.Owner = &name{s.Owner}
	}
	after := int64(opening)
	for _, b := range s.Bookings {
		d.Message.Statement.Entries = append(d.Message.Statement.Entries, s.entry(b))
		switch {
		case b.Pending:
		case b.Debit:
			after -= b.Cents
		default:
			after += b.Cents
		}
	}
	d.Message.Statement.Balances = []balance{stands("PRCD", opening, day.AddDate(0, 0, -1)), stands("CLBD", after, day)}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	e := xml.NewEncoder(&out)
	e.Indent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("writing a bank statement: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// opening is what was on the account before.
const opening = 1_000_00

func stands(code string, cents int64, day time.Time) balance {
	b := balance{Code: code, Amount: euros(max(cents, -cents)), Direction: "CRDT", Day: day.Format(time.DateOnly)}
	if cents < 0 {
		b.Direction = "DBIT"
	}
	return b
}

func (s Statement) entry(b Booking) entry {
	day := s.Day.UTC().Format(time.DateOnly)
	e := entry{
		Amount: euros(b.Cents), Direction: "CRDT", Status: s.status("BOOK"), Booked: day, Value: day, Reference: b.Reference,
		Domain: "PMNT", Family: "RCDT", Sub: "ESCT",
	}
	if b.Debit {
		e.Direction, e.Family = "DBIT", "ICDT"
	}
	if b.Reversal {
		e.Reversal = "true"
	}
	if b.Pending {
		e.Status = s.status("PDNG")
	}
	parts := b.Parts
	if len(parts) == 0 {
		parts = []Transaction{b.Transaction}
	} else {
		e.Batch = &batch{len(parts)}
	}
	for _, p := range parts {
		e.Parts = append(e.Parts, s.transaction(p))
	}
	return e
}

func (s Statement) status(code string) status {
	if s.Version == camt.V02 {
		return status{Text: code}
	}
	return status{Code: code}
}

func (s Statement) transaction(p Transaction) transaction {
	amount := euros(p.Cents)
	t := transaction{EndToEnd: cmp.Or(p.EndToEnd, "NOTPROVIDED")}
	if p.Account != "" {
		t.Account = &account{string(p.Account)}
	}
	if p.Text != "" {
		t.Text = &text{p.Text}
	}
	if s.Version == camt.V02 {
		t.Details = &amount
	} else {
		t.Amount = &amount
	}
	switch {
	case p.From == "":
	case s.Version == camt.V02:
		t.Debtor = &debtor{Name: p.From}
	default:
		t.Debtor = &debtor{Party: &name{p.From}}
	}
	return t
}

func euros(cents int64) sum {
	return sum{Currency: "EUR", Text: fmt.Sprintf("%d.%02d", cents/100, cents%100)}
}
