package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// entry is a message of an event, of a payment if that is named.
func (f *fixture) entry(m payment.MerchantID, p payment.ID, event string) webhook.Entry {
	return webhook.Entry{
		Merchant: m, ID: f.id(), EventID: event, Payment: p, Sequence: 7, Event: "payment.confirmed",
		Body: []byte("{\"ü\":\x00\xff}"), At: start,
	}
}

func (f *fixture) feed(t testing.TB, filter webhook.FeedFilter) []webhook.Entry {
	t.Helper()
	got, err := f.Feed(t.Context(), filter)
	must(t, err)
	return got
}

var feed = map[string]func(*testing.T, *fixture){
	"what is old is forgotten from the beginning on": func(t *testing.T, f *fixture) {
		ctx, m, none := t.Context(), f.merchant(t).ID, f.merchant(t).ID
		old := payment.NewULID(start.Add(-time.Hour))[:20]
		var ds []webhook.Delivery
		for i, state := range []webhook.DeliveryState{webhook.Delivered, webhook.Exhausted, webhook.Queued, webhook.Delivered} {
			d := webhook.Delivery{ID: fmt.Sprint(old, "00000", i), EventID: fmt.Sprint(i), Merchant: m, Endpoint: "E", State: state, CreatedAt: start.Add(-time.Hour)}
			if i == 3 {
				d.ID, d.CreatedAt = payment.NewULID(start), start
			}
			ds = append(ds, d)
		}
		var es []webhook.Entry
		for i := range 1203 {
			e := f.entry(m, "P1", f.id())
			if i < 1201 && i != 1100 {
				e.At = start.Add(-time.Minute) // one among them is young: those after it stay
			}
			es = append(es, e)
		}
		must(t, f.SaveDeliveries(ctx, es, ds))
		if n, err := f.PruneMessages(ctx, start); n != 1102 || err != nil {
			t.Errorf("%d were forgotten, %v", n, err)
		}
		left, err := f.Deliveries(ctx, webhook.Filter{Merchant: m})
		if err != nil || len(left) != 2 || left[0].ID != ds[3].ID || left[1].ID != ds[2].ID {
			t.Errorf("%d deliveries are left, %v", len(left), err)
		}
		for of, want := range map[payment.MerchantID]int64{m: 1101, none: 1} {
			if first, err := f.FeedStart(ctx, of); first != want || err != nil {
				t.Errorf("the feed starts at %d, %v, not %d", first, err, want)
			}
		}
		must(t, f.SaveDeliveries(ctx, []webhook.Entry{f.entry(m, "P1", f.id())}, nil))
		if got := f.feed(t, webhook.FeedFilter{Merchant: m, After: 1202}); len(got) != 2 || got[1].Position != 1204 {
			t.Errorf("the feed goes on with %+v", got)
		}
		_, err = f.PruneMessages(ctx, later)
		must(t, err)
		if first, err := f.FeedStart(ctx, m); first != 1205 || err != nil {
			t.Errorf("an empty feed starts at %d, %v", first, err)
		}
	},
	"messages come out complete, in order and once": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		event := f.id()
		a, b := f.entry(m, "P1", event), f.entry(m, "P1", event)
		b.Event, b.ClientID = "payment.confirmed.checkout", "cli_1"
		c := f.entry(m, "P2", f.id())
		c.Dialect = "other"
		must(t, f.SaveDeliveries(t.Context(), []webhook.Entry{a, b}, nil))
		must(t, f.SaveDeliveries(t.Context(), []webhook.Entry{f.entry(other, "P9", f.id())}, nil))
		again := []webhook.Entry{a, b}
		again[0].ID, again[1].ID = f.id(), f.id()
		again[0].Body = []byte("other words")
		must(t, f.SaveDeliveries(t.Context(), again, nil))
		must(t, f.SaveDeliveries(t.Context(), []webhook.Entry{c}, nil))
		a.Position, b.Position, c.Position = 1, 2, 3
		exact(t, "all", f.feed(t, webhook.FeedFilter{Merchant: m}), []webhook.Entry{a, b, c})
		exact(t, "the first", f.feed(t, webhook.FeedFilter{Merchant: m, Limit: 1}), []webhook.Entry{a})
		exact(t, "from the first on", f.feed(t, webhook.FeedFilter{Merchant: m, After: 1}), []webhook.Entry{b, c})
		exact(t, "of one payment", f.feed(t, webhook.FeedFilter{Merchant: m, Payment: "P1"}), []webhook.Entry{a, b})
		exact(t, "of a client id", f.feed(t, webhook.FeedFilter{Merchant: m, ClientID: "cli_1"}), []webhook.Entry{b})
		exact(t, "in one dialect's words", f.feed(t, webhook.FeedFilter{Merchant: m, Dialect: "other"}), []webhook.Entry{c})
		exact(t, "of a payment of nobody's", f.feed(t, webhook.FeedFilter{Merchant: m, Payment: "P9"}), []webhook.Entry(nil))
		exact(t, "above the end", f.feed(t, webhook.FeedFilter{Merchant: m, After: 3}), []webhook.Entry(nil))
		for id, want := range map[payment.MerchantID]int64{m: 3, other: 1, "none": 0} {
			if head, err := f.FeedHead(t.Context(), id); head != want || err != nil {
				t.Errorf("head %d, %v, want %d", head, err, want)
			}
		}
		err := f.SaveDeliveries(t.Context(), []webhook.Entry{f.entry(m, "P1", f.id()), f.entry(other, "P1", f.id())}, nil)
		if err == nil {
			t.Error("messages of two merchants were published together")
		}
	},

	"a message and its deliveries are there together or not at all": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nobody := f.delivery(m, "e", f.id())
		nobody.State = "lost" // which the table refuses
		if err := f.SaveDeliveries(t.Context(), []webhook.Entry{f.entry(m, "P1", f.id())}, []webhook.Delivery{nobody}); err == nil {
			t.Error("a delivery in no state was saved")
		}
		if got := f.feed(t, webhook.FeedFilter{Merchant: m}); len(got) != 0 {
			t.Errorf("feed %+v, want nothing of what was rolled back", got)
		}
		must(t, f.SaveDeliveries(t.Context(), []webhook.Entry{f.entry(m, "P1", f.id())}, nil))
		if got := f.feed(t, webhook.FeedFilter{Merchant: m}); len(got) != 1 || got[0].Position != 1 {
			t.Errorf("feed %+v, want no gap where something was rolled back", got)
		}
	},

	"who polls while eight write misses nothing": func(t *testing.T, f *fixture) {
		const writers, each = 8, 25
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		var group sync.WaitGroup
		for w := range writers {
			// Each writes messages that another writes as well: relays that run twice.
			var mine []webhook.Entry
			for i := range each {
				e := f.entry(m, payment.ID(fmt.Sprint("P", w/2)), fmt.Sprintf("01KF%02d%020d", w/2, i))
				e.ID = fmt.Sprintf("01KG%02d%020d", w, i)
				mine = append(mine, e)
			}
			group.Go(func() {
				for _, e := range mine {
					second := e
					second.ID, second.Event = e.ID+"b", "payment.confirmed.checkout"
					if err := nodes[w%2].SaveDeliveries(t.Context(), []webhook.Entry{e, second}, nil); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			})
		}
		written := make(chan struct{})
		go func() { group.Wait(); close(written) }()
		reader := f.node(t)
		seen, after := map[string]bool{}, int64(0)
		for last := false; ; {
			select {
			case <-written:
				last = true
			default:
			}
			got, err := reader.Feed(t.Context(), webhook.FeedFilter{Merchant: m, After: after, Limit: 7})
			if err != nil {
				t.Error(err)
				<-written
				return
			}
			for _, e := range got {
				after++
				if name := e.EventID + e.Event; e.Position != after || seen[name] {
					t.Errorf("position %d after %d, seen before: %v", e.Position, after-1, seen[name])
				}
				seen[e.EventID+e.Event] = true
			}
			if last && len(got) == 0 {
				break
			}
		}
		if want := writers / 2 * each * 2; len(seen) != want {
			t.Errorf("%d messages were seen, want %d", len(seen), want)
		}
	},

	"what was written is never there without what was before it": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		other := f.node(t)
		if f.dsn[:6] == "sqlite" {
			t.Skip("SQLite has one writer at a time: nothing can be committed between")
		}
		// A writer that has its position and has not committed makes others wait.
		inside, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		slow := f.entry(m, "P1", f.id())
		go func() {
			_, _, err := f.Once(t.Context(), nil, start, func(ctx context.Context) (checkout.Answer, error) {
				if err := f.SaveDeliveries(ctx, []webhook.Entry{slow}, nil); err != nil {
					return checkout.Answer{}, err
				}
				close(inside)
				<-free
				return checkout.Answer{}, nil
			})
			done <- err
		}()
		wait(t, "the slow writer", inside)
		fast := make(chan error, 1)
		quick := f.entry(m, "P2", f.id())
		go func() { fast <- other.SaveDeliveries(t.Context(), []webhook.Entry{quick}, nil) }()
		select {
		case err := <-fast:
			t.Errorf("a later position was committed before an earlier one: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		if got := other.feed(t, webhook.FeedFilter{Merchant: m}); len(got) != 0 {
			t.Errorf("seen before any commit: %+v", got)
		}
		close(free)
		must(t, errors.Join(<-done, <-fast))
		got := other.feed(t, webhook.FeedFilter{Merchant: m})
		if len(got) != 2 || got[0].EventID != slow.EventID || got[1].EventID != quick.EventID {
			t.Errorf("feed %+v, want the slow one first", got)
		}
	},
}
