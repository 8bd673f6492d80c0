//go:build !nosandbox

package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/templates"
)

// Storybook serves every page state from canned view models, for people who
// change the page and for tests that look at it. Development only.
func (s *Server) Storybook(assets templates.Assets) {
	s.Echo.GET("/storybook", func(c echo.Context) error {
		return Page(c, http.StatusOK, templates.StoryIndex(assets, "/storybook/", templates.Stories(assets, time.Now())))
	})
	s.Echo.GET("/storybook/:name", func(c echo.Context) error {
		for _, story := range templates.Stories(assets, time.Now()) {
			if story.Name == c.Param("name") {
				return Page(c, story.Status, story.Page)
			}
		}
		return echo.ErrNotFound
	})
}
