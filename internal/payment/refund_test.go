package payment_test

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
)

func refunded(request int, of asset.ID, amount *big.Int, fields ...string) payment.Event {
	e := payment.Event{Kind: payment.EventRefunded, Request: request, Fields: map[string]string{
		payment.FieldAsset: string(of), payment.FieldAmount: amount.String(),
	}}
	for _, f := range fields {
		e.Fields[f] = "1"
	}
	return e
}

func TestGivenBack(t *testing.T) {
	p := shares(3000, 2000, 100)
	ask(t, p, dollar, 80000000, quoted)
	send(t, p, 0, usdc, big.NewInt(37_500_000), payment.Final, quoted)
	send(t, p, 1, usdc, big.NewInt(25_000_000), payment.Final, quoted)
	send(t, p, 1, usdc, big.NewInt(25_000_000), payment.Pending, quoted)
	half := big.NewInt(12_500_000)
	whole := []payment.Event{refunded(0, usdc, big.NewInt(37_500_000))}
	for name, c := range map[string]struct {
		events []payment.Event
		want   bool
	}{
		"nothing":                       {nil, false},
		"one share":                     {whole, false},
		"half of the other":             {append(whole[:1:1], refunded(1, usdc, half)), false},
		"both halves":                   {append(whole[:1:1], refunded(1, usdc, half), refunded(1, usdc, half)), true},
		"by a bank":                     {append(whole[:1:1], refunded(1, asset.EUR, money.Cents(2000))), true},
		"less than a cent short":        {append(whole[:1:1], refunded(1, asset.EUR, new(big.Int).Sub(money.Cents(2000), big.NewInt(9e15)))), true},
		"a cent short":                  {append(whole[:1:1], refunded(1, asset.EUR, money.Cents(1999))), false},
		"the merchant says so":          {append(whole[:1:1], refunded(1, usdc, big.NewInt(1), payment.FieldFull)), true},
		"said of the other share only":  {[]payment.Event{refunded(1, usdc, big.NewInt(1), payment.FieldFull)}, false},
		"coins that never came":         {append(whole[:1:1], refunded(1, eth, big.NewInt(1e18))), false},
		"a bridge's":                    {append(whole[:1:1], refunded(1, usdc, big.NewInt(25_000_000), payment.FieldReason)), false},
		"what is no refund":             {append(whole[:1:1], payment.Event{Kind: payment.EventPaid, Request: 1, Fields: refunded(1, usdc, big.NewInt(25_000_000)).Fields}), false},
		"a request that is not there":   {append(whole[:1:1], refunded(7, usdc, big.NewInt(25_000_000))), false},
		"an amount that cannot be read": {append(whole[:1:1], payment.Event{Kind: payment.EventRefunded, Request: 1}), false},
	} {
		if got := p.GivenBack(c.events); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if shares(100).GivenBack(whole) {
		t.Error("all of nothing was given back")
	}
}
