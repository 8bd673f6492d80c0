package archtest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

var runMutants = flag.Bool("mutants", false, "break the features of the table one by one: minutes")

// mutant is a feature that is broken on purpose, and the tests that must notice. The tree
// itself is not touched: compilers are shown another text.
type mutant struct {
	breaks string // what goes wrong in the world, which names the mutant
	dir    string // of the package or of the page's sources
	old    string // occurs exactly once in dir, tests aside
	new    string
	by     string // a package and a pattern of its tests, or a file of static/ts/test
}

// find returns the file of dir that has the mutant's text, tests aside, and that file with
// the feature broken. What is found never or twice is a table that is out of date.
func (m mutant) find(t *testing.T) (name, broken string) {
	t.Helper()
	n := 0
	for _, f := range tracked(t) {
		if path.Dir(f.path) != m.dir || strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		if text := string(f.text); strings.Contains(text, m.old) {
			n += strings.Count(text, m.old)
			name, broken = f.path, strings.Replace(text, m.old, m.new, 1)
		}
	}
	if n != 1 || m.old == m.new {
		t.Fatalf("%s has this %d times, and must have it once:\n%s\nBring the table of mutants along.", m.dir, n, m.old)
	}
	return name, broken
}

// A table that has lost its features proves nothing.
func TestMutantsBreakWhatIsThere(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.breaks, func(t *testing.T) {
			m.find(t)
			pkg, pattern, _ := strings.Cut(m.by, " ")
			if path.Ext(pkg) == ".ts" {
				if _, err := os.Stat(filepath.Join("..", "..", "static", "ts", "test", pkg)); err != nil {
					t.Error(err)
				}
			} else if !definesTest(t, pkg, pattern) {
				t.Errorf("%s has no test that %q begins", pkg, pattern)
			}
		})
	}
}

// definesTest reports whether a package has each of some tests: "TestA|TestB/the case".
func definesTest(t *testing.T, pkg, pattern string) bool {
	t.Helper()
	for want := range strings.SplitSeq(pattern, "|") {
		name, _, _ := strings.Cut(want, "/")
		found := false
		for _, f := range tracked(t) {
			found = found || path.Dir(f.path) == pkg && strings.HasSuffix(f.path, "_test.go") && strings.Contains(string(f.text), "\nfunc "+strings.TrimSuffix(name, "$"))
		}
		if !found {
			return false
		}
	}
	return true
}

// Every mutant must be noticed by tests that pass without it. `make mutants` runs it.
func TestMutantsAreNoticed(t *testing.T) {
	if !*runMutants {
		t.Skip("make mutants runs this: it takes minutes")
	}
	for _, m := range mutants {
		t.Run(m.breaks, func(t *testing.T) {
			t.Parallel()
			name, broken := m.find(t)
			if out, err := m.tests(t, "", ""); err != nil {
				t.Fatalf("%s fails without the mutant:\n%s", m.by, tail(out))
			}
			instead := filepath.Join(t.TempDir(), path.Base(name))
			if err := os.WriteFile(instead, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := m.tests(t, name, instead)
			switch failed := failures(out); {
			case err == nil:
				t.Errorf("nobody notices: %s passes with %q in place of %q", m.by, m.new, m.old)
			case len(failed) == 0:
				t.Errorf("no test has run:\n%s", tail(out))
			default:
				t.Logf("noticed by %s", strings.Join(failed, ", "))
			}
		})
	}
}

// tests runs the tests that must notice, with one file shown as another; "" for none.
func (m mutant) tests(t *testing.T, name, instead string) (string, error) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	pkg, pattern, _ := strings.Cut(m.by, " ")
	var cmd *exec.Cmd
	if path.Ext(pkg) == ".ts" {
		cmd = exec.CommandContext(t.Context(), "node", "e2e/scripts/mutant.mjs", pkg, name, instead)
	} else {
		cmd = exec.CommandContext(t.Context(), "go", append([]string{"test", "-vet=off", "-run", pattern}, overlay(t, root, name, instead)...)...)
		cmd.Args = append(cmd.Args, "./"+pkg)
	}
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no tests to run") {
		t.Fatalf("%s: no tests to run", m.by)
	}
	return string(out), err
}

// overlay is the option that shows go one file as another.
func overlay(t *testing.T, root, name, instead string) []string {
	t.Helper()
	if name == "" {
		return nil
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, filepath.FromSlash(name)): instead}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-overlay", file}
}

// failures are the names of tests that failed, as go and node print them.
func failures(out string) (names []string) {
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			names = append(names, strings.Fields(name)[0])
		}
		if _, name, ok := strings.Cut(line, "not ok "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

func tail(out string) string { return out[max(0, len(out)-2000):] }
