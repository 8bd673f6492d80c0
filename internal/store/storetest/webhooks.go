package storetest

import (
	"fmt"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

func (f *fixture) delivery(m payment.MerchantID, endpoint, event string) webhook.Delivery {
	return webhook.Delivery{
		ID: f.id(), EventID: event, Payment: "01KE0000000000000000000777", Merchant: m, Endpoint: endpoint, Dialect: "request",
		Event: "payment.confirmed", Body: []byte("{\"ü\":\x00\xff}"), State: webhook.Queued, NextAt: start, CreatedAt: start,
	}
}

var webhooks = map[string]func(*testing.T, *fixture){
	"a delivery comes out with its endpoint, and brings its job": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e := f.endpoint(t, m, "https://a.example/")
		d := f.delivery(m, e.ID, f.id())
		must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
		got, to, err := f.Delivery(t.Context(), d.ID)
		must(t, err)
		exact(t, "delivery", got, d)
		exact(t, "endpoint", to, e)
		if jobs := f.due(t, start); len(jobs) != 1 || jobs[0].Kind != webhook.DeliverKind || jobs[0].Args != d.ID || jobs[0].Lane != e.ID {
			t.Errorf("got jobs %+v, want one that delivers %s in the endpoint's lane", jobs, d.ID)
		}
		_, _, err = f.Delivery(t.Context(), "01KE0000000000000000000000")
		refused(t, "an unknown one", err, fault.NotFound, "delivery_not_found")
		must(t, f.DeleteEndpoint(t.Context(), m, e.ID))
		got, _, err = f.Delivery(t.Context(), d.ID)
		refused(t, "without its endpoint", err, fault.NotFound, "webhook_not_found")
		exact(t, "without its endpoint", got, d)
	},

	"a delivery that names a lane waits in it, and asks for its URL": func(t *testing.T, f *fixture) {
		d := f.delivery(f.merchant(t).ID, "e1", f.id())
		d.Get, d.Lane = "https://a.example/done?status=success", "shop/secpaid/3"
		must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
		if jobs := f.due(t, start); len(jobs) != 1 || jobs[0].Args != d.ID || jobs[0].Lane != d.Lane {
			t.Errorf("got jobs %+v, want one in lane %s", jobs, d.Lane)
		}
		d.Lane = "" // it is the job's
		got, err := f.Deliveries(t.Context(), webhook.Filter{Payment: d.Payment})
		must(t, err)
		exact(t, "delivery", got, []webhook.Delivery{d})
	},

	"one event's message goes to an endpoint once": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		event := f.id()
		first := []webhook.Delivery{f.delivery(m, "e1", event), f.delivery(m, "e2", event)}
		other := f.delivery(m, "e1", event)
		other.Event = "payment.confirmed.checkout"
		first = append(first, other)
		must(t, f.SaveDeliveries(t.Context(), nil, first))
		again := []webhook.Delivery{f.delivery(m, "e1", event), f.delivery(m, "e2", event), f.delivery(m, "e3", event)}
		must(t, f.SaveDeliveries(t.Context(), nil, again))
		all, err := f.Deliveries(t.Context(), webhook.Filter{})
		must(t, err)
		exact(t, "kept", ids(all), []string{again[2].ID, first[2].ID, first[1].ID, first[0].ID})
		if jobs := f.due(t, start); len(jobs) != 4 {
			t.Errorf("%d jobs, want one for each kept delivery", len(jobs))
		}
		tests := []webhook.Delivery{f.delivery(m, "e1", ""), f.delivery(m, "e1", "")}
		for i := range tests {
			tests[i].Test = true
		}
		must(t, f.SaveDeliveries(t.Context(), nil, tests))
		if jobs := f.due(t, start); len(jobs) != 2 {
			t.Errorf("%d jobs for two tests: tests are never the same", len(jobs))
		}
		must(t, f.SaveDeliveries(t.Context(), nil, nil))
	},

	"attempts and replays": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		d := f.delivery(m, f.endpoint(t, m, "https://a.example/").ID, f.id())
		must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
		f.due(t, start)
		stored := func(what string) {
			t.Helper()
			got, _, err := f.Delivery(t.Context(), d.ID)
			must(t, err)
			exact(t, what, got, d)
		}
		d.Last = webhook.Attempt{At: start.Add(time.Second), Status: 503, Error: "Service Unavailable", Took: 1500 * time.Microsecond}
		d.State, d.NextAt, d.Attempts = webhook.Queued, start.Add(time.Minute), 1
		f.attempted(t, d.ID, d.Last, d.State, d.NextAt)
		stored("after a failure")
		hostile := webhook.Attempt{At: start, Error: "bad\x00 header \xff\xfe"}
		f.attempted(t, d.ID, hostile, webhook.Exhausted, time.Time{})
		d.Last, d.State, d.NextAt, d.Attempts = hostile, webhook.Exhausted, time.Time{}, 2
		d.Last.Error = "bad\uFFFD header \uFFFD"
		stored("after a receiver's strange words")
		must(t, f.Replay(t.Context(), d.ID, start.Add(time.Hour)))
		d.State, d.NextAt = webhook.Queued, start.Add(time.Hour)
		stored("replayed")
		if jobs := f.due(t, start.Add(time.Hour)); len(jobs) != 1 || jobs[0].Args != d.ID || jobs[0].Lane != d.Endpoint {
			t.Errorf("a replay left the jobs %+v", jobs)
		}
		loaded := d
		d.Last, d.State, d.NextAt, d.Attempts = webhook.Attempt{At: start, Status: 200}, webhook.Delivered, time.Time{}, 3
		f.attempted(t, d.ID, d.Last, d.State, d.NextAt)
		stored("it arrived")
		failed := webhook.Attempt{At: start, Status: 500, Error: "the receiver answered 500"}
		left, err := f.Attempted(t.Context(), loaded, failed, webhook.Queued, start.Add(time.Minute))
		must(t, err)
		stored("another worker's try at the same time failed")
		exact(t, "what that try is told", left.State, webhook.Delivered)
		_, err = f.Attempted(t.Context(), webhook.Delivery{ID: "x"}, d.Last, d.State, start)
		refused(t, "an attempt at nothing", err, fault.NotFound, "delivery_not_found")
		refused(t, "a replay of nothing", f.Replay(t.Context(), "x", start), fault.NotFound, "delivery_not_found")
	},

	"tries at the same time, and a replay in the middle of one": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		d := f.delivery(m, f.endpoint(t, m, "https://a.example/").ID, f.id())
		must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
		try := func(what string, of webhook.Delivery, state webhook.DeliveryState, next time.Time) {
			t.Helper()
			left, err := f.Attempted(t.Context(), of, failure(start), state, next)
			must(t, err)
			exact(t, what+": told", webhook.Outcome{State: left.State, NextAt: left.NextAt}, webhook.Outcome{State: d.State, NextAt: d.NextAt})
			got, _, err := f.Delivery(t.Context(), d.ID)
			must(t, err)
			exact(t, what, got, d)
		}
		first := d
		d.Last, d.NextAt, d.Attempts = failure(start), start.Add(time.Minute), 1
		try("one worker's try", first, webhook.Queued, d.NextAt)
		try("another's, which began before that ended", first, webhook.Queued, start.Add(2*time.Minute))
		try("another's, which is the last", first, webhook.Exhausted, time.Time{})

		second := d
		d.NextAt = start.Add(time.Second)
		must(t, f.Replay(t.Context(), d.ID, d.NextAt))
		d.Attempts = 2
		try("a try during which it was replayed", second, webhook.Queued, start.Add(24*time.Hour))
		try("one more, which was the last", second, webhook.Exhausted, time.Time{})

		_, err := f.GiveUpQueued(t.Context(), d.Endpoint, "the endpoint was switched off", 10)
		must(t, err)
		third := d
		d, _, err = f.Delivery(t.Context(), d.ID)
		must(t, err)
		d.Attempts = 3
		try("a try during which it was given up", third, webhook.Queued, start.Add(24*time.Hour))
		exact(t, "what was given up", d.State, webhook.Exhausted)
	},

	"lists are filtered and paged, newest first": func(t *testing.T, f *fixture) {
		merchantIDs := []payment.MerchantID{f.merchant(t).ID, f.merchant(t).ID}
		var all []webhook.Delivery
		for i := range 20 {
			d := f.delivery(merchantIDs[i%2], fmt.Sprint("e", i%4/3), fmt.Sprint("event", i))
			d.Payment = payment.ID(fmt.Sprintf("01KE%022d", i%3))
			d.State = []webhook.DeliveryState{webhook.Queued, webhook.Delivered, webhook.Exhausted}[i%3]
			must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d}))
			all = append([]webhook.Delivery{d}, all...)
		}
		for _, m := range []payment.MerchantID{"", merchantIDs[0], merchant.Merchant{}.ID} {
			for _, p := range []payment.ID{"", "01KE0000000000000000000001", "01KE0000000000000000000999"} {
				for i, state := range []webhook.DeliveryState{"", webhook.Delivered, webhook.Exhausted, ""} {
					filter := webhook.Filter{Merchant: m, Payment: p, State: state, Limit: 3}
					if i == 3 {
						filter.Endpoint = "e1"
					}
					var want, got []string
					for _, d := range all {
						if (m == "" || d.Merchant == m) && (p == "" || d.Payment == p) && (state == "" || d.State == state) && (filter.Endpoint == "" || d.Endpoint == filter.Endpoint) {
							want = append(want, d.ID)
						}
					}
					for pages := 0; ; pages++ {
						page, err := f.Deliveries(t.Context(), filter)
						must(t, err)
						if len(page) > 3 || pages > 10 {
							t.Fatalf("%+v: page %d has %d", filter, pages, len(page))
						}
						if len(page) == 0 {
							break
						}
						got = append(got, ids(page)...)
						filter.Before = page[len(page)-1].ID
					}
					exact(t, fmt.Sprintf("%+v", filter), got, want)
				}
			}
		}
	},
}

func (f *fixture) attempted(t testing.TB, id string, a webhook.Attempt, s webhook.DeliveryState, next time.Time) webhook.Health {
	t.Helper()
	d, _, err := f.Delivery(t.Context(), id)
	if !fault.Is(err, fault.NotFound) { // of an endpoint that is gone
		must(t, err)
	}
	left, err := f.Attempted(t.Context(), d, a, s, next)
	must(t, err)
	return left.Health
}

func ids(ds []webhook.Delivery) []string {
	var all []string
	for _, d := range ds {
		all = append(all, d.ID)
	}
	return all
}
