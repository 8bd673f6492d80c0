package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// failure is an attempt that failed at a time.
func failure(at time.Time) webhook.Attempt {
	return webhook.Attempt{At: at, Status: 503, Error: "the receiver answered 503"}
}

// to saves a delivery to an endpoint and returns its id.
func (f *fixture) to(t testing.TB, e merchant.Endpoint, test bool) string {
	t.Helper()
	d := f.delivery(e.Merchant, e.ID, f.id())
	if d.Test = test; test {
		d.EventID = ""
	}
	must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
	return d.ID
}

// holds checks what is stored of an endpoint.
func (f *fixture) holds(t testing.TB, what string, want merchant.Endpoint) {
	t.Helper()
	got, err := f.Endpoint(t.Context(), want.Merchant, want.ID)
	must(t, err)
	exact(t, what, got, want)
}

var endpoints = map[string]func(*testing.T, *fixture){
	"a secret is replaced and the old one kept for a while": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e := f.endpoint(t, m, "https://a.example/")
		other := f.endpoint(t, m, "https://b.example/")
		until := start.Add(24 * time.Hour)
		must(t, f.RotateSecret(t.Context(), e.ID, e.Secret, "whsec_two", until))
		refused(t, "from what it is not", f.RotateSecret(t.Context(), e.ID, e.Secret, "whsec_x", until), fault.Conflict, "webhook_changed")
		refused(t, "of nothing", f.RotateSecret(t.Context(), "x", e.Secret, "whsec_x", until), fault.NotFound, "webhook_not_found")
		e.Secret, e.PreviousSecret, e.PreviousUntil = "whsec_two", e.Secret, until
		f.holds(t, "rotated", e)
		f.node(t).holds(t, "seen from elsewhere", e)
		must(t, f.RotateSecret(t.Context(), e.ID, e.Secret, "whsec_three", time.Time{}))
		e.Secret, e.PreviousSecret, e.PreviousUntil = "whsec_three", "", time.Time{}
		f.holds(t, "without an overlap", e)
		f.holds(t, "another endpoint", other)
	},

	"of two rotations at once one wins": func(t *testing.T, f *fixture) {
		e := f.endpoint(t, f.merchant(t).ID, "https://a.example/")
		nodes := []*fixture{f, f.node(t)}
		var mu sync.Mutex
		won := ""
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				secret := fmt.Sprint("whsec_", i)
				err := nodes[i%2].RotateSecret(t.Context(), e.ID, e.Secret, secret, start)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && won == "":
					won = secret
				case err == nil || !fault.Is(err, fault.Conflict):
					t.Errorf("%s: got %v, and %s had won", secret, err, won)
				}
			})
		}
		group.Wait()
		e.Secret, e.PreviousSecret, e.PreviousUntil = won, e.Secret, start
		f.holds(t, "the winner", e)
	},

	"failures are counted since the first one, and a success forgets them": func(t *testing.T, f *fixture) {
		e := f.endpoint(t, f.merchant(t).ID, "https://a.example/")
		first, second := f.to(t, e, false), f.to(t, e, false)
		for i, at := range []time.Time{start, start.Add(time.Hour), start.Add(47 * time.Hour)} {
			want := webhook.Health{FailingSince: start, Failures: i + 1}
			exact(t, "failure", f.attempted(t, first, failure(at), webhook.Queued, at), want)
		}
		exact(t, "a test that fails", f.attempted(t, f.to(t, e, true), failure(start), webhook.Exhausted, noTime), webhook.Health{})
		e.FailingSince = start
		f.holds(t, "failing", e)
		// After a pause the old failures are forgotten.
		again := start.Add(47*time.Hour + webhook.Pause + time.Microsecond)
		exact(t, "after a pause", f.attempted(t, second, failure(again), webhook.Queued, again), webhook.Health{FailingSince: again, Failures: 1})
		good := webhook.Attempt{At: again, Status: 200}
		exact(t, "a success", f.attempted(t, f.to(t, e, true), good, webhook.Delivered, noTime), webhook.Health{})
		e.FailingSince = time.Time{}
		f.holds(t, "healed", e)
		exact(t, "a new failure", f.attempted(t, first, failure(start), webhook.Queued, start), webhook.Health{FailingSince: start, Failures: 1})
		must(t, f.SetEndpointActive(t.Context(), e.Merchant, e.ID, false))
		exact(t, "one that is off", f.attempted(t, first, failure(start), webhook.Exhausted, noTime), webhook.Health{})
		must(t, f.DeleteEndpoint(t.Context(), e.Merchant, e.ID))
		exact(t, "one that is gone", f.attempted(t, first, failure(start), webhook.Exhausted, noTime), webhook.Health{})
	},

	"a clock that jumps makes no endpoint hopeless": func(t *testing.T, f *fixture) {
		e := f.endpoint(t, f.merchant(t).ID, "https://a.example/")
		d := f.to(t, e, false)
		far := start.Add(365 * 24 * time.Hour)
		f.attempted(t, d, failure(start), webhook.Queued, start)
		for _, at := range []time.Time{far, start.Add(time.Second), far.Add(time.Second)} { // ahead, back, ahead again
			for range 2 * webhook.DisableFailures {
				if h := f.attempted(t, d, failure(at), webhook.Queued, at); h.Hopeless(at) {
					t.Fatalf("at %v: %+v", at, h)
				}
			}
		}
	},

	"switched off for failing, once, with its notice": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e, other := f.endpoint(t, m, "https://a.example/"), f.endpoint(t, m, "https://b.example/")
		waiting := []string{f.to(t, e, false), f.to(t, e, false), f.to(t, e, false)}
		kept := f.to(t, other, false)
		f.due(t, start)
		notice := f.entry(m, "", f.id())
		tell := f.delivery(m, other.ID, notice.EventID)
		disable := func() (bool, error) {
			return f.Disable(t.Context(), e.ID, start.Add(time.Hour), "it\x00 fails", []webhook.Entry{notice}, []webhook.Delivery{tell})
		}
		if done, err := disable(); done || err != nil {
			t.Errorf("one that has not failed: %v, %v", done, err)
		}
		f.attempted(t, waiting[0], failure(start), webhook.Queued, start)
		for i, want := range []bool{true, false} {
			if done, err := disable(); done != want || err != nil {
				t.Errorf("time %d: %v, %v", i+1, done, err)
			}
		}
		e.Active, e.FailingSince, e.DisabledAt, e.DisabledWhy = false, start, start.Add(time.Hour), "it\uFFFD fails"
		f.holds(t, "disabled", e)
		if jobs := f.due(t, start); len(jobs) != 1 || jobs[0].Args != tell.ID {
			t.Errorf("jobs %+v, want the notice's only", jobs)
		}
		if got := f.feed(t, webhook.FeedFilter{Merchant: m}); len(got) != 1 || got[0].EventID != notice.EventID {
			t.Errorf("feed %+v, want the notice once", got)
		}
		for _, want := range []int{2, 1, 0} {
			if n, err := f.GiveUpQueued(t.Context(), e.ID, "off", 2); n != want || err != nil {
				t.Errorf("gave up %d, %v, want %d", n, err, want)
			}
		}
		for _, id := range waiting {
			if d, _, err := f.Delivery(t.Context(), id); err != nil || d.State != webhook.Exhausted || d.Last.Error != "off" || !d.NextAt.IsZero() {
				t.Errorf("left %+v, %v", d, err)
			}
		}
		if d, _, err := f.Delivery(t.Context(), kept); err != nil || d.State != webhook.Queued {
			t.Errorf("another endpoint's: %+v, %v", d, err)
		}
		must(t, f.SetEndpointActive(t.Context(), m, e.ID, true))
		e.Active, e.FailingSince, e.DisabledAt, e.DisabledWhy = true, time.Time{}, time.Time{}, ""
		f.holds(t, "switched on again", e)
	},

	"a range is replayed in batches": func(t *testing.T, f *fixture) {
		e := f.endpoint(t, f.merchant(t).ID, "https://a.example/")
		var all []webhook.Delivery
		for i := range 12 {
			d := f.delivery(e.Merchant, e.ID, f.id())
			d.CreatedAt = start.Add(time.Duration(i) * time.Minute)
			d.State = []webhook.DeliveryState{webhook.Delivered, webhook.Exhausted, webhook.Queued}[i%3]
			if i == 4 {
				d.Test, d.EventID = true, ""
			}
			all = append(all, d)
		}
		must(t, f.SaveDeliveries(t.Context(), nil, append(all, f.delivery(e.Merchant, "another", f.id()))))
		f.due(t, start)
		later := start.Add(time.Hour)
		replay := func(what string, r webhook.Range, limit int, next string, want ...webhook.Delivery) {
			t.Helper()
			n, last, err := f.ReplayRange(t.Context(), r, later, limit)
			must(t, err)
			var got, ids []string
			for _, j := range f.due(t, later.Add(time.Second)) {
				if j.Lane != e.ID || j.Kind != webhook.DeliverKind {
					t.Errorf("%s: job %+v", what, j)
				}
				got = append(got, j.Args)
			}
			for _, d := range want {
				ids = append(ids, d.ID)
				if d, _, err := f.Delivery(t.Context(), d.ID); err != nil || d.State != webhook.Queued || d.NextAt.Before(later) {
					t.Errorf("%s: left %+v, %v", what, d, err)
				}
			}
			exact(t, what, got, ids)
			if n != len(want) || last != next {
				t.Errorf("%s: %d replayed, next %q, want %d and %q", what, n, last, len(want), next)
			}
		}
		failed := webhook.Range{Endpoint: e.ID, Failed: true, From: start.Add(2 * time.Minute), To: start.Add(10 * time.Minute)}
		replay("in words that nobody used", webhook.Range{Endpoint: e.ID, Dialect: "none"}, 10, "")
		replay("failures in words that nobody used", webhook.Range{Endpoint: e.ID, Failed: true, Dialect: "none"}, 10, "")
		replay("failures of a time, tests and the limit's end apart", failed, 10, "", all[7])
		replay("all from some time on", webhook.Range{Endpoint: e.ID, From: start.Add(6 * time.Minute)}, 2, all[9].ID, all[6], all[9])
		replay("and on", webhook.Range{Endpoint: e.ID, After: all[9].ID}, 2, "", all[10])
		replay("what is left", webhook.Range{Endpoint: e.ID}, 10, "", all[0], all[1], all[3])
		replay("nothing is left", webhook.Range{Endpoint: e.ID}, 10, "")
	},

	"one merchant's endpoint is not another's": func(t *testing.T, f *fixture) {
		e := f.endpoint(t, f.merchant(t).ID, "https://a.example/")
		_, err := f.Endpoint(t.Context(), f.merchant(t).ID, e.ID)
		refused(t, "another merchant's", err, fault.NotFound, "webhook_not_found")
		_, err = f.Endpoint(t.Context(), payment.MerchantID(""), "x")
		refused(t, "nobody's", err, fault.NotFound, "webhook_not_found")
	},
}

var noTime time.Time
