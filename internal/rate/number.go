package rate

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

var errNumber = errors.New("not a number that a price can be")

// parseNumber reads a JSON number, exponents and all, as an integer of so many decimals,
// rounded down. It is exact: nothing passes through a float.
func parseNumber(text string, decimals int) (*big.Int, error) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	shift := decimals
	if scientific {
		e, err := strconv.Atoi(exponent) // "+5" and "05" are numbers to JSON as well
		if err != nil || e < -60 || e > 60 {
			return nil, errNumber
		}
		shift += e
	}
	sign, mantissa := strings.HasPrefix(mantissa, "-"), strings.TrimPrefix(mantissa, "-")
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if whole == "" || dotted && fraction == "" || len(whole)+len(fraction) > 100 || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, errNumber
	}
	v, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return nil, errNumber
	}
	if shift -= len(fraction); shift >= 0 {
		v.Mul(v, power(shift))
	} else {
		v.Quo(v, power(-shift))
	}
	if sign {
		v.Neg(v)
	}
	return v, nil
}

// power is ten to the n.
func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
