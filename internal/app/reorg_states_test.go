package app_test

import (
	"fmt"
	"math/big"
	"path/filepath"
	"testing"

	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// reorgConfirmations are more than the deepest reorganisation that is followed here.
const reorgConfirmations = 70

// deep is a world whose server waits for so many confirmations.
func deep(t *testing.T, dsn string) *webtest.World {
	t.Helper()
	return webtest.NewWith(t, webtest.Options{Database: dsn, Confirmations: reorgConfirmations, Deposits: &webtest.Deposits{Pool: 40}})
}

// uprooted is a payment, what is sent for it, and how it stands while that is there.
type uprooted struct {
	name    string
	token   string
	percent int64 // of what is due, 0 for nothing
	token20 bool  // of a deposit: USDC and no ETH
	idle    payment.State
	state   payment.State
	oddity  payment.Oddity
}

// uproot makes a payment of each kind and state.
func uproot(t *testing.T, w *webtest.World) []*uprooted {
	t.Helper()
	one := func(currency, amount string) string {
		return fmt.Sprintf(`{"payee":%q,"paymentCurrency":%q,"amount":%q}`, webtest.Payee, currency, amount)
	}
	body := func(requests string) string { return w.Create(`{"requests":[` + requests + `]}`) }
	usdc := func() string { return body(one("USDC-base", "5")) }
	canceled := usdc()
	if err := w.App.Checkout.Cancel(t.Context(), w.Merchant, payment.ID(canceled)); err != nil {
		t.Fatal(err)
	}
	open, seen := payment.Open, payment.Seen
	return []*uprooted{
		{"nothing sent", usdc(), 0, false, open, open, payment.None},
		{"all of it", usdc(), 100, false, open, seen, payment.None},
		{"a part", usdc(), 40, false, open, open, payment.Under},
		{"too much", usdc(), 180, false, open, seen, payment.Over},
		{"native", body(one("ETH-base", "0.002")), 100, false, open, seen, payment.None},
		{"several at once", body(one("USDC-base", "1") + "," + one("USDC-base", "2")), 100, false, open, seen, payment.None},
		{"canceled, and within the grace", canceled, 100, false, payment.Canceled, seen, payment.None},
		{"native to an address", string(order(t, w, tenDollars).ID), 100, false, open, seen, payment.None},
		{"a token to an address", string(order(t, w, tenDollars).ID), 101, true, open, seen, payment.Over},
	}
}

// send pays a share of what is due for it, in the next block.
func (u *uprooted) send(t *testing.T, w *webtest.World, percent int64) {
	t.Helper()
	p := w.Load(u.token)
	for _, r := range p.Terms.Requests {
		switch {
		case percent == 0:
		case r.Fiat() && u.token20:
			w.Chain.Transfer(w.Chain.USDC(), r.Payee.String(), big.NewInt(100_000*percent))
		case r.Fiat():
			w.Chain.Send(r.Payee.String(), hundredths(p, percent), nil)
		default:
			ref, err := official.ParseReference(r.Reference)
			if err != nil {
				t.Fatal(err)
			}
			amount := new(big.Int).Div(new(big.Int).Mul(r.Due, big.NewInt(percent)), big.NewInt(100))
			if token, _ := w.App.Checkout.Book().Token(r.Asset); token.Native {
				w.Chain.PayETH(ref[:], r.Payee.String(), amount, nil, "")
			} else {
				w.Chain.PayERC20(ref[:], token.Address.String(), r.Payee.String(), amount, nil, "")
			}
		}
	}
}

// stands waits for a state, with everything that has come and nothing else.
func (u *uprooted) stands(w *webtest.World, when string, state payment.State, oddity payment.Oddity, parts int) {
	var got *payment.Payment
	w.Await(fmt.Sprintf("%s %s to be %s %s", u.name, when, state, oddity), func() bool {
		got = w.Load(u.token)
		there := 0
		for _, x := range got.Transfers {
			if x.Stage != payment.Dropped {
				there++
			}
		}
		return got.Standing.State == state && got.Standing.Oddity == oddity && there == parts
	})
}

// What a reorganisation takes back is taken back in every state, however deep it was as long
// as it was not final, and counts again when it comes again: in another block, in another
// order, less of it, or never. What is final stays.
func TestReorgsOfEveryState(t *testing.T) {
	for _, depth := range []int{1, 2, 7, 64} {
		t.Run(fmt.Sprint(depth), func(t *testing.T) {
			reorgStates(t, depth, "sqlite:"+filepath.Join(t.TempDir(), "deep.db"))
		})
	}
	t.Run("7 on PostgreSQL", func(t *testing.T) { reorgStates(t, 7, pgtest.DSN(t)) })
}

func reorgStates(t *testing.T, depth int, dsn string) {
	w := deep(t, dsn)
	paid := w.CreatePayment("5")
	w.PayOnChain(w.Chain.Wallet, paid, 5_000_000)
	w.Chain.Mine(reorgConfirmations)
	w.AwaitState(paid, payment.Paid)

	var all []*uprooted
	const modes = 3 // again in another order, less, never
	for range modes {
		all = append(all, uproot(t, w)...)
	}
	for _, u := range all {
		u.send(t, w, u.percent)
	}
	w.Chain.Mine(depth)
	for _, u := range all {
		u.stands(w, "before", u.state, u.oddity, u.parts(w))
	}
	w.Chain.Reorg(depth)
	w.Chain.Mine(1)
	for _, u := range all {
		u.stands(w, "after", u.idle, payment.None, 0)
		u.tells(t, w)
	}
	each := len(all) / modes
	for i := each - 1; i >= 0; i-- { // the others first
		all[i].send(t, w, all[i].percent)
		all[each+i].send(t, w, all[i].percent/10)
	}
	w.Chain.Mine(reorgConfirmations)
	for i, u := range all {
		switch {
		case i >= 2*each || u.percent == 0:
			u.stands(w, "never", u.idle, payment.None, 0)
		case i >= each:
			u.stands(w, "with less", u.idle, payment.Under, u.parts(w))
		case u.state == payment.Seen:
			u.stands(w, "again", payment.Paid, u.oddity, u.parts(w))
		default:
			u.stands(w, "again", u.state, u.oddity, u.parts(w))
		}
	}
	if got := w.Load(paid); got.Standing.State != payment.Paid || len(got.Transfers) != 1 {
		t.Errorf("what was final: %+v by %+v", got.Standing, got.Transfers)
	}
}

// parts is how many transfers there are if anything was sent.
func (u *uprooted) parts(w *webtest.World) int {
	if u.percent == 0 {
		return 0
	}
	return len(w.Load(u.token).Terms.Requests)
}

// tells holds the log to what happened: what was seen was taken back, and nothing more.
func (u *uprooted) tells(t *testing.T, w *webtest.World) {
	t.Helper()
	log, err := w.App.Store.Events(t.Context(), payment.ID(u.token))
	if err != nil {
		t.Fatal(err)
	}
	told := map[payment.EventKind]int{}
	for _, e := range log {
		told[e.Kind]++
	}
	if n := u.parts(w); told[payment.EventSeen] != n || told[payment.EventReorged] != n || told[payment.EventPaid] != 0 {
		t.Errorf("%s was told as %v", u.name, told)
	}
}

// A chain that takes back what was final is an alarm: nothing moves, and the server says that
// it does not know how things are.
func TestReorgPastFinality(t *testing.T) {
	w := webtest.New(t)
	paid, open := w.CreatePayment("5"), w.CreatePayment("5")
	w.PayOnChain(w.Chain.Wallet, paid, 5_000_000)
	w.Chain.Mine(webtest.Confirmations + 4)
	w.AwaitState(paid, payment.Paid)
	w.Chain.Reorg(webtest.Confirmations + 4)
	w.Chain.Mine(1)
	w.Await("the alarm", func() bool { return !w.App.CaughtUp() })
	w.PayOnChain(w.Chain.Wallet, open, 5_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	for _, token := range []string{paid, open} {
		want := map[string]payment.State{paid: payment.Paid, open: payment.Open}[token]
		if got := w.Load(token).Standing.State; got != want || w.App.CaughtUp() {
			t.Errorf("%s is %s, caught up: %t", token, got, w.App.CaughtUp())
		}
	}
	if r := w.Get("/readyz"); r.Status == 200 {
		t.Errorf("ready: %s", r.Body)
	}
}
