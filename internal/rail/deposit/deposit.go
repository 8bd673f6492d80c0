// Package deposit watches addresses that were made for one payment each, for plain
// transfers of native currency and enabled tokens, whoever sends them and however: a
// wallet, an exchange, a contract, a withdrawal, a transfer inside of another
// transaction. It knows blocks, balances and the tokens' Transfer events, and reports
// sightings; Rail makes the transfer that pays what is missing by a payment's quote. It
// must not know where prices come from, stores or pages, and it never sees a key: what
// it watches is addresses.
//
// # How native currency is found
//
// Tokens log their transfers, native currency does not. Tracing would show it and few
// nodes trace, so it is found without:
//
//  1. Every block is read once, with its transactions. What names one of the addresses,
//     as sender, receiver or anywhere in its data, makes it worth a look: its balance
//     before and after the block says what it got in it. This finds what wallets and
//     exchanges send, batches, payouts, smart accounts, at once.
//  2. All addresses that are open are looked at in turn, some at each block, all within
//     a round (RoundLength). This finds the rest, where a contract had the address from
//     its storage; the blocks it came in are then searched for by halving.
//
// So a block costs its transactions, one or two calls of Multicall3 for the addresses
// whose turn it is, and a few questions for each that got something, whatever the number
// of addresses that are watched.
//
// What an address got in a block is the difference of its balances plus what it paid
// itself. Money that the merchant moves on (with fees) is therefore no loss and no gain,
// and nothing is counted twice: for every block in which a balance changed, the balance
// is kept with the sightings (Found.Balances), in the same transaction as the scanner's
// cursor. They live as the transfers do: what was final stays, and a rewind forgets what
// lies above its block and was not.
//
// # What is not certain
//
// A chain that takes more than its receipts tell (rollups of the OP Stack have an
// operator's fee) makes money that a contract sends in the very block of the merchant's
// own transfer from the same address look smaller, never greater. An address that was
// given code (EIP-7702) may send without a transaction of its own; what it gets and
// sends on within one round is then not seen. Nobody but the merchant can do either.
package deposit

import (
	"context"
	"math/big"
	"strconv"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// ID is the rail's id.
const ID rail.ID = "deposit"

// Handle is what names an address's payment: sightings carry it, and creation
// registers it.
func Handle(a asset.Address) string { return a.Lower() }

// Known is what was written down of an address' native balance.
type Known struct {
	Block  uint64   // in which it changed
	Before *big.Int // before that block, as far as was known
	Wei    *big.Int // after it
	// Later are balances after blocks that are read again now: those that were final
	// when the scanner went back, in rising order. The sightings of these blocks are
	// there.
	Later []Known
}

// Balance is an address's native balance after a block in which it changed.
type Balance struct {
	Address     asset.Address
	Block       uint64
	BlockHash   string
	Before, Wei *big.Int
}

// Found is what a range of blocks holds. Sightings and Balances are stored together,
// with the cursor, or not at all.
type Found struct {
	// Sightings may lie below the range: what was found late has the block it came in.
	Sightings []rail.Sighting
	Balances  []Balance
}

// Ledger remembers balances: what of Found.Balances was stored and not taken back. A
// balance is final once its block is, like a sighting of that block. It may be asked
// from one goroutine for each chain.
type Ledger interface {
	// Balances returns the newest balance of each address on a chain below block from,
	// and those from there on. Addresses of which none is stored are left out: they have
	// had nothing.
	Balances(ctx context.Context, id asset.ChainID, from uint64, of []asset.Address) (map[asset.Address]Known, error)
}

// tokens reads the Transfer events of a sweep: what reached addresses of the index in
// tokens of the list. Other logs are other people's business. A transfer to oneself
// moves nothing, and one of nothing is a lure.
func tokens(sw chain.Sweep, list map[asset.Address]bool, index *Index) []rail.Sighting {
	var out []rail.Sighting
	for _, l := range sw.Logs {
		if !list[l.Address] || len(l.Topics) != 3 || l.Topics[0] != official.TopicTransfer || len(l.Data) != 32 {
			continue
		}
		from, okFrom := indexed(l.Topics[1])
		to, okTo := indexed(l.Topics[2])
		amount := new(big.Int).SetBytes(l.Data)
		if !okFrom || !okTo || from == to || amount.Sign() == 0 || !index.Has(to) {
			continue
		}
		out = append(out, rail.Sighting{
			Rail: ID, Handle: Handle(to), Key: key(sw.Chain, l.Tx, strconv.FormatUint(uint64(l.Index), 10)), Chain: sw.Chain,
			Token: l.Address, To: to, Amount: amount, Contract: l.Address, At: l.Block.Time,
			Evidence: payment.Evidence{
				Chain: sw.Chain, Block: l.Block.Number, BlockHash: l.Block.Hash, Tx: l.Tx, LogIndex: l.Index, Payer: from.String(),
			},
		})
	}
	return out
}

// indexed reads an address out of a topic.
func indexed(topic string) (asset.Address, bool) {
	if len(topic) != 66 || topic[2:26] != "000000000000000000000000" {
		return asset.Address{}, false
	}
	a, err := asset.ParseAddress("0x" + topic[26:])
	return a, err == nil
}

// key names the place of evidence: a log, a transaction, or a block.
func key(id asset.ChainID, hash, what string) string {
	return string(ID) + ":" + strconv.FormatUint(uint64(id), 10) + ":" + hash + ":" + what
}
