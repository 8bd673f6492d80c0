package chain

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// lie is what an endpoint says in place of the logs of one block.
type lie func(logs []map[string]any) []map[string]any

func leaveOut(logs []map[string]any) []map[string]any { return logs[1:] }

func alter(logs []map[string]any) []map[string]any {
	logs[0] = maps.Clone(logs[0])
	logs[0]["data"] = "0xffffffff"
	return logs
}

// invent adds a payment.
func invent(logs []map[string]any) []map[string]any {
	n, _ := parseUint(logs[0]["blockNumber"].(string))
	return append(logs, payLog(int(n), logs[0]["blockHash"].(string), 77, "stolen"))
}

// lying has a node lie about the logs of every block that has any.
func lying(f lie) func(n *node) {
	return func(n *node) {
		n.lie = func(method string, _ []any, honest any) any {
			logs, ok := honest.([]map[string]any)
			if method != "eth_getLogs" || !ok {
				return honest
			}
			said := []map[string]any{}
			for len(logs) > 0 {
				end := slices.IndexFunc(logs, func(l map[string]any) bool { return l["blockHash"] != logs[0]["blockHash"] })
				if end < 0 {
					end = len(logs)
				}
				said = append(said, f(slices.Clone(logs[:end]))...)
				logs = logs[end:]
			}
			return said
		}
	}
}

// crowd is a rig with so many nodes on one ledger, two of which must agree on logs too.
func crowd(t testing.TB, nodes int) (*rig, *ledger) {
	l := newLedger()
	var ns []*node
	for range nodes {
		ns = append(ns, newNode(t, l))
	}
	sink := newMemory(t)
	return newRig(t, ns, sink, func(cfg *ScannerConfig) { cfg.Agree, cfg.Records = 2, sink }), l
}

// wantFinal checks that all that is final is true, and that so much is.
func wantFinal(t *testing.T, r *rig, l *ledger, want int) {
	t.Helper()
	true_ := l.payments()
	for k, final := range r.sink.state() {
		if final && !slices.Contains(true_, k) {
			t.Errorf("%s is final and never happened", k)
		}
	}
	for _, f := range r.sink.evidence {
		if f.final && strings.HasPrefix(string(f.log.Data), "\xff") {
			t.Errorf("an altered log is final: %+v", f.log)
		}
	}
	if got := r.sink.finals(); got != want {
		t.Errorf("%d final, want %d; %+v", got, want, r.scan.Health())
	}
}

func kinds(r *rig, i int) map[Kind]uint64 {
	out := map[Kind]uint64{}
	for k, n := range r.cfg.Client.Health()[i].Lies {
		if n > 0 {
			out[k] = n
		}
	}
	return out
}

func TestAmongThreeALiarIsOutvotedAndNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  lie
		want Kind
	}{{"leaves out", leaveOut, Missing}, {"invents", invent, Invented}, {"alters", alter, Altered}} {
		for liar := range 3 {
			t.Run(fmt.Sprintf("%s %d", c.name, liar), func(t *testing.T) {
				r, l := crowd(t, 3)
				r.nodes[liar].set(lying(c.lie))
				for i := range 12 {
					l.mine(fmt.Sprint("a", i), fmt.Sprint("b", i))
					r.idle()
				}
				l.mine()
				l.mine()
				r.idle()
				wantFinal(t, r, l, 24)
				for i := range 3 {
					if i != liar && len(kinds(r, i)) > 0 {
						t.Errorf("honest node %d is said to have lied: %v", i, kinds(r, i))
					}
				}
				if liar < 2 && kinds(r, liar)[c.want] == 0 {
					t.Errorf("the liar's record is %v, want %s", kinds(r, liar), c.want)
				}
				if liar == 0 && r.cfg.Client.Health()[liar].State != Aside {
					t.Errorf("the liar's state is %s", r.cfg.Client.Health()[liar].State)
				}
				if h := r.scan.Health(); h.Disagreement != "" || h.Final < 12 {
					t.Errorf("health %+v", h)
				}
			})
		}
	}
}

func TestBetweenTwoADisputeIsHeldUpAndNamed(t *testing.T) {
	for _, c := range []struct {
		name  string
		lie   lie
		final int // of 8
	}{{"leaves out", leaveOut, 0}, {"invents", invent, 0}, {"alters", alter, 0}} {
		for liar := range 2 {
			t.Run(fmt.Sprintf("%s %d", c.name, liar), func(t *testing.T) {
				r, l := crowd(t, 2)
				r.nodes[liar].set(lying(c.lie))
				for i := range 8 {
					l.mine(fmt.Sprint("a", i))
					r.idle()
				}
				for range auditEvery {
					l.mine()
				}
				r.idle()
				wantFinal(t, r, l, c.final)
				h := r.scan.Health()
				if !strings.Contains(h.Disagreement, "node0") && !strings.Contains(h.Disagreement, "node1") {
					t.Errorf("disagreement %q names nobody", h.Disagreement)
				}
				if h := r.cfg.Client.Health(); h[0].Lies[Disputed] == 0 || h[1].Lies[Disputed] == 0 {
					t.Errorf("the dispute is not counted: %v, %v", h[0].Lies, h[1].Lies)
				}
				for _, k := range l.payments() { // what only one has seen is seen
					if _, kept := r.sink.state()[k]; !kept {
						t.Errorf("%s is not even seen", k)
					}
				}
				r.nodes[liar].set(func(n *node) { n.lie = nil })
				for range 20 {
					l.mine()
					r.idle()
				}
				r.wantAll()
				wantFinal(t, r, l, 8)
				if h := r.scan.Health(); h.Disagreement != "" {
					t.Errorf("disagreement %q after they agree", h.Disagreement)
				}
			})
		}
	}
}

// What one endpoint left out of an old range is found although no evidence waits in it.
func TestALogThatNobodyWaitedForIsFound(t *testing.T) {
	r, l := crowd(t, 3)
	r.nodes[0].set(lying(func([]map[string]any) []map[string]any { return []map[string]any{} }))
	l.mine()
	r.idle()
	l.mine("lost")
	for range 2 * auditEvery {
		l.mine()
	}
	r.idle()
	r.wantAll()
	wantFinal(t, r, l, 1)
	if kinds(r, 0)[Missing] == 0 {
		t.Errorf("record %v", kinds(r, 0))
	}
}

func TestARestartForgetsWhoToldAndAsksTwice(t *testing.T) {
	r, l := crowd(t, 2)
	r.nodes[0].set(lying(invent))
	l.mine("a")
	r.idle()
	r.nodes[0].set(func(n *node) { n.lie = nil })
	r.restart()
	for range 3 {
		l.mine()
	}
	r.idle()
	r.wantAll()
	wantFinal(t, r, l, 1)
}

func TestWhatIsSmallNeedsNoSecondReading(t *testing.T) {
	r, l := crowd(t, 2)
	r.sink.small = 4
	r.nodes[1].set(lying(func([]map[string]any) []map[string]any { return []map[string]any{} }))
	l.mine("tiny")
	l.mine("enormous")
	for range 4 {
		l.mine()
	}
	r.idle()
	wantFinal(t, r, l, 1)
}

func TestTwoEndpointsOfOneHostAreOneOpinion(t *testing.T) {
	cfg := Config{Chain: testChain, Log: quiet(), Endpoints: []Endpoint{{URL: "https://rpc.example/key1"}, {URL: "https://RPC.example/key2"}}}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sink := newMemory(t)
	_, err = NewScanner(ScannerConfig{Client: c, Sink: sink, Filter: func() Filter { return wanted }, Finality: Finality{Confirmations: 1}, Agree: 2})
	if err == nil || !strings.Contains(err.Error(), "hosts") {
		t.Errorf("error %v", err)
	}
}

func TestAnEndpointThatStandsStillIsLeft(t *testing.T) {
	r, l := crowd(t, 2)
	l.mine("a")
	r.idle()
	stuck := l.clone()
	r.nodes[0].set(func(n *node) { n.ledger = stuck })
	for i := range 10 {
		l.mine(fmt.Sprint(i))
	}
	for range 2 * surveyEvery {
		if err := r.once(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.sink.cursor(); got != l.head() {
		t.Errorf("cursor %d, head %d", got, l.head())
	}
	if kinds(r, 0)[StaleHead] != 1 {
		t.Errorf("record %v", kinds(r, 0))
	}
}

func TestAnImpossibleReorganisationSetsItsEndpointAside(t *testing.T) {
	r, l := crowd(t, 3)
	for i := range 12 {
		l.mine(fmt.Sprint(i))
		r.idle()
	}
	fork := l.clone()
	fork.reorg(9, []string{"x"}, nil, nil, nil, nil, nil, nil, nil, nil, nil)
	r.nodes[0].set(func(n *node) { n.ledger = fork })
	l.mine("after")
	for range 3 {
		l.mine()
	}
	r.idle()
	r.wantAll()
	wantFinal(t, r, l, 13)
	if kinds(r, 0)[ImpossibleReorg] == 0 || r.cfg.Client.Health()[0].State != Aside {
		t.Errorf("record %v", kinds(r, 0))
	}
	if h := r.scan.Health(); h.State != Following {
		t.Errorf("health %+v", h)
	}
}

func TestALiarsForkIsLeft(t *testing.T) {
	r, l := crowd(t, 3)
	for i := range 4 {
		l.mine(fmt.Sprint(i))
		r.idle()
	}
	fork := l.clone()
	fork.reorg(1, []string{"stolen"}, nil, nil, nil, nil, nil)
	r.nodes[0].set(func(n *node) { n.ledger = fork })
	r.idle()
	for i := range 5 {
		l.mine(fmt.Sprint("more", i))
	}
	for range 4 {
		r.idle()
	}
	r.wantAll()
	wantFinal(t, r, l, 7)
	if kinds(r, 0)[OtherFork]+kinds(r, 0)[ImpossibleReorg] == 0 {
		t.Errorf("record %v", kinds(r, 0))
	}
}

// One of three lies at a time, now this one and now that, in all ways there are. What is
// final was always so, and once all are honest nothing is lost.
func TestRandomLiars(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 15
	}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		r, l := crowd(t, 3)
		ways := []func(*node){
			lying(leaveOut), lying(alter), lying(invent),
			func(n *node) {
				n.lie = func(m string, _ []any, honest any) any {
					if m == "eth_getLogs" {
						return []any{}
					}
					return honest
				}
			},
			func(n *node) { n.lag = rng.IntN(9) },
			func(n *node) { n.before = func(string) error { return errors.New("away") } },
			func(n *node) {
				n.before = func(string) error { return &limitError{after: time.Nanosecond, cause: errors.New("429")} }
			},
			func(n *node) { n.lie = func(string, []any, any) any { return "garbage" } },
			func(n *node) {
				fork := l.clone()
				fork.reorg(min(1+rng.IntN(8), len(fork.blocks)-1), []string{"stolen"}, nil, nil, nil, nil, nil, nil, nil, nil)
				n.ledger = fork
			},
			func(n *node) {
				n.lie = func(method string, args []any, honest any) any {
					if h, ok := honest.(map[string]any); ok && rng.IntN(3) == 0 {
						h = maps.Clone(h)
						h["hash"] = digest("elsewhere", rng.Uint64())
						return h
					}
					return honest
				}
			},
		}
		liar := 0
		l.mine()
		for i := range 40 {
			if i%8 == 0 {
				r.nodes[liar].set(func(n *node) { n.lie, n.before, n.lag, n.ledger = nil, nil, 0, l })
				// Two that tell the same lie of the same block are more liars than two of three stand.
				for range auditEvery + 4 {
					l.mine()
					_ = r.once()
				}
				r.idle()
				liar = rng.IntN(3)
				r.nodes[liar].set(ways[rng.IntN(len(ways))])
			}
			var names []string
			for j := range rng.IntN(3) {
				names = append(names, fmt.Sprint(i, j))
			}
			l.mine(names...)
			for range 1 + rng.IntN(3) {
				_ = r.once() // a lie is an error now and then
			}
			if rng.IntN(15) == 0 {
				r.restart()
			}
		}
		r.nodes[liar].set(func(n *node) { n.lie, n.before, n.lag, n.ledger = nil, nil, 0, l })
		for range 24 {
			l.mine()
			for range 3 {
				_ = r.once()
			}
		}
		r.idle()
		r.wantAll()
		wantFinal(t, r, l, len(l.payments()))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
