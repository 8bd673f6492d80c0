package checkout

import (
	"context"
	"time"

	"quittance/internal/payment"
)

// TrackKind is the kind of the job that follows a transfer over a bridge; its
// arguments are TrackArgs.
const TrackKind = "route.track"

// Tracker follows transfers over bridges.
type Tracker interface {
	// Prove looks for an announced transfer's transaction on its chain and reads
	// what it does. A proven route has all its fields; one whose Progress is Broken
	// or Unknown never becomes one; Sent asks for patience.
	Prove(ctx context.Context, p *payment.Payment, a payment.Attempt) (Proof, error)
	// News asks how far a proven transfer is. It is news and no evidence.
	News(ctx context.Context, a payment.Attempt) (News, error)
}

// Proof is what the chain shows of an announced transfer.
type Proof struct {
	Route payment.Route
	Payer string    // EIP-55: who signed it
	Until time.Time // after that it is no longer waited for
}

// News is what the bridge says.
type News struct {
	Progress payment.Progress
	Tx       string // of the arrival, recovery or refund, "" if not known
}
