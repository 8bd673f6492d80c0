package web

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/static"
)

// Static serves the built-in files. Their addresses carry a hash of their
// bytes, so browsers may keep them for ever.
func (s *Server) Static(assets *static.Assets) {
	s.Echo.GET(static.Prefix+"*", func(c echo.Context) error {
		a, ok := assets.Lookup(c.Request().URL.Path)
		if !ok {
			return echo.ErrNotFound
		}
		h := c.Response().Header()
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("ETag", a.ETag)
		h.Set("Vary", "Accept-Encoding")
		if strings.HasPrefix(a.Type, "image/") && len(s.cfg.FrameAncestors) > 0 {
			h.Set("Cross-Origin-Resource-Policy", "cross-origin") // the icon beside the frame is shown by whoever frames us
		}
		if c.Request().Header.Get("If-None-Match") == a.ETag {
			return c.NoContent(http.StatusNotModified)
		}
		if a.Gzip != nil && strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			return c.Blob(http.StatusOK, a.Type, a.Gzip)
		}
		return c.Blob(http.StatusOK, a.Type, a.Body)
	})
}
