package money_test

import (
	"math/big"
	"testing"

	"quittance/internal/money"
)

func TestWholeCents(t *testing.T) {
	for dollars, want := range map[string]string{"9999999999999999": "0", "10000000000000000": "1", "0": "0", "1000000000000000000": "100"} {
		v, _ := new(big.Int).SetString(dollars, 10)
		if got := money.WholeCents(v); got.String() != want {
			t.Errorf("%s: %s cents", dollars, got)
		}
	}
	if got := money.WholeCents(money.Cents(100)); got.String() != "100" {
		t.Errorf("a hundred cents are %s", got)
	}
}

func TestPriceText(t *testing.T) {
	for value, want := range map[int64]string{374205353900: "3742.05353900", 1: "0.00000001", 100000000: "1.00000000"} {
		if got := (money.Price{Value: big.NewInt(value)}).String(); got != want {
			t.Errorf("%d: %s", value, got)
		}
	}
}
