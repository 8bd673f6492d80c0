package checkout

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// Role is the side of a payment a wallet stands on.
type Role string

// The roles of screened wallets.
const (
	PayerRole Role = "payer"
	PayeeRole Role = "payee"
)

// Verdict is what became of looking at one wallet.
type Verdict string

// The verdicts. Error means that nobody could tell, and nobody gets in by it.
const (
	Approved Verdict = "approved"
	Rejected Verdict = "rejected"
	Unknown  Verdict = "error"
)

// Screening is what a provider said of one wallet, for one payment.
type Screening struct {
	Role      Role
	Wallet    asset.Address
	Verdict   Verdict
	Reason    string // stable code, "" if approved
	Provider  string
	Reference string // the provider's own id of its answer
	Report    string // URL of the provider's report, "" if none
	Raw       string // the provider's own word for the outcome
	At        time.Time
}

// Screener asks whether wallets may be dealt with.
type Screener interface {
	// Screen asks about one account on one chain. provider is the name a merchant
	// chose, "" for the default. An answer that could not be had is a Screening
	// with Verdict Unknown and not an error; errors are for names nobody knows.
	//
	// Faults: Invalid "unknown_provider".
	Screen(ctx context.Context, provider string, chain asset.ChainID, wallet asset.Address) (Screening, error)
	// Known reports whether there is a provider of that name; "" asks for a default.
	Known(provider string) bool
	// Listed returns the refusal of an account that a local list names now. It asks
	// nobody and is quick, so it is asked also where an older answer would do.
	Listed(wallet asset.Address) (Screening, bool)
}

// The reasons of an Admission.
const (
	ReasonWalletRequired = "wallet_required"       // nobody said which wallet wants in
	ReasonNotAllowed     = "wallet_not_allowed"    // it is not on the payment's list
	ReasonScreening      = "screening_rejected"    // the provider refused the payer
	ReasonPayee          = "payee_rejected"        // the provider refused the payee: nobody may pay
	ReasonUnavailable    = "screening_unavailable" // the provider could not tell
)

// ComplianceFailed is the reason of a payment that failed because its payee was
// refused.
const ComplianceFailed = "compliance_failed"

// Admission is whether a wallet may see and pay a payment.
type Admission struct {
	// Verdict is Approved, Rejected or Unknown; "" while no wallet is known and
	// the payment does not let everyone in.
	Verdict  Verdict
	Reason   string // one of the reasons, "" if approved
	Provider string // "" if nobody was asked
	Wallets  []Screening
}

// Admitted reports whether the wallet was let in.
func (a Admission) Admitted() bool { return a.Verdict == Approved }

// Refusal is why the wallet was not let in, nil if it was.
//
// Faults: Forbidden "wallet_required", "wallet_not_allowed", "screening_rejected"
// or "compliance_failed"; Unavailable "screening_unavailable".
func (a Admission) Refusal() error {
	switch {
	case a.Admitted():
		return nil
	case a.Verdict == "":
		return fault.New(fault.Forbidden, ReasonWalletRequired, "This payment is restricted: say which wallet will pay.").At("wallet")
	case a.Verdict == Unknown:
		return fault.New(fault.Unavailable, ReasonUnavailable, "Whether this wallet may pay could not be checked. Please try again.")
	case a.Reason == ReasonPayee:
		return fault.New(fault.Forbidden, ComplianceFailed, "This payment was stopped by a compliance check.")
	case a.Reason == ReasonScreening:
		return fault.New(fault.Forbidden, ReasonScreening, "This wallet was refused by a compliance check.").At("wallet")
	default:
		return fault.New(fault.Forbidden, ReasonNotAllowed, "This wallet may not make this payment.").At("wallet")
	}
}

// Screens reports whether payments can be screened by the provider of that
// name; "" asks for the server's default.
func (s *Service) Screens(provider string) bool {
	return s.screener != nil && s.screener.Known(provider)
}

// Admit tells whether a wallet may see and pay a payment, by one rule for every
// edge: first the list of accounts, which binds payers of links and not of
// payouts, then the screening of the payer and of all payees. The wallet is the
// caller's word; what arrives on the chain counts whoever sent it. Nobody is let
// in where nobody could tell.
//
// A refused payer is told to the merchant and leaves the link usable, for
// anybody could name a refused wallet; a refused payee fails the payment, and p
// is loaded anew.
//
// Faults: Limited after too many different wallets.
func (s *Service) Admit(ctx context.Context, p *payment.Payment, wallet asset.Address) (Admission, error) {
	access, listed := p.Terms.Access, p.Terms.Flow != payment.PayOut
	switch {
	case !access.Screen && (!listed || len(access.Allowed) == 0):
		return Admission{Verdict: Approved}, nil
	case wallet.IsZero():
		return Admission{Reason: ReasonWalletRequired}, nil
	case listed && !access.Allows(wallet):
		a := Admission{Verdict: Rejected, Reason: ReasonNotAllowed}
		return a, s.rejected(ctx, p.ID, wallet, a.Reason)
	case !access.Screen:
		return Admission{Verdict: Approved}, nil
	}
	return s.screen(ctx, p, wallet)
}

// The limits of what strangers can make us keep of rejected wallets.
const (
	rejectedAgain = 10 * time.Minute // the same wallet is told of once in this time
	maxRejected   = 100              // of one payment
)

// rejected has the merchant told that a wallet was not let in. It does not stop
// when ctx is cancelled: who looks and leaves must not hush it up.
func (s *Service) rejected(ctx context.Context, id payment.ID, wallet asset.Address, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	known, err := s.store.Events(ctx, id)
	if err != nil {
		return fmt.Errorf("look up earlier rejections: %w", err)
	}
	now := s.now().UTC()
	total, before := 0, 0
	for _, e := range known {
		if e.Kind != payment.EventRejected {
			continue
		}
		total++
		if e.Fields[payment.FieldWallet] != wallet.String() {
			continue
		}
		before++
		if now.Sub(e.At) < rejectedAgain {
			return nil
		}
	}
	if total >= maxRejected {
		return nil
	}
	// Who says the same at the same time makes the same id, and one of them wins.
	return s.logOnce(ctx, id, now, payment.Event{
		ID:   payment.NamedULID(string(id), "rejected", wallet.Lower(), strconv.Itoa(before)),
		Kind: payment.EventRejected, Request: -1, Detail: reason,
		Fields: map[string]string{payment.FieldWallet: wallet.String(), payment.FieldReason: reason},
	})
}

// logOnce adds an event with a name of its own to a payment's log; one that is
// there already stays the only one.
func (s *Service) logOnce(ctx context.Context, id payment.ID, now time.Time, e payment.Event) error {
	err := s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		_, err = s.change(ctx, tx, p, now, facts{events: []payment.Event{e}})
		return err
	})
	if fault.Is(err, fault.Conflict) {
		return nil // somebody else was faster
	}
	return err
}
