package chain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// story is a chain's life in scenes; between two of them the scanner comes to rest.
var story = []func(*ledger){
	func(l *ledger) {
		for i := range 25 {
			l.mine(fmt.Sprint("first", i), fmt.Sprint("second", i))
		}
	},
	func(l *ledger) { l.mine("a"); l.mine(); l.mine("b") },
	func(l *ledger) { l.reorg(3, []string{"c"}, []string{"a"}, nil, []string{"d"}) },
	func(l *ledger) { l.reorg(1, []string{"e"}) },
	func(l *ledger) {
		for range 4 {
			l.mine("f")
		}
	},
}

var errKilled = errors.New("killed")

// tell plays the story; the process dies at the k-th call of a node or of the
// sink, before it took effect or after, and starts again on what the sink has.
func tell(t *testing.T, k int, after bool) (state map[string]bool, calls int) {
	change := func(cfg *ScannerConfig) { cfg.Agree, cfg.Finality = 2, Finality{Confirmations: 4} }
	l := newLedger()
	first, second := newNode(t, l), newNode(t, l)
	sink := newMemory(t)
	r := newRig(t, []*node{first, second}, sink, change)
	killed := false
	die := func() error {
		calls++
		if calls == k {
			killed = true
			return errKilled
		}
		return nil
	}
	for _, n := range []*node{first, second} {
		n.before = func(string) error {
			if after {
				return nil // an answer that is lost is a call that failed
			}
			return die()
		}
	}
	sink.fail = func(_ string, a bool) error {
		if a != after {
			return nil
		}
		return die()
	}
	for _, scene := range story {
		scene(l)
		for calm := 0; calm < 2; {
			again, err := r.scan.look(context.Background())
			if killed {
				killed, calm = false, 0
				r = newRig(t, r.nodes, sink, change) // nothing in memory survives
				continue
			}
			if err != nil {
				t.Fatalf("call %d: %v", k, err)
			}
			if calm++; again {
				calm = 0
			}
		}
	}
	if got, want := sink.keys(), l.payments(); !slices.Equal(got, want) {
		t.Fatalf("killed at call %d: evidence %v, want %v", k, got, want)
	}
	return sink.state(), calls
}

func TestRestartAtAnyPoint(t *testing.T) {
	for _, after := range []bool{false, true} {
		want, calls := tell(t, 0, after)
		if calls < 20 {
			t.Fatalf("the story has only %d calls", calls)
		}
		final := 0
		for _, f := range want {
			if f {
				final++
			}
		}
		if final < 50 {
			t.Fatalf("only %d payments are final at the end", final)
		}
		for k := 1; k <= calls; k++ {
			if got, _ := tell(t, k, after); !maps.Equal(got, want) {
				t.Errorf("killed at call %d (after its effect: %t): %v, want %v", k, after, got, want)
			}
		}
	}
}

// Whatever the chain does above its final height and whenever the scanner
// looks, is restarted or fails, it ends with what a fresh scan of the final
// chain finds.
func TestAnyHistoryEndsAsAFreshScan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLedger()
		n := newNode(t, l)
		depth := rapid.IntRange(1, 6).Draw(rt, "confirmations")
		change := func(cfg *ScannerConfig) {
			cfg.Finality = Finality{Confirmations: uint64(depth)}
			cfg.MaxRange = uint64(rapid.IntRange(1, 7).Draw(rt, "range"))
		}
		r := newRig(t, []*node{n}, newMemory(t), change)
		names := rapid.SliceOfN(rapid.StringN(1, 4, 8), 0, 3)
		floor := uint64(0) // what was final at any time
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				l.mine(names.Draw(rt, "payments")...)
			case 2:
				deep := min(rapid.IntRange(1, 5).Draw(rt, "depth"), int(l.head()-floor))
				if deep > 0 {
					l.reorg(deep, rapid.SliceOfN(names, 0, 7).Draw(rt, "blocks")...)
				}
			case 3, 4:
				_ = r.once()
			case 5:
				r.restart()
			case 6:
				at, asked := rapid.IntRange(1, 8).Draw(rt, "fail at"), 0
				n.set(func(n *node) {
					n.before = func(string) error {
						if asked++; asked == at {
							return errors.New("away")
						}
						return nil
					}
				})
				_ = r.once()
				n.set(func(n *node) { n.before = nil })
			}
			if top := r.scan.finality.height(l.head(), nil); top > floor {
				floor = top
			}
		}
		// At last the chain is longer than it ever was: so that a shorter fork is told
		// from a lagging node, and that what was final is so for a newcomer too.
		for top := l.head(); l.head() <= max(top, r.sink.cursor(), floor+uint64(depth)); {
			l.mine()
		}
		r.idle()
		fresh := newRig(t, []*node{newNode(t, l)}, newMemory(t), change)
		fresh.idle()
		if got, want := r.sink.state(), fresh.sink.state(); !maps.Equal(got, want) {
			rt.Fatalf("evidence\n got %v\nwant %v", got, want)
		}
		if got, want := fresh.sink.keys(), l.payments(); !slices.Equal(got, want) {
			rt.Fatalf("a fresh scan found %v, want %v", got, want)
		}
	})
}
