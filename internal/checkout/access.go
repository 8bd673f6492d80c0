package checkout

import (
	"context"
	"time"

	"quittance/internal/asset"
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
}

// Admission is whether a wallet may see and pay a payment.
type Admission struct {
	// Verdict is Approved, Rejected or Unknown; "" while no wallet is known and
	// the payment does not let everyone in.
	Verdict  Verdict
	Reason   string // "wallet_not_allowed", "wallet_required", "screening_rejected", "payee_rejected", "screening_unavailable"; "" if approved
	Provider string // "" if nobody was asked
	Wallets  []Screening
}

// Admitted reports whether the wallet was let in.
func (a Admission) Admitted() bool { return a.Verdict == Approved }
