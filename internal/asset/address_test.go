package asset

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The examples of EIP-55 itself: all caps, all lower, and normal.
var eip55 = []string{
	"0x52908400098527886E0F7030069857D2E4169EE7",
	"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
	"0xde709f2102306220921060314715629080e2fb77",
	"0x27b1fdb04752bbc536007a920d24acb045561c26",
	"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
	"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
	"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
	"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
}

func TestEIP55(t *testing.T) {
	for _, text := range eip55 {
		a, err := ParseAddress(text)
		if err != nil || a.String() != text {
			t.Errorf("%s: got %s %v", text, a, err)
		}
		if got := a.Lower(); got != strings.ToLower(text) {
			t.Errorf("%s: lower is %s", text, got)
		}
		for _, one := range []string{strings.ToLower(text), "0x" + strings.ToUpper(text[2:])} {
			if b, err := ParseAddress(one); err != nil || b != a {
				t.Errorf("%s in one case: got %s %v", text, b, err)
			}
		}
	}
}

// One letter in the wrong case is noticed, whichever it is.
func TestWrongChecksumIsRefused(t *testing.T) {
	const text = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
	for i := 2; i < len(text); i++ {
		flipped := byte(text[i]) ^ 0x20
		if text[i] < 'A' {
			continue // a digit has no case
		}
		bad := text[:i] + string(flipped) + text[i+1:]
		if a, err := ParseAddress(bad); !errors.Is(err, ErrChecksum) || !a.IsZero() {
			t.Errorf("%s: got %s %v, want ErrChecksum", bad, a, err)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	const good = "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
	for _, text := range []string{
		"", "0x", good, "0X" + good, "0x" + good[1:], "0x" + good + "0", "0x" + good[:39] + "g",
		" 0x" + good, "0x" + good + " ", "0x" + good[:39] + "\x00", "0x" + strings.Repeat("é", 20), "0x0x" + good[2:],
	} {
		if a, err := ParseAddress(text); !errors.Is(err, ErrAddress) || !a.IsZero() {
			t.Errorf("%q: got %s %v, want ErrAddress", text, a, err)
		}
	}
}

func TestAddressRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "address"))
		for _, text := range []string{a.String(), a.Lower()} {
			if b, err := ParseAddress(text); err != nil || a != b {
				t.Fatalf("%s is read as %s (%v)", text, b, err)
			}
		}
	})
}

// ERC-7828's and ERC-7930's own examples on eip155 chains, and one of the
// Request Network's documentation that is right.
var interop = []struct {
	wallet   string
	chain    ChainID
	checksum string
}{
	{"0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", 1, "4CA88C9C"},
	{"0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", 8453, "17DE0709"},
	{"0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", 42161, "D2E02854"},
	{"0xFe89cc7aBB2C4183683ab71653C4cdc9B02D44b7", 1, "80B12379"},
	{"0x742d35Cc6634C0532925a3b844Bc454e4438f44e", 8453, "B4FD67BB"},
	// What the documentation should say where it borrowed a checksum from elsewhere.
	{"0x6923831ACf5c327260D7ac7C9DfF5b1c3cB3C7D7", 11155111, "E636C26B"},
	{"0x742d35Cc6634C0532925a3b844Bc454e4438f44e", 1, "F175680C"},
}

const usdcBase = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"

func parse(t testing.TB, text string) Address {
	t.Helper()
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return a
}

func TestInteropVectors(t *testing.T) {
	for _, v := range interop {
		wallet := parse(t, v.wallet)
		if got := InteropChecksum(v.chain, wallet); got != v.checksum {
			t.Errorf("%s on %d: got %s, want %s", v.wallet, v.chain, got, v.checksum)
		}
		d := Destination{Wallet: wallet, Chain: v.chain, Token: parse(t, usdcBase)}
		got, err := ParseDestination(d.String())
		if err != nil || got != d || !strings.HasSuffix(d.Interop(), "#"+v.checksum) {
			t.Errorf("%s: got %+v %v", d, got, err)
		}
	}
	// The registry's vectors without an address or a chain cannot be destinations.
	for _, text := range []string{"@eip155:1#F54D4FBF", "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045@eip155#B26DB7CB",
		"MJKqp326RZCHnAAbew9MDdui3iCKWco7fsK9sVuZTX2@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d#88835C11"} {
		if d, err := ParseDestination(text + ":" + usdcBase); err == nil {
			t.Errorf("%s: got %+v", text, d)
		}
	}
}

func TestParseDestination(t *testing.T) {
	const wallet = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"
	want := Destination{Wallet: parse(t, wallet), Chain: 8453, Token: parse(t, usdcBase)}
	for _, text := range []string{
		wallet + "@eip155:8453#17DE0709:" + usdcBase,
		wallet + "@eip155:8453#17de0709:" + usdcBase,
		wallet + "@eip155:8453:" + usdcBase,
		strings.ToLower(wallet) + "@eip155:8453#17DE0709:" + strings.ToLower(usdcBase),
	} {
		if got, err := ParseDestination(text); err != nil || got != want {
			t.Errorf("%s: got %+v %v", text, got, err)
		}
	}

	// A checksum of another address is told, with the right one, beside the result.
	got, err := ParseDestination(wallet + "@eip155:8453#4CA88C9C:" + usdcBase)
	sum, ok := errors.AsType[*ChecksumError](err)
	if !ok || sum.Got != "4CA88C9C" || sum.Want != "17DE0709" || got != want {
		t.Errorf("wrong checksum: got %+v %v", got, err)
	}

	for _, text := range []string{
		"", "@", "@eip155:", wallet, wallet + "@eip155:8453", wallet + "@eip155:8453#17DE0709",
		wallet + "@eip155:8453#17DE0709:", wallet + "@eip155:8453#17DE070:" + usdcBase, wallet + "@eip155:8453#:" + usdcBase,
		wallet + "@eip155:8453#17DE07090:" + usdcBase, wallet + "@eip155:08453:" + usdcBase, wallet + "@eip155:0:" + usdcBase,
		wallet + "@eip155:-1:" + usdcBase, wallet + "@eip155:+1:" + usdcBase, wallet + "@eip155:0x1:" + usdcBase, wallet + "@eip155:1_0:" + usdcBase,
		wallet + "@eip155:18446744073709551616:" + usdcBase, wallet + "@EIP155:8453:" + usdcBase, wallet + "@eip155:8453:" + usdcBase + ":" + usdcBase,
		wallet[2:] + "@eip155:8453:" + usdcBase, wallet + "@eip155:8453:" + usdcBase[2:], wallet + "@eip155:8453:" + usdcBase + strings.Repeat(" ", 200),
		strings.Replace(wallet, "d8dA", "D8dA", 1) + "@eip155:8453:" + usdcBase,
	} {
		if d, err := ParseDestination(text); err == nil || d != (Destination{}) {
			t.Errorf("%q: got %+v %v, want nothing and an error", text, d, err)
		}
	}
}

func TestDestinationRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Destination{
			Wallet: Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "wallet")),
			Chain:  ChainID(rapid.Uint64Range(1, 1<<64-1).Draw(t, "chain")),
			Token:  Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "token")),
		}
		if got, err := ParseDestination(d.String()); err != nil || got != d {
			t.Fatalf("%s is read as %+v (%v)", d, got, err)
		}
	})
}

// FuzzParseAddress: what is accepted is one spelling of exactly that address.
func FuzzParseAddress(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			if !a.IsZero() {
				t.Fatalf("%q: %s beside %v", text, a, err)
			}
			return
		}
		if !strings.EqualFold(text, a.Lower()) {
			t.Fatalf("%q is read as %s", text, a)
		}
		digits := text[2:]
		if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && text != a.String() {
			t.Fatalf("%q is accepted with a wrong checksum", text)
		}
	})
}

// FuzzParseDestination: what is accepted means itself when written out again,
// and a wrong checksum is never passed over.
func FuzzParseDestination(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDestination(text)
		if sum, ok := errors.AsType[*ChecksumError](err); ok {
			if sum.Want != InteropChecksum(d.Chain, d.Wallet) || strings.EqualFold(sum.Got, sum.Want) {
				t.Fatalf("%q: %v for %+v", text, err, d)
			}
			return
		}
		if err != nil {
			if d != (Destination{}) {
				t.Fatalf("%q: %+v beside %v", text, d, err)
			}
			return
		}
		if again, err := ParseDestination(d.String()); err != nil || again != d {
			t.Fatalf("%q is read as %+v, then as %+v (%v)", text, d, again, err)
		}
		if !strings.EqualFold(text, d.String()) && !strings.EqualFold(text, strings.Replace(d.String(), "#"+InteropChecksum(d.Chain, d.Wallet), "", 1)) {
			t.Fatalf("%q is read as %s", text, d)
		}
	})
}

// The vector is the one of ERC-7930's own text: an Ethereum mainnet address.
func TestInteropBinary(t *testing.T) {
	a, err := ParseAddress("0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045")
	if err != nil {
		t.Fatal(err)
	}
	for chain, want := range map[ChainID]string{
		1: "0x00010000010114d8da6bf26964af9d7eed9e03e53415d37aa96045", Base: "0x0001000002210514d8da6bf26964af9d7eed9e03e53415d37aa96045",
	} {
		if got := InteropBinary(chain, a); got != want {
			t.Errorf("on chain %d: got %s, want %s", chain, got, want)
		}
	}
}
