package carry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quittance/internal/pgtest"
	"quittance/internal/store"
)

// all fails unless two databases have the same number of rows in every table, and some.
func all(t *testing.T, from, to string) {
	t.Helper()
	want, got := rowsOf(t, from), rowsOf(t, to)
	if !maps.Equal(want, got) {
		t.Errorf("rows: %v, want %v", got, want)
	}
	for name, n := range want {
		if n == 0 {
			t.Errorf("table %s was not put to the test", name)
		}
	}
}

func TestMoveTakesEverything(t *testing.T) {
	from, to := filled(t, newFile(t), 200), pgtest.DSN(t)
	r, err := Move{From: from, To: to}.Run(t.Context())
	must(t, err)
	all(t, from, to)
	if counts := rowsOf(t, from); !r.Same || len(r.Tables) != len(counts) {
		t.Errorf("the report has %d tables of %d", len(r.Tables), len(counts))
	}
	for _, p := range r.Tables {
		if !p.Same || p.From.SHA256 != p.To.SHA256 || p.From.Rows == 0 {
			t.Errorf("%+v", p)
		}
	}
	must(t, served(t, to))
	if err := served(t, from); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a server on what was left: %v", err)
	}
}

func TestBackupsGoIntoBothEngines(t *testing.T) {
	for name, origin := range engines {
		t.Run(name, func(t *testing.T) {
			from := filled(t, origin(t), 200)
			file := filepath.Join(t.TempDir(), "shop.backup")
			s, err := Backup{From: from, File: file}.Run(t.Context())
			must(t, err)
			if s.Engine != name || s.Rows < 200*20 || s.Bytes == 0 {
				t.Errorf("%+v", s)
			}
			info, err := os.Stat(file)
			must(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
			for into, target := range engines {
				t.Run("into "+into, func(t *testing.T) {
					to := target(t)
					r, err := Restore{File: file, To: to, Exact: true}.Run(t.Context())
					must(t, err)
					if !r.Same {
						t.Errorf("%+v", r)
					}
					all(t, from, to)
					again, err := Compare(t.Context(), from, to, nil)
					if must(t, err); !again.Same {
						t.Errorf("%+v", again)
					}
					must(t, served(t, to))
				})
			}
		})
	}
}

// What differs is said, and the comparison fails.
func TestCompareSeesEveryDifference(t *testing.T) {
	from, to := filled(t, newFile(t), 20), filled(t, newFile(t), 20)
	if r, err := Compare(t.Context(), from, to, nil); err != nil || !r.Same {
		t.Fatalf("%v, %+v", err, r)
	}
	for table, change := range map[string]string{
		"merchants":   `UPDATE merchants SET name = name || ' ' WHERE id = (SELECT MIN(id) FROM merchants)`,
		"nonces":      `DELETE FROM nonces WHERE value = (SELECT MAX(value) FROM nonces)`,
		"quotes":      `UPDATE quotes SET asked = NOT asked WHERE id = (SELECT MAX(id) FROM quotes)`,
		"deliveries":  `UPDATE deliveries SET body = X'00' WHERE id = (SELECT MAX(id) FROM deliveries)`,
		"checkpoints": `UPDATE checkpoints SET number = number + 100000`,
	} {
		raw(t, to, change)
		r, err := Compare(t.Context(), from, to, nil)
		at := slices.IndexFunc(r.Tables, func(p Pair) bool { return p.Table == table })
		if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), table) || r.Same || r.Tables[at].Same {
			t.Errorf("%s: %v, %+v", table, err, r.Tables[at])
		}
	}
}

func TestMoveRefuses(t *testing.T) {
	from := filled(t, newFile(t), 3)
	try := func(t *testing.T, from, to string, want error, words ...string) {
		t.Helper()
		_, err := Move{From: from, To: to}.Run(t.Context())
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %q", err, word)
			}
		}
	}
	t.Run("what is not empty", func(t *testing.T) {
		to := pgtest.DSN(t)
		must(t, addMerchant(serve(t, to), "M"))
		try(t, from, to, ErrNotEmpty, "merchants")
		must(t, served(t, to))
	})
	t.Run("what has given out numbers", func(t *testing.T) {
		to := pgtest.DSN(t)
		must(t, serve(t, to).Close())
		raw(t, to, `UPDATE deposit_seq SET seq = 7`)
		try(t, from, to, ErrNotEmpty, "deposit_seq")
	})
	t.Run("what is somebody else's", func(t *testing.T) {
		to := pgtest.DSN(t)
		raw(t, to, `CREATE TABLE wares (id BIGINT PRIMARY KEY)`)
		try(t, from, to, ErrForeign, "wares")
		if counts := len(tablesOf(t, to)); counts != 1 {
			t.Errorf("there are %d tables now", counts)
		}
	})
	t.Run("another schema", func(t *testing.T) {
		to := pgtest.DSN(t)
		must(t, serve(t, to).Close())
		raw(t, to, `UPDATE schema_migrations SET checksum = 'x' WHERE version = 3`)
		try(t, from, to, store.ErrChangedSchema)
	})
	t.Run("other directions", func(t *testing.T) {
		try(t, "postgres://127.0.0.1/x", from, nil, "backup")
		try(t, from, from, nil, "backup")
	})
	t.Run("a file that is not there", func(t *testing.T) {
		try(t, "sqlite:"+filepath.Join(t.TempDir(), "none.db"), pgtest.DSN(t), fs.ErrNotExist)
	})
	t.Run("an older schema", func(t *testing.T) {
		old := newFile(t)
		must(t, migrateTo(t.Context(), old, 5))
		try(t, old, pgtest.DSN(t), nil, "quittance migrate")
	})
	must(t, served(t, from)) // after all of that
}

func tablesOf(t *testing.T, dsn string) []table {
	t.Helper()
	v, err := open(t.Context(), dsn, look)
	must(t, err)
	defer func() { must(t, v.close()) }()
	ts, err := v.tables(t.Context())
	must(t, err)
	return ts
}

// PostgreSQL takes less than SQLite: the row is named, and the shop stays as it is.
func TestMoveNamesRowsThatPostgreSQLRefuses(t *testing.T) {
	for what, value := range map[string]string{
		"zero byte":     `'a' || char(0) || 'b'`,
		"not UTF-8":     `CAST(X'61FF' AS TEXT)`,
		"where integer": ``,
	} {
		t.Run(what, func(t *testing.T) {
			from, to := filled(t, newFile(t), 3), pgtest.DSN(t)
			bad := `UPDATE payments SET reference = ` + value + ` WHERE id = 'ä000002'`
			if value == "" {
				bad = `UPDATE payments SET grace_us = 'much' WHERE id = 'ä000002'`
			}
			raw(t, from, bad)
			_, err := Move{From: from, To: to}.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "table payments, row id = \"ä000002\": column ") || !strings.Contains(err.Error(), strings.TrimPrefix(what, "where ")) {
				t.Fatalf("%v", err)
			}
			must(t, addMerchant(serve(t, from), "goes on"))
			must(t, served(t, to))
			raw(t, from, `UPDATE payments SET reference = '', grace_us = 0`)
			_, err = Move{From: from, To: to}.Run(t.Context())
			must(t, err)
		})
	}
}

// A backup keeps even what one engine would refuse, and gives it back to the other.
func TestBackupsKeepOddTexts(t *testing.T) {
	from := filled(t, newFile(t), 3)
	raw(t, from, `UPDATE payments SET reference = 'a' || char(0) || CAST(X'FF' AS TEXT)`)
	file := filepath.Join(t.TempDir(), "b")
	_, err := Backup{From: from, File: file}.Run(t.Context())
	must(t, err)
	_, err = Restore{File: file, To: newFile(t)}.Run(t.Context())
	must(t, err)
	to := pgtest.DSN(t)
	if _, err := (Restore{File: file, To: to}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "zero byte") {
		t.Errorf("%v", err)
	}
	must(t, served(t, to))
}

func TestSecretsMustOpen(t *testing.T) {
	from := filled(t, newFile(t), 2)
	raw(t, from, `UPDATE endpoints SET dialect = ''`)
	file := filepath.Join(t.TempDir(), "b")
	s, err := Backup{From: from, File: file, Box: box(t)}.Run(t.Context())
	must(t, err)
	if !strings.Contains(s.Unopened, "sealed secrets") {
		t.Errorf("%q", s.Unopened)
	}
	to := newFile(t)
	if _, err := (Restore{File: file, To: to, Box: box(t)}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was restored") {
		t.Errorf("%v", err)
	}
	_, err = Restore{File: file, To: to}.Run(t.Context())
	must(t, err)
	if _, err := (Move{From: from, To: pgtest.DSN(t), Box: box(t)}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing was moved") {
		t.Errorf("%v", err)
	}
	must(t, served(t, from))
}

// Whoever adds a column of bytes says whether it is sealed.
func TestSealedColumnsAreKnown(t *testing.T) {
	dsn := newFile(t)
	must(t, serve(t, dsn).Close())
	open := []string{"deliveries.body", "feed.body", "mark_batches.marks", "search_packs.entries", "search_packs.texts"} // as they are sent and told; hashes; as they are in payments
	for _, x := range tablesOf(t, dsn) {
		for _, c := range x.Columns {
			name := x.Name + "." + c.Name
			sealed := slices.ContainsFunc(store.Sealed(), func(s store.SealedColumn) bool { return s.Table == x.Name && s.Column == c.Name })
			if c.Kind == bytea && sealed == slices.Contains(open, name) {
				t.Errorf("%s is not in store.Sealed, nor in this test", name)
			}
		}
	}
}

func TestBackupsAreNeitherOverwrittenNorLeftHalf(t *testing.T) {
	from, dir := filled(t, newFile(t), 3), t.TempDir()
	file := filepath.Join(dir, "b")
	must(t, os.WriteFile(file, []byte("mine"), 0o600))
	if _, err := (Backup{From: from, File: file}).Run(t.Context()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v", b, err)
	}
	must(t, os.Remove(file))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := (Backup{From: from, File: file, Told: func(string, int64) { cancel() }}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	from, dir := filled(t, newFile(t), 40), t.TempDir()
	whole := filepath.Join(dir, "whole")
	want, err := Backup{From: from, File: whole}.Run(t.Context())
	must(t, err)
	good, err := os.ReadFile(whole)
	must(t, err)
	bad := filepath.Join(dir, "bad")
	refused := func(what string, b []byte) {
		t.Helper()
		must(t, os.WriteFile(bad, b, 0o600))
		s, err := Verify(t.Context(), bad)
		if err == nil && what != "flipped" || err == nil && !slices.Equal(s.Tables, want.Tables) {
			t.Fatalf("%s: %+v", what, s)
		}
		if err != nil && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), bad)) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for n := 0; n < len(good); n += 1 + len(good)/200 {
		refused("cut", good[:n])
		flipped := bytes.Clone(good)
		flipped[n] ^= 0x10
		refused("flipped", flipped) // a few bits of a stream mean nothing
	}
	refused("cut", good[:len(good)-1])
	refused("longer", append(bytes.Clone(good), 'x'))
	refused("twice", append(bytes.Clone(good), good[len(formatLine):]...))
	refused("empty", nil)
	to := newFile(t)
	if _, err := (Restore{File: bad, To: to}).Run(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(strings.TrimPrefix(to, "sqlite:")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made of it: %v", err)
	}
}

// A backup of an older program goes in at its schema, and is migrated then.
func TestOlderBackupsAreMigrated(t *testing.T) {
	for name, target := range engines {
		for _, at := range []int{1, 6, 7} {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				old, file, to := newFile(t), filepath.Join(t.TempDir(), "b"), target(t)
				must(t, migrateTo(t.Context(), old, at))
				raw(t, old, `INSERT INTO merchants (id, name, window_us, created_at) VALUES ('M', 'Old shop', 0, 1)`)
				_, err := Backup{From: old, File: file}.Run(t.Context())
				must(t, err)
				_, err = Restore{File: file, To: to}.Run(t.Context())
				must(t, err)
				s := serve(t, to)
				m, err := s.Merchant(t.Context(), "M")
				if err != nil || m.Name != "Old shop" {
					t.Errorf("%+v, %v", m, err)
				}
				if missing, err := s.Pending(t.Context()); err != nil || len(missing) != 0 {
					t.Errorf("%v, %v", missing, err)
				}
			})
		}
	}
}

func TestNewerBackupsAreRefused(t *testing.T) {
	from, file := filled(t, newFile(t), 1), filepath.Join(t.TempDir(), "b")
	steps, err := store.Steps()
	must(t, err)
	for want, taken := range map[error][]store.Step{
		store.ErrNewerSchema:   append(slices.Clone(steps), store.Step{Version: int64(len(steps) + 1), Name: "later"}),
		store.ErrChangedSchema: {{Version: 1, Name: "0001_initial", Checksum: "other"}},
	} {
		v, err := open(t.Context(), from, look)
		must(t, err)
		ts, err := v.tables(t.Context())
		must(t, errors.Join(err, v.close()))
		var b bytes.Buffer
		e, err := newEncoder(&b, Header{Steps: taken, Tables: ts[:1]})
		must(t, err)
		must(t, errors.Join(e.table(ts[0].Name), e.sum(newSummer(ts[0]).sum()), e.close()))
		must(t, os.WriteFile(file, b.Bytes(), 0o600))
		_, err = Verify(t.Context(), file)
		must(t, err)
		if _, err := (Restore{File: file, To: newFile(t)}).Run(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
