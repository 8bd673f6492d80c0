package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
	"quittance/internal/webhook"
)

// growing are the tables that have a row or more for each payment there ever was.
var growing = strings.Fields(`payments requests handles transfers attempts events quotes screenings payments_old requests_old handles_old
 transfers_old attempts_old events_old quotes_old screenings_old handle_marks deposit_addresses deposit_balances deliveries feed idempotency orphans`)

// grownRows fills what closedSQL leaves empty.
const grownRows = `INSERT INTO deliveries (id, event_id, payment, merchant, endpoint, dialect, event, body, test, state, attempts, next_at, created_at, last_at, last_status, last_error, last_us)
 SELECT '01Z' || id, id, payment, merchant, 'endpoint', dialect, kind, CAST('x' AS {{BLOB}}), FALSE, CASE WHEN at % 100 = 1 THEN 'queued' ELSE 'delivered' END, 1, 0, at, at, 200, '', 5 FROM events_old;
INSERT INTO feed (merchant, position, id, event_id, payment, sequence, event, client_id, body, at)
 SELECT merchant, ROW_NUMBER() OVER (PARTITION BY merchant ORDER BY id), id, id, payment, seq, kind, 'client', CAST('x' AS {{BLOB}}), at FROM events_old;
INSERT INTO idempotency (merchant, route, key, request_hash, status, body, at) SELECT merchant, 'route', id, id, 200, CAST('x' AS {{BLOB}}), created_at FROM payments_old;
INSERT INTO jobs (id, kind, args, state, run_at, leased_until, attempt, why) SELECT id, 'kind', id, CASE WHEN at % 50 = 1 THEN 'buried' ELSE 'ready' END, at, 0, 0, '' FROM events;
INSERT INTO handle_marks (mark) SELECT created_at FROM payments_old;
INSERT INTO deposit_balances (chain, address, block, block_hash, before, wei, final) SELECT 1, id, created_at, id, '0', '1', TRUE FROM payments_old;
INSERT INTO orphans (key, rail, handle, reason, payment, asset, amount, recipient, at, chain, block, block_hash, tx, log_index, payer)
 SELECT id, 'evmref', id, 'reason', id, 'asset', '1', 'to', created_at, 1, 1, 'hash', 'tx', 1, 'payer' FROM payments_old;
`

// someSmall gives a few payments to a merchant who has no others.
const someSmall = `UPDATE payments{{OLD}} SET merchant = '%[1]s' WHERE id LIKE '%%00' AND dialect = 'spacepay';
UPDATE transfers{{OLD}} SET merchant = '%[1]s' WHERE payment LIKE '%%00' AND dialect = 'spacepay';
`

// grownOwn fills both places' tables of what happens to payments seldom.
const grownOwn = `INSERT INTO attempts{{OLD}} (payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, route, route_id, safe, op, owner)
 SELECT id, 'tx', 'evmref', 'tx', 1, id, 'payer', 'executed', FALSE, '', 0, created_at, '', '', '', '', '' FROM payments{{OLD}};
INSERT INTO screenings{{OLD}} (payment, role, wallet, status, reason, provider, reference, report, raw, at)
 SELECT id, 'payer', '0x0000000000000000000000000000000000000001', 'approved', '', 'list', '', '', '', created_at FROM payments{{OLD}};
`

// grownShop is a database with so many closed payments, most of them archived.
func grownShop(t *testing.T, dsn string, postgres bool) *store.Store {
	t.Helper()
	const archived, recent, apart = 8000, 4000, 1_000_000
	s, now := storetest.Open(t, dsn), time.Now()
	for n := range 21 {
		if err := s.InsertMerchant(t.Context(), merchant.Merchant{ID: closedMerchant(n), Name: "M", CreatedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetBranch(t.Context(), merchant.Branch{ID: "branch", Merchant: closedMerchant(0), XPub: "none", CreatedAt: now}); err != nil {
		t.Fatal(err)
	}
	blob := "BLOB"
	if postgres {
		blob = "BYTEA"
	}
	began := int(now.AddDate(-1, 0, 0).UnixMicro())
	for _, text := range []string{
		closedText(postgres, "_old", 1, archived, began, apart), closedText(postgres, "", archived+1, archived+recent, began, apart),
		fmt.Sprintf(strings.ReplaceAll(someSmall, "{{OLD}}", "_old")+strings.ReplaceAll(someSmall, "{{OLD}}", ""), closedMerchant(20)), strings.ReplaceAll(grownRows, "{{BLOB}}", blob), strings.ReplaceAll(grownOwn, "{{OLD}}", ""), strings.ReplaceAll(grownOwn, "{{OLD}}", "_old"),
	} {
		if err := store.Script(t.Context(), s, text); err != nil {
			t.Fatal(err)
		}
	}
	if postgres {
		if err := store.Script(t.Context(), s, `ANALYZE`); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// askAll asks what pages, calls of the APIs, sweeps and workers ask; most of it finds nothing.
func askAll(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	m, now, id := closedMerchant(20), time.Now(), payment.ID("01A000"+fmt.Sprintf("%020d", 20))
	long := now.AddDate(-2, 0, 0)
	try := func(what string, err error) {
		t.Helper()
		if err != nil && !regexp.MustCompile(`not_found|stale`).MatchString(err.Error()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p, err := s.Payment(ctx, id)
	try("payment", err)
	if p == nil {
		t.Fatal("there is no such payment")
	}
	_, err = s.PaymentByRequest(ctx, p.Terms.Requests[0].ID)
	try("by request", err)
	_, err = s.PaymentByAlias(ctx, "spacepay", "none")
	try("by alias", err)
	_, err = s.Events(ctx, id)
	try("events", err)
	_, _, err = s.Event(ctx, "none")
	try("event", err)
	_, err = s.Marks(ctx, []payment.ID{id})
	try("marks", err)
	_, err = s.Screenings(ctx, id)
	try("screenings", err)
	_, err = s.Overdue(ctx, now, 100)
	try("overdue", err)
	_, err = s.Unvouched(ctx, 1)
	try("blocks nobody vouches for", err)
	_, err = s.Held(ctx, 1, checkout.Block{Number: 1, Hash: "hash"})
	try("native money of a block", err)
	_, err = s.Owners(ctx, "evmref", []string{"a", "b"})
	try("owners", err)
	_, err = s.Unsettled(ctx, 8453, 1<<40)
	try("unsettled", err)
	_, err = s.Archive(ctx, "", long)
	try("archive", err)
	_, err = s.PruneMessages(ctx, long)
	try("old messages", err)
	_, err = s.PruneAnswers(ctx, long)
	try("old answers", err)
	_, err = s.AddressesAfter(ctx, 10, 50)
	try("addresses", err)
	_, err = s.FreeAddresses(ctx, "branch")
	try("free addresses", err)
	_, err = s.Orphans(ctx, 20)
	try("orphans", err)
	askLists(ctx, s, m, try)
	askMessages(ctx, s, m, try)
	try("a sweep", s.Write(ctx, func(tx checkout.Tx) error {
		if _, err := tx.Owners(ctx, "evmref", []string{"a", "b"}); err != nil {
			return err
		}
		if _, err := tx.TransfersAbove(ctx, 8453, 1<<40); err != nil {
			return err
		}
		if _, err := tx.TransfersIn(ctx, 8453, checkout.Block{Number: 5, Hash: "x"}); err != nil {
			return err
		}
		_, err := tx.Payment(ctx, "01B000"+payment.ID(fmt.Sprintf("%020d", 8020)))
		return err
	}))
}

func askLists(ctx context.Context, s *store.Store, m payment.MerchantID, try func(string, error)) {
	for _, l := range []checkout.Listing{{}, {ByPaid: true}, {ByAmount: true}, {Ascending: true, Offset: 100}, {Search: "order 7"}, {States: []checkout.StatePart{{State: payment.Paid}}}} {
		l.Merchant, l.Dialect, l.Limit = m, "spacepay", 20
		_, _, err := s.List(ctx, l)
		try(fmt.Sprintf("list %+v", l), err)
	}
	var wallet asset.Address
	wallet[0] = 7
	for _, q := range []checkout.Search{
		{}, {ClientID: "cli_1"}, {Wallet: wallet}, {Asset: "USDC-base"}, {Tx: "0x1"}, {Order: "order 12"}, {RequestID: "01"}, {Invoiced: "USD"}, {Came: checkout.OverBridge}, {Shown: true},
	} {
		q.Merchant, q.Limit = m, 20
		_, _, err := s.Arrivals(ctx, q)
		try(fmt.Sprintf("search %+v", q), err)
	}
	for _, q := range []checkout.IncomeQuery{{}, {Search: "order 7"}} {
		q.Merchant, q.Dialect, q.Limit = m, "spacepay", 20
		_, _, err := s.Income(ctx, q)
		try("income", err)
	}
}

func askMessages(ctx context.Context, s *store.Store, m payment.MerchantID, try func(string, error)) {
	for _, f := range []webhook.Filter{{}, {Payment: "x"}, {State: webhook.Exhausted}, {Merchant: m, State: webhook.Queued}} {
		if f.Limit = 20; f.Merchant == "" && f.Payment == "" {
			f.Merchant = m
		}
		_, err := s.Deliveries(ctx, f)
		try(fmt.Sprintf("deliveries %+v", f), err)
	}
	for _, f := range []webhook.FeedFilter{{After: 5}, {ClientID: "client"}, {Payment: "x"}} {
		f.Merchant, f.Limit = m, 20
		_, err := s.Feed(ctx, f)
		try(fmt.Sprintf("feed %+v", f), err)
	}
	_, err := s.FeedStart(ctx, m)
	try("feed's start", err)
	_, err = s.Backlog(ctx, time.Now())
	try("backlog", err)
	_, err = s.Claim(ctx, time.Now(), time.Second, job.Room{Free: 5})
	try("claim", err)
	_, err = s.Buried(ctx, "", 20)
	try("buried", err)
	_, err = s.GiveUpQueued(ctx, "nobody's", "gone", 20)
	try("give up", err)
	_, err = s.Answer(ctx, checkout.IdempotencyKey{Merchant: m, Route: "r", Key: "k"})
	try("answer", err)
}

var (
	aliased = regexp.MustCompile(`\b(?:FROM|JOIN|UPDATE|INTO) (\w+)(?: (?:AS )?([a-z]\w*))?`)
	scans   = regexp.MustCompile(`(?:^SCAN|\bSeq Scan on) (\w+)`)
)

// goesThroughAll begins what looks at all payments that are not archived, once an hour.
const goesThroughAll = `SELECT p.id FROM payments p WHERE p.id > $2 AND p.created_at < $1`

// scanned says which growing tables a plan reads as a whole.
func scanned(query string, plan []string) (tables []string) {
	names := map[string]string{}
	for _, m := range aliased.FindAllStringSubmatch(query, -1) {
		names[m[1]], names[m[2]] = m[1], m[1]
	}
	for _, line := range plan {
		m := scans.FindStringSubmatch(strings.TrimLeft(line, " ->"))
		switch {
		case m == nil, !slices.Contains(growing, names[m[1]]):
		case slices.Contains(plan, "CO-ROUTINE "+m[1]): // of a subquery with a table's name
		case strings.Contains(line, " USING ") && strings.Contains(query, "LIMIT") && !strings.Contains(query, "WHERE"): // the first few of an index
		case names[m[1]] == "payments" && strings.HasPrefix(query, goesThroughAll):
		default:
			tables = append(tables, names[m[1]])
		}
	}
	return tables
}

func TestNothingReadsAllOfAGrowingTable(t *testing.T) {
	for name, of := range map[string]struct {
		dsn     func(testing.TB) string
		driver  string
		explain string
	}{
		"sqlite":   {file, "sqlite", `EXPLAIN QUERY PLAN `},
		"postgres": {pgtest.DSN, "pgx", `EXPLAIN `},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := of.dsn(t)
			s := grownShop(t, dsn, name == "postgres")
			all := store.Record(s)
			askAll(t.Context(), t, s)
			db, err := sql.Open(of.driver, strings.Replace(dsn, "sqlite:", "file:", 1))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			seen := map[string]bool{}
			for _, a := range *all {
				if seen[a.Query] {
					continue
				}
				seen[a.Query] = true
				plan := planOf(t, db, of.explain+a.Query, a.Args)
				for _, table := range scanned(a.Query, plan) {
					t.Errorf("all of %s is read by\n%s\n%s", table, a.Query, strings.Join(plan, "\n"))
				}
			}
			if len(seen) < 40 {
				t.Errorf("only %d statements were looked at", len(seen))
			}
			if plan := planOf(t, db, of.explain+`SELECT COUNT(*) FROM payments_old p WHERE p.reference = 'x'`, nil); len(scanned(`FROM payments_old p `, plan)) == 0 {
				t.Errorf("a scan is not seen in %q", plan)
			}
		})
	}
}

// planOf is how a database would run a statement, a line each.
func planOf(t *testing.T, db *sql.DB, explain string, args []any) (lines []string) {
	t.Helper()
	r, err := db.QueryContext(t.Context(), explain, args...)
	if err != nil {
		t.Fatalf("%s: %v", explain, err)
	}
	defer func() { _ = r.Close() }()
	columns, err := r.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for r.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := r.Scan(values...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(*values[len(values)-1].(*any)))
	}
	if len(lines) == 0 && !strings.Contains(explain, "VALUES") {
		t.Fatalf("%s has a plan of no lines, with %s parameters", explain, strconv.Itoa(len(args)))
	}
	return lines
}
