package merchant

import (
	"context"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

// Branch is where a merchant's deposit addresses come from: an extended public key. The
// holder of the private one alone can move what arrives there.
type Branch struct {
	ID       string // hdkey.Branch.ID: names it without giving its addresses away
	Merchant payment.MerchantID
	XPub     string // sealed at rest
	// Asset is what the first quote of a payment is in, "" for the native currency of
	// the server's first chain.
	Asset asset.ID
	// Life is how long a payment may be paid, 0 for the dialect's default.
	Life time.Duration
	// NextIndex is the first index that nobody has looked at yet.
	NextIndex uint32
	Active    bool // new payments get addresses of it; a merchant has one active branch at most
	CreatedAt time.Time
}

// DepositAddress is an address of a branch.
type DepositAddress struct {
	Address  asset.Address
	Merchant payment.MerchantID
	Branch   string // id of the branch
	Index    uint32
	// CheckedAt is when it was found untouched on every chain.
	CheckedAt time.Time
	Payment   payment.ID // "" while nobody has it
	Request   int
	TakenAt   time.Time // zero likewise
	// Seq rises in the order in which addresses become visible; the store gives it.
	Seq int64
}

// Branches keeps extended keys and their addresses.
type Branches interface {
	// SetBranch makes a branch the merchant's active one: a new one, or one that was its
	// own before, whose asset and life are then set. Fault: Conflict "key_taken" if
	// another merchant has it.
	SetBranch(ctx context.Context, b Branch) error
	// Branch is the merchant's active one. Fault: NotFound "no_deposit_key".
	Branch(ctx context.Context, m payment.MerchantID) (Branch, error)
	// BranchByID finds any. Fault: NotFound.
	BranchByID(ctx context.Context, id string) (Branch, error)
	// Branches are all of all merchants.
	Branches(ctx context.Context) ([]Branch, error)
	// ClaimIndexes moves a branch's NextIndex on by n and returns the first claimed.
	ClaimIndexes(ctx context.Context, id string, n uint32) (first uint32, err error)
	// AddAddresses makes addresses of a branch free to be given out. Those that are there
	// already are left as they are.
	AddAddresses(ctx context.Context, as []DepositAddress) error
	// FreeAddresses are those of a branch that nobody has, in order of their index.
	FreeAddresses(ctx context.Context, branch string) ([]DepositAddress, error)
	// RefreshAddress sets CheckedAt of a free address; DropAddress takes one that is no
	// longer untouched out of those that are given out. Both do nothing to one that is taken.
	RefreshAddress(ctx context.Context, a asset.Address, at time.Time) error
	DropAddress(ctx context.Context, a asset.Address) error
	// AddressesAfter are addresses, free and taken, above a Seq, in its order.
	AddressesAfter(ctx context.Context, seq int64, limit int) ([]DepositAddress, error)
	// DepositAddress finds one. Fault: NotFound.
	DepositAddress(ctx context.Context, a asset.Address) (DepositAddress, error)
}
