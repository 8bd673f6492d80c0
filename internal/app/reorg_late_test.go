package app_test

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
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// reorgLife is how long payments of these tests may be paid, apart from the grace.
const reorgLife = 1500 * time.Millisecond

// Money that came in time is late when its block is replaced by one after the deadline, and
// what was late is in time in an earlier one; a refund is of what is there for good.
func TestReorgsOverTheDeadline(t *testing.T) {
	atDepths(t, "late.db", []int{1, 7}, []int{64}, reorgDeadlines)
}

func reorgDeadlines(t *testing.T, depth int, dsn string) {
	r := newReorgs(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{Life: 20 * time.Minute}, Links: &webtest.Links{}})
	late := func() { r.Chain.SetClock(func() time.Time { return time.Now().Add(40 * time.Minute) }) }
	early := func() { r.Chain.SetClock(time.Now) }

	all := r.tooLate()
	r.over(all)
	late()
	r.happens(depth, early, func() {}, all)

	all = r.inTime()
	r.over(all)
	kept := []*hazard{r.refunded(), r.refundedTooSoon(), r.repriced()}
	r.happens(depth, func() {}, late, append(all, kept...))
}

// soon makes a payment of five tokens that can hardly be paid in time, and how to send parts
// of it.
func (r *reorgs) soon() (token string, sends func(percent int64) func()) {
	r.t.Helper()
	until := time.Now().Add(reorgLife).UTC().Format(time.RFC3339Nano)
	token = r.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"5"}],"expiresAt":%q}`, webtest.Payee, until))
	return token, r.sends(token)
}

func (r *reorgs) sends(token string) func(percent int64) func() {
	return func(percent int64) func() {
		return func() { r.PayOnChain(r.Chain.Wallet, token, 50_000*percent) }
	}
}

// canceled is soon for one that its merchant has called off.
func (r *reorgs) canceled() (token string, sends func(percent int64) func()) {
	r.t.Helper()
	token = r.CreatePayment("5")
	if err := r.App.Checkout.Cancel(r.t.Context(), r.Merchant, payment.ID(token)); err != nil {
		r.t.Fatal(err)
	}
	return token, r.sends(token)
}

// deposited is soon for one with an address, which is paid in native currency as quoted. It
// has no grace, so it may be paid for long, and only its chain is later than that.
func (r *reorgs) deposited() (token string, sends func(percent int64) func()) {
	r.t.Helper()
	p := order(r.t, r.World, tenDollars)
	return string(p.ID), func(percent int64) func() {
		return func() { r.Chain.Send(p.Terms.Requests[0].Payee.String(), hundredths(p, percent), nil) }
	}
}

// over waits until the end of those payments has been told that end by themselves.
func (r *reorgs) over(all []*hazard) {
	r.t.Helper()
	for _, h := range all {
		if strings.HasPrefix(h.log, "seen") {
			continue
		}
		r.Await(h.name+" to be over", func() bool {
			_, err := r.App.Checkout.ExpireOverdue(r.t.Context())
			log, failed := r.App.Store.Events(r.t.Context(), payment.ID(h.token))
			if err = errors.Join(err, failed); err != nil {
				r.t.Fatal(err)
			}
			return len(log) > 1
		})
	}
}

// tooLate are payments for which money came after the deadline, and then perhaps before.
func (r *reorgs) tooLate() []*hazard {
	r.t.Helper()
	expired, gone := stand{payment.Expired, payment.Late, 1, ""}, stand{payment.Expired, payment.None, 0, ""}
	again, first := r.soon()
	part, second := r.soon()
	never, third := r.soon()
	off, fourth := r.canceled()
	address, fifth := r.deposited()
	return []*hazard{
		{name: "late, then in time", token: again, pay: first(100), then: first(100), here: expired, gone: gone, end: stand{payment.Paid, payment.None, 1, ""}, log: "expired seen reorged seen paid"},
		{name: "late, then a part in time", token: part, pay: second(100), then: second(40), here: expired, gone: gone, end: stand{payment.Expired, payment.Under, 1, ""}, log: "expired seen reorged seen partial"},
		{name: "late, then never", token: never, pay: third(100), here: expired, gone: gone, end: gone, log: "expired seen reorged"},
		{
			name: "late for one called off, then in time", token: off, pay: fourth(100), then: fourth(100), here: stand{payment.Canceled, payment.Late, 1, ""},
			gone: stand{payment.Canceled, payment.None, 0, ""}, end: stand{payment.Paid, payment.None, 1, ""}, log: "canceled seen reorged seen paid",
		},
		{name: "late at an address, then in time", token: address, pay: fifth(100), then: fifth(100), here: stand{payment.Open, payment.Late, 1, ""}, gone: stand{payment.Open, payment.None, 0, ""}, end: stand{payment.Paid, payment.None, 1, ""}, log: "seen reorged seen paid"},
	}
}

// inTime are payments for which money came before the deadline, and then perhaps after.
func (r *reorgs) inTime() []*hazard {
	r.t.Helper()
	seen, gone, late := stand{payment.Seen, payment.None, 1, ""}, stand{payment.Expired, payment.None, 0, ""}, stand{payment.Expired, payment.Late, 1, ""}
	again, first := r.soon()
	part, second := r.soon()
	never, third := r.soon()
	off, fourth := r.canceled()
	address, fifth := r.deposited()
	return []*hazard{
		{name: "in time, then late", token: again, pay: first(100), then: first(100), here: seen, gone: gone, end: late, log: "expired seen reorged expired seen late"},
		{name: "a part in time, then the rest late", token: part, pay: second(40), then: second(60), here: stand{payment.Expired, payment.Under, 1, ""}, gone: gone, end: late, log: "expired seen reorged seen late"},
		{name: "in time, then never", token: never, pay: third(100), here: seen, gone: gone, end: gone, log: "expired seen reorged expired"},
		{
			name: "in time for one called off, then late", token: off, pay: fourth(100), then: fourth(100), here: seen, gone: stand{payment.Canceled, payment.None, 0, ""},
			end: stand{payment.Canceled, payment.Late, 1, ""}, log: "canceled seen reorged canceled seen late",
		},
		{name: "in time at an address, then late", token: address, pay: fifth(100), then: fifth(100), here: seen, gone: stand{payment.Open, payment.None, 0, ""}, end: stand{payment.Open, payment.Late, 1, ""}, log: "seen reorged seen late"},
	}
}

// refund has the merchant say that he has given some of a payment back.
func (r *reorgs) refund(token string, units int64) (recorded bool, err error) {
	to, err := asset.ParseAddress(r.Chain.Address())
	if err != nil {
		r.t.Fatal(err)
	}
	return r.App.Checkout.Refunded(r.t.Context(), r.Merchant, checkout.Refund{Payment: payment.ID(token), Tx: fmt.Sprintf("0x%064x", units), To: to, Amount: big.NewInt(units)})
}

// refunded is a payment that was made and given back, and then made once more.
func (r *reorgs) refunded() *hazard {
	r.t.Helper()
	token := r.CreatePayment("5")
	r.PayOnChain(r.Chain.Wallet, token, 5_000_000)
	r.mine(1 + reorgConfirmations)
	r.AwaitState(token, payment.Paid)
	if ok, err := r.refund(token, 5_000_000); !ok || err != nil {
		r.t.Fatalf("refunded: %t, %v", ok, err)
	}
	return &hazard{
		name: "given back, and paid again", token: token, pay: r.sends(token)(50), then: r.sends(token)(20),
		also: func() {
			if _, err := r.refund(token, 2_500_000); !fault.Is(err, fault.Invalid) {
				r.t.Errorf("more was given back than there is: %v", err)
			}
		},
		here: stand{payment.Paid, payment.Over, 2, ""}, gone: stand{payment.Paid, payment.None, 1, ""}, end: stand{payment.Paid, payment.Over, 2, ""},
		log: "seen paid refunded seen reorged seen surplus",
	}
}

// refundedTooSoon is a payment that its merchant gives back before it is there for good.
func (r *reorgs) refundedTooSoon() *hazard {
	r.t.Helper()
	token := r.CreatePayment("5")
	return &hazard{
		name: "given back too soon", token: token, pay: r.sends(token)(100), then: r.sends(token)(100),
		also: func() {
			if _, err := r.refund(token, 5_000_000); !fault.Is(err, fault.Invalid) {
				r.t.Errorf("what is not there was given back: %v", err)
			}
		},
		after: func() {
			r.AwaitState(token, payment.Paid)
			for i := range 2 {
				if ok, err := r.refund(token, 5_000_000); ok != (i == 0) || err != nil {
					r.t.Errorf("refund %d: %t, %v", i, ok, err)
				}
			}
		},
		here: stand{payment.Seen, payment.None, 1, ""}, gone: stand{payment.Open, payment.None, 0, ""}, end: stand{payment.Paid, payment.None, 1, ""},
		log: "seen reorged seen paid refunded",
	}
}

// repriced is a link of ten euros for which native currency comes that nobody asked for: it
// counts by the price of when it came, and an hour later by another.
func (r *reorgs) repriced() *hazard {
	r.t.Helper()
	p := r.CreateLink(`{"amount":10.00,"recipient_note":"Rechnung 1"}`)
	send := func() { r.Chain.Send(p.Terms.Requests[0].Payee.String(), big.NewInt(3e15), nil) }
	worth := func(cents int64) {
		for _, x := range counting(r.Load(string(p.ID))) {
			if got := new(big.Int).Quo(x.Credit, big.NewInt(1e16)); got.Cmp(big.NewInt(cents)) != 0 {
				r.t.Errorf("credited with %v, want %d cents", x.Credit, cents)
			}
		}
	}
	return &hazard{
		name: "a link, at another price", token: string(p.ID), pay: send,
		then: func() { r.PriceNow("ETH", "1870.00"); send() },
		after: func() {
			r.Await("its money", func() bool { return len(counting(r.Load(string(p.ID)))) == 1 })
			worth(519)
		},
		here: stand{payment.Seen, payment.Over, 1, ""}, gone: stand{payment.Open, payment.None, 0, ""}, end: stand{payment.Open, payment.Under, 1, ""},
		log: "seen reorged seen partial",
	}
}
