package gateway_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

const id = asset.ChainID(chaintest.DefaultID)

// desk is a Gateway on a chain with an operation that it has sent.
type desk struct {
	t     *testing.T
	stack *useroptest.Stack
	op    userop.Op
	hash  string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, stack: useroptest.New(t)}
	wallet, kind := useroptest.NewWallet(t, "control"), userop.At(id).Kinds(id)[0]
	account := kind.Account(id, wallet.Address())
	data, err := kind.Encode([]rail.Call{{To: wallet.Address(), Value: new(big.Int)}})
	if err != nil {
		t.Fatal(err)
	}
	sponsor, err := userop.NewAlchemy(userop.ServiceConfig{Chain: id, URL: d.stack.URL}, gateway.Policy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sponsor.Close)
	op := userop.Op{
		Sender: account.Address, Nonce: new(big.Int), Factory: account.Factory, FactoryData: account.FactoryData,
		CallData: data, Signature: useroptest.Stub(kind.Name()),
	}
	if op, err = sponsor.Sponsor(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	d.op = wallet.Sign(kind.Name(), id, op)
	if err := json.Unmarshal(d.ask(userop.MethodSend, d.op, userop.EntryPoint.String()), &d.hash); err != nil {
		t.Fatal(err)
	}
	return d
}

// ask returns the result of a question, or the error.
func (d *desk) ask(method string, params ...any) json.RawMessage {
	d.t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		d.t.Fatal(err)
	}
	w := d.serve(d.stack.Gateway, http.MethodPost, string(body))
	var out struct{ Result, Error json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		d.t.Fatalf("%s: %v %s", method, err, w.Body)
	}
	if out.Error != nil {
		return out.Error
	}
	return out.Result
}

func (d *desk) serve(h http.Handler, method, body string) *httptest.ResponseRecorder {
	d.t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(d.t.Context(), method, "/", strings.NewReader(body)))
	return w
}

func (d *desk) behave(body string) {
	d.t.Helper()
	if w := d.serve(d.stack.Gateway.Control(), http.MethodPut, body); w.Code != http.StatusNoContent {
		d.t.Fatalf("PUT %s: %d %s", body, w.Code, w.Body)
	}
}

// Every lie changes the answers that it is about, and no others.
func TestEveryLieIsTold(t *testing.T) {
	d := newDesk(t)
	point, context := userop.EntryPoint.String(), map[string]string{"policyId": gateway.Policy}
	chain := "0x" + big.NewInt(int64(id)).Text(16)
	questions := map[string][]any{
		userop.MethodChain: nil, userop.MethodEntryPoints: nil, userop.MethodPrices: nil, userop.MethodTip: nil,
		userop.MethodEstimate: {d.op, point}, userop.MethodReceipt: {d.hash}, userop.MethodLookup: {d.hash},
		userop.MethodStub: {d.op, point, chain, context}, userop.MethodData: {d.op, point, chain, context},
		userop.MethodAlchemy: {map[string]any{"policyId": gateway.Policy, "entryPoint": point, "userOperation": d.op, "dummySignature": "0x01"}},
	}
	answers := func() map[string]string {
		out := map[string]string{}
		for method, params := range questions {
			var v any
			if err := json.Unmarshal(d.ask(method, params...), &v); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			out[method] = string(text)
		}
		return out
	}
	honest := answers()
	about := map[string][]string{
		"chain": {userop.MethodChain}, "hash": {userop.MethodSend}, "failure": {userop.MethodReceipt}, "success": nil, // it did succeed
		"paymaster": {userop.MethodStub, userop.MethodData, userop.MethodAlchemy}, "price": {userop.MethodPrices, userop.MethodAlchemy},
	}
	for _, lie := range gateway.Lies() {
		methods, known := about[lie.Name]
		if !known {
			t.Errorf("%s: nothing is known of this lie", lie.Name)
		}
		d.behave(`{"lie":"` + lie.Name + `"}`)
		for method, got := range answers() {
			if changed := got != honest[method]; changed != slices.Contains(methods, method) {
				t.Errorf("%s: %s was changed: %t: %s", lie.Name, method, changed, got)
			}
		}
	}
	d.behave(`{"lie":"price"}`)
	var prices struct {
		Fast struct{ MaxFeePerGas string }
	}
	if err := json.Unmarshal(d.ask(userop.MethodPrices), &prices); err != nil || prices.Fast.MaxFeePerGas != "0x"+new(big.Int).Mul(big.NewInt(3e9), big.NewInt(1e6)).Text(16) {
		t.Errorf("the price is %+v, %v", prices, err)
	}
	success := gateway.Lies()[slices.IndexFunc(gateway.Lies(), func(l gateway.Lie) bool { return l.Name == "success" })]
	if got := success.Tell(userop.MethodReceipt, map[string]any{"success": false}).(map[string]any); got["success"] != true {
		t.Errorf("a failed operation: %v", got)
	}
	hash := gateway.Lies()[slices.IndexFunc(gateway.Lies(), func(l gateway.Lie) bool { return l.Name == "hash" })]
	if got := hash.Tell(userop.MethodSend, d.hash); got == d.hash {
		t.Errorf("the hash is %v", got)
	}
	if d.behave(`{}`); answers()[userop.MethodPrices] != honest[userop.MethodPrices] {
		t.Error("a good behaviour lies")
	}
}

func TestBehavioursOverHTTP(t *testing.T) {
	d := newDesk(t)
	d.behave(`{"refuse":{"eth_estimateUserOperationGas":{"code":-32521,"message":"no"}},"callGas":77}`)
	if got := string(d.ask(userop.MethodEstimate, d.op, userop.EntryPoint.String())); !strings.Contains(got, "-32521") || !strings.Contains(got, `"no"`) {
		t.Errorf("refused: %s", got)
	}
	d.behave(`{"callGas":77}`)
	if got := string(d.ask(userop.MethodEstimate, d.op, userop.EntryPoint.String())); !strings.Contains(got, `"callGasLimit":"0x4d"`) {
		t.Errorf("gas: %s", got)
	}
	d.behave(`{"status":429,"retryAfter":"7","body":"slow down"}`)
	if w := d.serve(d.stack.Gateway, http.MethodPost, `{"id":1,"method":"eth_chainId"}`); w.Code != 429 || w.Header().Get("Retry-After") != "7" || w.Body.String() != "slow down" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	d.behave(`{"delay":"30ms"}`)
	before := time.Now()
	if d.ask(userop.MethodChain); time.Since(before) < 30*time.Millisecond {
		t.Error("an answer without delay")
	}
	d.behave(`{"cut":true}`)
	if w := d.serve(d.stack.Gateway, http.MethodPost, `{"id":1,"method":"eth_chainId"}`); json.Valid(w.Body.Bytes()) {
		t.Errorf("a whole answer: %s", w.Body)
	}
	d.behave(`{"final":true}`)
	stub := string(d.ask(userop.MethodStub, d.op, userop.EntryPoint.String(), "0x"+big.NewInt(int64(id)).Text(16), map[string]string{"policyId": gateway.Policy}))
	if !strings.Contains(stub, `"isFinal":true`) {
		t.Errorf("the stub: %s", stub)
	}
	for _, body := range []string{
		`{"delay":"soon"}`, `{"delay":"-1s"}`, `{"delay":"1h"}`, `{"status":99}`, `{"lie":"x"}`, `{"refuse":{"eth_call":{"code":1,"message":""}}}`, `{"foo":1}`, `[]`, ``,
		`{"forward":"http://example.org/"}`, `{"forward":"https://127.0.0.1/"}`, `{"forward":"http://u@127.0.0.1/"}`, `{"forward":"http://169.254.169.254/"}`, `{"forward":"x"}`,
	} {
		if w := d.serve(d.stack.Gateway.Control(), http.MethodPut, body); w.Code != http.StatusBadRequest {
			t.Errorf("PUT %s: %d", body, w.Code)
		}
	}
	if w := d.serve(d.stack.Gateway.Control(), http.MethodPost, `{}`); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, PUT" {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestQuestionsAreForgotten(t *testing.T) {
	g := gateway.New(gateway.Config{Chain: id})
	for range 1003 {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"id":1,"method":"eth_chainId"}`)))
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n := len(g.Asked()); n != 1000 {
		t.Errorf("%d questions are kept", n)
	}
}
