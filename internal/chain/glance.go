package chain

// glance is what a look learned, in its first round trip, of the one block that may have
// come after the cursor: what a sweep of that block asks, in the order in which it asks it.
// It saves the sweep's own round trip where the chain went on by one block.
type glance struct {
	filter Filter
	number uint64
	whole  bool // the block was asked for with its transactions
	rs     []Result
}

// The bounds of how many looks do without a glance after one that failed: what is asked
// together may be too much for an endpoint that would answer it in parts.
const (
	shyFirst = 16
	shyMost  = 1024
)

// glanceCalls asks about the block after the cursor, if the last look ended at the head.
func (s *Scanner) glanceCalls() (*glance, []Call) {
	if !s.near || len(s.blocks) == 0 {
		return nil, nil
	}
	if s.shy > 0 {
		s.shy--
		return nil, nil
	}
	g := &glance{filter: s.filter(), number: s.newest().Number + 1}
	if len(g.filter.Addresses) == 0 {
		return nil, nil
	}
	first := HeaderCall(AtBlock(g.number))
	if g.whole = s.whole != nil && s.whole(); g.whole {
		first = FullBlockCall(AtBlock(g.number))
	}
	return g, []Call{first, LogsCall(g.filter, g.number, g.number), HeaderCall(AtBlock(g.number))}
}

// shun has the next looks do without a glance, after one that failed.
func (s *Scanner) shun(g *glance) {
	if g == nil {
		return
	}
	s.shyFor = min(max(2*s.shyFor, shyFirst), shyMost)
	s.shy = s.shyFor
}

// of returns what is known of a range from the glance; false if the range has to be asked
// for by itself. The checks are those of a range that was.
func (g *glance) of(from, to uint64) (r ranged, known bool, err error) {
	if g == nil || from != g.number || to != g.number {
		return ranged{}, false, nil
	}
	for _, x := range g.rs {
		if _, refused := AsRPC(x.Err); refused || string(x.Raw) == "null" {
			return ranged{}, false, nil // it came while the batch was answered
		}
	}
	if r, err = decodeRange(g.rs, g.filter, from, to); err != nil {
		return r, true, err
	}
	// Behind one address there may be several nodes, and the one that was asked for the logs
	// may not have a block yet that the ones before and after it have: then it has no logs.
	if len(r.logs) == 0 && g.rs[len(g.rs)-1].bloom().may(g.filter) {
		return ranged{}, false, nil
	}
	if !g.whole {
		return r, true, nil
	}
	// A block that cannot be read is left to whoever has use for it.
	if b, err := g.rs[0].FullBlock(); err == nil && b != nil {
		r.blocks = []*FullBlock{b}
	}
	return r, true, nil
}
