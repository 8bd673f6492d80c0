package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/webhook"
	"quittance/web/request"
)

// The load that the figure is stated for: every payment is told to every
// endpoint, twice, and some of these never answer.
const (
	benchEndpoints = 100
	benchHanging   = 10
)

// BenchmarkFirstAttempt measures the time from the commit of an event to the
// arrival of the first attempt to deliver it, with the worker's own settings:
//
//	go test -run '^$' -bench FirstAttempt -benchtime 1x ./internal/app
//
// healthy counts the endpoints that answer. all counts those that hang as well:
// what has not come to them when the others have everything, as if it came then.
func BenchmarkFirstAttempt(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, load := range []struct {
			name    string
			events  int
			between time.Duration
		}{
			{"steady_5_a_second", 100, 200 * time.Millisecond},
			{"steady_10_a_second", 200, 100 * time.Millisecond},
			{"burst_of_20", 20, 0},
			{"one_in_5_seconds", 6, 5 * time.Second},
		} {
			b.Run(engine+"/"+load.name, func(b *testing.B) {
				for range b.N {
					dsn := "sqlite:" + filepath.Join(b.TempDir(), "bench.db")
					if engine == "postgres" {
						dsn = pgtest.DSN(b)
					}
					r := newFirstAttempts(b, dsn)
					r.run(load.events, load.between)
					r.report(b)
				}
			})
		}
	}
}

// firstAttempts is a store, a worker and receivers that keep the time.
type firstAttempts struct {
	b        *testing.B
	store    *store.Store
	merchant payment.MerchantID
	asset    asset.ID

	mu             sync.Mutex
	committed      map[string]time.Time // by payment
	healthy, slack []time.Duration      // how long first attempts took, to those that answer and that hang
	began, ended   time.Time
}

func newFirstAttempts(b *testing.B, dsn string) *firstAttempts {
	b.Helper()
	box, err := seal.New(seal.NewKey())
	check(b, err)
	r := &firstAttempts{b: b, committed: map[string]time.Time{}}
	r.store, err = store.Open(b.Context(), store.Config{DSN: dsn, Seal: box})
	check(b, err)
	b.Cleanup(func() { check(b, r.store.Close()) })
	check(b, r.store.Migrate(b.Context()))
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains, tokens)
	check(b, err)
	r.asset = "USDC-base"

	receivers := httptest.NewServer(http.HandlerFunc(r.receive))
	b.Cleanup(receivers.Close)
	now := time.Now().UTC()
	r.merchant = payment.MerchantID(payment.NewULID(now))
	check(b, r.store.InsertMerchant(b.Context(), merchant.Merchant{ID: r.merchant, Name: "Bench", CreatedAt: now}))
	for i := range benchEndpoints {
		kind := "answers"
		if i < benchHanging {
			kind = "hangs"
		}
		check(b, r.store.InsertEndpoint(b.Context(), merchant.Endpoint{
			ID: payment.NewULID(now), Merchant: r.merchant, URL: fmt.Sprintf("%s/%s/%d", receivers.URL, kind, i), Secret: webhook.NewSecret(), Active: true, CreatedAt: now,
		}))
	}

	log := slog.New(slog.DiscardHandler)
	hooks := webhook.New(webhook.Config{Store: r.store, Guard: &webhook.Guard{AllowLoopback: true}, Log: log, Encoders: map[string]webhook.Encoder{
		request.Name: request.Encoder{Book: book, BaseURL: "https://pay.example.com"},
	}})
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ended := make(chan error, 1)
	worker := job.NewWorker(workerConfig(r.store, hooks.Handlers(), log))
	go func() { ended <- worker.Run(ctx) }()
	b.Cleanup(func() { cancel(); check(b, <-ended) })
	return r
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// receive notes when the first attempt of a delivery came in.
func (r *firstAttempts) receive(w http.ResponseWriter, req *http.Request) {
	came := time.Now()
	var body bytes.Buffer
	_, _ = body.ReadFrom(req.Body) // what is missing is missed below
	_, rest, _ := strings.Cut(body.String(), `"securePaymentToken":"`)
	token, _, _ := strings.Cut(rest, `"`)
	hangs := strings.HasPrefix(req.URL.Path, "/hangs/")
	if req.Header.Get("x-request-network-retry-count") == "0" {
		r.mu.Lock()
		took := came.Sub(r.committed[token])
		if hangs {
			r.slack = append(r.slack, took)
		} else {
			r.healthy = append(r.healthy, took)
		}
		r.mu.Unlock()
	}
	if hangs {
		<-req.Context().Done()
	}
}

// run commits events and waits until every endpoint that answers has them all.
func (r *firstAttempts) run(events int, between time.Duration) {
	r.began = time.Now()
	for i := range events {
		time.Sleep(time.Until(r.began.Add(time.Duration(i) * between)))
		r.commit()
	}
	want := events * 2 * (benchEndpoints - benchHanging)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		got := len(r.healthy)
		r.mu.Unlock()
		if got >= want {
			r.ended = time.Now()
			return
		}
		if time.Now().After(deadline) {
			r.b.Fatalf("%d of %d deliveries came in", got, want)
		}
	}
}

func (r *firstAttempts) commit() {
	now := time.Now().UTC()
	id := payment.ID(payment.NewULID(now))
	p := &payment.Payment{ID: id, Terms: payment.Terms{
		Merchant: r.merchant, Dialect: request.Name, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Requests: []payment.Request{{ID: "01" + string(id), Asset: r.asset, Due: big.NewInt(1_000_000), Topic: "0x" + string(id)}},
	}}
	x := payment.Transfer{Key: "k", Asset: r.asset, Amount: big.NewInt(1_000_000), Credit: big.NewInt(1_000_000), Stage: payment.Final, At: now}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	standing := payment.Assess(p.Terms, []payment.Transfer{x}, nil, now).Requests[0]
	check(r.b, r.store.Write(context.Background(), func(tx checkout.Tx) error {
		if err := tx.InsertPayment(context.Background(), p); err != nil {
			return err
		}
		r.mu.Lock()
		r.committed[string(id)] = time.Now() // in case the attempt is faster than the line below
		r.mu.Unlock()
		return tx.AppendEvent(context.Background(), payment.Event{
			ID: payment.NewULID(now), Payment: id, Merchant: r.merchant, Dialect: request.Name, Kind: payment.EventPaid, Transfer: &x, Standing: standing, At: now,
		})
	}))
}

func (r *firstAttempts) report(b *testing.B) {
	b.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append(slices.Clone(r.healthy), r.slack...)
	for range len(r.healthy)/(benchEndpoints-benchHanging)*benchHanging - len(r.slack) {
		all = append(all, r.ended.Sub(r.began))
	}
	slices.Sort(all)
	healthy := slices.Sorted(slices.Values(r.healthy))
	at := func(ds []time.Duration, percent int) float64 {
		return float64(ds[min(len(ds)-1, len(ds)*percent/100)].Microseconds()) / 1000
	}
	b.ReportMetric(at(healthy, 50), "healthy-p50-ms")
	b.ReportMetric(at(healthy, 99), "healthy-p99-ms")
	b.ReportMetric(at(all, 99), "all-p99-ms")
	b.ReportMetric(float64(len(r.healthy)+len(r.slack)), "attempts")
}
