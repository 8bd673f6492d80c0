package archtest

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// document returns the text of a tracked file.
func document(t *testing.T, name string) string {
	t.Helper()
	i := slices.IndexFunc(tracked(t), func(f file) bool { return f.path == name })
	if i < 0 {
		t.Fatalf("%s is missing", name)
	}
	return string(tracked(t)[i].text)
}

var (
	// link is a link or a picture; what it leads to is its first group.
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	fenced  = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	coded   = regexp.MustCompile("`[^`\n]+`")
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

// links returns where a document leads to beside other sites.
func links(text string) []string {
	var to []string
	for _, m := range link.FindAllStringSubmatch(coded.ReplaceAllString(fenced.ReplaceAllString(text, ""), ""), -1) {
		if !strings.Contains(m[1], ":") {
			to = append(to, m[1])
		}
	}
	return to
}

// anchors returns the names by which a document's headings are linked to.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		names = append(names, anchor(m[1]))
	}
	return names
}

// anchor names a heading as hosts of repositories do: lower case, without punctuation, a
// hyphen for each blank.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

func TestLinksBetweenDocumentsLead(t *testing.T) {
	seen := 0
	for _, f := range tracked(t) {
		if path.Ext(f.path) != ".md" {
			continue
		}
		for _, to := range links(string(f.text)) {
			seen++
			name, at, _ := strings.Cut(to, "#")
			full := f.path
			if name != "" {
				full = path.Join(path.Dir(f.path), name)
			}
			is := slices.IndexFunc(tracked(t), func(g file) bool { return g.path == full || strings.HasPrefix(g.path, full+"/") })
			if is < 0 {
				t.Errorf("%s: leads to %s, which is not there", f.path, to)
				continue
			}
			if at != "" && !slices.Contains(anchors(string(tracked(t)[is].text)), at) {
				t.Errorf("%s: leads to %s, where no heading has that name", f.path, to)
			}
		}
	}
	if seen == 0 {
		t.Fatal("no document has a link: this test reads them wrongly")
	}
}

func TestLinksAreFound(t *testing.T) {
	text := "See [a](b.md#c-d), ![p](p.svg) and [site](https://example.com/).\n```go\nx := m[k](v)\n```\nand `m[k](w)`."
	if got := links(text); !slices.Equal(got, []string{"b.md#c-d", "p.svg"}) {
		t.Errorf("links: %q", got)
	}
	if got := anchors("# In dollars, to an address of its own\n```sh\n# none\n```\n## `serve`\n"); !slices.Equal(got, []string{"in-dollars-to-an-address-of-its-own", "serve"}) {
		t.Errorf("anchors: %q", got)
	}
}

// Whoever is new here looks a package up in the architecture: it has every one, and no other.
// A dialect is in app's list of them, which is all that a new one has to change.
func TestTheArchitectureNamesEveryPackage(t *testing.T) {
	text := document(t, "docs/architecture.md")
	dirs := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test && !support(f.dir) {
			dirs[f.dir] = true
		}
	}
	dirs["internal/archtest"] = true // tests only
	for dir := range dirs {
		if !strings.HasPrefix(dir, "web/") && !strings.Contains(text, "`"+dir+"`") {
			t.Errorf("docs/architecture.md does not name %s", dir)
		}
	}
	for _, m := range regexp.MustCompile("`((?:internal|web|cmd|examples)/[\\w/]+)`").FindAllStringSubmatch(text, -1) {
		known := dirs[m[1]] || slices.ContainsFunc(tracked(t), func(f file) bool { return strings.HasPrefix(f.path, m[1]+"/") })
		if !known {
			t.Errorf("docs/architecture.md names %s, which is not there", m[1])
		}
	}
}

// What npm installs for the page, its tests and the tools is a promise as well.
func TestEveryDirectPackageOfNPMHasAReason(t *testing.T) {
	text := document(t, "docs/dependencies.md")
	for _, f := range tracked(t) {
		if path.Base(f.path) != "package.json" {
			continue
		}
		var p struct{ Dependencies, DevDependencies map[string]string }
		if err := json.Unmarshal(f.text, &p); err != nil {
			t.Fatalf("%s: %v", f.path, err)
		}
		for _, of := range []map[string]string{p.Dependencies, p.DevDependencies} {
			for name := range of {
				scope, _, _ := strings.Cut(name, "/")
				if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+scope+"/*`") {
					t.Errorf("docs/dependencies.md does not name %s of %s", name, f.path)
				}
			}
		}
	}
}

var (
	firstCell = regexp.MustCompile(`(?m)^\| ([^|]+) \|`)
	named     = regexp.MustCompile("`([^`]+)`")
)

// A reason for what is not there any more misleads whoever looks for what is.
func TestReasonsAreOfWhatIsInstalled(t *testing.T) {
	known := document(t, "go.mod")
	for _, f := range tracked(t) {
		if path.Base(f.path) == "package-lock.json" {
			known += string(f.text)
		}
	}
	for _, cell := range firstCell.FindAllStringSubmatch(document(t, "docs/dependencies.md"), -1) {
		for _, m := range named.FindAllStringSubmatch(cell[1], -1) {
			name := strings.TrimSuffix(m[1], "*") // `@scope/*` is all of it
			isFolder := slices.ContainsFunc(tracked(t), func(f file) bool { return strings.HasPrefix(f.path, name+"/") })
			isCommand := strings.HasPrefix(name, "make ")
			if !isFolder && !isCommand && !strings.Contains(known, name) {
				t.Errorf("docs/dependencies.md has a reason for %s, which nothing installs", m[1])
			}
		}
	}
}
