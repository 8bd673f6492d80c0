package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lease"
	"quittance/internal/lifecycle"
)

// Several nodes on one database share what one of them has to do: each chain is
// read by one, and one closes what is overdue and throws away what is over. What
// only fills a node's own memory, such as what routing services connect, each node
// does itself; and jobs are claimed one by one by whoever has room.

const (
	// beatEvery and takeAfter are how often a lease's holder tells that it lives, and for how
	// long it may be silent. With the time that a look at a chain takes, work goes on well
	// within ten seconds of a death.
	beatEvery, takeAfter = 500 * time.Millisecond, 3500 * time.Millisecond
	// staleNews is after how long without a beat nobody knows how a chain is read.
	staleNews = takeAfter
	// handover is how long a chain may be without a reader, or with one that has not
	// looked yet, before nodes say that they are not ready. It is longer than another
	// node needs to take over, or all would be called unready at once.
	handover = time.Minute
)

// chainLease is the name of the lease of who reads a chain.
func chainLease(id asset.ChainID) string { return fmt.Sprintf("chain:%d", id) }

// share says who does what there is one of: this process, or where there are others
// whichever has its lease.
func (a *App) share(chains []ChainSetup, archive *archiver) {
	works := []lease.Work{{Name: "expiry", Run: a.expire}, {Name: "housekeeping", Run: a.keepHouse}, {Name: "archive", Run: archive.run}, {Name: "search packs", Run: a.packTexts}}
	for _, c := range chains {
		works = append(works, lease.Work{
			Name: chainLease(c.ID), Run: a.heads.scanners[c.ID].Run, News: func() string { return a.heads.tell(c.ID) },
		})
	}
	a.shared = []lifecycle.Part{{Name: "marks", Run: a.Store.FollowMarks}}
	if a.Store.Shared() {
		a.heads.keeper = lease.NewKeeper(lease.Config{Table: a.Store, Works: works, Every: beatEvery, Patience: takeAfter, Log: a.log, Round: func() { a.heads.followed() }})
		a.shared = append(a.shared,
			lifecycle.Part{Name: "leases", Run: a.heads.keeper.Run},
			lifecycle.Part{Name: "hints", Run: func(ctx context.Context) error { return a.Store.Spread(ctx, a.heads.nudge) }})
		return
	}
	for _, w := range works {
		a.shared = append(a.shared, lifecycle.Part{Name: w.Name, Run: w.Run})
	}
}

// nudge has a chain looked at at once, by whichever node reads it.
func (a *App) nudge(id asset.ChainID) {
	a.heads.nudge(id)
	if k := a.heads.keeper; k != nil && !k.Holds(chainLease(id)) {
		a.Store.NudgeAll(id)
	}
}

// chainNews is what the node that reads a chain tells the others.
type chainNews struct {
	Head     uint64 `json:"head"`
	Hash     string `json:"hash"`
	Cursor   uint64 `json:"cursor"`
	Final    uint64 `json:"final"`
	Looked   bool   `json:"looked"` // since it reads the chain
	CaughtUp bool   `json:"caught_up"`
	// Lapse is for how long nobody is known to have been caught up, at most handover. It is
	// what a node that has just been started knows of the time before.
	Lapse time.Duration `json:"lapse"`
}

func newsOf(h chain.ScanHealth) chainNews {
	n := chainNews{
		Head: h.Head.Number, Hash: h.Head.Hash, Cursor: h.Cursor.Number, Final: h.Final,
		Looked: !h.LastLook.IsZero(), CaughtUp: h.CaughtUp, Lapse: handover,
	}
	if n.CaughtUp {
		n.Lapse = 0
	}
	return n
}

// heads tells how far each chain was read, here or by another node.
type heads struct {
	scanners map[asset.ChainID]*chain.Scanner
	required map[asset.ChainID]int
	keeper   *lease.Keeper // nil if all scanners run here

	mu     sync.Mutex
	caught map[asset.ChainID]time.Time // when each was last known to be read up to its head
}

func newHeads() *heads {
	return &heads{scanners: map[asset.ChainID]*chain.Scanner{}, required: map[asset.ChainID]int{}, caught: map[asset.ChainID]time.Time{}}
}

// of is what is known of a chain now. A node that has just begun to read it goes by
// what the one before it said, but for being caught up.
func (h *heads) of(id asset.ChainID) chainNews {
	s, ok := h.scanners[id]
	if !ok {
		return chainNews{Lapse: handover}
	}
	if h.keeper == nil {
		return newsOf(s.Health())
	}
	known, _ := h.keeper.Known(chainLease(id))
	if known.Mine {
		if own := newsOf(s.Health()); own.Looked {
			return own
		}
	}
	var n chainNews
	if err := json.Unmarshal([]byte(known.News), &n); err != nil {
		return chainNews{Lapse: handover} // nobody has said anything yet
	}
	n.Lapse = min(n.Lapse+known.Age, handover)
	if known.Mine || known.Age > staleNews {
		n.Looked, n.CaughtUp = false, false
	}
	return n
}

// tell is what the other nodes are told of a chain that is read here.
func (h *heads) tell(id asset.ChainID) string {
	n := h.of(id)
	h.mu.Lock()
	n.Lapse = min(n.Lapse, time.Since(h.caught[id]))
	h.mu.Unlock()
	text, err := json.Marshal(n)
	if err != nil {
		return "" // numbers and words always have a form
	}
	return string(text)
}

func (h *heads) nudge(id asset.ChainID) {
	if s, ok := h.scanners[id]; ok {
		s.Nudge()
	}
}

// Head is a chain's newest block, as of the last look.
func (h *heads) Head(id asset.ChainID) (uint64, bool) {
	n := h.of(id)
	return n.Head, n.Hash != ""
}

// final is the height up to which a chain is final and was searched, 0 if it was
// not looked at yet.
func (h *heads) final(id asset.ChainID) uint64 { return h.of(id).Final }

func (h *heads) Required(id asset.ChainID) int { return h.required[id] }

// caughtUp reports whether every chain is known to be read up to its head.
func (h *heads) caughtUp() bool {
	for id := range h.scanners {
		if !h.of(id).CaughtUp {
			return false
		}
	}
	return true
}

// followed is caughtUp that overlooks the moment in which a chain changes hands.
func (h *heads) followed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := true
	for id := range h.scanners {
		n, now := h.of(id), time.Now()
		if at := now.Add(-n.Lapse); at.After(h.caught[id]) {
			h.caught[id] = at
		}
		changing := !n.Looked && h.keeper != nil && now.Sub(h.caught[id]) < handover
		all = all && (n.CaughtUp || changing)
	}
	return all
}
