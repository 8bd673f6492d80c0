package checkout_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// bookModel is an account and a chain in their simplest form beside the real ones: what was
// sent to payments, and what people did. What a payment should be it adds up by itself.
type bookModel struct {
	*world
	r      *rand.Rand
	links  []*payment.Payment
	sent   []checkout.Booking // what banks tell of, again and again
	coins  []aCoin
	blocks []checkout.Block
	swept  int // blocks that were recorded
	txs    int
	keys   int
	trace  []string
}

// aCoin is money on the chain: a cent is 12,500 units of USDC.
type aCoin struct {
	to    int // index in links
	tx    int
	cents int64
	block int
}

func (m *bookModel) say(format string, args ...any) {
	m.trace = append(m.trace, m.now().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (m *bookModel) trouble() {
	m.twice = func() bool { return m.r.IntN(5) == 0 }
	m.fail = troubleWith(m.r)
}

// troubleWith has writes die before their commit, or lose their answer after it.
func troubleWith(r *rand.Rand) func(context.Context, func() error) error {
	return func(_ context.Context, write func() error) error {
		switch r.IntN(8) {
		case 0:
			return errTrouble
		case 1:
			return errors.Join(write(), errTrouble)
		}
		return write()
	}
}

func (m *bookModel) calm() { m.fail, m.twice = nil, nil }

func (m *bookModel) link() {
	m.calm()
	d := euroDraft(1 + m.r.Int64N(300))
	if m.r.IntN(4) == 0 {
		d.Endless, d.Window, d.Exact = false, time.Duration(1+m.r.IntN(72))*time.Hour, m.r.IntN(2) == 0
	}
	if m.r.IntN(4) == 0 {
		d.PayerCancels = false
	}
	p, err := m.owe(d)
	must(m.t, err)
	m.links = append(m.links, m.load(p.ID))
	m.say("link %d: %s until %s", len(m.links)-1, money.WholeCents(p.Terms.Requests[0].Due), p.Terms.ExpiresAt.Format(time.DateTime))
}

// amount is cents that somebody may send: what is missing, a part of it, or anything.
func (m *bookModel) amount(i int) int64 {
	p := m.load(m.links[i].ID)
	missing := money.WholeCents(p.Standing.Requests[0].Missing(p.Terms.Requests[0].Due)).Int64()
	switch {
	case missing > 0 && m.r.IntN(2) == 0:
		return missing
	case missing > 1 && m.r.IntN(2) == 0:
		return 1 + m.r.Int64N(missing)
	}
	return 1 + m.r.Int64N(300)
}

// transfer has somebody send euros, which the bank books some days before or after today.
func (m *bookModel) transfer() {
	i := m.r.IntN(len(m.links))
	m.keys++
	b := m.booking(m.links[i], fmt.Sprintf("key %d", m.keys), m.amount(i))
	b.Booked = b.Booked.AddDate(0, 0, m.r.IntN(4)-2)
	if m.r.IntN(4) == 0 { // it names nobody
		b.Counts, b.Payment, b.Reference, b.Outcome = false, "", "", "no_reference"
	}
	m.sent = append(m.sent, b)
	m.say("sent %s: %d cents for %d, counts %t", b.Key, b.Cents, i, b.Counts)
}

// imports reads a statement of some of what was sent, in any order, some of it twice.
func (m *bookModel) imports() error {
	var some []checkout.Booking
	for _, b := range m.sent {
		for range m.r.IntN(3) {
			some = append(some, b)
		}
	}
	m.r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	if len(some) > 5 {
		some = some[:5]
	}
	done, err := m.RecordBookings(m.t.Context(), m.statement(), some)
	for i, b := range done {
		m.say("imported %s: %s, counts %t", b.Key, b.Outcome, b.Counts)
		if b.Key != some[i].Key || b.Counts && b.Outcome != some[i].Outcome {
			m.t.Fatalf("%+v became %+v", some[i], b)
		}
	}
	if err == nil && len(done) != len(some) {
		m.t.Fatalf("%d bookings became %d", len(some), len(done))
	}
	return err
}

// listed are the bookings that are stored.
func (m *bookModel) listed(open bool) (all []checkout.Booking) {
	m.t.Helper()
	q := checkout.BookingQuery{Merchant: owner, Open: open, Limit: 100}
	for {
		some, err := m.Bookings(m.t.Context(), q)
		must(m.t, err)
		if len(some) == 0 {
			return all
		}
		all, q.Before = append(all, some...), some[len(some)-1].Key
	}
}

func (m *bookModel) decide() error {
	open := m.listed(true)
	if len(open) == 0 {
		return nil
	}
	b := open[m.r.IntN(len(open))]
	var of payment.ID
	if m.r.IntN(3) > 0 {
		if of = b.Payment; of == "" {
			of = m.links[m.r.IntN(len(m.links))].ID
		}
	}
	_, err := m.Decide(m.t.Context(), owner, b.Key, of)
	m.say("decided on %s: %q, %v", b.Key, of, err)
	return err
}

func (m *bookModel) confirm() error {
	i := m.r.IntN(len(m.links))
	before := m.load(m.links[i].ID)
	cents := m.amount(i)
	_, err := m.Confirm(m.t.Context(), owner, before.ID, cents, time.Time{})
	m.say("confirmed %d of %d: %v", cents, i, err)
	missing := before.Standing.Requests[0].Missing(before.Terms.Requests[0].Due)
	if may := before.Standing.State == payment.Open && money.Cents(cents).Cmp(missing) <= 0; err == nil && !may {
		m.t.Fatalf("%d cents were confirmed of %+v", cents, before.Standing)
	}
	return err
}

func (m *bookModel) callOff() error {
	i, ctx := m.r.IntN(len(m.links)), m.t.Context()
	id := m.links[i].ID
	before := m.load(id)
	by, do := payment.ByMerchant, func() error { return m.Cancel(ctx, owner, id) }
	switch m.r.IntN(3) {
	case 0:
		by, do = payment.ByPayer, func() error { return m.CancelByPayer(ctx, id) }
	case 1:
		by, do = payment.ByDeletion, func() error { return m.Delete(ctx, owner, id) }
	}
	err := do()
	m.say("%s calls %d off: %v", by, i, err)
	after, lerr := m.store.Payment(ctx, id)
	must(m.t, lerr)
	if after.Terms.CanceledAt.IsZero() {
		return err
	}
	switch {
	case before.Terms.CanceledBy != "" && after.Terms.CanceledBy != before.Terms.CanceledBy:
		m.t.Fatalf("called off by %s and then by %s", before.Terms.CanceledBy, after.Terms.CanceledBy)
	case before.Terms.CanceledBy == "" && (before.Part() || by == payment.ByPayer && !before.Terms.PayerCancels):
		m.t.Fatalf("called off by %s: %+v", by, before.Standing)
	}
	return err
}

// mine has somebody send coins.
func (m *bookModel) mine() {
	m.txs++
	i := m.r.IntN(len(m.links))
	if m.links[i].Terms.Requests[0].Payee.IsZero() {
		return
	}
	n := len(m.blocks) + 1
	m.blocks = append(m.blocks, checkout.Block{Number: uint64(n), Hash: hash(10_000*m.txs + n), Time: m.now().Truncate(time.Second)})
	m.coins = append(m.coins, aCoin{to: i, tx: m.txs, cents: m.amount(i), block: n})
	m.say("mined %+v", m.coins[len(m.coins)-1])
}

// look finds out which blocks were recorded: an answer may have been lost.
func (m *bookModel) look() {
	m.t.Helper()
	cursor, err := m.Cursor(m.t.Context(), base)
	must(m.t, err)
	if m.swept = 0; len(cursor.Blocks) > 0 {
		m.swept = int(cursor.Blocks[0].Number)
	}
}

// watch records the blocks that are new.
func (m *bookModel) watch() error {
	m.look()
	for m.swept < len(m.blocks) {
		b := m.blocks[m.swept]
		var xs []rail.Sighting
		for _, c := range m.coins {
			if c.block == int(b.Number) {
				xs = append(xs, m.drop(m.links[c.to], usdcBase, c.tx, big.NewInt(12_500*c.cents), b))
			}
		}
		if err := m.sweep(int(b.Number), b, xs...); err != nil {
			return err
		}
		m.swept++
		m.say("saw block %d", b.Number)
	}
	if m.swept == 0 || m.r.IntN(2) == 0 {
		return nil
	}
	return m.Finalize(m.t.Context(), base, m.blocks[:m.swept-m.r.IntN(2)])
}

// reorg takes the newest block away for good, if it is not final.
func (m *bookModel) reorg() {
	m.look()
	n := len(m.blocks)
	if n < 2 || m.swept < n || slices.ContainsFunc(m.transfers(), func(x payment.Transfer) bool {
		return x.Evidence.Block == uint64(n) && x.Stage == payment.Final
	}) {
		return
	}
	m.calm()
	must(m.t, m.Rewind(m.t.Context(), base, m.blocks[n-2]))
	m.blocks = m.blocks[:n-1]
	m.coins = slices.DeleteFunc(m.coins, func(c aCoin) bool { return c.block == n })
	m.swept = n - 1
	m.say("took block %d away", n)
}

// transfers are all that are stored and not dropped.
func (m *bookModel) transfers() (all []payment.Transfer) {
	for _, l := range m.links {
		for _, x := range m.load(l.ID).Transfers {
			if x.Stage != payment.Dropped {
				all = append(all, x)
			}
		}
	}
	return all
}

func (m *bookModel) step() {
	m.trouble()
	var err error
	switch m.r.IntN(14) {
	case 0, 1, 2:
		m.transfer()
	case 3, 4, 5:
		err = m.imports()
	case 6:
		err = m.decide()
	case 7:
		err = m.confirm()
	case 8:
		if m.r.IntN(3) == 0 {
			err = m.callOff()
		}
	case 9:
		m.mine()
	case 10, 11:
		err = m.watch()
	case 12:
		if m.reorg(); len(m.links) < 4 {
			m.link()
		}
	case 13:
		m.pass(time.Duration(m.r.IntN(30)) * time.Hour)
		_, err = m.ExpireOverdue(m.t.Context())
	}
	if f := fault.From(err); f != nil && f.Kind == fault.Internal && !errors.Is(err, errTrouble) {
		m.t.Fatalf("%v", err)
	}
	m.pass(time.Second) // nothing else happens at the same instant
}

// recordedAt is when a booking began to count.
func recordedAt(b checkout.Booking) time.Time {
	if b.Outcome == checkout.OutcomeGiven {
		return b.DecidedAt
	}
	return b.At
}

// history is some links from their making to their end.
func (m *bookModel) history() {
	m.trace, m.links, m.sent, m.coins = nil, nil, nil, nil
	for range 2 {
		m.link()
	}
	for range 30 + m.r.IntN(30) {
		m.step()
		if m.r.IntN(6) == 0 {
			m.check()
		}
	}
	m.check()
	m.calm()
	must(m.t, m.watch()) // the last blocks, and all that was ever sent
	must(m.t, m.Finalize(m.t.Context(), base, m.blocks[:m.swept]))
	_, err := m.RecordBookings(m.t.Context(), m.statement(), m.sent)
	must(m.t, err)
	m.pass(time.Second)
	_, err = m.ExpireOverdue(m.t.Context())
	must(m.t, err)
	m.check()
	for _, b := range m.sent {
		if _, err := m.Booking(m.t.Context(), b.Key); err != nil {
			m.t.Fatalf("%s is lost: %v", b.Key, err)
		}
	}
	before := m.transfers()
	for range 2 {
		for _, b := range m.books(m.sent...) {
			if b.Outcome != checkout.OutcomeRepeated {
				m.t.Fatalf("in the end %s becomes %s", b.Key, b.Outcome)
			}
		}
	}
	if after := m.transfers(); len(after) != len(before) {
		m.t.Fatalf("%d transfers became %d", len(before), len(after))
	}
}

func newBookModel(t testing.TB, dsn string) *bookModel {
	m := &bookModel{world: linksWorld(t, dsn, 4000)}
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range m.trace {
				t.Log(line)
			}
		}
	})
	return m
}

// Whatever banks tell and how often, in whatever pieces and order, between coins, people's
// words, ends and crashes: each booking counts once, and payments are what they add up to.
func TestBookingsAddUpWhateverHappens(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newBookModel(t, dsn(t))
			for seed := range uint64(15) {
				m.r = rand.New(rand.NewPCG(seed, 8))
				m.history()
				if seed%4 == 3 {
					m.restart()
				}
			}
		})
	}
}

// The same for as many more histories as -rapid.checks says.
func TestBookingHistories(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		t.Skip("-rapid.checks=1000 tries a thousand histories")
	}
	m := newBookModel(t, "sqlite:"+t.TempDir()+"/test.db")
	rapid.Check(t, func(t *rapid.T) {
		m.r = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		m.history()
	})
}
