package webhook_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

func TestHopeless(t *testing.T) {
	since := happened
	for _, c := range []struct {
		name string
		h    webhook.Health
		now  time.Time
		want bool
	}{
		{"never failed", webhook.Health{}, since.AddDate(1, 0, 0), false},
		{"just before five days", webhook.Health{FailingSince: since, Failures: 99}, since.Add(5*24*time.Hour - 1), false},
		{"five days", webhook.Health{FailingSince: since, Failures: 10}, since.Add(5 * 24 * time.Hour), true},
		{"five days, few attempts", webhook.Health{FailingSince: since, Failures: 9}, since.AddDate(0, 0, 30), false},
		{"a clock that went back", webhook.Health{FailingSince: since, Failures: 99}, since.AddDate(0, 0, -30), false},
	} {
		if got := c.h.Hopeless(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// send makes a new delivery to all endpoints, as an event would.
func send(t *testing.T, m *memory, s *webhook.Service, name string) {
	t.Helper()
	withEvent(m, "")
	e := m.events["E1"]
	e.ID = name
	m.events[name] = e
	if err := s.Relay(t.Context(), job.Job{Args: name}); err != nil {
		t.Fatal(err)
	}
}

// run does the deliveries that are due, for some time of the bubble.
func run(t *testing.T, m *memory, s *webhook.Service, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Minute) {
		for _, d := range m.all() {
			if d.State == webhook.Queued && !d.NextAt.After(time.Now()) {
				_ = s.Deliver(t.Context(), job.Job{Args: d.ID}) // a failure is on record
			}
		}
	}
}

func TestEndpointThatOnlyFailsIsSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := func(host string) (int, error) {
			if strings.HasPrefix(host, "dead") {
				return 0, errors.New("connection refused")
			}
			return 200, nil
		}
		client := &http.Client{Transport: scripted(func(r *http.Request) (int, error) { return answers(r.URL.Host) })}
		idle := endpoint("idle", "https://idle.example.com/")
		idle.ClientID = "cli_idle" // nobody pays over it: an endpoint without traffic is left alone
		stranger := endpoint("stranger", "https://stranger.example.com/")
		stranger.Merchant = "01JOTHER"
		m := newMemory(endpoint("dead", "https://dead.example.com/"), endpoint("good", "https://good.example.com/"), idle, stranger)
		s := service(m, client, &wording{messages: []webhook.Message{confirmed}})
		state := func(id string) merchant.Endpoint {
			for _, e := range m.endpoints {
				if e.ID == id {
					return e
				}
			}
			t.Fatalf("endpoint %s is gone", id)
			return merchant.Endpoint{}
		}
		for day := range 5 {
			send(t, m, s, "E"+string(rune('a'+day)))
			run(t, m, s, 23*time.Hour)
			if e := state("dead"); !e.Active {
				t.Fatalf("switched off after %d days", day+1)
			}
		}
		send(t, m, s, "Ez")
		run(t, m, s, 25*time.Hour)
		e := state("dead")
		if e.Active || e.DisabledAt.IsZero() || !strings.Contains(e.DisabledWhy, "no success since 2000-01-01T00:00:00Z; the last one: connection refused") {
			t.Errorf("after five days: %+v", e)
		}
		for _, id := range []string{"good", "idle", "stranger"} {
			if !state(id).Active {
				t.Errorf("%s was switched off as well", id)
			}
		}
		var told, waiting int
		for _, d := range m.all() {
			switch {
			case d.Event == "webhook.disabled":
				told++
				if d.Endpoint != "good" || d.EventID == "" || d.Test {
					t.Errorf("told with %+v", d)
				}
			case d.Endpoint == "dead" && d.State == webhook.Queued:
				waiting++
			}
		}
		if last := m.entries[len(m.entries)-1]; told != 1 || last.Event != "webhook.disabled" || last.Merchant != shop {
			t.Errorf("told %d endpoints; the feed ends with %+v", told, last)
		}
		if waiting != 0 {
			t.Errorf("%d deliveries wait for an endpoint that is off", waiting)
		}

		// The merchant mends it, switches it on and has what was missed sent again.
		answers = func(string) (int, error) { return 200, nil }
		if _, err := s.Toggle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var progress []int
		n, next, err := s.ReplayRange(t.Context(), webhook.Range{Endpoint: "dead", Failed: true}, 100, func(n int) { progress = append(progress, n) })
		if err != nil || n != 6 || next != "" || len(progress) != 1 || progress[0] != 6 {
			t.Errorf("replayed %d, next %q, progress %v, %v", n, next, progress, err)
		}
		run(t, m, s, time.Hour)
		for _, d := range m.all() {
			if d.State != webhook.Delivered {
				t.Errorf("left %s to %s: %s", d.Event, d.Endpoint, d.State)
			}
		}
	})
}

func TestOneSuccessSavesAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := &http.Client{Transport: scripted(func(*http.Request) (int, error) {
			if calls++; calls%40 == 0 {
				return 200, nil
			}
			return 500, nil
		})}
		m := newMemory(endpoint("one", "https://one.example.com/"))
		s := service(m, client, &wording{messages: []webhook.Message{confirmed}})
		for day := range 20 {
			send(t, m, s, "E"+string(rune('a'+day)))
			run(t, m, s, 24*time.Hour)
		}
		if calls < 80 || !m.endpoints[0].Active {
			t.Errorf("after %d calls the endpoint is active: %v", calls, m.endpoints[0].Active)
		}
	})
}

func TestReplayRangeEndsWhereItMust(t *testing.T) {
	m := newMemory(endpoint("one", "https://one.example.com/"))
	s := service(m, nil, &wording{})
	for range 600 {
		id := payment.NewULID(time.Now())
		m.deliveries[id] = webhook.Delivery{ID: id, Endpoint: "one", State: webhook.Delivered}
	}
	r := webhook.Range{Endpoint: "one"}
	n, next, err := s.ReplayRange(t.Context(), r, 300, nil)
	if err != nil || n != 300 || next == "" {
		t.Fatalf("replayed %d, next %q, %v", n, next, err)
	}
	r.After = next
	var progress []int
	n, next, err = s.ReplayRange(t.Context(), r, 1000, func(n int) { progress = append(progress, n) })
	if err != nil || n != 300 || next != "" || len(progress) != 2 || progress[0] != 250 || progress[1] != 300 {
		t.Errorf("the rest: replayed %d, next %q, progress %v, %v", n, next, progress, err)
	}
	r.From, r.To = happened, happened.Add(-1)
	if _, _, err := s.ReplayRange(t.Context(), r, 10, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a range that ends before it begins: %v", err)
	}
}

func TestFeedKnowsItsCursors(t *testing.T) {
	m := newMemory()
	s := service(m, nil, &wording{messages: []webhook.Message{confirmed}})
	send(t, m, s, "Ea")
	send(t, m, s, "Eb")
	for after, want := range map[int64]int{0: 2, 1: 1, 2: 0} {
		if got, err := s.Feed(t.Context(), webhook.FeedFilter{Merchant: shop, After: after}); err != nil || len(got) != want {
			t.Errorf("after %d: %d entries, %v, want %d", after, len(got), err, want)
		}
	}
	_, err := s.Feed(t.Context(), webhook.FeedFilter{Merchant: shop, After: 3})
	if f := fault.From(err); f == nil || f.Code != "unknown_cursor" || f.Field != "after" {
		t.Errorf("after 3: %v", err)
	}
	m.forgotten = 2 // as if both were: whoever has read both has missed nothing
	for after, want := range map[int64]string{0: "", 1: "cursor_too_old", 2: ""} {
		_, err := s.Feed(t.Context(), webhook.FeedFilter{Merchant: shop, After: after})
		if code := fault.CodeOf(err); code != want {
			t.Errorf("after %d, of which two are forgotten: %v", after, err)
		}
	}
}
