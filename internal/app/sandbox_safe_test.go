//go:build !nosandbox

package app_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// see fetches a page under a host's name without following it elsewhere.
func (d *demo) see(url, host string) (*http.Response, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Host = host
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer, string(text)
}

func TestTheDemosSafeAppFramesTheCheckoutAndNothingElse(t *testing.T) {
	d := startDemo(t, "")
	safe := d.Sandbox.Safe
	port := d.BaseURL[strings.LastIndex(d.BaseURL, ":"):]
	if safe.AppURL != "http://localhost"+port+"/sandbox/safe" || len(safe.Owners) != 3 || safe.Threshold != 2 || safe.Owners[0] != d.Payer.Address {
		t.Fatalf("the demo's Safe is %+v", safe)
	}
	at := d.BaseURL + "/sandbox/safe?app=x"
	page, text := d.see(at, "localhost"+port)
	policy := page.Header.Get("Content-Security-Policy")
	if page.StatusCode != http.StatusOK || !strings.Contains(text, safe.Address) || !strings.Contains(policy, "frame-src "+d.BaseURL+";") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the Safe app: status %d, policy %s", page.StatusCode, policy)
	}
	if page, _ := d.see(at, d.BaseURL[len("http://"):]); page.Header.Get("Location") != safe.AppURL+"?app=x" {
		t.Errorf("under the checkout's own origin: status %d to %q", page.StatusCode, page.Header.Get("Location"))
	}
	for _, path := range []string{"/sandbox/safe", "/sandbox/safe/base"} {
		if page, _ := d.see(d.BaseURL+path, "sandbox.example:80"); page.StatusCode != http.StatusForbidden {
			t.Errorf("%s for another host: status %d", path, page.StatusCode)
		}
	}
	// The checkout may be framed by that app alone.
	link, _ := d.order()
	page, _ = d.see(d.BaseURL+"/?token="+link, "")
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors http://localhost"+port+";") {
		t.Errorf("the checkout's policy is %s", policy)
	}
	var said struct {
		Address  string
		Balances map[string]string
	}
	for _, c := range []string{"base", "arbitrum-one"} {
		if status := d.ask(http.MethodGet, d.BaseURL+"/sandbox/safe/"+c, nil, &said); status != http.StatusOK || said.Address != safe.Address || said.Balances["USDC"] == "0" {
			t.Errorf("%s: status %d %+v", c, status, said)
		}
	}
}
