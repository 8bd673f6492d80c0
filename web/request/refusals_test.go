package request_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"quittance/internal/merchant"
	"quittance/internal/pgtest"
	"quittance/internal/store/storetest"
	"quittance/web/webtest"
)

// badBodies are bodies that no endpoint may make anything of.
func badBodies() []string {
	item := fmt.Sprintf(`{"payee":%q,"paymentCurrency":"USDC-base","amount":"1"}`, payee)
	with := func(more string) string { return `{"requests":[` + item + `],` + more + `}` }
	bodies := []string{
		"", " ", "{", "}", "[]", "null", "true", "0", `""`, `"x"`, "{}", "[{}]", "\x00", "\xff\xfe", "{}{}", "{},", `{"requests":[]}`, `{"requests":null}`,
		`{"requests":{}}`, `{"requests":"x"}`, `{"requests":[null]}`, `{"requests":[[]]}`, `{"requests":[1]}`, `{"requests":[{}],"requests":[{}]}`,
		`{"requests":[` + item + `],"requests":[` + item + `]}`, `{"requests":[{"amount":"1","amount":"2"}]}`,
		`{"requests":[` + strings.Repeat(item+",", 200) + item + `]}`, strings.Repeat("[", 20000), `{"a":` + strings.Repeat(`{"a":`, 20000),
		`{"requests":[` + item + `]} trailing`, `{"requests":[` + item + `]` + "\x00" + `}`,
		`{"Requests":[` + item + `]}`,
	}
	for _, amount := range []string{
		`""`, `"0"`, `"-1"`, `"+1"`, `" 1"`, `"1 "`, `"1e3"`, `"0x10"`, `"1,5"`, `"1.0000001"`, `"."`, `"1."`, `"NaN"`, `"Infinity"`, `"١"`, `1`, `true`, `null`, `[]`, `{}`,
		`"` + strings.Repeat("9", 5000) + `"`, `"0.` + strings.Repeat("0", 5000) + `1"`, `"1\u0000"`,
	} {
		bodies = append(bodies, fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":%s}]}`, payee, amount))
	}
	for _, id := range []string{
		"", "x", "@", "@eip155:", payee, payee + "@eip155:8453", payee + "@eip155:900008453:" + payee, payee + "@eip155:0:" + payee, payee + "@eip155:-1:" + payee,
		payee + "@eip155:99999999999999999999999999:" + payee, payee + "@solana:1:" + payee, strings.Repeat("a", 10_000), payee + "@eip155:1#00000000:" + payee,
		payee + "@eip155:728126428:" + payee,
	} {
		bodies = append(bodies, fmt.Sprintf(`{"requests":[{"destinationId":%q,"amount":"1"}]}`, id))
	}
	for _, more := range []string{
		`"reference":""`, `"reference":1`, `"reference":"` + strings.Repeat("x", 256) + `"`, `"reference":"\u202e"`, `"payerIdentifier":""`, `"payerIdentifier":[]`,
		`"redirectLabel":"x"`, `"redirectUrl":"javascript:alert(1)"`, `"redirectUrl":"data:text/html,x"`, `"redirectUrl":"//evil.example"`, `"redirectUrl":"https://a b"`,
		`"redirectUrl":"https://x/'"`, `"redirectUrl":"https://x/","redirectLabel":"<b>"`, `"redirectUrl":"https://x/","redirectLabel":""`, `"redirectUrl":5`,
		`"feePercentage":"1"`, `"feeAddress":"` + payee + `"`, `"feePercentage":"101","feeAddress":"` + payee + `"`, `"feePercentage":1,"feeAddress":"` + payee + `"`,
		`"feePercentage":"1","feeAddress":"0x0"`, `"expiresAt":"tomorrow"`, `"expiresAt":"2020-01-01T00:00:00Z"`, `"expiresAt":"9999-01-01T00:00:00Z"`, `"expiresAt":0`,
		`"accessPolicy":"off"`, `"accessPolicy":{"mode":"x"}`, `"accessPolicy":{"mode":"kyt_all_wallets"}`, `"accessPolicy":{"unknown":1}`,
		`"accessPolicy":{"allowedPayerAddresses":["x"]}`, `"accessPolicy":{"mode":"off","mode":"off"}`,
	} {
		bodies = append(bodies, with(more))
	}
	return bodies
}

// Nothing that is refused is our fault, and nothing of it stays: in no table, on
// neither database, with an idempotency key or without.
func TestRefusalsLeaveNothing(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			dsn := database(t)
			w := webtest.NewWith(t, webtest.Options{Database: dsn})
			token := w.CreatePayment("1")
			page := addClientID(t, w, shop)
			addDestination(t, w)
			key := "X-Api-Key: " + w.APIKey
			before := storetest.Rows(t, dsn)
			refused := 0
			for i, body := range badBodies() {
				for _, path := range []string{route, route + "/payouts", route + "/" + token + "/intent"} {
					for _, headers := range [][]string{{key}, {key, fmt.Sprintf("Idempotency-Key: bad-%d", i)}, {page, "Origin: " + shop}, {"X-Api-Key: qk_live_nobody"}} {
						got := w.Do(http.MethodPost, path, body, append(headers, "Content-Type: application/json")...)
						if got.Status < 400 || got.Status >= 500 {
							t.Errorf("%s %.120q: status %d %.300s", path, body, got.Status, got.Body)
							continue
						}
						v := got.JSON()
						if v["message"] == "" || v["code"] == nil || v["statusCode"] != float64(got.Status) || len(got.Body) > 2048 {
							t.Errorf("%s %.120q: %.300s", path, body, got.Body)
						}
						refused++
					}
				}
			}
			if refused < 1000 {
				t.Errorf("only %d requests were refused", refused)
			}
			after := storetest.Rows(t, dsn)
			for _, counts := range []map[string]int{before, after} {
				delete(counts, "limits") // they count what was asked, whatever came of it
			}
			if !maps.Equal(before, after) {
				t.Errorf("rows before: %v\nafter: %v", before, after)
			}
		})
	}
}

// Every refusal of a creation names the member at fault, if there is one.
func TestRefusalsNameTheField(t *testing.T) {
	w := webtest.New(t)
	for _, body := range badBodies() {
		got := w.API(http.MethodPost, route, body, "Content-Type: application/json").JSON()
		switch got["code"] {
		case "empty_body", "invalid_json", "wrong_type":
			continue // of the body as a whole, which has no name
		}
		if field, _ := got["field"].(string); field == "" {
			t.Errorf("%.120q: no field in %v", body, got)
		}
	}
}

// What a merchant set for a client id decides about its fee.
func TestFeeOfAClientID(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	asks := `,"feePercentage":"50","feeAddress":"` + otherPayee + `"`
	for name, c := range map[string]struct {
		set    merchant.ClientSettings
		asks   string
		status int
		share  string // of the payment, "" for none
	}{
		"nothing set, nothing asked": {merchant.ClientSettings{}, "", 201, ""},
		"nothing set, some asked":    {merchant.ClientSettings{}, asks, 403, ""},
		"zero set, nothing asked":    {merchant.ClientSettings{FeePercentage: "0", FeeAddress: address(t, payee)}, "", 201, ""},
		"zero set, some asked":       {merchant.ClientSettings{FeePercentage: "0", FeeAddress: address(t, payee)}, asks, 201, "50 " + otherPayee},
		"some set, nothing asked":    {merchant.ClientSettings{FeePercentage: "2.5", FeeAddress: address(t, payee)}, "", 201, "2.5 " + payee},
		"some set, other asked":      {merchant.ClientSettings{FeePercentage: "2.5", FeeAddress: address(t, payee)}, asks, 201, "2.5 " + payee},
		"some set, nonsense asked":   {merchant.ClientSettings{FeePercentage: "2.5", FeeAddress: address(t, payee)}, `,"feePercentage":"x","feeAddress":"x"`, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := clientIDWith(t, w, merchant.Credential{Origins: []string{shop}, Settings: c.set})
			got := w.Do(http.MethodPost, route, `{"requests":[{"amount":"1"},{"amount":"2"}]`+c.asks+`}`, id, "Origin: "+shop).Want(c.status)
			if c.status != http.StatusCreated {
				if got.JSON()["field"] != "feePercentage" {
					t.Errorf("got %s", got.Body)
				}
				return
			}
			token, _ := got.JSON()["token"].(string)
			for _, r := range w.Load(token).Terms.Requests {
				share := ""
				if r.Fee != nil {
					share = r.Fee.Share + " " + r.Fee.Payee.String()
				}
				if share != c.share {
					t.Errorf("fee: got %q, want %q", share, c.share)
				}
			}
		})
	}
}
