//go:build linux

package chaostest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// Plan is how many faults of each kind there are.
type Plan struct {
	Kills     int           // kill -9 of one process, or of several at once
	Stops     int           // SIGSTOP for under two seconds
	LongStops int           // SIGSTOP for LongStop
	LongStop  time.Duration // 30 s if zero
	Databases int           // kill -9 of PostgreSQL
	Disks     int           // a full disk
	Clocks    int           // a clock that jumps
	PerRound  int           // faults between two looks of the oracle
	CalmEvery int           // after each so many faults a payment on chain must be noticed before the next; 10 if zero
	Waits     int           // of so many percent of the other kills everything waits for the process; 80 if zero
	Within    time.Duration // no fault begins later than so long after the first; 0 for any time
}

// kind is what a fault is.
type kind string

const (
	killed       kind = "kill -9"
	killedTwo    kind = "kill -9 of several"
	stoppedShort kind = "SIGSTOP, short"
	stoppedLong  kind = "SIGSTOP, long"
	noDatabase   kind = "kill -9 of PostgreSQL"
	fullDisk     kind = "disk full"
	jumped       kind = "clock jump"
)

// faults is the plan in a random order.
func (s *Suite) faults() (out []kind) {
	p := s.c.Plan
	add := func(k kind, n int) {
		for range n {
			out = append(out, k)
		}
	}
	several := 0
	if s.c.Nodes > 1 {
		several = p.Kills / 12
	}
	add(killed, p.Kills-several)
	add(killedTwo, several)
	add(stoppedShort, p.Stops)
	add(stoppedLong, p.LongStops)
	add(fullDisk, p.Disks)
	if s.pg != nil {
		add(noDatabase, p.Databases)
	}
	if s.c.Clocks {
		add(jumped, p.Clocks)
	}
	s.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Run makes all faults under load, in rounds, and has the oracle look at each one's end.
func (s *Suite) Run() {
	s.t.Helper()
	stop := s.mining()
	defer stop()
	all := s.faults()
	begun := time.Now()
	late := func() bool { return s.c.Plan.Within > 0 && time.Since(begun) > s.c.Plan.Within }
	for round, i := uint64(1), 0; i < len(all) && !s.failed() && !late(); round++ {
		l := s.begin(round)
		for n := 0; n < s.c.Plan.PerRound && i < len(all) && !s.failed() && !late(); n++ {
			s.strike(i, all[i])
			i++
		}
		s.calm()
		l.end()
		s.settle(round, i == len(all) || late())
	}
	s.tally.report(s, len(all))
}

// calm ends what faults left on.
func (s *Suite) calm() {
	for _, n := range s.nodes {
		if n.clock != nil {
			n.clock.set(0)
		}
	}
}

// mining has the chain go on.
func (s *Suite) mining() (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		tick := time.NewTicker(blockTime)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				s.c.Chain.Mine(1)
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// strike makes one fault and, most times, waits until the process serves again.
func (s *Suite) strike(i int, k kind) {
	n := s.nodes[s.random.IntN(len(s.nodes))]
	watched := i%max(1, orElse(s.c.Plan.CalmEvery, 10)) == 0
	moment := time.Duration(s.random.Int64N(int64(250 * time.Millisecond)))
	waits := watched || s.random.IntN(100) < orElse(s.c.Plan.Waits, 80) || (k != killed && k != killedTwo)
	var bait *order
	if watched {
		bait = s.bait(i)
	}
	pause(context.Background(), moment) // of the blow
	begun := time.Now()
	hit := []*node{n}
	switch k {
	case killed:
		for !n.kill() {
			pause(context.Background(), time.Millisecond) // it is about to start
		}
	case killedTwo:
		hit = s.nodes[:2+s.random.IntN(len(s.nodes)-1)]
		for _, x := range hit {
			x.kill()
		}
	case stoppedShort, stoppedLong:
		s.stopped(n, k, bait, begun)
		bait, begun = nil, time.Now()
	case noDatabase:
		s.pg.kill()
		hit = s.nodes
	case fullDisk:
		s.full(time.Duration(s.random.Int64N(int64(3 * time.Second))))
		hit, begun = s.nodes, time.Now() // there is room again
	case jumped:
		by := time.Duration(s.random.Int64N(int64(180*time.Second))) - 90*time.Second
		n.clock.set(by)
		s.note("the clock of %s is %v off", n.name, by)
	}
	s.tally.fault(k)
	s.note("%d: %s, %s, %d hit", i, k, n.name, len(hit))
	if bait != nil {
		s.notice(k, bait, begun)
	}
	if waits {
		s.recover(i, k, hit, begun)
	}
}

// stopped has a process stand still; meanwhile, where there are others, they have to notice
// what is paid.
func (s *Suite) stopped(n *node, k kind, bait *order, begun time.Time) {
	still := time.Duration(s.random.Int64N(int64(2 * time.Second)))
	if k == stoppedLong {
		still = time.Duration(orElse(int64(s.c.Plan.LongStop), int64(30*time.Second)))
		if bait == nil && len(s.nodes) > 1 {
			bait = s.bait(-1)
			begun = time.Now()
		}
	}
	if !n.signal(syscall.SIGSTOP) {
		return
	}
	wake := time.After(still)
	if bait != nil && len(s.nodes) > 1 {
		s.notice(k, bait, begun)
		bait = nil
	}
	<-wake
	n.signal(syscall.SIGCONT)
	if bait != nil {
		s.notice(k, bait, time.Now())
	}
}

// full has the disk be full for some time.
func (s *Suite) full(long time.Duration) {
	if s.disk.own {
		if err := s.disk.fill(); err != nil {
			s.fail("filling the disk: %v", err)
		}
		pause(context.Background(), long)
		if err := s.disk.free(); err != nil {
			s.fail("emptying the disk: %v", err)
		}
		return
	}
	for _, p := range s.writers() {
		_ = p.limitFiles(0) // one that has just died needs no limit
	}
	pause(context.Background(), long)
	for _, p := range s.writers() {
		_ = p.limitFiles(-1) // likewise
	}
}

// writers are the processes that write the database's files.
func (s *Suite) writers() []*process {
	if s.pg != nil {
		return []*process{s.pg.process}
	}
	return []*process{s.nodes[0].process}
}

// recover waits until each process that was hit takes a payment and shows a page again.
func (s *Suite) recover(i int, k kind, hit []*node, begun time.Time) {
	var wait sync.WaitGroup
	for at, n := range hit {
		wait.Go(func() {
			o := &order{shop: s.shops[0], key: fmt.Sprintf("probe-%d-%d", i, at)}
			path, body, h := o.post()
			for !s.probed(n, o, path, body, h) {
				if time.Since(begun) > 3*bound {
					s.fail("%s took no payment and showed no page for %v after %s", n.name, 3*bound, k)
					return
				}
				pause(context.Background(), 5*time.Millisecond)
			}
			took := time.Since(begun)
			s.tally.recovered(k, took)
			s.book.add(o)
			if took > bound {
				s.late("%s came back after %v (%s)", n.name, took, k)
			}
			for !s.ready(n) {
				if time.Since(begun) > 3*bound {
					s.fail("%s was not ready for %v after %s", n.name, 3*bound, k)
					return
				}
				pause(context.Background(), 10*time.Millisecond)
			}
			ready := time.Since(begun)
			s.tally.readied(k, ready)
			if ready > bound {
				s.late("%s was ready after %v (%s)", n.name, ready, k)
			}
		})
	}
	wait.Wait()
}

// probed has one process make a payment and show its page.
func (s *Suite) probed(n *node, o *order, path, body string, h http.Header) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if o.answer == nil {
		status, answer := s.call(ctx, n, http.MethodPost, path, body, h)
		if done, _ := o.accepted(status, answer); !done || o.read(answer) != nil {
			return false
		}
	}
	status, _ := s.call(ctx, n, http.MethodGet, "/?token="+o.id, "", nil)
	return status == http.StatusOK
}

// bait makes a payment that is ready to be paid, nil if that did not work out.
func (s *Suite) bait(i int) *order {
	o := &order{shop: s.shops[1], key: fmt.Sprintf("bait-%d-%d", i, time.Now().UnixNano()), plan: exact}
	if !s.create(context.Background(), s.random, o) {
		return nil
	}
	s.book.add(o)
	if !s.prepare(s.random, o) {
		return nil
	}
	return o
}

// notice pays and waits until any node says so.
func (s *Suite) notice(k kind, o *order, begun time.Time) {
	s.send(o, o.due)
	s.c.Chain.Mine(1)
	for {
		for _, n := range s.nodes {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			status, answer := s.call(ctx, n, http.MethodGet, "/checkout/"+o.id+"/status", "", nil)
			cancel()
			if status == http.StatusOK && stateOf(answer) != "open" {
				took := time.Since(begun)
				s.tally.noticed(k, took)
				if took > bound {
					s.late("%s (%s) was noticed %v after %s", o.key, o.id, took, k)
				}
				return
			}
		}
		if time.Since(begun) > 3*bound {
			s.fail("%s (%s) was not noticed for %v after %s", o.key, o.id, 3*bound, k)
			return
		}
		pause(context.Background(), 10*time.Millisecond)
	}
}

func orElse[T int | int64](n, otherwise T) T {
	if n == 0 {
		return otherwise
	}
	return n
}

// Short is what every run of the tests can afford. On a slow machine it is less.
func Short(nodes int) Plan {
	if nodes > 0 {
		return Plan{Kills: 10, Stops: 1, Databases: 1, Disks: 1, PerRound: 100, CalmEvery: 5, Waits: 40, Within: 30 * time.Second}
	}
	return Plan{Kills: 20, Stops: 1, Disks: 1, PerRound: 100, CalmEvery: 6, Within: 30 * time.Second}
}

// Full is the plan for so many kills, with the other faults in proportion.
func Full(nodes, kills int, within time.Duration) Plan {
	share := func(of int) int { return (kills + of - 1) / of }
	p := Plan{
		Kills: kills, Stops: share(40), LongStops: min(3, share(100)), Databases: share(40), Disks: share(100), Clocks: share(25), PerRound: 150, Within: within,
	}
	if nodes > 0 {
		p.Waits, p.CalmEvery = 40, 20 // whoever had a lease is missed for seconds
	}
	return p
}
