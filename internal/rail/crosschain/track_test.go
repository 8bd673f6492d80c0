package crosschain_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
)

const deep = 3 // confirmations that make a block final

func (s *sandbox) tracker() *crosschain.Tracker {
	return crosschain.NewTracker(crosschain.TrackerConfig{
		Book: s.config.Book, Client: s.client, Nodes: s.config.Nodes, Finality: map[asset.ChainID]chain.Finality{
			asset.SandboxArbitrum: {Confirmations: deep}, asset.SandboxBase: {Tag: true},
		},
		Safes: safeTable,
	})
}

func announced(id asset.ChainID, tx string) payment.Attempt {
	return payment.Attempt{
		Key: "tx:" + tx, Kind: "bridge", Chain: id, Handle: tx, Stage: payment.Announced, At: time.Now(), Route: &payment.Route{To: asset.SandboxBase},
	}
}

func prove(t *testing.T, tr *crosschain.Tracker, p *payment.Payment, a payment.Attempt) rail.Proof {
	t.Helper()
	proof, err := tr.Prove(t.Context(), p, a)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// signed is a transaction that was sent for a payment's last step; the steps
// before are in a block.
func (s *sandbox) signed(t *testing.T, p *payment.Payment, from asset.ID) string {
	t.Helper()
	calls, err := s.prepare(t, p, from)
	if err != nil {
		t.Fatal(err)
	}
	c := s.chains[calls.Chain]
	for _, step := range calls.Steps[:len(calls.Steps)-1] {
		c.Send(step.To.String(), step.Value, step.Data)
		c.Mine(1)
	}
	last := calls.Steps[len(calls.Steps)-1]
	return c.Send(last.To.String(), last.Value, last.Data)
}

// A transfer on a real chain, from before it is there until it is there for good,
// and what arrives of it.
func TestProofOfARealTransfer(t *testing.T) {
	s := newSandbox(t)
	tr := s.tracker()
	p := s.open(t, "USDC-base", 10_000, 50)
	source := s.chains[asset.SandboxArbitrum]
	unsent := announced(asset.SandboxArbitrum, "0x"+strings.Repeat("ab", 32))
	if got := prove(t, tr, p, unsent); got.Route.Progress != payment.Sent || got.Route.ID != "" || got.Route.To != asset.SandboxBase {
		t.Errorf("an unknown transaction: %+v", got)
	}
	tx := s.signed(t, p, "USDT-arbitrum-one")
	a := announced(asset.SandboxArbitrum, tx)
	if got := prove(t, tr, p, a); got.Route.Progress != payment.Sent || got.Route.ID == "" || !got.Until.IsZero() {
		t.Errorf("in no block: %+v", got)
	}
	source.Mine(1)
	got := prove(t, tr, p, a)
	r := got.Route
	if r.Progress != payment.Bridging || r.Final || r.From != "USDT-arbitrum-one" || r.To != asset.SandboxBase || r.Tool != lifi.BridgeAcross ||
		r.Expect <= 0 || r.Request != 0 || r.Pays.Cmp(p.Terms.Requests[0].Due) != 0 || r.Fallback != s.payer.Wallet.String() || len(r.ID) != 66 {
		t.Errorf("proven %+v", r)
	}
	if moved := new(big.Int).Add(p.Terms.Requests[0].Due, p.Terms.Requests[0].Fee.Amount); r.Amount.Cmp(moved) <= 0 || r.Amount.BitLen() > moved.BitLen()+1 {
		t.Errorf("it took %v for %v", r.Amount, moved)
	}
	if got.Payer != s.payer.Wallet.String() || time.Since(r.SentAt).Abs() > time.Minute {
		t.Errorf("by %s at %v", got.Payer, r.SentAt)
	}
	if left := got.Until.Sub(r.SentAt); left < 15*time.Minute || left > 6*time.Hour+10*time.Minute {
		t.Errorf("waited for over %v", left)
	}
	source.Mine(deep - 2)
	if got := prove(t, tr, p, a); got.Route.Final {
		t.Errorf("final with %d confirmations", deep-1)
	}
	source.Mine(1)
	if got := prove(t, tr, p, a); !got.Route.Final {
		t.Errorf("not final with %d confirmations", deep)
	}
	source.Reorg(deep)
	if got := prove(t, tr, p, a); got.Route.Progress != payment.Sent {
		t.Errorf("after a reorganisation: %+v", got)
	}
	t.Run("smaller payments are a part", func(t *testing.T) {
		whole := *p
		whole.Terms.Requests = slices.Clone(p.Terms.Requests)
		whole.Terms.Requests[0].Due = new(big.Int).Mul(p.Terms.Requests[0].Due, big.NewInt(2))
		tx := s.signed(t, p, "USDT-arbitrum-one")
		source.Mine(1)
		if got := prove(t, tr, &whole, announced(asset.SandboxArbitrum, tx)); got.Route.Progress != payment.Bridging || got.Route.Pays.Cmp(p.Terms.Requests[0].Due) != 0 {
			t.Errorf("proven %+v", got.Route)
		}
	})
	t.Run("what arrives", func(t *testing.T) { s.arrives(t, tr, p) })
}

// arrives holds the tracker against logs that real contracts make.
func (s *sandbox) arrives(t *testing.T, tr *crosschain.Tracker, p *payment.Payment) {
	source, end := s.chains[asset.SandboxArbitrum], s.chains[asset.SandboxBase]
	f := tr.Filter(asset.SandboxBase)
	if len(f.Addresses) != 1 || !slices.Equal(f.Topics0, []string{lifi.TopicRecovery}) {
		t.Errorf("filter %+v", f)
	}
	for _, cut := range []bool{false, true} {
		tx := s.signed(t, p, "USDT-arbitrum-one")
		source.Mine(1)
		route := prove(t, tr, p, announced(asset.SandboxArbitrum, tx)).Route
		fill := end.Bridge(source, tx, cut)
		end.Mine(1)
		receipt, err := chain.Ask(t.Context(), s.config.Nodes[asset.SandboxBase], chain.ReceiptCall(fill), chain.Result.Receipt)
		if err != nil || receipt == nil || !receipt.Succeeded {
			t.Fatalf("fill %+v, %v", receipt, err)
		}
		paid, recovered := 0, 0
		for _, l := range receipt.Logs {
			if _, _, err := official.DecodePaid(official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data}); err == nil {
				paid++
				if got := tr.Brought(asset.SandboxBase, receipt.Logs, l.Index); got != route.ID {
					t.Errorf("brought by %q, want %q", got, route.ID)
				}
				if got := tr.Brought(asset.SandboxBase, receipt.Logs, receipt.Logs[len(receipt.Logs)-1].Index); got != "" {
					t.Errorf("a later log was brought by %q", got)
				}
				if got := tr.Brought(999, receipt.Logs, l.Index); got != "" {
					t.Errorf("on an unknown chain brought by %q", got)
				}
			}
			r, err := tr.Recovery(asset.SandboxBase, l)
			if err != nil {
				continue
			}
			recovered++
			token := s.token(t, "USDC-base")
			if r.Route != route.ID || r.Chain != asset.SandboxBase || r.Token != token.Address || r.To.String() != route.Fallback || r.Amount.Cmp(route.Pays) < 0 || r.Tx != fill {
				t.Errorf("recovery %+v of %+v", r, route)
			}
			for name, change := range map[string]func(*chain.Log){
				"by somebody else": func(l *chain.Log) { l.Address = lifitest.Thief },
				"of another kind":  func(l *chain.Log) { l.Topics = []string{official.TopicTransfer, l.Topics[1]} },
				"cut short":        func(l *chain.Log) { l.Data = l.Data[:len(l.Data)-1] },
			} {
				forged := l
				change(&forged)
				if _, err := tr.Recovery(asset.SandboxBase, forged); err == nil {
					t.Errorf("a recovery %s was taken", name)
				}
			}
			if _, err := tr.Recovery(999, l); err == nil {
				t.Error("a recovery on an unknown chain was taken")
			}
		}
		if cut != (recovered == 1) || cut == (paid == 1) {
			t.Errorf("cut short %t: %d payments and %d recoveries", cut, paid, recovered)
		}
	}
}

// Transactions on a real chain that are no route for the payment.
func TestRealTransactionsThatAreNoRoute(t *testing.T) {
	s := newSandbox(t)
	tr := s.tracker()
	p := s.open(t, "USDC-base", 10_000, 50)
	source := s.chains[asset.SandboxArbitrum]
	usdt := s.token(t, "USDT-arbitrum-one").Address.String()
	network, _ := s.client.Table().Network(asset.SandboxArbitrum)
	mined := func(tx string) payment.Attempt {
		source.Mine(1)
		return announced(asset.SandboxArbitrum, tx)
	}
	for name, a := range map[string]payment.Attempt{
		"a plain transfer":  mined(source.Transfer(usdt, payee.String(), big.NewInt(100))),
		"an approval":       mined(source.Approve(usdt, network.Diamond.String(), big.NewInt(7))),
		"another chain":     announced(999, "0x"+strings.Repeat("ab", 32)),
		"a chain not asked": announced(asset.Mainnet, "0x"+strings.Repeat("ab", 32)),
	} {
		if got := prove(t, tr, p, a); got.Route.Progress != payment.Unknown || got.Route.ID != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	source.Approve(usdt, network.Diamond.String(), new(big.Int))
	source.Mine(1)
	good := s.signed(t, p, "USDT-arbitrum-one")
	a := mined(good)
	for name, change := range map[string]func(*payment.Request){
		"another reference": func(q *payment.Request) { q.Reference = "0x0102030405060708" },
		"another payee":     func(q *payment.Request) { q.Payee = lifitest.Thief },
		"another asset":     func(q *payment.Request) { q.Asset = "USDT-base" },
	} {
		other := *p
		other.Terms.Requests = slices.Clone(p.Terms.Requests)
		change(&other.Terms.Requests[0])
		if got := prove(t, tr, &other, a); got.Route.Progress != payment.Unknown || got.Route.ID != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	second := *p
	second.Terms.Requests = []payment.Request{{Index: 0, Asset: "USDC-base", Payee: payee, Reference: "0x0102030405060708"}, p.Terms.Requests[0]}
	second.Terms.Requests[1].Index = 1
	if got := prove(t, tr, &second, a); got.Route.Progress != payment.Bridging || got.Route.Request != 1 {
		t.Errorf("of the second request: %+v", got.Route)
	}
	// The same call without an allowance fails.
	transaction, err := chain.Ask(t.Context(), s.config.Nodes[asset.SandboxArbitrum], chain.TransactionCall(good), chain.Result.Transaction)
	if err != nil {
		t.Fatal(err)
	}
	failed := mined(source.Send(transaction.To.String(), nil, transaction.Data))
	if got := prove(t, tr, p, failed); got.Route.Progress != payment.Broken || got.Route.ID == "" {
		t.Errorf("failed: %+v", got)
	}
	if got := prove(t, tr, p, mined(source.Send(network.Diamond.String(), nil, []byte{1, 2, 3, 4}))); got.Route.Progress != payment.Broken || got.Route.ID != "" {
		t.Errorf("failed, of nobody: %+v", got)
	}
	source.Fail(503)
	if got, err := tr.Prove(t.Context(), p, a); err == nil {
		t.Errorf("a dead chain shows %+v", got)
	}
}

// ledger is a node that knows one transaction.
type ledger struct {
	tx, receipt, header, top map[string]any
}

const (
	ledgerTx    = "0x7777777777777777777777777777777777777777777777777777777777777777"
	ledgerBlock = "0x8888888888888888888888888888888888888888888888888888888888888888"
)

func newLedger(tx lifi.Transaction, from asset.Address, at time.Time) *ledger {
	header := func(n string) map[string]any {
		return map[string]any{"number": n, "hash": ledgerBlock, "parentHash": ledgerTx, "timestamp": fmt.Sprintf("0x%x", at.Unix())}
	}
	return &ledger{
		tx: map[string]any{
			"hash": ledgerTx, "from": from.Lower(), "to": tx.To.Lower(), "input": "0x" + hex.EncodeToString(tx.Data), "value": "0x" + tx.Value.Text(16),
			"nonce": "0x1", "blockNumber": "0x10", "blockHash": ledgerBlock,
		},
		receipt: map[string]any{
			"transactionHash": ledgerTx, "blockNumber": "0x10", "blockHash": ledgerBlock, "status": "0x1", "from": from.Lower(), "to": tx.To.Lower(),
			"gasUsed": "0x1", "logs": []any{},
		},
		header: header("0x10"), top: header("0x10"),
	}
}

func (l *ledger) Batch(_ context.Context, calls []chain.Call) ([]chain.Result, error) {
	var out []chain.Result
	for _, c := range calls {
		var v map[string]any
		switch c.Method {
		case "eth_getTransactionByHash":
			v = l.tx
		case "eth_getTransactionReceipt":
			v = l.receipt
		case "eth_getBlockByNumber":
			if v = l.header; c.Params[0] == chain.Latest || c.Params[0] == chain.Finalized {
				v = l.top
			}
		}
		raw, err := json.Marshal(v)
		out = append(out, chain.Result{Raw: raw, Err: err})
	}
	return out, nil
}

func (w *world) proof(t *testing.T, id asset.ChainID, node chain.Batcher, p *payment.Payment) (rail.Proof, error) {
	t.Helper()
	tr := crosschain.NewTracker(crosschain.TrackerConfig{
		Book: w.config.Book, Client: w.client, Nodes: map[asset.ChainID]chain.Batcher{id: node}, Finality: map[asset.ChainID]chain.Finality{id: {Confirmations: 1}},
	})
	a := announced(id, ledgerTx)
	a.At = w.now()
	return tr.Prove(t.Context(), p, a)
}

// What a lie about a route would have the payer sign is no route of the payment,
// unless it only costs the payer: nobody else's money is then in question.
func TestLiesAreNoRoutes(t *testing.T) {
	w := newWorld(t)
	payersOwn := []string{lifi.CheckApproval, lifi.CheckRefund, lifi.CheckDeadline, lifi.CheckSource}
	refused, kept := 0, 0
	for _, s := range scenes {
		in := w.intent(t, s.from, s.to)
		if !in.Crosses() {
			continue
		}
		honest := w.quote(t, in, s.b)
		p := w.open(t, s.to, 10_000, 50)
		got, err := w.proof(t, in.From.Chain, newLedger(honest, payer.Wallet, w.now()), p)
		if err != nil || got.Route.Progress != payment.Bridging || !got.Route.Final || got.Route.From != s.from {
			t.Fatalf("%s: %+v, %v", s.name, got, err)
		}
		if wait := got.Until.Sub(w.now()); wait < 15*time.Minute || wait > 6*time.Hour+10*time.Minute {
			t.Errorf("%s: waited for over %v", s.name, wait)
		}
		for _, lie := range lifitest.Lies() {
			b := s.b
			b.Lie = lie.Name
			tx := w.quote(t, in, b)
			if reflect.DeepEqual(tx.Data, honest.Data) && tx.To == honest.To && tx.Value.Cmp(honest.Value) == 0 {
				continue // it is about something else, or not about this route
			}
			got, err := w.proof(t, in.From.Chain, newLedger(tx, payer.Wallet, w.now()), p)
			if err != nil {
				t.Fatal(err)
			}
			if got.Route.Progress == payment.Unknown {
				refused++
				continue
			}
			kept++
			onlyPayers := !slices.ContainsFunc(lie.Refuses, func(c string) bool { return !slices.Contains(payersOwn, c) })
			part := slices.Contains(lie.Refuses, lifi.CheckPayment) && got.Route.Pays.Cmp(p.Terms.Requests[0].Due) != 0
			fee := lie.Payment != nil && strings.Contains(lie.Name, "fee")
			if !onlyPayers && !part && !fee {
				t.Errorf("%s: %s, refused by %v, is a route that pays %v", s.name, lie.Name, lie.Refuses, got.Route.Pays)
			}
		}
	}
	if refused < 100 || kept == 0 {
		t.Errorf("%d lies were refused and %d kept", refused, kept)
	}
}

func TestNodesThatContradictThemselves(t *testing.T) {
	w := newWorld(t)
	in := w.intent(t, "USDC-arbitrum-one", "USDC-base")
	tx := w.quote(t, in, lifitest.Behaviour{})
	p := w.open(t, "USDC-base", 10_000, 50)
	other := "0x" + strings.Repeat("99", 32)
	for name, change := range map[string]func(*ledger){
		"another transaction":         func(l *ledger) { l.tx["hash"] = other },
		"another receipt":             func(l *ledger) { l.receipt["transactionHash"] = other },
		"a receipt of another block":  func(l *ledger) { l.receipt["blockHash"] = other },
		"a receipt of nothing":        func(l *ledger) { l.tx = nil },
		"a block that is gone":        func(l *ledger) { l.header = nil },
		"another block in its place":  func(l *ledger) { l.header["hash"] = other },
		"a transaction without bytes": func(l *ledger) { l.tx["input"] = "none" },
		"a receipt without logs":      func(l *ledger) { l.receipt["logs"] = "none" },
	} {
		l := newLedger(tx, payer.Wallet, w.now())
		change(l)
		if got, err := w.proof(t, in.From.Chain, l, p); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	l := newLedger(tx, payer.Wallet, w.now())
	l.top = nil // it names no final block
	if got, err := w.proof(t, in.From.Chain, l, p); err != nil || got.Route.Final || got.Route.Progress != payment.Bridging {
		t.Errorf("without a final block: %+v, %v", got, err)
	}
}

func TestNews(t *testing.T) {
	w := newWorld(t)
	tr := crosschain.NewTracker(crosschain.TrackerConfig{Book: w.config.Book, Client: w.client})
	usdt := w.token(t, "USDT-arbitrum-one")
	leg := func(id asset.ChainID, token asset.Address, amount int64) lifi.Leg {
		return lifi.Leg{Chain: id, TxHash: "0x" + strings.Repeat("AB", 32), Token: lifi.Token{Chain: id, Address: token}, Amount: big.NewInt(amount)}
	}
	back := leg(asset.ArbitrumOne, usdt.Address, 99)
	for name, c := range map[string]struct {
		status lifi.Status
		want   payment.Progress
		asset  asset.ID
	}{
		"unknown":           {lifi.Status{State: lifi.StateNotFound}, payment.Sent, ""},
		"refused":           {lifi.Status{State: lifi.StateInvalid}, payment.Sent, ""},
		"under way":         {lifi.Status{State: lifi.StatePending}, payment.Bridging, ""},
		"of a later age":    {lifi.Status{State: "TELEPORTING"}, payment.Bridging, ""},
		"done":              {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateCompleted, Receiving: back}, payment.Arrived, ""},
		"done in part":      {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstatePartial, Receiving: back}, payment.Recovered, ""},
		"on its way back":   {lifi.Status{State: lifi.StatePending, Substate: lifi.SubstateRefunding}, payment.Refunding, ""},
		"back":              {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: back}, payment.Refunded, "USDT-arbitrum-one"},
		"back, elsewhere":   {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: leg(asset.Base, w.token(t, "USDC-base").Address, 99)}, payment.Refunded, ""},
		"back, in what":     {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: leg(asset.ArbitrumOne, lifitest.Thief, 99)}, payment.Refunded, ""},
		"back, but nothing": {lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: leg(asset.ArbitrumOne, usdt.Address, 0)}, payment.Refunded, ""},
		"failed":            {lifi.Status{State: lifi.StateFailed}, payment.Broken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w.router.Transfer(ledgerTx, c.status)
			a := announced(asset.ArbitrumOne, ledgerTx)
			a.Route = &payment.Route{To: asset.Base, Tool: lifi.BridgeAcross}
			got, err := tr.News(t.Context(), a)
			if err != nil || got.Progress != c.want || got.Asset != c.asset {
				t.Fatalf("got %+v, %v, want %s", got, err, c.want)
			}
			if (got.Amount != nil) != (c.asset != "") || c.asset != "" && got.Amount.Int64() != 99 {
				t.Errorf("amount %v", got.Amount)
			}
			if want := strings.ToLower(c.status.Receiving.TxHash); got.Tx != want {
				t.Errorf("transaction %q, want %q", got.Tx, want)
			}
		})
	}
	w.router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 500}})
	a := announced(asset.ArbitrumOne, ledgerTx)
	if _, err := tr.News(t.Context(), a); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a service that is down: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.News(stopped, a); !errors.Is(err, context.Canceled) {
		t.Errorf("called off: %v", err)
	}
}
