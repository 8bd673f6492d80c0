package lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a table without a database.
type memory struct {
	mu   sync.Mutex
	rows map[string]Row
}

func (m *memory) all() map[string]Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.rows)
}

// door is one process's way to the table, which can be shut: it hangs then, as a
// connection does whose other end was lost.
type door struct {
	*memory
	mu   sync.Mutex
	shut bool
}

func (d *door) close(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
}

func (d *door) enter(ctx context.Context) error {
	d.mu.Lock()
	shut := d.shut
	d.mu.Unlock()
	if shut {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (d *door) Leases(ctx context.Context) ([]Row, error) {
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(d.all())), nil
}

func (d *door) Beat(ctx context.Context, held []Row) (map[string]int64, error) {
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	beats := map[string]int64{}
	for _, r := range held {
		if now := d.rows[r.Name]; now.Holder == r.Holder {
			now.Beat, now.News = now.Beat+1, r.News
			d.rows[r.Name], beats[r.Name] = now, now.Beat
		}
	}
	return beats, nil
}

func (d *door) Take(ctx context.Context, seen Row, holder string) (bool, error) {
	if err := d.enter(ctx); err != nil {
		return false, err
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	now := d.rows[seen.Name]
	if now.Holder != seen.Holder || now.Beat != seen.Beat {
		return false, nil
	}
	now.Name, now.Holder, now.Beat = seen.Name, holder, now.Beat+1
	d.rows[seen.Name] = now
	return true, nil
}

func (d *door) Release(ctx context.Context, held []Row) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	for _, r := range held {
		if now := d.rows[r.Name]; now.Holder == r.Holder {
			now.Holder, now.Beat = "", now.Beat+1
			d.rows[r.Name] = now
		}
	}
	return nil
}

// site is several processes on one table, and who works when.
type site struct {
	t     *testing.T
	table *memory
	mu    sync.Mutex
	works map[string][]string // who has begun and not ended, by the lease
	diary []string
	began time.Time
	ends  time.Duration // how long work takes to end
}

func newSite(t *testing.T) *site {
	return &site{t: t, table: &memory{rows: map[string]Row{}}, works: map[string][]string{}, began: time.Now()}
}

func (s *site) note(format string, args ...any) {
	s.diary = append(s.diary, fmt.Sprintf("%4.1f ", time.Since(s.began).Seconds())+fmt.Sprintf(format, args...))
}

// work is one lease's, of which there must never be two at once.
func (s *site) work(who, name string) Work {
	return Work{Name: name, News: func() string { return "of " + who }, Run: func(ctx context.Context) error {
		s.mu.Lock()
		s.works[name] = append(s.works[name], who)
		s.note("%s begins %s", who, name)
		if n := len(s.works[name]); n > 1 {
			s.t.Errorf("%v work on %s at once", s.works[name], name)
		}
		s.mu.Unlock()
		<-ctx.Done()
		time.Sleep(s.ends)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.works[name] = slices.DeleteFunc(s.works[name], func(w string) bool { return w == who })
		s.note("%s ends %s", who, name)
		return nil
	}}
}

type node struct {
	*Keeper
	door *door
	stop func() error
}

func (s *site) node(who string, names ...string) *node {
	d := &door{memory: s.table}
	var works []Work
	for _, n := range names {
		works = append(works, s.work(who, n))
	}
	k := NewKeeper(Config{Table: d, Holder: who, Works: works})
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return &node{k, d, sync.OnceValue(func() error { cancel(); return <-done })}
}

func (s *site) workers(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.works[name], ",")
}

// within waits for a lease to be worked on by somebody, and tells for how long.
func (s *site) within(name, who string, most time.Duration) {
	s.t.Helper()
	begun := time.Now()
	for s.workers(name) != who {
		if time.Since(begun) > most {
			s.t.Fatalf("after %v %q works on %s, want %q\n%s", most, s.workers(name), name, who, strings.Join(s.diary, "\n"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOneHolderAndACleanHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.ends = 300 * time.Millisecond
		a := s.node("a", "x", "y")
		s.within("x", "a", 0)
		s.within("y", "a", 0)
		b := s.node("b", "x", "y")
		time.Sleep(time.Minute)
		if s.workers("x") != "a" || b.Holds("x") || !a.Holds("x") {
			t.Errorf("x is worked on by %s", s.workers("x"))
		}
		known, ok := b.Known("x")
		if !ok || known.Mine || known.News != "of a" || known.Age > 1100*time.Millisecond {
			t.Errorf("b knows %+v of x", known)
		}
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		s.within("x", "b", time.Second)
		s.within("y", "b", time.Second)
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		for name, r := range s.table.all() {
			if r.Holder != "" {
				t.Errorf("%s is left to %s", name, r.Holder)
			}
		}
	})
}

// A holder that the database does not hear stops before another begins, though nobody
// tells it to; and it does not fight for the lease when it is back.
func TestSilentHolderIsFollowed(t *testing.T) {
	for _, ends := range []time.Duration{0, 900 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			s.ends = ends
			a := s.node("a", "x")
			s.within("x", "a", 0)
			b := s.node("b", "x")
			time.Sleep(10*time.Second + 700*time.Millisecond)
			a.door.close(true)
			s.within("x", "b", 8*time.Second)
			if a.Holds("x") {
				t.Error("a thinks that it works on x")
			}
			a.door.close(false)
			time.Sleep(time.Minute)
			if s.workers("x") != "b" {
				t.Errorf("x is worked on by %s", s.workers("x"))
			}
			_, _ = a.stop(), b.stop()
		})
	}
}

// When the database was away for all, the holder goes on without anybody's death.
func TestAllAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a := s.node("a", "x")
		s.within("x", "a", 0)
		b := s.node("b", "x")
		time.Sleep(5 * time.Second)
		a.door.close(true)
		b.door.close(true)
		s.within("x", "", 5*time.Second)
		time.Sleep(time.Minute)
		a.door.close(false)
		s.within("x", "a", 3*time.Second)
		b.door.close(false)
		time.Sleep(30 * time.Second)
		if s.workers("x") != "a" {
			t.Errorf("x is worked on by %s", s.workers("x"))
		}
		_, _ = a.stop(), b.stop()
	})
}

// A process that was frozen finds its lease taken, and stops at its next look.
func TestFrozenHolderGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a := s.node("a", "x")
		s.within("x", "a", 0)
		time.Sleep(3 * time.Second)
		s.table.mu.Lock()
		s.table.rows["x"] = Row{Name: "x", Holder: "c", Beat: 99}
		s.table.mu.Unlock()
		s.within("x", "", 1100*time.Millisecond)
		s.within("x", "a", 8*time.Second) // c never beats
		_ = a.stop()
	})
}

// An answer that was lost on the way loses no lease.
func TestAnswersAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a := s.node("a", "x")
		s.within("x", "a", 0)
		for range 10 {
			s.table.mu.Lock()
			r := s.table.rows["x"]
			r.Beat++ // as if the last beat came, and not its answer
			s.table.rows["x"] = r
			s.table.mu.Unlock()
			time.Sleep(time.Second)
		}
		if len(s.diary) != 1 {
			t.Errorf("%v", s.diary)
		}
		_ = a.stop()
	})
}

func TestWorkThatEndsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		boom := errors.New("boom")
		k := NewKeeper(Config{Table: &door{memory: s.table}, Works: []Work{
			s.work("a", "x"), {Name: "y", Run: func(context.Context) error { time.Sleep(time.Second); return boom }},
		}})
		if err := k.Run(t.Context()); !errors.Is(err, boom) || !strings.HasPrefix(err.Error(), "y: ") {
			t.Errorf("got %v", err)
		}
		if r := s.table.all()["x"]; r.Holder != "" || s.workers("x") != "" {
			t.Errorf("x is left to %s, worked on by %s", r.Holder, s.workers("x"))
		}
	})
}

func TestWorkThatPanicsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		k := NewKeeper(Config{Table: &door{memory: s.table}, Works: []Work{
			s.work("a", "x"), {Name: "y", Run: func(context.Context) error { time.Sleep(time.Second); panic("boom") }},
		}})
		if err := k.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "y: panic: boom") {
			t.Errorf("got %v", err)
		}
		if r := s.table.all()["x"]; r.Holder != "" || s.workers("x") != "" {
			t.Errorf("x is left to %s, worked on by %s", r.Holder, s.workers("x"))
		}
	})
}

// The news stay when a lease changes hands, until the new holder has some.
func TestNewsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		a := s.node("a", "x")
		time.Sleep(5 * time.Second)
		_ = a.stop()
		ctx, cancel := context.WithCancel(t.Context())
		var rounds atomic.Int32
		quiet := NewKeeper(Config{Table: &door{memory: s.table}, Round: func() { rounds.Add(1) }, Works: []Work{
			{Name: "x", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }, News: func() string { return "" }},
		}})
		done := make(chan error, 1)
		go func() { done <- quiet.Run(ctx) }()
		time.Sleep(5500 * time.Millisecond)
		if known, ok := quiet.Known("x"); !ok || !known.Mine || known.News != "of a" || rounds.Load() != 6 {
			t.Errorf("knows %+v after %d rounds", known, rounds.Load())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
