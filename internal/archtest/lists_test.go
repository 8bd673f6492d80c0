package archtest

import (
	"slices"
	"strings"
	"testing"
)

// The two lists of app: whoever adds a rail or a dialect adds a line there and nowhere else,
// because nobody else knows one.
const (
	railList    = "internal/app/rails.go"
	dialectList = "internal/app/dialects.go"
)

// dialects are the packages that app lists as such.
func dialects(t *testing.T) []string { return listed(t, dialectList, "web/") }

// rails are the packages of rails.
func rails(t *testing.T) []string {
	all := slices.Clone(listed(t, railList, "internal/rail/"))
	for _, f := range goFiles(t) {
		if strings.HasPrefix(f.dir, "internal/rail/") && strings.Count(f.dir, "/") == 2 && !support(f.dir) && !slices.Contains(all, f.dir) {
			all = append(all, f.dir)
		}
	}
	return all
}

func listed(t *testing.T, name, under string) []string {
	t.Helper()
	for _, f := range goFiles(t) {
		if f.path != name {
			continue
		}
		own, _ := f.imports()
		own = slices.DeleteFunc(own, func(p string) bool { return !strings.HasPrefix(p, under) })
		if len(own) == 0 {
			t.Fatalf("%s lists nothing of %s", name, under)
		}
		return own
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// knowing are files that may name a rail or a dialect beside the lists. A name that ends in
// an asterisk stands for all that begin with it.
var knowing = []struct{ file, what, why string }{
	{"internal/app/routing.go", "internal/rail/crosschain", "makes the rail of what is configured"},
	{"internal/app/deposits_setup.go", "internal/rail/deposit", "makes the rail of what is configured"},
	{"internal/addresses/*", "internal/rail/deposit", "keeps its addresses, and reads blocks for it"},
	{"internal/app/doctor_deposits.go", "internal/rail/deposit", "examines what the rail is configured with"},
	{"internal/collect/*", "internal/rail/deposit", "moves what lies on its addresses"},
	{"internal/desk/*", "internal/rail/sepa", "reads statements for it"},
	{"internal/app/doctor_links.go", "internal/rail/sepa", "examines a merchant's account"},
	{"internal/app/demo*", "web/", "the demo's merchant calls each API as a merchant does"},
	{"internal/app/sandbox*", "web/", "the demo's bank knows what its links look like"},
}

func mayKnow(file, pkg string) bool {
	for _, k := range knowing {
		begins, all := strings.CutSuffix(k.file, "*")
		if (file == k.file || all && strings.HasPrefix(file, begins)) && (pkg == k.what || strings.HasSuffix(k.what, "/") && strings.HasPrefix(pkg, k.what)) {
			return true
		}
	}
	return false
}

func TestOnlyTheListsKnowRailsAndDialects(t *testing.T) {
	for list, known := range map[string][]string{railList: rails(t), dialectList: dialects(t)} {
		for _, f := range goFiles(t) {
			if f.test || support(f.dir) || f.path == list {
				continue
			}
			own, _ := f.imports()
			for _, p := range own {
				if slices.Contains(known, p) && p != f.dir && !mayKnow(f.path, p) {
					t.Errorf("%s imports %s, which only %s may know", f.path, p, list)
				}
			}
		}
	}
}

// An exception that nobody needs any more would let the next one in.
func TestKnowingIsNeeded(t *testing.T) {
	all := append(rails(t), dialects(t)...)
	for _, k := range knowing {
		needed := false
		for _, f := range goFiles(t) {
			own, _ := f.imports()
			begins, wild := strings.CutSuffix(k.file, "*")
			if f.test || f.path != k.file && !(wild && strings.HasPrefix(f.path, begins)) {
				continue
			}
			needed = needed || slices.ContainsFunc(own, func(p string) bool { return slices.Contains(all, p) && mayKnow(f.path, p) })
		}
		if !needed {
			t.Errorf("%s needs no exception for %s", k.file, k.what)
		}
	}
}
