// Package lifitest plays LI.FI: a router over HTTP that speaks its protocol,
// quotes routes with real calldata, and misbehaves on command. It keeps prices
// and transfers in memory and moves no money: whoever runs chains beside it
// tells it how transfers stand. It knows no test and no payment.
package lifitest

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/money"
)

// Options of New. The zero value plays LI.FI on the real chains.
type Options struct {
	Table *lifi.Table      // where routes go through; lifi.Pinned if nil
	Now   func() time.Time // time.Now if nil
	FeeTo asset.Address    // gets LI.FI's fee of 0.25 %; some address if zero
	Key   string           // the only key that is one; any if empty
	// Status says how a transfer stands that Transfer was not called for; false
	// is NOT_FOUND. Nil knows none.
	Status func(context.Context, lifi.StatusQuery) (lifi.Status, bool)
}

// Behaviour is how the router answers. The zero value is honest, quick and
// takes 0.1 % for the bridge.
type Behaviour struct {
	Delay    time.Duration     // before each answer
	Bridge   string            // offered instead of the preferred one, if it is allowed
	Cost     money.BasisPoints // what the bridge takes; 10 if zero, at most 5000
	Aims     money.BasisPoints // swaps guarantee that much less than was asked for
	NoFeeLeg bool              // quotes without LI.FI's fee, by the functions without source swaps
	Age      time.Duration     // quotes are that old when they are made
	NoQuote  bool              // code 1002 for every quote
	Lie      string            // the Name of one of Lies, in every quote it applies to
	Fail     Failure
	Limit    Limit

	// What /chains says instead of the truth, unless zero.
	Diamond, Permit2Proxy asset.Address
}

// Failure is an answer that is none.
type Failure struct {
	Status int       // HTTP; zero for no failure
	Code   lifi.Code // in LI.FI's envelope; zero for a page of HTML
	Times  int       // how often, before it is over; zero for ever
}

// Limit is a limit of requests that the router keeps, and announces in the
// ratelimit-* headers. Questions above it are answered 429.
type Limit struct {
	Requests int // in a window; zero for no limit
	Window   time.Duration
}

// Router is the service. It is safe for concurrent use.
type Router struct {
	table  *lifi.Table
	now    func() time.Time
	feeTo  asset.Address
	key    string
	status func(context.Context, lifi.StatusQuery) (lifi.Status, bool)
	mux    *http.ServeMux

	mu        sync.Mutex
	b         Behaviour
	failed    int
	window    time.Time
	used      int
	serial    uint64
	quotes    map[string]question
	order     []string // of quotes, oldest first
	transfers map[string][]lifi.Status
	asked     map[string]int
}

// keptQuotes bounds what stepTransaction remembers.
const keptQuotes = 1000

// New returns a router that behaves well.
func New(o Options) *Router {
	r := &Router{
		table: o.Table, now: o.Now, feeTo: o.FeeTo, key: o.Key, status: o.Status,
		quotes: map[string]question{}, transfers: map[string][]lifi.Status{}, asked: map[string]int{},
	}
	if r.table == nil {
		r.table = lifi.Pinned()
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.feeTo.IsZero() {
		r.feeTo = asset.Address{0x11, 0xf1, 19: 0xfe}
	}
	r.mux = http.NewServeMux()
	r.mux.HandleFunc("POST /v1/quote/contractCalls", r.contractCalls)
	r.mux.HandleFunc("GET /v1/quote/toAmount", r.toAmount)
	r.mux.HandleFunc("POST /v1/advanced/stepTransaction", r.stepTransaction)
	r.mux.HandleFunc("GET /v1/status", r.transferStatus)
	r.mux.HandleFunc("GET /v1/chains", r.chains)
	r.mux.HandleFunc("GET /v1/tokens", r.tokens)
	r.mux.HandleFunc("GET /v1/tools", r.tools)
	r.mux.HandleFunc("GET /v1/keys/test", r.testKey)
	r.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, lifi.CodeNotFound, "Not Found", nil)
	})
	return r
}

// Behave changes how the router answers from now on; its limits start anew.
func (r *Router) Behave(b Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b, r.failed, r.used, r.window = b, 0, 0, time.Time{}
}

// Transfer says how a transfer goes: each question gets the next status, and
// the last one stays.
func (r *Router) Transfer(txHash string, statuses ...lifi.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transfers[strings.ToLower(txHash)] = slices.Clone(statuses)
}

// Asked returns how many requests came for a path such as "/v1/status".
func (r *Router) Asked(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[path]
}

func (r *Router) behaviour() Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b
}

// ServeHTTP answers as the router is told to behave.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b := r.behaviour()
	if b.Delay > 0 {
		select {
		case <-time.After(b.Delay):
		case <-req.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fail, over := r.admit(w, req.URL.Path)
	switch {
	case over:
		refuse(w, http.StatusTooManyRequests, lifi.CodeRateLimit, "Rate limit exceeded", nil)
	case fail && b.Fail.Code == 0:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(b.Fail.Status)
		_, _ = w.Write([]byte("<html><h1>Bad gateway</h1></html>"))
	case fail:
		refuse(w, b.Fail.Status, b.Fail.Code, "Something went wrong", nil)
	default:
		r.mux.ServeHTTP(w, req)
	}
}

// admit counts a request; it reports whether it shall fail, and whether it is
// over the limit.
func (r *Router) admit(w http.ResponseWriter, path string) (fail, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked[path]++
	if l := r.b.Limit; l.Requests > 0 {
		now := r.now()
		if !now.Before(r.window) {
			r.window, r.used = now.Add(l.Window), 0
		}
		r.used++
		left := r.window.Sub(now)
		h := w.Header()
		h.Set("ratelimit-limit", strconv.Itoa(l.Requests))
		h.Set("ratelimit-remaining", strconv.Itoa(max(0, l.Requests-r.used)))
		h.Set("ratelimit-reset", strconv.Itoa(int((left+time.Second-1)/time.Second)))
		if r.used > l.Requests {
			return false, true
		}
	}
	if f := r.b.Fail; f.Status != 0 && (f.Times == 0 || r.failed < f.Times) {
		r.failed++
		return true, false
	}
	return false, false
}

// remember keeps a question, to answer it again for stepTransaction, and
// returns its step's id.
func (r *Router) remember(q question) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	id := "step-" + strconv.FormatUint(r.serial, 10)
	r.quotes[id] = q
	r.order = append(r.order, id)
	if len(r.order) > keptQuotes {
		delete(r.quotes, r.order[0])
		r.order = r.order[1:]
	}
	return id
}

func (r *Router) recall(id string) (question, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, ok := r.quotes[id]
	return q, ok
}
