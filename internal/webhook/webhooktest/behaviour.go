package webhooktest

import (
	"net"
	"net/http"
	"strings"
	"time"
)

// Answer answers with a status.
func Answer(status int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// Redirect answers 307, which asks for the same call at another place.
func Redirect(to string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// Stall never answers; it ends when the caller has gone.
func Stall() Behaviour {
	return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
}

// StallBody answers 200 and then never ends the body.
func StallBody() Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // if the caller has gone, the next line ends
		<-r.Context().Done()
	}
}

// Flood answers with a status and a body that goes on for as long as the caller reads.
func Flood(status int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		chunk := []byte(strings.Repeat("x", 32<<10))
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

// FloodHeader answers 200 with a header of 64 KiB.
func FloodHeader() Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Flood", strings.Repeat("x", 64<<10))
		w.WriteHeader(http.StatusOK)
	}
}

// Reset breaks the connection without an answer, with a TCP reset where it is
// not wrapped in TLS.
func Reset() Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // the server then drops the connection itself
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // only decides between FIN and RST
		}
		_ = conn.Close()
	}
}

// Drip begins an answer and sends a byte of its header from time to time, for
// as long as the caller listens.
func Drip() Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler) // the server then drops the connection itself
		}
		defer func() { _ = conn.Close() }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, next := range "HTTP/1.1 200 OK\r\nX-Drip: " + strings.Repeat("x", 1<<20) {
			if _, err := conn.Write([]byte(string(next))); err != nil {
				return
			}
			<-tick.C
		}
	}
}
