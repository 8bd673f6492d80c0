//go:build linux

package chaostest

import (
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
	shop, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	h.mu.Lock()
	defer h.mu.Unlock()
	id, sum := r.Header.Get(webhook.HeaderID), sha256.Sum256(body)
	if err := webhooktest.Verify(h.secrets[shop], r.Header, body, time.Now()); err != nil {
		h.wrong = append(h.wrong, fmt.Sprintf("webhook %s: %v", id, err))
		w.WriteHeader(http.StatusUnauthorized)
		return
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
		w.WriteHeader(http.StatusInternalServerError)
	case n < 7:
		panic(http.ErrAbortHandler) // breaks the connection off
	default:
		if h.taken[id]++; h.taken[id] > 1 {
			h.doubled++
		}
	}
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
