package checkout

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Discrepancy is a transfer that is not kept as somebody tells it.
type Discrepancy struct {
	Kept *payment.Transfer // nil if it is told and not kept
	Told *rail.Sighting    // nil if it is kept and not told
}

// Compare holds what the blocks from..to of a chain are said to have brought against the
// transfers that are kept of them and are not final. What is nobody's here, or could not be
// a transfer of its payment, is passed over. It changes nothing.
func (s *Service) Compare(ctx context.Context, chain asset.ChainID, from, to uint64, told []rail.Sighting) ([]Discrepancy, error) {
	kept, err := s.store.Unconfirmed(ctx, chain, from, to)
	if err != nil {
		return nil, fmt.Errorf("read unconfirmed transfers: %w", err)
	}
	mine, err := owned(ctx, s.store, told)
	if err != nil {
		return nil, err
	}
	var out []Discrepancy
	matched := map[string]bool{}
	ids := inOrder(mine)
	payments, err := s.loadAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		p := payments[i]
		for _, c := range mine[id] {
			x, fits := s.would(p, c)
			if !fits {
				continue
			}
			matched[x.Key] = true
			if d, differs := discrepancy(p, x, c.Sighting); differs {
				out = append(out, d)
			}
		}
	}
	for _, o := range kept {
		if !matched[o.Transfer.Key] {
			out = append(out, Discrepancy{Kept: &o.Transfer})
		}
	}
	return out, nil
}

// loadsAtOnce bounds the payments that are loaded side by side: a database that is across a
// network answers them together.
const loadsAtOnce = 32

// loadAll loads payments, in the order of their ids.
func (s *Service) loadAll(ctx context.Context, ids []payment.ID) ([]*payment.Payment, error) {
	out := make([]*payment.Payment, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loadsAtOnce)
	for i, id := range ids {
		group.Go(func() (err error) {
			if out[i], err = s.store.Payment(ctx, id); err != nil {
				return fmt.Errorf("load payment %s: %w", id.Short(), err)
			}
			return nil
		})
	}
	return out, group.Wait()
}

// would is the transfer that a claim would be, as far as it can be told without prices;
// fits is false of what would be none.
func (s *Service) would(p *payment.Payment, c claim) (x payment.Transfer, fits bool) {
	r := p.Terms.Requests[c.request]
	if len(p.Transfers) >= maxParts && (r.Fiat() || isDust(r, c.Amount)) {
		return x, false
	}
	if !r.Fiat() {
		return transfer(r, c.Sighting), s.mismatch(r, c.Sighting) == ""
	}
	token, reason := s.astray(p, r, c.Sighting)
	unknown := reason == tooEarly && c.At.IsZero() // logs that are only compared may have no time
	return unvalued(r, token.ID, c.Sighting), reason == "" || unknown
}

// discrepancy compares a transfer with what is kept under its key. What is final is no
// longer compared.
func discrepancy(p *payment.Payment, x payment.Transfer, told rail.Sighting) (Discrepancy, bool) {
	i := slices.IndexFunc(p.Transfers, func(k payment.Transfer) bool { return k.Key == x.Key })
	if i < 0 || p.Transfers[i].Stage == payment.Dropped {
		return Discrepancy{Told: &told}, true
	}
	k := p.Transfers[i]
	fees := x.Fee == nil && k.Fee == nil || x.Fee != nil && k.Fee != nil && x.Fee.Cmp(k.Fee) == 0
	same := k.Asset == x.Asset && k.Amount.Cmp(x.Amount) == 0 && fees && k.Evidence.BlockHash == x.Evidence.BlockHash &&
		k.Evidence.Block == x.Evidence.Block && k.Evidence.LogIndex == x.Evidence.LogIndex
	return Discrepancy{Kept: &k, Told: &told}, !same && k.Stage == payment.Pending
}

// Unconfirmed returns the transfers in one block that are not final.
func (s *Service) Unconfirmed(ctx context.Context, chain asset.ChainID, b Block) ([]payment.Transfer, error) {
	kept, err := s.store.Unconfirmed(ctx, chain, b.Number, b.Number)
	if err != nil {
		return nil, fmt.Errorf("read unconfirmed transfers: %w", err)
	}
	var out []payment.Transfer
	for _, o := range kept {
		if o.Transfer.Evidence.BlockHash == b.Hash {
			out = append(out, o.Transfer)
		}
	}
	return out, nil
}

// Forget drops transfers that are not final: enough endpoints agree that the block, which
// is on the chain, did not bring them.
func (s *Service) Forget(ctx context.Context, chain asset.ChainID, b Block, keys []string) error {
	now := s.now().UTC()
	return s.store.Write(ctx, func(tx Tx) error {
		found, err := tx.TransfersIn(ctx, chain, b)
		if err != nil {
			return fmt.Errorf("find transfers in block %d: %w", b.Number, err)
		}
		return s.restageAll(ctx, tx, found, now, payment.Dropped, func(x payment.Transfer) bool {
			return slices.Contains(keys, x.Key) && x.Evidence.Chain == chain && x.Evidence.BlockHash == b.Hash
		})
	})
}
