package voucher

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
)

func TestConformance(t *testing.T) {
	book, err := asset.NewBook(asset.Sandbox())
	if err != nil {
		t.Fatal(err)
	}
	r, payee := New(book), asset.Address{19: 1}
	request := func(of asset.ID) payment.Request {
		return payment.Request{Asset: of, Due: big.NewInt(5_000_000), Payee: payee}
	}
	railtest.Run(t, railtest.Subject{
		Rail: r, Payer: rail.Payer{Wallet: asset.Address{19: 2}},
		Payable: map[string]*payment.Payment{"a token": railtest.Open(t, r, request("USDC-base"))},
		Foreign: map[string]*payment.Payment{
			"two": railtest.Open(t, r, request("USDC-base"), request("USDC-base")), "euros": railtest.Open(t, r, request(asset.EUR)),
		},
		Outside: func() int { return 0 },
		CarryOut: func(_ *testing.T, in rail.Instruction) []rail.Sighting {
			calls := in.(*rail.Calls)
			return []rail.Sighting{{
				Rail: ID, Handle: "1", Key: "voucher:1", Chain: calls.Chain, To: payee, Amount: calls.Funds.Assets[0].Needed, Contract: payee, At: railtest.Now,
				Evidence: payment.Evidence{Chain: calls.Chain, Tx: "0x1", BlockHash: "0x2"},
			}}
		},
	})
}
