package store

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"quittance/internal/pgtest"
	"quittance/internal/seal"
)

// forEach runs a test on an empty database of each kind.
func forEach(t *testing.T, test func(t *testing.T, open func(t *testing.T) (*Store, error))) {
	for name, dsn := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			at := dsn(t)
			test(t, func(t *testing.T) (*Store, error) {
				box, err := seal.New(seal.NewKey())
				if err != nil {
					t.Fatal(err)
				}
				s, err := Open(t.Context(), Config{DSN: at, Seal: box})
				if err == nil {
					t.Cleanup(func() { _ = s.Close() })
				}
				return s, err
			})
		})
	}
}

// steps makes migrations of file contents.
func steps(t *testing.T, files ...string) []migration {
	t.Helper()
	all, err := readMigrations(tree(files...))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tree(files ...string) fstest.MapFS {
	dir := fstest.MapFS{}
	for i, f := range files {
		dir["migrations/000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(f)}
	}
	return dir
}

const (
	stepOne    = "CREATE TABLE one (id TEXT NOT NULL PRIMARY KEY, -- with; a comment\n b {{BLOB}});\nINSERT INTO one (id) VALUES ('a;b');\n"
	stepTwo    = "CREATE TABLE two (id TEXT);"
	stepBroken = "CREATE TABLE three (id TEXT); INSERT INTO nowhere VALUES (1);"
)

func TestMigrate(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		ctx := t.Context()
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		if names, err := s.Pending(ctx); err != nil || !slices.Equal(names, []string{"0001_initial", "0002_request_dialect", "0003_routes", "0004_safes", "0005_gasless", "0006_deposits", "0007_links", "0008_nodes", "0009_archive", "0010_mark_batches", "0011_vouched", "0012_search_packs"}) {
			t.Fatalf("pending on an empty database: %v, %v", names, err)
		}
		for range 2 { // the second time nothing is left to do
			if err := s.migrate(ctx, steps(t, stepOne)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.migrate(ctx, steps(t, stepOne, stepTwo)); err != nil {
			t.Fatal(err)
		}
		if names, err := s.pending(ctx, steps(t, stepOne, stepTwo, stepBroken)); err != nil || len(names) != 1 {
			t.Errorf("pending: %v, %v", names, err)
		}

		if err := s.migrate(ctx, steps(t, stepOne, stepTwo, stepBroken)); err == nil || !strings.Contains(err.Error(), "0003_step") {
			t.Errorf("a broken step: got %v, want an error that names it", err)
		}
		if there, err := s.engine.hasTable(ctx, "three"); err != nil || there {
			t.Errorf("half of a broken step is there: %v, %v", there, err)
		}
		if names, err := s.pending(ctx, steps(t, stepOne, stepTwo, stepBroken)); err != nil || len(names) != 1 {
			t.Errorf("pending after the broken step: %v, %v", names, err)
		}

		for what, c := range map[string]struct {
			has  []migration
			want error
		}{
			"a newer schema":   {steps(t, stepOne), ErrNewerSchema},
			"a changed step":   {steps(t, stepOne+"-- changed", stepTwo), ErrChangedSchema},
			"a changed second": {steps(t, stepOne, stepTwo+" "), ErrChangedSchema},
		} {
			if _, err := s.pending(ctx, c.has); !errors.Is(err, c.want) {
				t.Errorf("%s: pending says %v, want %v", what, err, c.want)
			}
			if err := s.migrate(ctx, c.has); !errors.Is(err, c.want) {
				t.Errorf("%s: migrate says %v, want %v", what, err, c.want)
			}
		}

		// This program's own migrations are not those of the test.
		if _, err := open(t); !errors.Is(err, ErrChangedSchema) {
			t.Errorf("opening a foreign schema: %v, want ErrChangedSchema", err)
		}
	})
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if names, err := s.Pending(t.Context()); err != nil || len(names) != 0 {
			t.Errorf("pending after Migrate: %v, %v", names, err)
		}
		if err := s.write(t.Context(), func(x *tx) error {
			_, err := x.exec(t.Context(), `INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, 'later', '', 0)`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t); !errors.Is(err, ErrNewerSchema) {
			t.Errorf("got %v, want ErrNewerSchema", err)
		}
	})
}

func TestNodesMigrateAtOnce(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		var nodes []*Store
		for range 4 {
			s, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, s)
		}
		var group sync.WaitGroup
		for _, s := range nodes {
			group.Go(func() {
				if err := s.Migrate(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
	})
}

func TestMigrationFilesAreNumberedWithoutGaps(t *testing.T) {
	files := tree(stepOne, stepTwo, stepBroken)
	delete(files, "migrations/0002_step.sql")
	if all, err := readMigrations(files); err == nil {
		t.Errorf("a gap gave %d migrations", len(all))
	}
	files["migrations/x_step.sql"] = files["migrations/0001_step.sql"]
	if all, err := readMigrations(files); err == nil {
		t.Errorf("a file without number gave %d migrations", len(all))
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	password := "hunter2"
	unreachable := (&url.URL{Scheme: "postgres", User: url.UserPassword("u", password), Host: "127.0.0.1:1", Path: "/x"}).String()
	for what, dsn := range map[string]string{
		"nothing":               "",
		"another database":      "mysql://localhost/x",
		"no path":               "sqlite:",
		"memory":                "sqlite::memory:",
		"a missing folder":      "sqlite:" + filepath.Join(t.TempDir(), "no", "such", "folder", "x.db"),
		"a file of other sorts": "sqlite:" + junk,
		"no server":             unreachable,
		"a broken URL":          "postgres://u:" + password + "@[::1/x",
	} {
		s, err := Open(t.Context(), Config{DSN: dsn, Seal: box})
		if err == nil {
			t.Errorf("%s: opened", what)
			_ = s.Close()
			continue
		}
		if strings.Contains(err.Error(), password) {
			t.Errorf("%s: the error tells the password: %v", what, err)
		}
	}
	if _, err := Open(t.Context(), Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "x.db")}); err == nil {
		t.Error("opened without a key")
	}
}

// A path may hold what is special in an address.
func TestSQLitePathsAreTakenAsTheyAre(t *testing.T) {
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a b.db", "a?b.db", "a%20b.db", "a#b.db", "ü.db"} {
		path := filepath.Join(t.TempDir(), name)
		s, err := Open(t.Context(), Config{DSN: "sqlite:" + path, Seal: box})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := errors.Join(s.Migrate(t.Context()), s.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want a file for its owner only", name, info, err)
		}
	}
}
