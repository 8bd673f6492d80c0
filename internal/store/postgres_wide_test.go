package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/seal"
)

// asking is a question of somebody who asks together with others.
func asking(query string, args ...any) *share[question] {
	return &share[question]{what: question{query: query, args: args}, done: make(chan struct{})}
}

// told are all rows of an answer, of texts.
func told(t *testing.T, s *share[question]) (rows []string) {
	t.Helper()
	<-s.done
	if s.err != nil {
		t.Fatal(s.err)
	}
	for s.what.found.Next() {
		row := make([]string, len(s.what.found.columns))
		dest := make([]any, len(row))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := s.what.found.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, strings.Join(row, "/"))
	}
	return rows
}

// Questions of the same text are one statement, and each is told what it would have been told
// alone: nothing where there is nothing, and the same for those who asked the same.
func TestQuestionsOfTheSameTextAreOne(t *testing.T) {
	s, e, _ := openPostgresShop(t)
	for _, n := range []string{"a", "b", "c"} {
		if err := e.insertTogether(t.Context(), name(n)); err != nil {
			t.Fatal(err)
		}
	}
	const byID = `SELECT id, name FROM merchants WHERE id = $1`
	const inOrder = `SELECT id FROM merchants WHERE id >= $1 AND window_us = $2 AND (access = '') = $3 AND CAST($4 AS {{BLOB}}) IS NOT NULL
 UNION ALL SELECT id FROM merchants WHERE id = $1 ORDER BY id DESC`
	ordered, blob := s.engine.text(inOrder), []byte{0, 255}
	questions := []*share[question]{
		asking(byID, "b"), asking(byID, "none"), asking(byID, "a"), asking(byID, "b"),
		asking(ordered, "b", int64(0), true, blob), asking(ordered, "c", int64(0), true, blob), asking(ordered, "a", int64(1), true, blob),
		asking(`SELECT id FROM merchants ORDER BY id`), asking(`SELECT id FROM merchants ORDER BY id`),
		asking(`SELECT id FROM merchants WHERE id = $1`, "c"),
	}
	want := [][]string{{"b/name"}, nil, {"a/name"}, {"b/name"}, {"c", "b", "b"}, {"c", "c"}, {"a"}, {"a", "b", "c"}, {"a", "b", "c"}, {"c"}}
	asked := lookUps(questions)
	if len(asked) != 4 || len(asked[0].asked) != 3 || len(asked[2].asked) != 1 {
		t.Errorf("%d look-ups, the first with %d sets of parameters and the third with %d; want 4, 3 and 1", len(asked), len(asked[0].asked), len(asked[2].asked))
	}
	e.askAll(t.Context(), questions)
	for i, q := range questions {
		if got := told(t, q); !slices.Equal(got, want[i]) {
			t.Errorf("question %d was told %q, want %q", i, got, want[i])
		}
	}
	if len(e.wide.made) != 2 {
		t.Errorf("%d texts for several sets of parameters, want 2", len(e.wide.made))
	}
}

// What the database cannot be asked for several at once, and what spoils the company, is
// asked alone.
func TestWhatCannotBeAskedTogetherIsAskedAlone(t *testing.T) {
	_, e, _ := openPostgresShop(t)
	if err := e.insertTogether(t.Context(), append(name("a"), name("b")...)); err != nil {
		t.Fatal(err)
	}
	const some, divided, untyped = `SELECT id FROM merchants ORDER BY id LIMIT $1`, `SELECT CAST(12 / $1::BIGINT AS TEXT)`, `SELECT id FROM merchants WHERE id = $1 OR $2::TEXT IS NOT NULL`
	questions := []*share[question]{
		asking(some, int64(1)), asking(some, int64(2)),
		asking(divided, int64(3)), asking(divided, int64(0)), asking(divided, int64(4)),
		asking(untyped, "a", nil), asking(untyped, "b", nil),
	}
	want := [][]string{{"a"}, {"a", "b"}, {"4"}, nil, {"3"}, {"a"}, {"b"}}
	e.askAll(t.Context(), questions)
	for i, q := range questions {
		if i == 3 {
			if <-q.done; q.err == nil || fault.Is(q.err, fault.Unavailable) {
				t.Errorf("a division by nothing was told %v", q.err)
			}
			continue
		}
		if got := told(t, q); !slices.Equal(got, want[i]) {
			t.Errorf("question %d was told %q, want %q", i, got, want[i])
		}
	}
}

// Whoever changes what was told changes nothing of what a neighbour was told.
func TestNeighboursShareNoBytes(t *testing.T) {
	_, e, _ := openPostgresShop(t)
	const query = `SELECT CAST($1 AS BYTEA)`
	questions := []*share[question]{asking(query, "same"), asking(query, "same")}
	e.askAll(t.Context(), questions)
	for _, q := range questions {
		<-q.done
		var got []byte
		if q.err != nil || !q.what.found.Next() {
			t.Fatal("no answer", q.err)
		}
		if err := q.what.found.Scan(&got); err != nil || string(got) != "same" {
			t.Errorf("told %q, %v", got, err)
		}
		clear(got)
	}
}

// A connection that dies while several wait for one statement: it is asked again, and all
// know; one of them who gives up changes nothing for the others.
func TestAConnectionThatDiesWhileSeveralAsk(t *testing.T) {
	s, e, dsn := openPostgresShop(t)
	if err := e.insertTogether(t.Context(), append(name("a"), name("b")...)); err != nil {
		t.Fatal(err)
	}
	on := admin(t, dsn)
	holding, err := on.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holding.Exec(t.Context(), `LOCK TABLE merchants IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	errs, names := make([]error, 6), make([]string, 6)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			who := t.Context()
			if i == 0 {
				who = ctx
			}
			errs[i] = s.quick.row(who, `SELECT id FROM merchants WHERE id = $1`, []any{string("ab"[i%2])}, &names[i])
		})
	}
	untilOneWaits(t, holding)
	giveUp()
	if _, err := holding.Exec(t.Context(), endOf); err != nil {
		t.Fatal(err)
	}
	if err := holding.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	for i := 1; i < len(errs); i++ {
		if errs[i] != nil || names[i] != string("ab"[i%2]) {
			t.Errorf("%d was told %q, %v", i, names[i], errs[i])
		}
	}
}

// However often a key comes, and to however many nodes at once, one answer is stored under
// it, and the others of the same group are stored as well.
func TestAKeyOnSeveralNodesAtOnce(t *testing.T) {
	first, _, dsn := openPostgresShop(t)
	nodes := []*Store{first}
	for range 2 {
		box, err := seal.New(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{DSN: dsn, Seal: box})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		nodes = append(nodes, s)
	}
	const keys = 20
	if err := first.engine.(*postgresEngine).insertTogether(t.Context(), name("m")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	stored := map[string]int{}
	var all sync.WaitGroup
	for i := range keys * len(nodes) * 2 {
		key := fmt.Sprint("key ", i/(len(nodes)*2))
		all.Go(func() {
			err := nodes[i%len(nodes)].Write(t.Context(), func(tx checkout.Tx) error {
				tx.Postpone()
				return tx.PutAnswer(t.Context(), checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: key}, checkout.Answer{Status: 201, Body: []byte(key)})
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				stored[key]++
			} else if !fault.Is(err, fault.Conflict) {
				t.Errorf("%s was told %v", key, err)
			}
		})
	}
	all.Wait()
	if len(stored) != keys {
		t.Errorf("%d keys were stored, want %d", len(stored), keys)
	}
	for key, n := range stored {
		if n != 1 {
			t.Errorf("%s was stored %d times", key, n)
		}
	}
}
