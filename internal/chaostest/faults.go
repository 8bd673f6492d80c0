//go:build linux

package chaostest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Run makes all faults under load, in rounds, and has the oracle look at each one's end.
// Who interrupts it is told at once what was found; the load ends and the oracle looks
// before Run returns, unless it is interrupted again.
func (s *Suite) Run() {
	s.t.Helper()
	all := s.faults()
	s.began = time.Now()
	interrupted, again := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer again()
	told := context.AfterFunc(interrupted, func() {
		again()
		s.t.Logf("interrupted; so far:\n%s", s.tally.report(s, len(all)))
	})
	defer told()
	defer func() { s.t.Log(s.tally.report(s, len(all))) }()
	stop := s.mining()
	defer stop()
	last := s.lastMoment()
	late := func() bool { return interrupted.Err() != nil || time.Now().After(last) }
	for round, i := uint64(1), 0; i < len(all) && !s.failed() && !late(); round++ {
		l := s.begin(round)
		for n := 0; n < s.c.Plan.PerRound && i < len(all) && !s.failed() && !late(); n++ {
			s.strike(i, all[i])
			i++
			if p := s.c.Plan.Progress; p > 0 && i%p == 0 {
				s.t.Log(s.tally.progress(i, len(all), time.Since(s.began)))
			}
		}
		s.recovering.Wait()
		s.calm()
		s.tally.phase("ending the load", l.end)
		s.settle(round, i == len(all) || late())
	}
}

// lastMoment is after which no fault begins: what the plan says, and early enough for the
// oracle before the test's time is over.
func (s *Suite) lastMoment() time.Time {
	last := s.began.Add(1000 * time.Hour)
	if w := s.c.Plan.Within; w > 0 {
		last = s.began.Add(w)
	}
	if d, has := s.t.(interface{ Deadline() (time.Time, bool) }); has {
		if end, is := d.Deadline(); is && end.Add(-settlePatience-tabLife).Before(last) && s.c.Plan.Progress > 0 {
			last = end.Add(-settlePatience - tabLife)
		}
	}
	return last
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

// strike makes one fault. Whoever was hit is watched until it serves again, while the next
// faults hit others.
func (s *Suite) strike(i int, k kind) {
	if k.everywhere() || s.c.Plan.Alone && s.random.IntN(100) < orElse(s.c.Plan.Fresh, 80) {
		s.tally.phase("waiting for processes", s.recovering.Wait)
	}
	s.beheaded = ""
	watched := i%max(1, orElse(s.c.Plan.CalmEvery, 10)) == 0 || k == killedHolder
	var n *node
	s.tally.phase("waiting for processes", func() { n = s.target(k) })
	var bait *order
	if watched {
		s.tally.phase("making what is to be noticed", func() { bait = s.bait(i) })
	}
	moment := time.Duration(s.random.Int64N(int64(250 * time.Millisecond)))
	s.tally.phase("choosing the moment", func() { pause(context.Background(), moment) })
	var begun time.Time
	s.tally.phase("faults", func() { begun = s.blow(k, n, &bait) })
	s.tally.fault(k)
	s.note("%d: %s, %s", i, k, n.name)
	if bait != nil {
		s.tally.phase("money being noticed", func() { s.notice(k, bait, begun) })
		if k == killedHolder && s.beheaded != "" && s.holder() == s.beheaded {
			s.fail("%s noticed money, and the database has the chain with a process that was killed", n.name)
		}
	}
	if k.everywhere() {
		s.tally.phase("waiting for processes", s.recovering.Wait)
	}
}

// target is whom a fault hits: most times somebody who serves.
func (s *Suite) target(k kind) *node {
	if s.random.IntN(100) < orElse(s.c.Plan.Fresh, 80) || !k.kill() {
		for {
			for _, i := range s.random.Perm(len(s.nodes)) {
				if !s.nodes[i].coming() {
					return s.nodes[i]
				}
			}
			pause(context.Background(), 2*time.Millisecond)
		}
	}
	return s.nodes[s.random.IntN(len(s.nodes))]
}

// blow makes a fault and has watched whom it hit. It returns when whatever was wrong had
// ended. It sets bait to nil if that was noticed meanwhile.
func (s *Suite) blow(k kind, n *node, bait **order) (begun time.Time) {
	begun = time.Now()
	hit := []*node{n}
	switch k {
	case killed:
		n.strike()
	case killedTwo:
		hit = s.nodes[:2+s.random.IntN(len(s.nodes)-1)]
		for _, x := range hit {
			x.kill()
		}
	case killedHolder:
		hit, begun = s.killHolder(n)
	case killedDelivery:
		hit, begun = s.killSender(n)
	case killedImport: // the load does that
	case stoppedShort, stoppedLong:
		s.stopped(n, k, bait, begun)
		begun = time.Now()
	case noDatabase:
		s.pg.kill()
		hit = s.nodes
	case cutWire, stalledWire, slowWire:
		s.apart(k, n)
		begun = time.Now()
	case fullDisk:
		s.full(time.Duration(s.random.Int64N(int64(3 * time.Second))))
		hit, begun = s.nodes, time.Now() // there is room again
	case jumped:
		by := time.Duration(s.random.Int64N(int64(180*time.Second))) - 90*time.Second
		n.clock.set(by)
		s.note("the clock of %s is %v off", n.name, by)
	}
	for _, x := range hit {
		s.watch(x, k, begun)
	}
	return begun
}

// strike kills a process, or the one that is about to start in its place.
func (n *node) strike() {
	for !n.kill() {
		pause(context.Background(), time.Millisecond)
	}
}

// stopped has a process stand still; meanwhile, where there are others, they have to notice
// what is paid.
func (s *Suite) stopped(n *node, k kind, bait **order, begun time.Time) {
	still := time.Duration(s.random.Int64N(int64(2 * time.Second)))
	if k == stoppedLong {
		still = time.Duration(orElse(int64(s.c.Plan.LongStop), int64(30*time.Second)))
		if *bait == nil && len(s.nodes) > 1 {
			*bait = s.bait(-1)
			begun = time.Now()
		}
	}
	if !n.signal(syscall.SIGSTOP) {
		return
	}
	wake := time.After(still)
	if *bait != nil && len(s.nodes) > 1 {
		s.notice(k, *bait, begun)
		*bait = nil
	}
	<-wake
	n.signal(syscall.SIGCONT)
}

// apart has a process's connections to the database be cut, stand still or be slow.
func (s *Suite) apart(k kind, n *node) {
	long := time.Duration(s.random.Int64N(int64(6 * time.Second)))
	switch k {
	case cutWire:
		n.wire.Reset()
	case stalledWire:
		n.wire.Freeze()
		pause(context.Background(), long)
		n.wire.Thaw()
	default:
		n.wire.Delay(time.Duration(s.random.Int64N(int64(60 * time.Millisecond))))
		pause(context.Background(), long)
		n.wire.Delay(0)
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
		if time.Since(begun) > s.c.Plan.limit() {
			s.fail("%s (%s) was not noticed for %v after %s", o.key, o.id, s.c.Plan.limit(), k)
			return
		}
		pause(context.Background(), 10*time.Millisecond)
	}
}
