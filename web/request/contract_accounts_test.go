package request_test

import (
	"fmt"
	"net/http"
	"net/url"

	"quittance/internal/ratelimit"
	"quittance/web"
	"quittance/web/webtest"
)

// sessions signs a wallet in and returns the header of its session.
func (x *exchange) sessions() string {
	x.t.Helper()
	mine := x.Chain.Wallet
	letIn(x.t, x.World, mine)
	x.send(http.StatusOK, http.MethodPost, "/v1/auth/nonce", "")
	body := signed(x.t, mine, message(x.t, x.World, mine))
	in := x.send(http.StatusOK, http.MethodPost, "/v1/auth/verify", body)
	x.send(http.StatusUnauthorized, http.MethodPost, "/v1/auth/verify", body) // its nonce was used
	for _, bad := range []string{`{}`, `{"message":"hello","signature":"0x12"}`, `{"message":7}`} {
		x.send(http.StatusBadRequest, http.MethodPost, "/v1/auth/verify", bad)
	}
	x.send(http.StatusForbidden, http.MethodPost, "/v1/auth/verify", signed(x.t, x.Chain.Other, message(x.t, x.World, x.Chain.Other))) // nobody's wallet
	late := signed(x.t, mine, message(x.t, x.World, mine))
	for path, body := range map[string]string{"nonce": "", "verify": late, "logout": ""} {
		x.send(http.StatusServiceUnavailable, http.MethodPost, "/v1/auth/"+path, body, hurried+": true", "Authorization: Bearer "+in.text("token"))
	}
	x.send(http.StatusServiceUnavailable, http.MethodGet, "/v1/auth/session", "", hurried+": true", "Authorization: Bearer "+in.text("token"))
	x.send(http.StatusUnauthorized, http.MethodGet, "/v1/auth/session", "")
	as := "Authorization: Bearer " + in.text("token")
	x.send(http.StatusOK, http.MethodGet, "/v1/auth/session", "", as)
	x.api(http.StatusForbidden, http.MethodGet, "/v1/auth/session", "")
	x.send(http.StatusCreated, http.MethodPost, route, usdc("1"), as)
	other, _ := signIn(x.t, x.World, mine)
	x.send(http.StatusNoContent, http.MethodPost, "/v1/auth/logout", "", "Authorization: Bearer "+other)
	return as
}

// sessionCookie is the header of a session as a browser sends it.
func (x *exchange) sessionCookie() string {
	x.t.Helper()
	_, cookie := signIn(x.t, x.World, x.Chain.Wallet)
	return "Cookie: " + cookie
}

// clients goes through the life of a client id, at both of its addresses.
func (x *exchange) clients() {
	x.t.Helper()
	for _, at := range []string{"/v2/client-ids", "/v1/client-ids"} {
		body := `{"label":"Shop","allowedDomains":["https://shop.example.com"],"feePercentage":"2.5","feeAddress":"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7"}`
		made := x.once(http.StatusCreated, http.MethodPost, at, body, `{"label":"Another"}`, at, body, x.key())
		one := at + "/" + made.text("id")
		x.api(http.StatusOK, http.MethodGet, one, "")
		x.api(http.StatusOK, http.MethodGet, at, "")
		x.once(http.StatusOK, http.MethodPut, one, `{"status":"inactive"}`, `{"status":"active"}`, one, `{"label":"Kiosk"}`, x.key())
		x.once(http.StatusOK, http.MethodDelete, one, "", `{}`, one, "", x.key())
		for _, bad := range []string{`{"label":""}`, `{"label":7}`, `{"label":"x","allowedDomains":["ftp://x"]}`, `{"label":"x","allowedDomains":["https://x.example.com"],"feePercentage":"101"}`} {
			x.api(http.StatusBadRequest, http.MethodPost, at, bad)
		}
		for _, bad := range []string{`{"status":"active"}`, `{"label":""}`, ``} {
			x.api(http.StatusBadRequest, http.MethodPut, one, bad)
		}
	}
	x.api(http.StatusCreated, http.MethodPost, "/v1/client-ids", `{"label":"Backend"}`)
}

// destinations says where to be paid, with signatures and with a session.
func (x *exchange) destinations(as string) {
	x.t.Helper()
	usdc, usdt := x.Chain.USDC(), x.Chain.USDT()
	x.send(http.StatusOK, http.MethodGet, destinationsV1, "", as) // null
	x.send(http.StatusNotFound, http.MethodPut, destinationsV1, own(usdc), as)
	made := x.once(http.StatusCreated, http.MethodPost, destinationsV1, own(usdc), own(usdt), destinationsV1, own(usdc), as)
	x.once(http.StatusOK, http.MethodPut, destinationsV1, own(usdt), own(usdc), destinationsV1, own(usdc), as)
	x.send(http.StatusOK, http.MethodGet, destinationsV1, "", as)
	wallet := "walletAddress=" + x.Chain.Wallet.Address()
	x.send(http.StatusOK, http.MethodGet, destinationsV1+"/lookup?destinationId="+url.QueryEscape(made.text("id")), "", as)
	x.send(http.StatusOK, http.MethodGet, destinationsV1+"/payout-lookup?"+wallet, "", as)
	x.api(http.StatusOK, http.MethodGet, destinationsV2+"?"+wallet, "")
	x.api(http.StatusOK, http.MethodGet, destinationsV2+"?walletAddress=0x00000000000000000000000000000000000000aa", "") // null
	x.api(http.StatusOK, http.MethodGet, destinationsV2+"/"+made.text("id"), "")
	for _, bad := range []string{`{}`, own("0x12"), `{"tokenAddress":"` + usdc + `","chainId":7}`} {
		x.send(http.StatusBadRequest, http.MethodPost, destinationsV1, bad, as)
		x.send(http.StatusBadRequest, http.MethodPut, destinationsV1, bad, as)
	}
	for _, bad := range []string{"?chainId=x", "/lookup", "/lookup?destinationId=x", "/payout-lookup", "/payout-lookup?walletAddress=x"} {
		x.send(http.StatusBadRequest, http.MethodGet, destinationsV1+bad, "", as)
	}
	x.send(http.StatusNotFound, http.MethodGet, destinationsV1+"/lookup?destinationId="+nothing[1:], "", as)
	named := fmt.Sprintf(`{"destinationId":%q}`, made.text("id"))
	gone := fmt.Sprintf(`{"destinationId":%q}`, nothing[1:])
	x.once(http.StatusOK, http.MethodPatch, destinationsV1+"/deactivate", named, gone, destinationsV1+"/deactivate", gone, as)
	x.send(http.StatusNotFound, http.MethodPatch, destinationsV1+"/deactivate", named, as)
	x.send(http.StatusBadRequest, http.MethodPatch, destinationsV1+"/deactivate", `{}`, as)
	x.send(http.StatusNotFound, http.MethodPatch, destinationsV1+"/wallet-change/cancel", "", as)
	x.send(http.StatusBadRequest, http.MethodPatch, destinationsV1+"/wallet-change/cancel", "", as, "Idempotency-Key: two words")
	x.proofs()
}

// proofs adds and removes a destination with signatures.
func (x *exchange) proofs() {
	x.t.Helper()
	sign := func(action string) string {
		data := x.api(http.StatusOK, http.MethodGet, fmt.Sprintf("%s/signing-data?walletAddress=%s&action=%s&tokenAddress=%s&chainId=900008453",
			destinationsV2, x.Chain.Wallet.Address(), action, x.Chain.USDC()), "")
		return fmt.Sprintf(`{"signature":%q,"nonce":%q}`, sign(x.Chain.Wallet, typedDigest(x.t, data.Body)), data.text("nonce"))
	}
	for _, bad := range []string{"", "?walletAddress=x", "?walletAddress=" + x.Chain.Wallet.Address() + "&action=lose"} {
		x.api(http.StatusBadRequest, http.MethodGet, destinationsV2+"/signing-data"+bad, "")
	}
	made := x.once(http.StatusCreated, http.MethodPost, destinationsV2, sign("add"), `{}`, destinationsV2, sign("add"), x.key())
	at := destinationsV2 + "/" + made.text("id")
	bad := `{"signature":"0x` + fmt.Sprintf("%0130d", 1) + `","nonce":"unknown"}`
	x.api(http.StatusBadRequest, http.MethodPost, destinationsV2, bad)
	x.api(http.StatusBadRequest, http.MethodDelete, at, bad)
	x.api(http.StatusBadRequest, http.MethodGet, destinationsV2, "")
	x.api(http.StatusBadRequest, http.MethodGet, destinationsV2+"/x", "")
	x.busy(http.MethodDelete, at, sign("deactivate"), x.key()) // one of the two removes it
	x.api(http.StatusCreated, http.MethodPost, destinationsV2, sign("add"))
	active := x.api(http.StatusOK, http.MethodGet, destinationsV2+"?walletAddress="+x.Chain.Wallet.Address(), "")
	at = destinationsV2 + "/" + active.text("id")
	x.once(http.StatusOK, http.MethodDelete, at, sign("deactivate"), `{}`, "", "", x.key())
}

// transfers looks for what arrived.
func (x *exchange) transfers() {
	x.t.Helper()
	for _, query := range []string{"type=direct&limit=2", "walletAddress=" + x.Chain.Wallet.Address(), "reference=order-1001", "type=conversion"} {
		x.api(http.StatusOK, http.MethodGet, "/v2/payments?"+query, "")
	}
	for _, bad := range []string{"", "?txHash=0x12", "?type=direct&limit=0", "?type=direct&fromDate=2026-02-01T00:00:00Z&toDate=2026-01-01T00:00:00Z"} {
		x.api(http.StatusBadRequest, http.MethodGet, "/v2/payments"+bad, "")
	}
	for _, query := range []string{"", "?network=base", "?networks=base,base"} {
		x.api(http.StatusOK, http.MethodGet, "/v2/currencies/USDC-base/conversion-routes"+query, "")
	}
	x.api(http.StatusBadRequest, http.MethodGet, "/v2/currencies/USDC-base/conversion-routes?network=mars", "")
	x.api(http.StatusNotFound, http.MethodGet, "/v2/currencies/NOPE-base/conversion-routes", "")
}

// limits uses up the allowance of every operation, on a server that allows one
// call a minute.
func (x *exchange) limits() {
	x.t.Helper()
	once := ratelimit.Rate{PerMinute: 1, Burst: 1}
	x.on(webtest.NewWith(x.t, webtest.Options{Limits: web.Limits{Clients: once, Keys: once, Sessions: once}}))
	for _, c := range x.sampleCalls() {
		key := "X-Api-Key: " + x.AddKey(x.Merchant)
		x.sendAny(c.method, c.path, c.body, key)
		refused := x.send(http.StatusTooManyRequests, c.method, c.path, c.body, key)
		if refused.Header.Get("RateLimit-Remaining") != "0" || refused.Header.Get("Retry-After") == "" {
			x.t.Errorf("%s %s: %v", c.method, c.path, refused.Header)
		}
	}
}
