package chain

import (
	"fmt"
	"testing"
)

// trips is what all nodes were asked in all.
func (r *rig) trips() (n int) {
	for _, x := range r.nodes {
		n += x.tripCount()
	}
	return n
}

// What a chain costs once its scanner follows it, by how often it is looked at.
func TestRequestsInTheSteadyState(t *testing.T) {
	const blocks = 400
	for _, c := range []struct {
		name string
		pays int // a payment in every so many blocks, 0 for none
		most float64
	}{{"nobody pays", 0, 1.15}, {"a payment every ten blocks", 10, 1.25}, {"a payment in every block", 1, 2.05}} {
		t.Run(c.name, func(t *testing.T) {
			r, l := crowd(t, 2)
			r.cfg.MaxRange = 200
			r.restart()
			for i := range 20 {
				l.mine(fmt.Sprint("first", i))
				r.idle()
			}
			before := r.trips()
			for i := range blocks {
				if c.pays > 0 && i%c.pays == 0 {
					l.mine(fmt.Sprint(i))
				} else {
					l.mine()
				}
				if err := r.once(); err != nil {
					t.Fatal(err)
				}
			}
			r.wantAll()
			per := float64(r.trips()-before) / blocks
			t.Logf("%.2f requests a block, looked at once a block", per)
			if per > c.most {
				t.Errorf("%.2f requests a block, want at most %.1f", per, c.most)
			}
		})
	}
}

// The finalized tag of one endpoint lags, goes back, vanishes or lies ahead: what is final
// never goes back, is never more than two say, and follows once the tags are honest.
func TestTagsThatLie(t *testing.T) {
	for name, tag := range map[string]func(n int, head uint64) any{
		"above the head": func(_ int, head uint64) any { return head + 100 },
		"the head":       func(_ int, head uint64) any { return head },
		"goes back":      func(n int, head uint64) any { return max(int(head)-8-n, 0) },
		"null":           func(int, uint64) any { return nil },
		"lags":           func(int, uint64) any { return 1 },
	} {
		for liar := range 2 {
			t.Run(fmt.Sprintf("%s %d", name, liar), func(t *testing.T) {
				r, l := crowd(t, 2)
				r.cfg.Finality = Finality{Tag: true}
				r.restart()
				l.mine("first")
				l.finalize(0)
				asked := 0
				r.nodes[liar].set(func(n *node) {
					n.lie = func(method string, args []any, honest any) any {
						if method != "eth_getBlockByNumber" || args[0] != Finalized {
							return honest
						}
						asked++
						said := tag(asked, uint64(len(l.blocks)-1))
						switch at := said.(type) {
						case nil:
							return nil
						case uint64:
							if at >= uint64(len(l.blocks)) {
								return map[string]any{"number": quantity(at), "hash": digest(at), "parentHash": digest(at - 1), "timestamp": "0x1"}
							}
							return l.blocks[at].header
						case int:
							return l.blocks[at].header
						}
						return honest
					}
				})
				final := 0
				for i := range 12 {
					l.mine(fmt.Sprint(i))
					l.finalize(i) // two below the head
					for range 2 {
						_ = r.once() // a tag above the head is an error of the look
					}
					if got := r.sink.finals(); got < final || got > i {
						t.Fatalf("%d final after %d, and %d blocks are", got, final, i)
					} else {
						final = got
					}
				}
				r.nodes[liar].set(func(n *node) { n.lie = nil })
				r.idle()
				r.wantAll()
				wantFinal(t, r, l, 11)
			})
		}
	}
}
