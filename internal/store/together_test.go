package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"quittance/internal/fault"
	"quittance/internal/pgtest"
	"quittance/internal/seal"
)

// What arrives while something is under way is done together next, and who gives up
// neither holds up nor breaks off what the others want.
func TestWhoGivesUpDoesNotHarmNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, sizes := make(chan struct{}), []int{}
		g := &gathering[int]{do: func(ctx context.Context, all []*share[int]) {
			sizes = append(sizes, len(all))
			select {
			case <-free:
			case <-ctx.Done():
			}
			for _, s := range all {
				s.end(ctx.Err())
			}
		}}
		join := func() *share[int] {
			s, err := g.join(0)
			if err != nil {
				t.Error(err)
			}
			return s
		}
		first := join()
		synctest.Wait()
		second, third, gone := join(), join(), join()
		if g.withdraw(first) || !g.withdraw(gone) {
			t.Error("what is under way cannot be taken back, and what waits can")
		}
		free <- struct{}{}
		synctest.Wait()
		g.giveUp(second) // the third still wants to know
		free <- struct{}{}
		<-second.done
		<-third.done
		if first.err != nil || second.err != nil || third.err != nil || fmt.Sprint(sizes) != "[1 2]" {
			t.Errorf("told %v, %v, %v in groups of %v", first.err, second.err, third.err, sizes)
		}
		fourth := join()
		synctest.Wait()
		g.giveUp(fourth) // nobody wants to know any more
		<-fourth.done
		fifth := join()
		begun := time.Now()
		<-fifth.done // of a database that says nothing
		if !errors.Is(fourth.err, context.Canceled) || !errors.Is(fifth.err, context.DeadlineExceeded) || time.Since(begun) != togetherPatience {
			t.Errorf("told %v, and %v after %v", fourth.err, fifth.err, time.Since(begun))
		}
		g.close()
		if _, err := g.join(0); !fault.Is(err, fault.Unavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// openPostgresShop opens a store on a database of its own.
func openPostgresShop(t *testing.T) (*Store, *postgresEngine, string) {
	t.Helper()
	dsn := pgtest.DSN(t)
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{DSN: dsn, Seal: box})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, s.engine.(*postgresEngine), dsn
}

var intoNames = newInto(0, `INSERT INTO merchants (id, name, window_us, created_at, access)`, 5, nil)

func name(id string) []insertion {
	return []insertion{{into: intoNames, order: id, args: []any{id, "name", int64(0), int64(0), ""}}}
}

// One that cannot be stored fails alone, and so does what else it wanted to store.
func TestANeighboursFailureIsItsOwn(t *testing.T) {
	s, e, _ := openPostgresShop(t)
	var all []*share[[]insertion]
	for _, rows := range [][]insertion{name("a"), append(name("x"), name("a")...), name("b"), append(name("y"), name("z")...)} {
		all = append(all, &share[[]insertion]{what: rows, done: make(chan struct{})})
	}
	e.insertAll(t.Context(), all)
	for i, m := range all {
		<-m.done
		if bad := i == 1; bad != fault.Is(m.err, fault.Conflict) || !bad && m.err != nil {
			t.Errorf("%d was told %v", i, m.err)
		}
	}
	checkMerchants(t, s, "a", "b", "y", "z")

	questions := []*share[question]{}
	for _, query := range []string{`SELECT name FROM merchants WHERE id = $1`, `SELECT nothing FROM merchants WHERE id = $1`, `SELECT id FROM merchants WHERE id = $1`} {
		questions = append(questions, &share[question]{what: question{query: query, args: []any{"a"}}, done: make(chan struct{})})
	}
	e.askAll(t.Context(), questions)
	for i, q := range questions {
		if <-q.done; (q.err != nil) != (i == 1) {
			t.Errorf("question %d was told %v", i, q.err)
		}
	}
}

// admin is a connection that sees what the store's do.
func admin(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	on, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close(context.Background()) })
	return on
}

const (
	othersOf = `FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	endOf    = `SELECT count(pg_terminate_backend(pid)) ` + othersOf
)

// untilOneWaits returns once one of the store's connections waits for a lock.
func untilOneWaits(t *testing.T, on pgx.Tx) {
	t.Helper()
	for waits, until := 0, time.Now().Add(time.Minute); waits == 0; {
		// Within a transaction the database goes on showing what it showed first.
		if _, err := on.Exec(t.Context(), `SELECT pg_stat_clear_snapshot()`); err != nil {
			t.Fatal(err)
		}
		if err := on.QueryRow(t.Context(), `SELECT count(*) `+othersOf+` AND wait_event_type = 'Lock'`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
		if waits == 0 && time.Now().After(until) {
			t.Fatal("nobody waits for the lock")
		}
	}
}

// A connection that dies in the middle of a group takes all of the group with it and
// nothing else: what nobody was told is there is not there, and what comes next works.
func TestAConnectionThatDiesInAGroup(t *testing.T) {
	s, e, dsn := openPostgresShop(t)
	on := admin(t, dsn)
	holding, err := on.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holding.Exec(t.Context(), intoNames.one, name("held")[0].args...); err != nil {
		t.Fatal(err)
	}
	told := make([]error, 4)
	var all sync.WaitGroup
	for i := range told {
		all.Go(func() {
			told[i] = e.insertTogether(t.Context(), append(name("held"), name(fmt.Sprint("beside ", i))...))
		})
	}
	untilOneWaits(t, holding)
	if _, err := holding.Exec(t.Context(), endOf); err != nil {
		t.Fatal(err)
	}
	if err := holding.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	died := 0
	for i, err := range told {
		switch {
		case fault.Is(err, fault.Unavailable):
			died++
		case !fault.Is(err, fault.Conflict): // those of the next group meet what was held
			t.Errorf("%d was told %v", i, err)
		}
	}
	if died == 0 {
		t.Error("nobody was told that the connection died")
	}
	// The other connections died, too: who reads alone is told so, once for each.
	for until := time.Now().Add(time.Minute); s.Ping(t.Context()) != nil; {
		if time.Now().After(until) {
			t.Fatal("the database stays away")
		}
	}
	checkMerchants(t, s, "held")

	// A read that meets a dead connection is asked on another one.
	if _, err := on.Exec(t.Context(), endOf); err != nil {
		t.Fatal(err)
	}
	var found string
	if err := s.quick.row(t.Context(), `SELECT id FROM merchants WHERE id = $1`, []any{"held"}, &found); err != nil || found != "held" {
		t.Errorf("after all connections died: %q, %v", found, err)
	}
}
