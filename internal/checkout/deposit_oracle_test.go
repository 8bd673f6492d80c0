package checkout_test

import (
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// quotes are those of all payments.
func (m *depositModel) quotes() [][]payment.Quote {
	all := make([][]payment.Quote, len(m.owes))
	for i, o := range m.owes {
		all[i] = m.load(o.ID).Quotes
	}
	return all
}

// judge says what transfers are worth that were stored, or priced, since the quotes were
// as before, and holds what is stored against it.
func (m *depositModel) judge(before [][]payment.Quote, pricing bool) {
	m.t.Helper()
	for i, o := range m.owes {
		p := m.load(o.ID)
		used := map[string]bool{}
		for _, x := range p.Transfers {
			was, known := o.worth[x.Key]
			switch {
			case known && was.quote != "":
				if credit := m.byQuote(p, was, x.Amount); x.Quote != was.quote || x.Credit.Cmp(credit) != 0 {
					m.t.Fatalf("%s is worth %s by %q, was %s by %q", x.Key, x.Credit, x.Quote, was.credit, was.quote)
				}
			case known && !pricing && (x.Priced() || x.Quote != ""):
				m.t.Fatalf("%s has a price where nobody asked for one", x.Key)
			case x.Priced() || !known:
				m.priceFits(o, p, before[i], x)
			}
			o.worth[x.Key] = worth{x.Amount, x.Credit, x.Quote}
			used[x.Quote] = true
		}
		for _, q := range p.Quotes {
			if !slices.ContainsFunc(before[i], func(b payment.Quote) bool { return b.ID == q.ID }) && (q.Asked || !used[q.ID]) {
				m.t.Fatalf("%s made a quote that nobody needed: %+v", o.ID, q)
			}
		}
	}
}

// byQuote is a credit that was fixed, for another amount if that stands there now.
func (m *depositModel) byQuote(p *payment.Payment, was worth, units *big.Int) *big.Int {
	if units.Cmp(was.units) == 0 {
		return was.credit
	}
	i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == was.quote })
	return share(p.Quotes[i].Due, units, p.Quotes[i].Units)
}

// share is due*units/whole, rounded up.
func share(due, units, whole *big.Int) *big.Int {
	v := new(big.Int).Mul(due, units)
	v.Add(v, whole).Sub(v, big.NewInt(1))
	return v.Quo(v, whole)
}

// priceFits holds a transfer that was priced just now, or could not be, against the
// quotes that there were and the price of now.
func (m *depositModel) priceFits(o *owing, p *payment.Payment, before []payment.Quote, x payment.Transfer) {
	m.t.Helper()
	const grace, skew = 2 * time.Minute, 2 * time.Minute
	best, fit := -1, map[string]payment.Quote{}
	var newest time.Time
	for _, q := range before {
		if q.Asset != x.Asset {
			continue
		}
		over := new(big.Int).Sub(share(q.Due, x.Amount, q.Units), q.Due)
		score, exact := -1, x.Amount.Cmp(q.Units) >= 0 && over.Cmp(big.NewInt(1e16)) < 0
		good := !q.CreatedAt.After(x.At) && x.At.Before(q.ExpiresAt.Add(grace))
		soon := !q.CreatedAt.After(x.At.Add(skew)) && x.At.Before(q.ExpiresAt.Add(grace-skew))
		switch {
		case good && exact:
			score = 6
		case soon && exact:
			score = 4
		case good:
			score = 2
		case soon:
			score = 0
		default:
			continue
		}
		if q.Asked {
			score++
		}
		if score > best || score == best && q.CreatedAt.After(newest) {
			best, newest = score, q.CreatedAt
			clear(fit)
		}
		if score == best && q.CreatedAt.Equal(newest) {
			fit[q.ID] = q
		}
	}
	price := m.till.prices[x.Asset]
	switch {
	case best >= 0:
		q, ok := fit[x.Quote]
		if !ok || x.Credit.Cmp(share(q.Due, x.Amount, q.Units)) != 0 {
			m.t.Fatalf("%s of %s at %s is worth %s by %q, which should be one of %v", x.Key, x.Amount, x.At, x.Credit, x.Quote, fit)
		}
	case price == 0:
		if x.Priced() || x.Quote != "" {
			m.t.Fatalf("%s is worth %s by %q without a price", x.Key, x.Credit, x.Quote)
		}
	default:
		due, token := o.Terms.Requests[0].Due, asset.Token{}
		token, _ = m.Book().Token(x.Asset)
		whole := new(big.Int).Mul(due, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(token.Decimals)+8), nil))
		whole = share(whole, big.NewInt(1), new(big.Int).Mul(big.NewInt(price), big.NewInt(1e18)))
		i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == x.Quote })
		if i < 0 || p.Quotes[i].Asked || p.Quotes[i].Price.Value.Int64() != price || x.Credit.Cmp(share(due, x.Amount, whole)) != 0 {
			m.t.Fatalf("%s of %s is worth %s by %q, the price is %d", x.Key, x.Amount, x.Credit, x.Quote, price)
		}
	}
}

// check compares every payment with what the blocks add up to.
func (m *depositModel) check() {
	m.t.Helper()
	for i, o := range m.owes {
		end := o.Terms.ExpiresAt
		if !o.off.IsZero() && o.off.Before(end) {
			end = o.off
		}
		received, settled, late, part := new(big.Int), new(big.Int), new(big.Int), false
		finals := map[string]bool{}
		for _, c := range m.chains {
			for _, b := range c.blocks[c.first:] {
				for _, d := range b.drops {
					if d.to != i || d.astray {
						continue
					}
					key := m.keyOf(o, d, b.Block)
					credit := new(big.Int)
					if w, ok := o.worth[key]; ok {
						credit = w.credit
					} else {
						m.t.Fatalf("%s was lost", key)
					}
					isFinal := int(b.Number) <= c.final
					switch {
					case b.Time.After(end):
						late.Add(late, credit)
					case isFinal:
						settled.Add(settled, credit)
						fallthrough
					default:
						received.Add(received, credit)
						part = true
					}
					if isFinal && credit.Sign() > 0 {
						finals[key] = true
					}
				}
			}
			a := o.Terms.Requests[0].Payee
			known, err := m.store.Balances(m.t.Context(), c.id, 1<<40, []asset.Address{a})
			must(m.t, err)
			if sum, has := m.holds(c, i, len(c.blocks)), known[a]; sum.Sign() > 0 && (len(has) == 0 || has[len(has)-1].Wei.Cmp(sum) != 0) || sum.Sign() == 0 && len(has) > 0 {
				m.t.Fatalf("%s holds %s wei, known is %v", a, sum, has)
			}
		}
		m.stands(o, received, settled, late, part)
		m.told(o, finals)
	}
	if free := m.free(); free != m.made-m.taken {
		m.t.Fatalf("%d of %d addresses are free, %d payments were made", free, m.made, m.taken)
	}
}

func (m *depositModel) keyOf(o *owing, d aDrop, b checkout.Block) string {
	x := m.drop(o.Payment, d.of, d.tx, d.units, b)
	return x.Key + ":" + x.Handle + ":" + string(d.of)
}

func (m *depositModel) stands(o *owing, received, settled, late *big.Int, part bool) {
	m.t.Helper()
	due := o.Terms.Requests[0].Due
	want := payment.Open
	switch {
	case settled.Cmp(due) >= 0:
		want = payment.Paid
	case received.Cmp(due) >= 0:
		want = payment.Seen
	case !o.off.IsZero():
		want = payment.Canceled
	case m.now().After(o.Terms.ExpiresAt):
		want = payment.Expired
	}
	stored, err := m.store.Payment(m.t.Context(), o.ID)
	must(m.t, err)
	got := m.load(o.ID)
	s := got.Standing.Requests[0]
	if stored.Standing.State != want || got.Standing.State != want || got.Part() != part ||
		s.Received.Cmp(received) != 0 || s.Settled.Cmp(settled) != 0 || s.Late.Cmp(late) != 0 {
		m.t.Fatalf("%s of %s is %s (stored %s) with received %s, settled %s, late %s, part %t; want %s with %s, %s, %s, %t",
			o.ID, due, got.Standing.State, stored.Standing.State, s.Received, s.Settled, s.Late, got.Part(), want, received, settled, late, part)
	}
	total := new(big.Int).Add(received, late)
	over := money.WholeCents(total.Sub(total, due)).Sign() > 0 && (want == payment.Paid || want == payment.Seen)
	if (got.Standing.Oddity == payment.Over) != over {
		m.t.Fatalf("%s is %s with %s over", o.ID, got.Standing.Oddity, total)
	}
}

// told holds the log to this: final money of which it is known what it is worth is told
// exactly once, that nothing else is, being paid exactly once, and what comes once each
// time, and once more when it is known what it is worth.
func (m *depositModel) told(o *owing, finals map[string]bool) {
	m.t.Helper()
	said, seen, times := map[string]bool{}, map[string]bool{}, 0
	for _, e := range m.events(o.ID) {
		if e.Fields[payment.FieldState] == "" {
			m.t.Fatalf("%s does not tell how the payment stood", e.Kind)
		}
		switch e.Kind {
		case payment.EventPaid:
			times++
		case payment.EventPartial, payment.EventSurplus, payment.EventLate:
		case payment.EventReorged:
			delete(seen, e.Transfer.Key+" worth something")
			delete(seen, e.Transfer.Key)
			continue
		case payment.EventSeen:
			at := e.Transfer.Key
			if e.Transfer.Priced() {
				at += " worth something"
			}
			if seen[at] {
				m.t.Fatalf("%s is seen twice", at)
			}
			seen[at] = true
			continue
		default:
			continue
		}
		if said[e.Transfer.Key] || !finals[e.Transfer.Key] || !e.Transfer.Priced() || e.Transfer.Credit.Cmp(o.worth[e.Transfer.Key].credit) != 0 {
			m.t.Fatalf("%s is told as %s with %s: before %t, final %t", e.Transfer.Key, e.Kind, e.Transfer.Credit, said[e.Transfer.Key], finals[e.Transfer.Key])
		}
		said[e.Transfer.Key] = true
	}
	if len(said) != len(finals) {
		m.t.Fatalf("%d final transfers, %d told", len(finals), len(said))
	}
	if paid := m.load(o.ID).Standing.State == payment.Paid; times > 1 || (times == 1) != paid {
		m.t.Fatalf("paid is told %d times, the payment is paid: %t", times, paid)
	}
}
