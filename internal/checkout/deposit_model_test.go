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

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// depositModel is two chains, prices and payments in dollars in their simplest form,
// beside the real ones. What each transfer is worth it says by itself when it is first
// stored; what a payment should be is added up anew from the blocks each time.
type depositModel struct {
	*world
	r      *rand.Rand
	chains []*dropChain
	owes   []*owing
	taken  int // addresses that payments have
	made   int // addresses in all
	forks  int
	txs    int
	trace  []string
}

type dropChain struct {
	id     asset.ChainID
	tokens []asset.ID
	blocks []dropBlock // blocks[i] has number i+1
	first  int         // those before are of earlier histories
	final  int
}

type dropBlock struct {
	checkout.Block
	drops []aDrop
}

type aDrop struct {
	tx     int
	to     int // index in owes
	of     asset.ID
	units  *big.Int
	astray bool
}

func (d aDrop) String() string {
	return fmt.Sprintf("{%d to %d: %s %s astray %t}", d.tx, d.to, d.units, d.of, d.astray)
}

// owing is a payment and what the model knows of it.
type owing struct {
	*payment.Payment
	off   time.Time
	worth map[string]worth // by the transfer's key: as it was fixed
}

type worth struct {
	units, credit *big.Int
	quote         string // "" while there is none
}

func (m *depositModel) say(format string, args ...any) {
	m.trace = append(m.trace, m.now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// owe makes a payment, however often that takes.
func (m *depositModel) owe() {
	d := dollarDraft(100 + m.r.Int64N(10_000))
	d.Alias = payment.NewULID(m.now())
	once := &checkout.Once{Key: checkout.IdempotencyKey{Merchant: owner, Route: "create", Key: d.Alias}, RequestHash: "h"}
	d.Quote = m.chains[0].tokens[m.r.IntN(2)]
	for range 20 {
		_, _, err := m.Create(m.t.Context(), d, once, func(p *payment.Payment) (checkout.Answer, error) {
			return checkout.Answer{Status: 201, Body: []byte(p.ID + " " + payment.ID(p.Terms.Requests[0].Payee.Lower()))}, nil
		})
		first, rerr := m.Replay(m.t.Context(), *once)
		must(m.t, rerr)
		switch {
		case first != nil:
			p := m.load(payment.ID(first.Body[:26]))
			if string(first.Body[27:]) != p.Terms.Requests[0].Payee.Lower() || len(p.Quotes) != 1 {
				m.t.Fatalf("told %s, stored %s with %d quotes", first.Body, p.Terms.Requests[0].Payee, len(p.Quotes))
			}
			m.owes = append(m.owes, &owing{Payment: p, worth: map[string]worth{}})
			m.taken++
			m.say("owe %d: %s", len(m.owes)-1, p.Terms.Requests[0].Due)
			return
		case fault.Is(err, fault.Unavailable) && !m.priced():
			return
		case !errors.Is(err, errTrouble):
			m.t.Fatalf("owe: %v", err)
		}
	}
}

// priced reports whether anything that is offered has a price.
func (m *depositModel) priced() bool {
	return slices.ContainsFunc(m.till.offers, func(id asset.ID) bool { return m.till.prices[id] > 0 })
}

// trouble makes writes run twice, die before their commit or lose their answer after it.
func (m *depositModel) trouble() {
	m.twice = func() bool { return m.r.IntN(4) == 0 }
	m.fail = func(_ context.Context, write func() error) error {
		switch m.r.IntN(8) {
		case 0:
			return errTrouble
		case 1:
			return errors.Join(write(), errTrouble)
		}
		return write()
	}
}

func (m *depositModel) calm() { m.fail, m.twice = nil, nil }

// work does the jobs that are due: each may run twice, and be cut off after it has run.
func (m *depositModel) work() (done int) {
	jobs, err := m.store.Claim(m.t.Context(), m.now(), 30*time.Second, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(m.t, err)
	for _, j := range jobs {
		if j.Kind != checkout.PriceKind {
			must(m.t, m.store.Done(m.t.Context(), j.ID))
			continue
		}
		done++
		var again time.Time
		for range 1 + m.r.IntN(2) {
			before := m.quotes()
			again, err = m.PriceTransfers(m.t.Context(), j.Args)
			m.say("price %s: again %s, %v", j.Args, again, err)
			m.judge(before, true)
		}
		switch {
		case err != nil || m.fail != nil && m.r.IntN(4) == 0: // its lease runs out
		case again.IsZero():
			must(m.t, m.store.Done(m.t.Context(), j.ID))
		default:
			must(m.t, m.store.Snooze(m.t.Context(), j.ID, again, ""))
		}
	}
	return done
}

// market changes a price: it moves, or it is gone or there again.
func (m *depositModel) market() {
	c := m.chains[m.r.IntN(len(m.chains))]
	id := c.tokens[m.r.IntN(len(c.tokens))]
	m.till.set(func(x *till) {
		switch token, _ := m.Book().Token(id); {
		case m.r.IntN(3) == 0:
			delete(x.prices, id)
		case token.Native:
			x.prices[id] = 1000_00000000 + m.r.Int64N(2000_00000000)
		default:
			x.prices[id] = 90000000 + m.r.Int64N(20000000)
		}
	})
	m.say("%s costs %d", id, m.till.prices[id])
}

func (m *depositModel) quote(o *owing) error {
	before := m.load(o.ID)
	of := m.till.offers[m.r.IntN(len(m.till.offers))]
	fresh := m.r.IntN(2) == 0
	p, q, err := m.Quote(m.t.Context(), o.ID, of, fresh)
	m.say("quote %s: %s for %s until %s, %v", of, q.Units, q.Due, q.ExpiresAt.Format("15:04:05"), err)
	if err != nil {
		if fault.Is(err, fault.Unavailable) && m.till.prices[of] > 0 {
			m.t.Fatalf("no quote where there is a price: %v", err)
		}
		return err
	}
	i := slices.IndexFunc(before.Quotes, func(b payment.Quote) bool { return b.ID == q.ID })
	missing := before.Standing.Requests[0].Missing(before.Terms.Requests[0].Due)
	switch {
	case i >= 0 && (fresh && m.now().Sub(q.CreatedAt) >= 15*time.Second || !q.Active(m.now())):
		m.t.Fatalf("an old quote %+v at %s", q, m.now())
	case i < 0 && (q.Due.Cmp(missing) != 0 || q.Price.Value.Int64() != m.till.prices[of] || q.ExpiresAt.After(p.Terms.ExpiresAt) || !q.Asked):
		m.t.Fatalf("a new quote %+v of %s missing", q, missing)
	}
	return nil
}

func (m *depositModel) cancel(o *owing) error {
	at := m.now()
	part := m.load(o.ID).Part()
	err := m.Cancel(m.t.Context(), owner, o.ID)
	stored, lerr := m.store.Payment(m.t.Context(), o.ID) // the answer may have been lost
	must(m.t, lerr)
	if !stored.Terms.CanceledAt.IsZero() && o.off.IsZero() {
		m.say("cancel %s", o.ID)
		o.off = at
		if part {
			m.t.Fatalf("called off after a part has come")
		}
	}
	return err
}

func (m *depositModel) step() {
	o, c := m.owes[m.r.IntN(len(m.owes))], m.chains[m.r.IntN(len(m.chains))]
	var err error
	switch m.r.IntN(16) {
	case 0, 1, 2:
		m.mine(c, nil)
	case 3:
		m.reorg(c)
	case 4:
		c.final = max(c.final, len(c.blocks)-2)
	case 5:
		m.pass(time.Duration(m.r.IntN(8*60)) * time.Second)
		_, err = m.ExpireOverdue(m.t.Context())
	case 6, 7:
		err = m.quote(o)
	case 8:
		m.market()
	case 9:
		m.work()
	case 10:
		if m.r.IntN(6) == 0 {
			err = m.cancel(o)
		}
	case 11:
		_, err = m.Report(m.t.Context(), o.ID, c.id, hash(1+m.txs+m.r.IntN(3)), rail.Payer{})
	case 12:
		m.pass(time.Duration(m.r.IntN(20)) * time.Second)
	default:
		err = m.watch(c, false)
	}
	if f := fault.From(err); f != nil && f.Kind == fault.Internal && !errors.Is(err, errTrouble) {
		m.t.Fatalf("%v", err)
	}
}

// catchUp has everything done that is to be done.
func (m *depositModel) catchUp() {
	m.t.Helper()
	m.calm()
	for _, c := range m.chains {
		must(m.t, m.watch(c, true)) // the first may only go back
		must(m.t, m.watch(c, true))
	}
	_, err := m.ExpireOverdue(m.t.Context())
	must(m.t, err)
	m.check()
}

// history is some payments from their making to their end.
func (m *depositModel) history() {
	m.trace, m.owes = nil, nil
	for _, c := range m.chains {
		c.first = len(c.blocks)
	}
	const each = 4
	m.addresses(m.made, m.made+each)
	m.made += each
	m.allPriced()
	for len(m.owes) < 2 {
		m.trouble()
		m.owe()
	}
	for range 2 {
		m.trouble()
		for range 20 + m.r.IntN(20) {
			m.step()
		}
		if len(m.owes) < each {
			m.owe()
		}
		m.catchUp()
	}
	m.end()
}

// end makes all final and finds out what everything is worth: nothing is left over.
func (m *depositModel) end() {
	m.t.Helper()
	for _, c := range m.chains {
		c.final = len(c.blocks)
	}
	m.catchUp()
	m.allPriced()
	for range 5 {
		m.pass(61 * time.Minute)
		m.work()
	}
	m.check0()
}

func (m *depositModel) allPriced() {
	m.till.set(func(x *till) {
		x.prices = map[asset.ID]int64{}
		for _, c := range m.chains {
			for _, id := range c.tokens {
				if x.prices[id] = 1_00000000; id[:3] == "ETH" {
					x.prices[id] = 1500_00000000 + m.r.Int64N(1e10)
				}
			}
		}
	})
}

func (m *depositModel) check0() {
	m.t.Helper()
	_, err := m.ExpireOverdue(m.t.Context())
	must(m.t, err)
	m.check()
	for _, o := range m.owes {
		for _, x := range m.load(o.ID).Transfers {
			if x.Stage == payment.Pending || x.Stage == payment.Final && !x.Priced() {
				m.t.Fatalf("%s is %s and worth %s in the end", x.Key, x.Stage, x.Credit)
			}
		}
	}
	if n := m.work(); n != 0 {
		m.t.Fatalf("%d jobs are left", n)
	}
}

func newDepositModel(t testing.TB, dsn string) *depositModel {
	m := &depositModel{world: tillWorld(t, dsn, 0)}
	m.chains = []*dropChain{
		{id: base, tokens: []asset.ID{ethBase, usdcBase, "USDT-base"}},
		{id: arbitrum, tokens: []asset.ID{"ETH-arbitrum-one", usdtArb}},
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, line := range m.trace {
				t.Log(line)
			}
		}
	})
	return m
}

// Whatever is sent, in what currency and when, whatever prices do, chains take back and
// crashes cut off: nothing is lost or counted twice, and all is worth what it should be.
func TestDepositsAddUpWhateverHappens(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newDepositModel(t, dsn(t))
			for seed := range uint64(10) {
				m.r = rand.New(rand.NewPCG(seed, 5))
				m.history()
				if seed%3 == 2 {
					m.restart()
				}
			}
		})
	}
}

// The same for as many more histories as -rapid.checks says.
func TestDepositHistories(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		t.Skip("-rapid.checks=10000 tries ten thousand histories")
	}
	m := newDepositModel(t, "sqlite:"+t.TempDir()+"/test.db")
	rapid.Check(t, func(t *rapid.T) {
		m.r = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 6))
		m.history()
	})
}
