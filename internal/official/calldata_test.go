package official_test

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// The interfaces as the official artifacts declare them, for an independent
// coder: go-ethereum's.
const interfaces = `[
{"type":"function","name":"erc20","inputs":[{"type":"address"},{"type":"address"},{"type":"uint256"},{"type":"bytes"},{"type":"uint256"},{"type":"address"}]},
{"type":"function","name":"eth","inputs":[{"type":"address"},{"type":"bytes"},{"type":"uint256"},{"type":"address"}]},
{"type":"function","name":"approve","inputs":[{"type":"address"},{"type":"uint256"}]},
{"type":"function","name":"balanceOf","inputs":[{"type":"address"}]},
{"type":"function","name":"allowance","inputs":[{"type":"address"},{"type":"address"}]}]`

func geth(t testing.TB) abi.ABI {
	t.Helper()
	parsed, err := abi.JSON(strings.NewReader(interfaces))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

var (
	addresses = rapid.Custom(func(t *rapid.T) asset.Address {
		return asset.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "address"))
	})
	references = rapid.Custom(func(t *rapid.T) official.Reference {
		return official.Reference(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "reference"))
	})
	amounts = rapid.Custom(func(t *rapid.T) *big.Int {
		return new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "amount"))
	})
)

// pack is what go-ethereum encodes, behind our selector.
func pack(t interface{ Fatal(...any) }, parsed abi.ABI, method string, selector [4]byte, args ...any) []byte {
	data, err := parsed.Methods[method].Inputs.Pack(args...)
	if err != nil {
		t.Fatal(err)
	}
	return append(selector[:], data...)
}

// Encoding is what go-ethereum's coder says, decoding gives everything back, and
// whatever one byte is changed to, the change does not go unnoticed.
func TestCalldataAgreesWithGoEthereum(t *testing.T) {
	parsed := geth(t)
	rapid.Check(t, func(t *rapid.T) {
		p := official.ERC20Payment{
			Token: addresses.Draw(t, "token"), Payee: addresses.Draw(t, "payee"), Amount: amounts.Draw(t, "amount"),
			Reference: references.Draw(t, "reference"), Fee: amounts.Draw(t, "fee"), FeePayee: addresses.Draw(t, "fee payee"),
		}
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want := pack(t, parsed, "erc20", official.SelectorERC20, common.Address(p.Token), common.Address(p.Payee), p.Amount,
			p.Reference[:], p.Fee, common.Address(p.FeePayee))
		if !bytes.Equal(data, want) {
			t.Fatalf("got %x, want %x", data, want)
		}
		if got, err := official.DecodeERC20Payment(data); err != nil || !equalERC20(got, p) {
			t.Fatalf("got %+v %v, want %+v", got, err, p)
		}
		changed := tamper(t, data)
		if got, err := official.DecodeERC20Payment(changed); err == nil && equalERC20(got, p) {
			t.Fatalf("%x is taken for %x", changed, data)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := official.EthPayment{
			Payee: addresses.Draw(t, "payee"), Reference: references.Draw(t, "reference"),
			Fee: amounts.Draw(t, "fee"), FeePayee: addresses.Draw(t, "fee payee"),
		}
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want := pack(t, parsed, "eth", official.SelectorEth, common.Address(p.Payee), p.Reference[:], p.Fee, common.Address(p.FeePayee))
		if !bytes.Equal(data, want) {
			t.Fatalf("got %x, want %x", data, want)
		}
		if got, err := official.DecodeEthPayment(data); err != nil || !equalEth(got, p) {
			t.Fatalf("got %+v %v, want %+v", got, err, p)
		}
		changed := tamper(t, data)
		if got, err := official.DecodeEthPayment(changed); err == nil && equalEth(got, p) {
			t.Fatalf("%x is taken for %x", changed, data)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a := official.Approval{Spender: addresses.Draw(t, "spender"), Amount: amounts.Draw(t, "amount")}
		data, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want := pack(t, parsed, "approve", official.SelectorApprove, common.Address(a.Spender), a.Amount)
		if !bytes.Equal(data, want) {
			t.Fatalf("got %x, want %x", data, want)
		}
		changed := tamper(t, data)
		if got, err := official.DecodeApproval(changed); err == nil && got.Spender == a.Spender && got.Amount.Cmp(a.Amount) == 0 {
			t.Fatalf("%x is taken for %x", changed, data)
		}
	})
}

func equalERC20(a, b official.ERC20Payment) bool {
	return a.Token == b.Token && a.Amount.Cmp(b.Amount) == 0 &&
		equalEth(official.EthPayment{a.Payee, a.Reference, a.Fee, a.FeePayee}, official.EthPayment{b.Payee, b.Reference, b.Fee, b.FeePayee})
}

func equalEth(a, b official.EthPayment) bool {
	return a.Payee == b.Payee && a.Reference == b.Reference && a.Fee.Cmp(b.Fee) == 0 && a.FeePayee == b.FeePayee
}

// tamper changes one byte, adds bytes or drops some.
func tamper(t *rapid.T, data []byte) []byte {
	out := bytes.Clone(data)
	switch rapid.IntRange(0, 2).Draw(t, "how") {
	case 0:
		i := rapid.IntRange(0, len(out)-1).Draw(t, "at")
		out[i] ^= rapid.ByteRange(1, 255).Draw(t, "with")
	case 1:
		out = append(out, rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "more")...)
	case 2:
		out = out[:rapid.IntRange(0, len(out)-1).Draw(t, "length")]
	}
	return out
}

func TestReadsAgreeWithGoEthereum(t *testing.T) {
	parsed := geth(t)
	a, b := addr(t, "0x1111111111111111111111111111111111111111"), addr(t, "0x2222222222222222222222222222222222222222")
	want, err := parsed.Pack("balanceOf", common.Address(a))
	if got := official.BalanceOf(a); err != nil || !bytes.Equal(got, want) {
		t.Errorf("balanceOf: got %x, want %x (%v)", got, want, err)
	}
	want, err = parsed.Pack("allowance", common.Address(a), common.Address(b))
	if got := official.Allowance(a, b); err != nil || !bytes.Equal(got, want) {
		t.Errorf("allowance: got %x, want %x (%v)", got, want, err)
	}
	if v, err := official.DecodeAmount(make([]byte, 31)); err == nil {
		t.Errorf("31 bytes are taken for the amount %s", v)
	}
	if v, err := official.DecodeAmount(append(make([]byte, 31), 7)); err != nil || v.Int64() != 7 {
		t.Errorf("got %v %v, want 7", v, err)
	}
}

// Calldata that lenient decoders take, and contracts may even execute, is refused.
func TestDecoderIsStrict(t *testing.T) {
	p := official.ERC20Payment{
		Token: addr(t, "0x1111111111111111111111111111111111111111"), Payee: addr(t, "0x2222222222222222222222222222222222222222"),
		Amount: big.NewInt(5), Reference: official.Reference{1, 2, 3, 4, 5, 6, 7, 8}, Fee: big.NewInt(1),
		FeePayee: addr(t, "0x3333333333333333333333333333333333333333"),
	}
	good, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int, v byte) []byte { out := bytes.Clone(good); out[i] = v; return out }
	// The reference moved one word back, behind a word of zeros: valid ABI.
	moved := append(bytes.Clone(good[:4+6*32]), make([]byte, 32)...)
	moved = append(moved, good[4+6*32:]...)
	moved[4+3*32+31] = 0xe0
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "selector"},
		{"selector alone", good[:4], "length"},
		{"other selector", at(0, 0xb8), "selector"},
		{"trailing zero word", append(bytes.Clone(good), make([]byte, 32)...), "length"},
		{"trailing byte", append(bytes.Clone(good), 0), "length"},
		{"one byte short", good[:len(good)-1], "length"},
		{"dirty bits above the token", at(4, 1), "token"},
		{"dirty bit just above the payee", at(4+32+11, 0x80), "payee"},
		{"dirty bits above the fee address", at(4+5*32+3, 1), "fee address"},
		{"offset elsewhere", at(4+3*32+31, 0xa0), "offset"},
		{"offset with high bits", at(4+3*32, 1), "offset"},
		{"reference moved one word back", moved, "length"},
		{"reference of seven bytes", at(4+6*32+31, 7), "length of the reference"},
		{"reference of nine bytes", at(4+6*32+31, 9), "length of the reference"},
		{"length with high bits", at(4+6*32, 1), "length of the reference"},
		{"padding behind the reference", at(4+7*32+8, 1), "padding"},
		{"padding at the very end", at(len(good)-1, 1), "padding"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := official.DecodeERC20Payment(tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v and error %v, want an error about %q", got, err, tt.want)
			}
		})
	}
}

func TestEncodeRefusesWhatDoesNotFit(t *testing.T) {
	tooLarge := new(big.Int).Lsh(big.NewInt(1), 256)
	for _, bad := range []*big.Int{nil, big.NewInt(-1), tooLarge} {
		if _, err := (official.Approval{Amount: bad}).Encode(); !errors.Is(err, official.ErrAmount) {
			t.Errorf("approve %v: got %v, want ErrAmount", bad, err)
		}
		if _, err := (official.ERC20Payment{Amount: bad, Fee: new(big.Int)}).Encode(); !errors.Is(err, official.ErrAmount) {
			t.Errorf("amount %v: got %v, want ErrAmount", bad, err)
		}
		if _, err := (official.EthPayment{Fee: bad}).Encode(); !errors.Is(err, official.ErrAmount) {
			t.Errorf("fee %v: got %v, want ErrAmount", bad, err)
		}
	}
	most := new(big.Int).Sub(tooLarge, big.NewInt(1))
	if _, err := (official.Approval{Amount: most}).Encode(); err != nil {
		t.Errorf("2^256-1: %v", err)
	}
}

// FuzzDecodeERC20Payment proves that what is accepted is exactly one spelling,
// and that go-ethereum reads the same out of it.
func FuzzDecodeERC20Payment(f *testing.F) {
	parsed := geth(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := official.DecodeERC20Payment(data)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x encodes to %x (%v)", data, again, err)
		}
		got, err := parsed.Methods["erc20"].Inputs.Unpack(data[4:])
		if err != nil {
			t.Fatalf("%x: go-ethereum refuses it: %v", data, err)
		}
		if asset.Address(got[0].(common.Address)) != p.Token || asset.Address(got[1].(common.Address)) != p.Payee ||
			got[2].(*big.Int).Cmp(p.Amount) != 0 || !bytes.Equal(got[3].([]byte), p.Reference[:]) ||
			got[4].(*big.Int).Cmp(p.Fee) != 0 || asset.Address(got[5].(common.Address)) != p.FeePayee {
			t.Fatalf("%x: go-ethereum reads %v, we read %+v", data, got, p)
		}
	})
}

// FuzzDecodeEthPayment is FuzzDecodeERC20Payment for the native proxy.
func FuzzDecodeEthPayment(f *testing.F) {
	parsed := geth(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := official.DecodeEthPayment(data)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x encodes to %x (%v)", data, again, err)
		}
		got, err := parsed.Methods["eth"].Inputs.Unpack(data[4:])
		if err != nil {
			t.Fatalf("%x: go-ethereum refuses it: %v", data, err)
		}
		if asset.Address(got[0].(common.Address)) != p.Payee || !bytes.Equal(got[1].([]byte), p.Reference[:]) ||
			got[2].(*big.Int).Cmp(p.Fee) != 0 || asset.Address(got[3].(common.Address)) != p.FeePayee {
			t.Fatalf("%x: go-ethereum reads %v, we read %+v", data, got, p)
		}
	})
}

// FuzzDecodeApproval is FuzzDecodeERC20Payment for approvals.
func FuzzDecodeApproval(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := official.DecodeApproval(data)
		if err != nil {
			return
		}
		if again, err := a.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x encodes to %x (%v)", data, again, err)
		}
	})
}
