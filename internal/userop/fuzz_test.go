package userop_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// What can be read can be written, and is the same then; what is paid for is exactly
// what was prepared.

func FuzzParse(f *testing.F) {
	for _, v := range load(f).Operations[:6] {
		f.Add([]byte(v.Op))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := userop.Parse(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", o, err)
		}
		again := parse(t, text)
		if hashOf(t, again) != hashOf(t, o) || !bytes.Equal(again.Signature, o.Signature) {
			t.Fatalf("%s came back as another", text)
		}
		p, err := o.Pack()
		if err != nil {
			t.Fatal(err)
		}
		back, err := p.Unpack()
		if err != nil || hashOf(t, back) != hashOf(t, o) {
			t.Fatalf("%s does not unpack: %v", text, err)
		}
	})
}

func FuzzDecodeHandleOps(f *testing.F) {
	ops := packed(f)
	for _, n := range []int{1, 3} {
		data, err := userop.EncodeHandleOps(ops[4:4+n], asset.Address{0xbe})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ops, to, err := userop.DecodeHandleOps(data)
		if err != nil {
			return
		}
		if again, err := userop.EncodeHandleOps(ops, to); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%d operations were read of other bytes: %v", len(ops), err)
		}
		for _, p := range ops {
			if o, err := p.Unpack(); err == nil {
				h, err := p.Hash(1)
				if err != nil || h != hashOf(t, o) {
					t.Fatalf("unpacked it has another hash: %v", err)
				}
			}
		}
	})
}

// FuzzDecodeCalls has all kinds read calldata: whatever they read can be encoded
// again with the same calls in it.
func FuzzDecodeCalls(f *testing.F) {
	for _, v := range load(f).Accounts[:2] {
		for _, text := range []string{v.Batch, v.Plain, v.Single} {
			if text != "" {
				f.Add(unhex(f, text))
			}
		}
	}
	for _, v := range loadOwn(f)[:2] {
		for _, text := range append(v.Others, v.Tuples, v.Modular, v.ModularSingle) {
			f.Add(unhex(f, text))
		}
	}
	kinds := append(userop.At(sandbox).Kinds(sandbox), userop.Own())
	f.Fuzz(func(t *testing.T, data []byte) {
		read := map[string]bool{}
		for _, kind := range kinds {
			calls, err := kind.Decode(data)
			if err != nil {
				continue
			}
			read[kind.Name()] = true
			again, err := kind.Encode(calls)
			if err != nil {
				t.Fatalf("%s read calls that it cannot write: %v", kind.Name(), err)
			}
			back, err := kind.Decode(again)
			if err != nil || !equalCalls(calls, back) {
				t.Fatalf("%s: %v came back as %v, %v", kind.Name(), plain(calls), plain(back), err)
			}
		}
		if read[userop.KindSafe] && len(read) > 1 || read[userop.KindLight] && !read[userop.KindOwn] {
			t.Fatalf("read by %v", read) // wallets' own forms have LightAccount's among them
		}
	})
}

func equalCalls(a, b []rail.Call) bool {
	x, y := plain(a), plain(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return true
}

// FuzzVerify puts any calldata into an operation that is right otherwise: only the
// prepared calls are accepted.
func FuzzVerify(f *testing.F) {
	kinds := userop.At(sandbox).Kinds(sandbox)
	offers := []*offer{newOffer(f, kinds[0], true), newOffer(f, kinds[1], true)}
	for i, o := range offers {
		f.Add(i == 1, o.op.CallData)
	}
	f.Fuzz(func(t *testing.T, isSafe bool, data []byte) {
		o := offers[0]
		if isSafe {
			o = offers[1]
		}
		changed := o.op
		changed.CallData = data
		if _, refused := rail.Failed(userop.Verify(changed, o.want)); refused {
			return
		}
		got, err := o.want.Kind.Decode(data)
		if err != nil || !equalCalls(got, o.calls(t)) {
			t.Fatalf("accepted %x", data)
		}
	})
}

func FuzzDecodePermit(f *testing.F) {
	for _, v := range load(f).Permits[:2] {
		f.Add(unhex(f, v.Call))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := userop.DecodePermit(data)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%+v was read of other bytes: %v", p, err)
		}
	})
}

func FuzzOutcomes(f *testing.F) {
	hash := official.Hash{1}
	for _, l := range []chain.Log{event(f, hash, true), event(f, hash, false), reason(f, hash, said("no"))} {
		f.Add(l.Topics[0], l.Topics[1], l.Topics[2], l.Data)
	}
	f.Fuzz(func(t *testing.T, topic, first, second string, data []byte) {
		l := chain.Log{Address: userop.EntryPoint, Topics: []string{topic, first, second, second}, Data: data}
		for _, o := range userop.Outcomes([]chain.Log{l, event(t, hash, false)}) {
			if len(o.Reason) > 2048 || len([]rune(o.Why())) > 200 || o.Nonce == nil || o.GasCost == nil {
				t.Fatalf("%+v", o)
			}
		}
	})
}

// FuzzReadPermit has a token answer anything.
func FuzzReadPermit(f *testing.F) {
	f.Add(text("USD Coin"), text("2"), ercDomain(0x0f, "T", "7"), make([]byte, 32))
	f.Fuzz(func(t *testing.T, name, version, domain, separator []byte) {
		k := token{askSeparator: separator, askNonces: make([]byte, 32), askName: name, askVersion: version, askTheDomain: domain}
		terms, err := userop.ReadPermit(t.Context(), k, asset.Base, usdc, stranger)
		if err != nil {
			return
		}
		if s := terms.Domain.Separator(); !bytes.Equal(s[:], separator) || terms.Nonce.Cmp(new(big.Int)) != 0 {
			t.Fatalf("the domain %+v is not %s", terms.Domain, hex.EncodeToString(separator))
		}
	})
}
