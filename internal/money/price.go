package money

import (
	"fmt"
	"math/big"
	"time"
)

// PriceDecimals is how exact prices are: as Chainlink's dollar feeds and as the
// SpacePay API's rateUsdAsset.
const PriceDecimals = 8

// Price is what one whole unit of an asset costs.
type Price struct {
	Value  *big.Int  // in hundred-millionths of a dollar, positive
	At     time.Time // when its source saw it
	Source string    // "chainlink", "price-api"
}

// String writes the price with all its decimals, "3742.05353900".
func (p Price) String() string {
	text := fmt.Sprintf("%09d", p.Value)
	return text[:len(text)-PriceDecimals] + "." + text[len(text)-PriceDecimals:]
}

// FiatDecimals is how finely dollars are counted inside: a cent is 10^16. It is so fine
// that what rounding adds to a part of a payment is worth nothing to anybody.
const FiatDecimals = 18

// Cents makes an inner amount of dollars of cents.
func Cents(n int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(n), tenTo(FiatDecimals-2))
}

// WholeCents is an inner amount of dollars in cents, rounded down.
func WholeCents(dollars *big.Int) *big.Int {
	return new(big.Int).Quo(dollars, tenTo(FiatDecimals-2))
}

// CentsUp is an inner amount of a fiat currency in cents, rounded up: what a bank is asked
// for, which moves no less than cents.
func CentsUp(fiat *big.Int) *big.Int { return CeilQuo(fiat, Cents(1)) }

// UnitsFor is how many base units of an asset with so many decimals are worth an inner
// amount of dollars at a price, rounded up.
func UnitsFor(dollars *big.Int, decimals uint8, p Price) *big.Int {
	above := new(big.Int).Mul(dollars, tenTo(int64(decimals)+PriceDecimals))
	return CeilQuo(above, new(big.Int).Mul(p.Value, tenTo(FiatDecimals)))
}

// CeilQuo divides and rounds up; neither is negative, and b is not zero.
func CeilQuo(a, b *big.Int) *big.Int {
	q, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	if rest.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func tenTo(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }
