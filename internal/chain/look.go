package chain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// errPastFinality is a chain that no longer has a block that was final.
var errPastFinality = errors.New("the chain took back a block that was final")

// errOdd is an answer about another block than the one asked for, or a final block that
// is above the head.
var errOdd = errors.New("the node's answer is impossible")

// view is the chain as one endpoint showed it at the start of a look. All of a
// look is asked of that endpoint: two endpoints may stand on different forks.
type view struct {
	endpoint int
	head     Block
	final    uint64  // by this endpoint's word and the policy
	at       *Header // the block at the cursor's height, nil if there is none
	glance   *glance // of the block after the cursor, nil if it was not asked for
}

// maxSweeps bounds the sweeps of one look: the head, the cursor's hash and
// finality are worth a fresh one now and then while catching up.
const maxSweeps = 16

// look reads the head, undoes what was reorganised away, sweeps what is new and
// makes final what is due. again reports that there is more to do at once.
func (s *Scanner) look(ctx context.Context) (again bool, err error) {
	if err := s.load(ctx); err != nil {
		return false, err
	}
	v, err := s.view(ctx)
	if err != nil {
		return false, err
	}
	ready, err := s.follow(ctx, v)
	if err != nil {
		return false, err
	}
	for n := 0; ready && s.next(v.head) <= v.head.Number; n++ {
		if n == maxSweeps {
			again = true
			break
		}
		outcome, err := s.sweep(ctx, v)
		if err != nil {
			return false, err
		}
		if outcome == spoiled {
			return true, nil
		}
	}
	s.near = ready && !again && len(s.blocks) > 0
	if !ready || len(s.blocks) == 0 {
		return again, nil
	}
	if s.near {
		s.reached()
	}
	more, err := s.settle(ctx, v)
	return again || more, err
}

// load reads the cursor from the sink if it may have changed there.
func (s *Scanner) load(ctx context.Context) error {
	if s.loaded {
		return nil
	}
	c, err := s.sink.Cursor(ctx, s.chain)
	if err != nil {
		return fmt.Errorf("reading the cursor: %w", err)
	}
	blocks := slices.Clone(c.Blocks)
	slices.Reverse(blocks)
	for i := 1; i < len(blocks); i++ {
		if blocks[i].Number <= blocks[i-1].Number {
			return fmt.Errorf("reading the cursor: its blocks are not in order at %d", blocks[i].Number)
		}
	}
	if len(blocks) == 0 || !s.sources.reach(blocks[len(blocks)-1]) {
		s.sources.forget() // someone else has read on
		s.linked = math.MaxUint64
	}
	s.blocks, s.rewound, s.loaded = blocks, c.Rewound, true
	s.final = max(s.final, c.Final)
	s.showCursor()
	return nil
}

func (s *Scanner) showCursor() {
	s.report(func(h *ScanHealth) {
		h.Final = s.final
		h.Cursor = Block{}
		if len(s.blocks) > 0 {
			h.Cursor = s.newest()
		}
	})
}

func (s *Scanner) newest() Block { return s.blocks[len(s.blocks)-1] }

// next is the first block that was not processed.
func (s *Scanner) next(head Block) uint64 {
	if len(s.blocks) > 0 {
		return s.newest().Number + 1
	}
	if s.start > 0 {
		return min(s.start, head.Number)
	}
	return head.Number - min(s.margin, head.Number)
}

// view asks for the head, the finalized block and the cursor's block at once, and for what
// may have come after it.
func (s *Scanner) view(ctx context.Context) (view, error) {
	calls := s.tipCalls()
	if len(s.blocks) > 0 {
		calls = append(calls, HeaderCall(AtBlock(s.newest().Number)))
	}
	cursor := len(calls) - 1
	next, more := s.glanceCalls()
	rs, i, err := s.client.any(ctx, append(calls, more...), s.avoided, false)
	if err != nil {
		s.shun(next)
		return view{}, fmt.Errorf("reading the head: %w", err)
	}
	v := view{endpoint: i}
	if next != nil {
		next.rs, v.glance, s.shyFor = rs[cursor+1:], next, 0
	}
	head, final, err := s.tips(rs)
	if err != nil {
		s.judge(ctx, i, err)
		return view{}, err
	}
	v.head, v.final = head, final
	if len(s.blocks) > 0 {
		if v.at, err = headerAt(rs[cursor], s.newest().Number); err != nil {
			s.judge(ctx, i, err)
			return view{}, err
		}
	}
	s.survey(ctx, v)
	s.report(func(h *ScanHealth) { h.Head = v.head })
	return v, nil
}

// tipCalls asks for what tips decodes.
func (s *Scanner) tipCalls() []Call {
	calls := []Call{HeaderCall(Latest)}
	if s.finality.Tag {
		calls = append(calls, HeaderCall(Finalized))
	}
	return calls
}

// tips decodes the answers to tipCalls, which come first in rs. A node without
// a finalized block, or without the tag, leaves it to the confirmations.
func (s *Scanner) tips(rs []Result) (head Block, final uint64, err error) {
	h, err := rs[0].Header()
	switch {
	case err != nil:
		return Block{}, 0, fmt.Errorf("reading the head: %w", err)
	case h == nil:
		return Block{}, 0, fmt.Errorf("reading the head: %w", errNull)
	}
	if !s.finality.Tag {
		return h.Block, s.finality.height(h.Number, nil), nil
	}
	tagged, err := rs[1].Header()
	if _, refused := AsRPC(err); err != nil && !refused {
		return Block{}, 0, fmt.Errorf("reading the finalized block: %w", err)
	}
	if tagged != nil && tagged.Number > h.Number {
		return Block{}, 0, fmt.Errorf("%w: it says block %d is final and %d is its head", errOdd, tagged.Number, h.Number)
	}
	return h.Block, s.finality.height(h.Number, tagged), nil
}

// headerAt decodes the header that was asked for by its number, nil if the node
// does not have it.
func headerAt(r Result, number uint64) (*Header, error) {
	h, err := r.Header()
	if err != nil {
		return nil, fmt.Errorf("reading block %d: %w", number, err)
	}
	if h != nil && h.Number != number {
		return nil, fmt.Errorf("reading block %d: %w: it answered with block %d", number, errOdd, h.Number)
	}
	return h, nil
}

// follow compares the chain with what was processed and goes back to where
// they part. It reports whether the chain is ahead of what was processed: a node
// that is behind on the same chain is waited for.
func (s *Scanner) follow(ctx context.Context, v view) (ready bool, err error) {
	if len(s.blocks) == 0 {
		return true, nil
	}
	cursor := s.newest()
	ahead := v.head.Number >= cursor.Number
	switch {
	case v.at != nil && v.at.Hash == cursor.Hash:
		if !ahead {
			s.blame(v.endpoint) // it has the block and does not count it in: prefer another
		}
		s.agreeAgain(ctx)
		return ahead, nil
	case v.at == nil && ahead:
		s.blame(v.endpoint)
		return false, fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, cursor.Number)
	}
	if v.head.Number < s.blocks[0].Number {
		s.blame(v.endpoint)
		return false, nil // the node is behind all that is known: nothing to compare
	}
	to, parted, err := s.common(ctx, v)
	if errors.Is(err, errPastFinality) {
		s.caught(ctx, v.endpoint, ImpossibleReorg, err.Error())
		if s.Health().State != PastFinality {
			s.log.ErrorContext(ctx, "the chain took back what was final; scanning stops until it agrees again", "error", err)
		}
		return false, err
	}
	if err != nil {
		s.judge(ctx, v.endpoint, err)
		return false, err
	}
	s.agreeAgain(ctx)
	if !parted {
		s.blame(v.endpoint)
		return false, nil
	}
	s.log.WarnContext(ctx, "chain reorganised", "from", cursor.Number, "to", to.Number)
	return true, s.rewind(ctx, to)
}

// agreeAgain ends the alarm of a reorganisation past finality.
func (s *Scanner) agreeAgain(ctx context.Context) {
	if s.Health().State != PastFinality {
		return
	}
	s.log.WarnContext(ctx, "the chain has what was final again; scanning goes on")
	s.report(func(h *ScanHealth) { h.State = CatchingUp })
}

// common finds the newest checkpoint that the chain still has. parted reports
// that a newer one, not above the head, is no longer there. At least one
// checkpoint is not above the head.
func (s *Scanner) common(ctx context.Context, v view) (to Block, parted bool, err error) {
	known := slices.Clone(s.blocks)
	slices.Reverse(known)
	known = slices.DeleteFunc(known, func(b Block) bool { return b.Number > v.head.Number })
	oldest := known[len(known)-1]
	for width := 8; len(known) > 0; width = 64 { // most reorganisations are shallow
		some := known[:min(width, len(known))]
		known = known[len(some):]
		heads, err := s.headers(ctx, v.endpoint, numbers(some))
		if err != nil {
			return Block{}, false, err
		}
		for i, b := range some {
			switch {
			case heads[i] == nil:
				return Block{}, false, fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, b.Number)
			case heads[i].Hash == b.Hash:
				return b, parted, nil
			case b.Number <= s.final || b.Number == 0:
				return Block{}, false, fmt.Errorf("%w: block %d is %s and was %s", errPastFinality, b.Number, heads[i].Hash, b.Hash)
			}
			parted = true
		}
	}
	// Not even the first checkpoint is left. The first sweep is a single block, so
	// nothing was ever read below it.
	to, err = s.block(ctx, v.endpoint, oldest.Number-1)
	return to, true, err
}

func numbers(bs []Block) []uint64 {
	ns := make([]uint64, len(bs))
	for i, b := range bs {
		ns[i] = b.Number
	}
	return ns
}

// maxHeaders bounds the headers asked for in one round trip: nodes send the
// hash of every transaction along, up to 100 kB for a full block.
const maxHeaders = 32

// headers asks one endpoint for blocks by number; nil where it has none.
func (s *Scanner) headers(ctx context.Context, endpoint int, ns []uint64) ([]*Header, error) {
	out := make([]*Header, 0, len(ns))
	for some := range slices.Chunk(ns, maxHeaders) {
		calls := make([]Call, len(some))
		for i, n := range some {
			calls[i] = HeaderCall(AtBlock(n))
		}
		rs, err := s.client.on(ctx, endpoint, calls)
		if err != nil {
			return nil, fmt.Errorf("reading headers: %w", err)
		}
		for i, n := range some {
			h, err := headerAt(rs[i], n)
			if err != nil {
				return nil, err
			}
			out = append(out, h)
		}
	}
	return out, nil
}

func (s *Scanner) block(ctx context.Context, endpoint int, number uint64) (Block, error) {
	hs, err := s.headers(ctx, endpoint, []uint64{number})
	if err != nil {
		return Block{}, err
	}
	if hs[0] == nil {
		return Block{}, fmt.Errorf("reading block %d: %w", number, errNull)
	}
	return hs[0].Block, nil
}

// rewind takes back everything above to.
func (s *Scanner) rewind(ctx context.Context, to Block) error {
	if err := s.sink.Rewind(ctx, s.chain, to, s.rewound); err != nil {
		return fmt.Errorf("rewinding to block %d: %w", to.Number, err)
	}
	s.sources.rewind(to)
	if to.Number < s.linked {
		s.linked = to.Number
	}
	clear(s.suspects)
	s.loaded = false // others may have gone back further since
	return s.load(ctx)
}
