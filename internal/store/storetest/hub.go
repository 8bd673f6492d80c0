package storetest

import (
	"errors"
	"testing"
	"time"

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
}
