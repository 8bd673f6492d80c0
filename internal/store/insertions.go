package store

import "context"

// into says how rows get into a table: together with those of others, where the database
// can do that.
type into struct {
	// rank orders tables: what refers to another one has the higher rank.
	rank int
	one  string // the statement for a row
	many string // INSERT … SELECT * FROM, without what rows are selected from
	// why says what a failure means; nil for what the database says.
	why func(error) error
}

// newInto is given INSERT INTO and columns, and how many these are.
func newInto(rank int, text string, width int, why func(error) error) *into {
	return &into{rank: rank, one: text + ` VALUES ` + tuples(1, width), many: text + ` SELECT * FROM `, why: why}
}

func (i *into) explained(err error) error {
	if err == nil || i.why == nil {
		return err
	}
	return i.why(err)
}

// insertion is a row of a table that is to be inserted.
type insertion struct {
	into *into
	// order is the same for rows that cannot both be there. Who inserts several begins with
	// the least, so that no two wait for each other.
	order string
	args  []any
}

// postponer is a session that may insert rows when it likes: before it answers anything,
// and at the latest with the commit.
type postponer interface {
	postpone(insertion) error
}

// Postpone implements checkout.Tx.
func (t *tx) Postpone() bool {
	if _, ok := t.session.(postponer); !ok || t.parts > 0 {
		return false
	}
	t.later = true
	return true
}

// insert adds a row, later if that is wanted and the database gains by it.
func (t *tx) insert(ctx context.Context, r insertion) error {
	if err := t.usable(); err != nil {
		return err
	}
	if p, ok := t.session.(postponer); ok && t.later && t.parts == 0 {
		return t.note(p.postpone(r))
	}
	_, err := t.exec(ctx, r.into.one, r.args...)
	return r.into.explained(err)
}
