//go:build !nosandbox

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
)

func keccak(b []byte) []byte { return crypto.Keccak256(b) }

type walletPage struct {
	t       testing.TB
	url     string
	headers []string
}

type walletReply struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int
		Message string
		Data    string
	}
}

func (p walletPage) call(method string, params ...any) walletReply {
	p.t.Helper()
	if params == nil {
		params = []any{}
	}
	return p.raw(fmt.Sprintf(`{"jsonrpc":"2.0","id":"x","method":%q,"params":%s}`, method, compact(p.t, params)))
}

func (p walletPage) raw(body string) walletReply {
	p.t.Helper()
	r := request(p.t, http.MethodPost, p.url, body, append([]string{"Content-Type", "application/json"}, p.headers...)...)
	if r.StatusCode != http.StatusOK {
		p.t.Fatalf("status %d: %s", r.StatusCode, r.body)
	}
	if h := r.Header.Get("Access-Control-Allow-Origin"); h != "" {
		p.t.Errorf("the wallet is open to %q", h)
	}
	var out walletReply
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		p.t.Fatalf("%v: %s", err, r.body)
	}
	return out
}

func (p walletPage) text(method string, params ...any) string {
	p.t.Helper()
	r := p.call(method, params...)
	if r.Error != nil {
		p.t.Fatalf("%s: %+v", method, r.Error)
	}
	var out string
	if err := json.Unmarshal(r.Result, &out); err != nil {
		p.t.Fatalf("%s: %s", method, r.Result)
	}
	return out
}

func openWallet(t testing.TB) (*sandbox.Chains, *sandbox.Chain, walletPage) {
	t.Helper()
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	server := httptest.NewServer(s.WalletHandler())
	t.Cleanup(server.Close)
	return s, s.Chain("base"), walletPage{t, server.URL + "/sandbox/wallet/base", []string{"Origin", server.URL, "Sec-Fetch-Site", "same-origin"}}
}

func TestWalletPays(t *testing.T) {
	s, c, page := openWallet(t)
	payer, _ := s.Payer()
	if got := string(page.call("eth_requestAccounts").Result); got != `["`+payer+`"]` {
		t.Errorf("accounts %s", got)
	}
	if got := page.text("eth_chainId"); got != fmt.Sprintf("0x%x", c.ChainID) {
		t.Errorf("chain %s", got)
	}
	token := c.Tokens["USDT"].Address
	approve := contracts.Call(contracts.USDT, "approve", common.HexToAddress(c.Contracts.ERC20FeeProxy), big.NewInt(100))
	pay := contracts.Call(contracts.ERC20FeeProxy, "transferFromWithReferenceAndFee", common.HexToAddress(token),
		common.HexToAddress(payee), big.NewInt(100), []byte("referenc"), new(big.Int), common.Address{})
	for _, tx := range []map[string]any{
		{"from": payer, "to": token, "data": hexutil.Bytes(approve), "chainId": hexutil.Uint64(c.ChainID)},
		{"from": strings.ToLower(payer), "to": c.Contracts.ERC20FeeProxy, "input": hexutil.Bytes(pay), "value": "0x0"},
	} {
		hash := page.text("eth_sendTransaction", tx)
		if r := receipt(t, c, hash); r.Status != 1 {
			t.Fatalf("%s: status %d", hash, r.Status)
		}
		if got := page.call("eth_getTransactionReceipt", hash); !strings.Contains(string(got.Result), hash) {
			t.Errorf("receipt through the wallet: %s %v", got.Result, got.Error)
		}
	}
	if got := balance(t, c, token, payee); got.Cmp(big.NewInt(100)) != 0 {
		t.Errorf("the payee has %v", got)
	}
	hash := page.text("eth_sendTransaction", map[string]any{"to": payee, "value": "0x5", "gas": "0x5208"})
	if r := receipt(t, c, hash); r.Status != 1 || balance(t, c, "", payee).Cmp(big.NewInt(5)) != 0 {
		t.Errorf("coins: status %d", r.Status)
	}
}

func TestWalletRefuses(t *testing.T) {
	s, c, page := openWallet(t)
	payer, _ := s.Payer()
	tooMuch := contracts.Call(contracts.USDC, "transfer", common.HexToAddress(payee), big.NewInt(1e15))
	tests := []struct {
		name, body string
		code       int
		says       string
	}{
		{"another method", `{"jsonrpc":"2.0","id":1,"method":"eth_sign","params":[]}`, -32601, "does not know"},
		{"a raw transaction", `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x"]}`, -32601, "does not know"},
		{"an older typed signature", `{"jsonrpc":"2.0","id":1,"method":"eth_signTypedData","params":[]}`, -32601, "does not know"},
		{"no JSON", `{"jsonrpc":`, -32700, "not JSON"},
		{"a batch", `[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}]`, -32600, "single"},
		{"no version", `{"id":1,"method":"eth_chainId"}`, -32600, "single"},
		{"named parameters", `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{}}`, -32600, "single"},
		{"two transactions", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{},{}]}`, -32602, "one transaction"},
		{"a malformed amount", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"to":"` + payee + `","value":"5"}]}`, -32602, "malformed"},
		{"another account", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"from":"` + payee + `","to":"` + payee + `"}]}`, 4100, "another account"},
		{"another chain", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"to":"` + payee + `","chainId":"0x2105"}]}`, 4901, "another chain"},
		{"a deployment", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"from":"` + payer + `","data":"0x00"}]}`, -32602, "to is missing"},
		{"two different inputs", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"to":"` + payee + `","data":"0x00","input":"0x01"}]}`, -32602, "differ"},
		{"a call that reverts", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"to":"` + c.Tokens["USDC"].Address + `","data":"` + hexutil.Encode(tooMuch) + `"}]}`, 3, "exceeds balance"},
		{"more than it has", `{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{"to":"` + payee + `","value":"0xffffffffffffffffffff"}]}`, -32000, "insufficient funds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := walletPage{t, page.url, page.headers}.raw(tt.body)
			if r.Error == nil || r.Error.Code != tt.code || !strings.Contains(r.Error.Message, tt.says) {
				t.Errorf("%s %+v, want code %d and %q", r.Result, r.Error, tt.code, tt.says)
			}
		})
	}
	if r := page.raw(tests[13].body); r.Error == nil || !strings.HasPrefix(r.Error.Data, "0x08c379a0") {
		t.Errorf("the revert data is not passed on: %+v", r.Error)
	}
}

func TestWalletIsForItsOwnPagesOnly(t *testing.T) {
	_, _, page := openWallet(t)
	const body = `{"jsonrpc":"2.0","id":1,"method":"eth_accounts","params":[]}`
	own := page.headers[1]
	tests := []struct {
		name    string
		headers []string
		status  int
	}{
		{"own page", []string{"Origin", own, "Sec-Fetch-Site", "same-origin"}, 200},
		{"no browser", nil, 200},
		{"another site", []string{"Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"another site in an old browser", []string{"Origin", "https://elsewhere.example"}, 403},
		{"another port", []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"another site of the same domain", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"typed by a person", []string{"Sec-Fetch-Site", "none"}, 403},
		{"a sandboxed frame", []string{"Origin", "null"}, 403},
		{"a form", []string{"Origin", own, "Content-Type", "text/plain"}, 415},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t, http.MethodPost, page.url, body, append([]string{"Content-Type", "application/json"}, tt.headers...)...)
			if r.StatusCode != tt.status || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("status %d, want %d; headers %v", r.StatusCode, tt.status, r.Header)
			}
		})
	}
	if r := request(t, http.MethodOptions, page.url, ""); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("preflight: %d", r.StatusCode)
	}
	if r := request(t, http.MethodPost, page.url, strings.Repeat(" ", 1<<17), "Content-Type", "application/json"); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large request: %d", r.StatusCode)
	}
}
