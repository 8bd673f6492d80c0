//go:build !nosandbox

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/app"
)

// demo is a running demo, used as its page and its merchant use it.
type demo struct {
	t        *testing.T
	stop     func()
	BaseURL  string
	Merchant struct {
		APIKey, SpacePaySecretKey string
		Deposit                   struct{ XPub, XPrv, Path string }
		Partner                   struct{ SecPaidToken string }
	}
	Payer   struct{ Address string }
	Samples struct{ Crosschain, Deposit, Link, Split string }
	Saver   struct{ Address, PrivateKey, Account, Kind string }
	Sandbox struct {
		RouterURL, BridgeURL, ChainsURL  string
		BundlerURL, SaverURL             string
		PricesURL, FeedsURL, ExchangeURL string
		BankURL, StatementURL            string
		Safe                             struct {
			Address, AppURL string
			Owners          []string
			Threshold       int
		}
	}
}

func startDemo(t *testing.T, dataDir string) *demo {
	t.Helper()
	return startDemoOf(t, dataDir, "")
}

func startDemoOf(t *testing.T, dataDir, account string) *demo {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := app.Demo(ctx, app.DemoConfig{Listen: "127.0.0.1:0", DataDir: dataDir, Account: account, JSON: true, Out: in, Log: slog.New(slog.DiscardHandler)})
		done <- err
		_ = in.CloseWithError(io.EOF)
	}()
	d := &demo{t: t, stop: sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the demo stopped with: %v", err)
		}
	})}
	t.Cleanup(d.stop)
	if err := json.NewDecoder(out).Decode(d); err != nil {
		t.Fatal(err)
	}
	return d
}

// ask sends a request and reads the answer into out, unless that is nil.
func (d *demo) ask(method, url string, body, out any) int {
	d.t.Helper()
	sent, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, url, bytes.NewReader(sent))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(url, d.BaseURL+"/v2/") {
		r.Header.Set("X-Api-Key", d.Merchant.APIKey)
	}
	if strings.HasPrefix(url, d.BaseURL+"/v1/external/secretkey-auth/") {
		r.Header.Set("X-SpacePay-Secret-Key", d.Merchant.SpacePaySecretKey)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			d.t.Fatalf("%s %s: %d %s", method, url, answer.StatusCode, text)
		}
	}
	return answer.StatusCode
}

func (d *demo) command(url string, body any) {
	d.t.Helper()
	if status := d.ask(http.MethodPut, url, body, nil); status != http.StatusNoContent {
		d.t.Fatalf("PUT %s %v: status %d", url, body, status)
	}
}

type object = map[string]any

// order makes a payment of 10 USDC on Base.
func (d *demo) order() (token, request string) {
	d.t.Helper()
	var made struct {
		Token      string
		RequestIDs []string
	}
	if status := d.ask(http.MethodPost, d.BaseURL+"/v2/secure-payments", object{"requests": []object{{"amount": "10"}}}, &made); status != http.StatusCreated {
		d.t.Fatalf("creating a payment: status %d", status)
	}
	return made.Token, made.RequestIDs[0]
}

// pay has the payer's wallet sign what a route from USDT on Arbitrum takes, and
// tells the server.
func (d *demo) pay(token string) {
	d.t.Helper()
	var way struct {
		Transactions []struct{ To, Data, Value string }
		Metadata     struct{ RouteType string }
		Message      any
	}
	url := d.BaseURL + "/v2/secure-payments/" + token
	status := d.ask(http.MethodGet, url+"/pay?chain=ARBITRUM&token=USDT&wallet="+d.Payer.Address, nil, &way)
	if status != http.StatusOK || len(way.Transactions) != 2 || way.Metadata.RouteType != "crosschain" {
		d.t.Fatalf("status %d: %+v", status, way)
	}
	var hash string
	for _, tx := range way.Transactions {
		d.wallet("eth_sendTransaction", object{"from": d.Payer.Address, "to": tx.To, "data": tx.Data, "value": tx.Value}, &hash)
		d.until("a transaction is in a block", func() bool {
			var r *struct{ Status string }
			d.wallet("eth_getTransactionReceipt", hash, &r)
			if r != nil && r.Status != "0x1" {
				d.t.Fatalf("transaction %s was reverted", hash)
			}
			return r != nil
		})
	}
	var said object
	// The sandbox's explorer shows transactions of contracts that it does not know.
	if status := d.ask(http.MethodGet, d.BaseURL+"/sandbox/explorer/arbitrum-one/tx/"+hash, nil, nil); status != http.StatusOK {
		d.t.Errorf("the explorer: status %d", status)
	}
	if status := d.ask(http.MethodPost, url+"/intent", object{"txHash": hash, "chain": "ARBITRUM", "token": "USDT", "payerAddress": d.Payer.Address}, &said); status != http.StatusOK {
		d.t.Fatalf("the intent: status %d %v", status, said)
	}
}

func (d *demo) wallet(method string, param, out any) {
	d.t.Helper()
	var answer struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	d.ask(http.MethodPost, d.BaseURL+"/sandbox/wallet/arbitrum-one", object{"jsonrpc": "2.0", "id": 1, "method": method, "params": []any{param}}, &answer)
	if answer.Error != nil {
		d.t.Fatalf("%s: %s", method, answer.Error)
	}
	if err := json.Unmarshal(answer.Result, out); err != nil {
		d.t.Fatal(err)
	}
}

func (d *demo) until(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// ended waits until the bridge has brought so many transfers to an end.
func (d *demo) ended(n int, stage string) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d transfers have ended, the last %s", n, stage), func() bool {
		var b struct{ Transfers []struct{ Stage string } }
		d.ask(http.MethodGet, d.Sandbox.BridgeURL, nil, &b)
		return len(b.Transfers) == n && b.Transfers[n-1].Stage == stage
	})
}

// heard returns what the merchant was told about a request, oldest first.
func (d *demo) heard(request string) (events []string) {
	d.t.Helper()
	var sent []struct {
		Event string
		Body  struct{ RequestID, SubStatus string }
	}
	d.ask(http.MethodGet, d.BaseURL+"/sandbox/webhooks", nil, &sent)
	for _, s := range slices.Backward(sent) {
		if s.Body.RequestID == request {
			events = append(events, strings.TrimSuffix(s.Event+" "+s.Body.SubStatus, " "))
		}
	}
	return events
}

func TestTheDemosPayerPaysFromTheOtherChain(t *testing.T) {
	d := startDemo(t, "")
	var requests []string
	var tokens []string
	for i, ends := range []struct{ outcome, stage string }{{"refund", "refunded"}, {"fail", "recovered"}, {"deliver", "delivered"}} {
		d.command(d.Sandbox.BridgeURL, object{"outcome": ends.outcome, "delay": "0s"})
		token, request := d.order()
		d.pay(token)
		d.ended(i+1, ends.stage)
		tokens, requests = append(tokens, token), append(requests, request)
	}
	for i, want := range []string{"payment.refunded", "payment.failed destination_call_failed", "payment.confirmed"} {
		d.until("the merchant has heard of "+want, func() bool { return slices.Contains(d.heard(requests[i]), want) })
	}
	if heard := d.heard(requests[2]); slices.ContainsFunc(heard, func(e string) bool { return strings.HasPrefix(e, "payment.failed") }) {
		t.Errorf("what was delivered is announced as %v", heard)
	}
	// What was given back can be paid again.
	d.pay(tokens[0])
	d.until("the second attempt settles", func() bool { return slices.Contains(d.heard(requests[0]), "payment.confirmed") })
}

func TestTheDemosWorldGoesWrongOnCommand(t *testing.T) {
	d := startDemo(t, "")
	if d.Samples.Crosschain == "" {
		t.Error("no sample to pay from the other chain")
	}
	token, _ := d.order()
	options := func() (chains []string, missing []any) {
		var said struct {
			PaymentOptions    map[string]any
			UnavailableChains []any
		}
		d.ask(http.MethodGet, d.BaseURL+"/v2/secure-payments/"+token+"?wallet="+d.Payer.Address, nil, &said)
		for chain := range said.PaymentOptions {
			chains = append(chains, chain)
		}
		return chains, said.UnavailableChains
	}
	d.until("both chains are offered", func() bool { chains, _ := options(); return len(chains) == 2 })
	d.command(d.Sandbox.ChainsURL+"/arbitrum-one", object{"down": true})
	if chains, missing := options(); len(chains) != 1 || len(missing) != 1 {
		t.Errorf("with a dead chain: %v, missing %v", chains, missing)
	}
	var none any
	d.wallet("eth_getTransactionReceipt", "0x"+strings.Repeat("00", 32), &none) // the wallet goes on
	d.command(d.Sandbox.ChainsURL+"/arbitrum-one", object{"down": false})
	d.until("the chain is offered again", func() bool { chains, _ := options(); return len(chains) == 2 })

	d.command(d.Sandbox.RouterURL, object{"lie": "across.receiverAddress"})
	other, _ := d.order() // the first one's offer is kept
	var refused struct{ ErrorCode, Message string }
	if status := d.ask(http.MethodGet, d.BaseURL+"/v2/secure-payments/"+other+"/pay?chain=ARBITRUM&token=USDC&wallet="+d.Payer.Address, nil, &refused); status != http.StatusForbidden {
		t.Errorf("a lie: status %d %+v", status, refused)
	}

	// Other names for this machine are other sites.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.Sandbox.BridgeURL, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "sandbox.example:80"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("another host: status %d", answer.StatusCode)
	}
}

// Chains that began otherwise are of no use any more, and nor is what was read
// from them: the demo starts anew, with the keys that its user has noted.
func TestADemoOutlivesItsChains(t *testing.T) {
	dir := t.TempDir()
	first := startDemo(t, dir)
	token, _ := first.order()
	first.stop()
	if err := os.Remove(filepath.Join(dir, "chains", "keys.json")); err != nil {
		t.Fatal(err)
	}
	second := startDemo(t, dir)
	if second.Merchant.APIKey != first.Merchant.APIKey || second.Payer.Address == first.Payer.Address {
		t.Errorf("started with %+v after %+v", second.Merchant, first.Merchant)
	}
	if status := second.ask(http.MethodGet, second.BaseURL+"/v2/secure-payments/"+token, nil, nil); status != http.StatusNotFound {
		t.Errorf("a payment of chains that are gone: status %d", status)
	}
}
