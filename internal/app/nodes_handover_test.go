package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lease"
)

// leaseTable is one lease that several nodes share.
type leaseTable struct {
	mu  sync.Mutex
	row lease.Row
}

func (t *leaseTable) Leases(context.Context) ([]lease.Row, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []lease.Row{t.row}, nil
}

func (t *leaseTable) Beat(_ context.Context, held []lease.Row) (map[string]int64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if held[0].Holder != t.row.Holder {
		return nil, nil
	}
	t.row.Beat, t.row.News = t.row.Beat+1, held[0].News
	return map[string]int64{t.row.Name: t.row.Beat}, nil
}

func (t *leaseTable) Take(_ context.Context, seen lease.Row, holder string) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if seen.Holder != t.row.Holder || seen.Beat != t.row.Beat {
		return false, nil
	}
	t.row.Holder, t.row.Beat = holder, t.row.Beat+1
	return true, nil
}

// Release does nothing: these nodes are killed.
func (t *leaseTable) Release(context.Context, []lease.Row) error { return nil }

// reader is a node on such a table, whose chain does not answer.
func (t *leaseTable) reader(tb testing.TB, name string) (h *heads, kill func()) {
	const id = asset.ChainID(8453)
	h = newHeads()
	h.scanners[id] = new(chain.Scanner) // one that never looks
	work := lease.Work{Name: t.row.Name, News: func() string { return h.tell(id) }, Run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
	h.keeper = lease.NewKeeper(lease.Config{
		Table: t, Holder: name, Works: []lease.Work{work}, Every: beatEvery, Patience: takeAfter, Round: func() { h.followed() },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { _ = h.keeper.Run(ctx) })
	synctest.Wait()
	kill = func() { cancel(); wait.Wait() }
	tb.Cleanup(kill)
	return h, kill
}

// TestReadersThatDieInARow has nodes die one after the other that took a chain over and did
// not get to look at it. One that is started meanwhile is as ready as those that have seen
// the chain caught up, for the same time and no longer.
func TestReadersThatDieInARow(t *testing.T) {
	for name, c := range map[string]struct {
		news  string // of the last that looked
		until time.Duration
	}{
		"it was caught up":           {`{"looked":true,"caught_up":true}`, handover},
		"it was far behind":          {fmt.Sprintf(`{"looked":true,"lapse":%d}`, handover), 0},
		"it was behind for a moment": {fmt.Sprintf(`{"lapse":%d}`, handover-6*time.Second), 6 * time.Second},
		"nobody ever said anything":  {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := &leaseTable{row: lease.Row{Name: chainLease(8453), Holder: "dead", Beat: 7, News: c.news}}
				begun := time.Now()
				for _, name := range strings.Split("abcdefghijkl", "") {
					h, kill := table.reader(t, name)
					for range 60 { // longer than it takes to take over and to tell of it
						time.Sleep(beatEvery / 5)
						synctest.Wait()
						// A beat for each node that died between two beats.
						since := time.Since(begun)
						switch ready := h.followed(); {
						case ready && since > c.until+12*beatEvery, !ready && since < c.until-takeAfter:
							t.Fatalf("node %s, after %v: ready %t, and the chain was caught up until %v", name, since, ready, c.until)
						}
					}
					if table.row.Holder != name {
						t.Fatalf("node %s did not take over from %s", name, table.row.Holder)
					}
					kill()
				}
			})
		})
	}
}
