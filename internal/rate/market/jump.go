package market

import "math/big"

// jump changes a decimal text by so many percent.
func jump(dollars string, percent int) string {
	if percent == 0 {
		return dollars
	}
	v, ok := new(big.Rat).SetString(dollars)
	if !ok {
		return dollars
	}
	return v.Mul(v, big.NewRat(int64(100+percent), 100)).FloatString(12)
}
