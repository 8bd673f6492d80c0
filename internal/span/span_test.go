package span_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"quittance/internal/span"
)

func TestAJobLaterBelongsToTheSameTrace(t *testing.T) {
	seen := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(seen)).Tracer(span.Scope)

	ctx, endRequest := span.Root(t.Context(), tracer, "request")
	inner, endWrite := span.Begin(ctx, "write")
	kept := span.Parent(inner)
	endWrite(nil)
	endRequest(nil)

	later, endJob := span.Root(span.Under(context.Background(), kept), tracer, "job")
	_, endCall := span.Begin(later, "call")
	endCall(errors.New("0x1234 did not answer"))
	endJob(nil)

	of := map[string]sdk.ReadOnlySpan{}
	for _, s := range seen.Ended() {
		of[s.Name()] = s
	}
	if len(of) != 4 {
		t.Fatalf("%d spans", len(of))
	}
	for name, s := range of {
		if s.SpanContext().TraceID() != of["request"].SpanContext().TraceID() {
			t.Errorf("%s is in another trace", name)
		}
	}
	if of["job"].Parent().SpanID() != of["write"].SpanContext().SpanID() {
		t.Error("the job does not follow from the write")
	}
	if d := of["call"].Status().Description; strings.Contains(d, "0x") || d == "" {
		t.Errorf("the failed call says %q", d)
	}
}

func TestWithoutTracesNothingIsWrittenDown(t *testing.T) {
	ctx, end := span.Root(t.Context(), nil, "request")
	ctx, endInner := span.Begin(ctx, "write")
	if got := span.Parent(ctx); got != "" {
		t.Errorf("parent %q", got)
	}
	endInner(nil)
	end(nil)
	for _, text := range []string{"", "nonsense", "00-zz-zz-00", strings.Repeat("0", 500)} {
		if got := span.Parent(span.Under(t.Context(), text)); got != "" {
			t.Errorf("%q was taken for %q", text, got)
		}
	}
}

func BenchmarkBeginUntraced(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_, end := span.Begin(ctx, "write")
		end(nil)
	}
}
