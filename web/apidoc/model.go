package apidoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The parts of an OpenAPI document that the page shows. What stands in an order
// in the document keeps it.
type spec struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      ordered[pathItem] `json:"paths"`
	Webhooks   ordered[pathItem] `json:"webhooks"`
	Components struct {
		SecuritySchemes ordered[scheme]          `json:"securitySchemes"`
		Schemas         ordered[*schema]         `json:"schemas"`
		Responses       ordered[*response]       `json:"responses"`
		Parameters      ordered[*parameter]      `json:"parameters"`
		Headers         ordered[*parameter]      `json:"headers"`
		Examples        ordered[json.RawMessage] `json:"examples"`
	} `json:"components"`
}

type scheme struct {
	Type        string `json:"type"`
	In          string `json:"in"`
	Name        string `json:"name"`
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
	Title       string `json:"x-title"`    // what people call it
	Variable    string `json:"x-variable"` // that has it in examples for shells, API_KEY if there is none
}

// pathItem is a path's operations, in order, and what they share.
type pathItem struct {
	Parameters []*parameter
	Operations ordered[operation]
}

type operation struct {
	ID          string                `json:"operationId"`
	Tags        []string              `json:"tags"`
	Summary     string                `json:"summary"`
	Description string                `json:"description"`
	Security    []map[string][]string `json:"security"`
	Parameters  []*parameter          `json:"parameters"`
	Body        *body                 `json:"requestBody"`
	Responses   ordered[*response]    `json:"responses"`
}

// parameter is a parameter or a header.
type parameter struct {
	Ref         string  `json:"$ref"`
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Required    bool    `json:"required"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
	Example     any     `json:"example"`
}

type body struct {
	Required bool                `json:"required"`
	Content  ordered[*mediaType] `json:"content"`
}

type mediaType struct {
	Schema   *schema          `json:"schema"`
	Example  json.RawMessage  `json:"example"`
	Examples ordered[example] `json:"examples"`
}

type example struct {
	Summary string          `json:"summary"`
	Value   json.RawMessage `json:"value"`
}

type response struct {
	Ref         string              `json:"$ref"`
	Description string              `json:"description"`
	Headers     ordered[*parameter] `json:"headers"`
	Content     ordered[*mediaType] `json:"content"`
}

type schema struct {
	Ref         string           `json:"$ref"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	Type        typeNames        `json:"type"`
	Format      string           `json:"format"`
	Pattern     string           `json:"pattern"`
	Enum        []any            `json:"enum"`
	Const       any              `json:"const"`
	Default     any              `json:"default"`
	Minimum     *json.Number     `json:"minimum"`
	Maximum     *json.Number     `json:"maximum"`
	MinLength   *int             `json:"minLength"`
	MaxLength   *int             `json:"maxLength"`
	MinItems    *int             `json:"minItems"`
	MaxItems    *int             `json:"maxItems"`
	Properties  ordered[*schema] `json:"properties"`
	Required    []string         `json:"required"`
	Items       *schema          `json:"items"`
	OneOf       []*schema        `json:"oneOf"`
	AnyOf       []*schema        `json:"anyOf"`
}

// typeNames is a JSON Schema type: one name, or a list of them.
type typeNames []string

func (t *typeNames) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*t = typeNames{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func (p *pathItem) UnmarshalJSON(b []byte) error {
	var all ordered[json.RawMessage]
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, name := range all.names {
		if name == "parameters" {
			if err := json.Unmarshal(all.of[name], &p.Parameters); err != nil {
				return err
			}
			continue
		}
		var op operation
		if err := json.Unmarshal(all.of[name], &op); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.Operations.add(strings.ToUpper(name), op)
	}
	return nil
}

// ordered is a JSON object whose members keep their order.
type ordered[T any] struct {
	names []string
	of    map[string]T
}

func (o *ordered[T]) add(name string, v T) {
	if o.of == nil {
		o.of = map[string]T{}
	}
	o.names = append(o.names, name)
	o.of[name] = v
}

func (o *ordered[T]) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("want an object, got %v, %w", t, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		o.add(fmt.Sprint(name), v)
	}
	return nil
}

func parse(document []byte) (*spec, error) {
	s := &spec{}
	if err := json.Unmarshal(document, s); err != nil {
		return nil, err
	}
	return s, nil
}

// resolve follows a reference into the components; a description beside it
// replaces the one there.
func (s *spec) schema(x *schema) *schema {
	if x == nil || x.Ref == "" {
		return x
	}
	there := s.schema(s.Components.Schemas.of[strings.TrimPrefix(x.Ref, "#/components/schemas/")])
	if there == nil || x.Description == "" {
		return there
	}
	copied := *there
	copied.Description = x.Description
	return &copied
}

func (s *spec) parameter(x *parameter) *parameter {
	if x.Ref == "" {
		return x
	}
	if name, ok := strings.CutPrefix(x.Ref, "#/components/headers/"); ok {
		return s.Components.Headers.of[name]
	}
	return s.Components.Parameters.of[strings.TrimPrefix(x.Ref, "#/components/parameters/")]
}

// response follows a reference; shared tells whether it was one.
func (s *spec) response(x *response) (r *response, shared bool) {
	if x.Ref == "" {
		return x, false
	}
	there := s.Components.Responses.of[strings.TrimPrefix(x.Ref, "#/components/responses/")]
	if there == nil || x.Description == "" {
		return there, true
	}
	copied := *there
	copied.Description = x.Description
	return &copied, true
}
