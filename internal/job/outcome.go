package job

import (
	"errors"
	"fmt"
	"time"
)

// snoozed asks to be run again at a time of the handler's choice.
type snoozed struct {
	at  time.Time
	why string
}

func (s *snoozed) Error() string {
	return fmt.Sprintf("snoozed until %s: %s", s.at.Format(time.RFC3339), s.why)
}

// canceled asks not to be run again.
type canceled struct{ cause error }

func (c *canceled) Error() string { return "cancelled: " + c.cause.Error() }
func (c *canceled) Unwrap() error { return c.cause }

// Snooze is what a handler returns to be run again at a time of its own choice;
// why is kept for people. It is no failure.
func Snooze(at time.Time, why string) error { return &snoozed{at, why} }

// Cancel is what a handler returns when running again cannot help. The job is
// kept for people to look at, with the cause's text.
func Cancel(cause error) error { return &canceled{cause} }

// snoozedUntil finds a Snooze in err's chain.
func snoozedUntil(err error) (at time.Time, why string, ok bool) {
	s, ok := errors.AsType[*snoozed](err)
	if !ok {
		return time.Time{}, "", false
	}
	return s.at, s.why, true
}

// isCanceled reports whether a Cancel is in err's chain.
func isCanceled(err error) bool {
	_, ok := errors.AsType[*canceled](err)
	return ok
}
