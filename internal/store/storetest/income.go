package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// earned is one row of income as the test knows it.
type earned struct {
	p     *payment.Payment
	name  string // a transfer's key or an event's id
	came  bool
	at    time.Time
	final bool
}

// income stores what came and what went back, for two merchants and in two dialects.
func (f *fixture) income(t testing.TB) (m payment.MerchantID, all []earned) {
	t.Helper()
	ms := []payment.MerchantID{f.merchant(t).ID, f.merchant(t).ID}
	for i := range 40 {
		p := f.euros(ms[i%8/7], int64(i+1))
		if i%9 == 8 {
			p.Terms.Dialect = "another"
		}
		p.Terms.Reference = fmt.Sprintf("Note_%d %%x", i%5)
		f.insert(t, p)
		ours := p.Terms.Merchant == ms[0] && p.Terms.Dialect == "secpaid"
		for n := range i % 4 {
			x := transfer(fmt.Sprintf("sepa:%d/%d", i*13%40, n), 0)
			x.Rail, x.Evidence, x.At = "sepa", payment.Evidence{}, start.Add(time.Duration(i/3+n)*time.Hour)
			x.Stage = []payment.Stage{payment.Final, payment.Pending, payment.Dropped}[(i+n)%3]
			x.Amount, x.Credit, x.Fee = money.Cents(int64(i+1)), money.Cents(int64(i+1)), nil
			f.put(t, p.ID, x)
			if ours && x.Stage != payment.Dropped {
				all = append(all, earned{p, x.Key, true, x.At, x.Stage == payment.Final})
			}
		}
		for n := range i % 3 {
			e := payment.Event{
				ID: f.id(), Payment: p.ID, Merchant: p.Terms.Merchant, Dialect: p.Terms.Dialect, Kind: []payment.EventKind{payment.EventRefunded, payment.EventPaid}[n],
				At: start.Add(time.Duration(i/3+n) * time.Hour), Fields: map[string]string{payment.FieldAmount: "1"},
			}
			f.write(t, func(tx checkout.Tx) error { return tx.AppendEvent(t.Context(), e) })
			if ours && e.Kind == payment.EventRefunded {
				all = append(all, earned{p, e.ID, false, e.At, true})
			}
		}
		if i%4 > 0 { // quotes are not part of it
			f.write(t, func(tx checkout.Tx) error { return tx.InsertQuote(t.Context(), p.ID, quote(f.id(), 0)) })
		}
	}
	slices.SortFunc(all, func(a, b earned) int {
		if by := cmp.Or(b.at.Compare(a.at), strings.Compare(b.name, a.name)); a.came == b.came || !a.at.Equal(b.at) {
			return by
		}
		if b.came { // what came came before it went back
			return -1
		}
		return 1
	})
	return ms[0], all
}

var incomes = map[string]func(*testing.T, *fixture){
	"pages of what fits": func(t *testing.T, f *fixture) {
		m, all := f.income(t)
		draw := rand.New(rand.NewPCG(1, 2))
		searches := []string{"", "", "note_3", "NOTE_1 %X", "alias", all[0].p.Terms.Alias, "%", "_", "☕", "'", "\x00", strings.Repeat("a", 2000)}
		aliases := []string{"", "", all[3].p.Terms.Alias, all[len(all)-1].p.Terms.Alias, "unknown", "' OR ''='"}
		found := 0
		for n := range 500 {
			q := checkout.IncomeQuery{
				Merchant: m, Dialect: "secpaid", Search: searches[n%len(searches)], Alias: aliases[draw.IntN(len(aliases))],
				Limit: draw.IntN(12), Offset: draw.IntN(2) * draw.IntN(40),
			}
			if draw.IntN(3) == 0 {
				q.From = start.Add(time.Duration(draw.IntN(14)) * time.Hour)
			}
			if draw.IntN(3) == 0 {
				q.To = start.Add(time.Duration(draw.IntN(14)) * time.Hour)
			}
			var want []earned
			for _, e := range all {
				text := strings.ToLower(e.p.Terms.Alias + "\n" + e.p.Terms.Reference)
				if (q.Alias == "" || e.p.Terms.Alias == q.Alias) && strings.Contains(text, strings.ToLower(q.Search)) &&
					!e.at.Before(q.From) && (q.To.IsZero() || e.at.Before(q.To)) {
					want = append(want, e)
				}
			}
			got, total, err := f.Income(t.Context(), q)
			must(t, err)
			if total != len(want) {
				t.Errorf("%+v: %d in all, want %d", q, total, len(want))
			}
			want = want[min(q.Offset, len(want)):min(q.Offset+q.Limit, len(want))]
			if len(got) != len(want) {
				t.Fatalf("%+v: %d rows, want %d", q, len(got), len(want))
			}
			for i := range got {
				same(t, got[i], want[i])
			}
			found += len(got)
		}
		if found < 400 {
			t.Errorf("the pages held %d rows", found)
		}
	},

	"a transfer that is dropped is no income any more": func(t *testing.T, f *fixture) {
		p := f.insert(t, f.euros(f.merchant(t).ID, 100))
		x := transfer("a", 10)
		q := checkout.IncomeQuery{Merchant: p.Terms.Merchant, Dialect: "secpaid", Limit: 10}
		for _, stage := range []payment.Stage{payment.Pending, payment.Dropped, payment.Final} {
			x.Stage = stage
			f.put(t, p.ID, x)
			got, total, err := f.Income(t.Context(), q)
			must(t, err)
			if stage == payment.Dropped && (total != 0 || len(got) != 0) || stage != payment.Dropped && (total != 1 || got[0].Transfer.Stage != stage) {
				t.Errorf("%s: %d in all, %+v", stage, total, got)
			}
		}
	},

	"what came late for a link that was deleted is income": func(t *testing.T, f *fixture) {
		p := f.insert(t, f.euros(f.merchant(t).ID, 100))
		f.cancel(t, p, payment.ByDeletion, start)
		f.put(t, p.ID, transfer("a", 10))
		got, total, err := f.Income(t.Context(), checkout.IncomeQuery{Merchant: p.Terms.Merchant, Dialect: "secpaid", Limit: 1})
		must(t, err)
		if total != 1 || len(got) != 1 || got[0].Payment.Terms.CanceledBy != payment.ByDeletion {
			t.Errorf("%d, %+v", total, got)
		}
	},
}

// same checks one row of income.
func same(t testing.TB, got checkout.Income, want earned) {
	t.Helper()
	name := ""
	switch {
	case got.Transfer != nil && got.Refund == nil:
		name = got.Transfer.Key
		if (got.Transfer.Stage == payment.Final) != want.final || !got.Transfer.At.Equal(want.at) {
			t.Errorf("transfer %+v, want %+v", got.Transfer, want)
		}
	case got.Refund != nil && got.Transfer == nil:
		name = got.Refund.ID
		if got.Refund.Kind != payment.EventRefunded || got.Refund.Fields[payment.FieldAmount] != "1" || !got.Refund.At.Equal(want.at) {
			t.Errorf("refund %+v, want %+v", got.Refund, want)
		}
	}
	if name != want.name || (got.Transfer != nil) != want.came || !got.At.Equal(want.at) || got.Payment.ID != want.p.ID || len(got.Payment.Quotes) != 0 {
		t.Errorf("got %q of %s at %s, want %q of %s at %s", name, got.Payment.ID, got.At, want.name, want.p.ID, want.at)
	}
}
