package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// A page hears within a second of what another node recorded, wherever it is open.
// Without being told it would look every four, which the most of many news must not take:
// one of them may be late on a machine that does something else.
func TestPagesHearOfOtherNodes(t *testing.T) {
	c := newCluster(t, 3, webtest.Options{})
	one := c.nodes[0]
	var lates []time.Duration
	for range 3 {
		token := one.CreatePayment("10")
		var tabs []*tab
		for _, w := range c.nodes {
			tabs = append(tabs, openTab(t, w, token))
		}
		for _, x := range tabs {
			within(t, time.Minute, "the first state", func() bool { return !x.told("open").IsZero() })
		}
		one.PayOnChain(one.Chain.Wallet, token, 10_000_000)
		for _, step := range []struct {
			blocks int
			state  payment.State
		}{{1, payment.Seen}, {webtest.Confirmations - 1, payment.Paid}} {
			one.Chain.Mine(step.blocks)
			one.AwaitState(token, step.state)
			recorded := time.Now()
			for _, x := range tabs {
				within(t, time.Minute, "news", func() bool { return !x.told(string(step.state)).IsZero() })
				lates = append(lates, x.told(string(step.state)).Sub(recorded))
			}
		}
	}
	slices.Sort(lates)
	if lates[len(lates)/2] > time.Second {
		t.Errorf("the pages heard after %v", lates)
	}
}

// A node that stops in order hands the chain over and does not leave its lease to run out;
// the others are ready all the while, and so are pages and confirmations on them.
func TestACleanStopHandsOver(t *testing.T) {
	c := newCluster(t, 3, webtest.Options{})
	left := c.nodes
	for len(left) > 1 {
		reads := slices.IndexFunc(left, func(w *webtest.World) bool { return w.App.Reads(asset.SandboxBase) })
		if reads < 0 {
			t.Fatal("nobody reads the chain")
		}
		holder := c.reader(left[reads])
		left[reads].Stop()
		left = slices.Delete(left, reads, reads+1)
		if now := c.reader(left[0]); now == holder {
			t.Errorf("%s has stopped and holds the lease", now)
		}
		took := within(t, time.Minute, "another reader", func() bool {
			for i, w := range left {
				if got := w.Get("/readyz"); got.Status != http.StatusOK {
					t.Fatalf("node %d is not ready: %s", i, got.Body)
				}
			}
			return slices.ContainsFunc(left, func(w *webtest.World) bool { return w.App.Reads(asset.SandboxBase) })
		})
		t.Logf("handed over after %v", took)
		for _, w := range left {
			token := w.CreatePayment("10")
			w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
			w.Chain.Mine(webtest.Confirmations)
			for _, other := range left {
				other.AwaitState(token, payment.Paid)
			}
		}
	}
}

// The same key on all nodes at once makes one payment; everybody gets its answer.
func TestOneKeyOnAllNodes(t *testing.T) {
	c := newCluster(t, 3, webtest.Options{})
	body := fmt.Sprintf(`{"requests":[{"payee":%q,"paymentCurrency":"USDC-base","amount":"10"}]}`, webtest.Payee)
	for round := range 5 {
		var mu sync.Mutex
		tokens := map[string]int{}
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				w := c.nodes[i%len(c.nodes)]
				r := w.API(http.MethodPost, "/v2/secure-payments", body, fmt.Sprintf("Idempotency-Key: key-%d", round))
				token, _ := r.JSON()["token"].(string)
				mu.Lock()
				defer mu.Unlock()
				if r.Status != http.StatusCreated || token == "" {
					t.Errorf("status %d: %s", r.Status, r.Body)
				}
				tokens[token]++
			})
		}
		all.Wait()
		if len(tokens) != 1 {
			t.Errorf("one key made %v", tokens)
		}
	}
}

// What one node told a browser, the others know: cookies, and what was announced.
func TestBrowsersMoveBetweenNodes(t *testing.T) {
	c := newCluster(t, 2, webtest.Options{})
	one, two := c.nodes[0], c.nodes[1]
	token, hash := one.CreatePayment("10"), "0x"+strings.Repeat("cd", 32)
	body := fmt.Sprintf(`{"txHash":%q,"wallet":%q}`, hash, one.Chain.Wallet.Address())
	cookie, _, _ := strings.Cut(one.Do(http.MethodPost, "/checkout/"+token+"/intent", body, "Sec-Fetch-Site: same-origin").Want(http.StatusOK).Header.Get("Set-Cookie"), ";")
	if got := two.Get("/checkout/"+token+"/status", "Cookie: "+cookie).Want(http.StatusOK).JSON()["announcedTx"]; got != hash {
		t.Errorf("the other node knows %v of what this browser announced", got)
	}
	two.Get("/?token="+token, "Cookie: "+cookie).Want(http.StatusOK)
}

// What a node was delivering when it died, another delivers under the same id.
func TestAKilledNodesWebhooksAreDelivered(t *testing.T) {
	c := newCluster(t, 1, webtest.Options{})
	one := c.nodes[0]
	hooks := webhooktest.New(t, "whsec_"+strings.Repeat("A", 32))
	one.AddEndpoint(hooks.URL, "whsec_"+strings.Repeat("A", 32))
	hooks.Next(webhooktest.Stall())
	token := one.CreatePayment("10")
	one.PayOnChain(one.Chain.Wallet, token, 10_000_000)
	one.Chain.Mine(webtest.Confirmations)
	hooks.Wait(t, 1) // and hangs
	two := c.join(webtest.Options{})
	c.pipes[0].freeze()
	defer c.pipes[0].thaw()
	took := within(t, time.Minute, "another delivery of the same", func() bool {
		got := hooks.Received()
		return slices.ContainsFunc(got[1:], func(r webhooktest.Received) bool { return r.ID == got[0].ID })
	})
	two.AwaitState(token, payment.Paid)
	t.Logf("delivered %v after the death", took)
}
