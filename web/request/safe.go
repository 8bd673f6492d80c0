package request

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web"
)

// safePayer reads whether a look at a payment is a Safe's, and refuses what goes
// with no Safe.
func (d *dialect) safePayer(c echo.Context, wallet string) (bool, error) {
	if safe, err := web.IsSafe(c); !safe {
		return false, err
	}
	switch {
	case c.QueryParam("eoaWallet") != "":
		return false, badSource("eoaWallet", "safe_with_eoa_wallet", "isSafe and eoaWallet exclude each other: a Safe pays by itself.")
	case strings.EqualFold(c.QueryParam("chain"), "tron"):
		return false, badSource("chain", "tron_unsupported", "Safe multisig payments are not supported on Tron.")
	case tronAddress(wallet):
		return false, badSource("wallet", "tron_unsupported", "wallet is a Tron address, and Safe multisig payments are not supported on Tron.")
	case wallet == "":
		return false, badSource("wallet", "missing_wallet", "wallet is required with isSafe: it is the address of the Safe.")
	case !d.Checkout.TakesSafes():
		return false, fault.Field("isSafe", "safe_unsupported", "Paying from a Safe is not supported here.")
	}
	return true, nil
}

// safeIntent checks what the body of an intent tells of a Safe transaction, by
// itself.
func safeIntent(in intentBody, by sender, now time.Time) (checkout.SafeIntent, error) {
	out := checkout.SafeIntent{Chain: by.chain.ID, Hash: in.SafeTxHash, Safe: by.wallet, Tx: in.SafeTx.text, Vouched: true}
	var err error
	if out.Deadline, err = web.SafeDeadline("safePaymentDeadline", in.SafePaymentDeadline, now); err != nil {
		return out, err
	}
	out.Signatures, err = web.SafeSignatures("safeSignatures", in.SafeSignatures)
	return out, err
}

// propose checks an intent that tells of a Safe transaction, and returns the
// effect that records it. Without a payer it is the checkout that finds the Safe
// and lets it in; what the payment is due in is told only after that.
func (d *dialect) propose(ctx context.Context, p *payment.Payment, in intentBody, by sender, told checkout.SafeIntent) (effect, error) {
	var admitted checkout.Admission
	named := !told.Safe.IsZero()
	if named {
		var err error
		if admitted, err = d.admit(ctx, p, told.Safe); err != nil {
			return nil, err
		}
		if err := d.fits(p, in, by.source); err != nil {
			return nil, err
		}
	}
	a, err := d.Checkout.CheckSafe(ctx, p, told)
	if err != nil {
		return nil, d.otherSafe(ctx, p.ID, admitted, safeField(err, in))
	}
	if !named {
		if err := d.fits(p, in, by.source); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) (reply, error) {
		a, err := d.Checkout.AnnounceSafe(ctx, p.ID, a)
		if err != nil {
			return reply{}, d.otherSafe(ctx, p.ID, admitted, err)
		}
		w := answerTo(p, a, in)
		if in.TxHash != "" {
			w.TxHash = a.Handle
			return reply{status: http.StatusOK, body: w}, nil
		}
		w.SafeTxHash = a.Handle
		if !a.Safe.Deadline.IsZero() {
			w.SafePaymentDeadline = a.Safe.Deadline.Unix()
		}
		return reply{status: http.StatusOK, body: w}, nil
	}, nil
}

// safeField names the members of an intent where the checkout names its own.
func safeField(err error, in intentBody) error {
	f := fault.From(err)
	switch {
	case f.Kind != fault.Invalid:
		return err
	case f.Field == "wallet":
		return f.At("payerAddress")
	case f.Field == "safeTxHash" && in.TxHash != "":
		return f.At("txHash")
	}
	return err
}

// otherSafe says which Safe transaction stands in the way of another one, to who
// may know it; other faults pass.
func (d *dialect) otherSafe(ctx context.Context, id payment.ID, a checkout.Admission, err error) error {
	if fault.CodeOf(err) != checkout.CodeSafePending {
		return err
	}
	f := fault.New(fault.Conflict, checkout.CodeSafePending, "Another Safe transaction is pending for this payment.").At("safeTxHash").Because(err)
	p, lerr := d.Checkout.Payment(ctx, id)
	if lerr != nil || hidden(p, a) {
		return f
	}
	if pending, ok := p.SafeLock(time.Now()); ok {
		f.Public = fmt.Sprintf("Another Safe transaction is pending for this payment: %s.", pending.Handle)
	}
	return f
}

// safeOf finds the Safe transaction that a payment's status tells of: the one its
// payer is waiting for, the one that sent the money which is under way, or the one
// that ended it.
func safeOf(p *payment.Payment, now time.Time) (payment.Attempt, bool) {
	if a, ok := p.Failure(); ok && a.Safe != nil && p.Standing.State == payment.Failed {
		return a, true
	}
	if a, ok := p.SafeLock(now); ok {
		return a, true
	}
	sent := map[string]bool{}
	if a, ok := p.UnderWay(now); ok {
		sent[a.Handle] = true
	}
	for _, x := range p.Transfers {
		if x.Stage != payment.Dropped {
			sent[x.Evidence.Tx], sent[x.Evidence.Source.Tx] = true, true
		}
	}
	delete(sent, "")
	for _, a := range p.Attempts {
		if a.Safe != nil && sent[a.Safe.ExecutedBy] && a.Stage != payment.Abandoned {
			return a, true
		}
	}
	return payment.Attempt{}, false
}

// bySafe is the fault of a payment that a Safe is paying: until what it sends has
// settled there is nothing to show for others to choose.
func (d *dialect) bySafe(p *payment.Payment) error {
	err := d.Checkout.Payable(p)
	if _, ok := safeOf(p, time.Now()); ok && fault.Is(err, fault.Conflict) {
		return err
	}
	return nil
}

// elsewhere says why a Safe or a smart account cannot sign where it would have to: on
// the chain of a source, or on the payment's own. An account may have ways from other
// chains instead.
func (d *dialect) elsewhere(p *payment.Payment, payer rail.Payer, from *source, found checkout.Options) error {
	if !payer.Safe && (payer.Owner.IsZero() || from == nil && len(found.Ways) > 0) {
		return nil
	}
	due, _ := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	at := due.Chain
	if from != nil {
		at = from.chain.ID
	}
	for _, m := range found.Missing {
		if field := barring(m); m.Chain == at && field != "" {
			return fault.Field(field, m.Code, m.Why)
		}
	}
	return nil
}

// barring names the parameter because of which all of a chain is left out: the payer is
// no Safe, or no smart account, that could pay from there. "" if it is not that.
func barring(m rail.Missing) string {
	switch m.Code {
	case "no_contract", "not_a_safe", "safe_version", "safe_unsupported", rail.SafeNotThere, "not_the_account":
		if m.Asset == "" {
			return "wallet"
		}
	case "gasless_unsupported", "gasless_native", "gasless_assets", "gasless_rest":
		return "eoaWallet"
	}
	return ""
}
