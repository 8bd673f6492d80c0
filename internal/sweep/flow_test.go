package sweep_test

import (
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/hdkey"
	"quittance/internal/sweep"
	"quittance/internal/sweep/keyfile"
)

var (
	treasury = asset.Address{0: 0x7e, 19: 0x01}
	gwei     = big.NewInt(1e9)
	madeAt   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func base(t interface{ Fatal(...any) }) (asset.Chain, asset.Token, asset.Token) {
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	chain, _ := book.Chain(asset.Base)
	usdc, _ := book.Token("USDC-base")
	usdt, _ := book.Token("USDT-base")
	return chain, usdc, usdt
}

func branch(t interface{ Fatal(...any) }) hdkey.Branch {
	b, err := hdkey.OpenBranch(testBranch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func address(t interface{ Fatal(...any) }, index uint32) asset.Address {
	a, err := branch(t).Address(index)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func terms(t interface{ Fatal(...any) }, funder *sweep.Funder) sweep.Terms {
	chain, _, _ := base(t)
	return sweep.Terms{Chain: chain, To: treasury, Path: branch(t).Path, Branch: "branch", Funder: funder, MaxFee: gwei, Tip: big.NewInt(1), Reserve: big.NewInt(1e12), MadeAt: madeAt}
}

// weak is for tests only: it costs nothing to try a passphrase.
var weak = keyfile.Strength{N: 2, P: 1}

func wei(v int64) *big.Int { return big.NewInt(v) }

// From what sits there to what may be sent: planned by the server, signed by the holder
// of the key, and matched.
func TestSweep(t *testing.T) {
	_, usdc, usdt := base(t)
	funder := &sweep.Funder{Address: asset.Address{0: 0xf0, 19: 1}, Nonce: 4}
	p, err := sweep.Make([]sweep.Holding{
		{Index: 7, Address: address(t, 7), Native: wei(0), Tokens: []sweep.TokenHolding{{usdc, wei(5_000_000)}, {usdt, wei(3)}}},
		{Index: 2, Address: address(t, 2), Nonce: 3, Native: wei(1e18), Tokens: []sweep.TokenHolding{{usdc, wei(1_000_000)}, {usdt, wei(0)}}},
		{Index: 3, Address: address(t, 3), Native: wei(1000)},
		{Index: 4, Address: address(t, 4), Native: wei(0)},
	}, terms(t, funder))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range p.Transfers {
		got = append(got, string(x.Kind)+" "+x.Path+" "+x.Amount.String()+" "+string(x.Asset))
	}
	// 100,000 gas at a gwei and the reserve for each of two tokens.
	const gas = 2 * (100_000*1e9 + 1e12)
	want := []string{
		"fund  202000000000000 ETH-base",
		"token m/44'/60'/0'/0/2 1000000 USDC-base", "token m/44'/60'/0'/0/7 5000000 USDC-base", "token m/44'/60'/0'/0/7 3 USDT-base",
		"native m/44'/60'/0'/0/2 999877000000000000 ETH-base",
	}
	if !slices.Equal(got, want) || p.Transfers[0].Amount.Int64() != gas {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(p.Skipped) != 1 || p.Skipped[0].Why != "dust" || p.Skipped[0].Address != address(t, 3) {
		t.Errorf("skipped %+v", p.Skipped)
	}
	if totals := p.Totals(); totals["USDC-base"].Int64() != 6_000_000 || totals["USDT-base"].Int64() != 3 || len(totals) != 3 {
		t.Errorf("totals %v", totals)
	}

	file, err := sweep.Write(p)
	if err != nil {
		t.Fatal(err)
	}
	over, err := sweep.Read(file) // on the other machine
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	sealed, err := keyfile.Seal(testAccount, "a passphrase", weak)
	if err != nil {
		t.Fatal(err)
	}
	account, err := keyfile.Open(sealed, "a passphrase")
	if err != nil {
		t.Fatal(err)
	}
	signed, others, err := account.Sign(over, treasury)
	if err != nil || len(signed) != 4 || others != 1 {
		t.Fatalf("%d signed, %d of others, %v", len(signed), others, err)
	}
	back, err := sweep.ReadSigned("# from the other machine\n\n" + sweep.WriteSigned(signed))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(back)
	ready, missing, err := p.Match(back)
	if err != nil || len(ready) != 4 || missing != 1 {
		t.Fatalf("%d ready, %d missing, %v", len(ready), missing, err)
	}
	for i, r := range ready {
		if r.Kind != p.Transfers[i+1].Kind || r.Nonce != p.Transfers[i+1].Nonce || len(r.Hash) != 66 || len(r.Raw) == 0 {
			t.Errorf("ready %d: %+v", i, r)
		}
	}
}

// Without a funder, tokens wait where there is no gas.
func TestNobodyToPayForGas(t *testing.T) {
	_, usdc, usdt := base(t)
	p, err := sweep.Make([]sweep.Holding{
		{Index: 1, Address: address(t, 1), Native: wei(0), Tokens: []sweep.TokenHolding{{usdc, wei(5)}}},
		{Index: 2, Address: address(t, 2), Native: wei(150_000 * 1e9), Tokens: []sweep.TokenHolding{{usdc, wei(6)}, {usdt, wei(7)}}},
	}, terms(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Transfers) != 2 || p.Transfers[0].Amount.Int64() != 6 || p.Transfers[1].Kind != sweep.Native {
		t.Errorf("planned %+v", p.Transfers)
	}
	if len(p.Skipped) != 2 || p.Skipped[0].Why != "no_gas" || p.Skipped[1].Amount.Int64() != 7 {
		t.Errorf("skipped %+v", p.Skipped)
	}
}

// Who asks for no less than so much gets no less.
func TestSmallAmountsStay(t *testing.T) {
	_, usdc, usdt := base(t)
	terms := terms(t, nil)
	terms.Min = map[asset.ID]*big.Int{usdc.ID: wei(6), "ETH-base": wei(2e18)}
	p, err := sweep.Make([]sweep.Holding{
		{Index: 1, Address: address(t, 1), Native: wei(1e18), Tokens: []sweep.TokenHolding{{usdc, wei(5)}, {usdt, wei(1)}}},
		{Index: 2, Address: address(t, 2), Native: wei(3e18), Tokens: []sweep.TokenHolding{{usdc, wei(6)}}},
	}, terms)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range p.Transfers {
		got = append(got, string(x.Kind)+" "+x.Path[len(x.Path)-1:]+" "+string(x.Asset))
	}
	for _, x := range p.Skipped {
		got = append(got, x.Why+" "+string(x.Asset))
	}
	if want := []string{"token 1 USDT-base", "token 2 USDC-base", "native 2 ETH-base", "small USDC-base", "small ETH-base"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Whatever sits where, every transaction of a plan can be paid for with what its sender
// has at that point, and nothing is planned twice.
func TestPlansCanBePaid(t *testing.T) {
	_, usdc, usdt := base(t)
	rapid.Check(t, func(rt *rapid.T) {
		var hs []sweep.Holding
		have := map[asset.Address]*big.Int{}
		for i := range uint32(rapid.IntRange(0, 6).Draw(rt, "addresses")) {
			h := sweep.Holding{Index: i, Address: address(rt, i), Nonce: rapid.Uint64Range(0, 9).Draw(rt, "nonce"), Native: wei(rapid.Int64Range(0, 4e14).Draw(rt, "native"))}
			for _, x := range []asset.Token{usdc, usdt} {
				h.Tokens = append(h.Tokens, sweep.TokenHolding{Token: x, Units: wei(rapid.Int64Range(0, 3).Draw(rt, "units"))})
			}
			have[h.Address] = new(big.Int).Set(h.Native)
			hs = append(hs, h)
		}
		var funder *sweep.Funder
		if rapid.Bool().Draw(rt, "funder") {
			funder = &sweep.Funder{Address: asset.Address{0: 0xf0, 19: 1}}
			have[funder.Address] = wei(1e18)
		}
		terms := terms(rt, funder)
		p, err := sweep.Make(hs, terms)
		if err != nil {
			rt.Fatal(err)
		}
		for i, x := range p.Transfers {
			left := have[x.From]
			left.Sub(left, x.Value)
			left.Sub(left, new(big.Int).Mul(wei(int64(x.Gas)), x.MaxFee))
			left.Sub(left, terms.Reserve)
			if left.Sign() < 0 {
				rt.Fatalf("transaction %d cannot be paid: %s is missing of %+v", i, left, x)
			}
			if x.Kind == sweep.Fund {
				have[x.Recipient].Add(have[x.Recipient], x.Value)
			}
		}
		file, err := sweep.Write(p)
		if err != nil {
			rt.Fatal(err)
		}
		if _, err := sweep.Read(file); err != nil {
			rt.Fatal(err)
		}
	})
}

func plan(t *testing.T) (sweep.Plan, []byte) {
	t.Helper()
	_, usdc, _ := base(t)
	p, err := sweep.Make([]sweep.Holding{
		{Index: 1, Address: address(t, 1), Native: wei(1e18), Tokens: []sweep.TokenHolding{{usdc, wei(5)}}},
		{Index: 2, Address: address(t, 2), Native: wei(0), Tokens: []sweep.TokenHolding{{usdc, wei(5)}}},
	}, terms(t, &sweep.Funder{Address: asset.Address{0: 0xf0, 19: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	file, err := sweep.Write(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, file
}

// A file that was changed on its way is not signed.
func TestChangedFiles(t *testing.T) {
	_, file := plan(t)
	thief := asset.Address{0: 0xee, 19: 0xee}
	for name, change := range map[string]func(string) string{
		"another receiver in a transaction": func(s string) string {
			return strings.Replace(s, `"to": "`+treasury.String(), `"to": "`+thief.String(), 2)
		},
		"another receiver of a token": func(s string) string {
			return strings.Replace(s, treasury.Lower()[2:], thief.Lower()[2:], 1)
		},
		"and in the bytes beside it": func(s string) string { return strings.ReplaceAll(s, treasury.Lower()[2:], thief.Lower()[2:]) },
		"another amount":             func(s string) string { return strings.Replace(s, `"amount": "5"`, `"amount": "50"`, 1) },
		"more gas":                   func(s string) string { return strings.Replace(s, `"gas": 100000`, `"gas": 100001`, 1) },
		"another price": func(s string) string {
			return strings.Replace(s, `"maxFeePerGas": "1000000000"`, `"maxFeePerGas": "9000000000"`, 1)
		},
		"another chain":     func(s string) string { return strings.Replace(s, `"chainId": 8453`, `"chainId": 1`, 1) },
		"another format":    func(s string) string { return strings.Replace(s, sweep.Format, "quittance-sweep-2", 1) },
		"an unknown member": func(s string) string { return strings.Replace(s, `{`, `{"also":1,`, 1) },
		"a member twice":    func(s string) string { return strings.Replace(s, `{`, `{"chainId":8453,`, 1) },
		"a kind of its own": func(s string) string { return strings.Replace(s, `"kind": "token"`, `"kind": "gift"`, 1) },
		"colours in the network": func(s string) string {
			return strings.Replace(s, `"network": "base"`, `"network": "\u001b[31mbase"`, 1)
		},
		"no plan":                  func(string) string { return "[]" },
		"a negative amount":        func(s string) string { return strings.Replace(s, `"amount": "5"`, `"amount": "-5"`, 1) },
		"gas money for a stranger": func(s string) string { return strings.Replace(s, `"kind": "native"`, `"kind": "fund"`, 1) },
	} {
		changed := change(string(file))
		if changed == string(file) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if p, err := sweep.Read([]byte(changed)); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
		if sweep.Fingerprint([]byte(changed)) == sweep.Fingerprint(file) {
			t.Errorf("%s: the same fingerprint", name)
		}
	}
}

// A whole plan that sends elsewhere is one that the signer refuses.
func TestAnotherReceiver(t *testing.T) {
	p, _ := plan(t)
	account := open(t)
	if signed, _, err := account.Sign(p, asset.Address{19: 9}); err == nil {
		t.Errorf("signed %d", len(signed))
	}
	p.Transfers[1].Path = "m/44'/60'/0'/0/9"
	if signed, _, err := account.Sign(p, treasury); err == nil {
		t.Errorf("signed %d for an address that is not its own", len(signed))
	}
	for _, path := range []string{"m/44'/60'/1'/0/1", "m/44'/60'/0'/1/1", "01", "-1", "4294967296", "1/1"} {
		p.Transfers[1].Path = path
		if signed, _, err := account.Sign(p, treasury); err == nil {
			t.Errorf("%s: signed %d", path, len(signed))
		}
	}
}

func open(t *testing.T) keyfile.Account {
	t.Helper()
	sealed, err := keyfile.Seal(testAccount, "p", weak)
	if err != nil {
		t.Fatal(err)
	}
	a, err := keyfile.Open(sealed, "p")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What comes back is the plan, or it is refused.
func TestForeignTransactions(t *testing.T) {
	p, _ := plan(t)
	account := open(t)
	signed, _, err := account.Sign(p, treasury)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := plan(t)
	other.Transfers[1].MaxFee = big.NewInt(2e9)
	changed, _, err := account.Sign(other, treasury)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signed [][]byte
		want   error
	}{
		"another price":  {changed, sweep.ErrForeign},
		"the same twice": {append(slices.Clone(signed), signed[0]), sweep.ErrTwice},
		"nonsense":       {[][]byte{{2, 1, 2, 3}}, sweep.ErrForeign},
		"cut short":      {[][]byte{signed[0][:40]}, sweep.ErrForeign},
	} {
		if ready, _, err := p.Match(c.signed); !errors.Is(err, c.want) {
			t.Errorf("%s: %d ready, %v", name, len(ready), err)
		}
	}
	for _, text := range []string{"f86c", "0x", "0xzz", "{}"} {
		if _, err := sweep.ReadSigned(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// The key's addresses are those that the public key has, and the file keeps its secret.
func TestKeyFiles(t *testing.T) {
	a := open(t)
	for _, i := range []uint32{0, 1, 99, 1 << 20} {
		if got, err := a.Address(i); err != nil || got != address(t, i) {
			t.Errorf("address %d is %s, %v; want %s", i, got, err, address(t, i))
		}
	}
	sealed, err := keyfile.Seal(testAccount, "right", weak)
	if err != nil || strings.Contains(string(sealed), testAccount[4:20]) {
		t.Errorf("%v\n%s", err, sealed)
	}
	if _, err := keyfile.Open(sealed, "wrong"); !errors.Is(err, keyfile.ErrPassphrase) {
		t.Error(err)
	}
	if _, err := keyfile.Open([]byte(`{"format":"other"}`), "right"); !errors.Is(err, keyfile.ErrFile) {
		t.Error(err)
	}
	for _, text := range []string{"", testBranch, testAccount[:len(testAccount)-1], strings.Replace(testAccount, "n", "m", 1),
		"xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"} {
		if _, err := keyfile.Seal(text, "p", weak); !errors.Is(err, keyfile.ErrKey) {
			t.Errorf("%.12s…: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	_, usdc, _ := base(f)
	p, err := sweep.Make([]sweep.Holding{{Index: 1, Address: address(f, 1), Native: wei(1e18), Tokens: []sweep.TokenHolding{{usdc, wei(5)}}}}, terms(f, nil))
	if err != nil {
		f.Fatal(err)
	}
	file, err := sweep.Write(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(`{"format":"quittance-sweep-1","madeAt":"2026-01-02T03:04:05Z","network":"base","chainId":1,"to":"0x0000000000000000000000000000000000000001","branch":"","transfers":[],"skipped":[]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := sweep.Read(file)
		if err != nil {
			return
		}
		for _, x := range p.Transfers {
			if x.Kind != sweep.Fund && x.Recipient != p.To {
				t.Fatalf("%+v does not go to %s", x, p.To)
			}
		}
		again, err := sweep.Write(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := sweep.Read(again); err != nil || len(q.Transfers) != len(p.Transfers) {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}
