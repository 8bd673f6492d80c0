package store

import (
	"sync"

	"quittance/internal/payment"
)

// hub tells this process what was committed, by itself and, where there are other
// nodes, by those: see spread. It is a hint that saves waiting, never a source of
// truth: subscribers read the store again, and look from time to time.
type hub struct {
	jobs chan struct{}

	mu   sync.Mutex
	subs map[payment.ID]map[*listener]struct{}
}

// listener is who waits for one payment.
type listener struct{ wake func() }

func newHub() *hub {
	return &hub{jobs: make(chan struct{}, 1), subs: map[payment.ID]map[*listener]struct{}{}}
}

// committed wakes those who wait for these payments, and the worker if there
// are new jobs. It never blocks: a channel that is full says it already.
func (h *hub) committed(touched []payment.ID, jobs bool) {
	if jobs {
		poke(h.jobs)
	}
	if len(touched) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range touched {
		for l := range h.subs[id] {
			l.wake()
		}
	}
}

// wakeAll wakes everybody who waits for a payment.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, subs := range h.subs {
		for l := range subs {
			l.wake()
		}
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// JobsReady receives a value after jobs were committed. It is for one worker.
func (s *Store) JobsReady() <-chan struct{} { return s.hub.jobs }

// Subscribe returns a channel that receives a value after a commit changed the
// payment, one of another node too while Spread runs; several changes may make one value. Whoever
// subscribes before reading the payment misses nothing. The caller must call
// cancel when done; the channel is not closed.
func (s *Store) Subscribe(id payment.ID) (changed <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	return ch, s.hub.watch(id, func() { poke(ch) })
}

// Watch is Subscribe for those who are many: wake is called instead, and must neither
// wait nor call the store.
func (s *Store) Watch(id payment.ID, wake func()) (cancel func()) { return s.hub.watch(id, wake) }

func (h *hub) watch(id payment.ID, wake func()) (cancel func()) {
	l := &listener{wake}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs[id] == nil {
		h.subs[id] = map[*listener]struct{}{}
	}
	h.subs[id][l] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs[id], l)
		if len(h.subs[id]) == 0 {
			delete(h.subs, id)
		}
	}
}
