package store

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// togetherMost bounds how many share one exchange with the database, and so how long
	// the first of them waits for the others.
	togetherMost = 64
	// togetherPatience bounds one exchange, connecting included: a database that says
	// nothing must not keep those that come after.
	togetherPatience = 15 * time.Second
)

// gathering has one goroutine at a time do what several callers want: what arrives while
// it is busy is done together next. Who comes first waits for nobody.
type gathering[T any] struct {
	// do is given what arrived and has ended each when it returns.
	do func(context.Context, []*share[T])

	mu      sync.Mutex
	waiting []*share[T]
	busy    bool
	closed  bool
	worker  sync.WaitGroup
}

// share is what one caller wants of a gathering.
type share[T any] struct {
	what T
	err  error
	done chan struct{} // closed when what and err are final

	with *party // those it is done with, nil while it waits
}

// party is a part of a gathering that is under way.
type party struct {
	left   int // callers that still want to know
	cancel context.CancelFunc
}

// end tells a caller how it went.
func (s *share[T]) end(err error) {
	s.err = err
	close(s.done)
}

// join leaves something to be done.
func (g *gathering[T]) join(what T) (*share[T], error) {
	s := &share[T]{what: what, done: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed()
	}
	g.waiting = append(g.waiting, s)
	if !g.busy {
		g.busy = true
		g.worker.Go(g.work)
	}
	return s, nil
}

// withdraw takes back what has not begun, and reports whether it could.
func (g *gathering[T]) withdraw(s *share[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.with != nil {
		return false
	}
	g.waiting = slices.DeleteFunc(g.waiting, func(other *share[T]) bool { return other == s })
	return true
}

// giveUp is withdraw for those who do not care whether it is done: once nobody does, it is
// broken off.
func (g *gathering[T]) giveUp(s *share[T]) {
	if g.withdraw(s) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.with.left--; s.with.left == 0 {
		s.with.cancel()
	}
}

func (g *gathering[T]) work() {
	for {
		runtime.Gosched() // whoever is about to join, joins
		ctx, cancel := context.WithTimeout(context.Background(), togetherPatience)
		all := g.take(cancel)
		if len(all) > 0 {
			g.do(ctx, all)
		}
		cancel()
		if len(all) == 0 {
			return
		}
	}
}

// take begins with those who wait. None means that the worker has ended.
func (g *gathering[T]) take(cancel context.CancelFunc) []*share[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), togetherMost)
	all := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	p := &party{left: n, cancel: cancel}
	for _, s := range all {
		s.with = p
	}
	g.busy = n > 0
	return all
}

// close refuses whoever comes, and waits until the others have had their turn.
func (g *gathering[T]) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.worker.Wait()
}
