package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"quittance/internal/fault"
)

// question is a short read that is asked together with others: one message there and one
// back, whatever their number, instead of one for each; and one statement for all that
// differ in their parameters only.
type question struct {
	query string
	args  []any
	found *answered // nil until it was answered
}

// quick is a session whose reads are asked together. They must be look-ups by an index:
// each waits for its neighbours.
type quick struct {
	*direct
	engine *postgresEngine
}

func (q quick) query(ctx context.Context, query string, args ...any) (rows, error) {
	return q.ask(ctx, query, args)
}

func (q quick) row(ctx context.Context, query string, args []any, dest ...any) error {
	r, err := q.ask(ctx, query, args)
	if err != nil {
		return err
	}
	if !r.Next() {
		return errNoRow
	}
	return r.Scan(dest...)
}

func (q quick) ask(ctx context.Context, query string, args []any) (*answered, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values, err := driverValues(args)
	if err != nil {
		return nil, err
	}
	s, err := q.engine.questions.join(question{query: query, args: values})
	if err != nil {
		return nil, err
	}
	select {
	case <-s.done:
		return s.what.found, s.err
	case <-ctx.Done():
		q.engine.questions.giveUp(s)
		return nil, ctx.Err()
	}
}

// driverValues are the few types that database/sql would give to a driver too.
func driverValues(args []any) ([]any, error) {
	values := make([]any, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		values[i] = v
	}
	return values, nil
}

// askAll asks questions together. If that fails, those that are not answered yet are asked
// again one by one: a read may be, and none is to suffer from its neighbours, or from
// connections that had died.
func (e *postgresEngine) askAll(ctx context.Context, all []*share[question]) {
	err := e.onConn(ctx, func(on *pgx.Conn) error { return e.exchange(ctx, on, all) })
	unreachable := false
	for i, s := range all {
		for left := groupConnections; left > 0 && s.what.found == nil && !unreachable; left-- {
			err = e.onConn(ctx, func(on *pgx.Conn) error { return e.exchange(ctx, on, all[i:i+1]) })
			if err == nil || refused(err) {
				break
			}
			unreachable = left == 1 // and none of the connections had died before
		}
		if s.what.found != nil {
			s.end(nil)
		} else {
			s.end(unanswered(err))
		}
	}
}

// exchange asks questions in one message, and keeps the answers until one fails. Those that
// ask the very same are told the same: it is asked after all of them wanted to know.
func (e *postgresEngine) exchange(ctx context.Context, on *pgx.Conn, all []*share[question]) (err error) {
	var b pgx.Batch
	asked := lookUps(all)
	results := make([]int, len(asked))
	for i, l := range asked {
		results[i] = l.queue(&b, &e.wide)
	}
	answers := on.SendBatch(ctx, &b)
	defer func() { err = errors.Join(err, answers.Close()) }()
	for i, l := range asked {
		for n := range results[i] {
			r, err := answers.Query()
			if err != nil {
				return err
			}
			if err := l.keep(n, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// onConn runs f on a connection for what is done together.
func (e *postgresEngine) onConn(ctx context.Context, f func(*pgx.Conn) error) (err error) {
	conn, err := e.groups.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(func(of any) error { return f(of.(*stdlib.Conn).Conn()) })
}

// refused reports whether the database has answered, with an error, and goes on.
func refused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.SeverityUnlocalized != "FATAL" && e.SeverityUnlocalized != "PANIC"
}

// unanswered is the error of an exchange for one of those who took part: whatever is not
// the database's own word is that it is not there.
func unanswered(err error) error {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return neutral(err)
	}
	return fault.New(fault.Unavailable, "storage_unavailable", "The database does not answer. Please try again.").Because(err)
}

type column struct {
	kind   uint32 // the database's number of the type
	format int16  // 1 for binary
}

// answered are rows that were received whole. It is read by whoever asked.
type answered struct {
	columns []column
	cells   [][]byte // row after row; nil for NULL
	at      int      // row
}

func (a *answered) keep(row [][]byte) {
	size := 0
	for _, cell := range row {
		size += len(cell)
	}
	all := make([]byte, 0, size)
	for _, cell := range row {
		from := len(all)
		all = append(all, cell...)
		if cell == nil {
			a.cells = append(a.cells, nil)
		} else {
			a.cells = append(a.cells, all[from:len(all):len(all)])
		}
	}
}

func (a *answered) Next() bool {
	a.at++
	return (a.at+1)*len(a.columns) <= len(a.cells) && len(a.columns) > 0
}

func (a *answered) Err() error   { return nil }
func (a *answered) Close() error { return nil }

func (a *answered) Scan(dest ...any) error {
	if len(dest) != len(a.columns) {
		return fmt.Errorf("database: %d columns for %d destinations", len(a.columns), len(dest))
	}
	for i, d := range dest {
		if err := a.columns[i].read(a.cells[a.at*len(a.columns)+i], d); err != nil {
			return fmt.Errorf("database: column %d: %w", i, err)
		}
	}
	return nil
}

// read puts a value where the caller wants it. There are texts, integers, booleans and
// bytes in the database, and no others.
func (c column) read(cell []byte, dest any) error {
	if cell == nil {
		return errors.New("NULL")
	}
	switch d := dest.(type) {
	case *string:
		*d = string(cell)
		return nil
	case *[]byte:
		*d = bytes.Clone(cell) // others may have been told the same
		return nil
	case *int64:
		n, err := c.number(cell)
		*d = n
		return err
	}
	v := reflect.ValueOf(dest).Elem()
	switch v.Kind() {
	case reflect.String:
		v.SetString(string(cell))
		return nil
	case reflect.Bool:
		v.SetBool(c.truth(cell))
		return nil
	case reflect.Int, reflect.Int64, reflect.Int32:
		n, err := c.number(cell)
		v.SetInt(n)
		return err
	case reflect.Uint, reflect.Uint64, reflect.Uint32:
		n, err := c.number(cell)
		v.SetUint(uint64(n))
		return err
	default:
		return fmt.Errorf("a %T cannot be read", dest)
	}
}

func (c column) truth(cell []byte) bool {
	return c.kind == pgtype.BoolOID && len(cell) == 1 && (cell[0] == 1 || cell[0] == 't')
}

func (c column) number(cell []byte) (int64, error) {
	switch {
	case c.format == pgtype.TextFormatCode:
		return strconv.ParseInt(string(cell), 10, 64)
	case c.kind == pgtype.Int8OID && len(cell) == 8:
		return int64(binary.BigEndian.Uint64(cell)), nil
	case c.kind == pgtype.Int4OID && len(cell) == 4:
		return int64(int32(binary.BigEndian.Uint32(cell))), nil
	default:
		return 0, fmt.Errorf("type %d is no integer", c.kind)
	}
}
