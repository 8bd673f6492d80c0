package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestDocumentIsUpToDate(t *testing.T) {
	tree, err := sources("..")
	if err != nil {
		t.Fatal(err)
	}
	want, err := build(tree)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.json is not what the sources say: run make generate")
	}
}

func TestBuild(t *testing.T) {
	tree := fstest.MapFS{
		"1.yaml":              {Data: []byte("openapi: 3.1.0\npaths:\n  /b:\n    get:\n      operationId: b\n      responses:\n        '200': {description: Fine, content: {application/json: {schema: {type: object}}}}\n        '404': {$ref: '#/x'}\n")},
		"2.yaml":              {Data: []byte("paths:\n  /a:\n    get:\n      operationId: a\n      responses:\n        '204': {description: 'Nothing <here>'}\n")},
		"examples/b-200.json": {Data: []byte(`{"z":1,"a":["x"]}`)},
	}
	out, err := build(tree)
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	for _, part := range []string{"Nothing <here>", `"$ref": "#/components/headers/X-Request-Id"`, `"z": 1`, `["x"]`} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
	if strings.Index(text, `"/b"`) > strings.Index(text, `"/a"`) || strings.Index(text, `"z"`) > strings.LastIndex(text, `"a"`) {
		t.Errorf("the order of the sources is lost:\n%s", text)
	}
	for name, file := range map[string]*fstest.MapFile{
		"3.yaml":              {Data: []byte("openapi: 3.1.1")},  // twice
		"4.yaml":              {Data: []byte("paths: [")},        // no YAML
		"examples/c-200.json": {Data: []byte(`{}`)},              // of nothing
		"5.yaml":              {Data: []byte("paths:\n  /b: 1")}, // no object
	} {
		bad := fstest.MapFS{name: file}
		for k, v := range tree {
			bad[k] = v
		}
		if _, err := build(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := build(fstest.MapFS{}); err == nil {
		t.Error("nothing at all: no error")
	}
}

// A dialect's part is found beside the others; two files of one name are no order.
func TestPartsOfDialects(t *testing.T) {
	source := fstest.MapFS{"1.yaml": {Data: []byte("openapi: 3.1.0")}, "3.yaml": {Data: []byte("paths: {}")}}
	theirs := fstest.MapFS{"2.yaml": {Data: []byte("info: {}")}}
	out, err := build(beside{source, theirs})
	if err != nil || string(out) != "{\n  \"openapi\": \"3.1.0\",\n  \"info\": {},\n  \"paths\": {}\n}\n" {
		t.Errorf("%v\n%s", err, out)
	}
	theirs["3.yaml"] = theirs["2.yaml"]
	if _, err := build(beside{source, theirs}); err == nil {
		t.Error("two files of one name: no error")
	}
}
