package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/web"
)

// pipes is a listener whose connections are in memory, so that a test's clock is theirs.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A request that is open when the server is told to stop ends normally if it does so
// within the time there is. What takes longer hears that it was cut off and when to try
// again; neither is left without an answer.
func TestRequestsInFlightWhileTheServerStops(t *testing.T) {
	for name, c := range map[string]struct {
		takes     time.Duration
		status    int
		body      string
		stopTakes time.Duration
	}{
		"it ends in time": {5 * time.Second, http.StatusOK, "done", 5 * time.Second},
		"it takes longer": {15 * time.Second, http.StatusServiceUnavailable, `"code":"stopping"`, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := web.New(web.Config{BaseURL: "https://pay.example.com"})
				s.Echo.GET("/slow", func(e echo.Context) error {
					select {
					case <-time.After(c.takes):
						return e.String(http.StatusOK, "done")
					case <-e.Request().Context().Done():
						return e.Request().Context().Err()
					}
				}, s.Faults(func(e echo.Context, f *fault.Error) error { return web.Refuse(e, web.StatusOf(f.Kind), f) }), s.Bounded)
				l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- s.Serve(ctx, l) }()
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					l.conns <- there
					return here, nil
				}}}
				answered := make(chan *http.Response, 1)
				go func() {
					r, err := client.Get("http://pay.example.com/slow")
					if err != nil {
						t.Errorf("no answer: %v", err)
						r = nil
					}
					answered <- r
				}()
				synctest.Wait()
				begun := time.Now()
				stop()
				if r := <-answered; r != nil {
					body, err := io.ReadAll(r.Body)
					if err != nil || r.StatusCode != c.status || !strings.Contains(string(body), c.body) {
						t.Errorf("%d %s %v", r.StatusCode, body, err)
					}
					if got := r.Header.Get("Retry-After"); (got != "") != (c.status != http.StatusOK) {
						t.Errorf("Retry-After: %q", got)
					}
					_ = r.Body.Close()
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if took := time.Since(begun); took < c.stopTakes || took > c.stopTakes+2*time.Second {
					t.Errorf("stopped after %v", took)
				}
			})
		})
	}
}
