package checkout

import (
	"context"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Safes knows Safe multisig accounts and what becomes of their transactions. Where no
// faults are named, an error says nothing of a transaction: whoever gets one asks again later.
type Safes interface {
	// Account reads what is at an address of a chain.
	//
	// Faults: Invalid on the field "wallet": "no_contract" for an account without
	// code there, "not_a_safe" for another contract, "safe_version" for a Safe of
	// a version that is not known, "safe_unsupported" on chains without the
	// official contracts; Unavailable.
	Account(ctx context.Context, chain asset.ChainID, address asset.Address) (*rail.Multisig, error)

	// Read decodes a transaction that somebody says is behind a safeTxHash and
	// proves that it is, for an account on a chain.
	//
	// Faults: Invalid on the field "safeTx", with the code of the refused check:
	// "safe_tx_invalid", "safe_hash", "safe_target", "safe_operation", "safe_calls",
	// "safe_value", "safe_refund", "safe_gas".
	Read(chain asset.ChainID, account asset.Address, hash string, tx []byte) (SafeTx, error)

	// Signers tells whose signatures over a hash these are. What is nobody's is
	// left out; who the owners are is for the caller to know.
	Signers(hash string, signatures [][]byte) []asset.Address

	// Ask asks a Transaction Service for a hash: what it collected of signatures and
	// the transaction itself, which Read is to prove. nil if none is set up for the
	// chain or it does not know the hash.
	Ask(ctx context.Context, chain asset.ChainID, hash string) (*SafeNews, error)

	// Look searches blocks of a chain, from one on and up to what is final, for the
	// outcome of a transaction of one of some accounts. It may search fewer blocks
	// than there are: Sight.Next says where to go on, and is from if none of them is
	// final yet. Below from there is no outcome of it.
	Look(ctx context.Context, chain asset.ChainID, among []asset.Address, hash string, nonce *uint64, from uint64) (SafeSight, error)

	// Outcome reads the events of one transaction on a chain, by whose hash
	// somebody says that a Safe transaction was executed, final or not. nil if there
	// are none of it.
	Outcome(ctx context.Context, chain asset.ChainID, among []asset.Address, hash, tx string) (*SafeOutcome, error)

	// Sent reports whether a chain's node knows a transaction by its hash, in a block
	// or waiting for one.
	Sent(ctx context.Context, chain asset.ChainID, tx string) (bool, error)
}

// SafeTx is a transaction whose hash was computed anew, and the calls in it.
type SafeTx struct {
	Nonce uint64
	Calls []rail.Call // To, Data and Value are set
	JSON  []byte      // as Safe's tools take it
}

// SafeNews is a Transaction Service's word.
type SafeNews struct {
	Account    asset.Address
	Tx         []byte // JSON, for Safes.Read
	Signatures [][]byte
	// ExecutedBy is the transaction on chain that executed it, to be looked up
	// there; "" if none.
	ExecutedBy string
}

// SafeFate says what became of a Safe transaction.
type SafeFate string

// The fates.
const (
	SafeWaiting  SafeFate = "waiting" // nothing decided it in the blocks that were searched
	SafeExecuted SafeFate = "executed"
	SafeFailed   SafeFate = "failed"   // executed, and its calls failed: it cannot be executed again
	SafeReplaced SafeFate = "replaced" // another transaction used its nonce
)

// SafeOutcome is what a chain shows of a Safe transaction.
type SafeOutcome struct {
	Fate    SafeFate
	Account asset.Address // whose transaction it was
	Tx      string        // on chain; for Replaced that of the other, "" if not known
	At      time.Time     // the block's time
	Final   bool
}

// SafeSight is what a stretch of final blocks shows.
type SafeSight struct {
	SafeOutcome           // Waiting if they hold no outcome
	Next        uint64    // the first block that was not searched
	Time        time.Time // of the last block that was, zero if none was
	// More tells that there are more final blocks to be searched.
	More bool
	// Ahead is an outcome in blocks that are not final yet, nil if they show none.
	Ahead *SafeOutcome
	// Nonce and Owners are those of the only account at the head, Nonce nil and
	// Owners empty if there are several or they could not be read.
	Nonce     *uint64
	Owners    []asset.Address
	Threshold uint64
}

// SafeIntent is somebody's word that a Safe transaction was proposed.
type SafeIntent struct {
	Chain asset.ChainID
	Hash  string // safeTxHash, 0x and 64 hex digits
	// Safe is whose it is, zero for one of those that asked for calldata there.
	Safe     asset.Address
	Deadline time.Time // safePaymentDeadline, zero for none
	// Tx is the transaction as Safe's tools have it, nil if the caller does not.
	Tx         []byte
	Signatures [][]byte // of owners over the hash, as far as the caller has them
	// Vouched tells that it came with one of the merchant's credentials. What
	// whoever has the link says fails no payment: a Safe that signs, waits and fails
	// costs next to nothing.
	Vouched bool
	guessed bool // it came as a transaction's hash; see GuessSafe
}

// SafeAsked names a Safe that asked for a payment's calldata.
type SafeAsked struct {
	Payment payment.ID
	Chain   asset.ChainID
	Safe    asset.Address
	Block   uint64 // of the chain when it first asked
	At      time.Time
}
