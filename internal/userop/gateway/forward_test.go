package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
)

// other is a bundler that knows nothing and answers the same to everybody.
type other struct {
	mu    sync.Mutex
	asked []string
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct{ Method string }
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	o.asked = append(o.asked, q.Method)
	o.mu.Unlock()
	_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,` + map[string]string{
		userop.MethodPrices:   `"result":{"fast":{"maxFeePerGas":"0x11","maxPriorityFeePerGas":"0x7"}}}`,
		userop.MethodEstimate: `"result":{"callGasLimit":"0x111","verificationGasLimit":"0x222","preVerificationGas":"0x333","paymasterVerificationGasLimit":"0x444"}}`,
		userop.MethodSend:     `"error":{"code":-32500,"message":"AA23 reverted"}}`,
		userop.MethodReceipt:  `"result":null}`,
	}[q.Method]))
}

func TestTheBundlersPartIsForwarded(t *testing.T) {
	d, there := newDesk(t), &other{}
	server := httptest.NewServer(there)
	t.Cleanup(server.Close)
	d.behave(`{"forward":"` + server.URL + `"}`)
	point := userop.EntryPoint.String()
	sponsored := string(d.ask(userop.MethodAlchemy, map[string]any{"policyId": gateway.Policy, "entryPoint": point, "userOperation": d.op, "dummySignature": "0x01"}))
	for _, want := range []string{
		`"callGasLimit":"0x111"`, `"verificationGasLimit":"0x222"`, `"preVerificationGas":"0x333"`, `"paymasterVerificationGasLimit":"0x444"`,
		`"maxFeePerGas":"0x11"`, `"maxPriorityFeePerGas":"0x7"`, `"paymasterData":"0x`,
	} {
		if !strings.Contains(sponsored, want) {
			t.Errorf("%s is not in %s", want, sponsored)
		}
	}
	if got := string(d.ask(userop.MethodSend, d.op, point)); !strings.Contains(got, "AA23 reverted") || !strings.Contains(got, "-32500") {
		t.Errorf("sent: %s", got)
	}
	if got := string(d.ask(userop.MethodReceipt, d.hash)); got != "" && got != "null" {
		t.Errorf("the receipt is %s", got)
	}
	if got := string(d.ask(userop.MethodChain)); !strings.HasPrefix(got, `"0x`) {
		t.Errorf("the chain is %s", got)
	}
	if want := []string{userop.MethodPrices, userop.MethodEstimate, userop.MethodSend, userop.MethodReceipt}; !slices.Equal(there.asked, want) {
		t.Errorf("asked %v, expected %v", there.asked, want)
	}
	server.Close()
	if got := string(d.ask(userop.MethodEstimate, d.op, point)); !strings.Contains(got, "-32000") {
		t.Errorf("with nobody there: %s", got)
	}
}
