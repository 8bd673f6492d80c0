package store

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// What a node of the first version does to the database while the next version
// has migrated it already: these are its statements, word for word.
const (
	oldInsertJob = `INSERT INTO jobs (id, kind, args, state, run_at, leased_until, attempt, why)
 VALUES ($1, $2, $3, 'ready', $4, 0, 0, '')`
	oldClaimJobs = `UPDATE jobs SET leased_until = $2, attempt = attempt + 1
 WHERE state = 'ready' AND run_at <= $1 AND leased_until <= $1 AND id IN (
  SELECT j.id FROM jobs j WHERE j.state = 'ready' AND j.run_at <= $1 AND j.leased_until <= $1 ORDER BY j.run_at, j.id LIMIT $3)
 RETURNING id`
	oldInsertEndpoint = `INSERT INTO endpoints (id, merchant, url, secret, client_id, active, created_at)
 VALUES ($1, $2, $3, $4, $5, $6, $7)`
	oldInsertEvent = `INSERT INTO events (payment, seq, id, merchant, dialect, kind, request, transfer, standing, detail, at)
 VALUES ($1, (SELECT COALESCE(MAX(e.seq), 0) + 1 FROM events e WHERE e.payment = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	oldInsertMerchant = `INSERT INTO merchants (id, name, window_us, created_at) VALUES ($1, $2, $3, $4)`
	oldInsertDelivery = `INSERT INTO deliveries (id, event_id, payment, merchant, endpoint, dialect, event, body, test, state,
 attempts, next_at, created_at, last_at, last_status, last_error, last_us)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`
	oldInsertRequest = `INSERT INTO requests (payment, idx, id, asset, due, payee, fee_share, fee_amount, fee_payee, salt, reference, topic)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	oldInsertPayment = `INSERT INTO payments (id, merchant, dialect, reference, payer_identifier, redirect_url, redirect_label, client_id, origin,
 grace_us, created_at, expires_at, canceled_at, state, oddity, settled_at, version, transfers, attempts)
 VALUES ($1, $2, 'request', '', '', '', '', '', '', 0, 1, 2, 0, 'open', 'none', 0, 1, 0, 0)`
)

func TestOldNodesWorkOnBesideNewOnes(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		all, err := readMigrations(migrationFiles)
		if err != nil {
			t.Fatal(err)
		}
		ctx, now := t.Context(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		run := func(query string, args ...any) {
			t.Helper()
			if err := s.change(ctx, query, args...); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.migrate(ctx, all[:1]); err != nil {
			t.Fatal(err)
		}
		run(oldInsertMerchant, "M", "Shop", 0, 1)
		run(oldInsertPayment, "P", "M")
		run(oldInsertEndpoint, "E", "M", "https://shop.example/", s.seal.Seal([]byte("whsec_x"), secretPlace("E")), "", true, 1)
		run(oldInsertDelivery, "D1", "EV", "P", "M", "E", "request", "payment.confirmed", []byte("{}"), false, "queued", 0, micros(now), 1, 0, 0, "", 0)
		run(oldInsertJob, "J1", webhook.DeliverKind, "D1", micros(now))
		run(oldInsertJob, "J2", webhook.RelayKind, "EV", micros(now))
		if err := s.migrate(ctx, all); err != nil {
			t.Fatal(err)
		}
		run(oldInsertJob, "J3", webhook.DeliverKind, "D1", micros(now))
		run(oldInsertEvent, "P", "EV", "M", "request", "paid", -1, "", "", "", 1)

		// The new node finds its lanes, and what the old one adds all the same.
		jobs, err := s.Claim(ctx, now, time.Minute, job.Room{Free: 10, Laned: 10, PerLane: 1})
		lanes := map[string]string{}
		for _, j := range jobs {
			lanes[j.ID] = j.Lane
		}
		if err != nil || len(jobs) != 3 || lanes["J1"] != "E" || lanes["J2"] != "" || lanes["J3"] != "" {
			t.Errorf("claimed %+v, %v", jobs, err)
		}
		if es, err := s.Events(ctx, "P"); err != nil || len(es) != 1 || es[0].Seq != 1 || es[0].Fields != nil {
			t.Errorf("events %+v, %v", es, err)
		}
		if e, err := s.Endpoint(ctx, "M", "E"); err != nil || e.Secret != "whsec_x" || e.PreviousSecret != "" || !e.FailingSince.IsZero() {
			t.Errorf("endpoint %+v, %v", e, err)
		}
		// The old node takes jobs of any lane, none that the new one has.
		later := now.Add(time.Second)
		if err := s.Enqueue(ctx, job.Job{ID: "J4", Kind: webhook.DeliverKind, Args: "D1", Lane: "E", RunAt: later}); err != nil {
			t.Fatal(err)
		}
		var taken string
		if err := s.write(ctx, func(t *tx) error {
			return t.row(ctx, oldClaimJobs, []any{micros(later), micros(later.Add(time.Minute)), 10}, &taken)
		}); err != nil || taken != "J4" {
			t.Errorf("the old node took %q, %v", taken, err)
		}
	})
}

// What a node of the version before Safes does, word for word.
const (
	routesInsertAttempt = `INSERT INTO attempts (payment, key, rail, kind, chain, handle, payer, stage, decides, reason, until, at, route, route_id)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (payment, key) DO NOTHING`
	routesUpdateAttempt = `UPDATE attempts SET stage = $3, decides = $4, reason = $5, until = $6, at = $7, payer = $9, route = $10, route_id = $11
 WHERE payment = $1 AND key = $2 AND CASE stage WHEN 'announced' THEN 0 WHEN 'proven' THEN 1 ELSE 2 END <= $8
 AND (stage <> $3 OR decides <> $4 OR reason <> $5 OR until <> $6 OR payer <> $9 OR route <> $10)`
)

func TestAttemptsFromBeforeSafes(t *testing.T) {
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
		announce := func(key string) {
			t.Helper()
			run(routesInsertAttempt, "P", key, "", "tx", 8453, "0x"+key, "", "announced", false, "", 0, micros(at), "", "")
			run(countAttempt, "P")
		}
		if err := s.migrate(ctx, all[:3]); err != nil {
			t.Fatal(err)
		}
		run(oldInsertMerchant, "M", "Shop", 0, 1)
		run(oldInsertPayment, "P", "M")
		announce("1")
		if err := s.migrate(ctx, all); err != nil {
			t.Fatal(err)
		}
		announce("2") // the old node goes on

		nonce := uint64(7)
		x := &payment.Safe{Among: []string{"0xA"}, Nonce: &nonce, Next: 5}
		a := payment.Attempt{Key: "3", Kind: "safe_tx", Chain: 8453, Handle: "0x3", Stage: payment.Announced, Decides: true, At: at, Safe: x}
		if err := s.write(ctx, func(t *tx) error {
			_, err := t.PutAttempt(ctx, "P", a)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		// Whatever an old node writes to it, it keeps what that does not know.
		run(routesUpdateAttempt, "P", "3", "announced", false, "", 0, micros(at), 0, "0xB", "", "")
		p, err := s.Payment(ctx, "P")
		if err != nil || len(p.Attempts) != 3 {
			t.Fatalf("%+v, %v", p, err)
		}
		for _, old := range p.Attempts[:2] {
			if old.Safe != nil || old.Stage != payment.Announced {
				t.Errorf("an old attempt is %+v", old)
			}
		}
		got := p.Attempts[2]
		if got.Payer != "0xB" || got.Safe == nil || *got.Safe.Nonce != 7 || got.Safe.Next != 5 || got.Safe.Among[0] != "0xA" {
			t.Errorf("the Safe's attempt is %+v, %+v", got, got.Safe)
		}
		if asked, err := s.SafesAsked(ctx, "P", 8453); err != nil || len(asked) != 0 {
			t.Errorf("asked: %v, %v", asked, err)
		}
	})
}

// What a node of the version before deposits does, word for word.
const (
	gaslessInsertPayment = `INSERT INTO payments (id, merchant, dialect, reference, payer_identifier, redirect_url, redirect_label,
 client_id, origin, grace_us, created_at, expires_at, canceled_at, state, oddity, settled_at, version, transfers, attempts,
 flow, recipient_identifier, creator, access)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, 0, $18, $19, $20, $21)`
	gaslessInsertTransfer = `INSERT INTO transfers (key, payment, request, rail, asset, amount, credit, fee, stage, at,
 chain, block, block_hash, tx, log_index, payer, route, source_chain, source_tx, source_asset, source_amount,
 merchant, client_id, reference, payee, invoiced)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
 COALESCE((SELECT merchant FROM payments WHERE id = $2), ''), COALESCE((SELECT client_id FROM payments WHERE id = $2), ''),
 COALESCE((SELECT reference FROM payments WHERE id = $2), ''),
 COALESCE((SELECT payee FROM requests WHERE payment = $2 AND idx = $3), ''),
 COALESCE((SELECT asset FROM requests WHERE payment = $2 AND idx = $3), '')) ON CONFLICT (key) DO NOTHING`
	gaslessSaveStanding = `UPDATE payments SET state = $1, oddity = $2, settled_at = $3, canceled_at = $4, version = version + 1
 WHERE id = $5 AND version = $6`
)

func TestPaymentsFromBeforeDeposits(t *testing.T) {
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
		create := func(id string) {
			t.Helper()
			run(gaslessInsertPayment, id, "M", "request", "order", "", "", "", "", "", 0, micros(at), micros(at.Add(time.Hour)), 0, "open", "none", 0, 1, "get_paid", "", "", "")
			run(oldInsertRequest, id, 0, "01"+id, "USDC-base", "5", "0x742d35cc6634c0532925a3b844bc454e4438f44e", "", "", "", "00", "0x"+id, "topic "+id)
			run(intoHandles.one, "evmref", "topic "+id, id, 0)
			run(gaslessInsertTransfer, "t"+id, id, 0, "evmref", "USDC-base", "5", "5", "", "pending", micros(at), 8453, 1, "0x1", "0x"+id, 0, "", "", 0, "", "", "")
			run(countTransfer, id)
			run(gaslessSaveStanding, "seen", "none", 0, 0, id, 1)
		}
		if err := s.migrate(ctx, all[:5]); err != nil {
			t.Fatal(err)
		}
		run(oldInsertMerchant, "M", "Shop", 0, 1)
		create("P1")
		if err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		create("P2") // the old node goes on
		for _, id := range []payment.ID{"P1", "P2"} {
			p, err := s.Payment(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if d := p.Terms; d.Alias != "" || d.SecretHash != "" || d.Metadata != "" || len(p.Quotes) != 0 || p.Version != 2 {
				t.Errorf("%s: %+v", id, p)
			}
			if len(p.Transfers) != 1 || p.Transfers[0].Quote != "" || p.Transfers[0].Credit.Int64() != 5 {
				t.Errorf("%s: %+v", id, p.Transfers)
			}
			if owners, err := s.Owners(ctx, "evmref", []string{"topic " + string(id)}); err != nil || owners["topic "+string(id)].Payment != id {
				t.Errorf("%s: %v, %v", id, owners, err)
			}
			// A new node goes on with it: its transfer is final, and not credited anew.
			p.Transfers[0].Stage = payment.Final
			if err := s.write(ctx, func(t *tx) error {
				if _, err := t.PutTransfer(ctx, id, p.Transfers[0]); err != nil {
					return err
				}
				return t.SaveStanding(ctx, p)
			}); err != nil {
				t.Fatal(err)
			}
			again, err := s.Payment(ctx, id)
			if err != nil || again.Transfers[0].Stage != payment.Final || again.Transfers[0].Credit.Int64() != 5 {
				t.Errorf("%s: %+v, %v", id, again, err)
			}
		}
	})
}

// Which events the merchant is told of is the dialect's to say; without a word it is
// those that everybody is told of.
func TestDialectsTellWhatTheyTell(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		ctx, at := t.Context(), time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
		if err := s.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		for _, query := range [][]any{{oldInsertMerchant, "M", "Shop", 0, 1}, {oldInsertPayment, "P", "M"}} {
			if err := s.change(ctx, query[0].(string), query[1:]...); err != nil {
				t.Fatal(err)
			}
		}
		said := func(tells func(string, payment.EventKind) bool) map[string]bool {
			t.Helper()
			if tells != nil {
				s.tells = tells
			}
			told := map[string]bool{}
			for _, dialect := range []string{"spacepay", "request"} {
				for _, kind := range []payment.EventKind{payment.EventCreated, payment.EventSeen, payment.EventPaid} {
					id := payment.NewULID(at)
					if err := s.write(ctx, func(t *tx) error {
						return t.AppendEvent(ctx, payment.Event{ID: id, Payment: "P", Merchant: "M", Dialect: dialect, Kind: kind, Request: -1, At: at})
					}); err != nil {
						t.Fatal(err)
					}
					jobs, err := s.Claim(ctx, at, time.Hour, job.Room{Free: 10})
					if err != nil || len(jobs) > 1 || len(jobs) == 1 && jobs[0].Args != id {
						t.Fatalf("%v, %v", jobs, err)
					}
					told[dialect+" "+string(kind)] = len(jobs) == 1
				}
			}
			return told
		}
		for key, told := range said(nil) {
			if told != strings.HasSuffix(key, " "+string(payment.EventPaid)) {
				t.Errorf("by itself %q is told: %t", key, told)
			}
		}
		for key, told := range said(func(dialect string, k payment.EventKind) bool { return dialect == "spacepay" && k != payment.EventPaid }) {
			if told != (strings.HasPrefix(key, "spacepay ") && !strings.HasSuffix(key, " "+string(payment.EventPaid))) {
				t.Errorf("%q is told: %t", key, told)
			}
		}
	})
}
