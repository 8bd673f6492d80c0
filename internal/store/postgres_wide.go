package store

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// What differs in its parameters only is said to the database once, with an array for each
// parameter: it begins, runs and answers one statement then, whatever the number of callers.

// arrays puts rows of parameters into an array for each of their places. It reports false
// for rows that are not all of the same few types.
func arrays(rows [][]any) (columns []any, ok bool) {
	if len(rows[0]) == 0 {
		return nil, false
	}
	for i := range rows[0] {
		var column any
		switch rows[0][i].(type) {
		case string:
			column, ok = columnOf[string](rows, i)
		case int64:
			column, ok = columnOf[int64](rows, i)
		case bool:
			column, ok = columnOf[bool](rows, i)
		case []byte:
			column, ok = columnOf[[]byte](rows, i)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		columns = append(columns, column)
	}
	return columns, true
}

func columnOf[T any](rows [][]any, i int) (pgtype.FlatArray[T], bool) {
	column := make(pgtype.FlatArray[T], len(rows))
	for n, row := range rows {
		v, ok := row[i].(T)
		if !ok {
			return nil, false
		}
		column[n] = v
	}
	return column, true
}

// unnested makes rows of arrays again: "unnest($1::TEXT[],$2::BIGINT[])".
func unnested(columns []any) string {
	b := []byte("unnest(")
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, '$'), int64(i+1), 10), "::"...)
		switch c.(type) {
		case pgtype.FlatArray[string]:
			b = append(b, "TEXT[]"...)
		case pgtype.FlatArray[int64]:
			b = append(b, "BIGINT[]"...)
		case pgtype.FlatArray[bool]:
			b = append(b, "BOOLEAN[]"...)
		default:
			b = append(b, "BYTEA[]"...)
		}
	}
	return string(append(b, ')'))
}

var parameter = regexp.MustCompile(`\$(\d+)`)

// wide is a look-up for several sets of parameters: its first column says for which of them,
// counted from 1, a row was found. OFFSET 0 keeps the planner from anything but looking each
// of them up.
func wide(query, unnested string, columns int) string {
	names := make([]string, columns)
	for i := range names {
		names[i] = "a" + strconv.Itoa(i+1)
	}
	return `SELECT asked.n, found.* FROM ` + unnested + ` WITH ORDINALITY AS asked(` + strings.Join(names, ",") + `,n), LATERAL (` +
		parameter.ReplaceAllString(query, `asked.a$1`) + ` OFFSET 0) found`
}

// lookUp is a question that several callers may have asked, each with parameters of its own
// or with the same.
type lookUp struct {
	query  string
	asked  [][]any              // parameters, each set once
	shares [][]*share[question] // who asked with them

	wide bool // the database is asked for all sets at once, see wide
}

// lookUps puts questions together that differ in their parameters only.
func lookUps(all []*share[question]) (found []*lookUp) {
	for _, s := range all {
		i := slices.IndexFunc(found, func(l *lookUp) bool { return l.query == s.what.query })
		if i < 0 {
			i, found = len(found), append(found, &lookUp{query: s.what.query})
		}
		found[i].add(s)
	}
	return found
}

func (l *lookUp) add(s *share[question]) {
	for i, args := range l.asked {
		if slices.EqualFunc(args, s.what.args, sameValue) {
			l.shares[i] = append(l.shares[i], s)
			return
		}
	}
	l.asked, l.shares = append(l.asked, s.what.args), append(l.shares, []*share[question]{s})
}

// sameValue compares what can be compared at once; values of other types differ.
func sameValue(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && a == b
	case int64:
		b, ok := b.(int64)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	}
	return false
}

// queue says a look-up to the database, which answers with as many results as are returned.
func (l *lookUp) queue(b *pgx.Batch, texts *wideTexts) (results int) {
	if len(l.asked) > 1 {
		if columns, ok := arrays(l.asked); ok {
			l.wide = true
			b.Queue(texts.of(l.query, columns), columns...)
			return 1
		}
	}
	for _, args := range l.asked {
		b.Queue(l.query, args...)
	}
	return len(l.asked)
}

// keep takes the next result, the n-th one.
func (l *lookUp) keep(n int, r pgx.Rows) error {
	defer r.Close()
	var columns []column
	for _, f := range r.FieldDescriptions() {
		columns = append(columns, column{f.DataTypeOID, f.Format})
	}
	found := make([]answered, len(l.asked))
	for r.Next() {
		row := r.RawValues()
		if l.wide {
			place, err := columns[0].number(row[0])
			if err != nil {
				return err
			}
			n, row = int(place)-1, row[1:]
		}
		found[n].keep(row)
	}
	if err := r.Err(); err != nil {
		return err
	}
	if l.wide {
		for i, a := range found {
			l.tell(i, columns[1:], a.cells)
		}
	} else {
		l.tell(n, columns, found[n].cells)
	}
	return nil
}

// tell gives the answer to one set of parameters to all who asked with it.
func (l *lookUp) tell(i int, columns []column, cells [][]byte) {
	for _, s := range l.shares[i] {
		s.what.found = &answered{columns: columns, cells: cells, at: -1}
	}
}

// wideTexts remembers what wide made: there are few.
type wideTexts struct {
	mu   sync.Mutex
	made map[[2]string]string
}

func (w *wideTexts) of(query string, columns []any) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := [2]string{query, unnested(columns)}
	text, ok := w.made[key]
	if !ok {
		if w.made == nil {
			w.made = map[[2]string]string{}
		}
		text = wide(query, key[1], len(columns))
		w.made[key] = text
	}
	return text
}
