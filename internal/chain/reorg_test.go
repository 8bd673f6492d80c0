package chain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestReorganisations(t *testing.T) {
	for depth := 1; depth <= 11; depth++ {
		for _, grow := range []int{-1, 0, 3} {
			t.Run(fmt.Sprintf("depth %d, %+d blocks", depth, grow), func(t *testing.T) {
				r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = Finality{Confirmations: 12} })
				for i := range 20 {
					r.chain.mine(fmt.Sprint("old", i))
					if i%3 == 0 {
						r.idle() // checkpoints here and there
					}
				}
				r.idle()
				var next [][]string
				for i := range depth + grow {
					next = append(next, []string{fmt.Sprint("new", i)})
				}
				r.chain.reorg(depth, next...)
				r.idle()
				if grow < 0 {
					// A shorter chain with nothing to compare is waited for, not believed.
					r.chain.mine()
					r.idle()
				}
				r.wantAll()
				if len(r.sink.rewinds) != 1 {
					t.Errorf("rewinds %v, want one", r.sink.rewinds)
				}
				if got := r.scan.Health().State; got != Following {
					t.Errorf("state %s, want following", got)
				}
			})
		}
	}
}

func TestAReorganisationOfTheFirstSweep(t *testing.T) {
	r := simple(t, func(cfg *ScannerConfig) { cfg.StartBlock = 0; cfg.Finality = Finality{Confirmations: 10} })
	for i := range 5 {
		r.chain.mine(fmt.Sprint(i))
	}
	r.idle() // begins at the head, block 5, which is far from final
	r.chain.reorg(3, nil, []string{"four"}, []string{"five"}, []string{"six"})
	r.idle()
	if got, want := r.sink.keys(), r.chain.payments(); !slices.Equal(got, without(want, r.chain, 4)) {
		t.Errorf("evidence %v, want that of %v from block 5 on", got, want)
	}
	if h := r.scan.Health(); h.State != Following {
		t.Errorf("state %s: %s", h.State, h.LastError)
	}
}

// without drops the payments at or below a height.
func without(keys []string, l *ledger, height int) []string {
	var low []string
	for _, b := range l.blocks[:height+1] {
		low = append(low, b.hash)
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		return slices.ContainsFunc(low, func(h string) bool { return strings.HasPrefix(k, h) })
	})
}

// A reorganisation is made to happen before each single question of a look.
func TestReorganisationDuringASweep(t *testing.T) {
	for at := 1; ; at++ {
		r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = Finality{Confirmations: 12} })
		for i := range 8 {
			r.chain.mine(fmt.Sprint("base", i))
		}
		r.idle()
		for i := range 6 {
			r.chain.mine(fmt.Sprint("old", i))
		}
		asked := 0
		r.nodes[0].set(func(n *node) {
			n.before = func(string) error {
				if asked++; asked == at {
					r.chain.reorg(4, []string{"x"}, nil, []string{"y", "z"}, nil, []string{"w"})
				}
				return nil
			}
		})
		r.idle()
		if asked < at {
			if at < 6 {
				t.Fatalf("only %d questions were asked", asked)
			}
			return
		}
		r.idle() // what is reorganised after a look's last question on it, the next look finds
		r.wantAll()
	}
}

func TestChainThatChangesWithEveryQuestion(t *testing.T) {
	r := simple(t, nil)
	for range 6 {
		r.chain.mine("a")
	}
	r.nodes[0].set(func(n *node) {
		n.before = func(method string) error {
			if method == "eth_getLogs" {
				r.chain.reorg(1, []string{"b"})
			}
			return nil
		}
	})
	var err error
	for range 2 + maxSpoiled*2 {
		if err = r.once(); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "change while they are read") {
		t.Errorf("error %v, want one about blocks that change", err)
	}
	r.nodes[0].set(func(n *node) { n.before = nil })
	r.idle()
	r.wantAll()
}

func TestAReorganisationPastFinality(t *testing.T) {
	r := simple(t, nil)
	for i := range 10 {
		r.chain.mine(fmt.Sprint(i))
		r.idle()
	}
	before, kept := r.sink.state(), r.chain.clone()
	r.chain.reorg(6, []string{"x"}, []string{"y"}, nil, nil, nil, nil, nil)
	for range 3 {
		if err := r.once(); !errors.Is(err, errPastFinality) {
			t.Fatalf("error %v, want that finality was broken", err)
		}
	}
	h := r.scan.Health()
	if h.State != PastFinality || h.CaughtUp || !strings.Contains(h.LastError, "final") {
		t.Errorf("health %+v, want the alarm", h)
	}
	if !maps.Equal(r.sink.state(), before) || len(r.sink.rewinds) > 0 {
		t.Errorf("evidence or cursor moved")
	}
	// A node that fails or lags does not take the alarm back.
	r.nodes[0].set(func(n *node) { n.before = func(string) error { return errors.New("away") } })
	if err := r.once(); err == nil || r.scan.Health().State != PastFinality {
		t.Errorf("error %v, state %s", err, r.scan.Health().State)
	}
	r.nodes[0].set(func(n *node) { n.before, n.lag = nil, 10 })
	r.idle()
	if r.scan.Health().State != PastFinality {
		t.Errorf("state %s after a lagging look", r.scan.Health().State)
	}
	r.nodes[0].set(func(n *node) { n.lag = 0 })
	r.chain.mu.Lock()
	r.chain.blocks = slices.Clone(kept.blocks)
	r.chain.mu.Unlock()
	r.chain.mine("after")
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); h.State != Following || !h.CaughtUp {
		t.Errorf("health %+v, want to follow again", h)
	}
}

func TestTheAlarmSurvivesARestart(t *testing.T) {
	r := simple(t, nil)
	for i := range 10 {
		r.chain.mine(fmt.Sprint(i))
		r.idle()
	}
	r.chain.reorg(6, nil, nil, nil, nil, nil, nil, nil)
	r.restart()
	if err := r.once(); !errors.Is(err, errPastFinality) {
		t.Errorf("error %v, want that finality was broken", err)
	}
}

func TestANodeOnAnotherForkPastFinalityIsPassedOver(t *testing.T) {
	l := newLedger()
	for i := range 10 {
		l.mine(fmt.Sprint(i))
	}
	fork := l.clone()
	first, second := newNode(t, l), newNode(t, l)
	r := newRig(t, []*node{first, second}, newMemory(t), nil)
	r.idle()
	fork.reorg(8, nil, nil, nil, nil, nil, nil, nil, nil, nil)
	first.set(func(n *node) { n.ledger = fork })
	if err := r.once(); !errors.Is(err, errPastFinality) {
		t.Fatalf("error %v, want that finality was broken", err)
	}
	l.mine("on the true chain")
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); h.State != Following {
		t.Errorf("health %+v", h)
	}
}

// Evidence in a block that is not on the chain although the cursor is: read
// once through a balancer with nodes on two forks.
func TestEvidenceFromAnotherForkIsReadAgain(t *testing.T) {
	r := simple(t, nil)
	for i := range 5 {
		r.chain.mine(fmt.Sprint(i))
		r.idle()
	}
	ghost := digest("a block nobody has")
	r.sink.evidence[evidenceKey(ghost, "0x0")] = found{log: Log{Address: proxy, Block: Block{Number: 5, Hash: ghost}}}
	for range 3 {
		r.chain.mine()
		r.idle()
	}
	r.wantAll()
	if r.sink.finals() != 5 {
		t.Errorf("%d final, want the 5 real ones", r.sink.finals())
	}
}
