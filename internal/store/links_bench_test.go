package store_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// fillLinks stores payment links: of ten, six are paid, by one transfer or two, one was
// deleted, one refunded. Beside them are as many other transfers of the same merchant.
func (s *bench) fillLinks(b testing.TB, count int) {
	b.Helper()
	s.fillArrivals(b, count)
	const atOnce = 500
	for i := 0; i < count; i += atOnce {
		if err := s.Write(b.Context(), func(tx checkout.Tx) error {
			for n := i; n < i+atOnce; n++ {
				if err := s.link(b, tx, n); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func (s *bench) link(b testing.TB, tx checkout.Tx, n int) error {
	p := s.draw()
	p.Terms.Dialect, p.Terms.Alias, p.Terms.Reference = "secpaid", fmt.Sprintf("%016d", n*7919), "Rechnung "+strconv.Itoa(n)
	p.Terms.CreatedAt, p.Terms.ExpiresAt = p.Terms.CreatedAt.Add(time.Duration(n)*time.Second), payment.Endless
	r := &p.Terms.Requests[0]
	r.Asset, r.Due, r.Payee = asset.EUR, money.Cents(4999), numbered(n)
	r.Bank = &payment.BankTransfer{Holder: "Bench", Account: "DE89370400440532013000", Reference: "RF" + randomHex(8), Text: "RF"}
	p.Standing = payment.Assess(p.Terms, nil, nil, p.Terms.CreatedAt)
	if err := tx.InsertPayment(b.Context(), p); err != nil || n%10 > 6 {
		return err
	}
	if n%10 == 6 {
		p.Terms.CanceledAt, p.Terms.CanceledBy, p.Standing.State = p.Terms.CreatedAt, payment.ByDeletion, payment.Canceled
		return tx.SaveStanding(b.Context(), p)
	}
	for part := range 1 + n%2 {
		x := payment.Transfer{
			Key: fmt.Sprintf("sepa:%d/%d", n, part), Rail: "sepa", Asset: asset.EUR, Amount: r.Due, Credit: r.Due, Stage: payment.Final,
			At: p.Terms.CreatedAt.Add(time.Duration(part) * time.Hour),
		}
		if _, err := tx.PutTransfer(b.Context(), p.ID, x); err != nil {
			return err
		}
		p.Transfers = append(p.Transfers, x)
	}
	if n%10 == 0 {
		if err := tx.AppendEvent(b.Context(), payment.Event{
			ID: payment.NewULID(p.Terms.CreatedAt), Payment: p.ID, Merchant: s.merchant, Dialect: "secpaid", Kind: payment.EventRefunded, At: p.Terms.CreatedAt,
		}); err != nil {
			return err
		}
	}
	p.Standing = payment.Assess(p.Terms, p.Transfers, nil, p.Terms.CreatedAt)
	return tx.SaveStanding(b.Context(), p)
}

// BenchmarkLinks is one page of a merchant's 100,000 payment links, or of what they brought,
// and its number.
func BenchmarkLinks(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		s.fillLinks(b, 100_000)
		unused := []checkout.StatePart{{State: payment.Open}, {State: payment.Seen}, {State: payment.Failed}, {State: payment.Expired}, {State: payment.Canceled}}
		paid := []checkout.StatePart{{State: payment.Paid}}
		for name, l := range map[string]checkout.Listing{
			"unused": {States: unused}, "used": {States: paid, ByPaid: true}, "used, deep": {States: paid, ByPaid: true, Offset: 50_000},
			"all": {Deleted: true}, "search": {Search: "rechnung 777"}, "search, none": {Search: "zzz"},
		} {
			l.Merchant, l.Dialect, l.Limit = s.merchant, "secpaid", 20
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if found, total, err := s.List(b.Context(), l); err != nil || len(found) != min(20, total) || (total == 0) != (name == "search, none") {
						b.Fatalf("found %d of %d, %v", len(found), total, err)
					}
				}
			})
		}
		from := time.Now().UTC().Add(10_000 * time.Second)
		for name, q := range map[string]checkout.IncomeQuery{
			"income": {}, "income of some hours": {From: from, To: from.Add(3 * time.Hour)}, "income, deep": {Offset: 50_000},
			"income of one": {Alias: fmt.Sprintf("%016d", 100*7919)}, "income, search": {Search: "rechnung 777"},
		} {
			q.Merchant, q.Dialect, q.Limit = s.merchant, "secpaid", 20
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if found, total, err := s.Income(b.Context(), q); err != nil || len(found) == 0 || len(found) != min(20, total) {
						b.Fatalf("found %d of %d, %v", len(found), total, err)
					}
				}
			})
		}
	})
}
