package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestLies(t *testing.T) {
	type edit = func(logs []map[string]any) any
	onLogs := func(f edit) func(string, []any, any) any {
		return func(method string, _ []any, honest any) any {
			logs, ok := honest.([]map[string]any)
			if method != "eth_getLogs" || !ok || len(logs) < 3 {
				return honest
			}
			copies := make([]map[string]any, len(logs))
			for i, g := range logs {
				copies[i] = maps.Clone(g)
			}
			return f(copies)
		}
	}
	change := func(key string, value any) edit {
		return func(logs []map[string]any) any { logs[1][key] = value; return logs }
	}
	onHeader := func(which At, key string, value any) func(string, []any, any) any {
		return func(method string, args []any, honest any) any {
			h, ok := honest.(map[string]any)
			if method != "eth_getBlockByNumber" || args[0] != which || !ok {
				return honest
			}
			h = maps.Clone(h)
			h[key] = value
			return h
		}
	}
	for _, c := range []struct {
		name string
		lie  func(string, []any, any) any
		want string // part of the error
	}{
		{"a log of a foreign address", onLogs(change("address", foreign.Lower())), "not asked for"},
		{"a log with a foreign topic", onLogs(change("topics", []string{topic2})), "not asked for"},
		{"a log without topics", onLogs(change("topics", []string{})), "not asked for"},
		{"a log with five topics", onLogs(change("topics", []string{topic, topic, topic, topic, topic})), "topics"},
		{"a log above the range", onLogs(change("blockNumber", "0xff")), "not asked for"},
		{"a log below the range", onLogs(change("blockNumber", "0x0")), "not asked for"},
		{"a log of a block that is not on the chain", func(method string, args []any, honest any) any {
			return onLogs(func(logs []map[string]any) any {
				for _, g := range logs {
					if g["blockNumber"] == "0x3" {
						g["blockHash"] = digest("elsewhere")
					}
				}
				return logs
			})(method, args, honest)
		}, "not on its chain"},
		{"two blocks at one height", onLogs(func(logs []map[string]any) any {
			twin := maps.Clone(logs[0])
			twin["blockHash"] = digest("elsewhere")
			return append(logs, twin)
		}), "two blocks"},
		{"two logs for one place", onLogs(func(logs []map[string]any) any {
			twin := maps.Clone(logs[0])
			twin["data"] = "0xffff"
			return append(logs, twin)
		}), "two logs"},
		{"a removed log", onLogs(change("removed", true)), "removed"},
		{"a log without a block hash", onLogs(change("blockHash", nil)), "blockHash"},
		{"a log with an odd number of digits", onLogs(change("data", "0x123")), "data"},
		{"a log with a negative index", onLogs(change("logIndex", "-0x1")), "logIndex"},
		{"a log with an enormous index", onLogs(change("logIndex", "0xffffffffffff")), "logIndex"},
		{"logs that are no list", onLogs(func([]map[string]any) any { return "0x" }), "logs"},
		{"null logs", onLogs(func([]map[string]any) any { return nil }), "logs"},
		{"a head that is null", func(method string, args []any, honest any) any {
			if method == "eth_getBlockByNumber" && args[0] == Latest {
				return nil
			}
			return honest
		}, "null"},
		{"a block that was not asked for", onHeader(AtBlock(3), "number", "0x4"), "answered with block 4"},
		{"a hash that is too short", onHeader(Latest, "hash", "0x12"), "hash"},
		{"a time beyond all times", onHeader(Latest, "timestamp", "0xffffffffffffffff"), "timestamp"},
		{"a finalized block above the head", onHeader(Finalized, "number", "0x7777"), "its head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simple(t, func(cfg *ScannerConfig) { cfg.Finality = Finality{Tag: true} })
			r.chain.finalize(0)
			r.chain.mine()
			r.idle()
			for i := range 2 {
				r.chain.mine(fmt.Sprint("a", i), fmt.Sprint("b", i))
			}
			r.nodes[0].set(func(n *node) { n.lie = c.lie })
			cursor := r.sink.cursor()
			if err := r.once(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if r.sink.cursor() != cursor || len(r.sink.keys()) > 0 {
				t.Errorf("a lie moved the cursor to %d, evidence %v", r.sink.cursor(), r.sink.keys())
			}
			if h := r.scan.Health(); h.State != Failing || h.LastError == "" {
				t.Errorf("health %+v, want failing", h)
			}
			r.nodes[0].set(func(n *node) { n.lie = nil })
			r.idle()
			r.wantAll()
		})
	}
}

func TestALiarIsPassedOver(t *testing.T) {
	l := newLedger()
	liar, honest := newNode(t, l), newNode(t, l)
	liar.lie = func(method string, _ []any, answer any) any {
		if method == "eth_getLogs" {
			return []any{payLog(1, digest("elsewhere"), 0, "stolen")}
		}
		return answer
	}
	r := newRig(t, []*node{liar, honest}, newMemory(t), nil)
	l.mine("a")
	if err := r.once(); err == nil {
		t.Fatal("the lie was believed")
	}
	if err := r.once(); err != nil {
		t.Fatal(err)
	}
	r.wantAll()
}

func TestUnsortedAndRepeatedLogsAreBroughtIntoOrder(t *testing.T) {
	r := simple(t, nil)
	r.nodes[0].set(func(n *node) {
		n.lie = func(method string, _ []any, honest any) any {
			if logs, ok := honest.([]map[string]any); ok && method == "eth_getLogs" {
				logs = append(slices.Clone(logs), logs...)
				slices.Reverse(logs)
				return logs
			}
			return honest
		}
	})
	for i := range 8 {
		r.chain.mine(fmt.Sprint("a", i), fmt.Sprint("b", i), fmt.Sprint("c", i))
	}
	r.idle()
	r.wantAll()
	n := 0
	for _, s := range r.sink.sweeps {
		n += len(s.Logs)
	}
	if n != 24 {
		t.Errorf("%d logs were applied, want each of 24 once", n)
	}
}
