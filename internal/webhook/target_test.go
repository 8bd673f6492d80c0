package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
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

// paid and called are what a dialect with endpoints of its own says of one payment.
func paid(urls ...string) webhook.Message {
	m := webhook.Message{Event: "link.success", Body: confirmed.Body, To: []webhook.Target{}}
	for _, u := range urls {
		m.To = append(m.To, webhook.Target{Endpoint: u})
	}
	return m
}

func called(urls ...string) webhook.Message {
	m := webhook.Message{Event: "link.callback", To: []webhook.Target{}, Quiet: true}
	for _, u := range urls {
		m.To = append(m.To, webhook.Target{Endpoint: u, Get: u + "?status=success"})
	}
	return m
}

func TestTargetsAreReachedAndNobodyElse(t *testing.T) {
	const a, b = "https://a.example.com/hook", "https://b.example.com/hook"
	stranger := endpoint("stranger", a)
	stranger.Merchant, stranger.Dialect = "01JOTHER", "request"
	elsewhere := endpoint("elsewhere", a)
	elsewhere.Dialect = "morse"
	for _, c := range []struct {
		name     string
		messages []webhook.Message
		want     []string
		feed     []string
	}{
		{"two endpoints", []webhook.Message{paid(a, b)}, []string{"POST link.success>" + a, "POST link.success>" + b}, []string{"link.success"}},
		{"one endpoint twice", []webhook.Message{paid(a, b, a)}, []string{"POST link.success>" + a, "POST link.success>" + b}, []string{"link.success"}},
		{"nobody", []webhook.Message{paid()}, nil, []string{"link.success"}},
		{"nobody, quietly", []webhook.Message{called()}, nil, nil},
		{"the same URL is told and asked", []webhook.Message{paid(a), called(a, b)},
			[]string{"POST link.success>" + a, "GET link.callback>" + a, "GET link.callback>" + b}, []string{"link.success"}},
		{"and the merchant's own", []webhook.Message{paid(a), confirmed}, []string{"POST link.success>" + a, "POST payment.confirmed>https://shop.example.com/"},
			[]string{"link.success", "payment.confirmed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			own := endpoint("own-b", b)
			own.Dialect = "request"
			m := newMemory(endpoint("shop", "https://shop.example.com/"), stranger, elsewhere, own)
			s := service(m, nil, &wording{messages: c.messages})
			j := withEvent(m, "")
			for range 2 { // done again, it changes nothing
				if err := s.Relay(t.Context(), j); err != nil {
					t.Fatal(err)
				}
			}
			var got, feed []string
			for _, d := range m.all() {
				i := slices.IndexFunc(m.endpoints, func(e merchant.Endpoint) bool { return e.ID == d.Endpoint })
				e := m.endpoints[i]
				method, body := "POST", string(confirmed.Body)
				if d.Get != "" {
					method, body = "GET", ""
				}
				got = append(got, method+" "+d.Event+">"+e.URL)
				if e.Merchant != shop || (e.Dialect == "request") != (d.Event != "payment.confirmed") || string(d.Body) != body ||
					d.EventID != "E1" || d.Payment != "P1" || d.Dialect != "request" || d.State != webhook.Queued || d.NextAt.IsZero() {
					t.Errorf("delivery %+v to %+v", d, e)
				}
			}
			for _, e := range m.entries {
				feed = append(feed, e.Event)
			}
			if !slices.Equal(got, c.want) || !slices.Equal(feed, c.feed) {
				t.Errorf("deliveries %q, want %q; feed %q, want %q", got, c.want, feed, c.feed)
			}
		})
	}
}

func TestOneEndpointInTwoWaysIsRefused(t *testing.T) {
	m := newMemory()
	two := called("https://a.example.com/")
	two.To = append(two.To, webhook.Target{Endpoint: "https://a.example.com/"})
	err := service(m, nil, &wording{messages: []webhook.Message{two}}).Relay(t.Context(), withEvent(m, ""))
	if err == nil || !strings.Contains(err.Error(), "in two ways") || len(m.deliveries) != 0 || len(m.entries) != 0 {
		t.Errorf("got %v, %d deliveries", err, len(m.deliveries))
	}
}

// However many URLs links name, the jobs of a merchant have a few lanes, a host one.
func TestTargetsShareLanes(t *testing.T) {
	m := newMemory()
	var urls []string
	for i := range 200 {
		urls = append(urls, fmt.Sprintf("https://h%d.example.com/", i), fmt.Sprintf("https://one.example.com:8443/%d", i))
	}
	if err := service(m, nil, &wording{messages: []webhook.Message{paid(urls...), called(urls...)}}).Relay(t.Context(), withEvent(m, "")); err != nil {
		t.Fatal(err)
	}
	used, ofOne := map[string]bool{}, map[string]bool{}
	for _, d := range m.all() {
		i := slices.IndexFunc(m.endpoints, func(e merchant.Endpoint) bool { return e.ID == d.Endpoint })
		used[m.lanes[d.ID]] = true
		if strings.Contains(m.endpoints[i].URL, "//one.") {
			ofOne[m.lanes[d.ID]] = true
		}
	}
	if len(m.deliveries) != 800 || len(used) != 8 || len(ofOne) != 1 {
		t.Errorf("%d deliveries in %d lanes, those of one host in %d", len(m.deliveries), len(used), len(ofOne))
	}
	for l := range used {
		if !strings.HasPrefix(l, string(shop)+"/request/") {
			t.Errorf("lane %q", l)
		}
	}
}

// asks sets up a delivery that asks for a URL of an endpoint, and returns its job.
func asks(t *testing.T, named string, client *http.Client) (*memory, *webhook.Service, job.Job) {
	t.Helper()
	m := newMemory()
	m.links = "not a secret that anything could be signed with"
	s := service(m, client, &wording{messages: []webhook.Message{called(named)}})
	if err := s.Relay(t.Context(), withEvent(m, "")); err != nil {
		t.Fatal(err)
	}
	return m, s, job.Job{Kind: webhook.DeliverKind, Args: m.only(t).ID}
}

func TestPostToATargetIsSignedByTheLinksSecret(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	m := newMemory()
	m.links = secret
	s := service(m, local(), &wording{messages: []webhook.Message{paid(r.URL + "/hook")}})
	if err := s.Relay(t.Context(), withEvent(m, "")); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), job.Job{Args: m.only(t).ID}); err != nil {
		t.Fatal(err)
	}
	got := r.Received()
	if len(got) != 1 || got[0].Problem != nil || got[0].Method != http.MethodPost || got[0].Header.Get("Content-Type") != "application/json" || string(got[0].Body) != string(confirmed.Body) {
		t.Errorf("received %+v", got)
	}
}

func TestGetSaysNothingButItsURL(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	m, s, j := asks(t, r.URL+"/done", local())
	m.failRecord = errors.New("the server dies before it has recorded it")
	if err := s.Deliver(t.Context(), j); err == nil {
		t.Fatal("nothing was recorded, and nobody complains")
	}
	for range 2 { // once more, and not again
		if err := s.Deliver(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	got := r.Received()
	if len(got) != 2 || got[0].ID != j.Args || got[1].ID != j.Args {
		t.Fatalf("received %+v", got)
	}
	for _, g := range got {
		if g.Method != http.MethodGet || g.URL != "/done?status=success" || len(g.Body) != 0 || g.Timestamp == "" || g.Header.Get("User-Agent") != "Quittance" {
			t.Errorf("received %+v", g)
		}
		for name := range g.Header {
			if strings.Contains(strings.ToLower(name), "signature") || name == "Content-Type" || name == "Content-Length" || strings.HasPrefix(name, "X-Request") || name == "Referer" {
				t.Errorf("header %s: %q", name, g.Header.Get(name))
			}
		}
	}
	if d := m.only(t); d.State != webhook.Delivered || d.Last.Status != 200 {
		t.Errorf("ends as %+v", d)
	}
}

func TestGetFromReceiversThatMisbehave(t *testing.T) {
	victim := webhooktest.New(t, webhook.NewSecret())
	for _, c := range []struct {
		name   string
		behave webhooktest.Behaviour
		state  webhook.DeliveryState
		status int
		words  string
	}{
		{"204", webhooktest.Answer(204), webhook.Delivered, 204, ""},
		{"a redirect", webhooktest.Redirect(victim.URL), webhook.Delivered, 307, ""},
		{"a redirect to no URL", webhooktest.Redirect(":"), webhook.Queued, 0, "Location"},
		{"304", webhooktest.Answer(304), webhook.Delivered, 304, ""},
		{"404", webhooktest.Answer(404), webhook.Queued, 404, "the receiver answered 404"},
		{"500 and a flood", webhooktest.Flood(500), webhook.Queued, 500, "the receiver answered 500"},
		{"200 and a flood", webhooktest.Flood(200), webhook.Delivered, 200, ""},
		{"200 and a body without end", webhooktest.StallBody(), webhook.Delivered, 200, ""},
		{"no answer", webhooktest.Stall(), webhook.Queued, 0, "no answer within 5 seconds"},
		{"header flood", webhooktest.FloodHeader(), webhook.Queued, 0, "exceeded"},
		{"a header that comes byte by byte", webhooktest.Drip(), webhook.Queued, 0, "no answer within 5 seconds"},
		{"reset", webhooktest.Reset(), webhook.Queued, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := webhooktest.New(t, webhook.NewSecret())
			r.Next(c.behave, c.behave) // a GET on a broken connection may be sent twice by the client itself
			m, s, j := asks(t, r.URL+"/hush", patient(c.name, c.words))
			err := s.Deliver(t.Context(), j)
			if (err == nil) != (c.state == webhook.Delivered) {
				t.Errorf("job ended with %v", err)
			}
			d := m.only(t)
			if d.State != c.state || d.Last.Status != c.status || !strings.Contains(d.Last.Error, c.words) || (c.state == webhook.Delivered) != (d.Last.Error == "") {
				t.Errorf("recorded %s, %+v", d.State, d.Last)
			}
			if strings.Contains(d.Last.Error, "hush") || strings.Contains(d.Last.Error, "status=") {
				t.Errorf("the URL is in %q", d.Last.Error)
			}
		})
	}
	if n := len(victim.Received()); n != 0 {
		t.Errorf("the redirect's target was called %d times", n)
	}
}

func TestGetsAreGuardedAsPostsAre(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	inside := webhook.Guard{Roots: r.Roots(), Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	for url, want := range map[string]string{
		"https://hooks.example.com" + port:       "the host has no public address",
		r.URL:                                    "its host is not a public address",
		"http://hooks.example.com/":              "it must start with https://",
		"https://u:p@hooks.example.com/":         "it must not hold a user name or password",
		"https://hooks.example.com:22/":          "its port must be 443 or between 1024 and 65535",
		"https://169.254.169.254/latest/":        "its host is not a public address",
		"https://hooks.example.com/\x7f":         "the URL is not valid",
		"file:///etc/passwd":                     "it is not a complete URL",
		"https://hooks.example.com/" + tooLong(): "it is longer than 2560 characters",
	} {
		m, s, j := asks(t, url, inside.Client())
		if err := s.Deliver(t.Context(), j); err == nil {
			t.Errorf("%s: delivered", url)
		}
		if got := m.only(t).Last.Error; !strings.Contains(got, want) {
			t.Errorf("%s: recorded %q", url, got)
		}
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

func tooLong() string { return strings.Repeat("x", 2560) }

// The longest URL that can be named is asked for with what a dialect adds to it.
func TestTheLongestURLIsAskedFor(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	longest := r.URL + "/" + strings.Repeat("x", 2047-len(r.URL))
	if err := (&webhook.Guard{AllowLoopback: true}).Check(longest + "x"); !fault.Is(err, fault.Invalid) {
		t.Errorf("one more can be registered: %v", err)
	}
	if err := (&webhook.Guard{AllowLoopback: true}).Check(longest); err != nil {
		t.Fatal(err)
	}
	_, s, j := asks(t, longest, local())
	if err := s.Deliver(t.Context(), j); err != nil || len(r.Received()) != 1 {
		t.Errorf("%v, called %d times", err, len(r.Received()))
	}
}

func TestGetIsReplayed(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	r.Next(webhooktest.Answer(500))
	m, s, j := asks(t, r.URL, local())
	if err := s.Deliver(t.Context(), j); err == nil {
		t.Fatal("delivered")
	}
	if err := s.Replay(t.Context(), j.Args); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	n, next, err := s.ReplayRange(t.Context(), webhook.Range{Endpoint: m.only(t).Endpoint}, 10, nil)
	if n != 1 || next != "" || err != nil {
		t.Fatalf("replayed %d, next %q, %v", n, next, err)
	}
	if err := s.Deliver(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got := r.Received()
	if len(got) != 3 || got[0].ID != got[2].ID || got[0].URL != got[2].URL || got[2].Method != http.MethodGet {
		t.Errorf("received %+v", got)
	}
	ds, err := s.List(t.Context(), webhook.Filter{Merchant: shop})
	if err != nil || len(ds) != 1 || ds[0].Get != r.URL+"?status=success" || ds[0].Attempts != 3 {
		t.Errorf("listed %+v, %v", ds, err)
	}
}

// silent is a dialect without a word for endpoints that are switched off.
type silent struct{ wording }

func (*silent) Disabled(merchant.Endpoint) (webhook.Message, error) { return webhook.Message{}, nil }

func TestTargetThatOnlyFailsIsSwitchedOffWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 500
		client := &http.Client{Transport: scripted(func(*http.Request) (int, error) { return status, nil })}
		m := newMemory(endpoint("shop", "https://shop.example.com/"))
		s := webhook.New(webhook.Config{
			Store: m, Guard: &webhook.Guard{}, Client: client, Log: quiet(),
			Encoders: map[string]webhook.Encoder{"request": &silent{wording{messages: []webhook.Message{paid("https://a.example.com/")}}}},
		})
		for day := range 6 {
			send(t, m, s, "E"+string(rune('a'+day)))
			run(t, m, s, 24*time.Hour)
		}
		e := m.endpoints[1]
		if e.Active || e.DisabledAt.IsZero() || e.Dialect != "request" {
			t.Fatalf("after six days: %+v", e)
		}
		if !m.endpoints[0].Active || len(m.entries) != 6 {
			t.Errorf("the merchant's own: %+v, feed of %d", m.endpoints[0], len(m.entries))
		}
		for _, d := range m.all() {
			if d.Endpoint != e.ID || d.Event != "link.success" || d.State != webhook.Exhausted {
				t.Errorf("left %+v", d)
			}
		}
		// A link that names it again switches it on again.
		status = 200
		send(t, m, s, "Ez")
		run(t, m, s, time.Hour)
		all := m.all()
		if last := all[len(all)-1]; last.State != webhook.Delivered || !m.endpoints[1].Active || len(m.endpoints) != 2 {
			t.Errorf("named again: %+v, %+v", last, m.endpoints)
		}
	})
}

func TestEndpointsOfADialectAreNobodysToKeep(t *testing.T) {
	own := endpoint("own", "https://a.example.com/")
	own.Dialect = "links"
	m := newMemory(own, endpoint("shop", "https://shop.example.com/"))
	s := service(m, nil, &wording{})
	if _, err := s.Endpoint(t.Context(), shop, "own"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a dialect's: %v", err)
	}
	if e, err := s.Endpoint(t.Context(), shop, "shop"); err != nil || e.ID != "shop" {
		t.Errorf("the merchant's: %+v, %v", e, err)
	}
	// The URL can be registered for all else.
	if e, err := s.Register(t.Context(), shop, own.URL, ""); err != nil || e.Dialect != "" || e.ID == own.ID {
		t.Errorf("registered %+v, %v", e, err)
	}
}
