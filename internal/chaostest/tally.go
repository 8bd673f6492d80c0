//go:build linux

package chaostest

import (
	"fmt"
	"slices"
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
	spent    map[string]time.Duration // by what it went to
	imports  int
}

func newTally() *tally {
	return &tally{faults: map[kind]int{}, recovery: map[kind][]time.Duration{}, ready: map[kind][]time.Duration{}, notices: map[kind][]time.Duration{}, spent: map[string]time.Duration{}}
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

func (t *tally) imported() { t.locked(func() { t.imports++ }) }

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

// phase does what the faults have to wait for, and keeps how long that took.
func (t *tally) phase(name string, f func()) {
	begun := time.Now()
	f()
	t.locked(func() { t.spent[name] += time.Since(begun) })
}
