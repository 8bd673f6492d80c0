//go:build !nosandbox

package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/asset"
	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
)

const payee = "0x1111111111111111111111111111111111111111"

func start(t testing.TB, o sandbox.Options) *sandbox.Chains {
	t.Helper()
	s, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// ask puts a question to the chain as a page does, by its handler.
func ask(t testing.TB, c *sandbox.Chain, result any, method string, params ...any) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, compact(t, params))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.RPC.ServeHTTP(w, r)
	var out struct {
		Result, Error json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Error != nil {
		t.Fatalf("%s: %v %s", method, err, w.Body)
	}
	if err := json.Unmarshal(out.Result, result); err != nil {
		t.Fatalf("%s: %v %s", method, err, out.Result)
	}
}

// balance of a token, or of the native coin for "".
func balance(t testing.TB, c *sandbox.Chain, token, account string) *big.Int {
	t.Helper()
	if token == "" {
		var out hexutil.Big
		ask(t, c, &out, "eth_getBalance", account, "latest")
		return out.ToInt()
	}
	var out hexutil.Bytes
	data := contracts.Call(contracts.USDC, "balanceOf", common.HexToAddress(account))
	ask(t, c, &out, "eth_call", map[string]any{"to": token, "data": hexutil.Bytes(data)}, "latest")
	return new(big.Int).SetBytes(out)
}

func receipt(t testing.TB, c *sandbox.Chain, hash string) *types.Receipt {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var r *types.Receipt
		if ask(t, c, &r, "eth_getTransactionReceipt", hash); r != nil {
			return r
		}
	}
	t.Fatalf("no receipt of %s", hash)
	return nil
}

func TestChainsAreWhatTheAssetTableSays(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	chains, tokens := asset.Sandbox()
	if len(s.All()) != len(chains) {
		t.Fatalf("%d chains, the table has %d", len(s.All()), len(chains))
	}
	payer, _ := s.Payer()
	for _, want := range chains {
		c := s.Chain(want.Network)
		if c == nil || c.ChainID != uint64(want.ID) || c.Name != want.Selector {
			t.Fatalf("chain of %s: %+v", want.Network, c)
		}
		var id hexutil.Uint64
		if err := c.Client().Call(&id, "eth_chainId"); err != nil || uint64(id) != c.ChainID {
			t.Errorf("%s: eth_chainId %d, %v", c.Network, id, err)
		}
		if got := balance(t, c, "", payer); got.Cmp(new(big.Int).Mul(big.NewInt(10), big.NewInt(1e18))) != 0 {
			t.Errorf("%s: the payer holds %v wei", c.Network, got)
		}
		for _, addr := range []string{c.Contracts.ERC20FeeProxy, c.Contracts.EthFeeProxy, c.Contracts.BatchPayments, c.Contracts.Multicall3} {
			code, err := ethclient.NewClient(c.Client()).CodeAt(t.Context(), common.HexToAddress(addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			if hash, ok := c.RuntimeHash(addr); !ok || hash != hexutil.Encode(keccak(code)) {
				t.Errorf("%s: code at %s is not what RuntimeHash says", c.Network, addr)
			}
		}
	}
	for _, want := range tokens {
		c := s.Chain(want.Network)
		got, ok := c.Tokens[want.Symbol]
		if !ok || got.Address != want.Address.String() || got.Decimals != int(want.Decimals) {
			t.Errorf("%s: token %+v, the table has %+v", c.Network, got, want)
		}
		if b := balance(t, c, got.Address, payer); b.Cmp(big.NewInt(10_000_000_000)) != 0 {
			t.Errorf("%s: the payer holds %v %s", c.Network, b, want.Symbol)
		}
	}
	if _, ok := s.All()[0].RuntimeHash(payee); ok {
		t.Error("an address that is not a contract has a code hash")
	}
}

func TestFundsAndReorganises(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: time.Hour, FinalityDepth: 3})
	c := s.Chain("base")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Mine(ctx, 5); err != nil {
		t.Fatal(err)
	}
	funded := make(chan error, 1)
	go func() {
		funded <- c.Fund(ctx, payee, sandbox.Funds{Native: big.NewInt(1), USDC: big.NewInt(2), USDT: big.NewInt(3)})
	}()
	for done := false; !done; {
		select {
		case err := <-funded:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			if err := c.Mine(ctx, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	usdc, usdt := c.Tokens["USDC"].Address, c.Tokens["USDT"].Address
	for token, want := range map[string]int64{"": 1, usdc: 2, usdt: 3} {
		if got := balance(t, c, token, payee); got.Cmp(big.NewInt(want)) != 0 {
			t.Errorf("balance of %q: %v, want %d", token, got, want)
		}
	}
	// The first chain's money is not on the second.
	if got := balance(t, s.Chain("arbitrum-one"), usdc, payee); got.Sign() != 0 {
		t.Errorf("the other chain has %v", got)
	}
	if err := c.Reorg(ctx, 4); err == nil {
		t.Error("a finalized block was replaced")
	}
	before, _ := ethclient.NewClient(c.Client()).HeaderByNumber(ctx, nil)
	if err := c.Reorg(ctx, 2); err != nil {
		t.Fatal(err)
	}
	after, err := ethclient.NewClient(c.Client()).HeaderByNumber(ctx, nil)
	if err != nil || after.Number.Cmp(before.Number) != 0 || after.Hash() == before.Hash() {
		t.Errorf("head %v %v after a reorg of %v %v (%v)", after.Number, after.Hash(), before.Number, before.Hash(), err)
	}
	if err := c.Fund(ctx, "nobody", sandbox.Funds{Native: big.NewInt(1)}); err == nil {
		t.Error("funded a name that is no address")
	}
}

func TestKeepsKeysAndChainsBetweenRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	o := sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction}
	first, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	payer, secret := first.Payer()
	if err := first.Chain("base").Fund(t.Context(), payee, sandbox.Funds{USDC: big.NewInt(77)}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "keys.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("keys file: %v %v", info, err)
	}

	second := start(t, o)
	if p, k := second.Payer(); p != payer || k != secret {
		t.Errorf("the payer has become %s", p)
	}
	c := second.Chain("base")
	if got := balance(t, c, c.Tokens["USDC"].Address, payee); got.Cmp(big.NewInt(77)) != 0 {
		t.Errorf("kept balance %v", got)
	}
	if err := c.Fund(t.Context(), payee, sandbox.Funds{USDC: big.NewInt(1)}); err != nil {
		t.Errorf("the kept chain does not go on: %v", err)
	}

	if err := os.WriteFile(filepath.Join(dir, "keys.json"), []byte(`{"payer":"deadbeef"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Start(t.Context(), o); err == nil || strings.Contains(err.Error(), "deadbeef") {
		t.Errorf("a broken keys file: %v", err)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction}).Close() // whatever geth starts once
	before := runtime.NumGoroutine()
	s := start(t, sandbox.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestMakesBlocksByTheClock(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: 10 * time.Millisecond})
	client := ethclient.NewClient(s.Chain("arbitrum-one").Client())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		final, err := client.HeaderByNumber(t.Context(), big.NewInt(rpc.FinalizedBlockNumber.Int64()))
		if err != nil {
			t.Fatal(err)
		}
		if final.Number.Int64() >= 3 {
			head, err := client.BlockNumber(t.Context())
			if err != nil || head < final.Number.Uint64()+3 {
				t.Errorf("head %d, finalized %v, %v", head, final.Number, err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no blocks, or none final")
		}
	}
}

func TestRPCIsPublicAndLimited(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	server := httptest.NewServer(http.StripPrefix("/sandbox/rpc", s.RPCHandler()))
	defer server.Close()
	url := server.URL + "/sandbox/rpc/base"

	resp := request(t, http.MethodOptions, url, "", "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "POST")
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Access-Control-Allow-Origin") != "*" ||
		resp.Header.Get("Access-Control-Allow-Headers") != "Content-Type" {
		t.Errorf("preflight: %d %v", resp.StatusCode, resp.Header)
	}
	post := func(body string) *answer {
		t.Helper()
		return request(t, http.MethodPost, url, body, "Content-Type", "application/json", "Origin", "https://elsewhere.example")
	}
	if r := post(`[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","id":2,"method":"web3_clientVersion"}]`); r.StatusCode != 200 ||
		!strings.Contains(r.body, fmt.Sprintf(`"result":"0x%x"`, asset.SandboxBase)) || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("batch: %d %v %s", r.StatusCode, r.Header, r.body)
	}
	for _, method := range []string{"admin_nodeInfo", "debug_setHead", "miner_setGasLimit", "txpool_content", "engine_newPayloadV4", "personal_listAccounts"} {
		if r := post(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":["0x0"]}`); !strings.Contains(r.body, "-32601") {
			t.Errorf("%s: %s", method, r.body)
		}
	}
	if r := post(`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":["` + strings.Repeat("0", 1<<20) + `"]}`); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large request: %d", r.StatusCode)
	}
	calls := strings.Repeat(`,{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`, 101)
	if r := post("[" + calls[1:] + "]"); !strings.Contains(r.body, "batch too large") {
		t.Errorf("a large batch: %.100s", r.body)
	}
	if r := request(t, http.MethodGet, url, ""); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.StatusCode)
	}
	if r := request(t, http.MethodPost, server.URL+"/sandbox/rpc/mainnet", "{}"); r.StatusCode != http.StatusNotFound {
		t.Errorf("unknown network: %d", r.StatusCode)
	}

	ws, err := rpc.DialWebsocket(t.Context(), "ws"+strings.TrimPrefix(url, "http"), "https://elsewhere.example")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	heads := make(chan *types.Header, 1)
	sub, err := ethclient.NewClient(ws).SubscribeNewHead(t.Context(), heads)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	if err := s.Chain("base").Mine(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heads:
	case err := <-sub.Err():
		t.Fatal(err)
	case <-time.After(time.Minute):
		t.Fatal("no head over the WebSocket")
	}
}

type answer struct {
	*http.Response
	body string
}

func request(t testing.TB, method, url, body string, headers ...string) *answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{resp, string(text)}
}

func compact(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := sandbox.Start(b.Context(), sandbox.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func TestChainsOfOtherKeysDoNotOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	o := sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction}
	first, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "keys.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Start(t.Context(), o); !errors.Is(err, sandbox.ErrGenesis) {
		t.Errorf("opened with new keys: %v", err)
	}
}
