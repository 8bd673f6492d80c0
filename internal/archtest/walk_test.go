package archtest

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var runWalks = flag.Bool("walk", false, "lay the skeletons of a rail and of a dialect over the tree")

// walk is what the next developer does: a skeleton that is laid over the tree, and what has
// to change elsewhere for it. docs/walks.md tells the same in words.
type walk struct {
	name    string // of the directory below testdata/walk, which has the skeleton's files in their places
	pkg     string // the skeleton's own package: what is in it does not count
	changes []change
	most    int      // files outside of the package
	tests   []string // packages whose tests must pass with it, and patterns of them: "./web/courier", "./templates TestStories"
}

// change is one place elsewhere; each text occurs once in its file.
type change struct {
	file  string
	texts []replaced
}

type replaced struct{ old, new string }

// TestWalks counts the files that a new rail and a new dialect touch outside of their own
// packages, and shows that with those alone they are part of a server. `make walk` runs it.
func TestWalks(t *testing.T) {
	for _, w := range walks {
		t.Run(w.name, func(t *testing.T) {
			laid := w.lay(t)
			if !*runWalks {
				return
			}
			root := rootOf(t)
			own := filepath.Join(root, filepath.FromSlash(w.pkg))
			if err := os.Mkdir(own, 0o755); err != nil { // tests and vet run where the package is
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := os.Remove(own); err != nil {
					t.Error(err)
				}
			})
			w.document(t, root, laid)
			overlay := filepath.Join(t.TempDir(), "overlay.json")
			text, err := json.Marshal(map[string]any{"Replace": laid})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(overlay, text, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, root, "go", "build", "-overlay", overlay, "-o", os.DevNull, "./cmd/quittance")
			run(t, root, "go", "vet", "-overlay", overlay, "./"+w.pkg, "./internal/app")
			run(t, root, "go", "test", "-vet=off", "-overlay", overlay, "./internal/archtest", "-skip", "TestWalks", "-laid", overlay)
			for _, of := range w.tests {
				pkg, pattern, _ := strings.Cut(of, " ")
				run(t, root, "go", "test", "-vet=off", "-overlay", overlay, "-run", pattern, pkg)
			}
		})
	}
}

// lay returns what is shown in which place: skeleton and changes, once they were counted.
func (w walk) lay(t *testing.T) map[string]string {
	t.Helper()
	root, laid, elsewhere := rootOf(t), map[string]string{}, map[string]bool{}
	under := filepath.Join("testdata", "walk", w.name)
	err := filepath.WalkDir(under, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		place, err := filepath.Rel(under, at)
		if err != nil {
			return err
		}
		if name := filepath.ToSlash(place); path.Dir(name) != w.pkg && !strings.HasPrefix(name, w.pkg+"/") && !strings.HasSuffix(name, "_test.go") {
			elsewhere[name] = true
		}
		laid[filepath.Join(root, place)] = filepath.Join(root, "internal", "archtest", at)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range w.changes {
		elsewhere[c.file] = true
		instead := filepath.Join(t.TempDir(), path.Base(c.file))
		if err := os.WriteFile(instead, c.apply(t), 0o600); err != nil {
			t.Fatal(err)
		}
		laid[filepath.Join(root, filepath.FromSlash(c.file))] = instead
	}
	outside := slices.Sorted(maps.Keys(elsewhere))
	t.Logf("outside of %s: %s", w.pkg, strings.Join(outside, ", "))
	if len(outside) > w.most {
		t.Errorf("%d files change outside of %s, and may be %d", len(outside), w.pkg, w.most)
	}
	return laid
}

// document generates the API document with what a skeleton says of itself in it: a file that
// nobody writes, and that does not count.
func (w walk) document(t *testing.T, root string, laid map[string]string) {
	t.Helper()
	own := filepath.Join(root, "internal", "archtest", "testdata", "walk", w.name, filepath.FromSlash(w.pkg), "openapi")
	if _, err := os.Stat(own); err != nil {
		return
	}
	web := t.TempDir()
	apidoc := filepath.Join(web, "apidoc")
	if err := os.Mkdir(apidoc, 0o700); err != nil {
		t.Fatal(err)
	}
	parts, err := filepath.Glob(filepath.Join(root, "web", "*", "openapi"))
	if err != nil {
		t.Fatal(err)
	}
	show := map[string]string{filepath.Join(apidoc, "source"): filepath.Join(root, "web", "apidoc", "source")}
	for _, p := range append(parts, own) {
		show[filepath.Join(web, filepath.Base(filepath.Dir(p)), "openapi")] = p
	}
	for as, what := range show {
		if err := os.MkdirAll(filepath.Dir(as), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(what, as); err != nil {
			t.Fatal(err)
		}
	}
	gen := filepath.Join(web, "gen")
	run(t, root, "go", "build", "-o", gen, "./web/apidoc/gen")
	run(t, apidoc, gen)
	laid[filepath.Join(root, "web", "apidoc", "openapi.json")] = filepath.Join(apidoc, "openapi.json")
}

func (c change) apply(t *testing.T) []byte {
	t.Helper()
	i := slices.IndexFunc(tracked(t), func(f file) bool { return f.path == c.file })
	if i < 0 {
		t.Fatalf("there is no %s", c.file)
	}
	text := string(tracked(t)[i].text)
	for _, r := range c.texts {
		if n := strings.Count(text, r.old); n != 1 {
			t.Fatalf("%s has this %d times, and must have it once:\n%s\nBring the walk along.", c.file, n, r.old)
		}
		text = strings.Replace(text, r.old, r.new, 1)
	}
	if path.Ext(c.file) == ".go" {
		if formatted, err := format.Source([]byte(text)); err != nil || !bytes.Equal(formatted, []byte(text)) {
			t.Errorf("%s is not formatted with the change in it: %v", c.file, err)
		}
	}
	return []byte(text)
}

func rootOf(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func run(t *testing.T, dir string, command ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, tail(string(out)))
	}
}
