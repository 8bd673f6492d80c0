package store_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
)

func numbered(n int) asset.Address {
	var a asset.Address
	binary.BigEndian.PutUint64(a[:], uint64(n)*0x9e3779b97f4a7c15) // in no order, as addresses are
	return a
}

// fillListed stores payments in dollars, each with its address and a third of them paid.
func (s *bench) fillListed(b testing.TB, count int) {
	b.Helper()
	const atOnce = 500
	for i := 0; i < count; i += atOnce {
		err := s.Write(b.Context(), func(tx checkout.Tx) error {
			for n := i; n < i+atOnce; n++ {
				p := s.draw()
				p.Terms.Dialect, p.Terms.Alias = "spacepay", randomHex(18)
				p.Terms.CreatedAt = p.Terms.CreatedAt.Add(time.Duration(n) * time.Second)
				r := &p.Terms.Requests[0]
				r.Asset, r.Due, r.Payee = asset.USD, money.Cents(int64(100+n%5000)), numbered(n)
				p.Standing = payment.Assess(p.Terms, nil, nil, p.Terms.CreatedAt)
				if err := tx.InsertPayment(b.Context(), p); err != nil {
					return err
				}
				if n%3 > 0 {
					continue
				}
				x := payment.Transfer{
					Key: "t" + strconv.Itoa(n), Rail: "deposit", Asset: "ETH-base", Amount: big.NewInt(5), Credit: r.Due, Quote: "Q", Stage: payment.Final, At: p.Terms.CreatedAt,
					Evidence: payment.Evidence{Chain: 8453, Block: uint64(n), Tx: "0x" + randomHex(32), Payer: numbered(-n).String()},
				}
				if _, err := tx.PutTransfer(b.Context(), p.ID, x); err != nil {
					return err
				}
				p.Transfers = []payment.Transfer{x}
				p.Standing = payment.Assess(p.Terms, p.Transfers, nil, p.Terms.CreatedAt)
				if err := tx.SaveStanding(b.Context(), p); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList is one page of a merchant's 100,000 payments, and their number.
func BenchmarkList(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		s.fillListed(b, 100_000)
		with, without := true, false
		for name, l := range map[string]checkout.Listing{
			"newest": {}, "by amount": {ByAmount: true, Ascending: true}, "deep": {Offset: 90_000},
			"completed": {States: []checkout.StatePart{{State: payment.Paid}}},
			"failed":    {States: []checkout.StatePart{{State: payment.Expired, Part: &with}, {State: payment.Failed}}},
			"pending":   {States: []checkout.StatePart{{State: payment.Open, Part: &without}}},
			"address":   {Search: numbered(77_777).Lower()}, "part": {Search: numbered(77_777).Lower()[:12]}, "payer": {Search: numbered(-77_778).String()},
			"anything": {Search: "0x"}, "nothing": {Search: "zzz"}, "name": {Search: "bench"},
		} {
			l.Merchant, l.Dialect, l.Limit = s.merchant, "spacepay", 20
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					found, total, err := s.List(b.Context(), l)
					if err != nil || (total == 0) != (name == "nothing" || name == "failed") || len(found) != min(20, total) {
						b.Fatalf("found %d of %d, %v", len(found), total, err)
					}
				}
			})
		}
	})
}

// BenchmarkBalances is what a sweep asks of the balances: 2,000 of 300,000 addresses, of
// which a few have a long history.
func BenchmarkBalances(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		const rows, atOnce = 1_000_000, 5_000
		for i := 0; i < rows; i += atOnce {
			bs := make([]checkout.Balance, 0, atOnce)
			for n := i; n < i+atOnce; n++ {
				a := numbered(n % 300_000)
				if n >= 900_000 {
					a = numbered(n % 10)
				}
				bs = append(bs, checkout.Balance{Address: a, Block: uint64(n), BlockHash: "0x" + randomHex(32), Before: big.NewInt(int64(n)), Wei: big.NewInt(int64(n + 1))})
			}
			if err := s.Write(b.Context(), func(tx checkout.Tx) error { return tx.PutBalances(b.Context(), 8453, bs) }); err != nil {
				b.Fatal(err)
			}
		}
		for name, from := range map[string]uint64{"at the end": rows + 1, "gone back": rows - 100} {
			asked := make([]asset.Address, 2_000)
			for i := range asked {
				asked[i] = numbered(i * 151)
			}
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					known, err := s.Balances(b.Context(), 8453, from, asked)
					if err != nil || len(known) < 1_900 {
						b.Fatalf("%d known, %v", len(known), err)
					}
				}
			})
		}
	})
}

// BenchmarkTakeAddress is a payment's share of a creation: its address, with one caller
// and with many.
func BenchmarkTakeAddress(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		const branch = "branch"
		if err := s.SetBranch(b.Context(), merchant.Branch{ID: branch, Merchant: s.merchant, XPub: "xpub", CreatedAt: time.Now()}); err != nil {
			b.Fatal(err)
		}
		var taken atomic.Int64
		added := 0
		more := func(b *testing.B, n int) {
			for n += int(taken.Load()); added < n; {
				as := make([]merchant.DepositAddress, 1_000)
				for i := range as {
					added++
					as[i] = merchant.DepositAddress{Address: numbered(added), Merchant: s.merchant, Branch: branch, Index: uint32(added), CheckedAt: time.Now()}
				}
				if err := s.AddAddresses(b.Context(), as); err != nil {
					b.Fatal(err)
				}
			}
		}
		take := func() {
			n := taken.Add(1)
			if err := s.Write(b.Context(), func(tx checkout.Tx) error {
				_, err := tx.TakeAddress(b.Context(), s.merchant, payment.ID(fmt.Sprint("P", n)), 0, time.Now())
				return err
			}); err != nil {
				b.Error(err)
			}
		}
		for name, run := range map[string]func(b *testing.B){
			"one": func(b *testing.B) {
				for range b.N {
					take()
				}
			},
			"32": func(b *testing.B) { parallel(b, take) },
		} {
			b.Run(name, func(b *testing.B) {
				more(b, b.N)
				cpu(b, func() { run(b) })
			})
		}
	})
}
