// Package web is the HTTP edge that every dialect and the hosted page share: the
// server with its limits and headers, sessions, strict decoding, buffered
// rendering, and the way faults become answers. It decides nothing about
// payments.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/fault"
)

// Config is what the server needs to know of its surroundings.
type Config struct {
	BaseURL        string   // public origin, no trailing slash
	FrameAncestors []string // origins that may frame the hosted page, none by default
	TrustedProxies []*net.IPNet
	Log            *slog.Logger
	// Timeout bounds one ordinary request; streams set their own deadlines.
	Timeout time.Duration
	// Served hears of each request that was answered, nil for nobody. It must be quick.
	Served func(Served)
	// Tracer begins a trace for each request, nil for none.
	Tracer trace.Tracer
}

// Served is a request that was answered, as those who count see it.
type Served struct {
	Route  string // its pattern, "" if nothing is at the address
	Method string // as the caller wrote it
	Status int
	Stream bool // it stayed open until one side had enough
	Took   time.Duration
}

// Server is the HTTP server and its routes.
type Server struct {
	Echo  *echo.Echo
	cfg   Config
	log   *slog.Logger
	http  *http.Server
	guard *http.CrossOriginProtection
	below []wording

	streams atomic.Int64
	takens  takens
	open    context.Context // of streams: ends when they are to
	close   context.CancelFunc
}

// New returns a server with the shared middleware and no routes.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = ipExtractor(cfg.TrustedProxies)
	s := &Server{Echo: e, cfg: cfg, log: cfg.Log, guard: ownPages(cfg)}
	s.takens.all = map[*taken]struct{}{}
	s.open, s.close = context.WithCancel(context.Background())
	e.HTTPErrorHandler = s.lastResort
	e.Use(requestID, s.observe, s.contain, s.headers)
	// Links to payments are capabilities and belong in no index.
	e.GET("/robots.txt", func(c echo.Context) error { return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n") })
	s.http = &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

func ipExtractor(trusted []*net.IPNet) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, n := range trusted {
		options = append(options, echo.TrustIPRange(n))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

const (
	drainTime = 8 * time.Second // how long open requests may go on after a stop signal
	lastWord  = 2 * time.Second // how long those that did not end by then have to say so
)

// errCutOff is what those hear who would have had to wait longer than a stop may take.
var errCutOff = fault.New(fault.Unavailable, "stopping", "This server is about to stop. Please try again.")

// Serve answers on l until ctx ends, then lets open requests finish. What takes longer
// than drainTime is cut off, and answered with that.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(errCutOff)
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(l) }()
	select {
	case err := <-failed:
		s.EndStreams()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// Streams never end by themselves.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.EndStreams()
	}()
	drained := time.AfterFunc(drainTime, func() {
		s.log.Warn("requests that are still open are cut off", "after", drainTime)
		cut(errCutOff)
	})
	defer drained.Stop()
	stop, done := context.WithTimeout(context.Background(), drainTime+lastWord)
	defer done()
	if err := s.http.Shutdown(stop); err != nil {
		_ = s.http.Close()
	}
	<-ended // each of its writes has a deadline
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// ServeHTTP makes the server usable without a socket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Echo.ServeHTTP(w, r) }

// Streams is how many streams are open.
func (s *Server) Streams() int { return int(s.streams.Load()) }

// Secure reports whether the public origin is https.
func (s *Server) Secure() bool { return strings.HasPrefix(s.cfg.BaseURL, "https://") }
