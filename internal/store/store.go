package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/span"
	"quittance/internal/webhook"
)

// Config says where the database is.
type Config struct {
	DSN  string       // "sqlite:PATH" or "postgres://…"
	Seal *seal.Box    // protects endpoint secrets
	Log  *slog.Logger // may be nil
	// Tells reports whether a dialect tells the merchant of a kind of event; nil for
	// payment.EventKind.Announced of all.
	Tells func(dialect string, k payment.EventKind) bool
	// Committed hears of events once they are committed by this process, nil for nobody.
	// It must be quick.
	Committed func([]Told)
}

// Store is a database. It is safe for concurrent use.
type Store struct {
	engine engine
	read   session
	quick  session // for what an index finds at once: it is asked together with others
	seal   *seal.Box
	log    *slog.Logger
	tells  func(dialect string, k payment.EventKind) bool
	heard  func([]Told)
	terms  *termsCache
	hub    *hub
	known  *known
	spread *spread // nil where there are no other nodes

	searching chan struct{} // has what searches in texts there are
	packSize  int           // of packs that are made
}

var (
	_ checkout.Store    = (*Store)(nil)
	_ merchant.Store    = (*Store)(nil)
	_ merchant.Branches = (*Store)(nil)
	_ merchant.Links    = (*Store)(nil)
	_ webhook.Store     = (*Store)(nil)
	_ job.Queue         = (*Store)(nil)
	_ job.Enqueuer      = (*tx)(nil)
	_ checkout.Tx       = (*tx)(nil)
)

// session runs statements: inside one transaction, or each on its own.
type session interface {
	// exec returns how many rows were changed.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	// row scans the only row; errNoRow if there is none.
	row(ctx context.Context, query string, args []any, dest ...any) error
}

// rows is the part of *sql.Rows that is needed here.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// errNoRow is row's answer when nothing was found.
var errNoRow = errors.New("no row")

// engine is what differs between the databases.
type engine interface {
	// reader runs reads of committed data.
	reader() session
	// quick runs reads of committed data too, those that an index answers at once. What
	// several callers want at the same time may be asked together.
	quick() session
	// write runs f in a transaction and commits it durably. It returns f's error
	// as it is; f may run several times, each time in a fresh transaction. The session
	// may be a postponer.
	write(ctx context.Context, f func(session) error) error
	// migrate runs f in a transaction that no other node can enter. Its session
	// accepts several statements at once.
	migrate(ctx context.Context, f func(session) error) error
	// hasTable looks a table up in the database's own catalogue.
	hasTable(ctx context.Context, name string) (bool, error)
	// text adapts SQL to the database's few differing words, which it has in braces:
	// {{BLOB}}, a type; {{PASS BY}}, which locks the rows "a" of a selection and leaves
	// out those that another transaction has; {{TEXTS}}, a function that makes rows of
	// a JSON array's texts, in a column "value"; {{ONLY COUNTED MARKS}}, see onlyCounted.
	text(sql string) string
	// pool is how busy its connections are.
	pool() Pool
	io.Closer
}

// Open connects to a database, which may be empty: Migrate makes the tables.
// It refuses a database whose schema is newer than this program or was made
// from other migrations, one that was left for another, and an unfinished copy.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Seal == nil {
		return nil, errors.New("open store: no key to seal secrets with")
	}
	s := &Store{seal: c.Seal, log: c.Log, tells: c.Tells, heard: c.Committed, terms: newTermsCache(cachedRequests), hub: newHub(), known: newKnown(),
		searching: make(chan struct{}, searchesAtOnce), packSize: packSize}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.tells == nil {
		s.tells = func(_ string, k payment.EventKind) bool { return k.Announced() }
	}
	var err error
	switch path, isFile := strings.CutPrefix(c.DSN, "sqlite:"); {
	case isFile:
		s.engine, err = openSQLite(ctx, path)
	case strings.HasPrefix(c.DSN, "postgres://"), strings.HasPrefix(c.DSN, "postgresql://"):
		s.engine, s.spread, err = openPostgres(ctx, c.DSN)
	default:
		return nil, errors.New(`open store: the database must be "sqlite:PATH" or "postgres://…"`)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.read, s.quick = joining{s.engine.reader()}, joining{s.engine.quick()}
	if _, err := s.Pending(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.here(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close waits for writes that are under way and closes the database. Writes
// that come later are refused.
func (s *Store) Close() error { return s.engine.Close() }

// Ping asks the database for an answer.
//
// Faults: Unavailable.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read.row(ctx, `SELECT 1`, nil, &one)
}

// Write runs f in one transaction and commits it durably if f returns nil. f
// must touch the store only through its Tx (another Write inside f would wait
// for itself), must not keep the Tx, and must be quick: on SQLite all other
// writes wait for it. Once a statement of f has failed, the transaction cannot
// commit any more, whatever f returns. Within the effect of Once f runs in the
// effect's transaction, which commits later.
func (s *Store) Write(ctx context.Context, f func(checkout.Tx) error) error {
	return s.write(ctx, func(t *tx) error { return f(t) })
}

// write is Write with the concrete transaction; it tells the hub what changed
// once that is committed.
func (s *Store) write(ctx context.Context, f func(*tx) error) (err error) {
	if t := ambient(ctx); t != nil {
		return t.join(ctx, f)
	}
	ctx, end := span.Begin(ctx, "store write")
	defer func() { end(err) }()
	var last *tx
	err = s.engine.write(ctx, func(on session) error {
		last = &tx{store: s, session: on}
		defer last.end()
		if err := f(last); err != nil {
			return err
		}
		return last.failed
	})
	if err != nil {
		return err
	}
	for _, p := range last.created {
		s.terms.put(p.ID, p.Terms)
	}
	s.hub.committed(last.touched, last.enqueued)
	s.spreadChanges(last)
	if s.heard != nil && len(last.told) > 0 {
		s.heard(last.told)
	}
	return nil
}

// tx is one transaction.
type tx struct {
	session
	store *Store
	over  bool
	later bool // see Postpone
	parts int  // writes that joined this one and are not done

	failed   error // the first statement that failed: the transaction is lost
	created  []*payment.Payment
	touched  []payment.ID
	warmed   []payment.ID // held, and where they can be written
	silent   []payment.ID // created, and without an event
	enqueued bool
	told     []Told
	stood    map[payment.ID]payment.Oddity // as the transaction leaves payments
}

var errTxOver = errors.New("the transaction is over")

func (t *tx) end() { t.over = true }

// exec remembers a failure. PostgreSQL refuses everything after one, and
// SQLite must not be more patient, or code would come to rely on it.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	n, err := t.session.exec(ctx, query, args...)
	return n, t.note(err)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (rows, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	r, err := t.session.query(ctx, query, args...)
	return r, t.note(err)
}

func (t *tx) row(ctx context.Context, query string, args []any, dest ...any) error {
	if err := t.usable(); err != nil {
		return err
	}
	err := t.session.row(ctx, query, args, dest...)
	if errors.Is(err, errNoRow) {
		return err
	}
	return t.note(err)
}

func (t *tx) usable() error {
	if t.over {
		return errTxOver
	}
	return t.failed
}

func (t *tx) note(err error) error {
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return err
}

func (t *tx) touch(id payment.ID) {
	for _, known := range t.touched {
		if known == id {
			return
		}
	}
	t.touched = append(t.touched, id)
}
