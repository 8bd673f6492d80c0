package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
)

// MaxBody is the largest JSON body any endpoint takes, in bytes.
const MaxBody = 256 << 10

// Body reads a request's JSON body, limited in size and checked for its media
// type. Handlers that store the answer under an idempotency key hash these bytes.
//
// Faults: Invalid "unsupported_media_type"; TooLarge.
func Body(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if t, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || t != echo.MIMEApplicationJSON {
		return nil, fault.New(fault.Invalid, CodeMedia, "Content-Type must be application/json.")
	}
	return Bytes(c, limit)
}

// Bytes reads a request's body, whatever it is, limited in size.
//
// Faults: Invalid "unreadable_body"; TooLarge.
func Bytes(c echo.Context, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, limit))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.Newf(fault.TooLarge, "body_too_large", "The body is larger than %d bytes.", tooLarge.Limit)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "unreadable_body", "The body could not be read.").Because(err)
	}
	return b, nil
}

// Read is Body and Decode for handlers that need the value alone.
//
// Faults: those of Body and Decode.
func Read[T any](c echo.Context, limit int64) (v T, err error) {
	body, err := Body(c, limit)
	if err != nil {
		return v, err
	}
	err = Decode(body, &v)
	return v, err
}

// Decode reads one JSON value into v: strict about duplicate keys, trailing
// data, invalid UTF-8, wrong types and control characters in strings; members
// that v does not know are ignored.
//
// Faults: Invalid, with the path of the member at fault where it is known.
func Decode(body []byte, v any) error {
	if len(body) == 0 {
		return fault.New(fault.Invalid, "empty_body", "The body is empty.")
	}
	err := json.Unmarshal(body, v, json.MatchCaseInsensitiveNames(false))
	if err == nil {
		return printable(reflect.ValueOf(v), "")
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		field := fieldName(e.JSONPointer)
		return fault.Newf(fault.Invalid, "wrong_type", "%s has the wrong type.", orBody(field)).At(field).Because(err)
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field := fieldName(e.JSONPointer)
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fault.Newf(fault.Invalid, "duplicate_key", "%s stands twice.", orBody(field)).At(field).Because(err)
		}
		return fault.New(fault.Invalid, "invalid_json", "The body is not one valid JSON value.").Because(err)
	}
	return fault.New(fault.Invalid, "invalid_json", "The body is not one valid JSON value.").Because(err)
}

func orBody(field string) string {
	if field == "" {
		return "The body"
	}
	return field
}

// fieldName writes a JSON pointer the way people write paths: requests[0].amount.
func fieldName(p jsontext.Pointer) string {
	name := ""
	for token := range p.Tokens() {
		switch {
		case token != "" && token[0] >= '0' && token[0] <= '9':
			name += "[" + token + "]"
		case name == "":
			name = token
		default:
			name += "." + token
		}
	}
	const longest = 80
	if len(name) > longest {
		name = name[:longest]
	}
	return name
}

// printable refuses control characters in any string of a decoded value; the
// line breaks of a note are not needed anywhere in these APIs.
func printable(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return printable(v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if err := printable(v.Field(i), join(path, wireName(f))); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil // JSON that passes through: whoever reads it judges it
		}
		for i := range v.Len() {
			if err := printable(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.String:
		for _, r := range v.String() {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar ||
				unicode.Is(unicode.Bidi_Control, r) { // marks that reorder text can make a name read as another
				return fault.Field(path, "invalid_characters", path+" holds characters that are not allowed.")
			}
		}
	default:
	}
	return nil
}

func wireName(f reflect.StructField) string {
	name := f.Tag.Get("json")
	for i := range len(name) {
		if name[i] == ',' {
			return name[:i]
		}
	}
	if name == "" {
		return f.Name
	}
	return name
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
