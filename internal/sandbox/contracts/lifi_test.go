package contracts_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	calls "quittance/internal/official" // this package has a type of that name
	"quittance/internal/rail"
	"quittance/internal/sandbox/contracts"
)

var fallback = common.HexToAddress("0x5555555555555555555555555555555555555555")

// feeSink gets LI.FI's fee in these tests.
const feeSink = "0x6666666666666666666666666666666666666666"

func TestStandInsAreWhereTheTableSays(t *testing.T) {
	table := lifi.Sandbox()
	for _, id := range table.Chains() {
		n, _ := table.Network(id)
		for name, want := range map[string]asset.Address{
			contracts.Diamond: n.Diamond, contracts.FeeForwarder: n.FeeForwarder, contracts.Exchange: n.DEXes[0],
			contracts.ReceiverAcross: n.ReceiverAcross, contracts.Executor: n.Executor, contracts.ERC20FeeProxy: n.FeeProxy,
		} {
			if got := contracts.Address(name); got != common.Address(want) {
				t.Errorf("%s on %d: %s, the table has %s", name, id, got, want)
			}
		}
	}
}

// Calldata that others have encoded for the real contracts has the stand-in's shape, byte for byte.
func TestTheDiamondReadsTheVectors(t *testing.T) {
	file, err := os.ReadFile("../../lifi/testdata/lifi-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Vectors []struct {
			Name string
			Data hexutil.Bytes
		}
	}
	if err := json.Unmarshal(file, &in); err != nil {
		t.Fatal(err)
	}
	read := map[string]int{}
	for _, v := range in.Vectors {
		m, err := contracts.Get(contracts.Diamond).ABI.MethodById(v.Data)
		if err != nil {
			continue // Stargate, and what nobody here plays
		}
		values, err := m.Inputs.Unpack(v.Data[4:])
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if again, err := m.Inputs.Pack(values...); err != nil || !bytes.Equal(again, v.Data[4:]) {
			t.Errorf("%s: written again it differs: %v", v.Name, err)
		}
		read[m.Name]++
	}
	for _, name := range []string{"startBridgeTokensViaAcrossV4", "swapAndStartBridgeTokensViaAcrossV4", "swapTokensMultipleV3ERC20ToERC20"} {
		if read[name] == 0 {
			t.Errorf("no vector of %s", name)
		}
	}
}

// bridged is two chains and the router that quotes between them.
type bridged struct {
	t          *testing.T
	arb, base  *chaintest.Chain
	router     *lifitest.Router
	client     *lifi.Client
	usdc, usdt map[asset.ChainID]asset.Token
}

func newBridged(t *testing.T) *bridged {
	t.Helper()
	w := &bridged{t: t, arb: chaintest.New(t, chaintest.WithID(uint64(asset.SandboxArbitrum))), base: chaintest.New(t),
		usdc: map[asset.ChainID]asset.Token{}, usdt: map[asset.ChainID]asset.Token{}}
	feeTo, err := asset.ParseAddress(feeSink)
	if err != nil {
		t.Fatal(err)
	}
	w.router = lifitest.New(lifitest.Options{Table: lifi.Sandbox(), FeeTo: feeTo})
	if w.client, err = lifi.NewClient(lifi.Config{Table: lifi.Sandbox(), Transport: lifitest.Transport{Router: w.router}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	_, tokens := asset.Sandbox()
	for _, k := range tokens {
		if k.Symbol == "USDC" {
			w.usdc[k.Chain] = k
		} else {
			w.usdt[k.Chain] = k
		}
	}
	w.mine() // heads are as old as the genesis block until then, and quotes are new
	return w
}

func (w *bridged) mine() {
	w.t.Helper()
	w.arb.Mine(1)
	w.base.Mine(1)
}

// intent is a payment of 20 dollars on Base and a fee of 10 cents.
func (w *bridged) intent(from asset.Token) lifi.Intent {
	w.t.Helper()
	payer := asset.Address(common.HexToAddress(w.arb.Address()))
	to := w.usdc[asset.SandboxBase]
	in := lifi.Intent{
		Payer: payer, From: from, To: to, Refund: payer, Fallback: asset.Address(fallback),
		Payment: calls.ERC20Payment{
			Token: to.Address, Payee: asset.Address(common.HexToAddress(payee)), Amount: big.NewInt(20_000_000),
			Reference: calls.Reference(reference), Fee: big.NewInt(100_000), FeePayee: asset.Address(common.HexToAddress(feeTo)),
		},
	}
	in.MaxFrom = lifi.SourceCap(in.Required(), in.From, in.To, 200)
	return in
}

// quote asks for a route and decodes it; the route must be honest.
func (w *bridged) quote(in lifi.Intent) (*lifi.Call, lifi.Step) {
	w.t.Helper()
	step, err := w.client.Quote(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range w.client.Table().Verify(in, step.Transaction, nil, time.Now().UTC()) {
		if c.Outcome != rail.Passed {
			w.t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	call, err := lifi.DecodeCall(step.Transaction.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	return call, step
}

// start approves what a route takes and sends it, whether it succeeds or not.
func (w *bridged) start(c *chaintest.Chain, from asset.Token, call *lifi.Call) *types.Receipt {
	w.t.Helper()
	data, err := call.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	diamond := contracts.Address(contracts.Diamond).Hex()
	c.Approve(from.Address.String(), diamond, new(big.Int))
	c.Approve(from.Address.String(), diamond, call.Deposit())
	tx := c.Send(diamond, nil, data)
	w.mine()
	return c.Receipt(tx)
}

func (w *bridged) status(r *types.Receipt, want uint64) {
	w.t.Helper()
	if r == nil || r.Status != want {
		w.t.Fatalf("receipt %+v, want status %d", r, want)
	}
}

func (w *bridged) holds(c *chaintest.Chain, token, who string, want *big.Int) {
	w.t.Helper()
	if got := c.Balance(token, who); got.Cmp(want) != 0 {
		w.t.Errorf("%s holds %v of %s, want %v", who, got, token, want)
	}
}

// nothingLeft checks that no contract on the way kept any token.
func (w *bridged) nothingLeft(c *chaintest.Chain, except ...string) {
	w.t.Helper()
	for _, name := range []string{contracts.Diamond, contracts.FeeForwarder, contracts.ReceiverAcross, contracts.Executor, contracts.SpokePool} {
		for _, token := range []string{c.USDC(), c.USDT()} {
			if !slices.Contains(except, name) {
				w.holds(c, token, contracts.Address(name).Hex(), new(big.Int))
			}
		}
	}
}

// has returns how many events of a name a receipt has from a contract.
func has(r *types.Receipt, name, event string) (n int) {
	for _, l := range r.Logs {
		if l.Address == contracts.Address(name) && l.Topics[0] == contracts.Get(name).ABI.Events[event].ID {
			n++
		}
	}
	return n
}

func TestARouteMovesExactlyTheMoney(t *testing.T) {
	for _, tt := range []struct {
		name  string
		usdt  bool
		b     lifitest.Behaviour
		swaps int
	}{
		{"USDC with a fee leg", false, lifitest.Behaviour{}, 1},
		{"USDC alone", false, lifitest.Behaviour{NoFeeLeg: true}, 0},
		{"USDT with a fee leg and an exchange", true, lifitest.Behaviour{}, 2},
		{"USDT with an exchange alone", true, lifitest.Behaviour{NoFeeLeg: true}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newBridged(t)
			from := w.usdc[asset.SandboxArbitrum]
			if tt.usdt {
				from = w.usdt[asset.SandboxArbitrum]
			}
			w.router.Behave(tt.b)
			in := w.intent(from)
			call, _ := w.quote(in)
			before := w.arb.Balance(from.Address.String(), w.arb.Address())
			r := w.start(w.arb, from, call)
			w.status(r, 1)
			w.holds(w.arb, from.Address.String(), w.arb.Address(), new(big.Int).Sub(before, call.Deposit()))
			w.holds(w.arb, from.Address.String(), feeSink, call.Fees())
			w.nothingLeft(w.arb, contracts.SpokePool)
			pooled := w.arb.Balance(w.arb.USDC(), contracts.Address(contracts.SpokePool).Hex())
			if pooled.Cmp(call.Bridge.MinAmount) < 0 {
				t.Errorf("%v went into the bridge, less than %v", pooled, call.Bridge.MinAmount)
			}
			if has(r, contracts.Diamond, "LiFiTransferStarted") != 1 || has(r, contracts.Diamond, "AssetSwapped") != tt.swaps || has(r, contracts.SpokePool, "FundsDeposited") != 1 {
				t.Errorf("events %v", r.Logs)
			}
			w.arrives(in, r.TxHash.Hex())
		})
	}
}

// arrives delivers a deposit and checks that the payment was made by it.
func (w *bridged) arrives(in lifi.Intent, tx string) {
	w.t.Helper()
	fill := w.base.Receipt(w.deliver(tx, false))
	w.status(fill, 1)
	usdc := w.base.USDC()
	w.holds(w.base, usdc, payee, in.Payment.Amount)
	w.holds(w.base, usdc, feeTo, in.Payment.Fee)
	w.nothingLeft(w.base)
	// The exchange gives what it is asked for and a little more, which the bridge brings along.
	if left := w.base.Balance(usdc, fallback.Hex()); left.Cmp(big.NewInt(100)) > 0 {
		w.t.Errorf("the fallback has %v", left)
	}
	if has(fill, contracts.ERC20FeeProxy, "TransferWithReferenceAndFee") != 1 || has(fill, contracts.Executor, "LiFiTransferCompleted") != 1 ||
		has(fill, contracts.SpokePool, "FilledRelay") != 1 || has(fill, contracts.ReceiverAcross, "LiFiTransferRecovered") != 0 {
		w.t.Errorf("events %v", fill.Logs)
	}
	if again := w.base.Receipt(w.deliver(tx, false)); again.Status != 0 {
		w.t.Error("the same deposit was filled twice")
	}
}

func (w *bridged) deliver(tx string, cutShort bool) string {
	w.t.Helper()
	hash := w.base.Bridge(w.arb, tx, cutShort)
	w.mine()
	return hash
}

// spokePool asks the SpokePool of a chain to let a deposit's money go.
func (w *bridged) spokePool(c *chaintest.Chain, from *chaintest.Wallet, method string, id int64) uint64 {
	w.t.Helper()
	tx := from.Send(contracts.Address(contracts.SpokePool).Hex(), nil, contracts.Call(contracts.SpokePool, method, big.NewInt(id)))
	w.mine()
	return c.Receipt(tx).Status
}

func TestAFailedCallGoesToTheFallback(t *testing.T) {
	w := newBridged(t)
	from := w.usdt[asset.SandboxArbitrum]
	call, _ := w.quote(w.intent(from))
	r := w.start(w.arb, from, call)
	w.status(r, 1)
	fill := w.base.Receipt(w.deliver(r.TxHash.Hex(), true))
	w.status(fill, 1)
	w.holds(w.base, w.base.USDC(), payee, new(big.Int))
	w.nothingLeft(w.base)
	i := slices.IndexFunc(fill.Logs, func(l *types.Log) bool { return l.Topics[0].Hex() == lifi.TopicRecovery })
	if i < 0 || fill.Logs[i].Address != contracts.Address(contracts.ReceiverAcross) {
		t.Fatalf("no recovery in %v", fill.Logs)
	}
	topics := []string{fill.Logs[i].Topics[0].Hex(), fill.Logs[i].Topics[1].Hex()}
	got, err := lifi.DecodeRecovery(topics, fill.Logs[i].Data)
	if err != nil || got.To != asset.Address(fallback) || got.TransactionID != call.Bridge.TransactionID {
		t.Errorf("recovery %+v, %v", got, err)
	}
	w.holds(w.base, w.base.USDC(), fallback.Hex(), got.Amount)
}

func TestTheBridgeRepaysOrRefundsOnce(t *testing.T) {
	for _, method := range []string{"repay", "refund"} {
		w := newBridged(t)
		from := w.usdc[asset.SandboxArbitrum]
		call, _ := w.quote(w.intent(from))
		copy(call.Across.Refund[12:], fallback[:])
		w.status(w.start(w.arb, from, call), 1)
		before := w.arb.Balance(w.arb.USDC(), w.arb.Address())
		if w.spokePool(w.arb, w.arb.Other, method, 0) != 0 || w.spokePool(w.arb, w.arb.Wallet, method, 1) != 0 {
			t.Errorf("%s: for a stranger, or without a deposit", method)
		}
		if w.spokePool(w.arb, w.arb.Wallet, method, 0) != 1 || w.spokePool(w.arb, w.arb.Wallet, method, 0) != 0 {
			t.Errorf("%s: not once", method)
		}
		w.nothingLeft(w.arb)
		if method == "refund" {
			w.holds(w.arb, w.arb.USDC(), fallback.Hex(), call.Bridge.MinAmount)
		} else {
			w.holds(w.arb, w.arb.USDC(), w.arb.Address(), new(big.Int).Add(before, call.Bridge.MinAmount))
		}
	}
}

func TestASwapOnOneChain(t *testing.T) {
	for _, noFee := range []bool{false, true} {
		w := newBridged(t)
		w.router.Behave(lifitest.Behaviour{NoFeeLeg: noFee})
		from := w.usdt[asset.SandboxBase]
		in := w.intent(from)
		call, _ := w.quote(in)
		before := map[string]*big.Int{w.base.USDC(): w.base.Balance(w.base.USDC(), w.base.Address()), w.base.USDT(): w.base.Balance(w.base.USDT(), w.base.Address())}
		r := w.start(w.base, from, call)
		w.status(r, 1)
		w.nothingLeft(w.base)
		w.holds(w.base, w.base.USDT(), w.base.Address(), before[w.base.USDT()].Sub(before[w.base.USDT()], call.Deposit()))
		got := w.base.Balance(w.base.USDC(), w.base.Address())
		if got.Sub(got, before[w.base.USDC()]); got.Cmp(in.Required()) < 0 || got.Cmp(new(big.Int).Add(in.Required(), big.NewInt(100))) > 0 {
			t.Errorf("the swap gave %v, required were %v", got, in.Required())
		}
		if has(r, contracts.Diamond, "LiFiGenericSwapCompleted") != 1 || has(r, contracts.Diamond, "AssetSwapped") != len(call.Swaps) {
			t.Errorf("events %v", r.Logs)
		}
	}
}

// What the real contracts refuse is refused, with their errors, and what they do not look at passes.
func TestTamperedRoutes(t *testing.T) {
	other := asset.Address{0x77, 19: 0x77}
	word := func(a asset.Address) (w [32]byte) { copy(w[12:], a[:]); return w }
	w := newBridged(t)
	in := w.intent(w.usdc[asset.SandboxArbitrum])
	diamond := contracts.Address(contracts.Diamond).Hex()
	w.arb.Approve(in.From.Address.String(), diamond, big.NewInt(1e9))
	w.mine()
	for _, tt := range []struct {
		name   string
		tamper func(c *lifi.Call)
		err    string // of the ABI; "" is a success
	}{
		{"no message, though a call is announced", func(c *lifi.Call) { c.Across.Message = nil }, "InformationMismatch"},
		{"a call that is not announced", func(c *lifi.Call) { c.Bridge.HasDestinationCall = false }, "InformationMismatch"},
		{"swaps that are not announced", func(c *lifi.Call) { c.Bridge.HasSourceSwaps = false }, "InformationMismatch"},
		{"the same chain", func(c *lifi.Call) { c.Bridge.DestinationChain = big.NewInt(int64(asset.SandboxArbitrum)) }, "CannotBridgeToSameNetwork"},
		{"nobody announced", func(c *lifi.Call) { c.Bridge.Receiver = asset.Address{} }, "InvalidReceiver"},
		{"no receiver", func(c *lifi.Call) { c.Across.Receiver = [32]byte{} }, "InvalidReceiver"},
		{"no refund", func(c *lifi.Call) { c.Across.Refund = [32]byte{} }, "InvalidCallData"},
		{"nothing", func(c *lifi.Call) { c.Bridge.MinAmount = new(big.Int) }, "InvalidAmount"},
		{"more than is left", func(c *lifi.Call) { c.Bridge.MinAmount.Add(c.Bridge.MinAmount, big.NewInt(1000)) }, "CumulativeSlippageTooHigh"},
		{"a contract that is not allowed", func(c *lifi.Call) { c.Swaps[0].CallTo, c.Swaps[0].ApproveTo = other, other }, "ContractCallNotAllowed"},
		{"a function that is not allowed", func(c *lifi.Call) { c.Swaps[0].CallData[0] ^= 1 }, "ContractCallNotAllowed"},
		{"another contract allowed", func(c *lifi.Call) { c.Swaps[0].ApproveTo = other }, "ContractCallNotAllowed"},
		{"a quote of yesterday", func(c *lifi.Call) { c.Across.QuoteTimestamp -= 86_400 }, "InvalidQuoteTimestamp"},
		{"a quote of tomorrow", func(c *lifi.Call) { c.Across.QuoteTimestamp += 86_400 }, "InvalidQuoteTimestamp"},
		{"a week to arrive", func(c *lifi.Call) { c.Across.FillDeadline += 7 * 86_400 }, "InvalidFillDeadline"},
		{"another receiver beside a call", func(c *lifi.Call) { c.Across.Receiver = word(other) }, ""},
		{"another refund address", func(c *lifi.Call) { c.Across.Refund = word(other) }, ""},
		{"another announced receiver", func(c *lifi.Call) { c.Bridge.Receiver = other }, ""},
		{"half of it", func(c *lifi.Call) { c.Across.OutputMultiplier.Rsh(c.Across.OutputMultiplier, 1) }, ""},
		{"an output that is overwritten", func(c *lifi.Call) { c.Across.OutputAmount = big.NewInt(1) }, ""},
		{"another payment", func(c *lifi.Call) { c.Across.Message[len(c.Across.Message)-100] ^= 1 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			call, _ := w.quote(in)
			tt.tamper(call)
			data, err := call.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if got := reason(t, w.arb, diamond, data); got != tt.err {
				t.Errorf("refused with %q, want %q", got, tt.err)
			}
		})
	}
}

// reason is the name of the error that a call of the chain's first wallet ends with, "" for none.
func reason(t *testing.T, c *chaintest.Chain, to string, data []byte) string {
	t.Helper()
	var out string
	err := c.Client().Call(&out, "eth_call", map[string]any{"from": c.Address(), "to": to, "data": "0x" + hex.EncodeToString(data)}, "latest")
	if err == nil {
		return ""
	}
	var detailed interface{ ErrorData() any }
	if !errors.As(err, &detailed) {
		t.Fatalf("no reason: %v", err)
	}
	text, _ := detailed.ErrorData().(string)
	for _, name := range []string{contracts.Diamond, contracts.SpokePool, contracts.ReceiverAcross} {
		for _, e := range contracts.Get(name).ABI.Errors {
			if strings.HasPrefix(text, "0x"+hex.EncodeToString(e.ID[:4])) {
				return e.Name
			}
		}
	}
	return text
}

func TestOnlyTheSpokePoolBringsMessages(t *testing.T) {
	w := newBridged(t)
	data := contracts.Call(contracts.ReceiverAcross, "handleV3AcrossMessage", contracts.Address(contracts.USDC), big.NewInt(1), fallback, []byte{})
	if got := reason(t, w.base, contracts.Address(contracts.ReceiverAcross).Hex(), data); got != "UnAuthorized" {
		t.Errorf("refused with %q", got)
	}
}
