package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// safeModel is a payment, its payer's Safe and whoever else is about. What has to
// hold is checked after every step, and at the end what everything comes to.
type safeModel struct {
	*world
	r     *rand.Rand
	p     *payment.Payment
	notes map[string]note // of hashes that were announced
	meant map[string]bool // hashes whose failure may fail the payment
	money map[int][]rail.Sighting
	paid  bool
	txs   int
	trace []string
}

func (m *safeModel) say(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf("%s %s", m.now().Format("15:04:05"), fmt.Sprintf(format, args...)))
}

func (m *safeModel) announces() error {
	nonce := m.vault.safes[base][box].Nonce + m.r.Uint64N(2)
	r := m.proposes(m.p, func(r *proposal) {
		r.note.Nonce, r.Vouched = nonce, m.r.IntN(3) == 0
		r.full = m.r.IntN(2) == 0
		if m.r.IntN(3) == 0 {
			r.keys = []asset.Address{keyOne}
		}
		if m.r.IntN(4) == 0 {
			r.Chain = arbitrum
		}
		if m.r.IntN(2) == 0 {
			r.Deadline = m.now().Add(time.Duration(1+m.r.IntN(300)) * time.Second)
		}
	})
	m.say("announce %s, nonce %d on %d, vouched %t, with its transaction %t, signed %d, until %v", r.Hash[:8], nonce, r.Chain, r.Vouched, r.full, len(r.keys), r.Deadline)
	// What was lost on the way was meant all the same, and may have been written.
	m.notes[r.Hash] = r.note
	m.meant[r.Hash] = m.meant[r.Hash] || r.Vouched
	_, err := r.try()
	return err
}

// executes has the Safe make something in the next block: what was announced, or
// anything else.
func (m *safeModel) executes() {
	n := m.vault.head + 1
	chain, ok := base, m.r.IntN(3) > 0
	h, nonce := hash(5000+n), uint64(0)
	for _, a := range m.load(m.p.ID).Attempts {
		if a.Safe != nil && (a.Chain != base || m.r.IntN(2) == 0) {
			chain, h, nonce = a.Chain, a.Handle, m.notes[a.Handle].Nonce
		}
	}
	current := m.vault.safes[chain][box].Nonce
	if nonce == 0 {
		nonce = current
	}
	if nonce != current {
		return // it is not its turn
	}
	tx := m.vault.executes(chain, box, h, nonce, ok, n)
	m.say("block %d of %d: %s is executed, well: %t", n, chain, h[:8], ok)
	if _, pays := m.notes[h]; pays && ok && chain == base {
		m.money[n] = append(m.money[n], m.pays(m.p, box, tx, 100, n))
	}
}

// pay has somebody else pay, or a part of it.
func (m *safeModel) pay() {
	n := m.vault.head + 1
	m.vault.set(func() { m.vault.head = n })
	m.txs++
	units := int64(1 + m.r.IntN(100))
	m.money[n] = append(m.money[n], m.sighting(m.p, 100+m.txs, 0, units, block(n, 0)))
	m.say("block %d: %d are paid by another", n, units)
}

// catchUp has the watcher of the payment's chain read some blocks or all.
func (m *safeModel) catchUp(all bool) error {
	c, err := m.Cursor(m.t.Context(), base)
	must(m.t, err)
	from := int(c.Blocks[0].Number) + 1
	to := m.vault.head
	if !all {
		to = min(to, from+m.r.IntN(40))
	}
	if from <= to {
		var xs []rail.Sighting
		for n := from; n <= to; n++ {
			xs = append(xs, m.money[n]...)
		}
		if err := m.sweep(from, block(to, 0), xs...); err != nil {
			return err
		}
		m.say("read %d..%d", from, to)
	}
	var final []checkout.Block
	for n := range m.money {
		if n <= min(to, m.vault.final) {
			final = append(final, block(n, 0))
		}
	}
	return m.Finalize(m.t.Context(), base, final)
}

func (m *safeModel) looks() error {
	for _, a := range m.load(m.p.ID).Attempts {
		if a.Safe == nil || m.r.IntN(2) == 0 {
			continue
		}
		again, err := m.TrackSafe(m.t.Context(), checkout.Follow{Payment: m.p.ID, Key: a.Key}.Args())
		m.say("look at %s: again at %v, %v", a.Handle[:8], again, err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *safeModel) step() {
	var err error
	switch m.r.IntN(14) {
	case 0, 1:
		err = m.announces()
	case 2, 3:
		m.executes()
	case 4:
		if m.r.IntN(6) == 0 {
			m.pay()
		}
	case 5, 6:
		n := m.vault.head + m.r.IntN(60)
		m.vault.set(func() { m.vault.head, m.vault.final = n, max(m.vault.final, n-m.r.IntN(80)) })
		m.say("block %d, final %d", n, m.vault.final)
	case 7, 8:
		err = m.catchUp(false)
	case 9, 10, 11:
		err = m.looks()
	case 12:
		_, err = m.ExpireOverdue(m.t.Context())
	case 13:
		if m.r.IntN(4) == 0 {
			m.say("restart")
			m.restart()
		}
	}
	m.mu.Lock()
	m.at = block(m.vault.head, 0).Time
	m.mu.Unlock()
	if err != nil && !errors.Is(err, errTrouble) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Limited) && !fault.Is(err, fault.Forbidden) {
		m.t.Fatal(err)
	}
	m.holds()
}

// holds is what is never otherwise.
func (m *safeModel) holds() {
	p := m.load(m.p.ID)
	if m.paid && p.Standing.State != payment.Paid {
		m.t.Fatalf("what was paid is %s", p.Standing.State)
	}
	m.paid = p.Standing.State == payment.Paid
	holding, safes := 0, 0
	for _, a := range p.Attempts {
		if a.Safe == nil {
			continue
		}
		safes++
		if (a.Stage == payment.Announced || onItsWay(p, a)) && p.HeldUntil(a).After(m.now()) {
			holding++
		}
		if a.Decides && !m.meant[a.Handle] {
			m.t.Fatalf("a stranger's %s decides", a.Handle)
		}
		if (a.Stage == payment.Abandoned) == a.Safe.Ended.IsZero() {
			m.t.Fatalf("%s is %s and ended at %v", a.Handle, a.Stage, a.Safe.Ended)
		}
	}
	// One that was let go may be shown, or signed, while another holds it: both may be executed.
	if _, locked := p.SafeLock(m.now()); holding > 2 || locked != (holding > 0) {
		m.t.Fatalf("%d Safe transactions hold the payment, locked: %t", holding, locked)
	}
	failures := 0
	for _, e := range m.events(p.ID) {
		if e.Kind == payment.EventFailed {
			failures++
		}
	}
	why, failed := p.Failure()
	if failures > 1 || p.Standing.State == payment.Failed && (failures != 1 || !failed || why.Safe == nil) {
		m.t.Fatalf("%s: failed %d times, by %+v", p.Standing.State, failures, why)
	}
}

// onItsWay reports whether the money of a transaction that was executed is neither
// here nor proven to be on its way, where it has to be one of the two.
func onItsWay(p *payment.Payment, a payment.Attempt) bool {
	if a.Stage != payment.Executed {
		return false
	}
	if i := slices.IndexFunc(p.Attempts, func(b payment.Attempt) bool { return b.Route != nil && b.Handle == a.Safe.ExecutedBy }); i >= 0 {
		return p.Attempts[i].Stage == payment.Announced
	}
	return a.Safe.Tx != nil && !slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool {
		return x.Evidence.Tx == a.Safe.ExecutedBy || x.Evidence.Source.Tx == a.Safe.ExecutedBy
	})
}

// comesToItsEnd lets everything end, and says whether that is right.
func (m *safeModel) comesToItsEnd() {
	m.fail = nil
	must(m.t, m.catchUp(true))
	m.until(m.vault.head + 5000)
	must(m.t, m.catchUp(true))
	for _, a := range m.load(m.p.ID).Attempts {
		if a.Safe == nil {
			continue
		}
		if again := m.trackSafe(checkout.Follow{Payment: m.p.ID, Key: a.Key}.Args()); !again.IsZero() {
			m.t.Fatalf("%s is followed on at %v", a.Handle, again)
		}
	}
	_, err := m.ExpireOverdue(m.t.Context())
	must(m.t, err)
	m.holds()
	p := m.load(m.p.ID)
	sum := int64(0)
	for _, xs := range m.money {
		for _, x := range xs {
			sum += x.Amount.Int64()
		}
	}
	s := p.Standing.Requests[0]
	if s.Settled.Int64()+s.Late.Int64() != sum {
		m.t.Fatalf("%s in time and %s late of %d", s.Settled, s.Late, sum)
	}
	for _, a := range p.Attempts {
		if a.Safe != nil {
			m.right(p, a)
		}
	}
	told := map[payment.EventKind]int{}
	for _, e := range m.events(p.ID) {
		told[e.Kind]++
	}
	if (told[payment.EventPaid] == 1) != (p.Standing.State == payment.Paid) || told[payment.EventPaid] > 1 {
		m.t.Fatalf("paid is told %d times of what is %s", told[payment.EventPaid], p.Standing.State)
	}
}

// right holds the end of one attempt against what was executed.
func (m *safeModel) right(p *payment.Payment, a payment.Attempt) {
	m.t.Helper()
	i := slices.IndexFunc(m.vault.done, func(e execution) bool { return e.hash == a.Handle })
	if i < 0 {
		if a.Stage != payment.Abandoned {
			m.t.Fatalf("%s was never executed and is %s", a.Handle, a.Stage)
		}
		return
	}
	e, d := m.vault.done[i], a.Safe.Deadline
	at := block(e.block, 0).Time
	switch late := !d.IsZero() && at.After(d); {
	case !late && e.ok && a.Stage != payment.Executed:
		m.t.Fatalf("%s was executed in time and is %s %q", a.Handle, a.Stage, a.Reason)
	case !late && !e.ok && (a.Stage != payment.Abandoned || a.Reason != checkout.ReasonSafeFailed && at.Before(p.Terms.Deadline())):
		m.t.Fatalf("%s failed in time and is %s %q", a.Handle, a.Stage, a.Reason)
	case late && a.Decides && p.Standing.State != payment.Paid && (a.Stage != payment.Abandoned || a.Reason != checkout.ReasonSafeLate || !a.Safe.Ended.Equal(d)):
		m.t.Fatalf("%s was executed late and is %s %q, ended at %v", a.Handle, a.Stage, a.Reason, a.Safe.Ended)
	}
}

func TestSafesComeToTheirEndsWhateverHappens(t *testing.T) {
	seeds := uint64(5)
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
			m := &safeModel{
				world: safeWorldOn(t, dsn), r: rand.New(rand.NewPCG(seed, 7)), notes: map[string]note{}, meant: map[string]bool{}, money: map[int][]rail.Sighting{},
			}
			t.Cleanup(func() {
				if t.Failed() {
					for _, line := range m.trace {
						t.Log(line)
					}
				}
			})
			for range 3 {
				m.p = m.create(100)
				m.notes, m.meant, m.money, m.paid = map[string]note{}, map[string]bool{}, map[int][]rail.Sighting{}, false
				m.say("a new payment")
				m.fail = func(_ context.Context, write func() error) error {
					switch m.r.IntN(8) {
					case 0:
						return errTrouble
					case 1:
						return errors.Join(write(), errTrouble)
					}
					return write()
				}
				for range 120 {
					m.step()
				}
				m.comesToItsEnd()
			}
		})
	}
}
