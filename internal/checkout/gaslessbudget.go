package checkout

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// GrantFor is how long a grant that was not sent is good, and counts.
const GrantFor = time.Hour

var errGasBudget = fault.New(fault.Limited, "gas_budget", "No more can be spent on gas for now. Please pay in another way.")

// sponsor has an operation's gas paid for that Check has let through. What it may cost
// is reserved before the sponsor is asked, so that whatever happens then has been
// counted; a reservation without an operation falls away by itself.
func (s *Service) sponsor(ctx context.Context, p *payment.Payment, w gasWork, q GaslessQuestion) ([]byte, error) {
	g, err := s.reserve(ctx, p.ID, w)
	if err != nil {
		return nil, err
	}
	said, err := s.gasless.Sponsor(ctx, w.plan, q)
	if err = refusedBy(said.Checks, err); err == nil && (said.Result == nil || !isHash(said.Op.Hash) || said.Op.Nonce == nil) {
		err = fault.New(fault.Unavailable, "gasless_unavailable", "The sponsor's answer makes no sense.")
	}
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if err != nil {
		if derr := s.store.Write(keeping, func(tx Tx) error { return tx.DropGrant(keeping, g.ID) }); derr != nil {
			s.log.ErrorContext(ctx, "a reservation of gas is not given back", "payment", p.ID, "err", derr)
		}
		return nil, err
	}
	if err := s.keepGrant(keeping, g, w, said.Op); err != nil {
		return nil, err
	}
	return said.Result, nil
}

// reserve takes an operation's greatest cost out of the budgets, in one transaction
// that adds up what is promised and spent.
//
// Faults: Limited "gas_budget"; those of Payable.
func (s *Service) reserve(ctx context.Context, id payment.ID, w gasWork) (Grant, error) {
	now := s.now().UTC()
	g := Grant{ID: payment.NewULID(now), Payment: id, Chain: w.plan.Chain, Owner: w.plan.Owner, Wei: w.offer.MaxCost, At: now}
	err := s.store.Write(ctx, func(tx Tx) error {
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		if err := s.Payable(p.AsOf(now)); err != nil {
			return err
		}
		sums, err := tx.GrantSums(ctx, g, now.Add(-GrantFor))
		if err != nil {
			return fmt.Errorf("add up what is spent on gas: %w", err)
		}
		if p.OpsLeft() == 0 || !w.offer.Budget.allows(sums, g.Wei) {
			return errGasBudget
		}
		return tx.PutGrant(ctx, g)
	})
	return g, err
}

// allows reports whether so much more may be spent. A limit that is not set allows
// nothing.
func (b GaslessBudget) allows(s GrantSums, wei *big.Int) bool {
	within := func(spent, limit *big.Int) bool {
		return limit != nil && new(big.Int).Add(spent, wei).Cmp(limit) <= 0
	}
	return s.Grants < b.Grants && within(s.Payment, b.Payment) && within(s.WalletDay, b.WalletDay) && within(s.ChainDay, b.ChainDay)
}

// keepGrant writes down what was granted, and what its attempt will be. The same
// operation granted twice is one grant. A wallet's own is in its hands from now on.
func (s *Service) keepGrant(ctx context.Context, g Grant, w gasWork, op GaslessOp) error {
	g.OpHash, g.Account, g.Until, g.Sent = op.Hash, op.Sender, op.Deadline, w.plan.Own
	if op.Cost != nil && op.Cost.Cmp(g.Wei) < 0 {
		g.Wei = op.Cost
	}
	if !w.plan.Own {
		g.Op = &payment.Op{
			Owner: g.Owner.String(), Nonce: op.Nonce.String(), Next: op.Block - min(op.Block, lookBack), Token: w.token.ID, Amount: w.plan.Amount,
		}
	}
	return s.store.Write(ctx, func(tx Tx) error {
		if _, err := tx.Payment(ctx, g.Payment); err != nil { // whoever keeps at the same time waits
			return err
		}
		known, err := tx.Grant(ctx, g.Chain, g.OpHash)
		switch {
		case err != nil:
			return err
		case known == nil:
		case known.Payment != g.Payment || known.Owner != g.Owner:
			return errOpUnknown
		case known.Sent:
			return tx.DropGrant(ctx, g.ID)
		default:
			if err := tx.DropGrant(ctx, known.ID); err != nil {
				return err
			}
		}
		if err := tx.PutGrant(ctx, g); err != nil || g.Op == nil {
			return err
		}
		return tx.Follow(ctx, Follow{Kind: GaslessTrackKind, Payment: g.Payment, Key: grantKey(g.Chain, g.OpHash), Chain: g.Chain, At: g.At.Add(GrantFor)})
	})
}

// settleGrant writes down what the gas of an operation that has ended has cost. It is
// never more than was promised, whatever a node says.
func settleGrant(ctx context.Context, tx Tx, a payment.Attempt, cost *big.Int) error {
	g, err := tx.Grant(ctx, a.Chain, a.Handle)
	if err != nil || g == nil {
		return err
	}
	switch a.Reason {
	case payment.ReasonOpExpired: // somebody may still have it executed, and fail
		return nil
	case payment.ReasonOpRefused: // likewise
		g.Sent = false
		return tx.PutGrant(ctx, *g)
	}
	return tx.PutGrant(ctx, g.settled(GaslessFate(a.Op.Fate), cost))
}

// settled is the grant with what its operation has cost.
func (g Grant) settled(fate GaslessFate, cost *big.Int) Grant {
	executed := fate == OpSucceeded || fate == OpFailed
	switch {
	case !executed:
		g.Settled, g.Wei = true, new(big.Int)
	case cost == nil || cost.Sign() < 0 || cost.Cmp(g.Wei) > 0:
		g.Sent = true
	default:
		g.Sent, g.Settled, g.Wei = true, true, cost
	}
	return g
}

const grantPrefix = "grant:"

func grantKey(chain asset.ChainID, hash string) string {
	return fmt.Sprintf("%s%d:%s", grantPrefix, chain, hash)
}

// settleLate settles a grant that has become useless, if nobody has yet: whoever asked
// for it may have had it executed without us. again is when to try again, zero if that
// is done.
func (s *Service) settleLate(ctx context.Context, p *payment.Payment, key string) (again time.Time, err error) {
	var chain asset.ChainID
	var hash string
	if _, err := fmt.Sscanf(key, grantPrefix+"%d:%s", &chain, &hash); err != nil {
		return time.Time{}, fault.Newf(fault.Invalid, "invalid_job", "%q names no grant", key)
	}
	now := s.now().UTC()
	if a := attemptBy(p, opKey(chain, hash)); a != nil && a.Stage == payment.Announced {
		return time.Time{}, nil // its end settles it
	}
	var g *Grant
	find := func(tx Tx) error {
		g, err = tx.Grant(ctx, chain, hash)
		return err
	}
	if err := s.store.Write(ctx, find); err != nil || g == nil || g.Settled || g.Op == nil {
		return time.Time{}, err
	}
	looking, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	sight, err := s.lookOp(looking, payment.Attempt{Chain: chain, Handle: hash, Payer: g.Account.String(), Op: g.Op})
	if err != nil {
		s.log.WarnContext(ctx, "a user operation could not be looked for", "payment", p.ID, "chain", chain, "tx", hash, "err", err)
		if now.Sub(g.At) > followFor {
			return time.Time{}, nil
		}
		return now.Add(5 * time.Minute), nil
	}
	return time.Time{}, s.store.Write(ctx, func(tx Tx) error {
		if err := find(tx); err != nil || g == nil || g.Settled {
			return err
		}
		return tx.PutGrant(ctx, g.settled(sight.Fate, sight.Cost))
	})
}

// granted finds the grant of an operation that may be sent now.
//
// Faults: Forbidden "op_unknown".
func granted(ctx context.Context, tx Tx, id payment.ID, owner asset.Address, chain asset.ChainID, hash string, now time.Time) (*Grant, error) {
	g, err := tx.Grant(ctx, chain, hash)
	switch {
	case err != nil:
		return nil, err
	case g == nil, g.Payment != id, g.Owner != owner, g.Sent, g.Op == nil, now.Sub(g.At) >= GrantFor:
		return nil, errOpUnknown
	case !g.Until.IsZero() && !now.Before(g.Until):
		return nil, fault.New(fault.Conflict, "op_over", "The permit of this operation has expired.")
	}
	return g, nil
}

var errOpUnknown = fault.New(fault.Forbidden, "op_unknown", "This operation was not sponsored here for this payment.")

// refusals are the codes with which a bundler says that it will never take an operation.
var refusals = []string{"op_refused", "op_nonce", "op_deployed", "sponsor_refused"}

func refusedForGood(err error) bool { return slices.Contains(refusals, fault.CodeOf(err)) }
