// Package job runs durable background work: a job is a row that is as durable
// as the change that enqueued it, claimed by one worker at a time, retried until
// it succeeds, is given up or is cancelled. It knows nothing of what jobs do.
package job

import (
	"context"
	"time"
)

// Job is one piece of work.
type Job struct {
	ID   string // ULID
	Kind string // selects the handler: "webhook.relay"
	Args string // what the handler needs, usually an id
	// Lane names jobs of which only some run at the same time, so that they hold
	// up each other and nobody else; "" for jobs that never wait for one another.
	Lane    string
	RunAt   time.Time
	Attempt int    // 1 on the first run
	Trace   string // of what enqueued it, a W3C traceparent; "" for none
}

// Buried is a job that was given up, and what its last run said.
type Buried struct {
	Job
	Why string
}

// Enqueuer adds jobs inside a transaction: they exist if and only if it
// commits. The store's transactions implement it.
type Enqueuer interface {
	// Enqueue stores a job of the given Kind, Args, Lane and RunAt. An empty ID is
	// filled in, and so is Trace from the context; Attempt is not looked at.
	Enqueue(ctx context.Context, j Job) error
}

// Room is how many jobs a claim may take.
type Room struct {
	Free    int // jobs without a lane
	Laned   int // jobs with one, of all lanes together
	PerLane int // jobs of one lane, those leased already by any worker included
}

// Queue keeps jobs. Enqueueing happens inside the caller's own transaction and
// is therefore not part of this interface.
type Queue interface {
	// Claim leases jobs that are due, as many as there is room for: of those
	// without a lane the oldest; of the others first those with the fewest of their
	// lane before them, leased ones included, and among these the oldest. A job
	// whose lease ran out without an answer is due again.
	Claim(ctx context.Context, now time.Time, lease time.Duration, room Room) ([]Job, error)
	// Renew has claims last until a later time, of those jobs that still are in the
	// given Attempt, and returns the ids of these.
	Renew(ctx context.Context, claimed []Job, until time.Time) (kept []string, err error)
	// Done removes a finished job.
	Done(ctx context.Context, id string) error
	// Again makes a claimed job due at a later time; why is kept for people.
	Again(ctx context.Context, id string, at time.Time, why string) error
	// Snooze is Again for a job that did not fail: its attempts count from the
	// start again.
	Snooze(ctx context.Context, id string, at time.Time, why string) error
	// Bury keeps a job that will not be tried again, for people to look at.
	Bury(ctx context.Context, id string, why string) error
}

// Handler does a job. nil means done; an error from Snooze or Cancel says what
// to do instead; any other error is retried with back-off.
type Handler func(ctx context.Context, j Job) error
