package chain

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
)

// A look at one new block, and a reorganisation before each single question of it.
func TestAReorganisationDuringAGlance(t *testing.T) {
	for depth := 1; depth <= 4; depth++ {
		for at := 1; ; at++ {
			r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = Finality{Confirmations: 12} })
			for i := range 8 {
				r.chain.mine(fmt.Sprint("base", i))
			}
			r.idle()
			r.chain.mine("old")
			asked := 0
			r.nodes[0].set(func(n *node) {
				n.before = func(string) error {
					if asked++; asked == at {
						r.chain.reorg(depth, []string{"x"}, []string{"y", "z"}, nil, []string{"w"})
					}
					return nil
				}
			})
			if err := r.once(); err != nil {
				t.Fatal(err)
			}
			if asked < at {
				break
			}
			r.idle()
			r.wantAll()
		}
	}
}

// What an endpoint lies about the next block is refused in a glance as it is in a sweep.
func TestAGlanceBelievesNoMoreThanASweep(t *testing.T) {
	for name, lie := range map[string]func(l *ledger, method string, args []any, honest any) any{
		"logs of another block": func(_ *ledger, method string, args []any, honest any) any {
			if method == "eth_getLogs" {
				from, _ := parseUint(args[0].(map[string]any)["fromBlock"].(string))
				return []map[string]any{payLog(int(from), digest("other"), 0, "invented")}
			}
			return honest
		},
		"logs of a later block": func(_ *ledger, method string, args []any, honest any) any {
			if method == "eth_getLogs" {
				from, _ := parseUint(args[0].(map[string]any)["fromBlock"].(string))
				return []map[string]any{payLog(int(from)+1, digest("other"), 0, "invented")}
			}
			return honest
		},
		"no list of logs": func(_ *ledger, method string, _ []any, honest any) any {
			if method == "eth_getLogs" {
				return nil
			}
			return honest
		},
		"another parent": func(l *ledger, method string, args []any, honest any) any {
			if at, ok := args[0].(At); ok && at == AtBlock(uint64(len(l.blocks)-1)) {
				return map[string]any{"number": string(at), "hash": digest("fork"), "parentHash": digest("other"), "timestamp": "0x1"}
			}
			return honest
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			r := newRig(t, []*node{newNode(t, l), newNode(t, l)}, newMemory(t), nil)
			l.mine("a")
			r.idle()
			l.mine("b")
			r.nodes[0].set(func(n *node) {
				n.lie = func(method string, args []any, honest any) any { return lie(l, method, args, honest) }
			})
			r.idle()
			r.wantAll()
			if r.nodes[1].tripCount() == 0 {
				t.Error("the other endpoint was not asked")
			}
		})
	}
}

// Behind one address a node that does not have the block yet answers the question for its
// logs: the block's own header says that there may be some, and they are asked for again.
func TestLogsOfANodeBehindAreAskedAgain(t *testing.T) {
	var b types.Bloom
	b.Add(proxy[:])
	b.Add(bytesOf(0x11))
	for _, told := range []bool{true, false} {
		r := simple(t, nil)
		r.chain.mine("a")
		r.idle()
		r.chain.mine("b")
		if told {
			r.chain.blocks[2].header["logsBloom"] = "0x" + hex.EncodeToString(b[:])
		}
		behind := true
		r.nodes[0].set(func(n *node) {
			n.lie = func(method string, _ []any, honest any) any {
				if method == "eth_getLogs" && behind {
					behind = false
					return []any{}
				}
				return honest
			}
		})
		if err := r.once(); err != nil {
			t.Fatal(err)
		}
		if got := len(r.sink.keys()) == 2; got != told || behind {
			t.Errorf("with a bloom %t: found %t", told, got)
		}
	}
}

func TestBloomIsThatOfTheProtocol(t *testing.T) {
	for i := range 200 {
		var b types.Bloom
		for j := range 20 {
			b.Add(big.NewInt(int64(100*i + j)).Bytes())
		}
		for j := range 100 {
			what := big.NewInt(int64(100*i + j)).Bytes()
			if got := bloom(b.Bytes()).has(what); got != b.Test(what) {
				t.Fatalf("%x: %t", what, got)
			}
		}
	}
}

// An endpoint that cannot answer as much at once is asked in parts, and seldom tried again.
func TestWhatIsTooMuchAtOnceIsAskedInParts(t *testing.T) {
	r := simple(t, nil)
	r.chain.mine("a")
	r.idle()
	r.nodes[0].set(func(n *node) { n.most = 4 })
	failed := 0
	for i := range 100 {
		r.chain.mine(fmt.Sprint(i))
		if err := r.once(); err != nil {
			failed++
		}
	}
	r.idle()
	r.wantAll()
	if failed == 0 || failed > 3 {
		t.Errorf("%d of 100 looks failed", failed)
	}
}

// A chain with a steady rhythm is looked at once a block, soon after it came.
func TestLooksKeepToTheRhythmOfTheChain(t *testing.T) {
	for _, c := range []struct {
		name          string
		each, travel  time.Duration
		skips, jitter int           // one slot in so many is empty; blocks come up to so many ms late
		most          float64       // looks a block
		late          time.Duration // 99 of 100 blocks are seen so soon
	}{
		{"every two seconds", 2 * time.Second, 700 * time.Millisecond, 0, 0, 1.05, 400 * time.Millisecond},
		{"two seconds, with jitter", 2 * time.Second, 300 * time.Millisecond, 0, 150, 1.2, 700 * time.Millisecond},
		{"twelve seconds, with empty slots", 12 * time.Second, 2 * time.Second, 50, 200, 1.6, 2 * time.Second},
		{"five seconds", 5 * time.Second, time.Second, 0, 0, 1.05, 600 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := simple(t, nil)
				r.chain.clock = time.Now
				stop := running(t, r)
				defer stop()
				const first, blocks = 200, 400
				trips := 0
				var lags []time.Duration
				for i := range first + blocks {
					if i == first {
						trips = r.nodes[0].tripCount()
					}
					slot := time.Now()
					if c.skips > 0 && i%c.skips == c.skips-1 {
						time.Sleep(c.each)
						continue
					}
					r.chain.stamp(slot)
					late := c.travel
					if c.jitter > 0 {
						late += time.Duration(i*7919%c.jitter) * time.Millisecond
					}
					time.Sleep(late)
					r.chain.mine()
					mined, n := time.Now(), r.chain.head()
					for time.Since(slot) < c.each {
						time.Sleep(10 * time.Millisecond)
						if synctest.Wait(); r.sink.cursor() == n && i >= first {
							lags = append(lags, time.Since(mined))
							break
						}
					}
					time.Sleep(c.each - time.Since(slot))
				}
				slices.Sort(lags)
				per := float64(r.nodes[0].tripCount()-trips) / blocks
				if len(lags) < blocks*95/100 {
					t.Fatalf("only %d of %d blocks were seen before the next", len(lags), blocks)
				}
				p99 := lags[len(lags)*99/100]
				t.Logf("%.3f looks a block, p99 %v", per, p99)
				if per > c.most || p99 > c.late {
					t.Errorf("%.2f looks a block and p99 %v, want at most %.2f and %v", per, p99, c.most, c.late)
				}
			})
		})
	}
}

// Where blocks come as they like, looks are an interval apart at the most, whatever the
// rhythm was before.
func TestWithoutARhythmLooksAreAnIntervalApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, nil)
		r.chain.clock = time.Now
		stop := running(t, r)
		defer stop()
		for range 60 {
			r.chain.mine()
			time.Sleep(12 * time.Second)
		}
		for i := range 40 {
			time.Sleep(time.Duration(i*2731%9000) * time.Millisecond)
			r.chain.mine()
			mined, n := time.Now(), r.chain.head()
			for r.sink.cursor() < n {
				time.Sleep(50 * time.Millisecond)
				synctest.Wait()
			}
			if took := time.Since(mined); took > 12*time.Second || took > 2500*time.Millisecond && i > 20 {
				t.Errorf("block %d was seen after %v", i, took)
			}
		}
	})
}
