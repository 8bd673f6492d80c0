package request_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// seed is a body that the vendor's documentation prints.
func seed(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// like compares a body with a documented one: all its members are there, in its
// order and of its types, whole numbers as such; where the documented body holds
// another value, want says which. Other members are additions.
func like(t *testing.T, what string, documented, got []byte, want map[string]any) {
	t.Helper()
	used := map[string]bool{}
	if err := alike(documented, got, "", want, used); err != nil {
		t.Errorf("%s: %v\n%s", what, err, got)
	}
	for path := range want {
		if !used[path] {
			t.Errorf("%s: the documented body has no %s", what, path)
		}
	}
}

func alike(documented, got jsontext.Value, path string, want map[string]any, used map[string]bool) error {
	if v, ok := want[path]; ok {
		used[path] = true
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if documented.Kind() != jsontext.Value(text).Kind() {
			return fmt.Errorf("%s is documented as %s", path, documented)
		}
		documented = text
	}
	documented, got = slices.Clone(documented), slices.Clone(got)
	if err := documented.Compact(); err != nil {
		return err
	}
	if err := got.Compact(); err != nil {
		return err
	}
	switch {
	case documented.Kind() != got.Kind():
		return fmt.Errorf("%s is %s, documented as %s", path, got, documented)
	case documented.Kind() == '{':
		return alikeObjects(documented, got, path, want, used)
	case documented.Kind() == '[':
		return alikeArrays(documented, got, path, want, used)
	case string(documented) != string(got):
		return fmt.Errorf("%s is %s, want %s", path, got, documented)
	}
	return nil
}

func alikeObjects(documented, got jsontext.Value, path string, want map[string]any, used map[string]bool) error {
	names, members, err := membersOf(documented)
	if err != nil {
		return err
	}
	theirs, has, err := membersOf(got)
	if err != nil {
		return err
	}
	theirs = slices.DeleteFunc(theirs, func(name string) bool { return !slices.Contains(names, name) })
	if !slices.Equal(names, theirs) {
		return fmt.Errorf("%s has of the documented members %v only %v, or in this order", path, names, theirs)
	}
	for _, name := range names {
		if err := alike(members[name], has[name], strings.TrimPrefix(path+"."+name, "."), want, used); err != nil {
			return err
		}
	}
	return nil
}

func alikeArrays(documented, got jsontext.Value, path string, want map[string]any, used map[string]bool) error {
	var all, theirs []json.RawMessage
	if err := json.Unmarshal(documented, &all); err != nil {
		return err
	}
	if err := json.Unmarshal(got, &theirs); err != nil {
		return err
	}
	if len(all) != len(theirs) {
		return fmt.Errorf("%s has %d items, documented are %d", path, len(theirs), len(all))
	}
	for i := range all {
		if err := alike(jsontext.Value(all[i]), jsontext.Value(theirs[i]), fmt.Sprintf("%s[%d]", path, i), want, used); err != nil {
			return err
		}
	}
	return nil
}

// membersOf are an object's members and their order.
func membersOf(object jsontext.Value) (names []string, of map[string]jsontext.Value, err error) {
	d := jsontext.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.ReadToken(); err != nil {
		return nil, nil, err
	}
	of = map[string]jsontext.Value{}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, nil, err
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, nil, err
		}
		names, of[key] = append(names, key), value.Clone()
	}
	return names, of, nil
}

// The comparison finds what it is for.
func TestLike(t *testing.T) {
	documented := []byte(`{"a":1,"b":{"c":true},"d":[{"e":"x"}]}`)
	for _, c := range []struct {
		got  string
		want map[string]any
		ok   bool
	}{
		{`{"a":1,"b":{"c":true},"d":[{"e":"x"}]}`, nil, true},
		{`{"z":0,"a":1,"y":0,"b":{"c":true,"x":0},"d":[{"w":0,"e":"x"}],"v":0}`, nil, true},
		{`{"a":7,"b":{"c":true},"d":[{"e":"y"}]}`, map[string]any{"a": 7, "d[0].e": "y"}, true},
		{`{"a":1.0,"b":{"c":true},"d":[{"e":"x"}]}`, nil, false},
		{`{"a":"1","b":{"c":true},"d":[{"e":"x"}]}`, nil, false},
		{`{"b":{"c":true},"a":1,"d":[{"e":"x"}]}`, nil, false},
		{`{"a":1,"b":{"c":true},"d":[]}`, nil, false},
		{`{"a":1,"b":{"c":true},"d":[{"e":"x"},{"e":"x"}]}`, nil, false},
		{`{"a":1,"b":{"c":null},"d":[{"e":"x"}]}`, nil, false},
		{`{"a":1,"b":{"c":false},"d":[{"e":"x"}]}`, nil, false},
		{`{"a":1,"b":{},"d":[{"e":"x"}]}`, nil, false},
		{`{"a":1,"b":{"c":true},"d":[{"e":"y"}]}`, nil, false},
		{`{"a":"7","b":{"c":true},"d":[{"e":"x"}]}`, map[string]any{"a": "7"}, false},
	} {
		if err := alike(documented, []byte(c.got), "", c.want, map[string]bool{}); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.got, err)
		}
	}
}
