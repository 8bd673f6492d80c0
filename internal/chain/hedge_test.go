package chain

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// paced is a node that takes its time to answer every question with the same.
type paced struct {
	takes time.Duration
	asked int
}

func (p *paced) BatchCallContext(ctx context.Context, b []rpc.BatchElem) error {
	p.asked++
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(p.takes):
	}
	for i := range b {
		answer := "0x1"
		if b[i].Method == "eth_chainId" {
			answer = quantity(uint64(testChain))
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		*b[i].Result.(*json.RawMessage) = raw
	}
	return nil
}

func pacedClient(t *testing.T, nodes ...*paced) *Client {
	return clientOf(t, func(cfg *Config) {
		for i, n := range nodes {
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Transport: n, Name: string(rune('a' + i))})
		}
	})
}

var aRead = []Call{GasPriceCall()}

func TestASlowEndpointIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &paced{takes: 10 * time.Millisecond}, &paced{takes: 10 * time.Millisecond}
		c := pacedClient(t, first, second)
		for range 20 {
			if _, err := c.Batch(t.Context(), aRead); err != nil {
				t.Fatal(err)
			}
		}
		if second.asked != 0 {
			t.Fatalf("the second endpoint was asked %d times although the first was quick", second.asked)
		}
		first.takes = time.Minute
		begun := time.Now()
		if _, err := c.Batch(t.Context(), aRead); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != hedgeMin+second.takes {
			t.Errorf("answered after %s, want %s", took, hedgeMin+second.takes)
		}
		h := c.Health()
		if h[1].Hedges != 1 || h[1].HedgesWon != 1 || h[0].Failures != 0 || h[0].Failed[TimedOut] != 0 || h[0].State != Good {
			t.Errorf("health %+v", h)
		}
	})
}

func TestWhatIsNoReadIsNeverHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &paced{takes: time.Hour}, &paced{}
		c := pacedClient(t, first, second)
		if _, err := c.Batch(t.Context(), []Call{{Method: "eth_sendRawTransaction", Params: []any{"0x"}}}); err != nil {
			t.Log(err) // its chain could not be verified: the second may then be asked
		}
		first.takes = 0
		if _, err := c.Batch(t.Context(), aRead); err != nil {
			t.Fatal(err)
		}
		first.takes, second.asked = time.Hour, 0
		if _, err := c.Batch(t.Context(), []Call{{Method: "eth_sendRawTransaction", Params: []any{"0x"}}}); err == nil {
			t.Error("a transaction that may have been carried out was sent again")
		}
		if second.asked != 0 {
			t.Errorf("the second endpoint was asked %d times", second.asked)
		}
	})
}

func TestASlowPoolIsNotAskedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &paced{takes: 10 * time.Millisecond}, &paced{takes: 4 * time.Second}
		c := pacedClient(t, first, second)
		if _, err := c.Batch(t.Context(), aRead); err != nil {
			t.Fatal(err)
		}
		first.takes = 4 * time.Second
		const reads = 100
		for range reads {
			if _, err := c.Batch(t.Context(), aRead); err != nil {
				t.Fatal(err)
			}
		}
		if most := int(hedgeBurst + hedgeShare*reads + 1); second.asked > most || second.asked == 0 {
			t.Errorf("%d of %d reads were hedged, want at most %d", second.asked, reads, most)
		}
	})
}

func TestAFailedHedgeLeavesTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &paced{takes: 3 * time.Second}
		c := clientOf(t, func(cfg *Config) {
			cfg.Endpoints = append(cfg.Endpoints, Endpoint{Transport: first}, Endpoint{Transport: broken{}})
		})
		if _, err := c.Batch(t.Context(), aRead); err != nil {
			t.Fatal(err)
		}
	})
}

type broken struct{}

func (broken) BatchCallContext(context.Context, []rpc.BatchElem) error { return errors.New("broken") }

func TestAnEndpointAtItsLimitIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &paced{}, &paced{}
		c := clientOf(t, func(cfg *Config) {
			cfg.Endpoints = []Endpoint{{Transport: first, PerSecond: 4}, {Transport: second, PerSecond: 2}}
		})
		ask := func() {
			t.Helper()
			if _, err := c.Batch(t.Context(), aRead); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		for range 6 {
			ask()
		}
		if first.asked != 4 || second.asked != 2 || time.Since(begun) != 0 {
			t.Errorf("asked %d and %d times in %s, want 4 and 2 at once", first.asked, second.asked, time.Since(begun))
		}
		ask()
		if took := time.Since(begun); took != 250*time.Millisecond {
			t.Errorf("with both at their limit it took %s, want until the first may be asked again", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := c.Batch(ctx, aRead); err == nil || time.Since(begun) != 250*time.Millisecond {
			t.Errorf("error %v after %s: nobody waits who is not there any more", err, time.Since(begun))
		}
		for _, h := range c.Health() {
			if h.Failures != 0 || h.State != Good {
				t.Errorf("an endpoint at our own limit has failed: %+v", h)
			}
		}
	})
}

func TestALongBatchIsPaidForByThoseAfterIt(t *testing.T) {
	b := bucket{perSecond: 10}
	now := time.Unix(0, 0)
	if _, ok := b.take(now, 30); !ok {
		t.Fatal("a batch that is longer than the limit can never go")
	}
	wait, ok := b.take(now, 1)
	if ok || wait != 2100*time.Millisecond {
		t.Errorf("ok %v, wait %s; want 2.1 s: twenty are owed and one is needed", ok, wait)
	}
	if _, ok := b.take(now.Add(wait), 1); !ok {
		t.Error("refused after the wait")
	}
}

func TestAnEndpointThatMovedToAnotherChainIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, other := newLedger(), newLedger()
		other.id = 4242
		turncoat, honest := newNode(t, l), newNode(t, l)
		c := clientOf(t, func(cfg *Config) {
			cfg.Endpoints = []Endpoint{{Transport: turncoat, Name: "turncoat"}, {Transport: honest, Name: "honest"}}
		})
		head := []Call{HeaderCall(Latest)}
		if _, by, err := c.any(t.Context(), head, nil, true); err != nil || by != 0 {
			t.Fatal(by, err)
		}
		turncoat.set(func(n *node) { n.ledger = other })
		time.Sleep(verifyEvery + time.Second)
		if _, by, err := c.any(t.Context(), head, nil, true); err != nil || by != 1 {
			t.Errorf("answered by %d, error %v: want the one that stayed", by, err)
		}
		if h := c.Health()[0]; h.State != Refused || h.Lies[WrongChain] != 1 {
			t.Errorf("health %+v", h)
		}
	})
}

func TestAHeadThatStandsStillIsAskedLast(t *testing.T) {
	l := newLedger()
	still, current := newNode(t, l), newNode(t, l)
	c := clientOf(t, func(cfg *Config) {
		cfg.Endpoints = []Endpoint{{Transport: still, Name: "still"}, {Transport: current, Name: "current"}}
	})
	look := func(i int) {
		t.Helper()
		if _, err := c.on(t.Context(), i, []Call{HeaderCall(Latest)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		l.mine()
	}
	still.set(func(n *node) { n.lag = staleBy })
	look(1)
	look(0)
	if got := c.order(nil); got[0] != 0 {
		t.Errorf("order %v: a few blocks are no reason", got)
	}
	still.set(func(n *node) { n.lag = staleBy + 1 })
	look(0)
	look(0)
	if got := c.order(nil); got[0] != 1 {
		t.Errorf("order %v: want the one that stands still last", got)
	}
	if h := c.Health()[0]; h.Lies[StaleHead] != 1 {
		t.Errorf("health %+v, want the stale head counted once", h)
	}
	still.set(func(n *node) { n.lag = 0 })
	look(0)
	if got := c.order(nil); got[0] != 0 {
		t.Errorf("order %v after it caught up", got)
	}
}
