//go:build !nosandbox

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// loopback is a server that only this machine reaches.
type loopback struct {
	url  string
	http *http.Server
	stop context.CancelFunc // of what is being answered
	done chan error
}

func listen(h http.Handler) (*loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on loopback: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &loopback{
		url: "http://" + l.Addr().String(), stop: stop, done: make(chan error, 1),
		http: &http.Server{
			Handler: h, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10,
			BaseContext: func(net.Listener) context.Context { return ctx },
		},
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// close ends what is being answered and waits until nothing is.
func (s *loopback) close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
