package pay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// A page learns within lookOpen what another process wrote, and is left alone
// otherwise; all pages together are one question.
func TestPagesLearnWhatOtherNodesWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // the race detector does not know that a bubble's sleep orders things
		marks, asked := map[payment.ID]int64{"a": 3, "b": 7}, 0
		s := newStreams(Config{Log: slog.New(slog.DiscardHandler), Marks: func(_ context.Context, ids []payment.ID) (map[payment.ID]int64, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked++; asked == 1 {
				return nil, errors.New("the database is away for once")
			}
			if len(ids) > 2 {
				t.Errorf("asked for %v", ids)
			}
			return maps.Clone(marks), nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		open := func(id payment.ID) *page {
			l, err := s.enter(id, "an address")
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		a, other, b, fresh := open("a"), open("a"), open("b"), open("b")
		a.told(3)
		other.told(3)
		b.told(7)
		woken := func() (out [4]bool) {
			time.Sleep(lookOpen)
			synctest.Wait()
			for i, l := range []*page{a, other, b, fresh} {
				out[i] = l.due()
			}
			return out
		}
		for _, step := range []struct {
			what string
			do   func()
			want [4]bool
		}{
			{"the database is away", func() {}, [4]bool{}},
			{"nothing happened", func() {}, [4]bool{}},
			{"one payment moved", func() { marks["a"] = 4 }, [4]bool{true, true, false, false}},
			{"one page was told of it", func() { a.told(4) }, [4]bool{false, true, false, false}},
			{"a payment is gone", func() { other.told(4); delete(marks, "b") }, [4]bool{false, false, true, false}},
			{"its pages are, too", func() { s.leave("b", "an address", b); s.leave("b", "an address", fresh) }, [4]bool{}},
		} {
			mu.Lock()
			step.do()
			mu.Unlock()
			if got := woken(); got != step.want {
				t.Errorf("%s: woken %v, want %v", step.what, got, step.want)
			}
		}
		mu.Lock()
		if asked != 6 {
			t.Errorf("the database was asked %d times", asked)
		}
		mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Nobody can take all streams: neither one link nor one address. Whoever leaves gives
// theirs back.
func TestPagesAreBounded(t *testing.T) {
	s := newStreams(Config{Streams: Bounds{Total: 300, PerAddress: 200}})
	open := func(id payment.ID, address string) *page {
		t.Helper()
		l, err := s.enter(id, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	refused := func(what string, id payment.ID, address string) {
		t.Helper()
		if _, err := s.enter(id, address); !fault.Is(err, fault.Limited) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var last *page
	for range maxPerToken {
		last = open("a", "192.0.2.1")
	}
	refused("one more page of a payment", "a", "192.0.2.2")
	s.leave("a", "192.0.2.1", last)
	last = open("a", "192.0.2.2")
	for i := range 200 - maxPerToken + 1 {
		open(payment.ID(fmt.Sprint("b", i)), "192.0.2.1")
	}
	refused("one more page of an address", "c", "192.0.2.1")
	for i := range 99 {
		open(payment.ID(fmt.Sprint("d", i)), fmt.Sprint("2001:db8:0:", i, "::/64"))
	}
	refused("one more page", "e", "192.0.2.9")
	s.leave("a", "192.0.2.2", last)
	if _, left := s.from["192.0.2.2"]; left {
		t.Error("an address without pages is remembered")
	}
	open("e", "192.0.2.9")
}

// A panic while one page is told is that page's end, and nobody else's.
func TestPanicBesideEndsOnePage(t *testing.T) {
	s := newStreams(Config{Log: slog.New(slog.DiscardHandler)})
	for range maxAside + 1 { // none of them keeps its place
		if err := s.beside(t.Context(), func() error { panic("ouch") }); err == nil {
			t.Fatal("no error")
		}
	}
}

func TestNextLook(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	with := func(state payment.State, change func(*payment.Payment)) *payment.Payment {
		p := &payment.Payment{Terms: payment.Terms{ExpiresAt: now.Add(time.Hour), Grace: 10 * time.Minute}, Standing: payment.Standing{State: state}}
		if change != nil {
			change(p)
		}
		return p
	}
	for _, c := range []struct {
		name string
		of   *payment.Payment
		want time.Duration
	}{
		{"nothing came", with(payment.Open, nil), lookAnyway},
		{"it is seen", with(payment.Seen, nil), lookSeen},
		{"a part of it came", with(payment.Open, func(p *payment.Payment) { p.Transfers = make([]payment.Transfer, 1) }), lookOpen},
		{"something is under way", with(payment.Open, func(p *payment.Payment) { p.Attempts = make([]payment.Attempt, 1) }), lookOpen},
		{"it is paid", with(payment.Paid, func(p *payment.Payment) { p.Transfers = make([]payment.Transfer, 1) }), lookAnyway},
		{"its end is near", with(payment.Open, func(p *payment.Payment) { p.Terms.ExpiresAt = now.Add(5 * time.Second) }), 5*time.Second + time.Millisecond},
		{"its grace ends", with(payment.Open, func(p *payment.Payment) { p.Terms.ExpiresAt = now.Add(-595 * time.Second) }), 5*time.Second + time.Millisecond},
		{"a quote ends", with(payment.Open, func(p *payment.Payment) { p.Quotes = []payment.Quote{{ExpiresAt: now.Add(3 * time.Second)}} }), 3*time.Second + time.Millisecond},
	} {
		if got := nextLook(c.of, now).Sub(now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
