package userop_test

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/gateway"
	"quittance/internal/userop/useroptest"
)

const sandbox = asset.ChainID(chaintest.DefaultID)

var payee = asset.Address{0x11, 0x22, 19: 0x33}

// rig is a stack, and a payer of one kind of account.
type rig struct {
	*useroptest.Stack
	t       *testing.T
	kind    userop.Kind
	wallet  *useroptest.Wallet
	account userop.Account
	token   asset.Address
	bundler *userop.Bundler
}

const held = 50_000_000 // base units of the token

func newRig(t *testing.T, s *useroptest.Stack, kind userop.Kind, token string) *rig {
	t.Helper()
	r := &rig{Stack: s, t: t, kind: kind, token: address(t, token)}
	r.wallet = s.Payer(t.Name(), token, big.NewInt(held))
	r.account = kind.Account(sandbox, r.wallet.Address())
	r.bundler = newBundler(t, s, userop.PricingPimlico)
	return r
}

func newBundler(t *testing.T, s *useroptest.Stack, p userop.Pricing) *userop.Bundler {
	t.Helper()
	b, err := userop.NewBundler(userop.ServiceConfig{Chain: sandbox, URL: s.URL}, p, s.Node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// sponsor is an ERC-7677 paymaster with the rig's bundler.
func (r *rig) sponsor() userop.Sponsor {
	r.t.Helper()
	p, err := userop.NewPaymaster(userop.ServiceConfig{Chain: sandbox, URL: r.URL}, `{"policyId":"`+gateway.Policy+`"}`)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(p.Close)
	return userop.Sponsored{Bundler: r.bundler, Paymaster: p}
}

func (r *rig) alchemy() userop.Sponsor {
	r.t.Helper()
	a, err := userop.NewAlchemy(userop.ServiceConfig{Chain: sandbox, URL: r.URL}, gateway.Policy)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(a.Close)
	return a
}

func (r *rig) state() userop.State {
	r.t.Helper()
	s, err := userop.Read(r.t.Context(), r.Node, r.account, r.token)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// order is what is paid: amount and a fee.
func order(token asset.Address, amount int64, ref byte) official.Expectation {
	return official.Expectation{
		Chain: sandbox, Token: token, Payee: payee, Amount: big.NewInt(amount), Reference: official.Reference{7: ref},
		Fee: big.NewInt(1), FeePayee: asset.Address{0xfe, 19: 1},
	}
}

// steps are the rail's calls.
func (r *rig) steps(o official.Expectation) []rail.Call {
	r.t.Helper()
	approve, err1 := official.Default().ApproveCall(o, o.Token)
	pay, err2 := official.Default().PayCall(o)
	if err := errors.Join(err1, err2); err != nil {
		r.t.Fatal(err)
	}
	return []rail.Call{approve, pay}
}

// prepare makes the expectation and the unsigned operation of a payment, with a
// permit unless the account may take the money already.
func (r *rig) prepare(o official.Expectation) (userop.Op, userop.Expectation) {
	r.t.Helper()
	state := r.state()
	now := time.Now()
	most := big.NewInt(1e18)
	want := userop.Expectation{
		Kind: r.kind, Plan: userop.Plan{Account: r.account, Token: r.token, Amount: o.Total(), Steps: r.steps(o)},
		State: &state, Limits: userop.DefaultLimits(big.NewInt(1e11), most), Now: now,
	}
	plan := want.Plan
	if state.Allowance.Cmp(plan.Amount) < 0 {
		terms, err := userop.ReadPermit(r.t.Context(), r.Node, sandbox, r.token, r.wallet.Address())
		if err != nil {
			r.t.Fatal(err)
		}
		permit := r.wallet.Permit(terms, r.account.Address, plan.Amount, big.NewInt(now.Add(time.Hour).Unix()))
		plan.Permit = &permit
		want.Permit = &userop.PermitRule{Terms: terms, Until: now.Add(2 * time.Hour)}
	}
	calls, err := plan.Calls()
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := r.kind.Encode(calls)
	if err != nil {
		r.t.Fatal(err)
	}
	op := userop.Op{Sender: r.account.Address, Nonce: new(big.Int).SetUint64(state.Nonce), CallData: data, Signature: useroptest.Stub(r.kind.Name())}
	if !state.Deployed {
		op.Factory, op.FactoryData = r.account.Factory, r.account.FactoryData
	}
	return op, want
}

// pay sends a payment and returns what the EntryPoint says of it.
func (r *rig) pay(o official.Expectation, sponsor userop.Sponsor) userop.Outcome {
	r.t.Helper()
	op, want := r.prepare(o)
	accepted(r.t, "before the sponsor", op, want)
	op, err := sponsor.Sponsor(r.t.Context(), op)
	if err != nil {
		r.t.Fatal(err)
	}
	want.Grant = userop.GrantOf(op)
	op = r.wallet.Sign(r.kind.Name(), sandbox, op)
	accepted(r.t, "before it is sent", op, want)
	from := r.Head()
	hash, err := r.bundler.Send(r.t.Context(), op)
	if err != nil {
		r.t.Fatal(err)
	}
	if real := r.Hash(op); official.Hash(real) != hash {
		r.t.Fatalf("the hash is %s, the contract's %x", hash, real)
	}
	return r.outcome(hash, from)
}

func (r *rig) outcome(hash official.Hash, from uint64) userop.Outcome {
	r.t.Helper()
	logs, err := chain.Ask(r.t.Context(), r.Node, chain.LogsCall(chain.Filter{Addresses: []asset.Address{userop.EntryPoint}}, from, r.Head()), chain.Result.Logs)
	if err != nil {
		r.t.Fatal(err)
	}
	outcomes := slices.DeleteFunc(userop.Outcomes(logs), func(o userop.Outcome) bool { return o.Hash != hash })
	if len(outcomes) != 1 {
		r.t.Fatalf("outcomes of %s: %+v", hash, outcomes)
	}
	return outcomes[0]
}

func accepted(t *testing.T, what string, op userop.Op, want userop.Expectation) {
	t.Helper()
	checks := userop.Verify(op, want)
	if c, refused := rail.Failed(checks); refused {
		t.Fatalf("%s: %+v", what, c)
	}
	for _, c := range checks {
		if c.Outcome != rail.Passed {
			t.Fatalf("%s: %+v", what, c)
		}
	}
}

func (r *rig) holds(who asset.Address, want int64) {
	r.t.Helper()
	if got := r.Balance(r.token.String(), who.String()); got.Cmp(big.NewInt(want)) != 0 {
		r.t.Errorf("%s holds %v, want %d", who, got, want)
	}
}

func (r *rig) kinds() []userop.Kind {
	return append(userop.At(sandbox).Kinds(sandbox), r.Simple())
}

// A payer who has no native currency at all pays by permit: the first operation
// makes the account, the second finds it; the paymaster pays, the fee proxy's event
// names the account.
func TestPaysWithoutGas(t *testing.T) {
	s := useroptest.New(t)
	for _, kind := range (&rig{Stack: s}).kinds() {
		t.Run(kind.Name(), func(t *testing.T) {
			r := newRig(t, s, kind, s.USDC())
			sponsored := s.Deposited(s.Paymaster)
			before := s.Balance(s.USDC(), payee.String())
			for i, sponsor := range []userop.Sponsor{r.sponsor(), r.alchemy()} {
				o := order(r.token, 1_000_000, byte(i+1))
				got := r.pay(o, sponsor)
				if !got.Success || got.Sender != r.account.Address || got.Paymaster != s.Paymaster || got.Deployed != (i == 0) || got.Nonce.Uint64() != uint64(i) {
					t.Fatalf("operation %d: %+v: %s", i, got, got.Why())
				}
				r.paid(got, o)
				receipt, err := r.bundler.Receipt(t.Context(), got.Hash)
				if err != nil || receipt == nil || !receipt.Success || receipt.Tx.String() != got.Tx {
					t.Errorf("the bundler's receipt: %+v, %v", receipt, err)
				}
				known, err := r.bundler.Lookup(t.Context(), got.Hash)
				if err != nil || known == nil || known.Op.Sender != r.account.Address || known.Tx.String() != got.Tx {
					t.Errorf("the bundler's operation: %+v, %v", known, err)
				}
			}
			r.holds(r.wallet.Address(), held-2*1_000_001)
			r.holds(r.account.Address, 0)
			if gained := new(big.Int).Sub(s.Balance(s.USDC(), payee.String()), before); gained.Int64() != 2_000_000 {
				t.Errorf("the payee got %v", gained)
			}
			for _, a := range []asset.Address{r.wallet.Address(), r.account.Address} {
				if s.Balance("", a.String()).Sign() != 0 {
					t.Errorf("%s came to have native currency", a)
				}
			}
			if s.Allowance(s.USDC(), r.wallet.Address().String(), r.account.Address.String()).Sign() != 0 {
				t.Error("the account may take more")
			}
			if s.Deposited(s.Paymaster).Cmp(sponsored) >= 0 {
				t.Error("the paymaster paid nothing")
			}
		})
	}
}

// paid looks for the fee proxy's event, which is what settles a payment.
func (r *rig) paid(got userop.Outcome, o official.Expectation) {
	r.t.Helper()
	receipt, err := chain.Ask(r.t.Context(), r.Node, chain.ReceiptCall(got.Tx), chain.Result.Receipt)
	if err != nil || receipt == nil {
		r.t.Fatalf("receipt: %v", err)
	}
	n := 0
	for _, l := range receipt.Logs {
		if l.Topics[0] != official.TopicERC20Paid {
			continue
		}
		paid, _, err := official.DecodePaid(official.Event{Address: l.Address, Topics: l.Topics, Data: l.Data})
		if err != nil || paid.Topic != o.Reference.Topic().String() || paid.Payee != o.Payee || paid.Amount.Cmp(o.Amount) != 0 || l.Address.String() != r.ERC20FeeProxy() {
			r.t.Errorf("the event: %+v, %v", paid, err)
		}
		n++
	}
	if n != 1 {
		r.t.Errorf("%d payments in %s", n, got.Tx)
	}
}

// A token without permits needs an approval before, which costs its gas once.
func TestPaysWithPriorApproval(t *testing.T) {
	s := useroptest.New(t)
	for _, kind := range (&rig{Stack: s}).kinds() {
		t.Run(kind.Name(), func(t *testing.T) {
			r := newRig(t, s, kind, s.USDT())
			if _, err := userop.ReadPermit(t.Context(), s.Node, sandbox, r.token, r.wallet.Address()); !errors.Is(err, userop.ErrNoPermit) {
				t.Fatalf("USDT has permits: %v", err)
			}
			// The wallet of the chain, which has native currency, plays the approval's gas.
			r.approveFrom(big.NewInt(2_000_002))
			for i := range byte(2) {
				o := order(r.token, 1_000_000, i+1)
				if got := r.pay(o, r.sponsor()); !got.Success {
					t.Fatalf("operation %d: %+v: %s", i, got, got.Why())
				}
			}
			r.holds(r.wallet.Address(), held-2*1_000_001)
		})
	}
}

// approveFrom has the payer allow the account an amount, with gas from elsewhere.
func (r *rig) approveFrom(amount *big.Int) {
	r.t.Helper()
	r.Stack.Approve(r.wallet, r.token, r.account.Address, amount)
}

// An operation can fail inside a transaction that succeeds.
func TestFailsInsideATransactionThatSucceeds(t *testing.T) {
	s := useroptest.New(t)
	for _, kind := range (&rig{Stack: s}).kinds() {
		t.Run(kind.Name(), func(t *testing.T) {
			r := newRig(t, s, kind, s.USDC())
			o := order(r.token, held, 1) // with the fee, more than there is
			got := r.pay(o, r.sponsor())
			why := "ERC20: transfer amount exceeds balance"
			if kind.Name() == userop.KindSafe {
				why = "" // MultiSendCallOnly 1.4.1 says nothing of why
			}
			if got.Success || got.Why() != why {
				t.Fatalf("%+v: %q", got, got.Why())
			}
			if rc := s.Receipt(got.Tx); rc.Status != 1 {
				t.Errorf("the transaction failed: %+v", rc)
			}
			receipt, err := r.bundler.Receipt(t.Context(), got.Hash)
			if err != nil || receipt == nil || receipt.Success {
				t.Errorf("the bundler's receipt: %+v, %v", receipt, err)
			}
			r.holds(r.wallet.Address(), held)
			if next := r.state().Nonce; next != got.Nonce.Uint64()+1 {
				t.Errorf("the next nonce is %d after %v", next, got.Nonce)
			}
			// The account is there now, and the next one pays.
			if got := r.pay(order(r.token, 1_000_000, 2), r.sponsor()); !got.Success || got.Deployed {
				t.Errorf("the next: %+v: %s", got, got.Why())
			}
		})
	}
}

// A permit that a stranger sent first is used up: the batch fails, nothing moves, and
// the same payment goes through without it.
func TestPermitSentByAStranger(t *testing.T) {
	s := useroptest.New(t)
	r := newRig(t, s, userop.At(sandbox).Kinds(sandbox)[0], s.USDC())
	o := order(r.token, 1_000_000, 1)
	op, _ := r.prepare(o)
	op, err := r.sponsor().Sponsor(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	op = r.wallet.Sign(r.kind.Name(), sandbox, op)
	calls, err := r.kind.Decode(op.CallData)
	if err != nil {
		t.Fatal(err)
	}
	s.Other.Send(calls[0].To.String(), nil, calls[0].Data)
	from := s.Mine(1)
	hash, err := r.bundler.Send(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.outcome(hash, from); got.Success || got.Why() != "EIP2612: invalid signature" {
		t.Errorf("%+v: %q", got, got.Why())
	}
	r.holds(r.wallet.Address(), held)
	op, want := r.prepare(o)
	if want.Permit != nil {
		t.Fatal("the allowance is not seen")
	}
	accepted(t, "without the permit", op, want)
	if got := r.pay(o, r.sponsor()); !got.Success {
		t.Errorf("without the permit: %+v: %s", got, got.Why())
	}
}

func TestRefusalsOfTheBundler(t *testing.T) {
	s := useroptest.New(t)
	r := newRig(t, s, userop.At(sandbox).Kinds(sandbox)[0], s.USDC())
	sponsored := func() userop.Op {
		t.Helper()
		op, _ := r.prepare(order(r.token, 1_000_000, 1))
		op, err := r.sponsor().Sponsor(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		return op
	}
	send := func(op userop.Op, kind fault.Kind, code string) {
		t.Helper()
		_, err := r.bundler.Send(t.Context(), op)
		if f := fault.From(err); err == nil || f.Kind != kind || f.Code != code {
			t.Errorf("want %s %s: %v", kind, code, err)
		}
	}
	op := sponsored()
	stranger := s.Payer("stranger", s.USDC(), big.NewInt(1))
	send(stranger.Sign(r.kind.Name(), sandbox, op), fault.Invalid, "op_refused") // signed by another wallet
	more := op
	more.CallGasLimit = new(big.Int).Add(op.CallGasLimit, big.NewInt(1))
	send(r.wallet.Sign(r.kind.Name(), sandbox, more), fault.Forbidden, "sponsor_refused") // changed behind the sponsor's back
	alone := op
	alone.Paymaster, alone.PaymasterData, alone.PaymasterVerificationGasLimit = asset.Address{}, nil, nil
	send(r.wallet.Sign(r.kind.Name(), sandbox, alone), fault.Invalid, "op_refused") // nobody pays

	signed := r.wallet.Sign(r.kind.Name(), sandbox, op)
	hash, err := r.bundler.Send(t.Context(), signed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.bundler.Send(t.Context(), signed); err != nil || again != hash {
		t.Errorf("sent again: %s, %v", again, err)
	}
	late := sponsored()
	late.Nonce = new(big.Int)
	send(r.wallet.Sign(r.kind.Name(), sandbox, late), fault.Conflict, "op_nonce")
	late.Factory, late.FactoryData = r.account.Factory, r.account.FactoryData
	send(r.wallet.Sign(r.kind.Name(), sandbox, late), fault.Conflict, "op_deployed")
}

// An owner can change a deployed account by an operation of his own: what is not his
// own any more, or not alone, must not get a permit.
func TestAccountsThatTheirOwnersChanged(t *testing.T) {
	s := useroptest.New(t)
	other := append(make([]byte, 12), s.Paymaster[:]...)
	told := func(a, b, c, d byte) []byte { return append([]byte{a, b, c, d}, other...) }
	for _, tt := range []struct {
		name, kind string
		change     []byte
	}{
		{"transferOwnership", userop.KindLight, told(0xf2, 0xfd, 0xe3, 0x8b)},
		{"addOwnerWithThreshold", userop.KindSafe, append(told(0x0d, 0x58, 0x2f, 0x13), append(make([]byte, 31), 1)...)},
		{"enableModule", userop.KindSafe, told(0x61, 0x0b, 0x59, 0x25)},
		{"setFallbackHandler", userop.KindSafe, told(0xf0, 0x8a, 0x03, 0x23)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind, change := tt.kind, tt.change
			k, _ := userop.At(sandbox).Kind(sandbox, kind)
			r := newRig(t, s, k, s.USDC())
			r.pay(order(r.token, 1_000_000, 1), r.sponsor())
			op, want := r.prepare(order(r.token, 1_000_000, 2))
			var err error
			if op.CallData, err = k.Encode([]rail.Call{{To: r.account.Address, Data: change}}); err != nil {
				t.Fatal(err)
			}
			refusedFor(t, "an order to itself", userop.Verify(op, want), userop.CheckCalls)
			if op, err = r.sponsor().Sponsor(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			from := s.Head()
			hash, err := r.bundler.Send(t.Context(), r.wallet.Sign(kind, sandbox, op))
			if err != nil {
				t.Fatal(err)
			}
			if got := r.outcome(hash, from); !got.Success {
				t.Fatalf("%+v: %s", got, got.Why())
			}
			if _, err := userop.Read(t.Context(), s.Node, r.account, r.token); !errors.Is(err, userop.ErrChanged) {
				t.Errorf("the account is another one now: %v", err)
			}
		})
	}
}

func refusedFor(t *testing.T, what string, checks []rail.Check, names ...string) {
	t.Helper()
	for _, name := range names {
		i := slices.IndexFunc(checks, func(c rail.Check) bool { return c.Name == name })
		if i < 0 || checks[i].Outcome != rail.Refused || checks[i].Detail == "" {
			t.Errorf("%s: %s was not refused: %+v", what, name, checks)
		}
	}
}

// What is put into the chain must be what the real contracts would answer.
func TestAccountsAreWhereTheFactoriesSay(t *testing.T) {
	s := useroptest.New(t)
	for i := range byte(5) {
		owner := asset.Address{0xaa, 19: i}
		a := userop.At(sandbox).Kinds(sandbox)[0].Account(sandbox, owner)
		got := s.Ask("LightAccountFactory", a.Factory, "getAddress", [20]byte(owner), new(big.Int))
		if asset.Address(got[12:]) != a.Address {
			t.Errorf("the factory says %x, want %s", got, a.Address)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	s := useroptest.New(t)
	kinds := userop.At(sandbox).Kinds(sandbox)
	r := newRig(t, s, kinds[0], s.USDC())
	r.pay(order(r.token, 1_000_000, 1), r.sponsor())
	if !r.state().Deployed {
		t.Fatal("the account is not deployed")
	}

	missing := r.account
	missing.Needs = append(missing.Needs, asset.Address{1})
	if _, err := userop.Read(t.Context(), s.Node, missing, r.token); !errors.Is(err, userop.ErrMissing) {
		t.Errorf("a missing contract: %v", err)
	}

	bare := chaintest.New(t)
	node, err := chain.NewClient(chain.Config{Chain: sandbox, Endpoints: []chain.Endpoint{{URL: bare.URL()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	if _, err := userop.Read(context.Background(), node, r.account, r.token); !errors.Is(err, userop.ErrMissing) {
		t.Errorf("a chain without EntryPoint: %v", err)
	}
}
