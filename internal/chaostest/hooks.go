//go:build linux

package chaostest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
)

// hooks are the shops' webhook receivers: they check every signature, take most of what
// comes, and sometimes fail.
type hooks struct {
	server *httptest.Server

	mu      sync.Mutex
	random  *rand.Rand
	secrets map[int]string
	taken   map[string]int      // deliveries by id that were answered 200
	bodies  map[string][32]byte // what was sent under an id
	wrong   []string
	spurned map[string]int // how often each was refused on purpose
	refused int            // all of these
	doubled int            // taken once more
	trap    *trap          // nil unless somebody waits for a delivery
}

// trap holds the next delivery until its sender was killed.
type trap struct {
	taken    bool        // it is taken first, and only the answer is held
	caught   chan string // from where it came
	released chan struct{}
}

// snare waits for a delivery and holds it: the receiver has taken it or not, and has not
// answered. from is its sender's end of the connection, "" if none came before ctx ended.
func (h *hooks) snare(ctx context.Context, taken bool) (from string, release func()) {
	x := &trap{taken: taken, caught: make(chan string, 1), released: make(chan struct{})}
	h.mu.Lock()
	h.trap = x
	h.mu.Unlock()
	release = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.trap == x {
			h.trap = nil
		}
		close(x.released)
	}
	select {
	case from = <-x.caught:
	case <-ctx.Done():
	}
	return from, release
}

// spring gives a delivery to whoever waits for one, and returns the trap that it is in.
func (h *hooks) spring(from string) *trap {
	h.mu.Lock()
	defer h.mu.Unlock()
	x := h.trap
	if h.trap = nil; x != nil && x.taken {
		return x
	}
	if x != nil {
		x.caught <- from
	}
	return x
}

func newHooks(t testing.TB, seed uint64) *hooks {
	h := &hooks{random: rand.New(rand.NewPCG(seed, 2)), secrets: map[int]string{}, taken: map[string]int{}, bodies: map[string][32]byte{}, spurned: map[string]int{}}
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

// add returns the URL of a shop's endpoint.
func (h *hooks) add(shop int) string { return fmt.Sprintf("%s/%d", h.server.URL, shop) }

func (h *hooks) verify(shop int, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets[shop] = secret
}

// ServeHTTP implements http.Handler.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the sender died
	}
	x := h.spring(r.RemoteAddr)
	if x != nil && !x.taken {
		h.spurn(r.Header.Get(webhook.HeaderID))
		<-x.released
		panic(http.ErrAbortHandler) // if its sender lives, it is refused
	}
	status := h.take(r, body)
	if x != nil {
		x.caught <- r.RemoteAddr
		<-x.released
	}
	if status == 0 {
		panic(http.ErrAbortHandler) // breaks the connection off
	}
	w.WriteHeader(status)
}

func (h *hooks) spurn(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spurned[id]++
}

// take checks a delivery and says what to answer; 0 is for no answer.
func (h *hooks) take(r *http.Request, body []byte) (status int) {
	shop, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	h.mu.Lock()
	defer h.mu.Unlock()
	id, sum := r.Header.Get(webhook.HeaderID), sha256.Sum256(body)
	if err := webhooktest.Verify(h.secrets[shop], r.Header, body, time.Now()); err != nil {
		h.wrong = append(h.wrong, fmt.Sprintf("webhook %s: %v", id, err))
		return http.StatusUnauthorized
	}
	if before, ok := h.bodies[id]; ok && before != sum {
		h.wrong = append(h.wrong, fmt.Sprintf("webhook %s came with two bodies", id))
	}
	h.bodies[id] = sum
	n := h.random.IntN(100)
	if h.spurned[id] > 1 {
		n = 99 // after a third failure a merchant waits five minutes, and so would we
	}
	if n < 7 {
		h.spurned[id]++
		h.refused++
	}
	switch {
	case n < 5:
		return http.StatusInternalServerError
	case n < 7:
		return 0
	}
	if h.taken[id]++; h.taken[id] > 1 {
		h.doubled++
	}
	return http.StatusOK
}

// has reports whether a webhook with a good signature was taken.
func (h *hooks) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.taken[id] > 0
}

func (h *hooks) problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.wrong...)
}

func (h *hooks) counts() (taken, doubled, refused int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.taken), h.doubled, h.refused
}
