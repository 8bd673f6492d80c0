package carry

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrDiffers is returned with a report whose two sides are not the same.
var ErrDiffers = errors.New("the two do not hold the same")

// Pair is what a table holds on both sides.
type Pair struct {
	Table string `json:"table"`
	From  Sum    `json:"from"`
	To    Sum    `json:"to"`
	Same  bool   `json:"same"`
}

// Report compares two databases, or a database and a file, table by table. Both sides
// were read.
type Report struct {
	Tables []Pair `json:"tables"`
	Rows   int64  `json:"rows"` // of the first
	Same   bool   `json:"same"`
}

// compared makes a report; its error is ErrDiffers.
func compared(from, to []Sum) (Report, error) {
	r := Report{Same: true}
	var differ []string
	side := func(all []Sum, name string) Sum {
		if at := slices.IndexFunc(all, func(s Sum) bool { return s.Table == name }); at >= 0 {
			return all[at]
		}
		return Sum{Table: name}
	}
	names := make([]string, 0, len(from))
	for _, s := range slices.Concat(from, to) {
		names = append(names, s.Table)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		p := Pair{Table: name, From: side(from, name), To: side(to, name)}
		if p.Same = p.From == p.To; !p.Same {
			r.Same, differ = false, append(differ, name)
		}
		r.Rows += p.From.Rows
		r.Tables = append(r.Tables, p)
	}
	if !r.Same {
		return r, fmt.Errorf("%w: %v", ErrDiffers, differ)
	}
	return r, nil
}

// Compare reads two databases, each at one moment, and says whether they hold the same.
// Its error is ErrDiffers if they do not.
func Compare(ctx context.Context, from, to string, told func(table string, rows int64)) (r Report, err error) {
	var sides [2][]Sum
	for i, dsn := range []string{from, to} {
		if sides[i], err = read(ctx, dsn, told); err != nil {
			return r, err
		}
	}
	return compared(sides[0], sides[1])
}

func read(ctx context.Context, dsn string, p progress) (_ []Sum, err error) {
	v, err := open(ctx, dsn, look)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.close()) }()
	if _, err := current(ctx, v); err != nil {
		return nil, err
	}
	ts, err := v.tables(ctx)
	if err != nil {
		return nil, err
	}
	return sums(ctx, v, ts, p)
}
