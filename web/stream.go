package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// Stream is an answer of server-sent events that stays open until one side has had
// enough. Send and Wait are for the one who writes it, Wake for anybody.
type Stream interface {
	// Send writes at once. Whoever does not read in time loses the stream.
	Send(b []byte) error
	// Wait returns at a time, or as soon as somebody woke the stream since the last Wait.
	// An error tells that the stream is over.
	Wait(until time.Time) error
	Wake()
}

// sendWithin is how long a write to a reader who does not read may take.
const sendWithin = 10 * time.Second

var (
	errHungUp   = errors.New("the reader hung up")
	errStopping = errors.New("the server is about to stop")
)

// Follow answers with events: run writes them until it has had enough or Wait fails.
// over is called once, when nothing of it is left or nothing came of it.
//
// Where it can, it takes the connection out of the HTTP server's hands and lets the
// handler return before run begins, which then costs a connection and a small stack.
// The request, its context and the server's buffers are what a reader who waits would
// keep otherwise; run must hold none of them. Its ctx ends with the server. HTTP/1.0,
// HTTP/2 and what has no connection of its own are answered in place.
func (s *Server) Follow(c echo.Context, run func(ctx context.Context, out Stream), over func()) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	r := c.Request()
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.ContentLength != 0 || s.open.Err() != nil {
		return s.inPlace(c, run, over)
	}
	conn, _, err := c.Response().Hijack()
	if errors.Is(err, http.ErrNotSupported) {
		return s.inPlace(c, run, over)
	}
	if err != nil {
		over()
		return fmt.Errorf("take the connection: %w", err)
	}
	c.Response().Status, c.Response().Committed = http.StatusOK, true
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set(echo.HeaderConnection, "close") // its end is the answer's end
	c.Set(keyTaken, &taken{conn: conn, ctx: s.open, head: head(h), run: run, over: over})
	return nil
}

// head is a stream's beginning.
func head(h http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // a buffer takes all
	b.WriteString("\r\n")
	b.Write(again(backAfter))
	return b.Bytes()
}

// backAfter is when a reader whose stream broke asks again.
const backAfter = 2 * time.Second

// again tells a reader when to ask again once the stream is over.
func again(after time.Duration) []byte {
	return fmt.Appendf(nil, "retry: %d\n\n", after.Milliseconds())
}

// farewell is again for a server's end: its readers come back at different times.
func farewell() []byte { return again(backAfter/4 + rand.N(backAfter)) }

const keyTaken = "taken"

// taken is a stream on a connection of its own. One goroutine waits in a read, which
// notices at once that the reader hung up; its deadline is the clock and the bell.
type taken struct {
	conn net.Conn
	ctx  context.Context // ends with the server
	head []byte          // nil once it was sent
	run  func(context.Context, Stream)
	over func()
	sent int64 // bytes

	one   [1]byte
	mu    sync.Mutex
	woken bool // since the last Wait
}

func (t *taken) Send(b []byte) error {
	within := sendWithin
	if t.ctx.Err() != nil {
		within = lastWord
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return fmt.Errorf("bound a write: %w", err)
	}
	n, err := t.conn.Write(b)
	t.sent += int64(n)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

func (t *taken) Wait(until time.Time) error {
	read, err := t.until(until)
	if read && err == nil {
		_, err = t.conn.Read(t.one[:])
		t.mu.Lock()
		t.woken = false
		t.mu.Unlock()
	}
	switch {
	case t.ctx.Err() != nil:
		return errStopping
	case !read && err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return errHungUp // or sent something, which no reader of events does
}

// until sets when a read ends, and reports whether there is anything to wait for.
func (t *taken) until(until time.Time) (read bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.woken {
		t.woken = false
		return false, nil
	}
	return true, t.conn.SetReadDeadline(until)
}

func (t *taken) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.woken = true
	_ = t.conn.SetReadDeadline(time.Unix(1, 0)) // fails where nobody waits any more
}

// takens are the streams whose connections were taken.
type takens struct {
	mu  sync.Mutex
	all map[*taken]struct{}
	wg  sync.WaitGroup
}

// keep runs a stream until it is over, and calls ended then.
func (s *Server) keep(t *taken, ended func()) {
	s.takens.mu.Lock()
	defer s.takens.mu.Unlock()
	if s.open.Err() != nil {
		_ = t.conn.Close()
		t.over()
		ended()
		return
	}
	s.takens.all[t] = struct{}{}
	s.streams.Add(1)
	s.takens.wg.Go(func() {
		defer func() {
			_ = t.conn.Close()
			t.over()
			s.takens.mu.Lock()
			delete(s.takens.all, t)
			s.takens.mu.Unlock()
			s.streams.Add(-1)
			ended()
		}()
		defer s.contained()
		begin := t.head
		t.head = nil
		if t.Send(begin) != nil {
			return
		}
		t.run(t.ctx, t)
		if t.ctx.Err() != nil {
			_ = t.Send(farewell()) // who hung up meanwhile needs none
		}
	})
}

// contained has a panic end one stream only.
func (s *Server) contained() {
	if r := recover(); r != nil {
		s.log.Error("panic contained", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	}
}

// EndStreams tells the readers of all streams to ask again, and waits until they were
// told. Whoever asks from then on is told the same.
func (s *Server) EndStreams() {
	s.close()
	s.takens.mu.Lock()
	for t := range s.takens.all {
		t.Wake()
		_ = t.conn.SetWriteDeadline(time.Now().Add(lastWord)) // of one that is under way
	}
	s.takens.mu.Unlock()
	s.takens.wg.Wait()
}

// kept is a stream on a connection that stays the HTTP server's.
type kept struct {
	ctx     context.Context
	c       echo.Context
	control *http.ResponseController
	bell    chan struct{}
}

// inPlace runs a stream where the handler is.
func (s *Server) inPlace(c echo.Context, run func(context.Context, Stream), over func()) error {
	defer over()
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	defer context.AfterFunc(s.open, cancel)()
	k := &kept{ctx: ctx, c: c, control: http.NewResponseController(c.Response()), bell: make(chan struct{}, 1)}
	if k.Send(again(backAfter)) != nil {
		return nil // nobody is there to be told
	}
	run(ctx, k)
	if s.open.Err() != nil {
		_ = k.Send(farewell())
	}
	return nil
}

// Send gives the stream a new deadline: the server's own is for ordinary answers.
func (k *kept) Send(b []byte) error {
	if err := k.control.SetWriteDeadline(time.Now().Add(sendWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound a write: %w", err)
	}
	if _, err := k.c.Response().Write(b); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := k.control.Flush(); err != nil {
		return fmt.Errorf("flush events: %w", err)
	}
	return nil
}

func (k *kept) Wait(until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-k.ctx.Done():
		return k.ctx.Err()
	case <-k.bell:
	case <-timer.C:
	}
	return nil
}

func (k *kept) Wake() {
	select {
	case k.bell <- struct{}{}:
	default:
	}
}
