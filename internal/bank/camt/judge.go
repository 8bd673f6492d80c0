package camt

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"quittance/internal/bank"
)

// file puts a booking where it belongs: among the entries, each of its transactions by
// itself, or among what was passed over.
func (r *reader) file(s *Statement, b booking) {
	kind, ok := b.kind()
	if !ok {
		s.Debits++
		return
	}
	booked, dated := day(b.booked)
	if !dated {
		booked, dated = day(b.value)
	}
	why := b.unfit(s.Account)
	if why == "" && !dated {
		why = NoDate
	}
	if why != "" {
		s.Skipped = append(s.Skipped, Skipped{Place: b.place, Why: why, Amount: b.amount.text + " " + b.amount.currency})
		return
	}
	parts := b.parts
	if len(parts) == 0 {
		parts = []part{{more: b.more}}
	}
	inside := map[string]int{}
	for i, p := range parts {
		e := Entry{
			Place: b.place, Kind: kind, Account: s.Account, Cents: b.amount.cents, Booked: booked,
			Texts: p.words(), EndToEnd: told(p.endToEnd), Debtor: p.debtor, DebtorAccount: p.debtorAccount, Servicer: told(b.servicer),
		}
		if p.returned && kind == Credit {
			e.Kind = Returned
		}
		if len(parts) == 1 {
			if e.Servicer == "" {
				e.Servicer = told(p.servicer)
			}
			if len(e.Texts) == 0 && b.more != "" {
				e.Texts = []string{b.more}
			}
			e.Key = r.key(e, nil)
		} else {
			e.Place += ", transaction " + strconv.Itoa(i+1)
			e.Cents = p.own().cents
			e.Key = r.key(e, inside)
			if own := told(p.servicer); own != "" {
				e.Servicer = own
			}
		}
		s.Entries = append(s.Entries, e)
	}
}

// kind says which way a booking's money went; not ok is money that simply went out.
//
// The schema's words: of a reversal that is a credit the original was a debit, of one that
// is a debit the original was a credit.
func (b booking) kind() (k Kind, ok bool) {
	switch {
	case b.direction == "DBIT" && b.reversal:
		return TakenBack, true
	case b.direction == "DBIT":
		return "", false
	case b.reversal || b.returned:
		return Returned, true
	}
	return Credit, true
}

// unfit says why a booking is not read, "" if it is.
func (b booking) unfit(account bank.IBAN) Why {
	switch {
	case b.status != "BOOK":
		return NotBooked
	case account == "":
		return OtherAccount
	case b.amount.currency != "EUR":
		return OtherCurrency
	case !b.amount.good:
		return Contradictory
	case b.amount.cents == 0:
		return NoAmount
	}
	for _, p := range b.parts {
		if p.direction != "" && p.direction != b.direction {
			return Contradictory
		}
	}
	if b.expected > 1 && b.expected != len(b.parts) {
		return NoDetails
	}
	if len(b.parts) < 2 {
		// What a single transaction says of itself must be what was booked: if it is
		// another sum, it may be one of many.
		for _, p := range b.parts {
			if a := p.own(); a.euros() && (p.amount.told() || p.transacted.told()) && a.cents != b.amount.cents {
				return Contradictory
			}
		}
		return ""
	}
	var sum int64
	for _, p := range b.parts {
		a := p.own()
		if !a.euros() || !a.good || a.cents == 0 {
			return NoDetails
		}
		if sum += a.cents; sum > b.amount.cents {
			return Contradictory
		}
	}
	if sum != b.amount.cents {
		return Contradictory
	}
	return ""
}

// own is a transaction's own amount: Amt, which version 001.02 does not have, else what
// its details say. Of several, only such count as add up to the booking.
func (p part) own() amount {
	for _, a := range []amount{p.amount, p.transacted, p.instructed} {
		if a.told() {
			return a
		}
	}
	return amount{}
}

// words are a transaction's texts; what the bank adds counts where the payer's are missing.
func (p part) words() []string {
	all := append(append([]string{}, p.texts...), p.references...)
	if len(all) == 0 && p.more != "" {
		all = []string{p.more}
	}
	return all
}

// told is a reference, "" for the words that banks have for none.
func told(reference string) string {
	switch strings.ToUpper(reference) {
	case "", "NONREF", "NOTPROVIDED", "NOT PROVIDED", "NONE", "-", "0":
		return ""
	}
	return reference
}

// key names a booking. The bank's reference (AcctSvcrRef) is its name together with what
// was booked, for some banks use one twice. A transaction of several in a booking is named
// by what it says too, and by how often the same was said before it. So is a booking
// without a reference, in all of its statement; inside is nil for what is alone in it.
func (r *reader) key(e Entry, inside map[string]int) string {
	parts := []string{string(e.Account), string(e.Kind), e.Servicer, e.Booked.Format(time.DateOnly), strconv.FormatInt(e.Cents, 10)}
	if inside == nil && e.Servicer != "" {
		return digest(append(parts, "whole"))
	}
	if inside == nil || e.Servicer == "" {
		inside = r.same
	}
	parts = append(parts, "part", e.EndToEnd, string(e.DebtorAccount), squeeze(e.Texts))
	plain := digest(parts)
	n := inside[plain]
	inside[plain]++
	if n == 0 {
		return plain
	}
	return digest(append(parts, strconv.Itoa(n)))
}

// squeeze writes texts so that it does not matter where lines were broken.
func squeeze(texts []string) string {
	return strings.Join(strings.Fields(strings.Join(texts, "")), "")
}

func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p)) // with its length, so that no two lists look the same
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
