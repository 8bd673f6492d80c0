// Package apidoc serves the document of the dialects, an OpenAPI 3.1 file at
// /openapi.json, and the same as a page at /docs. It knows the document and nothing
// of the code that answers: each dialect's contract test holds the two together.
package apidoc

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed" // the document
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"quittance/templates"
	"quittance/web"
)

//go:generate go run ./gen

//go:embed openapi.json
var document []byte

// Document is the OpenAPI document as it is served, in JSON. It is a copy.
func Document() []byte { return bytes.Clone(document) }

// Config is what the page needs to know of the server.
type Config struct {
	Server  *web.Server
	BaseURL string // public origin, no trailing slash; examples call it
	Assets  templates.Assets
	CSS     string // address of the page's own style sheet
}

// Mount adds /openapi.json and /docs. Each is made once, when somebody first asks
// for it: it says the same to everybody, and servers start faster without it.
func Mount(cfg Config) {
	see := []string{http.MethodGet, http.MethodHead}
	cfg.Server.Echo.Match(see, "/openapi.json", serve(func() (*file, error) {
		f, err := newFile(echo.MIMEApplicationJSON, document)
		if err == nil {
			f.anybody = true
		}
		return f, err
	}))
	cfg.Server.Echo.Match(see, "/docs", serve(func() (*file, error) {
		body, err := draw(cfg)
		if err != nil {
			return nil, err
		}
		return newFile(echo.MIMETextHTMLCharsetUTF8, body)
	}))
}

// draw makes the page of the document.
func draw(cfg Config) ([]byte, error) {
	doc, err := parse(document)
	if err != nil {
		return nil, fmt.Errorf("read API document: %w", err)
	}
	view, err := doc.page(cfg)
	if err != nil {
		return nil, fmt.Errorf("lay out API document: %w", err)
	}
	var out bytes.Buffer
	if err := templates.APIDoc(view).Render(context.Background(), &out); err != nil {
		return nil, fmt.Errorf("draw API document: %w", err)
	}
	return out.Bytes(), nil
}

func serve(make func() (*file, error)) echo.HandlerFunc {
	once := sync.OnceValues(make)
	return func(c echo.Context) error {
		f, err := once()
		if err != nil {
			return err
		}
		return f.serve(c)
	}
}

// file is something that stays the same for as long as the server runs.
type file struct {
	kind    string
	etag    string
	plain   []byte
	packed  []byte
	anybody bool // pages of other sites may read it: tools that draw documents do
}

func newFile(kind string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return &file{kind: kind, etag: hex.EncodeToString(sum[:8]), plain: body, packed: packed.Bytes()}, nil
}

func (f *file) serve(c echo.Context) error {
	h, etag, body := c.Response().Header(), f.etag, f.plain
	if strings.Contains(c.Request().Header.Get(echo.HeaderAcceptEncoding), "gzip") {
		h.Set(echo.HeaderContentEncoding, "gzip")
		etag, body = etag+"-gz", f.packed
	}
	h.Set("ETag", `"`+etag+`"`)
	h.Set(echo.HeaderVary, echo.HeaderAcceptEncoding)
	h.Set(echo.HeaderCacheControl, "no-cache") // ask each time: the next build may say more
	if f.anybody {
		h.Set(echo.HeaderAccessControlAllowOrigin, "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if c.Request().Header.Get("If-None-Match") == `"`+etag+`"` {
		h.Del(echo.HeaderContentEncoding)
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, f.kind, body)
}
