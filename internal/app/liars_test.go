package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// caller is a chain's node in the same process.
type caller interface {
	CallContext(ctx context.Context, result any, method string, args ...any) error
}

// mirror is another endpoint of a chain, which may lie by itself.
type mirror struct {
	*httptest.Server
	node caller

	mu      sync.Mutex
	logs    func(logs []map[string]any) []map[string]any // what it says in place of logs
	instead http.HandlerFunc                             // answers in its place
	edit    func(method, result string) string           // what it says in place of any result
}

func newMirror(t *testing.T, c *chaintest.Chain) *mirror {
	m := &mirror{node: c.Client()}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) set(f func(m *mirror)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	lie, instead, edit := m.logs, m.instead, m.edit
	m.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	var batch []struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params []any           `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers := make([]map[string]any, len(batch))
	for i, c := range batch {
		answers[i] = map[string]any{"jsonrpc": "2.0", "id": c.ID}
		var raw json.RawMessage
		if err := m.node.CallContext(r.Context(), &raw, c.Method, c.Params...); err != nil {
			answers[i]["error"] = map[string]any{"code": -32000, "message": err.Error()}
			continue
		}
		answers[i]["result"] = raw
		if c.Method == "eth_getLogs" && lie != nil {
			answers[i]["result"] = lied(raw, lie)
		}
		if edit != nil {
			answers[i]["result"] = json.RawMessage(edit(c.Method, string(raw)))
		}
	}
	_ = json.NewEncoder(w).Encode(answers) // a caller who left
}

func lied(raw json.RawMessage, lie func([]map[string]any) []map[string]any) any {
	logs := []map[string]any{}
	if err := json.Unmarshal(raw, &logs); err != nil || len(logs) == 0 {
		return raw
	}
	return lie(logs)
}

// word writes an amount into the third word of an event's data.
func word(data string, amount int64) string {
	const third = 2 + 2*64
	return data[:third] + fmt.Sprintf("%064x", amount) + data[third+64:]
}

// liars is a server with endpoints of one chain: the chain's own, and mirrors.
type liars struct {
	*webtest.World
	mirrors []*mirror
	log     *bytes.Buffer
	victim  string // a payment that nobody pays
}

func newLiars(t *testing.T, endpoints int) *liars {
	l := liarsWith(t, endpoints, webtest.Options{})
	l.victim = l.CreatePayment("1000")
	return l
}

func liarsWith(t *testing.T, endpoints int, o webtest.Options) *liars {
	l := &liars{log: &bytes.Buffer{}}
	c := chaintest.New(t, append(o.Deposits.Feeds(t), chaintest.WithID(uint64(asset.SandboxBase)))...)
	o.Chain, o.Agree, o.Log = c, 2, slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for range endpoints - 1 {
		m := newMirror(t, c)
		l.mirrors, o.Endpoints = append(l.mirrors, m), append(o.Endpoints, m.URL)
	}
	l.World = webtest.NewWith(t, o)
	return l
}

// lie has one endpoint lie about logs; 0 is the chain's own. Nil is the truth.
func (l *liars) lie(endpoint int, f func([]map[string]any) []map[string]any) {
	if endpoint > 0 {
		l.mirrors[endpoint-1].set(func(m *mirror) { m.logs = f })
		return
	}
	if f == nil {
		l.Chain.Behave()
		return
	}
	l.Chain.Lie("eth_getLogs", func(_ []json.RawMessage, honest json.RawMessage) any { return lied(honest, f) })
}

// lies are what can be said in place of one honest log.
func (l *liars) lies(t *testing.T) map[string]func([]map[string]any) []map[string]any {
	ref, err := official.ParseReference(l.Load(l.victim).Terms.Requests[0].Reference)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]func([]map[string]any) []map[string]any{
		"leaves out": func([]map[string]any) []map[string]any { return []map[string]any{} },
		"alters": func(logs []map[string]any) []map[string]any {
			for _, x := range logs {
				x["data"] = word(x["data"].(string), 7_000_000)
			}
			return logs
		},
		"invents": func(logs []map[string]any) []map[string]any {
			x := map[string]any{}
			for k, v := range logs[0] {
				x[k] = v
			}
			x["topics"] = []any{logs[0]["topics"].([]any)[0], ref.Topic().String()}
			x["logIndex"], x["data"] = "0x63", word(logs[0]["data"].(string), 1_000_000_000)
			return append(logs, x)
		},
	}
}

// settled is what counts for good of a payment.
func (l *liars) settled(token string) string {
	return l.Load(token).Standing.Requests[0].Settled.String()
}

// pass lets blocks pass until a condition holds.
func (l *liars) pass(t *testing.T, what string, ok func() bool) {
	t.Helper()
	l.Await(what, func() bool {
		l.Chain.Mine(1)
		return ok()
	})
}

func TestWithThreeEndpointsMoneyIsWhatTwoSay(t *testing.T) {
	l := newLiars(t, 3)
	payer := l.Chain.Wallet
	for name, f := range l.lies(t) {
		for liar := range 3 {
			t.Run(fmt.Sprintf("%s %d", name, liar), func(t *testing.T) {
				l.lie(liar, f)
				token := l.CreatePayment("5")
				l.PayOnChain(payer, token, 5_000_000)
				l.pass(t, "the payment to count", func() bool { return l.Load(token).Standing.State == payment.Paid })
				if got := l.settled(token); got != "5000000" {
					t.Errorf("%s settled, want 5000000", got)
				}
				for range 20 {
					l.Chain.Mine(1)
				}
				if got := l.settled(l.victim); got != "0" {
					t.Errorf("%s settled of what nobody paid", got)
				}
				l.lie(liar, nil)
			})
		}
	}
	l.Stop()
	if !strings.Contains(l.log.String(), "endpoint told what is not so") {
		t.Error("no liar is named in the log")
	}
}

func TestWithTwoEndpointsADisputeCreditsNobody(t *testing.T) {
	for liar := range 2 {
		l := newLiars(t, 2)
		payer := l.Chain.Wallet
		for name, f := range l.lies(t) {
			t.Run(fmt.Sprintf("%s %d", name, liar), func(t *testing.T) {
				l.lie(liar, f)
				token := l.CreatePayment("5")
				l.PayOnChain(payer, token, 5_000_000)
				l.pass(t, "the payment to be seen", func() bool { return len(l.Load(token).Transfers) > 0 })
				for range 15 {
					l.Chain.Mine(1)
				}
				if got := l.settled(token); got != "0" {
					t.Errorf("%s settled in a dispute", got)
				}
				l.lie(liar, nil)
				l.pass(t, "the payment to count", func() bool { return l.Load(token).Standing.State == payment.Paid })
				if got, stolen := l.settled(token), l.settled(l.victim); got != "5000000" || stolen != "0" {
					t.Errorf("%s settled and %s of what nobody paid", got, stolen)
				}
			})
		}
		l.Stop()
	}
}

func TestEndpointsThatDoNotAnswerLoseNothing(t *testing.T) {
	l := newLiars(t, 3)
	payer := l.Chain.Wallet
	for name, instead := range map[string]http.HandlerFunc{
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // until it is read, nobody notices that the caller left
			<-r.Context().Done()
		},
		"is asked too often": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "later", http.StatusTooManyRequests)
		},
		"answers garbage": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"is on another chain": func(w http.ResponseWriter, r *http.Request) {
			var batch []map[string]any
			_ = json.NewDecoder(r.Body).Decode(&batch) // what is not a batch gets an empty answer
			for _, c := range batch {
				delete(c, "method")
				delete(c, "params")
				c["result"] = "0x7"
			}
			_ = json.NewEncoder(w).Encode(batch)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l.mirrors[0].set(func(m *mirror) { m.instead = instead })
			token := l.CreatePayment("5")
			l.PayOnChain(payer, token, 5_000_000)
			l.pass(t, "the payment to count", func() bool { return l.Load(token).Standing.State == payment.Paid })
			if got := l.settled(token); got != "5000000" {
				t.Errorf("%s settled", got)
			}
			l.mirrors[0].set(func(m *mirror) { m.instead = nil })
		})
	}
}
