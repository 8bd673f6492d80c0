package official_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// A pull reads back from the one form it has, and from no other.
func TestPull(t *testing.T) {
	owner, account := asset.Address{1, 19: 2}, asset.Address{3, 19: 4}
	p := official.Pull{Owner: owner, Account: account, Token: asset.Address{5}, Amount: big.NewInt(7)}
	data, err := p.Encode()
	if err != nil || len(data) != 100 || !bytes.HasPrefix(data, []byte{0x23, 0xb8, 0x72, 0xdd}) {
		t.Fatalf("%x, %v", data, err)
	}
	got, err := official.DecodePull(data)
	if err != nil || got.Owner != owner || got.Account != account || !got.Token.IsZero() || got.Amount.Int64() != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"another function": func(b []byte) []byte { b[0] ^= 1; return b },
		"cut short":        func(b []byte) []byte { return b[:99] },
		"too long":         func(b []byte) []byte { return append(b, 0) },
		"a dirty owner":    func(b []byte) []byte { b[4] = 1; return b },
		"a dirty account":  func(b []byte) []byte { b[4+32+11] = 1; return b },
		"nothing":          func([]byte) []byte { return nil },
	} {
		if got, err := official.DecodePull(change(bytes.Clone(data))); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, amount := range []*big.Int{nil, big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 256)} {
		p.Amount = amount
		_, one := p.Encode()
		_, two := p.Rehearse(true)
		if !errors.Is(one, official.ErrAmount) || !errors.Is(two, official.ErrAmount) {
			t.Errorf("of %v: %v, %v", amount, one, two)
		}
	}
}

// What a trial run begins with lets the account take exactly the amount.
func TestRehearse(t *testing.T) {
	p := official.Pull{Owner: asset.Address{1}, Account: asset.Address{3}, Token: asset.Address{5}, Amount: big.NewInt(7)}
	for resets, amounts := range map[bool][]int64{false: {7}, true: {0, 7}} {
		r, err := p.Rehearse(resets)
		if err != nil || len(r.Allow) != len(amounts) || r.Calls() != len(amounts)+1 {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, c := range r.Allow {
			a, err := official.DecodeApproval(c.Data)
			if err != nil || a.Spender != p.Account || a.Amount.Int64() != amounts[i] || c.To != p.Token || c.Value.Sign() != 0 ||
				(c.Kind == rail.Reset) != (amounts[i] == 0) {
				t.Errorf("%+v, %v", c, err)
			}
		}
		if got, err := official.DecodePull(r.Take.Data); err != nil || got.Owner != p.Owner || r.Take.To != p.Token || r.Take.Value.Sign() != 0 {
			t.Errorf("%+v, %v", r.Take, err)
		}
	}
}

// A trial run in which anything but the one pull is done to the owner is refused.
func TestRehearsal(t *testing.T) {
	owner, account, token, evil := asset.Address{1, 1: 1}, asset.Address{3, 1: 1}, asset.Address{5, 1: 1}, asset.Address{6, 1: 6}
	event := func(what asset.Address, topics ...string) official.Event {
		return official.Event{Address: what, Topics: topics, Data: wordOf(big.NewInt(7))}
	}
	moved := func(what, from, to asset.Address) official.Event {
		return event(what, official.TopicTransfer, indexed(from), indexed(to))
	}
	const forAll, single = "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31", "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62"
	p := official.Pull{Owner: owner, Account: account, Token: token, Amount: big.NewInt(7)}
	r, err := p.Rehearse(false)
	if err != nil {
		t.Fatal(err)
	}
	const allow, take, pay = 0, 1, 2
	tests := []struct {
		name   string
		during int
		e      official.Event
		ok     bool
	}{
		{"an anonymous event", take, event(token), true},
		{"an event of anything else", take, event(token, "0x01", indexed(owner)), true},
		{"others' money moves", take, moved(token, evil, owner), true},
		{"a stranger allows a stranger", take, event(token, topicApproval, indexed(evil), indexed(account)), true},
		{"what is left of the allowance is told", take, event(token, topicApproval, indexed(owner), indexed(account)), true},
		{"the account pays", pay, moved(token, account, evil), true},
		{"the account allows somebody", pay, event(token, topicApproval, indexed(account), indexed(evil)), true},
		{"an approval without a spender", take, event(token, topicApproval, indexed(owner)), true},

		{"the same again", take, moved(token, owner, account), false},
		{"the same later", pay, moved(token, owner, account), false},
		{"the same before", allow, moved(token, owner, account), false},
		{"to somebody else", take, moved(token, owner, evil), false},
		{"of another token", take, moved(evil, owner, account), false},
		{"native currency", pay, moved(official.NativeTracer, owner, evil), false},
		{"a token with a number", pay, event(evil, official.TopicTransfer, indexed(owner), indexed(evil), indexed(evil)), false},
		{"tokens by the piece", pay, event(evil, single, indexed(evil), indexed(owner), indexed(evil)), false},
		{"a transfer that says nothing", pay, event(token, official.TopicTransfer), false},
		{"the account's money before it pays", take, moved(evil, account, evil), false},
		{"the account allows somebody before it pays", take, event(token, topicApproval, indexed(account), indexed(evil)), false},
		{"another may take from the owner", take, event(token, topicApproval, indexed(owner), indexed(evil)), false},
		{"the account may take another token", allow, event(evil, topicApproval, indexed(owner), indexed(account)), false},
		{"the account may take more, later", pay, event(token, topicApproval, indexed(owner), indexed(account)), false},
		{"somebody may take everything", pay, event(evil, forAll, indexed(owner), indexed(evil)), false},
	}
	for _, tt := range tests {
		calls := []official.SimulatedCall{{Succeeded: true}, {Succeeded: true, Events: []official.Event{moved(token, owner, account)}}, {Succeeded: true}}
		if why := r.Refused(calls); why != "" {
			t.Fatalf("honest: %s", why)
		}
		calls[tt.during].Events = append(calls[tt.during].Events, tt.e)
		if why := r.Refused(calls); (why == "") != tt.ok {
			t.Errorf("%s: %q", tt.name, why)
		}
	}
	for name, calls := range map[string][]official.SimulatedCall{
		"nothing was tried":    nil,
		"half of it was tried": {{Succeeded: true}},
		"nothing was taken":    {{Succeeded: true}, {Succeeded: true}, {Succeeded: true}},
		"the approval fails":   {{}, {Succeeded: true, Events: []official.Event{moved(token, owner, account)}}},
		"the pull fails":       {{Succeeded: true}, {Events: []official.Event{moved(token, owner, account)}}},
		"something else is taken": {{Succeeded: true}, {Succeeded: true, Events: []official.Event{
			{Address: token, Topics: moved(token, owner, account).Topics, Data: wordOf(big.NewInt(8))},
		}}},
		"an amount that is none": {{Succeeded: true}, {Succeeded: true, Events: []official.Event{
			{Address: token, Topics: moved(token, owner, account).Topics, Data: []byte{7}},
		}}},
	} {
		if why := r.Refused(calls); why == "" {
			t.Errorf("%s: passed", name)
		}
	}
}
