package web

import (
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/span"
)

// streaming counts the answer while it is open if it turns out to be a stream of
// events; the answer tells whether it did.
func (s *Server) streaming(c echo.Context) *bool {
	is := new(bool)
	c.Response().Before(func() {
		if strings.HasPrefix(c.Response().Header().Get(echo.HeaderContentType), "text/event-stream") {
			*is = true
			s.streams.Add(1)
		}
	})
	return is
}

func untraced() {}

// traced begins a request's trace, or its part of a trusted proxy's; the caller ends
// it when the answer is there.
func (s *Server) traced(c echo.Context) (ended func()) {
	if s.cfg.Tracer == nil {
		return untraced
	}
	r := c.Request()
	ctx := r.Context()
	if s.ofProxy(r) {
		ctx = span.Under(ctx, r.Header.Get("Traceparent"))
	}
	method := r.Method
	if !standard(method) {
		method = "_OTHER"
	}
	ctx, one := s.cfg.Tracer.Start(ctx, strings.TrimSpace(method+" "+c.Path()), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", c.Path()), attribute.String("quittance.request", RequestID(c)),
	))
	c.SetRequest(r.WithContext(ctx))
	return func() {
		status := c.Response().Status
		one.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			one.SetStatus(codes.Error, "")
		}
		one.End()
	}
}

// ofProxy reports whether a proxy that is trusted sent a request: its word on whose
// trace this is counts, and nobody else's does.
func (s *Server) ofProxy(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	for _, n := range s.cfg.TrustedProxies {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// standard reports whether a method is one of HTTP's: callers make up others.
func standard(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}
