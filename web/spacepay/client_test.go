package spacepay_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/web/spacepay"
	"quittance/web/webtest"
)

func TestQuotes(t *testing.T) {
	s := open(t, webtest.Deposits{Two: true})
	m := s.create(cents("2500"))
	at := client + m.PaymentID + "/quotes"
	ask := func(body string) webtest.Response { return s.Do(http.MethodPost, at, body, m.with()) }
	for body, want := range map[string]struct {
		symbol, units string
		chain         uint64
	}{
		`{"contractAddress":"0x0000000000000000000000000000000000000000","chainId":900042161}`: {"ETH", "6680823708011624", 900042161},
		`{"contractAddress":"0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE","chainId":900042161}`: {"ETH", "6680823708011624", 900042161},
		`{"contractAddress":"` + s.Chain.USDC() + `","chainId":900008453}`:                     {"USDC", "25003751", 900008453},
		`{"contractAddress":"` + s.Chain.USDT() + `"}`:                                         {"USDT", "24994752", 900008453},
		`{"chainId":900042161}`: {"ETH", "6680823708011624", 900042161},
		`{}`:                    {"ETH", "6680823708011624", 900008453},
		``:                      {"ETH", "6680823708011624", 900008453},
		`{"contractAddress":null,"chainId":null}`: {"ETH", "6680823708011624", 900008453},
	} {
		q := read[quote](t, ask(body).Want(http.StatusCreated).Body)
		if q.Token.Symbol != want.symbol || q.ChainID != want.chain || q.ExpectedAmountAsset != want.units || q.Status != "active" || q.PaymentID != m.PaymentID {
			t.Errorf("%s: %+v", body, q)
		}
	}
	active := read[[]quote](t, s.Get(at, m.with()).Want(http.StatusOK).Body)
	if len(active) != 4 || active[0].ID != m.Payment.Quotes[0].ID { // what was made just now is given again
		t.Errorf("%+v", active)
	}
	if shown := s.show(m.PaymentID); len(shown.Quotes) != 4 {
		t.Errorf("%+v", shown.Quotes)
	}
	for body, want := range map[string][2]string{
		`{"chainId":1}`: {"unknown_chain", "chainId"}, `{"contractAddress":"` + webtest.Payee + `"}`: {"unknown_token", "contractAddress"},
		`{"contractAddress":"","chainId":900008453}`: {"unknown_token", "contractAddress"}, `{"chainId":"900008453"}`: {"wrong_type", "chainId"},
		`{"chainId":-1}`: {"wrong_type", "chainId"}, `{"chainId":1e99}`: {"wrong_type", "chainId"}, `{`: {"invalid_json", ""}, `[]`: {"wrong_type", ""},
	} {
		refuses(t, ask(body), http.StatusBadRequest, "invalid_request_error", want[0], want[1])
	}
	refuses(t, s.Do(http.MethodPost, at, `{}`, m.with(), "Content-Type: text/plain"), http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type", "")
	// A price that cannot be told is no quote, and never an old one.
	s.SilentFeed("USDC", true)
	n := s.create(cents("2500"))
	r := s.Do(http.MethodPost, client+n.PaymentID+"/quotes", `{"contractAddress":"`+s.Chain.USDC()+`"}`, n.with())
	refuses(t, r, http.StatusServiceUnavailable, "api_error", "price_unavailable", "")
	// Nor is there one for a payment that is over.
	s.SpacePay(http.MethodPost, backend+"/"+n.PaymentID+"/cancel", "").Want(http.StatusOK)
	r = s.Do(http.MethodPost, client+n.PaymentID+"/quotes", "", n.with())
	if string(r.Want(http.StatusBadRequest).Body) != `{"error":{"type":"invalid_request_error","message":"Payment is not pending, cannot create or update a quote","code":"payment_not_pending"}}` {
		t.Errorf("%s", r.Body)
	}
	if got := s.Get(client+n.PaymentID+"/quotes", n.with()); string(got.Body) != "[]" {
		t.Errorf("%s", got.Body)
	}
}

// Having the chains looked at shows what came, at once for who names the transaction.
func TestRefresh(t *testing.T) {
	s := open(t, webtest.Deposits{})
	m := s.create(order)
	at := client + m.PaymentID + "/refresh-status"
	ask := func(body string) webtest.Response { return s.Do(http.MethodPost, at, body, m.with()) }
	for _, body := range []string{"", "{}", `{"chainId":900008453}`, `{"tokenContractAddress":"` + s.Chain.USDC() + `"}`} {
		if got := ask(body).Want(http.StatusOK); string(got.Body) != `{"id":"`+m.PaymentID+`","status":"pending"}` {
			t.Errorf("%s: %s", body, got.Body)
		}
	}
	for body, want := range map[string][2]string{
		`{"transactionHash":"0x12"}`: {"invalid_transaction_hash", "transactionHash"}, `{"chainId":1}`: {"unknown_chain", "chainId"},
		`{"tokenContractAddress":"` + webtest.Payee + `"}`: {"unknown_token", "tokenContractAddress"}, `{"chainId":{}}`: {"wrong_type", "chainId"},
	} {
		refuses(t, ask(body), http.StatusBadRequest, "invalid_request_error", want[0], want[1])
	}
	tx := s.send(m, 100)
	body := `{"transactionHash":"` + tx + `","chainId":900008453,"tokenContractAddress":"0x0000000000000000000000000000000000000000"}`
	s.Await("the money", func() bool {
		return string(ask(body).Want(http.StatusOK).Body) == `{"id":"`+m.PaymentID+`","status":"processing"}`
	})
	s.Chain.Mine(webtest.Confirmations)
	s.await(m.PaymentID, "completed")
	best := time.Hour
	for range 3 {
		began := time.Now()
		if got := ask(body).Want(http.StatusOK); !strings.HasSuffix(string(got.Body), `"completed"}`) {
			t.Errorf("%s", got.Body)
		}
		best = min(best, time.Since(began))
	}
	if best >= 2*time.Second { // nobody waits for what is over
		t.Errorf("it took %s", best)
	}
}

func TestChainsAndTokens(t *testing.T) {
	s := open(t, webtest.Deposits{Two: true})
	type page struct {
		Data       []map[string]any
		Pagination struct{ Total, Limit, Offset, TotalPages, CurrentPage int }
	}
	chains := read[page](t, s.Get("/v1/external/chains").Want(http.StatusOK).Body)
	if len(chains.Data) != 2 || chains.Data[0]["chainId"] != 900008453.0 || chains.Data[0]["isEnabled"] != true {
		t.Errorf("%+v", chains)
	}
	if r := s.Get("/v1/external/chains/900042161").Want(http.StatusOK); string(r.Body) !=
		`{"chainId":900042161,"name":"Arbitrum One (sandbox)","nativeSymbol":"ETH","nativeDecimals":18,"isEnabled":true}` {
		t.Errorf("%s", r.Body)
	}
	for query, want := range map[string]int{
		"": 6, "?limit=2&offset=5": 1, "?offset=6": 0, "?chainId=900008453": 3, "?symbol=usdc": 2, "?symbol=usdc&chainId=900042161": 1, "?chainId=1": 0,
		"?contractAddress=" + strings.ToUpper(s.Chain.USDC()[2:]): 0, "?contractAddress=" + strings.ToLower(s.Chain.USDC()): 2,
	} {
		if got := read[page](t, s.Get("/v1/external/tokens"+query).Want(http.StatusOK).Body); len(got.Data) != want {
			t.Errorf("%s: %d tokens", query, len(got.Data))
		}
	}
	if p := read[page](t, s.Get("/v1/external/tokens?limit=2&offset=5").Body).Pagination; p.Total != 6 || p.Limit != 2 || p.Offset != 5 || p.TotalPages != 3 || p.CurrentPage != 3 {
		t.Errorf("%+v", p)
	}
	for query, param := range map[string]string{"?limit=0": "limit", "?limit=1001": "limit", "?offset=-1": "offset", "?limit=x": "limit"} {
		for _, path := range []string{"/v1/external/chains", "/v1/external/tokens"} {
			refuses(t, s.Get(path+query), http.StatusBadRequest, "invalid_request_error", "invalid_"+param, param)
		}
	}
	all := read[page](t, s.Get("/v1/external/tokens").Body)
	prices := map[any]any{"ETH": 3742.053539, "USDC": 0.99985, "USDT": 1.00021}
	for _, x := range all.Data {
		id, _ := x["id"].(string)
		one := s.Get("/v1/external/tokens/" + id).Want(http.StatusOK).JSON()
		if one["tokenPriceUsd"] != prices[x["symbol"]] || (x["type"] == "stablecoin") != (x["symbol"] != "ETH") || (x["assetType"] == "native") != (x["symbol"] == "ETH") {
			t.Errorf("%+v", one)
		}
		if _, priced := x["tokenPriceUsd"]; priced {
			t.Errorf("%+v", x)
		}
	}
	s.SilentFeed("ETH", true)
	id, _ := all.Data[0]["id"].(string)
	s.Await("no price", func() bool { return s.Get("/v1/external/tokens/" + id).JSON()["tokenPriceUsd"] == nil })
	if r := s.Get("/v1").Want(http.StatusOK); string(r.Body) != `{"status":"ok"}` {
		t.Errorf("%s", r.Body)
	}
}

// Pages of any origin may use a payment's secret; none may use the merchant's key.
func TestOrigins(t *testing.T) {
	s := open(t, webtest.Deposits{})
	m := s.create(order)
	ask := []string{"Origin: https://shop.example.com", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-spacepay-payment-secret"}
	for path, methods := range map[string]string{
		client + m.PaymentID: "GET", client + m.PaymentID + "/status": "GET", client + m.PaymentID + "/quotes": "GET, POST",
		client + m.PaymentID + "/refresh-status": "POST", "/v1/external/tokens": "GET", "/v1/external/chains": "GET",
	} {
		r := s.Do(http.MethodOptions, path, "", ask...).Want(http.StatusNoContent)
		allowed := r.Header.Get("Access-Control-Allow-Headers")
		if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Methods") != methods ||
			!strings.Contains(allowed, "x-spacepay-payment-secret") || !strings.Contains(allowed, "x-spacepay-access-key") || strings.Contains(allowed, "secret-key") {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
	if r := s.Get(client+m.PaymentID+"/status", m.with(), ask[0]); r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Retry-After") {
		t.Errorf("%v", r.Header)
	}
	if r := s.Get(client+m.PaymentID+"/status", ask[0]).Want(http.StatusUnauthorized); r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a refusal that pages cannot read: %v", r.Header)
	}
	for _, path := range []string{backend, backend + "/" + m.PaymentID, backend + "/" + m.PaymentID + "/cancel"} {
		for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
			r := s.SpacePay(method, path, "", ask...)
			if h := r.Header.Get("Access-Control-Allow-Origin") + r.Header.Get("Access-Control-Allow-Headers"); h != "" {
				t.Errorf("%s %s: %q", method, path, h)
			}
		}
	}
}

// The vendor's own client sends an Idempotency-Key with every creation, a UUID if it is
// given none, and its access key with every request; it names both asset and chain for a
// quote, and reads the code from below error.
func TestTheVendorsClient(t *testing.T) {
	s := open(t, webtest.Deposits{})
	const access = spacepay.HeaderAccessKey + ": pk_test_3f2a"
	kinds := []string{access, "Accept: application/json", "Content-Type: application/json; charset=utf-8"}
	m := s.create(order, append(kinds, "Idempotency-Key: 0c3a7f5e-98f6-4c1c-9f6a-0c6a3a3f5b11")...)
	if again := s.create(order, append(kinds, "Idempotency-Key: 0c3a7f5e-98f6-4c1c-9f6a-0c6a3a3f5b11")...); again.PaymentID != m.PaymentID || again.Secret != m.Secret {
		t.Errorf("%+v", again)
	}
	if other := s.create(order, append(kinds, "Idempotency-Key: 7d2f1a10-0a55-4a77-8a39-52e7b1a1c2d3")...); other.PaymentID == m.PaymentID {
		t.Error("another key is another payment")
	}
	s.SpacePay(http.MethodGet, backend+"/"+m.PaymentID, "", access).Want(http.StatusOK)
	own := []string{access, strings.ToLower(spacepay.HeaderPaymentSecret) + ": " + m.Secret, "Origin: https://shop.example.com"}
	s.Get(client+m.PaymentID, own...).Want(http.StatusOK)
	q := m.Payment.Quotes[0]
	body := `{"contractAddress":"` + q.Token.ContractAddress + `","chainId":900008453}`
	if got := read[quote](t, s.Do(http.MethodPost, client+m.PaymentID+"/quotes", body, own...).Want(http.StatusCreated).Body); got.Token.ID != q.Token.ID {
		t.Errorf("%+v", got)
	}
	s.Get("/v1/external/tokens", access).Want(http.StatusOK)
	r := s.SpacePay(http.MethodPost, backend, cents("5"), access)
	if got := read[refused](t, r.Want(http.StatusBadRequest).Body); got.Error.Code != "invalid_amount" || got.Error.Param != "amount" {
		t.Errorf("%s", r.Body)
	}
}
