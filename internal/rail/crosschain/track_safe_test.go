package crosschain_test

import (
	"context"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/internal/sandbox/contracts"
)

var safeTable = safe.At(asset.SandboxBase, asset.SandboxArbitrum)

// sameSafe compares the owners of a Safe on two chains.
func (s *sandbox) sameSafe(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error {
	var owners [][]asset.Address
	for _, id := range []asset.ChainID{from, to} {
		a, err := safeTable.Read(ctx, s.config.Nodes[id], id, wallet)
		if errors.Is(err, safe.ErrNoContract) || errors.Is(err, safe.ErrNotSafe) {
			return fault.Field("wallet", "safe_not_there", "This Safe is not there.").Because(err)
		}
		if err != nil {
			return err
		}
		owners = append(owners, a.Owners)
	}
	if !reflect.DeepEqual(owners[0], owners[1]) {
		return fault.Field("wallet", "safe_not_there", "This Safe has other owners there.")
	}
	return nil
}

// emitter says ExecutionSuccess of whatever hash the calldata ends with.
var emitter = asset.Address{0xe3, 0x17, 19: 0x01}

func emitterCode(t *testing.T) []byte {
	t.Helper()
	code, err := hex.DecodeString("6020360335" + "7f" + safe.TopicSuccess[2:] + "60206000" + "a2" + "00")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// safebox is a sandbox with a funded Safe at one address of both chains, which
// pays from one of them.
type safebox struct {
	*sandbox
	t     *testing.T
	safe  *safetest.Safe
	chain *chaintest.Chain
	p     *payment.Payment
	tr    *crosschain.Tracker
}

func newSafebox(t *testing.T, v safe.Version) *safebox {
	t.Helper()
	options := map[asset.ChainID][]chaintest.Option{}
	for _, id := range []asset.ChainID{asset.SandboxBase, asset.SandboxArbitrum} {
		options[id] = append(safetest.Contracts(t, id), chaintest.WithCode(emitter.String(), emitterCode(t), nil))
	}
	b := &safebox{sandbox: sandboxWith(t, options), t: t}
	b.chain = b.chains[asset.SandboxArbitrum]
	b.safe = safetest.Deploy(t, b.chain, safetest.Options{Version: v})
	if there := safetest.Deploy(t, b.chains[asset.SandboxBase], safetest.Options{Version: v}); there.Address != b.safe.Address {
		t.Fatalf("the Safe is %s here and %s there", b.safe.Address, there.Address)
	}
	b.payer = rail.Payer{Wallet: b.safe.Address, Safe: true}
	for _, id := range []asset.ID{"USDT-arbitrum-one", "USDC-arbitrum-one"} {
		b.chain.Transfer(b.token(t, id).Address.String(), b.safe.Address.String(), big.NewInt(1e10))
	}
	b.chain.Mine(1)
	b.p, b.tr = b.open(t, "USDC-base", 10_000, 50), b.tracker()
	return b
}

func (b *safebox) account() *safe.Account {
	b.t.Helper()
	a, err := safeTable.Read(b.t.Context(), b.config.Nodes[asset.SandboxArbitrum], asset.SandboxArbitrum, b.safe.Address)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// batch makes one Safe transaction of calls.
func (b *safebox) batch(calls []rail.Call) safe.Tx {
	b.t.Helper()
	a := b.account()
	tx, err := a.Batch(calls, a.Nonce)
	if err != nil {
		b.t.Fatal(err)
	}
	return tx
}

func (b *safebox) calls(from asset.ID) *rail.Calls {
	b.t.Helper()
	calls, err := b.prepare(b.t, b.p, from)
	if err != nil {
		b.t.Fatal(err)
	}
	return calls
}

// mined sends a call and has it in a block.
func (b *safebox) mined(to asset.Address, data []byte) payment.Attempt {
	b.t.Helper()
	tx := b.chain.Send(to.String(), nil, data)
	b.chain.Mine(1)
	return announced(asset.SandboxArbitrum, tx)
}

// exec is the calldata by which anybody executes a transaction of the Safe.
func (b *safebox) exec(tx safe.Tx) []byte {
	b.t.Helper()
	data, err := safe.EncodeExec(tx, b.safe.Sign(tx))
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

// through has another contract make a call.
func through(to asset.Address, data []byte) (asset.Address, []byte) {
	type call struct {
		Target       common.Address
		AllowFailure bool
		CallData     []byte
	}
	return asset.Address(contracts.Address(contracts.Multicall3)), contracts.Call(contracts.Multicall3, "aggregate3", []call{{common.Address(to), false, data}})
}

// known is the payment with a Safe transaction that was announced, and executed
// by another transaction.
func (b *safebox) known(tx safe.Tx, executedBy string) *payment.Payment {
	b.t.Helper()
	text, err := tx.MarshalJSON()
	if err != nil {
		b.t.Fatal(err)
	}
	p := *b.p
	p.Attempts = []payment.Attempt{{
		Kind: "safe_tx", Chain: asset.SandboxArbitrum, Handle: b.safe.Hash(tx).String(), Payer: b.safe.Address.String(), Stage: payment.Executed,
		Safe: &payment.Safe{Among: []string{b.safe.Address.String()}, Tx: text, ExecutedBy: executedBy},
	}}
	return &p
}

func wantRoute(t *testing.T, what string, got rail.Proof, progress payment.Progress, named bool) {
	t.Helper()
	if got.Route.Progress != progress || (got.Route.ID != "") != named {
		t.Errorf("%s: %+v, want %s", what, got.Route, progress)
	}
}

// A Safe of every version pays from another chain: its one transaction is proven
// from before it is in a block until it is there for good, whoever executes it,
// and what arrives is the payment.
func TestASafePaysAcrossChains(t *testing.T) {
	for _, v := range safe.Versions() {
		t.Run(string(v), func(t *testing.T) {
			b := newSafebox(t, v)
			calls := b.calls("USDT-arbitrum-one")
			if got := kinds(calls); !slices.Equal(got, []rail.CallKind{reset, approve, pay}) || calls.Funds.NativeNeeded.Sign() != 0 || !calls.Funds.EnoughGas() {
				t.Errorf("got %v, funds %+v", got, calls.Funds)
			}
			if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
				t.Fatalf("trial run: %+v", c)
			}
			if left := time.Until(calls.Route.Deadline); left < 50*time.Minute || left > time.Hour {
				t.Errorf("to be executed within %v", left)
			}
			tx := b.batch(calls.Steps)
			if _, ok := b.rail.Claims(b.p, calls.Chain, b.payer, bare(calls.Steps), time.Now()); !ok {
				t.Error("not claimed")
			}
			sent := b.safe.Execute(tx)
			a := announced(asset.SandboxArbitrum, sent)
			wantRoute(t, "in no block", prove(t, b.tr, b.p, a), payment.Sent, true)
			b.chain.Mine(1)
			r := b.chain.Receipt(sent)
			var gas uint64
			for _, step := range calls.Steps {
				gas += step.Gas
			}
			if r == nil || r.Status != 1 || gas < r.GasUsed {
				t.Fatalf("estimated %d gas, executed: %+v", gas, r)
			}
			for what, p := range map[string]*payment.Payment{"by the hash alone": b.p, "with its transaction": b.known(tx, sent)} {
				got := prove(t, b.tr, p, a)
				wantRoute(t, what, got, payment.Bridging, true)
				if got.Payer != b.safe.Address.String() || got.Route.Fallback != got.Payer || got.Route.From != "USDT-arbitrum-one" || got.Route.Final ||
					got.Route.Amount.Cmp(calls.Route.Give.Amount) != 0 || got.Until.IsZero() {
					t.Errorf("%s: %+v", what, got)
				}
			}
			for nonce := range uint64(3) { // it goes on
				b.safe.Execute(b.safe.Reject(tx.Nonce + 1 + nonce))
				b.chain.Mine(1)
			}
			if got := prove(t, b.tr, b.p, a); got.Route.Progress != payment.Bridging || !got.Route.Final {
				t.Errorf("later: %+v", got.Route)
			}
			end := b.chains[asset.SandboxBase]
			fill := end.Bridge(b.chain, sent, false)
			end.Mine(1)
			b.wantPaid(t, b.p, end, fill)
			b.chain.Reorg(4)
			if got := prove(t, b.tr, b.p, a); got.Route.Progress != payment.Sent {
				t.Errorf("after a reorganisation: %+v", got.Route)
			}
		})
	}
}

// A Safe exchanges and pays on one chain, all at once.
func TestASafeExchanges(t *testing.T) {
	b := newSafebox(t, safe.V141)
	b.p = b.open(t, "USDC-arbitrum-one", 10_000, 50)
	calls := b.calls("USDT-arbitrum-one")
	if got := kinds(calls); !slices.Equal(got, []rail.CallKind{reset, approve, swap, approve, pay}) {
		t.Fatalf("got %v", got)
	}
	if claim, ok := b.rail.Claims(b.p, calls.Chain, b.payer, bare(calls.Steps), time.Now()); !ok || claim.Type != rail.Conversion {
		t.Errorf("claim %+v, %t", claim, ok)
	}
	sent := b.safe.Execute(b.batch(calls.Steps))
	b.chain.Mine(1)
	b.wantPaid(t, b.p, b.chain, sent)
	wantRoute(t, "no bridge", prove(t, b.tr, b.p, announced(asset.SandboxArbitrum, sent)), payment.Unknown, false)
}

// A Safe that its owners have on one chain only pays there.
func TestASafeOnOneChain(t *testing.T) {
	b := newSafebox(t, safe.V130)
	lonely := safetest.Deploy(t, b.chain, safetest.Options{Version: safe.V150})
	b.payer.Wallet = lonely.Address
	_, err := b.prepare(t, b.p, "USDC-arbitrum-one")
	wantFault(t, "a Safe on one chain", err, fault.Invalid, "safe_not_there", "wallet")
}

// Executed inside of another contract's call, a Safe's transaction is read where
// the payment has it, and where it does not it is Unknown.
func TestSafesThatOthersExecute(t *testing.T) {
	b := newSafebox(t, safe.V141)
	tx := b.batch(b.calls("USDC-arbitrum-one").Steps)
	a := b.mined(through(b.safe.Address, b.exec(tx)))
	wantRoute(t, "nobody has the transaction", prove(t, b.tr, b.p, a), payment.Unknown, false)
	p := b.known(tx, a.Handle)
	if got := prove(t, b.tr, p, a); got.Route.Progress != payment.Bridging || got.Payer != b.safe.Address.String() || got.Route.ID == "" {
		t.Errorf("with the transaction: %+v", got)
	}
	for name, change := range map[string]func(*payment.Attempt){
		"another transaction on chain": func(k *payment.Attempt) { k.Safe.ExecutedBy = "0x" + strings.Repeat("ab", 32) },
		"another chain":                func(k *payment.Attempt) { k.Chain = asset.SandboxBase },
		"another hash":                 func(k *payment.Attempt) { k.Handle = "0x" + strings.Repeat("ab", 32) },
		"another Safe":                 func(k *payment.Attempt) { k.Payer = lifitest.Thief.String() },
		"nobody's":                     func(k *payment.Attempt) { k.Payer = "" },
		"no transaction":               func(k *payment.Attempt) { k.Safe.Tx = nil },
		"no JSON":                      func(k *payment.Attempt) { k.Safe.Tx = []byte("{") },
		"another kind":                 func(k *payment.Attempt) { k.Kind = "tx" },
		"nothing of a Safe":            func(k *payment.Attempt) { k.Safe = nil },
	} {
		p := b.known(tx, a.Handle)
		change(&p.Attempts[0])
		wantRoute(t, name, prove(t, b.tr, p, a), payment.Unknown, false)
	}
	later := tx
	later.Nonce += 5
	wantRoute(t, "another transaction with the same calls", prove(t, b.tr, b.known(later, a.Handle), a), payment.Unknown, false)
	blind := crosschain.NewTracker(crosschain.TrackerConfig{
		Book: b.config.Book, Client: b.client, Nodes: b.config.Nodes, Finality: map[asset.ChainID]chain.Finality{asset.SandboxArbitrum: {Confirmations: deep}},
	})
	wantRoute(t, "nobody knows Safes", prove(t, blind, p, a), payment.Unknown, false)
}

// What took the place of another transaction that would have paid as well is read
// for what it is, whoever executed it.
func TestSafesThatPayByAnotherTransaction(t *testing.T) {
	b := newSafebox(t, safe.V141)
	first, second := b.batch(b.calls("USDC-arbitrum-one").Steps), b.batch(b.calls("USDT-arbitrum-one").Steps)
	a := b.mined(b.safe.Address, b.exec(second))
	replaced := b.known(first, a.Handle)
	replaced.Attempts[0].Stage = payment.Abandoned
	wantRoute(t, "nobody has it", prove(t, b.tr, replaced, a), payment.Bridging, true)

	first, second = b.batch(b.calls("USDC-arbitrum-one").Steps), b.batch(b.calls("USDT-arbitrum-one").Steps)
	a = b.mined(through(b.safe.Address, b.exec(second)))
	both := b.known(first, a.Handle)
	both.Attempts[0].Stage = payment.Abandoned
	both.Attempts = append(both.Attempts, b.known(second, a.Handle).Attempts...)
	wantRoute(t, "inside of another call", prove(t, b.tr, both, a), payment.Bridging, true)
}

// What fails inside of a Safe says so, and nothing is under way.
func TestSafesThatFail(t *testing.T) {
	b := newSafebox(t, safe.V130)
	calls := b.calls("USDC-arbitrum-one")
	tx := b.batch(calls.Steps)
	tx.SafeTxGas = big.NewInt(800_000) // makes the Safe go on when the call fails
	away := b.batch([]rail.Call{{To: b.token(t, "USDC-arbitrum-one").Address, Value: new(big.Int), Data: transferAll()}})
	b.mined(b.safe.Address, b.exec(away))
	tx.Nonce = away.Nonce + 1
	a := b.mined(b.safe.Address, b.exec(tx))
	if r := b.chain.Receipt(a.Handle); r.Status != 1 {
		t.Fatalf("reverted: %+v", r)
	}
	wantRoute(t, "the call failed", prove(t, b.tr, b.p, a), payment.Broken, true)
	wantRoute(t, "the call of a known one failed", prove(t, b.tr, b.known(tx, a.Handle), a), payment.Broken, true)
	tx.SafeTxGas, tx.Nonce = nil, tx.Nonce+1
	a = b.mined(b.safe.Address, b.exec(tx))
	if r := b.chain.Receipt(a.Handle); r.Status == 1 {
		t.Fatal("it succeeded")
	}
	wantRoute(t, "all of it reverted", prove(t, b.tr, b.p, a), payment.Broken, true)
}

// transferAll moves what the Safe was given to a stranger.
func transferAll() []byte {
	data := append([]byte{0xa9, 0x05, 0x9c, 0xbb}, make([]byte, 12)...)
	data = append(data, lifitest.Thief[:]...)
	return append(data, common.BigToHash(big.NewInt(1e10)).Bytes()...)
}

// Transactions of Safes that do anything else than pay by one route are none.
func TestSafeTransactionsThatAreNoRoute(t *testing.T) {
	b := newSafebox(t, safe.V150)
	once := func(change func(*safe.Tx, []rail.Call) []rail.Call) payment.Attempt {
		steps := b.calls("USDC-arbitrum-one").Steps
		calls := change(&safe.Tx{}, slices.Clone(steps))
		tx := b.batch(calls)
		change(&tx, slices.Clone(steps)) // what is not about the calls
		return b.mined(b.safe.Address, b.exec(tx))
	}
	extra := rail.Call{To: lifitest.Thief, Value: new(big.Int), Data: []byte{1}}
	usdc := b.token(t, "USDC-arbitrum-one").Address
	more, err := official.Approval{Spender: lifitest.Thief, Amount: big.NewInt(1)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	multiSend := b.account().MultiSend
	for name, a := range map[string]payment.Attempt{
		"another call before": once(func(_ *safe.Tx, c []rail.Call) []rail.Call { return append([]rail.Call{extra}, c...) }),
		"another call behind": once(func(_ *safe.Tx, c []rail.Call) []rail.Call { return append(c, extra) }),
		"an approval for somebody": once(func(_ *safe.Tx, c []rail.Call) []rail.Call {
			return append([]rail.Call{{To: usdc, Value: new(big.Int), Data: more}}, c...)
		}),
		"two routes": once(func(_ *safe.Tx, c []rail.Call) []rail.Call { return append(c, c...) }),
		"no route":   once(func(_ *safe.Tx, c []rail.Call) []rail.Call { return c[:1] }),
		"a delegatecall to somebody": once(func(tx *safe.Tx, c []rail.Call) []rail.Call {
			if tx.To == multiSend {
				tx.To = lifitest.Thief // has no code, so that nothing happens
			}
			return c
		}),
		"a plain call of the contract for batches": once(func(tx *safe.Tx, c []rail.Call) []rail.Call {
			tx.Operation = safe.OpCall // which then calls in its own name, and reverts
			tx.SafeTxGas = big.NewInt(500_000)
			return c
		}),
	} {
		if r := b.chain.Receipt(a.Handle); r == nil || r.Status != 1 {
			t.Errorf("%s: not executed: %+v", name, r)
		}
		wantRoute(t, name, prove(t, b.tr, b.p, a), payment.Unknown, false)
	}
	good := b.batch(b.calls("USDC-arbitrum-one").Steps)
	other := *b.p
	other.Terms.Requests = slices.Clone(b.p.Terms.Requests)
	other.Terms.Requests[0].Reference = "0x0102030405060708"
	for name, to := range map[string]asset.Address{"somebody's code": lifitest.Thief, "no code for batches": b.account().FallbackHandler} {
		taken := good
		taken.To = to
		sent := b.chain.Send(b.safe.Address.String(), nil, b.exec(taken))
		wantRoute(t, name+", in no block", prove(t, b.tr, b.p, announced(asset.SandboxArbitrum, sent)), payment.Unknown, false)
		b.chain.Mine(1)
		good.Nonce = b.account().Nonce
	}
	a := b.mined(b.safe.Address, b.exec(good))
	wantRoute(t, "of another payment", prove(t, b.tr, &other, a), payment.Unknown, false)
	elsewhere := a
	elsewhere.Chain = asset.SandboxBase
	wantRoute(t, "on the wrong chain", prove(t, b.tr, b.p, elsewhere), payment.Sent, false)
	wantRoute(t, "as it is", prove(t, b.tr, b.p, a), payment.Bridging, true)
}

// Events that say what did not happen prove nothing: of contracts that are no
// Safe, of another Safe, of a Safe whose owners make it say so.
func TestSafeEventsThatLie(t *testing.T) {
	b := newSafebox(t, safe.V141)
	tx := b.batch(b.calls("USDC-arbitrum-one").Steps)
	ending := func(hash official.Hash) []byte { // the calldata of tx with the hash in place of signatures
		data, err := safe.EncodeExec(tx, hash[:])
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	of := func(account asset.Address) official.Hash {
		h, err := tx.Hash(asset.SandboxArbitrum, account)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	said := func(a payment.Attempt) payment.Attempt {
		t.Helper()
		if r := b.chain.Receipt(a.Handle); r == nil || r.Status != 1 || len(r.Logs) == 0 {
			t.Fatalf("nothing was said: %+v", r)
		}
		return a
	}
	fake := said(b.mined(emitter, ending(of(emitter))))
	wantRoute(t, "a contract that only says so", prove(t, b.tr, b.p, fake), payment.Unknown, false)

	hash := of(b.safe.Address)
	foreign := said(b.mined(emitter, ending(hash)))
	wantRoute(t, "somebody's event of a known transaction", prove(t, b.tr, b.known(tx, foreign.Handle), foreign), payment.Unknown, false)

	lie := safe.Tx{To: emitter, Data: hash[:], Operation: safe.OpDelegateCall, Nonce: tx.Nonce}
	own := said(b.mined(b.safe.Address, b.exec(lie)))
	wantRoute(t, "the owners' own event", prove(t, b.tr, b.known(tx, own.Handle), own), payment.Unknown, false)

	second := safetest.Deploy(t, b.chain, safetest.Options{Version: safe.V141})
	reject := second.Reject(0)
	other := announced(asset.SandboxArbitrum, second.Execute(reject))
	b.chain.Mine(1)
	said(other)
	wantRoute(t, "another Safe's event", prove(t, b.tr, b.known(tx, other.Handle), other), payment.Unknown, false)

	unheard := b.mined(emitter, nil)
	wantRoute(t, "no event of this hash", prove(t, b.tr, b.known(tx, unheard.Handle), unheard), payment.Unknown, false)

	tx.Nonce = b.account().Nonce
	real := b.mined(b.safe.Address, b.exec(tx))
	b.chain.FailMethod("eth_getCode", -32000, "no")
	if got, err := b.tr.Prove(t.Context(), b.p, real); err == nil {
		t.Errorf("a chain that does not show the Safe: %+v", got)
	}
	b.chain.Behave()
	wantRoute(t, "the real one", prove(t, b.tr, b.p, real), payment.Bridging, true)
}
