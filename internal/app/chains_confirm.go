package app

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/config"
	"quittance/internal/money"
)

// confirmAbove are the configured amounts in base units of a chain's tokens, nil if none
// is configured.
func confirmAbove(c asset.Chain, conf config.Chain, tokens []asset.Token) (map[asset.ID]*big.Int, error) {
	if len(conf.ConfirmAbove) == 0 {
		return nil, nil
	}
	out := map[asset.ID]*big.Int{}
	known := map[string]bool{}
	for _, t := range tokens {
		text, ok := conf.ConfirmAbove[t.Symbol]
		if t.Network != c.Network || !ok {
			continue
		}
		amount, err := money.Parse(text, t.Decimals)
		if err != nil {
			return nil, fmt.Errorf("configuration: chains.%s.confirm_above.%s: %w", c.Network, t.Symbol, err)
		}
		out[t.ID], known[t.Symbol] = amount, true
	}
	for symbol := range conf.ConfirmAbove {
		if !known[symbol] {
			return nil, fmt.Errorf("configuration: chains.%s.confirm_above.%s: no token of this network has that symbol", c.Network, symbol)
		}
	}
	return out, nil
}
