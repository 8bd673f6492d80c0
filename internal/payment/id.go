package payment

import (
	"crypto/rand"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewULID returns a ULID with 80 bits from the system's random source. A
// payment's id is the capability in its URL, so it must not be guessable from
// another one.
func NewULID(now time.Time) string {
	return ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// ParseID reads a ULID in any case; ok is false for anything else.
func ParseID(text string) (id ID, ok bool) {
	u, err := ulid.ParseStrict(text)
	if err != nil {
		return "", false
	}
	return ID(u.String()), true
}
