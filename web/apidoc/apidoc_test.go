package apidoc_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"quittance/templates"
	"quittance/web"
	"quittance/web/apidoc"
	"quittance/web/apidoc/apidoctest"
)

var server = sync.OnceValue(func() *web.Server {
	s := web.New(web.Config{BaseURL: "https://pay.example.com"})
	apidoc.Mount(apidoc.Config{Server: s, BaseURL: "https://pay.example.com", Assets: templates.Assets{CSS: "/static/pay.css"}, CSS: "/static/docs.css"})
	return s
})

func serve(t *testing.T, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	server().ServeHTTP(rec, r)
	return rec.Result()
}

func read(t *testing.T, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFilesAreCachedAndPacked(t *testing.T) {
	for path, kind := range map[string]string{"/openapi.json": "application/json", "/docs": "text/html; charset=UTF-8"} {
		plain, packed := serve(t, path), serve(t, path, "Accept-Encoding", "gzip")
		if plain.StatusCode != http.StatusOK || plain.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %d %s", path, plain.StatusCode, plain.Header.Get("Content-Type"))
		}
		body := read(t, plain.Body)
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if !bytes.Equal(read(t, z), body) || packed.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s: packed is something else", path)
		}
		if plain.Header.Get("ETag") == packed.Header.Get("ETag") {
			t.Errorf("%s: one ETag for different bytes", path)
		}
		for _, accept := range []string{"", "gzip"} {
			first := serve(t, path, "Accept-Encoding", accept)
			again := serve(t, path, "Accept-Encoding", accept, "If-None-Match", first.Header.Get("ETag"))
			if again.StatusCode != http.StatusNotModified || len(read(t, again.Body)) != 0 {
				t.Errorf("%s: asked again: %d", path, again.StatusCode)
			}
		}
		if other := serve(t, path, "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
			t.Errorf("%s: another ETag: %d", path, other.StatusCode)
		}
	}
	if got := serve(t, "/openapi.json"); !bytes.Equal(read(t, got.Body), apidoc.Document()) || got.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("/openapi.json is not the document for everybody")
	}
}

// The page says everything the document says: every operation with its
// parameters, statuses and members, every webhook, every way to authenticate.
func TestPageShowsTheWholeDocument(t *testing.T) {
	page, err := goquery.NewDocumentFromReader(serve(t, "/docs").Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
		Hooks map[string]json.RawMessage `json:"webhooks"`
	}
	if err := json.Unmarshal(apidoc.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	operations := 0
	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op struct {
				ID         string `json:"operationId"`
				Responses  map[string]json.RawMessage
				Security   []map[string][]string
				Parameters []struct{ Name string }
			}
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(err)
			}
			operations++
			shown := page.Find(`[data-testid="operation-` + op.ID + `"]`)
			if shown.Length() != 1 || shown.Find(".docs-call code").Text() != path || shown.Find(".docs-method").Text() != strings.ToUpper(method) {
				t.Errorf("%s %s is not on the page", method, path)
			}
			if got := shown.Find(".docs-answers > li").Length(); got != len(op.Responses) {
				t.Errorf("%s: %d answers of %d", op.ID, got, len(op.Responses))
			}
			if got := shown.Find(".docs-opens a").Length(); got != len(op.Security) {
				t.Errorf("%s: %d ways to authenticate of %d", op.ID, got, len(op.Security))
			}
			for _, p := range op.Parameters {
				if p.Name != "" && !strings.Contains(shown.Find(".docs-fields").Text(), p.Name) {
					t.Errorf("%s: no parameter %s", op.ID, p.Name)
				}
			}
			if curl := shown.Find(".docs-lines").First().Text(); !strings.HasPrefix(curl, "curl ") || !regexp.MustCompile(`https://pay\.example\.com/(api/)?v`).MatchString(curl) {
				t.Errorf("%s: no call to copy: %q", op.ID, curl)
			}
		}
	}
	if got := page.Find("article.docs-operation").Length(); got != operations+len(doc.Hooks) {
		t.Errorf("%d articles for %d operations and %d webhooks", got, operations, len(doc.Hooks))
	}
	if n := strings.Count(page.Text(), "Headers of every delivery"); n != 1 || !strings.Contains(page.Find("#webhooks").Parent().Text(), "x-request-network-retry-count") {
		t.Errorf("the headers of deliveries are there %d times", n)
	}
	for name := range doc.Hooks {
		if !strings.Contains(page.Find("#webhooks").Parent().Text(), name) {
			t.Errorf("no webhook %s", name)
		}
	}
}

func TestPageNeedsNothingFromElsewhere(t *testing.T) {
	page, err := goquery.NewDocumentFromReader(serve(t, "/docs").Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := page.Find("script, style, iframe, [style], [onclick]").Length(); n > 0 {
		t.Errorf("%d elements that the policy refuses", n)
	}
	page.Find("[src], link[href]").Each(func(_ int, s *goquery.Selection) {
		if at := s.AttrOr("src", s.AttrOr("href", "")); strings.Contains(at, "//") {
			t.Errorf("loads %s", at)
		}
	})
	seen := map[string]bool{}
	page.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		if seen[s.AttrOr("id", "")] {
			t.Errorf("two of #%s", s.AttrOr("id", ""))
		}
		seen[s.AttrOr("id", "")] = true
	})
	page.Find(`a[href^="#"]`).Each(func(_ int, s *goquery.Selection) {
		if !seen[s.AttrOr("href", "")[1:]] {
			t.Errorf("%s leads nowhere", s.AttrOr("href", ""))
		}
	})
}

// Schemas, references and the document's own examples: compiling it looks at all.
func TestDocumentIsSound(t *testing.T) {
	c, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, p := range c.Pairs("/") {
		ids[p.Operation] = true
	}
	if len(ids) != len(c.Routes()) {
		t.Errorf("%d ids for %d operations", len(ids), len(c.Routes()))
	}
	text := string(apidoc.Document())
	var doc any
	if err := json.Unmarshal(apidoc.Document(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"\$ref": "#(/[^"]+)"`).FindAllStringSubmatch(text, -1) {
		if !resolves(doc, m[1]) {
			t.Errorf("%s refers to nothing", m[1])
		}
	}
	for _, route := range c.Routes() {
		for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(route, -1) {
			if !strings.Contains(text, `"name": "`+name[1]+`"`) {
				t.Errorf("%s: the parameter %s is not described", route, name[1])
			}
		}
	}
}

func resolves(at any, pointer string) bool {
	for part := range strings.SplitSeq(pointer[1:], "/") {
		m, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; !ok {
			return false
		}
	}
	return true
}
