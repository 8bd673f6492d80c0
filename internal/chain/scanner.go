package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"quittance/internal/asset"
)

// Finality says when a block is there for good: at or below the chain's own
// finalized tag, or once it has Confirmations blocks (itself counted). With
// both set, whichever comes first counts.
type Finality struct {
	Tag           bool
	Confirmations uint64
}

// height is the greatest final height for a head and the block the finalized
// tag names, nil if it names none.
func (f Finality) height(head uint64, tagged *Header) uint64 {
	var h uint64
	if f.Tag && tagged != nil {
		h = tagged.Number
	}
	if f.Confirmations > 0 && head+1 > f.Confirmations {
		h = max(h, head+1-f.Confirmations)
	}
	return h
}

// DefaultInterval is how often a scanner looks at its chain's head.
const DefaultInterval = 2 * time.Second

// ScannerConfig is what a Scanner needs.
type ScannerConfig struct {
	Client   *Client
	Sink     Sink
	Filter   func() Filter // asked before each range; logs of past ranges are not looked for again
	Finality Finality

	// Agree is how many endpoints of different hosts must report the same hash before a
	// block is final, this many must be configured; 1 if zero. With Records they must
	// agree on its logs, too.
	Agree int
	// Records is what Sink keeps; nil if endpoints agree on hashes alone.
	Records Records
	// Witness is asked about what no log shows: Agree endpoints must have that as well before
	// it is final. Nil if there is nothing of the kind.
	Witness Witness

	// StartBlock is where the first run begins; if zero it begins StartMargin
	// blocks below the head of that moment.
	StartBlock, StartMargin uint64

	// Blocks reports whether Sink has use for whole blocks: then a sweep of one block
	// brings it along where it can (Sweep.Blocks). Nil for never.
	Blocks func() bool

	MaxRange uint64        // blocks asked for at once, 2000 if zero
	Interval time.Duration // between looks at the head, DefaultInterval if zero
	Log      *slog.Logger  // slog.Default if nil
}

// ScanState says what a scanner is doing.
type ScanState string

// The states of a scanner.
const (
	Starting     ScanState = "starting"
	CatchingUp   ScanState = "catching_up"
	Following    ScanState = "following"
	Lagging      ScanState = "lagging_node"        // the node is behind what was processed; waiting for it
	Failing      ScanState = "failing"             // the last look failed; trying again
	PastFinality ScanState = "reorg_past_finality" // the chain took back what was final: nothing moves until it agrees again
)

// ScanHealth is how a scanner is doing.
type ScanHealth struct {
	Chain     asset.ChainID
	State     ScanState
	CaughtUp  bool
	Cursor    Block // newest processed block
	Head      Block
	Final     uint64    // processed, and agreed to be final
	LastLook  time.Time // last one that ended well, or has read up to the head
	LastError string    // of the last look, "" if it ended well; for operators
	// Disagreement says why blocks that should be final are not: what the other
	// endpoints answered. "" if nothing is held up.
	Disagreement string
}

// Scanner reads one chain's logs into a Sink, in the chain's order, each range
// once, and takes back what a reorganisation took away. It alone knows cursors,
// ranges, confirmations and reorganisations.
type Scanner struct {
	client   *Client
	chain    asset.ChainID
	sink     Sink
	filter   func() Filter
	finality Finality
	agree    int
	records  Records // nil if logs are not compared
	witness  Witness // nil if nothing is evidence but logs
	start    uint64
	margin   uint64
	stride   *Stride // blocks asked for at once
	interval time.Duration
	log      *slog.Logger
	nudge    chan struct{}

	// Only Run's goroutine touches these.
	loaded    bool    // blocks is what the sink has
	blocks    []Block // checkpoints, oldest first: the last one is the cursor
	rewound   int64   // Cursor.Rewound of these
	final     uint64  // agreed and processed
	candidate uint64  // height the other endpoints are asked to agree to next
	moved     int     // sweeps in a row that a reorganisation spoiled
	avoid     map[int]time.Time
	suspects  map[string]int // hashes of blocks with evidence that are not on the chain, and for how many looks
	disputes  map[string]int // hashes of blocks on whose logs endpoints disagree, and for how many looks
	// unresolved says who disagrees on those, until nobody does.
	unresolved string
	unvouched  map[string]inquiry // by hash: blocks nobody has vouched for
	linked     uint64             // from this checkpoint on each is the parent of the next: all are on the cursor's chain
	sources    sources            // who told of what is not final yet
	audit      *Stride            // blocks whose logs are compared at once
	still      int                // looks in a row that found the same head
	near       bool               // the last look ended at the head, or one block below it
	shy        int                // looks that are yet to do without a glance
	shyFor     int                // how many they were after the last one that failed
	whole      func() bool
	pace       pace

	mu     sync.Mutex
	health ScanHealth
}

// NewScanner checks the configuration; it connects to nothing.
func NewScanner(cfg ScannerConfig) (*Scanner, error) {
	switch {
	case cfg.Client == nil || cfg.Sink == nil || cfg.Filter == nil:
		return nil, errors.New("scanner: client, sink and filter are needed")
	case !cfg.Finality.Tag && cfg.Finality.Confirmations == 0:
		return nil, errors.New("scanner: no rule says when a block is final")
	case cfg.Agree < 0 || cfg.Agree > cfg.Client.Hosts():
		return nil, fmt.Errorf("scanner: %d endpoints of different hosts cannot agree, %d are configured", cfg.Agree, cfg.Client.Hosts())
	case cfg.Interval < 0:
		return nil, errors.New("scanner: the interval is negative")
	}
	chain := cfg.Client.chain
	return &Scanner{
		client: cfg.Client, chain: chain, sink: cfg.Sink, filter: cfg.Filter,
		finality: cfg.Finality, agree: cmp.Or(cfg.Agree, 1),
		start: cfg.StartBlock, margin: cfg.StartMargin,
		stride:   NewStride(cfg.MaxRange),
		interval: cmp.Or(cfg.Interval, DefaultInterval),
		log:      cmp.Or(cfg.Log, slog.Default()).With("chain", uint64(chain)),
		nudge:    make(chan struct{}, 1),
		records:  cfg.Records,
		witness:  cfg.Witness, unvouched: map[string]inquiry{},
		whole: cfg.Blocks,
		pace:  pace{interval: cmp.Or(cfg.Interval, DefaultInterval)},
		audit: NewStride(min(cmp.Or(cfg.MaxRange, maxAudit), maxAudit)).from(firstAudit),
		avoid: map[int]time.Time{}, suspects: map[string]int{}, disputes: map[string]int{},
		health: ScanHealth{Chain: chain, State: Starting},
	}, nil
}

// maxWait bounds the wait after failures, unless the interval is longer.
const maxWait = 30 * time.Second

// Run scans until ctx ends and then returns nil. Failures of nodes and of the
// sink are logged and tried again, with growing pauses; nothing is skipped. It may
// run again after it returned: others may have moved the cursor meanwhile, and
// nothing is caught up before a look of its own.
func (s *Scanner) Run(ctx context.Context) error {
	failures := 0
	s.loaded, s.near = false, false
	s.report(func(h *ScanHealth) { h.State, h.CaughtUp, h.LastLook = Starting, false, time.Time{} })
	for ctx.Err() == nil {
		begun := time.Now()
		again, err := s.look(ctx)
		if ctx.Err() != nil {
			break
		}
		s.finish(again, err)
		if err != nil {
			failures++
			s.loaded = false // the sink knows best what was kept
			wait := s.backoff(failures)
			s.log.WarnContext(ctx, "scanning failed", "error", err, "wait", wait.Round(time.Millisecond).String())
			pause(ctx, wait, nil)
			continue
		}
		failures = 0
		if again {
			continue
		}
		if pause(ctx, s.pace.wait(begun, s.Head(), time.Now()), s.nudge) {
			// A nudge shortens the wait; many nudges do not make a storm.
			pause(ctx, s.interval/5-time.Since(begun), nil)
		}
	}
	return nil
}

// pause waits for d, for ctx to end or for a nudge, and reports a nudge.
func pause(ctx context.Context, d time.Duration, nudge <-chan struct{}) bool {
	if d <= 0 {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return false
	case <-nudge:
		return true
	}
}

func (s *Scanner) backoff(failures int) time.Duration {
	top := max(maxWait, s.interval)
	wait := s.interval << min(failures-1, 16)
	if wait > top || wait <= 0 {
		wait = top
	}
	return wait/2 + time.Duration(rand.Int64N(int64(wait)/2+1))
}

// Nudge makes the scanner look at the chain soon, because something is said to
// have happened there. It never blocks and may be called as often as one likes.
func (s *Scanner) Nudge() {
	select {
	case s.nudge <- struct{}{}:
	default:
	}
}

// Head is the chain's newest block as of the last look, zero before the first.
func (s *Scanner) Head() Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.Head
}

// FinalHeight is the height up to which blocks are processed and final.
func (s *Scanner) FinalHeight() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health.Final
}

// CaughtUp reports whether everything up to the head was processed at a recent
// look: false before the first complete one, after a minute (or ten intervals)
// without one, and while the chain contradicts what was final.
func (s *Scanner) CaughtUp() bool { return s.Health().CaughtUp }

// Health is how the scanner is doing.
func (s *Scanner) Health() ScanHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health
	h.CaughtUp = h.CaughtUp && time.Since(h.LastLook) <= max(time.Minute, 10*s.interval)
	return h
}

func (s *Scanner) report(change func(h *ScanHealth)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.health)
}

// reached records that everything up to the head has been read. What other endpoints say of
// it is not waited for: money is noticed without that.
func (s *Scanner) reached() {
	s.report(func(h *ScanHealth) {
		if h.State != PastFinality && h.Head.Number == h.Cursor.Number {
			h.State, h.CaughtUp, h.LastLook = Following, true, time.Now()
		}
	})
}

// finish records how a look ended.
func (s *Scanner) finish(again bool, err error) {
	s.report(func(h *ScanHealth) {
		switch {
		case errors.Is(err, errPastFinality):
			h.State, h.CaughtUp = PastFinality, false
		case h.State == PastFinality:
			// Only a chain that has what was final takes the alarm back: see agreeAgain.
		case err != nil:
			h.State = Failing
		case again:
			h.State = CatchingUp
			// Neither a spoiled sweep at the head is being behind, nor much that has to be settled.
			h.CaughtUp = h.CaughtUp && (s.moved > 0 || s.near && h.Cursor.Number >= h.Head.Number)
		case h.Head.Number < h.Cursor.Number:
			h.State = Lagging
		default:
			h.State, h.CaughtUp = Following, true
		}
		h.LastError = ""
		if err != nil {
			h.LastError = clean(err.Error())
		} else {
			h.LastLook = time.Now()
		}
	})
}

// avoidFor is how long an endpoint that failed or lied is the last to be asked.
const avoidFor = 30 * time.Second

// caught is blame for an answer that cannot be true: it is counted, and sets the endpoint aside.
func (s *Scanner) caught(ctx context.Context, i int, k Kind, detail string) {
	s.blame(i)
	s.client.lied(ctx, i, k, clean(detail))
}

// contradictions are the errors that only an endpoint's own answer can cause.
var contradictions = []error{errForeignLog, errTwoLogs, errTwoBlocks, errWrongBlock, errRemoved, errHex, errNull, errOdd}

// judge blames an endpoint for an error, and more so if its answer cannot be true.
func (s *Scanner) judge(ctx context.Context, i int, err error) {
	if slices.ContainsFunc(contradictions, func(c error) bool { return errors.Is(err, c) }) {
		s.caught(ctx, i, Contradiction, err.Error())
		return
	}
	s.blame(i)
}

// blame makes the scanner prefer other endpoints for a while.
func (s *Scanner) blame(i int) { s.avoid[i] = time.Now().Add(avoidFor) }

func (s *Scanner) avoided(i int) bool { return time.Now().Before(s.avoid[i]) }
