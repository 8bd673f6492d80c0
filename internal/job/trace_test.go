package job_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"quittance/internal/job"
	"quittance/internal/span"
)

func TestARunFollowsFromWhatEnqueuedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := tracetest.NewSpanRecorder()
		tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(seen)).Tracer(span.Scope)
		q := newMemory()
		_, asked := tracer.Start(t.Context(), "request")
		q.put(job.Job{ID: "follows", Kind: "known", Trace: "00-" + asked.SpanContext().TraceID().String() + "-" + asked.SpanContext().SpanID().String() + "-01"})
		q.put(job.Job{ID: "broken", Kind: "somebody's secret", Trace: "not a trace"})

		var mu sync.Mutex
		ran := map[job.Run]int{}
		work(t, job.Config{Queue: q, Tracer: tracer, Handlers: map[string]job.Handler{
			"known": func(context.Context, job.Job) error { time.Sleep(time.Second); return nil },
		}, Ran: func(r job.Run) { mu.Lock(); defer mu.Unlock(); ran[r]++ }, MaxAttempts: 1}, 10*time.Second)

		if ran[job.Run{Kind: "known", Outcome: job.Done, Took: time.Second}] != 1 || ran[job.Run{Kind: "unknown", Outcome: job.GivenUp}] != 1 || len(ran) != 2 {
			t.Errorf("ran: %v", ran)
		}
		names := map[string]sdk.ReadOnlySpan{}
		for _, s := range seen.Ended() {
			names[s.Name()] = s
		}
		if s := names["job known"]; s == nil || s.Parent().SpanID() != asked.SpanContext().SpanID() {
			t.Errorf("the run does not follow from the request: %v", names)
		}
		if s := names["job unknown"]; s == nil || s.Parent().IsValid() || s.Status().Description != "failed" {
			t.Errorf("the run of an unknown kind: %v", names)
		}
	})
}

func TestEveryOutcomeIsTold(t *testing.T) {
	for want, outcome := range map[job.Outcome]error{
		job.Done: nil, job.Failed: errors.New("no"), job.GivenUp: job.Cancel(errors.New("never")), job.Snoozed: job.Snooze(time.Now().Add(1000*time.Hour), "later"),
	} {
		synctest.Test(t, func(t *testing.T) {
			told := make(chan job.Run, 100)
			work(t, job.Config{Queue: newMemory("kind"), Handlers: map[string]job.Handler{"kind": func(context.Context, job.Job) error { return outcome }},
				Ran: func(r job.Run) { told <- r }}, 100*time.Millisecond)
			if got := <-told; got.Outcome != want {
				t.Errorf("%v is told as %q", outcome, got.Outcome)
			}
		})
	}
}
