package app_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"quittance/internal/app"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// ask puts a question to the admin listener.
func ask(t *testing.T, w *webtest.World, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.Admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// numbers are a scrape, read as Prometheus reads it.
type numbers map[string]*dto.MetricFamily

func scrape(t *testing.T, w *webtest.World) numbers {
	t.Helper()
	status, text := ask(t, w, http.MethodGet, "/metrics", "")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || status != http.StatusOK {
		t.Fatalf("scrape: %d, %v", status, err)
	}
	return families
}

// sum adds up the series of a name that have the labels ("name=value"): the values of
// counters and gauges, the counts of histograms.
func (n numbers) sum(name string, labels ...string) (total float64) {
	for _, m := range n["quittance_"+name].GetMetric() {
		var has []string
		for _, l := range m.Label {
			has = append(has, l.GetName()+"="+l.GetValue())
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
			continue
		}
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return total
}

func TestAScrapeTellsWhatHappened(t *testing.T) {
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	w := webtest.NewWith(t, webtest.Options{Admin: true, Routing: true, Gasless: &webtest.Gasless{}})
	w.AddEndpoint(r.URL, secret)
	token := w.CreatePayment("12.34")
	w.PayOnChain(w.Chain.Wallet, token, 12_340_001)
	w.Chain.Mine(1)
	w.AwaitState(token, payment.Seen)
	w.Chain.Mine(webtest.Confirmations)
	w.AwaitState(token, payment.Paid)
	for i := range 50 {
		w.Get(fmt.Sprintf("/nowhere/%d", i))
	}
	var n numbers
	w.Await("the webhook to be counted", func() bool {
		n = scrape(t, w)
		return n.sum("webhook_attempts_total", "outcome=delivered") > 0 && n.sum("job_runs_total", "kind=webhook.deliver", "outcome=done") > 0
	})
	for what, ok := range map[string]bool{
		"the payment was made":    n.sum("payments_created_total", "dialect=request", "chain=base") == 1,
		"the payment was settled": n.sum("payments_settled_total", "dialect=request", "chain=base", "oddity=over") == 1,
		"it was detected":         n.sum("detection_lag_seconds", "chain=base") == 1,
		"it was confirmed":        n.sum("confirmation_lag_seconds", "chain=base") == 1,
		"its creation's request":  n.sum("http_requests_total", "route=/v2/secure-payments", "method=POST", "class=2xx") == 1,
		"its time":                n.sum("http_request_duration_seconds", "route=/v2/secure-payments", "method=POST") == 1,
		"the webhook's lag":       n.sum("webhook_first_attempt_lag_seconds") > 0 && n.sum("webhook_delivery_lag_seconds") > 0,
		"the scanner":             n.sum("scanner_state", "chain=base", "state=following") == 1 && n.sum("scanner_head_block", "chain=base") > 3,
		"questions to the chain":  n.sum("rpc_requests_total", "chain=base") > 3 && n.sum("rpc_endpoint_state", "chain=base", "state=good") == 1,
		"the leases":              n.sum("lease_held") == 6, // two chains, what expires, what is kept, what is archived, what is packed
		"the database":            n.sum("database_up") == 1 && n.sum("database_connections_open") > 0,
		"the services":            n.sum("service_available", "service=routes") == 1 && n.sum("gas_offered") > 0,
		"the runtime":             n["go_goroutines"] != nil && n["process_open_fds"] != nil && n.sum("build_info") == 1,
	} {
		if !ok {
			t.Errorf("the numbers do not tell: %s", what)
		}
	}
	text := fmt.Sprint(n)
	for _, tells := range []string{token, w.APIKey, w.Chain.Address(), string(w.Merchant), r.URL, "nowhere"} {
		if strings.Contains(text, tells) {
			t.Errorf("the numbers tell %s", tells)
		}
	}
	everyNameIsThere(t, n)
}

// What people look at and are woken by uses names that a server has.
func everyNameIsThere(t *testing.T, n numbers) {
	t.Helper()
	name := regexp.MustCompile(`\b(quittance|go|process)_[a-z0-9_]+`)
	for _, file := range []string{"grafana.json", "alerts.yaml"} {
		text, err := os.ReadFile("../../docs/deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, used := range name.FindAllString(string(text), -1) {
			family := used
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				if base, cut := strings.CutSuffix(used, suffix); cut && n[base].GetType() == dto.MetricType_HISTOGRAM {
					family = base
				}
			}
			seen[family] = true
			if n[family] == nil && !slices.Contains(rare, family) {
				t.Errorf("%s uses %s, which no server has", file, used)
			}
		}
		if len(seen) < 8 {
			t.Errorf("%s uses %d names: this test reads it wrongly", file, len(seen))
		}
	}
}

// rare are numbers that are there once they are more than nothing.
var rare = []string{"quittance_http_rate_limited_total", "quittance_trace_spans_total", "quittance_payments_ended_total"}

func TestThePublicTellsNothingOfIt(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Admin: true})
	for _, path := range []string{"/metrics", "/log-level", "/debug/pprof/", "/debug/pprof/heap"} {
		if r := w.Get(path); r.Status != http.StatusNotFound {
			t.Errorf("%s is answered with %d in public", path, r.Status)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 404,
		"/log-level": 404, "/checkout/x": 404, "/": 404} {
		if status, text := ask(t, w, http.MethodGet, path, ""); status != want {
			t.Errorf("%s: %d, want %d: %.100s", path, status, want, text)
		}
	}
}

func TestTheLogsLevelChangesAtRunTime(t *testing.T) {
	var level slog.LevelVar
	var log lines
	w := webtest.NewWith(t, webtest.Options{Admin: true, LogLevel: &level, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: &level}))})
	said := func() bool { w.Get("/healthz"); return strings.Contains(log.String(), "route=/healthz") }
	if said() {
		t.Error("a debug line was logged from the start")
	}
	for _, step := range []struct {
		body   string
		status int
		level  string
	}{{"debug", 200, "debug"}, {"nonsense", 400, "debug"}, {strings.Repeat("x", 10_000), 400, "debug"}, {" WARN\n", 200, "warn"}} {
		if status, _ := ask(t, w, http.MethodPut, "/log-level", step.body); status != step.status {
			t.Errorf("%.20q: status %d", step.body, status)
		}
		if _, got := ask(t, w, http.MethodGet, "/log-level", ""); got != step.level+"\n" {
			t.Errorf("after %.20q the level is %q", step.body, got)
		}
		if step.level == "debug" && !said() {
			t.Error("the level has no effect")
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.Admin+"/log-level", strings.NewReader("debug"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusForbidden || level.Level() != slog.LevelWarn {
		t.Errorf("a page of another site changed the level: %d", res.StatusCode)
	}
}

// lines is a log that several write and one reads.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// collector keeps the spans it is sent.
type collector struct {
	mu    sync.Mutex
	spans []*tracepb.Span
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent tracepb.TracesData
	if err != nil || proto.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range sent.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
}

// above are the names of a span and of all it belongs to, the innermost first.
func (c *collector) above(name string) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.spans, func(s *tracepb.Span) bool { return s.Name == name })
	for i >= 0 {
		s := c.spans[i]
		names = append(names, s.Name)
		i = slices.IndexFunc(c.spans, func(o *tracepb.Span) bool {
			return string(o.SpanId) == string(s.ParentSpanId) && string(o.TraceId) == string(s.TraceId)
		})
	}
	return names
}

func TestOneTraceLeadsFromTheRequestToTheWebhook(t *testing.T) {
	var seen collector
	receiver := httptest.NewServer(&seen)
	t.Cleanup(receiver.Close)
	secret := webhook.NewSecret()
	r := webhooktest.New(t, secret)
	w := webtest.NewWith(t, webtest.Options{
		Deposits: &webtest.Deposits{}, Tracing: &app.TracingSetup{Endpoint: receiver.URL + "/v1/traces", Sample: 1},
	})
	w.AddEndpoint(r.URL, secret)
	w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments",
		`{"orderId":"order_123","amount":100,"currency":"USD","redirectUrl":"https://merchant.example.com/checkout/success"}`,
		"Idempotency-Key: order_123").Want(http.StatusCreated)
	hooks := r.Wait(t, 1)
	if got := hooks[0].Header.Get("Traceparent"); got != "" {
		t.Errorf("the receiver is told of the trace: %s", got)
	}
	w.Stop() // sends what is left
	want := "webhook attempt < job webhook.deliver < job webhook.relay < POST /v1/external/secretkey-auth/payments"
	if got := strings.Join(seen.above("webhook attempt"), " < "); got != want {
		t.Errorf("the trace is\n%s, want\n%s", got, want)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	text := fmt.Sprint(seen.spans)
	for _, tells := range []string{"order_123", w.SpacePayKey, r.URL, "127.0.0.1", string(w.Merchant)} {
		if strings.Contains(text, tells) {
			t.Errorf("the trace tells %s", tells)
		}
	}
}
