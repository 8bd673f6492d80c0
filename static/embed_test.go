package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEveryAssetIsFoundByItsAddressOnly(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`^/static/[a-z-]+-[0-9a-f]{12}\.(js|css|svg|txt)$`)
	types := map[string]string{
		"pay.js": "text/javascript; charset=utf-8", "deposit.js": "text/javascript; charset=utf-8", "deposit-pay.js": "text/javascript; charset=utf-8", "link.js": "text/javascript; charset=utf-8", "lock.js": "text/javascript; charset=utf-8", "ways.js": "text/javascript; charset=utf-8", "route.js": "text/javascript; charset=utf-8", "safe.js": "text/javascript; charset=utf-8", "gasless.js": "text/javascript; charset=utf-8", "operation.js": "text/javascript; charset=utf-8", "kit-light.js": "text/javascript; charset=utf-8", "kit-safe.js": "text/javascript; charset=utf-8", "kit-licenses.txt": "text/plain; charset=utf-8", "pay.css": "text/css; charset=utf-8", "docs.css": "text/css; charset=utf-8", "deposit.css": "text/css; charset=utf-8",
		"favicon.svg": "image/svg+xml", "logo.svg": "image/svg+xml",
	}
	for name, kind := range types {
		url := a.URL(name)
		if !address.MatchString(url) {
			t.Errorf("%s has address %q", name, url)
		}
		got, ok := a.Lookup(url)
		if !ok || got.Name != name || got.URL != url || got.Type != kind || len(got.Body) == 0 {
			t.Errorf("%s: got %s %s %s, %d bytes", url, got.Name, got.URL, got.Type, len(got.Body))
		}
		if !strings.Contains(url, strings.Trim(got.ETag, `"`)) || got.ETag[0] != '"' {
			t.Errorf("%s: etag %s", url, got.ETag)
		}
		for _, wrong := range []string{"/static/" + name, url + "/", strings.ToUpper(url), url[1:], ""} {
			if _, ok := a.Lookup(wrong); ok {
				t.Errorf("%q is found", wrong)
			}
		}
	}
	if got := a.URL("no-such.js"); got != "" {
		t.Errorf("a file that is not there has address %q", got)
	}
}

func TestCompressedBodiesAreTheSameBytes(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, asset := range a.byName {
		if asset.Gzip == nil {
			continue
		}
		if len(asset.Gzip) >= len(asset.Body) {
			t.Errorf("%s: compressing it made it larger", name)
		}
		r, err := gzip.NewReader(bytes.NewReader(asset.Gzip))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, asset.Body) {
			t.Errorf("%s: unpacked %d bytes of %d, %v", name, len(got), len(asset.Body), err)
		}
	}
	for name, budget := range map[string]int{"pay.css": 6_000, "deposit.css": 2_000} {
		if css, _ := a.Lookup(a.URL(name)); css.Gzip == nil || len(css.Gzip) > budget {
			t.Errorf("%s is %d bytes compressed, its budget is %d", name, len(css.Gzip), budget)
		}
	}
}

func TestAddressChangesWithTheBytes(t *testing.T) {
	file := func(body string) fstest.MapFS { return fstest.MapFS{"dist/pay.js": {Data: []byte(body)}} }
	one, err := load(file("1"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := load(file("2"))
	if err != nil {
		t.Fatal(err)
	}
	if one.URL("pay.js") == two.URL("pay.js") {
		t.Error("two contents have one address")
	}
	if _, ok := two.Lookup(one.URL("pay.js")); ok {
		t.Error("an address of another build is found")
	}
	if small, _ := one.Lookup(one.URL("pay.js")); small.Gzip != nil {
		t.Error("a byte is sent compressed, which makes it longer")
	}
}

func TestLoadRefusesWhatItCannotServe(t *testing.T) {
	for name, tree := range map[string]fstest.MapFS{
		"unknown kind":      {"dist/notes.pdf": {Data: []byte("x")}},
		"two of one name":   {"dist/pay.js": {Data: []byte("1")}, "more/pay.js": {Data: []byte("2")}},
		"no kind in a name": {"dist/pay": {Data: []byte("x")}},
	} {
		if _, err := load(tree); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What a payer on a slow network has to fetch before the page can be paid from,
// before a deposit can be sent and before a wallet can send it, what links have beside that, before a way over a bridge
// can be judged, before a Safe can pay, and before a smart account can pay without gas;
// the build fails over the same budgets.
func TestScriptsAreSmall(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, budget := range map[string]int{"pay.js": 25_000, "deposit.js": 16_000, "deposit-pay.js": 14_000, "link.js": 3_000, "route.js": 15_000, "safe.js": 12_000, "gasless.js": 14_000, "operation.js": 14_000, "kit-light.js": 130_000, "kit-safe.js": 82_000} {
		if js, ok := a.Lookup(a.URL(name)); !ok || len(js.Gzip) == 0 || len(js.Gzip) > budget {
			t.Errorf("%s is %d bytes compressed, its budget is %d", name, len(js.Gzip), budget)
		}
	}
}

// The script that fetches another by its address was built with the one it has.
func TestScriptsFindEachOther(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for other, by := range map[string]string{"operation.js": "gasless.js", "deposit-pay.js": "deposit.js", "link.js": "deposit.js"} {
		js, _ := a.Lookup(a.URL(by))
		if !bytes.Contains(js.Body, []byte(`"`+a.URL(other)+`"`)) {
			t.Errorf("%s does not name %s", by, a.URL(other))
		}
	}
}
