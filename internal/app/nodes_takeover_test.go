package app_test

import (
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

// A node that reads the chain dies without a word, or loses its way to the database and
// does not notice. Another goes on within ten seconds, and what was paid at any moment
// counts, once; also when the first comes back to what it was about to write.
func TestAReadersDeath(t *testing.T) {
	for name, die := range map[string]func(t *testing.T, c *cluster) (after func()){
		"its database hangs": func(_ *testing.T, c *cluster) func() {
			c.pipes[0].freeze()
			return c.pipes[0].thaw
		},
		"it is killed": func(t *testing.T, c *cluster) func() {
			// Without a database nothing is given back, as after kill -9.
			if err := c.nodes[0].App.Store.Close(); err != nil {
				t.Error(err)
			}
			c.nodes[0].Stop()
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, webtest.Options{})
			one, two := c.nodes[0], c.nodes[1]
			reader := c.reader(two)
			var tokens []string
			pay := func(n int) {
				for range n {
					token := two.CreatePayment("10")
					tokens = append(tokens, token)
					two.PayOnChain(two.Chain.Wallet, token, 10_000_000)
				}
			}
			pay(5)
			one.Chain.Mine(1)
			pay(5)
			after := die(t, c)
			pay(5)
			one.Chain.Mine(1)
			took := within(t, 10*time.Second, "another reader that sees what came", func() bool {
				return two.Load(tokens[len(tokens)-1]).Standing.State == payment.Seen
			})
			t.Logf("seen %v after the death", took)
			if now := c.reader(two); now == reader {
				t.Errorf("%s still reads", now)
			}
			two.Chain.Mine(1)
			after()
			pay(1)
			two.Chain.Mine(webtest.Confirmations)
			for _, token := range tokens {
				p := two.AwaitState(token, payment.Paid)
				if len(p.Transfers) != 1 {
					t.Errorf("%s has %d transfers", token, len(p.Transfers))
				}
			}
			if now := c.reader(two); now == reader {
				t.Errorf("%s reads again though another does", now)
			}
		})
	}
}
