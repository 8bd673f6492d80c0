package store_test

import (
	"path/filepath"
	"testing"

	"quittance/internal/pgtest"
	"quittance/internal/store/storetest"
)

func file(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }

func TestSQLite(t *testing.T)   { storetest.Run(t, file) }
func TestPostgres(t *testing.T) { storetest.Run(t, pgtest.DSN) }
