package app_test

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/faultproxytest"
	"quittance/internal/payment"
	"quittance/internal/screening"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// shaky is a server with a proxy that misbehaves before each service that it asks.
type shaky struct {
	*webtest.World
	t       *testing.T
	proxies map[string]*faultproxytest.Proxy
	hook    *webhooktest.Receiver
	stop    func()
}

// answerWithin is how long whoever pays may wait for an answer: what the slowest service has,
// and a little.
const answerWithin = 30 * time.Second

// healWithin is how long a server may take once its services are well again: the documented
// waits of webhooks and the longest rest of a breaker.
const healWithin = 60 * time.Second

func (s *shaky) front(name, url string) string {
	p := faultproxytest.New(s.t, url)
	p.Manners(faultproxytest.Manner{HugeBytes: 20 << 20, Pause: 2 * time.Millisecond})
	s.proxies[name] = p
	return p.URL()
}

func newShaky(t *testing.T, gas *webtest.Gasless) *shaky {
	o := webtest.Options{Database: "sqlite:" + filepath.Join(t.TempDir(), "shaky.db"), Routing: true, Gasless: gas, Deposits: &webtest.Deposits{}}
	kyt := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"status":"approved"}`) // whoever hangs up is a proxy
	}))
	s := &shaky{t: t, proxies: map[string]*faultproxytest.Proxy{}}
	o.Screening = app.ScreeningSetup{Default: "acme", Providers: []screening.VendorConfig{{Name: "acme", URL: s.front("screening", kyt), Key: "k"}}}
	w := webtest.NewWith(t, o)
	secret := webhook.NewSecret()
	s.hook = webhooktest.New(t, secret)
	w.AddEndpoint(s.front("webhooks", s.hook.URL), secret)
	w.Stop()

	setup := w.Setup(o)
	for i, c := range setup.Chains {
		url := s.front(fmt.Sprint("rpc ", i), strings.TrimSuffix(c.Endpoints[0].URL, "/"))
		setup.Chains[i].Endpoints = []chain.Endpoint{{URL: url}}
	}
	setup.Routing.Service.Transport, setup.Routing.Service.BaseURL = nil, s.front("routes", serve(t, w.Router))+"/v1"
	for id, c := range setup.Gasless.Chains {
		c.BundlerURL, c.Timeout = s.front(fmt.Sprint("bundler ", id), c.BundlerURL), 2*time.Second
		setup.Gasless.Chains[id] = c
	}
	setup.Deposits.Prices.API.Transport, setup.Deposits.Prices.API.URL = nil, s.front("prices", serve(t, w.Market))
	a, err := app.New(t.Context(), setup)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	s.World = w.For(t)
	s.World.App = a
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(s.stop)
	s.await("a server that is up", func() bool { return a.CaughtUp() && a.PaysGas(asset.SandboxBase) })
	return s
}

func serve(t *testing.T, h http.Handler) (url string) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func (s *shaky) await(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(healWithin); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited too long for %s", what)
		}
	}
}

// each has every proxy do something.
func (s *shaky) each(f func(name string, p *faultproxytest.Proxy)) {
	for name, p := range s.proxies {
		f(name, p)
	}
}

// ask is what a payer's page asks. The answer is there in time, and no accident.
func (s *shaky) ask(path string) {
	s.t.Helper()
	begun := time.Now()
	r := s.Get(path)
	if took := time.Since(begun); took > answerWithin || r.Status >= 500 && r.Status != http.StatusServiceUnavailable && r.Status != http.StatusBadGateway {
		s.t.Errorf("%s: %d after %s\n%.300s", path, r.Status, took, r.Body)
	}
}

// seeds are those of faults: one, or as many as QUITTANCE_FAULT_SEEDS says.
func seeds(t *testing.T) []uint64 {
	t.Helper()
	n := 1
	if text := os.Getenv("QUITTANCE_FAULT_SEEDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i + 1)
	}
	return out
}

// Chains, bundlers, routes, prices, screening and webhooks fail at random, all at the same
// time: payers get answers, and once the services are well, everything that was paid is
// credited, once, and told.
func TestFaultsOfAllServices(t *testing.T) {
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newShaky(t, &webtest.Gasless{})
			var plain []string
			var sent []*payment.Payment
			for range 4 {
				plain = append(plain, s.CreatePayment("5"))
				sent = append(sent, order(t, s.World, tenDollars))
			}
			screened := s.Create(fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"5"}],"accessPolicy":{"mode":"kyt_all_wallets"}}`, webtest.Payee))
			savers := []*saver{s.saver("granted"), s.saver("granted, too"), s.saver("asks"), s.saver("asks, too")}
			for _, v := range savers[:2] {
				if refused := v.grants(t); refused != nil {
					t.Fatalf("the sponsor: %+v", refused)
				}
			}
			s.each(func(_ string, p *faultproxytest.Proxy) { p.Random(seed, 0.3) })
			for i, token := range plain {
				s.PayOnChain(s.Chain.Wallet, token, 5_000_000)
				s.Chain.Send(sent[i].Terms.Requests[0].Payee.String(), sent[i].Quotes[0].Units, nil)
				s.Chain.Mine(1)
				wallet := s.Chain.Other.Address()
				s.ask("/checkout/" + screened + "/options?wallet=" + wallet)
				s.ask("/checkout/" + screened + "/pay?wallet=" + wallet)
				s.ask("/checkout/" + token + "/gasless?wallet=" + wallet + "&option=" + usdcWay)
				s.ask("/pay/" + token)
				s.tries(savers[i])
			}
			s.Chain.Mine(webtest.Confirmations)
			s.each(func(_ string, p *faultproxytest.Proxy) { p.Behave() })
			s.healed(plain, sent, savers)
			s.stop()
			s.left()
		})
	}
}

// healed waits until all is credited and told, and counts.
func (s *shaky) healed(plain []string, sent []*payment.Payment, savers []*saver) {
	s.t.Helper()
	for _, v := range savers {
		s.hasPaid(v)
		plain = append(plain, v.Payment)
	}
	all := plain
	for _, p := range sent {
		all = append(all, string(p.ID))
	}
	for _, token := range all {
		s.await(token+" to be paid", func() bool { return s.Load(token).Standing.State == payment.Paid })
		p := s.Load(token)
		if len(p.Transfers) != 1 || p.Standing.Oddity != payment.None {
			s.t.Errorf("%s: %+v by %+v", token, p.Standing, p.Transfers)
		}
	}
	sum := new(big.Int)
	for _, token := range plain {
		sum.Add(sum, s.Load(token).Transfers[0].Amount)
	}
	if have := s.Chain.Balance(s.Chain.USDC(), webtest.Payee); sum.Cmp(have) != 0 {
		s.t.Errorf("credited %s, and the payee has %s", sum, have)
	}
	s.await("all to be told", func() bool {
		for _, token := range plain {
			request, told := s.Load(token).Terms.Requests[0].ID, false
			for _, got := range s.hook.Received() {
				told = told || strings.Contains(string(got.Body), `"payment.confirmed"`) && strings.Contains(string(got.Body), request)
			}
			if !told {
				return false
			}
		}
		return true
	})
	s.paidOnce(savers)
	saver := s.Saver("payer", s.CreatePayment("5"), usdcWay, s.Gas.USDC(), 20_000_000)
	s.await("gas to be paid for again", func() bool { return s.App.PaysGas(asset.SandboxBase) && saver.Look().Status == http.StatusOK })
	saver.Pay()
	settle(s.World, saver.Payment)
	s.ask("/checkout/" + s.CreatePayment("5") + "/options?wallet=" + s.Chain.Other.Address())
	order(s.t, s.World, tenDollars)
}

// left holds that nothing goes on that a stopped server began: no goroutine, no connection.
func (s *shaky) left() {
	s.t.Helper()
	var found []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		found = nil
		buf := make([]byte, 1<<22)
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			for _, ours := range []string{"job.(", "webhook.(", "chain.(", "app.(", "lifi.(", "rate.(", "gasless.(", "screening.(", "store.("} {
				if strings.Contains(g, "quittance/internal/"+ours) {
					found = append(found, g)
				}
			}
		}
		s.each(func(name string, p *faultproxytest.Proxy) {
			if n := p.Open(); n > 0 {
				found = append(found, fmt.Sprintf("%d connections for %s", n, name))
			}
		})
		if len(found) == 0 {
			return
		}
	}
	s.t.Errorf("left: %s", strings.Join(found, "\n"))
}

// A service that is gone altogether, in each of the ways it can be: whoever pays on the
// payment's own chain notices nothing unless it is that chain, and it heals.
func TestFaultsOneByOne(t *testing.T) {
	s := newShaky(t, &webtest.Gasless{})
	for name, p := range s.proxies {
		for _, kind := range faultproxytest.Kinds() {
			if kind == faultproxytest.HangBefore || kind == faultproxytest.HangAfter || kind == faultproxytest.Huge {
				continue // they take a service's whole time limit; TestFaultsOfAllServices has them
			}
			p.Always(kind)
			token := s.CreatePayment("5")
			if !strings.HasPrefix(name, "rpc") {
				s.PayOnChain(s.Chain.Wallet, token, 5_000_000)
				s.Chain.Mine(1)
				s.await(fmt.Sprintf("%s with %s %s", token, name, kind), func() bool { return s.Load(token).Standing.State == payment.Seen })
			}
			s.ask("/pay/" + token)
			p.Behave()
		}
	}
}
