package secpaid

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/fault"
	"quittance/web"
)

// The limits of a body, beside that of its size.
const (
	maxFields = 300 // of a form
	maxName   = 100 // bytes of a field's name
)

// kind is how a field came.
type kind uint8

const (
	absent kind = iota // not at all, null, or an empty text: the documented clients send those alike
	text
	number // of JSON; in forms all is text
	truth
	other // an object or a list, as JSON
)

// value is one field, as text.
type value struct {
	kind kind
	text string
}

// input is a body's fields, whatever form they came in. Clients send JSON, forms as PHP
// writes them, and multipart forms.
type input map[string]value

// parseInput reads a body by its media type. No body at all has no fields, whatever its type.
//
// Faults: Invalid "unsupported_media_type", "invalid_body".
func parseInput(contentType string, body []byte) (input, error) {
	if len(body) == 0 {
		return input{}, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if charset := strings.ToLower(params["charset"]); err != nil || charset != "" && charset != "utf-8" && charset != "utf8" {
		media = ""
	}
	switch media {
	case "application/json":
		return fromJSON(body)
	case "application/x-www-form-urlencoded":
		return fromForm(body)
	case "multipart/form-data":
		return fromMultipart(body, params["boundary"])
	}
	return nil, fault.New(fault.Invalid, web.CodeMedia,
		"Content-Type must be application/json, application/x-www-form-urlencoded or multipart/form-data")
}

func badBody(what string) error { return fault.New(fault.Invalid, "invalid_body", what) }

func fromJSON(body []byte) (input, error) {
	var members map[string]jsontext.Value
	if string(bytes.Join(bytes.Fields(body), nil)) == "[]" {
		return input{}, nil // what PHP writes for no fields
	}
	if err := web.Decode(body, &members); err != nil {
		return nil, badBody("The body must be one JSON object")
	}
	in := input{}
	for name, raw := range members {
		v := value{kind: other, text: string(raw)}
		switch raw.Kind() {
		case 'n':
			v = value{}
		case '"':
			unquoted, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return nil, badBody("The body must be one JSON object")
			}
			v = textual(string(unquoted))
		case '0':
			v.kind = number
		case 't', 'f':
			v.kind = truth
		}
		in[name] = v
	}
	return in, nil
}

func textual(s string) value {
	if s == "" {
		return value{}
	}
	return value{kind: text, text: s}
}

func fromForm(body []byte) (input, error) {
	in, rest := input{}, string(body)
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, badBody("The form is not well encoded")
		}
		v, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, badBody("The form is not well encoded")
		}
		if err := in.add(name, v); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func fromMultipart(body []byte, boundary string) (input, error) {
	// A form that was cut off has no end; the reader takes the end of the body for it.
	if boundary == "" || !bytes.Contains(body, []byte("--"+boundary+"--")) {
		return nil, badBody("The form is not well encoded")
	}
	in, r := input{}, multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return in, nil
		}
		if err != nil {
			return nil, badBody("The form is not well encoded")
		}
		if p.FileName() != "" {
			return nil, badBody("The form must not hold files")
		}
		v, err := io.ReadAll(p) // a part is no larger than the body
		if err != nil {
			return nil, badBody("The form is not well encoded")
		}
		if err := in.add(p.FormName(), string(v)); err != nil {
			return nil, err
		}
	}
}

// add takes a field of a form. Twice the same is nothing: which one counts would depend on
// who reads it.
func (in input) add(name, v string) error {
	switch _, twice := in[name]; {
	case name == "" || len(name) > maxName || !utf8.ValidString(name):
		return badBody("The form has a field without a usable name")
	case len(in) >= maxFields:
		return badBody("The form has too many fields")
	case twice:
		return invalid(name)
	}
	in[name] = textual(v)
	return nil
}

// invalid is the fault of a field whose value is no good. Its text is this dialect's own
// manner, "Invalid callback_url".
func invalid(field string) error {
	return fault.Field(field, "invalid_"+field, "Invalid "+field)
}

// line reads a field that is a text of one line, of at most so many characters; "" if it is
// absent. Numbers are texts too: in forms nothing tells them apart.
//
// Faults: Invalid.
func (in input) line(field string, most int) (string, error) {
	v := in[field]
	s := strings.TrimSpace(v.text)
	if v.kind == other || v.kind == truth || utf8.RuneCountInString(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unseen) {
		return "", invalid(field)
	}
	return s, nil
}

// lines is line for a text that may have several.
func (in input) lines(field string, most int) (string, error) {
	v := in[field]
	one := value{v.kind, strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(v.text)}
	if _, err := (input{field: one}).line(field, most); err != nil {
		return "", err
	}
	return strings.TrimSpace(v.text), nil
}

// unseen are characters that are not seen, or make a text read as another one.
func unseen(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r)
}

// truth reads a field that is yes or no, or what it is if it is absent: true and false, as
// such or as text, as PHP's forms write them ("1", "0"), and in this API's other spelling
// ("Yes", "No").
//
// Faults: Invalid.
func (in input) truth(field string, otherwise bool) (bool, error) {
	v := in[field]
	if v.kind == absent {
		return otherwise, nil
	}
	if v.kind != other {
		switch strings.ToLower(strings.TrimSpace(v.text)) {
		case "true", "1", "yes":
			return true, nil
		case "false", "0", "no":
			return false, nil
		}
	}
	return false, invalid(field)
}

// whole reads a field that is a whole number, or what it is if it is absent.
//
// Faults: Invalid.
func (in input) whole(field string, otherwise, low, high int64) (int64, error) {
	v := in[field]
	if v.kind == absent {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(v.text), 10, 64)
	if err != nil || v.kind == truth || v.kind == other || n < low || n > high {
		return 0, invalid(field)
	}
	return n, nil
}
