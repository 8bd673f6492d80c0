package crosschain

import (
	"context"
	"errors"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// sameSafe is nil for whoever may pay over a way: all but a Safe on another chain
// that is not the same Safe on the payment's.
func (r *Rail) sameSafe(ctx context.Context, d debt, w way, payer rail.Payer) error {
	if !payer.Safe || !w.crosses || payer.Wallet.IsZero() {
		return nil
	}
	return r.safes.ask(ctx, twins{w.from.Chain, d.to.Chain, payer.Wallet})
}

// barred is why a payer is known not to be able to go a way that others can, nil if
// it is not known: what sameSafe says, and for a smart account that it has no native
// currency.
func (r *Rail) barred(d debt, w way, payer rail.Payer) error {
	if r.open(d, w, rail.Payer{}) && !r.open(d, w, payer) {
		return errNoBridge
	}
	if !payer.Safe || !w.crosses || payer.Wallet.IsZero() {
		return nil
	}
	return r.safes.known(twins{w.from.Chain, d.to.Chain, payer.Wallet})
}

// MissingFor implements rail.PayerExplainer: the chains a Safe cannot pay from,
// because it is not the same one on the payment's chain, and those a smart account
// cannot, because no bridge takes nothing but its owner's token there.
func (r *Rail) MissingFor(_ context.Context, p *payment.Payment, payer rail.Payer) (missing []rail.Missing) {
	if p.Standing.State != payment.Open || !payer.Safe && payer.Owner.IsZero() {
		return nil
	}
	d, ok, err := r.debt(p)
	if code, _ := r.closed(); err != nil || !ok || d.settled || code != "" {
		return nil
	}
	said := map[asset.ChainID]bool{}
	for _, w := range r.ways(d) {
		f := fault.From(r.barred(d, w, payer))
		if f == nil || said[w.from.Chain] || !r.open(d, w, rail.Payer{}) {
			continue
		}
		said[w.from.Chain] = true
		missing = append(missing, rail.Missing{Chain: w.from.Chain, Code: f.Code, Why: f.Public})
	}
	return missing
}

// safeDeadline is the last moment for a Safe to execute a route, zero if there is
// none but the payment's own: late enough for the contracts, and early enough
// for the money to arrive while the payment is open.
func (o *offer) safeDeadline(p *payment.Payment) time.Time {
	if !o.crosses || o.valid.Latest.IsZero() {
		return time.Time{}
	}
	if closes := p.Terms.Deadline().Add(-2 * o.step.Duration); closes.Before(o.valid.Latest) {
		return closes
	}
	return o.valid.Latest
}

// twins are one address on two chains.
type twins struct {
	from, to asset.ChainID
	wallet   asset.Address
}

// How long a verdict on twins holds, and how many are kept. Owners change
// seldom, and a Safe that its owners have just made on the other chain should
// not have to wait.
const (
	sameLife  = time.Minute
	otherLife = 15 * time.Second
	maxTwins  = 1000
)

// safes remembers what was found out about twins, so that all the ways that begin
// on one chain ask for them once.
type safes struct {
	same func(ctx context.Context, from, to asset.ChainID, wallet asset.Address) error
	now  func() time.Time

	mu    sync.Mutex
	by    map[twins]*verdict
	order []twins // oldest first
}

// verdict is one question. Its fields are set before done is closed.
type verdict struct {
	done  chan struct{}
	err   error     // nil for the same Safe
	until time.Time // zero if nothing was found out
}

func newSafes(same func(context.Context, asset.ChainID, asset.ChainID, asset.Address) error, now func() time.Time) *safes {
	return &safes{same: same, now: now, by: map[twins]*verdict{}}
}

var errNotAsked = fault.Field("wallet", rail.SafeNotThere, "A Safe account cannot pay from another network here.")

// ask returns what is known, or finds out.
func (s *safes) ask(ctx context.Context, t twins) error {
	if s.same == nil {
		return errNotAsked
	}
	for {
		v, mine := s.claim(t)
		if mine {
			return s.find(ctx, t, v)
		}
		select {
		case <-v.done:
			if !errors.Is(v.err, context.Canceled) { // whoever asked has left; that says nothing to others
				return v.err
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// claim returns the question that is put or still good, or a new one that is the
// caller's to put.
func (s *safes) claim(t twins) (v *verdict, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.by[t]; v != nil {
		select {
		case <-v.done:
			if s.now().Before(v.until) {
				return v, false
			}
			s.drop(t)
		default:
			return v, false
		}
	}
	v = &verdict{done: make(chan struct{})}
	s.by[t] = v
	s.order = append(s.order, t)
	return v, true
}

// find puts a question. What is not an answer about the Safe is not kept.
func (s *safes) find(ctx context.Context, t twins, v *verdict) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.until.IsZero() {
			s.drop(t)
		}
		for i := 0; len(s.order) > maxTwins && i < len(s.order); {
			select {
			case <-s.by[s.order[i]].done:
				s.drop(s.order[i])
			default:
				i++
			}
		}
		close(v.done)
	}()
	v.err = context.Canceled // unless the question is answered
	v.err = s.same(ctx, t.from, t.to, t.wallet)
	switch {
	case v.err == nil:
		v.until = s.now().Add(sameLife)
	case fault.Is(v.err, fault.Invalid):
		v.until = s.now().Add(otherLife)
	}
	return v.err
}

// known returns what was found to be wrong, nil if nothing is known.
func (s *safes) known(t twins) error {
	if s.same == nil {
		return errNotAsked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.by[t]
	if v == nil {
		return nil
	}
	select {
	case <-v.done:
		if s.now().Before(v.until) {
			return v.err
		}
	default:
	}
	return nil
}

// drop forgets a question.
func (s *safes) drop(t twins) {
	delete(s.by, t)
	for i := range s.order {
		if s.order[i] == t {
			s.order = append(s.order[:i], s.order[i+1:]...)
			return
		}
	}
}
