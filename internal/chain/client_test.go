package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/fault"
)

// stall is a node that never answers.
type stall struct{}

func (stall) BatchCallContext(ctx context.Context, _ []rpc.BatchElem) error {
	<-ctx.Done()
	return ctx.Err()
}

// script is an HTTP endpoint that answers a batch with what its reply makes of it.
type script struct {
	*httptest.Server
	trips atomic.Int32
}

type asked struct {
	ID     int    `json:"id"`
	Method string `json:"method"`
}

func serve(t *testing.T, reply func(w http.ResponseWriter, batch []asked)) *script {
	t.Helper()
	s := &script{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.trips.Add(1)
		var batch []asked
		if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
			t.Errorf("not a batch: %v", err)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header["Idempotency-Key"] != nil {
			t.Errorf("headers %v", r.Header)
		}
		reply(w, batch)
	}))
	t.Cleanup(s.Close)
	return s
}

func answerFor(a asked) string {
	result := fmt.Sprintf("%q", quantity(uint64(a.ID)))
	if a.Method == "eth_chainId" {
		result = fmt.Sprintf("%q", quantity(uint64(testChain)))
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":%s}`, a.ID, result)
}

func answers(batch []asked) []string {
	var out []string
	for _, a := range batch {
		out = append(out, answerFor(a))
	}
	return out
}

func write(w io.Writer, answers []string) { fmt.Fprint(w, "["+strings.Join(answers, ",")+"]") }

func honest(w http.ResponseWriter, batch []asked) { write(w, answers(batch)) }

func clientOf(t *testing.T, change func(*Config), urls ...string) *Client {
	t.Helper()
	cfg := Config{Chain: testChain, Log: quiet(), Timeout: 5 * time.Second, MaxResponse: 1 << 16}
	for _, u := range urls {
		cfg.Endpoints = append(cfg.Endpoints, Endpoint{URL: u})
	}
	if change != nil {
		change(&cfg)
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var three = []Call{BalanceCall(proxy, Latest), GasPriceCall(), CodeCall(proxy, Latest)}

func TestOneRoundTripWhateverTheOrderOfTheAnswers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, batch []asked) {
		out := answers(batch)
		slices.Reverse(out)
		write(w, out)
	})
	c := clientOf(t, nil, s.URL)
	for i := range 2 {
		rs, err := c.Batch(t.Context(), three)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := rs[0].Big()
		last, _ := rs[2].Uint()
		if last-first.Uint64() != 2 {
			t.Errorf("answers %v and %v are not those of the first and the last call", first, last)
		}
		if got := s.trips.Load(); got != int32(i+1) {
			t.Errorf("%d round trips for %d batches: the chain id must travel with the first", got, i+1)
		}
	}
}

func TestLongBatchesAreSplit(t *testing.T) {
	s := serve(t, honest)
	c := clientOf(t, func(cfg *Config) { cfg.MaxBatch = 2 }, s.URL)
	rs, err := c.Batch(t.Context(), append(three, three...))
	if err != nil || len(rs) != 6 {
		t.Fatalf("%d results, error %v", len(rs), err)
	}
	if got := s.trips.Load(); got != 4 { // 7 with the chain id
		t.Errorf("%d round trips, want 4", got)
	}
	if rs, err := c.Batch(t.Context(), nil); err != nil || rs != nil || s.trips.Load() != 4 {
		t.Errorf("an empty batch: %v, %v", rs, err)
	}
}

func TestRequestsAreAsLongAsTheEndpointTakes(t *testing.T) {
	for _, status := range []int{http.StatusRequestEntityTooLarge, http.StatusBadRequest} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			const takes = 1 << 20
			var refused, longest atomic.Int64
			var next http.Handler
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				longest.Store(max(longest.Load(), int64(len(body))))
				if len(body) > takes {
					refused.Add(1)
					http.Error(w, "too long", status)
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				next.ServeHTTP(w, r)
			}))
			t.Cleanup(s.Close)
			next = serve(t, honest).Config.Handler
			c := clientOf(t, nil, s.URL)
			var long []Call
			for range 9 {
				long = append(long, ContractCall(Msg{Data: make([]byte, 200<<10)}, Latest))
			}
			for round := range 2 {
				rs, err := c.Batch(t.Context(), long)
				if err != nil || len(rs) != len(long) {
					t.Fatalf("round %d: %d results, error %v", round, len(rs), err)
				}
				if n := refused.Swap(0); n != int64(1-round) {
					t.Errorf("round %d: %d requests were refused", round, n)
				}
			}
			if n := longest.Load(); n > requestMost+1<<10 {
				t.Errorf("a request of %d bytes", n)
			}
			if h := c.Health()[0]; h.State != Good || h.Failures != 0 {
				t.Errorf("the endpoint is %+v", h)
			}
			// One call that is too long by itself is a failure.
			if rs, err := c.Batch(t.Context(), []Call{ContractCall(Msg{Data: make([]byte, takes)}, Latest)}); err == nil {
				t.Errorf("a call that nobody takes: %v", rs)
			}
		})
	}
}

func TestRefusalsOfSingleCallsAreKept(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, batch []asked) {
		out := answers(batch)
		out[len(out)-1] = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"error":{"code":3,"message":"execution reverted: no\u0000\u001b[31m","data":"0x08c379a0"}}`, batch[len(batch)-1].ID)
		write(w, out)
	})
	rs, err := clientOf(t, nil, s.URL).Batch(t.Context(), three)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := rs[0].Big(); err != nil || v.Sign() == 0 {
		t.Errorf("%v, %v: the other calls have their answers", v, err)
	}
	_, err = rs[2].Bytes()
	e, ok := AsRPC(err)
	if !ok || e.Code != 3 || strings.ContainsAny(e.Message, "\x00\x1b") {
		t.Fatalf("error %#v", err)
	}
	if data, reverted := e.Reverted(); !reverted || fmt.Sprintf("%x", data) != "08c379a0" {
		t.Errorf("revert data %x, %t", data, reverted)
	}
}

func TestEndpointsThatDoNotAnswerSensiblyArePassedOver(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, []asked) {
		return func(w http.ResponseWriter, _ []asked) { w.WriteHeader(code) }
	}
	text := func(s string) func(http.ResponseWriter, []asked) {
		return func(w http.ResponseWriter, _ []asked) { fmt.Fprint(w, s) }
	}
	edit := func(f func(out []string) []string) func(http.ResponseWriter, []asked) {
		return func(w http.ResponseWriter, batch []asked) { write(w, f(answers(batch))) }
	}
	for name, reply := range map[string]func(http.ResponseWriter, []asked){
		"500":             status(500),
		"429":             status(429),
		"403":             status(403),
		"a body with 201": status(201),
		"empty":           text(""),
		"HTML":            text("<html>busy</html>"),
		"cut off":         text(`[{"jsonrpc":"2.0","id":1,"res`),
		"an object":       text(`{"jsonrpc":"2.0","id":1,"result":"0x1"}`),
		"a whole refusal": text(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}`),
		"a whole limit":   text(`{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"too many requests"}}`),
		"null":            text(`null`),
		"nothing":         text(`[]`),
		"numbers":         text(`[1,2,3,4]`),
		"one missing":     edit(func(out []string) []string { return out[:len(out)-1] }),
		"one twice":       edit(func(out []string) []string { return append(out, out[1]) }),
		"an unknown id":   edit(func(out []string) []string { return append(out, `{"jsonrpc":"2.0","id":99,"result":"0x1"}`) }),
		"an id of text":   edit(func(out []string) []string { out[1] = `{"jsonrpc":"2.0","id":"2","result":"0x1"}`; return out }),
		"no id":           edit(func(out []string) []string { out[1] = `{"jsonrpc":"2.0","result":"0x1"}`; return out }),
		"neither":         edit(func(out []string) []string { out[1] = `{"jsonrpc":"2.0","id":2}`; return out }),
		"a limit for one": edit(func(out []string) []string {
			out[1] = `{"id":2,"error":{"code":-32005,"message":"daily request count exceeded"}}`
			return out
		}),
		"no chain id": edit(func(out []string) []string {
			out[0] = `{"id":1,"error":{"code":-32601,"message":"method not found"}}`
			return out
		}),
		"another chain":     edit(func(out []string) []string { out[0] = `{"id":1,"result":"0x1"}`; return out }),
		"too long":          text(`["` + strings.Repeat("x", 1<<17) + `"]`),
		"a redirect":        func(w http.ResponseWriter, _ []asked) { w.Header().Set("Location", "/elsewhere"); w.WriteHeader(307) },
		"a hung-up line":    func(w http.ResponseWriter, _ []asked) { panic(http.ErrAbortHandler) },
		"nested very deep":  text(strings.Repeat("[", 30000)),
		"answers then junk": func(w http.ResponseWriter, batch []asked) { honest(w, batch); fmt.Fprint(w, "]") },
	} {
		t.Run(name, func(t *testing.T) {
			bad, good := serve(t, reply), serve(t, honest)
			c := clientOf(t, nil, bad.URL, good.URL)
			rs, err := c.Batch(t.Context(), three)
			if err != nil || len(rs) != 3 {
				t.Fatalf("%d results, error %v", len(rs), err)
			}
			if bad.trips.Load() != 1 || good.trips.Load() != 1 {
				t.Errorf("%d and %d requests, want one each", bad.trips.Load(), good.trips.Load())
			}
			if h := c.Health(); h[0].LastError == "" || h[0].State == Good || h[1].State != Good {
				t.Errorf("health %+v", h)
			}
			alone := clientOf(t, nil, bad.URL)
			if _, err := alone.Batch(t.Context(), three); !fault.Is(err, fault.Unavailable) {
				t.Errorf("error %v, want Unavailable", err)
			}
		})
	}
}

func TestAWrongChainIsRefusedForGood(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, batch []asked) {
		out := answers(batch)
		out[0] = `{"jsonrpc":"2.0","id":1,"result":"0x1"}`
		write(w, out)
	})
	c := clientOf(t, nil, s.URL)
	for range 3 {
		if _, err := c.Batch(t.Context(), three); !errors.Is(err, errWrongChain) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v, want that it is another chain", err)
		}
	}
	if got := s.trips.Load(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	if h := c.Health()[0]; h.State != Refused || h.ChainID != 1 || !strings.Contains(h.LastError, "chain 1") {
		t.Errorf("health %+v", h)
	}
}

func TestTheChainIsVerifiedAgainAfterAnError(t *testing.T) {
	var mu sync.Mutex
	status, verified := 200, 0
	s := serve(t, func(w http.ResponseWriter, batch []asked) {
		mu.Lock()
		defer mu.Unlock()
		if batch[0].Method == "eth_chainId" {
			verified++
		}
		if status != 200 {
			w.WriteHeader(status)
			return
		}
		honest(w, batch)
	})
	c := clientOf(t, nil, s.URL)
	for i, code := range []int{200, 200, 500, 200, 200} {
		mu.Lock()
		status = code
		mu.Unlock()
		if _, err := c.Batch(t.Context(), three); (err == nil) != (code == 200) {
			t.Errorf("batch %d: %v", i, err)
		}
	}
	if verified != 2 {
		t.Errorf("the chain id was asked %d times, want 2: first and after the error", verified)
	}
}

func TestWhatIsNotAReadIsSentOnce(t *testing.T) {
	send := []Call{{Method: "eth_sendRawTransaction", Params: []any{"0x00"}}}
	var seen atomic.Int32
	count := func(next func(http.ResponseWriter, []asked)) func(http.ResponseWriter, []asked) {
		return func(w http.ResponseWriter, batch []asked) {
			for _, a := range batch {
				if a.Method == "eth_sendRawTransaction" {
					seen.Add(1)
					if len(batch) != 1 {
						t.Error("sent before the chain was verified")
					}
					next(w, batch)
					return
				}
			}
			honest(w, batch)
		}
	}
	lost := serve(t, count(func(w http.ResponseWriter, _ []asked) { panic(http.ErrAbortHandler) }))
	good := serve(t, count(honest))
	if _, err := clientOf(t, nil, lost.URL, good.URL).Batch(t.Context(), send); err == nil || seen.Load() != 1 {
		t.Errorf("error %v, sent %d times: want an error and once", err, seen.Load())
	}
	// An endpoint that never got it may be passed over.
	wrong := serve(t, func(w http.ResponseWriter, _ []asked) { fmt.Fprint(w, `[{"id":1,"result":"0x1"}]`) })
	seen.Store(0)
	if _, err := clientOf(t, nil, wrong.URL, good.URL).Batch(t.Context(), send); err != nil || seen.Load() != 1 {
		t.Errorf("error %v, sent %d times: want one success", err, seen.Load())
	}
}

func TestKeysInURLsAreNotShown(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	url := strings.Replace(dead.URL, "http://", "http://user:hunter2@", 1) + "/v3/hunter2?key=hunter2"
	dead.Close()
	c := clientOf(t, nil, url)
	_, err := c.Batch(t.Context(), three)
	if err == nil {
		t.Fatal("a closed port answered")
	}
	if text := fmt.Sprintf("%v %+v", err, c.Health()); strings.Contains(text, "hunter2") {
		t.Errorf("a key is shown: %s", text)
	}
	if _, err := NewClient(Config{Chain: 1, Endpoints: []Endpoint{{URL: "ftp://host/hunter2"}}}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	for _, bad := range []Config{
		{Endpoints: []Endpoint{{URL: "http://host"}}},
		{Chain: 1},
		{Chain: 1, Endpoints: []Endpoint{{}}},
		{Chain: 1, Endpoints: []Endpoint{{URL: "http://host", Transport: stall{}}}},
		{Chain: 1, Endpoints: []Endpoint{{URL: "http://host"}}, MaxBatch: 1},
	} {
		if _, err := NewClient(bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

func TestACallerWhoLeavesIsNotTheEndpointsFailure(t *testing.T) {
	c, err := NewClient(Config{Chain: testChain, Log: quiet(), Endpoints: []Endpoint{{Transport: stall{}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Batch(ctx, three); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the caller's", err)
	}
	if h := c.Health()[0]; h.Failures != 0 {
		t.Errorf("health %+v", h)
	}
}

// flaky counts its round trips and fails while told to.
type flaky struct {
	*node
	mu   sync.Mutex
	err  error
	hold time.Duration
}

func (f *flaky) BatchCallContext(ctx context.Context, b []rpc.BatchElem) error {
	f.mu.Lock()
	err, hold := f.err, f.hold
	f.mu.Unlock()
	time.Sleep(hold)
	if err != nil {
		f.set(func(n *node) { n.trips++ })
		return err
	}
	return f.node.BatchCallContext(ctx, b)
}

// A caller who will not wait long is answered by the next endpoint all the same.
func TestAnEndpointThatHangsLeavesTimeForTheNext(t *testing.T) {
	release := make(chan struct{})
	hangs := serve(t, func(http.ResponseWriter, []asked) { <-release })
	t.Cleanup(func() { close(release) })
	c := clientOf(t, func(cfg *Config) { cfg.Timeout = time.Minute }, hangs.URL, serve(t, honest).URL)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if rs, err := c.Batch(ctx, three); err != nil || len(rs) != len(three) {
		t.Errorf("got %d answers, %v", len(rs), err)
	}
}

func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{node: newNode(t, newLedger()), err: errors.New("away")}
		c, err := NewClient(Config{Chain: testChain, Log: quiet(), Endpoints: []Endpoint{{Transport: f}}})
		if err != nil {
			t.Fatal(err)
		}
		batch := func() error {
			_, err := c.Batch(t.Context(), []Call{HeaderCall(Latest)})
			return err
		}
		begun := time.Now()
		for time.Since(begun) < 5*time.Minute {
			if batch() == nil {
				t.Fatal("a failing node answered")
			}
			time.Sleep(10 * time.Millisecond)
		}
		// Two at first, then after 0.25, 0.5, 1, ... 30 s: about 17 in five minutes.
		if got := f.tripCount(); got < 12 || got > 20 {
			t.Errorf("the failing node was asked %d times in five minutes", got)
		}
		if h := c.Health()[0]; h.State != Resting || h.Failures < 10 {
			t.Errorf("health %+v, want resting", h)
		}

		time.Sleep(time.Minute) // half open: of many callers one probes
		f.mu.Lock()
		f.hold = time.Second
		f.mu.Unlock()
		before := f.tripCount()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _ = batch() })
		}
		wg.Wait()
		if got := f.tripCount() - before; got != 1 {
			t.Errorf("%d callers probed, want 1", got)
		}

		time.Sleep(time.Minute)
		f.mu.Lock()
		f.err, f.hold = nil, 0
		f.mu.Unlock()
		if err := batch(); err != nil {
			t.Errorf("after it came back: %v", err)
		}
		if h := c.Health()[0]; h.State != Good || h.Failures != 0 {
			t.Errorf("health %+v, want good", h)
		}
	})
}

func TestCallsThatFailTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{node: newNode(t, newLedger()), err: errors.New("away"), hold: time.Second}
		c, err := NewClient(Config{Chain: testChain, Log: quiet(), Endpoints: []Endpoint{{Transport: f}}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _, _ = c.Batch(t.Context(), three) })
		}
		wg.Wait()
		if h := c.Health()[0]; h.Failures != 2 || h.State != Resting {
			t.Errorf("health %+v, want two failures: the one that is forgiven and the one that opened the circuit", h)
		}
	})
}

func TestAnEndpointThatAsksForRestGetsIt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ []asked) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	c := clientOf(t, nil, s.URL)
	for range 3 {
		if _, err := c.Batch(t.Context(), three); !fault.Is(err, fault.Unavailable) {
			t.Errorf("error %v", err)
		}
	}
	if got := s.trips.Load(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	e := c.endpoints[0]
	e.mu.Lock()
	defer e.mu.Unlock()
	if rest := time.Until(e.restUntil); rest < maxRetryAfter-time.Minute || rest > maxRetryAfter*13/10 {
		t.Errorf("rests for %v, want what it asked for within bounds", rest)
	}
}
