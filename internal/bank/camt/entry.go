package camt

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"quittance/internal/bank"
)

// amount is a sum as the bank wrote it.
type amount struct {
	text, currency string
	cents          int64
	good           bool // in whole cents
}

func (a amount) told() bool { return a.text != "" }

func (a amount) euros() bool { return a.told() && a.currency == "EUR" }

// booking is one Ntry (ReportEntry2 and 10).
type booking struct {
	amount         amount
	direction      string // "CRDT", "DBIT"
	reversal       bool
	status         string // "BOOK", "PDNG", "INFO"
	booked, value  string
	servicer, more string
	returned       bool
	expected       int // transactions that the bank says there are, 0 if it does not
	parts          []part
	place          string
}

// part is one TxDtls (EntryTransaction2 and 10).
type part struct {
	amount, transacted amount
	instructed         amount
	direction          string
	servicer, endToEnd string
	debtor             string
	debtorAccount      bank.IBAN
	texts, references  []string
	more               string
	returned           bool
}

// entry reads one booking and adds what it is to the statement.
func (r *reader) entry(version Version, s *Statement, place string) error {
	var b booking
	err := r.each(func(name string, e xml.StartElement) error {
		switch name {
		case "Amt":
			return r.amount(&b.amount, e)
		case "CdtDbtInd":
			return r.into(&b.direction)
		case "RvslInd":
			return r.truth(&b.reversal)
		case "Sts":
			if version == V02 {
				return r.into(&b.status)
			}
			return r.path(&b.status, "Cd")
		case "BookgDt":
			return r.date(&b.booked)
		case "ValDt":
			return r.date(&b.value)
		case "AcctSvcrRef":
			return r.into(&b.servicer)
		case "AddtlNtryInf":
			return r.into(&b.more)
		case "BkTxCd":
			return r.code(&b.returned)
		case "NtryDtls":
			return r.details(&b)
		}
		return r.skip()
	}, "Amt", "CdtDbtInd", "RvslInd", "Sts", "BookgDt", "ValDt", "AcctSvcrRef", "AddtlNtryInf", "BkTxCd")
	if err != nil {
		return err
	}
	if !b.amount.told() || b.direction != "CRDT" && b.direction != "DBIT" || b.status == "" {
		return r.fail(Malformed, place+" has no amount, direction or status")
	}
	if r.made += max(1, len(b.parts)); r.made > r.most {
		return r.fail(TooMany, fmt.Sprintf("more than %d transactions", r.most))
	}
	b.place = place
	r.file(s, b)
	return nil
}

// details reads NtryDtls, of which there may be several.
func (r *reader) details(b *booking) error {
	return r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "Btch":
			var n string
			if err := r.path(&n, "NbOfTxs"); err != nil {
				return err
			}
			if v, err := strconv.Atoi(n); err == nil && v > 0 && v <= MaxEntries {
				b.expected += v
			}
			return nil
		case "TxDtls":
			if len(b.parts) >= r.most {
				return r.fail(TooMany, fmt.Sprintf("more than %d transactions", r.most))
			}
			p, err := r.part()
			b.parts = append(b.parts, p)
			return err
		}
		return r.skip()
	}, "Btch")
}

func (r *reader) part() (part, error) {
	var p part
	err := r.each(func(name string, e xml.StartElement) error {
		switch name {
		case "Refs":
			return r.each(func(name string, _ xml.StartElement) error {
				switch name {
				case "AcctSvcrRef":
					return r.into(&p.servicer)
				case "EndToEndId":
					return r.into(&p.endToEnd)
				}
				return r.skip()
			}, "AcctSvcrRef", "EndToEndId")
		case "Amt": // since version 001.03
			return r.amount(&p.amount, e)
		case "CdtDbtInd": // likewise
			return r.into(&p.direction)
		case "AmtDtls":
			return r.amounts(&p)
		case "BkTxCd":
			return r.code(&p.returned)
		case "RltdPties":
			return r.parties(&p)
		case "RmtInf":
			return r.remittance(&p)
		case "RtrInf":
			p.returned = true
			return r.skip()
		case "AddtlTxInf":
			return r.into(&p.more)
		}
		return r.skip()
	}, "Refs", "Amt", "CdtDbtInd", "AmtDtls", "BkTxCd", "RltdPties", "RmtInf", "RtrInf", "AddtlTxInf")
	return p, err
}

// amounts reads AmtDtls: the transaction's own amount, and the one that the payer ordered.
func (r *reader) amounts(p *part) error {
	read := func(into *amount) error {
		return r.each(func(name string, e xml.StartElement) error {
			if name == "Amt" {
				return r.amount(into, e)
			}
			return r.skip()
		}, "Amt")
	}
	return r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "TxAmt":
			return read(&p.transacted)
		case "InstdAmt":
			return read(&p.instructed)
		}
		return r.skip()
	}, "TxAmt", "InstdAmt")
}

// parties reads who paid. In version 001.08 a name is one step deeper.
func (r *reader) parties(p *part) error {
	return r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "Dbtr":
			return r.each(func(name string, _ xml.StartElement) error {
				switch name {
				case "Nm":
					return r.into(&p.debtor)
				case "Pty":
					return r.path(&p.debtor, "Nm")
				}
				return r.skip()
			}, "Nm", "Pty")
		case "DbtrAcct":
			return r.account(&p.debtorAccount)
		}
		return r.skip()
	}, "Dbtr", "DbtrAcct")
}

// remittance reads what the payer told.
func (r *reader) remittance(p *part) error {
	add := func(to *[]string) error {
		text, err := r.text()
		if err != nil || text == "" {
			return err
		}
		if len(p.texts)+len(p.references) >= maxTextLines {
			return r.fail(TooMany, "remittance information without end")
		}
		*to = append(*to, text)
		return nil
	}
	return r.each(func(name string, _ xml.StartElement) error {
		switch name {
		case "Ustrd":
			return add(&p.texts)
		case "Strd":
			return r.each(func(name string, _ xml.StartElement) error {
				switch name {
				case "CdtrRefInf":
					return r.each(func(name string, _ xml.StartElement) error {
						if name == "Ref" {
							return add(&p.references)
						}
						return r.skip()
					}, "Ref")
				case "AddtlRmtInf":
					return add(&p.texts)
				}
				return r.skip()
			}, "CdtrRefInf")
		}
		return r.skip()
	})
}

// code reads a bank transaction code (BkTxCd) as far as it says that money came back:
// families of issued transfers, and sub-families of returns and recalls.
func (r *reader) code(returned *bool) error {
	return r.each(func(name string, _ xml.StartElement) error {
		if name != "Domn" {
			return r.skip()
		}
		return r.each(func(name string, _ xml.StartElement) error {
			if name != "Fmly" {
				return r.skip()
			}
			var family, sub string
			err := r.each(func(name string, _ xml.StartElement) error {
				switch name {
				case "Cd":
					return r.into(&family)
				case "SubFmlyCd":
					return r.into(&sub)
				}
				return r.skip()
			}, "Cd", "SubFmlyCd")
			if slices.Contains([]string{"ICDT", "IRCT"}, family) || slices.Contains([]string{"RRTN", "RPCR"}, sub) {
				*returned = true
			}
			return err
		}, "Fmly")
	}, "Domn")
}

func (r *reader) amount(v *amount, e xml.StartElement) error {
	for _, a := range e.Attr {
		if a.Name.Local == "Ccy" && a.Name.Space == "" {
			v.currency = a.Value
		}
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	if len(v.currency) != 3 || strings.Trim(v.currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || !isDecimal(text) {
		return r.fail(Malformed, fmt.Sprintf("%q %q is no amount", short(text), short(v.currency)))
	}
	v.text = text
	v.cents, v.good = cents(text)
	return nil
}

// isDecimal reports whether a text is an amount as the schema has it: 18 digits, five of
// them behind the dot, and no sign.
func isDecimal(text string) bool {
	whole, fraction, dotted := strings.Cut(text, ".")
	return whole != "" && (fraction != "" || !dotted) && len(whole)+len(fraction) <= 18 && len(fraction) <= 5 && strings.Trim(whole+fraction, "0123456789") == ""
}

func cents(text string) (int64, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > 2 && strings.Trim(fraction[2:], "0") != "" {
		return 0, false
	}
	v, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	return v, err == nil && v <= mostCents
}

// mostCents is more than anybody has, and so little that sums of two cannot overflow.
const mostCents = 1e17

func (r *reader) truth(v *bool) error {
	text, err := r.text()
	if err != nil {
		return err
	}
	switch text {
	case "true", "1":
		*v = true
	case "false", "0":
	default:
		return r.fail(Malformed, fmt.Sprintf("%q is neither true nor false", short(text)))
	}
	return nil
}

// date reads a DateAndDateTime: the bank's own calendar day, whatever the time zone.
func (r *reader) date(v *string) error {
	return r.each(func(name string, _ xml.StartElement) error {
		if name == "Dt" || name == "DtTm" {
			return r.into(v)
		}
		return r.skip()
	}, "Dt", "DtTm")
}

func day(text string) (time.Time, bool) {
	if len(text) < 10 {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, text[:10])
	return t, err == nil && t.Year() >= 2000 && t.Year() < 2200
}
