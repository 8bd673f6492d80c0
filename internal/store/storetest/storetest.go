// Package storetest is the conformance suite of a payment store: every database
// that store supports must pass it, with the same results. It knows the ports'
// contracts and no SQL. It is test support: only _test.go files may import it.
package storetest

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/store"
)

// Run runs the suite. database makes an empty database for one test and returns
// its address.
func Run(t *testing.T, database func(testing.TB) string) {
	groups := map[string]map[string]func(*testing.T, *fixture){
		"payments": payments, "transfers": transfers, "routes": routes, "safes": safes, "gasless": gasless, "cursors": cursors, "log": log, "idempotency": idempotency,
		"merchants": merchants, "webhooks": webhooks, "endpoints": endpoints, "feed": feed, "writes": writes, "hub": hub, "searches": searches, "screenings": screenings, "once": once, "sessions": sessions, "limits": limits,
		"branches": branches, "leases": leases, "quotes": quotes, "balances": balances, "listings": listings,
		"links": links, "bookings": bookings, "incomes": incomes, "archives": archives,
	}
	for group, tests := range groups {
		t.Run(group, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					dsn := database(t)
					test(t, &fixture{Store: Open(t, dsn), dsn: dsn})
				})
			}
		})
	}
}

// Open opens and migrates a store that is closed when the test ends.
func Open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	Prepare(t, dsn)
	box, err := seal.New([]byte("a test key of exactly 32 bytes.."))
	must(t, err)
	s, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	must(t, s.Migrate(t.Context()))
	return s
}

// fixture is a store under test and words to fill it.
type fixture struct {
	*store.Store
	dsn  string
	made int
}

// node opens the same database once more: another process, as far as caches go.
func (f *fixture) node(t testing.TB) *fixture {
	t.Helper()
	return &fixture{Store: Open(t, f.dsn), dsn: f.dsn, made: f.made + 1_000_000}
}

var start = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const chain = asset.ChainID(8453)

// id makes ULIDs whose order is the order in which they were made.
func (f *fixture) id() string {
	f.made++
	return fmt.Sprintf("01KE%022d", f.made)
}

func (f *fixture) merchant(t testing.TB) merchant.Merchant {
	t.Helper()
	m := merchant.Merchant{ID: payment.MerchantID(f.id()), Name: "Café \"Näher\"", Window: 90 * time.Minute, Access: access(1), CreatedAt: start}
	must(t, f.InsertMerchant(t.Context(), m))
	return m
}

func address(n int) asset.Address {
	var a asset.Address
	a[0], a[18], a[19] = 0xab, byte(n>>8), byte(n)
	return a
}

// access is a policy of which nothing is left out.
func access(n int) payment.Access {
	return payment.Access{Allowed: []asset.Address{address(n), address(n + 1)}, Screen: true, Provider: "list", HideUntilApproved: true, HidePayee: true}
}

func hash(n int) string { return fmt.Sprintf("0x%064x", n) }

func big256() *big.Int {
	v := new(big.Int).Lsh(big.NewInt(1), 256)
	return v.Sub(v, big.NewInt(1))
}

// draw makes a payment of n requests that is not stored yet.
func (f *fixture) draw(m payment.MerchantID, n int) *payment.Payment {
	p := &payment.Payment{
		ID: payment.ID(f.id()),
		Terms: payment.Terms{
			Merchant: m, Dialect: "request", CreatedAt: start, ExpiresAt: start.Add(time.Hour), Grace: 3 * time.Minute,
			Reference: "order ☕ 7", PayerIdentifier: "payer", RedirectURL: "https://shop.example/done", RedirectLabel: "Back",
			ClientID: "cli_1", Origin: "https://shop.example", Flow: payment.GetPaid,
		},
		Version: 1,
	}
	for i := range n {
		f.made++
		r := payment.Request{
			Index: i, ID: "01" + hash(f.made)[2:], Asset: "USDC-base", Due: big.NewInt(int64(1_000_000 + i)), Payee: address(f.made),
			Salt: fmt.Sprintf("%016x", f.made), Reference: fmt.Sprintf("0x%016x", f.made), Topic: hash(f.made),
			Handles: []payment.Handle{{Rail: "evmref", Value: hash(f.made)}},
		}
		if i%2 == 1 {
			r.Due = big256()
			r.Fee = &payment.Fee{Share: "2.5", Amount: big.NewInt(25), Payee: address(7)}
		}
		p.Terms.Requests = append(p.Terms.Requests, r)
	}
	p.Standing = payment.Assess(p.Terms, nil, nil, start)
	return p
}

// payment stores a new payment of n requests.
func (f *fixture) payment(t testing.TB, n int) *payment.Payment {
	t.Helper()
	p := f.draw(f.merchant(t).ID, n)
	f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
	return p
}

func (f *fixture) write(t testing.TB, do func(checkout.Tx) error) {
	t.Helper()
	must(t, f.Write(t.Context(), do))
}

func (f *fixture) load(t testing.TB, id payment.ID) *payment.Payment {
	t.Helper()
	p, err := f.Payment(t.Context(), id)
	must(t, err)
	return p
}

// transfer makes a pending transfer to a payment's first request.
func transfer(key string, block uint64) payment.Transfer {
	return payment.Transfer{
		Key: key, Rail: "evmref", Asset: "USDC-base", Amount: big.NewInt(500), Credit: big.NewInt(500), Fee: big.NewInt(5),
		Stage: payment.Pending, At: start.Add(time.Duration(block) * time.Second),
		Evidence: payment.Evidence{
			Chain: chain, Block: block, BlockHash: hash(int(block)), Tx: hash(9000 + int(block)), LogIndex: 3, Payer: address(99).String(),
		},
	}
}

func (f *fixture) put(t testing.TB, id payment.ID, x payment.Transfer) (changed bool) {
	t.Helper()
	f.write(t, func(tx checkout.Tx) (err error) {
		changed, err = tx.PutTransfer(t.Context(), id, x)
		return err
	})
	return changed
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that an error is a fault of a kind and code.
func refused(t testing.TB, what string, err error, kind fault.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("%s: got %v, want fault %s %q", what, err, kind, code)
		return
	}
	for _, leak := range []string{"UNIQUE", "SQLSTATE", "constraint", "sqlite"} {
		if strings.Contains(e.Public, leak) {
			t.Errorf("%s: the public text gives the database away: %q", what, e.Public)
		}
	}
}

var errRollback = errors.New("roll back, please")
