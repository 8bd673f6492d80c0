package store_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/store"
	"quittance/internal/store/storetest"
)

// callers is how many clients the create figure is stated for.
const callers = 32

type bench struct {
	*store.Store
	merchant payment.MerchantID
	secret   string
}

func newBench(b *testing.B, dsn string) *bench {
	b.Helper()
	now := time.Now().UTC()
	s := &bench{Store: storetest.Open(b, dsn), merchant: payment.MerchantID(payment.NewULID(now)), secret: "qk_test_" + randomHex(16)}
	for _, err := range []error{
		s.InsertMerchant(b.Context(), merchant.Merchant{ID: s.merchant, Name: "Bench", CreatedAt: now}),
		s.InsertCredential(b.Context(), merchant.Credential{
			ID: payment.NewULID(now), Merchant: s.merchant, Kind: merchant.APIKey, Hash: merchant.HashSecret(s.secret), CreatedAt: now,
		}),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return hex.EncodeToString(b)
}

func (s *bench) draw() *payment.Payment {
	now, topic := time.Now().UTC(), "0x"+randomHex(32)
	p := &payment.Payment{
		ID: payment.ID(payment.NewULID(now)),
		Terms: payment.Terms{
			Merchant: s.merchant, Dialect: "request", CreatedAt: now, ExpiresAt: now.Add(time.Hour), Grace: time.Minute,
			Reference: "order 7", RedirectURL: "https://shop.example/done",
			Requests: []payment.Request{{
				ID: "01" + randomHex(32), Asset: "USDC-base", Due: big.NewInt(12_340_000), Salt: randomHex(8),
				Reference: "0x" + randomHex(8), Topic: topic, Handles: []payment.Handle{{Rail: "evmref", Value: topic}},
			}},
		},
	}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	return p
}

// create is what one API call makes the store do.
func (s *bench) create(b *testing.B) payment.ID {
	ctx := b.Context()
	if _, err := merchant.Authenticate(ctx, s, merchant.APIKey, s.secret); err != nil {
		b.Error(err)
	}
	p := s.draw()
	key := checkout.IdempotencyKey{Merchant: s.merchant, Route: "POST /v2/secure-payments", Key: randomHex(16)}
	answer := checkout.Answer{RequestHash: randomHex(32), Status: 201, Body: make([]byte, 300), At: p.Terms.CreatedAt}
	err := s.Write(ctx, func(tx checkout.Tx) error {
		if a, err := tx.Answer(ctx, key); a != nil || err != nil {
			return fmt.Errorf("a fresh key has answer %v, %w", a, err)
		}
		if err := tx.PutAnswer(ctx, key, answer); err != nil {
			return err
		}
		if err := tx.InsertPayment(ctx, p); err != nil {
			return err
		}
		return tx.AppendEvent(ctx, payment.Event{
			ID: payment.NewULID(p.Terms.CreatedAt), Payment: p.ID, Merchant: s.merchant, Dialect: "request",
			Kind: payment.EventCreated, Request: -1, At: p.Terms.CreatedAt,
		})
	})
	if err != nil {
		b.Error(err)
	}
	return p.ID
}

// cpu reports the process's processor time for each operation, which is what
// remains for other work on a small machine.
func cpu(b *testing.B, run func()) {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	b.ResetTimer()
	run()
	b.StopTimer()
	b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// parallel runs op from as many goroutines as there are callers.
func parallel(b *testing.B, op func()) {
	b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			op()
		}
	})
}

func databases(b *testing.B, run func(b *testing.B, dsn string)) {
	b.Run("sqlite", func(b *testing.B) { run(b, file(b)) })
	b.Run("postgres", func(b *testing.B) { run(b, pgtest.DSN(b)) })
}

func BenchmarkCreate(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		b.Run("one", func(b *testing.B) {
			cpu(b, func() {
				for b.Loop() {
					s.create(b)
				}
			})
		})
		b.Run("32", func(b *testing.B) { cpu(b, func() { parallel(b, func() { s.create(b) }) }) })
	})
}

func BenchmarkPaymentRead(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		ids := make([]payment.ID, 1000)
		for i := range ids {
			ids[i] = s.create(b)
		}
		for _, withTransfer := range []bool{false, true} {
			name := "open"
			if withTransfer {
				name = "seen"
				for i, id := range ids {
					if err := s.Write(b.Context(), func(tx checkout.Tx) error {
						_, err := tx.PutTransfer(b.Context(), id, payment.Transfer{
							Key: fmt.Sprint("t", i), Rail: "evmref", Asset: "USDC-base", Amount: big.NewInt(5), Credit: big.NewInt(5),
							Stage: payment.Pending, At: time.Now().UTC(), Evidence: payment.Evidence{Chain: 8453, Block: uint64(i)},
						})
						return err
					}); err != nil {
						b.Fatal(err)
					}
				}
			}
			var n atomic.Uint32
			read := func() {
				if _, err := s.Payment(b.Context(), ids[n.Add(1)%1000]); err != nil {
					b.Error(err)
				}
			}
			b.Run(name+"/one", func(b *testing.B) {
				cpu(b, func() {
					for b.Loop() {
						read()
					}
				})
			})
			b.Run(name+"/32", func(b *testing.B) { cpu(b, func() { parallel(b, read) }) })
		}
	})
}

// fillArrivals stores payments with one final transfer each, and returns some of them.
func (s *bench) fillArrivals(b testing.TB, count int) (some []*payment.Payment) {
	b.Helper()
	const atOnce = 500
	for i := 0; i < count; i += atOnce {
		err := s.Write(b.Context(), func(tx checkout.Tx) error {
			for j := range atOnce {
				n := i + j
				p := s.draw()
				p.Terms.ClientID = "cli_" + strconv.Itoa(n%50)
				p.Terms.Reference = "order " + strconv.Itoa(n)
				p.Terms.Requests[0].Payee = asset.Address{byte(n % 3)}
				if err := tx.InsertPayment(b.Context(), p); err != nil {
					return err
				}
				x := payment.Transfer{
					Key: "t" + strconv.Itoa(n), Rail: "evmref", Asset: "USDC-base", Amount: big.NewInt(5), Credit: big.NewInt(5), Stage: payment.Final,
					At:       p.Terms.CreatedAt.Add(time.Duration(n) * time.Second),
					Evidence: payment.Evidence{Chain: 8453, Block: uint64(n), Tx: "0x" + randomHex(32), Payer: asset.Address{9, byte(n >> 8), byte(n)}.String()},
				}
				if n%10_000 == 0 {
					x.Asset = "ETH-base"
				}
				if _, err := tx.PutTransfer(b.Context(), p.ID, x); err != nil {
					return err
				}
				p.Transfers = append(p.Transfers, x)
				if n%(count/10) == 7 {
					some = append(some, p)
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return some
}

// BenchmarkSearch is one search among a merchant's 100,000 transfers.
func BenchmarkSearch(b *testing.B) {
	databases(b, func(b *testing.B, dsn string) {
		s := newBench(b, dsn)
		some := s.fillArrivals(b, 100_000)
		p := some[len(some)/2]
		r, x := p.Terms.Requests[0], p.Transfers[0]
		payer, _ := asset.ParseAddress(x.Evidence.Payer)
		for name, q := range map[string]checkout.Search{
			"tx": {Tx: x.Evidence.Tx}, "request": {RequestID: r.ID}, "reference": {Reference: r.Reference}, "order": {Order: p.Terms.Reference},
			"payer": {Wallet: payer}, "payee": {Wallet: r.Payee}, "stranger": {Wallet: asset.Address{77}}, "asset": {Asset: "USDC-base"}, "rare asset": {Asset: "ETH-base"},
			"client": {ClientID: p.Terms.ClientID}, "all": {}, "deep": {Offset: checkout.SearchDepth - 100},
			"a day": {From: x.At, To: x.At.Add(time.Minute)},
		} {
			q.Merchant, q.Limit = s.merchant, 20
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if found, _, err := s.Arrivals(b.Context(), q); err != nil || (len(found) == 0) != (name == "stranger") {
						b.Fatalf("found %d, %v", len(found), err)
					}
				}
			})
		}
	})
}
