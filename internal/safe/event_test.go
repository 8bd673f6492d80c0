package safe_test

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
)

func numbered(n byte) official.Hash { return official.Hash{n, 31: 1} }

// eventLog is an execution event, with the hash indexed or not.
func eventLog(topic string, hash official.Hash, indexed bool, block uint64, index uint) chain.Log {
	l := chain.Log{
		Address: self, Topics: []string{topic}, Data: make([]byte, 32),
		Block: chain.Block{Number: block, Hash: numbered(byte(block)).String()}, Tx: numbered(0xaa).String(), Index: index,
	}
	l.Data[31] = 9
	if indexed {
		l.Topics = append(l.Topics, hash.String())
	} else {
		l.Data = append(hash[:], l.Data...)
	}
	return l
}

// The topics and forms are those of the contracts' own interfaces.
func TestEventsAreOfficial(t *testing.T) {
	for _, v := range safe.Versions() {
		abi := safetest.Interface(t, v, "Safe")
		for name, topic := range map[string]string{"ExecutionSuccess": safe.TopicSuccess, "ExecutionFailure": safe.TopicFailure} {
			e := abi.Events[name]
			if e.ID != common.HexToHash(topic) || len(e.Inputs) != 2 || e.Inputs[0].Indexed != (v != safe.V130) || e.Inputs[1].Indexed {
				t.Errorf("%s of %s: %+v", name, v, e)
			}
		}
		// What Read and EncodeExec ask is asked of the right functions.
		for name, selector := range map[string]string{
			"VERSION": "ffa1ad74", "getOwners": "a0e67e2b", "getThreshold": "e75235b8", "nonce": "affed0e0",
			"getModulesPaginated": "cc2f8452", "execTransaction": "6a761202",
		} {
			if got := fmt.Sprintf("%x", abi.Methods[name].ID); got != selector {
				t.Errorf("%s of %s: %s", name, v, got)
			}
		}
		if got := fmt.Sprintf("%x", safetest.Interface(t, v, "MultiSendCallOnly").Methods["multiSend"].ID); got != "8d80ff0a" {
			t.Errorf("multiSend of %s: %s", v, got)
		}
	}
}

func TestExecutionsAreDecodedStrictly(t *testing.T) {
	for _, indexed := range []bool{true, false} {
		for topic, success := range map[string]bool{safe.TopicSuccess: true, safe.TopicFailure: false} {
			l := eventLog(topic, numbered(1), indexed, 5, 2)
			e, err := safe.DecodeExecution(l)
			if err != nil || e.Hash != numbered(1) || e.Success != success || e.Payment.Cmp(big.NewInt(9)) != 0 || e.Safe != self || e.Block != l.Block || e.Tx != l.Tx || e.Index != 2 {
				t.Errorf("%+v, %v", e, err)
			}
			for name, change := range map[string]func(*chain.Log){
				"no topic":      func(l *chain.Log) { l.Topics = nil },
				"another event": func(l *chain.Log) { l.Topics[0] = numbered(3).String() },
				"a topic more":  func(l *chain.Log) { l.Topics = append(l.Topics, numbered(1).String()) },
				"a byte more":   func(l *chain.Log) { l.Data = append(l.Data, 0) },
				"a byte less":   func(l *chain.Log) { l.Data = l.Data[1:] },
				"a word more":   func(l *chain.Log) { l.Data = append(l.Data, make([]byte, 32)...) },
				"no data":       func(l *chain.Log) { l.Data = nil },
			} {
				bad := l
				bad.Topics, bad.Data = slices.Clone(l.Topics), slices.Clone(l.Data)
				change(&bad)
				if e, err := safe.DecodeExecution(bad); !errors.Is(err, safe.ErrEvent) {
					t.Errorf("%s: %+v, %v", name, e, err)
				}
			}
		}
	}
	bad := eventLog(safe.TopicSuccess, numbered(1), true, 5, 2)
	bad.Topics[1] = "0x" + strings.Repeat("zz", 32)
	if _, err := safe.DecodeExecution(bad); !errors.Is(err, safe.ErrEvent) {
		t.Errorf("a topic that is no hash: %v", err)
	}
}

func TestExecutionsLeaveOthersOut(t *testing.T) {
	foreign := eventLog(safe.TopicSuccess, numbered(4), true, 1, 0)
	foreign.Address = stranger
	odd := eventLog(safe.TopicSuccess, numbered(5), true, 1, 0)
	odd.Data = nil
	got := safe.Executions(self, []chain.Log{
		eventLog(safe.TopicFailure, numbered(3), true, 9, 1), foreign, odd,
		eventLog(safe.TopicSuccess, numbered(2), false, 7, 8), eventLog(safe.TopicSuccess, numbered(1), true, 7, 3),
	})
	if len(got) != 3 || got[0].Hash != numbered(1) || got[1].Hash != numbered(2) || got[2].Hash != numbered(3) {
		t.Errorf("%+v", got)
	}
	f := safe.Filter(self, stranger)
	if len(f.Addresses) != 2 || !slices.Equal(f.Topics0, []string{safe.TopicSuccess, safe.TopicFailure}) {
		t.Errorf("%+v", f)
	}
}

func TestJudge(t *testing.T) {
	ours, five := numbered(50), uint64(5)
	event := func(h official.Hash, success bool) safe.Execution {
		return safe.Execution{Safe: self, Hash: h, Success: success}
	}
	a, b, c := event(numbered(1), true), event(numbered(2), true), event(numbered(3), false)
	for name, test := range map[string]struct {
		nonce *uint64
		now   uint64
		seen  []safe.Execution
		want  safe.Fate
		by    int // index in seen, -1 for none
	}{
		"it is next":                           {&five, 5, nil, safe.Executable, -1},
		"others come first":                    {&five, 3, []safe.Execution{a, b}, safe.Executable, -1},
		"executed":                             {&five, 6, []safe.Execution{a, event(ours, true)}, safe.Succeeded, 1},
		"executed, and more after":             {&five, 8, []safe.Execution{event(ours, true), a, b}, safe.Succeeded, 0},
		"failed":                               {&five, 6, []safe.Execution{event(ours, false)}, safe.Failed, 0},
		"replaced":                             {&five, 6, []safe.Execution{a, b}, safe.Replaced, 1},
		"replaced long ago":                    {&five, 8, []safe.Execution{a, b, c}, safe.Replaced, 0},
		"replaced by one that failed":          {&five, 6, []safe.Execution{a, c}, safe.Replaced, 1},
		"events are missing":                   {&five, 8, []safe.Execution{a, b}, safe.Untold, -1},
		"no event at all":                      {&five, 6, nil, safe.Untold, -1},
		"a nonce beyond all":                   {&five, 1 << 63, []safe.Execution{a}, safe.Untold, -1},
		"the hash alone, not seen":             {nil, 6, []safe.Execution{a}, safe.Untold, -1},
		"the hash alone, executed":             {nil, 6, []safe.Execution{event(ours, true)}, safe.Succeeded, 0},
		"the hash alone, failed":               {nil, 6, []safe.Execution{event(ours, false)}, safe.Failed, 0},
		"the node's nonce lags behind":         {&five, 5, []safe.Execution{event(ours, true)}, safe.Succeeded, 0},
		"a forged failure undoes no success":   {&five, 7, []safe.Execution{event(ours, false), event(ours, true)}, safe.Succeeded, 1},
		"nor does one that comes later":        {&five, 7, []safe.Execution{event(ours, true), event(ours, false)}, safe.Succeeded, 0},
		"the first of two failures is told of": {&five, 7, []safe.Execution{event(ours, false), event(ours, false)}, safe.Failed, 0},
	} {
		got := safe.Judge(ours, test.nonce, safe.View{Nonce: test.now, Executions: test.seen})
		if got.Fate != test.want || (got.Event == nil) != (test.by < 0) || test.by >= 0 && got.Event != &test.seen[test.by] {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Whatever happens later, a transaction that was executed, failed or replaced
// stays so, and one that can be executed was not: for every history.
func TestFatesAreFinal(t *testing.T) {
	const nonces = 5
	for history := range 1 << nonces { // bit i: nonce i is used by ours, else by another's
		var seen []safe.Execution
		for now := range uint64(nonces + 1) {
			v := safe.View{Nonce: now, Executions: seen}
			for n := range uint64(nonces) {
				mine := history>>n&1 == 1
				want := safe.Executable
				switch {
				case n >= now:
				case mine:
					want = safe.Succeeded
				default:
					want = safe.Replaced
				}
				if got := safe.Judge(numbered(byte(n)), &n, v); got.Fate != want {
					t.Fatalf("history %05b, nonce %d at %d: %+v", history, n, now, got)
				}
			}
			if now < nonces {
				h := numbered(byte(now))
				if history>>now&1 == 0 {
					h = numbered(byte(100 + now))
				}
				seen = append(slices.Clone(seen), safe.Execution{Safe: self, Hash: h, Success: true})
			}
		}
	}
}
