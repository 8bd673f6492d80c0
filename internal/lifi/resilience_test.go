package lifi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

// bubble runs a test with a client and a router whose clock is not real.
func bubble(t *testing.T, test func(t *testing.T, c *lifi.Client, r *lifitest.Router)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		router := lifitest.New(lifitest.Options{})
		client, err := lifi.NewClient(lifi.Config{Transport: lifitest.Transport{Router: router}})
		if err != nil {
			t.Fatal(err)
		}
		test(t, client, router)
	})
}

const (
	callsPath = "/v1/quote/contractCalls"
	swapPath  = "/v1/quote/toAmount"
)

func quote(t *testing.T, c *lifi.Client) error {
	t.Helper()
	_, err := c.Quote(t.Context(), intent(t, "USDC-arbitrum-one", "USDC-base"))
	return err
}

func TestAStumbleIsForgiven(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		for _, f := range []lifitest.Failure{{Status: 503, Times: 1}, {Status: 504, Code: lifi.CodeTimeout, Times: 1}, {Status: 500, Code: lifi.CodeServer, Times: 1}} {
			r.Behave(lifitest.Behaviour{Fail: f})
			before := r.Asked(callsPath)
			if err := quote(t, c); err != nil || r.Asked(callsPath)-before != 2 {
				t.Errorf("%+v: %v after %d questions", f, err, r.Asked(callsPath)-before)
			}
		}
		r.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 503, Times: 2}})
		if err := quote(t, c); kindOfFault(err) != fault.Unavailable {
			t.Errorf("twice: %v", err)
		}
	})
}

func TestTheCircuitOpensAndCloses(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		down := lifitest.Behaviour{Fail: lifitest.Failure{Status: 503}}
		r.Behave(down)
		for range 3 { // two questions each, the fifth failure opens it
			if !c.Available() {
				t.Fatal("opened too soon")
			}
			_ = quote(t, c)
		}
		asked := r.Asked(callsPath)
		if asked != 5 || c.Available() {
			t.Fatalf("%d questions, available: %t", asked, c.Available())
		}
		start := time.Now()
		if err := quote(t, c); kindOfFault(err) != fault.Unavailable || r.Asked(callsPath) != asked || time.Since(start) != 0 {
			t.Errorf("while open: %v, %d questions, %s", err, r.Asked(callsPath)-asked, time.Since(start))
		}

		// The rest doubles while the probe fails, up to five minutes.
		for _, rest := range []time.Duration{15, 30, 60, 120, 240, 300, 300} {
			time.Sleep(rest*time.Second - time.Millisecond)
			if c.Available() {
				t.Fatalf("available %s before its time", time.Millisecond)
			}
			time.Sleep(time.Millisecond)
			if !c.Available() {
				t.Fatalf("not available after %ds", rest)
			}
			before := r.Asked(callsPath)
			_ = quote(t, c)
			if n := r.Asked(callsPath) - before; n != 1 {
				t.Fatalf("%d probes after %ds", n, rest)
			}
		}
		time.Sleep(5 * time.Minute)
		r.Behave(lifitest.Behaviour{})
		if err := quote(t, c); err != nil {
			t.Errorf("after it came back: %v", err)
		}
		r.Behave(down)
		_ = quote(t, c)
		if !c.Available() {
			t.Error("old failures are counted after a success")
		}
	})
}

func TestOnlyOneProbe(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 503}})
		for range 3 {
			_ = quote(t, c)
		}
		time.Sleep(15 * time.Second)
		r.Behave(lifitest.Behaviour{Delay: time.Second})
		before := r.Asked(callsPath)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _ = quote(t, c) })
		}
		wg.Wait()
		if n := r.Asked(callsPath) - before; n != 1 {
			t.Errorf("%d probes at once", n)
		}
		if err := quote(t, c); err != nil {
			t.Error(err)
		}
	})
}

// A service that says no is there.
func TestRefusalsDoNotOpenTheCircuit(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{NoQuote: true})
		for range 20 {
			if err := quote(t, c); kindOfFault(err) != fault.NotFound {
				t.Fatal(err)
			}
		}
		if !c.Available() || r.Asked(callsPath) != 20 {
			t.Errorf("available: %t, %d questions", c.Available(), r.Asked(callsPath))
		}
	})
}

func TestLimitsOfTheServiceAreKept(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{Limit: lifitest.Limit{Requests: 3, Window: time.Hour}})
		for range 3 {
			if err := quote(t, c); err != nil {
				t.Fatal(err)
			}
		}
		asked := r.Asked(callsPath)
		err := quote(t, c)
		var e *lifi.Error
		if kindOfFault(err) != fault.Limited || !errors.As(err, &e) || e.RetryAfter != time.Hour || r.Asked(callsPath) != asked {
			t.Errorf("over the limit: %v, %+v, %d questions", err, e, r.Asked(callsPath)-asked)
		}
		if !c.Available() {
			t.Error("a limit opened the circuit")
		}
		time.Sleep(30 * time.Minute)
		if err := quote(t, c); !errors.As(err, &e) || e.RetryAfter != 30*time.Minute {
			t.Errorf("half an hour later: %v", err)
		}
		time.Sleep(30 * time.Minute)
		if err := quote(t, c); err != nil {
			t.Errorf("an hour later: %v", err)
		}
	})
}

// Somebody else uses the same key: the service says 429 before we know.
func TestTooManyIsBelieved(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 429, Code: lifi.CodeRateLimit, Times: 1}})
		err := quote(t, c)
		var e *lifi.Error
		if kindOfFault(err) != fault.Limited || !errors.As(err, &e) || e.RetryAfter != time.Minute || r.Asked(callsPath) != 1 {
			t.Errorf("%v, %+v, %d questions", err, e, r.Asked(callsPath))
		}
		if err := quote(t, c); kindOfFault(err) != fault.Limited || r.Asked(callsPath) != 1 {
			t.Errorf("at once: %v, %d questions", err, r.Asked(callsPath))
		}
		if _, err := c.Chains(t.Context()); err != nil { // another limit
			t.Errorf("chains: %v", err)
		}
		time.Sleep(time.Minute)
		if err := quote(t, c); err != nil {
			t.Errorf("a minute later: %v", err)
		}
	})
}

// What the headers say is how long to wait, in any of their spellings.
func TestHeadersOfLimitsAreRead(t *testing.T) {
	for _, c := range []struct {
		status int
		header map[string]string
		wait   time.Duration // until the next question is put; zero for at once
	}{
		{429, map[string]string{"ratelimit-reset": "90"}, 90 * time.Second},
		{429, map[string]string{"retry-after": "30"}, 30 * time.Second},
		{429, map[string]string{"ratelimit-reset": "90", "retry-after": "30"}, 90 * time.Second},
		{429, map[string]string{"ratelimit-reset": "0"}, time.Second},
		{429, map[string]string{"ratelimit-reset": "99999999"}, 2 * time.Hour}, // no window is longer
		{429, map[string]string{"retry-after": "soon"}, time.Minute},
		{429, map[string]string{"ratelimit-reset": strconv.FormatInt(now.Add(40*time.Second).Unix(), 10)}, 40 * time.Second},
		{200, map[string]string{"ratelimit-remaining": "0", "ratelimit-reset": "7200"}, 2 * time.Hour},
		{200, map[string]string{"ratelimit-remaining": "0"}, 0},
		{200, map[string]string{"ratelimit-remaining": "-1", "ratelimit-reset": "10"}, 0},
		{200, map[string]string{"ratelimit-remaining": "5", "ratelimit-reset": "10"}, 0},
	} {
		asked, at := 0, now
		client := answers(t, lifi.Config{Now: func() time.Time { return at }}, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			for name, value := range c.header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, `{"status":"PENDING"}`)
		})
		_, _ = client.Status(t.Context(), sent)
		at = at.Add(max(0, c.wait-time.Second))
		_, err := client.Status(t.Context(), sent)
		if c.wait > time.Second && (kindOfFault(err) != fault.Limited || asked != 1) {
			t.Errorf("%d %v: %v, %d questions a second before", c.status, c.header, err, asked)
		}
		at = at.Add(time.Second)
		before := asked
		if _, _ = client.Status(t.Context(), sent); asked != before+1 {
			t.Errorf("%d %v: not asked after %s", c.status, c.header, c.wait)
		}
	}
}

// Many at once use no more than there is.
func TestLimitHoldsForQuestionsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{Delay: time.Second, Limit: lifitest.Limit{Requests: 10, Window: time.Hour}})
		if err := quote(t, c); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() { _ = quote(t, c) })
		}
		wg.Wait()
		if n := r.Asked(callsPath); n != 10 {
			t.Errorf("%d questions, allowed are 10", n)
		}
	})
}

func TestStaticAnswersAreKept(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		ask := map[string]func() error{
			"/v1/chains": func() error { _, err := c.Chains(t.Context()); return err },
			"/v1/tools":  func() error { _, err := c.Tools(t.Context()); return err },
			"/v1/tokens": func() error { _, err := c.Tokens(t.Context(), asset.Base); return err },
		}
		life := map[string]time.Duration{"/v1/chains": time.Hour, "/v1/tools": time.Hour, "/v1/tokens": 10 * time.Minute}
		for path, ask := range ask {
			r.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: 503, Times: 2}})
			if err := ask(); kindOfFault(err) != fault.Unavailable {
				t.Errorf("%s: %v", path, err)
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if err := ask(); err != nil { // a failure is not kept
						t.Errorf("%s: %v", path, err)
					}
				})
			}
			wg.Wait()
			time.Sleep(life[path] - time.Second)
			if err := ask(); err != nil || r.Asked(path) != 3 {
				t.Errorf("%s: %v, %d questions", path, err, r.Asked(path))
			}
			time.Sleep(time.Second)
			if err := ask(); err != nil || r.Asked(path) != 4 {
				t.Errorf("%s: %v, %d questions after its life", path, err, r.Asked(path))
			}
		}
		if _, err := c.Tokens(t.Context(), asset.Mainnet); err != nil || r.Asked("/v1/tokens") != 5 {
			t.Errorf("another chain: %v", err)
		}
	})
}

// Who waits for somebody else's question may leave.
func TestWaitingForAnotherQuestionEnds(t *testing.T) {
	bubble(t, func(t *testing.T, c *lifi.Client, r *lifitest.Router) {
		r.Behave(lifitest.Behaviour{Delay: 10 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Tools(t.Context()) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Tools(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		wg.Wait()
	})
}
