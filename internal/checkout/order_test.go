package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/rail"
)

// crossing is one bridge transfer, its two chains and what is said of it, driven
// at random. What must come out follows from the two chains alone.
type crossing struct {
	*world
	r      *rand.Rand
	p      *payment.Payment
	args   string // "" until announced
	height int
	fork   int
	mined  bool // the source transaction is in a block
	end    string
	ended  bool // the end is in a block of the payment's chain
	lied   bool // the bridge said that it was over
	trace  []string
}

const (
	comes = "arrives"
	fails = "recovers"
	never = "neither"
)

func (c *crossing) step() {
	var err error
	kind := c.r.IntN(10)
	switch kind {
	case 0:
		var a payment.Attempt
		if a, err = c.Report(c.t.Context(), c.p.ID, arbitrum, hash(sent), rail.Payer{}); err == nil {
			c.args = checkout.Follow{Payment: c.p.ID, Key: a.Key}.Args()
		}
	case 1:
		c.mined = c.r.IntN(3) > 0
		c.show()
	case 2: // the bridge talks
		c.span.says([]payment.Progress{payment.Sent, payment.Bridging, payment.Arrived, payment.Refunding}[c.r.IntN(4)], hash(1))
	case 3:
		if c.r.IntN(6) == 0 { // and lies
			c.lied = true
			c.span.says([]payment.Progress{payment.Refunded, payment.Recovered, payment.Broken}[c.r.IntN(3)], hash(2))
		}
	case 4:
		err = c.advance(c.r.IntN(2) == 0)
	case 5:
		if c.height > 1 {
			err = c.reorg()
		}
	case 6:
		c.pass(time.Duration(c.r.IntN(60)) * time.Second)
	case 7:
		if c.r.IntN(4) == 0 {
			c.restart()
		}
	default:
		if c.args != "" {
			_, err = c.Track(c.t.Context(), c.args)
		}
	}
	c.trace = append(c.trace, fmt.Sprintf("%d: %v; mined %t, ended %t at %d", kind, err, c.mined, c.ended, c.height))
	if err != nil && !errors.Is(err, errTrouble) {
		c.t.Fatal(err)
	}
}

func (c *crossing) show() {
	if c.mined {
		c.span.shows(unsure(proven(100)))
		return
	}
	c.span.shows(seeing(payment.Sent))
}

// advance adds a block, with the end in it or without.
func (c *crossing) advance(end bool) error {
	b := block(c.height+1, c.fork)
	sw := checkout.Sweep{Chain: base, From: uint64(c.height + 1), To: b}
	end = end && !c.ended
	if end {
		switch c.end {
		case comes:
			sw.Sightings = []rail.Sighting{c.arrival(c.p, 100, b)}
		case fails:
			sw.Recoveries = []rail.Recovery{c.recovery(100)}
		}
	}
	// After a lost answer the block is there already.
	stored, err := c.Cursor(c.t.Context(), base)
	must(c.t, err)
	if int(stored.Blocks[0].Number) == c.height {
		if err := c.RecordSweep(c.t.Context(), sw); err != nil && !c.stored(b) {
			return err
		}
	}
	c.height, c.ended = c.height+1, c.ended || end
	return nil
}

func (c *crossing) stored(b checkout.Block) bool {
	cursor, err := c.Cursor(c.t.Context(), base)
	must(c.t, err)
	return cursor.Blocks[0].Number == b.Number
}

// reorg takes everything above the first block away. What a recovery said is
// kept: so it is only undone where it may become true again.
func (c *crossing) reorg() error {
	if c.end == fails && c.ended {
		return nil
	}
	if err := c.Rewind(c.t.Context(), base, block(1, 0)); err != nil && !c.stored(block(1, 0)) {
		return err
	}
	c.height, c.ended = 1, false
	c.fork++
	return nil
}

// finish lets everything that is true become known, without trouble.
func (c *crossing) finish() {
	c.fail = nil
	c.mined = true
	c.span.shows(proven(100))
	if c.args == "" {
		c.args = c.announce(c.p)
	}
	if !c.ended {
		must(c.t, c.advance(true))
	}
	c.span.says(payment.Bridging)
	var blocks []checkout.Block
	for n := 1; n <= c.height; n++ {
		blocks = append(blocks, block(n, c.fork))
	}
	must(c.t, c.Finalize(c.t.Context(), base, blocks))
	for range 3 {
		c.track(c.args)
	}
}

func (c *crossing) check() {
	c.t.Helper()
	a, got := c.attempt(c.p), c.load(c.p.ID)
	kinds := map[payment.EventKind]int{}
	for _, e := range c.events(c.p.ID) {
		kinds[e.Kind]++
	}
	for _, once := range []payment.EventKind{payment.EventAnnounced, payment.EventBridging} {
		if kinds[once] != 1 {
			c.t.Errorf("%s was said %d times", once, kinds[once])
		}
	}
	switch c.end {
	case comes:
		if got.Standing.State != payment.Paid || kinds[payment.EventPaid] != 1 || a.Stage != payment.Executed || a.Route.Progress != payment.Arrived {
			c.t.Errorf("%s, paid %d times, by an attempt that is %s/%s", got.Standing.State, kinds[payment.EventPaid], a.Stage, a.Route.Progress)
		}
		if x := got.Transfers[0]; x.Evidence.Payer != signer.String() || x.Evidence.Source.Tx != hash(sent) {
			c.t.Errorf("it came from %+v", x.Evidence)
		}
	case fails, never:
		want := map[string]payment.AttemptStage{fails: payment.Abandoned, never: payment.Proven}[c.end]
		if got.Standing.State != payment.Open || kinds[payment.EventPaid] != 0 || a.Stage != want && !c.lied {
			c.t.Errorf("%s, by an attempt that is %s/%s", got.Standing.State, a.Stage, a.Route.Progress)
		}
	}
	if ends := kinds[payment.EventBroken] + kinds[payment.EventRefunded]; !c.lied && ends != map[string]int{fails: 1}[c.end] {
		c.t.Errorf("an end was told %d times", ends)
	} else if ends > 1+kinds[payment.EventReorged] { // each was disproved by an arrival before the next
		c.t.Errorf("%d ends of one transfer", ends)
	}
}

// Whatever comes first, is said, is lost or runs twice: in the end the chains
// decide, and everything is told once.
func TestOrderDoesNotMatter(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &crossing{world: bridgeWorld(t), r: rand.New(rand.NewPCG(seed, 5)), height: 1, end: []string{comes, fails, never}[seed%3]}
			t.Cleanup(func() {
				if t.Failed() {
					for _, line := range c.trace {
						t.Log(line)
					}
				}
			})
			c.p = c.create(100)
			c.show()
			c.world.fail = func(_ context.Context, write func() error) error {
				switch c.r.IntN(6) {
				case 0:
					return errTrouble
				case 1:
					if err := write(); err != nil {
						return err
					}
					return errTrouble
				}
				return write()
			}
			for range 60 {
				c.step()
			}
			c.finish()
			c.check()
		})
	}
}

// Two servers look at the same transfer at the same time, while its payment is
// seen: everything is told once.
func TestTwoWorkersFollow(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			w := worldOn(t, dsn(t))
			w.span = &span{proof: unsure(proven(100)), news: rail.News{Progress: payment.Refunded, Tx: hash(2)}}
			w.restart()
			other := &world{t: t, dsn: w.dsn, at: begin, tag: 1000, span: w.span}
			other.open()
			defer func() { must(t, other.store.Close()) }()
			must(t, w.sweep(1, block(1, 0)))
			for round := range 8 {
				p := w.create(100)
				proof := unsure(proven(100))
				proof.Route.ID = hash(0xabc + round)
				w.span.shows(proof)
				args := w.announce(p)
				b := block(2+round, 0)
				x := w.sighting(p, arrives+round, 2, 100, b)
				x.Evidence.Payer, x.Evidence.Source = "", payment.Source{Route: proof.Route.ID}
				r := w.recovery(100)
				r.Route = proof.Route.ID
				var wg sync.WaitGroup
				for _, node := range []*world{w, other} {
					for range 3 {
						wg.Go(func() {
							if _, err := node.Track(t.Context(), args); err != nil && !fault.Is(err, fault.Conflict) && !errors.Is(err, checkout.ErrStale) {
								t.Error(err)
							}
						})
					}
				}
				wg.Go(func() {
					sw := checkout.Sweep{Chain: base, From: b.Number, To: b, Recoveries: []rail.Recovery{r}}
					if round%2 == 0 {
						sw.Sightings = []rail.Sighting{x}
					}
					must(t, w.RecordSweep(t.Context(), sw))
				})
				wg.Wait()
				w.track(args)
				kinds := map[payment.EventKind]int{}
				for _, e := range w.events(p.ID) {
					kinds[e.Kind]++
				}
				a := w.attempt(p)
				ends := kinds[payment.EventBroken] + kinds[payment.EventRefunded]
				if kinds[payment.EventBridging] != 1 || ends > 1 || round%2 == 1 && (ends != 1 || a.Stage != payment.Abandoned) {
					t.Errorf("round %d: %s/%s, log %v", round, a.Stage, a.Route.Progress, kinds)
				}
				if round%2 == 0 && (a.Stage != payment.Executed || w.load(p.ID).Transfers[0].Evidence.Payer != signer.String()) {
					t.Errorf("round %d: %s/%s by %q", round, a.Stage, a.Route.Progress, w.load(p.ID).Transfers[0].Evidence.Payer)
				}
			}
		})
	}
}

// A part of a batch over a bridge covers its own request only.
func TestBridgeForOneOfSeveralRequests(t *testing.T) {
	w := bridgeWorld(t)
	var p *payment.Payment
	_, _, err := w.Create(t.Context(), checkout.Draft{
		Merchant: owner, Dialect: "request", Requests: []checkout.DraftRequest{
			{Payee: payee, Token: w.usdc, Amount: big.NewInt(100)}, {Payee: payee, Token: w.usdc, Amount: big.NewInt(50)},
		},
	}, nil, func(made *payment.Payment) (checkout.Answer, error) {
		p = made
		return checkout.Answer{Status: 201}, nil
	})
	must(t, err)
	args := w.announce(p)
	proof := proven(50)
	proof.Route.Request = 1
	w.span.shows(proof)
	w.track(args)
	if _, held := w.load(p.ID).UnderWay(w.now()); held {
		t.Error("half of a batch holds all of it")
	}
	must(t, w.sweep(2, block(2, 0), w.sighting(p, 5, 0, 100, block(2, 0))))
	if _, held := w.load(p.ID).UnderWay(w.now()); !held {
		t.Error("the other half is paid, and the batch is not held")
	}
}
