package faultproxytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is an HTTP proxy in front of one service.
type Proxy struct {
	target string
	client *http.Client
	server *httptest.Server

	mu       sync.Mutex
	manner   Manner
	next     []Kind // what happens to the next requests
	always   Kind   // what happens to all others
	share    float64
	kinds    []Kind
	rnd      *rand.Rand
	last     *answer
	happened map[Kind]int
	release  chan struct{} // closed when what hangs may end
	refusing bool
	conns    map[net.Conn]bool
}

// answer is one of the service's, read completely.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// New starts a proxy in front of an http:// URL and stops it when the test ends. It behaves
// until it is told otherwise.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	p := &Proxy{
		target: strings.TrimSuffix(target, "/"), manner: Manner{}.orDefault(), happened: map[Kind]int{}, conns: map[net.Conn]bool{}, release: make(chan struct{}),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if _, err := url.Parse(target); err != nil {
		t.Fatalf("faultproxytest: %v", err)
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ConnState = p.count
	p.server.Start()
	t.Cleanup(func() {
		p.Behave()
		p.server.CloseClientConnections()
		p.server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

func (p *Proxy) count(c net.Conn, is http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] = true; is == http.StateClosed || is == http.StateHijacked {
		delete(p.conns, c)
	}
}

// Open is how many connections there are, those included that nobody uses at present.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// URL is where the service seems to be.
func (p *Proxy) URL() string { return p.server.URL }

// Next has the next requests misbehave, one by one, before anything else that was said.
func (p *Proxy) Next(kinds ...Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = append(p.next, kinds...)
}

// Always has all requests misbehave in one way until Behave.
func (p *Proxy) Always(k Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.always = k
}

// Random has a share of requests misbehave until Behave, in one of the given ways (all if
// there are none) and the same for the same seed.
func (p *Proxy) Random(seed uint64, share float64, kinds ...Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	p.rnd, p.share, p.kinds = rand.New(rand.NewPCG(seed, 2)), share, kinds
}

// Refuse has connections refused, or, as near as a listener that stays open comes to it,
// closed before a byte is read; Behave ends it.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.server.CloseClientConnections()
}

// Behave ends all of it: what hangs is let go, too.
func (p *Proxy) Behave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.always, p.rnd, p.refusing = nil, None, nil, false
	close(p.release)
	p.release = make(chan struct{})
}

// Manners sets how faults look.
func (p *Proxy) Manners(m Manner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.manner = m.orDefault()
}

// Happened is how often requests went each way.
func (p *Proxy) Happened() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[Kind]int{}
	for k, n := range p.happened {
		out[k] = n
	}
	return out
}

// choose says what happens to a request.
func (p *Proxy) choose() (k Kind, m Manner, last *answer, release <-chan struct{}, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.refusing:
		return Reset, p.manner, nil, p.release, true
	case len(p.next) > 0:
		k, p.next = p.next[0], p.next[1:]
	case p.always != None:
		k = p.always
	case p.rnd != nil && p.rnd.Float64() < p.share:
		k = p.kinds[p.rnd.IntN(len(p.kinds))]
	}
	p.happened[k]++
	return k, p.manner, p.last, p.release, false
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	k, m, last, release, _ := p.choose()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asks has gone
	}
	var got *answer
	if k.Reaches() {
		// What has been sent is carried out, also when whoever asked does not wait.
		if got, err = p.ask(context.WithoutCancel(r.Context()), r, body); err != nil {
			http.Error(w, "the service is away", http.StatusBadGateway)
			return
		}
		if k == Twice {
			if got, err = p.ask(context.WithoutCancel(r.Context()), r, body); err != nil {
				http.Error(w, "the service is away", http.StatusBadGateway)
				return
			}
		}
		p.mu.Lock()
		p.last = got
		p.mu.Unlock()
	}
	p.misbehave(w, r, k, m, got, last, release)
}

// misbehave answers in a way. got is nil for what the service was not asked.
func (p *Proxy) misbehave(w http.ResponseWriter, r *http.Request, k Kind, m Manner, got, last *answer, release <-chan struct{}) {
	switch k {
	case HangBefore, HangAfter:
		select {
		case <-release:
		case <-r.Context().Done():
		}
		reset(w)
	case Reset, ResetAfter:
		reset(w)
	case Drip:
		drip(w, r, got, m, release)
	case Cut, Short:
		cut(w, got, k == Cut)
	case Limited:
		w.Header().Set("Retry-After", strconv.Itoa(m.RetryAfter))
		http.Error(w, "asked too often", http.StatusTooManyRequests)
	case Broken, BadGateway, Away:
		status, _ := strconv.Atoi(string(k)) // they are named after it
		http.Error(w, "<html>something is wrong</html>", status)
	case LostAfter:
		http.Error(w, "no answer", http.StatusBadGateway)
	case Garbage:
		_, _ = fmt.Fprint(w, "<!doctype html>\x00\xff{]\"not JSON\"") // whoever hangs up is not to be helped
	case Truncated:
		got.body = got.body[:len(got.body)/2]
		got.write(w)
	case Stale:
		if last == nil {
			http.Error(w, "nothing was ever said", http.StatusServiceUnavailable)
			return
		}
		last.write(w)
	case Huge:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.CopyN(w, spaces{}, m.HugeBytes) // whoever has enough hangs up
	case Redirect:
		http.Redirect(w, r, m.RedirectTo, http.StatusTemporaryRedirect)
	default:
		got.write(w)
	}
}

// ask puts the request to the service.
func (p *Proxy) ask(ctx context.Context, r *http.Request, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Accept-Encoding") // half of a compressed answer would be another fault
	res, err := p.client.Do(out)
	if err != nil {
		return nil, fmt.Errorf("ask the service: %w", err)
	}
	got, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, fmt.Errorf("read the service's answer: %w", err)
	}
	res.Header.Del("Content-Length")
	return &answer{status: res.StatusCode, header: res.Header, body: got}, nil
}

func (a *answer) head(w http.ResponseWriter, length int) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(a.status)
}

func (a *answer) write(w http.ResponseWriter) {
	a.head(w, len(a.body))
	_, _ = w.Write(a.body) // whoever hangs up is not to be helped
}

// cut sends a body, or half of it, whose length was said to be greater.
func cut(w http.ResponseWriter, got *answer, half bool) {
	got.head(w, len(got.body)+1)
	body := got.body
	if half {
		body = body[:len(body)/2]
	}
	_, _ = w.Write(body) // whoever hangs up is not to be helped
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	panic(http.ErrAbortHandler)
}

func drip(w http.ResponseWriter, r *http.Request, got *answer, m Manner, release <-chan struct{}) {
	got.head(w, len(got.body))
	for i := range got.body {
		if _, err := w.Write(got.body[i : i+1]); err != nil {
			return
		}
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		select {
		case <-time.After(m.Pause):
		case <-release: // the rest comes at once
			_, _ = w.Write(got.body[i+1:])
			return
		case <-r.Context().Done():
			return
		}
	}
}

// reset ends a connection without the courtesies.
func reset(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	abort(conn)
}

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that closing it resets it
	}
	_ = conn.Close()
}

// spaces is JSON that has not begun yet, for ever.
type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
