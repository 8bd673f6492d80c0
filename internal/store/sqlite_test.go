package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/seal"
)

func openTestSQLite(t *testing.T) *Store {
	t.Helper()
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), Seal: box})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// meddler counts statements of the writer, and fails those it is told to.
type meddler struct {
	session
	mu    sync.Mutex
	count map[string]int
	fail  map[string]error
}

// meddle puts a meddler before a store's writer, which must be idle.
func meddle(s *Store) *meddler {
	e := s.engine.(*sqliteEngine)
	m := &meddler{session: e.writer, count: map[string]int{}, fail: map[string]error{}}
	e.writer = m
	return m
}

func (m *meddler) exec(ctx context.Context, query string, args ...any) (int64, error) {
	m.mu.Lock()
	m.count[query]++
	err := m.fail[query]
	m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return m.session.exec(ctx, query, args...)
}

// commits returns how many commits there were since it was last asked.
func (m *meddler) commits() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.count["COMMIT"]
	m.count["COMMIT"] = 0
	return n
}

func (m *meddler) failing(statement string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = map[string]error{statement: err}
}

// group runs writes that wait together, in their order, and returns what each
// was told. It must be called in a synctest bubble.
func group(t *testing.T, s *Store, do ...func(session) error) (told []error) {
	t.Helper()
	e := s.engine
	free := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := e.write(context.Background(), func(session) error { <-free; return errMine }); !errors.Is(err, errMine) {
			t.Errorf("the first write, which makes the others wait, was told %v", err)
		}
	})
	synctest.Wait()
	told = make([]error, len(do))
	for i, f := range do {
		all.Go(func() { told[i] = e.write(context.Background(), f) })
		synctest.Wait() // now it waits behind the one before it
	}
	close(free)
	all.Wait()
	return told
}

func addMerchant(id string) func(session) error {
	return func(on session) error {
		_, err := on.exec(context.Background(), insertMerchant, id, "name", 0, 0, "")
		return err
	}
}

func checkMerchants(t *testing.T, s *Store, want ...string) {
	t.Helper()
	all, err := s.Merchants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, string(m.ID))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

var errMine = errors.New("my own error")

func TestWaitingWritesShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSQLite(t)
		var do []func(session) error
		var want []string
		for i := range groupLimit + 5 {
			id := fmt.Sprintf("m%03d", i)
			do = append(do, addMerchant(id))
			want = append(want, id)
		}
		m := meddle(s)
		told := group(t, s, do...)
		for i, err := range told {
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		}
		// The group of the first write takes up to the limit, the rest come after.
		if n := m.commits(); n != 2 {
			t.Errorf("%d commits, want 2", n)
		}
		checkMerchants(t, s, want...)
	})
}

func TestGroupOfFailuresOnlyCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSQLite(t)
		fails := func(on session) error { return errors.Join(addMerchant("a")(on), errMine) }
		m := meddle(s)
		told := group(t, s, fails, fails)
		for i, err := range told {
			if !errors.Is(err, errMine) {
				t.Errorf("write %d: %v, want its own error", i, err)
			}
		}
		if n := m.commits(); n != 0 {
			t.Errorf("%d commits, want none", n)
		}
		checkMerchants(t, s)
	})
}

func TestFailedCommitFailsItsWholeGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSQLite(t)
		// A violation that SQLite only notices when it commits.
		late := func(on session) error {
			if _, err := on.exec(context.Background(), `PRAGMA defer_foreign_keys = 1`); err != nil {
				return err
			}
			_, err := on.exec(context.Background(), intoHandles.one, "rail", "value", "no such payment", 0)
			return err
		}
		own := func(on session) error { return errors.Join(addMerchant("b")(on), errMine) }
		told := group(t, s, addMerchant("a"), own, late, addMerchant("c"))
		for i, err := range told {
			if want := i == 1; err == nil || errors.Is(err, errMine) != want {
				t.Errorf("write %d was told %v", i, err)
			}
		}
		checkMerchants(t, s)
		told = group(t, s, addMerchant("d"))
		if told[0] != nil {
			t.Errorf("the next group: %v", told[0])
		}
		checkMerchants(t, s, "d")
	})
}

// SQLite itself rolls all back when, for example, the disk is full.
func TestLostTransactionFailsItsGroupAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSQLite(t)
		lose := func(on session) error {
			if _, err := on.exec(context.Background(), `ROLLBACK`); err != nil {
				return err
			}
			return errMine
		}
		told := group(t, s, addMerchant("a"), lose, addMerchant("c"), addMerchant("d"))
		if !fault.Is(told[0], fault.Unavailable) {
			t.Errorf("who had run before: %v, want Unavailable", told[0])
		}
		if !errors.Is(told[1], errMine) {
			t.Errorf("who lost it: %v, want its own error", told[1])
		}
		if told[2] != nil || told[3] != nil {
			t.Errorf("who came after: %v, %v, want nil", told[2], told[3])
		}
		checkMerchants(t, s, "c", "d")
	})
}

func TestWriterThatCannotBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSQLite(t)
		m := meddle(s)
		for _, statement := range []string{`BEGIN IMMEDIATE`, `SAVEPOINT w`, `RELEASE w`, `COMMIT`} {
			m.failing(statement, errMine)
			if err := s.engine.write(t.Context(), addMerchant("never")); err == nil {
				t.Errorf("%s fails and the write does not", statement)
			}
			checkMerchants(t, s)
		}
		m.failing("", nil)
		if err := s.engine.write(t.Context(), addMerchant("a")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		checkMerchants(t, s, "a")
	})
}

// No statement that runs often may read a whole table.
func TestStatementsUseTheirIndexes(t *testing.T) {
	s := openTestSQLite(t)
	deliveries := func(condition string) string {
		return `SELECT ` + deliveryColumns + ` FROM deliveries WHERE id < $1 AND ` + condition + ` ORDER BY id DESC LIMIT $3`
	}
	feed := func(condition string) string {
		return `SELECT ` + feedColumns + ` FROM feed WHERE merchant = $1 AND position > $2` + condition + ` ORDER BY position LIMIT $4`
	}
	queries := map[string]string{
		"mutable": selectMutable, "lock": lockMutable, "terms": selectTerms, "requests": selectRequests, "save": saveStanding,
		"by request": `SELECT payment FROM requests WHERE id = $1`, "owners": selectOwners + placeholders(2, 16) + `)`,
		"overdue": selectOverdue, "transfers": selectTransfers, "above": selectTransfersAbove, "in": selectTransfersIn,
		"unsettled": selectUnsettled, "update transfer": updateTransfer, "attempts": selectAttempts, "update attempt": updateAttempt,
		"orphans": selectOrphans, "events": selectEvents, "event": selectEvent, "answer": selectAnswer, "prune": pruneAnswers,
		"credential": selectCredentialByHash, "credentials": selectCredentials, "endpoints": selectEndpoints,
		"destinations": selectDestinations, "replace destination": replaceDestination, "due": selectDue, "laned": selectAnyLanedDue,
		"claim": claimJobs + placeholders(3, 16) + `)`, "replay": selectReplayable, "replay failed": selectFailed, "give up": giveUpQueued,
		"feed": feed(""), "feed of a payment": feed(" AND payment <> '' AND payment = $3"), "feed of a client id": feed(" AND client_id <> '' AND client_id = $3"),
		"again": againJob, "cursor": selectCursor, "checkpoints": selectCheckpoints, "forget": forgetCheckpoints, "drop": dropCheckpoints,
		"delivery": selectDelivery, "of a merchant": deliveries("merchant = $2"), "of a payment": deliveries("payment = $2"),
		"in a state": deliveries("state = $2"), "insert event": insertEvent,
		"client id": selectClient, "lock client id": lockClient, "active destinations": selectActiveDestinations, "destination": selectDestination,
		"copies": fillCopies, "request by id": selectNamed + `id = $1`, "request by reference": selectNamed + `reference = $1`,
		"arrivals": selectArrivals + placeholders(1, arrivalsAtOnce) + `)`,
	}
	// A search has one index that finds and orders, or finds so few that they may
	// be sorted.
	few := &checkout.Owner{Payment: "p"}
	for name, q := range map[string]checkout.Search{
		"all": {}, "of a client id": {ClientID: "c"}, "of an order": {Order: "o"}, "invoiced in an asset": {Invoiced: "a"},
		"between dates": {From: time.Unix(1, 0), To: time.Unix(2, 0)}, "of an order invoiced in an asset": {Order: "o", Invoiced: "a"},
	} {
		queries["search "+name] = keysOf(q, nil, 7).text
	}
	unordered := func(text string) string { return strings.ReplaceAll(text, inOrder+" LIMIT 7", "") }
	queries["search by transaction"] = unordered(keysOf(checkout.Search{Tx: "t", Asset: "a"}, nil, 7).text)
	queries["search by request"] = unordered(keysOf(checkout.Search{Order: "o"}, few, 7).text)
	for name, query := range queries {
		ofSides := false // of what each of two limited selections has found
		for _, step := range explain(t, s, query) {
			if step == "SCAN near" || step == "SCAN far" || ofSides && strings.Contains(step, "TEMP B-TREE") {
				ofSides = true
				continue
			}
			ofSides = false
			inOrder := strings.Contains(step, "USING INDEX") || strings.Contains(step, "USING COVERING INDEX") // with a LIMIT
			sorts := strings.Contains(step, "TEMP B-TREE") && strings.Contains(query, "LIMIT")                 // sorts more than it returns
			if strings.Contains(step, "SCAN") && !inOrder || sorts {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
	// Payer and payee have an index each, and so have what arrived and what came
	// over bridges; what both find is put together and sorted.
	for name, c := range map[string]struct {
		search  checkout.Search
		indexes []string
	}{
		"by wallet":                      {checkout.Search{Wallet: asset.Address{1}}, []string{"transfers_search_payer", "transfers_search_payee", "attempts_by_owner"}},
		"in an asset":                    {checkout.Search{Asset: "a"}, []string{"transfers_search_asset", "transfers_search_route"}},
		"of a client id in an asset":     {checkout.Search{ClientID: "c", Asset: "a"}, []string{"transfers_search_asset", "transfers_search_client"}},
		"by wallet, in an asset it gave": {checkout.Search{Wallet: asset.Address{1}, Asset: "a"}, nil},
	} {
		plan := strings.Join(explain(t, s, keysOf(c.search, nil, 7).text), "\n")
		if slices.ContainsFunc(c.indexes, func(index string) bool { return !strings.Contains(plan, index) }) || strings.Contains(plan, "SCAN t ") || strings.Contains(plan, "SCAN transfers") {
			t.Errorf("search %s: %s", name, plan)
		}
	}
}

// explain lists the steps of a query's plan.
func explain(t *testing.T, s *Store, query string) []string {
	t.Helper()
	r, err := s.read.query(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, parameters(query))...)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return nil
	}
	steps, err := collect(r, func() (string, error) {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		return detail, err
	})
	if err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return steps
}

// The claim of laned jobs sorts what it has chosen and hops through lists of its
// own making, but never reads all jobs.
func TestLanedClaimsDoNotReadAllJobs(t *testing.T) {
	s := openTestSQLite(t)
	r, err := s.read.query(t.Context(), "EXPLAIN QUERY PLAN "+selectLanedDue, make([]any, parameters(selectLanedDue))...)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := collect(r, func() (string, error) {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		return detail, err
	})
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, step := range steps {
		if strings.HasPrefix(step, "SCAN j") || strings.HasPrefix(step, "SCAN k") {
			t.Errorf("reads all jobs: %s", step)
		}
		if strings.HasPrefix(step, "SEARCH j") {
			looked++
		}
	}
	if looked < 5 {
		t.Errorf("the plan looks jobs up in %d places: %q", looked, steps)
	}
}

// parameters counts the parameters of a query.
func parameters(query string) int {
	most := 0
	for _, p := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(query, -1) {
		var n int
		_, _ = fmt.Sscan(p[1], &n)
		most = max(most, n)
	}
	return most
}

func TestTermsCacheIsBounded(t *testing.T) {
	c := newTermsCache(10)
	terms := func(requests int) payment.Terms {
		return payment.Terms{Requests: make([]payment.Request, requests), CanceledAt: noTime.AddDate(1, 0, 0), CanceledBy: payment.ByPayer}
	}
	has := func(id payment.ID) bool { _, ok := c.get(id); return ok }
	c.put("a", terms(4))
	c.put("b", terms(4))
	c.put("b", terms(4))
	if !has("a") || !has("b") { // a is now the one used longer ago
		t.Error("what fits is not kept")
	}
	_ = has("a")
	c.put("c", terms(4))
	if !has("a") || has("b") || !has("c") {
		t.Errorf("a %v, b %v, c %v: want the one used longest ago to be gone", has("a"), has("b"), has("c"))
	}
	c.put("huge", terms(200))
	if has("huge") || has("a") || c.recent.Len() != 0 || c.room != 10 {
		t.Errorf("after a huge one %d are kept with room for %d", c.recent.Len(), c.room)
	}
	c.put("d", terms(1))
	if got, ok := c.get("d"); !ok || !got.CanceledAt.IsZero() || got.CanceledBy != "" {
		t.Errorf("kept %v with cancellation %v by %q: that changes and must not be cached", ok, got.CanceledAt, got.CanceledBy)
	}
}
