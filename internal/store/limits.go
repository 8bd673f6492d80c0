package store

import (
	"context"
	"time"
)

// takeAllowance is the generic cell rate algorithm in one statement: a key's
// whole allowance is back at full_at, each that is taken moves that on, and no
// further than burst of them from now. $1 key, $2 now, $3 how many are wanted,
// $4 the time of one, $5 the burst.
const (
	limitBase     = `(CASE WHEN limits.full_at > $2 THEN limits.full_at ELSE $2 END)`
	limitRoom     = `(($2 + $5 * $4 - ` + limitBase + `) / $4)`
	limitTaken    = `(CASE WHEN ` + limitRoom + ` >= $3 THEN $3 WHEN ` + limitRoom + ` > 0 THEN ` + limitRoom + ` ELSE 0 END)`
	takeAllowance = `INSERT INTO limits (key, full_at, taken) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT) * CAST($4 AS BIGINT), $3)
 ON CONFLICT (key) DO UPDATE SET full_at = ` + limitBase + ` + $4 * ` + limitTaken + `, taken = ` + limitTaken + `
 RETURNING full_at, taken`
)

// TakeAllowance implements ratelimit.Shared. n is at most burst.
func (s *Store) TakeAllowance(ctx context.Context, key string, every time.Duration, burst, n int, now time.Time) (got int, fullAt time.Time, err error) {
	var full, taken int64
	err = s.write(ctx, func(t *tx) error {
		return t.row(ctx, takeAllowance, []any{key, micros(now), int64(n), every.Microseconds(), int64(burst)}, &full, &taken)
	})
	return int(taken), fromMicros(full), err
}
