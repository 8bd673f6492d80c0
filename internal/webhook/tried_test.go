package webhook_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/span"
	"quittance/internal/webhook"
)

func TestAttemptsAreToldWithTheTimeSinceTheirEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []int{500, 200}
		var named []string
		client := &http.Client{Transport: scripted(func(r *http.Request) (int, error) {
			named = append(named, r.Header.Get("Traceparent"))
			status := answers[0]
			answers = answers[1:]
			return status, nil
		})}
		m := newMemory(endpoint("one", "https://hooks.example.com/"))
		id := payment.NewULID(time.Now())
		m.events[id] = payment.Event{ID: id, Seq: 1, Payment: "P1", Merchant: shop, Dialect: "request", Kind: payment.EventPaid, At: time.Now()}
		m.payments["P1"] = &payment.Payment{ID: "P1", Terms: payment.Terms{Merchant: shop}}
		var told []webhook.Tried
		s := webhook.New(webhook.Config{
			Store: m, Guard: &webhook.Guard{}, Client: client, Log: quiet(),
			Encoders: map[string]webhook.Encoder{"request": &wording{messages: []webhook.Message{confirmed}}},
			Tried:    func(x webhook.Tried) { told = append(told, x) },
		})
		ctx, end := span.Root(t.Context(), sdk.NewTracerProvider().Tracer(span.Scope), "test")
		defer end(nil)
		time.Sleep(3 * time.Second) // the relay is late
		if err := s.Relay(ctx, job.Job{Kind: webhook.RelayKind, Args: id}); err != nil {
			t.Fatal(err)
		}
		until(ctx, m, s, m.only(t).ID)
		want := []webhook.Tried{
			{Dialect: "request", Left: webhook.Queued, First: true, Lag: 3 * time.Second},
			{Dialect: "request", Left: webhook.Delivered, Lag: 4 * time.Second},
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %+v", told)
		}
		if !slices.Equal(named, []string{"", ""}) {
			t.Errorf("receivers were told of traces: %q", named)
		}
	})
}
