package app

import (
	"context"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web/request"
)

// restamper is how the API has routes stamped anew, nil without routing.
func (r *routing) restamper() request.Restamper {
	if r == nil {
		return nil
	}
	return func(ctx context.Context, p *payment.Payment, owner asset.Address, step []byte) (request.Stamped, error) {
		got, err := r.rail.RestampFor(ctx, p, owner, step)
		if err != nil {
			return request.Stamped{}, err
		}
		tx := got.Step.Transaction
		return request.Stamped{
			Chain: tx.Chain, From: tx.From, Give: got.Give, ExpiresAt: got.ExpiresAt, Deadline: got.Deadline, Raw: got.Step.Raw,
			Call: rail.Call{Kind: rail.Pay, To: tx.To, Data: tx.Data, Value: tx.Value, Gas: got.Step.Gas},
		}, nil
	}
}
