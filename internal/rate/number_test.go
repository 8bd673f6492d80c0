package rate

import (
	"encoding/json"
	"math/big"
	"testing"

	"quittance/internal/money"
)

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]string{
		"3742.053539": "374205353900", "0.99999999999": "99999999", "1.2345e-05": "1234", "1.2345E+05": "12345000000000",
		"-1.5": "-150000000", "0": "0", "1e-60": "0", "100": "10000000000",
		"": "", ".5": "", "1.": "", "1e": "", "1e400": "", "1e-400": "", "abc": "", "0x10": "", "1_000": "", "--1": "", "+1": "", "1.2.3": "", "NaN": "", "Infinity": "",
	} {
		got, err := parseNumber(text, money.PriceDecimals)
		if want == "" {
			if err == nil {
				t.Errorf("%q is taken for %s", text, got)
			}
		} else if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzNumber: what is read of a JSON number is the number, rounded towards zero.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"3742.05", "1e-5", "-0.1", "123456789012345678901234567890.5", "1E5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseNumber(text, money.PriceDecimals)
		if err != nil || !json.Valid([]byte(text)) {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number and was read as %s", text, got)
		}
		want.Mul(want, new(big.Rat).SetInt64(1e8))
		whole := new(big.Int).Quo(want.Num(), want.Denom())
		if whole.Cmp(got) != 0 {
			t.Fatalf("%q: %s, want %s", text, got, whole)
		}
	})
}
