package camt

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// reader goes through a document element by element, and never holds more of it than
// one element's text.
type reader struct {
	d     *xml.Decoder
	space string // the message's namespace, once it is known
	depth int
	made  int            // transactions so far
	most  int            // of them
	same  map[string]int // how often a statement has told what has no reference of its own
}

func newReader(in io.Reader, most int) *reader {
	b := bufio.NewReader(in)
	if mark, err := b.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // a byte order mark, which was looked at just now
	}
	// The decoder's own table has the five entities of XML and nothing expands others; it
	// reads UTF-8 only, having nobody to read something else.
	return &reader{d: xml.NewDecoder(b), most: most}
}

func (r *reader) fail(why Reason, detail string) *Error {
	line, _ := r.d.InputPos()
	return &Error{Reason: why, Line: line, Detail: detail}
}

// next is the next token that means something. Comments and instructions mean nothing.
func (r *reader) next() (xml.Token, error) {
	for {
		t, err := r.d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case err != nil:
			e := r.fail(Malformed, "no XML")
			if strings.Contains(err.Error(), "encoding") || strings.Contains(err.Error(), "UTF-8") {
				e = r.fail(WrongEncoding, "it must be in UTF-8")
			}
			e.cause = err
			return nil, e
		}
		switch t := t.(type) {
		case xml.Comment, xml.ProcInst:
		case xml.Directive:
			return nil, r.fail(HasDTD, "it has a document type")
		case xml.StartElement:
			if r.depth++; r.depth > maxDepth {
				return nil, r.fail(TooDeep, "elements in elements in elements")
			}
			return t, nil
		case xml.EndElement:
			r.depth--
			return t, nil
		default:
			return t, nil
		}
	}
}

// end makes of the end of the file what it is inside of an element: too early. The
// decoder says so by itself.
func (r *reader) end(err error) error {
	if errors.Is(err, io.EOF) {
		return r.fail(Malformed, "it ends too early")
	}
	return err
}

// each hands the elements in an element to f, by their names, until the element ends. f
// must read each to its end. Elements of other namespaces have the name "". Those named in
// once may not come twice: two amounts are none.
func (r *reader) each(f func(name string, s xml.StartElement) error, once ...string) error {
	var seen []string
	for {
		t, err := r.next()
		if err != nil {
			return r.end(err)
		}
		switch t := t.(type) {
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return r.fail(Malformed, "text where elements should be")
			}
		case xml.StartElement:
			name := t.Name.Local
			if t.Name.Space != r.space {
				name = ""
			}
			if slices.Contains(once, name) {
				if slices.Contains(seen, name) {
					return r.fail(Malformed, "two of "+name+" where one should be")
				}
				seen = append(seen, name)
			}
			if err := f(name, t); err != nil {
				return err
			}
		}
	}
}

// skip passes over an element that has begun.
func (r *reader) skip() error {
	for depth := r.depth; ; {
		if _, err := r.next(); err != nil {
			return r.end(err)
		}
		if r.depth < depth {
			return nil
		}
	}
}

// text is an element's text, without blanks around it.
func (r *reader) text() (string, error) {
	var b strings.Builder
	for {
		t, err := r.next()
		if err != nil {
			return "", r.end(err)
		}
		switch t := t.(type) {
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		case xml.StartElement:
			return "", r.fail(Malformed, "elements where text should be")
		case xml.CharData:
			if b.Len()+len(t) > maxText {
				return "", r.fail(TooLarge, "a text that is too long")
			}
			b.Write(t)
		}
	}
}

// into reads an element's text into v.
func (r *reader) into(v *string) error {
	text, err := r.text()
	*v = text
	return err
}

// path reads the text that is so deep in an element, by the names of the elements on the
// way, each there once, and passes over all beside it. v stays as it is if there is none.
func (r *reader) path(v *string, names ...string) error {
	if len(names) == 0 {
		return r.into(v)
	}
	return r.each(func(name string, _ xml.StartElement) error {
		if name == names[0] {
			return r.path(v, names[1:]...)
		}
		return r.skip()
	}, names[0])
}

// short bounds a text from the file that goes into an error.
func short(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	text = text[:most]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}
