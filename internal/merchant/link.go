package merchant

import (
	"context"
	"time"

	"quittance/internal/money"
	"quittance/internal/payment"
)

// LinkSettings are what a merchant has set for payment links.
type LinkSettings struct {
	Merchant  payment.MerchantID
	Callbacks []string // URLs that a link may name by their places, where payers go back to
	Endpoints []string // likewise, where webhooks go
	// Default names the endpoints of links that name none, as links do: "0", "0,https://…".
	Default       string
	ServiceFee    money.BasisPoints // told, and never taken
	TellCancel    bool              // webhooks of links that were cancelled by who should pay, too
	Encrypted     bool              // webhooks of links that do not say otherwise
	EncryptionKey string            // for links that bring none, "" for none; sealed at rest
	// Secret signs the webhooks of links; sealed at rest. PreviousSecret signs beside it until
	// PreviousUntil, "" if none does.
	Secret         string
	PreviousSecret string
	PreviousUntil  time.Time
}

// BankAccount is where bank transfers to a merchant go.
type BankAccount struct {
	Merchant  payment.MerchantID
	IBAN      string // checked, without blanks
	BIC       string // "" where it is not needed
	Holder    string // as the bank knows the account's holder: payers are warned if it differs
	Active    bool   // new links show it; a merchant has one active account at most
	CreatedAt time.Time
}

// Links keeps what merchants have set for links and banks.
type Links interface {
	// LinkSettings are a merchant's; zero but for Merchant and a Secret that is made at the
	// first look, if nothing was set.
	LinkSettings(ctx context.Context, m payment.MerchantID) (LinkSettings, error)
	// SetLinkSettings replaces them.
	SetLinkSettings(ctx context.Context, s LinkSettings) error
	// SetBankAccount makes an account the merchant's active one: a new one, or one that it had
	// before, whose holder and BIC are then set.
	SetBankAccount(ctx context.Context, a BankAccount) error
	// CloseBankAccount makes none active. Fault: NotFound "no_bank_account" if none is.
	CloseBankAccount(ctx context.Context, m payment.MerchantID) error
	// BankAccount is the merchant's active one. Fault: NotFound "no_bank_account".
	BankAccount(ctx context.Context, m payment.MerchantID) (BankAccount, error)
	// BankAccounts are all, of all merchants if m is "".
	BankAccounts(ctx context.Context, m payment.MerchantID) ([]BankAccount, error)
}
