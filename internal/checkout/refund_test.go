package checkout_test

import (
	"math/big"
	"slices"
	"sync"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// paid is a payment of which 100 units have arrived for good.
func paid(t *testing.T, w *world) *payment.Payment {
	t.Helper()
	p := w.create(100)
	must(t, w.sweep(1, block(1, 0), w.sighting(p, 1, 0, 100, block(1, 0))))
	must(t, w.Finalize(t.Context(), base, []checkout.Block{block(1, 0)}))
	return w.load(p.ID)
}

func refund(p *payment.Payment, tx int, units int64) checkout.Refund {
	return checkout.Refund{Payment: p.ID, Tx: hash(900 + tx), To: asset.Address{19: 0x99}, Amount: big.NewInt(units)}
}

func (w *world) refunds(id payment.ID) []payment.Event {
	return slices.DeleteFunc(w.events(id), func(e payment.Event) bool { return e.Kind != payment.EventRefunded })
}

func TestRefunded(t *testing.T) {
	w := newWorld(t)
	p := paid(t, w)
	for _, want := range []bool{true, false} { // said twice, it counts once
		if recorded, err := w.Refunded(t.Context(), owner, refund(p, 1, 60)); recorded != want || err != nil {
			t.Errorf("recorded %v, %v, want %v", recorded, err, want)
		}
	}
	got := w.refunds(p.ID)
	if len(got) != 1 || got[0].Request != 0 || got[0].Fields[payment.FieldAmount] != "60" || got[0].Fields[payment.FieldTx] != hash(901) ||
		got[0].Fields[payment.FieldWallet] != (asset.Address{19: 0x99}).String() {
		t.Fatalf("log %+v", got)
	}
	if now := w.load(p.ID); now.Standing.State != payment.Paid {
		t.Errorf("a refund made the payment %s", now.Standing.State)
	}
	again := refund(p, 1, 60)
	again.Tx = "0X" + again.Tx[2:]
	if _, err := w.Refunded(t.Context(), owner, again); err != nil {
		t.Errorf("the same in other letters: %v", err)
	}
	if recorded, err := w.Refunded(t.Context(), owner, refund(p, 2, 40)); !recorded || err != nil {
		t.Errorf("the rest: %v, %v", recorded, err)
	}
	jobs := 0
	for _, e := range w.refunds(p.ID) {
		if _, _, err := w.store.Event(t.Context(), e.ID); err == nil {
			jobs++
		}
	}
	if jobs != 2 {
		t.Errorf("%d refunds can be told of, want 2", jobs)
	}
}

func TestRefundedRefusesNonsense(t *testing.T) {
	w := newWorld(t)
	p, unpaid := paid(t, w), w.create(100)
	if _, err := w.Refunded(t.Context(), owner, refund(p, 1, 60)); err != nil {
		t.Fatal(err)
	}
	before := len(w.events(p.ID))
	for name, c := range map[string]struct {
		m     payment.MerchantID
		spoil func(*checkout.Refund)
		code  string
		field string
	}{
		"another merchant":             {"01KE0000000000000000000009", func(*checkout.Refund) {}, "not_found", ""},
		"no such payment":              {owner, func(r *checkout.Refund) { r.Payment = "01KE0000000000000000000009" }, "payment_not_found", ""},
		"no such request":              {owner, func(r *checkout.Refund) { r.Request = 1 }, "unknown_request", "request"},
		"a negative request":           {owner, func(r *checkout.Refund) { r.Request = -1 }, "unknown_request", "request"},
		"no transaction":               {owner, func(r *checkout.Refund) { r.Tx = "" }, "invalid_tx_hash", "tx"},
		"the payment itself":           {owner, func(r *checkout.Refund) { r.Tx = p.Transfers[0].Evidence.Tx }, "refund_is_payment", "tx"},
		"to nobody":                    {owner, func(r *checkout.Refund) { r.To = asset.Address{} }, "invalid_receiver", "to"},
		"to the payee":                 {owner, func(r *checkout.Refund) { r.To = payee }, "refund_to_payee", "to"},
		"nothing":                      {owner, func(r *checkout.Refund) { r.Amount = new(big.Int) }, "invalid_amount", "amount"},
		"no amount":                    {owner, func(r *checkout.Refund) { r.Amount = nil }, "invalid_amount", "amount"},
		"less than nothing":            {owner, func(r *checkout.Refund) { r.Amount = big.NewInt(-1) }, "invalid_amount", "amount"},
		"more than is left":            {owner, func(r *checkout.Refund) { r.Amount = big.NewInt(41) }, "refund_too_large", "amount"},
		"of what has not arrived":      {owner, func(r *checkout.Refund) { r.Payment = unpaid.ID }, "refund_too_large", "amount"},
		"the same of another amount":   {owner, func(r *checkout.Refund) { r.Tx, r.Amount = hash(901), big.NewInt(1) }, "refund_differs", "tx"},
		"the same to somebody else":    {owner, func(r *checkout.Refund) { r.Tx, r.To, r.Amount = hash(901), asset.Address{7}, big.NewInt(60) }, "refund_differs", "tx"},
		"no hash but as long as a one": {owner, func(r *checkout.Refund) { r.Tx = "0x" + string(make([]byte, 64)) }, "invalid_tx_hash", "tx"},
	} {
		r := refund(p, 2, 40)
		c.spoil(&r)
		recorded, err := w.Refunded(t.Context(), c.m, r)
		if f := fault.From(err); recorded || f == nil || f.Code != c.code || f.Field != c.field {
			t.Errorf("%s: got %v, want %s on %q", name, err, c.code, c.field)
		}
	}
	if got := len(w.events(p.ID)); got != before || len(w.events(unpaid.ID)) != 1 {
		t.Errorf("what was refused left %d events", got-before)
	}
}

// However many say it at once, no more goes back than has arrived.
func TestRefundsAtOnce(t *testing.T) {
	w := newWorld(t)
	p := paid(t, w)
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			_, err := w.Refunded(t.Context(), owner, refund(p, i/2, 30)) // each is said twice
			if f := fault.From(err); f != nil && f.Code != "refund_too_large" && f.Kind != fault.Conflict {
				t.Errorf("refund %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if got := w.refunds(p.ID); len(got) != 3 {
		t.Errorf("%d refunds of 30 for 100", len(got))
	}
}
