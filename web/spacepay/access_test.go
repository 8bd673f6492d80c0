package spacepay_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

// route is an operation, and whether a payment's secret opens it or the merchant's key.
type route struct {
	method, path string
	secret       bool
	fine         int // its status for whoever may
}

func routes(m made) []route {
	one, own := backend+"/"+m.PaymentID, client+m.PaymentID
	return []route{
		{http.MethodGet, backend, false, http.StatusOK},
		{http.MethodGet, one, false, http.StatusOK},
		{http.MethodGet, own, true, http.StatusOK},
		{http.MethodGet, own + "/status", true, http.StatusOK},
		{http.MethodGet, own + "/quotes", true, http.StatusOK},
		{http.MethodPost, own + "/quotes", true, http.StatusCreated},
		{http.MethodPost, own + "/refresh-status", true, http.StatusOK},
		{http.MethodPost, backend, false, http.StatusCreated},
		{http.MethodPost, one + "/cancel", false, http.StatusOK},
	}
}

// Every route with every credential: only its own opens it.
func TestCredentials(t *testing.T) {
	s := open(t, webtest.Deposits{})
	m, n := s.create(order), s.create(order)
	_, other := s.another("Other")
	revoked := s.AddSpacePayKey(s.Merchant)
	kept, err := s.App.Store.CredentialByHash(t.Context(), merchant.SpacePaySecret, merchant.HashSecret(revoked))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.App.Store.RevokeCredential(t.Context(), s.Merchant, kept.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	const access = spacepay.HeaderAccessKey + ": pk_test_anything"
	for _, r := range routes(m) {
		body := ""
		if r.path == backend && r.method == http.MethodPost {
			body = order
		}
		call := func(headers ...string) webtest.Response { return s.Do(r.method, r.path, body, headers...) }
		name, code, mine := spacepay.HeaderSecretKey, "invalid_api_key", s.SpacePayKey
		wrong := []string{"sk_test_wrong", revoked, s.APIKey, m.Secret, strings.Repeat("x", 300)}
		if r.secret {
			name, code, mine = spacepay.HeaderPaymentSecret, "invalid_payment_secret", m.Secret
			wrong = []string{"ps_wrong", n.Secret, s.SpacePayKey, m.Secret + " ", strings.ToUpper(m.Secret)}
		}
		for _, value := range append(wrong, "") {
			if value = strings.TrimSuffix(value, " ") + strings.Repeat("x", strings.Count(value, " ")); value == "" {
				refuses(t, call(), http.StatusUnauthorized, "authentication_error", code, "")
				continue
			}
			refuses(t, call(name+": "+value, access), http.StatusUnauthorized, "authentication_error", code, "")
		}
		// The other kind of credential opens nothing, and two are none.
		refuses(t, call(spacepay.HeaderSecretKey+": "+m.Secret, spacepay.HeaderPaymentSecret+": "+s.SpacePayKey), http.StatusUnauthorized, "authentication_error", code, "")
		refuses(t, call(name+": "+mine, name+": "+mine), http.StatusUnauthorized, "authentication_error", code, "")
		if !r.secret && r.path != backend { // another merchant's payment is not there
			refuses(t, call(secretKey(other)), http.StatusNotFound, "not_found_error", "payment_not_found", "")
		}
		call(strings.ToLower(name)+": "+mine, access).Want(r.fine)
		for _, id := range []string{unknown, "x", "%00", strings.ToUpper(m.PaymentID)} {
			if path := strings.Replace(r.path, m.PaymentID, id, 1); path != r.path {
				refuses(t, s.Do(r.method, path, body, name+": "+mine), http.StatusNotFound, "not_found_error", "payment_not_found", "")
			}
		}
	}
	// What was refused is worded as documented.
	if r := s.Get(backend); string(r.Body) != `{"error":{"type":"authentication_error","message":"Invalid or missing x-spacepay-secret-key header","code":"invalid_api_key"}}` {
		t.Errorf("%s", r.Body)
	}
	if r := s.Get(client + m.PaymentID); string(r.Body) != `{"error":{"type":"authentication_error","message":"Invalid or missing x-spacepay-payment-secret header","code":"invalid_payment_secret"}}` {
		t.Errorf("%s", r.Body)
	}
}

// A payment of another dialect is none of this one, and the other way round.
func TestDialectsKeepToThemselves(t *testing.T) {
	s := shop{webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}, Links: &webtest.Links{}}), t}
	token, m := s.CreatePayment("5"), s.create(order)
	link := s.CreateLink(`{"amount":25,"recipient_note":"order_123"}`)
	for _, id := range []string{string(link.ID), link.Terms.Alias} {
		refuses(t, s.SpacePay(http.MethodGet, backend+"/"+id, ""), http.StatusNotFound, "not_found_error", "payment_not_found", "")
		refuses(t, s.SpacePay(http.MethodPost, backend+"/"+id+"/cancel", ""), http.StatusNotFound, "not_found_error", "payment_not_found", "")
	}
	if got := s.list("?search=order_123"); got.Pagination.Total != 1 || got.Data[0].ID != m.PaymentID {
		t.Errorf("%+v", got)
	}
	p, err := s.App.Store.PaymentByAlias(t.Context(), spacepay.Name, m.PaymentID)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, s.SpacePay(http.MethodGet, backend+"/"+token, ""), http.StatusNotFound, "not_found_error", "payment_not_found", "")
	for _, path := range []string{"", "/pay"} {
		s.API(http.MethodGet, "/v2/secure-payments/"+string(p.ID)+path, "").Want(http.StatusNotFound)
	}
	s.API(http.MethodGet, "/v2/secure-payments?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusNotFound)
	s.API(http.MethodPost, "/v2/secure-payments/"+string(p.ID)+"/intent", `{"txHash":"0x`+strings.Repeat("ab", 32)+`","chain":"BASE","token":"ETH"}`).Want(http.StatusNotFound)
	tx := s.send(m, 100)
	s.PayOnChain(s.Chain.Wallet, token, 5_000_000)
	s.Chain.Mine(webtest.Confirmations)
	s.AwaitState(token, payment.Paid)
	s.await(m.PaymentID, "completed")
	type found struct {
		Payments []struct{ SecurePaymentToken string }
		Events   []struct{ SecurePaymentToken string }
	}
	if got := read[found](t, s.API(http.MethodGet, "/v2/payments?type=direct", "").Want(http.StatusOK).Body); len(got.Payments) != 1 || got.Payments[0].SecurePaymentToken != token {
		t.Errorf("found %+v", got)
	}
	if got := read[found](t, s.API(http.MethodGet, "/v2/payments?txHash="+tx, "").Want(http.StatusOK).Body); len(got.Payments) != 0 {
		t.Errorf("found %+v", got)
	}
	var got found
	s.Await("the feed", func() bool {
		got = read[found](t, s.API(http.MethodGet, "/v2/events?after=0", "").Want(http.StatusOK).Body)
		return len(got.Events) >= 2
	})
	for _, e := range got.Events {
		if e.SecurePaymentToken != token {
			t.Errorf("told of %s", e.SecurePaymentToken)
		}
	}
	if got := read[found](t, s.API(http.MethodGet, "/v2/events?token="+string(p.ID), "").Want(http.StatusOK).Body); len(got.Events) != 0 {
		t.Errorf("told of %+v", got)
	}
}

// Errors that no route renders come in this API's words.
func TestEveryErrorIsInItsEnvelope(t *testing.T) {
	s := open(t, webtest.Deposits{})
	for _, c := range []struct {
		method, path string
		status       int
		kind, code   string
	}{
		{http.MethodGet, "/v1/external", 404, "not_found_error", "no_such_path"},
		{http.MethodGet, "/v1/external/", 404, "not_found_error", "no_such_path"},
		{http.MethodGet, "/v1/external/secretkey-auth/withdrawals", 404, "not_found_error", "no_such_path"},
		{http.MethodPost, client + unknown + "/nothing", 404, "not_found_error", "no_such_path"},
		{http.MethodDelete, backend, 405, "invalid_request_error", "method_not_allowed"},
		{http.MethodPut, backend + "/" + unknown, 405, "invalid_request_error", "method_not_allowed"},
		{http.MethodPost, "/v1/external/chains", 405, "invalid_request_error", "method_not_allowed"},
		{"NONSENSE", "/v1/external/tokens", 405, "invalid_request_error", "method_not_allowed"},
		{http.MethodGet, "/v1/external/chains/1", 404, "not_found_error", "chain_not_found"},
		{http.MethodGet, "/v1/external/tokens/" + unknown, 404, "not_found_error", "token_not_found"},
	} {
		refuses(t, s.Do(c.method, c.path, ""), c.status, c.kind, c.code, "")
	}
	if r := s.Get("/v1/externals"); strings.Contains(string(r.Body), `"error":{`) {
		t.Errorf("another path: %s", r.Body)
	}
}

func TestRateLimits(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}, Limits: web.Limits{
		Keys: ratelimit.Rate{PerMinute: 1, Burst: 4}, Clients: ratelimit.Rate{PerMinute: 1, Burst: 3}, Refused: ratelimit.Rate{PerMinute: 1, Burst: 5},
	}})
	s := shop{w, t}
	m, n := s.create(order), s.create(order)
	limited := func(name string, call func() webtest.Response, fine int) {
		t.Helper()
		for range fine {
			if r := call().Want(http.StatusOK); r.Header.Get("RateLimit-Limit") == "" {
				t.Errorf("%s: %v", name, r.Header)
			}
		}
		r := call()
		refuses(t, r, http.StatusTooManyRequests, "rate_limit_error", "rate_limited", "")
		if r.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", name, r.Header)
		}
	}
	limited("a key", func() webtest.Response { return s.SpacePay(http.MethodGet, backend, "") }, 2)
	limited("a payment", func() webtest.Response { return s.Get(client+m.PaymentID+"/status", m.with()) }, 3)
	limited("another payment", func() webtest.Response { return s.Get(client+n.PaymentID+"/status", n.with()) }, 3)
	limited("whoever", func() webtest.Response { return s.Get("/v1/external/chains") }, 3)
	for range 5 {
		s.Get(client+m.PaymentID, spacepay.HeaderPaymentSecret+": ps_guess").Want(http.StatusUnauthorized)
	}
	refuses(t, s.Get(client+n.PaymentID, n.with()), http.StatusTooManyRequests, "rate_limit_error", "rate_limited", "")
}
