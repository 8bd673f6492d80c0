package app_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/web/webtest"
)

// Whoever pays: a Safe, an account whose gas is paid for, somebody on another chain, or the
// batch contract. What a reorganisation takes back of it, at the end or where it began, is
// taken back, told, and counts again by whatever comes instead.
func TestReorgsOfEveryRail(t *testing.T) {
	atDepths(t, "rails.db", []int{1, 64}, nil, reorgRails)
}

func reorgRails(t *testing.T, depth int, dsn string) {
	r := newReorgs(t, webtest.Options{Database: dsn, Routing: true, Safes: true, Gasless: &webtest.Gasless{}})
	all := slices.Concat(r.safes(), r.operations(), r.bridges(), r.batches())
	r.Gas.Wait(true)
	r.happens(depth, func() {}, func() {}, all)

	// An operation that was never in a block again ends with its permit.
	r.Chain.SetClock(func() time.Time { return time.Now().Add(30 * time.Minute) })
	r.mine(1 + reorgConfirmations)
	for _, h := range all {
		if h.end.attempt == "announced waiting" {
			r.stands(h, "long after", stand{payment.Open, payment.None, 0, "abandoned expired op_expired"})
			h.log += " broken"
			r.told(h)
		}
	}
}

// Steps that many have in common.
var (
	reorgOpen = stand{payment.Open, payment.None, 0, ""}
	reorgSeen = stand{payment.Seen, payment.None, 1, ""}
	reorgPaid = stand{payment.Paid, payment.None, 1, ""}
)

func (s stand) by(attempt string) stand {
	s.attempt = attempt
	return s
}

// safes are payments that Safes make, each with one of its own.
func (r *reorgs) safes() []*hazard {
	r.t.Helper()
	again, first := r.safe(0)
	instead, second := r.safe(0)
	never, third := r.safe(0)
	rejected, fourth := r.safe(0)
	fails, fifth := r.safe(1)
	failsOnce, sixth := r.safe(1)
	const failed, replaced = "abandoned safe_execution_failed", "abandoned safe_transaction_replaced"
	open := reorgOpen.by("announced")
	return []*hazard{
		{name: "a Safe, executed again", token: again.token, pay: first, then: first, also: again.pending, here: reorgSeen, gone: open, end: reorgPaid.by("executed"), log: "announced seen reorged seen paid"},
		{
			name: "a Safe, rejected instead", token: instead.token, pay: second, then: func() { instead.safe.Execute(instead.safe.Reject(0)) }, also: instead.pending,
			here: reorgSeen, gone: open, end: reorgOpen.by(replaced), log: "announced seen reorged broken",
		},
		{name: "a Safe, never again", token: never.token, pay: third, also: never.pending, here: reorgSeen, gone: open, end: open, log: "announced seen reorged"},
		{
			name: "a Safe, not rejected after all", token: rejected.token, pay: func() { rejected.safe.Execute(rejected.safe.Reject(0)) }, then: fourth, also: rejected.pending,
			here: open, gone: open, end: reorgPaid.by("executed"), log: "announced seen paid",
		},
		{name: "a Safe that fails again", token: fails.token, pay: fifth, then: fifth, also: fails.pending, here: open, gone: open, end: stand{payment.Failed, payment.None, 0, failed}, log: "announced failed"},
		{
			name: "a Safe that does not fail after all", token: failsOnce.token, pay: sixth, also: failsOnce.pending,
			then: func() {
				r.Chain.Transfer(r.Chain.USDC(), failsOnce.safe.Address.String(), big.NewInt(held))
				sixth()
			},
			here: open, gone: open, end: reorgPaid.by("executed"), log: "announced seen paid",
		},
	}
}

// waiting is a Safe with a payment that waits for it.
type waiting struct {
	*club
	hash string
}

// pending holds the API to waiting for the Safe.
func (w *waiting) pending() { w.locked(w.hash, 0) }

// safe makes a Safe that is to make a payment with one of its nonces, and says how it does. If
// that is not the first, it has nothing any more to pay with.
func (r *reorgs) safe(nonce uint64) (w *waiting, executes func()) {
	r.t.Helper()
	made := safetest.Deploy(r.t, r.Chain, safetest.Options{Version: safe.V141})
	r.Chain.Transfer(r.Chain.USDC(), made.Address.String(), big.NewInt(held))
	r.Chain.Mine(1)
	w = &waiting{club: &club{World: r.World, t: r.t, token: r.CreatePayment("12.34"), safe: made}}
	tx, _ := w.proposes(nonce)
	if nonce > 0 {
		tx.SafeTxGas = big.NewInt(200_000)
	}
	w.hash = made.Hash(tx).String()
	more := w.whole(tx)
	more["chain"] = "BASE"
	w.intent(w.hash, more).Want(http.StatusOK)
	if nonce > 0 {
		w.drains(0)
	}
	return w, func() { made.Execute(tx) }
}

// operations are payments without gas, each of an account of its own unless it clashes with
// another.
func (r *reorgs) operations() []*hazard {
	r.t.Helper()
	made := 0
	saver := func() (s *webtest.Saver, sends func()) {
		made++
		s = r.Saver(fmt.Sprint("payer ", made), r.CreatePayment("5"), usdcWay, r.Gas.USDC(), 20_000_000)
		op := grant(r.t, s)
		return s, func() { send(r.t, s, op) }
	}
	same, first := saver()
	never, second := saver()
	other, third := saver()
	replaced, fourth := saver()
	replacing := replaced.For(r.CreatePayment("5"), usdcWay)
	instead := grant(r.t, replacing)
	fails, fifth := r.failing()
	const log = "announced seen reorged seen paid"
	seen, open, executed := reorgSeen.by("announced executed"), reorgOpen.by("announced waiting"), reorgPaid.by("executed executed")
	return []*hazard{
		{name: "an operation, in the same bundle again", token: same.Payment, pay: first, then: first, here: seen, gone: open, end: executed, log: log},
		{name: "an operation, dropped", token: never.Payment, pay: second, here: seen, gone: open, end: open, log: "announced seen reorged"},
		{name: "an operation, in another bundle", token: other.Payment, pay: third, then: third, here: seen, gone: open, end: executed, log: log},
		{
			name: "an operation, replaced", token: replaced.Payment, pay: fourth, then: func() { send(r.t, replacing, instead) },
			here: seen, gone: open, end: reorgOpen.by("abandoned replaced op_replaced"), log: "announced seen reorged broken",
		},
		{name: "an operation that replaces another", token: replacing.Payment, here: reorgOpen, gone: reorgOpen, end: executed, log: "announced seen paid"},
		{
			name: "an operation that fails again", token: fails.Payment, pay: fifth, then: fifth, here: reorgOpen.by("announced failed"), gone: open,
			end: reorgOpen.by("abandoned failed op_failed"), log: "announced broken",
		},
	}
}

// failing is a saver whose permit somebody else has used, so that the operation fails.
func (r *reorgs) failing() (s *webtest.Saver, sends func()) {
	r.t.Helper()
	s = r.Saver("failing", r.CreatePayment("5"), usdcWay, r.Gas.USDC(), 20_000_000)
	op := grant(r.t, s)
	usePermit(r.t, r.World, s, op)
	return s, func() { send(r.t, s, op) }
}

// rides is a payment that is made from the second chain, where the payer lets the router
// take what it wants.
func (r *reorgs) rides() (c *crossing, sends func()) {
	r.t.Helper()
	c = &crossing{World: r.World, t: r.t, token: r.CreatePayment("12.34")}
	wallet, err := asset.ParseAddress(r.Second.Address())
	if err != nil {
		r.t.Fatal(err)
	}
	_, in, err := r.App.Checkout.Prepare(r.t.Context(), payment.ID(c.token), "crosschain:arbitrum-one:USDT-arbitrum-one", rail.Payer{Wallet: wallet})
	if err != nil {
		r.t.Fatal(err)
	}
	steps := in.(*rail.Calls).Steps
	if len(steps) > 1 { // an approval, of as much as this one takes
		copy(steps[0].Data[36:], word256(1e12))
		r.Second.Send(steps[0].To.String(), nil, steps[0].Data)
		r.Second.Mine(1)
	}
	last := steps[len(steps)-1]
	return c, func() { c.tx = r.Second.Send(last.To.String(), last.Value, last.Data) }
}

func word256(v int64) []byte { return big.NewInt(v).FillBytes(make([]byte, 32)) }

// under is rides for one that has left the payer for good.
func (r *reorgs) under(back bool) *crossing {
	r.t.Helper()
	c, sends := r.rides()
	sends()
	c.mine()
	if back { // the router says that the payer has it again
		usdt, _ := r.App.Checkout.Book().Token("USDT-arbitrum-one")
		leg := lifi.Leg{Chain: asset.SandboxArbitrum, TxHash: "0x" + strings.Repeat("ef", 32), Amount: c.Load(c.token).Terms.Requests[0].Due}
		leg.Token = lifi.Token{Chain: asset.SandboxArbitrum, Address: usdt.Address, Symbol: "USDT", Decimals: 6}
		r.Router.Transfer(c.tx, lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: leg})
	}
	c.announce()
	return c
}

// raw is a transaction as it was sent.
func (r *reorgs) raw(tx string) (raw string) {
	r.t.Helper()
	if err := r.Second.Client().Call(&raw, "eth_getRawTransactionByHash", tx); err != nil || raw == "" {
		r.t.Fatalf("transaction %s: %v", tx, err)
	}
	return raw
}

// bridges are payments from another chain, taken back where they arrive, where they began, or
// both.
func (r *reorgs) bridges() []*hazard {
	r.t.Helper()
	fill := func(c *crossing, fails bool) func() { return func() { r.Chain.Bridge(r.Second, c.tx, fails) } }
	// begins has one begin on a chain that takes it back. The same transaction is in another
	// block again as it was.
	begins := func() (c *crossing, pay, again func()) {
		c, sends := r.rides()
		var raw string
		return c, func() { sends(); raw = r.raw(c.tx); c.announce() }, func() {
			var tx string
			if err := r.Second.Client().Call(&tx, "eth_sendRawTransaction", raw); err != nil || tx != c.tx {
				r.t.Fatalf("%s again: %s, %v", c.tx, tx, err)
			}
			r.Second.Mine(1)
			fill(c, false)()
		}
	}
	again, never, recovered, refunded := r.under(false), r.under(false), r.under(false), r.under(true)
	origin, from, begun := begins()
	both, alsoFrom, alsoBegun := begins()
	lost, leaves, _ := begins()
	refunded.await(payment.Abandoned, payment.Refunded)
	const log, arrived, away = "announced bridging seen reorged seen paid", "executed arrived", "proven bridging"
	const broken, back = "abandoned recovered destination_call_failed", "abandoned refunded bridge_refunded"
	return []*hazard{
		{name: "over a bridge, delivered again", token: again.token, pay: fill(again, false), then: fill(again, false), here: reorgSeen.by(arrived), gone: reorgOpen, end: reorgPaid.by(arrived), log: log},
		{name: "over a bridge, never delivered again", token: never.token, pay: fill(never, false), here: reorgSeen.by(arrived), gone: reorgOpen, end: reorgOpen, log: "announced bridging seen reorged"},
		{
			name: "over a bridge, delivered beside it, and then not", token: recovered.token, pay: fill(recovered, true), then: fill(recovered, false),
			here: reorgOpen.by(broken), gone: reorgOpen.by(broken), end: reorgPaid.by(arrived), log: "announced bridging broken seen paid",
		},
		{
			name: "over a bridge, said to be given back", token: refunded.token, pay: fill(refunded, false), then: fill(refunded, false),
			here: reorgSeen.by(arrived), gone: reorgOpen.by(back), end: reorgPaid.by(arrived), log: "announced bridging refunded seen reorged seen paid",
		},
		{name: "over a bridge, taken back where it began", token: origin.token, pay: from, then: begun, here: reorgOpen.by(away), gone: reorgOpen, end: reorgPaid.by(arrived), log: "announced bridging seen paid"},
		{
			name: "over a bridge, taken back at both ends", token: both.token, pay: alsoFrom, then: alsoBegun,
			fill: func() {
				r.Await("it to be under way", func() bool { return tried(r.look(both.token)) == away })
				fill(both, false)()
			},
			here: reorgSeen.by(arrived), gone: reorgOpen, end: reorgPaid.by(arrived), log: log,
		},
		{
			name: "over a bridge, never sent again, and paid otherwise", token: lost.token, pay: leaves, then: func() { r.PayOnChain(r.Chain.Wallet, lost.token, 12_340_000) },
			here: reorgOpen.by(away), gone: reorgOpen, end: reorgPaid, log: "announced bridging seen paid",
		},
	}
}

// batches are several requests in one transaction of the batch contract.
func (r *reorgs) batches() []*hazard {
	r.t.Helper()
	make3 := func() (token string, sends func()) {
		one := func(currency, amount string) string {
			return fmt.Sprintf(`{"payee":%q,"paymentCurrency":%q,"amount":%q}`, webtest.Payee, currency, amount)
		}
		token = r.Create(`{"requests":[` + strings.Join([]string{one("USDC-base", "1"), one("ETH-base", "0.001"), one("USDC-base", "2")}, ",") + `]}`)
		return token, func() { r.batch(token) }
	}
	all := func(s stand) stand { s.parts = 3; return s }
	again, first := make3()
	alone, second := make3()
	never, third := make3()
	return []*hazard{
		{name: "a batch, again", token: again, pay: first, then: first, here: all(reorgSeen), gone: reorgOpen, end: all(reorgPaid), log: "seen seen seen reorged reorged reorged seen seen seen paid paid paid"},
		{
			name: "a batch, and then one of it alone", token: alone, pay: second, then: func() { r.PayOnChain(r.Chain.Wallet, alone, 1_000_000) },
			here: all(reorgSeen), gone: reorgOpen, end: stand{payment.Open, payment.Under, 1, ""}, log: "seen seen seen reorged reorged reorged seen paid",
		},
		{name: "a batch, never again", token: never, pay: third, here: all(reorgSeen), gone: reorgOpen, end: reorgOpen, log: "seen seen seen reorged reorged reorged"},
	}
}

// batch sends what the API prepares.
func (r *reorgs) batch(token string) {
	r.t.Helper()
	body := r.API(http.MethodGet, "/v2/secure-payments/"+token+"/pay?wallet="+r.Chain.Other.Address(), "").Want(http.StatusOK).JSON()
	approvals, _ := body["ERC20ApprovalTransactions"].([]any)
	for _, v := range append(approvals, body["batchPaymentTransaction"]) {
		tx, _ := v.(map[string]any)
		data, err := hex.DecodeString(strings.TrimPrefix(text(tx["data"]), "0x"))
		wei, ok := new(big.Int).SetString(strings.TrimPrefix(text(tx["value"]), "0x"), 16)
		if err != nil || !ok {
			r.t.Fatalf("transaction %v", v)
		}
		r.Chain.Other.Send(text(tx["to"]), wei, data)
	}
}
