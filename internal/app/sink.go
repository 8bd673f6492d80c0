package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// decoder is a rail that reads evidence off a chain's logs.
type decoder interface {
	Filter(asset.ChainID) chain.Filter
	Decode(asset.ChainID, chain.Log) (rail.Sighting, error)
}

// bridges reads evidence of transfers over bridges off a chain's logs.
type bridges interface {
	Filter(asset.ChainID) chain.Filter
	Recovery(asset.ChainID, chain.Log) (rail.Recovery, error)
	Executor(asset.ChainID, asset.Address) bool
	Brought(id asset.ChainID, logs []chain.Log, index uint) string
}

// sink carries what a scanner finds into the checkout.
type sink struct {
	checkout *checkout.Service
	rail     decoder
	bridges  bridges // nil if no bridges are known
	registry *official.Registry
	safes    *safe.Table // nil if Safes are not known
	deposits *deposits   // nil if no deposit addresses are watched
	promised *promised   // nil if they are
	node     chain.Batcher
	book     *asset.Book
	log      *slog.Logger

	failed struct { // only the scanner's goroutine touches it
		from  uint64
		times int
	}
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
	if err := s.promised.check(ctx); err != nil {
		return err
	}
	out := checkout.Sweep{Chain: sw.Chain, From: sw.From, To: block(sw.To), Final: sw.Final}
	for _, l := range sw.Logs {
		if s.deposits.transfer(l) {
			continue // of any of everybody's: the watcher picks ours
		}
		if s.bridges != nil {
			if r, err := s.bridges.Recovery(sw.Chain, l); err == nil {
				out.Recoveries = append(out.Recoveries, r)
				continue
			}
		}
		x, err := s.rail.Decode(sw.Chain, l)
		if err != nil {
			s.log.DebugContext(ctx, "log passed over", "chain", sw.Chain, "tx", l.Tx, "err", err)
			continue
		}
		out.Sightings = append(out.Sightings, x)
	}
	if err := s.payers(ctx, sw.From, out.Sightings); err != nil {
		return err
	}
	if err := s.reads(ctx, sw, &out); err != nil {
		return err
	}
	return s.checkout.RecordSweep(ctx, out)
}

// receiptsAtOnce bounds the receipts of one round trip: whoever sends a
// transaction decides how long its receipt is, and an answer has a limit.
const receiptsAtOnce = 8

// patience is how often a sweep is given up because receipts could not be read.
// After that it goes on without them: a payment counts without its payer's
// name, and nobody's receipt may stop the watching of a chain.
const patience = 3

// payers fills in who paid: the fee proxies' events do not say it, the token's
// Transfer log in the same transaction does. For native currency it is the Safe
// that the transaction calls, if it says so, or the account whose user operation was
// executed, and else the sender is the best answer there is. Only payments of ours
// are looked at.
func (s *sink) payers(ctx context.Context, from uint64, xs []rail.Sighting) error {
	mine, err := s.checkout.Mine(ctx, xs)
	if err != nil {
		return err
	}
	txs, at := byTransaction(xs, mine)
	for some := range slices.Chunk(txs, receiptsAtOnce) {
		receipts, bySafes, err := s.read(ctx, some, xs, at)
		if err != nil {
			if ctx.Err() != nil || s.again(from) {
				return fmt.Errorf("read receipts: %w", err)
			}
			s.log.WarnContext(ctx, "receipts not read; payers stay unknown", "from", from, "count", len(some), "err", err)
			continue
		}
		for _, r := range receipts {
			s.name(xs, at[r.Tx], r, bySafes[r.Tx])
		}
	}
	return nil
}

// read asks for the receipts of some transactions, and for the transactions that
// are Safes'. What a node does not have, or answers with nonsense, is missing.
func (s *sink) read(ctx context.Context, some []string, xs []rail.Sighting, at map[string][]int) ([]*chain.Receipt, map[string]*chain.Transaction, error) {
	calls := make([]chain.Call, len(some))
	for i, tx := range some {
		calls[i] = chain.ReceiptCall(tx)
	}
	results, err := s.node.Batch(ctx, calls)
	if err != nil {
		return nil, nil, err
	}
	var receipts []*chain.Receipt
	for i, tx := range some {
		if r, err := results[i].Receipt(); err == nil && r != nil && r.Tx == tx {
			receipts = append(receipts, r)
		}
	}
	bySafes, err := s.safePayers(ctx, xs, at, receipts)
	return receipts, bySafes, err
}

// again counts the sweeps that failed at one height and tells whether to try
// the whole sweep once more.
func (s *sink) again(from uint64) bool {
	if s.failed.from != from {
		s.failed.from, s.failed.times = from, 0
	}
	s.failed.times++
	return s.failed.times < patience
}

// byTransaction groups some of the sightings: one transaction may hold many.
func byTransaction(xs []rail.Sighting, some []int) (txs []string, at map[string][]int) {
	at = map[string][]int{}
	for _, i := range some {
		tx := xs[i].Evidence.Tx
		if at[tx] == nil {
			txs = append(txs, tx)
		}
		at[tx] = append(at[tx], i)
	}
	return txs, at
}

// name writes down who paid, by one receipt, and the transaction where a Safe may
// have. Where a bridge's contract did, it is which transfer brought the money: the
// payer signed on another chain.
func (s *sink) name(xs []rail.Sighting, some []int, r *chain.Receipt, bySafe *chain.Transaction) {
	for _, i := range some {
		x := &xs[i]
		if r.Block.Hash != x.Evidence.BlockHash {
			continue
		}
		who := s.payer(*x, r)
		if x.Token.IsZero() && s.bySafe(*x, bySafe, r) {
			who = r.To
		}
		switch {
		case who.IsZero():
		case s.bridges != nil && s.bridges.Executor(x.Chain, who):
			x.Evidence.Source.Route = s.bridges.Brought(x.Chain, r.Logs, x.Evidence.LogIndex)
		default:
			x.Evidence.Payer = who.String()
		}
	}
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

// final is the height up to which a chain is final and was searched, 0 if it was
// not looked at yet.
func (h heads) final(id asset.ChainID) uint64 {
	if s, ok := h.scanners[id]; ok {
		return s.FinalHeight()
	}
	return 0
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
