package main

import (
	"io"
	"os"
	"testing"
	"time"
)

// TestHoldBase is no test: it holds a chain that says it is Base, with a block
// every two seconds, until its standard input ends. e2e/scripts/load-rig.sh measures
// production servers on it, and is told its URL in the file that the variable names.
func TestHoldBase(t *testing.T) {
	tell := os.Getenv("QUITTANCE_HOLD_BASE")
	if tell == "" {
		t.Skip("only e2e/scripts/load-rig.sh asks for it")
	}
	chain := asBase(t)
	chain.Mine(2)
	if err := os.WriteFile(tell+".new", []byte(chain.URL()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tell+".new", tell); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends, it ends
	}()
	for blocks := time.NewTicker(2 * time.Second); ; {
		select {
		case <-over:
			return
		case <-blocks.C:
			chain.Mine(1)
		}
	}
}
