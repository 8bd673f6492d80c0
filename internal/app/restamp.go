package app

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web"
)

// restamper is how the API has routes stamped anew, nil without routing.
func (r *routing) restamper() web.Restamper {
	if r == nil {
		return nil
	}
	return func(ctx context.Context, p *payment.Payment, owner asset.Address, step []byte) (web.Stamped, error) {
		got, err := r.rail.RestampFor(ctx, p, owner, step)
		if err != nil {
			return web.Stamped{}, err
		}
		tx := got.Step.Transaction
		return web.Stamped{
			Chain: tx.Chain, From: tx.From, Give: got.Give, ExpiresAt: got.ExpiresAt, Deadline: got.Deadline, Raw: got.Step.Raw,
			Call: rail.Call{Kind: rail.Pay, To: tx.To, Data: tx.Data, Value: tx.Value, Gas: got.Step.Gas},
		}, nil
	}
}
