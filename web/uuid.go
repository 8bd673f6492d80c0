package web

import (
	"crypto/rand"
	"crypto/sha1" // RFC 9562 names UUIDs of version 5 by it: no secret hangs on it
	"encoding/hex"
)

// NewUUID draws a UUID of version 4 (RFC 9562).
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	return uuid(b, 4)
}

// NamedUUID is the UUID of version 5 (RFC 9562) of a name, and does not tell it. Two
// namespaces, UUIDs that were drawn for it, have none in common.
func NamedUUID(namespace [16]byte, name string) string {
	h := sha1.New()
	h.Write(namespace[:])
	h.Write([]byte(name))
	return uuid([16]byte(h.Sum(nil)[:16]), 5)
}

func uuid(b [16]byte, version byte) string {
	b[6] = b[6]&0x0f | version<<4
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// IsUUID reports whether a text is a UUID as they are written here, in small letters.
func IsUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
