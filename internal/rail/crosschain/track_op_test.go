package crosschain_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/crosschain"
	"quittance/internal/rail/railtest"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

// opbox is a sandbox whose payer has tokens and no native currency on one chain, and
// pays from there by operations.
type opbox struct {
	*sandbox
	*railtest.Saver
	t     *testing.T
	chain *chaintest.Chain
	p     *payment.Payment
	tr    *crosschain.Tracker
}

const heldByOwner = 1_000_000_000 // base units of each token

func newOpbox(t *testing.T, kind string) *opbox {
	t.Helper()
	b := &opbox{t: t, sandbox: sandboxWith(t, map[asset.ChainID][]chaintest.Option{
		asset.SandboxArbitrum: useroptest.Contracts(t, asset.SandboxArbitrum),
	})}
	b.chain = b.chains[asset.SandboxArbitrum]
	b.Saver = b.saver(kind, "payer")
	b.payer = b.Saver.Payer()
	b.p, b.tr = b.open(t, "USDC-base", 10_000, 50), b.tracker()
	return b
}

// saver is a wallet with tokens.
func (b *opbox) saver(kind, name string) *railtest.Saver {
	b.t.Helper()
	k, ok := userop.At(asset.SandboxArbitrum).Kind(asset.SandboxArbitrum, kind)
	if !ok {
		b.t.Fatalf("no kind %s", kind)
	}
	s := railtest.NewSaver(b.t, b.chain, k, name)
	for _, id := range []asset.ID{"USDC-arbitrum-one", "USDT-arbitrum-one"} {
		s.Fund(b.token(b.t, id).Address, heldByOwner)
	}
	return s
}

func (b *opbox) calls(p *payment.Payment, from asset.ID) *rail.Calls {
	b.t.Helper()
	calls, err := b.prepare(b.t, p, from)
	if err != nil {
		b.t.Fatal(err)
	}
	return calls
}

// all are the calls of the operation that makes a route's, with a permit where the
// token has them and an approval beforehand where it has none.
func (b *opbox) all(s *railtest.Saver, calls *rail.Calls) []rail.Call {
	b.t.Helper()
	give := calls.Route.Give
	token := b.token(b.t, give.Asset).Address
	var permit *userop.Permit
	if strings.HasPrefix(string(give.Asset), "USDC") {
		permit = s.Permit(b.config.Nodes[asset.SandboxArbitrum], token, give.Amount)
	} else {
		s.Approve(token, give.Amount)
	}
	return s.Calls(token, give.Amount, permit, calls.Steps)
}

// other has another saver pay a payment of his own, or this one.
func (b *opbox) other(name string, p *payment.Payment) (*railtest.Saver, userop.Op) {
	b.t.Helper()
	s := b.saver(userop.KindLight, name)
	before := b.payer
	b.payer = s.Payer()
	defer func() { b.payer = before }()
	return s, s.Op(0, b.all(s, b.calls(p, "USDC-arbitrum-one")))
}

// mined bundles operations into a block, and returns the announcement.
func (b *opbox) mined(ops ...userop.Op) payment.Attempt {
	b.t.Helper()
	tx := railtest.Bundle(b.t, b.chain, ops...)
	b.chain.Mine(1)
	return announced(asset.SandboxArbitrum, tx)
}

// named is the payment with an operation's attempt.
func (b *opbox) named(s *railtest.Saver, op userop.Op) *payment.Payment {
	p := *b.p
	p.Attempts = []payment.Attempt{{
		Kind: "user_op", Chain: asset.SandboxArbitrum, Handle: s.Hash(op).String(), Payer: s.Account.Address.String(), Stage: payment.Executed,
		Op: &payment.Op{Owner: s.Wallet.Address().String(), Nonce: op.Nonce.String()},
	}}
	return &p
}

func (b *opbox) executed(a payment.Attempt) {
	b.t.Helper()
	if r := b.chain.Receipt(a.Handle); r == nil || r.Status != 1 {
		b.t.Fatalf("the bundle was not executed: %+v", r)
	}
}

// A payer without native currency pays from another chain, by one operation of an
// account that is made by it, and of one that is there: proven from before it is in a
// block until it is there for good. What comes back is the owner's.
func TestAnOperationPaysAcrossChains(t *testing.T) {
	for _, kind := range []string{userop.KindLight, userop.KindSafe} {
		t.Run(kind, func(t *testing.T) {
			b := newOpbox(t, kind)
			for i, from := range []asset.ID{"USDC-arbitrum-one", "USDT-arbitrum-one"} {
				b.p = b.open(t, "USDC-base", 10_000+int64(i), 50)
				calls := b.calls(b.p, from)
				for _, c := range calls.Checks {
					if c.Outcome != rail.Passed {
						t.Errorf("%s: %+v", from, c)
					}
				}
				f := calls.Funds
				if f.NativeNeeded.Sign() != 0 || !f.EnoughGas() || !f.EnoughBalance() || f.Assets[0].Balance.Int64() != heldByOwner {
					t.Errorf("%s: funds %+v", from, f)
				}
				op := b.Op(0, b.all(b.Saver, calls))
				tx := railtest.Bundle(t, b.chain, op)
				a := announced(asset.SandboxArbitrum, tx)
				wantRoute(t, "in no block", prove(t, b.tr, b.p, a), payment.Sent, true)
				b.chain.Mine(1)
				b.executed(a)
				for what, p := range map[string]*payment.Payment{"by the hash alone": b.p, "with its attempt": b.named(b.Saver, op)} {
					got := prove(t, b.tr, p, a)
					wantRoute(t, what, got, payment.Bridging, true)
					if got.Payer != b.Account.Address.String() || got.Route.Fallback != b.Wallet.Address().String() || got.Route.From != from ||
						got.Route.Amount.Cmp(calls.Route.Give.Amount) != 0 || got.Until.IsZero() || got.Route.Final {
						t.Errorf("%s: %+v", what, got)
					}
				}
				if left := b.balance(t, from, b.Account.Address); left.Sign() != 0 {
					t.Errorf("the account kept %v of %s", left, from)
				}
				b.chain.Mine(deep)
				if got := prove(t, b.tr, b.p, a); got.Route.Progress != payment.Bridging || !got.Route.Final {
					t.Errorf("later: %+v", got.Route)
				}
				end := b.chains[asset.SandboxBase]
				owned := b.balance(t, "USDC-base", b.Wallet.Address())
				cut := i == 1
				fill := end.Bridge(b.chain, tx, cut)
				end.Mine(1)
				if !cut {
					b.wantPaid(t, b.p, end, fill)
					continue
				}
				if got := owned.Sub(b.balance(t, "USDC-base", b.Wallet.Address()), owned); got.Cmp(b.p.Terms.Requests[0].Due) < 0 {
					t.Errorf("the owner got %v where the payment failed", got)
				}
			}
		})
	}
}

// An operation exchanges and pays on one chain.
func TestAnOperationExchanges(t *testing.T) {
	b := newOpbox(t, userop.KindLight)
	b.p = b.open(t, "USDC-arbitrum-one", 10_000, 50)
	calls := b.calls(b.p, "USDT-arbitrum-one")
	if got := kinds(calls); !slices.Equal(got, []rail.CallKind{reset, approve, swap, approve, pay}) {
		t.Fatalf("got %v", got)
	}
	if c := check(t, calls, official.CheckSimulation); c.Outcome != rail.Passed {
		t.Fatalf("trial run: %+v", c)
	}
	a := b.mined(b.Op(0, b.all(b.Saver, calls)))
	b.wantPaid(t, b.p, b.chain, a.Handle)
	wantRoute(t, "no bridge", prove(t, b.tr, b.p, a), payment.Unknown, false)
}

// Of a bundle only the operation counts that pays this, whatever stands beside it.
func TestBundles(t *testing.T) {
	b := newOpbox(t, userop.KindLight)
	their := *b.p
	their.ID, their.Terms.Requests = "01THEIRS", slices.Clone(b.p.Terms.Requests)
	their.Terms.Requests[0].Reference = official.Reference{1, 2, 3}.String()

	other, theirs := b.other("other", &their)
	own := b.Op(0, b.all(b.Saver, b.calls(b.p, "USDC-arbitrum-one")))
	a := b.mined(theirs, own)
	b.executed(a)
	if got := prove(t, b.tr, b.p, a); got.Route.Progress != payment.Bridging || got.Payer != b.Account.Address.String() {
		t.Errorf("ours: %+v", got)
	}
	if got := prove(t, b.tr, &their, a); got.Route.Progress != payment.Bridging || got.Payer != other.Account.Address.String() {
		t.Errorf("theirs: %+v", got)
	}
	wantRoute(t, "the attempt names the other", prove(t, b.tr, b.named(other, theirs), a), payment.Unknown, false)

	// Two operations pay this one: that which is named, or else one that succeeded.
	friend, second := b.other("friend", b.p)
	calls := b.all(b.Saver, b.calls(b.p, "USDC-arbitrum-one"))
	first := b.Op(0, calls)
	a = b.mined(first, second)
	for who, p := range map[*railtest.Saver]*payment.Payment{b.Saver: b.named(b.Saver, first), friend: b.named(friend, second)} {
		if got := prove(t, b.tr, p, a); got.Route.Progress != payment.Bridging || got.Payer != who.Account.Address.String() {
			t.Errorf("the named one: %+v", got)
		}
	}
	replaced := b.named(b.Saver, first)
	replaced.Attempts[0].Handle = "0x" + strings.Repeat("ab", 32)
	wantRoute(t, "a named one that is not in it", prove(t, b.tr, replaced, a), payment.Bridging, true)

	// One fails, the other does not.
	third, works := b.other("third", b.p)
	fails := b.Op(0, calls) // with a permit that is used
	a = b.mined(fails, works)
	b.executed(a)
	if got := prove(t, b.tr, b.p, a); got.Route.Progress != payment.Bridging || got.Payer != third.Account.Address.String() {
		t.Errorf("the one that succeeded: %+v", got)
	}
	wantRoute(t, "the named one failed", prove(t, b.tr, b.named(b.Saver, fails), a), payment.Broken, true)
	wantRoute(t, "the named one succeeded", prove(t, b.tr, b.named(third, works), a), payment.Bridging, true)
}

// What fails inside of a transaction that succeeds has failed, and so has all of a
// bundle that reverts.
func TestOperationsThatFail(t *testing.T) {
	b := newOpbox(t, userop.KindSafe)
	calls := b.calls(b.p, "USDC-arbitrum-one")
	token := b.token(t, "USDC-arbitrum-one").Address
	a := b.mined(b.Op(0, b.Calls(token, calls.Route.Give.Amount, nil, calls.Steps))) // nobody let it take anything
	b.executed(a)
	wantRoute(t, "the calls failed", prove(t, b.tr, b.p, a), payment.Broken, true)

	unsigned := b.Op(0, b.all(b.Saver, calls))
	unsigned.Signature = useroptest.Stub(userop.KindSafe)
	a = b.mined(unsigned)
	if r := b.chain.Receipt(a.Handle); r.Status == 1 {
		t.Fatal("it was executed")
	}
	wantRoute(t, "all of it reverted", prove(t, b.tr, b.p, a), payment.Broken, true)
}

// Operations that do anything else than pay by one route with their owner's money are
// none.
func TestOperationsThatAreNoRoute(t *testing.T) {
	b := newOpbox(t, userop.KindLight)
	usdc := b.token(t, "USDC-arbitrum-one").Address
	thief := b.saver(userop.KindLight, "thief")
	nothing := rail.Call{To: asset.Address{0xab, 19: 1}, Value: new(big.Int), Data: []byte{1}}
	approval, err := official.Approval{Spender: lifitest.Thief, Amount: big.NewInt(1)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	allows := rail.Call{To: usdc, Value: new(big.Int), Data: approval}
	usdt := b.token(t, "USDT-arbitrum-one").Address
	b.Approve(usdt, big.NewInt(heldByOwner))
	for name, change := range map[string]func(c []rail.Call) []rail.Call{
		"another call at first":      func(c []rail.Call) []rail.Call { return append([]rail.Call{nothing}, c...) },
		"another call in between":    func(c []rail.Call) []rail.Call { return slices.Insert(c, 2, nothing) },
		"another call behind":        func(c []rail.Call) []rail.Call { return append(c, nothing) },
		"an approval for somebody":   func(c []rail.Call) []rail.Call { return slices.Insert(c, 2, allows) },
		"no route":                   func(c []rail.Call) []rail.Call { return c[:len(c)-1] },
		"nothing but the pull":       func(c []rail.Call) []rail.Call { return c[:2] },
		"nothing but the permit":     func(c []rail.Call) []rail.Call { return c[:1] },
		"another token is taken too": func(c []rail.Call) []rail.Call { return append([]rail.Call{pulls(t, usdt, b.payer, 1)}, c...) },
	} {
		calls := b.calls(b.p, "USDC-arbitrum-one")
		a := b.mined(b.Op(0, change(b.all(b.Saver, calls))))
		b.executed(a)
		wantRoute(t, name, prove(t, b.tr, b.p, a), payment.Unknown, false)
	}
	// The account has the money already, and takes something else of its owner.
	calls := b.calls(b.p, "USDC-arbitrum-one")
	b.chain.Transfer(usdc.String(), b.Account.Address.String(), calls.Route.Give.Amount)
	b.chain.Mine(1)
	a := b.mined(b.Op(0, append([]rail.Call{pulls(t, usdt, b.payer, 1)}, calls.Steps...)))
	b.executed(a)
	wantRoute(t, "another token is taken", prove(t, b.tr, b.p, a), payment.Unknown, false)
	b.chain.Transfer(usdc.String(), b.Account.Address.String(), calls.Route.Give.Amount)
	b.chain.Mine(1)
	a = b.mined(b.Op(0, calls.Steps))
	b.executed(a)
	wantRoute(t, "nothing is taken", prove(t, b.tr, b.p, a), payment.Unknown, false)

	// An account takes somebody else's money.
	victim := b.saver(userop.KindLight, "victim")
	foreign := rail.Payer{Wallet: thief.Account.Address, Owner: victim.Wallet.Address()}
	give := calls.Route.Give.Amount
	b.chain.Transfer(usdc.String(), thief.Account.Address.String(), give)
	b.chain.Mine(1)
	a = b.mined(thief.Op(0, append([]rail.Call{pulls(t, usdc, foreign, 0)}, calls.Steps...)))
	b.executed(a)
	wantRoute(t, "of somebody else's owner", prove(t, b.tr, b.p, a), payment.Unknown, false)
}

// pulls is the transfer of an amount from an owner to an account.
func pulls(t *testing.T, token asset.Address, payer rail.Payer, amount int64) rail.Call {
	t.Helper()
	data, err := official.Pull{Owner: payer.Owner, Account: payer.Wallet, Amount: big.NewInt(amount)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return rail.Call{To: token, Data: data, Value: new(big.Int)}
}

// Bundles that are not the EntryPoint's own calls, accounts that are no longer what
// they were made as, and receipts that say something else prove nothing.
func TestOperationsThatLie(t *testing.T) {
	b := newOpbox(t, userop.KindLight)
	data := railtest.HandleOps(t, b.Op(0, b.all(b.Saver, b.calls(b.p, "USDC-arbitrum-one"))))
	carried := func(to asset.Address, data []byte) payment.Attempt {
		tx := railtest.Carry(t, b.chain, to, data)
		b.chain.Mine(1)
		return announced(asset.SandboxArbitrum, tx)
	}
	a := carried(through(userop.EntryPoint, data))
	b.executed(a)
	wantRoute(t, "inside of another contract's call", prove(t, b.tr, b.p, a), payment.Unknown, false)
	wantRoute(t, "sent to somebody", prove(t, b.tr, b.p, carried(lifitest.Thief, data)), payment.Unknown, false)

	op := b.Op(0, b.all(b.Saver, b.calls(b.p, "USDC-arbitrum-one")))
	a = b.mined(op)
	b.executed(a)
	wantRoute(t, "as it is", prove(t, b.tr, b.p, a), payment.Bridging, true)
	elsewhere := a
	elsewhere.Chain = asset.SandboxBase
	wantRoute(t, "on the wrong chain", prove(t, b.tr, b.p, elsewhere), payment.Sent, false)

	type object = map[string]any
	topicOf := func(l any) string { return l.(object)["topics"].([]any)[0].(string) }
	find := func(logs []any, topic string) int {
		return slices.IndexFunc(logs, func(l any) bool { return topicOf(l) == topic })
	}
	for name, change := range map[string]func(logs []any) []any{
		"the EntryPoint says nothing": func(logs []any) []any { return logs[:len(logs)-1] },
		"of another operation": func(logs []any) []any {
			logs[len(logs)-1].(object)["topics"].([]any)[1] = "0x" + strings.Repeat("ab", 32)
			return logs
		},
		"of another account": func(logs []any) []any {
			logs[len(logs)-1].(object)["topics"].([]any)[2] = topic(lifitest.Thief)
			return logs
		},
		"somebody else says so": func(logs []any) []any {
			logs[len(logs)-1].(object)["address"] = lifitest.Thief.Lower()
			return logs
		},
		"the money left before": func(logs []any) []any {
			i := find(logs, topicExecution)
			return append(slices.Clone(logs[i+1:len(logs)-1]), logs[i], logs[len(logs)-1])
		},
		"the money left while another was executed": func(logs []any) []any {
			var another object
			raw, err := json.Marshal(logs[len(logs)-1])
			if err != nil || json.Unmarshal(raw, &another) != nil {
				t.Error(err)
			}
			another["topics"].([]any)[1] = "0x" + strings.Repeat("cd", 32)
			return slices.Insert(logs, len(logs)-1, any(another))
		},
		"no money left": func(logs []any) []any {
			return slices.DeleteFunc(logs, func(l any) bool { return topicOf(l) == official.TopicTransfer })
		},
		"nothing happened": func([]any) []any { return []any{} },
	} {
		b.chain.Lie("eth_getTransactionReceipt", func(_ []json.RawMessage, honest json.RawMessage) any {
			var r object
			if err := json.Unmarshal(honest, &r); err != nil {
				t.Error(err)
			}
			r["logs"] = change(r["logs"].([]any))
			return r
		})
		wantRoute(t, name, prove(t, b.tr, b.p, a), payment.Unknown, false)
		b.chain.Behave()
	}
	b.chain.Lie("eth_getStorageAt", func([]json.RawMessage, json.RawMessage) any {
		return "0x" + strings.Repeat("0", 24) + lifitest.Thief.Lower()[2:]
	})
	wantRoute(t, "the account runs other code", prove(t, b.tr, b.p, a), payment.Unknown, false)
	b.chain.Behave()
	b.chain.Lie("eth_getCode", func(params []json.RawMessage, honest json.RawMessage) any {
		if strings.Contains(string(params[0]), b.Account.Address.Lower()[2:]) {
			return "0x" // by a node that is behind
		}
		return honest
	})
	if got, err := b.tr.Prove(t.Context(), b.p, a); err == nil {
		t.Errorf("a node that is behind: %+v", got)
	}
	b.chain.Behave()
	b.chain.FailMethod("eth_getCode", -32000, "no")
	if got, err := b.tr.Prove(t.Context(), b.p, a); err == nil {
		t.Errorf("a node that does not show the account: %+v", got)
	}
	b.chain.Behave()
	other := *b.p
	other.Terms.Requests = slices.Clone(b.p.Terms.Requests)
	other.Terms.Requests[0].Reference = "0x0102030405060708"
	wantRoute(t, "of another payment", prove(t, b.tr, &other, a), payment.Unknown, false)
	b.chain.Reorg(1)
	wantRoute(t, "after a reorganisation", prove(t, b.tr, b.p, a), payment.Sent, false)
}

// topicExecution is BeforeExecution().
var topicExecution = common.Hash(crypto.Keccak256([]byte("BeforeExecution()"))).Hex()

// A route's deadline is that of its calls: nobody signs for hours.
func TestGaslessDeadline(t *testing.T) {
	b := newOpbox(t, userop.KindLight)
	calls := b.calls(b.p, "USDC-arbitrum-one")
	if left := time.Until(calls.Route.Deadline); left < 20*time.Minute || left > 31*time.Minute {
		t.Errorf("to be executed within %v", left)
	}
	if calls.Route.Type != rail.Crosschain || calls.Route.Tool != "across" || calls.Gasless {
		t.Errorf("route %s", fmt.Sprint(calls.Route.Type, calls.Route.Tool))
	}
}
