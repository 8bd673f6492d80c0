package crosschain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
)

// sandbox is a rail on two simulated chains that run stand-ins of LI.FI's
// contracts.
type sandbox struct {
	world
	chains map[asset.ChainID]*chaintest.Chain
	payer  rail.Payer
}

func newSandbox(t *testing.T) *sandbox { return sandboxWith(t, nil) }

// sandboxWith has more on its chains.
func sandboxWith(t *testing.T, options map[asset.ChainID][]chaintest.Option) *sandbox {
	t.Helper()
	s := &sandbox{chains: map[asset.ChainID]*chaintest.Chain{}}
	for _, id := range []asset.ChainID{asset.SandboxBase, asset.SandboxArbitrum} {
		s.chains[id] = chaintest.New(t, append(options[id], chaintest.WithID(uint64(id)))...)
	}
	nodes := map[asset.ChainID]chain.Batcher{}
	for id, c := range s.chains {
		client, err := chain.NewClient(chain.Config{
			Chain: id, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Timeout: time.Second,
			RestMin: time.Nanosecond, RestMax: time.Nanosecond, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		nodes[id] = client
		c.Mine(1) // quotes must not be newer than the chain
	}
	wallet, err := asset.ParseAddress(s.chains[asset.SandboxBase].Address())
	if err != nil {
		t.Fatal(err)
	}
	s.payer.Wallet = wallet
	s.router = lifitest.New(lifitest.Options{Table: lifi.Sandbox()})
	if s.client, err = lifi.NewClient(lifi.Config{Table: lifi.Sandbox(), Transport: lifitest.Transport{Router: s.router}}); err != nil {
		t.Fatal(err)
	}
	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	codes := official.NewCodes(official.Default(), []asset.ChainID{asset.SandboxBase, asset.SandboxArbitrum}, reader(nodes), slog.New(slog.DiscardHandler))
	if err := codes.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.config = crosschain.Config{
		Book: book, Registry: official.Default(), Codes: codes, Nodes: nodes, Client: s.client, SameSafe: s.sameSafe,
	}
	s.rail = crosschain.New(s.config)
	s.rail.SetPins(s.client.CheckPins(t.Context()))
	s.connect(t)
	return s
}

func reader(nodes map[asset.ChainID]chain.Batcher) official.CodeReader {
	return func(ctx context.Context, id asset.ChainID, at []asset.Address) ([][]byte, error) {
		var codes [][]byte
		for _, a := range at {
			code, err := chain.Ask(ctx, nodes[id], chain.CodeCall(a, chain.Latest), chain.Result.Bytes)
			if err != nil {
				return nil, err
			}
			codes = append(codes, code)
		}
		return codes, nil
	}
}

// open is a payment that is open by the real clock, as the chains' time is real.
func (s *sandbox) open(t testing.TB, id asset.ID, cents, fee int64) *payment.Payment {
	t.Helper()
	p := s.world.open(t, id, cents, fee)
	p.Terms.ExpiresAt = time.Now().Add(24 * time.Hour)
	return p
}

func (s *sandbox) prepare(t *testing.T, p *payment.Payment, from asset.ID) (*rail.Calls, error) {
	t.Helper()
	in, err := s.rail.Prepare(t.Context(), p, s.optionID(t, from), s.payer)
	if err != nil {
		return nil, err
	}
	return in.(*rail.Calls), nil
}

func (s *sandbox) balance(t *testing.T, id asset.ID, account asset.Address) *big.Int {
	t.Helper()
	token := s.token(t, id)
	return s.chains[token.Chain].Balance(token.Address.String(), account.String())
}

// What is handed out works on chains: the payer gives exactly what he was shown,
// the payee gets what is due by its reference, no allowance is left behind, and
// the gas he was told to hold suffices.
func TestRoutesAreCarriedOut(t *testing.T) {
	tests := []struct {
		from, to asset.ID
		b        lifitest.Behaviour
		allowed  int64 // of the given and of the due asset, beforehand
		want     []rail.CallKind
	}{
		{"USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{}, 0, []rail.CallKind{approve, pay}},
		{"USDC-arbitrum-one", "USDC-base", lifitest.Behaviour{NoFeeLeg: true}, 7, []rail.CallKind{approve, pay}},
		{"USDT-arbitrum-one", "USDC-base", lifitest.Behaviour{}, 7, []rail.CallKind{reset, approve, pay}},
		{"USDT-base", "USDT-arbitrum-one", lifitest.Behaviour{}, 0, []rail.CallKind{approve, pay}},
		{"USDC-base", "USDT-arbitrum-one", lifitest.Behaviour{Cost: 100}, 1e12, []rail.CallKind{pay}},
		{"USDT-base", "USDC-base", lifitest.Behaviour{}, 7, []rail.CallKind{reset, approve, swap, approve, pay}},
		{"USDC-base", "USDT-base", lifitest.Behaviour{NoFeeLeg: true}, 7, []rail.CallKind{approve, swap, reset, approve, pay}},
		{"USDT-arbitrum-one", "USDC-arbitrum-one", lifitest.Behaviour{Aims: 50}, 0, []rail.CallKind{approve, swap, approve, pay}},
	}
	s := newSandbox(t)
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s to %s %d", tt.from, tt.to, i), func(t *testing.T) {
			s.router.Behave(tt.b)
			p := s.open(t, tt.to, 10_000, 50)
			p.ID += payment.ID(t.Name())
			from, to := s.token(t, tt.from), s.token(t, tt.to)
			source := s.chains[from.Chain]
			network, _ := s.client.Table().Network(from.Chain)
			source.Approve(from.Address.String(), network.Diamond.String(), big.NewInt(tt.allowed))
			if from.Chain == to.Chain {
				source.Approve(to.Address.String(), network.FeeProxy.String(), big.NewInt(tt.allowed))
			}
			source.Mine(1)
			calls, err := s.prepare(t, p, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			if got := kinds(calls); !slices.Equal(got, tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
				t.Fatalf("trial run: %+v", c)
			}
			gave, got := s.balance(t, tt.from, s.payer.Wallet), s.balance(t, tt.to, payee)
			txs := s.send(t, calls)
			gave.Sub(gave, s.balance(t, tt.from, s.payer.Wallet))
			if gave.Cmp(calls.Route.Give.Amount) != 0 {
				t.Errorf("gave %v, shown %v", gave, calls.Route.Give.Amount)
			}
			if left := source.Allowance(from.Address.String(), s.payer.Wallet.String(), network.Diamond.String()); tt.allowed < 1e12 && left.Sign() != 0 {
				t.Errorf("an allowance of %v is left", left)
			}
			tx, end := txs[len(txs)-1], source
			if from.Chain != to.Chain {
				end = s.chains[to.Chain]
				tx = end.Bridge(source, tx, false)
				end.Mine(1)
			}
			s.wantPaid(t, p, end, tx)
			if got.Sub(s.balance(t, tt.to, payee), got); got.Cmp(p.Terms.Requests[0].Due) != 0 {
				t.Errorf("the payee got %v", got)
			}
		})
	}
}

// send does what the calls ask of the payer, and holds their gas against what
// was told.
func (s *sandbox) send(t *testing.T, calls *rail.Calls) (txs []string) {
	t.Helper()
	cost := new(big.Int)
	for _, step := range calls.Steps {
		c := s.chains[calls.Chain]
		tx := c.Send(step.To.String(), step.Value, step.Data)
		c.Mine(1)
		r := c.Receipt(tx)
		if r == nil || r.Status != 1 {
			t.Fatalf("the %s transaction failed", step.Kind)
		}
		if step.Gas < r.GasUsed/2 || step.Gas > 2*r.GasUsed {
			t.Errorf("%s: estimated %d gas, used %d", step.Kind, step.Gas, r.GasUsed)
		}
		cost.Add(cost, new(big.Int).SetUint64(r.GasUsed))
		txs = append(txs, tx)
	}
	if cost.Mul(cost, calls.Funds.GasPrice); calls.Funds.NativeNeeded.Cmp(cost) < 0 || !calls.Funds.EnoughGas() {
		t.Errorf("told to hold %v wei, it cost %v", calls.Funds.NativeNeeded, cost)
	}
	return txs
}

// wantPaid wants the payment's one event in a transaction.
func (s *sandbox) wantPaid(t *testing.T, p *payment.Payment, c *chaintest.Chain, tx string) {
	t.Helper()
	q := p.Terms.Requests[0]
	paid := 0
	for _, l := range c.Receipt(tx).Logs {
		e := official.Event{Address: asset.Address(l.Address), Data: l.Data}
		for _, topic := range l.Topics {
			e.Topics = append(e.Topics, topic.Hex())
		}
		got, _, err := official.DecodePaid(e)
		if err != nil || l.Address.Hex() != c.ERC20FeeProxy() {
			continue
		}
		paid++
		if got.Topic != q.Topic || got.Payee != q.Payee || got.Amount.Cmp(q.Due) != 0 || got.Fee.Cmp(q.Fee.Amount) != 0 || got.FeePayee != q.Fee.Payee {
			t.Errorf("paid %+v, want %+v", got, q)
		}
	}
	if paid != 1 {
		t.Errorf("%d payments in %s", paid, tx)
	}
}

// Real nodes that fail get no payer to sign.
func TestRealNodesThatFail(t *testing.T) {
	s := newSandbox(t)
	p := s.open(t, "USDC-base", 10_000, 50)
	source := s.chains[asset.SandboxArbitrum]
	tests := []struct {
		name  string
		do    func()
		kind  fault.Kind
		code  string
		field string
	}{
		{"every request fails", func() { source.Fail(503) }, fault.Unavailable, "chain_unavailable", ""},
		{"nobody answers", func() { source.Stall() }, fault.Unavailable, "chain_unavailable", ""},
		{"no trial runs", func() { source.FailMethod("eth_simulateV1", -32601, "the method does not exist") }, fault.Unavailable, "trial_unavailable", ""},
		{"no reads", func() { source.FailMethod("eth_call", -32000, "no") }, fault.Unavailable, "chain_unavailable", ""},
	}
	for _, tt := range tests {
		tt.do()
		_, err := s.prepare(t, p, "USDC-arbitrum-one")
		wantFault(t, tt.name, err, tt.kind, tt.code, tt.field)
		source.Behave()
	}
	if _, err := s.prepare(t, p, "USDC-arbitrum-one"); err != nil {
		t.Errorf("behaving again: %v", err)
	}
}

// A route that its own contracts would refuse is found out before it is signed,
// though nothing in its calldata is wrong: here Across' SpokePool finds a quote
// newer than its chain.
func TestContractsThatRefuse(t *testing.T) {
	s := newSandbox(t)
	stuck := chaintest.New(t, chaintest.WithID(uint64(asset.SandboxArbitrum))) // at its genesis of 2025
	client, err := chain.NewClient(chain.Config{
		Chain: asset.SandboxArbitrum, Endpoints: []chain.Endpoint{{URL: stuck.URL()}}, Timeout: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.config.Nodes[asset.SandboxArbitrum] = client
	_, err = s.prepare(t, s.open(t, "USDC-base", 10_000, 50), "USDC-arbitrum-one")
	wantFault(t, "quote of the future", err, fault.Forbidden, "unsafe", official.CheckSimulation)
	if reason, ok := errors.AsType[*chain.RPCError](err); !ok {
		t.Errorf("the node's reason is lost: %v", reason)
	}
}
