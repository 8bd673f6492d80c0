package web_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/span"
	"quittance/web"
)

const token = "01K0SECRETTOKEN"

// observed is a server whose requests are kept as counters and traces see them.
func observed(t testing.TB, tracer trace.Tracer) (*web.Server, *[]web.Served) {
	t.Helper()
	var served []web.Served
	_, trusted, err := net.ParseCIDR("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	s := web.New(web.Config{BaseURL: "https://pay.example.com", TrustedProxies: []*net.IPNet{trusted}, Tracer: tracer,
		Served: func(x web.Served) { served = append(served, x) }})
	s.Echo.GET("/checkout/:token", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	s.Echo.GET("/checkout/:token/broken", func(echo.Context) error { panic("broken") })
	s.Echo.GET("/checkout/:token/events", func(c echo.Context) error {
		c.Response().Header().Set("Content-Type", "text/event-stream")
		c.Response().WriteHeader(http.StatusOK)
		if s.Streams() != 1 {
			t.Errorf("%d streams are open, want one", s.Streams())
		}
		return nil
	})
	return s, &served
}

func do(s *web.Server, method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, r)
	return rec
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	s, served := observed(t, nil)
	do(s, "GET", "/checkout/"+token+"?key=1", nil)
	do(s, "GET", "/checkout/"+token+"/events", nil)
	do(s, "GET", "/checkout/"+token+"/broken", nil)
	for i := range 100 { // addresses that lead nowhere are one route
		do(s, "GET", fmt.Sprintf("/%d/%d", i, i), nil)
		do(s, "POST", fmt.Sprintf("/checkout/%d", i), nil)
	}
	routes := map[string]int{}
	for _, x := range *served {
		routes[fmt.Sprintf("%s %s %d %t", x.Method, x.Route, x.Status, x.Stream)]++
		if strings.Contains(x.Route, token) {
			t.Errorf("a route tells a token: %+v", x)
		}
	}
	for _, want := range []string{"GET /checkout/:token 200 false", "GET /checkout/:token/events 200 true", "GET /checkout/:token/broken 500 false"} {
		if routes[want] != 1 {
			t.Errorf("%s: counted %d times", want, routes[want])
		}
	}
	if len(routes) > 6 {
		t.Errorf("%d kinds of requests: %v", len(routes), routes)
	}
	if s.Streams() != 0 {
		t.Errorf("%d streams are left open", s.Streams())
	}
}

func TestOnlyAProxysTraceIsGoneOnWith(t *testing.T) {
	seen := tracetest.NewSpanRecorder()
	s, _ := observed(t, sdk.NewTracerProvider(sdk.WithSpanProcessor(seen)).Tracer(span.Scope))
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for _, from := range []string{"10.1.2.3:4000", "192.0.2.1:4000", "nonsense"} {
		do(s, "GET", "/checkout/"+token, func(r *http.Request) {
			r.RemoteAddr = from
			r.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
			r.Header.Set("X-Forwarded-For", "10.1.2.3")
		})
	}
	do(s, "SECRET"+token, "/"+token, nil)
	for i, x := range seen.Ended() {
		if got := x.SpanContext().TraceID().String() == theirs; got != (i == 0) {
			t.Errorf("request %d: gone on with the caller's trace: %t", i, got)
		}
		text := fmt.Sprint(x.Name(), x.Attributes())
		if strings.Contains(text, token) || strings.Contains(text, "192.0.2.1") {
			t.Errorf("a trace tells too much: %s", text)
		}
	}
	if name := seen.Ended()[0].Name(); name != "GET /checkout/:token" || len(seen.Ended()) != 4 {
		t.Errorf("%d spans, the first is named %q", len(seen.Ended()), name)
	}
}

func BenchmarkObserve(b *testing.B) {
	for name, c := range map[string]web.Config{
		"plain":   {},
		"counted": {Served: func(web.Served) {}},
		"traced":  {Served: func(web.Served) {}, Tracer: sdk.NewTracerProvider(sdk.WithSampler(sdk.TraceIDRatioBased(0.01))).Tracer(span.Scope)},
		"kept":    {Served: func(web.Served) {}, Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(dropping{})).Tracer(span.Scope)},
	} {
		c.BaseURL, c.Log = "https://pay.example.com", slog.New(slog.DiscardHandler)
		s := web.New(c)
		s.Echo.GET("/checkout/:token", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		r := httptest.NewRequest(http.MethodGet, "/checkout/"+token, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := httptest.NewRecorder()
			for b.Loop() {
				clear(w.Header())
				s.ServeHTTP(w, r)
			}
		})
	}
}

// dropping takes spans and keeps none.
type dropping struct{}

func (dropping) OnStart(context.Context, sdk.ReadWriteSpan) {}
func (dropping) OnEnd(sdk.ReadOnlySpan)                     {}
func (dropping) Shutdown(context.Context) error             { return nil }
func (dropping) ForceFlush(context.Context) error           { return nil }
