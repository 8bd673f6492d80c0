package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/web"
)

// lines is text that one goroutine writes and others read.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// streaming is a server whose stream says what it is told to, and who heard of its end.
type streaming struct {
	t      *testing.T
	server *web.Server
	url    string
	log    *lines
	stop   context.CancelFunc // of what listens
	done   chan error

	mu     sync.Mutex
	open   map[web.Stream]bool
	over   int
	served []web.Served
	say    func(web.Stream) error // whenever a stream is woken
}

func newStreaming(t *testing.T) *streaming {
	t.Helper()
	x := &streaming{t: t, log: &lines{}, done: make(chan error, 1), open: map[web.Stream]bool{}, say: func(out web.Stream) error { return out.Send([]byte("data: woken\n\n")) }}
	x.server = web.New(web.Config{BaseURL: "https://pay.example.com", Log: slog.New(slog.NewTextHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Served: func(s web.Served) { x.mu.Lock(); x.served = append(x.served, s); x.mu.Unlock() }})
	x.server.Echo.GET("/events/:token", func(c echo.Context) error {
		return x.server.Follow(c, x.run, func() { x.mu.Lock(); x.over++; x.mu.Unlock() })
	}, x.server.Faults(func(c echo.Context, f *fault.Error) error { return web.Refuse(c, web.StatusOf(f.Kind), f) }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	x.stop = stop
	go func() { x.done <- x.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-x.done; err != nil {
			t.Error(err)
		}
	})
	return x
}

func (x *streaming) run(_ context.Context, out web.Stream) {
	x.mu.Lock()
	x.open[out] = true
	say := x.say
	x.mu.Unlock()
	for {
		if out.Wait(time.Now().Add(time.Hour)) != nil || say(out) != nil {
			return
		}
	}
}

// state is how many streams have begun, are over, and were counted as answered.
func (x *streaming) state() (open, over, served int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.open), x.over, len(x.served)
}

func (x *streaming) wake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for out := range x.open {
		out.Wake()
	}
}

// ask opens a stream by hand, and returns what it says.
func (x *streaming) ask(head string) (net.Conn, *bufio.Reader) {
	x.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		x.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		x.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func (x *streaming) until(what string, ok func() bool) {
	x.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("%s: not in time", what)
		}
	}
}

func readTo(t *testing.T, r *bufio.Reader, end string) string {
	t.Helper()
	var got strings.Builder
	for !strings.Contains(got.String(), end) {
		line, err := r.ReadString('\n')
		got.WriteString(line)
		if err != nil {
			t.Fatalf("%q, then %v; want %q", got.String(), err, end)
		}
	}
	return got.String()
}

const newer, older = "GET /events/SECRET HTTP/1.1\r\nHost: pay.example.com\r\n\r\n", "GET /events/SECRET HTTP/1.0\r\n\r\n"

// A stream begins, says what it is woken for, and is noticed to be over when its reader
// hangs up; by the old protocol and the new one. It is counted and logged once, by its route.
func TestStreamIsFollowedToItsEnd(t *testing.T) {
	for name, head := range map[string]string{"HTTP/1.1": newer, "HTTP/1.0": older} {
		t.Run(name, func(t *testing.T) {
			x := newStreaming(t)
			conn, r := x.ask(head)
			begin := readTo(t, r, "retry: 2000\n\n")
			for _, want := range []string{" 200 OK\r\n", "Content-Type: text/event-stream\r\n", "X-Content-Type-Options: nosniff\r\n", "X-Request-Id: ", "Date: "} {
				if !strings.Contains(begin, want) {
					t.Errorf("no %q in %q", want, begin)
				}
			}
			if strings.Contains(begin, "Transfer-Encoding") || strings.Contains(begin, "Content-Encoding") {
				t.Errorf("begun with %q", begin)
			}
			x.until("the stream", func() bool { open, _, _ := x.state(); return open == 1 })
			for range 3 {
				x.wake()
				readTo(t, r, "data: woken\n\n")
			}
			if n := x.server.Streams(); n != 1 {
				t.Errorf("%d streams are counted", n)
			}
			_ = conn.Close()
			x.until("the end", func() bool { _, over, served := x.state(); return over == 1 && served == 1 && x.server.Streams() == 0 })
			x.mu.Lock()
			defer x.mu.Unlock()
			if s := x.served[0]; s.Route != "/events/:token" || s.Status != 200 || !s.Stream || s.Took <= 0 {
				t.Errorf("counted as %+v", s)
			}
			if said := x.log.String(); strings.Count(said, "request answered") != 1 || strings.Contains(said, "SECRET") || strings.Contains(said, "bytes=0") {
				t.Errorf("logged %s", said)
			}
		})
	}
}

// What has no connection that could be taken is answered all the same.
func TestStreamWithoutAConnection(t *testing.T) {
	x := newStreaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.server.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events/a", nil))
	}()
	x.until("the stream", func() bool { open, _, _ := x.state(); return open == 1 })
	cancel()
	<-done
	if _, over, served := x.state(); over != 1 || served != 1 || rec.Body.String() != "retry: 2000\n\n" || rec.Code != http.StatusOK {
		t.Errorf("over %d times, counted %d times, %d %q", over, served, rec.Code, rec.Body)
	}
}

// Whoever does not read loses the stream, and nobody waits for them for ever.
func TestReaderWhoDoesNotRead(t *testing.T) {
	x := newStreaming(t)
	flood := bytes.Repeat([]byte(":\n"), 1<<20)
	x.say = func(out web.Stream) error {
		for {
			if err := out.Send(flood); err != nil {
				return err
			}
		}
	}
	x.ask(newer)
	x.until("the stream", func() bool { open, _, _ := x.state(); return open == 1 })
	x.wake()
	x.until("the end", func() bool { _, over, _ := x.state(); return over == 1 })
}

// A panic is one stream's end, and is logged.
func TestPanicEndsOneStream(t *testing.T) {
	x := newStreaming(t)
	x.say = func(web.Stream) error { panic("ouch") }
	_, r := x.ask(newer)
	readTo(t, r, "retry: 2000\n\n")
	x.until("the stream", func() bool { open, _, _ := x.state(); return open == 1 })
	x.wake()
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("then %v", err)
	}
	x.until("the end", func() bool { _, over, served := x.state(); return over == 1 && served == 1 })
	if !strings.Contains(x.log.String(), "panic=ouch") {
		t.Errorf("logged %s", x.log)
	}
}

// A server that stops tells its readers when to come back, not all at the same time, and
// has let go of all of them by the time it has stopped.
func TestStopEndsStreams(t *testing.T) {
	x := newStreaming(t)
	var readers []*bufio.Reader
	for i := range 40 {
		_, r := x.ask([]string{newer, older}[i%2])
		readTo(t, r, "retry: 2000\n\n")
		readers = append(readers, r)
	}
	x.until("all streams", func() bool { open, _, _ := x.state(); return open == 40 })
	x.stop()
	times := map[string]bool{}
	for _, r := range readers {
		rest, err := io.ReadAll(r)
		var ms int
		if _, bad := fmt.Sscanf(string(rest), "retry: %d\n\n", &ms); err != nil || bad != nil || ms < 500 || ms >= 2500 {
			t.Errorf("told %q at the end, %v", rest, err)
		}
		times[string(rest)] = true
	}
	if len(times) < 20 {
		t.Errorf("40 readers come back at %d times", len(times))
	}
	err := <-x.done
	x.done <- err
	if _, over, served := x.state(); err != nil || over != 40 || served != 40 || x.server.Streams() != 0 {
		t.Errorf("stopped with %v; %d over, %d counted, %d open", err, over, served, x.server.Streams())
	}
	// What has no listener any more says the same, and nothing is left behind.
	rec := do(x.server, http.MethodGet, "/events/late", nil)
	if !strings.HasPrefix(rec.Body.String(), "retry: 2000\n\nretry: ") || rec.Code != http.StatusOK {
		t.Errorf("asked too late: %d %q", rec.Code, rec.Body)
	}
}
