package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/config"
	"quittance/internal/fault"
	"quittance/internal/faultproxytest"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/merchant"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/safe/safetest"
	"quittance/internal/webhook"
)

// The official contracts on Base (see internal/official/table.go).
const (
	base       = 8453
	usdcOnBase = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
	usdtOnBase = "0xfde4C96c8593536E31F229EA8f37b2ADa2699bb2"
	eurcOnBase = "0x60a3E35Cc302bFA44Cb288Bc5a4F316Fdb1adb42"
)

// realBase is a chain with Base's id, the official contracts' own code at their
// official addresses, and a token where USDC, USDT and EURC are.
func realBase(t *testing.T, more ...chaintest.Option) *chaintest.Chain {
	t.Helper()
	text, err := os.ReadFile("../sandbox/contracts/testdata/official.json")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Contracts map[string]struct{ Creation string }
	}
	if err := json.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	workshop := chaintest.New(t)
	registry := official.Default()
	erc20, _ := registry.Contract(base, official.ERC20FeeProxy)
	eth, _ := registry.Contract(base, official.EthereumFeeProxy)
	options := append(more, chaintest.WithID(base), chaintest.WithUSDC(usdcOnBase), chaintest.WithUSDC(usdtOnBase), chaintest.WithUSDC(eurcOnBase))
	for _, c := range registry.Contracts(base) {
		made, ok := data.Contracts[string(c.Kind)]
		if !ok {
			continue // Multicall3 is on every test chain
		}
		creation, err := hex.DecodeString(strings.TrimPrefix(made.Creation, "0x"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Kind == official.BatchPayments {
			// Both fee proxies; conversion proxies, oracle and owner, which play no part.
			nobody := asset.Address(bytes.Repeat([]byte{0x11}, 20))
			for _, a := range []asset.Address{erc20.Address, eth.Address, nobody, nobody, nobody, nobody} {
				creation = append(append(creation, make([]byte, 12)...), a[:]...)
			}
		}
		at, _ := workshop.Wallet.Deploy(creation)
		workshop.Mine(1)
		options = append(options, chaintest.WithCopy(c.Address.String(), workshop, at))
	}
	return chaintest.New(t, options...)
}

// playRouter is a routing service on loopback.
func playRouter(t *testing.T) (router *lifitest.Router, url string) {
	t.Helper()
	router = lifitest.New(lifitest.Options{Key: "HIDDENKEY"})
	s, err := lifitest.Serve(router)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return router, s.URL
}

func writeConfig(t *testing.T, c *chaintest.Chain, listen string) (string, func() *config.Config) {
	t.Helper()
	path, load, _ := writeConfigWith(t, c, listen)
	return path, load
}

// writeConfigWith also returns the router that the configuration names.
func writeConfigWith(t *testing.T, c *chaintest.Chain, listen string) (string, func() *config.Config, *lifitest.Router) {
	t.Helper()
	router, routes := playRouter(t)
	path := filepath.Join(t.TempDir(), "quittance.yaml")
	text := fmt.Sprintf(`
base_url: http://%s
listen: %s
database: sqlite:%s
keys: [BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=]
chains:
  base:
    rpc: ["%s/?first", "%s/?second"]
    confirmations: 2
    start_block: 1
webhooks:
  allow_loopback: true
routing:
  base_url: %s
  api_key: HIDDENKEY
`, listen, listen, filepath.Join(filepath.Dir(path), "q.db"), c.URL(), c.URL(), routes)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() *config.Config {
		cfg, err := config.Load(path, func(string) string { return "" })
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}, router
}

// TestProduction goes an operator's way: pin, doctor, merchant, serve; and then
// a payer pays native currency through the official contract.
func TestProduction(t *testing.T) {
	c := realBase(t, safetest.Contracts(t, base)...)
	c.Mine(3)
	listen := faultproxytest.KeptPorts(t, 1)[0]
	path, load := writeConfig(t, c, listen)
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)

	if err := Serve(ctx, load(), quiet, nil); err == nil || !strings.Contains(err.Error(), "doctor --pin") {
		t.Fatalf("unpinned: got %v", err)
	}
	if err := Pin(ctx, load(), config.PinsPath(path), io.Discard); err != nil {
		t.Fatalf("pin: %v", err)
	}
	key, destination := setUp(t, load())
	hooks := newHooks(t)
	operate(t, load(), func(a *Admin) error {
		all, err := a.Store.Merchants(ctx)
		if err != nil {
			return err
		}
		_, err = a.AddEndpoint(ctx, all[0].ID, hooks.URL)
		return err
	})
	c.Mine(1) // the doctor wants a chain that is alive
	var failed []string
	if err := Doctor(ctx, load(), func(f Finding) {
		if !f.OK {
			failed = append(failed, f.Check+": "+f.Detail)
		}
	}); err != nil || len(failed) > 0 {
		t.Fatalf("doctor: %v\n%s", err, strings.Join(failed, "\n"))
	}

	run, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- Serve(run, load(), quiet, nil) }()
	call := caller(t, "http://"+listen, key)
	await(t, "readiness", func() bool { status, _ := call(http.MethodGet, "/readyz", ""); return status == http.StatusOK })

	status, made := call(http.MethodPost, "/v2/secure-payments", `{"requests":[{"destinationId":"`+destination+`","amount":"0.25"}]}`)
	if status != http.StatusCreated {
		t.Fatalf("create: %d %v", status, made)
	}
	token, _ := made["token"].(string)
	status, calls := call(http.MethodGet, "/v2/secure-payments/"+token+"/pay?wallet="+c.Wallet.Address(), "")
	if status != http.StatusOK {
		t.Fatalf("pay: %d %v", status, calls)
	}
	checks, _ := calls["checks"].([]any)
	for _, x := range checks {
		if check, _ := x.(map[string]any); check["outcome"] != "passed" {
			t.Errorf("check %v", check)
		}
	}
	txs, _ := calls["transactions"].([]any)
	tx, _ := txs[0].(map[string]any)
	to, _ := tx["to"].(string)
	data, _ := tx["data"].(string)
	value, _ := tx["value"].(string)
	wei, _ := new(big.Int).SetString(strings.TrimPrefix(value, "0x"), 16)
	raw, err := hex.DecodeString(strings.TrimPrefix(data, "0x"))
	if err != nil || len(txs) != 1 {
		t.Fatalf("transactions: %v", txs)
	}
	c.Wallet.Send(to, wei, raw)
	c.Mine(3)
	await(t, "completion", func() bool {
		status, _ := call(http.MethodGet, "/v2/secure-payments/"+token, "")
		return status == http.StatusConflict
	})
	// The operator's commands work beside the running server.
	await(t, "both webhooks", func() bool { return len(hooks.counts()) == 2 })
	var again string
	operate(t, load(), func(a *Admin) error {
		sent, err := a.Webhooks.List(ctx, webhook.Filter{Payment: payment.ID(token)})
		if err != nil || len(sent) != 2 {
			return fmt.Errorf("listed %d deliveries: %w", len(sent), err)
		}
		again = sent[0].ID
		return a.Webhooks.Replay(ctx, again)
	})
	await(t, "the replay", func() bool { return hooks.counts()[again] == 2 })
	operate(t, load(), func(a *Admin) error {
		p, err := a.Checkout.Payment(ctx, payment.ID(token))
		if err != nil || p.Standing.State != payment.Paid {
			return fmt.Errorf("payment: %v, %w", p, err)
		}
		if err := a.Checkout.Cancel(ctx, p.Terms.Merchant, p.ID); !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("cancelling what is paid: %w", err)
		}
		return nil
	})
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve stopped with: %v", err)
	}
}

func operate(t *testing.T, cfg *config.Config, do func(a *Admin) error) {
	t.Helper()
	a, err := OpenAdmin(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(a), a.Close()); err != nil {
		t.Fatal(err)
	}
}

// hooks counts deliveries by their id.
type hooks struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{seen: map[string]int{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			return // the doctor only knocks
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.seen[r.Header.Get("webhook-id")]++
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hooks) counts() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.seen)
}

// TestDoctorFindsWhatIsWrong breaks one thing at a time.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	c := realBase(t, safetest.Contracts(t, base)...)
	c.Mine(1)
	path, load, router := writeConfigWith(t, c, "127.0.0.1:0")
	if err := Pin(t.Context(), load(), config.PinsPath(path), io.Discard); err != nil {
		t.Fatal(err)
	}
	examine := func() string {
		var out bytes.Buffer
		err := Doctor(t.Context(), load(), func(f Finding) {
			if !f.OK {
				fmt.Fprintf(&out, "%s: %s\n", f.Check, f.Detail)
			}
		})
		if (err != nil) != (out.Len() > 0) || (err != nil && !errors.Is(err, ErrUnhealthy)) {
			t.Errorf("doctor returned %v with %q", err, out.String())
		}
		return out.String()
	}
	setUp(t, load())
	if got := examine(); got != "" {
		t.Fatalf("healthy: %s", got)
	}
	for want, b := range map[string]lifitest.Behaviour{
		"routing service: ":        {Fail: lifitest.Failure{Status: http.StatusBadGateway}},
		"base routing contracts: ": {Permit2Proxy: asset.Address{19: 1}},
	} {
		router.Behave(b)
		if got := examine(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "HIDDENKEY") {
			t.Errorf("%q: %q", want, got)
		}
	}
	router.Behave(lifitest.Behaviour{})
	right := load
	load = func() *config.Config {
		c := right()
		c.Routing.APIKey = "ANOTHERHIDDENKEY"
		return c
	}
	if got := examine(); !strings.HasPrefix(got, "routing key: ") || strings.Count(got, "\n") != 1 || strings.Contains(got, "HIDDEN") {
		t.Errorf("another key: %q", got)
	}
	load = right
	c.Lie("eth_call", func([]json.RawMessage, json.RawMessage) any { return "0x" })
	if got := examine(); !strings.Contains(got, "reads wallets") {
		t.Errorf("no Multicall3: %q", got)
	}
	c.Behave()
	c.FailMethod("eth_simulateV1", -32601, "the method does not exist")
	if got := examine(); !strings.Contains(got, "simulates") {
		t.Errorf("no simulation: %q", got)
	}
	c.Behave()
	c.Lie("eth_getCode", func([]json.RawMessage, json.RawMessage) any { return "0x6001" })
	if got := examine(); !strings.Contains(got, "not the pinned code") {
		t.Errorf("other code: %q", got)
	}
	if err := Pin(t.Context(), load(), filepath.Join(t.TempDir(), "p.yaml"), io.Discard); err != nil {
		t.Logf("pin of other code: %v", err)
	}
	c.Behave()
	c.Lie("eth_chainId", func([]json.RawMessage, json.RawMessage) any { return "0x1" })
	if got := examine(); !strings.Contains(got, "answers") {
		t.Errorf("other chain: %q", got)
	}
	c.Behave()
	c.Fail(http.StatusBadGateway)
	if got := examine(); !strings.Contains(got, "endpoint 1 answers") || !strings.Contains(got, "endpoint 2 answers") {
		t.Errorf("down: %q", got)
	}
}

func setUp(t *testing.T, cfg *config.Config) (key, destination string) {
	t.Helper()
	a, err := OpenAdmin(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	m, err := a.AddMerchant(t.Context(), "Shop", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err = a.AddCredential(t.Context(), m.ID, merchant.APIKey, "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := a.AddDestination(t.Context(), m.ID, "0x742d35Cc6634C0532925a3b844Bc454e4438f44e@eip155:8453#B4FD67BB:0x0000000000000000000000000000000000000000", merchant.EOA)
	if err != nil {
		t.Fatal(err)
	}
	return key, d.To.String()
}

func caller(t *testing.T, origin, key string) func(method, path, body string) (int, map[string]any) {
	client := &http.Client{Timeout: 5 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, path, body string) (int, map[string]any) {
		r, err := http.NewRequestWithContext(t.Context(), method, origin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		if err != nil {
			return 0, nil
		}
		defer func() { _ = answer.Body.Close() }()
		var v map[string]any
		_ = json.NewDecoder(answer.Body).Decode(&v) // /readyz answers in plain text
		return answer.StatusCode, v
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func parse(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
