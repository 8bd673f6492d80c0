package checkout

import (
	"context"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// CodeOpPending is the code of the Conflict of a payment that a user operation may make.
const CodeOpPending = "op_pending"

var errOpPending = fault.New(fault.Conflict, CodeOpPending, "This payment is being made without gas. Please wait until that is done.")

// GaslessTrackKind is the kind of the job that follows a user operation; its arguments
// are Follow.Args.
const GaslessTrackKind = "op.track"

// Gasless knows the smart accounts of wallets, the operations that pay with them
// (ERC-4337), and who pays for the gas.
type Gasless interface {
	// Offer tells how gas is paid for on a chain; false where nobody does, or where the
	// services do not work at the moment. It asks nobody.
	Offer(chain asset.ChainID) (GaslessOffer, bool)
	// Account derives the smart account of a wallet on a chain. It asks nobody. False
	// where nothing is set up.
	Account(chain asset.ChainID, owner asset.Address) (asset.Address, bool)
	// Read reads a wallet's account, and the wallet's token, at the head of a chain.
	//
	// Faults: Invalid on the field "wallet": "account_changed" for an account that is
	// no longer the wallet's own or runs other code, "owner_has_code" for a wallet
	// that is a contract; Unavailable "gasless_unavailable", "chain_unavailable".
	Read(ctx context.Context, chain asset.ChainID, owner, token asset.Address) (GaslessState, error)

	// Parse reads an operation by itself: its Hash, Sender, Nonce, Cost and JSON. It
	// asks nobody and checks nothing.
	//
	// Faults: Invalid "op_invalid" for what is no operation.
	Parse(chain asset.ChainID, op []byte) (GaslessOp, error)
	// Check reads an operation and compares it with the one that pays, before
	// anybody pays for it. The checks are always the same, in the same order; a
	// refused one is no error.
	//
	// Faults: Invalid "op_invalid" for what is no operation; those of Read.
	Check(ctx context.Context, plan GaslessPlan, op []byte) (GaslessOp, []rail.Check, error)
	// Sponsor answers the questions GaslessSponsor and GaslessData about an operation
	// that Check has let through: it has its gas paid for, and checks the outcome as a
	// whole, with what the sponsor has filled in. If a check refuses, nothing of the
	// sponsor's is in the answer.
	//
	// Faults: Conflict "op_nonce", "op_deployed"; Invalid "op_refused" if the
	// operation would fail; Forbidden "sponsor_refused"; Unavailable
	// "sponsor_limited", "sponsor_unavailable", "bundler_limited",
	// "bundler_unavailable"; those of Check.
	Sponsor(ctx context.Context, plan GaslessPlan, q GaslessQuestion) (GaslessGrant, error)
	// Ask answers the other questions, as they stand: whoever asks has let them
	// through. Send is asked of the bundler.
	//
	// Faults: those of Sponsor.
	Ask(ctx context.Context, chain asset.ChainID, q GaslessQuestion) ([]byte, error)

	// Revoke is the call with which a wallet takes back what its account may take of a
	// token. Kind, To, Data and Value are set. It asks nobody.
	Revoke(token, account asset.Address) rail.Call

	// Look searches blocks of a chain, from one on and up to its head, for the outcome
	// of an operation of an account.
	Look(ctx context.Context, chain asset.ChainID, account asset.Address, hash string, nonce *big.Int, from uint64) (GaslessSight, error)
}

// GaslessOffer is how gas is paid for on a chain.
type GaslessOffer struct {
	Sponsor string // who does, for people: "Alchemy", "Pimlico"
	Kind    string // of smart account: "light-account-2.0.0", "safe-4337-0.3.0"
	MaxCost *big.Int
	Budget  GaslessBudget
}

// GaslessBudget bounds what is spent on gas, in wei of the chain's native currency.
// Days are those of UTC.
type GaslessBudget struct {
	Payment   *big.Int // for one payment
	Grants    int      // operations for one payment that a sponsor was asked about
	WalletDay *big.Int // for one wallet and day
	ChainDay  *big.Int // for all of a chain and day
}

// GaslessState is a wallet's smart account, and the wallet, at a chain's head.
type GaslessState struct {
	Account     asset.Address
	Deployed    bool
	Factory     asset.Address
	FactoryData []byte
	Nonce       *big.Int      // of the next operation
	Balance     *big.Int      // the wallet's, base units of the token
	Allowance   *big.Int      // what the account may take of it
	Permit      *GaslessTerms // nil if the token has no permits of EIP-2612
	Block       uint64
}

// GaslessTerms is what a wallet signs a permit under (EIP-2612, EIP-712): the
// token's domain, and its next nonce for the wallet.
type GaslessTerms struct {
	Name, Version string
	ChainID       asset.ChainID
	Contract      asset.Address
	Salt          string // 0x and 64 hex digits, "" if the domain has none
	Nonce         *big.Int
}

// GaslessPlan is the operation that pays, as the checkout knows it.
type GaslessPlan struct {
	Chain asset.ChainID
	// Owner is the connected wallet. Own tells that it is a smart account itself,
	// which makes its own operations: nothing is pulled then.
	Owner  asset.Address
	Own    bool
	Token  asset.Address // what the account takes of its owner
	Amount *big.Int      // base units, exactly what Steps take
	Steps  []rail.Call   // the account's
	Until  time.Time     // the latest deadline of a permit
	Now    time.Time
}

// GaslessOp is an operation that was read.
type GaslessOp struct {
	Hash   string // userOpHash: 0x and 64 hex digits. Of everything but the signature
	Sender asset.Address
	Nonce  *big.Int
	Cost   *big.Int // wei, at the most; nil before gas is known
	// Deadline is the end of the permit in it, zero if it has none. Only Check and
	// Sponsor tell.
	Deadline time.Time
	Block    uint64 // the chain's head when Check or Sponsor read the account; its nonce was free then
	JSON     []byte // as bundlers take it
}

// GaslessGrant is a sponsor's word for an operation.
type GaslessGrant struct {
	Op     GaslessOp // as it is to be signed
	Checks []rail.Check
	Result []byte // the answer as JSON, nil if a check refused
}

// GaslessKind says what is asked.
type GaslessKind string

// The questions that pages and wallets ask.
const (
	GaslessFees     GaslessKind = "fees"     // what gas costs
	GaslessEstimate GaslessKind = "estimate" // how much an operation needs
	GaslessStub     GaslessKind = "stub"     // a paymaster's fields for estimating (ERC-7677)
	GaslessData     GaslessKind = "data"     // a paymaster's fields for sending (ERC-7677)
	GaslessSponsor  GaslessKind = "sponsor"  // all gas, prices and paymaster's fields at once
	GaslessSend     GaslessKind = "send"
	GaslessReceipt  GaslessKind = "receipt"
	GaslessLookup   GaslessKind = "lookup"
)

// GaslessQuestion is a question, read: what goes on to a service is written anew.
type GaslessQuestion struct {
	Kind   GaslessKind
	Method string // as it was asked over JSON-RPC; Result is in its form
	Op     []byte // JSON, nil for questions about none
	Hash   string // of receipts and lookups
}

// GaslessFate says what became of an operation.
type GaslessFate string

// The fates.
const (
	OpExecutable GaslessFate = "executable" // it can still be executed
	OpSucceeded  GaslessFate = "succeeded"
	OpFailed     GaslessFate = "failed"   // its calls failed, and its nonce is used up
	OpReplaced   GaslessFate = "replaced" // another operation used its nonce
)

// GaslessSight is what a chain shows of an operation.
type GaslessSight struct {
	Fate  GaslessFate
	Tx    string    // that executed it, or the other one; "" if not known
	At    time.Time // the block's time, zero without one
	Final bool      // the fate is that of final blocks
	Why   string    // what the contracts said when it failed
	Cost  *big.Int  // wei that the sponsor paid, nil if it was not executed
	Next  uint64    // the first block that is to be searched next time
	Time  time.Time // of the newest block that was looked at
}

// Grant is gas that was promised for an operation of a payment.
type Grant struct {
	ID      string // ULID
	Payment payment.ID
	Chain   asset.ChainID
	Owner   asset.Address // the wallet
	OpHash  string        // "" until the sponsor has answered
	Wei     *big.Int      // reserved, at last what was paid
	At      time.Time
	// What its attempt will be, once it is sent; nothing until the sponsor has answered.
	Account asset.Address
	Until   time.Time   // the permit's deadline, zero without one
	Op      *payment.Op // nil until then, and for wallets' own operations
	Sent    bool        // the operation was handed to the bundler, or is in the wallet's own hands
	Settled bool        // Wei is what was paid
}

// GrantSums is what is promised and spent already.
type GrantSums struct {
	Payment, WalletDay, ChainDay *big.Int
	Grants                       int // of the payment
}

// OwnAccount refuses a payer who is said to be his owner's smart account on a chain and
// is not. Payers without an owner pass. It asks nobody.
//
// Faults: Invalid on "eoaWallet": "gasless_unsupported", "safe_with_eoa_wallet"; on
// "wallet": "not_the_account", "missing_wallet".
func (s *Service) OwnAccount(chain asset.ChainID, payer rail.Payer) error {
	if payer.Owner.IsZero() {
		return nil
	}
	if err := s.fits(payer); err != nil {
		return err
	}
	return s.fitsAccount(chain, payer)
}
