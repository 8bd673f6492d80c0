package app

import (
	"context"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/config"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/span"
	"quittance/internal/store"
	"quittance/internal/telemetry"
	"quittance/internal/webhook"
	"quittance/web"
)

// TracingSetup says where traces go.
type TracingSetup struct {
	Endpoint string
	Headers  map[string]string
	Sample   float64
}

// watch is what those who run the server see of it: what the parts tell is counted
// here, and asked for there.
type watch struct {
	metrics *telemetry.Metrics
	traces  *telemetry.Traces // nil if nothing is traced
	book    *asset.Book
	level   *slog.LevelVar // of the log; nil if it cannot be changed
	backlog backlog
	alive   alive

	kinds     []string        // of jobs
	sponsored []asset.ChainID // where payers' gas is paid for
}

func newWatch(s Setup) *watch {
	build := built()
	w := &watch{metrics: telemetry.New(build), level: s.LogLevel, book: s.Book}
	if s.Gasless != nil {
		w.sponsored = slices.Sorted(maps.Keys(s.Gasless.Chains))
	}
	if t := s.Tracing; t != nil {
		w.traces = telemetry.NewTraces(telemetry.TraceConfig{Endpoint: t.Endpoint, Headers: t.Headers, Sample: t.Sample, Build: build, Log: s.Log}, w.metrics)
	}
	return w
}

// close sends what is left of traces, and waits for looks at the database.
func (w *watch) close() {
	w.traces.Close()
	w.backlog.looks.Wait()
}

// built is which program this is.
func built() telemetry.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return telemetry.Build{Version: "unknown", Revision: "unknown"}
	}
	b := telemetry.Build{Version: info.Main.Version, Revision: "unknown"}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}

// realTracing is the configured collector; nil for none.
func realTracing(c config.Tracing) *TracingSetup {
	if !c.On() {
		return nil
	}
	t := &TracingSetup{Endpoint: c.Endpoint, Headers: map[string]string{}, Sample: c.Sample}
	for name, value := range c.Headers {
		t.Headers[name] = string(value)
	}
	return t
}

// served counts a request.
func (w *watch) served(x web.Served) {
	w.metrics.Request(x.Route, x.Method, x.Status, x.Stream, x.Took)
}

// ran counts a run of a job.
func (w *watch) ran(r job.Run) { w.metrics.Job(r.Kind, string(r.Outcome), r.Took) }

// attempts are the words for what an attempt left of a delivery.
var attempts = map[webhook.DeliveryState]string{webhook.Queued: "failed", webhook.Delivered: "delivered", webhook.Exhausted: "given_up"}

// tried counts an attempt at a delivery.
func (w *watch) tried(x webhook.Tried) {
	w.metrics.Attempted(x.Dialect, attempts[x.Left], x.First, x.Left == webhook.Delivered, x.Lag)
}

// committed counts what happened to payments.
func (w *watch) committed(told []store.Told) {
	settled := map[payment.ID]bool{}
	for _, t := range told {
		e := t.Event
		w.metrics.Event(e.Dialect, string(e.Kind))
		switch e.Kind {
		case payment.EventCreated:
			if t.Created != nil {
				w.metrics.PaymentCreated(e.Dialect, w.networkOf(t.Created))
			}
		case payment.EventExpired, payment.EventCanceled, payment.EventFailed:
			w.metrics.PaymentEnded(e.Dialect, string(e.Kind))
		}
		x := e.Transfer
		if x == nil {
			continue
		}
		network, onChain := w.network(x.Evidence.Chain), x.Evidence.Chain != 0
		switch {
		case !onChain: // a bank's day has no lag
		case e.Kind == payment.EventSeen:
			w.metrics.Detected(network, x.Rail, e.At.Sub(x.At))
		case x.Stage == payment.Final:
			w.metrics.Confirmed(network, x.Rail, e.At.Sub(x.At))
		}
		if e.Kind == payment.EventPaid && e.Fields[payment.FieldState] == string(payment.Paid) && !settled[e.Payment] {
			settled[e.Payment] = true
			w.metrics.PaymentSettled(e.Dialect, x.Rail, network, string(t.Oddity))
		}
	}
}

// networkOf is where a new payment is due, "none" if that is chosen later.
func (w *watch) networkOf(p *payment.Payment) string {
	r := p.Terms.Requests[0]
	if t, ok := w.book.Token(r.Asset); ok {
		return w.network(t.Chain)
	}
	return w.network(r.Chain)
}

// network is a chain's name, "none" for no chain.
func (w *watch) network(id asset.ChainID) string {
	if c, ok := w.book.Chain(id); ok {
		return c.Network
	}
	return "none"
}

// tracedNode makes each batch of questions to a chain a stretch of its trace.
type tracedNode struct {
	chain.Batcher
	network string
}

// Batch implements chain.Batcher.
func (n tracedNode) Batch(ctx context.Context, calls []chain.Call) ([]chain.Result, error) {
	ctx, end := span.Begin(ctx, "chain call", attribute.String("chain", n.network), attribute.Int("calls", len(calls)))
	rs, err := n.Batcher.Batch(ctx, calls)
	end(err)
	return rs, err
}

// tracer begins traces; nil if nothing is traced.
func (w *watch) tracer() trace.Tracer { return w.traces.Tracer() }

// alive asks the database whether it answers: once for all who ask at about the same
// time, so that whoever asks often, or many at once, costs no more than one.
type alive struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

const (
	aliveFor    = time.Second     // how long an answer is given again
	aliveWithin = 2 * time.Second // how long the database may take for one
)

func (a *alive) ping(ctx context.Context, db *store.Store) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.at) < aliveFor {
		return a.err
	}
	// Who asked first may hang up; the others still want to know.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aliveWithin)
	defer cancel()
	a.err = db.Ping(ctx)
	a.at = time.Now()
	return a.err
}
