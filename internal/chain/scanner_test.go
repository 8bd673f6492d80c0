package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFindsPaymentsWithOneQuestionForLogsPerRange(t *testing.T) {
	for _, payments := range []int{0, 1, 400} {
		t.Run(fmt.Sprint(payments), func(t *testing.T) {
			r := simple(t, nil)
			for i := range 40 {
				var names []string
				for p := range payments / 40 {
					names = append(names, fmt.Sprint(i, "/", p))
				}
				if payments == 1 && i == 7 {
					names = []string{"single"}
				}
				r.chain.mine(names...)
			}
			r.idle()
			r.wantAll()
			// 1, then 2..11, 12..21, 22..31, 32..38 (the final height), 39..40, and for 41 in the last look.
			if got := r.nodes[0].count("eth_getLogs"); got != 7 {
				t.Errorf("eth_getLogs was asked %d times, want 7", got)
			}
			if got, want := r.scan.FinalHeight(), uint64(38); got != want {
				t.Errorf("final height %d, want %d", got, want)
			}
			if got := r.scan.Head().Number; got != 40 || !r.scan.CaughtUp() {
				t.Errorf("head %d, caught up %t", got, r.scan.CaughtUp())
			}
		})
	}
}

func TestRoundTrips(t *testing.T) {
	r := simple(t, nil)
	r.chain.mine("a")
	r.idle()
	before := r.nodes[0].tripCount()
	if err := r.once(); err != nil {
		t.Fatal(err)
	}
	if got := r.nodes[0].tripCount() - before; got != 1 {
		t.Errorf("a look at a head that did not move took %d round trips, want 1", got)
	}
	r.chain.mine("b")
	before = r.nodes[0].tripCount()
	if err := r.once(); err != nil {
		t.Fatal(err)
	}
	if got := r.nodes[0].tripCount() - before; got != 1 {
		t.Errorf("a look at one new block took %d round trips, want 1: tips, and logs between two readings of the block", got)
	}
}

func TestFirstRun(t *testing.T) {
	for _, c := range []struct {
		name          string
		start, margin uint64
		want          uint64
	}{
		{"from the configured block", 5, 0, 5},
		{"a margin below the head", 0, 4, 16},
		{"a margin beyond genesis", 0, 50, 0},
		{"at the head", 0, 0, 20},
		{"a configured block above the head", 90, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simple(t, func(cfg *ScannerConfig) { cfg.StartBlock, cfg.StartMargin = c.start, c.margin })
			for range 20 {
				r.chain.mine()
			}
			r.idle()
			if got := r.sink.sweeps[0].From; got != c.want {
				t.Errorf("first block %d, want %d", got, c.want)
			}
			if got := r.sink.cursor(); got != 20 {
				t.Errorf("cursor %d, want 20", got)
			}
		})
	}
}

func TestEveryEventOfAFilterWithoutTopics(t *testing.T) {
	r := simple(t, func(cfg *ScannerConfig) { cfg.Filter = func() Filter { return Filter{Addresses: wanted.Addresses} } })
	r.chain.mine("a", "b")
	r.idle()
	r.wantAll()
}

func TestNothingIsAskedForWithoutAddresses(t *testing.T) {
	r := simple(t, func(cfg *ScannerConfig) { cfg.Filter = func() Filter { return Filter{} } })
	r.chain.mine("a")
	r.chain.mine("b")
	r.idle()
	if got := r.nodes[0].count("eth_getLogs"); got != 0 || r.sink.cursor() != 2 || len(r.sink.keys()) != 0 {
		t.Errorf("eth_getLogs %d times, cursor %d, evidence %v", got, r.sink.cursor(), r.sink.keys())
	}
}

func TestFinalityPolicies(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy Finality
		tag    int // -1: none
		want   uint64
	}{
		{"one confirmation is the head", Finality{Confirmations: 1}, -1, 20},
		{"confirmations count the block itself", Finality{Confirmations: 12}, -1, 9},
		{"more confirmations than blocks", Finality{Confirmations: 100}, -1, 0},
		{"the tag", Finality{Tag: true}, 15, 15},
		{"the tag names no block", Finality{Tag: true}, -1, 0},
		{"the tag first", Finality{Tag: true, Confirmations: 12}, 15, 15},
		{"confirmations first", Finality{Tag: true, Confirmations: 3}, 15, 18},
		{"no tag yet, confirmations count", Finality{Tag: true, Confirmations: 3}, -1, 18},
		{"confirmations do not look at the tag", Finality{Confirmations: 12}, 19, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = c.policy })
			for i := range 20 {
				r.chain.mine(fmt.Sprint(i))
			}
			r.chain.finalize(c.tag)
			r.idle()
			r.wantAll()
			if got := r.scan.FinalHeight(); got != c.want {
				t.Errorf("final height %d, want %d", got, c.want)
			}
			if got := uint64(r.sink.finals()); got != c.want {
				t.Errorf("%d payments final, want %d", got, c.want)
			}
		})
	}
}

func TestANodeThatRefusesTheFinalizedTag(t *testing.T) {
	r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = Finality{Tag: true, Confirmations: 2} })
	r.nodes[0].set(func(n *node) {
		n.refuse = func(method string, args []any) (int, string) {
			if method == "eth_getBlockByNumber" && args[0] == Finalized {
				return -39001, "finalized block not found"
			}
			return 0, ""
		}
	})
	r.chain.mine("a")
	r.chain.mine("b")
	r.idle()
	r.wantAll()
	if got := r.scan.FinalHeight(); got != 1 {
		t.Errorf("final height %d, want 1", got)
	}
}

func TestALaggingReplicaIsNotAReorganisation(t *testing.T) {
	for _, lag := range []int{1, 5, 19, 20} {
		t.Run(fmt.Sprint(lag), func(t *testing.T) {
			r := simple(t, nil)
			for i := range 20 {
				r.chain.mine(fmt.Sprint(i))
			}
			r.idle()
			r.nodes[0].set(func(n *node) { n.lag = lag })
			r.idle()
			if h := r.scan.Health(); h.State != Lagging || !h.CaughtUp || h.Cursor.Number != 20 {
				t.Errorf("health %+v, want a lagging node and the cursor at 20", h)
			}
			r.nodes[0].set(func(n *node) { n.lag = 0 })
			r.chain.mine("more")
			r.idle()
			r.wantAll()
			if len(r.sink.rewinds) > 0 {
				t.Errorf("rewinds %v, want none", r.sink.rewinds)
			}
		})
	}
}

func TestALaggingReplicaIsPassedOver(t *testing.T) {
	l := newLedger()
	r := newRig(t, []*node{newNode(t, l), newNode(t, l)}, newMemory(t), nil)
	for i := range 20 {
		l.mine(fmt.Sprint(i))
	}
	r.idle()
	r.nodes[0].set(func(n *node) { n.lag = 5 })
	l.mine("new")
	r.idle()
	r.wantAll()
	if h := r.scan.Health(); h.State != Following || h.Head.Number != 21 {
		t.Errorf("health %+v, want to follow the other node", h)
	}
}

func TestRangesThatAreTooLarge(t *testing.T) {
	for _, text := range []string{
		"query returned more than 10000 results",
		"block range is too wide",
		"eth_getLogs is limited to a 3 block range",
		"Log response size exceeded. You can make eth_getLogs requests with up to a 3 block range.",
		"limit exceeded",
		"query timeout",
		"something else altogether", // found out by trying, with pauses
	} {
		t.Run(text, func(t *testing.T) {
			r := simple(t, func(cfg *ScannerConfig) { cfg.MaxRange = 64 })
			for i := range 100 {
				r.chain.mine(fmt.Sprint(i))
			}
			limit := uint64(3)
			r.nodes[0].set(func(n *node) {
				n.refuse = func(method string, args []any) (int, string) {
					if method != "eth_getLogs" {
						return 0, ""
					}
					p := args[0].(map[string]any)
					from, _ := parseUint(p["fromBlock"].(string))
					to, _ := parseUint(p["toBlock"].(string))
					if to-from+1 > limit {
						return -32000, text
					}
					return 0, ""
				}
			})
			r.idle()
			r.wantAll()
			r.nodes[0].set(func(*node) { limit = 1000 })
			for i := range 300 {
				r.chain.mine(fmt.Sprint("more", i))
			}
			r.idle()
			r.wantAll()
			if got := r.scan.stride.Width(); got != 64 {
				t.Errorf("asks for %d blocks at once after the limit went away, want 64", got)
			}
		})
	}
}

// The response to a large range is longer than the client reads.
func TestRangesWhoseLogsAreTooLong(t *testing.T) {
	n := newNode(t, newLedger())
	for i := range 60 {
		n.ledger.mine(fmt.Sprint("a", i), fmt.Sprint("b", i))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var calls []struct {
			ID     int
			Method string
			Params []any
		}
		if err := json.NewDecoder(req.Body).Decode(&calls); err != nil {
			t.Error(err)
		}
		var out []map[string]any
		for _, c := range calls {
			if p, ok := c.Params[0:min(1, len(c.Params))], c.Method == "eth_getBlockByNumber"; ok {
				p[0] = At(p[0].(string))
			} else if c.Method == "eth_getLogs" {
				p[0].(map[string]any)["address"] = []string{proxy.Lower()}
			}
			n.set(func(n *node) { n.counts[c.Method]++ })
			out = append(out, map[string]any{"id": c.ID, "result": n.answer(c.Method, c.Params)})
		}
		if err := json.NewEncoder(w).Encode(out); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	r := newRig(t, []*node{n}, newMemory(t), func(cfg *ScannerConfig) { cfg.MaxRange = 64 })
	r.cfg.Client = clientOf(t, func(cfg *Config) { cfg.MaxResponse = 16000 }, server.URL)
	r.restart()
	r.idle()
	r.wantAll()
	if h := r.cfg.Client.Health()[0]; h.State != Good || h.Failures > 0 {
		t.Errorf("health %+v: too many logs are not the endpoint's failure", h)
	}
}

func TestASingleBlockThatIsTooLarge(t *testing.T) {
	r := simple(t, nil)
	r.chain.mine("a")
	r.nodes[0].set(func(n *node) {
		n.refuse = func(method string, _ []any) (int, string) {
			if method == "eth_getLogs" {
				return -32005, "query returned more than 10000 results"
			}
			return 0, ""
		}
	})
	if err := r.once(); err == nil || r.sink.cursor() != 0 {
		t.Errorf("error %v, cursor %d: want an error and no move", err, r.sink.cursor())
	}
}

func TestASinkThatFailsIsNeverSkipped(t *testing.T) {
	for _, call := range []string{"cursor", "apply", "rewind", "pending", "finalize"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(call, after), func(t *testing.T) {
				r := simple(t, nil)
				for i := range 6 {
					r.chain.mine(fmt.Sprint("old", i))
				}
				down := errors.New("disk full")
				left := 2
				r.sink.fail = func(c string, a bool) error {
					if c == call && a == after && left > 0 {
						left--
						return down
					}
					return nil
				}
				r.idle()
				r.chain.reorg(2, []string{"new"}, nil, []string{"newer"}, nil, nil)
				r.idle()
				r.wantAll()
				if left != 0 && call != "rewind" {
					t.Errorf("%d failures were never met", left)
				}
			})
		}
	}
}

func TestAnotherScannerMovedTheCursor(t *testing.T) {
	r := simple(t, nil)
	r.chain.mine("a")
	r.idle()
	r.chain.mine("b")
	other := newRig(t, r.nodes, r.sink, nil)
	other.idle()
	r.chain.mine("c")
	if err := r.once(); !errors.Is(err, errStale) {
		t.Fatalf("error %v, want the sink's refusal", err)
	}
	r.idle()
	r.wantAll()
}

func TestASinkWhoseCursorIsOutOfOrder(t *testing.T) {
	r := simple(t, nil)
	r.sink.blocks = []Block{{Number: 5}, {Number: 3}}
	if err := r.once(); err == nil || !strings.Contains(err.Error(), "order") {
		t.Errorf("error %v, want one about the order", err)
	}
}

func TestConfiguration(t *testing.T) {
	r := simple(t, nil)
	for name, change := range map[string]func(*ScannerConfig){
		"no client":         func(c *ScannerConfig) { c.Client = nil },
		"no sink":           func(c *ScannerConfig) { c.Sink = nil },
		"no filter":         func(c *ScannerConfig) { c.Filter = nil },
		"no finality":       func(c *ScannerConfig) { c.Finality = Finality{} },
		"nobody to agree":   func(c *ScannerConfig) { c.Agree = 2 },
		"negative interval": func(c *ScannerConfig) { c.Interval = -1 },
	} {
		cfg := r.cfg
		change(&cfg)
		if _, err := NewScanner(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
