package chain

import (
	"errors"
	"testing"

	"quittance/internal/fault"
)

// A search asks for fewer blocks at once where a node refuses, gives way to one that
// does not answer, and never asks more often than it may.
func TestSearchStretches(t *testing.T) {
	refusal, silence, nonsense := &RPCError{Message: "too wide"}, fault.New(fault.Unavailable, "x", "x"), errors.New("nonsense")
	for name, c := range map[string]struct {
		answers   uint64 // the widest range that is answered
		otherwise error
		to, width uint64
		err       error
	}{
		"all at once":             {100, nil, 16, 16, nil},
		"a node that refuses":     {5, refusal, 4, 4, nil},
		"one that always does":    {0, refusal, 0, 1, refusal},
		"one that says nothing":   {5, silence, 0, 8, silence},
		"one that makes no sense": {5, nonsense, 0, 16, nonsense},
	} {
		s := NewStride(16)
		to, err := s.Search(10).Stretch(t.Context(), 1, 100, func(from, to uint64) error {
			if to-from+1 > c.answers {
				return c.otherwise
			}
			return nil
		})
		if to != c.to || !errors.Is(err, c.err) || s.Width() != c.width {
			t.Errorf("%s: up to %d, %v, then %d blocks at once", name, to, err, s.Width())
		}
	}
	s, asked := NewStride(16).Search(3), 0
	_, err := s.Stretch(t.Context(), 1, 100, func(_, _ uint64) error { asked++; return refusal })
	if !errors.Is(err, ErrSpent) || asked != 3 || !s.Spent() {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

// Four questions of the whole width that fit make the next one wider, up to the limit.
func TestStridesGrowBack(t *testing.T) {
	s := NewStride(0)
	s.shrink(s.Width())
	for range growAfter {
		s.grow(999) // the rest of a range says nothing
	}
	if s.Width() != 1000 {
		t.Fatalf("%d blocks", s.Width())
	}
	for range 2 * growAfter {
		s.grow(s.Width())
	}
	if s.Width() != defaultStride {
		t.Errorf("%d blocks", s.Width())
	}
}
