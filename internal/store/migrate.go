package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema, from a file named NNNN_name.sql. Steps
// only go forward, and a file never changes once it was released.
type migration struct {
	version  int64
	name     string
	checksum string // hex SHA-256 of the file
	sql      string
}

// The reasons a database is refused.
var (
	ErrNewerSchema   = errors.New("the database was made by a newer version of this program")
	ErrChangedSchema = errors.New("the database was made from other migrations than this program has")
)

// readMigrations reads the steps of a file system in order and checks that none
// is missing.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	var all []migration
	for i, file := range names {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		name := strings.TrimSuffix(path.Base(file), ".sql")
		digits, _, _ := strings.Cut(name, "_")
		version, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || version != int64(i+1) {
			return nil, fmt.Errorf("migration %s should have number %04d", file, i+1)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version, name, hex.EncodeToString(sum[:]), string(text)})
	}
	return all, nil
}

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	version    BIGINT NOT NULL PRIMARY KEY,
	name       TEXT   NOT NULL,
	checksum   TEXT   NOT NULL, -- hex SHA-256 of the file
	applied_at BIGINT NOT NULL
)`

// Migrate brings the schema up to date. Each step is one transaction; a second
// node waits and then finds nothing to do. Its errors include ErrNewerSchema,
// ErrChangedSchema, ErrMoved and ErrUnfinished.
func (s *Store) Migrate(ctx context.Context) error {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		return err
	}
	if err := s.here(ctx); err != nil {
		return err
	}
	if err := s.migrate(ctx, all); err != nil {
		return err
	}
	if err := s.here(ctx); err != nil { // migrating may have waited for what fills the database
		return err
	}
	return s.copyToTransfers(ctx)
}

// Step is a migration as databases record it.
type Step struct {
	Version  int64  `json:"version"`
	Name     string `json:"name"`
	Checksum string `json:"checksum"` // hex SHA-256 of the file
}

// Steps are this program's migrations, in order.
func Steps() ([]Step, error) {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	out := make([]Step, len(all))
	for i, m := range all {
		out[i] = Step{m.version, m.name, m.checksum}
	}
	return out, nil
}

// Compare returns how many of the program's steps a database has taken by its own
// record. Its errors are ErrNewerSchema and ErrChangedSchema.
func Compare(taken, all []Step) (int, error) {
	for i, t := range taken {
		if i >= len(all) {
			return 0, ErrNewerSchema
		}
		if t.Version != all[i].Version || t.Checksum != all[i].Checksum {
			return 0, fmt.Errorf("migration %s: %w", all[i].Name, ErrChangedSchema)
		}
	}
	return len(taken), nil
}

// MigrateTo takes the first n steps, for what was written by an older program. Migrate
// takes the rest later.
func (s *Store) MigrateTo(ctx context.Context, n int) error {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		return err
	}
	if n < 0 || n > len(all) {
		return fmt.Errorf("there are %d migrations, not %d", len(all), n)
	}
	missing, err := s.pending(ctx, all)
	if err != nil {
		return err
	}
	if have := len(all) - len(missing); have > n {
		return fmt.Errorf("the database has taken %d migrations already, more than %d", have, n)
	}
	return s.migrate(ctx, all[:n])
}

func (s *Store) migrate(ctx context.Context, all []migration) error {
	if err := s.engine.migrate(ctx, func(on session) error {
		_, err := on.exec(ctx, createMigrations)
		return err
	}); err != nil {
		return fmt.Errorf("make the table of migrations: %w", err)
	}
	for more := true; more; {
		err := s.alone(ctx, func(on session) error {
			missing, err := unapplied(ctx, on, all)
			if err != nil {
				return fmt.Errorf("look at applied migrations: %w", err)
			}
			if more = len(missing) > 0; !more {
				return nil
			}
			if err := s.apply(ctx, on, missing[0]); err != nil {
				return fmt.Errorf("migration %s: %w", missing[0].name, err)
			}
			s.log.InfoContext(ctx, "schema migrated", "migration", missing[0].name)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// What a migration changes may be in use: by a dump for hours, by nodes of the version
// before for moments. It tries for migratePatience, with pauses in which they go on.
const (
	migratePatience = 10 * time.Minute
	migratePause    = 500 * time.Millisecond
)

func (s *Store) alone(ctx context.Context, f func(session) error) error {
	for begun := time.Now(); ; {
		err := s.engine.migrate(ctx, f)
		if !lockedOut(err) || time.Since(begun) > migratePatience {
			return err
		}
		s.log.WarnContext(ctx, "a migration waits for others to be done with a table", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(migratePause) + migratePause/2):
		}
	}
}

func (s *Store) apply(ctx context.Context, on session, m migration) error {
	if _, err := on.exec(ctx, s.engine.text(m.sql)); err != nil {
		return err
	}
	_, err := on.exec(ctx, `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)`,
		m.version, m.name, m.checksum, micros(time.Now()))
	return err
}

// Pending returns the names of the steps that Migrate would take. Its errors
// include ErrNewerSchema and ErrChangedSchema.
func (s *Store) Pending(ctx context.Context) ([]string, error) {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	return s.pending(ctx, all)
}

func (s *Store) pending(ctx context.Context, all []migration) ([]string, error) {
	missing := all
	known, err := s.engine.hasTable(ctx, "schema_migrations")
	if err == nil && known {
		missing, err = unapplied(ctx, s.read, all)
	}
	if err != nil {
		return nil, fmt.Errorf("look at applied migrations: %w", err)
	}
	var names []string
	for _, m := range missing {
		names = append(names, m.name)
	}
	return names, nil
}

// unapplied compares what the database records with what the program has.
func unapplied(ctx context.Context, on session, all []migration) ([]migration, error) {
	r, err := on.query(ctx, `SELECT version, checksum FROM schema_migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	applied, err := collect(r, func() (m migration, err error) {
		err = r.Scan(&m.version, &m.checksum)
		return m, err
	})
	if err != nil {
		return nil, err
	}
	for i, m := range applied {
		if i >= len(all) {
			return nil, ErrNewerSchema
		}
		if m.version != all[i].version || m.checksum != all[i].checksum {
			return nil, fmt.Errorf("migration %s: %w", all[i].name, ErrChangedSchema)
		}
	}
	return all[len(applied):], nil
}
