package safe_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
	"quittance/internal/safe"
)

// packedItem is an item of a batch as MultiSend reads it, its parts in hexadecimal.
func packedItem(operation, to string, value, length int64, data string) string {
	word := func(v int64) string { return hex.EncodeToString(big.NewInt(v).FillBytes(make([]byte, 32))) }
	return operation + to + word(value) + word(length) + data
}

// multiSend is a call of multiSend with these bytes.
func multiSend(t testing.TB, packed string) []byte {
	t.Helper()
	body := unhex(t, packed)
	out := append([]byte{0x8d, 0x80, 0xff, 0x0a}, make([]byte, 64)...)
	out[4+31] = 32
	big.NewInt(int64(len(body))).FillBytes(out[36:68])
	return append(append(out, body...), make([]byte, (32-len(body)%32)%32)...)
}

func TestMultiSendIsDecodedStrictly(t *testing.T) {
	to := strings.Repeat("11", 20)
	one := packedItem("00", to, 5, 2, "abcd")
	items, err := safe.DecodeMultiSend(multiSend(t, one+one))
	if err != nil || len(items) != 2 || items[1].Value.Int64() != 5 || !bytes.Equal(items[1].Data, []byte{0xab, 0xcd}) || items[1].To != address(t, "0x"+to) {
		t.Fatalf("%+v, %v", items, err)
	}
	good := multiSend(t, one)
	for name, data := range map[string][]byte{
		"nothing":                        nil,
		"a selector alone":               good[:4],
		"another function":               append([]byte{0x8d, 0x80, 0xff, 0x0b}, good[4:]...),
		"no item":                        multiSend(t, ""),
		"a delegatecall":                 multiSend(t, packedItem("01", to, 5, 2, "abcd")),
		"a delegatecall behind a call":   multiSend(t, one+packedItem("01", to, 0, 0, "")),
		"an operation that is none":      multiSend(t, packedItem("02", to, 5, 2, "abcd")),
		"the zero address":               multiSend(t, packedItem("00", strings.Repeat("00", 20), 5, 2, "abcd")),
		"data longer than there is":      multiSend(t, packedItem("00", to, 5, 3, "abcd")),
		"data shorter than there is":     multiSend(t, packedItem("00", to, 5, 1, "abcd")),
		"very long data":                 multiSend(t, packedItem("00", to, 5, 1<<62, "abcd")),
		"data of 2^255 bytes":            multiSend(t, "00"+to+strings.Repeat("00", 32)+"80"+strings.Repeat("00", 31)),
		"half an item":                   multiSend(t, one+one[:80]),
		"zeros behind":                   multiSend(t, one+strings.Repeat("00", 31)),
		"a byte behind":                  append(bytes.Clone(good), 0),
		"a word behind":                  append(bytes.Clone(good), make([]byte, 32)...),
		"padding that is not zero":       append(good[:len(good)-1:len(good)-1], 1),
		"padding that is missing":        good[:len(good)-1],
		"more items than there may be":   multiSend(t, strings.Repeat(packedItem("00", to, 0, 0, ""), safe.MaxItems+1)),
		"more bytes than there may be":   multiSend(t, packedItem("00", to, 0, 300<<10, strings.Repeat("00", 300<<10))),
		"an offset elsewhere":            append(append(bytes.Clone(good[:4+31]), 64), good[4+32:]...),
		"an offset of more than 64 bits": append(append(bytes.Clone(good[:4]), bytes.Repeat([]byte{0xff}, 32)...), good[4+32:]...),
		"a length of more than 64 bits":  append(append(bytes.Clone(good[:36]), bytes.Repeat([]byte{0xff}, 32)...), good[68:]...),
	} {
		if items, err := safe.DecodeMultiSend(data); !errors.Is(err, safe.ErrCalldata) {
			t.Errorf("%s: %+v, %v", name, items, err)
		}
	}
	full := strings.Repeat(packedItem("00", to, 0, 0, ""), safe.MaxItems)
	if items, err := safe.DecodeMultiSend(multiSend(t, full)); err != nil || len(items) != safe.MaxItems {
		t.Errorf("as many as there may be: %d, %v", len(items), err)
	}
}

// A flipped bit anywhere is refused, or another transaction or signature.
func TestEveryByteOfAnExecutionCounts(t *testing.T) {
	tx := safe.Tx{
		To: proxy, Value: big.NewInt(5), Data: []byte{1, 2, 3}, SafeTxGas: big.NewInt(6), BaseGas: big.NewInt(7), GasPrice: big.NewInt(8),
		GasToken: token, RefundReceiver: stranger,
	}
	signatures := bytes.Repeat([]byte{9}, 65)
	good, err := safe.EncodeExec(tx, signatures)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tx.Hash(1, self)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			got, sig, err := safe.DecodeExec(bad)
			if err != nil {
				refused++
				if !errors.Is(err, safe.ErrCalldata) {
					t.Errorf("bit %d of byte %d: %v", bit, i, err)
				}
				continue
			}
			if h, err := got.Hash(1, self); err != nil || h == want && bytes.Equal(sig, signatures) {
				t.Errorf("bit %d of byte %d is not seen: %+v, %v", bit, i, got, err)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	for n := range len(good) {
		if _, _, err := safe.DecodeExec(good[:n]); !errors.Is(err, safe.ErrCalldata) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
}

func TestAmountsThatDoNotFit(t *testing.T) {
	for _, v := range []*big.Int{big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 256)} {
		for name, tx := range map[string]safe.Tx{"value": {Value: v}, "safeTxGas": {SafeTxGas: v}, "baseGas": {BaseGas: v}, "gasPrice": {GasPrice: v}} {
			if _, err := tx.Hash(1, self); !errors.Is(err, official.ErrAmount) {
				t.Errorf("hash with %s %v: %v", name, v, err)
			}
			if _, err := safe.EncodeExec(tx, nil); !errors.Is(err, official.ErrAmount) {
				t.Errorf("execTransaction with %s %v: %v", name, v, err)
			}
		}
		if _, err := safe.EncodeMultiSend([]safe.Item{{To: token, Value: v}}); !errors.Is(err, official.ErrAmount) {
			t.Errorf("multiSend with %v: %v", v, err)
		}
	}
}

// The hash binds every field, the chain and the Safe.
func TestHashesDiffer(t *testing.T) {
	seen := map[official.Hash]string{}
	base := safe.Tx{To: proxy, Nonce: 1}
	for name, change := range map[string]func(*safe.Tx){
		"none": func(*safe.Tx) {}, "to": func(x *safe.Tx) { x.To = token }, "value": func(x *safe.Tx) { x.Value = big.NewInt(1) },
		"data": func(x *safe.Tx) { x.Data = []byte{0} }, "operation": func(x *safe.Tx) { x.Operation = 1 }, "safeTxGas": func(x *safe.Tx) { x.SafeTxGas = big.NewInt(1) },
		"baseGas": func(x *safe.Tx) { x.BaseGas = big.NewInt(1) }, "gasPrice": func(x *safe.Tx) { x.GasPrice = big.NewInt(1) },
		"gasToken": func(x *safe.Tx) { x.GasToken = token }, "refundReceiver": func(x *safe.Tx) { x.RefundReceiver = token }, "nonce": func(x *safe.Tx) { x.Nonce = 2 },
	} {
		for _, chain := range []asset.ChainID{1, 10} {
			for _, at := range []asset.Address{self, stranger} {
				tx := base
				change(&tx)
				h, err := tx.Hash(chain, at)
				if other, twice := seen[h]; err != nil || twice {
					t.Errorf("%s and %s: %s, %v", name, other, h, err)
				}
				seen[h] = name
			}
		}
	}
}

func TestSigner(t *testing.T) {
	c := chaintest.New(t)
	h := numbered(3)
	good := c.SignDigest(h)
	if who, ok := safe.Signer(h, good); !ok || who.String() != c.Address() {
		t.Errorf("%s, %t", who, ok)
	}
	if who, ok := safe.Signer(numbered(4), good); ok && who.String() == c.Address() {
		t.Error("of another hash")
	}
	for _, v := range []byte{0, 1, 2, 26, 29, 30, 33, 255} {
		bad := bytes.Clone(good)
		bad[64] = v
		if who, ok := safe.Signer(h, bad); ok {
			t.Errorf("v %d: %s", v, who)
		}
	}
	for _, bad := range [][]byte{nil, good[:64], append(bytes.Clone(good), 0), append(make([]byte, 64), 27), append(bytes.Repeat([]byte{0xff}, 64), 28)} {
		if who, ok := safe.Signer(h, bad); ok {
			t.Errorf("%x: %s", bad, who)
		}
	}
}
