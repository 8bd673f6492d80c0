package deposit_test

import (
	"math/big"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/rail/deposit"
)

func TestHoldings(t *testing.T) {
	r := newRig(t)
	var all []asset.Address
	for i := range byte(60) {
		_, a := account(t, i+1)
		all = append(all, a)
	}
	k, spender := account(t, 3)
	r.Send(all[0].String(), big.NewInt(7), nil)
	r.Transfer(r.USDC(), all[1].String(), big.NewInt(8))
	r.Send(spender.String(), big.NewInt(1e18), nil)
	r.Mine(1)
	r.spend(k, 0, r.Address(), big.NewInt(1))
	r.Mine(1)
	contract, tokens := address(t, r.Multicall3()), []asset.Address{address(t, r.USDC()), address(t, r.USDT())}

	requests := r.Requests()
	held, err := deposit.Holdings(t.Context(), r.client, contract, tokens, all)
	if err != nil || len(held) != 60 {
		t.Fatalf("%d, %v", len(held), err)
	}
	if n := r.Requests() - requests; n != 2 {
		t.Errorf("%d round trips", n)
	}
	for i, h := range held {
		if h.Address != all[i] || h.Untouched() != (i > 2) {
			t.Errorf("address %d: %+v is untouched: %t", i, h, h.Untouched())
		}
	}
	if held[0].Native.Int64() != 7 || held[1].Tokens[0].Int64() != 8 || held[1].Tokens[1].Sign() != 0 || held[2].Nonce != 1 {
		t.Errorf("%+v", held[:3])
	}
	// Of a token that does not answer nothing is known: such an address is not given out.
	odd, err := deposit.Holdings(t.Context(), r.client, contract, []asset.Address{contract}, all[5:6])
	if err != nil || odd[0].Tokens[0] != nil || odd[0].Untouched() {
		t.Errorf("%+v, %v", odd, err)
	}
	r.FailMethod("eth_call", -32000, "out of memory")
	if held, err := deposit.Holdings(t.Context(), r.client, contract, tokens, all[:1]); err == nil {
		t.Errorf("%+v", held)
	}
}
