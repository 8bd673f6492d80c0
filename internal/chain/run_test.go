package chain

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// running starts r's scanner in a synctest bubble and stops it with the test.
func running(t *testing.T, r *rig) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.scan.Run(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		synctest.Wait()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run returned %v after its context ended", err)
			}
		default:
			t.Error("Run goes on after its context ended")
		}
	}
}

func TestRunCatchesUpWithoutPausesAndThenFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, nil)
		for i := range 2000 { // many times maxSweeps ranges
			r.chain.mine(fmt.Sprint(i))
		}
		begun := time.Now()
		if h := r.scan.Health(); h.State != Starting || h.CaughtUp {
			t.Errorf("health before Run: %+v", h)
		}
		stop := running(t, r)
		if took := time.Since(begun); took > 0 || r.sink.cursor() != 2000 || !r.scan.CaughtUp() {
			t.Errorf("after %v the cursor is %d, caught up: %t", took, r.sink.cursor(), r.scan.CaughtUp())
		}
		before := r.nodes[0].tripCount()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := r.nodes[0].tripCount() - before; got != 30 {
			t.Errorf("%d round trips in a minute of rest, want 30", got)
		}
		r.chain.mine("new")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r.wantAll()
		stop()
	})
}

func TestNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, func(cfg *ScannerConfig) { cfg.Interval = 10 * time.Second })
		stop := running(t, r)
		defer stop()
		time.Sleep(5 * time.Second)
		r.chain.mine("paid")
		r.scan.Nudge()
		synctest.Wait()
		r.wantAll() // at once, five seconds before its time

		before := r.nodes[0].tripCount()
		begun := time.Now()
		for time.Since(begun) < 20*time.Second {
			r.scan.Nudge()
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if got := r.nodes[0].tripCount() - before; got < 8 || got > 11 {
			t.Errorf("a storm of nudges made %d looks in 20 s, want one each 2 s", got)
		}
	})
}

func TestRunWaitsLongerAndLongerAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, nil)
		r.chain.mine("a")
		stop := running(t, r)
		defer stop()
		r.nodes[0].set(func(n *node) { n.before = func(string) error { return errors.New("away") } })
		r.chain.mine("b")
		before := r.nodes[0].tripCount()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// Pauses of 15 to 30 s after the first few.
		if got := r.nodes[0].tripCount() - before; got < 20 || got > 50 {
			t.Errorf("%d round trips in 10 minutes without a node", got)
		}
		if h := r.scan.Health(); h.State != Failing || h.CaughtUp || h.LastError == "" {
			t.Errorf("health %+v, want failing and not caught up", h)
		}
		r.nodes[0].set(func(n *node) { n.before = nil })
		time.Sleep(90 * time.Second)
		synctest.Wait()
		r.wantAll()
		if h := r.scan.Health(); h.State != Following || !h.CaughtUp || h.LastError != "" {
			t.Errorf("health %+v, want to follow again", h)
		}
	})
}

func TestRunRetriesASinkThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, nil)
		r.chain.mine("a")
		left := 5
		r.sink.fail = func(call string, _ bool) error {
			if call == "apply" && left > 0 {
				left--
				return errors.New("disk full")
			}
			return nil
		}
		stop := running(t, r)
		defer stop()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		r.wantAll()
		if left != 0 {
			t.Errorf("%d failures were never met", left)
		}
	})
}

func TestRunStopsWhileItWaitsForANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, []*node{newNode(t, newLedger())}, newMemory(t), nil)
		stalled, err := NewClient(Config{
			Chain: testChain, Log: quiet(), Endpoints: []Endpoint{{Transport: stall{}}}, Timeout: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.Client = stalled
		r.restart()
		stop := running(t, r)
		time.Sleep(time.Minute)
		stop()
	})
}

func TestAStalledNodeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.mine("a")
		client, err := NewClient(Config{
			Chain: testChain, Log: quiet(),
			Endpoints: []Endpoint{{Transport: stall{}, Name: "stalled"}, {Transport: newNode(t, l), Name: "good"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := newRig(t, []*node{newNode(t, l)}, newMemory(t), nil)
		r.cfg.Client = client
		r.restart()
		stop := running(t, r)
		defer stop()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		r.wantAll()
		before := time.Now()
		for range 20 { // the circuit keeps most callers from waiting for the stalled one
			if _, err := client.Batch(t.Context(), []Call{HeaderCall(Latest)}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(before); took > 6*time.Second {
			t.Errorf("20 batches took %v beside a stalled endpoint", took)
		}
		h := client.Health()
		if h[0].LastError == "" || h[0].State == Good || h[1].State != Good || h[1].Head != 1 {
			t.Errorf("health %+v", h)
		}
	})
}

// A scanner that another has followed goes on where that one was, when its turn comes
// again.
func TestScannersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := simple(t, nil)
		other := newRig(t, r.nodes, r.sink, nil)
		for round := range 3 {
			for _, turn := range []*rig{r, other} {
				for i := range 5 {
					r.chain.mine(fmt.Sprint(round, i))
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := turn.scan.Run(ctx); err != nil || turn.scan.CaughtUp() {
					t.Errorf("before its first look of turn %d: caught up %t, %v", round, turn.scan.CaughtUp(), err)
				}
				stop := running(t, turn)
				time.Sleep(time.Second)
				if h := turn.scan.Health(); !h.CaughtUp || h.LastError != "" {
					t.Errorf("turn %d: %+v", round, h)
				}
				r.wantAll()
				stop()
			}
		}
	})
}
