// Package desk is where an operator takes in what banks say: it reads their statements, says
// of each booking whose it is and which payment it names, and has the checkout record that.
// Whose word counts for what is neither the checkout's affair, which reads no files, nor
// package sepa's, which sees neither merchants nor what was recorded before.
//
// It must not know how a command or a page asks for that, and no chain.
package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail/sepa"
)

// Desk takes statements.
type Desk struct {
	Store    Store
	Checkout *checkout.Service
}

// Store is what is kept of merchants' accounts and of bookings.
type Store interface {
	// Merchant finds one. Fault: NotFound.
	Merchant(ctx context.Context, id payment.MerchantID) (merchant.Merchant, error)
	// BankAccounts and SetBankAccount are merchant.Links'.
	BankAccounts(ctx context.Context, m payment.MerchantID) ([]merchant.BankAccount, error)
	SetBankAccount(ctx context.Context, a merchant.BankAccount) error
	// Booking and Owners are checkout.Store's.
	Booking(ctx context.Context, key string) (checkout.Booking, error)
	Owners(ctx context.Context, rail string, handles []string) (map[string]checkout.Owner, error)
}

// Statement is what a bank statement meant, or would mean.
type Statement struct {
	SHA256   string // of what was read, in hex
	Dry      bool   // nothing was recorded
	Messages []Message
	Bookings []Booking      // all that could be read, in the file's order
	Skipped  []camt.Skipped // bookings that could not be read
	Passed   []string       // files of an archive that are no statements
}

// Message is one statement file: the only one, or one of an archive.
type Message struct {
	Name       string // in the archive, "" for the only one
	Version    camt.Version
	ID         string // the sender's
	Statements int    // of how many accounts and days
	Debits     int    // bookings of money that went out, which nobody asks about
}

// Booking is a booking of a statement and what became of it. Import is empty of what was
// not recorded.
type Booking struct {
	checkout.Booking
	Missing int64 // cents, what was missing of the payment that it names before it; 0 if it names none
}

// Says words what became of the booking for people.
func (b Booking) Says() string { return Says(b.Outcome) }

// Open reports whether a person has to decide on the booking.
func (b Booking) Open() bool {
	return !b.Counts && b.Outcome != checkout.OutcomeRepeated
}

// Count is how many bookings had an outcome, and their sum in cents.
func (s Statement) Count(outcome string) (n int, cents int64) {
	for _, b := range s.Bookings {
		if b.Outcome == outcome {
			n, cents = n+1, cents+b.Cents
		}
	}
	return n, cents
}

// Left is how many bookings wait for a person: those that count for nobody, and those that
// could not be read though they were booked.
func (s Statement) Left() int {
	n := 0
	for _, b := range s.Bookings {
		if b.Open() {
			n++
		}
	}
	for _, x := range s.Skipped {
		if x.Why != camt.NotBooked {
			n++
		}
	}
	return n
}

// Outcomes lists what can become of a statement's bookings, in the order in which a report
// tells of it.
func Outcomes() []string {
	var out []string
	for _, o := range sepa.Outcomes() {
		if o == sepa.Repeated {
			out = append(out, checkout.OutcomeBefore)
		}
		out = append(out, string(o))
	}
	return out
}

// Says words what became of a booking for people.
func Says(outcome string) string {
	switch outcome {
	case checkout.OutcomeConfirmed:
		return "You have confirmed it."
	case checkout.OutcomeBefore:
		return "It may be the money that you have confirmed already; whether it is is yours to say."
	case checkout.OutcomeGiven:
		return "You have said which payment it is for."
	case checkout.OutcomeAside:
		return "You have said that it is for no payment."
	}
	if o := sepa.Outcome(outcome); slices.Contains(sepa.Outcomes(), o) {
		return o.Sentence()
	}
	return ""
}

// SetAccount makes an account the one that a merchant's new links show.
//
// Faults: those of sepa.NewPayee; NotFound for a merchant that is none.
func (d Desk) SetAccount(ctx context.Context, m payment.MerchantID, holder, iban, bic string) (merchant.BankAccount, error) {
	if _, err := d.Store.Merchant(ctx, m); err != nil {
		return merchant.BankAccount{}, err
	}
	p, err := sepa.NewPayee(holder, iban, bic)
	if err != nil {
		return merchant.BankAccount{}, err
	}
	set := merchant.BankAccount{Merchant: m, IBAN: string(p.Account), BIC: string(p.BIC), Holder: p.Name, Active: true, CreatedAt: time.Now().UTC()}
	return set, d.Store.SetBankAccount(ctx, set)
}

// reading is a statement on its way from the file to what it means.
type reading struct {
	Statement
	importer payment.MerchantID // "" for anybody
	whole    camt.File          // the statements of all messages
	of       []int              // by entry of whole: its message
	accounts [][]bank.IBAN      // by message
	owners   map[bank.IBAN][]payment.MerchantID
}

// owner is whose the bookings of an account are that name no payment: of an account that
// several merchants have, the one's who imports it, or the first one's.
func (r *reading) owner(a bank.IBAN) payment.MerchantID {
	if r.importer != "" {
		return r.importer
	}
	return r.owners[a][0]
}

// Import reads a bank statement, or an archive of them, and records what came. The
// accounts in it say whose it is; with a merchant, all of them must be that merchant's. What
// was read before is told and changes nothing, so importing again is always right, and
// finishes what an error has broken off. A file that cannot be read, or is of an account that
// nobody has, is refused as a whole: nothing is recorded then. Of a dry run nothing is
// recorded at all; what a merchant has confirmed is told apart only where it is recorded.
//
// Faults: Invalid on "file", with a sentence that says where; NotFound for a merchant that
// is none. With another error what was recorded until then is returned beside it.
func (d Desk) Import(ctx context.Context, m payment.MerchantID, in io.Reader, dry bool) (Statement, error) {
	file, err := io.ReadAll(io.LimitReader(in, maxStatementFile+1))
	if err != nil {
		return Statement{}, fmt.Errorf("read a bank statement: %w", err)
	}
	read, passed, err := openStatements(file)
	if err != nil {
		return Statement{}, err
	}
	sum := sha256.Sum256(file)
	r := &reading{Statement: Statement{SHA256: hex.EncodeToString(sum[:]), Dry: dry, Passed: passed}, importer: m}
	for i, x := range read {
		r.add(i, x)
	}
	if err := d.belongs(ctx, r); err != nil {
		return Statement{}, err
	}
	expected, err := d.expected(ctx, r.whole)
	if err != nil {
		return Statement{}, err
	}
	var unread error
	verdicts := sepa.Judge(&r.whole,
		func(ref bank.Reference) (sepa.Expected, bool) { x, ok := expected[ref]; return x.Expected, ok },
		func(key string) bool {
			_, err := d.Store.Booking(ctx, key)
			if err != nil && !fault.Is(err, fault.NotFound) && unread == nil {
				unread = fmt.Errorf("look up a booking: %w", err)
			}
			return err == nil
		})
	if unread != nil {
		return Statement{}, unread
	}
	r.Skipped = verdicts.Skipped
	for _, v := range verdicts.Verdicts {
		r.Bookings = append(r.Bookings, r.booking(v, expected[v.Reference].merchant))
	}
	if !dry {
		err = d.record(ctx, r)
	}
	return r.Statement, err
}

// add takes a message's statements. Places in an archive begin with the file's name.
func (r *reading) add(message int, x readStatement) {
	r.accounts = append(r.accounts, nil)
	r.Messages = append(r.Messages, Message{Name: x.name, Version: x.file.Version, ID: x.file.Message, Statements: len(x.file.Statements)})
	for _, s := range x.file.Statements {
		r.Messages[message].Debits += s.Debits
		if s.Account != "" {
			r.accounts[message] = append(r.accounts[message], s.Account)
		}
		for i := range s.Entries {
			s.Entries[i].Place = x.place(s.Entries[i].Place)
			r.of = append(r.of, message)
		}
		for i := range s.Skipped {
			s.Skipped[i].Place = x.place(s.Skipped[i].Place)
		}
		r.whole.Statements = append(r.whole.Statements, s)
	}
}

// belongs finds out whose accounts a statement tells of.
//
// Faults: Invalid on "file" for an account that is nobody's, or not that merchant's.
func (d Desk) belongs(ctx context.Context, r *reading) error {
	if r.importer != "" {
		if _, err := d.Store.Merchant(ctx, r.importer); err != nil {
			return err
		}
	}
	all, err := d.Store.BankAccounts(ctx, "")
	if err != nil {
		return fmt.Errorf("read bank accounts: %w", err)
	}
	r.owners = map[bank.IBAN][]payment.MerchantID{}
	for _, a := range all {
		r.owners[bank.IBAN(a.IBAN)] = append(r.owners[bank.IBAN(a.IBAN)], a.Merchant)
	}
	for _, s := range r.whole.Statements {
		owners := r.owners[s.Account]
		switch {
		case s.Account == "": // nothing of it was read, and that is told
		case len(owners) == 0:
			return refused("account_unknown", "The statement is of account %s, which no merchant has here. Set it as a merchant's account first.", s.Account.Masked())
		case r.importer != "" && !slices.Contains(owners, r.importer):
			return refused("account_of_another", "The statement is of account %s, which is not this merchant's.", s.Account.Masked())
		}
	}
	return nil
}

// expectation is what somebody was asked for, and by whom.
type expectation struct {
	sepa.Expected
	merchant payment.MerchantID
}

// refsAtOnce bounds one question for references.
const refsAtOnce = 500

// expected finds the payments whose references may be in a statement, as they are now.
func (d Desk) expected(ctx context.Context, f camt.File) (map[bank.Reference]expectation, error) {
	var named []string
	seen := map[bank.Reference]bool{}
	for _, s := range f.Statements {
		for _, e := range s.Entries {
			for _, ref := range bank.FindReferences(e.Texts...) {
				if !seen[ref] {
					seen[ref], named = true, append(named, string(ref))
				}
			}
		}
	}
	out := map[bank.Reference]expectation{}
	for some := range slices.Chunk(named, refsAtOnce) {
		owners, err := d.Store.Owners(ctx, string(sepa.ID), some)
		if err != nil {
			return nil, fmt.Errorf("look up references: %w", err)
		}
		for ref, of := range owners {
			p, err := d.Checkout.Payment(ctx, of.Payment)
			if err != nil {
				return nil, fmt.Errorf("load the payment of a reference: %w", err)
			}
			if x, ok := expects(p, of.Request); ok {
				out[bank.Reference(ref)] = x
			}
		}
	}
	return out, nil
}

// expects is what a payment waits for; ok is false if no bank transfer pays it.
func expects(p *payment.Payment, request int) (x expectation, ok bool) {
	q := p.Terms.Requests[request]
	if q.Bank == nil {
		return x, false
	}
	x.merchant = p.Terms.Merchant
	x.Handle, x.Account = string(p.ID), bank.IBAN(q.Bank.Account)
	if missing := money.CentsUp(p.Standing.Requests[request].Missing(q.Due)); missing.IsInt64() {
		x.Missing = missing.Int64()
	}
	switch p.Standing.State {
	case payment.Paid, payment.Expired, payment.Canceled:
	default:
		x.Open = true
	}
	return x, true
}

// booking is a verdict as it is recorded. What names a payment of the account is that
// payment's merchant's.
func (r *reading) booking(v sepa.Verdict, of payment.MerchantID) Booking {
	e := v.Entry
	b := Booking{Booking: checkout.Booking{
		Key: e.Key, Merchant: r.owner(e.Account), Account: string(e.Account), Cents: e.Cents, Booked: e.Booked,
		Outcome: string(v.Outcome), Counts: v.Outcome.Counts(), Reference: string(v.Reference),
		Place: e.Place, Text: strings.Join(e.Texts, " "), Debtor: e.Debtor,
	}}
	if of != "" && v.Expected.Account == e.Account {
		b.Merchant, b.Missing = of, v.Missing
	}
	if b.Counts {
		b.Payment = payment.ID(v.Expected.Handle)
	}
	return b
}

// record writes down what was read: for each message and merchant that it was read, and then
// its bookings. Those that were recorded before are left as they are.
func (d Desk) record(ctx context.Context, r *reading) error {
	for i, message := range r.Messages {
		for _, m := range r.merchants(i) {
			var new []checkout.Booking
			var at []int
			for j, b := range r.Bookings {
				if r.of[j] == i && b.Merchant == m && b.Outcome != checkout.OutcomeRepeated {
					new, at = append(new, b.Booking), append(at, j)
				}
			}
			done, err := d.Checkout.RecordBookings(ctx, checkout.Import{Merchant: m, Message: message.ID, Version: string(message.Version), SHA256: r.SHA256}, new)
			for j, b := range done {
				r.Bookings[at[j]].Booking = b
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// merchants are those whose accounts a message tells of.
func (r *reading) merchants(message int) (out []payment.MerchantID) {
	for _, a := range r.accounts[message] {
		out = append(out, r.owner(a))
	}
	for j, b := range r.Bookings {
		if r.of[j] == message {
			out = append(out, b.Merchant)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
