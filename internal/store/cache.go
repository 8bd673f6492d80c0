package store

import (
	"container/list"
	"slices"
	"sync"

	"quittance/internal/payment"
)

// cachedRequests bounds the cache: about a kilobyte for each request.
const cachedRequests = 10_000

// termsCache keeps the terms of payments that were used last. Terms never change
// after they were committed, except for CanceledAt and CanceledBy, which are not kept
// here: so the cache is right on every node without telling anybody.
type termsCache struct {
	mu     sync.Mutex
	room   int // requests that still fit
	byID   map[payment.ID]*list.Element
	recent *list.List // of *cachedTerms, most recently used first
}

type cachedTerms struct {
	id    payment.ID
	terms payment.Terms
}

func newTermsCache(requests int) *termsCache {
	return &termsCache{room: requests, byID: map[payment.ID]*list.Element{}, recent: list.New()}
}

func (c *termsCache) get(id payment.ID) (payment.Terms, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return payment.Terms{}, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cachedTerms).terms, true
}

// weight of terms, in requests of about a kilobyte: an allowed account takes a
// fiftieth of one.
func weight(t payment.Terms) int {
	return len(t.Requests) + len(t.Access.Allowed)/50 + len(t.Metadata)/1000
}

// put keeps committed terms, as they are read again: without the requests' handles.
func (c *termsCache) put(id payment.ID, t payment.Terms) {
	t.CanceledAt, t.CanceledBy = noTime, ""
	t.Requests = slices.Clone(t.Requests)
	for i := range t.Requests {
		t.Requests[i].Handles = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok {
		return
	}
	c.byID[id] = c.recent.PushFront(&cachedTerms{id, t})
	c.room -= weight(t)
	for c.room < 0 {
		oldest := c.recent.Back()
		gone := c.recent.Remove(oldest).(*cachedTerms)
		delete(c.byID, gone.id)
		c.room += weight(gone.terms)
	}
}
