package faultproxytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// KeptPorts returns so many different addresses of loopback, each free when a server comes
// back to it: their ports are none of those that the system gives to whoever asks for any,
// which it may do while that server is dead.
func KeptPorts(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for range 100 * n {
		at := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(18_000))
		l, err := net.Listen("tcp", at)
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // all of them are held until the last is found
		if out = append(out, at); len(out) == n {
			return out
		}
	}
	t.Fatalf("only %d of %d ports are free", len(out), n)
	return nil
}
