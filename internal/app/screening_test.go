package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/screening"
)

const listed = "0x8589427373D6D84E98730D7795D8f6f8731FDA16"

// The doctor tells of the list and asks each provider once, with its key.
func TestDoctorScreening(t *testing.T) {
	var broken atomic.Bool
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer k" || broken.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"approved"}`) // the doctor looks at the answer
	}))
	t.Cleanup(provider.Close)
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(listed+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	setup := Setup{Log: slog.New(slog.DiscardHandler), Screening: ScreeningSetup{
		List: path, Providers: []screening.VendorConfig{{Name: "acme", URL: provider.URL, Key: "k"}},
	}}
	examine := func() (all string, healthy bool) {
		var lines []string
		d := &doctor{report: func(f Finding) { lines = append(lines, f.Check+": "+f.Detail) }}
		d.screening(t.Context(), setup)
		return strings.Join(lines, "\n"), !d.failed
	}
	if got, healthy := examine(); !healthy || !strings.Contains(got, "sanctions list: 1 addresses, changed 0 days ago") || !strings.Contains(got, "screening by acme: it answers") {
		t.Errorf("healthy: %t, %s", healthy, got)
	}
	old := time.Now().Add(-60 * 24 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if got, healthy := examine(); healthy || !strings.Contains(got, "not been changed for 60 days") {
		t.Errorf("an old list: %s", got)
	}
	broken.Store(true)
	if got, healthy := examine(); healthy || !strings.Contains(got, "screening by acme: it does not answer") {
		t.Errorf("a broken provider: %s", got)
	}
	if err := os.WriteFile(path, []byte("0x12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, healthy := examine(); healthy || !strings.Contains(got, "screening: sanctions list: line 1") {
		t.Errorf("a broken list: %s", got)
	}
	setup.Screening = ScreeningSetup{}
	if got, healthy := examine(); !healthy || got != "" {
		t.Errorf("nobody to ask: %s", got)
	}
}

// A server does not start without a list it can read, and says which file.
func TestNoStartWithoutTheList(t *testing.T) {
	c := realBase(t)
	c.Mine(1)
	path, load := writeConfig(t, c, "127.0.0.1:0")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.txt")
	if err := os.WriteFile(path, append(text, []byte("\nscreening: {sanctions_list: "+missing+"}\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := production(load(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(context.WithoutCancel(t.Context()), s)
	if err == nil {
		t.Fatalf("it was built: %v", a.Close())
	}
	if !strings.Contains(err.Error(), "sanctions list") || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
}
