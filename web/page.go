package web

import (
	"context"
	"net/http"
	"strconv"

	"github.com/a-h/templ"
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
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(buf.Len()))
	return c.HTMLBlob(status, buf.Bytes())
}

// JSON answers with already encoded JSON.
func JSON(c echo.Context, status int, body []byte) error {
	return c.Blob(status, echo.MIMEApplicationJSON, body)
}

// NoContent answers 204.
func NoContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }
