package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
)

// API is the routes of one dialect.
type API struct {
	server  *Server
	render  func(c echo.Context, f *fault.Error) error
	methods map[string][]string // of each path
}

// API returns a dialect's routes, none yet; render puts faults into the dialect's words. At
// the prefixes and below them every answer is in those: the page's routes would take unknown
// paths for links otherwise. It is to be called before the server serves.
func (s *Server) API(render func(c echo.Context, f *fault.Error) error, prefixes ...string) *API {
	a := &API{server: s, render: render, methods: map[string][]string{}}
	for _, p := range prefixes {
		s.Echo.RouteNotFound(p, a.elsewhere, s.Faults(render))
		s.Echo.RouteNotFound(p+"/*", a.elsewhere, s.Faults(render))
		s.below = append(s.below, wording{p, render})
	}
	return a
}

// Add adds one operation; its answers go through first. Middleware goes on the route: a group
// that has some answers 404 where the method is what is wrong.
func (a *API) Add(method, path string, h echo.HandlerFunc, first ...echo.MiddlewareFunc) {
	a.server.Echo.Add(method, path, h, append(first, a.server.Faults(a.render), a.server.Bounded)...)
	a.methods[path] = append(a.methods[path], method)
}

// Preflight answers CORS preflights for a path; allowed are its methods, as headers list them.
func (a *API) Preflight(path string, answer func(c echo.Context, allowed string)) {
	a.server.Echo.OPTIONS(path, func(c echo.Context) error {
		answer(c, strings.Join(a.methods[path], ", "))
		return c.NoContent(http.StatusNoContent)
	})
}

// elsewhere refuses what no route takes: the path is unknown, or the method is.
func (a *API) elsewhere(c echo.Context) error {
	asked := strings.Split(c.Request().URL.Path, "/")
	for path, methods := range a.methods {
		fits := slices.EqualFunc(strings.Split(path, "/"), asked, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, ":") && got != ""
		})
		if fits {
			c.Response().Header().Set(echo.HeaderAllow, strings.Join(methods, ", "))
			return fault.New(fault.Invalid, CodeMethod, "This method is not supported here")
		}
	}
	return fault.New(fault.NotFound, CodePath, "There is nothing at this address")
}

// wording is how errors below a path that no route rendered are put into words: wrong
// methods, panics.
type wording struct {
	path   string
	render func(c echo.Context, f *fault.Error) error
}
