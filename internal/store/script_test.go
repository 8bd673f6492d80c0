package store

import (
	"context"
	"slices"
)

// Script runs a text of several statements, for tests that fill databases.
func Script(ctx context.Context, s *Store, text string) error {
	return s.engine.migrate(ctx, func(on session) error {
		_, err := on.exec(ctx, text)
		return err
	})
}

// MarkArchived lists the handles of an archive that was filled by a script.
func MarkArchived(ctx context.Context, s *Store) error {
	r, err := s.read.query(ctx, `SELECT rail, value FROM handles_old`)
	if err != nil {
		return err
	}
	marks, err := collect(r, func() (int64, error) {
		var rail, value string
		err := r.Scan(&rail, &value)
		return handleMark(rail, value), err
	})
	if err != nil {
		return err
	}
	slices.Sort(marks)
	for some := range slices.Chunk(marks, 100_000) {
		err := s.write(ctx, func(t *tx) error {
			for _, m := range some {
				if _, err := t.exec(ctx, insertMark, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
