package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/config"
	"quittance/internal/faultproxytest"
)

// What those who run the server ask is answered where the configuration says, and nowhere
// else.
func TestServeHasAnAdminListener(t *testing.T) {
	c := realBase(t)
	c.Mine(3)
	ports := faultproxytest.KeptPorts(t, 2)
	listen, admin := ports[0], ports[1]
	path, load := writeConfig(t, c, listen)
	if err := Pin(t.Context(), load(), config.PinsPath(path), io.Discard); err != nil {
		t.Fatalf("pin: %v", err)
	}
	cfg := load()
	cfg.AdminListen = admin
	var level slog.LevelVar
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, cfg, slog.New(slog.DiscardHandler), &level) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("serve stopped with: %v", err)
		}
		if _, err := http.Get("http://" + admin + "/healthz"); err == nil {
			t.Error("the admin listener outlived the server")
		}
	}()
	see := func(at, method, path, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		text, err := io.ReadAll(resp.Body)
		if cerr := resp.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		return resp.StatusCode, string(text)
	}
	await(t, "readiness", func() bool { status, _ := see(listen, http.MethodGet, "/readyz", ""); return status == http.StatusOK })
	for path, tells := range map[string]string{"/metrics": "quittance_scanner_head_block", "/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/log-level": "info", "/readyz": ""} {
		if status, text := see(admin, http.MethodGet, path, ""); status != http.StatusOK || !strings.Contains(text, tells) {
			t.Errorf("the admin listener answers %s with %d %.200s", path, status, text)
		}
		if path == "/readyz" {
			continue
		}
		if status, _ := see(listen, http.MethodGet, path, ""); status != http.StatusNotFound {
			t.Errorf("%s is answered with %d in public", path, status)
		}
	}
	if status, _ := see(listen, http.MethodPut, "/log-level", "debug"); status < 400 || level.Level() != slog.LevelInfo {
		t.Errorf("anybody can change the log's level: %d", status)
	}
	if status, _ := see(admin, http.MethodPut, "/log-level", "debug"); status != http.StatusOK || level.Level() != slog.LevelDebug {
		t.Errorf("the log's level cannot be changed: %d", status)
	}
	if status, _ := see(admin, http.MethodGet, "/checkout/x", ""); status != http.StatusNotFound {
		t.Errorf("the admin listener serves payers: %d", status)
	}
}
