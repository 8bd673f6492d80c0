package request_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// refusal is one lie of a node about what a wallet holds or a trial run does,
// and what may become of it.
func TestLyingNodeIsRefusedByName(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	path := route + "/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()
	w.API(http.MethodGet, path, "").Want(http.StatusOK)
	for name, lie := range map[string]func(blocks []map[string]any) any{
		"no call":        func(b []map[string]any) any { b[0]["calls"] = []any{}; return b },
		"no block":       func([]map[string]any) any { return []any{} },
		"null":           func([]map[string]any) any { return nil },
		"text":           func([]map[string]any) any { return "0x" },
		"one call more":  func(b []map[string]any) any { c := calls(b); b[0]["calls"] = append(c, c[0]); return b },
		"failed":         func(b []map[string]any) any { last(b)["status"] = "0x0"; return b },
		"no events":      func(b []map[string]any) any { last(b)["logs"] = []any{}; return b },
		"another payee":  func(b []map[string]any) any { return replaced(b, strings.ToLower(payee[2:]), strings.Repeat("66", 20)) },
		"another amount": func(b []map[string]any) any { return replaced(b, word(10_000_000), word(10_000_001)) },
		"another contract": func(b []map[string]any) any {
			return replaced(b, strings.ToLower(w.Chain.ERC20FeeProxy()[2:]), strings.Repeat("66", 20))
		},
		"another reference": func(b []map[string]any) any {
			return replaced(b, w.Load(token).Terms.Requests[0].Topic[2:], strings.Repeat("66", 32))
		},
		"a transfer more":     func(b []map[string]any) any { l := logs(b); last(b)["logs"] = append(l, l[0]); return b },
		"the event twice":     func(b []map[string]any) any { l := logs(b); last(b)["logs"] = append(l, l[len(l)-1]); return b },
		"unlimited allowance": func(b []map[string]any) any { return replaced(b, word(10_000_000), strings.Repeat("f", 64)) },
	} {
		t.Run(name, func(t *testing.T) {
			w.Chain.Lie("eth_simulateV1", func(_ []json.RawMessage, honest json.RawMessage) any {
				var blocks []map[string]any
				if err := json.Unmarshal(honest, &blocks); err != nil {
					return nil
				}
				return lie(blocks)
			})
			defer w.Chain.Behave()
			got := w.API(http.MethodGet, path, "")
			body := got.JSON()
			if body["transactions"] != nil {
				t.Fatalf("transactions in spite of the lie: %s", got.Body)
			}
			switch got.Status {
			case http.StatusForbidden:
				if body["code"] != "unsafe" || body["field"] != "simulation_matches" {
					t.Errorf("refused without the check's name: %s", got.Body)
				}
			case http.StatusServiceUnavailable:
			default:
				t.Errorf("status %d: %s", got.Status, got.Body)
			}
			page := w.Get("/checkout/" + token + "/pay?wallet=" + w.Chain.Wallet.Address())
			if page.Status != got.Status || page.JSON()["transactions"] != nil {
				t.Errorf("the page's calldata: status %d %s", page.Status, page.Body)
			}
		})
	}
	w.API(http.MethodGet, path, "").Want(http.StatusOK)
}

func calls(b []map[string]any) []any { c, _ := b[0]["calls"].([]any); return c }

func last(b []map[string]any) map[string]any {
	c := calls(b)
	m, _ := c[len(c)-1].(map[string]any)
	return m
}

func logs(b []map[string]any) []any { l, _ := last(b)["logs"].([]any); return l }

func word(v int64) string { return fmt.Sprintf("%064x", big.NewInt(v)) }

func replaced(b []map[string]any, from, to string) any {
	text, err := json.Marshal(b)
	if err != nil {
		return nil
	}
	return json.RawMessage(strings.ReplaceAll(string(text), from, to))
}

// Balances and allowances decide words and steps, never whether it is safe.
func TestLiesAboutFunds(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	path := route + "/" + token + "/pay?wallet=" + w.Chain.Wallet.Address()
	for name, answer := range map[string]string{
		"nothing": "0x", "half a word": "0x" + strings.Repeat("00", 16), "two words": "0x" + strings.Repeat("00", 64), "everything": "0x" + strings.Repeat("ff", 32),
	} {
		w.Chain.Lie("eth_call", func([]json.RawMessage, json.RawMessage) any { return answer })
		got := w.API(http.MethodGet, path, "")
		switch {
		case name != "everything" && got.Status != http.StatusServiceUnavailable:
			t.Errorf("%s: status %d, %s", name, got.Status, got.Body)
		case name == "everything":
			// Too little is asked for, never too much: the allowance is said to be there.
			txs, _ := got.Want(http.StatusOK).JSON()["transactions"].([]any)
			if len(txs) != 1 {
				t.Errorf("%s: %d transactions", name, len(txs))
			}
		}
		w.Chain.Behave()
	}
	w.Chain.Lie("eth_getBalance", func([]json.RawMessage, json.RawMessage) any { return "-0x1" })
	w.API(http.MethodGet, path, "").Want(http.StatusServiceUnavailable)
}

// A node that turns up on another chain is not asked any more, and what it said
// is not believed.
func TestNodeOnAnotherChain(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.Chain.Fail(http.StatusBadGateway) // the chain is verified again after failures
	w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusServiceUnavailable)
	w.Chain.Behave()
	w.Chain.Lie("eth_chainId", func([]json.RawMessage, json.RawMessage) any { return "0x1" })
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	for range 5 {
		w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusServiceUnavailable)
	}
	if got := w.Load(token).Standing.State; got != payment.Open {
		t.Errorf("a node on another chain made the payment %s", got)
	}
}

// While a node stalls the page answers, in time, and nothing is lost.
func TestStalledNode(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	release := w.Chain.Stall()
	best := time.Hour
	for range 3 {
		began := time.Now()
		w.API(http.MethodGet, route+"/"+token, "").Want(http.StatusOK)
		w.Get("/?token=" + token).Want(http.StatusOK)
		best = min(best, time.Since(began))
	}
	if best > 4*time.Second { // a node has five
		t.Errorf("pages wait for a node: %s", best)
	}
	w.API(http.MethodGet, route+"/"+token+"/pay?wallet="+w.Chain.Wallet.Address(), "").Want(http.StatusServiceUnavailable)
	release()
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}

// A caller who hangs up half-way leaves nothing half-done, and no line in the log.
func TestHangingUpWhileCreating(t *testing.T) {
	w := webtest.New(t)
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, route, strings.NewReader(usdc("5")))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Api-Key", w.APIKey)
		r.Header.Set("Idempotency-Key", fmt.Sprint("hang-", i))
		go func() {
			time.Sleep(time.Duration(i*100) * time.Microsecond)
			cancel()
		}()
		first := httptest.NewRecorder()
		w.App.Server.ServeHTTP(first, r)
		cancel()
		again := w.API(http.MethodPost, route, usdc("5"), fmt.Sprint("Idempotency-Key: hang-", i)).Want(http.StatusCreated)
		if first.Code == http.StatusCreated && first.Body.String() != string(again.Body) {
			t.Errorf("two payments for one key: %s and %s", first.Body, again.Body)
		}
		if first.Code != http.StatusCreated && first.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d after hanging up: %s", first.Code, first.Body)
		}
		if _, ok := w.Load(again.JSON()["token"].(string)).Telling(0); ok {
			t.Error("a fresh payment has a transfer")
		}
	}
}

func TestParallelIntents(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	post := func(n int) webtest.Response {
		return w.API(http.MethodPost, route+"/"+token+"/intent", fmt.Sprintf(`{"txHash":"0x%064x","chain":"BASE","token":"USDC"}`, n))
	}
	count := func(hash func(i int) int) map[int]int {
		var mu sync.Mutex
		var wg sync.WaitGroup
		statuses := map[int]int{}
		for i := range 24 {
			wg.Go(func() {
				got := post(hash(i))
				mu.Lock()
				defer mu.Unlock()
				statuses[got.Status]++
			})
		}
		wg.Wait()
		return statuses
	}
	if got := count(func(int) int { return 1 }); got[http.StatusOK] != 24 {
		t.Errorf("the same announcement 24 times: %v", got)
	}
	if n := len(w.Load(token).Attempts); n != 1 {
		t.Errorf("%d attempts of one announcement", n)
	}
	if got := count(func(i int) int { return 100 + i }); got[http.StatusOK] != 19 || got[http.StatusTooManyRequests] != 5 {
		t.Errorf("24 more announcements: %v", got)
	}
	if p := w.Load(token); len(p.Attempts) != 20 || p.Standing.State != payment.Open {
		t.Errorf("%d attempts, %s", len(p.Attempts), p.Standing.State)
	}
	// Somebody else used up the announcements: this browser's own is remembered.
	body := fmt.Sprintf(`{"txHash":"0x%064X","wallet":%q}`, 0xabc, w.Chain.Wallet.Address())
	cookie := w.Do(http.MethodPost, "/checkout/"+token+"/intent", body).Want(http.StatusTooManyRequests).Header.Get("Set-Cookie")
	mine := w.Get("/checkout/"+token+"/status", "Cookie: "+strings.Split(cookie, ";")[0]).JSON()
	if mine["announcedTx"] != fmt.Sprintf("0x%064x", 0xabc) {
		t.Errorf("announced: %v", mine["announcedTx"])
	}
	// And the payment completes all the same.
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}

func TestConcurrentPayers(t *testing.T) {
	w := webtest.New(t)
	one, other := w.CreatePayment("10"), w.CreatePayment("7")
	for range 3 {
		w.PayOnChain(w.Chain.Wallet, one, 5_000_000)
		w.PayOnChain(w.Chain.Other, other, 3_500_000)
		w.PayOnChain(w.Chain.Other, one, 5_000_000)
		w.PayOnChain(w.Chain.Wallet, other, 3_500_000)
	}
	w.Chain.Mine(webtest.Confirmations + 1)
	for token, excess := range map[string]int64{one: 20_000_000, other: 14_000_000} {
		w.AwaitState(token, payment.Paid)
		w.Await("all of it", func() bool {
			p := w.Load(token)
			return p.Standing.Requests[0].Excess(p.Terms.Requests[0].Due).Int64() == excess
		})
		announced := map[payment.EventKind]int{}
		events, err := w.App.Store.Events(t.Context(), payment.ID(token))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind.Announced() {
				announced[e.Kind]++
			}
		}
		if announced[payment.EventPartial] != 1 || announced[payment.EventPaid] != 1 || announced[payment.EventSurplus] != 4 {
			t.Errorf("announced: %v", announced)
		}
	}
}

// Anybody with the link can report that a page refused: the merchant hears of
// it, but not without end.
func TestAlarmsFromPagesAreBounded(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	for i := range 40 {
		check := fmt.Sprintf("made_up_%c", 'a'+i%26)
		w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", fmt.Sprintf(`{"event":"unsafe_refused","check":%q,"detail":"d"}`, check)).Want(http.StatusNoContent)
	}
	for _, check := range []string{"page_calldata", "page_registry", "page_calldata", ""} {
		w.Do(http.MethodPost, "/checkout/"+token+"/telemetry", fmt.Sprintf(`{"event":"unsafe_refused","check":%q}`, check)).Want(http.StatusNoContent)
	}
	events, err := w.App.Store.Events(t.Context(), payment.ID(token))
	if err != nil {
		t.Fatal(err)
	}
	var alarms []string
	for _, e := range events {
		if e.Kind == payment.EventUnsafe {
			alarms = append(alarms, e.Detail)
		}
	}
	if len(alarms) != 3 {
		t.Errorf("alarms: %q", alarms)
	}
}

func TestMerchantsWindow(t *testing.T) {
	w := webtest.New(t)
	id := payment.MerchantID(payment.NewULID(time.Now()))
	err := w.App.Store.InsertMerchant(t.Context(), merchant.Merchant{ID: id, Name: "Quick", Window: 90 * time.Second, CreatedAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	token, _ := w.Do(http.MethodPost, route, usdc("1"), "X-Api-Key: "+w.AddKey(id)).Want(http.StatusCreated).JSON()["token"].(string)
	if p := w.Load(token); p.Terms.ExpiresAt.Sub(p.Terms.CreatedAt) != 90*time.Second {
		t.Errorf("window: %s", p.Terms.ExpiresAt.Sub(p.Terms.CreatedAt))
	}
}

func TestHostileRequests(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	other := w.AddMerchant("Other")
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"another merchant's payment", "GET", "/" + token, "", []string{"X-Api-Key: " + other}, 404},
		{"another merchant's calldata", "GET", "/" + token + "/pay", "", []string{"X-Api-Key: " + other}, 404},
		{"another merchant's intent", "POST", "/" + token + "/intent", "{}", []string{"X-Api-Key: " + other}, 404},
		{"another merchant's request", "GET", "?requestId=" + w.Load(token).Terms.Requests[0].ID, "", []string{"X-Api-Key: " + other}, 404},
		{"no key", "GET", "/" + token, "", nil, 401},
		{"two keys", "GET", "/" + token, "", []string{"X-Api-Key: " + w.APIKey, "X-Api-Key: " + w.APIKey}, 401},
		{"a key with a blank", "GET", "/" + token, "", []string{"X-Api-Key: " + w.APIKey + " "}, 401},
		{"a key in upper case", "GET", "/" + token, "", []string{"X-Api-Key: " + strings.ToUpper(w.APIKey)}, 401},
		{"an endless key", "GET", "/" + token, "", []string{"X-Api-Key: " + strings.Repeat("k", 30_000)}, 401},
		{"lower case token", "GET", "/" + strings.ToLower(token), "", []string{"X-Api-Key: " + w.APIKey}, 200},
		{"traversal", "GET", "/..%2f..%2fhealthz", "", []string{"X-Api-Key: " + w.APIKey}, 404},
		{"a NUL", "GET", "/" + token + "%00", "", []string{"X-Api-Key: " + w.APIKey}, 404},
		{"a long query", "GET", "/" + token + "?x=" + strings.Repeat("y", 20_000), "", []string{"X-Api-Key: " + w.APIKey}, 200},
		{"a method of another kind", "DELETE", "/" + token, "", []string{"X-Api-Key: " + w.APIKey}, 405},
		{"TRACE", "TRACE", "", "", []string{"X-Api-Key: " + w.APIKey}, 405},
		{"text as JSON", "POST", "", usdc("1"), []string{"X-Api-Key: " + w.APIKey, "Content-Type: text/plain"}, 415},
		{"no credential and a huge body", "POST", "", strings.Repeat(" ", 1<<20), nil, 401},
		{"a huge body", "POST", "", strings.Repeat(" ", 1<<20), []string{"X-Api-Key: " + w.APIKey}, 413},
		{"deep nesting", "POST", "", strings.Repeat("[", 100_000), []string{"X-Api-Key: " + w.APIKey}, 400},
		{"deep unknown member", "POST", "", `{"x":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + `}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"a key twice", "POST", "", `{"requests":[],"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}]}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"a number as amount", "POST", "", `{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":1e2}]}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"two values", "POST", "", usdc("1") + usdc("1"), []string{"X-Api-Key: " + w.APIKey}, 400},
		{"a mark that reorders text", "POST", "", `{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"reference":"a\u061cb"}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"a line break for the log", "POST", "", `{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"reference":"a\nlevel=ERROR"}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"a fee to the token", "POST", "", `{"requests":[{"payee":"` + payee + `","paymentCurrency":"USDC-base","amount":"1"}],"feePercentage":"1","feeAddress":"` + w.Chain.USDC() + `"}`, []string{"X-Api-Key: " + w.APIKey}, 400},
		{"the token as payee", "POST", "", `{"requests":[{"payee":"` + w.Chain.USDC() + `","paymentCurrency":"USDC-base","amount":"1"}]}`, []string{"X-Api-Key: " + w.APIKey}, 400},
	} {
		got := w.Do(c.method, route+c.path, c.body, c.headers...)
		if got.Status != c.want {
			t.Errorf("%s: got %d, want %d\n%.300s", c.name, got.Status, c.want, got.Body)
		}
		for name := range got.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: answers with %s", c.name, name)
			}
		}
		if got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.name, got.Header)
		}
		if len(got.Body) > 4096 {
			t.Errorf("%s: the answer has %d bytes", c.name, len(got.Body))
		}
	}
	// Neither the Host header nor forwarded ones reach a link.
	made := w.API(http.MethodPost, route, usdc("1"), "Host: evil.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http").Want(http.StatusCreated)
	if strings.Contains(string(made.Body), "evil") {
		t.Errorf("the answer: %s", made.Body)
	}
}
