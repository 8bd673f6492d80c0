// Package lifi asks LI.FI for routes between chains and proves that what it
// answers does what was asked: the call of its contract is decoded byte by byte
// and compared with the payment it must end in, with pinned addresses, before
// anyone is asked to sign it. It knows LI.FI's protocol, its contracts and the
// bridges behind them; it must not know payments, pages, the database or a
// chain's node, and it believes nothing that the service says about its own
// calldata.
//
// The contracts check less than one would think. With a call on the
// destination nothing on chain compares who receives the money, which asset
// goes into the bridge, or what comes out: see lifinance/contracts @ef00558,
// AcrossFacetV4 and StargateFacetV2. [Table.Verify] therefore compares every
// field that moves money, and refuses what it cannot decode.
//
// What it does not compare can do no harm: BridgeData's transactionId, bridge,
// integrator, referrer and, beside a destination call, receiver appear only in
// events; a message's transactionId likewise; outputAmount after a source swap
// and Stargate's amountLD are overwritten by the facets; Stargate's assetId
// names a pool, and a pool pulls its own token only; the inner route of a DEX
// leg is bounded by what must come out of it.
package lifi

//go:generate go run ./gen ../../static/ts/src/routes.gen.ts
