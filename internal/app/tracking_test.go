package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/lifi"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/web/webtest"
)

// crossing is a payment on the first chain that its payer pays from the second.
type crossing struct {
	*webtest.World
	t     *testing.T
	token string
	tx    string // on the second chain
}

// cross has the payer sign what the server prepares, and the chain take it.
func cross(t *testing.T) *crossing {
	t.Helper()
	w := webtest.NewWith(t, webtest.Options{Routing: true})
	c := &crossing{World: w, t: t, token: w.CreatePayment("12.34")}
	c.send()
	c.mine()
	return c
}

func (c *crossing) send() {
	c.t.Helper()
	wallet, err := asset.ParseAddress(c.Second.Address())
	if err != nil {
		c.t.Fatal(err)
	}
	_, in, err := c.App.Checkout.Prepare(c.t.Context(), payment.ID(c.token), "crosschain:arbitrum-one:USDT-arbitrum-one", rail.Payer{Wallet: wallet})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, step := range in.(*rail.Calls).Steps {
		c.Second.Mine(1)
		c.tx = c.Second.Send(step.To.String(), step.Value, step.Data)
	}
}

func (c *crossing) mine() {
	c.t.Helper()
	c.Second.Mine(1)
	if r := c.Second.Receipt(c.tx); r == nil || r.Status != 1 {
		c.t.Fatal("the transfer failed where it began")
	}
}

func (c *crossing) announce() {
	c.t.Helper()
	body := fmt.Sprintf(`{"txHash":%q,"chain":"ARBITRUM","token":"USDT","payerAddress":%q}`, c.tx, c.Second.Address())
	c.API(http.MethodPost, "/v2/secure-payments/"+c.token+"/intent", body).Want(http.StatusOK)
}

func (c *crossing) await(stage payment.AttemptStage, how payment.Progress) payment.Attempt {
	c.t.Helper()
	var a payment.Attempt
	c.Await(fmt.Sprintf("%s/%s", stage, how), func() bool {
		a = c.Load(c.token).Attempts[0]
		return a.Stage == stage && a.Route.Progress == how
	})
	return a
}

// arrive has a relayer deliver, so that the payment's call fails if so wanted.
func (c *crossing) arrive(fails bool) string {
	c.t.Helper()
	tx := c.Chain.Bridge(c.Second, c.tx, fails)
	c.Chain.Mine(webtest.Confirmations)
	return tx
}

func (c *crossing) events() (kinds []payment.EventKind, last payment.Event) {
	c.t.Helper()
	events, err := c.App.Store.Events(c.t.Context(), payment.ID(c.token))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range events[1:] { // after its making
		kinds, last = append(kinds, e.Kind), e
	}
	return kinds, last
}

func (c *crossing) told(want ...payment.EventKind) payment.Event {
	c.t.Helper()
	got, last := c.events()
	if !slices.Equal(got, want) {
		c.t.Errorf("log %v, want %v", got, want)
	}
	return last
}

// payable asks as a payer's wallet would.
func (c *crossing) payable() webtest.Response {
	return c.API(http.MethodGet, "/v2/secure-payments/"+c.token+"/pay?wallet="+c.Chain.Address(), "")
}

func TestBridgedPaymentSettles(t *testing.T) {
	c := cross(t)
	c.announce()
	a := c.await(payment.Proven, payment.Bridging)
	if a.Payer != c.Second.Address() || a.Route.Pays.Int64() != 12_340_000 || a.Route.From != "USDT-arbitrum-one" {
		t.Errorf("proven %+v, %+v", a, a.Route)
	}
	if r := c.payable(); r.Status < 400 || r.Status > 499 {
		t.Errorf("may be paid again: %d %s", r.Status, r.Body)
	}
	fill := c.arrive(false)
	p := c.AwaitState(c.token, payment.Paid)
	x := p.Transfers[0]
	if s := x.Evidence.Source; x.Evidence.Tx != fill || x.Evidence.Payer != c.Second.Address() || s.Route != a.Route.ID || s.Chain != asset.SandboxArbitrum || s.Tx != c.tx || s.Asset != "USDT-arbitrum-one" || s.Amount.Cmp(a.Route.Amount) != 0 {
		t.Errorf("it came from %+v", x.Evidence)
	}
	if got := p.Attempts[0]; got.Stage != payment.Executed {
		t.Errorf("the attempt is %s", got.Stage)
	}
	if e := c.told("announced", "bridging", "seen", "paid"); e.Transfer.Evidence.Payer != c.Second.Address() {
		t.Errorf("told of %+v", e.Transfer.Evidence)
	}
	for _, by := range []checkout.Search{{Tx: c.tx}, {Tx: fill}, {Came: checkout.OverBridge}} {
		by.Merchant, by.Limit = c.Merchant, 5
		if found, total, err := c.App.Store.Arrivals(t.Context(), by); err != nil || total != 1 || string(found[0].Payment) != c.token {
			t.Errorf("%+v finds %d, %v", by, total, err)
		}
	}
}

// Nobody announces it, and it settles all the same; announced later, its payer is
// found.
func TestBridgedPaymentWithoutIntent(t *testing.T) {
	c := cross(t)
	c.arrive(false)
	x := c.AwaitState(c.token, payment.Paid).Transfers[0]
	if x.Evidence.Payer != "" || len(x.Evidence.Source.Route) != 66 || x.Evidence.Source.Tx != "" {
		t.Errorf("it came from %+v", x.Evidence)
	}
	c.told("seen", "paid")
	if _, err := c.App.Checkout.Announce(t.Context(), payment.ID(c.token), asset.SandboxArbitrum, c.tx, rail.Payer{}); err != nil {
		t.Fatal(err)
	}
	c.await(payment.Executed, payment.Arrived)
	if x := c.Load(c.token).Transfers[0]; x.Evidence.Payer != c.Second.Address() || x.Evidence.Source.Tx != c.tx {
		t.Errorf("it came from %+v", x.Evidence)
	}
	c.told("seen", "paid", "announced", "bridging")
}

// The payment's call fails on arrival: the payer has the money there and may pay
// again, whatever LI.FI says meanwhile.
func TestBridgedPaymentIsRecovered(t *testing.T) {
	c := cross(t)
	c.announce()
	c.await(payment.Proven, payment.Bridging)
	fill := c.arrive(true)
	a := c.await(payment.Abandoned, payment.Recovered)
	if a.Route.Tx != fill || a.Reason != checkout.ReasonCallFailed {
		t.Errorf("ended by %+v", a.Route)
	}
	if e := c.told("announced", "bridging", "broken"); e.Fields[payment.FieldReason] != "destination_call_failed" {
		t.Errorf("told %+v", e.Fields)
	}
	c.payable().Want(http.StatusOK)
	c.Chain.Approve(c.Chain.USDC(), c.Chain.ERC20FeeProxy(), c.Load(c.token).Terms.Requests[0].Due)
	c.PayOnChain(c.Chain.Wallet, c.token, 12_340_000)
	c.Chain.Mine(webtest.Confirmations)
	c.AwaitState(c.token, payment.Paid)
}

func TestBridgedPaymentIsRefunded(t *testing.T) {
	c := cross(t)
	usdt, _ := c.App.Checkout.Book().Token("USDT-arbitrum-one")
	back := lifi.Leg{Chain: asset.SandboxArbitrum, TxHash: "0x" + strings.Repeat("ef", 32), Amount: c.Load(c.token).Terms.Requests[0].Due}
	back.Token = lifi.Token{Chain: asset.SandboxArbitrum, Address: usdt.Address, Symbol: "USDT", Decimals: 6}
	c.Router.Transfer(c.tx, lifi.Status{State: lifi.StateDone, Substate: lifi.SubstateRefunded, Receiving: back})
	c.announce()
	c.await(payment.Abandoned, payment.Refunded)
	e := c.told("announced", "bridging", "refunded")
	want := map[string]string{
		payment.FieldWallet: c.Second.Address(), payment.FieldAmount: "12340000", payment.FieldAsset: "USDT-arbitrum-one",
		payment.FieldTx: back.TxHash, payment.FieldReason: "bridge_refunded",
	}
	for field, v := range want {
		if e.Fields[field] != v {
			t.Errorf("%s is %q, want %q", field, e.Fields[field], v)
		}
	}
	c.payable().Want(http.StatusOK)
	// LI.FI was wrong: it arrives all the same.
	c.arrive(false)
	p := c.AwaitState(c.token, payment.Paid)
	if p.Attempts[0].Stage != payment.Executed || p.Transfers[0].Evidence.Payer != c.Second.Address() {
		t.Errorf("%s by %s", p.Attempts[0].Stage, p.Transfers[0].Evidence.Payer)
	}
}

// A server that stops follows on when it runs again.
func TestFollowingOutlivesTheServer(t *testing.T) {
	dsn := "sqlite:" + t.TempDir() + "/test.db"
	w := webtest.NewWith(t, webtest.Options{Routing: true, Database: dsn})
	c := &crossing{World: w, t: t, token: w.CreatePayment("12.34")}
	c.send()
	c.announce() // while it is in no block
	w.Stop()
	c.mine()
	c.arrive(false)
	c.World = webtest.NewWith(t, webtest.Options{Routing: true, Database: dsn, Chain: w.Chain, Second: w.Second, Router: w.Router})
	var p *payment.Payment
	c.Await("the payer's name", func() bool {
		p = c.Load(c.token)
		return p.Standing.State == payment.Paid && p.Transfers[0].Evidence.Payer == c.Second.Address() && p.Attempts[0].Stage == payment.Executed
	})
	if raw, err := json.Marshal(p.Attempts[0].Route); err != nil || !strings.Contains(string(raw), p.Transfers[0].Evidence.Source.Route) {
		t.Errorf("route %s, %v", raw, err)
	}
}
