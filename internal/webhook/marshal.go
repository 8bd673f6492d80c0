package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxSafeInteger is the largest integer that survives a JavaScript parser.
const maxSafeInteger = 1<<53 - 1

// Marshal writes a webhook body: compact JSON in struct order, in exactly the
// bytes that JSON.stringify(JSON.parse(body)) gives. Many receivers verify the
// signature over that image and not over what they received. So nothing is
// escaped that JavaScript leaves alone, and U+2028 and U+2029 are removed from
// texts because JSON writers disagree about them.
//
// What has no such image is an error, and a mistake of the encoder: a number
// that is not a safe integer (amounts are strings), an object key that looks
// like an array index (JavaScript moves it to the front), a key that comes twice.
func Marshal(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a webhook body: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	w := imager{in: d}
	if err := w.value(); err != nil {
		return nil, fmt.Errorf("encoding a webhook body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("encoding a webhook body: more than one value")
	}
	return w.out, nil
}

// imager copies one JSON value as JavaScript would write it.
type imager struct {
	in  *json.Decoder
	out []byte
}

func (w *imager) value() error {
	t, err := w.in.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return w.object()
		}
		return w.array()
	case string:
		w.text(t)
	case json.Number:
		return w.number(t.String())
	case bool:
		w.out = strconv.AppendBool(w.out, t)
	case nil:
		w.out = append(w.out, "null"...)
	}
	return nil
}

func (w *imager) object() error {
	w.out = append(w.out, '{')
	seen := map[string]bool{}
	for w.in.More() {
		t, err := w.in.Token()
		if err != nil {
			return err
		}
		key := clean(t.(string)) // the decoder accepts nothing else here
		switch {
		case isIndex(key):
			return fmt.Errorf("object key %q looks like an array index", key)
		case seen[key]:
			return fmt.Errorf("object key %q comes twice", key)
		}
		if len(seen) > 0 {
			w.out = append(w.out, ',')
		}
		seen[key] = true
		w.text(key)
		w.out = append(w.out, ':')
		if err := w.value(); err != nil {
			return err
		}
	}
	return w.end('}')
}

func (w *imager) array() error {
	w.out = append(w.out, '[')
	for n := 0; w.in.More(); n++ {
		if n > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.value(); err != nil {
			return err
		}
	}
	return w.end(']')
}

func (w *imager) end(delim byte) error {
	if _, err := w.in.Token(); err != nil {
		return err
	}
	w.out = append(w.out, delim)
	return nil
}

func (w *imager) number(n string) error {
	i, err := strconv.ParseInt(n, 10, 64)
	if err != nil || i > maxSafeInteger || i < -maxSafeInteger || strconv.FormatInt(i, 10) != n {
		return fmt.Errorf("number %s does not survive JavaScript: send it as a string", n)
	}
	w.out = append(w.out, n...)
	return nil
}

// text writes a string with the escapes of JSON.stringify (ECMA-262,
// QuoteJSONString) and no others.
func (w *imager) text(s string) {
	w.out = append(w.out, '"')
	for _, r := range clean(s) {
		switch r {
		case '"', '\\':
			w.out = append(w.out, '\\', byte(r))
		case '\b':
			w.out = append(w.out, `\b`...)
		case '\f':
			w.out = append(w.out, `\f`...)
		case '\n':
			w.out = append(w.out, `\n`...)
		case '\r':
			w.out = append(w.out, `\r`...)
		case '\t':
			w.out = append(w.out, `\t`...)
		default:
			if r < ' ' {
				w.out = fmt.Appendf(w.out, `\u%04x`, r)
			} else {
				w.out = append(w.out, string(r)...)
			}
		}
	}
	w.out = append(w.out, '"')
}

var separators = strings.NewReplacer("\u2028", "", "\u2029", "")

func clean(s string) string { return separators.Replace(s) }

// isIndex reports whether JavaScript takes a key for an array index. ECMA-262
// stops at 2^32-2; engines differ above, so every plain number is refused.
func isIndex(key string) bool {
	if key == "" || (len(key) > 1 && key[0] == '0') {
		return false
	}
	for _, c := range key {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
