package gasless

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/siwe"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

const sandbox = asset.ChainID(chaintest.DefaultID)

// station is a chain with a sponsor, and what the adapter says of both.
type station struct {
	*useroptest.Stack
	*Service
	t     *testing.T
	one   *sponsoredChain
	upTo  atomic.Uint64 // blocks that are final and were searched for payments
	asked atomic.Int64  // batches that were put to the chain's node
}

type tallied struct {
	chain.Batcher
	n      *atomic.Int64
	change func([]chain.Call, []chain.Result)
}

func (c *tallied) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	c.n.Add(1)
	rs, err := c.Batcher.Batch(ctx, calls)
	if err == nil && c.change != nil {
		c.change(calls, rs)
	}
	return rs, err
}

func setup(s *useroptest.Stack, provider, kind string) Config {
	return Config{Table: userop.At(sandbox), Chains: map[asset.ChainID]Chain{sandbox: {
		Provider: provider, Name: "Test sponsor", Kind: kind, BundlerURL: s.URL, Policy: gateway.Policy, Context: `{"policyId":"` + gateway.Policy + `"}`,
		Pricing: userop.PricingPimlico, MaxFeePerGas: big.NewInt(1e11), MaxCost: big.NewInt(1e17), Timeout: 5 * time.Second,
	}}}
}

func newStation(t *testing.T, s *useroptest.Stack, cfg Config) *station {
	t.Helper()
	w := &station{Stack: s, t: t}
	cfg.Nodes = map[asset.ChainID]chain.Batcher{sandbox: &tallied{Batcher: s.Node, n: &w.asked}}
	cfg.Registry, cfg.Final, cfg.Log = official.Default(), func(asset.ChainID) uint64 { return w.upTo.Load() }, slog.New(slog.DiscardHandler)
	cfg.Ranges = map[asset.ChainID]uint64{sandbox: 1000}
	var err error
	if w.Service, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Service.Close)
	w.one = w.Service.chains[sandbox]
	w.one.well.Store(true)
	return w
}

// check has the services checked, as the watch does.
func (w *station) check() error {
	err := w.one.check(w.t.Context())
	w.one.well.Store(err == nil)
	return err
}

// drawn is a payment by a wallet's account, and the operation that makes it.
type drawn struct {
	wallet *useroptest.Wallet
	plan   checkout.GaslessPlan
	op     userop.Op
	state  checkout.GaslessState
}

const held = 50_000_000

func (w *station) draw(name, token string) *drawn {
	w.t.Helper()
	return w.drawFor(w.Payer(w.t.Name()+name, token, big.NewInt(held)), token, 1_000_000)
}

func (w *station) drawFor(wallet *useroptest.Wallet, token string, amount int64) *drawn {
	w.t.Helper()
	at, err := asset.ParseAddress(token)
	if err != nil {
		w.t.Fatal(err)
	}
	d := &drawn{wallet: wallet}
	if d.state, err = w.Read(w.t.Context(), sandbox, wallet.Address(), at); err != nil {
		w.t.Fatal(err)
	}
	order := official.Expectation{
		Chain: sandbox, Token: at, Payee: asset.Address{0x11, 19: 0x33}, Amount: big.NewInt(amount), Reference: official.Reference{7: 1},
		Fee: big.NewInt(1), FeePayee: asset.Address{0xfe, 19: 1},
	}
	approve, err := official.Default().ApproveCall(order, at)
	if err != nil {
		w.t.Fatal(err)
	}
	pay, err := official.Default().PayCall(order)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	d.plan = checkout.GaslessPlan{
		Chain: sandbox, Owner: wallet.Address(), Token: at, Amount: order.Total(), Steps: []rail.Call{approve, pay}, Until: now.Add(10 * time.Minute), Now: now,
	}
	w.write(d)
	return d
}

// write makes the operation of the plan, with a permit if it needs one.
func (w *station) write(d *drawn) {
	w.t.Helper()
	plan := userop.Plan{Account: w.one.kind.Account(sandbox, d.plan.Owner), Token: d.plan.Token, Amount: d.plan.Amount, Steps: d.plan.Steps}
	if d.state.Allowance.Cmp(d.plan.Amount) < 0 && d.state.Permit != nil {
		terms := userop.PermitTerms{Owner: d.plan.Owner, Nonce: d.state.Permit.Nonce, Domain: siwe.Domain{
			Name: d.state.Permit.Name, Version: d.state.Permit.Version, Chain: d.state.Permit.ChainID, Contract: d.state.Permit.Contract,
		}}
		p := d.wallet.Permit(terms, d.state.Account, d.plan.Amount, big.NewInt(d.plan.Until.Unix()))
		plan.Permit = &p
	}
	calls, err := plan.Calls()
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := w.one.kind.Encode(calls)
	if err != nil {
		w.t.Fatal(err)
	}
	d.op = userop.Op{Sender: d.state.Account, Nonce: d.state.Nonce, CallData: data, Signature: useroptest.Stub(w.one.kind.Name())}
	if !d.state.Deployed {
		d.op.Factory, d.op.FactoryData = d.state.Factory, d.state.FactoryData
	}
}

func (w *station) text(o userop.Op) []byte {
	w.t.Helper()
	text, err := o.MarshalJSON()
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// refused are the names of the checks that refuse an operation.
func (w *station) refused(d *drawn, o userop.Op) []string {
	w.t.Helper()
	_, checks, err := w.Check(w.t.Context(), d.plan, w.text(o))
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, c := range checks {
		if c.Outcome != rail.Passed {
			out = append(out, c.Name)
		}
	}
	return out
}

// sponsor asks by one method, and returns the operation as it is to be signed.
func (w *station) sponsor(d *drawn) userop.Op {
	w.t.Helper()
	grant, err := w.Sponsor(w.t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessSponsor, Method: userop.MethodAlchemy, Op: w.text(d.op)})
	if err != nil {
		w.t.Fatal(err)
	}
	if c, bad := rail.Failed(grant.Checks); bad || len(grant.Checks) != 9 {
		w.t.Fatalf("refused: %+v", c)
	}
	op, err := userop.Parse(grant.Op.JSON)
	if err != nil {
		w.t.Fatal(err)
	}
	return op
}

// send hands a signed operation in.
func (w *station) send(d *drawn, op userop.Op) (string, error) {
	w.t.Helper()
	op = d.wallet.Sign(w.one.kind.Name(), sandbox, op)
	answer, err := w.Service.Ask(w.t.Context(), sandbox, checkout.GaslessQuestion{Kind: checkout.GaslessSend, Method: userop.MethodSend, Op: w.text(op)})
	if err != nil {
		return "", err
	}
	var hash string
	if err := json.Unmarshal(answer, &hash); err != nil {
		w.t.Fatalf("%s: %v", answer, err)
	}
	return hash, nil
}

func eachProvider(t *testing.T, test func(t *testing.T, w *station)) {
	t.Helper()
	s := useroptest.New(t)
	for _, provider := range []string{ProviderAlchemy, ProviderERC7677} {
		for _, kind := range []string{userop.KindLight, userop.KindSafe} {
			t.Run(provider+"/"+kind, func(t *testing.T) {
				s.Gateway.Behave(gateway.Behaviour{})
				test(t, newStation(t, s, setup(s, provider, kind)))
			})
		}
	}
}

// Whatever a page or a wallet asks in, the configured sponsor answers.
func TestSponsors(t *testing.T) {
	eachProvider(t, func(t *testing.T, w *station) {
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
		if offer, ok := w.Offer(sandbox); !ok || offer.Sponsor != "Test sponsor" || offer.Kind != w.one.kind.Name() || offer.MaxCost.Cmp(big.NewInt(1e17)) != 0 {
			t.Errorf("offered: %+v, %t", offer, ok)
		}
		d := w.draw("payer", w.USDC())
		if at, ok := w.Account(sandbox, d.plan.Owner); !ok || at != d.state.Account || d.state.Deployed || d.state.Nonce.Sign() != 0 || d.state.Balance.Int64() != held || d.state.Permit == nil || d.state.Block == 0 {
			t.Fatalf("the account at %s: %+v", at, d.state)
		}
		before := w.asked.Load()
		told, checks, err := w.Check(t.Context(), d.plan, w.text(d.op))
		if err != nil {
			t.Fatal(err)
		}
		if c, bad := rail.Failed(checks); bad || len(checks) != 9 || told.Sender != d.state.Account || told.Cost != nil || told.Deadline.Unix() != d.plan.Until.Unix() || told.Block != w.Head() {
			t.Errorf("checked: %+v, %+v", told, c)
		}
		if n := w.asked.Load() - before; n != 2 {
			t.Errorf("the chain was asked %d times", n)
		}
		paid := w.Balance(w.USDC(), d.plan.Owner.String())
		for i, sponsor := range []func(*drawn) userop.Op{w.sponsor, w.stepwise} {
			if i > 0 {
				d = w.drawFor(d.wallet, w.USDC(), 1_000_000)
			}
			op := sponsor(d)
			hash, err := w.send(d, op)
			if err != nil {
				t.Fatal(err)
			}
			if real := official.Hash(w.Hash(op)); hash != real.String() {
				t.Errorf("the hash is %s, the contract's %s", hash, real)
			}
			receipt, err := w.Service.Ask(t.Context(), sandbox, checkout.GaslessQuestion{Kind: checkout.GaslessReceipt, Method: userop.MethodReceipt, Hash: hash})
			if err != nil || !strings.Contains(string(receipt), `"success":true`) {
				t.Errorf("receipt: %s, %v", receipt, err)
			}
			known, err := w.Service.Ask(t.Context(), sandbox, checkout.GaslessQuestion{Kind: checkout.GaslessLookup, Method: userop.MethodLookup, Hash: hash})
			if err != nil || !strings.Contains(string(known), `"userOperation"`) {
				t.Errorf("look-up: %s, %v", known, err)
			}
		}
		if spent := paid.Sub(paid, w.Balance(w.USDC(), d.plan.Owner.String())); spent.Int64() != 2_000_002 {
			t.Errorf("the wallet paid %v", spent)
		}
		if w.Balance("", d.plan.Owner.String()).Sign() != 0 || w.Balance("", d.state.Account.String()).Sign() != 0 {
			t.Error("somebody came to have native currency")
		}
	})
}

// stepwise asks as wallets and permissionless do.
func (w *station) stepwise(d *drawn) userop.Op {
	w.t.Helper()
	members := map[string]any{}
	put := func(answer []byte) []byte {
		w.t.Helper()
		if err := json.Unmarshal(answer, &members); err != nil {
			w.t.Fatal(err)
		}
		text, err := json.Marshal(members)
		if err != nil {
			w.t.Fatal(err)
		}
		return text
	}
	put(w.text(d.op))
	prices, err := w.Service.Ask(w.t.Context(), sandbox, checkout.GaslessQuestion{Kind: checkout.GaslessFees, Method: userop.MethodPrices})
	if err != nil {
		w.t.Fatal(err)
	}
	var fast struct{ Fast json.RawMessage }
	if err := json.Unmarshal(prices, &fast); err != nil {
		w.t.Fatal(err)
	}
	text := put(fast.Fast)
	for _, q := range []checkout.GaslessQuestion{{Kind: checkout.GaslessStub, Method: userop.MethodStub}, {Kind: checkout.GaslessEstimate, Method: userop.MethodEstimate}} {
		q.Op = text
		if _, checks, err := w.Check(w.t.Context(), d.plan, text); err != nil {
			w.t.Fatal(err)
		} else if c, bad := rail.Failed(checks); bad {
			w.t.Fatalf("before %s: %+v", q.Method, c)
		}
		answer, err := w.Service.Ask(w.t.Context(), sandbox, q)
		if err != nil {
			w.t.Fatalf("%s: %v", q.Method, err)
		}
		text = put(answer)
	}
	grant, err := w.Sponsor(w.t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessData, Method: userop.MethodData, Op: text})
	if err != nil {
		w.t.Fatal(err)
	}
	if c, bad := rail.Failed(grant.Checks); bad {
		w.t.Fatalf("refused: %+v", c)
	}
	op, err := userop.Parse(put(grant.Result))
	if err != nil {
		w.t.Fatal(err)
	}
	if h, err := op.Hash(sandbox); err != nil || h.String() != grant.Op.Hash || grant.Op.Cost.Cmp(op.MaxCost()) != 0 {
		w.t.Errorf("%s for %v, told of %s for %v", h, op.MaxCost(), grant.Op.Hash, grant.Op.Cost)
	}
	return op
}

// What is not the payment is refused by its own check, and nobody is asked to pay.
func TestChecks(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	d := w.draw("payer", w.USDC())
	other := w.draw("other", w.USDC())
	asked := len(s.Gateway.Asked())
	for what, c := range map[string]struct {
		change func(*userop.Op)
		check  string
	}{
		"another sender":       {func(o *userop.Op) { o.Sender = asset.Address{1} }, userop.CheckSender},
		"another factory":      {func(o *userop.Op) { o.Factory = asset.Address{1} }, userop.CheckFactory},
		"a later nonce":        {func(o *userop.Op) { o.Nonce = big.NewInt(1) }, userop.CheckNonce},
		"another's calls":      {func(o *userop.Op) { o.CallData = other.op.CallData }, userop.CheckCalls},
		"much gas":             {func(o *userop.Op) { o.CallGasLimit = big.NewInt(10_000_000) }, userop.CheckGas},
		"dear gas":             {func(o *userop.Op) { o.MaxFeePerGas = big.NewInt(1e12) }, userop.CheckFees},
		"a paymaster of one's": {func(o *userop.Op) { o.Paymaster = asset.Address{9} }, userop.CheckPaymaster},
	} {
		o := d.op
		c.change(&o)
		if got := w.refused(d, o); !slices.Contains(got, c.check) {
			t.Errorf("%s: refused for %v", what, got)
		}
		grant, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessSponsor, Method: userop.MethodAlchemy, Op: w.text(o)})
		if _, bad := rail.Failed(grant.Checks); err != nil || !bad || grant.Result != nil {
			t.Errorf("%s: sponsored: %+v, %v", what, grant, err)
		}
	}
	if n := len(s.Gateway.Asked()); n != asked {
		t.Errorf("the services were asked %d times", n-asked)
	}
	stub := d.op
	stub.Paymaster, stub.PaymasterData, stub.PaymasterVerificationGasLimit = s.Paymaster, []byte{1}, big.NewInt(1)
	if got := w.refused(d, stub); len(got) > 0 {
		t.Errorf("the sponsor's own paymaster: %v", got)
	}
	if _, _, err := w.Check(t.Context(), d.plan, []byte(`{"sender":1}`)); fault.From(err).Code != "op_invalid" {
		t.Errorf("what is no operation: %v", err)
	}
	if _, err := w.Parse(sandbox, []byte(`[]`)); fault.From(err).Code != "op_invalid" {
		t.Errorf("what is no operation: %v", err)
	}
	if told, err := w.Parse(sandbox, w.text(d.op)); err != nil || told.Sender != d.state.Account || told.Nonce.Sign() != 0 || told.Hash == "" {
		t.Errorf("parsed: %+v, %v", told, err)
	}
	revoke := w.Revoke(d.plan.Token, d.state.Account)
	if a, err := official.DecodeApproval(revoke.Data); err != nil || a.Spender != d.state.Account || a.Amount.Sign() != 0 || revoke.To != d.plan.Token || revoke.Kind != rail.Revoke {
		t.Errorf("revoked: %+v, %v", revoke, err)
	}
}

// Calls that would fail are not paid for.
func TestRehearses(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.drawFor(w.Payer("poor", w.USDC(), big.NewInt(5)), w.USDC(), 1_000_000)
	asked := len(s.Gateway.Asked())
	_, err := w.Sponsor(t.Context(), d.plan, checkout.GaslessQuestion{Kind: checkout.GaslessSponsor, Method: userop.MethodAlchemy, Op: w.text(d.op)})
	if f := fault.From(err); f.Kind != fault.Invalid || f.Code != "op_refused" {
		t.Errorf("%v", err)
	}
	if n := len(s.Gateway.Asked()); n != asked {
		t.Errorf("the services were asked %d times", n-asked)
	}
}

// A wallet's own smart account makes its operations itself.
func TestReadRefuses(t *testing.T) {
	s := useroptest.New(t)
	w := newStation(t, s, setup(s, ProviderERC7677, userop.KindLight))
	d := w.draw("payer", w.USDC())
	hash, err := w.send(d, w.sponsor(d))
	if err != nil || hash == "" {
		t.Fatal(err)
	}
	if _, err := w.Read(t.Context(), sandbox, d.state.Account, d.plan.Token); fault.From(err).Code != "owner_has_code" || fault.From(err).Field != "wallet" {
		t.Errorf("a wallet with code: %v", err)
	}
	own := d.plan
	own.Owner, own.Own = d.state.Account, true
	data, err := userop.Own().Encode(own.Steps)
	if err != nil {
		t.Fatal(err)
	}
	op := userop.Op{Sender: d.state.Account, Nonce: new(big.Int).Lsh(big.NewInt(5), 64), CallData: data, Signature: []byte{1}}
	if _, checks, err := w.Check(t.Context(), own, w.text(op)); err != nil {
		t.Error(err)
	} else if c, bad := rail.Failed(checks); bad {
		t.Errorf("a wallet's own: %+v", c)
	}
	if _, err := w.Read(t.Context(), 77, d.plan.Owner, d.plan.Token); fault.From(err).Code != "gasless_unavailable" {
		t.Errorf("another chain: %v", err)
	}
	if _, ok := w.Account(77, d.plan.Owner); ok {
		t.Error("an account on another chain")
	}
	if _, ok := w.Offer(77); ok {
		t.Error("an offer on another chain")
	}
	w.one.node = &tallied{Batcher: s.Node, n: &w.asked, change: func(calls []chain.Call, rs []chain.Result) {
		for i, c := range calls {
			if c.Method == "eth_getStorageAt" {
				rs[i].Raw = []byte(`"0x` + strings.Repeat("00", 31) + `01"`)
			}
		}
	}}
	if _, err := w.Read(t.Context(), sandbox, d.plan.Owner, d.plan.Token); fault.From(err).Code != "account_changed" || fault.From(err).Field != "wallet" {
		t.Errorf("other code: %v", err)
	}
}
