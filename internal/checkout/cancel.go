package checkout

import (
	"context"
	"slices"
	"time"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// announcedFor is how long somebody's word that a transaction was sent keeps a payment from
// being called off by who should pay, and from being deleted: quotes are over by then.
const announcedFor = time.Hour

var (
	errNoPayment   = fault.New(fault.NotFound, "not_found", "There is no such payment.")
	errAlreadyPaid = fault.New(fault.Conflict, "already_paid", "The money for this payment has arrived; it cannot be cancelled.")
	errInProgress  = fault.New(fault.Conflict, CodeInProgress, "Money for this payment has arrived; it cannot be cancelled.")
	errOnItsWay    = fault.New(fault.Conflict, CodeInProgress, "Money for this payment is on its way; it cannot be cancelled.")
	errCanceled    = fault.New(fault.Conflict, CodeCanceled, "This payment was cancelled already.")
	errKept        = fault.New(fault.Forbidden, "not_cancellable", "This payment cannot be cancelled.")
	errOver        = fault.New(fault.Conflict, CodeExpired, "This payment has expired.")
)

// Cancel calls a payment off for the merchant. Cancelling again is a no-op.
//
// Faults: NotFound, also for another merchant's payment and for one that was deleted;
// Conflict if it is paid or enough value is on its way ("already_paid"), and "canceled" if
// the payer was faster; of a payment that is due in a fiat currency also
// "in_progress" if any value has come in time, and "expired" if its time is over.
func (s *Service) Cancel(ctx context.Context, m payment.MerchantID, id payment.ID) error {
	return s.callOff(ctx, id, payment.ByMerchant, func(p *payment.Payment, now time.Time) error {
		if p.Terms.Merchant != m {
			return errNoPayment
		}
		return cancelable(p)
	})
}

// CancelByPayer calls a payment off for who has its link and should pay, if the terms let
// them. Cancelling again is a no-op.
//
// Faults: NotFound, also for one that was deleted; Forbidden "not_cancellable"; Conflict
// "already_paid" if it is paid or enough value is on its way, "in_progress" if any value has
// come in time or somebody has said within the hour that a transaction was sent, "canceled"
// if the merchant was faster, "expired" if its time is over.
func (s *Service) CancelByPayer(ctx context.Context, id payment.ID) error {
	return s.callOff(ctx, id, payment.ByPayer, func(p *payment.Payment, now time.Time) error {
		switch {
		case !p.Terms.PayerCancels:
			return errKept
		case p.Standing.State == payment.Expired:
			return errOver
		case p.Part():
			return errInProgress
		case underWay(p, now):
			return errOnItsWay
		}
		return nil
	})
}

// Delete calls a payment off for the merchant, and from then on nobody is to see it.
//
// Faults: NotFound, also for another merchant's payment and for one that was deleted;
// Conflict "already_paid" if any value has come in time or somebody has said within the
// hour that a transaction was sent, "canceled" if it was called off.
func (s *Service) Delete(ctx context.Context, m payment.MerchantID, id payment.ID) error {
	return s.callOff(ctx, id, payment.ByDeletion, func(p *payment.Payment, now time.Time) error {
		switch {
		case p.Terms.Merchant != m:
			return errNoPayment
		case p.Part() || underWay(p, now):
			return errAlreadyPaid
		}
		return nil
	})
}

// callOff calls a payment off unless it is made. may refuses what is not made and not
// called off, and whoever may not know of the payment.
func (s *Service) callOff(ctx context.Context, id payment.ID, by payment.Canceler, may func(p *payment.Payment, now time.Time) error) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		if p.Terms.CanceledBy == payment.ByDeletion {
			return errNoPayment
		}
		asOfNow := p.AsOf(now)
		refused := may(asOfNow, now)
		if fault.Is(refused, fault.NotFound) {
			return refused
		}
		switch asOfNow.Standing.State {
		case payment.Canceled:
			if p.Terms.CanceledBy == by {
				return nil
			}
			return errCanceled
		case payment.Paid, payment.Seen:
			return errAlreadyPaid
		case payment.Open, payment.Expired, payment.Failed:
			if refused != nil {
				return refused
			}
			_, err := s.change(ctx, tx, p, now, facts{cancel: by})
			return err
		default:
			panic("checkout: unknown state " + asOfNow.Standing.State)
		}
	})
}

// cancelable refuses to call off what is due in a fiat currency and was begun or is over:
// whoever is told of that is told of an end.
func cancelable(p *payment.Payment) error {
	switch {
	case !p.Terms.Fiat():
		return nil
	case p.Part():
		return errInProgress
	case p.Standing.State == payment.Expired:
		return errOver
	}
	return nil
}

// underWay reports whether somebody has said not long ago that a transaction was sent that
// pays, and nothing is known of its end.
func underWay(p *payment.Payment, now time.Time) bool {
	return slices.ContainsFunc(p.Attempts, func(a payment.Attempt) bool {
		return (a.Stage == payment.Announced || a.Stage == payment.Proven) && now.Sub(a.At) < announcedFor
	})
}
