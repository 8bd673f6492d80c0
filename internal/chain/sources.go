package chain

import (
	"context"
	"slices"
)

// sources remembers which endpoint told of which blocks, for as long as they are not final.
type sources struct {
	spans []span
	last  Block
}

// span is a range of blocks that one endpoint told of.
type span struct {
	from, to uint64
	endpoint int
}

func (s *sources) add(from uint64, to Block, endpoint int) {
	s.last = to
	if n := len(s.spans); n > 0 && s.spans[n-1].endpoint == endpoint && s.spans[n-1].to+1 == from {
		s.spans[n-1].to = to.Number
		return
	}
	s.spans = append(s.spans, span{from, to.Number, endpoint})
}

// reach reports whether a block is the end of what is remembered.
func (s *sources) reach(b Block) bool { return s.last.Number == b.Number && s.last.Hash == b.Hash }

func (s *sources) forget() { s.spans, s.last = nil, Block{} }

// rewind forgets what is above a block.
func (s *sources) rewind(to Block) {
	s.last = to
	for len(s.spans) > 0 && s.spans[len(s.spans)-1].to > to.Number {
		last := &s.spans[len(s.spans)-1]
		if last.from <= to.Number {
			last.to = to.Number
			return
		}
		s.spans = s.spans[:len(s.spans)-1]
	}
}

// settled forgets what is final.
func (s *sources) settled(final uint64) {
	s.spans = slices.DeleteFunc(s.spans, func(x span) bool { return x.to <= final })
}

// of is the one endpoint that told of all blocks from..to; false if it was not one, or
// is not known.
func (s *sources) of(from, to uint64) (endpoint int, ok bool) {
	for _, x := range s.spans {
		if x.to < from || x.from > to {
			continue
		}
		if x.from > from || ok && x.endpoint != endpoint {
			return 0, false
		}
		if endpoint, ok = x.endpoint, true; x.to >= to {
			return endpoint, true
		}
		from = x.to + 1
	}
	return 0, false
}

// surveyEvery is after how many looks at a head that stands still the other endpoints
// are asked for theirs.
const surveyEvery = 10

// survey asks the other endpoints for their heads if this one's stands still: whoever is
// behind is preferred less from then on.
func (s *Scanner) survey(ctx context.Context, v view) {
	if v.head.Number > s.Head().Number {
		s.still = 0
		return
	}
	if s.still++; s.still%surveyEvery != 0 {
		return
	}
	for i := range s.client.endpoints {
		if i == v.endpoint {
			continue
		}
		if _, err := s.client.on(ctx, i, []Call{HeaderCall(Latest)}); err != nil {
			s.log.DebugContext(ctx, "endpoint's head not read", "endpoint", s.client.endpoints[i].name, "error", err)
		}
	}
}
