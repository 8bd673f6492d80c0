package checkout_test

import (
	"math/big"
	"slices"
	"strings"

	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// check adds up bookings and coins anew, and compares.
func (m *bookModel) check() {
	m.t.Helper()
	m.calm()
	m.look()
	bs := m.listed(false)
	seen := map[string]bool{}
	for _, b := range bs {
		if seen[b.Key] {
			m.t.Fatalf("%s is there twice", b.Key)
		}
		seen[b.Key] = true
	}
	for i, l := range m.links {
		m.checkLink(i, m.load(l.ID), slices.DeleteFunc(slices.Clone(bs), func(b checkout.Booking) bool { return b.Payment != l.ID }))
	}
}

// checkLink is check for one payment and the bookings of it.
func (m *bookModel) checkLink(i int, p *payment.Payment, bs []checkout.Booking) {
	m.t.Helper()
	over := p.Terms.Deadline()
	inTime, settled, late := new(big.Int), new(big.Int), new(big.Int)
	want := map[string]int64{} // cents, by the transfer's key
	nLate, nSettled := 0, 0
	count1 := func(cents int64, isLate, final bool) {
		amount := money.Cents(cents)
		switch {
		case isLate:
			late.Add(late, amount)
		case final:
			settled.Add(settled, amount)
			fallthrough
		default:
			inTime.Add(inTime, amount)
		}
		if final && isLate {
			nLate++
		} else if final {
			nSettled++
		}
	}
	for _, b := range bs {
		if !b.Counts {
			continue
		}
		want["sepa:"+b.Key] = b.Cents
		at := recordedAt(b)
		booked := b.Booked
		if b.Outcome == checkout.OutcomeConfirmed {
			booked = at
		}
		if booked.After(at) {
			booked = at
		}
		off := !p.Terms.CanceledAt.IsZero() && at.After(p.Terms.CanceledAt)
		count1(b.Cents, off || booked.After(p.Terms.CreatedAt) && booked.After(p.Terms.ExpiresAt.Add(p.Terms.Grace)), true)
	}
	for _, c := range m.coins {
		if c.to != i || c.block > m.swept {
			continue
		}
		key := m.drop(p, usdcBase, c.tx, big.NewInt(1), m.blocks[c.block-1])
		k := key.Key + ":" + key.Handle + ":" + string(usdcBase)
		want[k] = c.cents
		final := slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool { return x.Key == k && x.Stage == payment.Final })
		count1(c.cents, m.blocks[c.block-1].Time.After(over), final)
	}
	for _, x := range p.Transfers {
		if x.Stage == payment.Dropped {
			continue
		}
		if cents, ok := want[x.Key]; !ok || x.Credit.Cmp(money.Cents(cents)) != 0 {
			m.t.Fatalf("link %d: %s is worth %s, want %d cents", i, x.Key, x.Credit, cents)
		}
		delete(want, x.Key)
	}
	if len(want) > 0 {
		m.t.Fatalf("link %d lacks %v", i, want)
	}
	due := p.Terms.Requests[0].Due
	state := payment.Open
	switch {
	case settled.Cmp(due) >= 0:
		state = payment.Paid
	case inTime.Cmp(due) >= 0:
		state = payment.Seen
	case !p.Terms.CanceledAt.IsZero():
		state = payment.Canceled
	case m.now().After(p.Terms.ExpiresAt):
		state = payment.Expired
	}
	s := p.Standing.Requests[0]
	if p.Standing.State != state || s.Received.Cmp(inTime) != 0 || s.Settled.Cmp(settled) != 0 || s.Late.Cmp(late) != 0 {
		m.t.Fatalf("link %d is %s with %s, %s and %s late; want %s with %s, %s and %s late", i, p.Standing.State, s.Received, s.Settled, s.Late, state, inTime, settled, late)
	}
	m.checkLog(i, p, nSettled, nLate)
	m.checkDoubts(i, bs)
}

// checkLog compares what the merchant was told with what has come.
func (m *bookModel) checkLog(i int, p *payment.Payment, settled, late int) {
	m.t.Helper()
	told := map[payment.EventKind]int{}
	for _, e := range m.events(p.ID) {
		told[e.Kind]++
		if e.Fields[payment.FieldState] == "" {
			m.t.Fatalf("link %d: %s tells no state", i, e.Kind)
		}
		if e.Kind == payment.EventPaid && e.Fields[payment.FieldState] != string(payment.Paid) {
			m.t.Fatalf("link %d is paid and %s", i, e.Fields[payment.FieldState])
		}
	}
	paid := 0
	if p.Standing.State == payment.Paid {
		paid = 1
	}
	off := 0
	if p.Terms.CanceledBy != "" {
		off = 1
	}
	if told[payment.EventPaid] != paid || told[payment.EventPaid]+told[payment.EventPartial]+told[payment.EventSurplus] != settled ||
		told[payment.EventLate] != late || told[payment.EventCanceled] < off {
		m.t.Fatalf("link %d is %s by %d in time and %d late: told %v", i, p.Standing.State, settled, late, told)
	}
}

// checkDoubts finds what may have been counted twice: a booking of just what the merchant
// had confirmed counts only if a person has said so.
func (m *bookModel) checkDoubts(i int, bs []checkout.Booking) {
	m.t.Helper()
	for _, b := range bs {
		same, any := false, false
		for _, c := range bs {
			if strings.HasPrefix(c.Key, "confirmed:") && c.At.Before(b.At) {
				same, any = same || c.Cents == b.Cents, true
			}
		}
		switch b.Outcome {
		case "exact":
			if same {
				m.t.Fatalf("link %d: %s counts as well as the merchant's word", i, b.Key)
			}
		case checkout.OutcomeBefore:
			if !any || b.Counts {
				m.t.Fatalf("link %d: %s is in doubt without a reason", i, b.Key)
			}
		}
	}
}
