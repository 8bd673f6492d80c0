package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/ratelimit"
)

func TestAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.7:1234":          "203.0.113.7",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[::ffff:203.0.113.7]:80":   "203.0.113.7",
		"[fe80::1%eth0]:80":         "fe80::/64",
		"[::1]:80":                  "::/64",
		"nonsense":                  "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		e := echo.New()
		e.IPExtractor = ipExtractor(nil)
		if got := Address(e.NewContext(r, nil)); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
	}
}

// Whoever asks for links that are nobody's has to wait; others do not.
func TestSeeking(t *testing.T) {
	l := NewLimiter(Limits{Guesses: ratelimit.Rate{PerMinute: 30, Burst: 3}}, ratelimit.New(nil, nil))
	from := func(address string) echo.Context {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = address + ":80"
		e := echo.New()
		e.IPExtractor = ipExtractor(nil)
		return e.NewContext(r, httptest.NewRecorder())
	}
	for i := range 3 {
		c := from("203.0.113.7")
		if err := l.Seeking(c); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		l.Sought(c)
	}
	c := from("203.0.113.7")
	if err := l.Seeking(c); !fault.Is(err, fault.Limited) || c.Response().Header().Get("Retry-After") == "" {
		t.Errorf("after three: %v", err)
	}
	if err := l.Seeking(from("203.0.113.8")); err != nil {
		t.Errorf("another address: %v", err)
	}
	if err := l.Guessing(c); err != nil {
		t.Errorf("credentials are another matter: %v", err)
	}
}

// BenchmarkLimit is what counting costs a request: the count, and the headers.
func BenchmarkLimit(b *testing.B) {
	l := NewLimiter(Limits{
		Keys: ratelimit.Rate{PerMinute: ratelimit.MaxPerMinute, Burst: ratelimit.MaxBurst}, Refused: ratelimit.Rate{PerMinute: 60, Burst: 30},
	}, ratelimit.New(nil, nil))
	e := echo.New()
	e.IPExtractor = ipExtractor(nil)
	c := e.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder())
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Guessing(c); err != nil {
			b.Fatal(err)
		}
		if err := l.Take(c, l.Keys, "key", "01KE0000000000000000000001"); err != nil {
			b.Fatal(err)
		}
	}
}
