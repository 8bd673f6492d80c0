package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// manyAt is how many requests with one key come at once.
const manyAt = 200

func TestManyWithOneKey(t *testing.T) {
	databases := map[string]func(t *testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			dsn := database(t)
			w := webtest.NewWith(t, webtest.Options{Database: dsn})
			servers := []*webtest.World{w}
			if dsn != "" { // a second server on the same database
				other := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain})
				other.APIKey = w.APIKey
				servers = append(servers, other)
			}
			atOnce(t, servers, hooks, hook(1))
			if n := len(endpoints(t, w)); n != 1 {
				t.Errorf("%d endpoints", n)
			}
			atOnce(t, servers, route, usdc("1"))
			all, err := w.App.Store.Overdue(t.Context(), time.Now().Add(30*24*time.Hour), 10)
			if err != nil || len(all) != 1 {
				t.Errorf("%d payments, %v", len(all), err)
			}
		})
	}
}

// atOnce sends one request with one key many times, and checks that one had an
// effect and all others the same answer, or the word to come back.
func atOnce(t *testing.T, servers []*webtest.World, path, body string) {
	t.Helper()
	var made, repeated, running atomic.Int32
	var answers sync.Map
	var group sync.WaitGroup
	for i := range manyAt {
		group.Go(func() {
			r := servers[i%len(servers)].API(http.MethodPost, path, body, "Idempotency-Key: one")
			switch {
			case r.Status == http.StatusConflict && strings.Contains(string(r.Body), `"idempotency_key_running"`) && r.Header.Get("Retry-After") == "1":
				running.Add(1)
				return
			case r.Status != http.StatusCreated:
				t.Errorf("status %d: %s", r.Status, r.Body)
			case r.Header.Get("Idempotent-Replayed") == "true":
				repeated.Add(1)
			default:
				made.Add(1)
			}
			answers.Store(string(r.Body), true)
		})
	}
	group.Wait()
	different := 0
	answers.Range(func(any, any) bool { different++; return true })
	if made.Load() != 1 || different != 1 || made.Load()+repeated.Load()+running.Load() != manyAt {
		t.Errorf("%s: %d made, %d repeated, %d running, %d different answers", path, made.Load(), repeated.Load(), running.Load(), different)
	}
}
