package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// booking makes one that counts for nobody.
func (f *fixture) booking(m payment.MerchantID, key string) checkout.Booking {
	return checkout.Booking{
		Key: key, Import: f.id(), Merchant: m, Account: "DE89370400440532013000", Cents: 4999, Booked: start.Truncate(24 * time.Hour),
		Outcome: "no_reference", Reference: "RF18", Place: "statement 1, entry 2", Text: "Danke ☕ \"für\" alles", Debtor: "Erika Mustermann", At: start,
	}
}

func (f *fixture) book(t testing.TB, b checkout.Booking) (inserted bool) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) (err error) {
		inserted, err = tx.PutBooking(t.Context(), b)
		return err
	})
	return inserted
}

func (f *fixture) booked(t testing.TB, key string) checkout.Booking {
	t.Helper()
	b, err := f.Booking(t.Context(), key)
	must(t, err)
	return b
}

func bookingKeys(bs []checkout.Booking) []string {
	var all []string
	for _, b := range bs {
		all = append(all, b.Key)
	}
	return all
}

var bookings = map[string]func(*testing.T, *fixture){
	"a booking is kept once, as it was first told of": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		f.write(t, func(tx checkout.Tx) error {
			i := checkout.Import{ID: f.id(), Merchant: m, Message: "msg \x00 1", Version: "camt.053.001.08", SHA256: hash(1)[2:], At: start}
			must(t, tx.PutImport(t.Context(), i))
			i.ID = f.id()
			return tx.PutImport(t.Context(), i)
		})
		open := f.booking(m, "open")
		if !f.book(t, open) {
			t.Error("a new booking is not new")
		}
		exact(t, "open", f.booked(t, "open"), open)
		again := open
		again.Cents, again.Import, again.Counts, again.At = 1, f.id(), true, start.Add(time.Hour)
		if f.node(t).book(t, again) {
			t.Error("the same key is new")
		}
		exact(t, "told of again", f.booked(t, "open"), open)

		counts := f.booking(m, "counts")
		counts.Counts, counts.Payment, counts.Outcome, counts.Import = true, payment.ID(f.id()), "exact", ""
		f.book(t, counts)
		counts.Text, counts.Debtor = "", ""
		exact(t, "one that counts names nobody", f.booked(t, "counts"), counts)
		hostile := f.booking(m, "hostile")
		hostile.Text, hostile.Debtor, hostile.Place = "\x00\xff", "\x00", "\xfe"
		f.book(t, hostile)
		hostile.Text, hostile.Debtor, hostile.Place = "\uFFFD\uFFFD", "\uFFFD", "\uFFFD"
		exact(t, "strange words", f.booked(t, "hostile"), hostile)
		_, err := f.Booking(t.Context(), "unknown \x00")
		refused(t, "an unknown one", err, fault.NotFound, "booking_not_found")
	},

	"of nodes that read the same statement at once one inserts each booking": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		var inserted [20]atomic.Int64
		var each sync.WaitGroup
		for n := range 4 {
			each.Go(func() {
				for i := range inserted {
					b := checkout.Booking{Key: fmt.Sprint("key ", i), Merchant: m, Cents: int64(n), Booked: start, At: start}
					var is bool
					err := nodes[n%2].Write(t.Context(), func(tx checkout.Tx) (err error) {
						is, err = tx.PutBooking(t.Context(), b)
						return err
					})
					if err != nil {
						t.Error(err)
					}
					if is {
						inserted[i].Add(1)
					}
				}
			})
		}
		each.Wait()
		for i := range inserted {
			if n := inserted[i].Load(); n != 1 {
				t.Errorf("booking %d was inserted %d times", i, n)
			}
		}
	},

	"one that was rolled back can come again": func(t *testing.T, f *fixture) {
		b := f.booking(f.merchant(t).ID, "a")
		err := f.Write(t.Context(), func(tx checkout.Tx) error {
			_, err := tx.PutBooking(t.Context(), b)
			must(t, err)
			return errRollback
		})
		if !errors.Is(err, errRollback) || !f.book(t, b) {
			t.Errorf("it is there after the rollback: %v", err)
		}
	},

	"somebody decides, once": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		given, aside, counted := f.booking(m, "given"), f.booking(m, "aside"), f.booking(m, "counted")
		counted.Counts, counted.Payment = true, payment.ID(f.id())
		for _, b := range []checkout.Booking{given, aside, counted} {
			f.book(t, b)
		}
		to, at := payment.ID(f.id()), start.Add(time.Hour)
		decide := func(f *fixture, key string, of payment.ID, outcome string) error {
			return f.Write(t.Context(), func(tx checkout.Tx) error { return tx.DecideBooking(t.Context(), key, of, outcome, at) })
		}
		must(t, decide(f, "given", to, "exact"))
		must(t, decide(f, "aside", "", "set_aside"))
		given.Payment, given.Outcome, given.DecidedAt, given.Counts, given.Text, given.Debtor = to, "exact", at, true, "", ""
		aside.Outcome, aside.DecidedAt = "set_aside", at
		counted.Text, counted.Debtor = "", ""
		for _, b := range []checkout.Booking{given, aside, counted} {
			if err := decide(f.node(t), b.Key, payment.ID(f.id()), "less"); !errors.Is(err, checkout.ErrStale) {
				t.Errorf("%s once more: %v, want ErrStale", b.Key, err)
			}
			exact(t, b.Key, f.booked(t, b.Key), b)
		}
		refused(t, "an unknown one", decide(f, "unknown", to, "exact"), fault.NotFound, "booking_not_found")

		f.book(t, f.booking(m, "contended"))
		nodes := []*fixture{f, f.node(t)}
		var won atomic.Int64
		var each sync.WaitGroup
		for i := range 8 {
			each.Go(func() {
				switch err := decide(nodes[i%2], "contended", payment.ID(fmt.Sprint(i)), "exact"); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, checkout.ErrStale):
					t.Error(err)
				}
			})
		}
		each.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%d decided, want one", n)
		}
	},

	"lists are filtered and paged, newest first": func(t *testing.T, f *fixture) {
		ms := []payment.MerchantID{f.merchant(t).ID, f.merchant(t).ID}
		var all []checkout.Booking
		for i := range 30 {
			b := f.booking(ms[i%2], fmt.Sprintf("key %d", i*17%30)) // their order is not that of their time
			b.At = start.Add(time.Duration(i/4) * time.Hour)
			switch i % 5 {
			case 1, 2:
				b.Counts, b.Payment = true, payment.ID(f.id())
			case 3:
				b.DecidedAt = start
			}
			f.book(t, b)
			all = append(all, b)
		}
		slices.SortFunc(all, func(a, b checkout.Booking) int {
			if by := b.At.Compare(a.At); by != 0 {
				return by
			}
			if a.Key < b.Key {
				return 1
			}
			return -1
		})
		for _, m := range []payment.MerchantID{ms[0], ms[1], "", "01KE0000000000000000000009"} {
			for _, open := range []bool{false, true} {
				var want, got []string
				for _, b := range all {
					if (m == "" || b.Merchant == m) && (!open || !b.Counts && b.DecidedAt.IsZero()) {
						want = append(want, b.Key)
					}
				}
				q := checkout.BookingQuery{Merchant: m, Open: open, Limit: 3}
				for pages := 0; ; pages++ {
					page, err := f.Bookings(t.Context(), q)
					must(t, err)
					if len(page) > 3 || pages > 12 {
						t.Fatalf("%+v: page %d has %d", q, pages, len(page))
					}
					if len(page) == 0 {
						break
					}
					got = append(got, bookingKeys(page)...)
					q.Before = page[len(page)-1].Key
				}
				exact(t, fmt.Sprintf("%s, open %t", m, open), got, want)
			}
		}
		_, err := f.Bookings(t.Context(), checkout.BookingQuery{Before: "unknown"})
		refused(t, "below an unknown one", err, fault.NotFound, "booking_not_found")
	},
}
