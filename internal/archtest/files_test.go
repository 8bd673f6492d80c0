package archtest

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a reader can hold: lines of a file, of one with tests, which are read one by one, and
// of a function.
const (
	maxLines     = 500
	maxTestLines = 600
	maxFuncLines = 60
)

var sourceExts = []string{".go", ".ts", ".mjs", ".templ", ".css", ".sql", ".sol", ".sh"}

// notWritten are source files that people do not write.
var notWritten = []string{"static/dist/"}

func TestFilesAreShort(t *testing.T) {
	for _, f := range tracked(t) {
		if !slices.Contains(sourceExts, path.Ext(f.path)) || generated.Match(f.text) || strings.HasSuffix(f.path, "_templ.go") ||
			strings.Contains(f.path, "testdata/") || coversAny(notWritten, f.path) {
			continue
		}
		most := maxLines
		if forTests(f.path) {
			most = maxTestLines
		}
		if n := bytes.Count(f.text, []byte("\n")); n > most {
			t.Errorf("%s has %d lines, more than %d", f.path, n, most)
		}
	}
}

// forTests reports whether a file is of tests: by its name, or by where it is.
func forTests(name string) bool {
	return strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".test.ts") || strings.HasSuffix(name, ".spec.ts") || support(path.Dir(name))
}

// A function may be longer for a reason that its comment gives: "It is long because ...".
func TestFunctionsAreShort(t *testing.T) {
	reasons := 0
	for _, f := range goFiles(t) {
		if f.test || f.generated {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			lines := bytes.Count(f.text[fn.Pos()-f.ast.FileStart:fn.End()-f.ast.FileStart], []byte("\n")) + 1
			excused := strings.Contains(strings.ToLower(strings.Join(strings.Fields(fn.Doc.Text()), " ")), "long because")
			switch {
			case lines > maxFuncLines && !excused:
				t.Errorf("%s: %s has %d lines, more than %d, and no reason for it", f.path, fn.Name.Name, lines, maxFuncLines)
			case lines <= maxFuncLines && excused:
				t.Errorf("%s: %s gives a reason for being long, and is not", f.path, fn.Name.Name)
			case excused:
				reasons++
			}
		}
	}
	if reasons == 0 {
		t.Error("no function is long for a reason: this test reads them wrongly, or can do without reasons")
	}
}

var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "misc", "shared", "base", "types"}

func TestPackagesHaveNamesAndDocs(t *testing.T) {
	docs, names := map[string]string{}, map[string]string{}
	for _, f := range goFiles(t) {
		name := strings.TrimSuffix(f.ast.Name.Name, "_test")
		names[f.dir] = name
		if f.ast.Doc != nil && !(f.test && docs[f.dir] != "") {
			docs[f.dir] = f.ast.Doc.Text()
		}
	}
	for dir, name := range names {
		if slices.Contains(vagueNames, name) || slices.Contains(vagueNames, path.Base(dir)) {
			t.Errorf("%s: the name says nothing", dir)
		}
		if problem := judgeDoc(name, docs[dir]); problem != "" {
			t.Errorf("%s: %s", dir, problem)
		}
	}
}

var licence = regexp.MustCompile(`(?i)\b(copyright|licen[cs]e|spdx)\b`)

// judgeDoc says what is wrong with a package's doc comment, "" if nothing is.
func judgeDoc(name, doc string) string {
	begins := "Package " + name + " "
	if name == "main" {
		begins = "Command "
	}
	switch {
	case doc == "":
		return "no file has a package doc comment"
	case licence.MatchString(doc):
		return "its doc comment is a licence header"
	case !strings.HasPrefix(doc, begins):
		return "its doc comment does not begin with " + begins
	case len(strings.Fields(doc)) < 12:
		return "its doc comment does not say what it knows and must not know"
	}
	return ""
}

func TestDocsAreJudged(t *testing.T) {
	good := "Package rail is the contract between checkout and rails. It knows no rail and no chain."
	for doc, ok := range map[string]bool{
		good:                      true,
		"":                        false,
		"Package rail is a rail.": false,
		"Package road is the contract between checkout and rails. It knows no rail and no chain.": false,
		"Copyright 2026 the authors. " + good:                                                     false,
	} {
		if got := judgeDoc("rail", doc); (got == "") != ok {
			t.Errorf("%q: %q", doc, got)
		}
	}
}

// host spells a name so that this file does not hold it.
func host(labels ...string) string { return strings.Join(labels, ".") }

// registries are where packages come from. Which one a machine uses is that
// machine's setting, and a file that names one breaks the others.
var registries = []string{
	host("registry", "npmjs", "org"), host("registry", "yarnpkg", "com"), host("npm", "jsr", "io"),
	host("proxy", "golang", "org"), host("sum", "golang", "org"), host("goproxy", "io"), host("goproxy", "cn"),
	host("deb", "debian", "org"), host("security", "debian", "org"), host("archive", "ubuntu", "com"),
	host("files", "pythonhosted", "org"), host("pypi", "org"), host("static", "crates", "io"), host("index", "crates", "io"),
}

// machinePath is an absolute path that exists only where somebody worked.
var machinePath = regexp.MustCompile(`(?:^|[\s"'` + "`" + `=(\[:,])/(?:work|root|home/[a-z]+|Users/\w+)(?:/|$|[\s"'` + "`" + `)\]:,])`)

// imagePath are files whose absolute paths lie in a container image.
var imagePath = map[string]bool{"Dockerfile": true}

func TestFilesSayNothingOfMachinesOrRegistries(t *testing.T) {
	for _, f := range tracked(t) {
		if !isText(f.text) {
			continue
		}
		n := 0
		for line := range strings.Lines(string(f.text)) {
			n++
			if said := judgeLine(line); said != "" && !(imagePath[f.path] && said[0] == '/') {
				t.Errorf("%s:%d: says %s", f.path, n, said)
			}
		}
		if path.Base(f.path) == "package-lock.json" && bytes.Contains(f.text, []byte(`"resolved": "http`)) {
			t.Errorf("%s: holds addresses of packages: .npmrc must have omit-lockfile-registry-resolved=true", f.path)
		}
	}
}

func judgeLine(line string) string {
	lower := strings.ToLower(line)
	for _, r := range registries {
		if strings.Contains(lower, r) {
			return r
		}
	}
	if !strings.Contains(line, "/") { // most lines: spares the slow expression
		return ""
	}
	if m := machinePath.FindString(strings.TrimRight(line, "\r\n")); m != "" {
		return m[strings.Index(m, "/"):]
	}
	return ""
}

func TestLinesAreJudged(t *testing.T) {
	slash := "/"
	for line, ok := range map[string]bool{
		"cd " + slash + "work/main\n":                           false,
		"HOME=" + slash + "root\n":                              false,
		"see `" + slash + "home/ada/notes`\n":                   false,
		slash + "root/.cache\n":                                 false,
		"https://example.com" + slash + "work/main\n":           true,
		"the work/root of it\n":                                 true,
		"COPY --from=build /src/quittance /quittance\n":         true,
		"npm --registry https://" + registries[0] + "/\n":       false,
		"https://" + strings.ToUpper(registries[3]) + ",direct": false,
		"golang.org/x/crypto v0.57.0\n":                         true,
	} {
		if got := judgeLine(line); (got == "") != ok {
			t.Errorf("%q: %q", line, got)
		}
	}
}
