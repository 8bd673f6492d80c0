package carry

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Skipped are deposit addresses of a key that a server may have given out after the
// backup: payments to them are in nobody's books.
type Skipped struct {
	Branch string `json:"branch"`
	First  int64  `json:"first"` // the first index that may have been given out
	Next   int64  `json:"next"`  // the first that certainly was not, and is given out next
}

// positions are how many messages a merchant's feed skips: whoever reads on from a
// position after the backup's must not miss what takes that position again.
const positions = 1_000_000

// indexes is how many addresses a key has.
const indexes = int64(1) << 31

// settled are the statements that keep a restored database from giving out again what a
// server may have given out after the backup, by the table that each is about.
var settled = []struct{ table, query string }{
	// Somebody may have been told a free address, and may pay to it yet.
	{"deposit_addresses", `DELETE FROM deposit_addresses WHERE payment = ''`},
	{"feed_heads", `INSERT INTO feed_heads (merchant, position) SELECT m.id, 0 FROM merchants m
 WHERE NOT EXISTS (SELECT 1 FROM feed_heads h WHERE h.merchant = m.id)`},
	{"feed_heads", fmt.Sprintf(`UPDATE feed_heads SET position = position + %d`, positions)},
	// What was signed once would be good once more.
	{"nonces", `DELETE FROM nonces`},
	// Some of them may have been ended.
	{"wallet_sessions", `DELETE FROM wallet_sessions`},
	{"leases", freeLeases},
}

// settle makes sure that a restored database gives out nothing twice.
func settle(ctx context.Context, v view, ts []table, skip int64) (out []Skipped, err error) {
	has := func(name string) bool {
		return slices.ContainsFunc(ts, func(t table) bool { return t.Name == name })
	}
	if has("deposit_branches") {
		if out, err = skipped(ctx, v, skip); err != nil {
			return nil, fmt.Errorf("skip deposit addresses: %w", err)
		}
	}
	for _, s := range settled {
		if !has(s.table) {
			continue
		}
		if err := v.exec(ctx, s.query); err != nil {
			return nil, fmt.Errorf("settle table %s: %w", s.table, err)
		}
	}
	return out, nil
}

// skipped moves every key past the addresses that may have been given out.
func skipped(ctx context.Context, v view, skip int64) (out []Skipped, err error) {
	if skip < 0 || skip > indexes {
		return nil, errors.New("a key has fewer addresses than that")
	}
	move := fmt.Sprintf(`UPDATE deposit_branches SET next_index = CASE WHEN next_index > %d THEN %d ELSE next_index + %d END`, max(0, indexes-skip), indexes, skip)
	if err := v.exec(ctx, move); err != nil {
		return nil, err
	}
	next := fmt.Sprintf(`SELECT b.id, b.next_index, COALESCE((SELECT MIN(a.idx) FROM deposit_addresses a WHERE a.branch = b.id AND a.payment = ''), b.next_index - %d)
 FROM deposit_branches b WHERE b.id > $1 ORDER BY b.id LIMIT 1`, skip)
	for last := ""; ; {
		var s Skipped
		ok, err := v.get(ctx, next, []any{last}, &s.Branch, &s.Next, &s.First)
		if err != nil || !ok {
			return out, err
		}
		last, out = s.Branch, append(out, s)
	}
}
