package request

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
)

// book is a ledger in memory.
type book struct {
	answers map[checkout.IdempotencyKey]checkout.Answer
	effects int
}

func (b *book) Answer(_ context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	if a, ok := b.answers[k]; ok {
		return &a, nil
	}
	return nil, nil
}

type inside struct{}

func (b *book) Once(ctx context.Context, once *checkout.Once, _ time.Time, do func(context.Context) (checkout.Answer, error)) (checkout.Answer, bool, error) {
	b.effects++
	a, err := do(context.WithValue(ctx, inside{}, true))
	if err == nil && once != nil {
		a.RequestHash = once.RequestHash
		b.answers[once.Key] = a
	}
	return a, false, err
}

func anybody(echo.Context) (caller, error) {
	return caller{Credential: merchant.Credential{ID: "k", Merchant: "m"}}, nil
}

func ask(h echo.HandlerFunc, key string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(`{}`))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	rec := httptest.NewRecorder()
	return rec, h(echo.New().NewContext(r, rec))
}

// While the first runs, a second with its key is told to come back, and does not
// do the work of planning twice.
func TestSecondWhileTheFirstRuns(t *testing.T) {
	d := &dialect{config: config{Ledger: &book{answers: map[checkout.IdempotencyKey]checkout.Answer{}}}}
	planning, goOn := make(chan bool, 1), make(chan bool)
	plans := 0
	h := d.once(anybody, func(echo.Context, caller, []byte) (effect, error) {
		plans++
		planning <- true
		<-goOn
		return func(context.Context) (reply, error) { return reply{http.StatusCreated, map[string]int{"n": 1}}, nil }, nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := ask(h, "k")
		done <- err
	}()
	<-planning
	if _, err := ask(h, "k"); !fault.Is(err, fault.Conflict) || fault.From(err).Code != "idempotency_key_running" {
		t.Errorf("the second: %v", err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	rec, err := ask(h, "k")
	if err != nil || rec.Code != http.StatusCreated || strings.TrimSpace(rec.Body.String()) != `{"n":1}` || rec.Header().Get("Idempotent-Replayed") != "true" || plans != 1 {
		t.Errorf("afterwards: %d %s after %d plans, %v", rec.Code, rec.Body, plans, err)
	}
}

// The request's context is the effect's while it runs, and no longer.
func TestEffectsHaveOneContext(t *testing.T) {
	b := &book{answers: map[checkout.IdempotencyKey]checkout.Answer{}}
	d := &dialect{config: config{Ledger: b}}
	var request echo.Context
	h := d.once(anybody, func(c echo.Context, _ caller, body []byte) (effect, error) {
		if string(body) != "{}" {
			t.Errorf("body %q", body)
		}
		request = c
		return func(ctx context.Context) (reply, error) {
			if ctx.Value(inside{}) == nil || c.Request().Context().Value(inside{}) == nil {
				t.Error("the effect runs outside of its transaction")
			}
			return reply{status: http.StatusNoContent}, nil
		}, nil
	})
	if rec, err := ask(h, ""); err != nil || rec.Code != http.StatusNoContent || rec.Body.Len() != 0 {
		t.Errorf("%d %s, %v", rec.Code, rec.Body, err)
	}
	if request.Request().Context().Value(inside{}) != nil {
		t.Error("the request keeps the context of a transaction that is over")
	}
	failing := d.once(anybody, func(echo.Context, caller, []byte) (effect, error) {
		return func(context.Context) (reply, error) { return reply{}, errors.New("no") }, nil
	})
	if _, err := ask(failing, "k"); err == nil || len(b.answers) != 0 {
		t.Errorf("a failure: %v, kept %v", err, b.answers)
	}
	if _, err := ask(h, "k"); err != nil {
		t.Errorf("a failure keeps its key: %v", err)
	}
}
