// Package userop knows ERC-4337 user operations of EntryPoint v0.7, for paying
// without gas: their forms and hashes, how a smart account's calldata carries
// calls and where the account of a wallet is before it exists, what the one
// operation that pays has to do and the proof that it does nothing else, permits
// that let an account take a wallet's money (EIP-2612), what the EntryPoint says
// became of an operation, and the services that carry and sponsor them. It must
// not know payments, pages, the database, budgets, or who asks.
//
// An operation is signed by the account's owner and paid for by a sponsor, who is
// the one to be robbed: whoever gets a sponsor to agree to an operation of his own
// has his gas paid. [Verify] therefore trusts nothing that made an operation. The
// sender must be the account that follows from the connected wallet, created by
// the pinned factory with the one calldata that does so; the calls must be those
// that were prepared, to the byte, in their order, with nothing before, between or
// behind them; gas and its price must be within bounds; the paymaster's fields must
// be those that the configured one gave. The signature is not looked at: a wrong one
// is refused by the account, at the bundler's cost and not the sponsor's.
//
// Accounts are counterfactual: their address follows from owner, factory and the
// code it deploys (CREATE2), so that nothing else can ever stand there. One that
// exists may have been changed by its owner since, given away even. [Read]
// therefore asks a deployed account for its code and its owner before a
// wallet is asked to let it take money.
//
// The calls come out of calldata by decoding that encodes again and compares: any
// other bytes are refused, even where a contract would take them.
//
// Only the fee proxy's own event settles a payment. An operation can fail inside a
// transaction that succeeds; the EntryPoint's event says so, and [Outcome] with it.
// The hash of an operation commits to everything but the signature, so that a
// service that carries another operation than it was given cannot name it.
//
// Keys stay on the server, so pages and wallets ask it and not the services.
// [ParseQuestion] reads the few questions there are; what is passed on is written
// anew from what was understood. Between the sponsor's word and the bundler an
// operation is known by its hash: nothing can be changed after it was granted.
//
// A permit is public once it was sent. Whoever sends it alone uses it up, and the
// batch that holds it fails: the money stays where it is, the allowance is there,
// and the same payment goes through without the permit.
package userop
