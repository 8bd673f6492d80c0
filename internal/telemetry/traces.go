package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"quittance/internal/span"
)

const (
	queued     = 4096            // spans that wait for the collector; what comes then is dropped
	batched    = 512             // spans in one call
	everySpans = 2 * time.Second // how long spans wait for others
	collected  = 5 * time.Second // how long the collector may take for one call
	flushed    = 2 * time.Second // how long a stop waits for it
	complaints = time.Minute     // between two warnings about it
)

// TraceConfig says where spans go.
type TraceConfig struct {
	Endpoint string            // of an OTLP/HTTP collector, "http://127.0.0.1:4318/v1/traces"
	Headers  map[string]string // sent with every call; they may hold a key
	Sample   float64           // the share of traces that are kept, 0 to 1; a caller's decision that is believed goes before it
	Build    Build
	Log      *slog.Logger
}

// Traces gathers spans and sends them to a collector, in batches. It never makes
// anybody wait: what the collector does not take is lost, and counted.
type Traces struct {
	provider *sdk.TracerProvider
	exporter *exporter
}

// NewTraces connects to nothing yet. m counts what became of spans.
func NewTraces(c TraceConfig, m *Metrics) *Traces {
	x := &exporter{SpanExporter: otlptrace.NewUnstarted(newCollector(c.Endpoint, c.Headers)), log: c.Log, metrics: m}
	return &Traces{exporter: x, provider: sdk.NewTracerProvider(
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.Sample))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", span.Scope), attribute.String("service.version", c.Build.Version))),
		sdk.WithBatcher(x, sdk.WithMaxQueueSize(queued), sdk.WithMaxExportBatchSize(batched), sdk.WithBatchTimeout(everySpans), sdk.WithExportTimeout(collected)),
	)}
}

// Tracer begins spans; nil of nil Traces.
func (t *Traces) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.provider.Tracer(span.Scope)
}

// Close sends what is left, for two seconds at most.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushed)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.exporter.complain(ctx, err)
	}
}

// exporter counts and says what became of spans. It keeps errors from the
// library, which would print them wherever it likes.
type exporter struct {
	sdk.SpanExporter
	log     *slog.Logger
	metrics *Metrics

	mu   sync.Mutex
	said time.Time
}

// ExportSpans implements trace.SpanExporter.
func (x *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := x.SpanExporter.ExportSpans(ctx, spans)
	outcome := "sent"
	if err != nil {
		outcome = "lost"
		x.complain(ctx, err)
	}
	x.metrics.spans.WithLabelValues(outcome).Add(float64(len(spans)))
	return nil
}

// complain warns of a collector that does not take spans, and not too often.
func (x *exporter) complain(ctx context.Context, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if time.Since(x.said) < complaints {
		return
	}
	x.said = time.Now()
	x.log.WarnContext(ctx, "the collector does not take traces", "err", err)
}
