package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
)

// What a node of the version before payment links does, word for word.
const (
	depositsInsertPayment = `INSERT INTO payments (id, merchant, dialect, reference, payer_identifier, redirect_url, redirect_label,
 client_id, origin, grace_us, created_at, expires_at, canceled_at, state, oddity, settled_at, version, transfers, attempts,
 flow, recipient_identifier, creator, access, alias, secret_hash, metadata)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0, $18, $19, $20, $21, $22, $23, $24)`
	depositsInsertTransfer = `INSERT INTO transfers (key, payment, request, rail, asset, amount, credit, fee, stage, at,
 chain, block, block_hash, tx, log_index, payer, route, source_chain, source_tx, source_asset, source_amount,
 quote, merchant, client_id, reference, payee, invoiced)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
 COALESCE((SELECT merchant FROM payments WHERE id = $2), ''), COALESCE((SELECT client_id FROM payments WHERE id = $2), ''),
 COALESCE((SELECT reference FROM payments WHERE id = $2), ''),
 COALESCE((SELECT payee FROM requests WHERE payment = $2 AND idx = $3), ''),
 COALESCE((SELECT asset FROM requests WHERE payment = $2 AND idx = $3), '')) ON CONFLICT (key) DO NOTHING`
	depositsSaveStanding = `UPDATE payments SET state = $1, oddity = $2, settled_at = $3, canceled_at = $4, part = $5, version = version + 1
 WHERE id = $6 AND version = $7`
	depositsInsertEndpoint = `INSERT INTO endpoints (id, merchant, url, secret, client_id, active, created_at, previous_secret, previous_until)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
)

func TestWhatIsFromBeforeLinks(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(migrationFiles)
		if err != nil {
			t.Fatal(err)
		}
		ctx, at := t.Context(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		run := func(query string, args ...any) {
			t.Helper()
			if err := s.change(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		create := func(id string, canceled time.Time) {
			t.Helper()
			run(depositsInsertPayment, id, "M", "spacepay", "order", "", "", "", "", "", 0, micros(at), micros(at.Add(time.Hour)), 0, "open", "none", 0, 1, "get_paid", "", "", "", "alias "+id, "", "")
			run(oldInsertRequest, id, 0, "01"+id, "USD", "5", "0x742d35cc6634c0532925a3b844bc454e4438f44e", "", "", "", "", "", "")
			run(depositsInsertTransfer, "t"+id, id, 0, "deposit", "USDC-base", "5", "5", "", "final", micros(at), 8453, 1, "0x1", "0x"+id, 0, "", "", 0, "", "", "", "Q")
			run(countTransfer, id)
			run(depositsSaveStanding, "seen", "none", 0, micros(canceled), true, id, 1)
		}
		endpoint := func(id, client string) {
			t.Helper()
			run(depositsInsertEndpoint, id, "M", "https://shop.example/", s.seal.Seal([]byte("whsec_x"), secretPlace(id)), client, true, 1, []byte{}, 0)
		}
		if err := s.migrate(ctx, all[:6]); err != nil {
			t.Fatal(err)
		}
		run(oldInsertMerchant, "M", "Shop", 0, 1)
		endpoint("E1", "")
		endpoint("E2", "cli_1") // the same URL, for another client id
		create("P1", time.Time{})
		create("P2", at)
		if err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		create("P3", at) // the old node goes on
		if err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		for id, by := range map[payment.ID]payment.Canceler{"P1": "", "P2": payment.ByMerchant, "P3": payment.ByMerchant} {
			p, err := s.Payment(ctx, id)
			if err != nil || p.Terms.CanceledBy != by || p.Terms.CanceledAt.IsZero() != (by == "") || p.Terms.PayerCancels || p.Terms.Requests[0].Bank != nil || p.Terms.Requests[0].Chain != 0 {
				t.Errorf("%s: %+v, %v", id, p, err)
			}
		}
		if found, total, err := s.List(ctx, checkout.Listing{Merchant: "M", Dialect: "spacepay", Limit: 10}); err != nil || total != 3 || len(found) != 3 {
			t.Errorf("listed %d of %d, %v", len(found), total, err)
		}
		found, total, err := s.Income(ctx, checkout.IncomeQuery{Merchant: "M", Dialect: "spacepay", Limit: 10})
		if err != nil || total != 3 || len(found) != 3 || found[0].Transfer.Key != "tP3" {
			t.Errorf("income %+v of %d, %v", found, total, err)
		}
		endpoints, err := s.Endpoints(ctx, "M")
		if err != nil || len(endpoints) != 2 || endpoints[0].Secret != "whsec_x" || endpoints[1].ClientID != "cli_1" || endpoints[0].Dialect != "" {
			t.Errorf("endpoints %+v, %v", endpoints, err)
		}
		if err := s.InsertEndpoint(ctx, merchant.Endpoint{ID: "E3", Merchant: "M", URL: "https://shop.example/", Secret: "whsec_y", Active: true}); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same webhook again: %v", err)
		}
	})
}

// A secret in another row's place does not open: whoever can write to the database cannot
// have one payment's messages sealed with another's key, or sign with another merchant's.
func TestSecretsOpenInTheirPlaceOnly(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		run := func(query string, args ...any) {
			t.Helper()
			if err := s.change(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range []payment.MerchantID{"M1", "M2"} {
			run(oldInsertMerchant, m, "Shop", 0, 1)
			if err := s.SetLinkSettings(ctx, merchant.LinkSettings{Merchant: m, Secret: "secret " + string(m), EncryptionKey: "key " + string(m)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []payment.ID{"P1", "P2"} {
			run(oldInsertPayment, id, "M1")
			if err := s.write(ctx, func(t *tx) error { return t.PutSecret(ctx, id, "secret "+string(id)) }); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Secret(ctx, id); err != nil || got != "secret "+string(id) {
				t.Errorf("%s: %q, %v", id, got, err)
			}
		}
		run(`UPDATE payment_secrets SET secret = (SELECT o.secret FROM payment_secrets o WHERE o.payment = 'P1') WHERE payment = 'P2'`)
		if got, err := s.Secret(ctx, "P2"); !errors.Is(err, seal.ErrTampered) || got != "" {
			t.Errorf("another payment's: %q, %v", got, err)
		}
		for what, change := range map[string]string{
			"another merchant's secret": `UPDATE link_settings SET secret = (SELECT o.secret FROM link_settings o WHERE o.merchant = 'M1') WHERE merchant = 'M2'`,
			"a key for a secret":        `UPDATE link_settings SET secret = encryption_key WHERE merchant = 'M2'`,
			"a secret for a key":        `UPDATE link_settings SET encryption_key = secret WHERE merchant = 'M2'`,
			"an earlier secret":         `UPDATE link_settings SET previous_secret = secret WHERE merchant = 'M2'`,
		} {
			if err := s.SetLinkSettings(ctx, merchant.LinkSettings{Merchant: "M2", Secret: "x", EncryptionKey: "y"}); err != nil {
				t.Fatal(err)
			}
			run(change)
			if l, err := s.LinkSettings(ctx, "M2"); !errors.Is(err, seal.ErrTampered) {
				t.Errorf("%s: %+v, %v", what, l, err)
			}
		}
	})
}

// plans notes how SQLite answers what is read through it.
type plans struct {
	session
	t     *testing.T
	lines []string
}

func (p *plans) query(ctx context.Context, query string, args ...any) (rows, error) {
	p.look(ctx, query, args)
	return p.session.query(ctx, query, args...)
}

func (p *plans) row(ctx context.Context, query string, args []any, dest ...any) error {
	p.look(ctx, query, args)
	return p.session.row(ctx, query, args, dest...)
}

func (p *plans) look(ctx context.Context, query string, args []any) {
	p.t.Helper()
	r, err := p.session.query(ctx, `EXPLAIN QUERY PLAN `+query, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	lines, err := collect(r, func() (line string, err error) {
		var id, parent, unused int
		return line, r.Scan(&id, &parent, &unused, &line)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.lines = append(p.lines, lines...)
}

// What is asked for often is found by an index, in its order.
func TestLinksAreFoundByTheirIndexes(t *testing.T) {
	box, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "test.db"), Seal: box})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, at := t.Context(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	// One row, so that pages are asked for.
	for _, err := range []error{
		s.change(ctx, oldInsertMerchant, "M", "Shop", 0, 1),
		s.change(ctx, depositsInsertPayment, "P", "M", "secpaid", "", "", "", "", "", "", 0, 1, 2, 0, "open", "none", 0, 1, "get_paid", "", "", "", "a", "", ""),
		s.change(ctx, countTransfer, "P"),
		s.change(ctx, insertTransfer, "T", "P", 0, "sepa", "EUR", "5", "5", "", "final", 1, 0, 0, "", "", 0, "", "", 0, "", "", "", ""),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	paid := []checkout.StatePart{{State: payment.Paid}}
	for what, c := range map[string]struct {
		ask  func() error
		want []string
		sort bool // allowed
	}{
		"newest": {func() error {
			_, _, err := s.List(ctx, checkout.Listing{Merchant: "M", Dialect: "secpaid", Limit: 10})
			return err
		}, []string{"SEARCH p USING INDEX payments_listed"}, false},
		"paid": {func() error {
			_, _, err := s.List(ctx, checkout.Listing{Merchant: "M", Dialect: "secpaid", States: paid, ByPaid: true, Limit: 10})
			return err
		}, []string{"SEARCH p USING INDEX payments_paid"}, false},
		"income": {func() error {
			_, _, err := s.Income(ctx, checkout.IncomeQuery{Merchant: "M", Dialect: "secpaid", From: at.AddDate(-90, 0, 0), To: at, Limit: 10})
			return err
		}, []string{"SEARCH i USING INDEX transfers_income", "SEARCH i USING INDEX events_refunds"}, true},
		"bookings": {func() error {
			_, err := s.Bookings(ctx, checkout.BookingQuery{Merchant: "M", Limit: 10})
			return err
		}, []string{"SEARCH bank_bookings USING INDEX bank_bookings_listed"}, false},
		"open bookings": {func() error {
			_, err := s.Bookings(ctx, checkout.BookingQuery{Merchant: "M", Open: true, Limit: 10})
			return err
		}, []string{"SEARCH bank_bookings USING INDEX bank_bookings_open"}, false},
		"everybody's open bookings": {func() error {
			_, err := s.Bookings(ctx, checkout.BookingQuery{Open: true, Limit: 10})
			return err
		}, []string{"SCAN bank_bookings USING INDEX bank_bookings_undecided"}, false},
		"overdue": {func() error {
			_, err := s.Overdue(ctx, at, 10)
			return err
		}, []string{"SEARCH payments USING COVERING INDEX payments_overdue"}, false},
		"quoted": {func() error {
			_, err := s.Quoted(ctx, at)
			return err
		}, []string{"INDEX payments_overdue", "INDEX quotes_by_end"}, true},
	} {
		p := &plans{session: s.read, t: t}
		s.read = p
		err := c.ask()
		s.read = p.session
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		plan := strings.Join(p.lines, "\n")
		for _, want := range c.want {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: %q is not in the plan:\n%s", what, want, plan)
			}
		}
		// What a page has of the newest and of an archive is put into one order: few rows of each.
		few := strings.ReplaceAll(plan, "SCAN f\nUSE TEMP B-TREE FOR ORDER BY", "SCAN f")
		if !c.sort && strings.Contains(few, "TEMP B-TREE") {
			t.Errorf("%s: it is sorted:\n%s", what, plan)
		}
	}
}
