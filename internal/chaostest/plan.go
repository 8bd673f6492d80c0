//go:build linux

package chaostest

import "time"

// Plan is how many faults of each kind there are.
type Plan struct {
	Kills      int           // kill -9, all kinds of it together
	Deliveries int           // so many of them in the middle of a webhook's delivery
	Holders    int           // so many of them of the process that reads the chain, where there are several
	Stops      int           // SIGSTOP for under two seconds
	LongStops  int           // SIGSTOP for LongStop
	LongStop   time.Duration // 30 s if zero
	Databases  int           // kill -9 of PostgreSQL
	Wires      int           // a process's connections to PostgreSQL are cut, stalled or slow
	Disks      int           // a full disk
	Clocks     int           // a clock that jumps
	PerRound   int           // faults between two looks of the oracle
	CalmEvery  int           // after each so many faults a payment on chain must be noticed before the next; 10 if zero
	Fresh      int           // so many percent of the kills hit a process that serves; the others any, such as one that starts; 80 if zero
	Alone      bool          // no fault before the last one's process is back
	Progress   int           // a line after each so many faults; none if zero
	Within     time.Duration // no fault begins later than so long after the first; 0 for any time
}

// kind is what a fault is.
type kind string

const (
	killed         kind = "kill -9"
	killedTwo      kind = "kill -9 of several"
	killedHolder   kind = "kill -9 of the chain's reader"
	killedDelivery kind = "kill -9 in a delivery"
	killedImport   kind = "kill -9 of a bank import" // by the load, see statements
	stoppedShort   kind = "SIGSTOP, short"
	stoppedLong    kind = "SIGSTOP, long"
	noDatabase     kind = "kill -9 of PostgreSQL"
	cutWire        kind = "connections cut"
	stalledWire    kind = "connections stalled"
	slowWire       kind = "connections slow"
	fullDisk       kind = "disk full"
	jumped         kind = "clock jump"
)

// kill reports whether it is one that ends processes of the program.
func (k kind) kill() bool {
	return k == killed || k == killedTwo || k == killedHolder || k == killedDelivery
}

// everywhere reports whether it hits all processes, so that nothing else goes on meanwhile.
func (k kind) everywhere() bool { return k == noDatabase || k == fullDisk }

// faults is the plan in a random order.
func (s *Suite) faults() (out []kind) {
	p := s.c.Plan
	add := func(k kind, n int) {
		for range n {
			out = append(out, k)
		}
	}
	several, holders := 0, 0
	if s.c.Nodes > 1 {
		several, holders = p.Kills/12, p.Holders
	}
	add(killed, p.Kills-several-holders-p.Deliveries)
	add(killedTwo, several)
	add(killedHolder, holders)
	add(killedDelivery, p.Deliveries)
	add(stoppedShort, p.Stops)
	add(stoppedLong, p.LongStops)
	add(fullDisk, p.Disks)
	if s.pg != nil {
		add(noDatabase, p.Databases)
		for i := range p.Wires {
			add([]kind{cutWire, stalledWire, slowWire}[i%3], 1)
		}
	}
	if s.c.Clocks {
		add(jumped, p.Clocks)
	}
	s.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// short reports whether it is what every run of the tests can afford.
func (p Plan) short() bool { return p.Progress == 0 }

// limit is after how long something is lost, and not only late. The short form runs beside
// other tests, on machines that have far more to do than they can.
func (p Plan) limit() time.Duration {
	if p.short() {
		return 9 * bound
	}
	return 3 * bound
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
		return Plan{Kills: 10, Deliveries: 1, Holders: 1, Stops: 1, Databases: 1, Wires: 2, Disks: 1, PerRound: 100, CalmEvery: 5, Alone: true, Fresh: 100, Within: 30 * time.Second}
	}
	return Plan{Kills: 20, Deliveries: 2, Stops: 1, Disks: 1, PerRound: 100, CalmEvery: 6, Alone: true, Within: 30 * time.Second}
}

// Full is the plan for so many kills, with the other faults in proportion.
func Full(nodes, kills int, within time.Duration) Plan {
	share := func(of int) int { return (kills + of - 1) / of }
	p := Plan{
		Kills: kills, Deliveries: kills / 10, Holders: kills / 20, Stops: share(40), LongStops: min(3, share(100)), Databases: share(40),
		Wires: share(25), Disks: share(100), Clocks: share(25), PerRound: 250, Progress: 50, Within: within,
	}
	if nodes > 0 {
		p.CalmEvery = 25 // whoever had a lease is missed for seconds
	}
	return p
}
