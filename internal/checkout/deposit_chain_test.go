package checkout_test

import (
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/payment"
)

// mine adds a block to a chain; the drops of again are there once more, not all as before.
func (m *depositModel) mine(c *dropChain, again []aDrop) {
	m.forks++
	at := m.now().Truncate(time.Second).Add(-time.Duration(m.r.IntN(30)) * time.Second)
	b := dropBlock{Block: checkout.Block{Number: uint64(len(c.blocks) + 1), Hash: hash(1_000_000 + m.forks), Time: at}}
	for _, d := range again {
		switch m.r.IntN(6) {
		case 0:
			d.to = m.r.IntN(len(m.owes))
		case 1:
			d.units = new(big.Int).Add(d.units, big.NewInt(1+m.r.Int64N(1e6)))
		case 2:
			d.astray = !d.astray
		case 3:
			d.of = c.tokens[m.r.IntN(len(c.tokens))]
		}
		b.drops = append(b.drops, d)
	}
	for range m.r.IntN(3) {
		m.txs++
		d := aDrop{tx: m.txs, to: m.r.IntN(len(m.owes)), of: c.tokens[m.r.IntN(len(c.tokens))], astray: m.r.IntN(12) == 0}
		d.units = m.amount(m.owes[d.to], d.of)
		b.drops = append(b.drops, d)
	}
	c.blocks = append(c.blocks, b)
	m.say("mine %d/%d at %s with %+v", c.id, b.Number, at.Format("15:04:05"), b.drops)
}

// amount is something to send: what a quote asks for, what is missing by it, or anything.
func (m *depositModel) amount(o *owing, of asset.ID) *big.Int {
	p := m.load(o.ID)
	mine := slices.DeleteFunc(slices.Clone(p.Quotes), func(q payment.Quote) bool { return q.Asset != of })
	if len(mine) == 0 || m.r.IntN(6) == 0 {
		token, _ := m.Book().Token(of)
		whole := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(token.Decimals)), nil)
		return whole.Add(whole.Quo(whole, big.NewInt(1+m.r.Int64N(1e5))), big.NewInt(1))
	}
	q := mine[m.r.IntN(len(mine))]
	missing := p.Standing.Requests[0].Missing(p.Terms.Requests[0].Due)
	switch m.r.IntN(5) {
	case 0:
		return q.Units
	case 1:
		if missing.Sign() > 0 {
			token, _ := m.Book().Token(of)
			return q.Ask(missing, token.Decimals)
		}
	case 2:
		return new(big.Int).Add(q.Units, big.NewInt(m.r.Int64N(2)))
	case 3:
		if q.Units.Cmp(big.NewInt(1)) > 0 {
			return new(big.Int).Sub(q.Units, big.NewInt(1))
		}
	}
	return new(big.Int).Add(big.NewInt(1), new(big.Int).Quo(q.Units, big.NewInt(1+m.r.Int64N(5))))
}

func (m *depositModel) reorg(c *dropChain) {
	depth := len(c.blocks) - c.final
	if depth == 0 {
		return
	}
	depth = 1 + m.r.IntN(depth)
	gone := slices.Clone(c.blocks[len(c.blocks)-depth:])
	c.blocks = c.blocks[:len(c.blocks)-depth]
	m.say("reorg %d by %d", c.id, depth)
	for i := range depth {
		var again []aDrop
		if m.r.IntN(4) > 0 {
			again = gone[(i+m.r.IntN(depth))%depth].drops
		}
		have := map[int]bool{} // a chain has each transaction once
		for _, b := range c.blocks[c.first:] {
			for _, d := range b.drops {
				have[d.tx] = true
			}
		}
		m.mine(c, slices.DeleteFunc(slices.Clone(again), func(d aDrop) bool { return have[d.tx] }))
	}
}

func (m *depositModel) sweepOf(c *dropChain, from, to int) checkout.Sweep {
	sw := checkout.Sweep{Chain: c.id, From: uint64(from), To: c.blocks[to-1].Block, Final: uint64(min(c.final, to))}
	for _, b := range c.blocks[from-1 : to] {
		touched := map[int]*big.Int{}
		for _, d := range b.drops {
			x := m.drop(m.owes[d.to].Payment, d.of, d.tx, d.units, b.Block)
			if d.astray {
				x.To = asset.Address{19: 0x66}
			} else if x.Token.IsZero() {
				touched[d.to] = x.Amount
			}
			sw.Sightings = append(sw.Sightings, x)
		}
		for i := range touched {
			a := m.owes[i].Terms.Requests[0].Payee
			sw.Balances = append(sw.Balances, checkout.Balance{
				Address: a, Block: b.Number, BlockHash: b.Hash, Before: m.holds(c, i, int(b.Number)-1), Wei: m.holds(c, i, int(b.Number)),
			})
		}
	}
	m.r.Shuffle(len(sw.Sightings), func(i, j int) { sw.Sightings[i], sw.Sightings[j] = sw.Sightings[j], sw.Sightings[i] })
	return sw
}

// holds is the native balance of a payment's address after a block.
func (m *depositModel) holds(c *dropChain, i, upTo int) *big.Int {
	sum := new(big.Int)
	for _, b := range c.blocks[c.first:max(upTo, c.first)] {
		for _, d := range b.drops {
			if token, _ := m.Book().Token(d.of); d.to == i && !d.astray && token.Native {
				sum.Add(sum, d.units)
			}
		}
	}
	return sum
}

// watch does what the scanner does at one look.
func (m *depositModel) watch(c *dropChain, all bool) error {
	ctx := m.t.Context()
	cursor, err := m.Cursor(ctx, c.id)
	must(m.t, err)
	next := 1
	if len(cursor.Blocks) > 0 {
		to := slices.IndexFunc(cursor.Blocks, func(b checkout.Block) bool {
			return b.Number == 0 || int(b.Number) <= len(c.blocks) && c.blocks[b.Number-1].Hash == b.Hash
		})
		if to != 0 {
			back := checkout.Block{Hash: hash(0), Time: begin}
			if to > 0 {
				back = cursor.Blocks[to]
			}
			m.say("rewind %d to %d", c.id, back.Number)
			return m.Rewind(ctx, c.id, back)
		}
		next = int(cursor.Blocks[0].Number) + 1
	}
	for next <= len(c.blocks) {
		end := next
		if next > 1 {
			end = min(len(c.blocks), next+m.r.IntN(3))
		}
		if c.final >= next && c.final < end {
			end = c.final
		}
		before := m.quotes()
		err := m.RecordSweep(ctx, m.sweepOf(c, next, end))
		m.say("sweep %d/%d..%d: %v", c.id, next, end, err)
		m.judge(before, false)
		if err != nil {
			return err
		}
		next = end + 1
		if !all && m.r.IntN(2) == 0 {
			break
		}
	}
	return m.settle(c, min(c.final, next-1))
}

func (m *depositModel) settle(c *dropChain, upTo int) error {
	pending, err := m.Unsettled(m.t.Context(), c.id, uint64(upTo))
	must(m.t, err)
	var proven []checkout.Block
	for _, b := range pending {
		if c.blocks[b.Number-1].Hash == b.Hash {
			proven = append(proven, b)
		}
	}
	return m.Finalize(m.t.Context(), c.id, proven)
}
