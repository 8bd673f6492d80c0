package secpaid

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"quittance/internal/fault"
	"quittance/internal/money"
)

// maxCents is the most that a link can be for: a million euros.
const maxCents = 100_000_000

// The faults of amounts; the first two are documented.
var (
	errNoAmount  = fault.Field("amount", "missing_amount", "Please enter amount")
	errAmount    = fault.Field("amount", "amount_not_positive", "Amount should not be zero or negative number")
	errNotAmount = fault.Field("amount", "invalid_amount", "Invalid amount")
	errDecimals  = fault.Field("amount", "amount_decimals", "Amount should have at most 2 decimals")
	errTooMuch   = fault.Field("amount", "amount_too_large", "Amount should not be more than 1000000.00")
)

// amount reads the field "amount": euros, as a number or a text that is one.
//
// Faults: Invalid.
func (in input) amount() (cents int64, err error) {
	v := in["amount"]
	s := strings.TrimSpace(v.text)
	if v.kind == absent || s == "" {
		return 0, errNoAmount
	}
	if v.kind != number && v.kind != text {
		return 0, errNotAmount
	}
	euros, ok := decimal(s)
	switch {
	case !ok:
		return 0, errNotAmount
	case euros.Sign() <= 0:
		return 0, errAmount
	case euros.Cmp(big.NewRat(maxCents, 100)) > 0:
		return 0, errTooMuch
	}
	c := euros.Mul(euros, big.NewRat(100, 1))
	if !c.IsInt() {
		return 0, errDecimals
	}
	return c.Num().Int64(), nil
}

// decimal reads a number as JSON writes them, exactly. What is longer than any amount is
// none.
func decimal(s string) (*big.Rat, bool) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	if len(mantissa) > 24 || len(exponent) > 3 || scientific && exponent == "" || whole == "" || dotted && fraction == "" ||
		strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, false
	}
	if scientific {
		if _, err := strconv.Atoi(exponent); err != nil {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// plainEuros writes cents as the shortest number, "25", "49.9": what JavaScript and PHP make
// of the amount.
func plainEuros(cents int64) string { return money.Format(big.NewInt(cents), 2) }

// twoDecimals writes cents as the lists have them, "25.00", "-3.50".
func twoDecimals(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}
