package app

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// blockTime is how often this chain has a block, as Base does.
const blockTime = 2 * time.Second

// BenchmarkDetection runs the whole server's background work over a chain with a block
// every two seconds, with many open payments of both kinds: those that a contract's event
// names, and addresses that are watched. It counts the requests to the node for a block in
// which nothing is paid and for one in which some payments of both kinds are, and measures the time
// from a block to the commit of what an event in it paid.
//
//	go test -run '^$' -bench Detection -benchtime 1x ./internal/app
func BenchmarkDetection(b *testing.B) {
	for _, open := range []int{100, 100_000} {
		b.Run(fmt.Sprint(open), func(b *testing.B) {
			for range b.N {
				w := newBusy(b, open)
				w.open(open)
				b.ResetTimer()
				w.detect(b, 8, 20, 10)
			}
		})
	}
}

// draw makes an open payment of the kind that a contract's event names, without storing it.
func (b *busy) draw() *payment.Payment {
	b.t.Helper()
	now := time.Now().UTC()
	p := &payment.Payment{ID: payment.ID(payment.NewULID(now)), Terms: payment.Terms{
		Merchant: "01M", Dialect: "request", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Requests: []payment.Request{{Asset: "USDC-base", Due: big.NewInt(1000), Payee: b.to}},
	}}
	for _, r := range allWith[rail.Naming](b.app.rails) {
		if err := r.Name(p, &p.Terms.Requests[0]); err != nil {
			b.t.Fatal(err)
		}
	}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	return p
}

// open stores so many of them.
func (b *busy) open(n int) (made []*payment.Payment) {
	b.t.Helper()
	for n > 0 {
		err := b.app.Store.Write(b.t.Context(), func(tx checkout.Tx) error {
			for range min(n, 1000) {
				p := b.draw()
				if err := tx.InsertPayment(b.t.Context(), p); err != nil {
					return err
				}
				made = append(made, p)
			}
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
		n -= min(n, 1000)
	}
	return made
}

// watchedLags is how long after their blocks payments got their transfers.
type watchedLags struct {
	b     *busy
	m     *testing.B
	mu    sync.Mutex
	waits sync.WaitGroup
}

// wait waits in the background until a payment has so many transfers.
func (w *watchedLags) wait(id payment.ID, transfers int, mined func() time.Time, lags *[]time.Duration) {
	changed, cancel := w.b.app.Store.Subscribe(id)
	w.waits.Go(func() {
		defer cancel()
		late := time.After(time.Minute)
		for {
			select {
			case <-changed:
			case <-late:
				w.m.Errorf("transfer %d of payment %s was not seen", transfers, id)
				return
			}
			lag := time.Since(mined())
			p, err := w.b.app.Checkout.Payment(w.m.Context(), id)
			if err != nil {
				w.m.Error(err)
				return
			}
			if len(p.Transfers) < transfers {
				continue
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			*lags = append(*lags, lag)
			return
		}
	})
}

// detect lets the server watch some blocks without payments, and then blocks of which each
// pays so many payments and one address.
func (b *busy) detect(m *testing.B, idle, paying, each int) {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.app.Run(ctx, nil) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			m.Error(err)
		}
	}()
	blocks := time.NewTicker(blockTime)
	defer blocks.Stop()
	after := func(n int) int { // requests that n more blocks cost
		<-blocks.C
		before := b.Requests()
		for range n {
			b.Mine(1)
			<-blocks.C
		}
		return b.Requests() - before
	}
	after(5) // what a start asks is over
	quiet := after(idle)

	seen := &watchedLags{b: b, m: m}
	var lags, ofAddress []time.Duration
	before := b.Requests()
	for block := range paying {
		made := b.open(each)
		at := make(chan struct{})
		var when time.Time
		mined := func() time.Time { <-at; return when }
		for _, p := range made {
			ref, err := official.ParseReference(p.Terms.Requests[0].Reference)
			if err != nil {
				m.Fatal(err)
			}
			b.PayERC20(ref[:], b.USDC(), b.to.String(), big.NewInt(1000), new(big.Int), "")
			seen.wait(p.ID, 1, mined, &lags)
		}
		seen.wait(b.paid, block+1, mined, &ofAddress)
		b.Transfer(b.USDC(), b.to.String(), big.NewInt(1))
		when = time.Now() // nobody can know of a block before it is made
		b.Mine(1)
		close(at)
		<-blocks.C
	}
	busy := b.Requests() - before
	seen.waits.Wait()
	slices.Sort(lags)
	m.ReportMetric(float64(quiet)/float64(idle), "requests/idle-block")
	m.ReportMetric(float64(busy)/float64(paying), "requests/paying-block")
	m.ReportMetric(lags[len(lags)/2].Seconds(), "s-p50")
	m.ReportMetric(lags[len(lags)*99/100].Seconds(), "s-p99")
	m.ReportMetric(lags[len(lags)-1].Seconds(), "s-max")
	m.ReportMetric(float64(len(lags)), "payments")
	m.ReportMetric(slices.Max(ofAddress).Seconds(), "s-address-max")
}
