//go:build !nosandbox

package sandbox_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

// sponsored is a sandbox with its gateways, and somebody with USDC and nothing else.
type sponsored struct {
	t        *testing.T
	gateways *sandbox.Gateways
	chain    *sandbox.Chain
	id       asset.ChainID
	node     *chain.Client
	bundler  *userop.Bundler
	wallet   *useroptest.Wallet
	token    asset.Address
}

const pocket = 50_000_000 // base units of USDC

func newSponsored(t *testing.T, s *sandbox.Chains, network string) *sponsored {
	t.Helper()
	w := &sponsored{t: t, chain: s.Chain(network), wallet: useroptest.NewWallet(t, t.Name()+network), token: asset.Address(contracts.Address(contracts.USDC))}
	w.id = asset.ChainID(w.chain.ChainID)
	var err error
	if w.gateways, err = s.StartGateways(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.gateways.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if err := w.chain.Fund(t.Context(), w.wallet.Address().String(), sandbox.Funds{USDC: big.NewInt(pocket)}); err != nil {
		t.Fatal(err)
	}
	rpc := httptest.NewServer(w.chain.RPC)
	t.Cleanup(rpc.Close)
	if w.node, err = chain.NewClient(chain.Config{Chain: w.id, Endpoints: []chain.Endpoint{{URL: rpc.URL}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.node.Close)
	if w.bundler, err = userop.NewBundler(w.service(), userop.PricingPimlico, w.node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.bundler.Close)
	return w
}

func (w *sponsored) service() userop.ServiceConfig {
	return userop.ServiceConfig{Chain: w.id, URL: w.gateways.URL(w.chain.Network)}
}

func (w *sponsored) paymaster() userop.Sponsor {
	w.t.Helper()
	p, err := userop.NewPaymaster(w.service(), `{"policyId":"`+sandbox.SponsorPolicy+`"}`)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.Close)
	return userop.Sponsored{Bundler: w.bundler, Paymaster: p}
}

func (w *sponsored) alchemy() userop.Sponsor {
	w.t.Helper()
	a, err := userop.NewAlchemy(w.service(), sandbox.SponsorPolicy)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(a.Close)
	return a
}

// operation is a signed and sponsored payment of 20 USDC and a fee of one base unit.
func (w *sponsored) operation(kind userop.Kind, sponsor userop.Sponsor, ref byte) (userop.Op, error) {
	w.t.Helper()
	ctx := w.t.Context()
	o := official.Expectation{
		Chain: w.id, Token: w.token, Payee: asset.Address(common.HexToAddress(payee)), Amount: big.NewInt(20_000_000), Reference: official.Reference{7: ref},
		Fee: big.NewInt(1), FeePayee: asset.Address(common.HexToAddress(feePayee)),
	}
	account := kind.Account(w.id, w.wallet.Address())
	state, err1 := userop.Read(ctx, w.node, account, w.token)
	terms, err2 := userop.ReadPermit(ctx, w.node, w.id, w.token, w.wallet.Address())
	approve, err3 := official.Default().ApproveCall(o, o.Token)
	pay, err4 := official.Default().PayCall(o)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		w.t.Fatal(err)
	}
	permit := w.wallet.Permit(terms, account.Address, o.Total(), big.NewInt(time.Now().Add(time.Hour).Unix()))
	calls, err := userop.Plan{Account: account, Token: w.token, Amount: o.Total(), Permit: &permit, Steps: []rail.Call{approve, pay}}.Calls()
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := kind.Encode(calls)
	if err != nil {
		w.t.Fatal(err)
	}
	op := userop.Op{Sender: account.Address, Nonce: new(big.Int).SetUint64(state.Nonce), CallData: data, Signature: useroptest.Stub(kind.Name())}
	if !state.Deployed {
		op.Factory, op.FactoryData = account.Factory, account.FactoryData
	}
	if op, err = sponsor.Sponsor(ctx, op); err != nil {
		return op, err
	}
	return w.wallet.Sign(kind.Name(), w.id, op), nil
}

func (w *sponsored) must(kind userop.Kind, sponsor userop.Sponsor, ref byte) userop.Op {
	w.t.Helper()
	op, err := w.operation(kind, sponsor, ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

func (w *sponsored) send(op userop.Op) official.Hash {
	w.t.Helper()
	hash, err := w.bundler.Send(w.t.Context(), op)
	if err != nil {
		w.t.Fatal(err)
	}
	return hash
}

// settled waits for what the chain says of an operation.
func (w *sponsored) settled(hash official.Hash) userop.Outcome {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var head hexutil.Uint64
		ask(w.t, w.chain, &head, "eth_blockNumber")
		logs, err := chain.Ask(w.t.Context(), w.node, chain.LogsCall(chain.Filter{Addresses: []asset.Address{userop.EntryPoint}}, 0, uint64(head)), chain.Result.Logs)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range userop.Outcomes(logs) {
			if o.Hash == hash {
				return o
			}
		}
	}
	w.t.Fatalf("nothing became of %s", hash)
	return userop.Outcome{}
}

func (w *sponsored) holds(who string, want int64) {
	w.t.Helper()
	if got := balance(w.t, w.chain, w.token.String(), who); got.Cmp(big.NewInt(want)) != 0 {
		w.t.Errorf("%s holds %v USDC, want %d", who, got, want)
	}
}

// A wallet without native currency pays, on either chain, by either kind of account and
// of sponsor; the gas is the paymaster's.
func TestGaslessPaymentsOnTheSandbox(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	for i, network := range []string{"base", "arbitrum-one"} {
		w := newSponsored(t, s, network)
		if err := w.bundler.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		kind := userop.At(w.id).Kinds(w.id)[i]
		for n, sponsor := range []userop.Sponsor{w.paymaster(), w.alchemy()} {
			op := w.must(kind, sponsor, byte(n+1))
			if op.Paymaster.String() != w.gateways.Paymaster {
				t.Errorf("%s pays, want %s", op.Paymaster, w.gateways.Paymaster)
			}
			hash := w.send(op)
			got := w.settled(hash)
			if !got.Success {
				t.Fatalf("%s on %s: %s", kind.Name(), network, got.Why())
			}
			receipt, err := w.bundler.Receipt(t.Context(), hash)
			if err != nil || receipt == nil {
				t.Errorf("the bundler says %+v, %v", receipt, err)
			}
		}
		if got := balance(t, w.chain, "", w.wallet.Address().String()); got.Sign() != 0 {
			t.Errorf("the wallet holds %v wei", got)
		}
		w.holds(payee, 40_000_000)
		w.holds(feePayee, 2)
		w.holds(w.wallet.Address().String(), pocket-40_000_002)
	}
}

// The saver has what a payment takes and nothing to send it with; its wallet signs.
func TestTheSaverHasNoGas(t *testing.T) {
	dir := t.TempDir()
	o := sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction}
	s := start(t, o)
	server := httptest.NewServer(s.SaverHandler())
	t.Cleanup(server.Close)
	saver, _ := s.Saver()
	if payer, _ := s.Payer(); saver == payer {
		t.Fatal("the saver is the payer")
	}
	for _, network := range []string{"base", "arbitrum-one"} {
		c := s.Chain(network)
		for token, want := range map[string]int64{"": 0, c.Tokens["USDC"].Address: 10_000_000_000, c.Tokens["USDT"].Address: 10_000_000_000} {
			if got := balance(t, c, token, saver); got.Cmp(big.NewInt(want)) != 0 {
				t.Errorf("%s: the saver holds %v of %q, want %d", network, got, token, want)
			}
		}
		page := walletPage{t, server.URL + "/sandbox/saver/" + network, []string{"Origin", server.URL}}
		var accounts []string
		if err := json.Unmarshal(page.call("eth_requestAccounts").Result, &accounts); err != nil || len(accounts) != 1 || accounts[0] != saver {
			t.Errorf("%s: the wallet has %v, %v", network, accounts, err)
		}
		if r := page.call("personal_sign", "0x01", saver); r.Error != nil {
			t.Errorf("%s: signing: %+v", network, r.Error)
		}
		approve := contracts.Call(contracts.USDC, "approve", common.HexToAddress(payee), big.NewInt(1))
		if r := page.call("eth_sendTransaction", map[string]any{"to": c.Tokens["USDC"].Address, "data": hexutil.Bytes(approve), "gas": "0x186a0"}); r.Error == nil {
			t.Errorf("%s: a transaction without gas: %s", network, r.Result)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again, _ := start(t, o).Saver(); again != saver {
		t.Errorf("the saver %s became %s", saver, again)
	}
}

// A bundler tells the transaction's hash before there is a block, and sends again what a
// reorganisation has taken away.
func TestBundlesWaitForBlocks(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: time.Hour})
	// Nobody makes blocks but this test, which has to for what a new payer waits for.
	done, blocks := make(chan struct{}), sync.WaitGroup{}
	blocks.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				if err := s.Chain("base").Mine(t.Context(), 1); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	w := func() *sponsored {
		defer blocks.Wait()
		defer close(done)
		return newSponsored(t, s, "base")
	}()
	kind := userop.At(w.id).Kinds(w.id)[0]
	op := w.must(kind, w.paymaster(), 1)
	hash := w.send(op)
	if r, err := w.bundler.Receipt(t.Context(), hash); r != nil || err != nil {
		t.Fatalf("a receipt before there is a block: %+v, %v", r, err)
	}
	w.send(op) // is no error, and no second bundle
	other := w.must(kind, w.paymaster(), 2)
	if _, err := w.bundler.Send(t.Context(), other); err == nil {
		t.Error("a second operation of the account under way")
	}
	mine := func() {
		t.Helper()
		if err := w.chain.Mine(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	mine()
	w.holds(payee, 20_000_000)
	if r, err := w.bundler.Receipt(t.Context(), hash); r == nil || err != nil || !r.Success {
		t.Fatalf("after the block: %+v, %v", r, err)
	}
	if err := w.chain.Reorg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.holds(payee, 0)
	if again := w.send(op); again != hash {
		t.Errorf("%s became %s", hash, again)
	}
	mine()
	w.holds(payee, 20_000_000)
	if got := w.settled(hash); !got.Success {
		t.Errorf("after the reorganisation: %s", got.Why())
	}
}

func TestGatewaysMisbehaveOnCommand(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	w := newSponsored(t, s, "base")
	mux := http.NewServeMux()
	mux.Handle("/gasless/{network}", w.gateways.Control())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	put := func(path, body string, want int) {
		t.Helper()
		if r := request(t, http.MethodPut, server.URL+path, body); r.StatusCode != want {
			t.Errorf("PUT %s %s: %d %s, want %d", path, body, r.StatusCode, r.body, want)
		}
	}
	kind := userop.At(w.id).Kinds(w.id)[0]
	put("/gasless/base", `{"refuse":{"pm_getPaymasterData":{"code":-32000,"message":"the policy's budget is used up"}}}`, http.StatusNoContent)
	if _, err := w.operation(kind, w.paymaster(), 1); err == nil {
		t.Error("sponsored though it is refused")
	}
	put("/gasless/base", `{"hold":true}`, http.StatusNoContent)
	op := w.must(kind, w.paymaster(), 1)
	hash := w.send(op)
	var seen struct {
		Operations []struct{ UserOpHash, Sender, TxHash string }
		Asked      map[string]int
		Lies       []string
	}
	see := func() {
		t.Helper()
		if err := json.Unmarshal([]byte(request(t, http.MethodGet, server.URL+"/gasless/base", "").body), &seen); err != nil {
			t.Fatal(err)
		}
	}
	if see(); len(seen.Operations) != 1 || seen.Operations[0].UserOpHash != hash.String() || seen.Operations[0].TxHash != "" || seen.Operations[0].Sender != op.Sender.String() {
		t.Errorf("held: %+v", seen)
	}
	if seen.Asked[userop.MethodSend] != 1 || seen.Asked[userop.MethodData] != 2 || len(seen.Lies) != len(gateway.Lies()) {
		t.Errorf("asked: %+v", seen)
	}
	put("/gasless/base", `{}`, http.StatusNoContent)
	w.send(op)
	if got := w.settled(hash); !got.Success {
		t.Fatal(got.Why())
	}
	if see(); len(seen.Operations) != 1 || seen.Operations[0].TxHash == "" {
		t.Errorf("sent: %+v", seen)
	}
	put("/gasless/mars", `{}`, http.StatusNotFound)
	if w.gateways.Gateway("arbitrum-one") == w.gateways.Gateway("base") || w.gateways.Gateway("mars") != nil {
		t.Error("a gateway of another chain")
	}
}
