package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// outcome says what became of a sweep that did not fail.
type outcome int

const (
	done    outcome = iota // applied; or the range was too large and is smaller now
	spoiled                // the chain was reorganised meanwhile: look again
)

// maxSpoiled is how many sweeps in a row a reorganisation may spoil before the
// endpoint is taken to be at fault.
const maxSpoiled = 4

// sweep reads one range of blocks and applies it: one round trip for its end, its logs
// and its end again, which must still be the same block; none if the look's first one has
// asked that. Where blocks before the end have
// logs, or the range may not continue the cursor, a second one for headers and for the end.
func (s *Scanner) sweep(ctx context.Context, v view) (outcome, error) {
	from := s.next(v.head)
	to := s.rangeEnd(from, v)
	r, known, err := v.glance.of(from, to)
	if !known {
		r, err = s.read(ctx, v, s.filter(), from, to)
	}
	if err != nil {
		return s.shrink(ctx, v, from, to, err)
	}
	end, logs := r.end, r.logs
	same := end.Hash == r.before.Hash
	if apart := s.mayPart(from, end, v); same && (!onlyAt(end, logs) || apart) {
		same, err = s.prove(ctx, v, end, logs, apart)
	}
	if err != nil {
		s.judge(ctx, v.endpoint, err)
		return done, fmt.Errorf("checking blocks %d to %d: %w", from, to, err)
	}
	if !same || !s.continues(from, end, v.head) {
		if s.moved++; s.moved > maxSpoiled {
			s.moved = 0
			s.blame(v.endpoint)
			return done, fmt.Errorf("blocks %d to %d change while they are read", from, to)
		}
		return spoiled, nil
	}
	s.moved = 0
	final := s.final
	if s.agree == 1 {
		final = max(final, min(v.final, to))
	}
	sw := Sweep{Chain: s.chain, From: from, To: end.Block, Head: v.head, Final: min(final, to), Logs: logs, Blocks: r.blocks, Rewound: s.rewound}
	if err := s.sink.Apply(ctx, sw); err != nil {
		return done, fmt.Errorf("applying blocks %d to %d: %w", from, to, err)
	}
	s.final = final
	s.sources.add(from, end.Block, v.endpoint)
	if len(s.blocks) == 0 || from != to {
		s.linked = to
	}
	s.advance(end.Block)
	s.stride.grow(to - from + 1)
	return done, nil
}

// rangeEnd is the last block of the sweep that begins at from. A range does not
// cross the final height, so that there is a checkpoint to go back to; the very
// first is one block, so that below it nothing was ever read.
func (s *Scanner) rangeEnd(from uint64, v view) uint64 {
	if len(s.blocks) == 0 {
		return from
	}
	to := min(from+s.stride.Width()-1, v.head.Number)
	if v.final >= from && v.final < to {
		to = v.final
	}
	return to
}

// continues reports whether the end of a range fits what was known before: the
// head if it is the head, the block after the cursor if it is that.
func (s *Scanner) continues(from uint64, end *Header, head Block) bool {
	if end.Number == head.Number && end.Hash != head.Hash {
		return false
	}
	return len(s.blocks) == 0 || end.Number != from || end.Parent == s.newest().Hash
}

// mayPart reports whether nothing tells that a range continues the cursor: it ends below the
// head that this look began with, and its end is not the block after the cursor. If the chain
// was reorganised since, what came in the cursor's place would never be read.
func (s *Scanner) mayPart(from uint64, end *Header, v view) bool {
	return len(s.blocks) > 0 && end.Number < v.head.Number && end.Number != from && s.newest().Number > v.final
}

// ranged is what an endpoint says of a range: its end before and after its logs.
type ranged struct {
	before, end *Header
	logs        []Log
	blocks      []*FullBlock // of the range, if they came along
}

// read asks for a range's end, before and after its logs, and checks the logs against the
// question.
func (s *Scanner) read(ctx context.Context, v view, f Filter, from, to uint64) (ranged, error) {
	calls := []Call{HeaderCall(AtBlock(to))}
	if len(f.Addresses) > 0 {
		calls = append(calls, LogsCall(f, from, to), HeaderCall(AtBlock(to)))
	}
	rs, err := s.client.on(ctx, v.endpoint, calls)
	if err != nil {
		return ranged{}, err
	}
	r, err := decodeRange(rs, f, from, to)
	if err == nil && (r.before == nil || r.end == nil) {
		err = fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, to)
	}
	return r, err
}

// decodeRange decodes the answers to what read asks. A header is nil if there is none.
func decodeRange(rs []Result, f Filter, from, to uint64) (r ranged, err error) {
	if r.before, err = headerAt(rs[0], to); err != nil {
		return r, err
	}
	if r.end, err = headerAt(rs[len(rs)-1], to); err != nil || len(f.Addresses) == 0 {
		return r, err
	}
	if r.before == nil || r.end == nil {
		return r, nil
	}
	if r.logs, err = rs[1].Logs(); err != nil {
		return r, err
	}
	r.logs, err = sortLogs(r.logs, f, from, to)
	return r, err
}

// onlyAt reports whether all logs are of a range's end, and gives them its time.
func onlyAt(end *Header, logs []Log) bool {
	for i := range logs {
		if logs[i].Block.Number != end.Number || logs[i].Block.Hash != end.Hash {
			return false
		}
		logs[i].Block = end.Block
	}
	return true
}

// shrink makes the range smaller if that may help, and tells whether to try
// again at once: only when the node said that it was too large.
func (s *Scanner) shrink(ctx context.Context, v view, from, to uint64, err error) (outcome, error) {
	refusal, refused := AsRPC(err)
	large := errors.Is(err, errTooLong) || refused && refusal.tooMuch()
	if to > from && (large || refused && !refusal.limited() || errors.Is(err, context.DeadlineExceeded)) {
		s.stride.shrink(to - from + 1)
		if large {
			return done, nil
		}
	}
	s.judge(ctx, v.endpoint, err)
	return done, fmt.Errorf("reading blocks %d to %d: %w", from, to, err)
}

// The lies a list of logs can tell.
var (
	errForeignLog = errors.New("the node returned a log that was not asked for")
	errTwoLogs    = errors.New("the node returned two logs for one place")
	errTwoBlocks  = errors.New("the node returned logs of two blocks at one height")
	errWrongBlock = errors.New("the node returned a log of a block that is not on its chain")
)

// sortLogs brings logs into the chain's order, drops repetitions and refuses
// what was not asked for.
func sortLogs(logs []Log, f Filter, from, to uint64) ([]Log, error) {
	for _, l := range logs {
		if l.Block.Number < from || l.Block.Number > to || !f.wants(l) {
			return nil, fmt.Errorf("%w: block %d, log %d", errForeignLog, l.Block.Number, l.Index)
		}
	}
	slices.SortStableFunc(logs, func(a, b Log) int {
		return cmp.Or(cmp.Compare(a.Block.Number, b.Block.Number), cmp.Compare(a.Index, b.Index))
	})
	out := logs[:0]
	for _, l := range logs {
		if len(out) == 0 {
			out = append(out, l)
			continue
		}
		last := out[len(out)-1]
		switch {
		case l.Block.Number != last.Block.Number:
		case l.Block.Hash != last.Block.Hash:
			return nil, fmt.Errorf("%w: %d", errTwoBlocks, l.Block.Number)
		case l.Index == last.Index:
			if !l.equal(last) {
				return nil, fmt.Errorf("%w: block %d, log %d", errTwoLogs, l.Block.Number, l.Index)
			}
			continue
		}
		out = append(out, l)
	}
	return out, nil
}

func (f Filter) wants(l Log) bool {
	if !slices.Contains(f.Addresses, l.Address) {
		return false
	}
	return len(f.Topics0) == 0 || len(l.Topics) > 0 && slices.Contains(f.Topics0, l.Topics[0])
}

func (l Log) equal(m Log) bool {
	return l.Address == m.Address && l.Block == m.Block && l.Tx == m.Tx && l.TxIndex == m.TxIndex &&
		l.Index == m.Index && slices.Equal(l.Topics, m.Topics) && slices.Equal(l.Data, m.Data)
}

// prove reads the headers of the blocks that have logs, compares their hashes
// and gives the logs their time. The end of the range comes last: if it is
// still the same block, all before it are too. With apart the cursor must be on the chain
// still.
func (s *Scanner) prove(ctx context.Context, v view, end *Header, logs []Log, apart bool) (same bool, err error) {
	var ns []uint64
	for _, l := range logs {
		if len(ns) == 0 || ns[len(ns)-1] != l.Block.Number {
			ns = append(ns, l.Block.Number)
		}
	}
	rest := []Block{end.Block}
	if apart {
		rest = []Block{s.newest(), end.Block}
	}
	heads, err := s.headers(ctx, v.endpoint, append(ns, numbers(rest)...))
	if err != nil {
		return false, err
	}
	for i, b := range rest {
		if h := heads[len(ns)+i]; h == nil || h.Hash != b.Hash {
			return false, nil
		}
	}
	at := 0
	for i := range logs {
		if logs[i].Block.Number != ns[at] {
			at++
		}
		if heads[at] == nil || heads[at].Hash != logs[i].Block.Hash {
			return false, fmt.Errorf("%w: block %d", errWrongBlock, logs[i].Block.Number)
		}
		logs[i].Block = heads[at].Block
	}
	return true, nil
}

// advance makes to the cursor and forgets checkpoints that finality made useless.
func (s *Scanner) advance(to Block) {
	s.blocks = append(s.blocks, to)
	keep := 0
	for i, b := range s.blocks {
		if b.Number <= s.final {
			keep = i
		}
	}
	s.blocks = slices.Delete(s.blocks, 0, keep)
	s.showCursor()
}
