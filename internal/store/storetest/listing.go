package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// listed stores payments of two merchants and in two dialects, in every state.
func (f *fixture) listed(t testing.TB) (m payment.MerchantID, all []*payment.Payment) {
	t.Helper()
	m = payment.MerchantID(f.id())
	must(t, f.InsertMerchant(t.Context(), merchant.Merchant{ID: m, Name: `Käse & 100% "Wurst"_GmbH`, CreatedAt: start}))
	other := f.merchant(t).ID
	cents := []int64{100, 99, 1_000_000_00, 250, 250, 1}
	for i := range 60 {
		p := f.dollars(m, cents[i%6])
		p.Terms.CreatedAt = start.Add(time.Duration(i/3) * time.Second) // several at once
		p.Terms.Reference = fmt.Sprintf("Order_%d/%%x", i%7)
		switch i % 20 {
		case 18:
			p.Terms.Merchant = other
		case 19:
			p.Terms.Dialect = "links"
		}
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		if i%2 == 0 {
			x := transfer(fmt.Sprint("key ", i), uint64(i))
			x.At = start
			x.Stage = []payment.Stage{payment.Final, payment.Pending, payment.Dropped}[i/2%3]
			x.Credit = money.Cents([]int64{250, 1}[i/6%2])
			if i%7 == 0 {
				x.At = p.Terms.Deadline().Add(time.Minute) // late
			}
			f.put(t, p.ID, x)
			p.Transfers = append(p.Transfers, x)
		}
		now := start
		if i%5 > 2 {
			now = start.Add(48 * time.Hour)
		}
		if i%11 == 0 {
			p.Terms.CanceledAt, p.Terms.CanceledBy = start.Add(time.Second), payment.ByMerchant
		}
		p.Standing = payment.Assess(p.Terms, p.Transfers, nil, now)
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		if p.Terms.Merchant == m && p.Terms.Dialect == "spacepay" {
			all = append(all, p)
		}
	}
	return m, all
}

// fits is what a listing means.
func fits(l checkout.Listing, name string, p *payment.Payment) bool {
	inStates := len(l.States) == 0 || slices.ContainsFunc(l.States, func(s checkout.StatePart) bool {
		return s.State == p.Standing.State && (s.Part == nil || *s.Part == p.Part())
	})
	texts := []string{name, p.Terms.Alias, p.Terms.Reference, p.Terms.Requests[0].Payee.Lower()}
	for _, x := range p.Transfers {
		texts = append(texts, x.Evidence.Tx, x.Evidence.Payer)
	}
	if p.Terms.CanceledBy == payment.ByDeletion && !l.Deleted {
		return false
	}
	return inStates && slices.ContainsFunc(texts, func(text string) bool {
		return strings.Contains(strings.ToLower(text), strings.ToLower(l.Search))
	})
}

func inOrder(l checkout.Listing) func(a, b *payment.Payment) int {
	return func(a, b *payment.Payment) int {
		by := a.Terms.CreatedAt.Compare(b.Terms.CreatedAt)
		switch {
		case l.ByPaid:
			by = a.Standing.SettledAt.Compare(b.Standing.SettledAt)
		case l.ByAmount:
			by = a.Terms.Requests[0].Due.Cmp(b.Terms.Requests[0].Due)
		}
		if by = cmp.Or(by, strings.Compare(string(a.ID), string(b.ID))); l.Ascending {
			return by
		}
		return -by
	}
}

func named(ps []*payment.Payment) []payment.ID {
	all := []payment.ID{}
	for _, p := range ps {
		all = append(all, p.ID)
	}
	return all
}

// checkList compares a list with what it means, and returns how many are on its page.
func checkList(t testing.TB, f *fixture, l checkout.Listing, all []*payment.Payment) int {
	t.Helper()
	owner, err := f.Merchant(t.Context(), l.Merchant)
	must(t, err)
	var want []*payment.Payment
	for _, p := range all {
		if fits(l, owner.Name, p) {
			want = append(want, p)
		}
	}
	slices.SortFunc(want, inOrder(l))
	total := len(want)
	want = want[min(l.Offset, total):min(l.Offset+l.Limit, total)]
	got, number, err := f.List(t.Context(), l)
	must(t, err)
	if number != total {
		t.Errorf("%+v: %d in all, want %d", l, number, total)
	}
	exact(t, fmt.Sprintf("%+v", l), named(got), named(want))
	for i := range got {
		sameStored(t, "listed", got[i], want[i])
	}
	return len(got)
}

var listings = map[string]func(*testing.T, *fixture){
	"pages of what fits": func(t *testing.T, f *fixture) {
		m, all := f.listed(t)
		yes, no := true, false
		var states []checkout.StatePart
		for _, s := range payment.States() {
			states = append(states, checkout.StatePart{State: s}, checkout.StatePart{State: s, Part: &yes}, checkout.StatePart{State: s, Part: &no})
		}
		some := all[7]
		searches := []string{
			"", "", "", some.Terms.Alias, strings.ToUpper(some.Terms.Alias[3:]), some.Terms.Requests[0].Payee.String(), some.Terms.Requests[0].Payee.Lower()[10:],
			hash(9010), hash(9010)[60:], address(99).String(), strings.ToUpper(address(99).Lower()[2:]), "käse", "WURST", `"wurst"_`, "100%", "%", "_", `\`, `\%`, "%%", "x%", "alias_", "alias-%",
			"'", `"`, "' OR '1'='1", "\x00", "alias-\x00", "\xff", "☕", some.Terms.Reference, strings.ToUpper(some.Terms.Reference), strings.Repeat("a", 2000), strings.Repeat("%", 70_000), "0x",
		}
		// The same draws each time, so that a failure can be looked at.
		draw := rand.New(rand.NewPCG(1, 2))
		found := 0
		for n := range 600 {
			l := checkout.Listing{
				Merchant: m, Dialect: "spacepay", Search: searches[n%len(searches)], ByAmount: draw.IntN(2) == 0, Ascending: draw.IntN(2) == 0,
				Limit: draw.IntN(30), Offset: draw.IntN(2) * draw.IntN(70),
			}
			for range draw.IntN(2) * draw.IntN(4) {
				l.States = append(l.States, states[draw.IntN(len(states))])
			}
			found += checkList(t, f, l, all)
		}
		if found < 500 {
			t.Errorf("the listings found %d payments", found)
		}
	},

	"of nobody": func(t *testing.T, f *fixture) {
		m, _ := f.listed(t)
		for _, l := range []checkout.Listing{{Merchant: m, Dialect: "request", Limit: 10}, {Merchant: "01KE0000000000000000000009", Dialect: "spacepay", Limit: 10}} {
			if got, total, err := f.List(t.Context(), l); err != nil || total != 0 || len(got) != 0 {
				t.Errorf("%+v: %d of %d, %v", l, len(got), total, err)
			}
		}
		_, _, err := f.List(t.Context(), checkout.Listing{Merchant: "01KE0000000000000000000009", Dialect: "spacepay", Search: "x", Limit: 10})
		refused(t, "a search of an unknown merchant's", err, fault.NotFound, "merchant_not_found")
	},

	"a late credit and a cancellation are in the state": func(t *testing.T, f *fixture) {
		p := f.dollars(f.merchant(t).ID, 250)
		yes := true
		f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
		list := func(part *bool) int {
			t.Helper()
			_, total, err := f.List(t.Context(), checkout.Listing{Merchant: p.Terms.Merchant, Dialect: "spacepay", States: []checkout.StatePart{{State: payment.Open, Part: part}}})
			must(t, err)
			return total
		}
		if list(nil) != 1 || list(&yes) != 0 {
			t.Error("a new payment has a part")
		}
		x := transfer("a", 10)
		x.Asset, x.Credit = asset.ID("ETH-base"), money.Cents(1)
		f.put(t, p.ID, x)
		p.Transfers = []payment.Transfer{x}
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		if list(&yes) != 1 {
			t.Error("a part is no part")
		}
		p.Transfers[0].Stage = payment.Dropped
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
		if list(nil) != 1 || list(&yes) != 0 {
			t.Error("a dropped part is a part")
		}
	},
}
