package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// model is a chain and payments in their simplest form, beside the real ones:
// what a payment should be is added up anew from the blocks each time.
type model struct {
	*world
	r      *rand.Rand
	blocks []minedBlock // blocks[i] has number i+1
	final  int          // blocks up to here are never replaced
	pays   []*payment.Payment
	off    map[payment.ID]time.Time // when a payment was called off
	forks  int
	txs    int
	trace  []string
}

type minedBlock struct {
	checkout.Block
	events []chainEvent
}

type chainEvent struct {
	tx     int
	index  uint
	pay    int // index in pays
	units  int64
	astray bool // to another payee
}

func (m *model) say(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

// mine adds a block with some events; those of again are mined once more, at
// the same or another place, for the same or another payment and amount.
func (m *model) mine(again []chainEvent) {
	m.forks++
	b := minedBlock{Block: checkout.Block{Number: uint64(len(m.blocks) + 1), Hash: hash(1_000_000 + m.forks), Time: m.now().Truncate(time.Second)}}
	for _, e := range again {
		switch m.r.IntN(5) {
		case 0:
			e.index += 5
		case 1:
			e.pay = m.r.IntN(len(m.pays))
		case 2:
			e.units++
		case 3:
			e.astray = !e.astray
		}
		b.events = append(b.events, e)
	}
	for range m.r.IntN(3) {
		m.txs++
		b.events = append(b.events, chainEvent{
			tx: m.txs, index: uint(m.r.IntN(3)), pay: m.r.IntN(len(m.pays)), units: 1 + m.r.Int64N(70), astray: m.r.IntN(10) == 0,
		})
	}
	m.blocks = append(m.blocks, b)
	m.say("mine %d with %v", b.Number, b.events)
}

func (m *model) reorg() {
	depth := len(m.blocks) - m.final
	if depth == 0 {
		return
	}
	depth = 1 + m.r.IntN(depth)
	gone := m.blocks[len(m.blocks)-depth:]
	m.blocks = m.blocks[:len(m.blocks)-depth]
	m.say("reorg %d", depth)
	for i := range depth {
		var again []chainEvent
		if m.r.IntN(3) > 0 {
			again = gone[(i+m.r.IntN(depth))%depth].events
		}
		m.mine(unseen(again, m.blocks))
	}
}

// unseen leaves out transactions that are in the blocks already: a chain has
// each transaction once.
func unseen(es []chainEvent, blocks []minedBlock) []chainEvent {
	have := map[int]bool{}
	for _, b := range blocks {
		for _, e := range b.events {
			have[e.tx] = true
		}
	}
	var out []chainEvent
	for _, e := range es {
		if !have[e.tx] {
			out = append(out, e)
		}
	}
	return out
}

func (m *model) sightings(from, to int) []rail.Sighting {
	var xs []rail.Sighting
	for _, b := range m.blocks[from-1 : to] {
		for _, e := range b.events {
			x := m.sighting(m.pays[e.pay], e.tx, e.index, e.units, b.Block)
			if e.astray {
				x.To = asset.Address{19: 0x66}
			}
			xs = append(xs, x)
		}
	}
	m.r.Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
	return xs
}

// watch does what the scanner does at one look: back to where the chains part,
// forward by some blocks, final what is deep enough.
func (m *model) watch(all bool) error {
	ctx := m.t.Context()
	c, err := m.Cursor(ctx, base)
	must(m.t, err)
	next := 1
	if len(c.Blocks) > 0 {
		to := -1
		for i, b := range c.Blocks {
			if b.Number == 0 || int(b.Number) <= len(m.blocks) && m.blocks[b.Number-1].Hash == b.Hash {
				to = i
				break
			}
		}
		if to < 0 {
			return m.Rewind(ctx, base, checkout.Block{Hash: hash(0), Time: begin})
		}
		if to > 0 {
			if err := m.Rewind(ctx, base, c.Blocks[to]); err != nil {
				return err
			}
		}
		next = int(c.Blocks[to].Number) + 1
	}
	for next <= len(m.blocks) {
		end := next
		if next > 1 {
			end = min(len(m.blocks), next+m.r.IntN(3))
		}
		if m.final >= next && m.final < end {
			end = m.final // as the scanner: a checkpoint at the final height
		}
		sw := checkout.Sweep{Chain: base, From: uint64(next), To: m.blocks[end-1].Block, Sightings: m.sightings(next, end), Final: uint64(min(m.final, end))}
		if err := m.RecordSweep(ctx, sw); err != nil {
			return err
		}
		m.say("sweep %d..%d", next, end)
		next = end + 1
		if !all && m.r.IntN(2) == 0 {
			break
		}
	}
	return m.settle(min(m.final, next-1))
}

func (m *model) settle(upTo int) error {
	pending, err := m.Unsettled(m.t.Context(), base, uint64(upTo))
	must(m.t, err)
	var proven []checkout.Block
	for _, b := range pending {
		if m.blocks[b.Number-1].Hash == b.Hash {
			proven = append(proven, b)
		}
	}
	m.say("final %d", upTo)
	return m.Finalize(m.t.Context(), base, proven)
}

// trouble makes writes die before their commit or lose their answer after it.
func (m *model) trouble() {
	m.fail = func(_ context.Context, write func() error) error {
		switch m.r.IntN(6) {
		case 0:
			return errTrouble
		case 1:
			if err := write(); err != nil {
				return err
			}
			return errTrouble
		}
		return write()
	}
}

func (m *model) step() {
	ctx := m.t.Context()
	p := m.pays[m.r.IntN(len(m.pays))]
	var err error
	switch m.r.IntN(12) {
	case 0, 1, 2:
		m.mine(nil)
	case 3:
		m.reorg()
	case 4:
		m.final = max(m.final, len(m.blocks)-3)
	case 5:
		m.pass(time.Duration(m.r.IntN(15)) * time.Minute)
		_, err = m.ExpireOverdue(ctx)
	case 6:
		if m.r.IntN(4) == 0 {
			err = m.cancel(p)
		}
	case 7:
		_, err = m.Report(ctx, p.ID, base, hash(1+m.r.IntN(m.txs+5)), rail.Payer{})
	case 8:
		if m.r.IntN(5) == 0 {
			m.say("restart")
			m.restart()
		}
	default:
		err = m.watch(false)
	}
	if err != nil && !errors.Is(err, errTrouble) && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Limited) {
		m.t.Fatalf("%v", err)
	}
}

func (m *model) cancel(p *payment.Payment) error {
	at := m.now()
	err := m.Cancel(m.t.Context(), owner, p.ID)
	// The answer may have been lost: what is stored decides.
	stored, lerr := m.store.Payment(m.t.Context(), p.ID)
	must(m.t, lerr)
	if !stored.Terms.CanceledAt.IsZero() && m.off[p.ID].IsZero() {
		m.say("cancel %s", p.ID)
		m.off[p.ID] = at
	}
	return err
}

// check compares every payment with what the blocks add up to.
func (m *model) check() {
	m.t.Helper()
	for i, p := range m.pays {
		end := p.Terms.ExpiresAt
		if off, ok := m.off[p.ID]; ok && off.Before(end) {
			end = off
		}
		var received, settled, late int64
		finals := map[string]int64{}
		for _, b := range m.blocks {
			for _, e := range b.events {
				if e.pay != i || e.astray {
					continue
				}
				switch {
				case b.Time.After(end.Add(grace)):
					late += e.units
				case int(b.Number) <= m.final:
					settled += e.units
					received += e.units
				default:
					received += e.units
				}
				if int(b.Number) <= m.final {
					finals[m.sighting(p, e.tx, e.index, 1, b.Block).Key+":"+p.Terms.Requests[0].Topic] = e.units
				}
			}
		}
		due := p.Terms.Requests[0].Due.Int64()
		want := payment.Open
		switch {
		case settled >= due:
			want = payment.Paid
		case received >= due:
			want = payment.Seen
		case !m.off[p.ID].IsZero():
			want = payment.Canceled
		case m.now().After(p.Terms.ExpiresAt):
			want = payment.Expired
		}
		got := m.load(p.ID)
		s := got.Standing.Requests[0]
		if got.Standing.State != want || s.Received.Int64() != received || s.Settled.Int64() != settled || s.Late.Int64() != late {
			m.t.Fatalf("payment %d is %s with received %s, settled %s, late %s; want %s with %d, %d, %d",
				i, got.Standing.State, s.Received, s.Settled, s.Late, want, received, settled, late)
		}
		m.checkLog(p, finals, want == payment.Paid)
	}
}

// checkLog holds the log to this: each final transfer is announced exactly
// once, with its amount, and being paid exactly once.
func (m *model) checkLog(p *payment.Payment, finals map[string]int64, paid bool) {
	m.t.Helper()
	said := map[string]int64{}
	times := 0
	for _, e := range m.events(p.ID) {
		if !e.Kind.Announced() {
			continue
		}
		if e.Kind == payment.EventPaid {
			times++
		}
		if _, twice := said[e.Transfer.Key]; twice {
			m.t.Fatalf("transfer %s is announced twice", e.Transfer.Key)
		}
		said[e.Transfer.Key] = e.Transfer.Amount.Int64()
	}
	if len(said) != len(finals) {
		m.t.Fatalf("%d final transfers, %d announced", len(finals), len(said))
	}
	for key, units := range finals {
		if said[key] != units {
			m.t.Fatalf("transfer %s of %d is announced with %d", key, units, said[key])
		}
	}
	if (times == 1) != paid || times > 1 {
		m.t.Fatalf("paid is announced %d times, the payment is paid: %t", times, paid)
	}
}

func TestEverythingAddsUpWhateverHappens(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{world: newWorld(t), r: rand.New(rand.NewPCG(seed, 1)), off: map[payment.ID]time.Time{}}
			t.Cleanup(func() {
				if t.Failed() {
					for _, line := range m.trace {
						t.Log(line)
					}
				}
			})
			for range 4 {
				m.pays = append(m.pays, m.create(50+m.r.Int64N(100)))
			}
			for range 5 {
				m.trouble()
				for range 30 {
					m.step()
				}
				m.fail = nil
				must(t, m.watch(true))
				must(t, m.watch(true))
				_, err := m.ExpireOverdue(t.Context())
				must(t, err)
				m.check()
			}
		})
	}
}

// A write that dies after its last statement leaves nothing behind.
func TestNothingHalfWritten(t *testing.T) {
	w := newWorld(t)
	p := w.create(100)
	must(t, w.sweep(1, block(1, 0)))
	before := len(w.events(p.ID))
	err := w.lost(func(tx checkout.Tx) error {
		x := payment.Transfer{Key: "k", Asset: "USDC-base", Amount: big.NewInt(100), Credit: big.NewInt(100), Stage: payment.Final, At: begin}
		if _, err := tx.PutTransfer(t.Context(), p.ID, x); err != nil {
			return err
		}
		if err := tx.AppendEvent(t.Context(), payment.Event{ID: payment.NewULID(begin), Payment: p.ID, Merchant: owner, Dialect: "request", Kind: payment.EventPaid, At: begin}); err != nil {
			return err
		}
		return tx.SaveCursor(t.Context(), base, 2, block(2, 0), 0)
	})
	if !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	w.restart()
	if got := w.load(p.ID); got.Standing.State != payment.Open || len(got.Transfers) != 0 || len(w.events(p.ID)) != before {
		t.Errorf("half of a write is there: %s, %d transfers, %d events", got.Standing.State, len(got.Transfers), len(w.events(p.ID)))
	}
	jobs, err := w.store.Claim(t.Context(), begin.Add(time.Hour), time.Minute, job.Room{Free: 10, Laned: 10, PerLane: 10})
	must(t, err)
	if c, err := w.Cursor(t.Context(), base); err != nil || len(jobs) != 0 || c.Blocks[0].Number != 1 {
		t.Errorf("cursor %v, jobs %v, %v", c, jobs, err)
	}
}
