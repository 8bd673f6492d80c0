package pay

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web"
)

const (
	heartbeat   = 15 * time.Second // keeps proxies from closing a quiet stream
	lookSeen    = time.Second      // how often confirmations are counted anew
	lookOpen    = 4 * time.Second  // how often another node's writes are noticed
	lookAnyway  = time.Minute      // how often is told anew what no write and no deadline changes: a contract's fees, a price that is gone
	maxPerToken = 64
	maxAside    = 32
)

// Bounds are how many pages may follow payments at once, 0 for as many as want to.
type Bounds struct {
	Total      int
	PerAddress int // of those who ask
}

// Streams are the pages that listen, and what wakes them. A page that waits costs
// its connection and little else: what it is to be told is found out beside it, and
// whether there is news in the database is asked for all pages together.
type Streams struct {
	marks func(context.Context, []payment.ID) (map[payment.ID]int64, error)
	log   *slog.Logger
	aside chan struct{}

	bounds Bounds
	mu     sync.Mutex
	total  int
	by     map[payment.ID]map[*page]struct{}
	from   map[string]int // pages of each address
}

// Marks that no payment has.
const (
	untold = -1 - iota // its page is about to be told
	absent
)

// page is a stream that is open.
type page struct {
	mu    sync.Mutex
	out   web.Stream // nil until it begins
	stale bool       // it may have been told of less than the database has
	mark  int64      // of the payment as it was told last, untold before that
}

// begin has the page be woken from now on.
func (l *page) begin(out web.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = out
}

func (l *page) told(mark int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mark = mark
}

// due reports whether there may be news, and forgets it: what comes later is later news.
func (l *page) due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.stale
	l.stale = false
	return was
}

// wake has the page be told anew.
func (l *page) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stale = true
	if l.out != nil {
		l.out.Wake()
	}
}

// behind wakes the page unless it was told of this mark.
func (l *page) behind(mark int64) {
	l.mu.Lock()
	known := l.mark == mark || l.mark == untold
	l.mu.Unlock()
	if !known {
		l.wake()
	}
}

func newStreams(cfg Config) *Streams {
	return &Streams{
		marks: cfg.Marks, log: cfg.Log, aside: make(chan struct{}, maxAside),
		bounds: cfg.Streams, by: map[payment.ID]map[*page]struct{}{}, from: map[string]int{},
	}
}

// enter counts one more page, from an address. What it returns is not woken before it
// begins, but knows then that it should have been.
//
// Faults: Limited "too_many_streams". A page that is refused asks for the status instead.
func (s *Streams) enter(id payment.ID, address string) (*page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := func(n, most int) bool { return most > 0 && n >= most }
	switch {
	case full(len(s.by[id]), maxPerToken):
		return nil, fault.New(fault.Limited, "too_many_streams", "Too many pages follow this payment.")
	case full(s.from[address], s.bounds.PerAddress):
		return nil, fault.New(fault.Limited, "too_many_streams", "Too many pages from this address follow payments.")
	case full(s.total, s.bounds.Total):
		return nil, fault.New(fault.Limited, "too_many_streams", "Too many pages follow payments.")
	}
	if s.by[id] == nil {
		s.by[id] = map[*page]struct{}{}
	}
	l := &page{mark: untold}
	s.by[id][l] = struct{}{}
	s.from[address]++
	s.total++
	return l, nil
}

func (s *Streams) leave(id payment.ID, address string, l *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.from[address]--; s.from[address] == 0 {
		delete(s.from, address)
	}
	if delete(s.by[id], l); len(s.by[id]) == 0 {
		delete(s.by, id)
	}
}

// Run wakes pages for what other processes wrote, until ctx ends. What this one
// writes, they are told of by themselves.
func (s *Streams) Run(ctx context.Context) error {
	for ticks := time.NewTicker(lookOpen); ; {
		select {
		case <-ctx.Done():
			ticks.Stop()
			return nil
		case <-ticks.C:
		}
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "pages could not be looked after", "err", err)
		}
	}
}

// look asks for all payments that pages follow at once. One that is not among the
// answers is read by its pages themselves: they learn what became of it.
func (s *Streams) look(ctx context.Context) error {
	s.mu.Lock()
	ids := make([]payment.ID, 0, len(s.by))
	for id := range s.by {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	marks, err := s.marks(ctx, ids)
	if err != nil {
		return fmt.Errorf("look how far %d payments are: %w", len(ids), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		mark, ok := marks[id]
		if !ok {
			mark = absent
		}
		for l := range s.by[id] {
			l.behind(mark)
		}
	}
	return nil
}

// beside runs f on a goroutine of its own and waits for it, a few at a time for all
// pages: the stack that databases and encoders grow goes with that goroutine, and is not
// kept by each of many pages that wait.
func (s *Streams) beside(ctx context.Context, f func() error) error {
	select {
	case s.aside <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("a page's goroutine ended")
		defer func() {
			if r := recover(); r != nil {
				s.log.ErrorContext(ctx, "panic contained", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				err = fmt.Errorf("panic: %v", r)
			}
			<-s.aside
			done <- err
		}()
		err = f()
	}()
	return <-done
}

// nextLook is when a payment is to be told anew although nobody wrote anything.
func nextLook(pm *payment.Payment, now time.Time) time.Time {
	switch {
	case pm.Standing.State == payment.Seen:
		return now.Add(lookSeen)
	case pm.Standing.State == payment.Open && len(pm.Transfers)+len(pm.Attempts) > 0:
		return now.Add(lookOpen) // confirmations, and locks that end
	}
	next := now.Add(lookAnyway)
	for _, end := range append([]time.Time{pm.Terms.ExpiresAt, pm.Terms.ExpiresAt.Add(pm.Terms.Grace)}, quoteEnds(pm)...) {
		if end.After(now) && end.Before(next) {
			next = end.Add(time.Millisecond) // past it, whoever rounds
		}
	}
	return next
}

func quoteEnds(pm *payment.Payment) (ends []time.Time) {
	for _, q := range pm.Quotes {
		ends = append(ends, q.ExpiresAt)
	}
	return ends
}
