// Package faultproxytest stands on loopback between a server and a service that it asks, and
// misbehaves: on command, one fault after the other, or by a seed. It knows bytes, HTTP and
// TCP. It must not know what is asked or answered. It is test support: only _test.go files
// may import it.
package faultproxytest
