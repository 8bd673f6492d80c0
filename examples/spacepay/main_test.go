package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
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

// start runs the shop until the test ends.
func start(t *testing.T, w *webtest.World, args ...string) *output {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() { done <- run(ctx, args, out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the shop: %v", err)
		}
	})
	w.Await("the shop to open", func() bool { return strings.Contains(out.String(), "buy at") })
	return out
}

// buy buys an order and returns where the buyer is sent to.
func buy(t *testing.T, at, order string) *url.URL {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/buy/"+order, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	to, err := answer.Location()
	if err != nil || answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d, %v", answer.StatusCode, err)
	}
	return to
}

func thanks(t *testing.T, at, query string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/thanks?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sign makes a delivery's headers as the server does.
func sign(secret, event, body string, at time.Time) http.Header {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp + "." + body))
	h := http.Header{}
	h.Set("X-SpacePay-Event-Id", event)
	h.Set("X-SpacePay-Timestamp", stamp)
	h.Set("X-SpacePay-Signature", hex.EncodeToString(mac.Sum(nil)))
	return h
}

func deliver(t *testing.T, at, body string, h http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/hooks", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h.Clone()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// The whole of it against the real server and a chain: bought, redirected, paid by a
// plain transfer, told by webhook, and paid exactly once whatever else arrives.
func TestOrderIsPaidOnce(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	server := httptest.NewServer(w.App.Server)
	t.Cleanup(server.Close)
	at, secret := open(t), webhook.NewSecret()
	w.AddEndpoint("http://"+at+"/hooks", secret)
	out := start(t, w, "-api", server.URL, "-key", w.SpacePayKey, "-secret", secret, "-listen", at)

	to := buy(t, at, "order-1")
	id := path.Base(to.Path)
	if again := buy(t, at, "order-1"); again.String() != to.String() {
		t.Errorf("bought again, it is another payment: %s and %s", to, again)
	}
	if other := buy(t, at, "order-2"); other.String() == to.String() {
		t.Error("two orders share a payment")
	}
	// Who says that he has paid, has not.
	if text := thanks(t, at, "paymentId="+id+"&status=completed"); !strings.Contains(text, "order-1 is pending") {
		t.Errorf("before the payment: %s", text)
	}
	p, err := w.App.Store.PaymentByAlias(t.Context(), "spacepay", id)
	if err != nil {
		t.Fatal(err)
	}
	w.Chain.Send(p.Terms.Requests[0].Payee.String(), p.Quotes[0].Units, nil)
	w.Chain.Mine(webtest.Confirmations + 1)
	paid := "order-1 is paid: 2500 cents with " + id
	w.Await("the order to be paid", func() bool { return strings.Contains(out.String(), paid) })
	if text := thanks(t, at, "paymentId="+id); !strings.Contains(text, "order-1 is paid") {
		t.Errorf("after the payment: %s", text)
	}
	if text := thanks(t, at, "paymentId=../../chains"); !strings.Contains(text, "not known") {
		t.Errorf("a payment of nobody's: %s", text)
	}

	body := fmt.Sprintf(`{"type":"payment.updated","data":{"payment":{"id":%q,"orderId":"order-1","amountInCents":2500,"currency":"USD","status":"completed"}}}`, id)
	now := time.Now()
	rotated := sign(secret, "rotated", body, now)
	rotated.Set("X-SpacePay-Signature-Next", rotated.Get("X-SpacePay-Signature"))
	rotated.Set("X-SpacePay-Signature", "00")
	unnamed := sign(secret, "", body, now)
	moved := sign(secret, "moved", body, now.Add(-time.Hour))
	moved.Set("X-SpacePay-Timestamp", strconv.FormatInt(now.UnixMilli(), 10))
	for what, c := range map[string]struct {
		sent http.Header
		want int
	}{
		"another event of a paid order":     {sign(secret, "another", body, now), http.StatusNoContent},
		"a secret that is being replaced":   {rotated, http.StatusNoContent},
		"another secret":                    {sign(webhook.NewSecret(), "forged", body, now), http.StatusUnauthorized},
		"a time long past":                  {sign(secret, "old", body, now.Add(-time.Hour)), http.StatusUnauthorized},
		"a new time under an old signature": {moved, http.StatusUnauthorized},
		"an event without an id":            {unnamed, http.StatusUnauthorized},
		"no signature":                      {http.Header{}, http.StatusUnauthorized},
	} {
		if got := deliver(t, at, body, c.sent); got != c.want {
			t.Errorf("%s: got %d, want %d", what, got, c.want)
		}
	}
	for range 2 {
		if got := deliver(t, at, body, sign(secret, "twice", body, now)); got != http.StatusNoContent {
			t.Errorf("a replay: got %d", got)
		}
	}
	cheap := strings.Replace(strings.ReplaceAll(body, "order-1", "order-2"), "2500", "100", 1)
	if got := deliver(t, at, cheap, sign(secret, "cheap", cheap, now)); got != http.StatusNoContent {
		t.Errorf("a payment of less: got %d", got)
	}
	if n := strings.Count(out.String(), " is paid:"); n != 1 || !strings.Contains(out.String(), "saw twice before") || strings.Contains(out.String(), "order-2 is paid") {
		t.Errorf("paid %d times:\n%s", n, out)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	var out output
	if err := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-key", "", "-secret", ""}, &out); err == nil || !strings.Contains(err.Error(), "-secret") {
		t.Errorf("without a secret: %v", err)
	}
}

// A server that refuses is no reason to send buyers anywhere.
func TestNothingIsSoldWithoutTheServer(t *testing.T) {
	refuses := httptest.NewServer(http.NotFoundHandler())
	defer refuses.Close()
	s := &shop{api: refuses.URL, key: "sk_x", out: &output{}}
	w := httptest.NewRecorder()
	s.buy(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/buy/x", nil))
	if w.Code != http.StatusBadGateway {
		t.Errorf("status %d", w.Code)
	}
}
