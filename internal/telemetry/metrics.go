package telemetry

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The bounds of histograms, in seconds.
var (
	// An answer takes under a millisecond, and at most as long as it may.
	answerBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}
	// What is waited for: blocks, finality, receivers that are down for days.
	lagBounds = []float64{.05, .1, .25, .5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600}
)

// Metrics are the server's numbers. They are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec   // route, method, class
	took      *prometheus.HistogramVec // route, method
	limited   *prometheus.CounterVec   // route
	created   *prometheus.CounterVec   // dialect, chain
	settled   *prometheus.CounterVec   // dialect, rail, chain, oddity
	ended     *prometheus.CounterVec   // dialect, state
	events    *prometheus.CounterVec   // dialect, kind
	detected  *prometheus.HistogramVec // chain, rail
	confirmed *prometheus.HistogramVec // chain, rail
	attempts  *prometheus.CounterVec   // dialect, outcome
	first     *prometheus.HistogramVec // dialect
	delivered *prometheus.HistogramVec // dialect
	runs      *prometheus.CounterVec   // kind, outcome
	ran       *prometheus.HistogramVec // kind
	spans     *prometheus.CounterVec   // outcome
}

// Build is which program runs.
type Build struct{ Version, Revision string }

// New returns numbers of their own, with those of the Go runtime and the process.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "quittance_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "quittance_" + name, Help: help, Buckets: bounds}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.requests = counter("http_requests_total", "Requests that were answered.", "route", "method", "class")
	m.took = histogram("http_request_duration_seconds", "How long answers took, but for streams.", answerBounds, "route", "method")
	m.limited = counter("http_rate_limited_total", "Requests that were refused because there were too many.", "route")
	m.created = counter("payments_created_total", "Payments that were made; chain is the network of what is due, none if that is chosen later.", "dialect", "chain")
	m.settled = counter("payments_settled_total", "Payments that were paid for good, by what paid the last of it.", "dialect", "rail", "chain", "oddity")
	m.ended = counter("payments_ended_total", "Payments that ended without being paid.", "dialect", "state")
	m.events = counter("payment_events_total", "What happened to payments.", "dialect", "kind")
	m.detected = histogram("detection_lag_seconds", "From the time of a block to a payment in it being stored.", lagBounds, "chain", "rail")
	m.confirmed = histogram("confirmation_lag_seconds", "From the time of a block to a payment in it being stored as final.", lagBounds, "chain", "rail")
	m.attempts = counter("webhook_attempts_total", "Attempts at webhook deliveries; given_up is a last attempt that failed.", "dialect", "outcome")
	m.first = histogram("webhook_first_attempt_lag_seconds", "From an event to the end of the first attempt to deliver it.", lagBounds, "dialect")
	m.delivered = histogram("webhook_delivery_lag_seconds", "From an event to its delivery.", lagBounds, "dialect")
	m.runs = counter("job_runs_total", "Runs of background jobs.", "kind", "outcome")
	m.ran = histogram("job_duration_seconds", "How long runs of background jobs took.", answerBounds, "kind")
	m.spans = counter("trace_spans_total", "Spans handed to the collector; lost ones were refused by it or did not reach it.", "outcome")
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "quittance_build_info", Help: "Which program runs; always 1."}, []string{"version", "revision", "go_version"})
	build.WithLabelValues(b.Version, b.Revision, runtime.Version()).Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers with all numbers in Prometheus' text format. What cannot be read
// at the moment is left out.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

// Request counts an answer. route is the pattern of the route, "" if there is none
// for the address. Streams count without their time.
func (m *Metrics) Request(route, method string, status int, stream bool, took time.Duration) {
	if route == "" {
		route = "none"
	}
	method = known(method)
	m.requests.WithLabelValues(route, method, class(status)).Inc()
	if !stream {
		m.took.WithLabelValues(route, method).Observe(took.Seconds())
	}
	if status == http.StatusTooManyRequests {
		m.limited.WithLabelValues(route).Inc()
	}
}

// known is a method that HTTP has, and one word for all that callers make up.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func class(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[status/100-1]
}

// PaymentCreated counts a new payment.
func (m *Metrics) PaymentCreated(dialect, chain string) {
	m.created.WithLabelValues(dialect, chain).Inc()
}

// PaymentSettled counts a payment that was paid for good.
func (m *Metrics) PaymentSettled(dialect, rail, chain, oddity string) {
	m.settled.WithLabelValues(dialect, rail, chain, oddity).Inc()
}

// PaymentEnded counts a payment that ended in another state.
func (m *Metrics) PaymentEnded(dialect, state string) { m.ended.WithLabelValues(dialect, state).Inc() }

// Event counts what happened to a payment.
func (m *Metrics) Event(dialect, kind string) { m.events.WithLabelValues(dialect, kind).Inc() }

// Detected counts how long after its block a payment was stored.
func (m *Metrics) Detected(chain, rail string, lag time.Duration) {
	m.detected.WithLabelValues(chain, rail).Observe(positive(lag))
}

// Confirmed counts how long after its block a payment was final.
func (m *Metrics) Confirmed(chain, rail string, lag time.Duration) {
	m.confirmed.WithLabelValues(chain, rail).Observe(positive(lag))
}

// Attempted counts an attempt at a delivery. lag is the time since the event, which
// counts for the first attempt and for the one that arrived.
func (m *Metrics) Attempted(dialect, outcome string, first, arrived bool, lag time.Duration) {
	m.attempts.WithLabelValues(dialect, outcome).Inc()
	if first {
		m.first.WithLabelValues(dialect).Observe(positive(lag))
	}
	if arrived {
		m.delivered.WithLabelValues(dialect).Observe(positive(lag))
	}
}

// Job counts a run of a background job.
func (m *Metrics) Job(kind, outcome string, took time.Duration) {
	m.runs.WithLabelValues(kind, outcome).Inc()
	m.ran.WithLabelValues(kind).Observe(took.Seconds())
}

// positive is a lag in seconds: a block's time may be ahead of our clock.
func positive(lag time.Duration) float64 { return max(lag, 0).Seconds() }
