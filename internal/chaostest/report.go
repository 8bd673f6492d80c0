//go:build linux

package chaostest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// progress is one line while it goes on.
func (t *tally) progress(done, planned int, took time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := took / time.Duration(done) * time.Duration(planned-done)
	return fmt.Sprintf("%d of %d faults in %v, about %v to go; serving again %s; money noticed %s",
		done, planned, took.Round(time.Second), left.Round(time.Minute), spread(flat(t.recovery)), spread(flat(t.notices)))
}

func flat(of map[kind][]time.Duration) (all []time.Duration) {
	for _, d := range of {
		all = append(all, d...)
	}
	return all
}

// report says the figures: for whoever reads the run, and as rows of docs/reliability.md.
func (t *tally) report(s *Suite, planned int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	engine := "SQLite"
	if s.pg != nil {
		engine = fmt.Sprintf("PostgreSQL, %d processes", len(s.nodes))
	}
	total, kinds := 0, slices.Sorted(maps.Keys(t.faults))
	var list []string
	for _, k := range kinds {
		if k != killedImport { // the load does these, whatever was planned
			total += t.faults[k]
		}
		list = append(list, fmt.Sprintf("%d %s", t.faults[k], k))
	}
	took := time.Since(s.began).Round(time.Second)
	line("%s, seed %d: %d faults of %d planned in %v", engine, s.c.Seed, total, planned, took)
	for _, k := range kinds {
		line("  %-30s %4d; takes payments and shows pages again: %s; notices money: %s", k, t.faults[k], spread(t.recovery[k]), spread(t.notices[k]))
	}
	recovery, ready, notices := spread(flat(t.recovery)), spread(flat(t.ready)), spread(flat(t.notices))
	line("  all: payments and pages %s; /readyz %s; money noticed %s", recovery, ready, notices)
	line("  clients: %s until an answer; %d had to ask again", spread(t.answers), t.retried)
	payments, transfers := s.book.counts()
	taken, doubled, refused := s.hooks.counts()
	line("  %d payments, %d transfers on chain, %d bank imports, %d tabs; %d webhooks taken (%d came again, %d refused on purpose)", payments, transfers, t.imports, t.watched, taken, doubled, refused)
	alone := 0
	for _, n := range s.nodes {
		alone += n.endedAlone()
	}
	line("  processes that ended by themselves: %d; everything told and counted after the last fault of a round: %s", alone, spread(t.settling))
	line("  where the time went:")
	for _, name := range slices.SortedFunc(maps.Keys(t.spent), func(a, b string) int { return int(t.spent[b] - t.spent[a]) }) {
		line("    %-28s %v", name, t.spent[name].Round(time.Second))
	}
	line("  problems: %d, and %d times more than %v", s.counted(), s.lates(), bound)
	line("| %s, seed %d | %d of %d planned in %v: %s | %d, %d, %d | %s | %s | %s |", engine, s.c.Seed, total, planned, took, strings.Join(list, ", "), payments, transfers, taken, recovery, ready, notices)
	return out.String()
}
