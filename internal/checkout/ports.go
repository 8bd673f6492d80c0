package checkout

import (
	"context"
	"errors"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
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
	// Unconfirmed returns the transfers in the blocks from..to which are not final, in the
	// order of their blocks.
	Unconfirmed(ctx context.Context, chain asset.ChainID, from, to uint64) ([]Owned, error)
	// Events returns a payment's log, oldest first.
	Events(ctx context.Context, id payment.ID) ([]payment.Event, error)
	// Screenings returns what was said of the wallets of a payment, oldest first,
	// the newest answer for each role and wallet.
	Screenings(ctx context.Context, id payment.ID) ([]Screening, error)
	// SafesAsked returns the Safes that asked for a payment's calldata on a chain, the
	// newest first.
	SafesAsked(ctx context.Context, id payment.ID, chain asset.ChainID) ([]SafeAsked, error)
	// PaymentByAlias finds a payment by its public id in a dialect. Fault: NotFound.
	PaymentByAlias(ctx context.Context, dialect, alias string) (*payment.Payment, error)
	// List returns payments of a dialect and how many there are in all.
	List(ctx context.Context, l Listing) (found []*payment.Payment, total int, err error)
	// Balances returns, for addresses on a chain, the newest balance below block from and
	// those from there on, oldest first. Addresses of which none is stored are left out.
	Balances(ctx context.Context, chain asset.ChainID, from uint64, of []asset.Address) (map[asset.Address][]Balance, error)
	// Unvouched returns the blocks, the lowest first, that hold transfers which are not final and
	// native money on deposit addresses for which nobody has vouched.
	Unvouched(ctx context.Context, chain asset.ChainID) ([]Block, error)
	// Held returns what is kept of deposit addresses' native money in a block, by its hash.
	Held(ctx context.Context, chain asset.ChainID, b Block) ([]Held, error)
	// Vouch keeps that others than the node that told of a block's native money have it, too.
	// What is no longer kept as it was when they were asked is passed over.
	Vouch(ctx context.Context, chain asset.ChainID, b Block, said []Vouched) error
	// Secret is what Tx.PutSecret kept with a payment, "" if nothing was.
	Secret(ctx context.Context, id payment.ID) (string, error)
	// Booking finds a bank's booking by its key. Fault: NotFound.
	Booking(ctx context.Context, key string) (Booking, error)
	// Bookings lists a merchant's, newest first.
	Bookings(ctx context.Context, q BookingQuery) ([]Booking, error)
	// Income lists what came in and went back for a merchant's payments of a dialect, newest
	// first, and how many there are in all.
	Income(ctx context.Context, q IncomeQuery) (found []Income, total int, err error)
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
	// SaveStanding stores p.Standing and who called the payment off when, where the stored
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
	// Postpone lets a transaction that only stores what is new be committed together with
	// those of other callers: what InsertPayment, PutAnswer and AppendEvent insert from here
	// on may wait until something is asked, or until the commit. A fault of theirs is then
	// that of what comes next, or of Write. It is false if they will not wait: then a Conflict
	// may be with what is not committed yet, and only the transaction itself can look at that.
	Postpone() bool
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
	// RewindCursor forgets checkpoints above a block and stores that one. ErrStale if the
	// cursor is below it: someone else went back further.
	RewindCursor(ctx context.Context, chain asset.ChainID, b Block) error
	// Rewound is how often a chain's cursor was taken back, 0 for a chain that never was
	// scanned.
	Rewound(ctx context.Context, chain asset.ChainID) (int64, error)
	// TransfersAbove returns owners and transfers, final ones included, whose
	// evidence lies above a block of a chain and which are not dropped.
	TransfersAbove(ctx context.Context, chain asset.ChainID, block uint64) ([]Owned, error)
	// PutSecret keeps a secret with a payment that was just inserted, sealed.
	PutSecret(ctx context.Context, id payment.ID, secret string) error
	// PutImport records that a statement was read; a second time is another row.
	PutImport(ctx context.Context, i Import) error
	// PutBooking inserts a bank's booking. It reports whether it is new: of the same key
	// there is one, whoever imports it and however often.
	PutBooking(ctx context.Context, b Booking) (inserted bool, err error)
	// DecideBooking says what became of a booking that counted for nobody. ErrStale if
	// somebody did before.
	DecideBooking(ctx context.Context, key string, of payment.ID, outcome string, at time.Time) error
	// TakeAddress gives a payment's request the free address of its merchant's active
	// branch with the lowest index. Faults: NotFound "no_deposit_key" if the merchant has
	// no branch; Unavailable "no_address" if none is free.
	TakeAddress(ctx context.Context, m payment.MerchantID, id payment.ID, request int, now time.Time) (asset.Address, error)
	// InsertQuote adds a quote to a payment.
	InsertQuote(ctx context.Context, id payment.ID, q payment.Quote) error
	// ForgetQuotes deletes a payment's quotes that ended before a time and by which no
	// transfer counts.
	ForgetQuotes(ctx context.Context, id payment.ID, before time.Time) error
	// Credit says what a transfer that had no quote is worth, once. It reports whether it
	// had none.
	Credit(ctx context.Context, id payment.ID, key string, credit *big.Int, quote string) (changed bool, err error)
	// PutBalances keeps native balances of deposit addresses; the same again is a no-op.
	PutBalances(ctx context.Context, chain asset.ChainID, bs []Balance) error
	// SettleBalances makes the balances after a block final, by its hash.
	SettleBalances(ctx context.Context, chain asset.ChainID, b Block) error
	// DropBalances forgets those above a block that are not final.
	DropBalances(ctx context.Context, chain asset.ChainID, above uint64) error
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
	// Rewound is how often it was taken back.
	Rewound int64
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

// Balance is the native balance of a deposit address after a block in which it changed.
type Balance struct {
	Address     asset.Address
	Block       uint64
	BlockHash   string
	Before, Wei *big.Int
	Final       bool
}

// Held is what is kept of a deposit address' native money in one block.
type Held struct {
	Balance
	Vouched  bool     // for what the block brought
	Previous *Balance // before this one, nil if there is none
	Sure     bool     // Previous is vouched for, or Early
	Early    bool     // kept by a version that had nobody vouch
	// Money is what counts for a payment of what came to the address in that block, by the
	// keys of its transfers, tokens included. Only the checkout fills it in.
	Money map[string]*big.Int
}

// Vouched is for what somebody else vouches.
type Vouched struct {
	Address asset.Address
	Wei     *big.Int // the balance after the block that was kept when they were asked
	Balance bool     // what comes later may count from that balance on; if not, only the money came
}

// Prices knows what assets cost.
type Prices interface {
	// Prices returns what some assets cost now in a fiat currency. Those without a fresh price
	// that its sources agree on are missing: there is no older or other one.
	Prices(ctx context.Context, in asset.ID, of []asset.ID) map[asset.ID]money.Price
}

// Import is a bank statement that was read.
type Import struct {
	ID       string // ULID
	Merchant payment.MerchantID
	Message  string // the sender's id of it
	Version  string // "camt.053.001.08"
	SHA256   string // of the file, in hex
	At       time.Time
}

// Booking is one movement of a merchant's bank account, and what it meant.
type Booking struct {
	Key       string // names it wherever it is told of again
	Import    string // "" for one that the merchant has confirmed without a statement
	Merchant  payment.MerchantID
	Account   string // IBAN
	Cents     int64
	Booked    time.Time  // the day, at midnight in UTC
	Outcome   string     // of rail/sepa
	Counts    bool       // it is a transfer of Payment
	Reference string     // that it names, "" if none is sure
	Payment   payment.ID // "" if it is nobody's
	Place     string     // in the file, for people
	Text      string     // what the payer told; forgotten once it counts
	Debtor    string     // who paid; likewise
	At        time.Time  // when it was imported
	DecidedAt time.Time  // when a person said what becomes of it, zero if nobody did or had to
}

// BookingQuery selects bookings.
type BookingQuery struct {
	Merchant payment.MerchantID // "" for all
	Open     bool               // only those that wait for a person's decision: they count for nobody, and nobody has decided
	Limit    int
	Before   string // key to continue below, "" for the start
}

// Income is money that came in for a payment, or that went back.
type Income struct {
	Payment *payment.Payment // without its quotes
	// Transfer is what came, nil of a refund; final or not, never a dropped one.
	Transfer *payment.Transfer
	// Refund is the event that tells of it, nil of what came.
	Refund *payment.Event
	At     time.Time
}

// IncomeQuery selects income.
type IncomeQuery struct {
	Merchant payment.MerchantID
	Dialect  string
	Alias    string    // of one payment, "" for all
	From, To time.Time // zero for no limit; To is not in the range
	Search   string    // part of alias or reference
	Limit    int
	Offset   int
}

// Listing says which payments of a merchant to list, by one dialect's own words for
// states: what is set must fit, what is empty fits everything.
type Listing struct {
	Merchant payment.MerchantID
	Dialect  string
	// States are the stored states that fit, all if empty; Part, unless nil, tells whether
	// value must have arrived in time for those it names.
	States    []StatePart
	Search    string // part of alias, reference, deposit address, merchant's name, transaction or payer, whatever the case
	ByAmount  bool   // in place of by time of creation
	ByPaid    bool   // likewise: by when they were settled
	Deleted   bool   // those too that were deleted; others are never listed
	Ascending bool
	Limit     int
	Offset    int
}

// StatePart is a state, and whether value has arrived in time, nil for either.
type StatePart struct {
	State payment.State
	Part  *bool
}

// Orphan is evidence that could not be given to a payment.
type Orphan struct {
	Key    string // the key its transfer would have had
	Rail   string
	Handle string
	Reason string // "unknown_reference", "wrong_asset", "wrong_payee", "wrong_chain", "no_value", "dust", "too_early"
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
