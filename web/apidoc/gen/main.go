// Command gen builds openapi.json, the API document that the server hands out,
// from the files in source/ and in the openapi/ of each dialect's package. It knows
// the shape of OpenAPI documents and nothing of what this one says: all *.yaml are
// merged in the order of their names, wherever they are; recorded answers become
// examples, and what every answer carries is written into every response.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	tree, err := sources(".")
	if err != nil {
		return err
	}
	doc, err := build(tree)
	if err != nil {
		return err
	}
	return os.WriteFile("openapi.json", doc, 0o644)
}

// build merges, completes and encodes what is in a tree of sources.
func build(tree fs.FS) ([]byte, error) {
	entries, err := fs.ReadDir(tree, ".") // in the order of names
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if path.Ext(e.Name()) == ".yaml" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no sources: run it beside source/")
	}
	var doc yaml.MapSlice
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		var part yaml.MapSlice
		if err := yaml.UnmarshalWithOptions(text, &part, yaml.UseOrderedMap()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if doc, err = merge(doc, part, ""); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	used := map[string]bool{}
	if err := complete(doc, tree, used); err != nil {
		return nil, err
	}
	if err := allUsed(tree, used); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := encode(&out, doc, "\n"); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// merge adds the members of b to a; what both have must be two objects or two lists.
func merge(a, b yaml.MapSlice, at string) (yaml.MapSlice, error) {
	for _, item := range b {
		here := fmt.Sprintf("%s/%v", at, item.Key)
		i := slices.IndexFunc(a, func(x yaml.MapItem) bool { return x.Key == item.Key })
		if i < 0 {
			a = append(a, item)
			continue
		}
		if list, ok := a[i].Value.([]any); ok {
			if more, ok := item.Value.([]any); ok {
				a[i].Value = append(list, more...)
				continue
			}
		}
		mine, ok1 := a[i].Value.(yaml.MapSlice)
		theirs, ok2 := item.Value.(yaml.MapSlice)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("%s is there twice", here)
		}
		merged, err := merge(mine, theirs, here)
		if err != nil {
			return nil, err
		}
		a[i].Value = merged
	}
	return a, nil
}

func get(m yaml.MapSlice, keys ...string) yaml.MapSlice {
	for _, key := range keys {
		i := slices.IndexFunc(m, func(x yaml.MapItem) bool { return fmt.Sprint(x.Key) == key })
		if i < 0 {
			return nil
		}
		m, _ = m[i].Value.(yaml.MapSlice)
	}
	return m
}

func text(m yaml.MapSlice, key string) string {
	for _, item := range m {
		if item.Key == key {
			s, _ := item.Value.(string)
			return s
		}
	}
	return ""
}

// everywhere are the headers that the server's edge puts on the answers of every
// operation; components/headers says what they mean.
var everywhere = []string{
	"X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy",
	"Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
}

// complete puts the headers of every answer and the recorded examples into the
// responses of operations and of components.
func complete(doc yaml.MapSlice, tree fs.FS, used map[string]bool) error {
	shared := get(doc, "components", "responses")
	for i := range shared {
		if err := response(&shared[i], fmt.Sprint(shared[i].Key), tree, used); err != nil {
			return err
		}
	}
	for _, hook := range get(doc, "webhooks") {
		item, _ := hook.Value.(yaml.MapSlice)
		post := get(item, "post")
		body, err := illustrate(get(post, "requestBody"), fmt.Sprintf("webhook-%v", hook.Key), tree, used)
		if err != nil {
			return err
		}
		set(post, "requestBody", body) // it is there, so this changes it in place
	}
	for _, p := range get(doc, "paths") {
		item, _ := p.Value.(yaml.MapSlice)
		for _, op := range item {
			operation, _ := op.Value.(yaml.MapSlice)
			responses := get(operation, "responses")
			for i := range responses {
				name := fmt.Sprintf("%s-%v", text(operation, "operationId"), responses[i].Key)
				if err := response(&responses[i], name, tree, used); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func response(item *yaml.MapItem, name string, tree fs.FS, used map[string]bool) error {
	r, ok := item.Value.(yaml.MapSlice)
	if !ok {
		return fmt.Errorf("response %s is no object", name)
	}
	if text(r, "$ref") != "" {
		return nil
	}
	headers := get(r, "headers")
	for _, h := range everywhere {
		headers = append(headers, yaml.MapItem{Key: h, Value: yaml.MapSlice{{Key: "$ref", Value: "#/components/headers/" + h}}})
	}
	r = set(r, "headers", headers)
	r, err := illustrate(r, name, tree, used)
	item.Value = r
	return err
}

// illustrate puts the recorded example of a name into a body, if there is one.
func illustrate(r yaml.MapSlice, name string, tree fs.FS, used map[string]bool) (yaml.MapSlice, error) {
	media := get(r, "content", "application/json")
	file := path.Join("examples", name+".json")
	recorded, err := fs.ReadFile(tree, file)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && media == nil) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	used[file] = true
	var example any
	if err := yaml.UnmarshalWithOptions(recorded, &example, yaml.UseOrderedMap()); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	content := set(get(r, "content"), "application/json", set(media, "example", example))
	return set(r, "content", content), nil
}

func set(m yaml.MapSlice, key string, value any) yaml.MapSlice {
	for i := range m {
		if m[i].Key == key {
			m[i].Value = value
			return m
		}
	}
	return append(m, yaml.MapItem{Key: key, Value: value})
}

// allUsed refuses examples that no response asks for: an operation was renamed.
func allUsed(tree fs.FS, used map[string]bool) error {
	files, err := fs.Glob(tree, "examples/*.json")
	if err != nil {
		return err
	}
	var left []string
	for _, f := range files {
		if !used[f] {
			left = append(left, f)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("examples of no response: %s", strings.Join(left, ", "))
	}
	return nil
}
