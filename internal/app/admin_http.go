package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"quittance/internal/config"
)

// WatchOn has the server answer those who run it on l, while Run runs: numbers,
// health, the log's level, profiles. It asks nobody who they are.
func (a *App) WatchOn(l net.Listener) { a.admin = l }

// adminRoutes are what those who run the server can ask, and nobody else.
func (a *App) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.watch.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		status, why := a.readiness(r.Context())
		say(w, status, why)
	})
	if a.watch.level != nil {
		mux.HandleFunc("GET /log-level", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, levelName(a.watch.level.Level())) })
		mux.HandleFunc("PUT /log-level", a.setLevel)
	}
	// Without cmdline: a command line may hold what is no one else's business.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	// A page in the browser of somebody who can reach this must not change anything.
	return http.NewCrossOriginProtection().Handler(mux)
}

func say(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, line+"\n") // who asked has gone if this fails
}

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }

// setLevel changes from which level on is logged, until the server stops.
func (a *App) setLevel(w http.ResponseWriter, r *http.Request) {
	const longest = 16
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
	var to slog.Level
	if err == nil {
		err = to.UnmarshalText([]byte(strings.TrimSpace(string(text))))
	}
	if err != nil {
		say(w, http.StatusBadRequest, "the body must be debug, info, warn or error")
		return
	}
	from := a.watch.level.Level()
	a.watch.level.Set(to)
	a.log.WarnContext(r.Context(), "the log's level was changed", "from", levelName(from), "to", levelName(to))
	say(w, http.StatusOK, levelName(to))
}

// adminStop is how long somebody's profile may hold up a stop.
const adminStop = time.Second

// serveAdmin answers on the admin listener until ctx ends.
func (a *App) serveAdmin(ctx context.Context) error {
	s := &http.Server{Handler: a.adminRoutes(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(a.admin) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, done := context.WithTimeout(context.Background(), adminStop)
	defer done()
	if err := s.Shutdown(stop); err != nil {
		_ = s.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// adminListener listens where that is configured; nil for nowhere.
func adminListener(cfg *config.Config) (net.Listener, error) {
	if cfg.AdminListen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.AdminListen, err)
	}
	return l, nil
}
