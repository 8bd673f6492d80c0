//go:build !nosandbox

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
)

const (
	feePayee = "0x2222222222222222222222222222222222222222"
	fallback = "0x3333333333333333333333333333333333333333"
)

// demoWorld is the demo without its server: chains, router, bridge and the payer's wallet.
type demoWorld struct {
	t       *testing.T
	chains  *sandbox.Chains
	routing *sandbox.Routing
	client  *lifi.Client
	wallets *httptest.Server
	payer   asset.Address
}

func newWorld(t *testing.T, how sandbox.BridgeBehaviour) *demoWorld {
	t.Helper()
	w := &demoWorld{t: t, chains: start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction, FinalityDepth: 2})}
	var err error
	if w.routing, err = w.chains.StartRouting(sandbox.RoutingOptions{Behaviour: how}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.routing.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if w.client, err = lifi.NewClient(lifi.Config{BaseURL: w.routing.URL, Table: w.routing.Table}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	w.wallets = httptest.NewServer(w.chains.WalletHandler())
	t.Cleanup(w.wallets.Close)
	text, _ := w.chains.Payer()
	w.payer = asset.Address(common.HexToAddress(text))
	return w
}

func (w *demoWorld) token(chain asset.ChainID, symbol string) asset.Token {
	w.t.Helper()
	_, tokens := asset.Sandbox()
	i := slices.IndexFunc(tokens, func(k asset.Token) bool { return k.Chain == chain && k.Symbol == symbol })
	if i < 0 {
		w.t.Fatalf("no %s on %d", symbol, chain)
	}
	return tokens[i]
}

// intent is a payment of 24.50 USDC on Base, out of USDT on Arbitrum.
func (w *demoWorld) intent() lifi.Intent {
	from, to := w.token(asset.SandboxArbitrum, "USDT"), w.token(asset.SandboxBase, "USDC")
	in := lifi.Intent{
		Payer: w.payer, From: from, To: to, Refund: w.payer, Fallback: asset.Address(common.HexToAddress(fallback)),
		Payment: official.ERC20Payment{
			Token: to.Address, Payee: asset.Address(common.HexToAddress(payee)), Amount: big.NewInt(24_500_000),
			Reference: official.Reference{1, 2, 3, 4, 5, 6, 7, 8}, Fee: big.NewInt(50_000), FeePayee: asset.Address(common.HexToAddress(feePayee)),
		},
	}
	in.MaxFrom = lifi.SourceCap(in.Required(), from, to, 200)
	return in
}

// pay quotes a route, verifies it and has the payer's wallet sign what it takes, as a page does.
func (w *demoWorld) pay(in lifi.Intent) (tx string, call *lifi.Call) {
	w.t.Helper()
	step, err := w.client.Quote(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range w.routing.Table.Verify(in, step.Transaction, nil, time.Now().UTC()) {
		if c.Outcome != rail.Passed {
			w.t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if call, err = lifi.DecodeCall(step.Transaction.Data); err != nil {
		w.t.Fatal(err)
	}
	network := w.network(in.From.Chain)
	wallet := walletPage{w.t, w.wallets.URL + "/sandbox/wallet/" + network, []string{"Origin", w.wallets.URL, "Sec-Fetch-Site", "same-origin"}}
	send := func(to string, data []byte) string {
		return wallet.text("eth_sendTransaction", map[string]any{"from": w.payer.String(), "to": to, "data": hexutil.Bytes(data)})
	}
	spender := common.Address(step.Transaction.Spender)
	approve := send(in.From.Address.String(), contracts.Call(contracts.USDT, "approve", spender, call.Deposit()))
	if r := receipt(w.t, w.chains.Chain(network), approve); r.Status != 1 {
		w.t.Fatal("the approval failed")
	}
	tx = send(step.Transaction.To.String(), step.Transaction.Data)
	if r := receipt(w.t, w.chains.Chain(network), tx); r.Status != 1 {
		w.t.Fatal("the route failed")
	}
	return tx, call
}

func (w *demoWorld) network(id asset.ChainID) string {
	for _, c := range w.chains.All() {
		if c.ChainID == uint64(id) {
			return c.Network
		}
	}
	w.t.Fatalf("no chain %d", id)
	return ""
}

// until asks the service about a transfer until it says so.
func (w *demoWorld) until(tx string, want lifi.Progress) lifi.Status {
	w.t.Helper()
	var last lifi.Status
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var err error
		if last, err = w.client.Status(w.t.Context(), lifi.StatusQuery{TxHash: tx, From: asset.SandboxArbitrum}); err != nil {
			w.t.Fatal(err)
		}
		if last.Progress() == want {
			return last
		}
	}
	w.t.Fatalf("the transfer is %q, not %q: %+v", last.Progress(), want, last)
	return last
}

func (w *demoWorld) holds(network, symbol, who string, want int64) {
	w.t.Helper()
	c := w.chains.Chain(network)
	if got := balance(w.t, c, c.Tokens[symbol].Address, who); got.Cmp(big.NewInt(want)) != 0 {
		w.t.Errorf("%s has %v %s on %s, want %d", who, got, symbol, network, want)
	}
}

// paid returns how many payments with the test's reference a transaction made.
func (w *demoWorld) paid(r *types.Receipt) (n int) {
	for _, l := range r.Logs {
		if l.Address == contracts.Address(contracts.ERC20FeeProxy) && l.Topics[1] == common.BytesToHash(keccak([]byte{1, 2, 3, 4, 5, 6, 7, 8})) {
			n++
		}
	}
	return n
}

func TestPaysOverTheBridge(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{})
	before := balance(t, w.chains.Chain("arbitrum-one"), w.chains.Chain("arbitrum-one").Tokens["USDT"].Address, w.payer.String())
	tx, call := w.pay(w.intent())
	s := w.until(tx, lifi.Arrived)
	base := w.chains.Chain("base")
	r := receipt(t, base, s.Receiving.TxHash)
	if w.paid(r) != 1 || s.Receiving.Chain != asset.SandboxBase || s.Receiving.Token.Symbol != "USDC" || s.Sending.TxHash != tx {
		t.Errorf("%d payments, status %+v", w.paid(r), s)
	}
	w.holds("base", "USDC", payee, 24_500_000)
	w.holds("base", "USDC", feePayee, 50_000)
	w.holds("arbitrum-one", "USDT", w.payer.String(), new(big.Int).Sub(before, call.Deposit()).Int64())
	// Once the delivery is final, the relayer has its money back.
	pool := contracts.Address(contracts.SpokePool).Hex()
	if err := base.Mine(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	arb := w.chains.Chain("arbitrum-one")
	for deadline := time.Now().Add(time.Minute); balance(t, arb, arb.Tokens["USDC"].Address, pool).Sign() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the relayer was not repaid")
		}
	}
}

func TestTheBridgeEndsTransfersAsTold(t *testing.T) {
	for _, tt := range []struct {
		how  sandbox.Outcome
		want lifi.Progress
	}{{sandbox.Refund, lifi.Refunded}, {sandbox.Fail, lifi.Recovered}} {
		t.Run(string(tt.how), func(t *testing.T) {
			w := newWorld(t, sandbox.BridgeBehaviour{Outcome: tt.how})
			tx, call := w.pay(w.intent())
			s := w.until(tx, tt.want)
			if tt.how == sandbox.Refund {
				// What was bought for the bridge comes back, not what the payer gave.
				want := int64(10_000_000_000) + s.Receiving.Amount.Int64()
				if s.Receiving.Chain != asset.SandboxArbitrum || s.Receiving.Amount.Cmp(call.Bridge.MinAmount) < 0 {
					t.Errorf("status %+v", s)
				}
				w.holds("arbitrum-one", "USDC", w.payer.String(), want)
			} else {
				w.holds("base", "USDC", fallback, s.Receiving.Amount.Int64())
				r := receipt(t, w.chains.Chain("base"), s.Receiving.TxHash)
				if w.paid(r) != 0 {
					t.Error("paid and recovered")
				}
			}
			w.holds("base", "USDC", payee, 0)
			// A transfer that has ended stays as it is.
			w.routing.Bridge.Behave(sandbox.BridgeBehaviour{})
			if tx2, _ := w.pay(w.intent()); w.until(tx2, lifi.Arrived).State != w.until(tx, tt.want).State {
				t.Error("the second transfer is not done")
			}
			w.holds("base", "USDC", payee, 24_500_000)
		})
	}
}

func TestTheBridgeWaitsAndGoesOn(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{Outcome: sandbox.Stop})
	if s, err := w.client.Status(t.Context(), lifi.StatusQuery{TxHash: "0x" + strings.Repeat("ab", 32)}); err != nil || s.State != lifi.StateNotFound {
		t.Errorf("an unknown transfer: %+v, %v", s, err)
	}
	tx, _ := w.pay(w.intent())
	w.until(tx, lifi.Underway)
	w.holds("base", "USDC", payee, 0)
	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{Delay: time.Hour})
	w.until(tx, lifi.Underway)
	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{})
	w.until(tx, lifi.Arrived)
	w.holds("base", "USDC", payee, 24_500_000)
}

func TestTheServiceSaysOneThingAndDoesAnother(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{Outcome: sandbox.Stop, Says: sandbox.Claim{State: lifi.StateDone, Substate: lifi.SubstateCompleted}})
	tx, _ := w.pay(w.intent())
	s := w.until(tx, lifi.Arrived)
	w.holds("base", "USDC", payee, 0)
	var r *types.Receipt
	if ask(t, w.chains.Chain("base"), &r, "eth_getTransactionReceipt", s.Receiving.TxHash); r != nil || s.Receiving.TxHash == "" {
		t.Errorf("what was claimed is there: %+v", r)
	}
	for want, says := range map[lifi.Progress]sandbox.Claim{
		lifi.Refunded: {State: lifi.StateDone, Substate: lifi.SubstateRefunded}, lifi.Recovered: {State: lifi.StateDone, Substate: lifi.SubstatePartial},
		lifi.Broken: {State: lifi.StateFailed}, lifi.Unseen: {State: lifi.StateNotFound},
	} {
		w.routing.Bridge.Behave(sandbox.BridgeBehaviour{Says: says, Outcome: sandbox.Stop})
		w.until(tx, want)
	}
	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{Says: sandbox.Claim{State: lifi.StateFailed}})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		base := w.chains.Chain("base")
		if balance(t, base, base.Tokens["USDC"].Address, payee).Sign() > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was delivered")
		}
	}
	w.until(tx, lifi.Broken)
}

// A delivery that a reorganisation took back is made again, and a deposit that is gone is forgotten.
func TestTheBridgeSurvivesReorganisations(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{})
	tx, _ := w.pay(w.intent())
	first := w.until(tx, lifi.Arrived)
	if err := w.chains.Chain("base").Reorg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); w.until(tx, lifi.Arrived).Receiving.TxHash == first.Receiving.TxHash; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the delivery was not made again")
		}
	}
	w.holds("base", "USDC", payee, 24_500_000)

	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{Outcome: sandbox.Stop})
	tx, _ = w.pay(w.intent())
	w.until(tx, lifi.Underway)
	if err := w.chains.Chain("arbitrum-one").Reorg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{})
	w.until(tx, lifi.Unseen)
	w.holds("base", "USDC", payee, 24_500_000)
}

// The service also knows calls that put nothing into the bridge.
func TestStatusOfSwapsAndFailures(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{})
	in := w.intent()
	in.To = w.token(asset.SandboxArbitrum, "USDC")
	tx, _ := w.pay(in)
	if s := w.until(tx, lifi.Arrived); s.Receiving.TxHash != tx || s.Receiving.Chain != asset.SandboxArbitrum {
		t.Errorf("a swap: %+v", s)
	}
	wallet := walletPage{t, w.wallets.URL + "/sandbox/wallet/arbitrum-one", []string{"Origin", w.wallets.URL, "Sec-Fetch-Site", "same-origin"}}
	tx = wallet.text("eth_sendTransaction", map[string]any{
		"from": w.payer.String(), "to": contracts.Address(contracts.Diamond).Hex(), "data": "0x1794958f", "gas": "0x30d40",
	})
	w.until(tx, lifi.Broken)
}

func TestAKeptBridgeKnowsItsTransfers(t *testing.T) {
	dir := t.TempDir()
	run := func(how sandbox.BridgeBehaviour) *demoWorld {
		t.Helper()
		chains, err := sandbox.Start(t.Context(), sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction, FinalityDepth: 2})
		if err != nil {
			t.Fatal(err)
		}
		w := &demoWorld{t: t, chains: chains}
		if w.routing, err = chains.StartRouting(sandbox.RoutingOptions{Behaviour: how}); err != nil {
			t.Fatal(err)
		}
		if w.client, err = lifi.NewClient(lifi.Config{BaseURL: w.routing.URL, Table: w.routing.Table}); err != nil {
			t.Fatal(err)
		}
		w.wallets = httptest.NewServer(chains.WalletHandler())
		text, _ := chains.Payer()
		w.payer = asset.Address(common.HexToAddress(text))
		return w
	}
	stop := func(w *demoWorld) {
		t.Helper()
		w.client.Close()
		w.wallets.Close()
		if err := w.routing.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.chains.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w := run(sandbox.BridgeBehaviour{})
	done, _ := w.pay(w.intent())
	end := w.until(done, lifi.Arrived).Receiving.TxHash
	w.routing.Bridge.Behave(sandbox.BridgeBehaviour{Outcome: sandbox.Stop})
	open, _ := w.pay(w.intent())
	w.until(open, lifi.Underway)
	stop(w)

	w = run(sandbox.BridgeBehaviour{})
	if s := w.until(done, lifi.Arrived); s.Receiving.TxHash != end {
		t.Errorf("delivered by %s, before by %s", s.Receiving.TxHash, end)
	}
	w.until(open, lifi.Arrived)
	w.holds("base", "USDC", payee, 49_000_000)
	stop(w)
}

func TestControls(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{})
	mux := http.NewServeMux()
	mux.Handle("/bridge", w.routing.BridgeControl())
	mux.Handle("/chains/{network}", w.chains.ChainControl())
	mux.Handle("/router", w.routing.RouterControl())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	put := func(path, body string, want int) {
		t.Helper()
		if r := request(t, http.MethodPut, server.URL+path, body); r.StatusCode != want {
			t.Errorf("PUT %s %s: %d %s, want %d", path, body, r.StatusCode, r.body, want)
		}
	}
	see := func(path string, out any) {
		t.Helper()
		if err := json.Unmarshal([]byte(request(t, http.MethodGet, server.URL+path, "").body), out); err != nil {
			t.Error(err)
		}
	}
	for _, body := range []string{`{"outcome":"x"}`, `{"delay":"soon"}`, `{"delay":"-1s"}`, `{"says":{}}`, `{"foo":1}`, `[]`} {
		put("/bridge", body, http.StatusBadRequest)
	}
	put("/bridge", `{"delay":"0s","outcome":"stop","says":{"status":"DONE","substatus":"COMPLETED"}}`, http.StatusNoContent)
	tx, _ := w.pay(w.intent())
	w.until(tx, lifi.Arrived)
	var seen struct {
		Delay, Outcome string
		Says           *struct{ Status, Substatus string }
		Transfers      []struct{ Stage, From, To, TxHash string }
	}
	see("/bridge", &seen)
	if seen.Outcome != "stop" || seen.Delay != "0s" || seen.Says == nil || len(seen.Transfers) != 1 || seen.Transfers[0].Stage != "waiting" || seen.Transfers[0].TxHash != tx {
		t.Errorf("the bridge shows %+v", seen)
	}
	put("/bridge", `{}`, http.StatusNoContent)
	seen.Says = nil
	if see("/bridge", &seen); seen.Delay != "3s" || seen.Outcome != "deliver" || seen.Says != nil {
		t.Errorf("the bridge shows %+v", seen)
	}
	put("/router", `{"noQuote":true}`, http.StatusNoContent)
	if _, err := w.client.Quote(t.Context(), w.intent()); err == nil {
		t.Error("a quote though there shall be none")
	}
	put("/router", `{"lie":"no such lie"}`, http.StatusBadRequest)
	if r := request(t, http.MethodPost, server.URL+"/bridge", "{}"); r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.StatusCode)
	}
	controlsChains(t, w, put, see)
}

func controlsChains(t *testing.T, w *demoWorld, put func(path, body string, want int), see func(path string, out any)) {
	t.Helper()
	base := w.chains.Chain("base")
	var chain struct {
		Down  bool
		Delay string
		Head  uint64
		Hash  string
	}
	see("/chains/base", &chain)
	before := chain.Head
	put("/chains/base", `{"mine":3}`, http.StatusNoContent)
	if see("/chains/base", &chain); chain.Head != before+3 || chain.Down || chain.Delay != "0s" {
		t.Errorf("the chain shows %+v after %d", chain, before)
	}
	hash := chain.Hash
	put("/chains/base", `{"reorg":1}`, http.StatusNoContent)
	if see("/chains/base", &chain); chain.Head != before+3 || chain.Hash == hash {
		t.Errorf("the chain shows %+v, before %s", chain, hash)
	}
	put("/chains/base", `{"reorg":100}`, http.StatusBadRequest)
	put("/chains/base", `{"mine":-1}`, http.StatusBadRequest)
	put("/chains/base", fmt.Sprintf(`{"mine":%d}`, 1<<20), http.StatusBadRequest)
	put("/chains/mars", `{"mine":1}`, http.StatusNotFound)

	put("/chains/base", `{"down":true}`, http.StatusNoContent)
	if see("/chains/base", &chain); !chain.Down || !base.Line.State().Down {
		t.Errorf("the chain shows %+v", chain)
	}
	put("/chains/base", `{"down":false,"delay":"1m"}`, http.StatusNoContent)
	if got := base.Line.State(); got != (sandbox.LineState{Delay: time.Minute}) {
		t.Errorf("the line is %+v", got)
	}
	put("/chains/base", `{"delay":"x"}`, http.StatusBadRequest)
}

func TestAPriceCanChangeBetweenQuotes(t *testing.T) {
	w := newWorld(t, sandbox.BridgeBehaviour{})
	deposit := func() *big.Int {
		step, err := w.client.Quote(t.Context(), w.intent())
		if err != nil {
			t.Fatal(err)
		}
		call, err := lifi.DecodeCall(step.Transaction.Data)
		if err != nil {
			t.Fatal(err)
		}
		return call.Deposit()
	}
	cheap := deposit()
	w.routing.Router.Behave(lifitest.Behaviour{Cost: 100})
	if dear := deposit(); dear.Cmp(cheap) <= 0 {
		t.Errorf("%v after %v", dear, cheap)
	}
}
