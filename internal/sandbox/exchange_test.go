//go:build !nosandbox

package sandbox_test

import (
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
)

// payOut asks the exchange over HTTP, as pages and programs do.
func payOut(t *testing.T, s *sandbox.Chains, network, body string) (hash string, answer *httptest.ResponseRecorder) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/sandbox/exchange/"+network, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	answer = httptest.NewRecorder()
	s.ExchangeHandler().ServeHTTP(answer, r)
	var out struct{ TxHash string }
	if answer.Code == http.StatusOK {
		if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
	}
	return out.TxHash, answer
}

func TestTheExchangePaysOutInEveryWay(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	c := s.Chain("base")
	for i, x := range []struct {
		asset, amount, units string
		how                  sandbox.How
		sender               string // of the transaction's call: "" the exchange's account itself
		named                bool   // the receiver stands in the transaction
	}{
		{"ETH", "0.000267232948320465", "267232948320465", sandbox.FromWallet, "", true},
		{"ETH", "0.5", "500000000000000000", sandbox.FromContract, contracts.HotWallet, true},
		{"ETH", "0.25", "250000000000000000", sandbox.InBatch, contracts.HotWallet, true},
		{"ETH", "1", "1000000000000000000", sandbox.FromStorage, contracts.HotWallet, false},
		{"USDC", "25.003751", "25003751", sandbox.FromWallet, contracts.USDC, true},
		{"USDC", "3", "3000000", sandbox.FromContract, contracts.HotWallet, true},
		{"USDT", "4", "4000000", sandbox.InBatch, contracts.HotWallet, true},
		{"USDT", "5", "5000000", sandbox.FromStorage, contracts.HotWallet, false},
	} {
		to := common.BigToAddress(new(big.Int).Add(common.HexToAddress(payee).Big(), big.NewInt(int64(i))))
		body := compact(t, map[string]any{"to": to.Hex(), "asset": x.asset, "amount": x.amount, "how": x.how})
		hash, answer := payOut(t, s, "base", body)
		if answer.Code != http.StatusOK {
			t.Errorf("%s: status %d %s", body, answer.Code, answer.Body)
			continue
		}
		r := receipt(t, c, hash)
		if got := balance(t, c, c.Tokens[x.asset].Address, to.Hex()); r.Status != types.ReceiptStatusSuccessful || got.String() != x.units {
			t.Errorf("%s: status %d, %s arrived", body, r.Status, got)
		}
		tx, _, err := ethclient.NewClient(c.Client()).TransactionByHash(t.Context(), common.HexToHash(hash))
		if err != nil {
			t.Fatal(err)
		}
		called := to
		if x.sender != "" {
			called = contracts.Address(x.sender)
		}
		named := *tx.To() == to || strings.Contains(hexutil.Encode(tx.Data()), strings.ToLower(to.Hex()[2:]))
		if *tx.To() != called || named != x.named {
			t.Errorf("%s: a transaction to %s, which names the receiver: %t", body, tx.To(), named)
		}
	}
	if got := balance(t, s.Chain("arbitrum-one"), "", payee); got.Sign() != 0 {
		t.Errorf("%s arrived on the other chain", got)
	}
}

func TestWhatTheExchangeRefuses(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	for _, body := range []string{
		`{"to":"nobody","asset":"ETH","amount":"1"}`, `{"to":"0x0000000000000000000000000000000000000000","asset":"ETH","amount":"1"}`,
		`{"to":"` + payee + `","asset":"DOGE","amount":"1"}`, `{"to":"` + payee + `","asset":"ETH","amount":"-1"}`, `{"to":"` + payee + `","asset":"ETH","amount":"0"}`,
		`{"to":"` + payee + `","asset":"USDC","amount":"0.0000001"}`, `{"to":"` + payee + `","asset":"ETH","amount":"1","how":"magic"}`, `{"colour":"red"}`, `no JSON`,
	} {
		if _, answer := payOut(t, s, "base", body); answer.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, answer.Code)
		}
	}
	if _, answer := payOut(t, s, "mars", `{}`); answer.Code != http.StatusNotFound {
		t.Errorf("on no chain: status %d", answer.Code)
	}
	form := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/base", strings.NewReader(`{}`))
	form.Header.Set("Content-Type", "text/plain")
	answer := httptest.NewRecorder()
	s.ExchangeHandler().ServeHTTP(answer, form)
	if answer.Code != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another site: status %d", answer.Code)
	}
	answer = httptest.NewRecorder()
	s.ExchangeHandler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/base", nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", answer.Code)
	}
	// Its contract pays at nobody else's word, and what was noted once.
	c := s.Chain("base")
	for _, data := range [][]byte{contracts.Call(contracts.HotWallet, "pay", [32]byte{1}), contracts.Call(contracts.HotWallet, "batch", []struct {
		Token, To common.Address
		Amount    *big.Int
	}{})} {
		var out hexutil.Bytes
		err := c.Client().CallContext(t.Context(), &out, "eth_call", map[string]any{"from": payee, "to": contracts.Address(contracts.HotWallet), "data": hexutil.Bytes(data)}, "latest")
		if err == nil || !strings.Contains(err.Error(), "HotWallet: not the owner") {
			t.Errorf("a stranger: %v", err)
		}
	}
}
