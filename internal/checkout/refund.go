package checkout

import (
	"context"
	"math/big"
	"strconv"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// Refund is value that went back for a request of a payment.
type Refund struct {
	Payment payment.ID
	Request int           // index of the request
	Tx      string        // 0x and 64 hex digits
	To      asset.Address // who got it
	Amount  *big.Int      // base units of the request's asset
}

// Refunded records that value was given back, and has the merchant told. It is
// the word of whoever says so: the merchant's own, unless a rail has seen the
// transaction. A refund does not change where a payment stands. The same
// transaction counts once for each request; recorded is false if it did before.
//
// Faults: NotFound, also for another merchant's payment; Invalid on "request",
// "tx", "to" and "amount": nobody gives back what has not arrived, nor more, and
// nobody to himself; Conflict "refund_differs" if the transaction was recorded
// with another receiver or amount.
func (s *Service) Refunded(ctx context.Context, m payment.MerchantID, r Refund) (recorded bool, err error) {
	r.Tx = strings.ToLower(r.Tx)
	err = s.store.Write(ctx, func(tx Tx) (err error) {
		recorded, err = s.refund(ctx, tx, m, r)
		return err
	})
	return recorded && err == nil, err
}

func (s *Service) refund(ctx context.Context, tx Tx, m payment.MerchantID, r Refund) (recorded bool, err error) {
	p, err := tx.Payment(ctx, r.Payment)
	if err != nil {
		return false, err
	}
	if p.Terms.Merchant != m {
		return false, fault.New(fault.NotFound, "not_found", "There is no such payment.")
	}
	if err := r.sensible(p); err != nil {
		return false, err
	}
	known, err := tx.Events(ctx, r.Payment)
	if err != nil {
		return false, err
	}
	id := payment.NamedULID(string(r.Payment), "refunded", strconv.Itoa(r.Request), r.Tx)
	back := new(big.Int) // what went back, less what has arrived
	for _, e := range known {
		if e.Kind != payment.EventRefunded || e.Request != r.Request || e.Fields[payment.FieldReason] == ReasonBridgeRefunded {
			continue // what a bridge gave back never arrived
		}
		if e.ID == id {
			return false, r.same(e)
		}
		if earlier, ok := new(big.Int).SetString(e.Fields[payment.FieldAmount], 10); ok {
			back.Add(back, earlier)
		}
	}
	for _, x := range p.Transfers {
		if x.Request == r.Request && x.Stage == payment.Final {
			back.Sub(back, x.Credit)
		}
	}
	if back.Add(back, r.Amount).Sign() > 0 {
		return false, fault.Field("amount", "refund_too_large", "With earlier refunds this is more than has arrived for the request.")
	}
	_, err = s.change(ctx, tx, p, s.now().UTC(), facts{events: []payment.Event{{
		ID: id, Kind: payment.EventRefunded, Request: r.Request, Detail: r.Tx, Fields: map[string]string{
			payment.FieldWallet: r.To.String(), payment.FieldAmount: r.Amount.String(), payment.FieldTx: r.Tx,
		},
	}}})
	return err == nil, err
}

// sensible refuses what cannot be a refund of the payment.
func (r Refund) sensible(p *payment.Payment) error {
	if r.Request < 0 || r.Request >= len(p.Terms.Requests) {
		return fault.Field("request", "unknown_request", "The payment has no such request.")
	}
	if !isHash(r.Tx) {
		return fault.Field("tx", "invalid_tx_hash", "tx must be 0x and 64 hexadecimal digits.")
	}
	for _, x := range p.Transfers {
		if strings.ToLower(x.Evidence.Tx) == r.Tx {
			return fault.Field("tx", "refund_is_payment", "This transaction is the payment, not its refund.")
		}
	}
	switch {
	case r.To.IsZero():
		return fault.Field("to", "invalid_receiver", "to must be the account that got the money.")
	case r.To == p.Terms.Requests[r.Request].Payee:
		return fault.Field("to", "refund_to_payee", "to is the account that was paid.")
	case r.Amount == nil || r.Amount.Sign() <= 0:
		return fault.Field("amount", "invalid_amount", "amount must be greater than zero.")
	}
	return nil
}

// same reports a Conflict unless an event tells of this very refund.
func (r Refund) same(e payment.Event) error {
	if e.Fields[payment.FieldWallet] == r.To.String() && e.Fields[payment.FieldAmount] == r.Amount.String() {
		return nil
	}
	return fault.New(fault.Conflict, "refund_differs", "This transaction was recorded as a refund of another amount or to another account.").At("tx")
}
