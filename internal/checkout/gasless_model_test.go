package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// gasModel is a payer who pays without gas or plainly, just as the checkout lets him,
// with bundlers of all moods. However it goes, he pays once at the most.
type gasModel struct {
	*world
	r     *rand.Rand
	p     *payment.Payment
	ops   []*paysBy
	pool  []*paysBy // what the bundler has and may execute
	money map[int][]rail.Sighting
	plain int // the block in which he has paid plainly, 0 if he has not
	acts  int // the block of the last thing that he did by himself
	trace []string
}

func (m *gasModel) say(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf("%d: %s", m.relay.head, fmt.Sprintf(format, args...)))
}

// bundler gives the bundler a mood for the next operation.
func (m *gasModel) bundler(b *paysBy) {
	unavailable := fault.New(fault.Unavailable, "bundler_unavailable", "No.")
	takes, answer := false, error(nil)
	mood := m.r.IntN(7)
	switch mood {
	case 0, 1, 2:
		takes = true
	case 3: // takes it, and nobody hears that
		takes, answer = true, unavailable
	case 4:
		answer = unavailable
	case 5:
		answer = fault.New(fault.Invalid, "op_refused", "No.")
	case 6: // says yes and drops it
	}
	m.say("the bundler's mood is %d", mood)
	m.relay.set(func() {
		m.relay.send = func(o sentOp) error {
			if takes && !slices.Contains(m.pool, b) {
				m.pool = append(m.pool, b)
			}
			return answer
		}
	})
}

func (m *gasModel) begins() error {
	if m.plain != 0 {
		return nil
	}
	b := m.saves(m.p)
	if m.r.IntN(3) > 0 {
		approved(b)
	}
	if err := b.sponsored(); err != nil {
		return err
	}
	m.say("%s is sponsored, permit %d, nonce %d", b.hash()[:8], b.op.Permit, b.op.Nonce)
	if i := slices.IndexFunc(m.ops, func(x *paysBy) bool { return x.hash() == b.hash() }); i >= 0 {
		b = m.ops[i]
	} else {
		m.ops = append(m.ops, b)
	}
	return m.sends(b)
}

func (m *gasModel) sends(b *paysBy) error {
	m.bundler(b)
	_, err := b.asks(checkout.GaslessSend)
	m.say("%s is sent: %v", b.hash()[:8], err)
	return err
}

// carries has the chain execute an operation, as far as its contracts let it.
func (m *gasModel) carries() {
	if len(m.pool) == 0 {
		return
	}
	b, n := m.pool[m.r.IntN(len(m.pool))], m.relay.head+1
	m.relay.mu.Lock()
	next := m.relay.nonce(base, accountOf(saver))
	allowed := m.relay.allows[saver]
	m.relay.mu.Unlock()
	ok := b.op.Permit == 0 && allowed >= 100 || b.op.Permit != 0 && block(n, 0).Time.Unix() <= b.op.Permit
	if b.op.Nonce != next || !ok && m.r.IntN(2) == 0 {
		return // bundlers try operations before they send them
	}
	ok = ok && m.r.IntN(5) > 0
	tx := b.executes(ok, n)
	m.say("%s is executed, well: %t", b.hash()[:8], ok)
	if ok {
		if b.op.Permit == 0 {
			m.relay.set(func() { m.relay.allows[saver] -= 100 })
		}
		m.money[n] = append(m.money[n], b.arrives(tx, 100, n))
	}
}

// pays has him pay by himself, if he is let; first he takes back what he is told to.
func (m *gasModel) paysPlainly() error {
	if m.plain != 0 {
		return nil
	}
	calls, err := m.prepares(m.p, "one", rail.Payer{Wallet: saver})
	if err != nil {
		return err
	}
	n := m.relay.head + 1
	m.relay.set(func() { m.relay.head = n })
	m.acts = n
	if calls.Steps[0].Kind == rail.Revoke {
		m.say("he takes back")
		m.relay.set(func() { m.relay.allows[saver] = 0 })
		return nil
	}
	m.say("he pays plainly")
	m.plain = n
	m.money[n] = append(m.money[n], m.world.pays(m.p, saver, hash(3_000_000+n), 100, n))
	return nil
}

// reorganises takes back what is not final, unless it is something that he did: nobody
// can keep him from being unlucky with that.
func (m *gasModel) reorganises() error {
	r := m.relay
	if m.acts > r.final || r.head == r.final {
		return nil
	}
	to := r.final + m.r.IntN(r.head-r.final)
	m.say("back to %d", to)
	r.set(func() {
		for _, c := range r.done {
			i := slices.IndexFunc(m.ops, func(b *paysBy) bool { return b.hash() == c.hash })
			if c.block > to && c.ok && m.ops[i].op.Permit == 0 {
				r.allows[saver] += 100
			}
		}
		r.done = slices.DeleteFunc(r.done, func(c carried) bool { return c.block > to })
		r.head = to
	})
	for n := range m.money {
		if n > to {
			delete(m.money, n)
		}
	}
	c, err := m.Cursor(m.t.Context(), base)
	if err != nil || int(c.Blocks[0].Number) <= to {
		return err
	}
	for { // its watcher sees that before anything else
		err := m.Rewind(m.t.Context(), base, block(to, 0))
		if !errors.Is(err, errTrouble) {
			return err
		}
	}
}

func (m *gasModel) catchUp() error {
	c, err := m.Cursor(m.t.Context(), base)
	must(m.t, err)
	from, to := int(c.Blocks[0].Number)+1, m.relay.head
	if from <= to {
		var xs []rail.Sighting
		for n := from; n <= to; n++ {
			xs = append(xs, m.money[n]...)
		}
		if err := m.sweep(from, block(to, 0), xs...); err != nil {
			return err
		}
	}
	var final []checkout.Block
	for n := range m.money {
		if n <= min(to, m.relay.final) {
			final = append(final, block(n, 0))
		}
	}
	return m.Finalize(m.t.Context(), base, final)
}

func (m *gasModel) looksAtAll() error {
	for _, b := range m.ops {
		if _, err := m.TrackGasless(m.t.Context(), b.args()); err != nil {
			return err
		}
	}
	return nil
}

func (m *gasModel) step() {
	var err error
	switch m.r.IntN(16) {
	case 0, 1:
		err = m.begins()
	case 2:
		if len(m.ops) > 0 && m.plain == 0 {
			err = m.sends(m.ops[m.r.IntN(len(m.ops))])
		}
	case 3:
		if m.r.IntN(3) == 0 {
			m.carries()
		}
	case 4, 5, 6:
		n := m.relay.head + m.r.IntN(150)
		if m.r.IntN(4) == 0 {
			n += 600 // until an operation without a permit holds nothing any more
		}
		m.relay.set(func() { m.relay.head, m.relay.final = n, max(m.relay.final, n-m.r.IntN(60)) })
	case 7:
		if m.r.IntN(4) == 0 {
			err = m.paysPlainly()
		}
	case 8:
		err = m.reorganises()
	case 9, 10:
		err = m.catchUp()
	case 11, 12:
		err = m.looksAtAll()
	case 13, 14:
		if len(m.load(m.p.ID).Undone(saver, m.now())) > 0 {
			err = m.paysPlainly()
		}
		if m.plain != 0 && m.r.IntN(2) == 0 {
			m.carries()
		}
	case 15:
		if m.r.IntN(4) == 0 {
			m.say("restart")
			m.restart()
		}
	}
	m.mu.Lock()
	m.at = block(max(m.relay.head, int(m.at.Sub(begin)/time.Second)), 0).Time // clocks do not go back
	m.mu.Unlock()
	if err != nil && !errors.Is(err, errTrouble) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Limited) &&
		!fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.NotFound) {
		m.t.Fatal(err)
	}
	m.holds()
}

// holds is what is never otherwise.
func (m *gasModel) holds() {
	m.t.Helper()
	paid := 0
	for _, xs := range m.money {
		paid += len(xs)
	}
	if paid > 1 {
		m.t.Fatalf("he has paid %d times", paid)
	}
	p := m.load(m.p.ID)
	holding := 0
	for _, a := range p.Attempts {
		if a.Op != nil && a.Stage == payment.Announced && m.now().Before(payment.OpHeldUntil(a)) {
			holding++
		}
		if a.Op == nil || a.Decides {
			m.t.Fatalf("attempt %+v", a)
		}
	}
	if p.OpsLeft() < 0 || holding > 1 {
		m.t.Fatalf("%d operations hold the payment", holding)
	}
	if _, locked := p.OpLock(m.now()); holding > 0 && !locked {
		m.t.Fatal("an operation may be executed, and the payment is not locked")
	}
}

// comesToItsEnd lets everything end, and says whether that is right.
func (m *gasModel) comesToItsEnd() {
	m.t.Helper()
	m.fail = nil
	m.reach(max(m.relay.head, int(m.now().Sub(begin)/time.Second)) + 1000)
	for range 2 {
		must(m.t, m.catchUp())
		must(m.t, m.looksAtAll())
	}
	m.holds()
	p := m.load(m.p.ID)
	made := len(m.money[m.plain]) > 0
	var spent int64
	for _, b := range m.ops {
		i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Handle == b.hash() })
		e := slices.IndexFunc(m.relay.done, func(c carried) bool { return c.hash == b.hash() })
		if i < 0 {
			if e >= 0 {
				m.t.Fatalf("%s was executed and never announced", b.hash())
			}
			continue
		}
		a := p.Attempts[i]
		used := slices.ContainsFunc(m.relay.done, func(c carried) bool { return c.nonce == b.op.Nonce })
		want := []payment.OpStage{payment.OpExpired, payment.OpRefused, payment.OpReplaced}
		switch {
		case e >= 0 && m.relay.done[e].ok:
			want, made, spent = []payment.OpStage{payment.OpExecuted}, true, spent+gasPaid
		case e >= 0:
			want, spent = []payment.OpStage{payment.OpFailed}, spent+gasPaid
			if !a.Until.IsZero() {
				want = append(want, payment.OpExpired)
			}
		case used:
		case a.Until.IsZero():
			want = []payment.OpStage{payment.OpWaiting, payment.OpRefused}
		}
		if !slices.Contains(want, a.OpStage()) {
			m.t.Fatalf("%s is %s (%s %q), want %v", b.hash(), a.OpStage(), a.Stage, a.Reason, want)
		}
	}
	if (p.Standing.State == payment.Paid) != made || p.Standing.Oddity == payment.Over {
		m.t.Fatalf("the payment is %s/%s, made: %t", p.Standing.State, p.Standing.Oddity, made)
	}
	told := map[payment.EventKind]int{}
	for _, e := range m.events(p.ID) {
		told[e.Kind]++
	}
	if (told[payment.EventPaid] == 1) != made || told[payment.EventPaid] > 1 {
		m.t.Fatalf("paid is told %d times of what is made: %t", told[payment.EventPaid], made)
	}
	m.pass(time.Hour)
	for _, b := range m.ops {
		i := slices.IndexFunc(p.Attempts, func(a payment.Attempt) bool { return a.Handle == b.hash() })
		if b.settlesLate(); i >= 0 && p.Attempts[i].Stage == payment.Announced {
			spent += opCost
		}
	}
	if got := m.spent(p).Payment.Int64(); got != spent {
		m.t.Fatalf("%d wei count, %d were spent", got, spent)
	}
}

func TestNobodyPaysTwiceWithoutGas(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dsn := "sqlite:" + t.TempDir() + "/test.db"
			if seed == 0 {
				dsn = pgtest.DSN(t)
			}
			m := &gasModel{world: gasWorldOn(t, dsn), r: rand.New(rand.NewPCG(seed, 11))}
			t.Cleanup(func() {
				if t.Failed() {
					for _, line := range m.trace {
						t.Log(line)
					}
				}
			})
			for range 16 {
				m.relay.set(func() { m.relay.budget.Grants, m.relay.allows[saver] = 99, 0 })
				m.relay.budget.Payment = m.relay.budget.ChainDay
				m.p, m.ops, m.pool, m.plain, m.money = m.create(100), nil, nil, 0, map[int][]rail.Sighting{}
				m.trace = nil
				m.fail = func(_ context.Context, write func() error) error {
					switch m.r.IntN(10) {
					case 0:
						return errTrouble
					case 1:
						return errors.Join(write(), errTrouble)
					}
					return write()
				}
				for range 60 {
					m.step()
				}
				m.comesToItsEnd()
				must(t, m.catchUp())
			}
		})
	}
}
