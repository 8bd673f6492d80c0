package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
	"quittance/internal/checkout"
	"quittance/internal/desk"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/rail/sepa"
	"quittance/internal/seal"
	"quittance/internal/store"
)

// cutAt is a store of a process that dies in one of its writes, and does nothing afterwards.
type cutAt struct {
	checkout.Store
	left  int  // writes that still succeed
	after bool // the last one is committed, and only its answer is lost
}

func (c *cutAt) Write(ctx context.Context, f func(checkout.Tx) error) error {
	c.left--
	switch {
	case c.left >= 0:
		return c.Store.Write(ctx, f)
	case c.left == -1 && c.after:
		return errors.Join(c.Store.Write(ctx, f), errCut)
	}
	return errCut
}

// Where imports are cut off.
const (
	cutIBAN  = "DE89370400440532013000"
	cutShop  = payment.MerchantID("01KE0000000000000000000001")
	cutLinks = 4 // the last one is paid by two bookings; beside them there is one that names nobody
	cutSteps = 1 + cutLinks + 1 + 1
)

// cutCase is a shop with links, and a statement that pays all of them.
type cutCase struct {
	t     *testing.T
	db    *store.Store
	book  *asset.Book
	links []payment.ID
	file  []byte
}

func (c *cutCase) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cutCase) service(s checkout.Store) *checkout.Service {
	return checkout.New(checkout.Config{Store: s, Book: c.book, Rails: []rail.Rail{sepa.NewRail()}})
}

func newCutCase(t *testing.T, book *asset.Book, now time.Time) *cutCase {
	t.Helper()
	c, ctx := &cutCase{t: t, book: book}, t.Context()
	box, err := seal.New(bytes.Repeat([]byte{7}, 32))
	c.must(err)
	c.db, err = store.Open(ctx, store.Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "cut.db"), Seal: box, Tells: tells(dialects())})
	c.must(err)
	t.Cleanup(func() { c.must(c.db.Close()) })
	c.must(c.db.Migrate(ctx))
	c.must(c.db.InsertMerchant(ctx, merchant.Merchant{ID: cutShop, Name: "Shop", CreatedAt: now}))
	c.must(c.db.SetBankAccount(ctx, merchant.BankAccount{Merchant: cutShop, IBAN: cutIBAN, Holder: "Shop", Active: true, CreatedAt: now}))
	statement := sample.Statement{Version: camt.V08, ID: "one", Account: cutIBAN, Owner: "Shop", Day: now}
	tell := func(text string, cents ...int64) {
		for _, v := range cents {
			statement.Bookings = append(statement.Bookings, sample.Booking{
				Transaction: sample.Transaction{Cents: v, Text: text, From: "Petra Payer"}, Reference: fmt.Sprint("BANK-", len(statement.Bookings)),
			})
		}
	}
	for i := range cutLinks {
		d := checkout.Draft{
			Merchant: cutShop, Dialect: "secpaid", Alias: fmt.Sprint(1000 + i), Endless: true,
			Requests: []checkout.DraftRequest{{Fiat: asset.EUR, Amount: money.Cents(4999), Bank: &payment.BankTransfer{Holder: "Shop", Account: cutIBAN}}},
		}
		_, _, err := c.service(c.db).Create(ctx, d, nil, func(p *payment.Payment) (checkout.Answer, error) {
			c.links = append(c.links, p.ID)
			return checkout.Answer{Status: 200}, nil
		})
		c.must(err)
		p, err := c.db.Payment(ctx, c.links[i])
		c.must(err)
		if text := p.Terms.Requests[0].Bank.Text; i == cutLinks-1 {
			tell(text, 1, 4998)
		} else {
			tell(text, 4999)
		}
	}
	tell("Danke!", 1)
	c.file, err = statement.XML()
	c.must(err)
	return c
}

// check holds what is stored against what the statement told.
func (c *cutCase) check(cut int, now time.Time) {
	c.t.Helper()
	ctx := c.t.Context()
	booked, err := c.db.Bookings(ctx, checkout.BookingQuery{Merchant: cutShop})
	c.must(err)
	open := 0
	for _, b := range booked {
		if !b.Counts {
			open++
		}
	}
	if len(booked) != cutLinks+2 || open != 1 {
		c.t.Errorf("cut %d: %d bookings, of which %d count for nobody", cut, len(booked), open)
	}
	for i, id := range c.links {
		p, err := c.db.Payment(ctx, id)
		c.must(err)
		events, err := c.db.Events(ctx, id)
		c.must(err)
		paid := 0
		for _, e := range events {
			if e.Kind == payment.EventPaid {
				paid++
			}
		}
		standing := payment.Assess(p.Terms, p.Transfers, nil, now)
		if r := standing.Requests[0]; p.Standing.State != payment.Paid || r.Received.Cmp(money.Cents(4999)) != 0 || standing.Oddity != payment.None || paid != 1 {
			c.t.Errorf("cut %d: link %d is %s with %s, told %d times", cut, i, p.Standing.State, r.Received, paid)
		}
	}
}

// A process that dies in any of the transactions of an import, before the commit or after
// it, leaves what importing the same statement again finishes: nothing is lost, nothing
// counts twice, and each link is told of once.
func TestProofOfCutImports(t *testing.T) {
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains, tokens)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range 2 * cutSteps {
		now := time.Now().UTC()
		c := newCutCase(t, book, now)
		dying := &cutAt{Store: c.db, left: cut / 2, after: cut%2 == 1}
		if _, err := (desk.Desk{Store: c.db, Checkout: c.service(dying)}).Import(t.Context(), "", bytes.NewReader(c.file), false); !errors.Is(err, errCut) {
			t.Fatalf("cut %d: %v", cut, err)
		}
		for range 2 {
			if _, err := (desk.Desk{Store: c.db, Checkout: c.service(c.db)}).Import(t.Context(), "", bytes.NewReader(c.file), false); err != nil {
				t.Fatalf("cut %d, again: %v", cut, err)
			}
		}
		c.check(cut, now)
	}
}
