package sepa

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/bank"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Rail asks payers for a bank transfer of what is missing of a payment. It asks nobody
// itself, and it is told of no money: statements are, which Judge reads. It is safe for
// concurrent use.
type Rail struct{}

var (
	_ rail.Rail   = (*Rail)(nil)
	_ rail.Naming = (*Rail)(nil)
	_ rail.Booked = (*Rail)(nil)
)

// NewRail returns the rail.
func NewRail() *Rail { return new(Rail) }

// ID implements rail.Rail.
func (*Rail) ID() rail.ID { return ID }

// Handle names the payment that a reference was given to: creation registers it, and
// whoever has read a reference finds the payment by it.
func Handle(r bank.Reference) payment.Handle {
	return payment.Handle{Rail: string(ID), Value: string(r)}
}

// Name gives a request that a bank transfer can pay its reference, the text with it, and the
// handle. Others are left as they are. That a code can be made of the transfer is found out
// here, and not when somebody wants to pay.
//
// Faults: Invalid as of NewPayee and Draw; "invalid_amount" on the field "amount" if no
// transfer can have the amount.
func (*Rail) Name(_ *payment.Payment, q *payment.Request) error {
	if q.Bank == nil {
		return nil
	}
	if q.Asset != asset.EUR {
		return fmt.Errorf("request %d: a bank transfer of %s", q.Index, q.Asset)
	}
	b := *q.Bank // whoever asks for the payment keeps what is theirs
	reference, text, err := Draw(b.Words)
	if err != nil {
		return err
	}
	b.Reference, b.Text = string(reference), text
	payee, err := NewPayee(b.Holder, b.Account, b.BIC)
	if err != nil {
		return err
	}
	b.Holder, b.Account, b.BIC = payee.Name, string(payee.Account), string(payee.BIC)
	if _, err := ask(b, q.Due); err != nil {
		return fault.Field("amount", "invalid_amount", "A bank transfer cannot have this amount.").Because(err)
	}
	q.Bank = &b
	q.Handles = append(q.Handles, Handle(reference))
	return nil
}

// ask is the transfer of an amount of inner euros, rounded up to a cent.
func ask(b payment.BankTransfer, due *big.Int) (*rail.BankTransfer, error) {
	cents := money.CentsUp(due)
	if !cents.IsInt64() {
		return nil, bank.ErrTransfer
	}
	payee := Payee{Name: b.Holder, Account: bank.IBAN(b.Account), BIC: bank.BIC(b.BIC)}
	code, err := payee.Ask(cents.Int64(), b.Text).Code()
	if err != nil {
		return nil, err
	}
	return &rail.BankTransfer{BankTransfer: b, Cents: cents.Int64(), Code: code}, nil
}

// Books implements rail.Booked.
func (*Rail) Books(p *payment.Payment) bool { return bankable(p) }

// bankable reports whether the one request of a payment was given a bank transfer.
func bankable(p *payment.Payment) bool {
	if len(p.Terms.Requests) != 1 {
		return false
	}
	q := p.Terms.Requests[0]
	return q.Bank != nil && q.Bank.Reference != "" && q.Asset == asset.EUR
}

// owed is the request that a bank transfer can pay, and what is missing of it in inner
// euros: nothing, if that is less than the cent that banks count in. ok is false of payments
// that no bank transfer pays.
func owed(p *payment.Payment) (q payment.Request, missing *big.Int, ok bool) {
	if !bankable(p) || len(p.Standing.Requests) != 1 {
		return q, nil, false
	}
	q = p.Terms.Requests[0]
	missing, _ = p.Outstanding(0)
	if missing.Cmp(money.Cents(1)) < 0 {
		missing.SetInt64(0)
	}
	return q, missing, true
}

// optionID names the way by the country of the account.
func optionID(b *payment.BankTransfer) string {
	return string(ID) + ":" + strings.ToLower(bank.IBAN(b.Account).Country())
}

// Offer returns the one way there is to pay what is missing. It is on no chain, and anybody
// can go it.
func (*Rail) Offer(_ context.Context, p *payment.Payment, _ rail.Payer) ([]rail.Option, error) {
	q, missing, ok := owed(p)
	if !ok || missing.Sign() == 0 || p.Standing.State != payment.Open {
		return nil, nil
	}
	in, err := ask(*q.Bank, missing)
	if err != nil {
		return nil, fmt.Errorf("bank transfer of payment %s: %w", p.ID.Short(), err)
	}
	return []rail.Option{{
		ID: optionID(q.Bank), Rail: ID, Type: rail.Bank, Costs: []rail.Cost{{Asset: asset.EUR, Amount: money.Cents(in.Cents)}},
	}}, nil
}

// Prepare returns a *rail.BankTransfer of what is missing.
//
// Faults: as rail.Rail, without Unavailable.
func (*Rail) Prepare(_ context.Context, p *payment.Payment, option string, _ rail.Payer) (rail.Instruction, error) {
	q, missing, ok := owed(p)
	switch {
	case !ok || option != optionID(q.Bank):
		return nil, fault.New(fault.NotFound, "no_route", "There is no such way to pay this.").At("option")
	case missing.Sign() == 0:
		return nil, fault.New(fault.Conflict, "nothing_missing", "The money for this payment has been sent already.")
	case p.Standing.State != payment.Open:
		return nil, fault.New(fault.Forbidden, "payment_over", "This payment can no longer be paid.")
	}
	in, err := ask(*q.Bank, missing)
	if err != nil {
		return nil, fmt.Errorf("bank transfer of payment %s: %w", p.ID.Short(), err)
	}
	return in, nil
}
