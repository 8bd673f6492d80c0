package request_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// credentialOf makes a credential of the world's merchant and returns its header.
func credentialOf(t testing.TB, w *webtest.World, kind merchant.CredentialKind, change func(*merchant.Credential)) string {
	t.Helper()
	now := time.Now().UTC()
	secret := merchant.NewSecret(kind, true)
	c := merchant.Credential{
		ID: payment.NewULID(now), Merchant: w.Merchant, Kind: kind, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), CreatedAt: now,
	}
	name := "X-Api-Key: "
	if kind == merchant.ClientID {
		c.Public, name = secret, "X-Client-Id: "
	}
	change(&c)
	if err := w.App.Store.InsertCredential(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return name + secret
}

// TestWhoMayCallWhat is every kind of credential against every class of endpoint.
func TestWhoMayCallWhat(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	letIn(t, w, w.Chain.Wallet)
	token, cookie := signIn(t, w, w.Chain.Wallet)
	payment := w.CreatePayment("1")
	asked := w.Load(payment).Terms.Requests[0].ID
	now := time.Now().UTC()
	same := func(*merchant.Credential) {}
	of := func(origins ...string) func(*merchant.Credential) {
		return func(c *merchant.Credential) { c.Origins = origins }
	}
	bound := func(c *merchant.Credential) {
		all, err := w.App.Store.ActiveDestinations(t.Context(), w.Merchant)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d destinations, %v", len(all), err)
		}
		c.Destination = all[0].ID
	}

	key, pages := credentialOf(t, w, merchant.APIKey, same), credentialOf(t, w, merchant.ClientID, of(shop))
	backend := credentialOf(t, w, merchant.ClientID, bound)
	revokedKey := credentialOf(t, w, merchant.APIKey, func(c *merchant.Credential) { c.RevokedAt = now })
	revoked := credentialOf(t, w, merchant.ClientID, func(c *merchant.Credential) { c.RevokedAt, c.Origins = now, []string{shop} })
	inactive := credentialOf(t, w, merchant.ClientID, func(c *merchant.Credential) { c.InactiveAt, c.Origins = now, []string{shop} })
	from, bearer := "Origin: "+shop, "Authorization: Bearer "+token

	// The classes: creation, reads with a credential of any kind, look-up by
	// request, management, sessions only.
	calls := []func(headers ...string) webtest.Response{
		func(h ...string) webtest.Response {
			return w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}]}`, h...)
		},
		func(h ...string) webtest.Response { return w.Do(http.MethodGet, route+"/"+payment, "", h...) },
		func(h ...string) webtest.Response { return w.Do(http.MethodGet, route+"?requestId="+asked, "", h...) },
		func(h ...string) webtest.Response { return w.Do(http.MethodGet, "/v2/client-ids", "", h...) },
		func(h ...string) webtest.Response { return w.Do(http.MethodGet, "/v1/auth/session", "", h...) },
	}
	for _, c := range []struct {
		name    string
		headers []string
		want    [5]int
		code    string // of every refusal with a status that all classes share
	}{
		{"nothing", nil, [5]int{401, 401, 401, 401, 401}, "missing_credential"},
		{"key", []string{key}, [5]int{201, 200, 200, 200, 403}, ""},
		{"key from a page", []string{key, "Origin: https://evil.example"}, [5]int{201, 200, 200, 200, 403}, ""},
		{"key with a client id", []string{key, pages}, [5]int{201, 200, 200, 200, 403}, ""},
		{"unknown key", []string{"X-Api-Key: qk_test_x"}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"empty key", []string{"X-Api-Key: "}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"unknown key with a client id", []string{"X-Api-Key: qk_test_x", pages, from}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"unknown key with a session", []string{"X-Api-Key: qk_test_x", bearer}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"revoked key", []string{revokedKey}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"two keys", []string{key, key}, [5]int{401, 401, 401, 401, 401}, "missing_credential"},
		{"a client id for a key", []string{"X-Api-Key: " + strings.TrimPrefix(pages, "X-Client-Id: ")}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"a key for a client id", []string{"X-Client-Id: " + strings.TrimPrefix(key, "X-Api-Key: ")}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"client id from its page", []string{pages, from}, [5]int{201, 200, 403, 403, 403}, ""},
		{"client id without an origin", []string{pages}, [5]int{403, 200, 403, 403, 403}, ""},
		{"client id from elsewhere", []string{pages, "Origin: https://evil.example"}, [5]int{403, 403, 403, 403, 403}, "origin_not_allowed"},
		{"unknown client id", []string{"X-Client-Id: cli_nobody", from}, [5]int{401, 401, 401, 401, 401}, "invalid_credential"},
		{"two client ids", []string{pages, backend, from}, [5]int{401, 401, 401, 401, 401}, "missing_credential"},
		{"revoked client id", []string{revoked, from}, [5]int{403, 403, 403, 403, 403}, "client_id_revoked"},
		{"inactive client id", []string{inactive, from}, [5]int{403, 403, 403, 403, 403}, "client_id_inactive"},
		{"backend", []string{backend}, [5]int{201, 200, 403, 403, 403}, ""},
		{"backend from a page", []string{backend, "Origin: https://anywhere.example"}, [5]int{201, 200, 403, 403, 403}, ""},
		{"orchestrator alone", []string{"X-Orchestrator-Key: orc_x"}, [5]int{401, 401, 401, 401, 401}, "orchestrator_unsupported"},
		{"orchestrator with a session", []string{"X-Orchestrator-Key: orc_x", bearer}, [5]int{401, 401, 401, 401, 401}, "orchestrator_unsupported"},
		{"orchestrator with a client id", []string{"X-Orchestrator-Key: orc_x", pages, from}, [5]int{201, 200, 403, 403, 403}, ""},
		{"session", []string{bearer}, [5]int{201, 200, 200, 200, 200}, ""},
		{"session in a cookie", []string{"Cookie: " + cookie}, [5]int{201, 200, 200, 200, 200}, ""},
		{"cookie from our own page", []string{"Cookie: " + cookie, "Origin: " + webtest.BaseURL}, [5]int{201, 200, 200, 200, 200}, ""},
		{"cookie from elsewhere", []string{"Cookie: " + cookie, "Origin: https://evil.example"}, [5]int{403, 200, 200, 200, 200}, ""},
		{"session with a client id", []string{bearer, pages, from}, [5]int{201, 200, 403, 403, 403}, ""},
		{"a session that is none", []string{"Authorization: Bearer qs_x"}, [5]int{401, 401, 401, 401, 401}, "session_over"},
	} {
		for i, call := range calls {
			r := call(c.headers...)
			if r.Status != c.want[i] {
				t.Errorf("%s, call %d: status %d, want %d: %s", c.name, i, r.Status, c.want[i], r.Body)
				continue
			}
			if r.Status < 400 {
				continue
			}
			if body := r.JSON(); body["message"] == "" || body["statusCode"] != float64(r.Status) || (c.code != "" && body["code"] != c.code) {
				t.Errorf("%s, call %d: %s, want code %q", c.name, i, r.Body, c.code)
			}
		}
	}
}

// Nothing but the very origin that is allowed is that origin.
func TestOriginsAreExact(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	allowed := []string{"https://shop.example.com", "https://xn--caf-dma.example:8443", "http://localhost:3000", "https://[2001:db8::1]"}
	id := credentialOf(t, w, merchant.ClientID, func(c *merchant.Credential) { c.Origins = allowed })
	call := func(origin ...string) webtest.Response {
		headers := []string{id}
		for _, o := range origin {
			headers = append(headers, "Origin: "+o)
		}
		return w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}]}`, headers...)
	}
	for _, origin := range allowed {
		r := call(origin).Want(http.StatusCreated)
		if r.Header.Get("Access-Control-Allow-Origin") != origin || r.Header.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(r.Header.Values("Vary"), "Origin") {
			t.Errorf("%s: %v", origin, r.Header)
		}
		for _, header := range []string{"RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Limit", "Retry-After", "Idempotent-Replayed", "X-Request-Id"} {
			if !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), header) {
				t.Errorf("a page may not read %s", header)
			}
		}
	}
	for _, origin := range []string{
		"", " ", "null", "*", "https://", "shop.example.com", "//shop.example.com",
		"http://shop.example.com", "HTTPS://shop.example.com", "https://SHOP.example.com", "https://shop.example.com.",
		"https://shop.example.com/", "https://shop.example.com:443", "https://shop.example.com:8443", "https://shop.example.com:",
		"https://www.shop.example.com", "https://evilshop.example.com", "https://shop.example.com.evil.example", "https://shop.example.comevil",
		"https://evil.example/https://shop.example.com", "https://evil.example#https://shop.example.com", "https://evil.example?https://shop.example.com",
		"https://shop.example.com@evil.example", "https://evil.example@shop.example.com", "https://shop.example.com evil.example",
		"https://shop.example.com,https://evil.example", "https://shop.example.com\thttps://evil.example", "https://shop%2eexample.com",
		"https://café.example:8443", "https://caf\u0065\u0301.example:8443", "https://xn--caf-dma.example", "https://xn--CAF-dma.example:8443",
		"http://localhost", "http://localhost:30000", "http://127.0.0.1:3000", "https://[2001:db8:0::1]", "https://2001:db8::1", "https://[2001:DB8::1]",
		"file://shop.example.com", "javascript:alert(1)", "chrome-extension://shop.example.com",
	} {
		r := call(origin)
		if r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: status %d, allowed %q", origin, r.Status, r.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, two := range [][]string{{shop, "https://evil.example"}, {"https://evil.example", shop}, {shop, shop}} {
		if r := call(two...); r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: status %d", two, r.Status)
		}
	}
}

// FuzzOrigin holds that an Origin header is let in only where it is, to the byte,
// what Origin makes of what the merchant wrote.
func FuzzOrigin(f *testing.F) {
	w := webtest.New(f)
	stored, err := merchant.Origin("https://Shop.Example.com/")
	if err != nil {
		f.Fatal(err)
	}
	id := credentialOf(f, w, merchant.ClientID, func(c *merchant.Credential) { c.Origins = []string{stored} })
	path := route + "/" + w.CreatePayment("1")
	for _, seed := range []string{stored, "null", "https://shop.example.com.evil.example", "https://SHOP.example.com", "https://shop.example.com:443", "https://a@shop.example.com", "http://shop.example.com", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if strings.ContainsAny(origin, "\r\n\x00") {
			return // never reaches a handler
		}
		r := w.For(t).Do(http.MethodGet, path, "", id, "Origin: "+origin)
		switch r.Status {
		case http.StatusOK:
			if origin != stored || r.Header.Get("Access-Control-Allow-Origin") != stored {
				t.Errorf("%q was let in", origin)
			}
		case http.StatusForbidden:
			if origin == stored || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%q was refused, allowed %q", origin, r.Header.Get("Access-Control-Allow-Origin"))
			}
		default:
			t.Errorf("%q: status %d", origin, r.Status)
		}
		// What is written back is what was stored: an origin is its own normal form.
		if normal, err := merchant.Origin(origin); err == nil {
			if again, err := merchant.Origin(normal); err != nil || again != normal {
				t.Errorf("%q becomes %q and then %q, %v", origin, normal, again, err)
			}
			if normal == stored && !strings.EqualFold(strings.TrimSuffix(strings.TrimSuffix(origin, "/"), ":443"), stored) {
				t.Errorf("%q is taken for %q", origin, normal)
			}
		}
	})
}

func TestPreflightsKeepSecretsOut(t *testing.T) {
	w := webtest.New(t)
	for _, path := range []string{route, "/v2/currencies", "/v1/auth/session", "/v1/webhook"} {
		r := w.Do(http.MethodOptions, path, "", "Origin: "+shop, "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: authorization,x-api-key,cookie").Want(http.StatusNoContent)
		allowed := strings.ToLower(r.Header.Get("Access-Control-Allow-Headers"))
		for _, name := range []string{"authorization", "x-api-key", "cookie", "*"} {
			if strings.Contains(allowed, name) {
				t.Errorf("%s lets pages of other origins send %s", path, name)
			}
		}
		if r.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s lets pages of other origins send cookies", path)
		}
	}
}
