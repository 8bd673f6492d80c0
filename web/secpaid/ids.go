package secpaid

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"quittance/internal/payment"
	"quittance/web"
)

// Links' ids are whole numbers, as documented, that JSON parsers of all languages keep
// exactly. They are drawn, not counted: an id is the only credential of a link's page, and
// tells nothing of other links. One of 8·10^15.
const (
	minLink = 1_000_000_000_000_000
	maxLink = 1<<53 - 1
)

// newLink draws an id. Whoever stores it draws another one should it be taken.
func newLink() int64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
		if id := int64(binary.BigEndian.Uint64(b[:]) >> 11); id >= minLink {
			return id
		}
	}
}

// linkID is an id as it stands in a link's address: the padded base64 of its digits.
func linkID(id int64) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.FormatInt(id, 10)))
}

// parseLinkID reads what linkID wrote, with or without its padding, which mail programs
// lose. Any id of the documented form is read, also one that this server would not draw.
func parseLinkID(text string) (int64, bool) {
	if len(text) > 32 {
		return 0, false
	}
	digits, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return 0, false
	}
	id, ok := parseLink(string(digits))
	return id, ok && strings.TrimRight(linkID(id), "=") == strings.TrimRight(text, "=")
}

// parseLink reads an id's digits.
func parseLink(text string) (int64, bool) {
	id, err := strconv.ParseInt(text, 10, 64)
	return id, err == nil && id > 0 && id <= maxLink && strconv.FormatInt(id, 10) == text
}

// space is the namespace of merchants' ids in this API: a UUID that was drawn for it.
var space = [16]byte{0x3e, 0x91, 0x5c, 0x07, 0xd2, 0x4a, 0x4b, 0x86, 0xb1, 0x63, 0x7f, 0x20, 0xc8, 0x55, 0x9d, 0xe4}

// userID names a merchant: a UUID that follows from the own id, never changes and does not
// tell it. No token has its form.
func userID(m payment.MerchantID) string { return web.NamedUUID(space, string(m)) }
