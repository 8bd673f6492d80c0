package merchant

import (
	"context"
	"errors"
	"slices"

	"quittance/internal/fault"
)

// The reasons why a caller's payments have no destination of their own.
var (
	// ErrNoDestination: the merchant has no active destination.
	ErrNoDestination = errors.New("there is no active payment destination")
	// ErrSeveralDestinations: the merchant has several, and nothing says which.
	ErrSeveralDestinations = errors.New("there are several active payment destinations to choose from")
	// ErrUnbound: a client id that pays only where it is bound to is bound to
	// nothing, or to what is not active any more.
	ErrUnbound = errors.New("this client id is not bound to an active payment destination")
)

// Resolve finds where the payments of a caller go that names no destination: a
// client id's to the one it is bound to, everybody else's to the merchant's one
// active destination. A backend's client id has to be bound: nothing but the
// binding holds it to a payee.
//
// Errors: ErrNoDestination, ErrSeveralDestinations, ErrUnbound.
func (d *Directory) Resolve(ctx context.Context, who Credential) (Destination, error) {
	active, err := d.store.ActiveDestinations(ctx, who.Merchant)
	switch {
	case err != nil:
		return Destination{}, err
	case who.Destination != "":
		return d.Bound(ctx, who, active)
	case who.Kind == ClientID && len(who.Origins) == 0:
		return Destination{}, ErrUnbound
	case len(active) == 0:
		return Destination{}, ErrNoDestination
	case len(active) > 1:
		return Destination{}, ErrSeveralDestinations
	}
	return active[0], nil
}

// Bound is the destination among the merchant's active ones that a client id is
// bound to. A binding is to a wallet on a chain: it follows when the merchant
// replaces the destination there by another one, and ends when there is none.
//
// Errors: ErrUnbound.
func (d *Directory) Bound(ctx context.Context, who Credential, active []Destination) (Destination, error) {
	if who.Destination == "" {
		return Destination{}, ErrUnbound
	}
	if i := slices.IndexFunc(active, func(x Destination) bool { return x.ID == who.Destination }); i >= 0 {
		return active[i], nil
	}
	was, err := d.store.Destination(ctx, who.Merchant, who.Destination)
	if fault.Is(err, fault.NotFound) {
		return Destination{}, ErrUnbound
	}
	if err != nil {
		return Destination{}, err
	}
	i := slices.IndexFunc(active, func(x Destination) bool { return x.To.Wallet == was.To.Wallet && x.To.Chain == was.To.Chain })
	if i < 0 {
		return Destination{}, ErrUnbound
	}
	return active[i], nil
}
