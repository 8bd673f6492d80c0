package web

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"
	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
)

// Page renders a component completely before the first byte is sent, so that a
// failing template is a clean error and not half a page.
func Page(c echo.Context, status int, page templ.Component) error {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	// The error page of a request that took too long must render too.
	if err := page.Render(context.WithoutCancel(c.Request().Context()), buf); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Vary", "Accept-Encoding")
	if !strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		return send(c, status, buf.Bytes())
	}
	z, _ := compressors.Get().(*compressor)
	defer compressors.Put(z)
	if err := z.compress(buf.Bytes()); err != nil {
		return err
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return send(c, status, z.out.Bytes())
}

func send(c echo.Context, status int, body []byte) error {
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return c.HTMLBlob(status, body)
}

// compressor is kept between pages: making one costs more than using it. Pages
// hold no secret of ours beside text that others choose, so compressing them
// gives nothing away.
type compressor struct {
	out bytes.Buffer
	w   *gzip.Writer
}

var compressors = sync.Pool{New: func() any {
	z := &compressor{}
	z.w, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed) // the level is valid
	return z
}}

func (z *compressor) compress(b []byte) error {
	z.out.Reset()
	z.w.Reset(&z.out)
	if _, err := z.w.Write(b); err != nil {
		return err
	}
	return z.w.Close()
}

// PagePath is where the hosted page of a token is, below the public origin.
func PagePath(token string) string { return "/?token=" + token }

// JSON answers with already encoded JSON.
func JSON(c echo.Context, status int, body []byte) error {
	return c.Blob(status, echo.MIMEApplicationJSON, body)
}

// NoContent answers 204.
func NoContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
