package checkout

import (
	"context"
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/payment"
)

// Unvouched returns the blocks of a chain, the lowest first, whose native money on deposit
// addresses was told by one node and by nobody else yet, and is not final.
func (s *Service) Unvouched(ctx context.Context, chain asset.ChainID) ([]Block, error) {
	return s.store.Unvouched(ctx, chain)
}

// Held returns what is kept of native money in a block, with what of it counts.
func (s *Service) Held(ctx context.Context, chain asset.ChainID, b Block) ([]Held, error) {
	held, err := s.store.Held(ctx, chain, b)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	kept, err := s.store.Unconfirmed(ctx, chain, b.Number, b.Number)
	if err != nil {
		return nil, fmt.Errorf("read unconfirmed transfers: %w", err)
	}
	money := map[string]map[string]*big.Int{} // by payee and key
	for _, o := range kept {
		if o.Transfer.Evidence.BlockHash != b.Hash {
			continue
		}
		p, err := s.store.Payment(ctx, o.Payment)
		if err != nil {
			return nil, fmt.Errorf("load payment %s: %w", o.Payment.Short(), err)
		}
		to := payee(p, o.Transfer)
		if money[to] == nil {
			money[to] = map[string]*big.Int{}
		}
		money[to][o.Transfer.Key] = o.Transfer.Amount
	}
	for i := range held {
		held[i].Money = money[held[i].Address.String()]
	}
	return held, nil
}

func payee(p *payment.Payment, x payment.Transfer) string {
	return p.Terms.Requests[x.Request].Payee.String()
}

// Vouch keeps that enough others have what is kept of a block's native money.
func (s *Service) Vouch(ctx context.Context, chain asset.ChainID, b Block, said []Vouched) error {
	return s.store.Vouch(ctx, chain, b, said)
}
