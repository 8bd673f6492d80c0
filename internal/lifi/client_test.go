package lifi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

const apiKey = "k3y-of-the-operator"

// answers is a client of a server that does as it is told.
func answers(t *testing.T, cfg lifi.Config, h http.HandlerFunc) *lifi.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	cfg.BaseURL, cfg.APIKey = server.URL+"/v1/", apiKey
	c, err := lifi.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestQuestionsAreAskedAsDocumented(t *testing.T) {
	var got struct {
		method, path, query string
		header              http.Header
		body                map[string]any
	}
	c := answers(t, lifi.Config{Integrator: "shop", Slippage: 30, Bridges: []string{lifi.BridgeStargate}}, func(w http.ResponseWriter, r *http.Request) {
		got.method, got.path, got.query, got.header, got.body = r.Method, r.URL.Path, r.URL.Query().Encode(), r.Header, nil
		if raw, _ := io.ReadAll(r.Body); len(raw) > 0 {
			_ = json.Unmarshal(raw, &got.body)
		}
		http.Error(w, "{}", http.StatusNotFound)
	})
	in := intent(t, "USDC-arbitrum-one", "USDC-base")
	_, _ = c.Quote(t.Context(), in)
	payment, err := in.Payment.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"fromChain": 42161.0, "fromToken": "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", "fromAddress": payer.String(),
		"toChain": 8453.0, "toToken": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "toAmount": "100500000",
		"toFallbackAddress": fallback.String(), "allowBridges": []any{"stargateV2"}, "preferBridges": []any{"stargateV2"},
		"slippage": 0.003, "integrator": "shop",
		"contractCalls": []any{map[string]any{
			"fromAmount": "100500000", "fromTokenAddress": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
			"toContractAddress": "0x1892196E80C4c17ea5100Da765Ab48c1fE2Fb814", "toApprovalAddress": "0x1892196E80C4c17ea5100Da765Ab48c1fE2Fb814",
			"toContractCallData": fmt.Sprintf("0x%x", payment), "toContractGasLimit": "250000",
		}},
	}
	gotBody, _ := json.Marshal(got.body)
	wantBody, _ := json.Marshal(want)
	if got.method != "POST" || got.path != "/v1/quote/contractCalls" || !bytes.Equal(gotBody, wantBody) {
		t.Errorf("%s %s\n%s\nwant\n%s", got.method, got.path, gotBody, wantBody)
	}
	if got.header.Get("x-lifi-api-key") != apiKey || got.header.Get("x-lifi-integrator") != "shop" {
		t.Errorf("headers: %v", got.header)
	}

	in = intent(t, "USDT-matic", "USDCn-matic")
	_, _ = c.Quote(t.Context(), in)
	wantQuery := "allowExchanges=sushiswap&allowExchanges=lifidexaggregator&fromAddress=" + payer.String() + "&fromChain=137&fromToken=" + in.From.Address.String() +
		"&integrator=shop&slippage=0.0030&toAddress=" + payer.String() + "&toAmount=100500000&toChain=137&toToken=" + in.To.Address.String()
	if got.method != "GET" || got.path != "/v1/quote/toAmount" || got.query != wantQuery {
		t.Errorf("%s %s?%s\nwant %s", got.method, got.path, got.query, wantQuery)
	}

	_, _ = c.StepTransaction(t.Context(), []byte(`{"id":"a"}`))
	if got.method != "POST" || got.path != "/v1/advanced/stepTransaction" || got.body["id"] != "a" {
		t.Errorf("%s %s %v", got.method, got.path, got.body)
	}
	_, _ = c.Status(t.Context(), lifi.StatusQuery{TxHash: "0x" + strings.Repeat("ab", 32), From: 42161, To: 8453, Bridge: "across"})
	if want := "bridge=across&fromChain=42161&toChain=8453&txHash=0x" + strings.Repeat("ab", 32); got.path != "/v1/status" || got.query != want {
		t.Errorf("%s?%s", got.path, got.query)
	}
	_, _ = c.Chains(t.Context())
	if got.path != "/v1/chains" || got.query != "chainTypes=EVM" {
		t.Errorf("%s?%s", got.path, got.query)
	}
	_, _ = c.Tokens(t.Context(), 8453)
	if got.path != "/v1/tokens" || got.query != "chains=8453" {
		t.Errorf("%s?%s", got.path, got.query)
	}
	_, _ = c.Tools(t.Context())
	if got.path != "/v1/tools" || got.query != "" {
		t.Errorf("%s?%s", got.path, got.query)
	}
}

func kindOfFault(err error) fault.Kind {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return f.Kind
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   fault.Kind
		code   lifi.Code
		asked  int
	}{
		{404, `{"message":"No available quotes for the requested transfer","code":1002}`, fault.NotFound, lifi.CodeNoQuote, 1},
		{400, `{"message":"/fromAmountForGas must pass \"isBigNumberish\" keyword validation","code":1011}`, fault.Invalid, lifi.CodeValidation, 1},
		{422, `{"message":"x","code":1004}`, fault.NotFound, lifi.CodeNotProcessable, 1},
		{409, `{"message":"slippage","code":1007}`, fault.NotFound, lifi.CodeSlippage, 1},
		{401, `{"message":"bad key","code":1010}`, fault.Unavailable, lifi.CodeUnauthorized, 1},
		{429, `{"message":"slow down","code":1005}`, fault.Limited, lifi.CodeRateLimit, 1},
		{424, `{"message":"a tool","code":1008}`, fault.Unavailable, lifi.CodeThirdParty, 2},
		{504, `{"message":"late","code":1009}`, fault.Unavailable, lifi.CodeTimeout, 2},
		{500, `{"message":"node","code":1012}`, fault.Unavailable, lifi.CodeRPCFailure, 2},
		{500, `{"message":"oops","code":1000}`, fault.Unavailable, lifi.CodeDefault, 2},
		{502, `<html>bad gateway</html>`, fault.Unavailable, 0, 2},
		{404, `not json`, fault.NotFound, lifi.CodeNotFound, 1},
		{403, ``, fault.Unavailable, lifi.CodeUnauthorized, 1},
		{400, `{"code":4242,"message":"new"}`, fault.Unavailable, 4242, 1},
		{400, ``, fault.Invalid, lifi.CodeValidation, 1},
		{422, `[]`, fault.Invalid, lifi.CodeValidation, 1},
		{429, ``, fault.Limited, lifi.CodeRateLimit, 1},
		{302, ``, fault.Unavailable, 0, 1},
	} {
		asked := 0
		client := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := client.Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base"))
		var e *lifi.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Status != c.status || kindOfFault(err) != c.kind || asked != c.asked {
			t.Errorf("%d %s: %q %+v after %d questions", c.status, c.body, kindOfFault(err), e, asked)
		}
	}
}

func TestToolErrorsAreRead(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for body, want := range map[string][]lifi.ToolError{
		`{"code":1002,"errors":[{"errorType":"NO_QUOTE","code":"AMOUNT_TOO_LOW","tool":"across","message":"too\nlow"}]}`: {{Tool: "across", Code: "AMOUNT_TOO_LOW", Message: "toolow"}},
		`{"code":1002,"errors":{"filteredOut":[{"overallPath":"1:USDC-relay","reason":"denied"}],
		  "failed":[{"overallPath":"p","subpaths":{"b":[{"code":"TOOL_TIMEOUT","tool":"b"}],"a":[{"code":"NO_POSSIBLE_ROUTE","tool":"a","message":"` + long + `"}]}}]}}`: {
			{Tool: "1:USDC-relay", Code: "FILTERED_OUT", Message: "denied"},
			{Tool: "a", Code: "NO_POSSIBLE_ROUTE", Message: long[:200]}, {Tool: "b", Code: "TOOL_TIMEOUT"},
		},
		`{"code":1002,"errors":"a text"}`: nil,
		`{"code":1002,"errors":null}`:     nil,
		`{"code":1002}`:                   nil,
	} {
		client := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, body)
		})
		_, err := client.Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base"))
		var e *lifi.Error
		if !errors.As(err, &e) || fmt.Sprint(e.Tools) != fmt.Sprint(want) {
			t.Errorf("%s: %+v", body, e)
		}
	}
}

// mangled answers with an honest step after changing it.
func mangled(t *testing.T, change func(step map[string]any)) (lifi.Step, error) {
	t.Helper()
	_, honest := newRig(t).ask(t, scenes[0])
	var step map[string]any
	if err := json.Unmarshal(honest.Raw, &step); err != nil {
		t.Fatal(err)
	}
	change(step)
	client := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(step) })
	return client.Quote(t.Context(), intent(t, scenes[0].from, scenes[0].to))
}

func part(step map[string]any, path ...string) map[string]any {
	for _, p := range path {
		step = step[p].(map[string]any)
	}
	return step
}

func TestStepsAreReadStrictlyEnough(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"unknown field": func(s map[string]any) { s["new"] = map[string]any{"a": 1} },
		"unknown kinds": func(s map[string]any) { s["type"], s["tool"] = "teleport", "newBridge" },
		"no estimate": func(s map[string]any) {
			part(s, "estimate")["toAmount"] = nil
			delete(part(s, "estimate"), "toAmountMin")
		},
		"decimal value":  func(s map[string]any) { part(s, "transactionRequest")["value"] = "0" },
		"no value":       func(s map[string]any) { delete(part(s, "transactionRequest"), "value") },
		"lower case":     func(s map[string]any) { lower(part(s, "transactionRequest"), "to") },
		"half a second":  func(s map[string]any) { part(s, "estimate")["executionDuration"] = 0.5 },
		"odd prices":     func(s map[string]any) { part(s, "action", "fromToken")["priceUSD"] = "<b>1</b>" },
		"no gas figures": func(s map[string]any) { delete(part(s, "estimate"), "gasCosts") },
	} {
		step, err := mangled(t, change)
		if err != nil || step.Transaction.Value == nil || step.Transaction.Value.Sign() != 0 || step.FromAmount.Sign() <= 0 || len(step.Raw) == 0 {
			t.Errorf("%s: %+v, %v", name, step, err)
		}
		if strings.Contains(step.From.PriceUSD, "<") {
			t.Errorf("%s: price %q", name, step.From.PriceUSD)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"no transaction":      func(s map[string]any) { delete(s, "transactionRequest") },
		"no calldata":         func(s map[string]any) { part(s, "transactionRequest")["data"] = "0x" },
		"calldata not hex":    func(s map[string]any) { part(s, "transactionRequest")["data"] = "0xzz" },
		"calldata without 0x": func(s map[string]any) { part(s, "transactionRequest")["data"] = "aabb" },
		"calldata too long":   func(s map[string]any) { part(s, "transactionRequest")["data"] = "0x" + strings.Repeat("00", 65<<10) },
		"no target":           func(s map[string]any) { delete(part(s, "transactionRequest"), "to") },
		"target no address":   func(s map[string]any) { part(s, "transactionRequest")["to"] = "0x1234" },
		"target misspelt": func(s map[string]any) {
			part(s, "transactionRequest")["to"] = "0x1231dEB6f5749EF6cE6943a275A1D3E7486F4EaE"
		},
		"no chain":            func(s map[string]any) { delete(part(s, "transactionRequest"), "chainId") },
		"value negative":      func(s map[string]any) { part(s, "transactionRequest")["value"] = "-1" },
		"value too long":      func(s map[string]any) { part(s, "transactionRequest")["value"] = "0x1" + strings.Repeat("0", 64) },
		"value with sign":     func(s map[string]any) { part(s, "transactionRequest")["value"] = "0x-1" },
		"value a number":      func(s map[string]any) { part(s, "transactionRequest")["value"] = 0 },
		"amount fraction":     func(s map[string]any) { part(s, "action")["fromAmount"] = "1.5" },
		"amount a number":     func(s map[string]any) { part(s, "action")["fromAmount"] = 15 },
		"amount too long":     func(s map[string]any) { part(s, "action")["fromAmount"] = strings.Repeat("9", 79) },
		"amount over a word":  func(s map[string]any) { part(s, "action")["fromAmount"] = strings.Repeat("9", 78) },
		"no amount":           func(s map[string]any) { delete(part(s, "action"), "fromAmount") },
		"other source chain":  func(s map[string]any) { part(s, "action")["fromChainId"] = 1 },
		"other source token":  func(s map[string]any) { part(s, "action", "fromToken")["address"] = lifitest.Thief.String() },
		"other target chain":  func(s map[string]any) { part(s, "action")["toChainId"] = 1 },
		"other target token":  func(s map[string]any) { part(s, "action", "toToken")["address"] = lifitest.Thief.String() },
		"approval no address": func(s map[string]any) { part(s, "estimate")["approvalAddress"] = "everyone" },
	} {
		if step, err := mangled(t, change); kindOfFault(err) != fault.Unavailable {
			t.Errorf("%s: %+v, %v", name, step.Transaction, err)
		}
	}
}

func lower(m map[string]any, key string) { m[key] = strings.ToLower(m[key].(string)) }

func TestAnswersThatAreNoneAreFailures(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "html": "<html>", "twice the same name": `{"id":"a","id":"b"}`, "bad text": "{\"id\":\"\xff\"}",
		"an array": "[]", "two values": "{}{}", "long": `{"id":"` + strings.Repeat("x", 3<<20) + `"}`,
	} {
		client := answers(t, lifi.Config{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		if _, err := client.Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base")); kindOfFault(err) != fault.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The operator's key goes to the service and nowhere else.
func TestTheKeyIsNeverShown(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("x-lifi-api-key"))
	}))
	defer other.Close()
	for _, h := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		},
		func(w http.ResponseWriter, r *http.Request) { http.Error(w, "{}", http.StatusUnauthorized) },
		func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		_, err := answers(t, lifi.Config{}, h).Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base"))
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), apiKey) {
			t.Errorf("%v", err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), apiKey) || strings.Contains(e.Error(), payer.String()) {
				t.Errorf("%v", e)
			}
		}
	}
	if elsewhere != nil {
		t.Errorf("a redirect was followed with %q", elsewhere)
	}
	if _, err := lifi.NewClient(lifi.Config{APIKey: "se cret\n"}); err == nil || strings.Contains(err.Error(), "cret") {
		t.Errorf("a key that no header can carry: %v", err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, cfg := range map[string]lifi.Config{
		"plain http":      {BaseURL: "http://li.quest/v1"},
		"no host":         {BaseURL: "https:///v1"},
		"user":            {BaseURL: "https://u:p@li.quest/v1"},
		"query":           {BaseURL: "https://li.quest/v1?key=1"},
		"other scheme":    {BaseURL: "ftp://li.quest"},
		"unknown bridge":  {Bridges: []string{"across", "relay"}},
		"slippage":        {Slippage: 501},
		"timeout":         {Timeout: -1},
		"name like local": {BaseURL: "http://localhost.example/v1"},
	} {
		if _, err := lifi.NewClient(cfg); err == nil || strings.Contains(err.Error(), "u:p") || strings.Contains(err.Error(), "key=1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, base := range []string{"", "https://li.quest/v1/", "http://127.0.0.1:1/v1", "http://[::1]:1", "http://localhost:8080/lifi/v1"} {
		if _, err := lifi.NewClient(lifi.Config{BaseURL: base}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// toAmount may be what is guaranteed, or what is aimed at.
func TestSwapsThatOnlyAimAreAskedForMore(t *testing.T) {
	r := newRig(t)
	s := scene{name: "aims", from: "USDT-matic", to: "USDCn-matic", b: lifitest.Behaviour{Aims: 50}}
	in, step := r.ask(t, s)
	if n := r.router.Asked(swapPath); n != 2 {
		t.Errorf("%d questions", n)
	}
	if got := refusals(r.table.Verify(in, step.Transaction, approvals(t, in, step.FromAmount), now)); got != nil {
		t.Errorf("refused by %v", got)
	}
	s.b.Aims = 200 // more than the slippage that was allowed
	in, step = r.ask(t, s)
	if got := refusals(r.table.Verify(in, step.Transaction, nil, now)); !slices.Equal(got, []string{lifi.CheckOutput}) || r.router.Asked(swapPath) != 4 {
		t.Errorf("refused by %v after %d questions", got, r.router.Asked(swapPath))
	}
}

// A slow service costs one timeout, and a caller who leaves is not a failure.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := lifitest.New(lifitest.Options{})
		client, err := lifi.NewClient(lifi.Config{Transport: lifitest.Transport{Router: router}})
		if err != nil {
			t.Fatal(err)
		}
		router.Behave(lifitest.Behaviour{Delay: time.Minute})
		start := time.Now()
		_, err = client.Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base"))
		if kindOfFault(err) != fault.Unavailable || time.Since(start) != 25*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}

		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		if _, err = client.Quote(ctx, intent(t, "USDC-arbitrum-one", "USDC-base")); !errors.Is(err, context.Canceled) || kindOfFault(err) != "" {
			t.Errorf("who left: %v", err)
		}
		for range 10 { // nine more than the breaker takes
			hurry, done := context.WithTimeout(t.Context(), time.Second)
			_, _ = client.Quote(hurry, intent(t, "USDC-arbitrum-one", "USDC-base"))
			done()
		}
		if !client.Available() {
			t.Error("callers in a hurry opened the circuit")
		}
		for range 5 {
			hurry, done := context.WithTimeout(t.Context(), 6*time.Second)
			_, _ = client.Quote(hurry, intent(t, "USDC-arbitrum-one", "USDC-base"))
			done()
		}
		if client.Available() {
			t.Error("the circuit stays closed although nobody gets an answer")
		}
	})
}

// An intent may leave bridges out. With none left nobody is asked.
func TestBridgesOfAnIntent(t *testing.T) {
	asked := 0
	var body struct {
		Allow  []string `json:"allowBridges"`
		Prefer []string `json:"preferBridges"`
	}
	c := answers(t, lifi.Config{}, func(w http.ResponseWriter, r *http.Request) {
		asked++
		body.Allow, body.Prefer = nil, nil
		if raw, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(raw, &body) != nil {
			t.Errorf("asked %s, %v", raw, err)
		}
		http.Error(w, "{}", http.StatusNotFound)
	})
	for _, tt := range []struct{ may, want []string }{
		{nil, []string{lifi.BridgeAcross, lifi.BridgeStargate}},
		{[]string{lifi.BridgeStargate, lifi.BridgeAcross}, []string{lifi.BridgeAcross, lifi.BridgeStargate}},
		{[]string{lifi.BridgeStargate}, []string{lifi.BridgeStargate}},
		{[]string{lifi.BridgeAcross, "relay"}, []string{lifi.BridgeAcross}},
	} {
		in := intent(t, "USDC-arbitrum-one", "USDC-base")
		in.Bridges = tt.may
		_, _ = c.Quote(t.Context(), in)
		if !slices.Equal(body.Allow, tt.want) || !slices.Equal(body.Prefer, tt.want[:1]) {
			t.Errorf("%v: allowed %v, preferred %v", tt.may, body.Allow, body.Prefer)
		}
	}
	before := asked
	in := intent(t, "USDC-arbitrum-one", "USDC-base")
	in.Bridges = []string{"relay"}
	if _, err := c.Quote(t.Context(), in); !fault.Is(err, fault.NotFound) || asked != before {
		t.Errorf("with none left: %v, asked %d times", err, asked-before)
	}
}
