//go:build !nosandbox

package app

import (
	"cmp"
	"context"
	"strings"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web"
	"quittance/web/secpaid"
)

// playedTransfer is a bank transfer that somebody is to have made to the demo's merchant.
type playedTransfer struct {
	LinkID  string `json:"link_id"` // of the link that it pays: its address, its link_id or its digits
	Amount  string `json:"amount"`  // in euros, "" for all that is missing
	Text    string `json:"text"`    // "" for the one that payers of the link are asked for
	Version string `json:"version"` // of the statement that tells of it, "" for the newer one
}

// maxPlayed is the most that a played transfer can be of, in cents: what a SEPA transfer can.
const maxPlayed = 999_999_999_99

// playStatement writes the statement of a day on which such a transfer came. Each is a
// booking of its own: told again, it is another one.
//
// Faults: Invalid with its field; NotFound.
func playStatement(ctx context.Context, a *App, m payment.MerchantID, w playedTransfer) ([]byte, error) {
	now := time.Now().UTC()
	s := sample.Statement{
		Version: camt.Version(cmp.Or(w.Version, string(camt.V08))), ID: payment.NewULID(now), Day: now,
	}
	if s.Version != camt.V02 && s.Version != camt.V08 {
		return nil, fault.Field("version", "invalid_version", "The version is camt.053.001.02 or camt.053.001.08.")
	}
	text, missing := w.Text, int64(0)
	if w.LinkID == "" {
		account, err := a.Store.BankAccount(ctx, m)
		if err != nil {
			return nil, err
		}
		s.Account, s.Owner = bank.IBAN(account.IBAN), account.Holder
	} else {
		p, err := linkNamed(ctx, a, w.LinkID)
		if err != nil {
			return nil, err
		}
		asked := p.Terms.Requests[0].Bank
		if asked == nil {
			return nil, fault.Field("link_id", "no_bank_transfer", "This link cannot be paid by a bank transfer.")
		}
		s.Account, s.Owner, text = bank.IBAN(asked.Account), asked.Holder, cmp.Or(text, asked.Text)
		due, _ := p.Outstanding(0)
		missing = money.CentsUp(due).Int64()
	}
	if w.Amount != "" {
		cents, err := money.Parse(strings.Replace(w.Amount, ",", ".", 1), 2)
		if err != nil || cents.Sign() <= 0 || !cents.IsInt64() || cents.Int64() > maxPlayed {
			return nil, fault.Field("amount", "invalid_amount", "The amount is more than nothing, in euros with at most two decimals.")
		}
		missing = cents.Int64()
	}
	if missing <= 0 {
		return nil, fault.Field("amount", "missing_amount", "Nothing is missing: say how much is to come.")
	}
	if !printedText(text) {
		return nil, fault.Field("text", "invalid_text", "A transfer's text is one line of at most 280 characters.")
	}
	s.Bookings = []sample.Booking{{
		Reference:   "SANDBOX-" + payment.NewULID(now),
		Transaction: sample.Transaction{Cents: missing, Text: text, From: "Sandbox Payer"},
	}}
	return s.XML()
}

// printedText reports whether a statement can have a text: the letters are any that people
// type.
func printedText(s string) bool {
	return len([]rune(s)) <= 2*bank.MaxText && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd || r > 0xfffd })
}

// linkNamed finds a link by its address, its link_id or its digits.
//
// Faults: NotFound.
func linkNamed(ctx context.Context, a *App, name string) (*payment.Payment, error) {
	p, err := typed(ctx, a.Checkout, []web.Dialect{secpaid.Spoken()}, strings.TrimSpace(name))
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "link_not_found", "There is no such payment link.").At("link_id")
	}
	return p, err
}
