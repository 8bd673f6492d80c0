package checkout

import (
	"context"
	"fmt"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

func opKey(chain asset.ChainID, hash string) string { return fmt.Sprintf("op:%d:%s", chain, hash) }

// sendOp announces an operation and then hands it to the bundler, in this order: one
// that nobody knows of would not keep the payment from being paid again. The page may
// send the same again while nothing has become of it.
func (s *Service) sendOp(ctx context.Context, p *payment.Payment, by GaslessAsker, q GaslessQuestion) ([]byte, error) {
	chain, err := s.GaslessChain(ctx, p, by)
	if err != nil {
		return nil, err
	}
	op, err := s.gasless.Parse(chain, q.Op)
	if err != nil {
		return nil, err
	}
	if err := s.letIn(ctx, p, by.Wallet); err != nil {
		return nil, err
	}
	a, first, err := s.announceOp(ctx, p.ID, by.Wallet, chain, op.Hash)
	if err != nil {
		return nil, err
	}
	answer, err := s.gasless.Ask(ctx, chain, GaslessQuestion{Kind: q.Kind, Method: q.Method, Op: op.JSON})
	// What is refused the second time may have been taken the first time.
	if first && refusedForGood(err) {
		s.giveUp(ctx, p.ID, a)
	}
	return answer, err
}

// announceOp records that a granted operation is sent, marks its grant, and has it
// followed, in one transaction. first is false if it was announced before.
//
// Faults: Forbidden "op_unknown"; Conflict "op_over"; those of Payable; Limited.
func (s *Service) announceOp(ctx context.Context, id payment.ID, owner asset.Address, chain asset.ChainID, hash string) (a payment.Attempt, first bool, err error) {
	now := s.now().UTC()
	err = s.store.Write(ctx, func(tx Tx) error {
		first = false
		p, err := tx.Payment(ctx, id)
		if err != nil {
			return err
		}
		key := opKey(chain, hash)
		if known := attemptBy(p, key); known != nil {
			switch a = *known; {
			case a.Op == nil || a.Op.Owner != owner.String():
				return errOpUnknown
			case a.Stage != payment.Announced:
				return fault.New(fault.Conflict, "op_over", "This operation has come to its end.")
			}
			return nil
		}
		g, err := granted(ctx, tx, id, owner, chain, hash, now)
		if err != nil {
			return err
		}
		if err := s.Payable(p.AsOf(now)); err != nil {
			return err
		}
		if p.OpsLeft() == 0 || len(p.Attempts) >= maxVouched {
			return errGasBudget
		}
		first, g.Sent = true, true
		a = payment.Attempt{
			Key: key, Kind: payment.KindUserOp, Chain: chain, Handle: hash, Payer: g.Account.String(), Stage: payment.Announced, Until: g.Until, At: now, Op: g.Op,
		}
		if err := tx.PutGrant(ctx, *g); err != nil {
			return err
		}
		if err := tx.Follow(ctx, Follow{Kind: GaslessTrackKind, Payment: id, Key: key, Chain: chain, At: now}); err != nil {
			return fmt.Errorf("follow a user operation: %w", err)
		}
		_, err = s.change(ctx, tx, p, now, facts{attempts: []payment.Attempt{a}, events: []payment.Event{
			{Kind: payment.EventAnnounced, Request: -1, Detail: hash},
		}})
		return err
	})
	return a, first, err
}

// giveUp abandons an operation that the bundler will never take, so that the payment
// can be made otherwise at once. A bundler also refuses what was executed meanwhile: so
// the chain is asked first, and if it does not answer the operation stays announced.
func (s *Service) giveUp(ctx context.Context, id payment.ID, a payment.Attempt) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	sight, err := s.lookOp(ctx, a)
	if err == nil {
		_, _, err = s.learnOp(ctx, id, a.Key, sight.Cost, func(p *payment.Payment, a payment.Attempt) turn {
			t := judgeOp(p, a, sight)
			if t.attempt.Stage == payment.Announced && t.attempt.Op.Fate == "" {
				t = endOp(p, t.attempt, payment.ReasonOpRefused)
			}
			return t
		})
	}
	if err != nil {
		s.log.WarnContext(ctx, "a refused user operation could not be given up", "payment", id, "chain", a.Chain, "tx", a.Handle, "err", err)
	}
}
