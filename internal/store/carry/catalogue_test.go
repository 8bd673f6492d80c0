package carry

import (
	"strings"
	"testing"
)

// What could not be carried whole is refused, and not carried in part.
func TestWhatCannotBeCarriedIsRefused(t *testing.T) {
	for engine, tables := range map[string]map[string]string{
		"sqlite": {
			"CREATE TABLE wares (id INTEGER PRIMARY KEY AUTOINCREMENT)":              "counts its rows",
			"CREATE TABLE wares (id TEXT PRIMARY KEY, n BIGINT AS (1))":              "makes its own values",
			"CREATE TABLE wares (id TEXT PRIMARY KEY, price REAL)":                   `"REAL"`,
			"CREATE TABLE wares (id TEXT)":                                           "no primary key",
			"CREATE TABLE wares (id TEXT PRIMARY KEY REFERENCES wares (id))":         "in a circle",
			"CREATE TABLE wares (id TEXT PRIMARY KEY REFERENCES somewhere_else (i))": "in a circle",
		},
		"postgres": {
			"CREATE TABLE wares (id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY)":             "makes its own values",
			"CREATE TABLE wares (id BIGSERIAL PRIMARY KEY)":                                       "makes its own values",
			"CREATE TABLE wares (id TEXT PRIMARY KEY, n BIGINT GENERATED ALWAYS AS (1) STORED)":   "makes its own values",
			"CREATE TABLE wares (id TEXT PRIMARY KEY, price NUMERIC(10, 2))":                      `"numeric(10,2)"`,
			"CREATE TABLE wares (id TEXT)":                                                        "no primary key",
			"CREATE TABLE wares (id TEXT PRIMARY KEY, other TEXT REFERENCES wares (id) NOT NULL)": "in a circle",
		},
	} {
		t.Run(engine, func(t *testing.T) {
			for statement, want := range tables {
				dsn := engines[engine](t)
				must(t, serve(t, dsn).Close())
				raw(t, dsn, statement)
				v, err := open(t.Context(), dsn, look)
				must(t, err)
				if _, err := v.tables(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", statement, err, want)
				}
				must(t, v.close())
			}
		})
	}
}
