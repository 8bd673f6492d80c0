package contracts_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/sandbox/contracts"
)

func units(n int64) *big.Int { return big.NewInt(n) }

func payERC20(w *world, token, to string, amount, fee *big.Int, feeAddr string) effect {
	return w.run(w.erc20, nil, contracts.Call(contracts.ERC20FeeProxy, "transferFromWithReferenceAndFee",
		common.HexToAddress(token), common.HexToAddress(to), amount, reference, fee, common.HexToAddress(feeAddr)))
}

// both runs a scenario with each of the two tokens.
func both(t *testing.T, name string, wantStatus uint64, scenario func(w *world, token string) effect) {
	t.Helper()
	t.Run(name+"/USDC", func(t *testing.T) {
		compare(t, wantStatus, func(w *world) effect { return scenario(w, w.USDC()) })
	})
	t.Run(name+"/USDT", func(t *testing.T) {
		compare(t, wantStatus, func(w *world) effect { return scenario(w, w.USDT()) })
	})
}

func TestERC20FeeProxyIsEquivalent(t *testing.T) {
	allowed := func(w *world, token string, amount *big.Int) {
		w.Approve(token, w.erc20, amount)
		w.Mine(1)
	}
	both(t, "with a fee", 1, func(w *world, token string) effect {
		allowed(w, token, units(107))
		return payERC20(w, token, payee, units(100), units(7), feeTo)
	})
	both(t, "without a fee", 1, func(w *world, token string) effect {
		allowed(w, token, units(100))
		return payERC20(w, token, payee, units(100), units(0), feeTo)
	})
	both(t, "a fee to nobody is not charged", 1, func(w *world, token string) effect {
		allowed(w, token, units(107))
		return payERC20(w, token, payee, units(100), units(7), "")
	})
	both(t, "fee and amount to the same account", 1, func(w *world, token string) effect {
		allowed(w, token, units(107))
		return payERC20(w, token, payee, units(100), units(7), payee)
	})
	both(t, "an unlimited allowance", 1, func(w *world, token string) effect {
		allowed(w, token, contracts.MaxUint256())
		return payERC20(w, token, payee, units(100), units(7), feeTo)
	})
	both(t, "no allowance", 0, func(w *world, token string) effect {
		return payERC20(w, token, payee, units(100), units(7), feeTo)
	})
	both(t, "allowance for the amount but not the fee", 0, func(w *world, token string) effect {
		allowed(w, token, units(106))
		return payERC20(w, token, payee, units(100), units(7), feeTo)
	})
	both(t, "no balance", 0, func(w *world, token string) effect {
		allowed(w, token, contracts.MaxUint256())
		return payERC20(w, token, payee, units(2e12), units(0), feeTo)
	})
	t.Run("USDC to nobody", func(t *testing.T) {
		compare(t, 0, func(w *world) effect {
			allowed(w, w.USDC(), units(1))
			return payERC20(w, w.USDC(), "", units(1), units(0), "")
		})
	})
	t.Run("USDT to nobody", func(t *testing.T) {
		compare(t, 1, func(w *world) effect {
			allowed(w, w.USDT(), units(1))
			return payERC20(w, w.USDT(), "", units(1), units(0), "")
		})
	})
	t.Run("a token that answers false", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return payERC20(w, w.falseToken, payee, units(1), units(0), "") })
	})
	t.Run("a token that answers too much", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return payERC20(w, w.longTk, payee, units(1), units(0), "") })
	})
	t.Run("a token that refuses without a word", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return payERC20(w, w.refuser, payee, units(1), units(0), "") })
	})
	t.Run("a token without code", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return payERC20(w, empty, payee, units(1), units(0), "") })
	})
	t.Run("coins sent with the call", func(t *testing.T) {
		compare(t, 0, func(w *world) effect {
			return w.run(w.erc20, units(1), contracts.Call(contracts.ERC20FeeProxy, "transferFromWithReferenceAndFee",
				common.HexToAddress(w.USDC()), common.HexToAddress(payee), units(0), reference, units(0), common.Address{}))
		})
	})
	t.Run("coins sent alone", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return w.run(w.erc20, units(1), nil) })
	})
	t.Run("an unknown selector", func(t *testing.T) {
		compare(t, 0, func(w *world) effect { return w.run(w.erc20, nil, []byte{0xde, 0xad, 0xbe, 0xef}) })
	})
}

func TestEthereumFeeProxyIsEquivalent(t *testing.T) {
	// amount nil calls transferWithReferenceAndFee, which has no amount.
	pay := func(w *world, value int64, to string, amount *big.Int, fee int64, feeAddr string) effect {
		method, args := "transferWithReferenceAndFee", []any{common.HexToAddress(to)}
		if amount != nil {
			method, args = "transferExactEthWithReferenceAndFee", append(args, amount)
		}
		args = append(args, reference, units(fee), common.HexToAddress(feeAddr))
		return w.run(w.eth, units(value), contracts.Call(contracts.EthereumFeeProxy, method, args...))
	}
	tests := []struct {
		name   string
		status uint64
		run    func(w *world) effect
	}{
		{"with a fee", 1, func(w *world) effect { return pay(w, 110, payee, nil, 10, feeTo) }},
		{"without a fee", 1, func(w *world) effect { return pay(w, 100, payee, nil, 0, "") }},
		{"a fee to nobody is burnt", 1, func(w *world) effect { return pay(w, 110, payee, nil, 10, "") }},
		{"surplus value goes to the payee", 1, func(w *world) effect { return pay(w, 500, payee, nil, 10, feeTo) }},
		{"all of it is fee", 1, func(w *world) effect { return pay(w, 10, payee, nil, 10, feeTo) }},
		{"less than the fee", 0, func(w *world) effect { return pay(w, 9, payee, nil, 10, feeTo) }},
		{"exact value", 1, func(w *world) effect { return pay(w, 110, payee, units(100), 10, feeTo) }},
		{"surplus value comes back", 1, func(w *world) effect { return pay(w, 500, payee, units(100), 10, feeTo) }},
		{"one short of the exact value", 0, func(w *world) effect { return pay(w, 109, payee, units(100), 10, feeTo) }},
		{"short of the amount", 0, func(w *world) effect { return pay(w, 99, payee, units(100), 0, feeTo) }},
		{"a payee that refuses", 0, func(w *world) effect { return pay(w, 110, w.refuser, nil, 10, feeTo) }},
		{"a fee receiver that refuses", 0, func(w *world) effect { return pay(w, 110, payee, nil, 10, w.refuser) }},
		{"a fee receiver that refuses nothing", 0, func(w *world) effect { return pay(w, 100, payee, nil, 0, w.refuser) }},
		{"a payee that needs gas", 1, func(w *world) effect { return pay(w, 110, w.spender, nil, 10, feeTo) }},
		{"a fee receiver that needs gas", 0, func(w *world) effect { return pay(w, 110, payee, nil, 10, w.spender) }},
		{"a zero fee's receiver that needs gas", 0, func(w *world) effect { return pay(w, 100, payee, nil, 0, w.spender) }},
		{"a payee that calls back", 0, func(w *world) effect { return pay(w, 100, w.reentrant, nil, 0, feeTo) }},
		{"coins sent alone", 0, func(w *world) effect { return w.run(w.eth, units(1), nil) }},
		{"the second payment", 1, func(w *world) effect {
			pay(w, 110, payee, nil, 10, feeTo)
			return pay(w, 110, payee, nil, 10, feeTo)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.status, tt.run) })
	}
}

// The structs that abi packs for batchPayments.
type requestDetail struct {
	Recipient        common.Address
	RequestAmount    *big.Int
	Path             []common.Address
	PaymentReference []byte
	FeeAmount        *big.Int
	MaxToSpend       *big.Int
	MaxRateTimespan  *big.Int
}

type metaDetail struct {
	PaymentNetworkId *big.Int // abi derives the name from the ABI
	RequestDetails   []requestDetail
}

func owed(token, to string, amount, fee int64, ref byte) requestDetail {
	path := []common.Address{}
	if token != "" {
		path = []common.Address{common.HexToAddress(token)}
	}
	return requestDetail{
		Recipient: common.HexToAddress(to), RequestAmount: units(amount), Path: path,
		PaymentReference: []byte{ref, 2, 3, 4, 5, 6, 7, 8}, FeeAmount: units(fee), MaxToSpend: units(0), MaxRateTimespan: units(0),
	}
}

// native requests carry a path too, which the contracts ignore.
func owedNative(to string, amount, fee int64, ref byte) requestDetail {
	return owed("", to, amount, fee, ref)
}

func meta(id int64, requests ...requestDetail) metaDetail {
	return metaDetail{PaymentNetworkId: units(id), RequestDetails: requests}
}

func batch(w *world, value int64, feeAddr string, metas ...metaDetail) effect {
	if metas == nil {
		metas = []metaDetail{}
	}
	return w.run(w.batch, units(value), contracts.Call(contracts.BatchPayments, "batchPayments",
		metas, [][]common.Address{}, common.HexToAddress(feeAddr)))
}

// charge sets the batch contract's own fee, in hundredths of a percent, and its limit in US dollars.
func charge(w *world, fee uint16, limit uint64) {
	w.t.Helper()
	w.Send(w.batch, nil, contracts.Call(contracts.BatchPayments, "setBatchFee", fee))
	last := w.Send(w.batch, nil, contracts.Call(contracts.BatchPayments, "setBatchFeeAmountUSDLimit", limit))
	w.Mine(1)
	if r := w.Receipt(last); r.Status != 1 {
		w.t.Fatalf("setting the batch fee failed")
	}
}

func TestBatchPaymentsIsEquivalent(t *testing.T) {
	allow := func(w *world, usdc, usdt int64) {
		w.Approve(w.USDC(), w.batch, units(usdc))
		w.Approve(w.USDT(), w.batch, units(usdt))
		w.Mine(1)
	}
	tests := []struct {
		name   string
		status uint64
		run    func(w *world) effect
	}{
		{"two USDC and a native payment", 1, func(w *world) effect {
			allow(w, 317, 0)
			return batch(w, 55, feeTo, meta(2, owed(w.USDC(), payee, 100, 7, 1), owed(w.USDC(), third, 200, 10, 2)), meta(3, owedNative(payee, 50, 5, 3)))
		}},
		{"two tokens", 1, func(w *world) effect {
			allow(w, 107, 200)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 100, 7, 1), owed(w.USDT(), third, 200, 0, 2)))
		}},
		{"tokens in turn", 1, func(w *world) effect {
			allow(w, 30, 60)
			return batch(w, 0, feeTo, meta(2, owed(w.USDT(), payee, 20, 0, 1), owed(w.USDC(), payee, 30, 0, 2), owed(w.USDT(), third, 40, 0, 3)))
		}},
		{"a second batch finds the proxy's allowance in place", 1, func(w *world) effect {
			allow(w, 200, 200)
			pay := meta(2, owed(w.USDC(), payee, 50, 0, 1), owed(w.USDT(), payee, 50, 0, 2))
			batch(w, 0, feeTo, pay)
			return batch(w, 0, feeTo, pay)
		}},
		{"surplus value comes back", 1, func(w *world) effect {
			return batch(w, 1000, feeTo, meta(3, owedNative(payee, 50, 5, 1), owedNative(third, 60, 0, 2)))
		}},
		{"a batch fee within the limit", 1, func(w *world) effect {
			charge(w, 100, 150e8)
			allow(w, 300_000, 0)
			return batch(w, 101_100, feeTo, meta(2, owed(w.USDC(), payee, 100_000, 700, 1)), meta(3, owedNative(payee, 100_000, 100, 2)))
		}},
		{"no limit, no fee on tokens", 1, func(w *world) effect {
			charge(w, 100, 0)
			allow(w, 300_000, 0)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 100_000, 700, 1)))
		}},
		{"no limit, a fee on coins all the same", 1, func(w *world) effect {
			charge(w, 100, 0)
			return batch(w, 101_000, feeTo, meta(3, owedNative(payee, 100_000, 0, 1)))
		}},
		{"a request for nothing", 1, func(w *world) effect {
			allow(w, 100, 0)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 0, 0, 1), owed(w.USDC(), third, 100, 0, 2)))
		}},
		{"an allowance that leaves out the batch fee", 0, func(w *world) effect {
			charge(w, 100, 150e8)
			allow(w, 100_000, 0)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 100_000, 0, 1)))
		}},
		{"no fee address", 0, func(w *world) effect {
			allow(w, 100, 0)
			return batch(w, 0, "", meta(2, owed(w.USDC(), payee, 100, 0, 1)))
		}},
		{"too little allowance", 0, func(w *world) effect {
			allow(w, 106, 0)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 100, 7, 1)))
		}},
		{"too little balance", 0, func(w *world) effect {
			allow(w, 2e12, 0)
			return batch(w, 0, feeTo, meta(2, owed(w.USDC(), payee, 2e12, 0, 1)))
		}},
		{"too little value", 0, func(w *world) effect {
			return batch(w, 54, feeTo, meta(3, owedNative(payee, 50, 5, 1)))
		}},
		{"too little value for the second", 0, func(w *world) effect {
			return batch(w, 60, feeTo, meta(3, owedNative(payee, 50, 5, 1), owedNative(payee, 50, 5, 2)))
		}},
		{"too little value for the batch fee", 0, func(w *world) effect {
			charge(w, 100, 150e8)
			return batch(w, 100_999, feeTo, meta(3, owedNative(payee, 100_000, 0, 1)))
		}},
		{"one bad request undoes the others", 0, func(w *world) effect {
			allow(w, 100, 0)
			return batch(w, 50, feeTo, meta(2, owed(w.USDC(), payee, 100, 0, 1)), meta(3, owedNative(w.refuser, 50, 0, 2)))
		}},
		{"a payment network that does not exist", 0, func(w *world) effect { return batch(w, 0, feeTo, meta(5)) }},
		{"six groups", 0, func(w *world) effect {
			return batch(w, 0, feeTo, meta(3), meta(3), meta(3), meta(3), meta(3), meta(3))
		}},
		{"coins sent alone", 0, func(w *world) effect { return w.run(w.batch, units(1), nil) }},
		{"a fee set too high", 0, func(w *world) effect {
			return w.run(w.batch, nil, contracts.Call(contracts.BatchPayments, "setBatchFee", uint16(201)))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.status, tt.run) })
	}
}

func TestBatchPaymentsRefusesWhatItDoesNotPlay(t *testing.T) {
	w := newWorld(t, nil)
	withPath := contracts.Call(contracts.BatchPayments, "batchPayments",
		[]metaDetail{meta(3, owedNative(payee, 1, 0, 1))}, [][]common.Address{{}}, common.HexToAddress(feeTo))
	if got := w.run(w.batch, units(1), withPath); got.Status != 0 {
		t.Error("a path to US dollars was accepted without an oracle")
	}
	for _, id := range []int64{0, 1, 4} {
		if got := batch(w, 0, feeTo, meta(id)); got.Status != 0 {
			t.Errorf("payment network %d was accepted", id)
		}
	}
	conversion := owed(w.USDC(), payee, 1, 0, 1)
	conversion.Path = append(conversion.Path, common.HexToAddress(w.USDT()))
	if got := batch(w, 0, feeTo, meta(2, conversion)); got.Status != 0 {
		t.Error("a conversion path was accepted")
	}
}
