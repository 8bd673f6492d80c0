package pay

import (
	"math/big"
	"testing"

	"quittance/internal/money"
	"quittance/internal/payment"
)

func TestPartsAddUp(t *testing.T) {
	inner := func(text string) *big.Int {
		x, err := money.Parse(text, money.FiatDecimals)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, row := range []struct{ received, due, came, missing string }{
		{"0", "25", "0.00", "25.00"},
		{"9.999999620056", "25", "10.00", "15.00"},
		{"10.000000000000000001", "25", "10.00", "15.00"},
		{"10.005", "25", "10.01", "14.99"},
		{"0.001", "25", "0.00", "25.00"},
		{"24.999999999999999999", "25", "24.99", "0.01"}, // who has not sent enough is never told so
		{"25", "25", "25.00", "0.00"},
		{"25.009999", "25", "25.00", "0.00"},
		{"37.425", "25", "37.42", "0.00"},
		{"1", "1000000", "1.00", "999,999.00"},
	} {
		if came, missing := parts(inner(row.received), inner(row.due)); came != row.came || missing != row.missing {
			t.Errorf("%s of %s: %s and %s, want %s and %s", row.received, row.due, came, missing, row.came, row.missing)
		}
	}
}

// Who has paid one share twice has not paid the other one, and is not told so.
func TestTooMuchForOneShareIsNotForAnother(t *testing.T) {
	pm := &payment.Payment{
		Terms:    payment.Terms{Requests: []payment.Request{{Asset: "EUR", Chain: 1, Due: money.Cents(6000)}, {Index: 1, Asset: "EUR", Chain: 1, Due: money.Cents(4000)}}},
		Standing: payment.Standing{Requests: make([]payment.RequestStanding, 2)},
	}
	for _, row := range []struct {
		first, second int64
		came, missing string
	}{
		{0, 0, "0.00", "100.00"}, {12000, 0, "60.00", "40.00"}, {7000, 3999, "99.99", "0.01"}, {6000, 4000, "100.00", "0.00"}, {7000, 4000, "110.00", "0.00"},
	} {
		for i, cents := range []int64{row.first, row.second} {
			pm.Standing.Requests[i] = payment.RequestStanding{Received: money.Cents(cents), Settled: money.Cents(cents), Late: new(big.Int)}
		}
		sum := tally(pm)
		if came, missing := sum.parts(); came != row.came || missing != row.missing || sum.missing().Sign() == 0 != (missing == "0.00") {
			t.Errorf("%d and %d cents: %s came and %s is missing", row.first, row.second, came, missing)
		}
	}
}
