package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/lease"
	"quittance/internal/pgtest"
	"quittance/internal/seal"
)

// hold keeps a lock on a table until release is called.
func hold(t *testing.T, dsn, table, mode string) (release func()) {
	t.Helper()
	on, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := on.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), fmt.Sprintf(`LOCK TABLE %s IN %s MODE`, table, mode))
	}
	if err != nil {
		t.Fatal(err)
	}
	done := sync.OnceFunc(func() {
		if err := on.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(done)
	return done
}

// A table that somebody has locked holds up those who ask for it, and nobody else.
func TestALockedTableIsItsUsersTrouble(t *testing.T) {
	_, e, dsn := openPostgresShop(t)
	if err := e.insertTogether(t.Context(), name("m")); err != nil {
		t.Fatal(err)
	}
	release := hold(t, dsn, "destinations", "ACCESS EXCLUSIVE")
	ask := func(table string) error {
		var n int64
		return e.quick().row(t.Context(), `SELECT COUNT(*) FROM `+table+` WHERE id = $1`, []any{"m"}, &n)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if i%10 == 0 {
				if err := ask("destinations"); !fault.Is(err, fault.Unavailable) {
					t.Errorf("a look-up in the locked table: %v", err)
				}
			} else if err := ask("merchants"); err != nil {
				t.Errorf("a look-up in another: %v", err)
			}
		})
	}
	all.Wait()
	release()
	if err := ask("destinations"); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
}

// said is a log that can be read while it is written.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) has(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

var _ io.Writer = (*said)(nil)

// While a dump reads a table, a migration of it lets others at the table, and goes on once
// the dump is over.
func TestAMigrationWaitsForADump(t *testing.T) {
	dsn := pgtest.DSN(t)
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	var log said
	s, err := Open(t.Context(), Config{DSN: dsn, Seal: box, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.engine.(*postgresEngine).tablePatience = 50 * time.Millisecond
	const before = 10 // 0011 alters deposit_balances
	if err := s.MigrateTo(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	release := hold(t, dsn, "deposit_balances", "ACCESS SHARE")
	migrated := make(chan error, 1)
	go func() { migrated <- s.Migrate(t.Context()) }()
	for deadline := time.Now().Add(30 * time.Second); !log.has("waits for others"); {
		select {
		case err := <-migrated:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing said that it waits")
		}
	}
	// Others read and write meanwhile: the migration does not stand in their way for long.
	var n int64
	if err := s.read.row(t.Context(), `SELECT COUNT(*) FROM deposit_balances`, nil, &n); err != nil {
		t.Errorf("a look-up beside it: %v", err)
	}
	release()
	if err := <-migrated; err != nil {
		t.Fatal(err)
	}
	if left, err := s.Pending(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A node keeps its leases and its jobs while all of its usual connections wait for something.
func TestLeasesDoNotWaitForAConnection(t *testing.T) {
	s, e, _ := openPostgresShop(t)
	for range pgConnections {
		on, err := e.db.usual.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = on.Close() })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	taken, err := s.Take(ctx, lease.Row{Name: "x"}, "a")
	if err != nil || !taken {
		t.Fatalf("taking: %v, %v", taken, err)
	}
	rows, err := s.Leases(ctx)
	if err != nil || len(rows) != 1 {
		t.Fatalf("looking: %v, %v", rows, err)
	}
	if beats, err := s.Beat(ctx, rows); err != nil || beats["x"] != 2 {
		t.Errorf("beating: %v, %v", beats, err)
	}
	if _, err := s.Renew(ctx, []job.Job{{ID: "j", Attempt: 1}}, time.Now()); err != nil {
		t.Errorf("renewing: %v", err)
	}
	if err := s.Release(ctx, rows); err != nil {
		t.Errorf("giving back: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Merchants(short); err == nil {
		t.Error("there was a connection for something else: this test shows nothing")
	}
}
