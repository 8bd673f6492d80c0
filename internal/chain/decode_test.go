package chain

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// FuzzBatch feeds responses to the batch decoder and what it accepts to every
// decoder of results: none may panic, and an accepted batch is complete.
func FuzzBatch(f *testing.F) {
	h := digest("seed")
	for _, s := range []string{
		`[{"jsonrpc":"2.0","id":2,"result":"0x1"},{"jsonrpc":"2.0","id":1,"result":null}]`,
		`[{"id":1,"error":{"code":3,"message":"execution reverted","data":"0x08c379a0"}},{"id":2,"result":[]}]`,
		`{"id":null,"error":{"code":429,"message":"rate limit"}}`,
		`[{"id":1,"result":{"number":"0x1","hash":"` + h + `","parentHash":"` + h + `","timestamp":"0x1","baseFeePerGas":"0x7"}},{"id":2,"result":"0x"}]`,
		`[{"id":1,"result":[{"address":"0x00000000000000000000000000000000000000aa","topics":["` + h + `"],"data":"0x12","blockNumber":"0x1","blockHash":"` + h +
			`","transactionHash":"` + h + `","transactionIndex":"0x0","logIndex":"0x0","removed":false}]},{"id":2,"result":"0x"}]`,
		`[{"id":1,"result":[{"calls":[{"status":"0x0","returnData":"0x","gasUsed":"0x5208","logs":[],"error":{"code":3,"message":"x","data":null}}]}]},{"id":2,"result":{}}]`,
		`[{"id":1,"result":{"hash":"` + h + `","from":"0x00000000000000000000000000000000000000aa","to":null,"input":"0x","value":"0x0","nonce":"0x0"}},{"id":2,"result":{"status":"0x1","logs":[{}]}}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rs, err := decodeBatch(raw, three[:2])
		if err != nil {
			return
		}
		if len(rs) != 2 {
			t.Fatalf("%d results for 2 calls", len(rs))
		}
		for _, r := range rs {
			if (r.Raw == nil) == (r.Err == nil) {
				t.Fatalf("neither or both of a result and an error: %+v", r)
			}
			decodeAll(t, r)
		}
	})
}

func decodeAll(t *testing.T, r Result) {
	_, _ = r.Uint()
	_, _ = r.Bytes()
	_, _ = r.Receipt()
	_, _ = r.Transaction()
	_, _ = r.Simulated()
	if e, ok := AsRPC(r.Err); ok {
		_, _ = e.Reverted()
		if len(e.Message) > maxMessage*4 {
			t.Fatalf("a message of %d bytes", len(e.Message))
		}
	}
	if v, err := r.Big(); err == nil && (v.Sign() < 0 || v.BitLen() > 256) {
		t.Fatalf("quantity %v", v)
	}
	if h, err := r.Header(); err == nil && h != nil && (len(h.Hash) != 66 || len(h.Parent) != 66 || h.Time.Year() > 9999) {
		t.Fatalf("header %+v", h)
	}
	logs, err := r.Logs()
	if err != nil {
		return
	}
	for _, l := range logs {
		if len(l.Topics) > maxTopics || len(l.Tx) != 66 || l.Block.Hash != strings.ToLower(l.Block.Hash) {
			t.Fatalf("log %+v", l)
		}
	}
	if sorted, err := sortLogs(logs, wanted, 1, 5); err == nil && len(sorted) > 0 && sorted[0].Address != proxy {
		t.Fatalf("a foreign log passed: %+v", sorted[0])
	}
}

// BenchmarkDecodeBatch is what the decoding of one pay page's questions costs:
// a header, nine words and a little more, as one response.
func BenchmarkDecodeBatch(b *testing.B) {
	l := newLedger()
	header, err := json.Marshal(l.blocks[0].header)
	if err != nil {
		b.Fatal(err)
	}
	calls := []Call{HeaderCall(Latest)}
	parts := []string{fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"result":%s}`, header)}
	for i := range 9 {
		calls = append(calls, BalanceCall(proxy, Latest))
		parts = append(parts, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":"%s"}`, i+2, digest(i)))
	}
	raw := []byte("[" + strings.Join(parts, ",") + "]")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		rs, err := decodeBatch(raw, calls)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := rs[0].Header(); err != nil {
			b.Fatal(err)
		}
		for _, r := range rs[1:] {
			if _, err := r.Big(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkDecodeLogs is what a busy range costs: a thousand logs.
func BenchmarkDecodeLogs(b *testing.B) {
	var logs []map[string]any
	for i := range 1000 {
		logs = append(logs, payLog(1, digest("block"), i, fmt.Sprint(i)))
	}
	raw, err := json.Marshal(logs)
	if err != nil {
		b.Fatal(err)
	}
	body := fmt.Appendf(nil, `[{"jsonrpc":"2.0","id":1,"result":%s}]`, raw)
	calls := []Call{LogsCall(wanted, 1, 1)}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		rs, err := decodeBatch(body, calls)
		if err != nil {
			b.Fatal(err)
		}
		got, err := rs[0].Logs()
		if err != nil || len(got) != 1000 {
			b.Fatalf("%d logs, %v", len(got), err)
		}
	}
}
