package pay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
	"quittance/web"
	"quittance/web/webtest"
)

const usdcWay = "evmref:base:USDC-base"

// gasWorld is a server on whose chain gas is paid for, a payment of 10 USDC, and a
// payer who has 50 and no native coin.
func gasWorld(t *testing.T, g webtest.Gasless) (w *webtest.World, token string, s *webtest.Saver) {
	t.Helper()
	w = webtest.NewWith(t, webtest.Options{Gasless: &g})
	token = w.CreatePayment("10")
	return w, token, w.Saver("saver", token, usdcWay, w.Chain.USDC(), 50_000_000)
}

func rpc(method, params string) string {
	return `{"jsonrpc":"2.0","id":"x","method":"` + method + `","params":` + params + `}`
}

// refused reads the error of an answer of JSON-RPC.
func refused(t *testing.T, r webtest.Response) map[string]any {
	t.Helper()
	got := r.Want(http.StatusOK).JSON()
	if got["jsonrpc"] != "2.0" || got["result"] != nil || object(got["error"])["message"] == "" {
		t.Fatalf("no refusal: %s", r.Body)
	}
	return object(got["error"])
}

func TestPayingWithoutGas(t *testing.T) {
	w, token, s := gasWorld(t, webtest.Gasless{Provider: "alchemy"})
	at := "/checkout/" + token
	found := optionsOf(w.Get(at + "/options?wallet=" + s.Address().String()).Want(http.StatusOK).JSON())
	holds(t, "the way", found[usdcWay], map[string]any{"gasless": true, "enough": true})
	calls := w.Get(at + "/pay?option=" + usdcWay + "&wallet=" + s.Address().String()).Want(http.StatusOK).JSON()
	where, err := url.Parse(fmt.Sprint(calls["paymasterUrl"]))
	if calls["gasless"] != true || err != nil || where.Scheme+"://"+where.Host != webtest.BaseURL || where.Path != at+"/paymaster" ||
		where.Query().Get("option") != usdcWay || where.Query().Get("wallet") != s.Address().String() {
		t.Errorf("calls: gasless %v at %v", calls["gasless"], calls["paymasterUrl"])
	}

	f, op := s.Due()
	wanted := at + "/bundler?" + url.Values{"option": {usdcWay}, "wallet": {s.Address().String()}}.Encode()
	if f.Sponsor != "Test sponsor" || f.Amount != "10000000" || f.Balance != "50000000" || f.Allowance != "0" || f.Token.Asset != "USDC-base" || f.Permit == nil || f.BundlerURL != wanted {
		t.Errorf("facts: %+v", f)
	}
	w.Gas.Gateway.Behave(gateway.Behaviour{Hold: true})
	op, no := s.Manager(op)
	if no != nil {
		t.Fatalf("the sponsor: %+v", no)
	}
	op = s.Signed(op)
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": userop.MethodSend, "params": []any{op, userop.EntryPoint.String()}})
	if err != nil {
		t.Fatal(err)
	}
	answer := s.Post(string(body)).Want(http.StatusOK)
	hash, _ := answer.JSON()["result"].(string)
	if hash == "" {
		t.Fatalf("the bundler: %s", answer.Body)
	}
	own := cookie(answer)
	st := statusOf(w, token, own)
	if st["state"] != "open" || st["payable"] != false {
		t.Errorf("waiting: %v", st)
	}
	holds(t, "to who sent it", object(st["op"]), map[string]any{"hash": hash, "account": f.Account, "owner": s.Address(), "stage": "waiting", "own": true, "txHash": ""})
	d := page(t, w.Get("/?token="+token, own).Want(http.StatusOK))
	if text(d, "progress-title") != "Your payment without gas is on its way" || text(d, "op-gas") != "0 ETH" {
		t.Errorf("the page says %q", text(d, "progress-title"))
	}
	if got := w.Get(at + "/pay?wallet=" + other).Want(http.StatusConflict).JSON(); got["code"] != "op_pending" {
		t.Errorf("calldata meanwhile: %v", got)
	}

	// The same again is the same operation.
	w.Gas.Gateway.Behave(gateway.Behaviour{})
	if again, no := s.Send(op); no != nil || again != hash {
		t.Errorf("sent again: %s, %+v", again, no)
	}
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	holds(t, "paid", object(statusOf(w, token)["op"]), map[string]any{"hash": hash, "stage": "executed", "txHash": statusOf(w, token)["txHash"], "account": f.Account})
	d = page(t, w.Get("/?token="+token).Want(http.StatusConflict))
	if text(d, "payer") != f.Account || d.Find("#payer-gasless:not([hidden])").Length() != 1 || text(d, "success-gas") != "0 ETH, paid by a sponsor" {
		t.Errorf("the receipt says that %q paid %q for gas", text(d, "payer"), text(d, "success-gas"))
	}
}

// What the bundler makes of an operation, the browser that sent it goes on knowing.
func TestSendingThatIsNotAnswered(t *testing.T) {
	w, token, s := gasWorld(t, webtest.Gasless{Provider: "alchemy"})
	try := func(s *webtest.Saver, b gateway.Behaviour) (string, webtest.Response) {
		t.Helper()
		_, op := s.Due()
		op, no := s.Manager(op)
		if no != nil {
			t.Fatalf("the sponsor: %+v", no)
		}
		w.Gas.Gateway.Behave(b)
		defer w.Gas.Gateway.Behave(gateway.Behaviour{})
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": userop.MethodSend, "params": []any{s.Signed(op), userop.EntryPoint.String()}})
		if err != nil {
			t.Fatal(err)
		}
		return string(body), s.Post(string(body))
	}
	_, r := try(s, gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodSend: {Code: -32500, Message: "AA23 reverted"}}})
	if e := refused(t, r); e["code"] != float64(userop.CodeServer) || object(e["data"])["code"] != "op_refused" {
		t.Errorf("a no for good: %s", r.Body)
	}
	own := cookie(r)
	st := statusOf(w, token, own)
	if holds(t, "refused", object(st["op"]), map[string]any{"stage": "refused", "own": true}); st["payable"] != true {
		t.Errorf("refused: %v", st)
	}
	if got := text(page(t, w.Get("/?token="+token, own)), "op-told-title"); got != "The payment without gas could not be sent" {
		t.Errorf("the page says %q", got)
	}

	token = w.CreatePayment("10")
	s = s.For(token, usdcWay)
	body, r := try(s, gateway.Behaviour{Refuse: map[string]gateway.Refusal{userop.MethodSend: {Code: -32005, Message: "busy"}}})
	if e := refused(t, r); e["code"] != float64(userop.CodeServer) || !strings.HasPrefix(fmt.Sprint(object(e["data"])["code"]), "bundler_") {
		t.Errorf("no answer: %s", r.Body)
	}
	st = statusOf(w, token, cookie(r))
	if holds(t, "unanswered", object(st["op"]), map[string]any{"stage": "waiting", "own": true}); st["payable"] != false {
		t.Errorf("unanswered: %v", st)
	}
	// The page sends the same again.
	if again := s.Post(body).Want(http.StatusOK).JSON(); again["result"] != object(st["op"])["hash"] {
		t.Errorf("sent again: %v", again)
	}
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
}

// Where nobody pays for gas, the page knows nothing of it.
func TestWithoutSponsor(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	at := "/checkout/" + token
	found := optionsOf(w.Get(at + "/options?wallet=" + other).Want(http.StatusOK).JSON())
	holds(t, "the way", found[usdcWay], map[string]any{"gasless": false})
	calls := w.Get(at + "/pay?wallet=" + other).Want(http.StatusOK).JSON()
	if calls["gasless"] != false || calls["paymasterUrl"] != nil {
		t.Errorf("calls: %v", calls)
	}
	if got := w.Get(at + "/gasless?wallet=" + other).Want(http.StatusServiceUnavailable).JSON(); got["code"] != "gasless_unavailable" {
		t.Errorf("facts: %v", got)
	}
	r := w.Do(http.MethodPost, at+"/bundler?option="+usdcWay+"&wallet="+other, rpc(userop.MethodPrices, "[]"), here)
	if r.Status == http.StatusOK && r.JSON()["result"] != nil {
		t.Errorf("prices: %s", r.Body)
	}
	for query, field := range map[string]string{
		"?wallet=" + allowed + "&eoaWallet=" + other:             "eoaWallet",
		"?wallet=" + allowed + "&eoaWallet=x":                    "eoaWallet",
		"?wallet=" + allowed + "&eoaWallet=0x" + zeroes:          "eoaWallet",
		"?isSafe=true&wallet=" + allowed + "&eoaWallet=" + other: "eoaWallet",
		"?wallet=x&eoaWallet=" + other:                           "wallet",
	} {
		if got := w.Get(at + "/pay" + query).Want(http.StatusBadRequest).JSON(); got["field"] != field || got["transactions"] != nil {
			t.Errorf("%s: %v", query, got)
		}
	}
}

const zeroes = "0000000000000000000000000000000000000000"

func TestPageAsksForAnAccountsCalls(t *testing.T) {
	w, token, s := gasWorld(t, webtest.Gasless{})
	at := "/checkout/" + token + "/pay?option=" + usdcWay
	f := s.Facts()
	calls := w.Get(at + "&wallet=" + f.Account + "&eoaWallet=" + s.Address().String()).Want(http.StatusOK).JSON()
	if len(items(calls["transactions"])) != len(f.Calls.Transactions) || calls["paymasterUrl"] != nil {
		t.Errorf("calls: %v", calls)
	}
	holds(t, "whose money", object(calls["metadata"]), map[string]any{"balanceUnits": "50000000"})
	if got := w.Get(at + "&wallet=" + other + "&eoaWallet=" + s.Address().String()).Want(http.StatusBadRequest).JSON(); got["field"] != "wallet" || got["code"] != "not_the_account" {
		t.Errorf("somebody else's account: %v", got)
	}
}

// An endpoint that passes questions on to services with keys: nothing goes on but
// what the page's kit needs.
func TestBundlerPassesNothingElseOn(t *testing.T) {
	w, token, s := gasWorld(t, webtest.Gasless{})
	path := func(endpoint, token, option, wallet string) string {
		return "/checkout/" + token + "/" + endpoint + "?" + url.Values{"option": {option}, "wallet": {wallet}}.Encode()
	}
	right := path("bundler", token, usdcWay, s.Address().String())
	before := len(w.Gas.Gateway.Asked())

	op := s.Op(s.Facts(), s.Plan(s.Facts()))
	text, err := json.Marshal(op)
	if err != nil {
		t.Fatal(err)
	}
	point, old := `"`+userop.EntryPoint.String()+`"`, `"0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789"`
	for name, c := range map[string]struct {
		body string
		code int
	}{
		"a node's method":           {rpc("eth_sendRawTransaction", `["0x02"]`), userop.CodeMethod},
		"a call":                    {rpc("eth_call", `[{}, "latest"]`), userop.CodeMethod},
		"a bundler's own":           {rpc("debug_bundler_sendBundleNow", `[]`), userop.CodeMethod},
		"a provider's other":        {rpc("pimlico_sponsorUserOperation", `[`+string(text)+`,`+point+`]`), userop.CodeMethod},
		"another one's policy":      {rpc("wallet_prepareCalls", `[{}]`), userop.CodeMethod},
		"a method in other letters": {rpc("ETH_SENDUSEROPERATION", `[`+string(text)+`,`+point+`]`), userop.CodeMethod},
		"no method":                 {rpc("", `[]`), userop.CodeMethod},
		"a method that injects":     {rpc(`eth_chainId\"},{\"x`, `[]`), userop.CodeMethod},
		"several at once":           {`[` + rpc(userop.MethodChain, "[]") + `,` + rpc(userop.MethodChain, "[]") + `]`, userop.CodeParse},
		"one in a list":             {`[` + rpc(userop.MethodChain, "[]") + `]`, userop.CodeParse},
		"none":                      {`[]`, userop.CodeParse},
		"two after each other":      {rpc(userop.MethodChain, "[]") + rpc(userop.MethodChain, "[]"), userop.CodeParse},
		"no JSON":                   {`{"jsonrpc":`, userop.CodeParse},
		"a notification":            {`{"jsonrpc":"2.0","method":"eth_chainId","params":[]}`, userop.CodeRequest},
		"another version":           {`{"jsonrpc":"1.0","id":1,"method":"eth_chainId","params":[]}`, userop.CodeRequest},
		"two methods":               {`{"jsonrpc":"2.0","id":1,"method":"eth_chainId","method":"eth_call","params":[]}`, userop.CodeParse},
		"another EntryPoint":        {rpc(userop.MethodSend, `[`+string(text)+`,`+old+`]`), userop.CodeParams},
		"another state":             {rpc(userop.MethodEstimate, `[`+string(text)+`,`+point+`,{"`+other+`":{"balance":"0x1"}}]`), userop.CodeParams},
		"another chain":             {rpc(userop.MethodStub, `[`+string(text)+`,`+point+`,"0x1",{}]`), userop.CodeParams},
		"no operation":              {rpc(userop.MethodSend, `[{"sender":"x"},`+point+`]`), userop.CodeParams},
		"no hash":                   {rpc(userop.MethodReceipt, `["0x12"]`), userop.CodeParams},
		"a question with more":      {rpc(userop.MethodPrices, `[{"policyId":"mine"}]`), userop.CodeParams},
	} {
		r := w.Do(http.MethodPost, right, c.body, here)
		if got := refused(t, r)["code"]; got != float64(c.code) {
			t.Errorf("%s: %s, want code %d", name, r.Body, c.code)
		}
		if r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s is remembered", name)
		}
	}
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		field, code        string
	}{
		"another site's page":   {http.MethodPost, right, rpc(userop.MethodPrices, "[]"), []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 403, "", "cross_origin"},
		"an old browser's":      {http.MethodPost, right, rpc(userop.MethodPrices, "[]"), []string{"Origin: https://evil.example"}, 403, "", "cross_origin"},
		"a page beside":         {http.MethodPost, right, rpc(userop.MethodPrices, "[]"), []string{"Sec-Fetch-Site: same-site"}, 403, "", "cross_origin"},
		"a form":                {http.MethodPost, right, rpc(userop.MethodPrices, "[]"), []string{here, "Content-Type: text/plain"}, 400, "", "unsupported_media_type"},
		"more than is read":     {http.MethodPost, right, rpc(userop.MethodPrices, `["`+strings.Repeat("x", userop.MaxQuestion)+`"]`), []string{here}, 413, "", "body_too_large"},
		"another token":         {http.MethodPost, path("bundler", "01JZX7T6Q0V6WJ9N3B5H2R8C4D", usdcWay, other), rpc(userop.MethodPrices, "[]"), []string{here}, 404, "", "payment_not_found"},
		"no token":              {http.MethodPost, path("bundler", "x", usdcWay, other), rpc(userop.MethodPrices, "[]"), []string{here}, 404, "", "not_found"},
		"no wallet":             {http.MethodPost, path("bundler", token, usdcWay, ""), rpc(userop.MethodPrices, "[]"), []string{here}, 400, "wallet", "invalid_wallet"},
		"another way":           {http.MethodPost, path("bundler", token, "evmref:base:ETH-base", other), rpc(userop.MethodPrices, "[]"), []string{here}, 404, "", "no_route"},
		"a way that injects":    {http.MethodPost, path("bundler", token, "'; DROP TABLE payments; --", other), rpc(userop.MethodPrices, "[]"), []string{here}, 404, "", "no_route"},
		"facts without wallet":  {http.MethodGet, path("gasless", token, usdcWay, ""), "", nil, 400, "wallet", "invalid_wallet"},
		"facts of another way":  {http.MethodGet, path("gasless", token, "x", other), "", nil, 404, "option", "no_route"},
		"facts without a token": {http.MethodGet, path("gasless", "x", usdcWay, other), "", nil, 404, "", "not_found"},
		"a look":                {http.MethodGet, right, "", nil, 404, "", ""},
		"a preflight":           {http.MethodOptions, right, "", []string{"Origin: https://evil.example"}, 204, "", ""},
	} {
		r := w.Do(c.method, c.path, c.body, c.headers...).Want(c.status)
		if r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other sites may read it", name)
		}
		if c.code == "" {
			continue
		}
		if got := r.JSON(); got["code"] != c.code || (c.field != "" && got["field"] != c.field) {
			t.Errorf("%s: %s", name, r.Body)
		}
	}
	for _, asked := range w.Gas.Gateway.Asked()[before:] {
		t.Errorf("the services were asked %s: %s", asked.Method, asked.Params)
	}
}

// What does something else than pay is refused with the check's name, and no
// service hears of it; of what services say, the page gets a word and no more.
func TestOperationsThatAreRefused(t *testing.T) {
	w, _, s := gasWorld(t, webtest.Gasless{})
	f, op := s.Due()
	before := len(w.Gas.Gateway.Asked())
	for name, check := range map[string]struct {
		change func(*userop.Op)
		check  string
	}{
		"another sender": {func(o *userop.Op) { o.Sender = asset.Address{19: 1} }, userop.CheckSender},
		"other calls":    {func(o *userop.Op) { o.CallData = append([]byte{}, o.CallData[:len(o.CallData)-1]...) }, userop.CheckCalls},
		"a later nonce":  {func(o *userop.Op) { o.Nonce.SetInt64(3) }, userop.CheckNonce},
	} {
		bad := op
		bad.Nonce = s.Op(f, s.Plan(f)).Nonce
		check.change(&bad)
		if _, no := s.Manager(bad); no == nil || no.Code != userop.CodeParams || no.Data.Code != check.check {
			t.Errorf("%s: %+v, want %s", name, no, check.check)
		}
	}
	if asked := w.Gas.Gateway.Asked()[before:]; len(asked) > 0 {
		t.Errorf("the services were asked: %v", asked)
	}
	if _, no := s.Send(s.Signed(op)); no == nil || no.Code != userop.CodeServer || no.Data.Code != "op_unknown" {
		t.Errorf("what nobody sponsors: %+v", no)
	}
	if _, no := s.Ask(userop.MethodReceipt, opHash); no == nil || no.Data.Code != "op_unknown" {
		t.Errorf("somebody else's operation: %+v", no)
	}

	const secret = "policy sk-very-secret at https://key@bundler.example"
	w.Gas.Gateway.Behave(gateway.Behaviour{Refuse: map[string]gateway.Refusal{
		userop.MethodStub: {Code: -32000, Message: secret}, userop.MethodData: {Code: -32000, Message: secret}, userop.MethodEstimate: {Code: -32500, Message: secret},
		userop.MethodPrices: {Code: -32000, Message: secret}, userop.MethodAlchemy: {Code: -32000, Message: secret},
	}})
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": userop.MethodStub, "params": []any{op, userop.EntryPoint.String(), fmt.Sprintf("0x%x", uint64(asset.SandboxBase)), map[string]any{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(body), rpc(userop.MethodPrices, "[]")} {
		r := s.Post(text)
		if e := refused(t, r); e["code"] != float64(userop.CodeServer) || object(e["data"])["code"] == nil {
			t.Errorf("a service's no: %s", r.Body)
		}
		leaks(t, "a service's no", r.Body, []string{"sk-very-secret", "bundler.example"})
	}
}

// Wallets that are smart accounts ask from pages and servers of their own: without
// cookies, and for a paymaster only.
func TestPaymasterIsForWallets(t *testing.T) {
	w, token, s := gasWorld(t, webtest.Gasless{})
	at := "/checkout/" + token + "/paymaster?option=" + usdcWay + "&wallet=" + s.Address().String()
	theirs := []string{"Origin: https://wallet.example", "Sec-Fetch-Site: cross-site", "Cookie: __Host-quittance=x"}
	open := func(what string, r webtest.Response) {
		t.Helper()
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Cross-Origin-Resource-Policy": "cross-origin", "Set-Cookie": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
	}
	pre := w.Do(http.MethodOptions, at, "", append(theirs, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")...).Want(http.StatusNoContent)
	open("the preflight", pre)
	if pre.Header.Get("Access-Control-Allow-Methods") != "POST" || pre.Header.Get("Access-Control-Allow-Headers") != "Content-Type" {
		t.Errorf("preflight: %v", pre.Header)
	}
	r := w.Do(http.MethodPost, at, rpc(userop.MethodChain, "[]"), theirs...).Want(http.StatusOK)
	open("the chain", r)
	if r.JSON()["result"] != fmt.Sprintf("0x%x", uint64(asset.SandboxBase)) {
		t.Errorf("the chain: %s", r.Body)
	}
	before := len(w.Gas.Gateway.Asked())
	op, err := json.Marshal(s.Op(s.Facts(), s.Plan(s.Facts())))
	if err != nil {
		t.Fatal(err)
	}
	point := `"` + userop.EntryPoint.String() + `"`
	for _, method := range []string{userop.MethodSend, userop.MethodEstimate, userop.MethodPrices, userop.MethodAlchemy, userop.MethodReceipt, userop.MethodLookup, userop.MethodEntryPoints} {
		params := `[` + string(op) + `,` + point + `]`
		switch method {
		case userop.MethodPrices, userop.MethodEntryPoints:
			params = `[]`
		case userop.MethodReceipt, userop.MethodLookup:
			params = `["` + opHash + `"]`
		case userop.MethodAlchemy:
			params = `[{"entryPoint":` + point + `,"userOperation":` + string(op) + `,"dummySignature":"0x` + fmt.Sprintf("%x", useroptest.Stub(userop.KindLight)) + `"}]`
		}
		r := w.Do(http.MethodPost, at, rpc(method, params), theirs...)
		if refused(t, r)["code"] != float64(userop.CodeMethod) {
			t.Errorf("%s: %s", method, r.Body)
		}
	}
	// The page's own account is not the wallet's: it is nobody's to be paid for here.
	stub := rpc(userop.MethodStub, `[`+string(op)+`,`+point+`,"`+fmt.Sprintf("0x%x", uint64(asset.SandboxBase))+`",{}]`)
	r = w.Do(http.MethodPost, at, stub, theirs...)
	open("a refusal", r)
	if e := refused(t, r); e["code"] != float64(userop.CodeParams) || !strings.HasPrefix(fmt.Sprint(object(e["data"])["code"]), "op_") {
		t.Errorf("an account that is not the wallet: %s", r.Body)
	}
	if asked := w.Gas.Gateway.Asked()[before:]; len(asked) > 0 {
		t.Errorf("the services were asked: %v", asked)
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"another token": {"/checkout/01JZX7T6Q0V6WJ9N3B5H2R8C4D/paymaster?wallet=" + other, stub, 404},
		"no wallet":     {"/checkout/" + token + "/paymaster?option=" + usdcWay, stub, 400},
		"too much":      {at, strings.Repeat(" ", userop.MaxQuestion) + stub, 413},
	} {
		open(name, w.Do(http.MethodPost, c.path, c.body, theirs...).Want(c.status))
	}
}

// What wallets ask is counted by payment: one service asks for many payers from one
// address. What the page asks is counted as ever.
func TestLimitsOfQuestions(t *testing.T) {
	rate := ratelimit.Rate{PerMinute: 1, Burst: 3}
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{}, Limits: web.Limits{Page: rate}})
	one, two := w.CreatePayment("10"), w.CreatePayment("10")
	ask := func(token, endpoint string) webtest.Response {
		return w.Do(http.MethodPost, "/checkout/"+token+"/"+endpoint+"?option="+usdcWay+"&wallet="+other, rpc(userop.MethodChain, "[]"), here)
	}
	for range 3 {
		ask(one, "paymaster").Want(http.StatusOK)
	}
	r := ask(one, "paymaster").Want(http.StatusTooManyRequests)
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Retry-After") == "" {
		t.Errorf("refused without words for a wallet: %v", r.Header)
	}
	ask(two, "paymaster").Want(http.StatusOK)

	ask(two, "bundler").Want(http.StatusOK)
	w.Get("/checkout/" + two + "/gasless?option=" + usdcWay + "&wallet=" + other).Want(http.StatusOK)
	ask(one, "bundler").Want(http.StatusOK)
	ask(one, "bundler").Want(http.StatusTooManyRequests)
	w.Get("/checkout/" + two + "/gasless?option=" + usdcWay + "&wallet=" + other).Want(http.StatusTooManyRequests)
}

// A payment that shows nothing to wallets which were not let in tells them neither its
// network nor which ways there are to pay it.
func TestVeiledPaymentsWithoutGas(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Gasless: &webtest.Gasless{Provider: "alchemy"}})
	at := "/checkout/" + restrict(w, `{"allowedPayerAddresses":["`+allowed+`"],"hideUntilApproved":true}`)
	question := rpc(userop.MethodChain, "[]")
	for _, option := range []string{"", usdcWay, "evmref:base:USDT-base"} {
		query := "?option=" + url.QueryEscape(option) + "&wallet=" + other
		for what, got := range map[string]webtest.Response{
			"gasless": w.Get(at + "/gasless" + query), "bundler": w.Do(http.MethodPost, at+"/bundler"+query, question), "paymaster": w.Do(http.MethodPost, at+"/paymaster"+query, question),
		} {
			if got.Status != http.StatusForbidden || strings.Contains(string(got.Body), "0x") {
				t.Errorf("%s of %q: %d %s", what, option, got.Status, got.Body)
			}
		}
	}
	for _, endpoint := range []string{"/bundler", "/paymaster"} {
		if got := w.Do(http.MethodPost, at+endpoint+"?option="+usdcWay+"&wallet="+allowed, question).Want(http.StatusOK).JSON(); got["result"] == nil {
			t.Errorf("%s to whom it may concern: %v", endpoint, got)
		}
	}
}
