package checkout_test

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// slowPrices answers when nobody waits any more.
type slowPrices struct{ asked int }

func (s *slowPrices) Prices(ctx context.Context, _ asset.ID, _ []asset.ID) map[asset.ID]money.Price {
	s.asked++
	<-ctx.Done()
	return nil
}

// oneOwner is a store with one payment, where every write fails.
type oneOwner struct {
	checkout.Store
	p      *payment.Payment
	writes int
}

func (s *oneOwner) Owners(_ context.Context, of string, handles []string) (map[string]checkout.Owner, error) {
	owners := map[string]checkout.Owner{}
	for _, h := range handles {
		if of == "deposit" && h == s.p.Terms.Requests[0].Payee.Lower() {
			owners[h] = checkout.Owner{Payment: s.p.ID}
		}
	}
	return owners, nil
}

func (s *oneOwner) Payment(context.Context, payment.ID) (*payment.Payment, error) {
	p := *s.p
	return &p, nil
}

func (s *oneOwner) Write(context.Context, func(checkout.Tx) error) error {
	s.writes++
	return errTrouble
}

// A source of prices that does not answer holds up a sweep, and a page, for three seconds
// and no longer; and a sweep without money of ours for no time at all.
func TestNobodyWaitsForPrices(t *testing.T) {
	chains, tokens := asset.Sandbox()
	book, err := asset.NewBook(chains, tokens)
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		p := &payment.Payment{ID: payment.ID(payment.NewULID(now)), Terms: payment.Terms{
			CreatedAt: now, ExpiresAt: now.Add(time.Hour), Requests: []payment.Request{{Asset: asset.USD, Due: money.Cents(100), Payee: pot(1)}},
		}}
		p.Standing = payment.Assess(p.Terms, nil, nil, now)
		db, slow := &oneOwner{p: p}, &slowPrices{}
		s := checkout.New(checkout.Config{Store: db, Book: book, Prices: slow, Rails: []rail.Rail{&till{offers: []asset.ID{ethBase}}}})
		for name, c := range map[string]struct {
			x    rail.Sighting
			wait time.Duration
		}{
			"ours":            {rail.Sighting{Rail: "deposit", Handle: pot(1).Lower(), Chain: base, To: pot(1), Amount: big.NewInt(1), At: now}, 3 * time.Second},
			"somebody else's": {rail.Sighting{Rail: "deposit", Handle: pot(2).Lower(), Chain: base, To: pot(2), Amount: big.NewInt(1), At: now}, 0},
			"another rail's":  {rail.Sighting{Rail: "evmref", Handle: pot(1).Lower(), Chain: base, To: pot(1), Amount: big.NewInt(1), At: now}, 0},
			"an unknown coin": {rail.Sighting{Rail: "deposit", Handle: pot(1).Lower(), Chain: 1, To: pot(1), Amount: big.NewInt(1), At: now}, 0},
		} {
			start, asked, writes := time.Now(), slow.asked, db.writes
			err := s.RecordSweep(t.Context(), checkout.Sweep{Chain: base, From: 1, To: checkout.Block{Number: 1}, Sightings: []rail.Sighting{c.x}})
			if waited := time.Since(start); waited != c.wait || (slow.asked > asked) != (c.wait > 0) || db.writes != writes+1 || !errors.Is(err, errTrouble) {
				t.Errorf("%s: waited %s, %d questions, %v", name, waited, slow.asked-asked, err)
			}
		}
		start := time.Now()
		if _, _, err := s.Quote(t.Context(), p.ID, ethBase, false); names(err) != "unavailable price_unavailable " || time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		p.Transfers = []payment.Transfer{{Key: "k", Asset: ethBase, Amount: big.NewInt(1), Credit: new(big.Int), Stage: payment.Final, At: now.Add(-2 * time.Hour)}}
		start = time.Now()
		if _, err := s.PriceTransfers(t.Context(), string(p.ID)+" k"); !errors.Is(err, errTrouble) || time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

// The longer something has no price, the longer the pauses between two questions; there is
// no end to them.
func TestPausesForPrices(t *testing.T) {
	w := newTill(t)
	p := w.owed(100)
	w.till.set(func(x *till) { x.prices = nil })
	b := w.blockNow(1)
	must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, big.NewInt(5), b)))
	for _, c := range []struct{ after, pause time.Duration }{
		{0, 5 * time.Second}, {2 * time.Minute, 5 * time.Second}, {3 * time.Minute, 30 * time.Second}, {time.Hour, 30 * time.Second},
		{2 * time.Hour, 5 * time.Minute}, {25 * time.Hour, time.Hour}, {1000 * time.Hour, time.Hour},
	} {
		w.pass(c.after - w.now().Sub(b.Time))
		again, err := w.PriceTransfers(t.Context(), string(p.ID)+" any")
		if err != nil || again.Sub(w.now()) != c.pause {
			t.Errorf("after %s: %s, %v", c.after, again.Sub(w.now()), err)
		}
	}
}
