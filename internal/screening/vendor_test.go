package screening_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/screening"
)

const vendorKey = "a-very-secret-key"

// vendor is a provider that misbehaves on command.
type vendor struct {
	*httptest.Server
	asked   atomic.Int32
	timeout time.Duration // of one try

	mu     sync.Mutex
	answer http.HandlerFunc
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	v := &vendor{timeout: time.Minute}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.asked.Add(1)
		body, err := io.ReadAll(r.Body)
		var q struct {
			Address string `json:"address"`
			ChainID uint64 `json:"chainId"`
		}
		if err != nil || json.Unmarshal(body, &q) != nil || q.ChainID == 0 || len(q.Address) != 42 {
			t.Errorf("asked with %s", body)
		}
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+vendorKey || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked with %s %v", r.Method, r.Header)
		}
		v.mu.Lock()
		f := v.answer
		v.mu.Unlock()
		f(w, r)
	}))
	t.Cleanup(v.Server.Close)
	v.say(`{"status":"approved","reference":"r1"}`)
	return v
}

func (v *vendor) do(f http.HandlerFunc) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answer = f
}

func (v *vendor) say(body string) {
	v.do(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, body) // the caller may be gone
	})
}

func (v *vendor) provider(t *testing.T, now func() time.Time, log io.Writer) *screening.Vendor {
	t.Helper()
	p := screening.NewVendor(screening.VendorConfig{
		Name: "acme", URL: v.URL + "/screen?k=hidden", Key: vendorKey, Timeout: v.timeout, Now: now,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	t.Cleanup(p.Close)
	return p
}

var wallet = asset.Address{19: 0x77}

func TestVendorAnswers(t *testing.T) {
	v := newVendor(t)
	p := v.provider(t, nil, io.Discard)
	for body, want := range map[string]checkout.Screening{
		`{"status":"approved","reference":"r1"}`: {Verdict: checkout.Approved, Reference: "r1", Raw: "approved"},
		`{"status":"rejected","reference":"r2","reportUrl":"https://acme.example/r/2?x=1","reason":"Sanctioned-Entity","rawStatus":"SEVERE","more":{}}`: {
			Verdict: checkout.Rejected, Reason: "sanctioned_entity", Reference: "r2", Report: "https://acme.example/r/2?x=1", Raw: "SEVERE",
		},
		`{"status":"rejected"}`: {Verdict: checkout.Rejected, Reason: "rejected", Raw: "rejected"},
		`{"status":"rejected","reason":"<script>","reportUrl":"javascript:alert(1)","reference":"a\u0000\u202eb"}`: {
			Verdict: checkout.Rejected, Reason: "script", Reference: "ab", Raw: "rejected",
		},
		`{"status":"approved","reportUrl":"http://acme.example/","rawStatus":"` + strings.Repeat("é", 300) + `"}`: {
			Verdict: checkout.Approved, Raw: strings.Repeat("é", 100),
		},
		`{"status":"approved","address":"` + strings.ToUpper(wallet.String()[2:3]) + wallet.String()[1:] + `"}`: {Verdict: checkout.Approved, Raw: "approved"},
	} {
		v.say(body)
		want.Wallet, want.Provider = wallet, "acme"
		if got := p.Screen(t.Context(), 8453, wallet); got != want {
			t.Errorf("%.80s: got %+v\nwant %+v", body, got, want)
		}
	}
}

// Whatever else it says or does, nobody is let in by it.
func TestVendorMisbehaves(t *testing.T) {
	for name, how := range map[string]struct {
		tries int32
		do    http.HandlerFunc
	}{
		"nothing":             {1, text(200, "application/json", "")},
		"garbage":             {1, text(200, "application/json", "\x00\xff{")},
		"a page":              {1, text(200, "text/html", `{"status":"approved"}`)},
		"another word":        {1, text(200, "application/json", `{"status":"APPROVED"}`)},
		"error":               {1, text(200, "application/json", `{"status":"error"}`)},
		"no status":           {1, text(200, "application/json", `{"result":"approved"}`)},
		"a list":              {1, text(200, "application/json", `[{"status":"approved"}]`)},
		"both":                {1, text(200, "application/json", `{"status":"rejected","status":"approved"}`)},
		"and more":            {1, text(200, "application/json", `{"status":"approved"}{"status":"rejected"}`)},
		"a status of another": {1, text(200, "application/json", `{"status":true}`)},
		"another wallet":      {1, text(200, "application/json", `{"status":"approved","address":"0x00000000000000000000000000000000000000aa"}`)},
		"too much":            {1, text(200, "application/json", `{"status":"approved","x":"`+strings.Repeat("x", 70<<10)+`"}`)},
		"no permission":       {1, text(401, "application/json", `{"status":"approved"}`)},
		"accepted for later":  {1, text(202, "application/json", `{"status":"approved"}`)},
		"a redirect": {1, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}},
		"500":      {2, text(500, "application/json", `{"status":"approved"}`)},
		"too many": {2, text(429, "application/json", `{"status":"approved"}`)},
		"slow":     {2, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"a cut answer": {2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}},
		"a closed connection": {2, func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t)
			v.do(how.do)
			if name == "slow" {
				v.timeout = 500 * time.Millisecond
			}
			var log strings.Builder
			p := v.provider(t, nil, &log)
			began := time.Now()
			got := p.Screen(t.Context(), 8453, wallet)
			if got.Verdict != checkout.Unknown || got.Reason != screening.ReasonFailed || got.Provider != "acme" {
				t.Errorf("got %+v", got)
			}
			if n := v.asked.Load(); n != how.tries {
				t.Errorf("asked %d times, want %d", n, how.tries)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if strings.Contains(log.String(), vendorKey) || strings.Contains(log.String(), "hidden") || !strings.Contains(log.String(), "acme") {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func text(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the caller may be gone
	}
}

// A provider that keeps failing is left alone for a while, then tried once, and
// asked again as soon as it answers.
func TestVendorIsLeftAlone(t *testing.T) {
	v := newVendor(t)
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	p := v.provider(t, func() time.Time { return at }, io.Discard)
	ask := func(want checkout.Verdict, asked int32) {
		t.Helper()
		before := v.asked.Load()
		if got := p.Screen(t.Context(), 1, wallet); got.Verdict != want {
			t.Errorf("got %s, want %s", got.Verdict, want)
		}
		if n := v.asked.Load() - before; n != asked {
			t.Errorf("asked %d times, want %d", n, asked)
		}
	}
	v.do(text(403, "application/json", "{}"))
	for range 5 {
		ask(checkout.Unknown, 1)
	}
	ask(checkout.Unknown, 0)
	at = at.Add(21 * time.Second)
	ask(checkout.Unknown, 1)
	ask(checkout.Unknown, 0)
	v.say(`{"status":"approved"}`)
	ask(checkout.Unknown, 0)
	at = at.Add(21 * time.Second)
	ask(checkout.Approved, 1)
	ask(checkout.Approved, 1)
}

func TestServiceAsksTheListFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(bad1+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := screening.OpenList(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := newVendor(t)
	s, err := screening.New(list, []screening.Provider{v.provider(t, nil, io.Discard)}, "")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(provider string, a asset.Address) checkout.Screening {
		t.Helper()
		x, err := s.Screen(t.Context(), provider, 1, a)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	sanctioned := addresses(bad1)[0]
	for _, provider := range []string{"", "acme", screening.ListName} {
		if x := ask(provider, sanctioned); x.Verdict != checkout.Rejected || x.Provider != screening.ListName || x.Reason != screening.ReasonListed {
			t.Errorf("listed, asked of %q: %+v", provider, x)
		}
	}
	if v.asked.Load() != 0 {
		t.Error("the provider was asked about a listed wallet")
	}
	if x := ask(screening.ListName, wallet); x.Verdict != checkout.Approved || v.asked.Load() != 0 {
		t.Errorf("by the list alone: %+v", x)
	}
	if x := ask("", wallet); x.Verdict != checkout.Approved || x.Provider != "acme" || v.asked.Load() != 1 {
		t.Errorf("by the provider: %+v", x)
	}
	if _, err := s.Screen(t.Context(), "nobody", 1, wallet); !fault.Is(err, fault.Invalid) {
		t.Errorf("an unknown provider: %v", err)
	}
	for name, known := range map[string]bool{"": true, "acme": true, screening.ListName: true, "nobody": false, "ACME": false} {
		if s.Known(name) != known {
			t.Errorf("Known(%q) is %t", name, !known)
		}
	}
}

func TestServiceNeedsADefault(t *testing.T) {
	v := newVendor(t)
	one := v.provider(t, nil, io.Discard)
	two := screening.NewVendor(screening.VendorConfig{Name: "other", URL: v.URL, Key: vendorKey})
	t.Cleanup(two.Close)
	for name, c := range map[string]struct {
		providers []screening.Provider
		fallback  string
		ok        bool
	}{
		"nothing": {nil, "", false}, "one": {[]screening.Provider{one}, "", true}, "two": {[]screening.Provider{one, two}, "", false},
		"two and a default": {[]screening.Provider{one, two}, "other", true}, "an unknown default": {[]screening.Provider{one}, "other", false},
		"twice the same": {[]screening.Provider{one, one}, "acme", false}, "the list as default": {[]screening.Provider{one}, screening.ListName, false},
	} {
		if _, err := screening.New(nil, c.providers, c.fallback); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// blocking is a provider that answers when it is let.
type blocking struct {
	asked   atomic.Int32
	release chan struct{}
}

func (*blocking) Name() string { return "acme" }
func (*blocking) Close()       {}

func (b *blocking) Screen(context.Context, asset.ChainID, asset.Address) checkout.Screening {
	b.asked.Add(1)
	<-b.release
	return checkout.Screening{Verdict: checkout.Approved}
}

// Many who ask about one wallet at once cost one question, also if the first of
// them leaves.
func TestServiceAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &blocking{release: make(chan struct{})}
		s, err := screening.New(nil, []screening.Provider{p}, "")
		if err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 20 {
			ctx := t.Context()
			if i == 0 {
				ctx = gone
			}
			group.Go(func() {
				x, err := s.Screen(ctx, "", 1, wallet)
				if err != nil || x.Verdict != checkout.Approved || x.Wallet != wallet || x.Provider != "acme" {
					t.Errorf("got %+v, %v", x, err)
				}
			})
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		close(p.release)
		group.Wait()
		if n := p.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if _, err := s.Screen(t.Context(), "", 2, wallet); err != nil || p.asked.Load() != 2 {
			t.Errorf("another chain: asked %d times, %v", p.asked.Load(), err)
		}
	})
}
