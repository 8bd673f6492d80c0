package app

import (
	"context"
	"fmt"
	"log/slog"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/rail"
)

// decoder is a rail that reads evidence off a chain's logs.
type decoder interface {
	Filter(asset.ChainID) chain.Filter
	Decode(asset.ChainID, chain.Log) (rail.Sighting, error)
}

// sink carries what a scanner finds into the checkout.
type sink struct {
	checkout *checkout.Service
	rail     decoder
	node     chain.Batcher
	book     *asset.Book
	log      *slog.Logger
}

var _ chain.Sink = (*sink)(nil)

// Cursor implements chain.Sink.
func (s *sink) Cursor(ctx context.Context, id asset.ChainID) (chain.Cursor, error) {
	c, err := s.checkout.Cursor(ctx, id)
	if err != nil {
		return chain.Cursor{}, err
	}
	return chain.Cursor{Blocks: chainBlocks(c.Blocks), Final: c.Final}, nil
}

// Apply implements chain.Sink. Logs that are no payment events are other
// people's business and are passed over.
func (s *sink) Apply(ctx context.Context, sw chain.Sweep) error {
	out := checkout.Sweep{Chain: sw.Chain, From: sw.From, To: block(sw.To), Final: sw.Final}
	for _, l := range sw.Logs {
		x, err := s.rail.Decode(sw.Chain, l)
		if err != nil {
			s.log.DebugContext(ctx, "log passed over", "chain", sw.Chain, "tx", l.Tx, "err", err)
			continue
		}
		out.Sightings = append(out.Sightings, x)
	}
	if err := s.payers(ctx, out.Sightings); err != nil {
		return err
	}
	return s.checkout.RecordSweep(ctx, out)
}

// topicTransfer is keccak256("Transfer(address,address,uint256)"), ERC-20.
const topicTransfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

// payers fills in who paid: the fee proxies' events do not say it, the token's
// Transfer log in the same transaction does, and for native currency the sender
// is the best answer there is. Only payments of ours are looked at.
func (s *sink) payers(ctx context.Context, xs []rail.Sighting) error {
	mine, err := s.checkout.Mine(ctx, xs)
	if err != nil {
		return err
	}
	if len(mine) == 0 {
		return nil
	}
	calls := make([]chain.Call, len(mine))
	for i, at := range mine {
		calls[i] = chain.ReceiptCall(xs[at].Evidence.Tx)
	}
	results, err := s.node.Batch(ctx, calls)
	if err != nil {
		return fmt.Errorf("read receipts: %w", err)
	}
	for i, at := range mine {
		r, err := results[i].Receipt()
		if err != nil || r == nil || r.Block.Hash != xs[at].Evidence.BlockHash {
			continue // the payer is a courtesy: the payment counts without it
		}
		if who := payer(xs[at], r); !who.IsZero() {
			xs[at].Evidence.Payer = who.String()
		}
	}
	return nil
}

func payer(x rail.Sighting, r *chain.Receipt) asset.Address {
	if x.Token.IsZero() {
		return r.From
	}
	for _, l := range r.Logs {
		if l.Address != x.Token || len(l.Topics) != 3 || l.Topics[0] != topicTransfer || len(l.Data) != 32 {
			continue
		}
		if "0x"+l.Topics[2][26:] != x.To.Lower() || !sameAmount(l.Data, x) {
			continue
		}
		from, err := asset.ParseAddress("0x" + l.Topics[1][26:])
		if err != nil {
			continue
		}
		return from
	}
	return asset.Address{}
}

func sameAmount(word []byte, x rail.Sighting) bool {
	var want [32]byte
	x.Amount.FillBytes(want[:])
	return string(word) == string(want[:])
}

// Rewind implements chain.Sink.
func (s *sink) Rewind(ctx context.Context, id asset.ChainID, to chain.Block) error {
	s.log.WarnContext(ctx, "chain reorganised", "chain", id, "to", to.Number)
	return s.checkout.Rewind(ctx, id, block(to))
}

// Pending implements chain.Sink.
func (s *sink) Pending(ctx context.Context, id asset.ChainID, upTo uint64) ([]chain.Block, error) {
	bs, err := s.checkout.Unsettled(ctx, id, upTo)
	return chainBlocks(bs), err
}

// Finalize implements chain.Sink.
func (s *sink) Finalize(ctx context.Context, id asset.ChainID, blocks []chain.Block) error {
	out := make([]checkout.Block, len(blocks))
	for i, b := range blocks {
		out[i] = block(b)
	}
	return s.checkout.Finalize(ctx, id, out)
}

func block(b chain.Block) checkout.Block {
	return checkout.Block{Number: b.Number, Hash: b.Hash, Time: b.Time}
}

func chainBlocks(bs []checkout.Block) []chain.Block {
	out := make([]chain.Block, len(bs))
	for i, b := range bs {
		out[i] = chain.Block{Number: b.Number, Hash: b.Hash, Time: b.Time}
	}
	return out
}

// heads tells pages how far each chain's scanner is.
type heads struct {
	scanners map[asset.ChainID]*chain.Scanner
	required map[asset.ChainID]int
}

func (h heads) Head(id asset.ChainID) (uint64, bool) {
	s, ok := h.scanners[id]
	if !ok {
		return 0, false
	}
	b := s.Head()
	return b.Number, b.Hash != ""
}

func (h heads) Required(id asset.ChainID) int { return h.required[id] }

func (h heads) caughtUp() bool {
	for _, s := range h.scanners {
		if !s.CaughtUp() {
			return false
		}
	}
	return true
}
