package chain

import (
	"fmt"
	"testing"
)

// A look that catches up in several sweeps, and a reorganisation before each single question
// of it: also one that takes away what the sweep before has read. A sweep that ends below the
// head must not go on from a block that the chain has no longer, or those in its place are
// never read. Only so many of the blocks in their place have logs: a range without any needs no
// second question for its logs.
func TestAReorganisationBetweenTheSweepsOfALook(t *testing.T) {
	for _, full := range []int{3, 6, 9, 14} {
		reorganiseBetweenSweeps(t, full)
	}
}

func reorganiseBetweenSweeps(t *testing.T, full int) {
	t.Helper()
	for at := 1; ; at++ {
		r := simple(t, func(cfg *ScannerConfig) { cfg.Finality, cfg.MaxRange = Finality{Confirmations: 30}, 3 })
		for i := range 3 {
			r.chain.mine(fmt.Sprint("base", i))
		}
		r.idle()
		for i := range 12 {
			r.chain.mine(fmt.Sprint("old", i))
		}
		asked := 0
		r.nodes[0].set(func(n *node) {
			n.before = func(string) error {
				if asked++; asked == at {
					var fresh [][]string
					for i := range 14 {
						var some []string
						if i < full {
							some = []string{fmt.Sprint("new", i)}
						}
						fresh = append(fresh, some)
					}
					r.chain.reorg(12, fresh...)
				}
				return nil
			}
		})
		r.idle()
		if asked < at {
			if at < 12 {
				t.Fatalf("only %d questions were asked", asked)
			}
			return
		}
		r.idle() // what is reorganised after a look's last question on it, the next look finds
		r.wantAll()
	}
}
