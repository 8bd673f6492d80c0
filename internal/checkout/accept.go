package checkout

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/payment"
	"quittance/internal/rail"
)

// claim is a sighting whose handle names a request of ours.
type claim struct {
	rail.Sighting
	request int
}

// owning knows whose requests handles name: a Store or a Tx.
type owning interface {
	Owners(ctx context.Context, rail string, handles []string) (map[string]Owner, error)
}

// ownersOf says for each sighting whose request its handle names, nil for nobody's.
func ownersOf(ctx context.Context, by owning, all []rail.Sighting) ([]*Owner, error) {
	handles := map[rail.ID][]string{}
	for _, x := range all {
		handles[x.Rail] = append(handles[x.Rail], x.Handle)
	}
	of := make([]*Owner, len(all))
	for id, hs := range handles {
		owners, err := by.Owners(ctx, string(id), hs)
		if err != nil {
			return nil, fmt.Errorf("look up owners: %w", err)
		}
		for i, x := range all {
			if owner, ok := owners[x.Handle]; ok && x.Rail == id {
				of[i] = &owner
			}
		}
	}
	return of, nil
}

// owned gives each sighting to the payment that owns its handle.
func owned(ctx context.Context, by owning, all []rail.Sighting) (map[payment.ID][]claim, error) {
	owners, err := ownersOf(ctx, by, all)
	if err != nil {
		return nil, err
	}
	mine := map[payment.ID][]claim{}
	for i, owner := range owners {
		if owner != nil {
			mine[owner.Payment] = append(mine[owner.Payment], claim{all[i], owner.Request})
		}
	}
	return mine, nil
}

// maxParts is how many transfers a payment holds before it stops to take dust:
// value of less than this part of what is due. Dust costs next to nothing to
// send, and without a limit anybody could make a payment too heavy to load.
const maxParts = 200

// accept makes transfers of the claims on a payment and orphans of those that
// cannot be its own.
func (s *Service) accept(ctx context.Context, tx Tx, v *valuer, claims []claim) ([]payment.Transfer, error) {
	p := v.p
	known := map[string]bool{}
	for _, x := range p.Transfers {
		known[x.Key] = true
	}
	var xs []payment.Transfer
	for _, c := range claims {
		x, reason := s.judge(v, c, known)
		if reason != "" {
			if err := tx.PutOrphan(ctx, orphan(x.Key, p.ID, reason, c.Sighting, v.now)); err != nil {
				return nil, fmt.Errorf("keep orphan %s: %w", x.Key, err)
			}
			continue
		}
		known[x.Key] = true
		xs = append(xs, x)
	}
	sourced(p, xs)
	if err := v.save(ctx, tx); err != nil {
		return nil, err
	}
	return xs, pricedLater(ctx, tx, p, xs, v.now)
}

// judge makes a transfer of a claim, or says why it is none.
func (s *Service) judge(v *valuer, c claim, known map[string]bool) (x payment.Transfer, reason string) {
	r := v.p.Terms.Requests[c.request]
	if r.Fiat() {
		return s.worth(v, r, c.Sighting, len(known))
	}
	x, reason = transfer(r, c.Sighting), s.mismatch(r, c.Sighting)
	if reason == "" && !known[x.Key] && len(known) >= maxParts && isDust(r, c.Amount) {
		reason = "dust"
	}
	return x, reason
}

func isDust(r payment.Request, amount *big.Int) bool {
	return new(big.Int).Mul(amount, big.NewInt(maxParts)).Cmp(r.Due) < 0
}

// mismatch says why value with the right handle is not this request's, or "".
func (s *Service) mismatch(r payment.Request, x rail.Sighting) string {
	token, ok := s.book.TokenAt(x.Chain, x.Token)
	switch {
	case !ok || token.ID != r.Asset:
		return "wrong_asset"
	case x.To != r.Payee:
		return "wrong_payee"
	case x.Amount.Sign() <= 0:
		return "no_value"
	}
	return ""
}

// transfer makes a transfer of a sighting. Its key is the place of the evidence
// and the handle: after a reorganisation the same place of the same transaction
// may hold an event that pays another request.
func transfer(r payment.Request, x rail.Sighting) payment.Transfer {
	t := payment.Transfer{
		Key: x.Key + ":" + x.Handle, Request: r.Index, Rail: string(x.Rail), Asset: r.Asset, Amount: x.Amount, Credit: x.Amount,
		Stage: payment.Pending, At: x.At, Evidence: x.Evidence,
	}
	if x.Fee != nil && r.Fee != nil && x.FeeTo == r.Fee.Payee {
		t.Fee = x.Fee
	}
	return t
}

func orphan(key string, owner payment.ID, reason string, x rail.Sighting, now time.Time) Orphan {
	return Orphan{
		Key: key, Rail: string(x.Rail), Handle: x.Handle, Reason: reason, Payment: owner,
		Asset: x.Token.String(), Amount: x.Amount.String(), To: x.To.String(), Evidence: x.Evidence, At: now,
	}
}
