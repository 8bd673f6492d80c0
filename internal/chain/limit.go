package chain

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// bucket is how often an endpoint may be asked: so many questions a second, and as many
// at once as a second has. A batch that is longer than what is left may go, and is paid
// for by those after it. A bucket of zero has no limit.
type bucket struct {
	perSecond float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

// take charges n questions, or says how long it takes until the next may be asked.
func (b *bucket) take(now time.Time, n int) (wait time.Duration, ok bool) {
	if b.perSecond <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	burst := max(1, b.perSecond)
	if b.at.IsZero() {
		b.left = burst
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left = min(burst, b.left+passed*b.perSecond)
	}
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / b.perSecond * float64(time.Second)), false
	}
	b.left -= float64(n)
	return 0, true
}

// spentError is an endpoint that was asked as often as it may be, by our own count.
type spentError struct{ wait time.Duration }

func (e *spentError) Error() string {
	return fmt.Sprintf("it was asked as often as configured; the next question may go in %s", e.wait.Round(time.Millisecond))
}

func (e *spentError) Is(target error) bool { return target == errNotAsked }

// maxLimitWait bounds how long a question waits where every endpoint is at its limit.
const maxLimitWait = 2 * time.Second

// spent is how long to wait until one of the endpoints that failed may be asked, ok is
// false if that was the reason of none, or too long.
func spent(failures []error) (wait time.Duration, ok bool) {
	for _, err := range failures {
		if s, is := errors.AsType[*spentError](err); is && (!ok || s.wait < wait) {
			wait, ok = s.wait, true
		}
	}
	return wait, ok && wait <= maxLimitWait
}
