package userop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
	"quittance/internal/userop/useroptest"
)

func packed(t testing.TB) (ops []userop.Packed) {
	t.Helper()
	for _, v := range load(t).Operations {
		p, err := parse(t, v.Op).Pack()
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, p)
	}
	return ops
}

// The EntryPoint's own ABI must agree on what a bundle is.
func TestHandleOps(t *testing.T) {
	ops := packed(t)
	beneficiary := asset.Address{0xbe, 19: 1}
	type tuple struct {
		Sender             [20]byte
		Nonce              *big.Int
		InitCode, CallData []byte
		AccountGasLimits   [32]byte
		PreVerificationGas *big.Int
		GasFees            [32]byte
		PaymasterAndData   []byte
		Signature          []byte
	}
	for _, n := range []int{1, 2, len(ops)} {
		var tuples []tuple
		for _, p := range ops[:n] {
			tuples = append(tuples, tuple{p.Sender, p.Nonce, p.InitCode, p.CallData, p.AccountGasLimits, p.PreVerificationGas, p.GasFees, p.PaymasterAndData, p.Signature})
		}
		want, err := useroptest.Interface(t, "EntryPoint").Pack("handleOps", tuples, [20]byte(beneficiary))
		if err != nil {
			t.Fatal(err)
		}
		got, err := userop.EncodeHandleOps(ops[:n], beneficiary)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d operations: %v\n%x\n%x", n, err, got, want)
		}
		again, to, err := userop.DecodeHandleOps(want)
		if err != nil || to != beneficiary || len(again) != n {
			t.Fatalf("%d operations: %d, %v", n, len(again), err)
		}
		for i := range again {
			a, err1 := again[i].Hash(1)
			b, err2 := ops[i].Hash(1)
			if err1 != nil || err2 != nil || a != b || !bytes.Equal(again[i].Signature, ops[i].Signature) {
				t.Errorf("operation %d came back as another", i)
			}
		}
	}
	if _, err := userop.EncodeHandleOps(nil, beneficiary); !errors.Is(err, userop.ErrOp) {
		t.Errorf("an empty bundle: %v", err)
	}
	if _, err := userop.EncodeHandleOps(slices.Repeat(ops[:1], userop.MaxOps+1), beneficiary); !errors.Is(err, userop.ErrOp) {
		t.Errorf("a large bundle: %v", err)
	}
}

func TestHandleOpsRefuses(t *testing.T) {
	good, err := userop.EncodeHandleOps(packed(t)[:2], asset.Address{0xbe})
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(b []byte) []byte) []byte { return f(slices.Clone(good)) }
	for what, data := range map[string][]byte{
		"nothing": nil, "a selector": good[:4], "another selector": change(func(b []byte) []byte { b[0]++; return b }),
		"a byte less": good[:len(good)-1], "a byte more": append(slices.Clone(good), 0), "a word more": append(slices.Clone(good), make([]byte, 32)...),
		"a dirty address":           change(func(b []byte) []byte { b[4+32]++; return b }),
		"operations elsewhere":      change(func(b []byte) []byte { b[4+31] += 32; return b }),
		"more operations than data": change(func(b []byte) []byte { b[4+64+28] = 1; return b }),
		"two at the same place":     change(func(b []byte) []byte { copy(b[4+4*32:], b[4+3*32:4+4*32]); return b }),
		"too much":                  append(slices.Clone(good), make([]byte, 300<<10)...),
	} {
		if _, _, err := userop.DecodeHandleOps(data); !errors.Is(err, userop.ErrCalldata) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	big128, big256 := new(big.Int).Lsh(big.NewInt(1), 128), new(big.Int).Lsh(big.NewInt(1), 256)
	for what, o := range map[string]userop.Op{
		"much gas for the call":         {CallGasLimit: big128},
		"much gas for the account":      {VerificationGasLimit: big128},
		"negative gas":                  {CallGasLimit: big.NewInt(-1)},
		"a high price":                  {MaxFeePerGas: big128},
		"a high tip":                    {MaxPriorityFeePerGas: big128},
		"a large nonce":                 {Nonce: big256},
		"a negative nonce":              {Nonce: big.NewInt(-1)},
		"much gas for the bundler":      {PreVerificationGas: big256},
		"much gas for the paymaster":    {Paymaster: stranger, PaymasterVerificationGasLimit: big128},
		"data for no factory":           {FactoryData: []byte{1}},
		"data for no paymaster":         {PaymasterData: []byte{1}},
		"gas for no paymaster":          {PaymasterVerificationGasLimit: big.NewInt(1)},
		"gas for no paymaster, later":   {PaymasterPostOpGasLimit: big.NewInt(1)},
		"more bytes than a transaction": {CallData: make([]byte, 300<<10)},
	} {
		if _, err := o.Pack(); !errors.Is(err, userop.ErrOp) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := o.Hash(1); !errors.Is(err, userop.ErrOp) {
			t.Errorf("%s: hash: %v", what, err)
		}
		if _, err := json.Marshal(o); err == nil {
			t.Errorf("%s: written", what)
		}
	}
	for what, p := range map[string]userop.Packed{
		"half a factory":             {InitCode: make([]byte, 19)},
		"a factory that is none":     {InitCode: make([]byte, 20)},
		"half a paymaster":           {PaymasterAndData: bytes.Repeat([]byte{1}, 51)},
		"a paymaster that is none":   {PaymasterAndData: make([]byte, 52)},
		"a paymaster without limits": {PaymasterAndData: bytes.Repeat([]byte{1}, 20)},
		"a large nonce":              {Nonce: big256},
	} {
		if _, err := p.Unpack(); !errors.Is(err, userop.ErrOp) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestParse(t *testing.T) {
	var good map[string]any
	if err := json.Unmarshal(load(t).Operations[5].Op, &good); err != nil {
		t.Fatal(err)
	}
	text := func(change map[string]any) []byte {
		m := maps.Clone(good)
		for name, v := range change {
			if m[name] = v; v == "-" {
				delete(m, name)
			}
		}
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for what, change := range map[string]map[string]any{
		"as it is": {}, "no gas": {"callGasLimit": "-", "preVerificationGas": nil}, "no signature": {"signature": "-"},
		"leading zeros": {"nonce": "0x0001"}, "no factory": {"factory": nil, "factoryData": nil},
		"0x for no factory":   {"factory": "0x", "factoryData": "0x"},
		"0x for no paymaster": {"paymaster": "0x", "paymasterData": "0x", "paymasterVerificationGasLimit": "-", "paymasterPostOpGasLimit": "0x0"},
	} {
		o, err := userop.Parse(text(change))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		again, err := json.Marshal(o)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if back := parse(t, again); !reflect.DeepEqual(hashOf(t, back), hashOf(t, o)) {
			t.Errorf("%s: came back as another", what)
		}
	}
	for what, change := range map[string]map[string]any{
		"no sender": {"sender": "-"}, "a sender that is none": {"sender": "0x" + strings.Repeat("0", 40)}, "a short sender": {"sender": "0x1234"},
		"a wrong checksum": {"sender": "0xf6D9429D89D99dDb476C4A77e642e55F8787456A"}, "no nonce": {"nonce": nil}, "no calldata": {"callData": "-"},
		"another account's code": {"eip7702Auth": map[string]any{"address": stranger.String()}}, "the older form": {"initCode": "0x"},
		"a bare number": {"nonce": 1}, "decimal": {"nonce": "1"}, "no digits": {"nonce": "0x"}, "a sign": {"nonce": "0x-1"}, "257 bits": {"nonce": "0x1" + strings.Repeat("0", 64)},
		"129 bits of gas": {"callGasLimit": "0x1" + strings.Repeat("0", 32)}, "half a byte": {"callData": "0x123"}, "no prefix": {"callData": "1234"},
		"data for no factory": {"factory": nil, "factoryData": "0x12"}, "data for no paymaster": {"paymaster": nil},
	} {
		if o, err := userop.Parse(text(change)); !errors.Is(err, userop.ErrOp) {
			t.Errorf("%s: %v, %v", what, o.Sender, err)
		}
	}
	for _, text := range []string{"", "null", "[]", "{}", `{"sender":1}`, `{"nonce":"0x1","nonce":"0x2"}`, strings.Repeat(" ", 1<<20)} {
		if _, err := userop.Parse([]byte(text)); !errors.Is(err, userop.ErrOp) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func hashOf(t testing.TB, o userop.Op) official.Hash {
	t.Helper()
	h, err := o.Hash(1)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEncodeRefuses(t *testing.T) {
	call := rail.Call{To: stranger, Data: []byte{1}}
	for _, kind := range userop.At(sandbox).Kinds(sandbox) {
		for what, calls := range map[string][]rail.Call{
			"none": nil, "too many": slices.Repeat([]rail.Call{call}, userop.MaxCalls+1), "one to nobody": {call, {Data: []byte{1}}},
			"too many bytes":  {{To: stranger, Data: make([]byte, 200<<10)}},
			"negative amount": {{To: stranger, Value: big.NewInt(-1)}}, "257 bits": {{To: stranger, Value: new(big.Int).Lsh(big.NewInt(1), 256)}},
		} {
			if _, err := kind.Encode(calls); !errors.Is(err, userop.ErrCalls) && !errors.Is(err, official.ErrAmount) {
				t.Errorf("%s: %s: %v", kind.Name(), what, err)
			}
		}
	}
}

// Every function that carries calls is read back, and no byte more or less.
func TestDecodeRefuses(t *testing.T) {
	for i, v := range load(t).Accounts[:2] {
		kind, _ := userop.At(sandbox).Kind(sandbox, v.Kind)
		for _, text := range []string{v.Batch, v.Plain, v.Single} {
			good := unhex(t, text)
			if len(good) == 0 {
				continue
			}
			for what, data := range map[string][]byte{
				"nothing": nil, "a selector": good[:4], "a byte less": good[:len(good)-1], "a byte more": append(slices.Clone(good), 0),
				"a word more": append(slices.Clone(good), make([]byte, 32)...), "a word less": good[:len(good)-32],
				"too much": append(slices.Clone(good), make([]byte, 300<<10)...),
			} {
				if calls, err := kind.Decode(data); !errors.Is(err, userop.ErrCalldata) {
					t.Errorf("account %d: %s: %d calls, %v", i, what, len(calls), err)
				}
			}
		}
		// Each kind reads its own.
		other := userop.At(sandbox).Kinds(sandbox)[1-slices.IndexFunc(userop.At(sandbox).Kinds(sandbox), func(k userop.Kind) bool { return k.Name() == v.Kind })]
		if _, err := other.Decode(unhex(t, v.Batch)); !errors.Is(err, userop.ErrCalldata) {
			t.Errorf("%s reads what %s wrote: %v", other.Name(), v.Kind, err)
		}
	}
}

func TestTable(t *testing.T) {
	table := userop.Pinned()
	for _, c := range []asset.ChainID{asset.Mainnet, asset.Base, asset.Optimism} {
		if kinds := table.Kinds(c); len(kinds) != 2 || kinds[0].Name() != userop.KindLight || kinds[1].Name() != userop.KindSafe {
			t.Errorf("chain %d: %v", c, kinds)
		}
	}
	if len(table.Kinds(sandbox)) != 0 {
		t.Error("the sandbox is a real chain")
	}
	if _, ok := table.Kind(asset.Base, "light-account-1.0.0"); ok {
		t.Error("there is an unknown kind")
	}
}
