package store

import (
	"context"
	"errors"
	"slices"
)

// Script runs a text of several statements, for tests that fill databases.
func Script(ctx context.Context, s *Store, text string) error {
	return s.engine.migrate(ctx, func(on session) error {
		_, err := on.exec(ctx, text)
		return err
	})
}

// KnowsMarks reports whether a store's filter has all of the archive's marks, or there are none.
func KnowsMarks(ctx context.Context, s *Store) (bool, error) {
	var head batch
	there, err := found(s.read.row(ctx, selectHead, nil, &head.tag, &head.number))
	if err != nil || !there {
		var mark int64
		some, more := found(s.read.row(ctx, `SELECT mark FROM handle_marks LIMIT 1`, nil, &mark))
		return !some, errors.Join(err, more)
	}
	return len(s.known.possible(head, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9})) < 9, nil
}

// Asked is a statement that was run, with its parameters.
type Asked struct {
	Query string
	Args  []any
}

// Record keeps what is asked of a store from now on, which must be idle.
func Record(s *Store) *[]Asked {
	r := &recording{engine: s.engine, all: &[]Asked{}}
	s.read, s.quick = r.session(s.read), r.session(s.quick)
	s.engine = r
	return r.all
}

// recording is an engine whose statements are kept.
type recording struct {
	engine
	all *[]Asked
}

func (r *recording) session(on session) session { return recorder{on, r.all} }

func (r *recording) write(ctx context.Context, f func(session) error) error {
	return r.engine.write(ctx, func(on session) error { return f(r.session(on)) })
}

type recorder struct {
	session
	all *[]Asked
}

func (r recorder) exec(ctx context.Context, query string, args ...any) (int64, error) {
	*r.all = append(*r.all, Asked{query, args})
	return r.session.exec(ctx, query, args...)
}

func (r recorder) query(ctx context.Context, query string, args ...any) (rows, error) {
	*r.all = append(*r.all, Asked{query, args})
	return r.session.query(ctx, query, args...)
}

func (r recorder) row(ctx context.Context, query string, args []any, dest ...any) error {
	*r.all = append(*r.all, Asked{query, args})
	return r.session.row(ctx, query, args, dest...)
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
