package request_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"quittance/internal/payment"
	"quittance/internal/safe"
	"quittance/internal/userop/useroptest"
	"quittance/web/webtest"
)

// FuzzCreate sends bodies to the whole server. Each is refused as the caller's
// fault or becomes a payment that can be shown and whose calldata can be had.
func FuzzCreate(f *testing.F) {
	w := webtest.New(f)
	for _, seed := range []string{
		usdc("10"), usdc("0"), usdc("-1"), usdc("1e5"), usdc("0.0000001"), usdc(strings.Repeat("9", 78)), usdc(strings.Repeat("9", 72) + ".999999"),
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"ETH-base","amount":"0.000000000000000001"}],"feePercentage":"100","feeAddress":"` + w.Chain.Other.Address() + `"}`,
		`{"requests":[{"destinationId":"` + payee + `@eip155:900008453#:` + w.Chain.USDC() + `","amount":"1"}]}`,
		`{"requests":[{"amount":"1"}]}`, `{"requests":[{},{}]}`, `{"requests":[null]}`, `{"requests":null}`, `{"accessPolicy":{},"requests":[{}]}`, `{"accessPolicy":null,"requests":[{}]}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"redirectUrl":"https://a.example/?q=%00#x","redirectLabel":"é"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"redirectUrl":"javascript:alert(1)"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"expiresAt":"9999-12-31T23:59:59Z"}`,
		`{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"feePercentage":"0.01","feeAddress":"` + payee + `"}`,
		batchOf("", payee+" USDC-base 1", otherPayee+" USDT-base 2", payee+" ETH-base 0.1"),
		withPolicy(`{"mode":"off","allowedPayerAddresses":["` + payee + `"],"hideUntilApproved":true,"hidePayeeAddress":true}`),
		withPolicy(`{"mode":"kyt_all_wallets","screeningProvider":null}`), withPolicy(`{"allowedPayerAddresses":[]}`), withPolicy(`{"x":1}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := w.For(t)
		got := w.API(http.MethodPost, route, body, "Content-Type: application/json")
		switch got.Status {
		case http.StatusCreated:
			token, _ := got.JSON()["token"].(string)
			lives(t, w, w.Load(token))
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if v := got.JSON(); v["message"] == "" || v["code"] == "" || len(got.Body) > 2048 {
				t.Fatalf("refused with %.500s", got.Body)
			}
		default:
			t.Fatalf("status %d: %.500s", got.Status, got.Body)
		}
	})
}

// lives checks that a payment made of whatever bytes can be shown and paid.
func lives(t *testing.T, w *webtest.World, p *payment.Payment) {
	t.Helper()
	for _, r := range p.Terms.Requests {
		if r.Due.Sign() <= 0 || r.Payee.IsZero() || p.Standing.State != payment.Open {
			t.Fatalf("made %+v", r)
		}
	}
	path := route + "/" + string(p.ID)
	w.API(http.MethodGet, path, "").Want(http.StatusOK)
	if !p.Terms.Access.Open() {
		w.API(http.MethodGet, path+"/pay", "").Want(http.StatusForbidden)
		return
	}
	w.API(http.MethodGet, path+"/pay", "").Want(http.StatusOK)
	w.Get("/?token=" + string(p.ID)).Want(http.StatusOK)
}

// inBody fuzzes one member of a body: every value is refused by its name, as the
// caller's fault, or makes a payment that lives.
func inBody(f *testing.F, path, body, field string, values ...string) {
	w := webtest.New(f)
	for _, v := range values {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		w := w.For(t)
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		got := w.API(http.MethodPost, path, strings.Replace(body, "VALUE", string(text), 1))
		switch got.Status {
		case http.StatusCreated:
			token, _ := got.JSON()["token"].(string)
			lives(t, w, w.Load(token))
		case http.StatusBadRequest:
			if v := got.JSON(); v["field"] != field || v["code"] == "" || len(got.Body) > 2048 {
				t.Fatalf("%q: %.500s", value, got.Body)
			}
		case http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%q: status %d: %.500s", value, got.Status, got.Body)
		}
	})
}

func FuzzAmount(f *testing.F) {
	inBody(f, route, `{"requests":[{"payee":"`+payee+`","paymentCurrency":"USDC-base","amount":VALUE}]}`, "requests[0].amount",
		"1", "0", "-1", "+1", "1.5", "1.000000", "1.0000001", ".5", "5.", "1e6", "0x1", "1_000", "١", "1 ", "", "115792089237316195423570985008687907853269984665640564039457584007913129.639935",
		"115792089237316195423570985008687907853269984665640564039457584007913129.639936", strings.Repeat("0", 300)+"1")
}

func FuzzDestination(f *testing.F) {
	usdc := "0x5a4db000000000000000000000000000000005dc"
	inBody(f, route, `{"requests":[{"destinationId":VALUE,"amount":"1"}]}`, "requests[0].destinationId",
		payee+"@eip155:900008453:"+usdc, payee+"@eip155:900008453#:"+usdc, payee+"@eip155:900008453#00000000:"+usdc, strings.ToLower(payee)+"@eip155:900008453:"+strings.ToUpper(usdc),
		payee+"@eip155:1:"+usdc, payee+"@eip155:0900008453:"+usdc, usdc+"@eip155:900008453:"+usdc, payee+"@eip155:728126428:"+usdc, "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8@x",
		payee+"@eip155:900008453:0x0000000000000000000000000000000000000000", "@@", "", "a@eip155:1#1:2:3")
}

func FuzzRecipient(f *testing.F) {
	inBody(f, route+"/payouts", `{"recipient":VALUE,"creatorWalletAddress":"`+payee+`","network":"base","currency":"USDC-base","amount":"1"}`, "recipient",
		payee, strings.ToLower(payee), "0x"+strings.ToUpper(payee[2:]), "0X"+payee[2:], payee[:41], payee+"0", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
		"0x0000000000000000000000000000000000000000", "0x5a4db000000000000000000000000000000005dc", "vitalik.eth", "", "0x")
}

// FuzzLook asks about payments with whatever query: what is not understood is
// the caller's fault, and a restricted payment gives nothing away.
func FuzzLook(f *testing.F) {
	w := webtest.NewWith(f, webtest.Options{Routing: true, Safes: true, Gasless: &webtest.Gasless{}})
	open := w.CreatePayment("10")
	saver := useroptest.NewWallet(f, "saver").Address()
	both := "wallet=" + accountOf(saver) + "&eoaWallet=" + saver.String()
	restricted := w.Create(withPolicy(`{"allowedPayerAddresses":["` + otherPayee + `"],"hideUntilApproved":true}`))
	for _, seed := range []string{
		"isSafe=true&wallet=" + payee, "isSafe=true&wallet=" + payee + "&chain=ARBITRUM&token=USDC", "isSafe=true&wallet=TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "isSafe=true&isSafe=false", "isSafe=true&chain=TRON",
		both, both + "&chain=ARBITRUM&token=USDC", both + "&chain=BASE&token=USDT", both + "&isSafe=true", "wallet=" + payee + "&eoaWallet=" + saver.String(), both + "&eoaWallet=x", both + "&wallet=x",
		"", "wallet=" + payee, "wallet=0x12", "wallet=" + payee + "&wallet=x", "isSafe=TRUE", "isSafe=1", "isSafe=false&eoaWallet=", "eoaWallet=" + payee,
		"chain=BASE&token=USDC", "chain=ARBITRUM&token=USDT&wallet=" + payee, "chain=BASE&token=USDT0", "chain=base&token=usdc", "chain=BASE", "token=%00", "wallet=%ff", "%zz", "a;b", "chain=BASE&token=usdc&wallet=" + payee,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsAny(query, " #\r\n") || strings.Contains(query, otherPayee[2:]) || strings.ContainsFunc(query, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			return // no request line, or the one wallet that may
		}
		w := w.For(t)
		for _, token := range []string{open, restricted} {
			for _, path := range []string{"", "/pay"} {
				got := w.API(http.MethodGet, route+"/"+token+path+"?"+query, "")
				switch got.Status {
				case http.StatusOK, http.StatusForbidden:
					if token == restricted && (len(tells(w.Load(token), got.Body)) > 0 || got.Status == http.StatusOK && path == "/pay") {
						t.Fatalf("%q: %s", query, got.Body)
					}
				case http.StatusBadRequest:
					if v := got.JSON(); v["field"] == nil || v["code"] == "" {
						t.Fatalf("%q: %s", query, got.Body)
					}
				default:
					t.Fatalf("%q: status %d: %s", query, got.Status, got.Body)
				}
			}
		}
	})
}

// FuzzRefreshStep sends back whatever for a step: what makes no sense is the
// caller's fault, and nothing but a proven transaction is ever answered.
func FuzzRefreshStep(f *testing.F) {
	w := webtest.NewWith(f, webtest.Options{Routing: true})
	at := route + "/" + w.CreatePayment("10")
	calls := w.API(http.MethodGet, at+"/pay?chain=ARBITRUM&token=USDC&wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusOK).JSON()
	honest := stepOf(f, calls)
	for _, seed := range []string{
		honest, refreshStep, `{}`, `{"step":null}`, `{"step":{"action":{}}}`, strings.Replace(honest, "900042161", "900008453", -1), strings.Replace(honest, `"fromAmount":"1`, `"fromAmount":"-1`, 1),
		strings.Replace(honest, w.Chain.Wallet.Address(), payee, -1), strings.Replace(honest, `"step":{`, `"step":{"action":7,`, 1), `[`, ``, `"`,
	} {
		f.Add(seed)
	}
	to := object(items(calls["transactions"])[len(items(calls["transactions"]))-1])["to"]
	f.Fuzz(func(t *testing.T, body string) {
		got := w.For(t).API(http.MethodPost, at+refreshPath, body, "Content-Type: application/json")
		switch got.Status {
		case http.StatusOK:
			if object(got.JSON()["transactionRequest"])["to"] != to {
				t.Fatalf("%q: %s", body, got.Body)
			}
		case http.StatusBadRequest, http.StatusForbidden:
			if v := got.JSON(); v["code"] == nil || v["transactionRequest"] != nil {
				t.Fatalf("%q: %s", body, got.Body)
			}
		case http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable:
		default:
			t.Fatalf("%q: status %d: %s", body, got.Status, got.Body)
		}
	})
}

// FuzzIntent tells of transactions and of a Safe's in whatever way: what makes no
// sense is the caller's fault by its member, and nothing is taken for a Safe
// transaction of this payment that is told to be another one.
func FuzzIntent(f *testing.F) {
	w := webtest.NewWith(f, webtest.Options{Safes: true})
	s, _ := w.Safe(safe.V141, 30_000_000)
	calls := asSafe(w, route+"/"+w.CreatePayment("10"), s, "")
	p := propose(f, s, calls, nil) // of a payment that none of these are told to
	hash := "0x" + strings.Repeat("ab", 32)
	for _, seed := range []string{
		p.intent(f, "BASE", "USDC", p.proven()), p.intent(f, "BASE", "USDC", map[string]any{"payerAddress": s.Address.String(), "safePaymentDeadline": 1999999999}), p.intent(f, "BASE", "USDC", nil),
		`{"txHash":"` + hash + `","chain":"BASE","token":"USDC"}`, `{"txHash":"` + hash + `","safeTxHash":"` + hash + `","chain":"BASE","token":"USDC"}`,
		`{"safeTxHash":"` + hash + `","chain":"BASE","token":"USDC","safePaymentDeadline":9223372036854775807}`, `{"safeTxHash":"` + hash + `","chain":"BASE","token":"USDC","safeTx":null,"safeSignatures":null}`,
		`{"safeTxHash":"` + hash + `","chain":"BASE","token":"USDC","payerAddress":"` + s.Address.String() + `","safeTx":{"to":"` + payee + `","value":1e99,"operation":1,"safeTxGas":-1,"baseGas":0,"gasPrice":0,"nonce":18446744073709551616}}`,
		`{"safeTx":{"a":{"b":[[[[]]]]}}}`, `{"safeSignatures":["0x00"]}`, `{"safeTxHash":{},"safeTx":[]}`, `{"safePaymentDeadline":1e18}`, `[]`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := w.For(t)
		token := w.CreatePayment("10")
		got := w.API(http.MethodPost, route+"/"+token+"/intent", body, "Content-Type: application/json")
		as := w.Load(token).Attempts
		switch got.Status {
		case http.StatusOK:
			v := got.JSON()
			if len(as) != 1 || v["isListening"] != true || (v["txHash"] == nil) == (v["safeTxHash"] == nil) || as[0].Safe != nil && as[0].Safe.Tx != nil {
				t.Fatalf("%q: %s, %+v", body, got.Body, as)
			}
		case http.StatusBadRequest, http.StatusForbidden:
			if v := got.JSON(); v["code"] == nil || len(got.Body) > 2048 || len(as) > 0 {
				t.Fatalf("%q: %s, %+v", body, got.Body, as)
			}
		case http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable:
		default:
			t.Fatalf("%q: status %d: %s", body, got.Status, got.Body)
		}
	})
}
