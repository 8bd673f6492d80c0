package asset_test

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
)

func TestPaymentURI(t *testing.T) {
	to := asset.Address{0: 0xa3, 1: 0x5e, 19: 0x54}
	chains, tokens := asset.Real()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 255)
	for _, c := range []struct {
		id    asset.ID
		units *big.Int
		want  string
	}{
		{"ETH-base", big.NewInt(668082370801163), "ethereum:" + to.String() + "@8453?value=668082370801163"},
		{"USDC-base", big.NewInt(2500000), "ethereum:0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913@8453/transfer?address=" + to.String() + "&uint256=2500000"},
		{"USDT-bsc", huge, "ethereum:0x55d398326f99059fF775485246999027B3197955@56/transfer?address=" + to.String() + "&uint256=" + huge.String()},
	} {
		of, ok := book.Token(c.id)
		if !ok {
			t.Fatalf("no %s", c.id)
		}
		if got := asset.PaymentURI(of, to, c.units); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.id, got, c.want)
		}
	}
}
