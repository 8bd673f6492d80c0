package userop_test

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

func TestTopicsAreTheContracts(t *testing.T) {
	events := useroptest.Interface(t, "EntryPoint").Events
	for name, topic := range map[string]string{
		"UserOperationEvent": userop.TopicOperation, "UserOperationRevertReason": userop.TopicReason, "AccountDeployed": userop.TopicDeployed,
	} {
		if events[name].ID.Hex() != topic {
			t.Errorf("%s is %s, not %s", name, events[name].ID, topic)
		}
	}
}

func topicOf(a asset.Address) string { return "0x" + strings.Repeat("0", 24) + a.Lower()[2:] }

// event is an operation's event, and reason the one before it.
func event(t testing.TB, hash official.Hash, success bool) chain.Log {
	t.Helper()
	data, err := useroptest.Interface(t, "EntryPoint").Events["UserOperationEvent"].Inputs.NonIndexed().Pack(big.NewInt(7), success, big.NewInt(1e15), big.NewInt(300_000))
	if err != nil {
		t.Fatal(err)
	}
	return chain.Log{Address: userop.EntryPoint, Topics: []string{userop.TopicOperation, hash.String(), topicOf(stranger), topicOf(usdc)}, Data: data, Tx: "0xaa"}
}

func reason(t testing.TB, hash official.Hash, said []byte) chain.Log {
	t.Helper()
	data, err := useroptest.Interface(t, "EntryPoint").Events["UserOperationRevertReason"].Inputs.NonIndexed().Pack(big.NewInt(7), said)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Log{Address: userop.EntryPoint, Topics: []string{userop.TopicReason, hash.String(), topicOf(stranger)}, Data: data}
}

// said is Error(string).
func said(text string) []byte {
	word := func(n int) []byte { return big.NewInt(int64(n)).FillBytes(make([]byte, 32)) }
	out := append([]byte{0x08, 0xc3, 0x79, 0xa0}, word(32)...)
	out = append(append(out, word(len(text))...), text...)
	return append(out, make([]byte, 32-len(text)%32)...)
}

func TestOutcomes(t *testing.T) {
	one, two, three := official.Hash{1}, official.Hash{2}, official.Hash{3}
	other := event(t, official.Hash{4}, true)
	other.Address = stranger
	logs := []chain.Log{
		{Address: userop.EntryPoint, Topics: []string{userop.TopicDeployed, one.String(), topicOf(stranger)}},
		{Address: stranger, Topics: []string{official.TopicTransfer}}, other,
		event(t, one, true), reason(t, two, said("no\nmoney")), event(t, two, false), event(t, three, false),
		{Address: userop.EntryPoint, Topics: []string{userop.TopicOperation, "0x12"}},
	}
	got := userop.Outcomes(logs)
	if len(got) != 3 {
		t.Fatalf("%d outcomes: %+v", len(got), got)
	}
	if o := got[0]; o.Hash != one || !o.Success || !o.Deployed || o.Sender != stranger || o.Paymaster != usdc || o.Nonce.Int64() != 7 ||
		o.GasCost.Int64() != 1e15 || o.GasUsed.Int64() != 300_000 || o.Tx != "0xaa" || o.Why() != "" {
		t.Errorf("the first: %+v", o)
	}
	if o := got[1]; o.Hash != two || o.Success || o.Deployed || o.Why() != "no money" {
		t.Errorf("the second: %+v: %q", o, o.Why())
	}
	if o := got[2]; o.Success || o.Why() != "" {
		t.Errorf("the third has the second's reason: %+v", o)
	}
	for reason, want := range map[string]string{
		string(said(strings.Repeat("x", 500))): strings.Repeat("x", 200), "\x12\x34\x56\x78": "0x12345678", string(make([]byte, 100)): "0x" + strings.Repeat("0", 72),
	} {
		if got := (userop.Outcome{Reason: []byte(reason)}).Why(); got != want {
			t.Errorf("%x: %q", reason, got)
		}
	}
}

func TestDecodeOutcomeRefuses(t *testing.T) {
	for what, change := range map[string]func(l *chain.Log){
		"another event":      func(l *chain.Log) { l.Topics[0] = userop.TopicReason },
		"a topic less":       func(l *chain.Log) { l.Topics = l.Topics[:3] },
		"a topic more":       func(l *chain.Log) { l.Topics = append(l.Topics, l.Topics[0]) },
		"no hash":            func(l *chain.Log) { l.Topics[1] = "0x" },
		"a dirty address":    func(l *chain.Log) { l.Topics[2] = "0x1" + l.Topics[2][3:] },
		"a byte less":        func(l *chain.Log) { l.Data = l.Data[:len(l.Data)-1] },
		"a byte more":        func(l *chain.Log) { l.Data = append(l.Data, 0) },
		"neither yes nor no": func(l *chain.Log) { l.Data[63] = 2 },
		"nothing":            func(l *chain.Log) { l.Data = nil },
	} {
		l := event(t, official.Hash{1}, true)
		l.Data = bytes.Clone(l.Data)
		change(&l)
		if o, err := userop.DecodeOutcome(l); !errors.Is(err, userop.ErrEvent) {
			t.Errorf("%s: %+v, %v", what, o, err)
		}
	}
}
