// Command spacepay is the smallest shop that takes payments in dollars in SpacePay's
// words: whoever buys is redirected to the payment's page and comes back to a page that
// asks what became of it, and webhooks that are genuine, fresh and new mark the order
// paid once. It uses the standard library alone and knows nothing of the server but its
// API.
package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "spacepay:", err)
		os.Exit(1)
	}
}

// run serves the shop until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("spacepay", flag.ContinueOnError)
	api := flags.String("api", "http://127.0.0.1:8402", "the server")
	key := flags.String("key", os.Getenv("SPACEPAY_SECRET_KEY"), "your secret key, sk_...")
	secret := flags.String("secret", os.Getenv("WEBHOOK_SECRET"), "the webhook endpoint's secret")
	cents := flags.Int("cents", 2500, "what everything costs")
	listen := flags.String("listen", "127.0.0.1:3000", "where the shop is")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *key == "" || *secret == "" {
		return errors.New("a secret key (-key) and a webhook's secret (-secret) are needed")
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	s := &shop{api: *api, key: *key, secret: *secret, self: "http://" + listener.Addr().String(), cents: *cents, out: out, paid: map[string]bool{}, seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /buy/{order}", s.buy)
	mux.HandleFunc("GET /thanks", s.thanks)
	mux.HandleFunc("POST /hooks", s.webhook)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	defer server.Close()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.say("buy at %s/buy/ORDER, webhooks go to %s/hooks", s.self, s.self)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// shop keeps its orders in memory; a real one has a database, with the same two
// questions: have I seen this event, and is this order paid already?
type shop struct {
	api, key, secret, self string
	cents                  int
	out                    io.Writer

	mu   sync.Mutex
	paid map[string]bool // by order
	seen map[string]bool // events, by their id
}

func (s *shop) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// payment is what this shop reads of one.
type payment struct {
	ID            string `json:"id"`
	OrderID       string `json:"orderId"`
	AmountInCents int    `json:"amountInCents"`
	Currency      string `json:"currency"`
	Status        string `json:"status"`
}

// settles reports whether a payment pays an order: all of it, in dollars, for good.
func (s *shop) settles(p payment) bool {
	return p.Status == "completed" && p.AmountInCents == s.cents && p.Currency == "USD"
}

// buy makes the payment of an order and sends the buyer to its page. Asked again it is
// the same payment, because the order's name is the idempotency key.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	order := r.PathValue("order")
	var made struct {
		PaymentURL string `json:"paymentUrl"`
	}
	err := s.call(r.Context(), http.MethodPost, "/v1/external/secretkey-auth/payments", order, map[string]any{
		"orderId": order, "amount": s.cents, "currency": "USD", "redirectUrl": s.self + "/thanks", "customMetadata": `{"shop":"example"}`,
	}, http.StatusCreated, &made)
	if err != nil {
		s.say("could not sell %s: %v", order, err)
		http.Error(w, "Paying is not possible at the moment.", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, made.PaymentURL, http.StatusSeeOther)
}

// thanks is where buyers come back to. What the address says may be anybody's words: the
// server is asked.
func (s *shop) thanks(w http.ResponseWriter, r *http.Request) {
	var p payment
	id := r.URL.Query().Get("paymentId")
	err := s.call(r.Context(), http.MethodGet, "/v1/external/secretkey-auth/payments/"+url.PathEscape(id), "", nil, http.StatusOK, &p)
	switch {
	case err != nil:
		http.Error(w, "This payment is not known.", http.StatusNotFound)
	case s.settles(p):
		fmt.Fprintf(w, "Thank you, %s is paid.\n", p.OrderID)
	default:
		fmt.Fprintf(w, "%s is %s.\n", p.OrderID, p.Status)
	}
}

func (s *shop) call(ctx context.Context, method, path, idempotencyKey string, body any, want int, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.api+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-SpacePay-Secret-Key", s.key)
	if idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", idempotencyKey)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if b, err = io.ReadAll(io.LimitReader(reply.Body, 1<<20)); err != nil {
		return err
	}
	if reply.StatusCode != want {
		return fmt.Errorf("%s answered %s: %s", path, reply.Status, b)
	}
	return json.Unmarshal(b, answer)
}

// webhook takes one delivery. It answers at once; a real shop would put what takes long,
// such as mail, into a queue of its own.
func (s *shop) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	if err := verify(s.secret, r.Header, body, time.Now()); err != nil {
		s.say("refused a webhook: %v", err)
		http.Error(w, "not genuine", http.StatusUnauthorized)
		return
	}
	var event struct {
		Type string `json:"type"`
		Data struct {
			Payment payment `json:"payment"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, p := r.Header.Get("X-SpacePay-Event-Id"), event.Data.Payment
	if s.seen[id] {
		s.say("saw %s before", id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.seen[id] = true // in a database: in the transaction that marks the order paid
	if event.Type == "payment.updated" && s.settles(p) && !s.paid[p.OrderID] {
		s.paid[p.OrderID] = true
		s.say("%s is paid: %d cents with %s", p.OrderID, p.AmountInCents, p.ID)
	}
	w.WriteHeader(http.StatusNoContent)
}

// tolerance is how far a delivery's time may be from ours: an old one that somebody
// recorded is refused even if its signature is right.
const tolerance = 5 * time.Minute

// verify says why a delivery is not to be trusted, nil if it is. It needs the body's
// bytes as they came.
func verify(secret string, h http.Header, body []byte, now time.Time) error {
	at := h.Get("X-SpacePay-Timestamp")
	millis, err := strconv.ParseInt(at, 10, 64)
	if err != nil || h.Get("X-SpacePay-Event-Id") == "" {
		return errors.New("X-SpacePay-Timestamp or X-SpacePay-Event-Id is missing")
	}
	if age := now.Sub(time.UnixMilli(millis)).Abs(); age > tolerance {
		return fmt.Errorf("X-SpacePay-Timestamp is %s away", age.Round(time.Second))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	for _, name := range []string{"X-SpacePay-Signature", "X-SpacePay-Signature-Next"} { // the second while a secret is being replaced
		if hmac.Equal([]byte(want), []byte(h.Get(name))) {
			return nil
		}
	}
	return errors.New("X-SpacePay-Signature is wrong")
}
