package app_test

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/faultproxytest"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// scrapeWithin is how long Prometheus waits for a scrape if nobody says otherwise.
const scrapeWithin = 10 * time.Second

// Numbers are wanted most when the database hangs: a scrape waits for it for a second, and
// tells the rest.
func TestNumbersAreToldWhileTheDatabaseHangs(t *testing.T) {
	dsn, err := url.Parse(pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	wire := faultproxytest.NewWire(t, dsn.Host)
	dsn.Host = wire.Addr()
	w := webtest.NewWith(t, webtest.Options{Admin: true, Database: dsn.String()})
	before := scrape(t, w)
	if before.sum("database_up") != 1 {
		t.Fatal("the database is not there from the start")
	}
	wire.Freeze()
	defer wire.Thaw()
	for i := range 3 {
		begun := time.Now()
		n := scrape(t, w)
		if took := time.Since(begun); took > scrapeWithin {
			t.Errorf("scrape %d took %v", i, took)
		}
		if n.sum("scanner_caught_up", "chain=base") != before.sum("scanner_caught_up", "chain=base") || n["go_goroutines"] == nil || n["quittance_database_connections_open"] == nil {
			t.Errorf("scrape %d leaves out what needs no database", i)
		}
	}
	w.Await("a database that does not answer to be told", func() bool { return scrape(t, w).sum("database_up") == 0 })
	wire.Thaw()
	w.Await("a database that answers to be told", func() bool { return scrape(t, w).sum("database_up") == 1 })
}

// roots are the names from each span of a name up to what its trace began with.
func (c *collector) roots(name string) (all []string) {
	c.mu.Lock()
	spans := slices.Clone(c.spans)
	c.mu.Unlock()
	for i, s := range spans {
		if s.Name == name {
			one := collector{spans: slices.Concat(spans[i:i+1], spans[:i], spans[i+1:])}
			all = append(all, strings.Join(one.above(name), " < "))
		}
	}
	return all
}

// Money that is found on a chain begins a trace, and the webhook that tells of it ends it.
func TestOneTraceLeadsFromTheChainToTheWebhook(t *testing.T) {
	var seen collector
	receiver := httptest.NewServer(&seen)
	t.Cleanup(receiver.Close)
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	w := webtest.NewWith(t, webtest.Options{Tracing: &app.TracingSetup{Endpoint: receiver.URL + "/v1/traces", Sample: 1}})
	w.AddEndpoint(r.URL, secret)
	token := w.CreatePayment("12.34")
	tx := w.PayOnChain(w.Chain.Wallet, token, 12_340_000)
	w.Chain.Mine(1 + webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	r.Wait(t, 1)
	w.Stop() // sends what is left
	all := seen.roots("webhook attempt")
	if !slices.ContainsFunc(all, func(s string) bool {
		return s == "webhook attempt < job webhook.deliver < job webhook.relay < chain sweep" ||
			s == "webhook attempt < job webhook.deliver < job webhook.relay < chain finality"
	}) {
		t.Errorf("no trace leads from the chain to a webhook:\n%s", strings.Join(all, "\n"))
	}
	for _, s := range seen.spans {
		for _, a := range s.Attributes {
			for _, tells := range []string{token, tx, w.APIKey} {
				if strings.Contains(a.String(), tells) {
					t.Errorf("the trace tells %s", tells)
				}
			}
		}
	}
}
