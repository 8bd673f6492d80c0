package store

import (
	"context"

	"quittance/internal/lease"
)

const (
	selectLeases = `SELECT name, holder, beat, news FROM leases`

	// beatLease asks for no beat: nobody but its holder moves a lease that is held,
	// and an answer that was lost must not lose the lease.
	beatLease = `UPDATE leases SET beat = beat + 1, news = $3 WHERE name = $1 AND holder = $2 RETURNING beat`

	insertLease  = `INSERT INTO leases (name, holder, beat, news) VALUES ($1, $2, 1, '') ON CONFLICT (name) DO NOTHING`
	takeLease    = `UPDATE leases SET holder = $2, beat = beat + 1 WHERE name = $1 AND holder = $3 AND beat = $4`
	releaseLease = `UPDATE leases SET holder = '', beat = beat + 1 WHERE name = $1 AND holder = $2`
)

// Leases implements lease.Table.
func (s *Store) Leases(ctx context.Context) ([]lease.Row, error) {
	r, err := s.read.query(urgent(ctx), selectLeases)
	if err != nil {
		return nil, err
	}
	return collect(r, func() (l lease.Row, err error) { return l, r.Scan(&l.Name, &l.Holder, &l.Beat, &l.News) })
}

// Beat implements lease.Table, in one transaction: a beat is a commit, however
// many leases a node has.
func (s *Store) Beat(ctx context.Context, held []lease.Row) (beats map[string]int64, err error) {
	ctx = urgent(ctx)
	err = s.write(ctx, func(t *tx) error {
		beats = map[string]int64{}
		for _, l := range held {
			var beat int64
			ok, err := found(t.row(ctx, beatLease, []any{l.Name, l.Holder, plain(l.News)}, &beat))
			if err != nil {
				return err
			}
			if ok {
				beats[l.Name] = beat
			}
		}
		return nil
	})
	return beats, err
}

// Take implements lease.Table.
func (s *Store) Take(ctx context.Context, seen lease.Row, holder string) (taken bool, err error) {
	ctx = urgent(ctx)
	err = s.write(ctx, func(t *tx) error {
		var n int64
		var err error
		if seen.Beat == 0 {
			n, err = t.exec(ctx, insertLease, seen.Name, holder)
		} else {
			n, err = t.exec(ctx, takeLease, seen.Name, holder, seen.Holder, seen.Beat)
		}
		taken = n == 1
		return err
	})
	return taken, err
}

// Release implements lease.Table.
func (s *Store) Release(ctx context.Context, held []lease.Row) error {
	ctx = urgent(ctx)
	return s.write(ctx, func(t *tx) error {
		for _, l := range held {
			if _, err := t.exec(ctx, releaseLease, l.Name, l.Holder); err != nil {
				return err
			}
		}
		return nil
	})
}
