package checkout

import (
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

// SearchDepth is how many transfers a search looks back over: no page begins
// beyond it, and no count goes further. Narrower dates reach what is older.
const SearchDepth = 10_000

// Search says which of a merchant's transfers to list. All that is set must fit;
// what is empty fits everything. Only transfers that are final are found: money
// that may still go away is no payment yet.
type Search struct {
	Merchant  payment.MerchantID
	ClientID  string // of the payments' maker
	Dialect   string // that made the payments, "" for any
	Shown     bool   // only payments whose policy hides nothing
	Tx        string // 0x and 64 lower-case hex digits: of the arrival, or on the chain a bridge took it from
	Came      Came
	Wallet    asset.Address // of payer, of the owner of a payer's account, or of payee; zero for any
	RequestID string
	Reference string   // of the request's contract call: 0x and 16 lower-case hex digits
	Order     string   // the merchant's own reference
	Invoiced  asset.ID // asset of the request
	Asset     asset.ID // what the payer gave: the source's of money from a bridge, where it is known
	From, To  time.Time
	Limit     int // at least 1
	Offset    int // 0 to SearchDepth
}

// Came is a way in which money came.
type Came string

// The ways.
const (
	AnyWay     Came = ""
	Directly   Came = "direct"
	OverBridge Came = "crosschain" // Transfer.Evidence.Source tells from where, as far as it is known
)

// Arrival is a transfer that was found, with what it paid for.
type Arrival struct {
	Payment   payment.ID
	State     payment.State // of the payment as a whole
	Order     string        // the merchant's own reference, "" if none
	Transfer  payment.Transfer
	RequestID string
	Reference string        // of the request's contract call
	Invoiced  asset.ID      // what the request is counted in
	Payee     asset.Address // of the request
	FeePayee  asset.Address // zero if there is no fee
	Holder    string        // whose money it is: Payment.Holder of the transfer
}
