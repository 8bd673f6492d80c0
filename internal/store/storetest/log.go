package storetest

import (
	"errors"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

func (f *fixture) event(p *payment.Payment, kind payment.EventKind) payment.Event {
	return payment.Event{
		ID: f.id(), Payment: p.ID, Merchant: p.Terms.Merchant, Dialect: "request", Kind: kind, Request: -1, Detail: "naïve", At: start,
	}
}

func (f *fixture) append(t testing.TB, es ...payment.Event) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) error {
		for _, e := range es {
			if err := tx.AppendEvent(t.Context(), e); err != nil {
				return err
			}
		}
		return nil
	})
}

// due claims and removes every job that is due.
func (f *fixture) due(t testing.TB, now time.Time) []job.Job {
	t.Helper()
	var all []job.Job
	for {
		jobs, err := f.Claim(t.Context(), now, time.Minute, job.Room{Free: 100, Laned: 100, PerLane: 100})
		must(t, err)
		if len(jobs) == 0 {
			return all
		}
		for _, j := range jobs {
			must(t, f.Done(t.Context(), j.ID))
		}
		all = append(all, jobs...)
	}
}

var log = map[string]func(*testing.T, *fixture){
	"events come out complete and in order of appending": func(t *testing.T, f *fixture) {
		p, q := f.payment(t, 1), f.payment(t, 1)
		plain, full := f.event(p, payment.EventCreated), f.event(p, payment.EventPaid)
		x := transfer("a", 10)
		full.Request, full.Transfer, full.At = 0, &x, start.Add(-time.Hour)
		full.Standing = payment.RequestStanding{
			State: payment.Paid, Oddity: payment.Over, Received: big256(), Settled: big.NewInt(3), Late: new(big.Int),
		}
		bank := f.event(p, payment.EventPartial)
		bank.Fields = map[string]string{payment.FieldWallet: address(3).String(), "ä<\"": "\u2028 & x"}
		bank.Transfer = &payment.Transfer{Key: "s", Rail: "sepa", Asset: "EUR", Amount: big.NewInt(1), Credit: big.NewInt(1), Stage: payment.Final, At: start}
		f.append(t, plain)
		f.append(t, full, f.event(q, payment.EventCreated), bank)
		plain.Seq, full.Seq, bank.Seq = 1, 2, 3 // which the store gives
		got, err := f.Events(t.Context(), p.ID)
		must(t, err)
		exact(t, "log", got, []payment.Event{plain, full, bank})
		one, of, err := f.Event(t.Context(), full.ID)
		must(t, err)
		exact(t, "one", one, full)
		sameStored(t, "its payment", of, p)
		_, _, err = f.Event(t.Context(), "01KE0000000000000000000000")
		refused(t, "an unknown event", err, fault.NotFound, "event_not_found")
		none, err := f.Events(t.Context(), "01KE0000000000000000000000")
		must(t, err)
		exact(t, "of an unknown payment", none, []payment.Event(nil))
	},

	"the merchant is told of announced kinds only, through a job of the same transaction": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		for _, kind := range []payment.EventKind{
			payment.EventCreated, payment.EventAnnounced, payment.EventSeen, payment.EventPartial, payment.EventPaid, payment.EventSurplus,
			payment.EventLate, payment.EventReorged, payment.EventExpired, payment.EventCanceled, payment.EventFailed, payment.EventUnsafe,
			payment.EventRefunded, payment.EventUser, payment.EventRejected,
		} {
			e := f.event(p, kind)
			f.append(t, e)
			jobs := f.due(t, start)
			if !kind.Announced() {
				if len(jobs) != 0 {
					t.Errorf("%s: %d jobs, want none", kind, len(jobs))
				}
				continue
			}
			if len(jobs) != 1 || jobs[0].Kind != webhook.RelayKind || jobs[0].Args != e.ID || !jobs[0].RunAt.Equal(e.At) {
				t.Errorf("%s: got %+v, want one relay of %s", kind, jobs, e.ID)
			}
		}
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			if err := tx.AppendEvent(t.Context(), f.event(p, payment.EventPaid)); err != nil {
				return err
			}
			return errRollback
		})
		if !errors.Is(err, errRollback) {
			t.Errorf("got %v, want the function's own error", err)
		}
		if jobs := f.due(t, start); len(jobs) != 0 {
			t.Errorf("a rolled back event left %d jobs", len(jobs))
		}
	},

	"nobody's event is lost when several append at once": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		const workers, each = 4, 10
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := range each {
					e := payment.Event{ID: fmt.Sprintf("01KF%02d%020d", w, i), Payment: p.ID, Kind: payment.EventSeen, At: start}
					// Without a look at the payment first, which would make them wait for each other.
					if err := f.Write(t.Context(), func(tx checkout.Tx) error { return tx.AppendEvent(t.Context(), e) }); err != nil {
						t.Errorf("got %v", err)
					}
				}
			})
		}
		group.Wait()
		got, err := f.Events(t.Context(), p.ID)
		must(t, err)
		if len(got) != workers*each {
			t.Errorf("%d events, want %d", len(got), workers*each)
		}
		for i, e := range got {
			if e.Seq != int64(i+1) {
				t.Errorf("event %d has the number %d", i+1, e.Seq)
			}
		}
	},
}
