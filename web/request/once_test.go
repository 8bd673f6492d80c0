package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"quittance/internal/merchant"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

const hooks = "/v1/webhook"

// hook is the body that registers an endpoint.
func hook(n any) string { return fmt.Sprintf(`{"url":"http://127.0.0.1:9/%v"}`, n) }

func endpoints(t testing.TB, w *webtest.World) []merchant.Endpoint {
	t.Helper()
	all, err := w.App.Store.Endpoints(t.Context(), w.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestIdempotentPosts(t *testing.T) {
	w := webtest.New(t)
	key := "Idempotency-Key: order-1"
	first := w.API(http.MethodPost, hooks, hook(1), key).Want(http.StatusCreated)
	if first.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first says that it is a repeat")
	}
	again := w.API(http.MethodPost, hooks, hook(1), key).Want(http.StatusCreated)
	if string(again.Body) != string(first.Body) || again.Header.Get("Idempotent-Replayed") != "true" ||
		again.Header.Get("Content-Type") != first.Header.Get("Content-Type") {
		t.Errorf("the repeat: %s, %v", again.Body, again.Header)
	}
	if n := len(endpoints(t, w)); n != 1 {
		t.Fatalf("%d endpoints", n)
	}
	reused := func(r webtest.Response) {
		t.Helper()
		if body := r.Want(http.StatusUnprocessableEntity).JSON(); body["code"] != "idempotency_key_reused" {
			t.Errorf("got %v", body)
		}
	}
	reused(w.API(http.MethodPost, hooks, hook(2), key))
	reused(w.API(http.MethodPost, hooks, hook(1)+" ", key))
	reused(w.API(http.MethodPost, hooks+"?x", hook(1), key))
	client := addClientID(t, w)
	reused(w.API(http.MethodPost, hooks, hook(1), key, client))
	// Keys of other routes, of other callers and of other merchants are others.
	w.API(http.MethodPost, route, usdc("1"), key).Want(http.StatusCreated)
	w.Do(http.MethodPost, hooks, hook("client"), key, client).Want(http.StatusCreated)
	other := w.AddMerchant("Other")
	w.Do(http.MethodPost, hooks, hook(1), key, "X-Api-Key: "+other).Want(http.StatusCreated)
	letIn(t, w, w.Chain.Wallet)
	token, _ := signIn(t, w, w.Chain.Wallet)
	w.Do(http.MethodPost, hooks, hook("session"), key, "Authorization: Bearer "+token).Want(http.StatusCreated)

	// What was refused left nothing: the key is free.
	free := "Idempotency-Key: order-2"
	w.API(http.MethodPost, hooks, hook(1), free).Want(http.StatusBadRequest)
	w.API(http.MethodPost, hooks, `{}`, free).Want(http.StatusBadRequest)
	w.API(http.MethodPost, hooks, hook(3), free).Want(http.StatusCreated)
	// Without a key every request counts.
	w.API(http.MethodPost, hooks, hook(4)).Want(http.StatusCreated)
	w.API(http.MethodPost, hooks, hook(4)).Want(http.StatusBadRequest)

	for _, bad := range []string{"", strings.Repeat("k", 256), "ключ", "a b", "a\tb"} {
		body := w.API(http.MethodPost, hooks, hook(5), "Idempotency-Key: "+bad).Want(http.StatusBadRequest).JSON()
		if body["code"] != "invalid_idempotency_key" || body["field"] != "Idempotency-Key" {
			t.Errorf("%q: %v", bad, body)
		}
	}
	w.API(http.MethodPost, hooks, hook(5), key, key).Want(http.StatusBadRequest)
	w.API(http.MethodPost, hooks, hook(5), "Idempotency-Key: "+strings.Repeat("k", 255)).Want(http.StatusCreated)
	// Who may not, does not learn what was answered.
	if r := w.Do(http.MethodPost, hooks, hook(1), key).Want(http.StatusUnauthorized); strings.Contains(string(r.Body), "secret") {
		t.Errorf("told to nobody in particular: %s", r.Body)
	}
}

func TestManyWithOneKey(t *testing.T) {
	for name, options := range map[string]func(t *testing.T) webtest.Options{
		"sqlite":   func(*testing.T) webtest.Options { return webtest.Options{} },
		"postgres": func(t *testing.T) webtest.Options { return webtest.Options{Database: pgtest.DSN(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			w := webtest.NewWith(t, options(t))
			var made, repeated, running atomic.Int32
			var answers sync.Map
			var group sync.WaitGroup
			for range 200 {
				group.Go(func() {
					r := w.API(http.MethodPost, hooks, hook(1), "Idempotency-Key: one")
					switch {
					case r.Status == http.StatusConflict && r.JSON()["code"] == "idempotency_key_running" && r.Header.Get("Retry-After") == "1":
						running.Add(1)
					case r.Status != http.StatusCreated:
						t.Errorf("status %d: %s", r.Status, r.Body)
					case r.Header.Get("Idempotent-Replayed") == "true":
						repeated.Add(1)
						answers.Store(string(r.Body), true)
					default:
						made.Add(1)
						answers.Store(string(r.Body), true)
					}
				})
			}
			group.Wait()
			different := 0
			answers.Range(func(any, any) bool { different++; return true })
			if n := len(endpoints(t, w)); made.Load() != 1 || n != 1 || different != 1 || made.Load()+repeated.Load()+running.Load() != 200 {
				t.Errorf("%d made, %d repeated, %d running: %d endpoints, %d different answers", made.Load(), repeated.Load(), running.Load(), n, different)
			}
		})
	}
}
