// Package webhooktest is a webhook receiver for tests: it verifies signatures
// the way merchants' servers do, keeps what it got and misbehaves on command. It
// knows webhook's wire and nothing of stores, jobs or dialects.
package webhooktest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/webhook"
)

// tolerance is how old a timestamp may be, as Standard Webhooks libraries have it.
const tolerance = 5 * time.Minute

// Received is one call as it came in.
type Received struct {
	Method    string
	URL       string // path and query
	ID        string // webhook-id
	Timestamp string // webhook-timestamp
	Header    http.Header
	Body      []byte
	Problem   error // why a careful receiver would refuse it, nil if it would not
}

// Behaviour answers one call. The body was read before.
type Behaviour func(w http.ResponseWriter, r *http.Request)

// Receiver is a server on loopback with one endpoint's secret.
type Receiver struct {
	URL    string
	server *httptest.Server
	secret string

	mu   sync.Mutex
	next []Behaviour
	got  []Received
}

// New starts a receiver over http; it stops with the test.
func New(t testing.TB, secret string) *Receiver {
	r := &Receiver{secret: secret}
	r.start(t, httptest.NewUnstartedServer(r), (*httptest.Server).Start)
	return r
}

// NewTLS starts a receiver over https; Roots verify its certificate.
func NewTLS(t testing.TB, secret string) *Receiver {
	r := &Receiver{secret: secret}
	r.start(t, httptest.NewUnstartedServer(r), (*httptest.Server).StartTLS)
	return r
}

func (r *Receiver) start(t testing.TB, s *httptest.Server, start func(*httptest.Server)) {
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what some tests are about
	start(s)
	r.server, r.URL = s, s.URL
	t.Cleanup(s.Close)
}

// Roots returns the certificates that verify a TLS receiver.
func (r *Receiver) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(r.server.Certificate())
	return pool
}

// Next sets how the coming calls are answered, one each; then it is 200 again.
func (r *Receiver) Next(bs ...Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = append(r.next, bs...)
}

// Received returns what came in so far, oldest first.
func (r *Receiver) Received() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Received(nil), r.got...)
}

// Wait returns what came in once there are n calls, and fails the test when
// that takes longer than a minute.
func (r *Receiver) Wait(t testing.TB, n int) []Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if got := r.Received(); len(got) >= n {
			return got
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("received %d webhooks, want %d", len(r.Received()), n)
		}
	}
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got := Received{
		Method: req.Method, URL: req.URL.String(),
		ID: req.Header.Get(webhook.HeaderID), Timestamp: req.Header.Get(webhook.HeaderTimestamp),
		Header: req.Header.Clone(), Body: body, Problem: Verify(r.secret, req.Header, body, time.Now()),
	}
	r.mu.Lock()
	r.got = append(r.got, got)
	behave := Answer(http.StatusOK)
	if len(r.next) > 0 {
		behave, r.next = r.next[0], r.next[1:]
	}
	r.mu.Unlock()
	behave(w, req)
}

// Verify checks a call as a careful receiver does: the Standard Webhooks
// signature and its age and, where it is present, the Request API's signature,
// over the raw body and over its re-serialised image. While a rotation's overlap
// lasts, one of the two signatures of each scheme must verify.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	if err := verifyStandard(secret, h, body, now); err != nil {
		return err
	}
	sent := h.Get("x-request-network-signature")
	if sent == "" {
		return nil
	}
	image, err := webhook.Marshal(json.RawMessage(body))
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	for what, over := range map[string][]byte{"raw body": body, "re-serialised body": image} {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(over)
		want := []byte(hex.EncodeToString(mac.Sum(nil)))
		if !hmac.Equal([]byte(sent), want) && !hmac.Equal([]byte(h.Get("x-request-network-signature-next")), want) {
			return fmt.Errorf("x-request-network-signature does not verify over the %s", what)
		}
	}
	return nil
}

func verifyStandard(secret string, h http.Header, body []byte, now time.Time) error {
	unix, err := strconv.ParseInt(h.Get(webhook.HeaderTimestamp), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w", webhook.HeaderTimestamp, err)
	}
	if age := now.Sub(time.Unix(unix, 0)).Abs(); age > tolerance {
		return fmt.Errorf("%s is %s away", webhook.HeaderTimestamp, age)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", h.Get(webhook.HeaderID), unix, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, one := range strings.Fields(h.Get(webhook.HeaderSignature)) {
		if hmac.Equal([]byte(one), []byte(want)) {
			return nil
		}
	}
	return errors.New(webhook.HeaderSignature + " does not verify")
}
