// Package payment is the domain: what a merchant asked for, what arrived, and
// where that leaves the payment. It knows no HTTP, SQL or chain.
package payment

import (
	"encoding/json"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
)

// ID is a payment's ULID. In the Request dialect it is also the public token.
type ID string

// MerchantID is a merchant's ULID.
type MerchantID string

// Payment is the thing one hosted page shows. Terms never change after
// creation; Transfers, Attempts and Quotes are facts; Standing is
// what Assess made of them and is never set by hand.
type Payment struct {
	ID        ID
	Terms     Terms
	Transfers []Transfer
	Attempts  []Attempt
	Quotes    []Quote // oldest first; of requests that are due in a fiat currency
	Standing  Standing
	Version   int64 // counts changes of facts; guards every write
}

// Terms is what is due, to whom and until when.
type Terms struct {
	Merchant   MerchantID
	Dialect    string // which API made it: its words are used for webhooks and pages
	Requests   []Request
	CreatedAt  time.Time
	ExpiresAt  time.Time
	Grace      time.Duration // added to ExpiresAt for the block that was already on its way
	CanceledAt time.Time     // zero unless it was called off
	// CanceledBy says who called it off, "" while nobody did.
	CanceledBy Canceler
	// PayerCancels lets whoever pays call it off.
	PayerCancels bool

	Reference       string // the merchant's own order number, "" if none
	PayerIdentifier string
	RedirectURL     string
	RedirectLabel   string
	ClientID        string // the client id that created it, "" if a key did
	Origin          string

	// Alias is the payment's public id in a dialect that has its own form of ids, ""
	// where it is the ID; unique within the dialect.
	Alias string
	// SecretHash is the hash of a secret that opens this payment alone, "" for none.
	SecretHash string
	// Metadata is what the merchant wants back, in the dialect's own form, "" for none.
	Metadata string

	Flow                Flow
	RecipientIdentifier string    // the merchant's own name for who a payout goes to, "" if none
	Creator             Address20 // who made a payout, zero for others
	Access              Access
}

// Endless is when payments close that have no end: later than anybody waits.
var Endless = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// Endless reports whether the payment can be paid for as long as anybody wants.
func (t Terms) Endless() bool { return !t.ExpiresAt.Before(Endless) }

// Canceler says who called a payment off.
type Canceler string

// Who calls payments off.
const (
	ByMerchant Canceler = "merchant"
	ByPayer    Canceler = "payer"
	// ByDeletion is the merchant's too: nobody is to see the payment any more.
	ByDeletion Canceler = "deletion"
)

// Flow says which way the merchant's money goes.
type Flow string

// The flows; the words are the Request API's.
const (
	GetPaid Flow = "get_paid" // a payer pays the merchant
	PayOut  Flow = "pay"      // the merchant, or whoever has the link, pays a recipient
)

// Access says who may see and pay a payment. The zero value lets everyone.
type Access struct {
	// Allowed are the only accounts that may pay, everyone if empty.
	Allowed []Address20
	// Screen asks a screening provider about payer and payee.
	Screen bool
	// Provider is the screening provider the merchant named, "" for the server's.
	Provider string
	// HideUntilApproved shows nothing but the status to a wallet that has not
	// been let in.
	HideUntilApproved bool
	// HidePayee shows the payee's account shortened.
	HidePayee bool
}

// Open reports whether anyone may see and pay.
func (a Access) Open() bool { return len(a.Allowed) == 0 && !a.Screen }

// Allows reports whether the list of accounts lets a wallet pay.
func (a Access) Allows(wallet Address20) bool {
	return len(a.Allowed) == 0 || slices.Contains(a.Allowed, wallet)
}

// Request is one amount owed to one payee in one asset.
type Request struct {
	Index int
	ID    string   // public and unique: "01" and 64 hex digits for contract references
	Asset asset.ID // what Due and Fee are counted in; may be a fiat currency, see Fiat
	Due   *big.Int // base units owed to the payee; of fiat currencies units of 10^-money.FiatDecimals

	Payee Address20 // the account that must receive Due, zero where a rail makes its own, and where a bank alone can pay
	Fee   *Fee      // on top of Due, nil if none
	// Chain is where the payee's account is, of what is due in a fiat currency to an account
	// that was not made for this payment; 0 for others.
	Chain asset.ChainID
	// Bank is how it can be paid by a bank transfer, nil if it cannot.
	Bank *BankTransfer

	Salt      string // 16 hex digits that went into the reference
	Reference string // 0x and 16 hex digits: how a contract call names this request
	Topic     string // 0x and 64 hex digits: how the event log names it, keccak256 of the reference's bytes

	// Handles are the names by which rails recognise this request's money. They are
	// given at creation, and not read again with the payment.
	Handles []Handle
}

// Handle is a name by which a rail recognises money: a contract reference's topic, a
// deposit address.
type Handle struct{ Rail, Value string }

// Fiat reports whether the request is due in a fiat currency: its money comes in other
// assets, and quotes say what they are worth.
func (r Request) Fiat() bool { return r.Asset == asset.USD || r.Asset == asset.EUR }

// Quoted reports whether the request is due in a fiat currency to an account of the
// payee's own, by a contract call that names it: at a quote, together with the others of
// its payment.
func (r Request) Quoted() bool { return r.Fiat() && r.Chain != 0 }

// Fiat reports whether anything is due in a fiat currency.
func (t Terms) Fiat() bool { return slices.ContainsFunc(t.Requests, Request.Fiat) }

// BankTransfer is a SEPA credit transfer that pays a request in euros. Everything in it was
// checked when it was made.
type BankTransfer struct {
	Holder  string `json:"holder"`  // of the account: the payee's name
	Account string `json:"account"` // IBAN, without blanks
	BIC     string `json:"bic,omitempty"`
	Words   string `json:"words,omitempty"` // the merchant's own, before the reference
	// Reference is the creditor reference (ISO 11649) by which a booking is recognised, and
	// Text what the payer is to give as the transfer's text: the words and the reference.
	Reference string `json:"reference"`
	Text      string `json:"text"`
}

// Address20 is an EVM account.
type Address20 = asset.Address

// Fee is what the payer pays to a third party on top of a request.
type Fee struct {
	Share  string // percentage as the merchant gave it: "2.5"
	Amount *big.Int
	Payee  Address20
}

// FeeAmount is the fee in base units, zero if there is none.
func (r Request) FeeAmount() *big.Int {
	if r.Fee == nil {
		return new(big.Int)
	}
	return new(big.Int).Set(r.Fee.Amount)
}

// FeePayee is who gets the fee, the zero address if nobody does.
func (r Request) FeePayee() Address20 {
	if r.Fee == nil {
		return Address20{}
	}
	return r.Fee.Payee
}

// Stage says how settled a transfer is.
type Stage string

// The stages. Final never goes back; a dropped transfer may come again.
const (
	Dropped Stage = "dropped" // a reorganisation took it away
	Pending Stage = "pending" // seen, and may still go away
	Final   Stage = "final"   // here for good
)

// Transfer is the evidence that value reached a payee. Key makes a replay a
// no-op: the same fact always has the same key.
type Transfer struct {
	Key     string
	Request int    // index of the request it pays
	Rail    string // the rail that recorded it

	Asset  asset.ID
	Amount *big.Int // base units of Asset that arrived
	Credit *big.Int // what that is worth to the request, in base units of its asset; fixed once
	// Quote is the id of the quote that says what it is worth, "" where the asset is the
	// request's own, and while there is no price: then Credit is zero.
	Quote string
	Fee   *big.Int // base units that went to the fee's payee, nil if none

	Stage Stage
	At    time.Time // block or booking time, not when we noticed

	Evidence Evidence
}

// Priced reports whether it is known what the transfer is worth to its request.
func (x Transfer) Priced() bool { return x.Credit.Sign() > 0 }

// Evidence says where a transfer can be looked up.
type Evidence struct {
	Chain     asset.ChainID
	Block     uint64
	BlockHash string
	Tx        string
	LogIndex  uint
	Payer     string // EIP-55, "" if not known
	Source    Source // zero for money that came directly
}

// Source says where money came from that a bridge brought.
type Source struct {
	Route  string // the bridge transfer's id, 0x and 64 hex digits
	Chain  asset.ChainID
	Tx     string   // on Chain; "" while nobody told us
	Asset  asset.ID // what the payer gave; "" likewise
	Amount *big.Int // base units of Asset; nil likewise
}

// The kinds of attempts. They are stored.
const (
	KindTx        = "tx"        // a transaction on the payment's chain
	KindSafeTx    = "safe_tx"   // a transaction of a Safe: Attempt.Safe says more
	KindUserOp    = "user_op"   // a user operation of a smart account: Attempt.Op says more
	KindBridge    = "bridge"    // a transaction on another chain, followed over a bridge: Attempt.Route says more
	KindScreening = "screening" // nothing that may pay: a payee whom a screening provider refuses
)

// AttemptStage says how an attempt stands.
type AttemptStage string

// The stages of an attempt.
const (
	Announced AttemptStage = "announced" // the payer's side told us; nothing is proven
	Proven    AttemptStage = "proven"    // its transaction is on its chain and pays this; the bridge acts
	Executed  AttemptStage = "executed"  // it happened; the transfer is what counts
	Abandoned AttemptStage = "abandoned" // it failed or can no longer happen
)

// Attempt is something under way that may lead to a transfer: a transaction the
// payer announced, a Safe transaction, a bridge transfer, a user operation.
type Attempt struct {
	Key     string // rail and handle: a second report of the same is a no-op
	Rail    string
	Kind    string // KindTx and its like
	Chain   asset.ChainID
	Handle  string // the hash or id
	Payer   string
	Owner   string // EIP-55: whose smart account the payer is, "" if that was not told or not true; of user operations Op says it
	Stage   AttemptStage
	Decides bool      // the payment depends on it: if abandoned with nothing paid, the payment failed
	Reason  string    // why it was abandoned, for people and webhooks
	Until   time.Time // deadline after which it can no longer happen, zero if none
	At      time.Time
	Route   *Route // what a bridge transfer carries, nil for others
	Safe    *Safe  // what is known of a Safe transaction, nil for others
	Op      *Op    // what is known of a user operation, nil for others
}

// Op is a user operation (ERC-4337) that should make a payment, and for whose gas
// somebody else pays. Its attempt's handle is the userOpHash, its payer the smart
// account, and Until when it can no longer be executed: the deadline of the permit in
// it, zero for one that has none.
type Op struct {
	Owner string `json:"owner"` // EIP-55: the wallet whose money it is
	Nonce string `json:"nonce"` // decimal, 256 bits
	// Next is the first block that was not searched for its outcome: what lies below
	// is final and holds none.
	Next uint64 `json:"next"`
	// Token and Amount are what the account takes of its owner.
	Token  asset.ID `json:"token"`
	Amount *big.Int `json:"amount"`
	// Fate is what its chain shows became of it, final or not: FateSucceeded,
	// FateFailed or FateReplaced, "" while it can be executed.
	Fate string `json:"fate,omitempty"`
	// ExecutedBy is the transaction that executed it, final or not, or that executed
	// another operation in its place; "" while there is none.
	ExecutedBy string `json:"executedBy,omitempty"`
	// Why is what the contracts said when its calls failed: a stranger's text.
	Why string `json:"why,omitempty"`
}

// Safe is a Safe multisig transaction that should make a payment: what was
// announced of it, and what its chain shows. Its attempt's handle is the
// safeTxHash; its payer is the Safe, "" while several may be the one.
type Safe struct {
	// Among are the accounts it may be of, EIP-55: those that asked for calldata
	// on this chain. One where it is known.
	Among []string `json:"among"`
	// Nonce is nil if only the hash is known.
	Nonce *uint64 `json:"nonce,omitempty"`
	// Tx is the transaction behind the hash as JSON, nil if not known. It was
	// proven to make this payment and nothing else.
	Tx json.RawMessage `json:"tx,omitempty"`
	// Signed lists the owners whose signatures over the hash were seen, EIP-55. It
	// is news: on chain only the execution counts.
	Signed    []string `json:"signed,omitempty"`
	Owners    []string `json:"owners,omitempty"` // EIP-55, as they were last read
	Threshold uint64   `json:"threshold,omitempty"`
	// Deadline is the safePaymentDeadline that was announced, or when the contracts
	// refuse its calls; zero for none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Current is the nonce of the account's next transaction as it was last read, nil
	// if it was not.
	Current *uint64 `json:"current,omitempty"`
	// Vouched tells that one of the merchant's credentials has announced it.
	Vouched bool `json:"vouched,omitempty"`
	// Guessed tells that the hash was announced as a transaction's, of which no node
	// knew.
	Guessed bool `json:"guessed,omitempty"`
	// From is the first block that may hold its outcome, Next the first that was not
	// searched for it yet: what lies between is final and holds none.
	From uint64 `json:"from"`
	Next uint64 `json:"next"`
	// ExecutedBy is the transaction that executed it, or that executed another one
	// in its place, "" while there is none.
	ExecutedBy string `json:"executedBy,omitempty"`
	// Ended is the chain's time at which it came to nothing, zero while it did not.
	Ended time.Time `json:"ended,omitzero"`
}

// Route is a transfer over a bridge: what left the payer, and what the bridge
// says of it, which is news and no evidence.
type Route struct {
	ID       string        `json:"id"` // 0x and 64 hex digits: names it on the destination; "" until proven
	From     asset.ID      `json:"from"`
	Amount   *big.Int      `json:"amount"` // base units of From that left the payer, nil until proven
	To       asset.ChainID `json:"to"`
	Tool     string        `json:"tool"` // "across", "stargateV2"
	Expect   time.Duration `json:"expect"`
	SentAt   time.Time     `json:"sentAt"` // the block's time, zero until proven
	Progress Progress      `json:"progress"`
	Tx       string        `json:"tx"` // of the arrival, recovery or refund, "" if not known

	Request  int       `json:"request"`         // index of the request it pays
	Pays     *big.Int  `json:"pays"`            // base units of that request's asset that its payee gets on arrival, nil until proven
	Fallback string    `json:"fallback"`        // EIP-55: who gets the money on the payment's chain if the payment fails there, "" until proven
	Final    bool      `json:"final"`           // no reorganisation takes its transaction away any more
	Missed   time.Time `json:"missed,omitzero"` // since when its chain has not shown the proven transaction, zero while it does
}

// Progress is how far a bridge transfer is. The words go over wires.
type Progress string

// The kinds of progress.
const (
	Sent      Progress = "sent"      // announced: its chain has not shown it yet
	Bridging  Progress = "bridging"  // left the payer
	Arrived   Progress = "arrived"   // the bridge says so; the payment's event is what counts
	Refunding Progress = "refunding" // the bridge is giving it back
	Refunded  Progress = "refunded"  // the payer has it again, where he sent it from
	Recovered Progress = "recovered" // the payer has it on the payment's chain: the payment itself failed there
	Broken    Progress = "broken"    // its transaction failed: nothing left the payer
	Unknown   Progress = "unknown"   // no such transaction, or none that pays this
)
