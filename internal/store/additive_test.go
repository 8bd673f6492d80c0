package store

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// firstAdditive is the migration from which on nodes of the version before run beside
// those that have migrated.
const firstAdditive = 8

var (
	comments   = regexp.MustCompile(`--[^\n]*`)
	newTable   = regexp.MustCompile(`^CREATE TABLE (\w+) `)
	newIndex   = regexp.MustCompile(`^CREATE INDEX `)
	newUnique  = regexp.MustCompile(`^CREATE UNIQUE INDEX \w+ ON (\w+) `)
	newColumn  = regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ .*\bDEFAULT\b`)
	noDefaults = regexp.MustCompile(`^ALTER TABLE \w+ ADD COLUMN \w+ \w+$`)
	// onPurpose is what old nodes notice and must: their archiver, and nothing else, waits
	// until they are new.
	onPurpose = "{{ONLY COUNTED MARKS}}"
)

// disturbs says which statements of a migration a node of the version before would
// notice: whatever takes something away, changes it, or refuses what that node writes.
func disturbs(sql string) (statements []string) {
	made := map[string]bool{}
	for statement := range strings.SplitSeq(comments.ReplaceAllString(sql, ""), ";") {
		s := strings.Join(strings.Fields(statement), " ")
		table, unique := newTable.FindStringSubmatch(s), newUnique.FindStringSubmatch(s)
		switch {
		case s == "", s == onPurpose, newIndex.MatchString(s), newColumn.MatchString(s), noDefaults.MatchString(s):
		case table != nil:
			made[table[1]] = true
		case unique != nil && made[unique[1]]:
		default:
			statements = append(statements, s)
		}
	}
	return statements
}

func TestMigrationsDisturbNoOldNodes(t *testing.T) {
	all, err := readMigrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all[firstAdditive-1:] {
		for _, s := range disturbs(m.sql) {
			t.Errorf("%s is not for one release: %s", m.name, s)
		}
	}
	for sql, want := range map[string]int{
		"ALTER TABLE jobs ADD COLUMN x TEXT NOT NULL DEFAULT '';": 0, "ALTER TABLE jobs ADD COLUMN x TEXT;": 0, "ALTER TABLE jobs ADD COLUMN x TEXT NOT NULL;": 1,
		"ALTER TABLE jobs DROP COLUMN x;": 1, "ALTER TABLE jobs RENAME TO y;": 1, "DROP TABLE jobs;": 1, "UPDATE jobs SET x = 1;": 1, "DROP INDEX jobs_due;": 1,
		"CREATE UNIQUE INDEX jobs_x ON jobs (x);": 1, "CREATE TABLE y (x TEXT);\nCREATE UNIQUE INDEX y_x ON y (x);": 0, "CREATE INDEX jobs_x ON jobs (x); -- of x\n": 0,
	} {
		if got := disturbs(sql); len(got) != want {
			t.Errorf("%s disturbs by %q", sql, got)
		}
	}
}

// A node that runs goes on when a newer one has migrated; only a start is refused.
func TestARunningNodeOutlivesAMigration(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(migrationFiles)
		if err != nil {
			t.Fatal(err)
		}
		next := migration{
			version: int64(len(all)) + 1, name: "next", checksum: "x",
			sql: `CREATE TABLE news (id TEXT NOT NULL PRIMARY KEY); ALTER TABLE payments ADD COLUMN news TEXT NOT NULL DEFAULT ''; ALTER TABLE jobs ADD COLUMN news TEXT NOT NULL DEFAULT ''; CREATE INDEX payments_news ON payments (news);`,
		}
		now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		work := func(n int) {
			t.Helper()
			m := merchant.Merchant{ID: payment.MerchantID(fmt.Sprintf("01KM%022d", n)), Name: "Shop", CreatedAt: now}
			if err := s.InsertMerchant(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			p := &payment.Payment{ID: payment.ID(fmt.Sprintf("01KE%022d", n)), Version: 1, Terms: payment.Terms{
				Merchant: m.ID, Dialect: "request", CreatedAt: now, ExpiresAt: now.Add(time.Hour), Requests: []payment.Request{{ID: fmt.Sprintf("01%064x", n), Asset: "USDC-base", Due: big.NewInt(5)}},
			}}
			p.Standing = payment.Assess(p.Terms, nil, nil, now)
			if err := s.Write(t.Context(), func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) }); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Payment(t.Context(), p.ID); err != nil {
				t.Fatal(err)
			}
		}
		work(1)
		if err := s.migrate(t.Context(), append(all, next)); err != nil {
			t.Fatal(err)
		}
		work(2)
		if _, err := open(t); err == nil {
			t.Error("an old program starts on a newer schema")
		}
	})
}
