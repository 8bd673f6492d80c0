package lease

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Keeper takes leases that are free, does their work and gives them back.
type Keeper struct {
	c     Config
	works map[string]Work
	nudge chan struct{}
	ends  chan ended
	runs  map[string]*running // only Run's goroutine touches it

	mu   sync.Mutex
	seen map[string]sighting
	mine map[string]bool
}

// sighting is a lease as it was seen last.
type sighting struct {
	row  Row
	at   time.Time // when (Holder, Beat) was seen first, after the answer came
	told time.Time // when a beat was that brought news
}

// running is work under way.
type running struct {
	row    Row // as we have left it
	cancel context.CancelFunc
	doubt  *time.Timer // stops the work when no beat got through
	lost   bool        // somebody else has it, or may have it
}

type ended struct {
	name string
	err  error
}

// errAlone is why work stops that this process is not sure to be the only one with.
var errAlone = errors.New("the lease was lost")

// NewKeeper returns a Keeper.
func NewKeeper(c Config) *Keeper {
	c.Holder = cmp.Or(c.Holder, rand.Text())
	c.Every = cmp.Or(c.Every, time.Second)
	c.Patience = cmp.Or(c.Patience, 5*time.Second)
	c.Doubt = cmp.Or(c.Doubt, c.Patience*4/5)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{
		c: c, works: map[string]Work{}, nudge: make(chan struct{}, 1), ends: make(chan ended, len(c.Works)),
		runs: map[string]*running{}, seen: map[string]sighting{}, mine: map[string]bool{},
	}
	for _, w := range c.Works {
		k.works[w.Name] = w
	}
	return k
}

// Look has the leases looked at soon, such as because one was given back. It
// never blocks.
func (k *Keeper) Look() {
	select {
	case k.nudge <- struct{}{}:
	default:
	}
}

// Known is what is known of a lease here; ok is false before it was ever seen.
func (k *Keeper) Known(name string) (known Known, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.seen[name]
	return Known{Mine: k.mine[name], News: s.row.News, Age: time.Since(s.told)}, ok
}

// Holds reports whether a lease's work runs here.
func (k *Keeper) Holds(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mine[name]
}

// Run keeps leases until ctx ends, then stops their work, gives them back and
// returns nil. Work that ends by itself is a failure: the leases are given back,
// and its error is returned.
func (k *Keeper) Run(ctx context.Context) error {
	var failed error
	tick := time.NewTicker(k.c.Every)
	defer tick.Stop()
	for failed == nil && ctx.Err() == nil {
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			k.c.Log.WarnContext(ctx, "leases could not be looked at", "err", err)
		}
		if k.c.Round != nil {
			k.c.Round()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-k.nudge:
		case e := <-k.ends:
			failed = k.end(ctx, e)
		}
	}
	k.stop(ctx)
	return failed
}

// round beats what is held, looks at all leases and takes what is free.
func (k *Keeper) round(ctx context.Context) error {
	// Long enough for a slow answer; what does not answer must not keep the doubt waiting.
	ctx, cancel := context.WithTimeout(ctx, max(k.c.Every, k.c.Doubt/2))
	defer cancel()
	if err := k.beat(ctx); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	asked := time.Now()
	rows, err := k.c.Table.Leases(ctx)
	if err != nil {
		return fmt.Errorf("look: %w", err)
	}
	k.note(rows, time.Now())
	for _, w := range k.c.Works {
		if k.runs[w.Name] != nil {
			continue
		}
		if err := k.take(ctx, w, asked); err != nil {
			return fmt.Errorf("take %s: %w", w.Name, err)
		}
	}
	return nil
}

// note remembers leases, and when each was first seen as it is.
func (k *Keeper) note(rows []Row, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range rows {
		s, ok := k.seen[r.Name]
		if !ok || s.row.Holder != r.Holder || s.row.Beat != r.Beat {
			s.at = now
		}
		changed, beats := s.row.Holder != r.Holder, r.Beat-s.row.Beat
		if !ok || beats > 1 || beats != 0 && !changed { // one beat of another holder is that it took the lease
			s.told = now
		}
		s.row = r
		k.seen[r.Name] = s
	}
}

// take takes a lease if nobody has it, or its holder has been silent for too long.
func (k *Keeper) take(ctx context.Context, w Work, asked time.Time) error {
	k.mu.Lock()
	s, known := k.seen[w.Name]
	k.mu.Unlock()
	if !known {
		s.row = Row{Name: w.Name}
	}
	silent := asked.Sub(s.at)
	// One that is ours and without work is one whose work has ended in doubt.
	others := s.row.Holder != "" && s.row.Holder != k.c.Holder
	if others && silent < k.c.Patience {
		return nil
	}
	sent := time.Now()
	taken, err := k.c.Table.Take(ctx, s.row, k.c.Holder)
	if err != nil || !taken {
		return err
	}
	if others {
		k.c.Log.WarnContext(ctx, "took over from a node that is silent", "lease", w.Name, "for", silent.Round(time.Millisecond).String())
	} else {
		k.c.Log.InfoContext(ctx, "took a lease", "lease", w.Name)
	}
	s.row.Holder, s.row.Beat = k.c.Holder, s.row.Beat+1
	k.note([]Row{s.row}, time.Now())
	k.begin(ctx, w, s.row, sent)
	return nil
}

// begin does work until it is cancelled.
func (k *Keeper) begin(ctx context.Context, w Work, r Row, sent time.Time) {
	// The work's context ends with the lease and not with the round.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	x := &running{row: r, cancel: func() {
		cancel(errAlone)
		k.own(w.Name, false)
	}}
	k.own(w.Name, true)
	x.doubt = time.AfterFunc(time.Until(sent.Add(k.c.Doubt)), x.cancel)
	k.runs[w.Name] = x
	go func() { k.ends <- ended{w.Name, call(ctx, w)} }()
}

// call does work and turns a panic into its failure, so that all else still stops in order.
func call(ctx context.Context, w Work) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return w.Run(ctx)
}

func (k *Keeper) own(name string, mine bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mine[name] = mine
}

// beat moves on what is held. What was taken from us stops.
func (k *Keeper) beat(ctx context.Context) error {
	var held []Row
	for _, x := range k.runs {
		if x.lost {
			continue
		}
		r := x.row
		if w := k.works[r.Name]; w.News != nil {
			r.News = cmp.Or(w.News(), r.News)
		}
		held = append(held, r)
	}
	if len(held) == 0 {
		return nil
	}
	slices.SortFunc(held, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	sent := time.Now()
	beats, err := k.c.Table.Beat(ctx, held)
	if err != nil {
		return err
	}
	for _, r := range held {
		x := k.runs[r.Name]
		at, ours := beats[r.Name]
		if !ours {
			k.c.Log.WarnContext(ctx, "another node has taken a lease of this one", "lease", r.Name)
			k.lose(x)
			continue
		}
		r.Beat = at
		x.row = r
		k.note([]Row{r}, time.Now())
		if !x.doubt.Reset(time.Until(sent.Add(k.c.Doubt))) {
			// The doubt was faster, and the work has been told to stop.
			x.doubt.Stop()
			k.lose(x)
		}
	}
	return nil
}

func (k *Keeper) lose(x *running) {
	x.lost = true
	x.cancel()
}

// end puts away work that has ended. It returns an error if nobody had told the
// work to.
func (k *Keeper) end(ctx context.Context, e ended) error {
	x := k.runs[e.name]
	asked := !x.doubt.Stop() || x.lost
	x.cancel()
	delete(k.runs, e.name)
	if !asked {
		return fmt.Errorf("%s: %w", e.name, cmp.Or(e.err, errors.New("ended by itself")))
	}
	if !x.lost {
		k.c.Log.WarnContext(ctx, "the database did not answer in time; another node may go on", "lease", e.name)
	}
	return nil
}

// stop ends all work and gives back what is still ours.
func (k *Keeper) stop(ctx context.Context) {
	for _, x := range k.runs {
		x.cancel()
	}
	var held []Row
	for len(k.runs) > 0 {
		e := <-k.ends
		x := k.runs[e.name]
		if x.doubt.Stop() && !x.lost {
			held = append(held, x.row)
		}
		delete(k.runs, e.name)
	}
	if len(held) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.c.Doubt/2)
	defer cancel()
	if err := k.c.Table.Release(ctx, held); err != nil {
		k.c.Log.WarnContext(ctx, "leases were not given back; another node takes them a little later", "err", err)
	}
}
