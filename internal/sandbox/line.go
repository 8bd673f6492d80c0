//go:build !nosandbox

package sandbox

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// LineState is what is wrong between the server and a chain. The zero value is nothing.
type LineState struct {
	Down  bool          // every call fails at once
	Delay time.Duration // before each answer
}

// Line is how the server reads a chain: in the process, and out of order on command. Wallets and pages
// have their own ways to the chain, which are not affected.
type Line struct {
	client *rpc.Client

	mu      sync.Mutex
	state   LineState
	changed chan struct{} // closed when the state changes
}

var errLineDown = errors.New("the line to the sandbox chain is down")

func newLine(client *rpc.Client) *Line { return &Line{client: client, changed: make(chan struct{})} }

// Set changes the line's state, for calls under way too.
func (l *Line) Set(s LineState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	close(l.changed)
	l.changed = make(chan struct{})
}

// State returns what is wrong.
func (l *Line) State() LineState {
	s, _ := l.look()
	return s
}

func (l *Line) look() (LineState, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.changed
}

// BatchCallContext passes a batch on, after the delay and unless the line is down.
func (l *Line) BatchCallContext(ctx context.Context, batch []rpc.BatchElem) error {
	for start := time.Now(); ; {
		s, changed := l.look()
		if s.Down {
			return errLineDown
		}
		left := s.Delay - time.Since(start)
		if left <= 0 {
			return l.client.BatchCallContext(ctx, batch)
		}
		wait := time.NewTimer(left)
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-changed:
			wait.Stop()
		case <-wait.C:
		}
	}
}
