package chain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// settleEvery is how far the final height may run ahead before the other endpoints are
// asked to agree although no evidence waits for it. Where they read its logs too, what
// the first one left out is to be found sooner.
const (
	settleEvery = 64
	auditEvery  = 8
)

func (s *Scanner) settleEvery() uint64 {
	if s.records != nil {
		return auditEvery
	}
	return settleEvery
}

// maxPending bounds the blocks that are made final at one look.
const maxPending = 1000

// ballot counts the endpoints for and against one block being final.
type ballot struct {
	block    Block
	yes, no  []int
	evidence bool // the sink waits for it; if not, it only moves the final height
	settled  bool // what is kept of it was brought into line with what enough endpoints say
}

// settle makes evidence final that is deep enough and still where it was: its
// block is read again, from as many endpoints as must agree, and so are its logs.
// again reports that there is more to do at once.
func (s *Scanner) settle(ctx context.Context, v view) (again bool, err error) {
	top := min(v.final, s.newest().Number)
	if s.agree == 1 {
		s.final = max(s.final, top)
	}
	if moved, err := s.vouch(ctx, v); moved || err != nil {
		return moved, err
	}
	for range maxSweeps {
		before, end, begun := s.final, s.auditEnd(top), time.Now()
		if err := s.settleTo(ctx, v, end, top); err != nil {
			return false, err
		}
		slow := time.Since(begun) > settleTurn
		if slow && end > before {
			s.audit.shrink(end - before)
		}
		if end == top || s.final == before {
			return false, nil
		}
		if slow {
			break
		}
	}
	return true, nil
}

// settleTurn is how long settling may keep new blocks waiting; what takes longer is done in
// smaller parts.
const settleTurn = time.Second

// settleTo is settle for the blocks up to a height, of those up to top.
func (s *Scanner) settleTo(ctx context.Context, v view, end, top uint64) error {
	pending, err := s.sink.Pending(ctx, s.chain, end)
	if err != nil {
		return fmt.Errorf("reading pending blocks: %w", err)
	}
	pending, waiting := s.dueNow(pending)
	s.candidate = s.nextCandidate(end, waiting || top >= s.final+s.settleEvery())
	p, err := s.ask(ctx, v, pending)
	if err != nil {
		s.judge(ctx, v.endpoint, err)
		return err
	}
	held, err := s.askOthers(ctx, v, p)
	if err != nil {
		return err
	}
	unresolved, err := s.resolve(ctx, p)
	if err != nil {
		return err
	}
	if err := s.count(ctx, p); err != nil {
		return err
	}
	if unresolved != "" || len(s.disputes) == 0 {
		s.unresolved = unresolved
	}
	s.hold(ctx, cmp.Or(s.unresolved, held, s.unheard(top)))
	s.sources.settled(s.final)
	s.showCursor()
	return s.doubt(ctx, v, p)
}

// nextCandidate is the height to agree on, 0 for none. It stays until it is
// agreed on: other endpoints may be a block behind, always.
func (s *Scanner) nextCandidate(end uint64, due bool) uint64 {
	switch {
	case s.agree == 1 || end <= s.final:
		return 0
	case s.candidate > s.final && s.candidate <= end:
		return s.candidate
	case due:
		return end
	}
	return 0
}

// ask opens a ballot for each block that waits, and for the candidate, with the
// vote of the endpoint of this look.
func (s *Scanner) ask(ctx context.Context, v view, pending []Block) (*poll, error) {
	slices.SortFunc(pending, func(a, b Block) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Hash, b.Hash))
	})
	pending = pending[:min(len(pending), maxPending)]
	p := s.open(pending)
	ns := numbers(pending)
	if s.candidate > 0 {
		ns = append(ns, s.candidate)
	}
	if len(ns) == 0 {
		return p, nil
	}
	heads, err := s.ofLook(ctx, v, ns)
	if err != nil {
		return nil, err
	}
	for i, b := range pending {
		o := &ballot{block: b, evidence: true}
		o.vote(v.endpoint, heads[i])
		p.ballots = append(p.ballots, o)
	}
	if s.candidate > 0 {
		p.ballots = append(p.ballots, &ballot{block: heads[len(pending)].Block, yes: []int{v.endpoint}})
	}
	return p, nil
}

// ofLook are headers as the endpoint of this look has them. It has the cursor's block, and
// so it has the checkpoints that the cursor hangs on by parents.
func (s *Scanner) ofLook(ctx context.Context, v view, ns []uint64) ([]*Header, error) {
	out := make([]*Header, len(ns))
	var asked []uint64
	for i, n := range ns {
		at, found := slices.BinarySearchFunc(s.blocks, n, func(b Block, n uint64) int { return cmp.Compare(b.Number, n) })
		if found && n >= s.linked {
			out[i] = &Header{Block: s.blocks[at]}
		} else {
			asked = append(asked, n)
		}
	}
	heads, err := s.headers(ctx, v.endpoint, asked)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i] == nil {
			out[i], heads = heads[0], heads[1:]
			if out[i] == nil {
				return nil, fmt.Errorf("the node's head is %d and it has no block %d", v.head.Number, ns[i])
			}
		}
	}
	return out, nil
}

func (b *ballot) vote(endpoint int, h *Header) {
	if h.Hash == b.block.Hash {
		b.yes = append(b.yes, endpoint)
	} else {
		b.no = append(b.no, endpoint)
	}
}

// opinions is how many hosts some endpoints have.
func (s *Scanner) opinions(endpoints []int) int {
	hosts := map[string]bool{}
	for _, i := range endpoints {
		hosts[s.client.endpoints[i].host] = true
	}
	return len(hosts)
}

func (s *Scanner) agreed(b *ballot) bool { return s.opinions(b.yes) >= s.agree }

// askOthers lets other endpoints vote until enough have, and returns why blocks
// are held up, "" if none is. An endpoint votes on what is final by its own
// word only.
func (s *Scanner) askOthers(ctx context.Context, v view, p *poll) (held string, err error) {
	if s.agree == 1 {
		return "", nil
	}
	for _, i := range s.client.order(s.avoided) {
		open := slices.DeleteFunc(slices.Clone(p.ballots), s.agreed)
		if len(open) == 0 && !s.wantsLogs(p) {
			return "", nil
		}
		if i == v.endpoint || p.heard(s.client.endpoints[i].host) && len(open) == 0 {
			continue
		}
		why, err := s.askOther(ctx, i, p, open)
		if err != nil {
			return "", err
		}
		if why != "" {
			held = s.client.endpoints[i].name + ": " + why
		}
	}
	if s.wantsLogs(p) && !p.heard(s.client.endpoints[v.endpoint].host) {
		if err := s.auditBy(ctx, v, p); err != nil {
			return "", err
		}
	}
	for _, b := range p.ballots {
		if (!s.agreed(b) || !s.backed(p, b.block.Number)) && (b.evidence || held != "") {
			return cmp.Or(held, fmt.Sprintf("block %d is not final for enough endpoints yet", b.block.Number)), nil
		}
	}
	return "", nil
}

// askOther takes one endpoint's votes, and returns what is wrong with them. Only
// where very many blocks wait does it take more than one round trip.
func (s *Scanner) askOther(ctx context.Context, i int, p *poll, open []*ballot) (why string, err error) {
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
	logs := len(calls)
	calls = append(calls, p.logCalls()...)
	rs, err := s.client.on(ctx, i, calls)
	if err != nil {
		p.narrow(s, err)
		return "it does not answer", nil
	}
	_, final, err := s.tips(rs)
	if err != nil {
		s.judge(ctx, i, err)
		return clean(err.Error()), nil
	}
	heads := make([]*Header, first, len(ns))
	for j := range first {
		if heads[j], err = headerAt(rs[tips+j], ns[j]); err != nil {
			s.judge(ctx, i, err)
			return clean(err.Error()), nil
		}
	}
	more, err := s.headers(ctx, i, ns[first:])
	if err != nil {
		return "it does not answer", nil
	}
	if why := cast(i, open, append(heads, more...), final); why != "" || logs == len(calls) && p.to == 0 {
		return why, nil
	}
	return s.hear(ctx, i, p, rs[logs:], min(final, p.to))
}

// cast counts one endpoint's headers as votes, those of blocks that are final by
// its own word.
func cast(endpoint int, open []*ballot, heads []*Header, final uint64) (why string) {
	for j, b := range open {
		switch {
		case b.block.Number > final:
		case heads[j] == nil:
			why = fmt.Sprintf("it has no block %d", b.block.Number)
		default:
			b.vote(endpoint, heads[j])
			if heads[j].Hash != b.block.Hash {
				why = fmt.Sprintf("its block %d is %s, not %s", b.block.Number, heads[j].Hash, b.block.Hash)
			}
		}
	}
	return why
}

// count makes final what has enough votes, and sets aside who was outvoted.
func (s *Scanner) count(ctx context.Context, p *poll) error {
	var final []Block
	for _, b := range p.ballots {
		if !s.agreed(b) {
			continue
		}
		for _, i := range b.no {
			s.caught(ctx, i, OtherFork, fmt.Sprintf("its block %d is not %s", b.block.Number, b.block.Hash))
		}
		ok, err := s.confirmed(ctx, p, b)
		if err != nil {
			return err
		}
		if ok && b.evidence {
			final = append(final, b.block)
		}
	}
	final, err := s.spoken(ctx, final)
	if err != nil {
		return err
	}
	for _, b := range final {
		delete(s.disputes, b.Hash)
	}
	if len(final) > 0 {
		if err := s.sink.Finalize(ctx, s.chain, final); err != nil {
			return fmt.Errorf("finalizing %d blocks: %w", len(final), err)
		}
	}
	for _, b := range p.ballots {
		if s.agreed(b) && s.backed(p, b.block.Number) {
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
// from a node on another fork. Where the endpoint of this look is on that fork, another
// one is looked at next, and will go back by itself.
func (s *Scanner) doubt(ctx context.Context, v view, p *poll) error {
	before := s.suspects
	s.suspects = map[string]int{}
	for _, b := range p.ballots { // in the order of height: the first is the deepest
		if !b.evidence || s.opinions(b.no) < s.agree {
			continue
		}
		for _, i := range b.yes {
			s.caught(ctx, i, OtherFork, fmt.Sprintf("its block %d is %s", b.block.Number, b.block.Hash))
		}
		if slices.Contains(b.yes, v.endpoint) {
			return nil
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
