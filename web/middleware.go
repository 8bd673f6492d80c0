package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

const (
	headerRequestID = "X-Request-Id"
	keyRequestID    = "request_id"
)

// requestID gives every request an id of our own making: a caller's id is never
// echoed, so it can forge no log line.
func requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := payment.NewULID(time.Now())
		c.Set(keyRequestID, id)
		c.Response().Header().Set(headerRequestID, id)
		return next(c)
	}
}

// RequestID is the id of the request being answered.
func RequestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

// observe logs, counts and traces each request by its route, never by its URL: the
// token in the path is a capability.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		ended := s.traced(c)
		streams := s.streaming(c)
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		if *streams {
			s.streams.Add(-1)
		}
		ended()
		told := answered{Served: Served{Route: c.Path(), Method: c.Request().Method, Status: c.Response().Status, Stream: *streams}, bytes: c.Response().Size}
		if s.log.Enabled(c.Request().Context(), told.level()) {
			told.id, told.address = RequestID(c), c.RealIP()
		}
		if t, ok := c.Get(keyTaken).(*taken); ok {
			told.Stream = true
			s.keep(t, func() { // which is when c is another request's
				told.bytes = t.sent
				s.tell(context.Background(), told, start)
			})
			return nil
		}
		s.tell(c.Request().Context(), told, start)
		return nil
	}
}

// answered is what counters and the log are told of a request.
type answered struct {
	Served
	bytes       int64
	id, address string // empty unless they are logged
}

func (a answered) level() slog.Level {
	if a.Method != http.MethodGet {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (s *Server) tell(ctx context.Context, a answered, start time.Time) {
	a.Took = time.Since(start)
	if s.cfg.Served != nil {
		s.cfg.Served(a.Served)
	}
	if s.log.Enabled(ctx, a.level()) {
		s.log.Log(ctx, a.level(), "request answered", "method", a.Method, "route", a.Route,
			"status", a.Status, "took", a.Took, "bytes", a.bytes, "request", a.id, "client", a.address)
	}
}

// contain turns a panic into an internal fault of this one request.
func (s *Server) contain(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if re, ok := r.(error); ok && errors.Is(re, http.ErrAbortHandler) {
				panic(r)
			}
			s.log.ErrorContext(c.Request().Context(), "panic contained", "route", c.Path(), "request", RequestID(c), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fault.From(fmt.Errorf("panic: %v", r))
		}()
		return next(c)
	}
}

// ownForms keeps forms on this server.
const ownForms = "form-action 'self'"

// contentPolicy is what a page may load and who may frame it.
func contentPolicy(ancestors string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		ownForms + "; base-uri 'none'; frame-ancestors " + ancestors + "; require-trusted-types-for 'script'; trusted-types 'none'"
}

// headers sets what every answer carries. Routes that may be framed loosen it.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	policy := contentPolicy("'none'")
	secure := s.Secure()
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Frame-Options", "DENY")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		return next(c)
	}
}

// Bounded gives ordinary requests a deadline; streams are mounted without it.
func (s *Server) Bounded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.cfg.Timeout)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// SameOrigin refuses state-changing requests that another site's page makes
// with the payer's cookies (CSRF).
func (s *Server) SameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.FromOwnPage(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// FromOwnPage tells whether a request may act with what the browser adds by
// itself: it changes nothing, or no page of another origin made it.
//
// Faults: Forbidden "cross_origin".
func (s *Server) FromOwnPage(r *http.Request) error {
	if err := s.guard.Check(r); err != nil {
		return fault.New(fault.Forbidden, "cross_origin", "This request came from another site.").Because(err)
	}
	return nil
}

// ownPages is the guard against other sites. The public origin is our own,
// whatever a proxy makes of the Host header.
func ownPages(cfg Config) *http.CrossOriginProtection {
	guard := http.NewCrossOriginProtection()
	if err := guard.AddTrustedOrigin(cfg.BaseURL); err != nil {
		cfg.Log.Warn("the public origin is no origin: browsers that tell theirs are compared with the Host header alone", "err", err)
	}
	return guard
}

// Faults renders every error of a group through the group's own table.
func (s *Server) Faults(render func(c echo.Context, f *fault.Error) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			if err == nil || c.Response().Committed {
				return err
			}
			f := s.faultOf(c, err)
			s.logFault(c, f)
			return render(c, f)
		}
	}
}

// faultOf is what to tell of an error: that the server stops where that is the reason.
func (s *Server) faultOf(c echo.Context, err error) *fault.Error {
	f := asFault(err)
	if (f.Kind == fault.Internal || f.Kind == fault.Unavailable) && errors.Is(context.Cause(c.Request().Context()), errCutOff) {
		c.Response().Header().Set(echo.HeaderRetryAfter, "2")
		return errCutOff.Because(err)
	}
	return f
}

func (s *Server) logFault(c echo.Context, f *fault.Error) {
	if errors.Is(f, context.Canceled) {
		return // the caller hung up: nobody's fault, and anybody could fill the log with it
	}
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		s.log.ErrorContext(c.Request().Context(), "request failed", "route", c.Path(), "request", RequestID(c), "code", f.Code, "err", f)
	}
}

// asFault turns the router's own errors into faults as well.
func asFault(err error) *fault.Error {
	he, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		if errors.Is(err, context.DeadlineExceeded) {
			return fault.New(fault.Unavailable, "timeout", "This took too long. Please try again.").Because(err)
		}
		if errors.Is(err, context.Canceled) && !isFault(err) {
			return fault.New(fault.Unavailable, "canceled", "The request was cancelled.").Because(err)
		}
		return fault.From(err)
	}
	switch he.Code {
	case http.StatusNotFound:
		return fault.New(fault.NotFound, CodePath, "There is nothing at this address.")
	case http.StatusMethodNotAllowed:
		return fault.New(fault.Invalid, CodeMethod, "This method is not supported here.")
	case http.StatusRequestEntityTooLarge:
		return fault.New(fault.TooLarge, "body_too_large", "The request is too large.")
	}
	return fault.From(err)
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}
