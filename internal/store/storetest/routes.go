package storetest

import (
	"math/big"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// route is a proven bridge transfer of which nothing is left out.
func route(n int) *payment.Route {
	return &payment.Route{
		ID: hash(n), From: "USDT-matic", Amount: big256(), To: chain, Tool: "across", Expect: 2 * time.Minute, SentAt: start,
		Progress: payment.Bridging, Tx: hash(n + 1), Request: 1, Pays: big.NewInt(42), Fallback: address(8).String(), Final: true,
		Missed: start.Add(time.Minute),
	}
}

func (f *fixture) attempt(t testing.TB, id payment.ID, a payment.Attempt) (changed bool) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) (err error) {
		changed, err = tx.PutAttempt(t.Context(), id, a)
		return err
	})
	return changed
}

// brought is a transfer that a route brought, from nobody yet.
func brought(key string, block uint64, route string) payment.Transfer {
	x := transfer(key, block)
	x.Evidence.Payer, x.Evidence.Source = "", payment.Source{Route: route}
	return x
}

// from is where such a transfer came from.
func from(x payment.Transfer) payment.Transfer {
	x.Evidence.Payer = address(99).String()
	x.Evidence.Source = payment.Source{Route: x.Evidence.Source.Route, Chain: 137, Tx: hash(4711), Asset: "USDT-matic", Amount: big256()}
	return x
}

var routes = map[string]func(*testing.T, *fixture){
	"an attempt goes forward and never back": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		a := payment.Attempt{
			Key: "tx:1", Kind: "bridge", Chain: 137, Handle: hash(1), Payer: address(2).String(), Owner: address(4).String(), Stage: payment.Announced, At: start,
			Route: &payment.Route{To: chain, Progress: payment.Sent},
		}
		proven := a
		proven.Owner = "" // it was another's
		proven.Stage, proven.Payer, proven.Until, proven.Route = payment.Proven, address(3).String(), start.Add(time.Hour), route(7)
		refunding := proven
		refunding.Route = route(7)
		refunding.Route.Progress = payment.Refunding
		abandoned := refunding
		abandoned.Stage, abandoned.Reason = payment.Abandoned, "bridge_refunded"
		executed := refunding
		executed.Stage = payment.Executed
		for i, step := range []struct {
			put, want payment.Attempt
			changed   bool
		}{
			{a, a, true}, {a, a, false},
			{proven, proven, true}, {proven, proven, false}, {a, proven, false},
			{refunding, refunding, true}, {a, refunding, false},
			{abandoned, abandoned, true}, {abandoned, abandoned, false}, {proven, abandoned, false}, {a, abandoned, false},
			{executed, executed, true}, {proven, executed, false}, {a, executed, false},
			{abandoned, abandoned, true},
		} {
			if got := f.attempt(t, p.ID, step.put); got != step.changed {
				t.Errorf("step %d (%s): changed is %v", i, step.put.Stage, got)
			}
			exact(t, string(step.put.Stage), f.load(t, p.ID).Attempts, []payment.Attempt{step.want})
		}
		exact(t, "on another node", f.node(t).load(t, p.ID).Attempts, []payment.Attempt{abandoned})
	},

	"a route's texts come from outside": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		a := payment.Attempt{Key: "tx:1", Kind: "bridge", Stage: payment.Announced, At: start, Route: route(7)}
		a.Route.Tool, a.Route.Tx = "a\x00b\xff", "'; DROP TABLE attempts; --"
		f.attempt(t, p.ID, a)
		want := *a.Route
		want.Tool = "a\uFFFDb\uFFFD"
		exact(t, "route", f.load(t, p.ID).Attempts[0].Route, &want)
	},

	"payments are found by their routes": func(t *testing.T, f *fixture) {
		p, q, other := f.payment(t, 1), f.payment(t, 1), f.payment(t, 1)
		for i, id := range []payment.ID{q.ID, p.ID, p.ID} {
			f.attempt(t, id, payment.Attempt{Key: "tx:" + hash(i), Kind: "bridge", Stage: payment.Proven, At: start, Route: route(7)})
		}
		f.attempt(t, other.ID, payment.Attempt{Key: "tx", Kind: "bridge", Stage: payment.Announced, At: start, Route: &payment.Route{To: chain}})
		for id, want := range map[string][]payment.ID{hash(7): {p.ID, q.ID}, hash(8): nil, "": nil, "\x00": nil} {
			f.write(t, func(tx checkout.Tx) error {
				got, err := tx.PaymentsByRoute(t.Context(), id)
				exact(t, id, got, want)
				return err
			})
		}
	},

	"recoveries are kept for some time": func(t *testing.T, f *fixture) {
		r := checkout.Recovery{
			Recovery: rail.Recovery{Route: hash(7), Chain: chain, Token: address(1), To: address(2), Amount: big256(), Tx: hash(3), At: start},
			Forget:   start.Add(time.Hour),
		}
		less := r
		less.Amount = big.NewInt(1) // in the same transaction
		foreign := r
		foreign.Route = hash(8)
		recoveries := func(route string) (all []checkout.Recovery) {
			f.write(t, func(tx checkout.Tx) (err error) {
				all, err = tx.Recoveries(t.Context(), route)
				return err
			})
			return all
		}
		later := r
		later.Forget = r.Forget.Add(time.Hour) // the same once more
		f.write(t, func(tx checkout.Tx) error {
			for _, x := range []checkout.Recovery{r, less, foreign, later} {
				if err := tx.PutRecovery(t.Context(), x); err != nil {
					return err
				}
			}
			return nil
		})
		exact(t, "of one route", recoveries(hash(7)), []checkout.Recovery{less, r})
		n, err := f.PruneExpired(t.Context(), r.Forget.Add(-time.Second))
		must(t, err)
		if n != 0 {
			t.Errorf("%d forgotten too early", n)
		}
		_, err = f.PruneExpired(t.Context(), r.Forget)
		must(t, err)
		if left := len(recoveries(hash(7))) + len(recoveries(hash(8))); left != 0 {
			t.Errorf("%d were not forgotten", left)
		}
	},

	"following begins with the announcement, or neither": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		follow := checkout.Follow{Kind: checkout.TrackKind, Payment: p.ID, Key: "tx:" + hash(1), Chain: 137, At: start.Add(time.Minute)}
		if err := f.Write(t.Context(), func(tx checkout.Tx) error {
			if err := tx.Follow(t.Context(), follow); err != nil {
				return err
			}
			return errRollback
		}); err == nil {
			t.Fatal("no error")
		}
		f.write(t, func(tx checkout.Tx) error { return tx.Follow(t.Context(), follow) })
		room := job.Room{Free: 5, Laned: 5, PerLane: 5}
		jobs, err := f.Claim(t.Context(), start, time.Minute, room)
		must(t, err)
		if len(jobs) != 0 {
			t.Errorf("due too early: %+v", jobs)
		}
		jobs, err = f.Claim(t.Context(), follow.At, time.Minute, room)
		must(t, err)
		if len(jobs) != 1 || jobs[0].Kind != checkout.TrackKind || jobs[0].Args != string(p.ID)+" tx:"+hash(1) || jobs[0].Lane != "route.track 137" {
			t.Errorf("jobs %+v", jobs)
		}
	},

	"where money came from is filled in once, even of final money": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := brought("a", 10, hash(7))
		final := x
		final.Stage = payment.Final
		other := from(x)
		other.Stage, other.Evidence.Source.Tx = payment.Final, hash(4712)
		foreign := from(brought("a", 10, hash(8)))
		known := from(final)
		for i, step := range []struct {
			put     payment.Transfer
			changed bool
			want    payment.Transfer
		}{
			{x, true, x}, {final, true, final}, {foreign, false, final},
			{known, true, known}, {known, false, known}, {other, false, known}, {final, false, known},
		} {
			if got := f.put(t, p.ID, step.put); got != step.changed {
				t.Errorf("step %d: changed is %v", i, got)
			}
			exact(t, "stored", f.onlyTransfer(t, p.ID), step.want)
		}
		direct := transfer("b", 11)
		direct.Stage = payment.Final
		q := f.payment(t, 1)
		f.put(t, q.ID, direct)
		if f.put(t, q.ID, from(direct)) {
			t.Error("a direct transfer was given a source")
		}
	},

	"a source goes with its transfer until that is final": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		for i, x := range []payment.Transfer{transfer("a", 10), brought("a", 11, hash(7)), from(brought("a", 11, hash(7))), transfer("a", 12)} {
			if !f.put(t, p.ID, x) {
				t.Errorf("step %d is no change", i)
			}
			exact(t, "stored", f.onlyTransfer(t, p.ID), x)
		}
	},

	"an event remembers where money came from": func(t *testing.T, f *fixture) {
		p := f.payment(t, 1)
		x := from(brought("a", 10, hash(7)))
		e := payment.Event{ID: f.id(), Payment: p.ID, Merchant: p.Terms.Merchant, Dialect: "request", Kind: payment.EventSeen, Transfer: &x, At: start}
		f.write(t, func(tx checkout.Tx) error { return tx.AppendEvent(t.Context(), e) })
		events, err := f.Events(t.Context(), p.ID)
		must(t, err)
		exact(t, "transfer", events[0].Transfer, &x)
	},
}
