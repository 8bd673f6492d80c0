package chain

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"quittance/internal/fault"
)

// Stride is how many blocks one question for logs spans on a chain: fewer once its
// nodes refuse, and slowly more again. It is safe for concurrent use.
type Stride struct {
	mu         sync.Mutex
	max, width uint64
	good       int // questions of the whole width in a row that were answered
}

// defaultStride is a range that most nodes answer for.
const defaultStride = 2000

// growAfter is how many questions must fit before a wider one is tried.
const growAfter = 4

// NewStride makes a Stride of at most limit blocks, 2000 if it is zero.
func NewStride(limit uint64) *Stride {
	limit = cmp.Or(limit, defaultStride)
	return &Stride{max: limit, width: limit}
}

// from begins with fewer blocks than the most.
func (s *Stride) from(width uint64) *Stride {
	s.width = min(s.width, width)
	return s
}

// Width is how many blocks to ask for now; at least one.
func (s *Stride) Width() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width
}

// shrink halves what was refused, unless another question did already.
func (s *Stride) shrink(refused uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.width, s.good = max(1, min(s.width, refused/2)), 0
}

// grow counts a question of so many blocks that was answered.
func (s *Stride) grow(answered uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width >= s.max || answered < s.width {
		return
	}
	if s.good++; s.good >= growAfter {
		s.width, s.good = min(2*s.width, s.max), 0
	}
}

// Search is a search of blocks that may ask a limited number of questions. Use it
// in one goroutine.
type Search struct {
	stride *Stride
	left   int
}

// Search begins one of at most so many questions.
func (s *Stride) Search(questions int) *Search { return &Search{stride: s, left: questions} }

// ErrSpent is a search that has asked all that it may.
var ErrSpent = errors.New("too many blocks to be searched at once")

// Spent reports whether no question is left.
func (s *Search) Spent() bool { return s.left <= 0 }

// Width is how many blocks the next question spans.
func (s *Search) Width() uint64 { return s.stride.Width() }

// Stretch has ask read as many of the blocks from..last as a node answers for, from
// the first on, and returns the last one of them. Both ends are included, from must
// not be above last. Where a node refuses with an *RPCError, ask is called again for
// fewer blocks.
//
// Errors: ErrSpent, and what ask returned last.
func (s *Search) Stretch(ctx context.Context, from, last uint64, ask func(from, to uint64) error) (uint64, error) {
	for {
		if s.left--; s.left < 0 {
			return 0, ErrSpent
		}
		to := min(last, from+s.stride.Width()-1)
		err := ask(from, to)
		if err == nil {
			s.stride.grow(to - from + 1)
			return to, nil
		}
		_, refused := AsRPC(err)
		if to == from || !refused && !fault.Is(err, fault.Unavailable) {
			return 0, err
		}
		s.stride.shrink(to - from + 1)
		if !refused || ctx.Err() != nil {
			return 0, err
		}
	}
}
