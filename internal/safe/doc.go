// Package safe knows Safe multisig accounts: which contracts are the official
// ones of the versions 1.3.0, 1.4.1 and 1.5.0, how a payment's calls become one
// Safe transaction and how its hash comes about (EIP-712), whether a proposed
// transaction does those calls and nothing else, what stands at an address of a
// chain, and what the Safe's own events say became of a transaction. It must
// not know payments, pages, the database, or who wants the calls made.
//
// A safeTxHash commits to everything that a Safe will do, and to the chain and
// the Safe. Whoever has the transaction behind one needs no one's word for it:
// [Tx.Hash] computes it anew, to be compared with what was announced. The hash
// alone says nothing, not even the nonce; the transaction comes from the page
// that made it, or from the Transaction Service, whose answer is compared
// likewise.
//
// A delegatecall hands the Safe itself over to other code. [Table.Verify] lets
// one go to nothing but a pinned MultiSendCallOnly, which can make plain calls
// and no other; not to MultiSend, whose items may be delegatecalls again. A
// delegatecall to an address without code succeeds and does nothing, so
// [Table.Read] asks for the code there as well, and [Account.Batch] refuses
// without it.
//
// What an address is, [Table.Read] tells from the code of the proxy and the
// address in its slot 0, not from its answers: those a stranger's contract can
// give too. The singletons' code is not read. They were created by a factory
// whose addresses follow from the code it creates (CREATE2), so that on a chain
// where one is deployed no other code can stand there.
//
// Events are the fate of a transaction, and no proof that anybody was paid: a
// Safe's owners can make it emit anything by a delegatecall, and a stranger
// can announce a Safe that never acts. Only the fee proxy's own event settles a
// payment. An event that lies can at worst make somebody wait.
//
// Of a transaction's fields all but one are compared or bound by the hash. The
// exception is safeTxGas, which may be what the proposer likes within reason:
// with zero, as tools make it today, a call that fails makes the whole
// transaction revert and leaves the nonce; with more, the Safe goes on, says
// ExecutionFailure, and the transaction can never be executed again.
package safe

//go:generate go run ./gen ../../static/ts/src/safes.gen.ts
