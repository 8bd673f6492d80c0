// Command merchant is the smallest shop that takes payments over Quittance: it
// creates a payment, prints the link to send the payer to, takes webhooks, checks
// that they are genuine, fresh and new, and marks its order paid once. It uses
// the standard library alone and knows nothing of the server but its API.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "merchant:", err)
		os.Exit(1)
	}
}

// run is the program: it sells one order and serves webhooks until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("merchant", flag.ContinueOnError)
	api := flags.String("api", "http://127.0.0.1:8402", "the server")
	key := flags.String("key", os.Getenv("QUITTANCE_KEY"), "your API key")
	secret := flags.String("secret", os.Getenv("WEBHOOK_SECRET"), "the webhook's secret, if it exists already")
	register := flags.String("register", "", "create the webhook with this address of ours, and take its secret")
	destination := flags.String("destination", "", "where the money goes; empty for your one active destination")
	amount := flags.String("amount", "10", "what the order costs")
	order := flags.String("order", "order-1001", "the order's name; the same name is the same payment")
	listen := flags.String("listen", "127.0.0.1:3000", "where webhooks are taken")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	s := &shop{api: *api, key: *key, secret: *secret, out: out, orders: map[string]*sale{}, seen: map[string]bool{}}
	server := &http.Server{Handler: http.HandlerFunc(s.webhook), ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second}
	defer server.Close()
	if *register != "" {
		if s.secret, err = s.createWebhook(ctx, *register); err != nil {
			return err
		}
	}
	if s.secret == "" {
		return errors.New("a webhook's secret is needed: give -secret, or -register with an address the server can reach")
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.say("taking webhooks at http://%s/", listener.Addr())

	link, err := s.sell(ctx, *order, *destination, *amount)
	if err != nil {
		return err
	}
	s.say("send the payer to %s", link)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// shop keeps its orders in memory; a real one has a database, with the same two
// questions: have I seen this delivery, and is this order paid already?
type shop struct {
	api, key, secret string
	out              io.Writer

	mu     sync.Mutex
	orders map[string]*sale // by the request's id
	seen   map[string]bool  // deliveries, by their id
}

type sale struct {
	order string
	paid  bool
}

func (s *shop) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// sell creates the payment of an order. Run again after a crash or a timeout it
// gets the same payment, because the order's name is the idempotency key.
func (s *shop) sell(ctx context.Context, order, destination, amount string) (link string, err error) {
	request := map[string]string{"amount": amount}
	if destination != "" {
		request["destinationId"] = destination
	}
	var made struct {
		RequestIDs []string `json:"requestIds"`
		Link       string   `json:"securePaymentUrl"`
	}
	body := map[string]any{"requests": []any{request}, "reference": order}
	if err := s.call(ctx, "/v2/secure-payments", order, body, &made); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range made.RequestIDs {
		s.orders[id] = &sale{order: order}
	}
	return made.Link, nil
}

// createWebhook asks for webhooks at an address; the secret is told this once.
func (s *shop) createWebhook(ctx context.Context, address string) (string, error) {
	var made struct {
		Secret string `json:"secret"`
	}
	err := s.call(ctx, "/v1/webhook", "", map[string]any{"url": address}, &made)
	return made.Secret, err
}

func (s *shop) call(ctx context.Context, path, idempotencyKey string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	r.Header.Set("content-type", "application/json")
	r.Header.Set("x-api-key", s.key)
	if idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", idempotencyKey)
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	b, err = io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s answered %s: %s", path, reply.Status, b)
	}
	return json.Unmarshal(b, answer)
}

// webhook takes one delivery. It answers at once; a real shop would put what
// takes long, such as mail, into a queue of its own.
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
		Event     string `json:"event"`
		RequestID string `json:"requestId"`
		Currency  string `json:"currency"`
		Paid      string `json:"totalAmountPaid"`
		TxHash    string `json:"txHash"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("webhook-id")
	if s.seen[id] {
		s.say("saw %s before", id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.seen[id] = true // in a database: in the transaction that marks the order paid
	sold := s.orders[event.RequestID]
	test := r.Header.Get("x-request-network-test") == "true"
	if event.Event == "payment.confirmed" && sold != nil && !sold.paid && !test {
		sold.paid = true
		s.say("%s is paid: %s %s with %s", sold.order, event.Paid, event.Currency, event.TxHash)
	}
	w.WriteHeader(http.StatusNoContent)
}
