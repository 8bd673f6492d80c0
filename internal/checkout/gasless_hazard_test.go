package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
)

// begins a story with an operation.
func (s *story) begins(change ...func(*paysBy)) func() error {
	return func() error {
		if s.op == nil {
			s.op = s.world.saves(s.p, change...)
		}
		s.op.op.Paid = false
		return s.op.sponsored()
	}
}

// sendsIt sends the operation. That it has come to its end meanwhile is no trouble.
func (s *story) sendsIt() error {
	_, err := s.op.asks(checkout.GaslessSend)
	if f := fault.From(err); f != nil && (f.Code == "op_refused" || f.Code == "op_over") {
		return nil
	}
	return err
}

func (s *story) looksOn() error {
	_, err := s.TrackGasless(s.t.Context(), s.op.args())
	return err
}

func (s *story) carries(ok bool, n int) func() error {
	return func() error {
		if len(s.relay.done) == 0 {
			s.op.executes(ok, n)
		}
		return nil
	}
}

func (s *story) goesOn(n int) func() error { return func() error { s.reach(n); return nil } }

func (s *story) reads(n int) func() error {
	return func() error {
		c, err := s.Cursor(s.t.Context(), base)
		if err != nil || c.Blocks[0].Number >= uint64(n) {
			return err
		}
		return s.sweep(int(c.Blocks[0].Number)+1, block(n, 0), s.op.arrives(s.relay.done[0].tx, 100, n))
	}
}

// counts says what has been spent once all grants are settled.
func (s *story) counts(want int64) func() error {
	return func() error {
		s.reach(1000 + 3600)
		if _, err := s.TrackGasless(s.t.Context(), s.op.late()); err != nil {
			return err
		}
		if got := s.spent(s.p).Payment.Int64(); got != want {
			return fmt.Errorf("%d wei are spent, want %d", got, want)
		}
		return nil
	}
}

// TestGaslessCrashes lets the power go out before and after every commit of these
// stories: each ends as it does without, and costs what it does without.
func TestGaslessCrashes(t *testing.T) {
	refuses := func(s *story) func() error {
		return func() error {
			s.relay.set(func() { s.relay.send = func(sentOp) error { return fault.New(fault.Invalid, "op_refused", "No.") } })
			return nil
		}
	}
	for name, steps := range map[string]func(*story) []func() error{
		"pays": func(s *story) []func() error {
			return []func() error{s.begins(), s.sendsIt, s.looksOn, s.carries(true, 1010), s.looksOn, s.reads(1010), s.goesOn(1020), s.looksOn, s.settles(1010), s.looksOn, s.counts(gasPaid)}
		},
		"pays, looked at late": func(s *story) []func() error {
			return []func() error{s.begins(), s.sendsIt, s.carries(true, 1010), s.reads(1010), s.settles(1010), s.goesOn(1500), s.looksOn, s.counts(gasPaid)}
		},
		"pays from another chain": func(s *story) []func() error {
			return []func() error{s.begins(overThere), s.sendsIt, s.carries(true, 1010), s.looksOn, s.goesOn(1020), s.looksOn, s.looksOn}
		},
		"fails": func(s *story) []func() error {
			return []func() error{s.begins(), s.sendsIt, s.carries(false, 1010), s.looksOn, s.goesOn(1020), s.looksOn, s.looksOn, s.counts(gasPaid)}
		},
		"expires": func(s *story) []func() error {
			return []func() error{s.begins(), s.sendsIt, s.goesOn(1500), s.looksOn, s.looksOn, s.counts(0)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashes(t, gasWorld, steps)
		})
	}
	// A refusal may have been lost: then the operation is pending until its deadline,
	// and the payment is not paid twice.
	t.Run("is refused", func(t *testing.T) {
		t.Parallel()
		for n := 1; n <= 4; n++ {
			for _, after := range []bool{false, true} {
				end, _ := tell(t, gasWorld, func(s *story) []func() error {
					return []func() error{s.begins(), refuses(s), s.sendsIt, s.goesOn(1500), s.looksOn, s.looksOn, s.counts(0)}
				}, n, after)
				if !slices.Contains([]string{
					`open/none; user_op abandoned "op_refused" false; [created announced broken]`, `open/none; user_op abandoned "op_expired" false; [created announced broken]`,
				}, end) {
					t.Errorf("write %d, after its commit %t: %s", n, after, end)
				}
			}
		}
	})
}

// TestGaslessHands has many nodes do everything at once.
func TestGaslessHands(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return "sqlite:" + t.TempDir() + "/test.db" },
		"postgres": pgtest.DSN,
	} {
		t.Run(name, func(t *testing.T) {
			w := gasWorldOn(t, dsn(t))
			other := &world{t: t, dsn: w.dsn, at: w.now(), tag: 1000, relay: w.relay, span: w.span}
			other.open()
			defer func() { must(t, other.store.Close()) }()
			nodes := []*world{w, other}
			lastOfABudget(t, nodes)
			sentByMany(t, nodes)
			oneOfMany(t, nodes)
		})
	}
}

// all runs something 12 times at once, on two nodes, and returns what went wrong.
func all(nodes []*world, do func(w *world, i int) error) (codes []string) {
	var mu sync.Mutex
	var doing sync.WaitGroup
	for i := range 12 {
		doing.Go(func() {
			err := do(nodes[i%2], i)
			mu.Lock()
			defer mu.Unlock()
			codes = append(codes, code(err))
		})
	}
	doing.Wait()
	slices.Sort(codes)
	return codes
}

func times(n int, code string) []string { return slices.Repeat([]string{code}, n) }

// lastOfABudget has many payments ask for what suffices for three.
func lastOfABudget(t *testing.T, nodes []*world) {
	t.Helper()
	r := nodes[0].relay
	r.set(func() { r.budget.ChainDay = big.NewInt(2*opCost + 1000) })
	defer r.set(func() { r.budget.ChainDay = big.NewInt(1_000_000) })
	var pays []*payment.Payment
	for range 12 {
		pays = append(pays, nodes[0].create(100))
	}
	granted := 0
	for round := range 4 { // one that asks while another's greatest cost is reserved gets nothing, and tries again
		for _, c := range all(nodes, func(w *world, i int) error {
			return w.saves(pays[i], func(b *paysBy) { b.op.Permit -= int64(round) }).sponsored()
		}) {
			switch c {
			case "":
				granted++
			case "gas_budget":
			default:
				t.Errorf("refused with %s", c)
			}
		}
	}
	if s := nodes[1].spent(pays[0]); granted != 3 || s.ChainDay.Int64() != 3*opCost {
		t.Errorf("%d were granted, %s are spent", granted, s.ChainDay)
	}
}

// sentByMany sends one operation from many hands.
func sentByMany(t *testing.T, nodes []*world) {
	t.Helper()
	p := nodes[0].create(100)
	b := nodes[0].saves(p)
	must(t, b.sponsored())
	if got := all(nodes, func(w *world, _ int) error {
		x := *b
		x.world = w
		_, err := x.asks(checkout.GaslessSend)
		return err
	}); !slices.Equal(got, times(12, "")) {
		t.Errorf("sent with %v", got)
	}
	nodes[1].told(p, "announced")
	n := nodes[0].relay.head + 1
	tx := b.executes(false, n)
	for _, w := range nodes {
		w.reach(n)
	}
	if got := all(nodes, func(w *world, _ int) error {
		_, err := w.TrackGasless(t.Context(), b.args())
		return err
	}); !slices.Equal(got, times(12, "")) {
		t.Errorf("looked at with %v", got)
	}
	if a := b.is(payment.OpFailed, payment.Open, false); a.Op.ExecutedBy != tx || len(nodes[0].load(p.ID).Attempts) != 1 {
		t.Errorf("ended as %+v", a.Op)
	}
	nodes[1].told(p, "announced", "broken")
}

// oneOfMany sends different operations of one payment: one is first.
func oneOfMany(t *testing.T, nodes []*world) {
	t.Helper()
	p := nodes[0].create(100)
	r := nodes[0].relay
	r.set(func() { r.budget.Grants, r.budget.Payment = 99, big.NewInt(1_000_000); r.taken = nil })
	var ops []*paysBy
	for i := range 12 {
		b := nodes[i%2].saves(p, func(b *paysBy) { b.op.Permit += int64(i) })
		must(t, b.sponsored())
		ops = append(ops, b)
	}
	got := all(nodes, func(_ *world, i int) error {
		_, err := ops[i].asks(checkout.GaslessSend)
		return err
	})
	if !slices.Equal(got, append([]string{""}, times(11, checkout.CodeOpPending)...)) || len(r.taken) != 1 || len(nodes[1].load(p.ID).Attempts) != 1 {
		t.Errorf("%v, the bundler has %v", got, r.taken)
	}
}

// followed counts the jobs of a kind that are due.
func (w *world) followed(kind string) (n int) {
	w.t.Helper()
	jobs, err := w.store.Claim(w.t.Context(), w.now(), time.Minute, job.Room{Free: 9, Laned: 9, PerLane: 9})
	must(w.t, err)
	for _, j := range jobs {
		if j.Kind == kind {
			n++
		}
	}
	return n
}

// An announcement, its job and its grant are one: a crash leaves all of them or none.
func TestGaslessCrashesLeaveNothingHalf(t *testing.T) {
	for _, after := range []bool{false, true} {
		w := gasWorld(t)
		p := w.create(100)
		b := w.saves(p)
		must(t, b.sponsored())
		w.fail = func(_ context.Context, write func() error) error {
			if after {
				must(t, write())
			}
			return errTrouble
		}
		if _, err := b.asks(checkout.GaslessSend); !errors.Is(err, errTrouble) || len(w.relay.taken) != 0 {
			t.Fatalf("sent %v, %v", w.relay.taken, err)
		}
		w.fail = nil
		w.restart()
		n, jobs := 0, w.followed(checkout.GaslessTrackKind)
		if after {
			n = 1
		}
		if got := len(w.load(p.ID).Attempts); got != n || jobs != n {
			t.Errorf("after its commit %t: %d attempts, %d jobs", after, got, jobs)
		}
		w.pass(time.Hour)
		if s := w.spent(p); s.Payment.Int64() != int64(n*opCost) {
			t.Errorf("after its commit %t: %s wei count", after, s.Payment)
		}
	}
}
