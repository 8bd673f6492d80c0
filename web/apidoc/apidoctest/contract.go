// Package apidoctest holds live answers against the API document: whether the
// operation, its status, its headers and its body are as the document says, and
// which of what it says was seen. It knows the document and nothing of the
// server behind it.
package apidoctest

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"quittance/web/apidoc"
)

// Pair is one status of one operation.
type Pair struct {
	Operation string // its operationId
	Status    int
}

// Contract is the compiled document. It is safe for concurrent use and does not
// change.
type Contract struct {
	operations []operation
	webhooks   map[string]*message
}

type operation struct {
	id, method, path string
	segments         []string
	request          *jsonschema.Schema // nil if it takes no body
	required         bool               // the body
	query            []string           // names of parameters
	schemes          []string           // any of these credentials opens it
	responses        map[int]*response
}

type response struct {
	name    string            // of its example: the shared response's, or the operation's with its status
	headers map[string]header // by canonical name
	body    *jsonschema.Schema
}

type header struct {
	schema   *jsonschema.Schema
	required bool
	integer  bool
}

// message is one webhook: its body and its headers.
type message struct {
	body    *jsonschema.Schema
	headers map[string]header
}

// Load compiles the document, once.
var Load = sync.OnceValues(func() (*Contract, error) { return compile(apidoc.Document()) })

// Find is the operation that answers a request's method and path, "" if there is none.
func (c *Contract) Find(method, path string) string {
	if o := c.find(method, path); o != nil {
		return o.id
	}
	return ""
}

func (c *Contract) find(method, path string) *operation {
	segments := strings.Split(path, "/")
	var found *operation
	for i := range c.operations {
		o := &c.operations[i]
		if o.method != method || !o.fits(segments) {
			continue
		}
		if found == nil || strings.Count(o.path, "{") < strings.Count(found.path, "{") { // words win over parameters
			found = o
		}
	}
	return found
}

func (o *operation) fits(segments []string) bool {
	return slices.EqualFunc(o.segments, segments, func(want, got string) bool {
		return want == got || (strings.HasPrefix(want, "{") && got != "")
	})
}

// Routes are the operations as "METHOD /path/{parameter}".
func (c *Contract) Routes() []string {
	var out []string
	for _, o := range c.operations {
		out = append(out, o.method+" "+o.path)
	}
	return out
}

// Opens are the names of the credentials of which any opens an operation; none
// means that it needs none.
func (c *Contract) Opens(id string) []string {
	for _, o := range c.operations {
		if o.id == id {
			return o.schemes
		}
	}
	return nil
}

// Pairs are all documented ones at some paths: "/v1" is that alone, "/v1/" all below it.
func (c *Contract) Pairs(paths ...string) []Pair {
	var out []Pair
	for _, o := range c.operations {
		if !slices.ContainsFunc(paths, func(p string) bool { return o.path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(o.path, p) }) {
			continue
		}
		for status := range o.responses {
			out = append(out, Pair{o.id, status})
		}
	}
	return out
}

// Example is the name under which an answer of a pair is recorded as an example:
// the shared response's, where there is one. It is "" if the pair is not documented
// or has no body.
func (c *Contract) Example(p Pair) string {
	for _, o := range c.operations {
		if r := o.responses[p.Status]; o.id == p.Operation && r != nil && r.body != nil {
			return r.name
		}
	}
	return ""
}

// Webhooks are the documented events of the dialect that signs them in a header of its own.
func (c *Contract) Webhooks(signature string) []string {
	var out []string
	for name, m := range c.webhooks {
		if _, signed := m.headers[canonical(signature)]; signed {
			out = append(out, name)
		}
	}
	return out
}

// Query says what the document has against a request's query, nil for nothing.
func (c *Contract) Query(method string, u *url.URL) error {
	o := c.find(method, u.Path)
	if o == nil {
		return fmt.Errorf("%s %s is not documented", method, u.Path)
	}
	for name := range u.Query() {
		if !slices.Contains(o.query, name) {
			return fmt.Errorf("%s has no parameter %q", o.id, name)
		}
	}
	return nil
}

// Request says what the document has against a request's body, nil for nothing.
// One that was answered with a success must fit.
func (c *Contract) Request(method, path string, body []byte) error {
	o := c.find(method, path)
	switch {
	case o == nil:
		return fmt.Errorf("%s %s is not documented", method, path)
	case len(body) == 0 && !o.required:
		return nil
	case o.request == nil:
		return fmt.Errorf("%s takes no body", o.id)
	}
	return judge(o.request, body)
}

// Response says what the document has against an answer, nil for nothing.
func (c *Contract) Response(method, path string, status int, h http.Header, body []byte) (Pair, error) {
	o := c.find(method, path)
	if o == nil {
		return Pair{}, fmt.Errorf("%s %s is not documented", method, path)
	}
	pair := Pair{o.id, status}
	r := o.responses[status]
	if r == nil {
		return pair, fmt.Errorf("%s answered %d, which is not documented: %.600s", o.id, status, body)
	}
	if err := r.judge(h, body); err != nil {
		return pair, fmt.Errorf("%s answered %d: %w\n%.600s", o.id, status, err, body)
	}
	return pair, nil
}

func (r *response) judge(h http.Header, body []byte) error {
	if err := judgeHeaders(r.headers, h, usual); err != nil {
		return err
	}
	if r.body == nil {
		if len(body) > 0 {
			return fmt.Errorf("has a body where none is documented")
		}
		return nil
	}
	if kind, _, err := mime.ParseMediaType(h.Get("Content-Type")); err != nil || kind != "application/json" {
		return fmt.Errorf("has Content-Type %q", h.Get("Content-Type"))
	}
	return judge(r.body, body)
}

// usual are headers that every answer of the server's edge may have and that say
// nothing about the API.
var usual = []string{
	"Cache-Control", "Content-Length", "Content-Type", "Date", "Vary", "Connection",
	"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy",
	"Referrer-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options",
}

func judgeHeaders(documented map[string]header, h http.Header, others []string) error {
	for name, d := range documented {
		values := h.Values(name)
		if len(values) == 0 {
			if d.required {
				return fmt.Errorf("has no %s", name)
			}
			continue
		}
		for _, v := range values {
			if err := d.judge(v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name := range h {
		if _, ok := documented[name]; !ok && !slices.Contains(others, name) {
			return fmt.Errorf("has the undocumented header %s", name)
		}
	}
	return nil
}

func (d header) judge(value string) error {
	if !d.integer {
		return d.schema.Validate(value)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return err
	}
	return d.schema.Validate(n)
}

// ofTransport are headers of a delivery that every HTTP client sends.
var ofTransport = []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Content-Type", "User-Agent"}

// Webhook says what the document has against a delivery, nil for nothing.
func (c *Contract) Webhook(event string, h http.Header, body []byte) error {
	m := c.webhooks[event]
	if m == nil {
		return fmt.Errorf("the webhook %q is not documented", event)
	}
	if err := judgeHeaders(m.headers, h, ofTransport); err != nil {
		return fmt.Errorf("%s %w", event, err)
	}
	if err := judge(m.body, body); err != nil {
		return fmt.Errorf("%s: %w\n%.600s", event, err, body)
	}
	return nil
}

func judge(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	return s.Validate(v)
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }
