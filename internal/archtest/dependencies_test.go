package archtest

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

// A dependency is a promise to keep up with it: docs/dependencies.md says why
// each direct one is worth that.
func TestEveryDirectDependencyHasAReason(t *testing.T) {
	i := slices.IndexFunc(tracked(t), func(f file) bool { return f.path == "docs/dependencies.md" })
	if i < 0 {
		t.Fatal("docs/dependencies.md is missing")
	}
	text := string(tracked(t)[i].text)
	direct := directDependencies(t)
	if len(direct) == 0 {
		t.Fatal("go.mod has no direct dependency: this test reads it wrongly")
	}
	for _, path := range direct {
		if !names(text, path) {
			t.Errorf("docs/dependencies.md does not name %s", path)
		}
	}
}

// names reports whether a text has a module's path as a whole: a longer path is
// another module.
func names(text, path string) bool {
	return regexp.MustCompile(`(^|[^\w./-])` + regexp.QuoteMeta(path) + `($|[^\w/-])`).MatchString(text)
}

func directDependencies(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("reading go.mod: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatalf("reading go.mod: %v", err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	return direct
}

func TestNamesAreWhole(t *testing.T) {
	for text, want := range map[string]bool{
		"`example.com/a/b` reads": true, "| example.com/a/b | why |": true, "example.com/a/b.": true,
		"example.com/a/b/v2": false, "example.com/a/bc": false, "www.example.com/a/b": false, "": false,
	} {
		if got := names(text, "example.com/a/b"); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
