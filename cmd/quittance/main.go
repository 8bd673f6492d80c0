// Command quittance is the hosted checkout: the server, its sandbox and the
// operator's tools in one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// exitLeft is the exit status of a command that did its work and left something to a person.
const exitLeft = 3

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := root().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSaid):
		return 1
	case errors.Is(err, errLeft):
		return exitLeft
	}
	fmt.Fprintln(os.Stderr, "quittance:", err)
	return 1
}
