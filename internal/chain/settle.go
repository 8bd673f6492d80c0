package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// settleEvery is how far the final height may run ahead before the other
// endpoints are asked to agree although no evidence waits for it.
const settleEvery = 64

// maxPending bounds the blocks that are made final at one look.
const maxPending = 1000

// ballot counts the endpoints for and against one block being final.
type ballot struct {
	block    Block
	agreed   int
	against  int
	evidence bool // the sink waits for it; if not, it only moves the final height
}

// settle makes evidence final that is deep enough and still where it was: its
// block is read again, from as many endpoints as must agree.
func (s *Scanner) settle(ctx context.Context, v view) error {
	top := min(v.final, s.newest().Number)
	if s.agree == 1 {
		s.final = max(s.final, top)
	}
	pending, err := s.sink.Pending(ctx, s.chain, top)
	if err != nil {
		return fmt.Errorf("reading pending blocks: %w", err)
	}
	s.candidate = s.nextCandidate(top, len(pending) > 0)
	ballots, err := s.ask(ctx, v, pending)
	if err != nil {
		s.blame(v.endpoint)
		return err
	}
	held := s.askOthers(ctx, v, ballots)
	if err := s.count(ctx, ballots); err != nil {
		return err
	}
	s.hold(ctx, held)
	s.showCursor()
	return s.doubt(ctx, v, ballots)
}

// nextCandidate is the height to agree on, 0 for none. It stays until it is
// agreed on: other endpoints may be a block behind, always.
func (s *Scanner) nextCandidate(top uint64, waiting bool) uint64 {
	switch {
	case s.agree == 1 || top <= s.final:
		return 0
	case s.candidate > s.final && s.candidate <= top:
		return s.candidate
	case waiting || top >= s.final+settleEvery:
		return top
	}
	return 0
}

// ask opens a ballot for each block that waits, and for the candidate, with the
// vote of the endpoint of this look.
func (s *Scanner) ask(ctx context.Context, v view, pending []Block) ([]*ballot, error) {
	slices.SortFunc(pending, func(a, b Block) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Hash, b.Hash))
	})
	pending = pending[:min(len(pending), maxPending)]
	ns := numbers(pending)
	if s.candidate > 0 {
		ns = append(ns, s.candidate)
	}
	if len(ns) == 0 {
		return nil, nil
	}
	heads, err := s.headers(ctx, v.endpoint, ns)
	if err != nil {
		return nil, err
	}
	ballots := make([]*ballot, len(pending), len(ns))
	for i, b := range pending {
		if heads[i] == nil {
			return nil, fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, b.Number)
		}
		ballots[i] = &ballot{block: b, evidence: true}
		ballots[i].vote(heads[i])
	}
	if s.candidate > 0 {
		h := heads[len(pending)]
		if h == nil {
			return nil, fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, s.candidate)
		}
		ballots = append(ballots, &ballot{block: h.Block, agreed: 1})
	}
	return ballots, nil
}

func (b *ballot) vote(h *Header) {
	if h.Hash == b.block.Hash {
		b.agreed++
	} else {
		b.against++
	}
}

// askOthers lets other endpoints vote until enough have, and returns why blocks
// are held up, "" if none is. An endpoint votes on what is final by its own
// word only.
func (s *Scanner) askOthers(ctx context.Context, v view, ballots []*ballot) (held string) {
	if s.agree == 1 {
		return ""
	}
	for _, i := range s.client.order(s.avoided) {
		open := slices.DeleteFunc(slices.Clone(ballots), func(b *ballot) bool { return b.agreed >= s.agree })
		if len(open) == 0 {
			return ""
		}
		if i == v.endpoint {
			continue
		}
		if why := s.askOther(ctx, i, open); why != "" {
			held = s.client.endpoints[i].name + ": " + why
		}
	}
	for _, b := range ballots {
		if b.agreed < s.agree && (b.evidence || held != "") {
			return cmp.Or(held, fmt.Sprintf("block %d is not final for enough endpoints yet", b.block.Number))
		}
	}
	return ""
}

// askOther takes one endpoint's votes, and returns what is wrong with them. Only
// where very many blocks wait does it take more than one round trip.
func (s *Scanner) askOther(ctx context.Context, i int, open []*ballot) (why string) {
	ns := make([]uint64, len(open))
	for j, b := range open {
		ns[j] = b.block.Number
	}
	first := min(len(ns), maxHeaders)
	calls := s.tipCalls()
	tips := len(calls)
	for _, n := range ns[:first] {
		calls = append(calls, HeaderCall(AtBlock(n)))
	}
	rs, err := s.client.on(ctx, i, calls)
	if err != nil {
		return "it does not answer"
	}
	_, final, err := s.tips(rs)
	if err != nil {
		return clean(err.Error())
	}
	heads := make([]*Header, first, len(ns))
	for j := range first {
		if heads[j], err = headerAt(rs[tips+j], ns[j]); err != nil {
			return clean(err.Error())
		}
	}
	more, err := s.headers(ctx, i, ns[first:])
	if err != nil {
		return "it does not answer"
	}
	return cast(open, append(heads, more...), final)
}

// cast counts one endpoint's headers as votes, those of blocks that are final by
// its own word.
func cast(open []*ballot, heads []*Header, final uint64) (why string) {
	for j, b := range open {
		switch {
		case b.block.Number > final:
		case heads[j] == nil:
			why = fmt.Sprintf("it has no block %d", b.block.Number)
		default:
			b.vote(heads[j])
			if heads[j].Hash != b.block.Hash {
				why = fmt.Sprintf("its block %d is %s, not %s", b.block.Number, heads[j].Hash, b.block.Hash)
			}
		}
	}
	return why
}

// count makes final what has enough votes.
func (s *Scanner) count(ctx context.Context, ballots []*ballot) error {
	var final []Block
	for _, b := range ballots {
		if b.agreed < s.agree {
			continue
		}
		if b.evidence {
			final = append(final, b.block)
		}
	}
	if len(final) > 0 {
		if err := s.sink.Finalize(ctx, s.chain, final); err != nil {
			return fmt.Errorf("finalizing %d blocks: %w", len(final), err)
		}
	}
	for _, b := range ballots {
		if b.agreed >= s.agree {
			s.final = max(s.final, b.block.Number)
		}
	}
	return nil
}

// hold shows why blocks are held up, and logs it when it changes.
func (s *Scanner) hold(ctx context.Context, held string) {
	if before := s.Health().Disagreement; held != "" && held != before {
		s.log.WarnContext(ctx, "endpoints do not agree that blocks are final", "detail", held)
	}
	s.report(func(h *ScanHealth) { h.Disagreement = held })
}

// doubtAfter is how many looks in a row must find evidence in a block that is
// not on the chain before it is read again.
const doubtAfter = 2

// doubt goes back below evidence whose block is, by the word of as many
// endpoints as must agree, not on the chain although the cursor is: it was read
// from a node on another fork.
func (s *Scanner) doubt(ctx context.Context, v view, ballots []*ballot) error {
	before := s.suspects
	s.suspects = map[string]int{}
	for _, b := range ballots { // in the order of height: the first is the deepest
		if !b.evidence || b.against < s.agree {
			continue
		}
		if s.suspects[b.block.Hash] = before[b.block.Hash] + 1; s.suspects[b.block.Hash] < doubtAfter {
			s.log.WarnContext(ctx, "evidence is in a block that is not on the chain", "block", b.block.Number)
			continue
		}
		to, err := s.below(ctx, v, b.block.Number)
		if err != nil {
			s.blame(v.endpoint)
			return err
		}
		s.log.WarnContext(ctx, "reading again from below evidence that is not on the chain", "block", b.block.Number, "to", to.Number)
		return s.rewind(ctx, to)
	}
	return nil
}

// below is the newest checkpoint below a height, or the block just below it.
func (s *Scanner) below(ctx context.Context, v view, number uint64) (Block, error) {
	for _, b := range slices.Backward(s.blocks) {
		if b.Number < number {
			return b, nil
		}
	}
	return s.block(ctx, v.endpoint, number-1)
}
