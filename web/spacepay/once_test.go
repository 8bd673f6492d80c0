package spacepay

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
	"quittance/web"
)

// answers is a ledger in memory.
type answers map[checkout.IdempotencyKey]checkout.Answer

func (a answers) Answer(_ context.Context, k checkout.IdempotencyKey) (*checkout.Answer, error) {
	if k.Key == "broken" {
		return nil, errors.New("the database is away")
	}
	if x, ok := a[k]; ok {
		return &x, nil
	}
	return nil, nil
}

func (answers) Once(context.Context, *checkout.Once, time.Time, func(context.Context) (checkout.Answer, error)) (checkout.Answer, bool, error) {
	return checkout.Answer{}, false, errors.New("creations do not come here")
}

func request(key, body string) echo.Context {
	r := httptest.NewRequest(http.MethodPost, backendPath, strings.NewReader(body))
	if key != "" {
		r.Header.Set(web.HeaderIdempotencyKey, key)
	}
	c := echo.New().NewContext(r, httptest.NewRecorder())
	c.SetPath(backendPath)
	return c
}

// A key is remembered for a day; whoever sends it then begins anew, all under one name.
func TestKeysAreKeptForADay(t *testing.T) {
	now, kept := created, answers{}
	d := &dialect{config: config{Ledger: kept, Now: func() time.Time { return now }}}
	name := func(merchant string) checkout.IdempotencyKey {
		t.Helper()
		once, leave, err := d.once(request("k", `{}`), "M", []byte(`{}`))
		if err != nil {
			t.Fatalf("%s: %v", merchant, err)
		}
		defer leave()
		return once.Key
	}
	var names []checkout.IdempotencyKey
	for day := range 4 {
		k := name("M")
		for _, before := range names {
			if before == k {
				t.Errorf("day %d: %q is named again", day, k.Key)
			}
		}
		names = append(names, k)
		kept[k] = checkout.Answer{At: now}
		for _, later := range []time.Duration{0, time.Hour, keysKept - 1} {
			now = kept[k].At.Add(later)
			if again := name("M"); again != k {
				t.Errorf("day %d, %s later: %q, want %q", day, later, again.Key, k.Key)
			}
		}
		now = kept[k].At.Add(keysKept)
	}
}

func TestKeysAreHeld(t *testing.T) {
	d := &dialect{config: config{Ledger: answers{}, Now: time.Now}}
	first, leave, err := d.once(request("k", ""), "M", []byte(`{"a":1, "b":[2]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.once(request("k", ""), "M", nil); !fault.Is(err, fault.Locked) {
		t.Errorf("while the first runs: %v", err)
	}
	if _, free, err := d.once(request("k", ""), "N", nil); err != nil {
		t.Errorf("another merchant's: %v", err)
	} else {
		free()
	}
	leave()
	for body, same := range map[string]bool{`{"b":[2],"a":1}`: true, ` {"a":1e0,"b":[2.0]}`: true, `{"a":1,"b":[2,3]}`: false, `{"a":"1","b":[2]}`: false, `{`: false, ``: false} {
		again, free, err := d.once(request("k", ""), "M", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		free()
		if (again.RequestHash == first.RequestHash) != same {
			t.Errorf("%s: the same: %t", body, !same)
		}
	}
	if once, free, err := d.once(request("", ""), "M", nil); once != nil || err != nil {
		t.Errorf("without a key: %v, %v", once, err)
	} else {
		free()
	}
	// What could not be looked up holds nothing.
	for range 2 {
		if _, _, err := d.once(request("broken", ""), "M", nil); err == nil || fault.Is(err, fault.Locked) {
			t.Errorf("%v", err)
		}
	}
}

// A panic is an error of this API too, and says nothing of its cause.
func TestPanicsHaveTheEnvelope(t *testing.T) {
	s := web.New(web.Config{BaseURL: "https://pay.example.com"})
	d := &dialect{config: config{Server: s}}
	d.api = s.API(d.fault, external)
	d.backend(http.MethodGet, external+"/boom", func(echo.Context) error { panic("secret cause") })
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, external+"/boom", nil))
	const want = `{"error":{"type":"api_error","message":"Something went wrong on our side. Please try again.","code":"internal"}}`
	if rec.Code != http.StatusInternalServerError || rec.Body.String() != want {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
