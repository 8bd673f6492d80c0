package app

import (
	"context"
	"io"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/desk"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// ImportStatement is desk.Desk's Import.
func (a *App) ImportStatement(ctx context.Context, m payment.MerchantID, in io.Reader, dry bool) (desk.Statement, error) {
	return desk.Desk{Store: a.Store, Checkout: a.Checkout}.Import(ctx, m, in, dry)
}

// ImportStatement is desk.Desk's Import.
func (a *Admin) ImportStatement(ctx context.Context, m payment.MerchantID, in io.Reader, dry bool) (desk.Statement, error) {
	return desk.Desk{Store: a.Store, Checkout: a.Checkout}.Import(ctx, m, in, dry)
}

// SetBankAccount is desk.Desk's SetAccount.
func (a *Admin) SetBankAccount(ctx context.Context, m payment.MerchantID, holder, iban, bic string) (merchant.BankAccount, error) {
	return desk.Desk{Store: a.Store, Checkout: a.Checkout}.SetAccount(ctx, m, holder, iban, bic)
}

// ConfirmTransfer records the merchant's word that euros, "49.99", came for a payment by bank
// transfer. The payment is named as for Payment.
//
// Faults: those of checkout.Confirm.
func (a *Admin) ConfirmTransfer(ctx context.Context, m payment.MerchantID, name, euros string) (checkout.Booking, error) {
	p, err := a.Payment(ctx, name)
	if err != nil {
		return checkout.Booking{}, err
	}
	cents, err := money.Parse(euros, 2)
	if err != nil || !cents.IsInt64() {
		return checkout.Booking{}, fault.Field("amount", "invalid_amount", "The amount is in euros, like 49.99.").Because(err)
	}
	return a.Checkout.Confirm(ctx, m, p.ID, cents.Int64(), time.Time{})
}

// DecideBooking says of a booking that it is for a payment, named as for Payment, or for none
// if name is "".
//
// Faults: those of checkout.Decide and of Payment.
func (a *Admin) DecideBooking(ctx context.Context, m payment.MerchantID, key, name string) (checkout.Booking, error) {
	var of payment.ID
	if name != "" {
		p, err := a.Payment(ctx, name)
		if err != nil {
			return checkout.Booking{}, err
		}
		of = p.ID
	}
	return a.Checkout.Decide(ctx, m, key, of)
}
