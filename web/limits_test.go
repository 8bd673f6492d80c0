package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

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
		if got := address(e.NewContext(r, nil)); got != want {
			t.Errorf("%s: %q, want %q", remote, got, want)
		}
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
