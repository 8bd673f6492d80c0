package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// booking is what a bank tells today of a payment.
func (w *world) booking(p *payment.Payment, key string, cents int64) checkout.Booking {
	return checkout.Booking{
		Key: key, Account: iban, Cents: cents, Booked: w.now().Truncate(24 * time.Hour), Outcome: "exact", Counts: true,
		Reference: p.Terms.Requests[0].Bank.Reference, Payment: p.ID, Place: "statement 1, entry " + key, Text: "Order 7", Debtor: "Erika Mustermann",
	}
}

func (w *world) statement() checkout.Import {
	return checkout.Import{Merchant: owner, Message: "M-1", Version: "camt.053.001.08", SHA256: "ab"}
}

// books imports a statement.
func (w *world) books(bs ...checkout.Booking) []checkout.Booking {
	w.t.Helper()
	became, err := w.RecordBookings(w.t.Context(), w.statement(), bs)
	must(w.t, err)
	if len(became) != len(bs) {
		w.t.Fatalf("%d bookings became %d", len(bs), len(became))
	}
	return became
}

func (w *world) bookings(open bool) []checkout.Booking {
	w.t.Helper()
	bs, err := w.Bookings(w.t.Context(), checkout.BookingQuery{Merchant: owner, Open: open, Limit: 100})
	must(w.t, err)
	return bs
}

func TestABookingPays(t *testing.T) {
	w := newLinks(t)
	p := w.euros(4999)
	w.pass(30 * time.Hour)
	became := w.books(w.booking(p, "k1", 4999))
	if b := became[0]; b.Outcome != "exact" || !b.Counts || b.Payment != p.ID || b.Merchant != owner || b.Import == "" || b.Text != "" || b.Debtor != "" || !b.At.Equal(w.now()) {
		t.Errorf("became %+v", b)
	}
	got := w.load(p.ID)
	day := w.now().Truncate(24 * time.Hour)
	if got.Standing.State != payment.Paid || got.Standing.Oddity != payment.None || !got.Standing.SettledAt.Equal(day) {
		t.Errorf("%+v", got.Standing)
	}
	x := got.Transfers[0]
	if x.Key != "sepa:k1" || x.Rail != "sepa" || x.Asset != asset.EUR || x.Request != 0 || x.Quote != "" || x.Stage != payment.Final ||
		x.Amount.Cmp(money.Cents(4999)) != 0 || x.Credit.Cmp(x.Amount) != 0 || !x.At.Equal(day) || x.Evidence != (payment.Evidence{}) {
		t.Errorf("transfer %+v", x)
	}
	events := w.events(p.ID)
	if e := events[len(events)-1]; len(events) != 2 || e.Kind != payment.EventPaid || e.Fields[payment.FieldState] != "paid" || e.Fields[payment.FieldPart] != "1" || e.Transfer.Key != x.Key {
		t.Errorf("log %+v", events)
	}
	again := w.books(w.booking(p, "k1", 4999), w.booking(p, "k1", 4999))
	for _, b := range again {
		if b.Outcome != checkout.OutcomeRepeated || b.Counts {
			t.Errorf("again it became %+v", b)
		}
	}
	if len(w.load(p.ID).Transfers) != 1 || len(w.events(p.ID)) != 2 || w.till.questions() != 0 {
		t.Errorf("again: %+v, %d events", w.load(p.ID).Transfers, len(w.events(p.ID)))
	}
	stored, err := w.Booking(t.Context(), "k1")
	if err != nil || stored != became[0] {
		t.Errorf("stored %+v, %v", stored, err)
	}
}

// When money counts as come, of which a bank tells a day.
func TestWhenABookingCounts(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100) // made at noon
	for name, c := range map[string]struct{ booked, want time.Time }{
		"that day":       {begin.Truncate(24 * time.Hour), begin},
		"the day before": {begin.AddDate(0, 0, -1).Truncate(24 * time.Hour), begin},
		"the next day":   {begin.AddDate(0, 0, 1).Truncate(24 * time.Hour), begin.AddDate(0, 0, 1).Truncate(24 * time.Hour)},
		"next year":      {begin.AddDate(1, 0, 0), begin.AddDate(0, 0, 7)}, // when it was imported
	} {
		w.pass(begin.AddDate(0, 0, 7).Sub(w.now()))
		b := w.booking(p, name, 1)
		b.Booked = c.booked
		w.books(b)
		i := slices.IndexFunc(w.load(p.ID).Transfers, func(x payment.Transfer) bool { return x.Key == "sepa:"+name })
		if x := w.load(p.ID).Transfers[i]; !x.At.Equal(c.want) {
			t.Errorf("%s: at %s", name, x.At)
		}
	}
	d := euroDraft(100)
	d.Endless, d.Window = false, time.Hour
	over, err := w.owe(d)
	must(t, err)
	w.pass(48 * time.Hour)
	w.books(w.booking(over, "too late", 100))
	if s := w.load(over.ID).Standing; s.State != payment.Expired || s.Oddity != payment.Late {
		t.Errorf("after its end: %+v", s)
	}
	same := w.booking(over, "in time", 100)
	same.Booked = over.Terms.CreatedAt.Truncate(24 * time.Hour)
	w.books(same)
	if s := w.load(over.ID).Standing; s.State != payment.Paid {
		t.Errorf("booked on its day: %+v", s)
	}
}

func TestPartsOfABank(t *testing.T) {
	w := newLinks(t)
	p := w.euros(5000)
	w.books(w.booking(p, "a", 2000))
	if s := w.load(p.ID).Standing; s.State != payment.Open || s.Oddity != payment.Under {
		t.Errorf("%+v", s)
	}
	w.come(p, 1500, true) // of what is missing then
	rest := w.load(p.ID)
	missing := rest.Standing.Requests[0].Missing(rest.Terms.Requests[0].Due)
	if missing.Cmp(money.Cents(1500)) > 0 || missing.Cmp(money.Cents(1499)) < 0 {
		t.Fatalf("%s is missing", missing)
	}
	w.books(w.booking(p, "b", 1500), w.booking(p, "c", 1))
	got := w.load(p.ID)
	if got.Standing.State != payment.Paid || got.Standing.Oddity != payment.Over {
		t.Errorf("%+v", got.Standing)
	}
	want := []payment.EventKind{payment.EventPartial, payment.EventPartial, payment.EventPaid, payment.EventSurplus}
	kinds := slices.DeleteFunc(w.kinds(p.ID), func(k payment.EventKind) bool { return !slices.Contains(want, k) })
	if !slices.Equal(kinds, want) {
		t.Errorf("told %v", kinds)
	}
}

// What counts for nobody is kept until a person has decided.
func TestDeciding(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100)
	open := func(key, outcome string, cents int64) checkout.Booking {
		b := w.booking(p, key, cents)
		b.Counts, b.Outcome, b.Payment, b.Reference = false, outcome, "", ""
		return b
	}
	for _, b := range w.books(open("a", "no_reference", 60), open("b", "ambiguous", 40), open("c", "unknown_reference", 5), open("d", "taken_back", 60)) {
		if b.Counts || b.Text != "Order 7" || b.Debtor != "Erika Mustermann" {
			t.Errorf("became %+v", b)
		}
	}
	if len(w.bookings(true)) != 4 || len(w.load(p.ID).Transfers) != 0 {
		t.Fatalf("%d wait, %+v", len(w.bookings(true)), w.load(p.ID).Transfers)
	}
	shared := w.split(100)
	other, err := w.owe(dollarDraft(100))
	must(t, err)
	for name, c := range map[string]struct {
		m    payment.MerchantID
		key  string
		of   payment.ID
		want string
	}{
		"another merchant's":     {otherShop, "a", p.ID, "not_found booking_not_found "},
		"no such booking":        {owner, "z", p.ID, "not_found booking_not_found "},
		"no such payment":        {owner, "a", "01KE0000000000000000000009", "not_found payment_not_found "},
		"a share":                {owner, "a", shared.ID, "invalid no_bank booking"},
		"dollars":                {owner, "a", other.ID, "invalid no_bank booking"},
		"what the bank has back": {owner, "d", p.ID, "invalid not_a_credit booking"},
	} {
		if _, err := w.Decide(t.Context(), c.m, c.key, c.of); names(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := w.Decide(t.Context(), owner, "a", p.ID)
	if err != nil || b.Outcome != checkout.OutcomeGiven || !b.Counts || b.Payment != p.ID || b.Text != "" || b.Debtor != "" || !b.DecidedAt.Equal(w.now()) {
		t.Errorf("given: %+v, %v", b, err)
	}
	if stored, err := w.Booking(t.Context(), "a"); err != nil || stored != b {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if b, err = w.Decide(t.Context(), owner, "c", ""); err != nil || b.Outcome != checkout.OutcomeAside || b.Counts || b.Payment != "" {
		t.Errorf("aside: %+v, %v", b, err)
	}
	if stored, err := w.Booking(t.Context(), "c"); err != nil || stored != b {
		t.Errorf("stored %+v, %v", stored, err)
	}
	for _, key := range []string{"a", "c"} {
		if _, err := w.Decide(t.Context(), owner, key, p.ID); names(err) != "conflict booking_decided " {
			t.Errorf("%s again: %v", key, err)
		}
	}
	if b := w.books(open("a", "no_reference", 60), w.booking(p, "c", 5)); b[0].Outcome != checkout.OutcomeRepeated || b[1].Outcome != checkout.OutcomeRepeated {
		t.Errorf("imported again: %+v", b)
	}
	_, err = w.Decide(t.Context(), owner, "d", "")
	must(t, err)
	if s := w.load(p.ID).Standing; s.State != payment.Open || s.Requests[0].Settled.Cmp(money.Cents(60)) != 0 {
		t.Errorf("%+v", s)
	}
	_, err = w.Decide(t.Context(), owner, "b", p.ID)
	must(t, err)
	if s := w.load(p.ID).Standing; s.State != payment.Paid || len(w.bookings(true)) != 0 {
		t.Errorf("%+v, %d wait", s, len(w.bookings(true)))
	}
}

func TestConfirming(t *testing.T) {
	w := newLinks(t)
	p, shared := w.euros(100), w.split(100)
	canceled, deleted, plain := w.euros(100), w.euros(100), w.euros(100)
	must(t, w.CancelByPayer(t.Context(), canceled.ID))
	must(t, w.Delete(t.Context(), owner, deleted.ID))
	d := euroDraft(100)
	d.Endless, d.Window = false, time.Minute
	over, err := w.owe(d)
	must(t, err)
	w.come(plain, 100, false)
	w.pass(time.Hour)
	for name, c := range map[string]struct {
		m     payment.MerchantID
		p     payment.ID
		cents int64
		want  string
	}{
		"another merchant's":   {otherShop, p.ID, 100, "not_found not_found "},
		"nobody's":             {owner, "01KE0000000000000000000009", 100, "not_found payment_not_found "},
		"a deleted one's":      {owner, deleted.ID, 100, "not_found not_found "},
		"a share's":            {owner, shared.ID, 100, "invalid no_bank payment"},
		"a canceled one's":     {owner, canceled.ID, 100, "conflict canceled "},
		"an expired one's":     {owner, over.ID, 100, "conflict expired "},
		"what coins have":      {owner, plain.ID, 100, "conflict already_paid "},
		"nothing":              {owner, p.ID, 0, "invalid invalid_amount amount"},
		"less than nothing":    {owner, p.ID, -5, "invalid invalid_amount amount"},
		"more than is missing": {owner, p.ID, 101, "invalid more_than_missing amount"},
	} {
		if _, err := w.Confirm(t.Context(), c.m, c.p, c.cents, w.now()); names(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.bookings(false)); n != 0 {
		t.Fatalf("%d bookings are there", n)
	}
	for i, c := range []struct {
		cents int64
		state payment.State
	}{{60, payment.Open}, {40, payment.Paid}} {
		b, err := w.Confirm(t.Context(), owner, p.ID, c.cents, time.Time{})
		if err != nil || b.Key != fmt.Sprintf("confirmed:%s:%d", p.ID, i+1) || b.Outcome != checkout.OutcomeConfirmed || !b.Counts || b.Import != "" ||
			b.Account != iban || b.Reference != p.Terms.Requests[0].Bank.Reference || b.Payment != p.ID || !b.Booked.Equal(begin.Truncate(24*time.Hour)) {
			t.Errorf("%+v, %v", b, err)
		}
		if got := w.load(p.ID); got.Standing.State != c.state || !got.Transfers[i].At.Equal(w.now()) {
			t.Errorf("%+v by %+v", got.Standing, got.Transfers)
		}
	}
	_, err = w.Confirm(t.Context(), owner, p.ID, 1, time.Time{})
	if names(err) != "conflict already_paid " || strings.Contains(fault.From(err).Public, "cancel") {
		t.Errorf("what is paid: %v", err)
	}
	if kinds := w.kinds(p.ID); count(kinds, payment.EventPaid) != 1 || count(kinds, payment.EventPartial) != 1 {
		t.Errorf("told %v", kinds)
	}
}

// A fraction of a cent is missing after coins: a cent is what a bank can bring.
func TestConfirmingAFraction(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100)
	q := w.rates(p, ethBase)[0]
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, ethBase, 1, q.Div(q.Mul(q, money.Cents(1)), money.Cents(3)), b)))
	if _, err := w.Confirm(t.Context(), owner, p.ID, 68, time.Time{}); names(err) != "invalid more_than_missing amount" {
		t.Errorf("%v", err)
	}
	if _, err := w.Confirm(t.Context(), owner, p.ID, 67, time.Time{}); err != nil {
		t.Errorf("%v", err)
	}
	if s := w.load(p.ID).Standing; s.State != payment.Seen || s.Oddity != payment.None {
		t.Errorf("%+v", s)
	}
}

// Money that a merchant has confirmed and that a statement tells of later counts once: where
// it may be the same, a person says whether it is.
func TestConfirmedAndBooked(t *testing.T) {
	for name, c := range map[string]struct {
		confirmed []int64
		cents     int64
		counts    bool
	}{
		"the whole":            {[]int64{100}, 100, false},
		"the same part":        {[]int64{30}, 30, false},
		"one of two parts":     {[]int64{30, 20}, 20, false},
		"more than is missing": {[]int64{30}, 100, false},
		"the rest":             {[]int64{30}, 70, true},
		"a part of the rest":   {[]int64{30}, 10, true},
		"without any":          {nil, 100, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLinks(t)
			p := w.euros(100)
			sum := int64(0)
			for _, cents := range c.confirmed {
				_, err := w.Confirm(t.Context(), owner, p.ID, cents, time.Time{})
				must(t, err)
				sum += cents
			}
			w.pass(24 * time.Hour)
			b := w.books(w.booking(p, "k", c.cents))[0]
			if b.Counts != c.counts || !c.counts && (b.Outcome != checkout.OutcomeBefore || b.Payment != p.ID || b.Debtor == "") {
				t.Errorf("became %+v", b)
			}
			if c.counts {
				sum += c.cents
			}
			if s := w.load(p.ID).Standing; s.Requests[0].Settled.Cmp(money.Cents(sum)) != 0 || s.Oddity == payment.Over {
				t.Errorf("%+v", s)
			}
			if c.counts {
				return
			}
			if len(w.bookings(true)) != 1 {
				t.Errorf("%d bookings wait", len(w.bookings(true)))
			}
			if _, err := w.Decide(t.Context(), owner, "k", p.ID); err != nil { // it was sent twice
				t.Error(err)
			}
			if s := w.load(p.ID).Standing; s.Requests[0].Settled.Cmp(money.Cents(sum+c.cents)) != 0 {
				t.Errorf("given: %+v", s)
			}
		})
	}
}

func TestWhatCannotBeBooked(t *testing.T) {
	w := newLinks(t)
	p, shared := w.euros(100), w.split(100)
	for name, c := range map[string]struct {
		change func(*checkout.Booking)
		want   fault.Kind
	}{
		"without a name":    {func(b *checkout.Booking) { b.Key = "" }, fault.Invalid},
		"a merchant's word": {func(b *checkout.Booking) { b.Key = "confirmed:x:1" }, fault.Invalid},
		"of nothing":        {func(b *checkout.Booking) { b.Cents = 0 }, fault.Invalid},
		"for a share":       {func(b *checkout.Booking) { b.Payment = shared.ID }, fault.Invalid},
		"for nobody":        {func(b *checkout.Booking) { b.Payment = "01KE0000000000000000000009" }, fault.NotFound},
		"for nobody at all": {func(b *checkout.Booking) { b.Payment = "" }, fault.NotFound},
	} {
		first, bad := w.booking(p, "before "+name, 1), w.booking(p, name, 1)
		c.change(&bad)
		done, err := w.RecordBookings(t.Context(), w.statement(), []checkout.Booking{first, bad, w.booking(p, "after "+name, 1)})
		if !fault.Is(err, c.want) || len(done) != 1 || done[0].Key != first.Key {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
	}
	foreign := w.statement()
	foreign.Merchant = otherShop
	if done, err := w.RecordBookings(t.Context(), foreign, []checkout.Booking{w.booking(p, "foreign", 1)}); !fault.Is(err, fault.NotFound) || len(done) != 0 {
		t.Errorf("another merchant's: %+v, %v", done, err)
	}
	if x := w.load(p.ID).Transfers; len(x) != 6 {
		t.Errorf("%d transfers", len(x))
	}
}

// Two people who import, decide and confirm at once record each thing once.
func TestBookingAtOnce(t *testing.T) {
	w := newLinks(t)
	p := w.euros(1000)
	free := w.booking(p, "free", 100)
	free.Counts, free.Payment = false, ""
	w.books(free)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := w.RecordBookings(t.Context(), w.statement(), []checkout.Booking{w.booking(p, "a", 150), w.booking(p, "b", 150)})
			if err != nil {
				t.Errorf("import: %v", err)
			}
		})
		group.Go(func() {
			if _, err := w.Decide(t.Context(), owner, "free", p.ID); err != nil && names(err) != "conflict booking_decided " {
				t.Errorf("decide: %v", err)
			}
		})
		group.Go(func() {
			if _, err := w.Confirm(t.Context(), owner, p.ID, 600, time.Time{}); err != nil && names(err) != "invalid more_than_missing amount" && names(err) != "conflict already_paid " {
				t.Errorf("confirm: %v", err)
			}
		})
	}
	group.Wait()
	got := w.load(p.ID)
	if got.Standing.State != payment.Paid || got.Standing.Oddity != payment.None || len(got.Transfers) != 4 || count(w.kinds(p.ID), payment.EventPaid) != 1 {
		t.Errorf("%+v by %+v", got.Standing, got.Transfers)
	}
}

// An import that dies is done again, and finishes.
func TestAnImportDies(t *testing.T) {
	w := newLinks(t)
	p := w.euros(300)
	bs := []checkout.Booking{w.booking(p, "a", 100), w.booking(p, "b", 100), w.booking(p, "c", 100)}
	writes := 0
	w.fail = func(_ context.Context, write func() error) error {
		if writes++; writes == 3 { // the second booking's answer is lost after its commit
			return errors.Join(write(), errTrouble)
		}
		return write()
	}
	done, err := w.RecordBookings(t.Context(), w.statement(), bs)
	if !errors.Is(err, errTrouble) || len(done) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.fail = nil
	w.restart()
	var became []string
	for _, b := range w.books(bs...) {
		became = append(became, b.Outcome)
	}
	if !slices.Equal(became, []string{"repeated", "repeated", "exact"}) {
		t.Errorf("became %v", became)
	}
	if s := w.load(p.ID).Standing; s.State != payment.Paid || s.Oddity != payment.None {
		t.Errorf("%+v", s)
	}
}
