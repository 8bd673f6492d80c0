package lifi

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// family is a group of endpoints that share a limit.
type family string

const (
	quotes  family = "quotes"
	restamp family = "stepTransaction"
	others  family = "others"
)

// limiter keeps one bucket of tokens for each family, filled by the service's
// own ratelimit-* headers. Until there were any, nothing is limited.
type limiter struct {
	mu      sync.Mutex
	buckets map[family]*bucket
}

type bucket struct {
	tokens   int
	until    time.Time // when the bucket is full again, and this one forgotten
	underway int       // taken, and not yet answered
}

// take uses one token, or returns how long there will be none.
func (l *limiter) take(f family, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buckets == nil {
		l.buckets = map[family]*bucket{}
	}
	b := l.buckets[f]
	if b == nil {
		b = &bucket{}
		l.buckets[f] = b
	}
	if now.Before(b.until) {
		if b.tokens <= 0 {
			return b.until.Sub(now)
		}
		b.tokens--
	}
	b.underway++
	return 0
}

// done ends a question that take let through, answered or not.
func (l *limiter) done(f family) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets[f].underway--
}

// note fills the bucket with what an answer to take's question says, and
// returns how long to wait if it says that there is nothing left.
func (l *limiter) note(f family, now time.Time, status int, h http.Header) time.Duration {
	remaining, hasRemaining := number(h, "Ratelimit-Remaining")
	reset, hasReset := number(h, "Ratelimit-Reset")
	after, hasAfter := number(h, "Retry-After")
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[f]
	if status == http.StatusTooManyRequests {
		wait := time.Minute // nothing said
		switch {
		case hasReset:
			wait = seconds(reset, now)
		case hasAfter:
			wait = seconds(after, now)
		}
		b.tokens, b.until = 0, now.Add(max(wait, time.Second))
		return b.until.Sub(now)
	}
	if !hasRemaining || !hasReset {
		return 0
	}
	// Answers overtake each other: within one window the smaller number is the
	// newer one, and what is still under way is not counted yet.
	until := now.Add(seconds(reset, now))
	left := int(min(remaining, 1<<30)) - (b.underway - 1)
	if now.Before(b.until) && until.Sub(b.until).Abs() < 2*time.Second {
		left = min(left, b.tokens)
	}
	b.tokens, b.until = left, until
	return 0
}

// maxWindow bounds what a header can make us wait; LI.FI's windows are two hours.
const maxWindow = 2 * time.Hour

// seconds reads a delay, or a Unix time in place of one.
func seconds(v int64, now time.Time) time.Duration {
	if v > 1e9 {
		v -= now.Unix()
	}
	return min(time.Duration(min(max(v, 0), 1<<30))*time.Second, maxWindow)
}

func number(h http.Header, name string) (int64, bool) {
	v, err := strconv.ParseInt(strings.TrimSpace(h.Get(name)), 10, 64)
	return v, err == nil && v >= 0
}
