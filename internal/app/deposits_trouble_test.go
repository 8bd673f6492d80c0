package app_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"quittance/internal/chain/chaintest"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// paidOnce wants a payment that was made by one transfer of all that was asked for.
func paidOnce(t testing.TB, w *webtest.World, p *payment.Payment) {
	t.Helper()
	w.AwaitState(string(p.ID), payment.Seen)
	w.Chain.Mine(webtest.Confirmations)
	got := w.AwaitState(string(p.ID), payment.Paid)
	if len(got.Transfers) != 1 || got.Standing.Oddity != payment.None || got.Transfers[0].Stage != payment.Final {
		t.Errorf("paid %+v by %+v", got.Standing, got.Transfers)
	}
}

// A node that stalls, fails or answers with something else delays what is seen, and
// changes nothing of it.
func TestDepositsOverABadNode(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	garbage := func(c *chaintest.Chain, method, answer string) func() func() {
		return func() func() {
			c.Lie(method, func([]json.RawMessage, json.RawMessage) any { return json.RawMessage(answer) })
			return c.Behave
		}
	}
	for name, trouble := range map[string]func() (end func()){
		"stalls":               w.Chain.Stall,
		"fails":                func() func() { w.Chain.Fail(503); return w.Chain.Behave },
		"blocks without a sum": garbage(w.Chain, "eth_getBlockByNumber", `{"number":"0x1"}`),
		"calls of nothing":     garbage(w.Chain, "eth_call", `"0x"`),
		"receipts of others":   garbage(w.Chain, "eth_getTransactionReceipt", `null`),
		"no state": func() func() {
			w.Chain.FailMethod("eth_call", -32000, "missing trie node")
			return w.Chain.Behave
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.For(t)
			p := order(t, w, tenDollars)
			end := trouble()
			defer end()
			w.Chain.Send(p.Terms.Requests[0].Payee.String(), p.Quotes[0].Units, nil)
			w.Chain.Mine(1)
			before := w.Chain.Requests()
			w.Await("the node to be asked", func() bool { return w.Chain.Requests() > before })
			if got := w.Load(string(p.ID)); len(got.Transfers) > 0 && name != "receipts of others" {
				t.Errorf("seen over a node that %s: %+v", name, got.Transfers)
			}
			end()
			paidOnce(t, w, p)
		})
	}
}

// A chain that takes a payment back takes its credit, and has it again once.
func TestDepositsAreTakenBack(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	p := order(t, w, tenDollars)
	to := p.Terms.Requests[0].Payee.String()
	w.Chain.Send(to, p.Quotes[0].Units, nil)
	w.Chain.Mine(1)
	w.AwaitState(string(p.ID), payment.Seen)
	w.Chain.Reorg(1)
	w.Chain.Mine(1)
	open := w.AwaitState(string(p.ID), payment.Open)
	if len(open.Transfers) != 1 || open.Transfers[0].Stage != payment.Dropped {
		t.Errorf("taken back: %+v", open.Transfers)
	}
	w.Chain.Send(to, p.Quotes[0].Units, nil)
	w.Chain.Mine(1)
	w.AwaitState(string(p.ID), payment.Seen)
	w.Chain.Mine(webtest.Confirmations)
	paid := w.AwaitState(string(p.ID), payment.Paid)
	if got := paid.Standing.Requests[0]; got.Received.Cmp(money.Cents(1000)) < 0 || paid.Standing.Oddity != payment.None {
		t.Errorf("paid %+v", paid.Standing)
	}
}

// A server that is away misses nothing, and one that was stopped in the middle of what it
// read counts nothing twice.
func TestDepositsOverARestart(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	w := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	away, during := order(t, w, tenDollars), order(t, w, tenDollars)
	// The block is read while the balances in it are not told.
	w.Chain.FailMethod("eth_call", -32000, "not now")
	w.Chain.Send(during.Terms.Requests[0].Payee.String(), during.Quotes[0].Units, nil)
	w.Chain.Mine(1)
	before := w.Chain.Calls("eth_call")
	w.Await("balances to be asked for", func() bool { return w.Chain.Calls("eth_call") > before })
	w.Stop()
	w.Chain.Behave()
	w.Chain.Transfer(w.Chain.USDC(), away.Terms.Requests[0].Payee.String(), big.NewInt(10_100_000))
	w.Chain.Mine(1)
	again := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain, Deposits: &webtest.Deposits{NoKey: true}})
	again.Chain.Mine(webtest.Confirmations)
	for name, p := range map[string]*payment.Payment{"away": away, "during": during} {
		got := again.AwaitState(string(p.ID), payment.Paid)
		if len(got.Transfers) != 1 {
			t.Errorf("%s: %+v", name, got.Transfers)
		}
	}
}

// Two servers on one database: each gives addresses out that the other watches, no
// address twice, and everything counts once.
func TestDepositsOfTwoServers(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "shared.db")
	one := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	two := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: one.Chain, Deposits: &webtest.Deposits{NoKey: true}})
	two.SpacePayKey = one.SpacePayKey
	const each = 15 // more than a pool has
	var mu sync.Mutex
	var made []*payment.Payment
	var wg sync.WaitGroup
	for _, w := range []*webtest.World{one, two} {
		wg.Go(func() {
			for i := range each {
				p := eventually(t, w, fmt.Sprintf(`{"orderId":"order_%d","amount":1000,"currency":"USD"}`, i))
				mu.Lock()
				made = append(made, p)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(made) != 2*each {
		t.Fatalf("%d payments", len(made))
	}
	given := map[payment.Address20]bool{}
	for i, p := range made {
		to := p.Terms.Requests[0].Payee
		if given[to] {
			t.Errorf("%s was given out twice", to)
		}
		given[to] = true
		if i%2 == 0 {
			one.Chain.Send(to.String(), p.Quotes[0].Units, nil)
		} else {
			one.Chain.Transfer(one.Chain.USDC(), to.String(), big.NewInt(10_001_501))
		}
	}
	one.Chain.Mine(1 + webtest.Confirmations)
	for _, p := range made {
		got := two.AwaitState(string(p.ID), payment.Paid)
		if len(got.Transfers) != 1 {
			t.Errorf("%s: %+v", p.ID, got.Transfers)
		}
	}
}

// eventually makes a payment, waiting while there is no address to give out.
func eventually(t testing.TB, w *webtest.World, body string) *payment.Payment {
	deadline := time.Now().Add(time.Minute)
	for {
		r := w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", body)
		if r.Status == http.StatusCreated {
			var made struct {
				PaymentID string `json:"paymentId"`
			}
			if err := json.Unmarshal(r.Body, &made); err != nil {
				t.Error(err)
			}
			p, err := w.App.Store.PaymentByAlias(t.Context(), "spacepay", made.PaymentID)
			if err != nil {
				t.Error(err)
			}
			return p
		}
		if r.Status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Errorf("status %d: %s", r.Status, r.Body)
			return &payment.Payment{Terms: payment.Terms{Requests: make([]payment.Request, 1)}, Quotes: []payment.Quote{{Units: new(big.Int)}}}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A feed that goes stale after a quote takes nothing from it; what comes without a quote
// is kept, told as not priced, and counts as soon as there is a price, by that one.
func TestAFeedGoesStale(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{OneOnly: true}})
	quoted, unquoted := order(t, w, tenDollars), order(t, w, tenDollars)
	w.StaleFeed("ETH", 2*time.Hour)
	w.StaleFeed("USDC", 2*time.Hour)
	w.Chain.Send(quoted.Terms.Requests[0].Payee.String(), quoted.Quotes[0].Units, nil)
	w.Chain.Transfer(w.Chain.USDC(), unquoted.Terms.Requests[0].Payee.String(), big.NewInt(10_000_000))
	w.Chain.Mine(1)
	paidOnce(t, w, quoted)
	var held *payment.Payment
	w.Await("the transfer", func() bool { held = w.Load(string(unquoted.ID)); return len(held.Transfers) == 1 })
	if x := held.Transfers[0]; x.Priced() || x.Credit.Sign() != 0 || !held.Part() || held.Standing.State == payment.Paid {
		t.Errorf("held %+v: %+v", held.Standing, x)
	}
	if r := w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", tenDollars); r.Status != http.StatusCreated {
		t.Errorf("with USDT priced: %d %s", r.Status, r.Body)
	}
	w.Price("USDC", "1.25")
	paid := w.AwaitState(string(unquoted.ID), payment.Paid)
	if want := money.Cents(1250); paid.Transfers[0].Credit.Cmp(want) != 0 {
		t.Errorf("credited %s, want %s", paid.Transfers[0].Credit, want)
	}
}

// Without any price nothing is created and no address is used up.
func TestNoPriceNoPayment(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	for _, symbol := range []string{"ETH", "USDC", "USDT"} {
		w.SilentFeed(symbol, true)
	}
	before, err := w.App.Store.FreeAddresses(t.Context(), w.Branch.ID)
	if err != nil {
		t.Fatal(err)
	}
	r := w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", tenDollars).Want(http.StatusServiceUnavailable)
	var said struct {
		Error struct{ Type, Code, Message string }
	}
	if err := json.Unmarshal(r.Body, &said); err != nil || said.Error.Code != "price_unavailable" || said.Error.Type != "api_error" {
		t.Errorf("said %s", r.Body)
	}
	after, err := w.App.Store.FreeAddresses(t.Context(), w.Branch.ID)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d of %d addresses are left, %v", len(after), len(before), err)
	}
	// A feed that says something else than everybody else is no price either.
	for _, symbol := range []string{"ETH", "USDC", "USDT"} {
		w.SilentFeed(symbol, false)
		w.FeedPrice(symbol, "1234")
	}
	w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", tenDollars).Want(http.StatusServiceUnavailable)
}

// A node that keeps no old balances, as most do, and a server that was away for longer
// than it does: what wallets sent counts all the same.
func TestDepositsFromForgottenBlocks(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	w := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	native, token := order(t, w, tenDollars), order(t, w, tenDollars)
	w.Stop()
	w.Chain.Send(native.Terms.Requests[0].Payee.String(), native.Quotes[0].Units, nil)
	w.Chain.Transfer(w.Chain.USDC(), token.Terms.Requests[0].Payee.String(), big.NewInt(10_100_000))
	w.Chain.Mine(150)
	forgotten := map[string]bool{}
	for n := range w.Chain.Head() - 128 {
		var b struct{ Hash string }
		if err := w.Chain.Client().Call(&b, "eth_getBlockByNumber", fmt.Sprintf("%#x", n), false); err != nil {
			t.Fatal(err)
		}
		forgotten[b.Hash], forgotten[fmt.Sprintf("%#x", n)] = true, true
	}
	forget := func(params []json.RawMessage, honest json.RawMessage) any {
		if len(params) < 2 {
			return honest
		}
		var number string
		var hash struct{ BlockHash string }
		if json.Unmarshal(params[1], &number) == nil && forgotten[number] || json.Unmarshal(params[1], &hash) == nil && forgotten[hash.BlockHash] {
			return "0x" // which is no balance
		}
		return honest
	}
	w.Chain.Lie("eth_call", forget)
	w.Chain.Lie("eth_getBalance", forget)
	again := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain, Deposits: &webtest.Deposits{NoKey: true}})
	for name, p := range map[string]*payment.Payment{"native": native, "token": token} {
		if got := again.AwaitState(string(p.ID), payment.Paid); len(got.Transfers) != 1 {
			t.Errorf("%s: %+v", name, got.Transfers)
		}
	}
}
