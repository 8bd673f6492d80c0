//go:build linux

package chaostest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally is what was done and how long things took.
type tally struct {
	mu       sync.Mutex
	faults   map[kind]int
	recovery map[kind][]time.Duration
	ready    map[kind][]time.Duration
	notices  map[kind][]time.Duration
	answers  []time.Duration
	retried  int
	watched  int
	settling []time.Duration
}

func newTally() *tally {
	return &tally{faults: map[kind]int{}, recovery: map[kind][]time.Duration{}, ready: map[kind][]time.Duration{}, notices: map[kind][]time.Duration{}}
}

func (t *tally) locked(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

func (t *tally) fault(k kind) { t.locked(func() { t.faults[k]++ }) }

func (t *tally) recovered(k kind, d time.Duration) {
	t.locked(func() { t.recovery[k] = append(t.recovery[k], d) })
}

func (t *tally) readied(k kind, d time.Duration) {
	t.locked(func() { t.ready[k] = append(t.ready[k], d) })
}

func (t *tally) noticed(k kind, d time.Duration) {
	t.locked(func() { t.notices[k] = append(t.notices[k], d) })
}

func (t *tally) answered(d time.Duration, tries int) {
	t.locked(func() {
		t.answers = append(t.answers, d)
		if tries > 1 {
			t.retried++
		}
	})
}

func (t *tally) tab() { t.locked(func() { t.watched++ }) }

func (t *tally) settled(d time.Duration) {
	t.locked(func() { t.settling = append(t.settling, d) })
}

// spread is the median, the 99th of 100 and the longest.
func spread(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	all = slices.Sorted(slices.Values(all))
	at := func(percent int) time.Duration { return all[(len(all)-1)*percent/100].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %v, p99 %v, max %v (%d)", at(50), at(99), at(100), len(all))
}

// report says the figures.
func (t *tally) report(s *Suite, planned int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	engine := "SQLite, one process"
	if s.pg != nil {
		engine = fmt.Sprintf("PostgreSQL, %d processes", len(s.nodes))
	}
	total := 0
	for _, k := range slices.Sorted(maps.Keys(t.faults)) {
		total += t.faults[k]
	}
	line("%s, seed %d: %d faults of %d planned", engine, s.c.Seed, total, planned)
	var recovery, ready, notices []time.Duration
	for _, k := range slices.Sorted(maps.Keys(t.faults)) {
		line("  %-24s %4d; takes payments and shows pages again: %s; notices money: %s", k, t.faults[k], spread(t.recovery[k]), spread(t.notices[k]))
		recovery, ready, notices = append(recovery, t.recovery[k]...), append(ready, t.ready[k]...), append(notices, t.notices[k]...)
	}
	line("  all: payments and pages %s; /readyz %s; money noticed %s", spread(recovery), spread(ready), spread(notices))
	line("  clients: %s until an answer; %d had to ask again", spread(t.answers), t.retried)
	payments, transfers := 0, 0
	for _, o := range s.book.all() {
		payments++
		transfers += len(o.sent)
	}
	taken, doubled, refused := s.hooks.counts()
	line("  %d payments, %d transfers on chain, %d tabs; %d webhooks taken (%d came again, %d refused on purpose)", payments, transfers, t.watched, taken, doubled, refused)
	alone := 0
	for _, n := range s.nodes {
		alone += n.endedAlone()
	}
	line("  processes that ended by themselves: %d; everything told and counted after the last fault of a round: %s", alone, spread(t.settling))
	s.t.Log(out.String())
}
