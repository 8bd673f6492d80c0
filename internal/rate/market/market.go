// Package market plays a price API for tests and the sandbox: one that answers as
// CoinGecko's /simple/price does, and goes stale, jumps, lies and breaks down on command.
// It knows names and prices, and nothing of who asks or why.
package market

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Mood is how the API behaves. The zero value is honest and fast.
type Mood struct {
	Age    time.Duration // how old its prices are
	Delay  time.Duration // before each answer
	Jump   int           // percent by which its prices are off, either way
	Status int           // fails with this HTTP status
	Lie    string        // one of Lies
}

// Market is the API. It is safe for concurrent use.
type Market struct {
	now func() time.Time

	mu     sync.Mutex
	prices map[string]string // dollars, as decimal text
	mood   Mood
	asked  int
}

// New returns a market with prices in dollars by the API's names, such as
// {"ethereum": "3742.053539"}.
func New(now func() time.Time, prices map[string]string) *Market {
	return &Market{now: now, prices: maps.Clone(prices)}
}

// Set changes one price.
func (m *Market) Set(name, dollars string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.prices[name] = dollars
}

// Behave changes the mood, until it is changed again.
func (m *Market) Behave(mood Mood) error {
	if _, ok := lies[mood.Lie]; !ok && mood.Lie != "" {
		return fmt.Errorf("no lie is called %q", mood.Lie)
	}
	if mood.Status != 0 && (mood.Status < 300 || mood.Status > 599) || mood.Age < 0 || mood.Delay < 0 || mood.Jump < -99 {
		return errors.New("a status that is no failure, a time that is negative, or a price of nothing")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mood = mood
	return nil
}

// Asked is how often somebody asked.
func (m *Market) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// lies turn an honest answer into another one. Each is about the first name that was
// asked for.
var lies = map[string]func(answer map[string]any, name string) any{
	"a text":          func(a map[string]any, n string) any { return with(a, n, "usd", "3742.05") },
	"negative":        func(a map[string]any, n string) any { return with(a, n, "usd", -1) },
	"nothing":         func(a map[string]any, n string) any { return with(a, n, "usd", 0) },
	"huge":            func(a map[string]any, n string) any { return with(a, n, "usd", json.Number("1e40")) },
	"beyond all":      func(a map[string]any, n string) any { return with(a, n, "usd", json.Number("1e400")) },
	"null":            func(a map[string]any, n string) any { return with(a, n, "usd", nil) },
	"no time":         func(a map[string]any, n string) any { return with(a, n, "last_updated_at", nil) },
	"of tomorrow":     func(a map[string]any, n string) any { return with(a, n, "last_updated_at", time.Now().Unix()+86_400) },
	"broken time":     func(a map[string]any, n string) any { return with(a, n, "last_updated_at", json.Number("1.5")) },
	"somebody else's": func(a map[string]any, n string) any { return map[string]any{"other-" + n: a[n]} },
	"a list":          func(a map[string]any, n string) any { return []any{a} },
	"not JSON":        func(map[string]any, string) any { return json.RawMessage(`<html>`) },
	"endless":         func(map[string]any, string) any { return strings.Repeat("x", 1<<20) },
}

func with(answer map[string]any, name, field string, v any) any {
	entry, _ := answer[name].(map[string]any)
	entry = maps.Clone(entry)
	entry[field] = v
	answer[name] = entry
	return answer
}

// Lies are the names of the lies that the API knows, in order.
func Lies() []string { return slices.Sorted(maps.Keys(lies)) }

// ServeHTTP answers GET …/simple/price?ids=…&vs_currencies=usd&include_last_updated_at=true.
func (m *Market) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked++
	mood, prices := m.mood, maps.Clone(m.prices)
	m.mu.Unlock()
	if mood.Delay > 0 {
		select {
		case <-time.After(mood.Delay):
		case <-r.Context().Done():
			return
		}
	}
	q := r.URL.Query()
	switch {
	case mood.Status != 0:
		if mood.Status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "20")
		}
		http.Error(w, http.StatusText(mood.Status), mood.Status)
		return
	case r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/simple/price"):
		http.NotFound(w, r)
		return
	case q.Get("vs_currencies") != "usd" || q.Get("include_last_updated_at") != "true" || q.Get("ids") == "":
		http.Error(w, "ids, vs_currencies=usd and include_last_updated_at=true", http.StatusBadRequest)
		return
	}
	names := strings.Split(q.Get("ids"), ",")
	answer := map[string]any{}
	for _, name := range names {
		if p, ok := prices[name]; ok {
			answer[name] = map[string]any{"usd": json.Number(jump(p, mood.Jump)), "last_updated_at": m.now().Add(-mood.Age).Unix()}
		}
	}
	var out any = answer
	if lie := lies[mood.Lie]; lie != nil && answer[names[0]] != nil {
		out = lie(answer, names[0])
	}
	w.Header().Set("Content-Type", "application/json")
	if raw, ok := out.(json.RawMessage); ok {
		_, _ = w.Write(raw) // a caller that hung up is the caller's business
		return
	}
	_ = json.NewEncoder(w).Encode(out) // likewise
}

// Control tells the market over HTTP how to behave: PUT takes {"age":"1h","delay":"2s",
// "jump":20,"status":503,"lie":"negative","prices":{"ethereum":"3000"}}, {} for an honest
// one with the prices it has; GET lists the lies. It has no authentication: serve it only
// where whoever reaches it may play.
func (m *Market) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"lies": Lies()}) // a caller that hung up is the caller's business
	})
	mux.HandleFunc("PUT /", func(w http.ResponseWriter, r *http.Request) {
		mood, prices, err := parseMood(http.MaxBytesReader(w, r.Body, 64<<10))
		if err == nil {
			err = m.Behave(mood)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for name, dollars := range prices {
			m.Set(name, dollars)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func parseMood(body io.Reader) (Mood, map[string]string, error) {
	var in struct {
		Age, Delay, Lie string
		Jump, Status    int
		Prices          map[string]json.Number
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return Mood{}, nil, err
	}
	mood := Mood{Jump: in.Jump, Status: in.Status, Lie: in.Lie}
	var errs [2]error
	mood.Age, errs[0] = duration(in.Age)
	mood.Delay, errs[1] = duration(in.Delay)
	prices := map[string]string{}
	for name, dollars := range in.Prices {
		prices[name] = dollars.String()
	}
	return mood, prices, errors.Join(errs[:]...)
}

func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}
