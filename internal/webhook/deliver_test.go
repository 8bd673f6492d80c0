package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
)

// one sets up a delivery of confirmed to an endpoint and returns its job.
func one(t *testing.T, e merchant.Endpoint, client *http.Client) (*memory, *webhook.Service, job.Job) {
	t.Helper()
	m := newMemory(e)
	s := service(m, client, &wording{messages: []webhook.Message{confirmed}})
	if err := s.Relay(t.Context(), withEvent(m, "")); err != nil {
		t.Fatal(err)
	}
	return m, s, job.Job{Kind: webhook.DeliverKind, Args: m.only(t).ID}
}

func local() *http.Client { return waiting(time.Minute) }

// waiting is a client for receivers on this machine that gives one of them so long.
func waiting(most time.Duration) *http.Client {
	c := (&webhook.Guard{AllowLoopback: true}).Client()
	c.Timeout = most
	return c
}

// patient is local but for receivers that never come to an end, whose time is what the test takes.
func patient(name, words string) *http.Client {
	if strings.HasSuffix(name, "without end") || strings.HasPrefix(words, "no answer") {
		return waiting(2 * time.Second)
	}
	return local()
}

func TestDeliveryIsSignedAndArrivesOnce(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	e := endpoint("one", r.URL+"/hook?token=abc")
	e.Secret = secret
	m, s, j := one(t, e, local())
	for range 2 { // the second run is a job that outlived its own success
		if err := s.Deliver(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	d, got := m.only(t), r.Received()
	if len(got) != 1 {
		t.Fatalf("received %d times, want once", len(got))
	}
	if got[0].Problem != nil {
		t.Errorf("a careful receiver refuses it: %v", got[0].Problem)
	}
	if got[0].ID != d.ID || string(got[0].Body) != string(confirmed.Body) {
		t.Errorf("received %s %s", got[0].ID, got[0].Body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Quittance",
		"X-Request-Network-Delivery": d.ID, "X-Request-Network-Retry-Count": "0", "X-Request-Network-Test": "",
		"Accept-Encoding": "", "Content-Length": strconv.Itoa(len(confirmed.Body)),
	} {
		if v := got[0].Header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if d.State != webhook.Delivered || d.Attempts != 1 || d.Last.Status != 200 || d.Last.Error != "" || d.Last.Took <= 0 {
		t.Errorf("recorded %+v", d)
	}
}

func TestTestDeliveryIsMarked(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	e := endpoint("one", r.URL)
	e.Secret = secret
	s := service(newMemory(e), local(), &wording{})
	ds, err := s.Test(t.Context(), "request", confirmed, e)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), job.Job{Args: ds[0].ID}); err != nil {
		t.Fatal(err)
	}
	if got := r.Received(); len(got) != 1 || got[0].Problem != nil || got[0].Header.Get("X-Request-Network-Test") != "true" {
		t.Errorf("received %+v", got)
	}
}

// A process that dies between the call and its record, seen from the receiver.
func TestLostRecordMeansTheSameDeliveryAgain(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	e := endpoint("one", r.URL)
	e.Secret = secret
	m, s, j := one(t, e, local())
	m.failRecord = errors.New("the process died")
	if err := s.Deliver(t.Context(), j); err == nil {
		t.Fatal("a delivery that was not recorded must not end its job")
	}
	if d := m.only(t); d.State != webhook.Queued || d.Attempts != 0 {
		t.Fatalf("recorded %+v", d)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got := r.Received()
	if len(got) != 2 || got[0].ID != got[1].ID || string(got[0].Body) != string(got[1].Body) ||
		got[0].Header.Get("X-Request-Network-Retry-Count") != got[1].Header.Get("X-Request-Network-Retry-Count") {
		t.Errorf("received %+v", got)
	}
}

func TestReceiversThatMisbehave(t *testing.T) {
	for _, c := range []struct {
		name   string
		behave webhooktest.Behaviour
		state  webhook.DeliveryState
		status int
		words  string
	}{
		{"202", webhooktest.Answer(202), webhook.Delivered, 202, ""},
		{"299", webhooktest.Answer(299), webhook.Delivered, 299, ""},
		{"400", webhooktest.Answer(400), webhook.Queued, 400, "the receiver answered 400"},
		{"410", webhooktest.Answer(410), webhook.Queued, 410, "the receiver answered 410"},
		{"503", webhooktest.Answer(503), webhook.Queued, 503, "the receiver answered 503"},
		{"no answer", webhooktest.Stall(), webhook.Queued, 0, "no answer within 5 seconds"},
		{"200 and a body without end", webhooktest.StallBody(), webhook.Delivered, 200, ""},
		{"200 and a flood", webhooktest.Flood(200), webhook.Delivered, 200, ""},
		{"500 and a flood", webhooktest.Flood(500), webhook.Queued, 500, "the receiver answered 500"},
		{"header flood", webhooktest.FloodHeader(), webhook.Queued, 0, "exceeded"},
		{"reset", webhooktest.Reset(), webhook.Queued, 0, "connection reset"},
		{"a header that comes byte by byte", webhooktest.Drip(), webhook.Queued, 0, "no answer within 5 seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := webhooktest.New(t, webhook.NewSecret())
			r.Next(c.behave)
			m, s, j := one(t, endpoint("one", r.URL+"/?token=hush"), patient(c.name, c.words))
			err := s.Deliver(t.Context(), j)
			if (err == nil) != (c.state == webhook.Delivered) {
				t.Errorf("job ended with %v", err)
			}
			d := m.only(t)
			if d.State != c.state || d.Last.Status != c.status || !strings.Contains(d.Last.Error, c.words) || (c.words == "") != (d.Last.Error == "") {
				t.Errorf("recorded %s, %+v", d.State, d.Last)
			}
			if strings.Contains(d.Last.Error, "hush") {
				t.Errorf("the URL's token is in %q", d.Last.Error)
			}
			if len(r.Received()) != 1 {
				t.Errorf("called %d times", len(r.Received()))
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	victim := webhooktest.New(t, webhook.NewSecret())
	r := webhooktest.New(t, webhook.NewSecret())
	r.Next(webhooktest.Redirect(victim.URL))
	m, s, j := one(t, endpoint("one", r.URL), local())
	if err := s.Deliver(t.Context(), j); err == nil {
		t.Error("a redirect counted as success")
	}
	if d := m.only(t); d.Last.Status != 307 || d.Last.Error != "the receiver answered 307; redirects are not followed" {
		t.Errorf("recorded %+v", d.Last)
	}
	if n := len(victim.Received()); n != 0 {
		t.Errorf("the redirect's target was called %d times", n)
	}
}

func TestDeliveryToNowhereOrToInsideSaysTheSame(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	for _, c := range []struct {
		name    string
		url     string
		resolve func(context.Context, string) ([]netip.Addr, error)
	}{
		{"inside", "https://hooks.example.com" + port, answer("127.0.0.1")},
		{"one of several inside", "https://hooks.example.com" + port, answer("93.184.216.34", "10.0.0.1")},
		{"nowhere", "https://hooks.example.com" + port, func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") }},
		{"no address", "https://hooks.example.com" + port, answer()},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := webhook.Guard{Resolve: c.resolve, Roots: r.Roots()}
			m, s, j := one(t, endpoint("one", c.url), g.Client())
			if err := s.Deliver(t.Context(), j); err == nil {
				t.Error("delivered")
			}
			if got := m.only(t).Last.Error; got != "the host has no public address" {
				t.Errorf("recorded %q", got)
			}
		})
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

func TestTestStopsAfterTheDocumentedRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: scripted(func(*http.Request) (int, error) { return 0, io.ErrUnexpectedEOF })}
		e := endpoint("one", "https://hooks.example.com/")
		m := newMemory(e)
		s := service(m, client, &wording{})
		ds, err := s.Test(t.Context(), "request", confirmed, e)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if made := until(t.Context(), m, s, ds[0].ID); made != 4 || time.Since(start) != 21*time.Second {
			t.Errorf("%d attempts in %s, want 4 in 21s", made, time.Since(start))
		}
	})
}

func TestSlowReceiverIsLeftAfterFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: scripted(func(r *http.Request) (int, error) {
			<-r.Context().Done()
			return 0, r.Context().Err()
		})}
		m, s, j := one(t, endpoint("one", "https://hooks.example.com/"), client)
		if err := s.Deliver(t.Context(), j); err == nil {
			t.Error("delivered")
		}
		if a := m.only(t).Last; a.Took != webhook.Timeout || a.Error != "no answer within 5 seconds" {
			t.Errorf("recorded %+v", a)
		}
	})
}

func TestDeliverBeforeItsTimeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := &http.Client{Transport: scripted(func(*http.Request) (int, error) { calls++; return 500, nil })}
		m, s, j := one(t, endpoint("one", "https://hooks.example.com/"), client)
		for range 3 { // two jobs of one delivery, and one too many
			if err := s.Deliver(t.Context(), j); err == nil {
				t.Error("the job ended")
			}
		}
		if d := m.only(t); calls != 1 || d.Attempts != 1 {
			t.Errorf("%d calls, %d attempts, want 1", calls, d.Attempts)
		}
	})
}

// A replay in the middle of a try is due at once, whatever becomes of that try.
func TestReplayDuringATry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *webhook.Service
		var j job.Job
		replay := true
		client := &http.Client{Transport: scripted(func(req *http.Request) (int, error) {
			if replay {
				replay = false
				time.Sleep(time.Second)
				return 500, s.Replay(req.Context(), j.Args)
			}
			return 200, nil
		})}
		var m *memory
		m, s, j = one(t, endpoint("one", "https://hooks.example.com/"), client)
		if err := s.Deliver(t.Context(), j); err == nil {
			t.Error("the job ended although there is to be another try")
		}
		if d := m.only(t); d.Attempts != 1 || d.State != webhook.Queued || d.NextAt.After(time.Now()) {
			t.Errorf("after the try: %+v", d)
		}
		if err := s.Deliver(t.Context(), j); err != nil {
			t.Errorf("the replay: %v", err)
		}
		if d := m.only(t); d.State != webhook.Delivered {
			t.Errorf("after the replay: %+v", d)
		}
	})
}

func TestStoppingIsNotTheReceiversFailure(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	ctx, cancel := context.WithCancel(t.Context())
	r.Next(func(w http.ResponseWriter, req *http.Request) {
		cancel()
		webhooktest.Stall()(w, req)
	})
	m, s, j := one(t, endpoint("one", r.URL), local())
	if err := s.Deliver(ctx, j); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled context", err)
	}
	if d := m.only(t); d.Attempts != 0 || d.State != webhook.Queued {
		t.Errorf("recorded %+v", d)
	}
}

func TestSuccessIsRecordedWhileStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: scripted(func(*http.Request) (int, error) { cancel(); return 200, nil })}
	m, s, j := one(t, endpoint("one", "https://hooks.example.com/"), client)
	if err := s.Deliver(ctx, j); err != nil {
		t.Fatal(err)
	}
	if d := m.only(t); d.State != webhook.Delivered {
		t.Errorf("recorded %+v", d)
	}
}

func TestDeliveryEndsWithItsEndpoint(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	for name, end := range map[string]func(m *memory){
		"switched off": func(m *memory) { m.endpoints[0].Active = false },
		"deleted":      func(m *memory) { m.endpoints = nil },
	} {
		t.Run(name, func(t *testing.T) {
			m, s, j := one(t, endpoint("one", r.URL), local())
			end(m)
			if err := s.Deliver(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if d := m.only(t); d.State != webhook.Exhausted || d.Last.Error != "the endpoint is switched off or deleted" {
				t.Errorf("recorded %+v", d)
			}
		})
	}
	t.Run("the delivery itself is gone", func(t *testing.T) {
		if err := service(newMemory(), local(), &wording{}).Deliver(t.Context(), job.Job{Args: "gone"}); err != nil {
			t.Error(err)
		}
	})
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

func TestEndpointThatCannotBeSignedFor(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	for _, secret := range []string{"", "plain text", "whsec_", "whsec_%%%", "whsec_c2hvcnQ="} {
		e := endpoint("one", r.URL)
		e.Secret = secret
		m, s, j := one(t, e, local())
		if err := s.Deliver(t.Context(), j); err == nil {
			t.Errorf("secret %q: delivered", secret)
		}
		if got := m.only(t).Last.Error; !strings.HasPrefix(got, "the endpoint's secret") || (len(secret) > 6 && strings.Contains(got, secret[6:])) {
			t.Errorf("secret %q: recorded %q", secret, got)
		}
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times without a signature", n)
	}
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	m := newMemory(endpoint("a", "https://a.example.com/"), endpoint("b", "https://b.example.com/"))
	second := webhook.Message{Event: "payment.confirmed.checkout", Body: []byte(`{}`)}
	s := service(m, nil, &wording{messages: []webhook.Message{confirmed, second}})
	if err := s.Relay(t.Context(), withEvent(m, "")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.all() {
		got = append(got, d.Event+">"+d.Endpoint)
	}
	want := []string{"payment.confirmed>a", "payment.confirmed>b", "payment.confirmed.checkout>a", "payment.confirmed.checkout>b"}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestReplay(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	e := endpoint("one", r.URL)
	e.Secret = secret
	m, s, j := one(t, e, local())
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if err := s.Replay(t.Context(), j.Args); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got := r.Received()
	if len(got) != 2 || got[0].ID != got[1].ID || string(got[0].Body) != string(got[1].Body) || got[1].Problem != nil {
		t.Errorf("received %+v", got)
	}
	if d := m.only(t); d.Attempts != 2 || d.State != webhook.Delivered {
		t.Errorf("recorded %+v", d)
	}
	if err := s.Replay(t.Context(), "gone"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v, want NotFound", err)
	}
}
