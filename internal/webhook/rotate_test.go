package webhook_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
)

// A receiver that verifies one header with one secret must accept every delivery
// from before a rotation to after its overlap, if it changes its secret within.
func TestRotationBreaksNoReceiver(t *testing.T) {
	old := webhook.NewSecret()
	r := webhooktest.New(t, old)
	e := endpoint("one", r.URL)
	e.Secret = old
	m, s, j := one(t, e, local()) // queued before the rotation
	secret, until, err := s.Rotate(t.Context(), e, time.Hour)
	if err != nil || !until.After(time.Now().Add(59*time.Minute)) {
		t.Fatalf("until %v, %v", until, err)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got := r.Received()[0]
	if err := webhooktest.Verify(old, got.Header, got.Body, time.Now()); err != nil {
		t.Errorf("a receiver with the old secret refuses it: %v", err)
	}
	if err := webhooktest.Verify(secret, got.Header, got.Body, time.Now()); err != nil {
		t.Errorf("a receiver with the new secret refuses it: %v", err)
	}
	if n := len(strings.Fields(got.Header.Get(webhook.HeaderSignature))); n != 2 {
		t.Errorf("%d signatures, want 2", n)
	}

	// The overlap is over: only the new secret signs.
	if err := m.set("one", func(e *merchant.Endpoint) { e.PreviousUntil = time.Now() }); err != nil {
		t.Fatal(err)
	}
	if err := s.Replay(t.Context(), j.Args); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got = r.Received()[1]
	if webhooktest.Verify(old, got.Header, got.Body, time.Now()) == nil {
		t.Error("the old secret signs after the overlap")
	}
	if err := webhooktest.Verify(secret, got.Header, got.Body, time.Now()); err != nil {
		t.Errorf("a receiver with the new secret refuses it: %v", err)
	}
	if n := len(strings.Fields(got.Header.Get(webhook.HeaderSignature))); n != 1 {
		t.Errorf("%d signatures, want 1", n)
	}
}

func TestRotateRefuses(t *testing.T) {
	e := endpoint("one", "https://one.example.com/")
	m := newMemory(e)
	s := service(m, nil, &wording{})
	for _, overlap := range []time.Duration{-time.Second, webhook.MaxOverlap + time.Second} {
		if _, _, err := s.Rotate(t.Context(), e, overlap); !fault.Is(err, fault.Invalid) {
			t.Errorf("overlap %v: got %v, want Invalid", overlap, err)
		}
	}
	if _, _, err := s.Rotate(t.Context(), e, webhook.MaxOverlap); err != nil {
		t.Fatal(err)
	}
	e = m.endpoints[0]
	_, _, err := s.Rotate(t.Context(), e, time.Hour)
	if f := fault.From(err); f == nil || f.Code != "rotation_running" || f.Field != "overlapHours" {
		t.Errorf("while an overlap lasts: got %v", err)
	}
	// A secret that leaked is replaced at once, overlap or not.
	secret, until, err := s.Rotate(t.Context(), e, 0)
	if err != nil || !until.IsZero() {
		t.Fatalf("at once: until %v, %v", until, err)
	}
	if got := webhook.Secrets(m.endpoints[0], time.Now()); len(got) != 1 || got[0] != secret {
		t.Errorf("%d secrets sign, want the new one alone", len(got))
	}
}

func TestRegister(t *testing.T) {
	m := newMemory()
	s := service(m, nil, &wording{})
	register := func(url, client string) error {
		_, err := s.Register(t.Context(), shop, url, client)
		return err
	}
	if err := register("https://shop.example.com/a", ""); err != nil {
		t.Fatal(err)
	}
	if err := register("https://shop.example.com/b", "cli_a"); err != nil {
		t.Fatal(err)
	}
	if err := register("https://shop.example.com/b", "cli_b"); err != nil {
		t.Errorf("one URL for two client ids: %v", err)
	}
	for what, c := range map[string][2]string{
		"the same":                       {"https://shop.example.com/a", ""},
		"the same of a client id":        {"https://shop.example.com/b", "cli_a"},
		"a client id's, heard of by all": {"https://shop.example.com/a", "cli_a"},
		"all, heard of by a client id":   {"https://shop.example.com/b", ""},
	} {
		f := fault.From(register(c[0], c[1]))
		if f == nil || f.Kind != fault.Invalid || f.Field != "url" ||
			f.Public != "Webhook already exists, or a platform-level webhook with this URL already exists" {
			t.Errorf("%s: got %v", what, f)
		}
	}
	if err := register("http://shop.example.com/", ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("without TLS: got %v", err)
	}
	for i := len(m.endpoints); i < 200; i++ {
		if err := register("https://shop.example.com/"+strings.Repeat("x", i), ""); err != nil {
			t.Fatalf("endpoint %d: %v", i+1, err)
		}
	}
	if f := fault.From(register("https://shop.example.com/more", "")); f == nil || f.Code != "too_many_webhooks" {
		t.Errorf("endpoint 201: got %v", f)
	}
}
