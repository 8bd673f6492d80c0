package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/span"
)

// sink carries what a scanner finds into the checkout.
type sink struct {
	checkout *checkout.Service
	sources  []source
	registry *official.Registry
	safes    *safe.Table // nil if Safes are not known
	node     chain.Batcher
	tracer   trace.Tracer // nil if nothing is traced
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
	return chain.Cursor{Blocks: chainBlocks(c.Blocks), Final: c.Final, Rewound: c.Rewound}, nil
}

// Apply implements chain.Sink. Logs that are evidence of nothing are other people's
// business and are passed over.
func (s *sink) Apply(ctx context.Context, sw chain.Sweep) error {
	out := checkout.Sweep{Chain: sw.Chain, From: sw.From, To: block(sw.To), Final: sw.Final, Rewound: sw.Rewound}
	s.read(ctx, sw, &out)
	if err := s.payers(ctx, sw.From, out.Sightings); err != nil {
		return err
	}
	for _, x := range allWith[blockReader](s.sources) {
		if err := x.Read(ctx, sw, &out); err != nil {
			return err
		}
	}
	if len(out.Sightings)+len(out.Recoveries)+len(out.Balances) == 0 {
		return s.checkout.RecordSweep(ctx, out) // blocks without evidence are nobody's story
	}
	ctx, end := span.Root(ctx, s.tracer, "chain sweep", attribute.Int("sightings", len(out.Sightings)))
	err := s.checkout.RecordSweep(ctx, out)
	end(err)
	return err
}

// read adds what single logs are evidence of. Each is shown to the sources that ask for it.
func (s *sink) read(ctx context.Context, sw chain.Sweep, out *checkout.Sweep) {
	wanted := make([]chain.Filter, len(s.sources))
	for i, x := range s.sources {
		wanted[i] = x.Filter(sw.Chain)
	}
	for _, l := range sw.Logs {
		for i, x := range s.sources {
			if !covers(wanted[i], l) {
				continue
			}
			if err := decode(x, l, out); err != nil {
				s.log.DebugContext(ctx, "log passed over", "chain", sw.Chain, "tx", l.Tx, "err", err)
			}
		}
	}
}

// decode adds what a source makes of a log.
func decode(x source, l chain.Log, out *checkout.Sweep) error {
	var wrong []error
	if over, ok := x.(bridge); ok {
		r, err := over.Recovery(out.Chain, l)
		if err == nil {
			out.Recoveries = append(out.Recoveries, r)
		}
		wrong = append(wrong, err)
	}
	if reader, ok := x.(logReader); ok {
		seen, err := reader.Decode(out.Chain, l)
		if err == nil {
			out.Sightings = append(out.Sightings, seen)
		}
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// covers reports whether a filter asks for a log.
func covers(f chain.Filter, l chain.Log) bool {
	return slices.Contains(f.Addresses, l.Address) && (len(f.Topics0) == 0 || len(l.Topics) > 0 && slices.Contains(f.Topics0, l.Topics[0]))
}

// filter asks for all that is evidence of any source. What is none's, a contract's event of
// another's kind, comes with it.
func filter(sources []source, id asset.ChainID) (all chain.Filter) {
	everything := false
	for _, x := range sources {
		f := x.Filter(id)
		if len(f.Addresses) == 0 {
			continue
		}
		everything = everything || len(f.Topics0) == 0
		all.Addresses, all.Topics0 = append(all.Addresses, f.Addresses...), append(all.Topics0, f.Topics0...)
	}
	if everything {
		all.Topics0 = nil
	}
	return all
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
		receipts, bySafes, err := s.receipts(ctx, some, xs, at)
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

// receipts asks for the receipts of some transactions, and for the transactions that
// are Safes'. What a node does not have, or answers with nonsense, is missing.
func (s *sink) receipts(ctx context.Context, some []string, xs []rail.Sighting, at map[string][]int) ([]*chain.Receipt, map[string]*chain.Transaction, error) {
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

// byTransaction groups some of the sightings, but for those whose rail says who paid: one
// transaction may hold many.
func byTransaction(xs []rail.Sighting, some []int) (txs []string, at map[string][]int) {
	at = map[string][]int{}
	for _, i := range some {
		if xs[i].Evidence.Payer != "" {
			continue
		}
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
	bridges := allWith[bridge](s.sources)
	for _, i := range some {
		x := &xs[i]
		if r.Block.Hash != x.Evidence.BlockHash {
			continue
		}
		who := s.payer(*x, r)
		if x.Token.IsZero() && s.bySafe(*x, bySafe, r) {
			who = r.To
		}
		if who.IsZero() {
			continue
		}
		over := slices.IndexFunc(bridges, func(b bridge) bool { return b.Executor(x.Chain, who) })
		if over < 0 {
			x.Evidence.Payer = who.String()
			continue
		}
		x.Evidence.Source.Route = bridges[over].Brought(x.Chain, r.Logs, x.Evidence.LogIndex)
	}
}

// Rewind implements chain.Sink.
func (s *sink) Rewind(ctx context.Context, id asset.ChainID, to chain.Block, rewound int64) error {
	s.log.WarnContext(ctx, "chain reorganised", "chain", id, "to", to.Number)
	return s.checkout.Rewind(ctx, id, block(to), rewound)
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
	ctx, end := span.Root(ctx, s.tracer, "chain finality", attribute.Int("blocks", len(blocks)))
	err := s.checkout.Finalize(ctx, id, out)
	end(err)
	return err
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
