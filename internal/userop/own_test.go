package userop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

// ownVector is the calls of a wallet in the forms that packages write them.
type ownVector struct {
	Calls                          []struct{ To, Value, Data string }
	Tuples, Modular, ModularSingle string
	Others                         []string // forms that must not be taken for plain calls
}

func loadOwn(t testing.TB) []ownVector {
	t.Helper()
	text, err := os.ReadFile("testdata/packages.json")
	var v struct{ Own []ownVector }
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil || len(v.Own) == 0 {
		t.Fatalf("vectors: %v", err)
	}
	return v.Own
}

func TestWalletsOwnForms(t *testing.T) {
	for i, v := range loadOwn(t) {
		var calls []rail.Call
		for _, c := range v.Calls {
			calls = append(calls, rail.Call{To: address(t, c.To), Value: number(t, c.Value), Data: unhex(t, c.Data)})
		}
		if data, err := userop.Own().Encode(calls); err != nil || !bytes.Equal(data, unhex(t, v.Modular)) {
			t.Errorf("%d: %v\n%x\n%s", i, err, data, v.Modular)
		}
		for text, want := range map[string][]rail.Call{v.Tuples: calls, v.Modular: calls, v.ModularSingle: calls[3:]} {
			good := unhex(t, text)
			if got, err := userop.Own().Decode(good); err != nil || !equalCalls(got, want) {
				t.Errorf("%d: %v\n%v\n%v", i, err, plain(got), plain(want))
			}
			for what, data := range map[string][]byte{
				"a byte less": good[:len(good)-1], "a byte more": append(slices.Clone(good), 0), "a word more": append(slices.Clone(good), make([]byte, 32)...),
				"a selector": good[:4], "a dirty word": append(append(slices.Clone(good[:4]), good[4]|0x80), good[5:]...),
			} {
				if got, err := userop.Own().Decode(data); !errors.Is(err, userop.ErrCalldata) {
					t.Errorf("%d: %s: %v, %v", i, what, plain(got), err)
				}
			}
		}
		for j, text := range v.Others {
			if got, err := userop.Own().Decode(unhex(t, text)); !errors.Is(err, userop.ErrCalldata) {
				t.Errorf("%d: other form %d: %v, %v", i, j, plain(got), err)
			}
		}
	}
	// The forms of the other accounts are some wallets' own.
	light := load(t).Accounts[0]
	for _, text := range []string{light.Batch, light.Plain, light.Single} {
		if got, err := userop.Own().Decode(unhex(t, text)); err != nil || len(got) == 0 {
			t.Errorf("%v, %v", plain(got), err)
		}
	}
}

// A wallet that is a smart account pays what it has: no permit, no transfer, no
// factory, whatever key its nonce has.
func TestVerifyOwn(t *testing.T) {
	o := newOffer(t, userop.Own(), false)
	o.op.Factory, o.op.FactoryData, o.want.State.Deployed = asset.Address{}, nil, true
	o.op.VerificationGasLimit = big.NewInt(200_000)
	if o.op.Sender != o.wallet.Address() || len(o.calls(t)) != 2 {
		t.Fatalf("%s makes %d calls", o.op.Sender, len(o.calls(t)))
	}
	accepted(t, "as it was made", o.op, o.want)
	keyed := o.op
	keyed.Nonce = new(big.Int).Lsh(big.NewInt(5), 70)
	accepted(t, "a nonce with a key", keyed, o.want)

	for what, c := range map[string]struct {
		change func(o *offer)
		check  string
	}{
		"another wallet": {func(o *offer) { o.op.Sender = stranger }, userop.CheckSender},
		"a factory":      {func(o *offer) { o.op.Factory = stranger }, userop.CheckFactory},
		"not there":      {func(o *offer) { o.want.State = &userop.State{} }, userop.CheckFactory},
		"a call more":    {func(o *offer) { o.encode(t, append(o.calls(t), o.calls(t)[0])) }, userop.CheckCalls},
		"a transfer before": {func(o *offer) {
			o.encode(t, append(newOffer(t, userop.At(sandbox).Kinds(sandbox)[0], false).calls(t)[:1], o.calls(t)...))
		}, userop.CheckCalls},
		"only the approval":   {func(o *offer) { o.encode(t, o.calls(t)[:1]) }, userop.CheckCalls},
		"value":               {func(o *offer) { c := o.calls(t); c[1].Value = big.NewInt(1); o.encode(t, c) }, userop.CheckValue},
		"calls that may fail": {func(o *offer) { o.op.CallData = slices.Clone(o.op.CallData); o.op.CallData[5] = 1 }, userop.CheckCalls},
		"a delegatecall":      {func(o *offer) { o.op.CallData = slices.Clone(o.op.CallData); o.op.CallData[4] = 0xff }, userop.CheckCalls},
		"a permit": {func(o *offer) {
			o.sign(stranger, o.plan.Amount, noon.Add(time.Hour))
			data, err := o.plan.Permit.Encode()
			if err != nil {
				t.Fatal(err)
			}
			o.plan.Permit = nil
			o.encode(t, append([]rail.Call{{To: usdc, Data: data}}, o.calls(t)...))
		}, userop.CheckPermit},
	} {
		changed := newOffer(t, userop.Own(), false)
		changed.op.Factory, changed.op.FactoryData, changed.want.State.Deployed = asset.Address{}, nil, true
		c.change(changed)
		refusedFor(t, what, userop.Verify(changed.op, changed.want), c.check)
	}
	o.plan.Permit = &userop.Permit{Owner: o.op.Sender, Spender: o.op.Sender, Value: o.plan.Amount}
	if _, err := o.plan.Calls(); !errors.Is(err, userop.ErrPlan) {
		t.Errorf("a permit for oneself: %v", err)
	}
}

// Such a wallet on the real contracts: SimpleAccount, which holds the money itself.
func TestWalletsOwnAccountPays(t *testing.T) {
	s := useroptest.New(t)
	r := newRig(t, s, s.Simple(), s.USDC())
	r.pay(order(r.token, 1_000_000, 1), r.sponsor())
	s.Transfer(s.USDC(), r.account.Address.String(), big.NewInt(3_000_000))
	s.Mine(1)

	o := order(r.token, 2_000_000, 2)
	want := userop.Expectation{
		Kind: userop.Own(), Plan: userop.Plan{Account: userop.Own().Account(sandbox, r.account.Address), Token: r.token, Amount: o.Total(), Steps: r.steps(o)},
		Limits: userop.DefaultLimits(big.NewInt(1e11), big.NewInt(1e18)), Now: time.Now(),
	}
	state, err := userop.Read(t.Context(), s.Node, want.Plan.Account, r.token)
	if err != nil || !state.Deployed || state.Balance.Int64() != 3_000_000 {
		t.Fatalf("%+v, %v", state, err)
	}
	want.State = &state
	calls, err := want.Plan.Calls()
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.kind.Encode(calls) // as this wallet carries calls
	if err != nil {
		t.Fatal(err)
	}
	op := userop.Op{Sender: r.account.Address, Nonce: new(big.Int).Lsh(big.NewInt(9), 64), CallData: data, Signature: useroptest.Stub(r.kind.Name())}
	accepted(t, "before the sponsor", op, want)
	if op, err = r.sponsor().Sponsor(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	want.Grant = userop.GrantOf(op)
	accepted(t, "before it is sent", op, want)
	from := s.Head()
	hash, err := r.bundler.Send(t.Context(), r.wallet.Sign(r.kind.Name(), sandbox, op))
	if err != nil {
		t.Fatal(err)
	}
	got := r.outcome(hash, from)
	if !got.Success {
		t.Fatalf("%+v: %s", got, got.Why())
	}
	r.paid(got, o)
	r.holds(r.account.Address, 3_000_000-2_000_001)
}
