package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"quittance/internal/app"
	"quittance/internal/checkout"
	"quittance/internal/desk"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// errLeft ends a command that did its work and left something to a person.
var errLeft = errors.New("something waits for a decision")

// bankCommand keeps merchants' accounts, and takes what banks tell of them.
func bankCommand(o *options) *cobra.Command {
	return group("bank", "Set bank accounts, import statements, and decide what bookings mean",
		bankAccount(o), bankImport(o), bankBookings(o), bankDecide(o), bankConfirm(o))
}

type accountWire struct {
	Merchant  payment.MerchantID `json:"merchant"`
	Holder    string             `json:"holder"`
	IBAN      string             `json:"iban"`
	BIC       string             `json:"bic,omitempty"`
	Active    bool               `json:"active"`
	CreatedAt time.Time          `json:"createdAt"`
}

func accountOf(a merchant.BankAccount) accountWire {
	return accountWire{a.Merchant, a.Holder, a.IBAN, a.BIC, a.Active, a.CreatedAt}
}

func (w accountWire) tell(out io.Writer) {
	_, _ = fmt.Fprintf(out, "%s  active=%-5v %s  %s  %s\n", w.Merchant, w.Active, w.IBAN, orNone(w.BIC), w.Holder)
}

func bankAccount(o *options) *cobra.Command {
	var owner, holder, iban, bic string
	set := &cobra.Command{
		Use: "set", Short: "Set the account that a merchant's new links show", Args: cobra.NoArgs,
		Long: "Set the account that a merchant's new links show. The holder is to be written as the bank has it: banks compare it before\n" +
			"they send anything, and warn payers if it differs. Links that were made before show the account of then.",
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				set, err := a.SetBankAccount(c.Context(), payment.MerchantID(owner), holder, iban, bic)
				if err != nil {
					return err
				}
				w := accountOf(set)
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	set.Flags().StringVar(&holder, "holder", "", "the account's holder, as the bank knows them")
	set.Flags().StringVar(&iban, "iban", "", "the account's number")
	set.Flags().StringVar(&bic, "bic", "", "the bank's code; needed outside of the EEA only")
	for _, name := range []string{"holder", "iban"} {
		_ = set.MarkFlagRequired(name)
	}
	merchantFlag(set, &owner)
	list := &cobra.Command{
		Use: "list", Short: "List accounts, those that were set before included", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.BankAccounts(c.Context(), payment.MerchantID(owner))
				if err != nil {
					return err
				}
				for _, x := range all {
					w := accountOf(x)
					if err := o.print(c.OutOrStdout(), w, w.tell); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	list.Flags().StringVar(&owner, "merchant", "", "only this merchant's")
	shut := &cobra.Command{
		Use: "close", Short: "Offer bank transfers on no new links; statements of the account can still be imported", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.admin(c, func(a *app.Admin) error {
				return a.Store.CloseBankAccount(c.Context(), payment.MerchantID(owner))
			})
		},
	}
	merchantFlag(shut, &owner)
	return group("account", "Set, list and close the accounts that bank transfers go to", set, list, shut)
}

type bookingWire struct {
	Key       string             `json:"key"`
	Merchant  payment.MerchantID `json:"merchant"`
	Account   string             `json:"account"`
	Booked    string             `json:"booked"` // the day
	Amount    string             `json:"amount"` // euros
	Outcome   string             `json:"outcome"`
	Says      string             `json:"says"`
	Counts    bool               `json:"counts"`
	Reference string             `json:"reference,omitempty"`
	Payment   payment.ID         `json:"payment,omitempty"`
	Missing   string             `json:"missing,omitempty"` // euros, before it
	Place     string             `json:"place,omitempty"`
	Text      string             `json:"text,omitempty"`
	Debtor    string             `json:"debtor,omitempty"`
	DecidedAt *time.Time         `json:"decidedAt,omitempty"`
}

func bookingOf(b checkout.Booking) bookingWire {
	w := bookingWire{
		Key: b.Key, Merchant: b.Merchant, Account: b.Account, Booked: b.Booked.Format(time.DateOnly), Amount: euros(b.Cents), Outcome: b.Outcome,
		Says: desk.Says(b.Outcome), Counts: b.Counts, Reference: b.Reference, Payment: b.Payment, Place: b.Place, Text: b.Text, Debtor: b.Debtor,
	}
	if !b.DecidedAt.IsZero() {
		w.DecidedAt = &b.DecidedAt
	}
	return w
}

// euros writes cents as whoever types an amount writes them.
func euros(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// printable replaces what terminals obey: a file from outside has written it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func (w bookingWire) tell(out io.Writer) {
	_, _ = fmt.Fprintf(out, "%s  %12s EUR  %-17s  %s\n", w.Booked, w.Amount, w.Outcome, printable(w.Says))
	if w.Place != "" {
		_, _ = fmt.Fprintf(out, "    %s\n", printable(w.Place))
	}
	if w.Payment != "" {
		_, _ = fmt.Fprintf(out, "    payment %s", w.Payment)
		if w.Missing != "" {
			_, _ = fmt.Fprintf(out, ", of which %s EUR were missing", w.Missing)
		}
		_, _ = fmt.Fprintln(out)
	}
	if w.Text != "" || w.Debtor != "" {
		_, _ = fmt.Fprintf(out, "    %q from %q\n", w.Text, w.Debtor)
	}
}

// tellOpen is tell, and how to decide on what waits for it.
func (w bookingWire) tellOpen(out io.Writer) {
	w.tell(out)
	if !w.Counts && w.DecidedAt == nil && w.Outcome != checkout.OutcomeRepeated {
		_, _ = fmt.Fprintf(out, "    quittance bank decide %s --merchant %s (--payment PAYMENT | --aside)\n", w.Key, w.Merchant)
	}
}

type importWire struct {
	SHA256   string           `json:"sha256"`
	DryRun   bool             `json:"dryRun"`
	Messages []messageWire    `json:"messages"`
	Bookings []bookingWire    `json:"bookings"`
	Skipped  []passedOverWire `json:"skipped"`
	Passed   []string         `json:"passed"` // files of an archive that are no statements
	Totals   map[string]int   `json:"totals"` // bookings by outcome
	Left     int              `json:"left"`   // how many wait for a person
}

type messageWire struct {
	Name       string `json:"name,omitempty"`
	Version    string `json:"version"`
	ID         string `json:"id"`
	Statements int    `json:"statements"`
	Debits     int    `json:"debits"`
}

type passedOverWire struct {
	Place  string `json:"place"`
	Why    string `json:"why"`
	Amount string `json:"amount"` // as the bank wrote it
}

func importOf(s desk.Statement) importWire {
	w := importWire{
		SHA256: s.SHA256, DryRun: s.Dry, Messages: []messageWire{}, Bookings: []bookingWire{}, Skipped: []passedOverWire{},
		Passed: append([]string{}, s.Passed...), Totals: map[string]int{}, Left: s.Left(),
	}
	for _, m := range s.Messages {
		w.Messages = append(w.Messages, messageWire{m.Name, string(m.Version), m.ID, m.Statements, m.Debits})
	}
	for _, b := range s.Bookings {
		x := bookingOf(b.Booking)
		if b.Missing > 0 {
			x.Missing = euros(b.Missing)
		}
		w.Bookings = append(w.Bookings, x)
		w.Totals[b.Outcome]++
	}
	for _, x := range s.Skipped {
		w.Skipped = append(w.Skipped, passedOverWire{x.Place, string(x.Why), x.Amount})
	}
	return w
}

// tellImport writes what a statement meant, for people: a line a booking, what was passed
// over, and how many came to what.
func tellImport(out io.Writer, s desk.Statement) {
	w := importOf(s)
	for _, m := range w.Messages {
		name := ""
		if m.Name != "" {
			name = printable(m.Name) + ": "
		}
		_, _ = fmt.Fprintf(out, "%s%s %s, %s\n", name, m.Version, printable(m.ID), counted(m.Statements, "statement"))
	}
	for _, b := range w.Bookings {
		if w.DryRun {
			b.tell(out)
		} else {
			b.tellOpen(out)
		}
	}
	for _, x := range w.Skipped {
		_, _ = fmt.Fprintf(out, "passed over  %s  %s  %s\n", printable(x.Amount), x.Why, printable(x.Place))
	}
	for _, name := range w.Passed {
		_, _ = fmt.Fprintf(out, "no statement  %s\n", printable(name))
	}
	if w.DryRun {
		_, _ = fmt.Fprintln(out, "Nothing was recorded: this was a dry run.")
	}
	for _, outcome := range desk.Outcomes() {
		if n, cents := s.Count(outcome); n > 0 {
			_, _ = fmt.Fprintf(out, "%5d  %12s EUR  %s\n", n, euros(cents), outcome)
		}
	}
	if len(w.Skipped) > 0 {
		_, _ = fmt.Fprintf(out, "%5d  passed over\n", len(w.Skipped))
	}
	if w.Left > 0 {
		_, _ = fmt.Fprintf(out, "For you to decide: %s.\n", counted(w.Left, "booking"))
	}
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func bankImport(o *options) *cobra.Command {
	var owner string
	var dry bool
	read := &cobra.Command{
		Use: "import FILE", Short: "Read a bank statement (camt.053, or a ZIP file of some); - for standard input", Args: cobra.ExactArgs(1),
		Long: "Read a bank statement in camt.053, version 001.02 or 001.08, or a ZIP file of some, and record what came for which link.\n" +
			"What was read before changes nothing: importing a file again, or one that overlaps, is always right.\n\n" +
			"Exit status: 0 if nothing is left to decide, 3 if bookings wait for a person (quittance bank bookings --open),\n" +
			"1 if the file was refused: then nothing was recorded.",
		RunE: func(c *cobra.Command, args []string) error {
			in := c.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("the statement: %w", err)
				}
				defer func() { _ = f.Close() }() // it was only read
				in = f
			}
			return o.admin(c, func(a *app.Admin) error {
				s, err := a.ImportStatement(c.Context(), payment.MerchantID(owner), in, dry)
				if len(s.Messages) > 0 {
					err = errors.Join(err, o.print(c.OutOrStdout(), importOf(s), func(out io.Writer) { tellImport(out, s) }))
				}
				if f, is := errors.AsType[*fault.Error](err); is && f.Field == "file" {
					return fmt.Errorf("nothing was recorded: %s", f.Public)
				}
				if err == nil && s.Left() > 0 {
					err = errLeft
				}
				return err
			})
		},
	}
	read.Flags().StringVar(&owner, "merchant", "", "whose statement it is; without it the account says so")
	read.Flags().BoolVar(&dry, "dry-run", false, "say what it means and record nothing")
	return read
}

func bankBookings(o *options) *cobra.Command {
	q := checkout.BookingQuery{}
	var owner string
	list := &cobra.Command{
		Use: "bookings", Short: "List bookings of statements, newest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			q.Merchant = payment.MerchantID(owner)
			return o.admin(c, func(a *app.Admin) error {
				all, err := a.Store.Bookings(c.Context(), q)
				if err != nil {
					return err
				}
				for _, b := range all {
					w := bookingOf(b)
					if err := o.print(c.OutOrStdout(), w, w.tellOpen); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	list.Flags().StringVar(&owner, "merchant", "", "only this merchant's")
	list.Flags().BoolVar(&q.Open, "open", false, "only those that wait for a decision")
	list.Flags().IntVar(&q.Limit, "limit", 50, "how many")
	list.Flags().StringVar(&q.Before, "before", "", "those behind the booking with this key, to go on with a list")
	return list
}

func bankDecide(o *options) *cobra.Command {
	var owner, of string
	var aside bool
	decide := &cobra.Command{
		Use: "decide KEY", Short: "Say which payment a booking is for, or that it is for none; that is said once", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !aside && of == "" {
				return errors.New("--payment is empty: use --aside for a booking that is for none")
			}
			return o.admin(c, func(a *app.Admin) error {
				b, err := a.DecideBooking(c.Context(), payment.MerchantID(owner), args[0], of)
				if err != nil {
					return err
				}
				w := bookingOf(b)
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	merchantFlag(decide, &owner)
	decide.Flags().StringVar(&of, "payment", "", "the payment's token, or its link or number")
	decide.Flags().BoolVar(&aside, "aside", false, "it is for no payment")
	decide.MarkFlagsMutuallyExclusive("payment", "aside")
	decide.MarkFlagsOneRequired("payment", "aside")
	return decide
}

func bankConfirm(o *options) *cobra.Command {
	var owner, amount string
	confirm := &cobra.Command{
		Use: "confirm PAYMENT", Short: "Say yourself that a bank transfer came for a payment, named by its token, link or number", Args: cobra.ExactArgs(1),
		Long: "Say yourself that a bank transfer came for a payment. A statement that tells of it later is left to you to decide: the same\n" +
			"money is not counted twice unless you say so.",
		RunE: func(c *cobra.Command, args []string) error {
			return o.admin(c, func(a *app.Admin) error {
				b, err := a.ConfirmTransfer(c.Context(), payment.MerchantID(owner), args[0], amount)
				if err != nil {
					return err
				}
				w := bookingOf(b)
				return o.print(c.OutOrStdout(), w, w.tell)
			})
		},
	}
	merchantFlag(confirm, &owner)
	confirm.Flags().StringVar(&amount, "amount", "", "how much came, in euros like 49.99")
	_ = confirm.MarkFlagRequired("amount")
	return confirm
}
