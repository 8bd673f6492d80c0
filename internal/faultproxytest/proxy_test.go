package faultproxytest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/faultproxytest"
)

// service answers in JSON with the number of the question.
func service(t *testing.T) (url string, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // of a test's own client
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"n":%d,"said":%q,"path":%q}`, asked.Add(1), body, r.URL.RequestURI())
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// ask returns what came, and the error if it did not come well.
func ask(t *testing.T, url string) (status int, said string, err error) {
	t.Helper()
	return askFor(t, time.Minute, url)
}

// hang is how long who asks waits for what does not come.
const hang = time.Second

func askFor(t *testing.T, most time.Duration, url string) (status int, said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/path?q=1", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), errors.Join(err, res.Body.Close())
}

// Each fault is what its name says: whether the service was asked, and what was answered.
func TestFaults(t *testing.T) {
	for kind, want := range map[faultproxytest.Kind]struct {
		asked  int64
		status int  // 0 if there is no answer
		failed bool // to read it to its end
		json   bool // it can be read
	}{
		faultproxytest.None: {1, 200, false, true}, faultproxytest.HangBefore: {0, 0, true, false}, faultproxytest.HangAfter: {1, 0, true, false},
		faultproxytest.Drip: {1, 200, true, false}, faultproxytest.Cut: {1, 200, true, false}, faultproxytest.Reset: {0, 0, true, false},
		faultproxytest.ResetAfter: {1, 0, true, false}, faultproxytest.Limited: {0, 429, false, false}, faultproxytest.Broken: {0, 500, false, false},
		faultproxytest.BadGateway: {0, 502, false, false}, faultproxytest.Away: {0, 503, false, false}, faultproxytest.LostAfter: {1, 502, false, false},
		faultproxytest.Garbage: {0, 200, false, false}, faultproxytest.Truncated: {1, 200, false, false}, faultproxytest.Short: {1, 200, true, true},
		faultproxytest.Stale: {0, 503, false, false}, faultproxytest.Twice: {2, 200, false, true}, faultproxytest.Huge: {0, 200, false, false},
		faultproxytest.Redirect: {0, 307, false, false},
	} {
		t.Run(string(kind), func(t *testing.T) {
			url, asked := service(t)
			p := faultproxytest.New(t, url)
			p.Manners(faultproxytest.Manner{HugeBytes: 1 << 20, Pause: hang})
			p.Next(kind)
			most := time.Minute
			if kind == faultproxytest.HangBefore || kind == faultproxytest.HangAfter || kind == faultproxytest.Drip {
				most = hang
			}
			status, said, err := askFor(t, most, p.URL())
			var v map[string]any
			if status != want.status || (err != nil) != want.failed || (json.Unmarshal([]byte(said), &v) == nil) != want.json {
				t.Errorf("%d %.80q %v", status, said, err)
			}
			if asked.Load() != want.asked {
				t.Errorf("the service was asked %d times", asked.Load())
			}
			if p.Happened()[kind] != 1 {
				t.Errorf("counted: %v", p.Happened())
			}
			p.Behave()
			if status, said, err := ask(t, p.URL()); status != 200 || err != nil || !strings.Contains(said, `"said":"hello","path":"/path?q=1"`) {
				t.Errorf("afterwards: %d %q %v", status, said, err)
			}
		})
	}
}

func TestKindsAreAll(t *testing.T) {
	url, _ := service(t)
	p := faultproxytest.New(t, url)
	p.Next(faultproxytest.None, faultproxytest.Stale)
	_, first, _ := ask(t, p.URL())
	if _, second, err := ask(t, p.URL()); err != nil || second != first {
		t.Errorf("an earlier answer is %q, %v, and was %q", second, err, first)
	}
	p.Always(faultproxytest.BadGateway)
	for range 2 {
		if status, _, _ := ask(t, p.URL()); status != http.StatusBadGateway {
			t.Errorf("always: %d", status)
		}
	}
	p.Refuse()
	if _, _, err := ask(t, p.URL()); err == nil {
		t.Error("refused, and answered")
	}
}

// The same seed is the same trouble.
func TestSeeds(t *testing.T) {
	run := func(seed uint64) map[faultproxytest.Kind]int {
		url, _ := service(t)
		p := faultproxytest.New(t, url)
		p.Random(seed, 0.5, faultproxytest.BadGateway, faultproxytest.Garbage, faultproxytest.Twice)
		for range 40 {
			_, _, _ = ask(t, p.URL()) // what happened is counted
		}
		return p.Happened()
	}
	first := run(7)
	if again := run(7); !reflect.DeepEqual(first, again) {
		t.Errorf("%v, then %v", first, again)
	}
	if first[faultproxytest.None] == 40 || first[faultproxytest.None] == 0 {
		t.Errorf("half of it: %v", first)
	}
}

func TestWire(t *testing.T) {
	url, _ := service(t)
	w := faultproxytest.NewWire(t, strings.TrimPrefix(url, "http://"))
	here := "http://" + w.Addr()
	fine := func() {
		t.Helper()
		if status, _, err := ask(t, here); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
	}
	bad := func(what string) {
		t.Helper()
		if status, _, err := askFor(t, hang, here); err == nil {
			t.Errorf("%s: %d", what, status)
		}
	}
	fine()
	w.Freeze()
	bad("frozen")
	w.Thaw()
	fine()
	w.CutAfter(20)
	bad("cut")
	w.CutAfter(0)
	fine()
	w.Refuse()
	if c, err := net.Dial("tcp", w.Addr()); err == nil {
		t.Error("a closed port takes connections")
		_ = c.Close()
	}
	w.Accept()
	fine()
	deadline := time.Now().Add(time.Minute)
	for w.Open() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := w.Open(); n > 0 {
		t.Errorf("%d connections are left", n)
	}
}
