package apidoctest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// address is where the compiler believes the document to be.
const address = "urn:quittance:openapi.json"

// tree is a JSON object of the document, and where in it.
type tree struct {
	of map[string]any
	at string // JSON pointer
}

// compiler reads a document: schemas by their place in it, references followed.
type compiler struct {
	schemas *jsonschema.Compiler
	root    map[string]any
}

func compile(document []byte) (*Contract, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is no object")
	}
	c := &compiler{schemas: jsonschema.NewCompiler(), root: root}
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.AssertFormat()
	if err := c.schemas.AddResource(address, root); err != nil {
		return nil, err
	}
	if err := c.components(); err != nil {
		return nil, err
	}
	out := &Contract{webhooks: map[string]*message{}}
	top := tree{root, ""}
	for path, item := range c.members(top, "paths") {
		for _, method := range methods {
			op, ok := c.member(item, strings.ToLower(method))
			if !ok {
				continue
			}
			o, err := c.operation(method, path, item, op)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			out.operations = append(out.operations, o)
		}
	}
	slices.SortFunc(out.operations, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	for name, item := range c.members(top, "webhooks") {
		m, err := c.message(item)
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", name, err)
		}
		out.webhooks[name] = m
	}
	return out, nil
}

// components compiles every shared schema, so that one that is never used is
// judged too.
func (c *compiler) components() error {
	shared, _ := c.member(tree{c.root, ""}, "components")
	for name := range c.members(shared, "schemas") {
		if _, err := c.schemas.Compile(address + "#/components/schemas/" + name); err != nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return nil
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// member is an object's member, with its reference followed.
func (c *compiler) member(t tree, name string) (tree, bool) {
	of, ok := t.of[name].(map[string]any)
	if !ok {
		return tree{}, false
	}
	next := tree{of, t.at + "/" + escape(name)}
	ref, ok := of["$ref"].(string)
	if !ok || !strings.HasPrefix(ref, "#/") {
		return next, true
	}
	next = tree{c.root, ""}
	for part := range strings.SplitSeq(ref[2:], "/") {
		if next, ok = c.member(next, strings.NewReplacer("~1", "/", "~0", "~").Replace(part)); !ok {
			return tree{}, false
		}
	}
	return next, true
}

func (c *compiler) members(t tree, name string) map[string]tree {
	out := map[string]tree{}
	all, ok := c.member(t, name)
	if !ok {
		return out
	}
	for key := range all.of {
		if one, ok := c.member(all, key); ok {
			out[key] = one
		}
	}
	return out
}

func escape(part string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(part) }

// schema compiles the member named schema of an object.
func (c *compiler) schema(t tree) (*jsonschema.Schema, error) {
	if _, ok := t.of["schema"]; !ok {
		return nil, fmt.Errorf("no schema at %s", t.at)
	}
	return c.schemas.Compile(address + "#" + (&url.URL{Fragment: t.at + "/schema"}).EscapedFragment())
}

func (c *compiler) operation(method, path string, item, t tree) (operation, error) {
	o := operation{method: method, path: path, segments: strings.Split(path, "/"), responses: map[int]*response{}}
	if o.id, _ = t.of["operationId"].(string); o.id == "" {
		return o, fmt.Errorf("no operationId")
	}
	security, ok := t.of["security"].([]any)
	if !ok {
		return o, fmt.Errorf("does not say what opens it")
	}
	for _, raw := range security {
		for name := range raw.(map[string]any) {
			o.schemes = append(o.schemes, name)
		}
	}
	for _, of := range []tree{item, t} {
		all, err := c.parameters(of)
		if err != nil {
			return o, err
		}
		for _, p := range all {
			if name, _ := p.of["name"].(string); p.of["in"] == "query" {
				o.query = append(o.query, name)
			}
		}
	}
	if body, ok := c.member(t, "requestBody"); ok {
		o.required, _ = body.of["required"].(bool)
		media, err := c.content(body)
		if err != nil {
			return o, err
		}
		o.request = media
	}
	for code, t := range c.members(t, "responses") {
		status, err := strconv.Atoi(code)
		if err != nil {
			return o, fmt.Errorf("status %s: %w", code, err)
		}
		r := &response{name: fmt.Sprintf("%s-%d", o.id, status)}
		if name, ok := strings.CutPrefix(t.at, "/components/responses/"); ok {
			r.name = name
		}
		if r.headers, err = c.headers(t); err != nil {
			return o, err
		}
		if r.body, err = c.content(t); err != nil {
			return o, err
		}
		o.responses[status] = r
	}
	return o, nil
}

// forms are media types that a request may come in as well, with the same fields.
var forms = []string{"application/x-www-form-urlencoded", "multipart/form-data"}

// content compiles the schema of a body, nil if there is none. One that may be a form says the
// same of forms as of JSON.
func (c *compiler) content(t tree) (*jsonschema.Schema, error) {
	content, ok := c.member(t, "content")
	if !ok {
		return nil, nil
	}
	media, ok := c.member(content, "application/json")
	if !ok {
		return nil, fmt.Errorf("%s is not of application/json", content.at)
	}
	for kind := range content.of {
		form, _ := c.member(content, kind)
		if kind != "application/json" && (!strings.HasSuffix(t.at, "/requestBody") || !slices.Contains(forms, kind) || !reflect.DeepEqual(form.of["schema"], media.of["schema"])) {
			return nil, fmt.Errorf("%s has a body of %s that is another one", content.at, kind)
		}
	}
	s, err := c.schema(media)
	if err != nil {
		return nil, err
	}
	return s, c.examples(media, s)
}

// examples holds a body's own examples against its schema.
func (c *compiler) examples(media tree, s *jsonschema.Schema) error {
	given := map[string]any{}
	if v, ok := media.of["example"]; ok {
		given["example"] = v
	}
	for name, e := range c.members(media, "examples") {
		given[name] = e.of["value"]
	}
	for name, v := range given {
		if err := s.Validate(v); err != nil {
			return fmt.Errorf("example %s at %s: %w", name, media.at, err)
		}
	}
	return nil
}

func (c *compiler) headers(t tree) (map[string]header, error) {
	out := map[string]header{}
	for name, t := range c.members(t, "headers") {
		h, err := c.header(t)
		if err != nil {
			return nil, err
		}
		out[canonical(name)] = h
	}
	return out, nil
}

// header reads a header or a header parameter.
func (c *compiler) header(t tree) (header, error) {
	var h header
	var err error
	h.required, _ = t.of["required"].(bool)
	if h.schema, err = c.schema(t); err != nil {
		return h, err
	}
	schema, _ := c.member(t, "schema")
	h.integer = schema.of["type"] == "integer"
	return h, nil
}

// parameters are those of a path or an operation, with their references followed.
func (c *compiler) parameters(t tree) ([]tree, error) {
	list, _ := t.of["parameters"].([]any)
	var out []tree
	for i, raw := range list {
		p, ok := c.member(tree{map[string]any{strconv.Itoa(i): raw}, t.at + "/parameters"}, strconv.Itoa(i))
		if !ok {
			return nil, fmt.Errorf("%s: parameter %d cannot be read", t.at, i)
		}
		out = append(out, p)
	}
	return out, nil
}

// message reads a webhook: its one operation's body and header parameters.
func (c *compiler) message(item tree) (*message, error) {
	post, ok := c.member(item, "post")
	if !ok {
		return nil, fmt.Errorf("no post")
	}
	body, ok := c.member(post, "requestBody")
	if !ok {
		return nil, fmt.Errorf("no requestBody")
	}
	m := &message{headers: map[string]header{}}
	all, err := c.parameters(post)
	if err != nil {
		return nil, err
	}
	if m.body, err = c.content(body); err != nil {
		return nil, err
	}
	for _, p := range all {
		name, _ := p.of["name"].(string)
		if m.headers[canonical(name)], err = c.header(p); err != nil {
			return nil, err
		}
	}
	return m, nil
}
