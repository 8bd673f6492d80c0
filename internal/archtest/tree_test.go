package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const module = "quittance"

// file is one tracked file; its path is relative to the root, with slashes.
type file struct {
	path string
	text []byte
}

// goFile is one tracked Go file.
type goFile struct {
	file
	dir       string // the package's path in the module: "internal/payment"
	test      bool   // a _test.go file
	generated bool
	ast       *ast.File
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// support reports whether a package exists for tests only, which its name says.
func support(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// tree is every file that git tracks and that is there. What somebody has not
// yet added is not judged.
var tree = sync.OnceValues(func() ([]file, error) {
	list, err := exec.Command("git", "ls-files", "-z", "--cached", "--full-name", ":/").Output()
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return nil, err
	}
	var files []file
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		full := filepath.Join(root, filepath.FromSlash(name))
		if info, err := os.Lstat(full); err != nil || info.Mode()&fs.ModeType != 0 {
			continue // deleted and not yet committed, or a link
		}
		text, err := os.ReadFile(full)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, text})
	}
	return layOver(root, files)
})

func tracked(t *testing.T) []file {
	t.Helper()
	files, err := tree()
	if err != nil || len(files) == 0 {
		t.Fatalf("%d tracked files, %v: these tests need git and its work tree", len(files), err)
	}
	return files
}

// parsed is every tracked Go file but those of testdata. Nobody changes it.
var parsed = sync.OnceValues(func() ([]goFile, error) {
	files, err := tree()
	if err != nil {
		return nil, err
	}
	var out []goFile
	for _, f := range files {
		if path.Ext(f.path) != ".go" || strings.Contains(f.path, "testdata/") {
			continue
		}
		g, err := parseFile(f.path, f.text)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
})

func goFiles(t *testing.T) []goFile {
	t.Helper()
	files, err := parsed()
	if err != nil || len(files) == 0 {
		t.Fatalf("%d Go files, %v: these tests need git and its work tree", len(files), err)
	}
	return files
}

func parse(t *testing.T, name string, text []byte) goFile {
	t.Helper()
	f, err := parseFile(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func parseFile(name string, text []byte) (goFile, error) {
	a, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return goFile{}, err
	}
	return goFile{
		file: file{name, text}, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		generated: generated.Match(text), ast: a,
	}, nil
}

// imports returns the paths a file imports, those of this module without its name.
func (f goFile) imports() (own, others []string) {
	for _, i := range f.ast.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		if rest, ok := strings.CutPrefix(p, module+"/"); ok {
			own = append(own, rest)
		} else {
			others = append(others, p)
		}
	}
	return own, others
}

// covers reports whether a pattern names a package: "a/b" itself, or with a
// slash at its end everything below.
func covers(pattern, dir string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(dir, pattern)
	}
	return dir == pattern
}

func coversAny(patterns []string, dir string) bool {
	for _, p := range patterns {
		if covers(p, dir) {
			return true
		}
	}
	return false
}

// isText reports what git takes for text: no zero byte near the start.
func isText(b []byte) bool { return !bytes.Contains(b[:min(len(b), 8000)], []byte{0}) }
