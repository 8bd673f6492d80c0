package app

import (
	"context"
	"errors"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
)

// routingPatience is how long the doctor waits for the routing service.
const routingPatience = 15 * time.Second

// routing checks that the routing service answers, takes the key, and routes
// through the pinned contracts. A service that is down is a failure: payments on
// their own chain do without it, but what is configured does not work.
func (d *doctor) routing(ctx context.Context, s Setup) {
	if s.Routing == nil {
		return
	}
	client, err := lifi.NewClient(s.Routing.Service)
	if err != nil {
		d.check("routing", err, "")
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, routingPatience)
	defer cancel()
	err = client.CheckPins(ctx)
	wrong := wrongPins(err)
	if err != nil && len(wrong) == 0 {
		d.check("routing service", err, "")
		return
	}
	d.check("routing service", nil, "it answers")
	if s.Routing.Service.APIKey != "" {
		taken, err := client.CheckKey(ctx)
		if err == nil && !taken {
			err = errors.New("the service refuses it")
		}
		d.check("routing key", err, "the service takes it")
	}
	for _, id := range client.Table().Chains() {
		info, _ := s.Book.Chain(id)
		d.check(info.Network+" routing contracts", wrong[id], "the service names the pinned ones")
	}
}

// wrongPins are the contracts that are not the pinned ones, by chain.
func wrongPins(err error) map[asset.ChainID]error {
	wrong := map[asset.ChainID]error{}
	all := []error{err}
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		all = joined.Unwrap()
	}
	for _, e := range all {
		if pin, ok := errors.AsType[*lifi.PinError](e); ok {
			wrong[pin.Chain] = errors.Join(wrong[pin.Chain], pin)
		}
	}
	return wrong
}
