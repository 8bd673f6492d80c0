package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
)

func block(n uint64) checkout.Block {
	return checkout.Block{Number: n, Hash: hash(int(n)), Time: start.Add(time.Duration(n) * time.Second)}
}

func (f *fixture) sweep(t testing.TB, from, to, final uint64) error {
	t.Helper()
	return f.Write(t.Context(), func(tx checkout.Tx) error { return tx.SaveCursor(t.Context(), chain, from, block(to), final) })
}

func (f *fixture) cursor(t testing.TB, what string, final uint64, blocks ...uint64) {
	t.Helper()
	got, err := f.Cursor(t.Context(), chain)
	must(t, err)
	want := checkout.Cursor{Final: final, Rewound: got.Rewound}
	for _, b := range blocks {
		want.Blocks = append(want.Blocks, block(b))
	}
	exact(t, what, got, want)
}

var cursors = map[string]func(*testing.T, *fixture){
	"a chain that was never scanned": func(t *testing.T, f *fixture) {
		f.cursor(t, "empty", 0)
	},

	"sweeps follow each other": func(t *testing.T, f *fixture) {
		must(t, f.sweep(t, 1, 100, 0))
		f.cursor(t, "first", 0, 100)
		must(t, f.sweep(t, 101, 101, 90))
		f.cursor(t, "nothing final is known as a checkpoint yet", 90, 101, 100)
		must(t, f.sweep(t, 102, 110, 105))
		f.cursor(t, "the newest final checkpoint stays", 105, 110, 101)
		must(t, f.sweep(t, 111, 120, 100))
		f.cursor(t, "the final height never falls", 105, 120, 110, 101)
		must(t, f.sweep(t, 121, 130, 130))
		f.cursor(t, "all final", 130, 130)
	},

	"a sweep that does not follow is stale": func(t *testing.T, f *fixture) {
		must(t, f.sweep(t, 1, 100, 0))
		for _, from := range []uint64{1, 100, 102} {
			if err := f.sweep(t, from, 110, 0); !errors.Is(err, checkout.ErrStale) {
				t.Errorf("from %d: got %v, want ErrStale", from, err)
			}
		}
		f.cursor(t, "unchanged", 0, 100)
		if err := f.sweep(t, 101, 99, 0); err == nil || errors.Is(err, checkout.ErrStale) {
			t.Errorf("a sweep that ends before it begins: got %v", err)
		}
	},

	"of two nodes that sweep the same range one wins, with its facts": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		other := f.node(t)
		var won atomic.Int32
		var group sync.WaitGroup
		for i, node := range []*fixture{f, other, f, other, f, other} {
			group.Go(func() {
				err := node.Write(t.Context(), func(tx checkout.Tx) error {
					if _, err := tx.PutTransfer(t.Context(), p.ID, transfer("of "+hash(i), 50)); err != nil {
						return err
					}
					return tx.SaveCursor(t.Context(), chain, 1, block(100), 0)
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, checkout.ErrStale):
					t.Errorf("got %v, want ErrStale", err)
				}
			})
		}
		group.Wait()
		if n := len(f.load(t, p.ID).Transfers); won.Load() != 1 || n != 1 {
			t.Errorf("%d won and left %d transfers, want 1 and 1", won.Load(), n)
		}
	},

	"rewinding": func(t *testing.T, f *fixture) {
		must(t, f.sweep(t, 1, 100, 40))
		must(t, f.sweep(t, 101, 110, 40))
		must(t, f.sweep(t, 111, 120, 40))
		f.write(t, func(tx checkout.Tx) error { return tx.RewindCursor(t.Context(), chain, block(105)) })
		f.cursor(t, "between checkpoints", 40, 105, 100)
		must(t, f.sweep(t, 106, 107, 40))
		f.cursor(t, "goes on from there", 40, 107, 105, 100)
		fork := block(100)
		fork.Hash = hash(777)
		f.write(t, func(tx checkout.Tx) error { return tx.RewindCursor(t.Context(), chain, fork) })
		got, err := f.Cursor(t.Context(), chain)
		must(t, err)
		exact(t, "a checkpoint replaced", got, checkout.Cursor{Blocks: []checkout.Block{fork}, Final: 40, Rewound: 2})
		f.write(t, func(tx checkout.Tx) error { return tx.RewindCursor(t.Context(), 7, block(5)) })
		got, err = f.Cursor(t.Context(), 7)
		must(t, err)
		exact(t, "a chain that was never scanned", got, checkout.Cursor{Blocks: []checkout.Block{block(5)}, Rewound: 1})
	},

	// Two nodes undo one reorganisation, one of them further than the other: what it took
	// back must be read again.
	"rewinding forward": func(t *testing.T, f *fixture) {
		must(t, f.sweep(t, 1, 100, 40))
		must(t, f.sweep(t, 101, 110, 40))
		f.write(t, func(tx checkout.Tx) error { return tx.RewindCursor(t.Context(), chain, block(100)) })
		err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.RewindCursor(t.Context(), chain, block(105)) })
		if !errors.Is(err, checkout.ErrStale) {
			t.Errorf("got %v, want ErrStale", err)
		}
		f.cursor(t, "as it was", 40, 100)
	},

	"chains do not mix": func(t *testing.T, f *fixture) {
		must(t, f.sweep(t, 1, 100, 0))
		f.write(t, func(tx checkout.Tx) error { return tx.SaveCursor(t.Context(), 7, 1, block(9), 9) })
		f.cursor(t, "the first", 0, 100)
	},
}
