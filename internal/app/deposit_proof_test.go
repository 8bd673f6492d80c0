package app_test

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// Contracts that pay out: to whom the call's data names, and to whom their storage does.
const (
	payNamed  = "5f5f5f5f345f355af100" // call(gas, calldata[0:32], callvalue)
	payStored = "5f5f5f5f345f545af100" // call(gas, storage[0], callvalue)
)

// deploy puts a contract on the chain, with an account in its storage.
func deploy(t testing.TB, c *chaintest.Chain, runtime string, stored asset.Address) (at string) {
	t.Helper()
	code, err := hex.DecodeString(runtime)
	if err != nil {
		t.Fatal(err)
	}
	init := append(append([]byte{0x73}, stored[:]...), 0x5f, 0x55) // sstore(0, stored)
	size, from := byte(len(code)), byte(len(init)+10)
	init = append(init, 0x60, size, 0x60, from, 0x5f, 0x39, 0x60, size, 0x5f, 0xf3) // return the code
	at, _ = c.Deploy(append(init, code...))
	c.Mine(1)
	return at
}

// hundredths of a payment's first quote.
func hundredths(p *payment.Payment, n int64) *big.Int {
	v := new(big.Int).Mul(p.Quotes[0].Units, big.NewInt(n))
	return v.Add(v, big.NewInt(99)).Quo(v, big.NewInt(100))
}

func cancel(w *webtest.World, p *payment.Payment) int {
	return w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments/"+p.Terms.Alias+"/cancel", "").Status
}

// Whoever sends whatever in whatever way: what the address has is what counts, in time or
// late, enough or not, and what is not enabled never counts.
func TestProofOfWays(t *testing.T) {
	chains, _ := asset.Sandbox()
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{Two: true, Assets: []asset.ID{"ETH-base", "USDC-base", asset.ID("USDC-" + chains[1].Network)}}})
	named := deploy(t, w.Chain, payNamed, asset.Address{})
	for name, c := range map[string]struct {
		send      func(to asset.Address, p *payment.Payment)
		transfers int
		state     payment.State
		oddity    payment.Oddity
	}{
		"a contract that is told the address": {func(to asset.Address, p *payment.Payment) {
			w.Chain.Send(named, p.Quotes[0].Units, append(make([]byte, 12), to[:]...))
		}, 1, payment.Paid, payment.None},
		"a contract that has the address": {func(to asset.Address, p *payment.Payment) {
			w.Chain.Send(deploy(t, w.Chain, payStored, to), p.Quotes[0].Units, nil)
		}, 1, payment.Paid, payment.None},
		"both in one block": {func(to asset.Address, p *payment.Payment) {
			w.Chain.Send(named, hundredths(p, 40), append(make([]byte, 12), to[:]...))
			w.Chain.Send(to.String(), hundredths(p, 60), nil)
		}, 2, payment.Paid, payment.None},
		"too little": {func(to asset.Address, p *payment.Payment) { w.Chain.Send(to.String(), hundredths(p, 40), nil) }, 1, payment.Open, payment.Under},
		"too little, and the rest in another asset of another chain": {func(to asset.Address, p *payment.Payment) {
			w.Chain.Send(to.String(), hundredths(p, 40), nil)
			w.Second.Other.Transfer(w.Second.USDC(), to.String(), big.NewInt(6_001_000))
		}, 2, payment.Paid, payment.None},
		"too much": {func(to asset.Address, p *payment.Payment) { w.Chain.Send(to.String(), hundredths(p, 150), nil) }, 1, payment.Paid, payment.Over},
		"a token nobody takes": {func(to asset.Address, _ *payment.Payment) {
			w.Chain.Transfer(w.Chain.USDT(), to.String(), big.NewInt(10_000_000))
		}, 0, payment.Open, payment.None},
		"nothing, of a token": {func(to asset.Address, _ *payment.Payment) {
			w.Chain.Transfer(w.Chain.USDC(), to.String(), new(big.Int))
		}, 0, payment.Open, payment.None},
		"two assets, each enough": {func(to asset.Address, p *payment.Payment) {
			w.Chain.Transfer(w.Chain.USDC(), to.String(), big.NewInt(10_002_000))
			w.Chain.Send(to.String(), p.Quotes[0].Units, nil)
		}, 2, payment.Paid, payment.Over},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.For(t)
			p := order(t, w, tenDollars)
			c.send(p.Terms.Requests[0].Payee, p)
			w.Chain.Mine(1 + webtest.Confirmations)
			w.Second.Mine(1 + webtest.Confirmations)
			// Something that is paid afterwards has been read, and so has this.
			mark := order(t, w, tenDollars)
			w.Chain.Send(mark.Terms.Requests[0].Payee.String(), mark.Quotes[0].Units, nil)
			w.Chain.Mine(1 + webtest.Confirmations)
			w.AwaitState(string(mark.ID), payment.Paid)
			var got *payment.Payment
			w.Await(name, func() bool {
				got = w.Load(string(p.ID))
				return got.Standing.State == c.state && len(got.Transfers) == c.transfers
			})
			if got.Standing.Oddity != c.oddity {
				t.Errorf("%+v by %+v", got.Standing, got.Transfers)
			}
		})
	}
}

// What is taken back is taken back in every state but in the last, and a server that dies
// between seeing money and its last confirmation goes on where it was.
func TestProofOfReorganisationsAndRestarts(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	w := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	p := order(t, w, tenDollars)
	to := p.Terms.Requests[0].Payee.String()
	part := func(want bool) {
		t.Helper()
		w.Await(fmt.Sprint("a part: ", want), func() bool { return w.Load(string(p.ID)).Part() == want })
	}
	start := func() {
		t.Helper()
		key := w.SpacePayKey
		w = webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain, Deposits: &webtest.Deposits{NoKey: true}})
		w.SpacePayKey = key
	}
	restart := func() {
		t.Helper()
		w.Stop()
		start()
	}
	w.Chain.Send(to, hundredths(p, 40), nil)
	w.Chain.Mine(1)
	part(true)
	w.Chain.Reorg(1)
	w.Chain.Mine(1)
	part(false)
	w.Chain.Send(to, hundredths(p, 40), nil)
	w.Chain.Mine(1)
	part(true)
	restart() // partly paid
	before := w.Chain.Head()
	w.Chain.Send(to, hundredths(p, 60), nil)
	w.Chain.Mine(1)
	w.AwaitState(string(p.ID), payment.Seen)
	restart()                                   // all of it seen, none of it final
	w.Chain.Reorg(int(w.Chain.Head() - before)) // servers that start mine blocks, too
	w.Chain.Mine(1)
	w.AwaitState(string(p.ID), payment.Open)
	w.Chain.Send(to, hundredths(p, 60), nil)
	w.Chain.Mine(1)
	w.AwaitState(string(p.ID), payment.Seen)
	w.Stop() // and what makes it final happens while nobody looks
	w.Chain.Mine(webtest.Confirmations)
	start()
	paid := w.AwaitState(string(p.ID), payment.Paid)
	sum := new(big.Int)
	for _, x := range paid.Transfers {
		if x.Stage == payment.Final {
			sum.Add(sum, x.Amount)
		}
	}
	if have := w.Chain.Balance("", to); sum.Cmp(have) != 0 || paid.Standing.Oddity != payment.None {
		t.Errorf("credited %s of %s: %+v", sum, have, paid.Standing)
	}
	w.Chain.Reorg(webtest.Confirmations - 1)
	w.Chain.Mine(webtest.Confirmations)
	restart() // completed
	w.Chain.Mine(1)
	mark := eventually(t, w, tenDollars)
	w.Chain.Send(mark.Terms.Requests[0].Payee.String(), mark.Quotes[0].Units, nil)
	w.Chain.Mine(1)
	w.AwaitState(string(mark.ID), payment.Seen)
	if got := w.Load(string(p.ID)); got.Standing.State != payment.Paid || len(got.Transfers) != len(paid.Transfers) {
		t.Errorf("completed is not final: %+v", got.Standing)
	}
}

// Two servers on one PostgreSQL: each address is given to one payment, whichever server
// makes it, and each payment is credited once, whichever server sees it.
func TestProofOfTwoServersOnPostgres(t *testing.T) {
	dsn := pgtest.DSN(t)
	one := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	two := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: one.Chain, Deposits: &webtest.Deposits{NoKey: true}})
	two.SpacePayKey = one.SpacePayKey
	const each = 15
	var mu sync.Mutex
	var made []*payment.Payment
	var all sync.WaitGroup
	for _, w := range []*webtest.World{one, two, one, two} {
		all.Go(func() {
			for range each {
				p := eventually(t, w, tenDollars)
				mu.Lock()
				made = append(made, p)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	given := map[asset.Address]bool{}
	for _, p := range made {
		to := p.Terms.Requests[0].Payee
		if to.IsZero() || given[to] {
			t.Fatalf("%s was given out twice", to)
		}
		given[to] = true
		one.Chain.Send(to.String(), p.Quotes[0].Units, nil)
	}
	one.Chain.Mine(1)
	two.AwaitState(string(made[0].ID), payment.Seen)
	one.Chain.Reorg(1)
	for i, p := range made {
		if i%2 == 0 {
			one.Chain.Send(p.Terms.Requests[0].Payee.String(), p.Quotes[0].Units, nil)
		}
	}
	one.Chain.Mine(1 + webtest.Confirmations)
	for i, p := range made {
		want := []payment.State{payment.Paid, payment.Open}[i%2]
		got := two.AwaitState(string(p.ID), want)
		sum := new(big.Int)
		for _, x := range got.Transfers {
			if x.Stage != payment.Dropped {
				sum.Add(sum, x.Amount)
			}
		}
		if have := one.Chain.Balance("", p.Terms.Requests[0].Payee.String()); sum.Cmp(have) != 0 {
			t.Errorf("%s is credited %s of %s", p.ID, sum, have)
		}
	}
}

// A source that lies, or two that do not agree, are no price for what comes without a
// quote: it waits, and counts by the first price that both vouch for.
func TestProofOfLyingPrices(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	p := order(t, w, tenDollars)
	to := p.Terms.Requests[0].Payee.String()
	w.FeedPrice("USDC", "1.50")
	r := w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", tenDollars).Want(http.StatusCreated)
	if len(r.Body) == 0 {
		t.Fatal("nothing was said")
	}
	w.Chain.Transfer(w.Chain.USDC(), to, big.NewInt(8_000_000))
	w.Chain.Mine(1 + webtest.Confirmations)
	var held *payment.Payment
	w.Await("money that is not priced", func() bool {
		held = w.Load(string(p.ID))
		return len(held.Transfers) == 1 && held.Transfers[0].Stage == payment.Final
	})
	if x := held.Transfers[0]; x.Priced() || x.Credit.Sign() != 0 || held.Standing.Oddity != payment.Under || !held.Part() {
		t.Errorf("priced by a lie: %+v, %+v", held.Standing, x)
	}
	if got := cancel(w, p); got == http.StatusOK {
		t.Errorf("canceled with money that is not priced yet: %d", got)
	}
	w.Price("USDC", "1.30")
	paid := w.AwaitState(string(p.ID), payment.Paid)
	// Quotes round up what they ask for, so a part of one is worth a hair less.
	x := paid.Transfers[0]
	less := new(big.Int).Sub(money.Cents(1040), x.Credit)
	if less.Sign() < 0 || less.Cmp(money.Cents(1)) >= 0 || paid.Standing.Oddity != payment.Over {
		t.Errorf("%+v, %+v", paid.Standing, x)
	}
}

// Whoever is first: a payment is either canceled, and what comes is late, or it is not,
// and what came is in time.
func TestProofOfCancelRaces(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{}})
	for i := range 8 {
		p := eventually(t, w, tenDollars)
		w.Chain.Send(p.Terms.Requests[0].Payee.String(), p.Quotes[0].Units, nil)
		var both sync.WaitGroup
		statuses := make([]int, 3)
		both.Go(func() { w.Chain.Mine(1) })
		for j := range statuses {
			both.Go(func() {
				time.Sleep(time.Duration(i*j) * time.Millisecond) // spread over the moment of the block
				statuses[j] = cancel(w, p)
			})
		}
		both.Wait()
		w.Chain.Mine(webtest.Confirmations)
		var got *payment.Payment
		w.Await("the money", func() bool {
			got = w.Load(string(p.ID))
			return len(got.Transfers) == 1 && got.Transfers[0].Stage == payment.Final
		})
		canceled := false
		for _, status := range statuses {
			canceled = canceled || status == http.StatusOK
			if status != http.StatusOK && status != http.StatusBadRequest {
				t.Errorf("a cancellation is answered with %d", status)
			}
		}
		s := got.Standing
		if canceled != !got.Terms.CanceledAt.IsZero() {
			t.Errorf("told %v, stored %+v", statuses, got.Terms.CanceledAt)
		}
		if want := (map[bool]payment.State{true: payment.Canceled, false: payment.Paid})[canceled]; s.State != want && !(canceled && s.State == payment.Paid && !got.Late(got.Transfers[0])) {
			t.Errorf("canceled %t: %+v", canceled, s)
		}
	}
}
