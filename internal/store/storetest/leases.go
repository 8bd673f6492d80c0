package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"quittance/internal/lease"
)

// lease is the only one that there is.
func (f *fixture) lease(t *testing.T) lease.Row {
	t.Helper()
	all, err := f.Leases(t.Context())
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("leases %+v", all)
	}
	return all[0]
}

func (f *fixture) takes(t *testing.T, seen lease.Row, holder string, want bool) {
	t.Helper()
	if taken, err := f.Take(t.Context(), seen, holder); err != nil || taken != want {
		t.Errorf("%s takes %+v: %t, %v", holder, seen, taken, err)
	}
}

var leases = map[string]func(*testing.T, *fixture){
	"a lease is taken as it was seen, or not at all": func(t *testing.T, f *fixture) {
		f.takes(t, lease.Row{Name: "x"}, "a", true)
		f.takes(t, lease.Row{Name: "x"}, "b", false)
		first := f.lease(t)
		if first.Name != "x" || first.Holder != "a" || first.Beat == 0 || first.News != "" {
			t.Errorf("taken: %+v", first)
		}
		beats, err := f.Beat(t.Context(), []lease.Row{{Name: "x", Holder: "a", News: "ärgs \x00"}, {Name: "y", Holder: "a"}})
		if err != nil || len(beats) != 1 || beats["x"] <= first.Beat {
			t.Errorf("beats %v, %v", beats, err)
		}
		f.takes(t, first, "b", false)
		second := f.lease(t)
		if second.Beat != beats["x"] || second.News != "ärgs \uFFFD" {
			t.Errorf("after a beat: %+v", second)
		}
		f.takes(t, second, "b", true)
		if got := f.lease(t); got.Holder != "b" || got.Beat <= second.Beat || got.News != second.News {
			t.Errorf("taken over: %+v", got)
		}
		if beats, err := f.Beat(t.Context(), []lease.Row{{Name: "x", Holder: "a"}}); err != nil || len(beats) != 0 {
			t.Errorf("the first holder beats %v, %v", beats, err)
		}
		must(t, f.Release(t.Context(), []lease.Row{{Name: "x", Holder: "a"}}))
		if got := f.lease(t); got.Holder != "b" {
			t.Errorf("given back by another: %+v", got)
		}
		must(t, f.Release(t.Context(), []lease.Row{{Name: "x", Holder: "b"}}))
		free := f.node(t).lease(t)
		if free.Holder != "" {
			t.Errorf("given back: %+v", free)
		}
		f.takes(t, free, "c", true)
	},

	"of many that take a lease one has it": func(t *testing.T, f *fixture) {
		nodes := []*fixture{f, f.node(t)}
		seen := lease.Row{Name: "x"}
		for round := range 5 {
			var taken atomic.Int32
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					ok, err := nodes[i%2].Take(t.Context(), seen, fmt.Sprintf("%d-%d", round, i))
					if err != nil {
						t.Error(err)
					}
					if ok {
						taken.Add(1)
					}
				})
			}
			all.Wait()
			if taken.Load() != 1 {
				t.Errorf("round %d: taken %d times", round, taken.Load())
			}
			seen = f.lease(t)
		}
	},
}
