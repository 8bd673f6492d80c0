package checkout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Outcomes of bookings that are made here. All others come with a booking: they are
// rail/sepa's words, and mean nothing here but for OutcomeTakenBack.
const (
	OutcomeRepeated  = "repeated"         // it was recorded before, and nothing has changed
	OutcomeConfirmed = "confirmed"        // the merchant has said that money came: no statement did
	OutcomeBefore    = "confirmed_before" // it may be the money that the merchant has confirmed: a person decides
	OutcomeGiven     = "given"            // a person has said which payment it is for
	OutcomeAside     = "aside"            // a person has said that it is for none
	OutcomeTakenBack = "taken_back"       // the bank took a credit back: it is no money that came
)

// confirmed begins the keys of what merchants have confirmed.
const confirmed = "confirmed:"

// RecordBookings records what a statement says. Each booking that counts is a transfer of its
// payment, in a transaction of its own and once, however often and in whatever pieces it is
// told: after a crash the same statement is booked again. The others are kept for a person
// to decide on. One that may be the money which the merchant has confirmed before counts for
// nobody until then. It returns what each became, in order; with an error those before it.
//
// Money that is booked after its payment was called off is late, whatever day the bank
// tells: a day says nothing of what came first.
//
// Faults: Invalid on "booking" for one that is not of the import's merchant, or counts for
// a payment without a bank transfer.
func (s *Service) RecordBookings(ctx context.Context, imp Import, bs []Booking) ([]Booking, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if imp.ID == "" {
		imp.ID = payment.NewULID(now)
	}
	imp.At = now
	if err := s.store.Write(ctx, func(tx Tx) error { return tx.PutImport(ctx, imp) }); err != nil {
		return nil, fmt.Errorf("record an import: %w", err)
	}
	done := make([]Booking, 0, len(bs))
	for _, b := range bs {
		b.Import, b.Merchant, b.At, b.DecidedAt = imp.ID, imp.Merchant, now, time.Time{}
		if b.Key == "" || b.Cents <= 0 || strings.HasPrefix(b.Key, confirmed) {
			return done, fault.Field("booking", "invalid_booking", "A booking needs a name and an amount.")
		}
		var became Booking
		err := s.store.Write(ctx, func(tx Tx) (err error) {
			became, err = s.recordBooking(ctx, tx, b)
			return err
		})
		if err != nil {
			return done, fmt.Errorf("record the booking of %s: %w", b.Place, err)
		}
		done = append(done, became)
	}
	return done, nil
}

// recordBooking records one booking, unless it was recorded before.
func (s *Service) recordBooking(ctx context.Context, tx Tx, b Booking) (Booking, error) {
	if !b.Counts {
		return put(ctx, tx, b)
	}
	p, by, err := s.bankPayment(ctx, tx, b.Merchant, b.Payment)
	if err != nil {
		return b, err
	}
	if mayBeConfirmed(p, b, s.now()) {
		b.Counts, b.Outcome = false, OutcomeBefore
		return put(ctx, tx, b)
	}
	if b, err = put(ctx, tx, b); err != nil || !b.Counts {
		return b, err
	}
	return b, s.came(ctx, tx, p, by, b, b.Booked)
}

// put inserts a booking. One that is there already counts no second time.
func put(ctx context.Context, tx Tx, b Booking) (Booking, error) {
	if b.Counts {
		b.Text, b.Debtor = "", ""
	}
	inserted, err := tx.PutBooking(ctx, b)
	if err == nil && !inserted {
		b.Counts, b.Outcome = false, OutcomeRepeated
	}
	return b, err
}

// bankPayment loads a merchant's payment that a bank transfer may pay, and the rail that
// bookings for it are of.
//
// Faults: NotFound, also for another merchant's; Invalid on "booking" if no bank can.
func (s *Service) bankPayment(ctx context.Context, tx Tx, m payment.MerchantID, id payment.ID) (*payment.Payment, rail.ID, error) {
	p, err := tx.Payment(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if p.Terms.Merchant != m {
		return nil, "", errNoPayment
	}
	for _, r := range s.rails {
		if b, ok := r.(rail.Booked); ok && b.Books(p) {
			return p, b.ID(), nil
		}
	}
	return nil, "", fault.Field("booking", CodeNoBank, "This payment cannot be made by a bank transfer.")
}

// mayBeConfirmed reports whether a booking may tell of money that the merchant has
// confirmed: it is of an amount that was confirmed, or more than is missing beside.
func mayBeConfirmed(p *payment.Payment, b Booking, now time.Time) bool {
	amount, was := money.Cents(b.Cents), false
	for _, x := range p.Transfers {
		if isConfirmed(x) {
			if was = true; x.Amount.Cmp(amount) == 0 {
				return true
			}
		}
	}
	missing := p.StandingAt(now).Requests[0].Missing(p.Terms.Requests[0].Due)
	return was && b.Cents > money.CentsUp(missing).Int64()
}

// bookedKey is the key of the transfer that a rail's booking is.
func bookedKey(by, booking string) string { return by + ":" + booking }

// isConfirmed reports whether a transfer is the merchant's word, and no statement's.
func isConfirmed(x payment.Transfer) bool {
	return strings.HasPrefix(x.Key, bookedKey(x.Rail, confirmed))
}

// came records a booking as a rail's transfer of its payment: a bank brings the very
// currency that is due.
func (s *Service) came(ctx context.Context, tx Tx, p *payment.Payment, by rail.ID, b Booking, at time.Time) error {
	now := s.now().UTC().Truncate(time.Microsecond)
	amount, r := money.Cents(b.Cents), p.Terms.Requests[0]
	_, err := s.change(ctx, tx, p, now, facts{transfers: []payment.Transfer{{
		Key: bookedKey(string(by), b.Key), Request: r.Index, Rail: string(by), Asset: r.Asset, Amount: amount, Credit: amount, Stage: payment.Final, At: bookedAt(p.Terms, at, now),
	}}})
	return err
}

// bookedAt is when money counts as paid whose day a bank has told. It cannot have come
// before it was asked for, nor after it is told of; and after the payment was called off it
// is late.
func bookedAt(t payment.Terms, day, now time.Time) time.Time {
	at := day.UTC()
	if at.After(now) {
		at = now
	}
	if at.Before(t.CreatedAt) {
		at = t.CreatedAt
	}
	if over := t.Deadline(); !t.CanceledAt.IsZero() && !at.After(over) {
		at = over.Add(time.Microsecond)
	}
	return at
}

// Why a merchant's word about a bank transfer is not taken.
const (
	CodeNoBank          = "no_bank"           // the payment cannot be made by one
	CodeMoreThanMissing = "more_than_missing" // the amount is more than is missing
)

// Confirm records the merchant's word that cents came by bank transfer, at a time that is
// theirs to say; zero is now. Said again it counts again: more than is missing never does.
//
// Faults: NotFound, also for another merchant's payment and for one that was deleted;
// Invalid on "payment" "no_bank", on "amount" "invalid_amount", "more_than_missing";
// Conflict "already_paid" if nothing is missing, "canceled", "expired".
func (s *Service) Confirm(ctx context.Context, m payment.MerchantID, id payment.ID, cents int64, at time.Time) (b Booking, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if at.IsZero() {
		at = now
	}
	at = at.UTC().Truncate(time.Microsecond)
	err = s.store.Write(ctx, func(tx Tx) error {
		p, by, err := s.bankPayment(ctx, tx, m, id)
		if err != nil {
			if f := fault.From(err); f.Code == CodeNoBank {
				return f.At("payment")
			}
			return err
		}
		if err := confirmable(p, cents, now); err != nil {
			return err
		}
		n := 1
		for _, x := range p.Transfers {
			if isConfirmed(x) {
				n++
			}
		}
		bank := p.Terms.Requests[0].Bank
		b = Booking{
			Key: fmt.Sprintf("%s%s:%d", confirmed, id, n), Merchant: m, Account: bank.Account, Cents: cents, Booked: at.Truncate(24 * time.Hour),
			Outcome: OutcomeConfirmed, Counts: true, Reference: bank.Reference, Payment: id, At: now,
		}
		switch inserted, err := tx.PutBooking(ctx, b); {
		case err != nil:
			return err
		case !inserted: // its row without its transfer: nothing leaves that behind
			return fmt.Errorf("booking %d that %s confirms is there and counts for nothing", n, id.Short())
		}
		return s.came(ctx, tx, p, by, b, at)
	})
	return b, err
}

// confirmable refuses what a merchant cannot say of a payment.
func confirmable(p *payment.Payment, cents int64, now time.Time) error {
	standing := p.StandingAt(now)
	missing := money.CentsUp(standing.Requests[0].Missing(p.Terms.Requests[0].Due)).Int64()
	switch {
	case p.Terms.CanceledBy == payment.ByDeletion:
		return errNoPayment
	case standing.State == payment.Canceled:
		return errCanceled
	case standing.State == payment.Expired:
		return errOver
	case missing == 0:
		return fault.New(fault.Conflict, "already_paid", "All the money for this payment has arrived already: nothing is missing.")
	case cents <= 0:
		return fault.Field("amount", "invalid_amount", "amount must be greater than zero.")
	case cents > missing:
		return fault.Field("amount", CodeMoreThanMissing, "This is more than is missing of the payment.")
	}
	return nil
}

// Decide says what becomes of a booking that waits for it: it counts for a payment of its
// merchant, or is set aside if of is "".
//
// Faults: NotFound, also for another merchant's booking or payment; Conflict
// "booking_decided" for one that counts, or that somebody has decided on; Invalid on
// "booking" "no_bank" for a payment that no bank transfer can pay, "not_a_credit" for money
// that the bank took back.
func (s *Service) Decide(ctx context.Context, m payment.MerchantID, key string, of payment.ID) (Booking, error) {
	b, err := s.store.Booking(ctx, key)
	if err != nil {
		return Booking{}, err
	}
	now := s.now().UTC().Truncate(time.Microsecond)
	switch {
	case b.Merchant != m:
		return Booking{}, fault.New(fault.NotFound, "booking_not_found", "There is no such booking.")
	case b.Counts || !b.DecidedAt.IsZero():
		return b, errDecided
	case of != "" && b.Outcome == OutcomeTakenBack:
		return b, fault.Field("booking", "not_a_credit", "This is money that the bank took back: nobody has paid it.")
	}
	b.Outcome, b.Payment, b.DecidedAt = OutcomeAside, of, now
	if of != "" {
		b.Outcome, b.Counts, b.Text, b.Debtor = OutcomeGiven, true, "", ""
	}
	err = s.store.Write(ctx, func(tx Tx) error {
		if of == "" {
			return tx.DecideBooking(ctx, key, of, b.Outcome, now)
		}
		p, by, err := s.bankPayment(ctx, tx, m, of)
		if err != nil {
			return err
		}
		if err := tx.DecideBooking(ctx, key, of, b.Outcome, now); err != nil {
			return err
		}
		return s.came(ctx, tx, p, by, b, b.Booked)
	})
	if errors.Is(err, ErrStale) {
		err = errDecided.Because(err)
	}
	return b, err
}

var errDecided = fault.New(fault.Conflict, "booking_decided", "What becomes of this booking was decided before.")

// Booking is Store.Booking.
func (s *Service) Booking(ctx context.Context, key string) (Booking, error) {
	return s.store.Booking(ctx, key)
}

// Bookings is Store.Bookings.
func (s *Service) Bookings(ctx context.Context, q BookingQuery) ([]Booking, error) {
	return s.store.Bookings(ctx, q)
}

// Income is Store.Income.
func (s *Service) Income(ctx context.Context, q IncomeQuery) (found []Income, total int, err error) {
	return s.store.Income(ctx, q)
}

// Secret is Store.Secret.
func (s *Service) Secret(ctx context.Context, id payment.ID) (string, error) {
	return s.store.Secret(ctx, id)
}
