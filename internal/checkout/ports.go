// Package checkout is the use cases: create a payment, offer routes, prepare
// what the payer signs, take what the payer reports, record what chains show,
// expire. It decides nothing that payment.Assess can compute, knows no HTTP and
// no SQL, and is the only writer of payments.
package checkout

import (
	"context"
	"errors"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// ErrStale is returned by a guarded write when someone else was faster.
var ErrStale = errors.New("the payment was changed meanwhile")

// Store keeps payments. Reads see committed data only.
type Store interface {
	// Write runs f in one transaction and commits it durably if f returns nil.
	// Concurrent writes may share a commit; f must touch the store only through
	// its Tx, and may run again if the database asks for a retry.
	Write(ctx context.Context, f func(tx Tx) error) error

	// Payment loads a payment with all its facts. Fault: NotFound.
	Payment(ctx context.Context, id payment.ID) (*payment.Payment, error)
	// PaymentByRequest finds the payment that holds a request. Fault: NotFound.
	PaymentByRequest(ctx context.Context, requestID string) (*payment.Payment, error)
	// Answer loads a stored idempotent answer; nil if there is none.
	Answer(ctx context.Context, key IdempotencyKey) (*Answer, error)
	// Owners is Tx.Owners outside of a transaction.
	Owners(ctx context.Context, rail string, handles []string) (map[string]Owner, error)
	// Overdue returns payments still stored as open whose window closed
	// at or before now, oldest first.
	Overdue(ctx context.Context, now time.Time, limit int) ([]payment.ID, error)
	// Cursor returns how far a chain was scanned; empty if it never was.
	Cursor(ctx context.Context, chain asset.ChainID) (Cursor, error)
	// Unsettled returns the distinct blocks at or below upTo that hold
	// transfers which are not final.
	Unsettled(ctx context.Context, chain asset.ChainID, upTo uint64) ([]Block, error)
	// Events returns a payment's log, oldest first.
	Events(ctx context.Context, id payment.ID) ([]payment.Event, error)
	// Screenings returns what was said of the wallets of a payment, oldest first,
	// the newest answer for each role and wallet.
	Screenings(ctx context.Context, id payment.ID) ([]Screening, error)
	// SafesAsked returns the Safes that asked for a payment's calldata on a chain, the
	// newest first.
	SafesAsked(ctx context.Context, id payment.ID, chain asset.ChainID) ([]SafeAsked, error)
	// Orphans lists evidence that belongs to no payment, newest first.
	Orphans(ctx context.Context, limit int) ([]Orphan, error)
}

// Tx is one transaction.
type Tx interface {
	// Payment loads a payment for update, with all its facts. Fault: NotFound.
	Payment(ctx context.Context, id payment.ID) (*payment.Payment, error)
	// InsertPayment stores a new payment with its requests and handles.
	// Fault: Conflict if an id, reference or request id is taken.
	InsertPayment(ctx context.Context, p *payment.Payment) error
	// SaveStanding stores p.Standing and p.Terms.CanceledAt where the stored
	// version still is p.Version, and counts it up in p. ErrStale otherwise.
	SaveStanding(ctx context.Context, p *payment.Payment) error
	// PutTransfer inserts a transfer or updates the stage and evidence of the
	// one with its key. It reports whether anything changed. Final never goes back;
	// where the money of a route came from is filled in even then, once.
	PutTransfer(ctx context.Context, id payment.ID, x payment.Transfer) (changed bool, err error)
	// PutAttempt inserts or updates an attempt by its key. It never goes back: from
	// announced it may become proven, from there executed or abandoned, and from one
	// of these the other.
	PutAttempt(ctx context.Context, id payment.ID, a payment.Attempt) (changed bool, err error)
	// PaymentsByRoute returns the payments that an attempt with this route's id
	// belongs to, in order.
	PaymentsByRoute(ctx context.Context, route string) ([]payment.ID, error)
	// PutRecovery keeps a recovery, whoever's it is; a second time is a no-op.
	PutRecovery(ctx context.Context, r Recovery) error
	// Recoveries returns what was kept of a route.
	Recoveries(ctx context.Context, route string) ([]Recovery, error)
	// Follow enqueues the job that follows an attempt.
	Follow(ctx context.Context, f Follow) error
	// Owners answers whose requests the handles of a rail name. Handles that
	// nobody owns are missing from the answer.
	Owners(ctx context.Context, rail string, handles []string) (map[string]Owner, error)
	// PutOrphan records evidence that belongs to no payment; a second time is a no-op.
	PutOrphan(ctx context.Context, o Orphan) error
	// AppendEvent adds to the payment's log and, if the merchant is told of this
	// kind, enqueues its relay.
	AppendEvent(ctx context.Context, e payment.Event) error
	// PutScreening keeps what was said of a wallet, in place of an older answer.
	PutScreening(ctx context.Context, id payment.ID, x Screening) error
	// PutSafeAsked remembers that a Safe asked for a payment's calldata. Of one that is
	// known only the time changes; of a payment and chain the newest five are kept.
	PutSafeAsked(ctx context.Context, x SafeAsked) error
	// GrantSums adds up what counts against the budgets of a grant's payment, of its
	// owner and of its chain on its day: what was sent or settled, and what was promised
	// after unsent. Until the transaction ends, nobody else adds up the same day.
	GrantSums(ctx context.Context, g Grant, unsent time.Time) (GrantSums, error)
	// PutGrant inserts a grant or updates the one with its id: its operation, amount and
	// how it stands. Fault: Conflict if another grant has the operation.
	PutGrant(ctx context.Context, g Grant) error
	// DropGrant forgets a grant; one that is not there is a no-op.
	DropGrant(ctx context.Context, id string) error
	// Grant finds the grant of an operation on a chain, nil if there is none.
	Grant(ctx context.Context, chain asset.ChainID, hash string) (*Grant, error)
	// Events is Store.Events inside the transaction.
	Events(ctx context.Context, id payment.ID) ([]payment.Event, error)
	// PutAnswer stores an idempotent answer. Fault: Conflict if the key is taken.
	PutAnswer(ctx context.Context, key IdempotencyKey, a Answer) error
	// Answer is Store.Answer inside the transaction.
	Answer(ctx context.Context, key IdempotencyKey) (*Answer, error)

	// SaveCursor stores the end of a sweep that began at from as the newest
	// checkpoint, raises the final height to final if that is greater, and forgets
	// checkpoints older than the newest one at or below the final height. ErrStale
	// if the chain was scanned before and the newest checkpoint is not from-1:
	// another node moved the cursor.
	SaveCursor(ctx context.Context, chain asset.ChainID, from uint64, to Block, final uint64) error
	// RewindCursor forgets checkpoints above a block and stores that one.
	RewindCursor(ctx context.Context, chain asset.ChainID, b Block) error
	// TransfersAbove returns owners and transfers, final ones included, whose
	// evidence lies above a block of a chain and which are not dropped.
	TransfersAbove(ctx context.Context, chain asset.ChainID, block uint64) ([]Owned, error)
	// TransfersIn returns the transfers that are not final in one block, by its hash.
	TransfersIn(ctx context.Context, chain asset.ChainID, b Block) ([]Owned, error)
}

// Block is a block's identity and time.
type Block struct {
	Number uint64
	Hash   string // 0x and 64 hex digits, lower case
	Time   time.Time
}

// Cursor is how far a chain was scanned.
type Cursor struct {
	Blocks []Block // checkpoints, newest first
	Final  uint64  // nothing at or below this height is ever taken back
}

// Owner says which request a handle names.
type Owner struct {
	Payment payment.ID
	Request int
}

// Owned is a transfer and the payment it belongs to.
type Owned struct {
	Payment  payment.ID
	Transfer payment.Transfer
}

// Recovery is rail.Recovery as it is kept, for those who prove only later that
// the route was a payment's.
type Recovery struct {
	rail.Recovery
	Forget time.Time // may be deleted after this
}

// Follow names a job that follows an attempt.
type Follow struct {
	Kind    string // TrackKind, SafeTrackKind or GaslessTrackKind
	Payment payment.ID
	Key     string        // of the attempt
	Chain   asset.ChainID // where it began
	At      time.Time     // when it is due
}

// Orphan is evidence that could not be given to a payment.
type Orphan struct {
	Key    string // the key its transfer would have had
	Rail   string
	Handle string
	Reason string // "unknown_reference", "wrong_asset", "wrong_payee"
	// Payment is the owner of the handle, "" if there is none.
	Payment  payment.ID
	Asset    string // token contract
	Amount   string // base units
	To       string
	Evidence payment.Evidence
	At       time.Time
}

// IdempotencyKey scopes a client's key to the merchant and the route.
type IdempotencyKey struct {
	Merchant payment.MerchantID
	Route    string
	Key      string
}

// Answer is what was said the first time.
type Answer struct {
	RequestHash string // hex SHA-256 of the request that got this answer
	Status      int
	Body        []byte
	At          time.Time
}
