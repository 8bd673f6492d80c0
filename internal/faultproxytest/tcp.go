package faultproxytest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Wire is a TCP proxy in front of any service, a database for one. It can be cut, frozen,
// slow, and refuse connections.
type Wire struct {
	t      testing.TB
	target string
	addr   string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	frozen   chan struct{} // closed when bytes may move again; nil while they may
	delay    time.Duration // before each piece that moves
	after    int64         // answers are cut after so many bytes, 0 for never
	running  sync.WaitGroup
}

// NewWire starts a proxy in front of host:port and stops it when the test ends.
func NewWire(t testing.TB, target string) *Wire {
	t.Helper()
	w := &Wire{t: t, target: target, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	w.Accept()
	t.Cleanup(func() {
		w.Thaw()
		w.Refuse()
		w.running.Wait()
	})
	return w
}

// Addr is where the service seems to be; it stays the same.
func (w *Wire) Addr() string { return w.addr }

// Accept takes connections, again after Refuse.
func (w *Wire) Accept() {
	w.t.Helper()
	l, err := net.Listen("tcp", w.addr)
	if err != nil {
		w.t.Fatalf("faultproxytest: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addr, w.listener = l.Addr().String(), l
	w.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			w.running.Go(func() { w.carry(c) })
		}
	})
}

// Refuse closes the port, and resets what is connected.
func (w *Wire) Refuse() {
	w.mu.Lock()
	if w.listener != nil {
		_ = w.listener.Close()
		w.listener = nil
	}
	w.mu.Unlock()
	w.Reset()
}

// Reset resets all connections. New ones are taken.
func (w *Wire) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		abort(c)
	}
}

// CutAfter resets each connection once so many bytes of answers came over it; 0 for never.
func (w *Wire) CutAfter(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.after = bytes
}

// Freeze has no byte move, in either direction, until Thaw.
func (w *Wire) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen == nil {
		w.frozen = make(chan struct{})
	}
}

// Thaw lets bytes move again.
func (w *Wire) Thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen != nil {
		close(w.frozen)
		w.frozen = nil
	}
}

// Delay has each piece of bytes wait before it moves, in either direction; 0 for no longer.
func (w *Wire) Delay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// Open is how many connections there are from the server's side.
func (w *Wire) Open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns) / 2
}

func (w *Wire) carry(in net.Conn) {
	out, err := net.Dial("tcp", w.target)
	if err != nil {
		abort(in)
		return
	}
	w.mu.Lock()
	w.conns[in], w.conns[out] = true, true
	left := w.after
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { w.copy(out, in, 0) })
	both.Go(func() { w.copy(in, out, left) })
	both.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, in)
	delete(w.conns, out)
}

// copy carries one direction, and ends both when it ends.
func (w *Wire) copy(to, from net.Conn, left int64) {
	defer abort(to)
	defer abort(from)
	b := make([]byte, 32<<10)
	for limited := left > 0; ; {
		n, err := from.Read(b)
		if limited && int64(n) >= left {
			_, _ = to.Write(b[:left]) // it is cut anyway
			return
		}
		left -= int64(n)
		w.mu.Lock()
		frozen, delay := w.frozen, w.delay
		w.mu.Unlock()
		if delay > 0 {
			<-time.After(delay)
		}
		if frozen != nil {
			<-frozen
		}
		if _, failed := to.Write(b[:n]); failed != nil || err != nil {
			return
		}
	}
}
