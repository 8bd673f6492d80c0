package official

import (
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// BatchTerms are what a batch contract's owner can change, as the contract says
// them. Nothing of it is to be believed: Verify holds it against what is
// official and against the bounds the contract sets itself.
type BatchTerms struct {
	ERC20Proxy asset.Address // where it pays ERC-20 items
	EthProxy   asset.Address // where it pays native items
	Rate       uint16        // its own fee in hundredths of a percent of the amounts
	USDLimit   uint64        // hundred-millionths of a US dollar; while it is 0, ERC-20 items bear no such fee
}

// BatchTerms are the terms to be expected while the contract was not asked: it
// pays through the official proxies and charges nothing. They are zero for a
// chain without official proxies.
func (r *Registry) BatchTerms(chain asset.ChainID) BatchTerms {
	erc20, _ := r.Contract(chain, ERC20FeeProxy)
	eth, _ := r.Contract(chain, EthereumFeeProxy)
	return BatchTerms{ERC20Proxy: erc20.Address, EthProxy: eth.Address}
}

// BatchTermsCalls is the calldata of the questions that DecodeBatchTerms reads
// the answers of, to be put to the batch contract:
// paymentErc20Proxy(), paymentNativeProxy(), batchFee(), batchFeeAmountUSDLimit().
func BatchTermsCalls() [][]byte {
	return [][]byte{{0xda, 0xe3, 0xd6, 0xbb}, {0x0a, 0x91, 0x57, 0xc4}, {0xf8, 0xb8, 0x23, 0xe4}, {0x2f, 0xae, 0x95, 0xbf}}
}

var errTerms = errors.New("a batch contract's terms cannot be read")

// DecodeBatchTerms reads the four answers, each of exactly one word of the type
// the contract declares.
func DecodeBatchTerms(answers [][]byte) (BatchTerms, error) {
	if len(answers) != len(BatchTermsCalls()) {
		return BatchTerms{}, fmt.Errorf("%w: %d answers", errTerms, len(answers))
	}
	var number [2]uint64
	var proxy [2]asset.Address
	for i, a := range answers {
		if len(a) != word {
			return BatchTerms{}, fmt.Errorf("%w: answer %d has %d bytes", errTerms, i, len(a))
		}
		r := &reader{rest: a}
		if i < 2 {
			proxy[i] = r.address("proxy")
		} else {
			v := r.uint()
			if bits := []int{16, 64}[i-2]; v.BitLen() > bits {
				return BatchTerms{}, fmt.Errorf("%w: answer %d has more than %d bits", errTerms, i, bits)
			}
			number[i-2] = v.Uint64()
		}
		if r.err != nil {
			return BatchTerms{}, fmt.Errorf("%w: %w", errTerms, r.err)
		}
	}
	return BatchTerms{ERC20Proxy: proxy[0], EthProxy: proxy[1], Rate: uint16(number[0]), USDLimit: number[1]}, nil
}

// Refused says why a payer must not rely on these terms, or "": the contract pays
// through other proxies than the official ones, or says that it charges more than
// it can be set to.
func (t BatchTerms) Refused(official BatchTerms) string {
	switch {
	case t.ERC20Proxy != official.ERC20Proxy:
		return differs(string(ERC20FeeProxy)+" that the batch contract pays through", official.ERC20Proxy, t.ERC20Proxy)
	case t.EthProxy != official.EthProxy:
		return differs(string(EthereumFeeProxy)+" that the batch contract pays through", official.EthProxy, t.EthProxy)
	case t.Rate > MaxBatchRate:
		return fmt.Sprintf("The batch contract says it charges %d hundredths of a percent; it cannot charge more than %d.", t.Rate, MaxBatchRate)
	}
	return ""
}

var rateDenominator = big.NewInt(10_000)

// share is the contract's own fee on amounts, rounded down as the contract does.
func (t BatchTerms) share(amounts *big.Int) *big.Int {
	s := new(big.Int).Mul(amounts, big.NewInt(int64(t.Rate)))
	return s.Quo(s, rateDenominator)
}

// charges reports whether an asset bears the contract's own fee.
func (t BatchTerms) charges(token asset.Address) bool {
	return t.Rate > 0 && (token.IsZero() || t.USDLimit > 0)
}
