package carry

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"unicode/utf8"
)

// row is the values of a table's columns: string, int64, bool, []byte or nil.
type row []any

// The marks of values. A row's bytes are the same whichever engine it comes from.
const (
	markNull  = 0
	markText  = 1 // its length and its bytes follow
	markInt   = 2 // a signed varint follows
	markFalse = 3
	markTrue  = 4
	markBytes = 5 // as of a text
)

// marked are the kinds of columns that marks belong to.
var marked = map[byte]kind{markText: text, markInt: integer, markFalse: boolean, markTrue: boolean, markBytes: bytea}

// conform turns what a driver returns into what a column's kind says. SQLite keeps
// whatever was put into a column, so its word is not taken for it.
func conform(k kind, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		if k == text {
			return v, nil
		}
		if k == bytea {
			return []byte(v), nil
		}
	case []byte:
		if k == bytea && v == nil {
			return []byte{}, nil // it is empty; the next driver would take it for null
		}
		if k == bytea {
			return v, nil
		}
		if k == text {
			return string(v), nil
		}
	case int64:
		if k == integer {
			return v, nil
		}
		if k == boolean && (v == 0 || v == 1) {
			return v == 1, nil
		}
	case bool:
		if k == boolean {
			return v, nil
		}
	}
	return nil, fmt.Errorf("holds a %T where %s belongs", v, k)
}

// conformed conforms a whole row in place.
func (t table) conformed(r row) error {
	for i, c := range t.Columns {
		v, err := conform(c.Kind, r[i])
		if err != nil {
			return fmt.Errorf("%s: column %s %w", t.named(r), c.Name, err)
		}
		r[i] = v
	}
	return nil
}

// named says which row it is, for people.
func (t table) named(r row) string {
	parts := make([]string, len(t.Key))
	for i, at := range t.Key {
		parts[i] = fmt.Sprintf("%s = %.80q", t.Columns[at].Name, fmt.Sprint(r[at]))
	}
	return fmt.Sprintf("table %s, row %s", t.Name, strings.Join(parts, ", "))
}

// fits reports what PostgreSQL would not take: it has no zero bytes in texts, and no
// texts that are not UTF-8.
func (t table) fits(r row) error {
	for i, c := range t.Columns {
		s, ok := r[i].(string)
		switch {
		case !ok:
		case strings.IndexByte(s, 0) >= 0:
			return fmt.Errorf("%s: column %s holds a zero byte, which PostgreSQL has no place for; correct it and try again", t.named(r), c.Name)
		case !utf8.ValidString(s):
			return fmt.Errorf("%s: column %s is not UTF-8, which PostgreSQL does not take; correct it and try again", t.named(r), c.Name)
		}
	}
	return nil
}

// appendRow adds a row's bytes.
func appendRow(b []byte, r row) []byte {
	for _, v := range r {
		switch v := v.(type) {
		case nil:
			b = append(b, markNull)
		case string:
			b = binary.AppendUvarint(append(b, markText), uint64(len(v)))
			b = append(b, v...)
		case []byte:
			b = binary.AppendUvarint(append(b, markBytes), uint64(len(v)))
			b = append(b, v...)
		case int64:
			b = binary.AppendVarint(append(b, markInt), v)
		case bool:
			if v {
				b = append(b, markTrue)
			} else {
				b = append(b, markFalse)
			}
		}
	}
	return b
}

var errRow = errors.New("a row cannot be read")

// readRow takes a table's next row off b.
func (t table) readRow(b []byte) (row, []byte, error) {
	r := make(row, len(t.Columns))
	for i, c := range t.Columns {
		if len(b) == 0 {
			return nil, nil, errRow
		}
		mark := b[0]
		b = b[1:]
		switch mark {
		case markNull:
		case markText, markBytes:
			n, size := binary.Uvarint(b)
			if size <= 0 || n > uint64(len(b)-size) {
				return nil, nil, errRow
			}
			if value := b[size : size+int(n)]; mark == markText {
				r[i] = string(value)
			} else {
				r[i] = append([]byte{}, value...)
			}
			b = b[size+int(n):]
		case markInt:
			n, size := binary.Varint(b)
			if size <= 0 {
				return nil, nil, errRow
			}
			r[i], b = n, b[size:]
		case markFalse, markTrue:
			r[i] = mark == markTrue
		default:
			return nil, nil, errRow
		}
		if mark != markNull && marked[mark] != c.Kind {
			return nil, nil, errRow
		}
	}
	return r, b, nil
}

// Sum is what a table holds: how many rows, and the SHA-256 of their bytes in the order
// of the key.
type Sum struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// summer adds up a table.
type summer struct {
	of   table
	rows int64
	hash hash.Hash
	buf  []byte
}

func newSummer(t table) *summer {
	s := &summer{of: t, hash: sha256.New()}
	for _, c := range t.Columns {
		_, _ = fmt.Fprintf(s.hash, "%s %s\n", c.Name, c.Kind)
	}
	return s
}

// add adds a row and returns its bytes, which the next call overwrites.
func (s *summer) add(r row) []byte {
	s.rows++
	s.buf = appendRow(s.buf[:0], r)
	_, _ = s.hash.Write(s.buf)
	return s.buf
}

func (s *summer) sum() Sum {
	return Sum{s.of.Name, s.rows, hex.EncodeToString(s.hash.Sum(nil))}
}
