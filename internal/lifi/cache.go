package lifi

import (
	"context"
	"time"
)

// cached holds one answer for a while. Whoever finds it stale asks; others wait
// for that, as long as their own context lets them.
type cached[T any] struct {
	life  time.Duration
	turn  chan struct{} // holds one token: the right to look and to ask
	value T
	until time.Time
}

func newCached[T any](life time.Duration) cached[T] {
	c := cached[T]{life: life, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

func (c *cached[T]) get(ctx context.Context, now func() time.Time, ask func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case <-c.turn:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { c.turn <- struct{}{} }()
	if now().Before(c.until) {
		return c.value, nil
	}
	v, err := ask(ctx)
	if err != nil {
		return none, err
	}
	c.value, c.until = v, now().Add(c.life)
	return v, nil
}
