package apidoc

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"quittance/templates"
)

// page lays the document out.
func (s *spec) page(cfg Config) (*templates.APIDocPage, error) {
	p := &templates.APIDocPage{
		Assets: cfg.Assets, CSS: cfg.CSS, Title: s.Info.Title, Version: s.Info.Version, Summary: s.Info.Summary, BaseURL: cfg.BaseURL,
	}
	s.guide(p)
	schemes := map[string]templates.APIDocScheme{}
	for _, name := range s.Components.SecuritySchemes.names {
		w := s.scheme(name)
		schemes[name] = w
		p.Schemes = append(p.Schemes, w)
	}
	every := s.everywhere()
	for _, name := range every {
		p.Headers = append(p.Headers, s.header(name, s.Components.Headers.of[name]))
	}
	p.Headers = unplaced(answered(p.Headers))
	for _, tag := range s.Tags {
		g := templates.APIDocGroup{ID: anchor(tag.Name), Title: tag.Name, Text: blocks(tag.Description)}
		for _, path := range s.Paths.names {
			item := s.Paths.of[path]
			for _, method := range item.Operations.names {
				op := item.Operations.of[method]
				if !slices.Contains(op.Tags, tag.Name) {
					continue
				}
				w, err := s.operation(cfg.BaseURL, method, path, item, op, schemes, every)
				if err != nil {
					return nil, fmt.Errorf("%s %s: %w", method, path, err)
				}
				g.Operations = append(g.Operations, w)
			}
		}
		p.Groups = append(p.Groups, g)
	}
	return p, s.webhooks(p)
}

// guide lays out the introduction, and what comes before the operations.
func (s *spec) guide(p *templates.APIDocPage) {
	p.Hooks = templates.APIDocGroup{ID: "webhooks", Title: "Webhooks"}
	for _, part := range sections(s.Info.Description) {
		switch part.title {
		case "":
			p.Intro = blocks(part.text)
			continue
		case p.Hooks.Title: // beside what it is about
			p.Hooks.Text = blocks(part.text)
			continue
		}
		p.Guide = append(p.Guide, templates.APIDocSection{ID: anchor(part.title), Title: part.title, Text: blocks(part.text)})
	}
}

// webhooks lays out the events. Headers that are those of the first one are told of once.
func (s *spec) webhooks(p *templates.APIDocPage) error {
	for _, name := range s.Webhooks.names {
		w, err := s.webhook(name, s.Webhooks.of[name])
		if err != nil {
			return fmt.Errorf("webhook %s: %w", name, err)
		}
		headers := unplaced(answered(w.Parameters))
		if p.Signed == nil {
			p.Signed = headers
		}
		if w.Parameters = nil; !slices.EqualFunc(headers, p.Signed, func(a, b templates.APIDocField) bool { return a.Name == b.Name }) {
			w.Parameters = headers // of another API; the others have the same
		}
		p.Hooks.Operations = append(p.Hooks.Operations, w)
	}
	return nil
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

func anchor(title string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(title), "-"), "-")
}

func (s *spec) scheme(name string) templates.APIDocScheme {
	x := s.Components.SecuritySchemes.of[name]
	where := x.In + " " + x.Name
	if x.Type == "http" {
		where = "header Authorization: " + http.CanonicalHeaderKey(x.Scheme) + " …"
	}
	return templates.APIDocScheme{ID: "auth-" + anchor(name), Title: cmp.Or(x.Title, name), Where: where, Text: blocks(x.Description)}
}

// everywhere are the headers that every shared response has: they are told once.
func (s *spec) everywhere() []string {
	var out []string
	for _, name := range s.Components.Headers.names {
		all := len(s.Components.Responses.names) > 0
		for _, r := range s.Components.Responses.of {
			_, ok := r.Headers.of[name]
			all = all && ok
		}
		if all {
			out = append(out, name)
		}
	}
	return out
}

func (s *spec) header(name string, h *parameter) templates.APIDocField {
	h = s.parameter(h)
	x := s.schema(h.Schema)
	return templates.APIDocField{Name: name, In: "header", Type: s.typeOf(x), Required: h.Required, Rules: rules(x), Text: spans(join([]string{h.Description}))}
}

func (s *spec) operation(base, method, path string, item pathItem, op operation, schemes map[string]templates.APIDocScheme, every []string) (templates.APIDocOperation, error) {
	w := templates.APIDocOperation{ID: op.ID, Method: method, Path: path, Title: op.Summary, Text: blocks(op.Description)}
	for _, any := range op.Security {
		for name := range any {
			w.Schemes = append(w.Schemes, schemes[name])
		}
	}
	params := s.parameters(item, op)
	for _, p := range params {
		w.Parameters = append(w.Parameters, s.field(p))
	}
	body, err := s.fillBody(&w, op)
	if err != nil {
		return w, err
	}
	for i := range w.Body { // every member that is not required may be null as well
		w.Body[i].Type = strings.TrimSuffix(w.Body[i].Type, " or null")
	}
	w.Curl = s.curl(base, method, path, params, op, body)
	for _, status := range op.Responses.names {
		r, err := s.answer(status, op.Responses.of[status], every)
		if err != nil {
			return w, fmt.Errorf("%s: %w", status, err)
		}
		w.Responses = append(w.Responses, r)
	}
	return w, nil
}

func (s *spec) parameters(item pathItem, op operation) []*parameter {
	var out []*parameter
	for _, p := range append(slices.Clone(item.Parameters), op.Parameters...) {
		out = append(out, s.parameter(p))
	}
	return out
}

func (s *spec) field(p *parameter) templates.APIDocField {
	f := s.header(p.Name, p)
	f.In = p.In
	if f.Text == nil {
		f.Text = spans(join([]string{s.schema(p.Schema).Description}))
	}
	return f
}

// fillBody shows an operation's body and its examples, and returns the first.
func (s *spec) fillBody(w *templates.APIDocOperation, op operation) (json.RawMessage, error) {
	if op.Body == nil {
		return nil, nil
	}
	m := op.Body.Content.of["application/json"]
	w.Body = s.fields(m.Schema)
	var first json.RawMessage
	if m.Example != nil {
		m.Examples.add("example", example{Value: m.Example})
	}
	for _, name := range m.Examples.names {
		e := m.Examples.of[name]
		text, err := pretty(e.Value)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = e.Value
		}
		w.Examples = append(w.Examples, templates.APIDocExample{Title: e.Summary, Body: text})
	}
	return first, nil
}

func (s *spec) answer(status string, r *response, every []string) (templates.APIDocResponse, error) {
	r, shared := s.response(r)
	if r == nil {
		return templates.APIDocResponse{}, fmt.Errorf("no such response")
	}
	w := templates.APIDocResponse{Status: status, Text: spans(join([]string{r.Description})), Fine: status[0] == '2'}
	for _, name := range r.Headers.names {
		if !slices.Contains(every, name) {
			w.Headers = append(w.Headers, s.header(name, r.Headers.of[name]))
		}
	}
	w.Headers = answered(w.Headers)
	m := r.Content.of["application/json"]
	if shared || m == nil {
		return w, nil
	}
	w.Fields = answered(s.fields(m.Schema))
	var err error
	w.Example, err = pretty(m.Example)
	return w, err
}

func (s *spec) webhook(name string, item pathItem) (templates.APIDocOperation, error) {
	op, ok := item.Operations.of[http.MethodPost]
	if !ok {
		return templates.APIDocOperation{}, fmt.Errorf("no post")
	}
	w := templates.APIDocOperation{ID: "webhook-" + anchor(name), Method: http.MethodPost, Title: name, Text: blocks(op.Description)}
	_, err := s.fillBody(&w, op)
	w.Body = answered(w.Body)
	for _, p := range s.parameters(item, op) {
		w.Parameters = append(w.Parameters, s.field(p))
	}
	return w, err
}

// answered turns what may be left out of a request into what may be missing in an
// answer.
func answered(fields []templates.APIDocField) []templates.APIDocField {
	for i := range fields {
		f := &fields[i]
		f.Absent, f.Required = !f.Required && !f.Heading, false
	}
	return fields
}

// unplaced leaves out where fields are, for a list whose heading says so.
func unplaced(fields []templates.APIDocField) []templates.APIDocField {
	for i := range fields {
		fields[i].In = ""
	}
	return fields
}

func pretty(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", nil
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return "", err
	}
	return b.String(), nil
}

// curl is how to call an operation from a shell.
func (s *spec) curl(base, method, path string, params []*parameter, op operation, body json.RawMessage) string {
	var query []string
	var headers []string
	for _, any := range op.Security[:min(1, len(op.Security))] {
		for name := range any {
			headers = append(headers, curlCredential(s.Components.SecuritySchemes.of[name]))
		}
	}
	for _, p := range params {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", s.sample(p))
		case p.In == "query" && (p.Required || p.Example != nil):
			query = append(query, p.Name+"="+s.sample(p))
		case p.In == "header" && p.Example != nil:
			headers = append(headers, fmt.Sprintf(`-H "%s: %v"`, p.Name, p.Example))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	parts := []string{"curl"}
	if method != http.MethodGet && (method != http.MethodPost || body == nil) {
		parts[0] += " -X " + method
	}
	parts[0] += ` "` + base + path + `"`
	parts = append(parts, headers...)
	if body != nil {
		var flat bytes.Buffer
		_ = json.Compact(&flat, body) // it was decoded before
		parts = append(parts, `-H "content-type: application/json"`, "-d '"+flat.String()+"'")
	}
	return strings.Join(parts, " \\\n  ")
}

func curlCredential(x scheme) string {
	secret := "$" + cmp.Or(x.Variable, "API_KEY")
	switch {
	case x.Type == "http":
		return `-H "authorization: Bearer ` + secret + `"`
	case x.In == "cookie":
		return `-b "` + x.Name + "=" + secret + `"`
	}
	return `-H "` + x.Name + ": " + secret + `"`
}

func (s *spec) sample(p *parameter) string {
	if p.Example != nil {
		return fmt.Sprint(p.Example)
	}
	if x := s.schema(p.Schema); x != nil && len(x.Enum) > 0 {
		return fmt.Sprint(x.Enum[0])
	}
	return "$" + strings.ToUpper(notWord.ReplaceAllString(strings.ToLower(p.Name), "_"))
}

func number(n *json.Number) string {
	if n == nil {
		return ""
	}
	return n.String()
}

func count(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
