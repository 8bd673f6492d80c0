package request

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// A fee plan adds up, to the last unit: what the fees are, who bears them, what
// the payer pays and what the payee gets.
func TestFeePlansAddUp(t *testing.T) {
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialect{config: config{Checkout: checkout.New(checkout.Config{Book: book})}}
	ids := []asset.ID{"USDC-base", "USDT-base", "ETH-base"}
	rapid.Check(t, func(t *rapid.T) {
		share := money.BasisPoints(rapid.IntRange(0, 10_000).Draw(t, "basis points"))
		id := rapid.SampledFrom(ids).Draw(t, "asset")
		p := &payment.Payment{Terms: payment.Terms{Flow: rapid.SampledFrom([]payment.Flow{payment.GetPaid, payment.PayOut}).Draw(t, "flow")}}
		mixed := false
		gross, fees := new(big.Int), new(big.Int)
		for range rapid.IntRange(1, 30).Draw(t, "requests") {
			r := payment.Request{Asset: id, Due: new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "due"))}
			if rapid.IntRange(0, 20).Draw(t, "mix") == 0 {
				r.Asset = rapid.SampledFrom(ids).Draw(t, "other asset")
			}
			mixed = mixed || (len(p.Terms.Requests) > 0 && r.Asset != p.Terms.Requests[0].Asset)
			if share > 0 {
				r.Fee = &payment.Fee{Share: share.String(), Amount: share.Of(r.Due), Payee: asset.Address{1}}
				fees.Add(fees, r.Fee.Amount)
			}
			gross.Add(gross, r.Due)
			p.Terms.Requests = append(p.Terms.Requests, r)
		}
		plan := d.feePlan(p)
		if mixed || share == 0 || p.Terms.Requests[0].Asset == "ETH-base" {
			if plan != nil {
				t.Fatalf("a plan of what has none: %+v", plan)
			}
			return
		}
		if plan == nil {
			t.Fatal("no plan")
		}
		units := func(name, text string) *big.Int {
			v, err := money.Parse(text, 6)
			if err != nil {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
			return v
		}
		total, payeeBears, payerBears := units("total", plan.TotalFeesUSD), units("payee", plan.PayeeBorneFeesUSD), units("payer", plan.PayerBorneFeesUSD)
		sum := new(big.Int)
		for _, f := range plan.Fees {
			sum.Add(sum, units("fee", f.CalculatedAmountUSD))
			if f.PercentageBps != int(share) {
				t.Fatalf("%d basis points, want %d", f.PercentageBps, share)
			}
		}
		for name, pair := range map[string][2]*big.Int{
			"gross":                   {units("gross", plan.GrossAmountUSD), gross},
			"fees":                    {total, fees},
			"single fees":             {sum, fees},
			"who bears":               {new(big.Int).Add(payeeBears, payerBears), total},
			"the payer's total":       {units("payer total", plan.PayerTotalAmountUSD), new(big.Int).Add(gross, payerBears)},
			"what the recipient gets": {units("net", plan.NetRecipientAmountUSD), new(big.Int).Sub(gross, payeeBears)},
		} {
			if pair[0].Cmp(pair[1]) != 0 {
				t.Fatalf("%s: got %s, want %s", name, pair[0], pair[1])
			}
		}
		if plan.Flow != string(p.Terms.Flow) || plan.Version != 1 {
			t.Fatalf("got %+v", plan)
		}
	})
}
