package carry

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/pgtest"
	"quittance/internal/store"
)

// Wherever a move dies, one of the two is whole and the other is not served from; and the
// same command, run again, completes it.
func TestMovesThatDie(t *testing.T) {
	for _, at := range []stage{locked, copied, committed, left, finished} {
		t.Run(string(at), func(t *testing.T) {
			from, to := filled(t, newFile(t), 50), pgtest.DSN(t)
			die(t, from, to, at)
			there, here := served(t, to), served(t, from)
			switch at {
			case locked, copied: // as before, and nothing there
				if there != nil || here != nil || rowsOf(t, to)["payments"] != 0 {
					t.Fatalf("to: %v with %d payments, from: %v", there, rowsOf(t, to)["payments"], here)
				}
			case committed: // as before, and nobody takes the copy for the shop
				if !errors.Is(there, store.ErrUnfinished) || here != nil {
					t.Fatalf("to: %v, from: %v", there, here)
				}
				// It is served from meanwhile: what changes there must not be missing.
				must(t, addMerchant(serve(t, from), "later"))
			case left: // nobody is served until it is run again
				if !errors.Is(there, store.ErrUnfinished) || !errors.Is(here, store.ErrMoved) {
					t.Fatalf("to: %v, from: %v", there, here)
				}
			case finished:
				if there != nil || !errors.Is(here, store.ErrMoved) {
					t.Fatalf("to: %v, from: %v", there, here)
				}
				return
			}
			if at == left {
				if _, err := (Move{From: from, To: pgtest.DSN(t)}).Run(t.Context()); !errors.Is(err, store.ErrMoved) {
					t.Errorf("to another place: %v", err)
				}
			}
			r, err := Move{From: from, To: to}.Run(t.Context())
			if must(t, err); !r.Same {
				t.Errorf("%+v", r)
			}
			all(t, from, to)
			must(t, served(t, to))
			if err := served(t, from); !errors.Is(err, store.ErrMoved) {
				t.Errorf("from: %v", err)
			}
			if at == committed {
				if _, err := serve(t, to).Merchant(t.Context(), "later"); err != nil {
					t.Errorf("what changed before the second try: %v", err)
				}
			}
		})
	}
}

// die runs a move in a process that kills itself at a stage.
func die(t *testing.T, from, to string, at stage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), dieFrom+"="+from, dieTo+"="+to, dieAfter+"="+string(at))
	out, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != -1 {
		t.Fatalf("it was not killed: %v, %s", err, out)
	}
}

// A server that runs meanwhile reads on, and tells whoever writes to come back soon. Once
// everything has moved it still reads, and still refuses to write.
func TestServersReadOnDuringAMove(t *testing.T) {
	from, to := filled(t, newFile(t), 50), pgtest.DSN(t)
	s := serve(t, from)
	must(t, addMerchant(s, "before"))
	unwritten := func(code string) {
		t.Helper()
		var wg sync.WaitGroup
		began := time.Now()
		for range 20 {
			wg.Go(func() {
				if err := addMerchant(s, "during"); !fault.Is(err, fault.Unavailable) || fault.CodeOf(err) != code {
					t.Errorf("a write is told %v, want %s", err, code)
				}
			})
		}
		wg.Wait()
		t.Logf("20 writes were told %s within %s", code, time.Since(began).Round(time.Millisecond))
		if _, err := s.Merchant(t.Context(), "before"); err != nil {
			t.Errorf("a read: %v", err)
		}
	}
	_, err := Move{From: from, To: to, after: func(at stage) {
		switch at {
		case locked, copied, committed:
			unwritten("storage_busy")
		case left, finished:
			unwritten("storage_moved")
		}
	}}.Run(t.Context())
	must(t, err)
	unwritten("storage_moved")
	moved := served(t, from)
	if !errors.Is(moved, store.ErrMoved) || !strings.Contains(moved.Error(), "postgres://") {
		t.Errorf("%v", moved)
	}
	for _, secret := range passwords(to) {
		if strings.Contains(moved.Error(), secret) {
			t.Errorf("%q holds the password", moved)
		}
	}
	if _, err := serve(t, to).Merchant(t.Context(), "before"); err != nil {
		t.Error(err)
	}
}

// passwords are what must not be told of a URL.
func passwords(dsn string) (out []string) {
	_, rest, _ := strings.Cut(dsn, "://")
	user, _, _ := strings.Cut(rest, "@")
	if _, password, ok := strings.Cut(user, ":"); ok && password != "" {
		out = append(out, password)
	}
	return out
}

// A move that fails leaves the shop where it is, and its server writes again.
func TestServersWriteAgainAfterAFailedMove(t *testing.T) {
	from, to := filled(t, newFile(t), 5), pgtest.DSN(t)
	raw(t, from, `UPDATE merchants SET name = char(0)`)
	s := serve(t, from)
	_, err := Move{From: from, To: to, after: func(stage) {
		if err := addMerchant(s, "during"); fault.CodeOf(err) != "storage_busy" {
			t.Errorf("%v", err)
		}
	}}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "table merchants") {
		t.Fatalf("%v", err)
	}
	must(t, addMerchant(s, "after"))
	if n := rowsOf(t, to)["merchants"]; n != 0 {
		t.Errorf("%d merchants are there", n)
	}
}

// A server that is started too early on the new database waits for the copy, and does not
// serve from it before the old one is left.
func TestServersDoNotStartOnAnUnfinishedCopy(t *testing.T) {
	from, to := filled(t, newFile(t), 5), pgtest.DSN(t)
	early := make(chan error, 1)
	_, err := Move{From: from, To: to, after: func(at stage) {
		switch at {
		case copied:
			s, err := store.Open(t.Context(), store.Config{DSN: to, Seal: box(t)})
			must(t, err)
			go func() { early <- errors.Join(s.Migrate(context.Background()), s.Close()) }()
		case committed:
			if err := <-early; !errors.Is(err, store.ErrUnfinished) {
				t.Errorf("started: %v", err)
			}
		case locked, left, finished:
		}
	}}.Run(t.Context())
	must(t, err)
	must(t, served(t, to))
}
