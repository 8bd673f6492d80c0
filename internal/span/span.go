// Package span marks stretches of work for traces: a request, a job, a write. A
// stretch begun inside another belongs to it, and its identity can be written down
// with a job, so that what the job does later belongs to the same trace. It knows
// OpenTelemetry's interfaces alone. It must not know where traces go, and nothing
// it is told may say who pays whom: no id of a payment, key, URL or address.
package span

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Scope names whose spans these are.
const Scope = "quittance"

// Begin begins a stretch inside the context's one; without one that is recorded it
// does nothing, at the cost of a look into the context. The caller ends it with
// what became of it.
func Begin(ctx context.Context, name string, about ...attribute.KeyValue) (context.Context, func(error)) {
	outer := trace.SpanFromContext(ctx)
	if !outer.IsRecording() {
		return ctx, nothing
	}
	return begun(ctx, outer.TracerProvider().Tracer(Scope), name, trace.WithAttributes(about...))
}

// Root begins a stretch that nobody asked for from outside, or that the context's
// remote one led to. tracer is nil where nothing is traced.
func Root(ctx context.Context, tracer trace.Tracer, name string, about ...attribute.KeyValue) (context.Context, func(error)) {
	if tracer == nil {
		return ctx, nothing
	}
	return begun(ctx, tracer, name, trace.WithAttributes(about...))
}

func begun(ctx context.Context, tracer trace.Tracer, name string, options ...trace.SpanStartOption) (context.Context, func(error)) {
	ctx, s := tracer.Start(ctx, name, options...)
	if !s.IsRecording() {
		return ctx, nothing
	}
	return ctx, func(err error) {
		if err != nil {
			// Without its text, which may name what must not leave the house.
			s.SetStatus(codes.Error, "failed")
		}
		s.End()
	}
}

func nothing(error) {}

// header is the name under which W3C's Trace Context has the identity.
const header = "traceparent"

var format propagation.TraceContext

// Parent writes down the identity of the context's stretch, as W3C's traceparent;
// "" if there is none.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	format.Inject(ctx, carrier)
	return carrier[header]
}

// Under puts what begins in the context under a stretch that was written down; text
// that is no traceparent changes nothing.
func Under(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return format.Extract(ctx, propagation.MapCarrier{header: parent})
}
