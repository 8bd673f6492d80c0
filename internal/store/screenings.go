package store

import (
	"context"

	"quittance/internal/checkout"
	"quittance/internal/payment"
)

const (
	putScreening = `INSERT INTO screenings (payment, role, wallet, status, reason, provider, reference, report, raw, at)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
 ON CONFLICT (payment, role, wallet) DO UPDATE SET status = excluded.status, reason = excluded.reason, provider = excluded.provider,
 reference = excluded.reference, report = excluded.report, raw = excluded.raw, at = excluded.at
 WHERE excluded.at >= screenings.at` // who asked earlier and was answered later knows less

	selectScreenings = `SELECT role, wallet, status, reason, provider, reference, report, raw, at
 FROM screenings WHERE payment = $1 ORDER BY at, role, wallet`
)

var findScreenings = inPlace(selectScreenings)

// PutScreening implements checkout.Tx.
func (t *tx) PutScreening(ctx context.Context, id payment.ID, x checkout.Screening) error {
	if err := t.warm(ctx, id); err != nil {
		return err
	}
	_, err := t.exec(ctx, putScreening, id, x.Role, x.Wallet.Lower(), x.Verdict, plain(x.Reason), plain(x.Provider), plain(x.Reference),
		plain(x.Report), plain(x.Raw), micros(x.At))
	return err
}

// Screenings implements checkout.Store.
func (s *Store) Screenings(ctx context.Context, id payment.ID) ([]checkout.Screening, error) {
	return gather(ctx, s.quick, findScreenings, 1, []any{id}, func(r rows) (x checkout.Screening, err error) {
		var wallet string
		var at int64
		if err := r.Scan(&x.Role, &wallet, &x.Verdict, &x.Reason, &x.Provider, &x.Reference, &x.Report, &x.Raw, &at); err != nil {
			return x, err
		}
		x.At = fromMicros(at)
		x.Wallet, err = parseAddress(wallet)
		return x, err
	})
}
