package checkout_test

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// shareModel is a chain on which payers pay shares, one by one or several at once, at
// quotes that end, while prices move, blocks go and writes die.
type shareModel struct {
	*world
	r      *rand.Rand
	p      *payment.Payment
	blocks []shareBlock
	first  int // blocks before are of earlier payments
	txs    int
}

type shareBlock struct {
	checkout.Block
	xs []rail.Sighting
}

func (m *shareModel) trouble() {
	m.twice = func() bool { return m.r.IntN(5) == 0 }
	m.fail = troubleWith(m.r)
}

// pay has somebody send for some of the shares at once: just what is asked for, or other
// amounts.
func (m *shareModel) pay() {
	p, of := m.load(m.p.ID), []asset.ID{usdcBase, ethBase}[m.r.IntN(2)]
	b := shareBlock{Block: checkout.Block{Number: uint64(len(m.blocks) + 1), Time: m.now().Truncate(time.Microsecond)}}
	m.txs++
	b.Hash = hash(10_000*m.txs + len(m.blocks))
	in, ok := payment.InAsset(p, of, m.now())
	for i := range p.Terms.Requests {
		units := big.NewInt(1 + m.r.Int64N(1e8))
		if ok && m.r.IntN(4) > 0 {
			j := slices.IndexFunc(in.Terms.Requests, func(r payment.Request) bool { return r.ID == p.Terms.Requests[i].ID })
			if j < 0 {
				continue
			}
			units = in.Terms.Requests[j].Due
		}
		if m.r.IntN(3) > 0 {
			b.xs = append(b.xs, m.share(p, i, of, m.txs, uint(i), units, b.Block))
		}
	}
	m.blocks = append(m.blocks, b)
}

// watch records the blocks that are new, going back where they are not what was recorded.
func (m *shareModel) watch() error {
	ctx := m.t.Context()
	cursor, err := m.Cursor(ctx, base)
	must(m.t, err)
	next := 1
	if len(cursor.Blocks) > 0 {
		if last := cursor.Blocks[0]; int(last.Number) > len(m.blocks) || m.blocks[last.Number-1].Hash != last.Hash {
			return m.Rewind(ctx, base, m.blocks[last.Number-2].Block)
		}
		next = int(cursor.Blocks[0].Number) + 1
	}
	for _, b := range m.blocks[next-1:] {
		if err := m.sweep(int(b.Number), b.Block, b.xs...); err != nil {
			return err
		}
	}
	if len(m.blocks) <= m.first+1 {
		return nil
	}
	var final []checkout.Block
	for _, b := range m.blocks[m.first : len(m.blocks)-1] {
		final = append(final, b.Block)
	}
	return m.Finalize(ctx, base, final)
}

// reorg replaces the newest block by another one: what was in it may come again, or not.
func (m *shareModel) reorg() {
	n := len(m.blocks)
	if n <= m.first+1 {
		return
	}
	gone := m.blocks[n-1]
	m.txs++
	b := shareBlock{Block: checkout.Block{Number: gone.Number, Hash: hash(10_000*m.txs + n), Time: gone.Time}}
	if m.r.IntN(2) == 0 {
		for _, x := range gone.xs {
			x.Evidence.BlockHash = b.Hash
			b.xs = append(b.xs, x)
		}
	}
	m.blocks[n-1] = b
}

// quote asks for prices: every share that misses something is quoted at once, at one price.
func (m *shareModel) quote() error {
	of := []asset.ID{usdcBase, ethBase}[m.r.IntN(2)]
	p, first, err := m.Quote(m.t.Context(), m.p.ID, of, m.r.IntN(2) == 0)
	if err != nil {
		return err
	}
	n := 0
	for i, r := range p.Terms.Requests {
		if p.Standing.Requests[i].Missing(r.Due).Sign() == 0 {
			continue
		}
		q, ok := p.ActiveQuote(i, of, m.now())
		if !ok || !q.CreatedAt.Equal(first.CreatedAt) || q.Price.Value.Cmp(first.Price.Value) != 0 || n == 0 && q.ID != first.ID {
			m.t.Fatalf("share %d has the quote %+v, the first is %+v", i, q, first)
		}
		n++
	}
	if n == 0 {
		m.t.Fatalf("nothing is missing, and %+v is quoted", first)
	}
	return nil
}

func (m *shareModel) step() {
	m.trouble()
	var err error
	switch m.r.IntN(9) {
	case 0, 1:
		m.pay()
	case 2, 3, 4:
		err = m.watch()
	case 5, 6:
		err = m.quote()
	case 7:
		if m.r.IntN(3) == 0 {
			m.reorg()
		}
		m.till.set(func(x *till) {
			x.prices = map[asset.ID]int64{ethBase: 1500_00000000 + m.r.Int64N(1e11), usdcBase: 1_00000000}
			if m.r.IntN(4) == 0 {
				x.prices = nil
			}
		})
	case 8:
		for _, j := range m.claim(checkout.PriceKind) {
			if _, err = m.PriceTransfers(m.t.Context(), j.Args); err == nil {
				must(m.t, m.store.Snooze(m.t.Context(), j.ID, m.now().Add(time.Minute), ""))
			}
		}
	}
	if err != nil && !errors.Is(err, errTrouble) && names(err)[:8] == "internal" {
		m.t.Fatal(err)
	}
	m.pass(time.Duration(m.r.IntN(5*60)) * time.Second)
}

// check adds up what has come of each share, and holds the log against it.
func (m *shareModel) check() {
	m.t.Helper()
	p := m.load(m.p.ID)
	state := payment.Paid
	for i, r := range p.Terms.Requests {
		received, settled := new(big.Int), new(big.Int)
		for _, x := range p.Transfers {
			if x.Request != i || x.Stage == payment.Dropped {
				continue
			}
			m.worthAsQuoted(p, x)
			if received.Add(received, x.Credit); x.Stage == payment.Final {
				settled.Add(settled, x.Credit)
			}
		}
		switch {
		case settled.Cmp(r.Due) >= 0:
		case received.Cmp(r.Due) >= 0 && state != payment.Open:
			state = payment.Seen
		case received.Cmp(r.Due) < 0:
			state = payment.Open
		}
		if s := p.Standing.Requests[i]; s.Received.Cmp(received) != 0 || s.Settled.Cmp(settled) != 0 {
			m.t.Fatalf("share %d has %s and %s, want %s and %s", i, s.Received, s.Settled, received, settled)
		}
	}
	if p.Standing.State != state {
		m.t.Fatalf("it is %s, want %s: %+v", p.Standing.State, state, p.Standing)
	}
	paid := map[int]int{}
	whole := 0
	for _, e := range m.events(p.ID) {
		if e.Kind == payment.EventPaid {
			if paid[e.Request]++; e.Fields[payment.FieldState] == string(payment.Paid) {
				whole++
			}
		}
	}
	for i, s := range p.Standing.Requests {
		if want := s.State == payment.Paid; paid[i] > 1 || (paid[i] == 1) != want {
			m.t.Fatalf("share %d is %s: told %d times", i, s.State, paid[i])
		}
	}
	if (whole == 1) != (state == payment.Paid) || whole > 1 {
		m.t.Fatalf("it is %s: told %d times that it is paid", state, whole)
	}
}

// worthAsQuoted holds a transfer against the quote by which it counts.
func (m *shareModel) worthAsQuoted(p *payment.Payment, x payment.Transfer) {
	m.t.Helper()
	if !x.Priced() {
		if x.Quote != "" {
			m.t.Fatalf("%s is worth nothing by %s", x.Key, x.Quote)
		}
		return
	}
	i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == x.Quote })
	if i < 0 {
		m.t.Fatalf("%s counts by %q, which is not there", x.Key, x.Quote)
	}
	q := p.Quotes[i]
	if q.Request != x.Request || q.Asset != x.Asset || x.Credit.Cmp(share(q.Due, x.Amount, q.Units)) != 0 {
		m.t.Fatalf("%s counts %s by %+v", x.Key, x.Credit, q)
	}
	if q.Asked && (q.CreatedAt.After(x.At.Add(2*time.Minute)) || !x.At.Before(q.ExpiresAt.Add(payment.QuoteGrace))) {
		m.t.Fatalf("%s at %s counts by %+v", x.Key, x.At, q)
	}
}

// end pays all that is missing, at a quote of each share, and finds it paid.
func (m *shareModel) end() {
	m.t.Helper()
	m.fail, m.twice = nil, nil
	m.till.set(func(x *till) { x.prices = map[asset.ID]int64{ethBase: 2000_00000000, usdcBase: 1_00000000} })
	for range 3 { // the first ones may only go back
		must(m.t, m.watch())
	}
	for range 3 {
		for _, j := range m.claim(checkout.PriceKind) {
			_, err := m.PriceTransfers(m.t.Context(), j.Args)
			must(m.t, err)
			must(m.t, m.store.Done(m.t.Context(), j.ID))
		}
		m.pass(2 * time.Minute)
	}
	m.check()
	if m.load(m.p.ID).Standing.State == payment.Open {
		due := m.rates(m.p, usdcBase)
		b := shareBlock{Block: checkout.Block{Number: uint64(len(m.blocks) + 1), Hash: hash(10_000_000 + m.txs), Time: m.now()}}
		m.txs++
		for i, units := range due {
			b.xs = append(b.xs, m.share(m.p, i, usdcBase, m.txs, uint(i), units, b.Block))
		}
		m.blocks = append(m.blocks, b)
	}
	m.blocks = append(m.blocks, shareBlock{Block: checkout.Block{Number: uint64(len(m.blocks) + 1), Hash: hash(20_000_000 + m.txs), Time: m.now()}})
	m.txs++
	must(m.t, m.watch())
	m.check()
	if s := m.load(m.p.ID).Standing; s.State != payment.Paid {
		m.t.Fatalf("all was paid, and it is %+v", s)
	}
}

// Shares are worth what was quoted, whoever pays which of them when: nothing counts twice,
// and that all is paid is told once.
func TestSharesAddUpWhateverHappens(t *testing.T) {
	m := &shareModel{world: linksWorld(t, "sqlite:"+t.TempDir()+"/test.db", 1)}
	for seed := range uint64(25) {
		m.r = rand.New(rand.NewPCG(seed, 11))
		cents := make([]int64, 1+m.r.IntN(4))
		for i := range cents {
			cents[i] = 1 + m.r.Int64N(10_000)
		}
		m.fail, m.twice, m.first = nil, nil, len(m.blocks)
		m.p = m.split(cents...)
		for range 30 {
			m.step()
		}
		m.end()
	}
}
