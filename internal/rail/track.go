package rail

import (
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

// Proof is what a chain shows of a transfer over a bridge that was announced.
//
// Route.Progress says what it is: Bridging for one that left the payer and pays
// this payment, with all its fields; Sent for one that is not in a block, with an
// ID if the node knows the transaction and it would pay this; Broken for one that
// failed, with an ID if it would have paid this; Unknown for one that never will.
type Proof struct {
	Route payment.Route
	Payer string    // EIP-55: who signed it
	Until time.Time // after that it is no longer waited for
}

// News is what a bridge says of a transfer. Sent says that it has not heard of it.
type News struct {
	Progress payment.Progress
	Tx       string // of the arrival, recovery or refund, "" if not known
	// Asset and Amount are what a refund gave back, "" and nil if not said.
	Asset  asset.ID
	Amount *big.Int // base units of Asset
}
