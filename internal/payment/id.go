package payment

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewULID returns a ULID with 80 bits from the system's random source. A
// payment's id is the capability in its URL, so it must not be guessable from
// another one.
func NewULID(now time.Time) string {
	return ulid.MustNew(ulid.Timestamp(now), rand.Reader).String()
}

// NamedULID returns the same ULID for the same names. It is for things that must
// happen once, and is no secret. Its time part says nothing.
func NamedULID(names ...string) string {
	sum := sha256.New()
	for _, n := range names {
		// With its length, so that no two lists of names make the same bytes.
		_, _ = fmt.Fprintf(sum, "%d:%s", len(n), n) // a hash never fails
	}
	var u ulid.ULID
	copy(u[:], sum.Sum(nil))
	return u.String()
}

// ULIDTime is when a ULID of NewULID was made, to the millisecond; ok is false for other
// text. Of a NamedULID it means nothing.
func ULIDTime(text string) (at time.Time, ok bool) {
	u, err := ulid.ParseStrict(text)
	if err != nil {
		return time.Time{}, false
	}
	return u.Timestamp(), true
}

// shortID is how much of an id may be written where others read: its time and
// enough of its random part to find it again, far too little to guess the rest.
const shortID = 14

// Short is the id for logs and errors. The whole id opens the payment's page.
func (id ID) Short() string {
	if len(id) <= shortID {
		return string(id)
	}
	return string(id[:shortID]) + "…"
}

// LogValue implements slog.LogValuer.
func (id ID) LogValue() slog.Value { return slog.StringValue(id.Short()) }

// ParseID reads a ULID in any case; ok is false for anything else.
func ParseID(text string) (id ID, ok bool) {
	u, err := ulid.ParseStrict(text)
	if err != nil {
		return "", false
	}
	return ID(u.String()), true
}
