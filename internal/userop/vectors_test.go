package userop_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// vectors are what the packages of wallets and pages answered: see testdata.
type vectors struct {
	Operations []struct {
		Chain  asset.ChainID   `json:"chain"`
		Op     json.RawMessage `json:"op"`
		Packed struct {
			InitCode, CallData, AccountGasLimits, GasFees, PaymasterAndData, Nonce, PreVerificationGas string
		} `json:"packed"`
		Hash string `json:"hash"`
	} `json:"operations"`
	Accounts []struct {
		Kind, Owner, Address, Factory, FactoryData, Batch, Plain, Single string
		Calls                                                            []struct{ To, Value, Data string }
	} `json:"accounts"`
	Permits []permitVector `json:"permits"`
}

type permitVector struct {
	Name, Version, VerifyingContract, Owner, Spender, Value, Nonce, Deadline, Separator, Digest, Signature, Call string
	ChainID                                                                                                      asset.ChainID
}

func load(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/packages.json")
	var v vectors
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil || len(v.Operations) == 0 || len(v.Accounts) == 0 || len(v.Permits) == 0 {
		t.Fatalf("vectors: %v", err)
	}
	return v
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func address(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func number(t testing.TB, text string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		t.Fatalf("not a number: %q", text)
	}
	return n
}

func parse(t testing.TB, text []byte) userop.Op {
	t.Helper()
	op, err := userop.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func TestOperationsOfAnotherImplementation(t *testing.T) {
	for i, v := range load(t).Operations {
		op := parse(t, v.Op)
		if hash, err := op.Hash(v.Chain); err != nil || hash.String() != v.Hash {
			t.Errorf("operation %d: hash %s, %v, want %s", i, hash, err, v.Hash)
		}
		p, err := op.Pack()
		if err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
		for name, pair := range map[string][2][]byte{
			"initCode": {p.InitCode, unhex(t, v.Packed.InitCode)}, "callData": {p.CallData, unhex(t, v.Packed.CallData)},
			"accountGasLimits": {p.AccountGasLimits[:], unhex(t, v.Packed.AccountGasLimits)}, "gasFees": {p.GasFees[:], unhex(t, v.Packed.GasFees)},
			"paymasterAndData": {p.PaymasterAndData, unhex(t, v.Packed.PaymasterAndData)},
			"nonce":            {p.Nonce.Bytes(), number(t, v.Packed.Nonce).Bytes()}, "preVerificationGas": {p.PreVerificationGas.Bytes(), number(t, v.Packed.PreVerificationGas).Bytes()},
		} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Errorf("operation %d: %s is %x, want %x", i, name, pair[0], pair[1])
			}
		}
		again, err := p.Unpack()
		if err != nil {
			t.Fatalf("operation %d: %v", i, err)
		}
		ours, err1 := json.Marshal(again)
		if err1 != nil || !reflect.DeepEqual(members(t, ours), members(t, v.Op)) {
			t.Errorf("operation %d: %v\n%s\n%s", i, err1, ours, v.Op)
		}
	}
}

func members(t *testing.T, text []byte) (m map[string]string) {
	t.Helper()
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAccountsOfAnotherImplementation(t *testing.T) {
	table := userop.Pinned()
	for i, v := range load(t).Accounts {
		kind, ok := table.Kind(asset.Base, v.Kind)
		if !ok {
			t.Fatalf("no kind %s", v.Kind)
		}
		a := kind.Account(asset.Base, address(t, v.Owner))
		if a.Address != address(t, v.Address) || a.Factory != address(t, v.Factory) || !bytes.Equal(a.FactoryData, unhex(t, v.FactoryData)) {
			t.Errorf("account %d (%s): %s by %s with %x, want %s", i, v.Kind, a.Address, a.Factory, a.FactoryData, v.Address)
		}
		var calls []rail.Call
		for _, c := range v.Calls {
			calls = append(calls, rail.Call{To: address(t, c.To), Value: number(t, c.Value), Data: unhex(t, c.Data)})
		}
		for want, list := range map[string][]rail.Call{v.Batch: calls, v.Single: calls[:1]} {
			if data, err := kind.Encode(list); err != nil || !bytes.Equal(data, unhex(t, want)) {
				t.Errorf("account %d (%s): %d calls: %v\n%x\n%s", i, v.Kind, len(list), err, data, want)
			}
		}
		for text, list := range map[string][]rail.Call{v.Batch: calls, v.Plain: calls, v.Single: calls[:1]} {
			if text == "" {
				continue // a Safe has no batch without values
			}
			if got, err := kind.Decode(unhex(t, text)); err != nil || !reflect.DeepEqual(plain(got), plain(list)) {
				t.Errorf("account %d (%s): %v\n%v\n%v", i, v.Kind, err, got, list)
			}
		}
	}
}

// plain is calls as text, so that nil and zero are the same.
func plain(calls []rail.Call) (out []string) {
	for _, c := range calls {
		value := c.Value
		if value == nil {
			value = new(big.Int)
		}
		out = append(out, c.To.String()+" "+value.String()+" "+hex.EncodeToString(c.Data))
	}
	return out
}
