package lifitest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

func command(t *testing.T, h http.Handler, method, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body)))
	return w
}

func TestTheRouterObeys(t *testing.T) {
	router := lifitest.New(lifitest.Options{})
	control := router.Control()
	chains := func() int {
		w := httptest.NewRecorder()
		router.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/chains", nil))
		return w.Code
	}
	if w := command(t, control, "PUT", `{"fail":{"status":503,"times":1},"cost":60,"age":"1s","delay":"1ms"}`); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if a, b := chains(), chains(); a != 503 || b != 200 {
		t.Errorf("answers %d and %d", a, b)
	}
	if w := command(t, control, "PUT", `{"limit":{"requests":1,"window":"1h"}}`); w.Code != http.StatusNoContent {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if a, b := chains(), chains(); a != 200 || b != 429 {
		t.Errorf("answers %d and %d", a, b)
	}
	if w := command(t, control, "PUT", `{}`); w.Code != http.StatusNoContent || chains() != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, body := range []string{``, `[]`, `{"lie":"the moon"}`, `{"dely":"1s"}`, `{"delay":"soon"}`, `{"age":"-1s"}`, `{"diamond":"0x12"}`, `{"fail":{"status":200}}`, `{"cost":5001}`} {
		if w := command(t, control, "PUT", body); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", body, w.Code)
		}
	}
}

func TestEveryLieIsListedAndTaken(t *testing.T) {
	control := lifitest.New(lifitest.Options{}).Control()
	var list struct {
		Lies []struct {
			Name      string
			About     lifitest.Trait
			RefusedBy []string
		}
	}
	if err := json.Unmarshal(command(t, control, "GET", "").Body.Bytes(), &list); err != nil || len(list.Lies) != len(lifitest.Lies()) {
		t.Fatalf("%d lies, %v", len(list.Lies), err)
	}
	for i, l := range lifitest.Lies() {
		if got := list.Lies[i]; got.Name != l.Name || got.About != l.About || !reflect.DeepEqual(got.RefusedBy, l.Refuses) {
			t.Errorf("%+v", got)
		}
		body, _ := json.Marshal(map[string]string{"lie": l.Name})
		if w := command(t, control, "PUT", string(body)); w.Code != http.StatusNoContent {
			t.Errorf("%s: %d %s", l.Name, w.Code, w.Body)
		}
	}
}

// Whoever moves the money says how transfers stand.
func TestTransfersOfARunningBridge(t *testing.T) {
	hash := "0x" + strings.Repeat("ab", 32)
	router := lifitest.New(lifitest.Options{Status: func(_ context.Context, q lifi.StatusQuery) (lifi.Status, bool) {
		if q.TxHash != hash || q.From != asset.SandboxArbitrum {
			return lifi.Status{}, false
		}
		return lifi.Status{State: lifi.StatePending, Substate: "WAIT_DESTINATION_TRANSACTION"}, true
	}})
	client, err := lifi.NewClient(lifi.Config{Transport: lifitest.Transport{Router: router}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Status(t.Context(), lifi.StatusQuery{TxHash: hash, From: asset.SandboxArbitrum})
	if err != nil || s.Progress() != lifi.Underway {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = client.Status(t.Context(), lifi.StatusQuery{TxHash: "0x" + strings.Repeat("cd", 32), From: asset.SandboxArbitrum})
	if err != nil || s.Progress() != lifi.Unseen {
		t.Errorf("%+v, %v", s, err)
	}
}

func Example() {
	router := lifitest.New(lifitest.Options{Now: func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }})
	server, err := lifitest.Serve(router)
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := lifi.NewClient(lifi.Config{BaseURL: server.URL})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	router.Behave(lifitest.Behaviour{Diamond: lifitest.Thief})
	err = client.CheckPins(context.Background())
	fmt.Println(strings.SplitN(err.Error(), "\n", 2)[0])
	// Output: chain 1: diamondAddress is pinned as 0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE, the routing service says 0x6666000000000000000000000000000000000066
}
