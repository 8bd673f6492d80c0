package money

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func big10(t testing.TB, text string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		t.Fatalf("%q is no integer", text)
	}
	return v
}

func TestParse(t *testing.T) {
	const most = "115792089237316195423570985008687907853269984665640564039457584007913129639935"
	tests := []struct {
		text     string
		decimals uint8
		want     string
		err      error
	}{
		{"10", 6, "10000000", nil},
		{"10.5", 6, "10500000", nil},
		{"10.50", 6, "10500000", nil},
		{"0.000001", 6, "1", nil},
		{"0", 6, "0", nil},
		{"0.0", 6, "0", nil},
		{"007", 2, "700", nil},
		{"1.0000000", 6, "1000000", nil}, // zeros past the decimals say nothing
		{"1.0000001", 6, "", ErrPrecision},
		{"0.5", 0, "", ErrPrecision},
		{"5.0", 0, "5", nil},
		{most, 0, most, nil},
		{"115792089237316195423570985008687907853269984665640564039457584007913129639936", 0, "", ErrTooLarge},
		{most, 18, "", ErrTooLarge},
		{"", 6, "", ErrSyntax},
		{".5", 6, "", ErrSyntax},
		{"5.", 6, "", ErrSyntax},
		{".", 6, "", ErrSyntax},
		{"-1", 6, "", ErrSyntax},
		{"+1", 6, "", ErrSyntax},
		{"1e3", 6, "", ErrSyntax},
		{"1,000", 6, "", ErrSyntax},
		{" 1", 6, "", ErrSyntax},
		{"1\n", 6, "", ErrSyntax},
		{"1.2.3", 6, "", ErrSyntax},
		{"0x10", 6, "", ErrSyntax},
		{"1_000", 6, "", ErrSyntax},
		{"١", 6, "", ErrSyntax}, // a digit, but not one of ours
		{"NaN", 6, "", ErrSyntax},
		{"Inf", 6, "", ErrSyntax},
		{strings.Repeat("0", 121), 6, "", ErrSyntax},
	}
	for _, tt := range tests {
		got, err := Parse(tt.text, tt.decimals)
		switch {
		case !errors.Is(err, tt.err):
			t.Errorf("Parse(%q, %d): got %v, want %v", tt.text, tt.decimals, err, tt.err)
		case tt.err == nil && got.String() != tt.want:
			t.Errorf("Parse(%q, %d): got %s, want %s", tt.text, tt.decimals, got, tt.want)
		case tt.err != nil && got != nil:
			t.Errorf("Parse(%q, %d): got %s beside an error", tt.text, tt.decimals, got)
		}
	}
}

func TestFormatAndDisplay(t *testing.T) {
	tests := []struct {
		units           string
		decimals        uint8
		format, display string
	}{
		{"0", 6, "0", "0.00"},
		{"1", 6, "0.000001", "0.000001"},
		{"10000000", 6, "10", "10.00"},
		{"10500000", 6, "10.5", "10.50"},
		{"1234567890000", 6, "1234567.89", "1,234,567.89"},
		{"999", 0, "999", "999"},
		{"1000", 0, "1000", "1,000"},
		{"15", 1, "1.5", "1.5"},
		{"20", 1, "2", "2.0"},
		{"-1500000", 6, "-1.5", "-1.50"},
		{"-1234000000", 6, "-1234", "-1,234.00"},
		{"-1", 18, "-0.000000000000000001", "-0.000000000000000001"},
	}
	for _, tt := range tests {
		units := big10(t, tt.units)
		if got := Format(units, tt.decimals); got != tt.format {
			t.Errorf("Format(%s, %d): got %s, want %s", tt.units, tt.decimals, got, tt.format)
		}
		if got := Display(units, tt.decimals); got != tt.display {
			t.Errorf("Display(%s, %d): got %s, want %s", tt.units, tt.decimals, got, tt.display)
		}
	}
}

// What is written is read back to the same units, and Display differs from
// Format in grouping and zeros only.
func TestFormatRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "units"))
		decimals := rapid.Uint8Range(0, 36).Draw(t, "decimals")
		text := Format(units, decimals)
		if got, err := Parse(text, decimals); err != nil || got.Cmp(units) != 0 {
			t.Fatalf("%s with %d decimals is written %s and read %v (%v)", units, decimals, text, got, err)
		}
		shown := strings.ReplaceAll(Display(units, decimals), ",", "")
		if got, err := Parse(shown, decimals); err != nil || got.Cmp(units) != 0 {
			t.Fatalf("%s with %d decimals is shown as %s and read %v (%v)", units, decimals, shown, got, err)
		}
		if strings.Contains(text, ".") && strings.HasSuffix(text, "0") {
			t.Fatalf("%s is not the shortest form", text)
		}
	})
}

func TestParsePercent(t *testing.T) {
	tests := []struct {
		text string
		want BasisPoints
		err  error
	}{
		{"0", 0, nil}, {"2.5", 250, nil}, {"0.01", 1, nil}, {"100", 10_000, nil}, {"100.00", 10_000, nil},
		{"100.01", 0, ErrTooLarge}, {"70000", 0, ErrTooLarge}, {"0.001", 0, ErrPrecision}, {"-1", 0, ErrSyntax}, {"2.5%", 0, ErrSyntax},
	}
	for _, tt := range tests {
		got, err := ParsePercent(tt.text)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParsePercent(%q): got %v %v, want %v %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

func TestShareRoundsDown(t *testing.T) {
	tests := []struct {
		share BasisPoints
		of    int64
		want  int64
	}{
		{250, 1000, 25}, {250, 1, 0}, {1, 9_999, 0}, {1, 10_000, 1}, {10_000, 7, 7}, {0, 1_000_000, 0}, {3_333, 100, 33},
	}
	for _, tt := range tests {
		if got := tt.share.Of(big.NewInt(tt.of)); got.Int64() != tt.want {
			t.Errorf("%s %% of %d: got %s, want %d", tt.share, tt.of, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		units := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "units"))
		share := BasisPoints(rapid.Uint16Range(0, 10_000).Draw(t, "share"))
		before := new(big.Int).Set(units)
		got := share.Of(units)
		// got <= units*share/10000 < got+1, without a division of its own.
		exact := new(big.Int).Mul(units, big.NewInt(int64(share)))
		low := new(big.Int).Mul(got, big.NewInt(10_000))
		high := new(big.Int).Add(low, big.NewInt(10_000))
		if low.Cmp(exact) > 0 || high.Cmp(exact) <= 0 {
			t.Fatalf("%s %% of %s is given as %s", share, units, got)
		}
		if units.Cmp(before) != 0 {
			t.Fatal("the argument was changed")
		}
		if again, err := ParsePercent(share.String()); err != nil || again != share {
			t.Fatalf("%d is written %s and read %d (%v)", share, share, again, err)
		}
	})
}

// FuzzParse: whatever is accepted is digits with at most one dot inside, fits
// 256 bits, and means the same when written out again.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string, decimals uint8) {
		v, err := Parse(text, decimals)
		if err != nil {
			if v != nil {
				t.Fatalf("%q: %v beside %v", text, v, err)
			}
			return
		}
		if v.Sign() < 0 || v.BitLen() > 256 {
			t.Fatalf("%q is read as %s", text, v)
		}
		if strings.Trim(text, "0123456789.") != "" || strings.Count(text, ".") > 1 || text[0] == '.' || text[len(text)-1] == '.' {
			t.Fatalf("%q is accepted", text)
		}
		if again, err := Parse(Format(v, decimals), decimals); err != nil && len(Format(v, decimals)) <= maxDigits || err == nil && again.Cmp(v) != 0 {
			t.Fatalf("%q with %d decimals is read as %s and then as %v (%v)", text, decimals, v, again, err)
		}
	})
}
