// Package money turns human decimal text into exact integer base units and
// back. It knows no assets: callers bring the number of decimals.
package money

import (
	"errors"
	"math/big"
	"strings"
)

// The reasons an amount is refused.
var (
	ErrSyntax    = errors.New("not a plain decimal number")
	ErrPrecision = errors.New("more decimal places than the asset has")
	ErrTooLarge  = errors.New("larger than a 256-bit unsigned integer")
)

// maxDigits bounds the text before any arithmetic: 2^256-1 has 78 digits.
const maxDigits = 120

// Parse reads a plain decimal ("10", "10.50"; no sign, exponent, grouping or
// blanks, and no dot without digits on both sides) as base units of an asset
// with the given number of decimals. Trailing zeros past that number are
// allowed, other digits there are ErrPrecision.
func Parse(text string, decimals uint8) (*big.Int, error) {
	if text == "" || len(text) > maxDigits {
		return nil, ErrSyntax
	}
	whole, frac, dotted := strings.Cut(text, ".")
	if whole == "" || (dotted && frac == "") || !digits(whole) || !digits(frac) {
		return nil, ErrSyntax
	}
	if len(frac) > int(decimals) {
		if strings.Trim(frac[decimals:], "0") != "" {
			return nil, ErrPrecision
		}
		frac = frac[:decimals]
	}
	frac += strings.Repeat("0", int(decimals)-len(frac))
	v, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok {
		return nil, ErrSyntax
	}
	if v.BitLen() > 256 {
		return nil, ErrTooLarge
	}
	return v, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Format writes base units as the shortest plain decimal: "10", "10.5", "0".
func Format(units *big.Int, decimals uint8) string {
	s := units.String()
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if n := int(decimals) + 1 - len(s); n > 0 {
		s = strings.Repeat("0", n) + s
	}
	whole, frac := s[:len(s)-int(decimals)], strings.TrimRight(s[len(s)-int(decimals):], "0")
	if frac == "" {
		return sign + whole
	}
	return sign + whole + "." + frac
}

// Display is Format with thousands separated by commas, and at least two
// decimals where the asset has them, for people to read: "1,234.50".
func Display(units *big.Int, decimals uint8) string {
	whole, frac, _ := strings.Cut(Format(units, decimals), ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	for len(frac) < 2 && len(frac) < int(decimals) {
		frac += "0"
	}
	if frac != "" {
		b.WriteByte('.')
		b.WriteString(frac)
	}
	return b.String()
}

// BasisPoints is a share in hundredths of a percent: 250 is 2.5 %.
type BasisPoints uint16

// ParsePercent reads a percentage of 0..100 with at most two decimals.
func ParsePercent(text string) (BasisPoints, error) {
	v, err := Parse(text, 2)
	if err != nil {
		return 0, err
	}
	if v.Cmp(big.NewInt(10_000)) > 0 {
		return 0, ErrTooLarge
	}
	return BasisPoints(v.Uint64()), nil
}

// Of returns the share of units, rounded down to a whole base unit.
func (b BasisPoints) Of(units *big.Int) *big.Int {
	v := new(big.Int).Mul(units, big.NewInt(int64(b)))
	return v.Quo(v, big.NewInt(10_000))
}

// String writes the share as a percentage: "2.5".
func (b BasisPoints) String() string {
	return Format(big.NewInt(int64(b)), 2)
}
