package chain

import (
	"slices"
	"time"
)

// The bounds of what is taken for a chain's rhythm.
const (
	paceOf   = 16               // looks that are remembered
	paceSure = 12               // so many of them must fit
	paceMost = 15 * time.Second // a longer pause between blocks is waited for in intervals
)

// beat is one look that found a new head.
type beat struct {
	local, block time.Duration // since the one before, by our clock and by the blocks' own
}

// pace says when the next block is due on a chain with a steady rhythm, so that a look
// neither comes long after a block nor finds none. Where there is no such rhythm, or it is
// faster, looks are an interval apart.
type pace struct {
	interval time.Duration
	head     Block
	at       time.Time // when the look that found it began
	beats    []beat
	missed   int           // looks in a row that came too early
	late     time.Duration // how long after a block's own time the next look begins
	sought   bool          // a look came too early and the next did not: late is near the least
}

// wait takes what a look that began at a moment found, and says how long to wait for the next.
func (p *pace) wait(begun time.Time, head Block, now time.Time) time.Duration {
	news := head.Number > p.head.Number
	switch {
	case head.Number < p.head.Number || p.at.IsZero():
		*p = pace{interval: p.interval, head: head, at: begun}
		return p.interval
	case news:
		p.take(begun, head)
	default:
		p.missed++
	}
	period, steady := p.period()
	if !steady {
		p.sought = false
		return p.interval
	}
	if !news {
		return p.soon(now, period)
	}
	next := head.Time.Add(period + p.late).Sub(now)
	return min(max(next, 0), period+p.interval)
}

// take notes a new head.
func (p *pace) take(begun time.Time, head Block) {
	n := time.Duration(head.Number - p.head.Number)
	p.beats = append(p.beats, beat{begun.Sub(p.at) / n, head.Time.Sub(p.head.Time) / n})
	if len(p.beats) > paceOf {
		p.beats = slices.Delete(p.beats, 0, 1)
	}
	p.late = begun.Sub(head.Time)
	// A little earlier each time, until a look comes too early: what has been waited for
	// too long comes back.
	each := p.interval / 32
	if p.missed > 0 {
		p.sought = p.missed == 1 // after several pauses nobody knows by how much the last was too long
	}
	if p.sought {
		each = p.interval / 512
	}
	p.late -= each
	p.head, p.at, p.missed = head, begun, 0
}

// period is the time between blocks by their own word, if they keep to it and it passes for
// us, too.
func (p *pace) period() (each time.Duration, steady bool) {
	if len(p.beats) < paceOf {
		return 0, false
	}
	own := make([]time.Duration, len(p.beats))
	for i, b := range p.beats {
		own[i] = b.block
	}
	slices.Sort(own)
	each = own[len(own)/2]
	fit := 0
	for _, b := range p.beats {
		if (b.block-each).Abs() <= each/8 && (b.local-each).Abs() <= each/2 {
			fit++
		}
	}
	return each, fit >= paceSure && each >= p.interval*3/4 && each <= paceMost
}

// soon is the pause after a look that came too early: short ones at first.
func (p *pace) soon(now time.Time, period time.Duration) time.Duration {
	if due := p.head.Time.Add(period + p.late).Sub(now); due > 0 {
		return min(due, period) // a nudge had us look before the time
	}
	return min(p.interval/8<<min(p.missed-1, 16), p.interval)
}
