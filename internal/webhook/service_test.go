package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// wording is a dialect's encoder that says what the test tells it to, with the
// headers of the Request API.
type wording struct {
	messages []webhook.Message
	err      error
}

func (w *wording) Encode(context.Context, payment.Event, *payment.Payment) ([]webhook.Message, error) {
	return w.messages, w.err
}

func (w *wording) Tells(payment.EventKind) bool { return true }

func (w *wording) Disabled(e merchant.Endpoint) (webhook.Message, error) {
	return webhook.Message{Event: "webhook.disabled", Body: []byte(`{"event":"webhook.disabled","webhookId":"` + e.ID + `","reason":"` + e.DisabledWhy + `"}`)}, w.err
}

func (w *wording) Headers(d webhook.Delivery, secrets []string, _ time.Time) map[string]string {
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.Body)
		return hex.EncodeToString(mac.Sum(nil))
	}
	h := map[string]string{
		"x-request-network-signature":   sign(secrets[len(secrets)-1]),
		"x-request-network-delivery":    d.ID,
		"x-request-network-retry-count": strconv.Itoa(d.Attempts),
	}
	if len(secrets) > 1 {
		h["x-request-network-signature-next"] = sign(secrets[0])
	}
	if d.Test {
		h["x-request-network-test"] = "true"
	}
	return h
}

const shop = payment.MerchantID("01JSHOP")

// confirmed is a message whose bytes trip every receiver that re-encodes.
var confirmed = webhook.Message{
	Event: "payment.confirmed",
	Body:  []byte(`{"event":"payment.confirmed","amount":"100.0","reference":"<a href=\"x\">&é😀 \u0001\t/","txHash":null,"fees":[]}`),
}

func endpoint(id, url string) merchant.Endpoint {
	return merchant.Endpoint{ID: id, Merchant: shop, URL: url, Secret: webhook.NewSecret(), Active: true}
}

func service(store webhook.Store, client *http.Client, w *wording) *webhook.Service {
	return webhook.New(webhook.Config{
		Store: store, Guard: &webhook.Guard{AllowLoopback: true}, Client: client,
		Encoders: map[string]webhook.Encoder{"request": w}, Log: quiet(),
	})
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

var happened = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// withEvent puts one event of a payment that a client id made ("" for a key).
func withEvent(m *memory, clientID string) job.Job {
	m.events["E1"] = payment.Event{ID: "E1", Seq: 3, Payment: "P1", Merchant: shop, Dialect: "request", Kind: payment.EventPaid, At: happened}
	m.payments["P1"] = &payment.Payment{ID: "P1", Terms: payment.Terms{Merchant: shop, ClientID: clientID}}
	return job.Job{Kind: webhook.RelayKind, Args: "E1"}
}

func TestRelayReachesTheEndpointsThatAreToHear(t *testing.T) {
	off := endpoint("off", "https://off.example.com/")
	off.Active = false
	stranger := endpoint("stranger", "https://s.example.com/")
	stranger.Merchant = "01JOTHER"
	ofA, ofB := endpoint("ofA", "https://a.example.com/"), endpoint("ofB", "https://b.example.com/")
	ofA.ClientID, ofB.ClientID = "cli_a", "cli_b"
	all := []merchant.Endpoint{endpoint("shop", "https://shop.example.com/"), off, stranger, ofA, ofB}

	base := webhook.Message{Event: "payment.confirmed", Body: []byte(`{}`)}
	forA := webhook.Message{Event: "payment.confirmed.client_id", Body: []byte(`{"clientId":"cli_a"}`), ClientID: "cli_a"}
	for _, c := range []struct {
		name     string
		clientID string
		messages []webhook.Message
		want     []string
	}{
		{"made with a key", "", []webhook.Message{base}, []string{"payment.confirmed>shop"}},
		{"made by a client id", "cli_a", []webhook.Message{base, forA},
			[]string{"payment.confirmed>shop", "payment.confirmed>ofA", "payment.confirmed.client_id>ofA"}},
		{"a client id's message is not for others", "cli_b", []webhook.Message{forA}, nil},
		{"nothing to say", "", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(all...)
			j := withEvent(m, c.clientID)
			s := service(m, nil, &wording{messages: c.messages})
			for range 2 { // done again, it changes nothing
				if err := s.Relay(t.Context(), j); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, d := range m.all() {
				got = append(got, d.Event+">"+d.Endpoint)
				if d.EventID != "E1" || d.Payment != "P1" || d.Merchant != shop || d.Dialect != "request" ||
					d.State != webhook.Queued || d.Test || d.NextAt.IsZero() || d.CreatedAt.IsZero() {
					t.Errorf("delivery %+v", d)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("deliveries %q, want %q", got, c.want)
			}
			// The feed has every message once, also those that nobody hears.
			if len(m.entries) != len(c.messages) {
				t.Errorf("feed %+v, want %d entries", m.entries, len(c.messages))
			}
			for i, e := range m.entries {
				if e.Event != c.messages[i].Event || e.EventID != "E1" || e.Payment != "P1" || e.Merchant != shop || e.Sequence != 3 ||
					e.ClientID != c.clientID || string(e.Body) != string(c.messages[i].Body) || !e.At.Equal(happened) {
					t.Errorf("entry %+v", e)
				}
			}
		})
	}
}

func TestRelayOfALaterSetOfEndpointsKeepsTheFirstDelivery(t *testing.T) {
	m := newMemory(endpoint("one", "https://one.example.com/"))
	j := withEvent(m, "")
	s := service(m, nil, &wording{messages: []webhook.Message{confirmed}})
	if err := s.Relay(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	first := m.only(t)
	m.endpoints = append(m.endpoints, endpoint("two", "https://two.example.com/"))
	if err := s.Relay(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if _, kept := m.deliveries[first.ID]; !kept || len(m.deliveries) != 2 {
		t.Errorf("%d deliveries, the first one kept: %t, want 2", len(m.deliveries), kept)
	}
}

func TestRelayFails(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name    string
		dialect string
		w       wording
		want    string
	}{
		{"no such dialect", "morse", wording{}, `relaying event E1: no encoder for dialect "morse"`},
		{"encoder fails", "request", wording{err: boom}, "wording event E1: boom"},
		{"two messages of one name", "request", wording{messages: []webhook.Message{confirmed, confirmed}},
			`wording event E1: two messages are named "payment.confirmed"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory(endpoint("one", "https://one.example.com/"))
			j := withEvent(m, "")
			e := m.events["E1"]
			e.Dialect = c.dialect
			m.events["E1"] = e
			err := service(m, nil, &c.w).Relay(t.Context(), j)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if len(m.deliveries) != 0 {
				t.Errorf("%d deliveries were saved", len(m.deliveries))
			}
		})
	}
}

func TestRelayOfAnUnknownEventIsNotTriedAgain(t *testing.T) {
	err := service(newMemory(), nil, &wording{}).Relay(t.Context(), job.Job{Args: "gone"})
	if !fault.Is(err, fault.NotFound) {
		t.Fatalf("got %v, want the store's fault", err)
	}
	if errors.Is(err, context.Canceled) {
		t.Fatal("a cancelled job must not look like a cancelled context")
	}
}

func TestTestQueuesForActiveEndpoints(t *testing.T) {
	on, off := endpoint("on", "https://on.example.com/"), endpoint("off", "https://off.example.com/")
	off.Active = false
	m := newMemory(on, off)
	s := service(m, nil, &wording{})
	for range 2 { // two tests are two deliveries
		ds, err := s.Test(t.Context(), "request", confirmed, on, off)
		if err != nil || len(ds) != 1 || !ds[0].Test || ds[0].EventID != "" || ds[0].Endpoint != "on" {
			t.Fatalf("got %+v, %v", ds, err)
		}
	}
	if got := len(m.all()); got != 2 {
		t.Errorf("%d deliveries, want 2", got)
	}
	if _, err := s.Test(t.Context(), "request", confirmed, off); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
	if _, err := s.Test(t.Context(), "morse", confirmed, on); err == nil {
		t.Error("a test in an unknown dialect was queued")
	}
}

func TestListPagesNewestFirst(t *testing.T) {
	m := newMemory(endpoint("one", "https://one.example.com/"))
	s := service(m, nil, &wording{})
	for range 260 {
		if _, err := s.Test(t.Context(), "request", confirmed, m.endpoints[0]); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ limit, want int }{{0, 50}, {-1, 50}, {7, 7}, {10_000, 200}} {
		ds, err := s.List(t.Context(), webhook.Filter{Limit: c.limit})
		if err != nil || len(ds) != c.want {
			t.Errorf("limit %d: %d deliveries, %v, want %d", c.limit, len(ds), err, c.want)
		}
	}
	first, _ := s.List(t.Context(), webhook.Filter{Limit: 200})
	rest, err := s.List(t.Context(), webhook.Filter{Limit: 200, Before: first[199].ID})
	if err != nil || len(rest) != 60 || rest[0].ID >= first[199].ID {
		t.Errorf("second page has %d, %v", len(rest), err)
	}
	if _, err := s.List(t.Context(), webhook.Filter{State: "lost"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("unknown state: got %v, want Invalid", err)
	}
}
