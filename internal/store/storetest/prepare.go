package storetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"quittance/internal/seal"
	"quittance/internal/store"
)

// Prepare saves a test the migrations: where a SQLite address names no file yet, it
// puts a migrated database with nothing in it. Other databases stay as they are.
// Whoever opens one migrates it still, and finds nothing to do.
func Prepare(t testing.TB, dsn string) {
	t.Helper()
	path, isFile := strings.CutPrefix(dsn, "sqlite:")
	if !isFile {
		return
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		must(t, err)
		return
	}
	migrated, err := template()
	must(t, err)
	must(t, os.WriteFile(path, migrated, 0o600))
}

// template is the file of a migrated SQLite database, made once for all tests of a process.
var template = sync.OnceValues(func() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	box, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, err
	}
	path, ctx := filepath.Join(dir, "template.db"), context.Background()
	s, err := store.Open(ctx, store.Config{DSN: "sqlite:" + path, Seal: box})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(ctx), s.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
