package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/webhook"
	"quittance/web/webtest"
)

// output is what the program printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// open is an address of this machine that nobody uses.
func open(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the program until the test ends, and returns its output once it has
// printed its link.
func start(t *testing.T, w *webtest.World, args ...string) *output {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() { done <- run(ctx, args, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the merchant: %v", err)
		}
	})
	w.Await("the merchant's link", func() bool { return strings.Contains(out.String(), "send the payer to") })
	return out
}

var linkToken = regexp.MustCompile(`send the payer to \S+\?token=(\w+)`)

// The whole of it against the real server and a chain: created once, paid, told
// by webhook, and the order is paid exactly once whatever else arrives.
func TestOrderIsPaidOnce(t *testing.T) {
	w := webtest.New(t)
	server := httptest.NewServer(w.App.Server)
	t.Cleanup(server.Close)
	at, secret := open(t), webhook.NewSecret()
	w.AddEndpoint("http://"+at+"/", secret)
	args := []string{"-api", server.URL, "-key", w.APIKey, "-destination", destination(t, w), "-listen", at, "-secret", secret, "-amount", "10"}
	out := start(t, w, args...)
	token := linkToken.FindStringSubmatch(out.String())[1]
	request := w.Load(token).Terms.Requests[0]

	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	paid := "order-1001 is paid: 10 USDC with " + tx
	w.Await("the order to be paid", func() bool { return strings.Contains(out.String(), paid) })

	body := fmt.Sprintf(`{"event":"payment.confirmed","requestId":%q,"currency":"USDC","totalAmountPaid":"10","txHash":"again"}`, request.ID)
	now := time.Now()
	for what, c := range map[string]struct {
		sent http.Header
		want int
	}{
		"another delivery of a paid order": {sign(secret, "another", body, now), http.StatusNoContent},
		"a secret that is being replaced": {with(with(sign(secret, "rotated", body, now), "X-Request-Network-Signature-Next",
			sign(secret, "rotated", body, now).Get("X-Request-Network-Signature")), "X-Request-Network-Signature", "00"), http.StatusNoContent},
		"another secret":       {sign(webhook.NewSecret(), "forged", body, now), http.StatusUnauthorized},
		"a time long past":     {sign(secret, "old", body, now.Add(-time.Hour)), http.StatusUnauthorized},
		"a time to come":       {sign(secret, "early", body, now.Add(time.Hour)), http.StatusUnauthorized},
		"no signature":         {http.Header{}, http.StatusUnauthorized},
		"one signature of two": {without(sign(secret, "half", body, now), "X-Request-Network-Signature"), http.StatusUnauthorized},
		"a new time under an old signature": {with(sign(secret, "moved", body, now.Add(-time.Hour)), "Webhook-Timestamp",
			strconv.FormatInt(now.Unix(), 10)), http.StatusUnauthorized},
	} {
		if got := deliver(t, at, body, c.sent); got != c.want {
			t.Errorf("%s: got %d, want %d", what, got, c.want)
		}
	}
	if got := deliver(t, at, body+" ", sign(secret, "changed", body, now)); got != http.StatusUnauthorized {
		t.Errorf("a changed body: got %d", got)
	}
	twice := sign(secret, "twice", body, now)
	for range 2 {
		if got := deliver(t, at, body, twice); got != http.StatusNoContent {
			t.Errorf("a replay: got %d", got)
		}
	}
	if n := strings.Count(out.String(), " is paid:"); n != 1 {
		t.Errorf("paid %d times:\n%s", n, out)
	}
	if !strings.Contains(out.String(), "saw twice before") {
		t.Errorf("the replay was not recognised:\n%s", out)
	}
	again := start(t, w, append(args, "-listen", open(t))...)
	if got := linkToken.FindStringSubmatch(again.String())[1]; got != token {
		t.Errorf("run again it made another payment: %s, then %s", token, got)
	}
}

// The program can make its webhook itself, and then trusts what it is sent.
func TestItRegistersItsWebhook(t *testing.T) {
	w := webtest.New(t)
	server := httptest.NewServer(w.App.Server)
	t.Cleanup(server.Close)
	at := open(t)
	out := start(t, w, "-api", server.URL, "-key", w.APIKey, "-destination", destination(t, w), "-listen", at, "-register", "http://"+at+"/", "-secret", "")
	token := linkToken.FindStringSubmatch(out.String())[1]
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("the order to be paid", func() bool { return strings.Contains(out.String(), " is paid: 10 USDC") })
	if text := out.String(); strings.Contains(text, "refused") || strings.Contains(text, "whsec_") {
		t.Errorf("it refused what is genuine, or told its secret:\n%s", text)
	}
}

func destination(t *testing.T, w *webtest.World) string {
	t.Helper()
	usdc, _ := w.App.Checkout.Book().Token("USDC-base")
	return fmt.Sprintf("%s@eip155:%d:%s", webtest.Payee, usdc.Chain, usdc.Address)
}

// sign makes a delivery's headers as the server does.
func sign(secret, id, body string, at time.Time) http.Header {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	standard, plain := hmac.New(sha256.New, key), hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(standard, "%s.%d.%s", id, at.Unix(), body)
	plain.Write([]byte(body))
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("webhook-signature", "v1,bm90IHRoaXMgb25l v1,"+base64.StdEncoding.EncodeToString(standard.Sum(nil)))
	h.Set("x-request-network-signature", hex.EncodeToString(plain.Sum(nil)))
	return h
}

func with(h http.Header, name, value string) http.Header {
	h.Set(name, value)
	return h
}

func without(h http.Header, name string) http.Header {
	h.Del(name)
	return h
}

func deliver(t *testing.T, at, body string, h http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.Clone()
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	var out output
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-secret", ""}, &out); err == nil || !strings.Contains(err.Error(), "-secret") {
		t.Errorf("without a secret: %v", err)
	}
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-secret", webhook.NewSecret(), "-api", refuses.URL}, &out)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("with a server that refuses: %v", err)
	}
}
