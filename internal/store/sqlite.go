package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"quittance/internal/fault"

	"modernc.org/sqlite" // registers the driver
	sqlitelib "modernc.org/sqlite/lib"
)

const (
	// groupLimit bounds how many writes share a commit, and so how long the
	// first of them waits for the others.
	groupLimit = 64
	// busyMillis is how long SQLite itself waits for another process's lock,
	// such as that of an operator's command.
	busyMillis = 5000
	// besiegedMillis is how long it waits once it has waited in vain: whoever holds the
	// lock for that long copies the database, and callers get their answer soon.
	besiegedMillis = 250
)

// sqliteEngine has one connection that writes and several that read. WAL lets
// them read the last commit while the next one is written.
type sqliteEngine struct {
	readers *pool
	writers *sql.DB // holds the one connection of writer
	writer  session // on pin
	pin     *pinned

	queue  chan *waiting
	stop   chan struct{} // closed by Close
	exited chan struct{} // closed by the writer goroutine
	once   sync.Once
	waits  atomic.Int64 // writes that wait for their turn

	// Only the writer goroutine touches these.
	besieged bool // it waited for another program's lock in vain
	movable  bool // there is a table that says whether the database was left
}

func openSQLite(ctx context.Context, path string) (*sqliteEngine, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("the SQLite database must be a file")
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	writers, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writers.SetMaxOpenConns(1)
	conn, err := writers.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), writers.Close())
	}
	readers, err := sql.Open("sqlite", sqliteDSN(path)+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), conn.Close(), writers.Close())
	}
	n := max(4, runtime.GOMAXPROCS(0))
	readers.SetMaxOpenConns(n)
	readers.SetMaxIdleConns(n)
	e := &sqliteEngine{
		readers: &pool{db: readers},
		writers: writers,
		pin:     &pinned{conn: conn, stmts: map[string]*sql.Stmt{}},
		queue:   make(chan *waiting),
		stop:    make(chan struct{}),
		exited:  make(chan struct{}),
	}
	e.writer = prepared{e.pin}
	go e.run()
	return e, nil
}

// createPrivate makes the database's file if there is none: SQLite would make it
// readable for everybody, and its log files take after it. An existing file is
// not opened here, because closing it would drop SQLite's locks on it.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return f.Close()
}

// sqliteDSN puts the settings of every connection into its address, in the
// order in which the driver applies them: busy_timeout first, because the
// others may have to wait for a lock already.
func sqliteDSN(path string) string {
	q := url.Values{}
	q.Set("_txlock", "immediate")
	for _, p := range []string{
		fmt.Sprintf("busy_timeout(%d)", busyMillis),
		"journal_mode(WAL)",
		"synchronous(FULL)", // it is a ledger: a commit survives a power cut
		"foreign_keys(1)",
		"temp_store(MEMORY)",       // the undo log of savepoints would go to a file
		"cache_size(-16000)",       // 16 MB for each connection, taken as needed
		"wal_autocheckpoint(4000)", // pages: 16 MB of log between checkpoints
		"trusted_schema(0)",
	} {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// sqliteWords needs no locks: there is one writer.
var sqliteWords = strings.NewReplacer("{{BLOB}}", "BLOB", "{{PASS BY}}", "", "{{TEXTS}}", "json_each", "{{ONLY COUNTED MARKS}}", "")

func (e *sqliteEngine) reader() session        { return prepared{e.readers} }
func (e *sqliteEngine) quick() session         { return e.reader() }
func (e *sqliteEngine) text(sql string) string { return sqliteWords.Replace(sql) }

// Close lets the current group finish and closes all connections.
func (e *sqliteEngine) Close() error {
	var err error
	e.once.Do(func() {
		close(e.stop)
		<-e.exited
		err = errors.Join(e.readers.close(), e.pin.close(), e.writers.Close())
	})
	return err
}

func errClosed() error {
	return fault.New(fault.Unavailable, "storage_closed", "The server is stopping. Please try again.")
}

// waiting is a write in the queue. Its function runs in the goroutine that
// called write, while the writer goroutine waits for it: so a panic unwinds
// where it belongs and harms nobody else.
type waiting struct {
	turn chan session // the writer: it is your turn; closed without a value if there is none
	ran  chan error   // the caller: this is how it went
	done chan error   // the writer: this is what became of it
}

var errAbandoned = errors.New("the write panicked")

func (e *sqliteEngine) write(ctx context.Context, f func(session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiting{turn: make(chan session, 1), ran: make(chan error, 1), done: make(chan error, 1)}
	if err := e.line(ctx, w); err != nil {
		return err
	}
	on, ok := <-w.turn
	if !ok {
		return <-w.done
	}
	w.perform(on, f)
	return <-w.done
}

// line waits until the writer takes a write.
func (e *sqliteEngine) line(ctx context.Context, w *waiting) error {
	e.waits.Add(1)
	defer e.waits.Add(-1)
	select {
	case e.queue <- w: // unbuffered: who is cancelled while waiting leaves no trace
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stop:
		return errClosed()
	}
}

// perform runs f and reports how it went, also if f panics or ends its goroutine.
func (w *waiting) perform(on session, f func(session) error) {
	err := errAbandoned
	defer func() { w.ran <- err }()
	err = f(on)
}

// run is the writer goroutine.
func (e *sqliteEngine) run() {
	defer close(e.exited)
	for {
		select {
		case <-e.stop:
			return
		case w := <-e.queue:
			e.group(w)
		}
	}
}

// group runs the writes that wait, each in a savepoint, and commits them together.
func (e *sqliteEngine) group(first *waiting) {
	ctx := context.Background()
	refuse := func(w *waiting, err error) {
		close(w.turn)
		w.done <- err
	}
	if err := e.begin(ctx); err != nil {
		for w, n := first, 1; w != nil; n++ {
			refuse(w, err) // whoever has come meanwhile has waited long enough
			w = e.next(n)
		}
		return
	}
	var ready []*waiting
	var broken error
	for w, n := first, 1; w != nil; n++ {
		err := e.turn(ctx, w, refuse)
		if errors.Is(err, errGroupLost) {
			broken = err
			break // those who still wait begin another group
		}
		if err == nil {
			ready = append(ready, w)
		}
		w = e.next(n)
	}
	if broken == nil && len(ready) > 0 {
		_, broken = e.writer.exec(ctx, `COMMIT`)
	}
	if broken != nil || len(ready) == 0 {
		// Nothing is lost if this fails: SQLite has then rolled back already.
		_, _ = e.writer.exec(ctx, `ROLLBACK`)
	}
	for _, w := range ready {
		w.done <- broken
	}
}

// begin starts a transaction of a group.
//
// Faults: Unavailable, "storage_busy" while another program copies the database and
// "storage_moved" once it has left it.
func (e *sqliteEngine) begin(ctx context.Context) error {
	_, err := e.writer.exec(ctx, `BEGIN IMMEDIATE`)
	held := err != nil && isBusy(err)
	if held != e.besieged && (held || err == nil) {
		wait := busyMillis
		if held {
			wait = besiegedMillis
		}
		if _, perr := e.writer.exec(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, wait)); perr == nil {
			e.besieged = held
		}
	}
	if held {
		return busy(err)
	}
	if err != nil {
		return err
	}
	if err = e.here(ctx); err != nil {
		// Nothing was written, and what hides behind this one is worth less.
		_, _ = e.writer.exec(ctx, `ROLLBACK`)
	}
	return err
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// here refuses writes to a database that was left for another, which a server that has it
// open would not notice otherwise.
func (e *sqliteEngine) here(ctx context.Context) error {
	var to string
	var at int64
	if !e.movable {
		known, err := found(e.writer.row(ctx, hasMoved, nil, &to))
		if err != nil || !known {
			return err
		}
		e.movable = true
	}
	gone, err := found(e.writer.row(ctx, selectMoved, nil, &to, &at))
	if gone {
		return left()
	}
	return err
}

const hasMoved = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'moved'`

// next takes a write that waits already, nil if there is none or the group is full.
func (e *sqliteEngine) next(n int) *waiting {
	if n >= groupLimit {
		return nil
	}
	select {
	case w := <-e.queue:
		return w
	default:
		return nil
	}
}

// errGroupLost tells that SQLite gave up the whole transaction, as it does when
// the disk is full.
var errGroupLost = errors.New("the shared transaction was lost")

// turn lets one write run in its savepoint. nil means that it waits for the
// commit; any other write has had its answer, except that errGroupLost says
// that the whole group is lost.
func (e *sqliteEngine) turn(ctx context.Context, w *waiting, refuse func(*waiting, error)) error {
	if _, err := e.writer.exec(ctx, `SAVEPOINT w`); err != nil {
		refuse(w, err)
		return lost(err)
	}
	w.turn <- e.writer
	err := <-w.ran
	if err == nil {
		if _, err = e.writer.exec(ctx, `RELEASE w`); err == nil {
			return nil
		}
		w.done <- err
		return lost(err)
	}
	if _, rerr := e.writer.exec(ctx, `ROLLBACK TO w`); rerr != nil {
		w.done <- err
		return lost(rerr)
	}
	_, rerr := e.writer.exec(ctx, `RELEASE w`)
	w.done <- err
	if rerr != nil {
		return lost(rerr)
	}
	return err
}

func lost(cause error) error {
	return fault.New(fault.Unavailable, "storage_unavailable", "The database does not answer. Please try again.").
		Because(errors.Join(errGroupLost, cause))
}

// migrate runs f alone on the writing connection: other processes wait for its
// lock, and this one's other writes for the writer goroutine.
func (e *sqliteEngine) migrate(ctx context.Context, f func(session) error) error {
	return e.write(ctx, func(on session) error { return f(script{on, e.pin.conn}) })
}

// script runs texts of several statements, which cannot be prepared.
type script struct {
	session
	conn *sql.Conn
}

func (s script) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return affected(s.conn.ExecContext(context.WithoutCancel(ctx), query, args...))
}

func (e *sqliteEngine) hasTable(ctx context.Context, name string) (bool, error) {
	return found(e.reader().row(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name = $1`, []any{name}, &name))
}

// preparer finds the prepared form of a query and the context to run it with.
type preparer interface {
	prepare(ctx context.Context, query string) (*sql.Stmt, context.Context, error)
}

// prepared is a session over prepared statements.
type prepared struct{ preparer }

func (p prepared) exec(ctx context.Context, query string, args ...any) (int64, error) {
	st, ctx, err := p.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	return affected(st.ExecContext(ctx, args...))
}

func (p prepared) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, ctx, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, neutral(err)
	}
	return r, nil
}

func (p prepared) row(ctx context.Context, query string, args []any, dest ...any) error {
	st, ctx, err := p.prepare(ctx, query)
	if err != nil {
		return err
	}
	return scanned(st.QueryRowContext(ctx, args...).Scan(dest...))
}

// pinned prepares on one connection. It is used by one goroutine at a time.
//
// A statement that has begun is never interrupted: SQLite answers an interrupt
// inside a transaction by rolling all of it back, the other writes of the group
// included. So the context is looked at before each statement only.
type pinned struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (p *pinned) prepare(ctx context.Context, query string) (*sql.Stmt, context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if st, ok := p.stmts[query]; ok {
		return st, ctx, nil
	}
	st, err := p.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, nil, neutral(err)
	}
	p.stmts[query] = st
	return st, ctx, nil
}

func (p *pinned) close() error {
	var errs []error
	for _, st := range p.stmts {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, p.conn.Close())...)
}

// pool prepares on each of several connections. Reads are short and local, so a
// context is looked at before one and not during it: watching it costs two
// goroutines a read.
type pool struct {
	db    *sql.DB
	stmts sync.Map // query text to *sql.Stmt
}

func (p *pool) prepare(ctx context.Context, query string) (*sql.Stmt, context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if st, ok := p.stmts.Load(query); ok {
		return st.(*sql.Stmt), ctx, nil
	}
	st, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, nil, neutral(err)
	}
	if earlier, ok := p.stmts.LoadOrStore(query, st); ok {
		return earlier.(*sql.Stmt), ctx, st.Close()
	}
	return st, ctx, nil
}

func (p *pool) close() error {
	var errs []error
	p.stmts.Range(func(_, st any) bool {
		errs = append(errs, st.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(append(errs, p.db.Close())...)
}
