package store

import (
	"context"

	"quittance/internal/payment"
)

const (
	selectMarks = `SELECT id, version, quotes FROM payments WHERE id IN (`
	// marksAt is how many quotes a payment has fewer than.
	marksAt = 1 << 16
)

var marksAtOnce = []int{1, 16, 256}

// Marks tells how far payments have come, in few questions for many of them: a
// payment's mark is another one once anything of it has changed. Those that are not
// there are left out.
func (s *Store) Marks(ctx context.Context, ids []payment.ID) (map[payment.ID]int64, error) {
	marks := make(map[payment.ID]int64, len(ids))
	for len(ids) > 0 {
		size := atOnce(marksAtOnce, len(ids))
		n := min(size, len(ids))
		args := make([]any, size)
		for i := range args {
			args[i] = ids[min(i, n-1)] // the last one fills up
		}
		ids = ids[n:]
		r, err := s.read.query(ctx, both(selectMarks+placeholders(1, size)+`)`), args...)
		if err != nil {
			return nil, err
		}
		if _, err := collect(r, func() (id payment.ID, err error) {
			var version, quotes int64
			err = r.Scan(&id, &version, &quotes)
			marks[id] = version*marksAt + quotes
			return id, err
		}); err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// MarkOf is the mark of a payment as it was read.
func MarkOf(p *payment.Payment) int64 { return int64(p.Version)*marksAt + int64(len(p.Quotes)) }
