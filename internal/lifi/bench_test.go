package lifi_test

import (
	"testing"
	"time"

	"quittance/internal/lifi"
)

// A route must cost less than a millisecond to decode and verify. The test is
// an order of magnitude above what is measured, so that a busy machine does not
// fail it; the benchmark has the figures.
func TestVerifyingTakesLessThanAMillisecond(t *testing.T) {
	r := newRig(t)
	for _, s := range scenes {
		in, step := r.ask(t, s)
		approve := approvals(t, in, step.FromAmount)
		best := time.Hour
		for range 20 {
			start := time.Now()
			r.table.Verify(in, step.Transaction, approve, now)
			best = min(best, time.Since(start))
		}
		if best > time.Millisecond {
			t.Errorf("%s: %s", s.name, best)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newRig(b)
	for _, s := range scenes {
		in, step := r.ask(b, s)
		approve := approvals(b, in, step.FromAmount)
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if refusals(r.table.Verify(in, step.Transaction, approve, now)) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	_, step := newRig(b).ask(b, scenes[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lifi.DecodeCall(step.Transaction.Data); err != nil {
			b.Fatal(err)
		}
	}
}
