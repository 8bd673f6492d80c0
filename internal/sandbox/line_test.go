//go:build !nosandbox

package sandbox_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/sandbox"
)

func TestALineFailsAndWaitsOnCommand(t *testing.T) {
	c := start(t, sandbox.Options{BlockPeriod: time.Hour}).Chain("base")
	read := func(ctx context.Context) (hexutil.Uint64, error) {
		var id hexutil.Uint64
		batch := []rpc.BatchElem{{Method: "eth_chainId", Result: &id}}
		err := c.Line.BatchCallContext(ctx, batch)
		return id, errors.Join(err, batch[0].Error)
	}
	if id, err := read(t.Context()); err != nil || uint64(id) != c.ChainID {
		t.Errorf("%d, %v", id, err)
	}
	c.Line.Set(sandbox.LineState{Down: true})
	if _, err := read(t.Context()); err == nil {
		t.Error("a line that is down answers")
	}
	c.Line.Set(sandbox.LineState{Delay: time.Hour})
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := read(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow line: %v", err)
	}
	// Who waits hears at once that it is over.
	done := make(chan error, 1)
	go func() {
		_, err := read(t.Context())
		done <- err
	}()
	c.Line.Set(sandbox.LineState{})
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("still waiting")
	}
	// Wallets and pages have ways of their own.
	c.Line.Set(sandbox.LineState{Down: true})
	var id hexutil.Uint64
	if ask(t, c, &id, "eth_chainId"); uint64(id) != c.ChainID {
		t.Errorf("chain %d", id)
	}
}
