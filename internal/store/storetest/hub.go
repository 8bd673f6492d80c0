package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// told takes a value from a channel if there is one.
func told(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

var hub = map[string]func(*testing.T, *fixture){
	"subscribers hear of commits that touched their payment": func(t *testing.T, f *fixture) {
		p, q := f.payment(t, 1), f.payment(t, 1)
		mine, cancel := f.Subscribe(p.ID)
		defer cancel()
		twin, cancelTwin := f.Subscribe(p.ID)
		defer cancelTwin()
		others, cancelOthers := f.Subscribe(q.ID)
		defer cancelOthers()
		for what, do := range map[string]func(checkout.Tx) error{
			"transfer": func(tx checkout.Tx) error {
				_, err := tx.PutTransfer(t.Context(), p.ID, transfer("a", 1))
				return err
			},
			"attempt": func(tx checkout.Tx) error {
				_, err := tx.PutAttempt(t.Context(), p.ID, payment.Attempt{Key: "k", Stage: payment.Announced, At: start})
				return err
			},
			"standing": func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) },
			"event":    func(tx checkout.Tx) error { return tx.AppendEvent(t.Context(), f.event(p, payment.EventCreated)) },
		} {
			f.write(t, func(tx checkout.Tx) error {
				if err := do(tx); err != nil {
					return err
				}
				if told(mine) {
					t.Errorf("%s: told before the commit", what)
				}
				return nil
			})
			if !told(mine) || !told(twin) {
				t.Errorf("%s: a subscriber was not told", what)
			}
			if told(others) {
				t.Errorf("%s: somebody else was told", what)
			}
		}
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			return errors.Join(tx.AppendEvent(t.Context(), f.event(p, payment.EventCreated)), errRollback)
		})
		if !errors.Is(err, errRollback) || told(mine) {
			t.Errorf("told of a rollback (%v)", err)
		}
		f.write(t, func(tx checkout.Tx) error { _, err := tx.Payment(t.Context(), p.ID); return err })
		if told(mine) {
			t.Error("told of a look")
		}
	},

	"nobody is waited for, and who cancelled hears nothing": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		slow, cancel := f.Subscribe(p.ID)
		for range 3 {
			f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		}
		if !told(slow) || told(slow) {
			t.Error("several changes should make one value")
		}
		cancel()
		cancel()
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		if told(slow) {
			t.Error("told after cancelling")
		}
	},

	"the worker is woken by committed jobs": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		f.append(t, f.event(p, payment.EventCreated))
		if told(f.JobsReady()) {
			t.Error("woken without a job")
		}
		f.append(t, f.event(p, payment.EventPaid))
		select {
		case <-f.JobsReady():
		case <-time.After(patience):
			t.Error("not woken by a job")
		}
	},

	"other nodes hear of commits and are asked to look": func(t *testing.T, f *fixture) {
		if !f.Shared() {
			t.Skip("a file has one node")
		}
		other := f.node(t)
		nudged := make(chan asset.ChainID, 100)
		spreads(t, f, func(id asset.ChainID) { t.Errorf("asked itself to look at chain %d", id) })
		spreads(t, other, func(id asset.ChainID) { nudged <- id })
		p, q := f.payment(t, 1), f.payment(t, 1)
		there, cancel := other.Subscribe(p.ID)
		defer cancel()
		others, cancelOthers := other.Subscribe(q.ID)
		defer cancelOthers()
		// A hint may be lost before both are connected, and everybody is woken then.
		eventually(t, "told of a change", func() bool {
			f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
			f.NudgeAll(chain)
			return told(there) && len(nudged) > 0
		})
		for told(others) {
			continue
		}
		if id := <-nudged; id != chain {
			t.Errorf("asked to look at chain %d", id)
		}
		// Many at once are many messages, of which none is too long.
		var many []*payment.Payment
		var told []<-chan struct{}
		m := f.merchant(t).ID
		for range 600 {
			p := f.draw(m, 1)
			many = append(many, p)
			f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
			ch, cancel := other.Subscribe(p.ID)
			defer cancel()
			told = append(told, ch)
		}
		f.write(t, func(tx checkout.Tx) error {
			for _, p := range many {
				if err := tx.SaveStanding(t.Context(), p); err != nil {
					return err
				}
			}
			return nil
		})
		for i, ch := range told {
			select {
			case <-ch:
			case <-time.After(patience):
				t.Fatalf("not told of payment %d", i)
			}
		}
		select {
		case <-others:
			t.Error("told of another's change")
		default:
		}
	},

	"a node that lost its connection wakes everybody once it has another": func(t *testing.T, f *fixture) {
		if !f.Shared() {
			t.Skip("a file has one node")
		}
		p := f.payment(t, 1)
		other := f.node(t)
		ch, cancel := other.Subscribe(p.ID)
		defer cancel()
		spreads(t, other, func(asset.ChainID) {})
		eventually(t, "woken when connected", func() bool { return told(ch) })
		admin, err := pgx.Connect(t.Context(), f.dsn)
		must(t, err)
		defer admin.Close(context.WithoutCancel(t.Context()))
		eventually(t, "woken when connected again", func() bool {
			_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
			must(t, err)
			return told(ch)
		})
	},
}

// spreads carries hints from and to a node until the test's end.
func spreads(t *testing.T, f *fixture, nudged func(asset.ChainID)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Spread(ctx, nudged) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}
