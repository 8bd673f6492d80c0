package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

const otherShop = payment.MerchantID("01KE0000000000000000000009")

// come has cents come for a payment on a chain, final or not.
func (w *world) come(p *payment.Payment, cents int64, final bool) {
	w.t.Helper()
	missing := w.load(p.ID).Standing.Requests[0].Missing(p.Terms.Requests[0].Due)
	q := w.rates(p, usdcBase)[0]
	q.Mul(q, money.Cents(cents)).Quo(q, missing)
	b := w.blockNow(w.next())
	must(w.t, w.sweep(int(b.Number), b, w.drop(p, usdcBase, int(b.Number), q, b)))
	if final {
		must(w.t, w.Finalize(w.t.Context(), base, []checkout.Block{b}))
	}
}

// next is the first block that was not recorded.
func (w *world) next() int {
	w.t.Helper()
	cursor, err := w.Cursor(w.t.Context(), base)
	must(w.t, err)
	if len(cursor.Blocks) == 0 {
		return 1
	}
	return int(cursor.Blocks[0].Number) + 1
}

func TestWhoCallsOff(t *testing.T) {
	w := linksWorld(t, "sqlite:"+t.TempDir()+"/test.db", 40)
	type act struct {
		name string
		do   func(w *world, p *payment.Payment) error
	}
	merchant := act{"merchant", func(w *world, p *payment.Payment) error { return w.Cancel(w.t.Context(), owner, p.ID) }}
	payer := act{"payer", func(w *world, p *payment.Payment) error { return w.CancelByPayer(w.t.Context(), p.ID) }}
	deletes := act{"deletion", func(w *world, p *payment.Payment) error { return w.Delete(w.t.Context(), owner, p.ID) }}
	for name, c := range map[string]struct {
		change func(*checkout.Draft)
		before func(w *world, p *payment.Payment)
		want   map[string]string // the faults, by who acts; "" for none
	}{
		"nothing has come": {nil, nil, map[string]string{"merchant": "", "payer": "", "deletion": ""}},
		"the payer may not": {func(d *checkout.Draft) { d.PayerCancels = false }, nil, map[string]string{
			"merchant": "", "payer": "forbidden not_cancellable ", "deletion": "",
		}},
		"a part has come": {nil, func(w *world, p *payment.Payment) { w.come(p, 40, false) }, map[string]string{
			"merchant": "conflict in_progress ", "payer": "conflict in_progress ", "deletion": "conflict already_paid ",
		}},
		"all has come": {nil, func(w *world, p *payment.Payment) { w.come(p, 100, false) }, map[string]string{
			"merchant": "conflict already_paid ", "payer": "conflict already_paid ", "deletion": "conflict already_paid ",
		}},
		"it is paid": {nil, func(w *world, p *payment.Payment) { w.come(p, 100, true) }, map[string]string{
			"merchant": "conflict already_paid ", "payer": "conflict already_paid ", "deletion": "conflict already_paid ",
		}},
		"somebody has sent it": {nil, func(w *world, p *payment.Payment) { w.sends(p) }, map[string]string{
			"merchant": "", "payer": "conflict in_progress ", "deletion": "conflict already_paid ",
		}},
		"somebody said so, and nothing came": {nil, func(w *world, p *payment.Payment) {
			w.sends(p)
			w.pass(time.Hour)
		}, map[string]string{"merchant": "", "payer": "", "deletion": ""}},
		"called off by the merchant": {nil, func(w *world, p *payment.Payment) { must(w.t, merchant.do(w, p)) }, map[string]string{
			"merchant": "", "payer": "conflict canceled ", "deletion": "conflict canceled ",
		}},
		"called off by the payer": {nil, func(w *world, p *payment.Payment) { must(w.t, payer.do(w, p)) }, map[string]string{
			"merchant": "conflict canceled ", "payer": "", "deletion": "conflict canceled ",
		}},
		"deleted": {nil, func(w *world, p *payment.Payment) { must(w.t, deletes.do(w, p)) }, map[string]string{
			"merchant": "not_found not_found ", "payer": "not_found not_found ", "deletion": "not_found not_found ",
		}},
		"over": {func(d *checkout.Draft) { d.Endless, d.Window = false, time.Minute }, func(w *world, _ *payment.Payment) { w.pass(time.Hour) }, map[string]string{
			"merchant": "conflict expired ", "payer": "conflict expired ", "deletion": "",
		}},
	} {
		for _, by := range []act{merchant, payer, deletes} {
			t.Run(name+"/"+by.name, func(t *testing.T) {
				w.t = t
				d := euroDraft(100)
				if c.change != nil {
					c.change(&d)
				}
				p, err := w.owe(d)
				must(t, err)
				if c.before != nil {
					c.before(w, p)
				}
				was, log := w.load(p.ID), len(w.events(p.ID))
				w.pass(time.Second)
				if err := by.do(w, p); names(err) != c.want[by.name] {
					t.Fatalf("%v", err)
				}
				got, want := w.load(p.ID).Terms, was.Terms
				again := was.Standing.State == payment.Canceled
				if c.want[by.name] == "" && !again {
					want.CanceledAt, want.CanceledBy = w.now(), payment.Canceler(by.name)
				}
				if !got.CanceledAt.Equal(want.CanceledAt) || got.CanceledBy != want.CanceledBy {
					t.Errorf("called off at %s by %q", got.CanceledAt, got.CanceledBy)
				}
				events := w.events(p.ID)[log:]
				if told := len(events) == 1 && events[0].Kind == payment.EventCanceled && events[0].Fields[payment.FieldState] == "canceled"; told != (c.want[by.name] == "" && !again) {
					t.Errorf("told %+v", events)
				}
			})
		}
	}
}

// sends has somebody say that a transaction was sent.
func (w *world) sends(p *payment.Payment) {
	w.t.Helper()
	_, err := w.Announce(w.t.Context(), p.ID, base, hash(77), rail.Payer{})
	must(w.t, err)
}

func TestOthersPaymentsAreNotCalledOff(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100)
	for name, err := range map[string]error{
		"cancelled":         w.Cancel(t.Context(), otherShop, p.ID),
		"deleted":           w.Delete(t.Context(), otherShop, p.ID),
		"nobody's":          w.CancelByPayer(t.Context(), payment.ID(otherShop)),
		"nobody's, deleted": w.Delete(t.Context(), owner, payment.ID(otherShop)),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.load(p.ID).Standing.State != payment.Open {
		t.Error("it is not open")
	}
	must(t, w.Delete(t.Context(), owner, p.ID))
	if err := w.Delete(t.Context(), otherShop, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stranger: %v", err)
	}
}

// What comes after a payment was called off is late, however soon, and brings nothing back.
func TestMoneyAfterTheEnd(t *testing.T) {
	w := linksWorld(t, "sqlite:"+t.TempDir()+"/test.db", 10)
	keys := 0
	for _, by := range []payment.Canceler{payment.ByMerchant, payment.ByPayer, payment.ByDeletion} {
		for name, pays := range map[string]func(w *world, p *payment.Payment){
			"coins": func(w *world, p *payment.Payment) {
				b := w.blockNow(keys)
				must(w.t, w.sweep(w.next(), b, w.drop(p, usdcBase, keys, big.NewInt(1_250_000), b)))
				must(w.t, w.Finalize(w.t.Context(), base, []checkout.Block{b}))
			},
			"a bank": func(w *world, p *payment.Payment) { w.books(w.booking(p, fmt.Sprint("k", keys), 100)) },
			"a bank, days before": func(w *world, p *payment.Payment) {
				b := w.booking(p, fmt.Sprint("k", keys), 100)
				b.Booked = b.Booked.Add(-48 * time.Hour)
				w.books(b)
			},
		} {
			t.Run(string(by)+"/"+name, func(t *testing.T) {
				keys++
				w.t = t
				p := w.euros(100)
				w.pass(72 * time.Hour)
				switch by {
				case payment.ByMerchant:
					must(t, w.Cancel(t.Context(), owner, p.ID))
				case payment.ByPayer:
					must(t, w.CancelByPayer(t.Context(), p.ID))
				case payment.ByDeletion:
					must(t, w.Delete(t.Context(), owner, p.ID))
				}
				w.pass(time.Second)
				pays(w, p)
				got := w.load(p.ID)
				if got.Standing.State != payment.Canceled || got.Standing.Oddity != payment.Late || got.Part() || got.Terms.CanceledBy != by {
					t.Errorf("%+v of %+v", got.Standing, got.Transfers)
				}
				if kinds := w.kinds(p.ID); count(kinds, payment.EventLate) != 1 || count(kinds, payment.EventPaid) != 0 || count(kinds, payment.EventCanceled) != 1 {
					t.Errorf("told %v", kinds)
				}
			})
		}
	}
}

// Coins that were in a block before the end count, though they were seen after it.
func TestMoneyBeforeTheEnd(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100)
	q := w.rates(p, usdcBase)[0]
	w.pass(time.Minute)
	b := w.blockNow(1)
	w.pass(time.Second)
	must(t, w.CancelByPayer(t.Context(), p.ID))
	must(t, w.sweep(1, b, w.drop(p, usdcBase, 1, q, b)))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{b}))
	if got := w.load(p.ID).Standing; got.State != payment.Paid || got.Oddity != payment.None {
		t.Errorf("%+v", got)
	}
	if err := w.CancelByPayer(t.Context(), p.ID); names(err) != "conflict already_paid " {
		t.Errorf("%v", err)
	}
}

// Whoever is first decides who called it off, and the others hear of it.
func TestCallingOffAtOnce(t *testing.T) {
	w := linksWorld(t, "sqlite:"+t.TempDir()+"/test.db", 10)
	for range 10 {
		p := w.euros(100)
		var group sync.WaitGroup
		errs := make([]error, 3)
		for i, do := range []func(context.Context) error{
			func(ctx context.Context) error { return w.Cancel(ctx, owner, p.ID) },
			func(ctx context.Context) error { return w.CancelByPayer(ctx, p.ID) },
			func(ctx context.Context) error { return w.Delete(ctx, owner, p.ID) },
		} {
			group.Go(func() { errs[i] = do(t.Context()) })
		}
		group.Wait()
		won := slices.Index([]payment.Canceler{payment.ByMerchant, payment.ByPayer, payment.ByDeletion}, w.load(p.ID).Terms.CanceledBy)
		for i, err := range errs {
			if (err == nil) != (i == won) || err != nil && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
				t.Errorf("%d won, and %d: %v", won, i, err)
			}
		}
		if count(w.kinds(p.ID), payment.EventCanceled) != 1 {
			t.Errorf("told %v", w.kinds(p.ID))
		}
	}
}

// A cancellation whose answer was lost was made, once.
func TestCallingOffInTrouble(t *testing.T) {
	w := newLinks(t)
	p := w.euros(100)
	w.fail = func(_ context.Context, write func() error) error { return errors.Join(write(), errTrouble) }
	if err := w.CancelByPayer(t.Context(), p.ID); !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	w.fail = nil
	if err := w.CancelByPayer(t.Context(), p.ID); err != nil {
		t.Errorf("again: %v", err)
	}
	if count(w.kinds(p.ID), payment.EventCanceled) != 1 {
		t.Errorf("told %v", w.kinds(p.ID))
	}
}
