package pay_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"quittance/web/webtest"
)

// One link cannot take all streams, and a reader who leaves gives theirs back.
func TestStreamsAreBoundedAndGivenBack(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	s := httptest.NewServer(w.App.Server)
	defer s.Close()
	open := func(ctx context.Context) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/checkout/"+token+"/events", nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		if resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
		}
		return resp.StatusCode
	}
	for range 2 { // the second time shows that the first was cleaned up
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var mu sync.Mutex
		var wg sync.WaitGroup
		statuses := map[int]int{}
		for range 70 {
			wg.Go(func() {
				got := open(ctx)
				mu.Lock()
				defer mu.Unlock()
				statuses[got]++
			})
		}
		wg.Wait()
		if statuses[http.StatusOK] != 64 || statuses[http.StatusTooManyRequests] != 6 {
			t.Errorf("got %v", statuses)
		}
		cancel()
		w.Await("the streams to end", func() bool {
			one, stop := context.WithTimeout(t.Context(), 5*time.Second)
			defer stop()
			return open(one) == http.StatusOK
		})
		s.CloseClientConnections()
	}
	// The page itself, and asking for the status, go on under all this.
	w.Get("/checkout/" + token + "/status").Want(http.StatusOK)
}

func TestHeadAndOrigin(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	for path, want := range map[string]int{
		"/?token=" + token: 200, "/" + token: 200, "/": 404, "/healthz": 200, "/readyz": 200,
	} {
		if got := w.Do(http.MethodHead, path, ""); got.Status != want {
			t.Errorf("HEAD %s: got %d, want %d", path, got.Status, want)
		}
	}
	// Behind a proxy that changes the Host header the public origin still is ours.
	body := `{"event":"wallet_rejected"}`
	for origin, want := range map[string]int{
		webtest.BaseURL: 204, "https://evil.example": 403, "null": 403, webtest.BaseURL + ".evil.example": 403, "http://pay.example.com": 403,
	} {
		if got := w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", body, "Origin: "+origin); got.Status != want {
			t.Errorf("Origin %s: got %d, want %d", origin, got.Status, want)
		}
	}
	if got := w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", body, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example"); got.Status != 403 {
		t.Errorf("another site: %d", got.Status)
	}
}
