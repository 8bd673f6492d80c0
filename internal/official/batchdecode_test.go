package official_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/sandbox/contracts"
)

// gethBatch is what go-ethereum reads of a call of batchPayments.
type gethBatch struct {
	MetaDetails []struct {
		PaymentNetworkId *big.Int // abi derives the name from the ABI
		RequestDetails   []struct {
			Recipient        common.Address
			RequestAmount    *big.Int
			Path             []common.Address
			PaymentReference []byte
			FeeAmount        *big.Int
			MaxToSpend       *big.Int
			MaxRateTimespan  *big.Int
		}
	}
	PathsToUSD [][]common.Address
	FeeAddress common.Address
}

// readByGeth reads calldata with go-ethereum's coder, and writes it again.
func readByGeth(t interface{ Fatalf(string, ...any) }, data []byte) (gethBatch, []byte) {
	method := contracts.Get(contracts.BatchPayments).ABI.Methods["batchPayments"]
	values, err := method.Inputs.Unpack(data[4:])
	if err != nil {
		t.Fatalf("go-ethereum refuses %x: %v", data, err)
	}
	var got gethBatch
	if err := method.Inputs.Copy(&got, values); err != nil {
		t.Fatalf("go-ethereum's values: %v", err)
	}
	again, err := method.Inputs.Pack(values...)
	if err != nil {
		t.Fatalf("go-ethereum's values: %v", err)
	}
	return got, append(bytes.Clone(data[:4]), again...)
}

// sameAsGeth holds what we read against what go-ethereum reads.
func sameAsGeth(t interface{ Fatalf(string, ...any) }, p official.BatchPayment, data []byte) {
	got, again := readByGeth(t, data)
	if !bytes.Equal(again, data) {
		t.Fatalf("go-ethereum writes it as %x, we as %x", again, data)
	}
	read := official.BatchPayment{FeeAddress: asset.Address(got.FeeAddress)}
	for _, m := range got.MetaDetails {
		for _, d := range m.RequestDetails {
			i := official.BatchItem{
				Token: asset.Address(d.Path[0]), Payee: asset.Address(d.Recipient), Amount: d.RequestAmount,
				Reference: official.Reference(d.PaymentReference), Fee: d.FeeAmount,
			}
			if m.PaymentNetworkId.Int64() == 3 {
				i.Token = asset.Address{}
			}
			if len(d.Path) != 1 || d.MaxToSpend.Sign() != 0 || d.MaxRateTimespan.Sign() != 0 {
				t.Fatalf("go-ethereum reads a conversion: %+v", d)
			}
			read.Items = append(read.Items, i)
		}
	}
	if len(got.PathsToUSD) != 0 || !sameBatch(read, p) {
		t.Fatalf("go-ethereum reads %+v, we read %+v", got, p)
	}
}

func sameBatch(a, b official.BatchPayment) bool {
	if a.FeeAddress != b.FeeAddress || len(a.Items) != len(b.Items) {
		return false
	}
	for i, x := range a.Items {
		y := b.Items[i]
		if x.Token != y.Token || x.Payee != y.Payee || x.Reference != y.Reference || x.Amount.Cmp(y.Amount) != 0 || x.Fee.Cmp(y.Fee) != 0 {
			return false
		}
	}
	return true
}

// The selectors and the network's names are the contract's own.
func TestBatchSelectorsAreTheContracts(t *testing.T) {
	methods := contracts.Get(contracts.BatchPayments).ABI.Methods
	if got := methods["batchPayments"].ID; !bytes.Equal(got, official.SelectorBatch[:]) {
		t.Errorf("batchPayments: %x", got)
	}
	calls := official.BatchTermsCalls()
	for i, name := range []string{"paymentErc20Proxy()", "paymentNativeProxy()", "batchFee()", "batchFeeAmountUSDLimit()"} {
		if want := crypto.Keccak256([]byte(name))[:4]; !bytes.Equal(calls[i], want) {
			t.Errorf("%s: %x, want %x", name, calls[i], want)
		}
	}
}

var batches = rapid.Custom(func(t *rapid.T) official.BatchPayment {
	p := official.BatchPayment{FeeAddress: addresses.Draw(t, "fee address")}
	for i := range rapid.IntRange(official.MinBatch, 12).Draw(t, "items") {
		item := official.BatchItem{Payee: addresses.Draw(t, "payee"), Amount: amounts.Draw(t, "amount"), Fee: amounts.Draw(t, "fee")}
		binary.BigEndian.PutUint64(item.Reference[:], rapid.Uint64().Draw(t, "reference")<<8|uint64(i))
		if rapid.Bool().Draw(t, "token") {
			item.Token = addresses.Draw(t, "token address")
		}
		p.Items = append(p.Items, item)
	}
	return p
})

// Encoding is what go-ethereum's coder says, decoding gives everything back,
// tokens first, and no word can be changed without notice.
func TestBatchCalldataAgreesWithGoEthereum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := batches.Draw(t, "batch")
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := official.DecodeBatchPayment(data)
		if err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		sorted := official.BatchPayment{FeeAddress: p.FeeAddress}
		for _, native := range []bool{false, true} {
			for _, i := range p.Items {
				if i.Token.IsZero() == native {
					sorted.Items = append(sorted.Items, i)
				}
			}
		}
		if !sameBatch(got, sorted) {
			t.Fatalf("decoded %+v, want %+v", got, sorted)
		}
		sameAsGeth(t, got, data)

		at := rapid.IntRange(0, len(data)-1).Draw(t, "byte")
		changed := bytes.Clone(data)
		changed[at] ^= rapid.ByteRange(1, 255).Draw(t, "change")
		if again, err := official.DecodeBatchPayment(changed); err == nil && sameBatch(again, got) {
			t.Fatalf("byte %d changed without notice", at)
		}
		cut := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		if got, err := official.DecodeBatchPayment(data[:cut]); err == nil {
			t.Fatalf("cut to %d bytes: %+v", cut, got)
		}
	})
}

// words are calldata in pieces that a test can change.
type words struct {
	t    *testing.T
	data []byte
}

func (w words) with(at int, value uint64) words {
	data := bytes.Clone(w.data)
	clear(data[4+32*at : 4+32*at+32])
	binary.BigEndian.PutUint64(data[4+32*at+24:], value)
	return words{w.t, data}
}

// cut takes words away, add puts some there.
func (w words) cut(at, n int) words {
	return words{w.t, append(bytes.Clone(w.data[:4+32*at]), w.data[4+32*(at+n):]...)}
}

func (w words) add(at int, values ...uint64) words {
	data := bytes.Clone(w.data[:4+32*at])
	for _, v := range values {
		data = binary.BigEndian.AppendUint64(append(data, make([]byte, 24)...), v)
	}
	return words{w.t, append(data, w.data[4+32*at:]...)}
}

// Bytes that mean something to the contract, but are not the one form.
func TestDecodeBatchIsStrict(t *testing.T) {
	eth := asset.Address{}
	encode := func(requests ...official.Expectation) words {
		t.Helper()
		return words{t, must(t)(official.Default().PayCall(batchOf(requests...))).Data}
	}
	one := encode(owed(usdcBase, 0, 3), owed(usdtBase, 1, 4)) // word 4 the group's offset, 5 its id, 8 and 9 items' offsets, 10.. item, 21.. item, 32 paths
	two := encode(owed(usdcBase, 0, 3), owed(eth, 1, 4))      // 4, 5 the groups' offsets, 6 id, 9 offset, 10.. item, 21 id, 24 offset, 25.. item, 36 paths
	last := len(one.data)/32 - 1
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "selector"},
		{"other selector", append([]byte{0xc2, 0x19, 0xa1, 0x4d}, one.data[4:]...), "selector"},
		{"selector alone", one.data[:4], "ends early"},
		{"groups elsewhere", one.with(0, 0x80).data, "offset of the groups"},
		{"paths elsewhere", one.with(1, 0x60).data, "offset of the paths"},
		{"dirty fee address", func() []byte { d := bytes.Clone(one.data); d[4+64] = 1; return d }(), "fee address"},
		{"no groups", one.with(3, 0).data, "number of groups"},
		{"three groups", one.with(3, 3).data, "number of groups"},
		{"endless groups", one.with(3, 1<<62).data, "number of groups"},
		{"group elsewhere", one.with(4, 0x40).data, "offset of a group"},
		{"groups in one place", two.with(5, 0x40).data, "offset of a group"},
		{"conversion network", one.with(5, 0).data, "payment network"},
		{"single-token network", one.with(5, 1).data, "payment network"},
		{"native conversion network", one.with(5, 4).data, "payment network"},
		{"unknown network", one.with(5, 5).data, "payment network"},
		{"huge network", one.with(5, 1<<63).data, "payment network"},
		{"network twice", two.with(21, 2).data, "payment networks"},
		{"native before tokens", func() []byte {
			d := two.with(6, 3).with(21, 2).data
			copy(d[4+32*18:], d[4+32*33:4+32*34])
			return d
		}(), "payment networks"},
		{"tokens called native", one.with(5, 3).data, "path of a native item"},
		{"items elsewhere", one.with(6, 0x60).data, "offset of a group's items"},
		{"no items", one.with(7, 0).data, "number of items"},
		{"fewer items", one.with(7, 1).data, "offset of an item"},
		{"more items than allowed", one.with(7, 201).data, "number of items"},
		{"endless items", one.with(7, 1<<40).data, "number of items"},
		{"items in one place", one.with(9, 0x40).data, "offset of an item"},
		{"items swapped by offset", one.with(8, 0x40+352).with(9, 0x40).data, "offset of an item"},
		{"path elsewhere", one.with(12, 0x120).data, "offset of the path"},
		{"reference elsewhere", one.with(13, 0xe0).data, "offset of the reference"},
		{"most to spend", one.with(15, 1).data, "most to spend"},
		{"age of the rate", one.with(16, 1).data, "age of the rate"},
		{"no path", one.with(17, 0).data, "length of the path"},
		{"a conversion path", one.with(17, 2).data, "length of the path"},
		{"no token", one.with(18, 0).data, "token"},
		{"short reference", one.with(19, 7).data, "length of the reference"},
		{"long reference", one.with(19, 9).data, "length of the reference"},
		{"padding behind a reference", func() []byte { d := bytes.Clone(one.data); d[4+32*20+31] = 1; return d }(), "padding"},
		{"other native path", two.with(33, 1).data, "path of a native item"},
		{"reference twice", func() []byte { d := bytes.Clone(one.data); copy(d[4+32*31:], d[4+32*20:4+32*21]); return d }(), "stands twice"},
		{"one item", one.with(7, 1).cut(9, 1).cut(20, 11).with(1, uint64(32*(last-12))).with(8, 32).data, "1 items"},
		{"a path to US dollars", one.with(last, 1).add(last+1, 32, 0).with(1, uint64(32*last)).data, "offset of the paths"},
		{"a path, offset moved", one.with(last, 1).add(last+1, 32, 0).with(1, uint64(32*(last+2))).data, "number of paths"},
		{"one byte more", append(bytes.Clone(one.data), 0), "offset of the paths"},
		{"one word more", one.add(last+1, 0).with(1, uint64(32*(last+1))).data, "behind the end"},
		{"one word less", one.cut(last, 1).with(1, uint64(32*(last-1))).data, "ends early"},
		{"too long to be one", make([]byte, 1<<20), "expected at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := official.DecodeBatchPayment(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !reflect.DeepEqual(got, official.BatchPayment{}) {
				t.Errorf("got %+v and error %v, want an error about %q", got, err, tt.want)
			}
		})
	}
}

func TestEncodeBatchRefusesWhatIsNone(t *testing.T) {
	items := func(n int) (list []official.BatchItem) {
		for i := range n {
			e := owed(usdcBase, i, 0)
			list = append(list, official.BatchItem{Token: e.Token, Payee: e.Payee, Amount: e.Amount, Reference: e.Reference, Fee: e.Fee})
		}
		return list
	}
	twice, unfit, nameless := items(3), items(2), items(2)
	twice[2].Reference = twice[0].Reference
	unfit[1].Amount = new(big.Int).Lsh(big.NewInt(1), 256)
	nameless[0].Fee = nil
	for name, tt := range map[string]struct {
		items []official.BatchItem
		want  error
	}{
		"none": {nil, official.ErrBatch}, "one": {items(1), official.ErrBatch}, "too many": {items(201), official.ErrBatch},
		"a reference twice": {twice, official.ErrBatch}, "an amount too large": {unfit, official.ErrAmount}, "no fee": {nameless, official.ErrAmount},
	} {
		if data, err := (official.BatchPayment{Items: tt.items}).Encode(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %d bytes and %v, want %v", name, len(data), err, tt.want)
		}
	}
	for _, n := range []int{2, 200} {
		if _, err := (official.BatchPayment{Items: items(n)}).Encode(); err != nil {
			t.Errorf("%d items: %v", n, err)
		}
	}
}

// FuzzDecodeBatchPayment is FuzzDecodeERC20Payment for the batch contract.
func FuzzDecodeBatchPayment(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := official.DecodeBatchPayment(data)
		if err != nil {
			if len(p.Items) != 0 {
				t.Fatalf("refused, and still %+v", p)
			}
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x encodes to %x (%v)", data, again, err)
		}
		sameAsGeth(t, p, data)
	})
}

func TestBatchTerms(t *testing.T) {
	good := func() [][]byte {
		out := make([][]byte, 4)
		for i := range out {
			out[i] = make([]byte, 32)
		}
		out[0][31], out[1][31], out[2][31], out[3][24] = 1, 2, 30, 3
		return out
	}
	got, err := official.DecodeBatchTerms(good())
	want := official.BatchTerms{ERC20Proxy: asset.Address{19: 1}, EthProxy: asset.Address{19: 2}, Rate: 30, USDLimit: 3 << 56}
	if err != nil || got != want {
		t.Errorf("got %+v %v, want %+v", got, err, want)
	}
	change := func(i, at int) [][]byte { a := good(); a[i][at] = 1; return a }
	for name, answers := range map[string][][]byte{
		"none": nil, "three": good()[:3], "five": append(good(), make([]byte, 32)), "an empty one": append(good()[:3], nil),
		"a short one": append(good()[:3], make([]byte, 31)), "a long one": append(good()[:3], make([]byte, 64)),
		"a dirty proxy": change(0, 0), "a dirty native proxy": change(1, 11), "a fee of more than 16 bits": change(2, 29), "a limit of more than 64 bits": change(3, 23),
	} {
		if got, err := official.DecodeBatchTerms(answers); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
