package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// FrameAncestors are the origins whose pages may frame the hosted page; none if
// nobody may.
func (s *Server) FrameAncestors() []string { return slices.Clone(s.cfg.FrameAncestors) }

// Framed reports whether a page was asked for as a frame, by somebody who may.
// It is the browser's word, good for how the page looks and for nothing else.
func (s *Server) Framed(r *http.Request) bool {
	return len(s.cfg.FrameAncestors) > 0 && r.Header.Get("Sec-Fetch-Dest") == "iframe"
}

// Framable lets the configured origins frame what a route answers. Everything
// else this server sends stays unframable.
func (s *Server) Framable(next echo.HandlerFunc) echo.HandlerFunc {
	if len(s.cfg.FrameAncestors) == 0 {
		return next
	}
	policy := contentPolicy(strings.Join(s.cfg.FrameAncestors, " "))
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", policy)
		h.Del("X-Frame-Options") // knows no list: browsers that read the policy ignore it
		return next(c)
	}
}

// Leaving lets the forms of what a route answers lead to other sites: browsers hold every
// redirect that follows a form against the policy, and where a merchant's own redirects end
// nobody here knows.
func (s *Server) Leaving(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), ownForms, "form-action *", 1))
		return next(c)
	}
}

// manifest is what Safe{Wallet} asks an app for before it frames it: a web app
// manifest, of which it reads these members.
type manifest struct {
	Name        string `json:"name"`
	ShortName   string `json:"short_name"`
	Description string `json:"description"`
	Icons       []icon `json:"icons"`
	IconPath    string `json:"iconPath"` // what older versions read instead of icons
}

type icon struct {
	Src   string `json:"src"`
	Sizes string `json:"sizes"`
	Type  string `json:"type"`
}

// SafeApp answers for the page as an app of Safe's own, with an icon at a path of
// this server. Safe{Wallet} asks for /manifest.json below the address that somebody
// has added, which may be that of one payment.
func (s *Server) SafeApp(iconPath string) {
	if len(s.cfg.FrameAncestors) == 0 {
		return
	}
	at := s.cfg.BaseURL + iconPath
	body, _ := json.Marshal(manifest{ // strings always encode
		Name: "Quittance", ShortName: "Quittance", Description: "Pay a payment link from your Safe.",
		Icons: []icon{{Src: at, Sizes: "any", Type: "image/svg+xml"}}, IconPath: at,
	})
	answer := func(c echo.Context) error {
		c.Response().Header().Set("Access-Control-Allow-Origin", "*")
		return JSON(c, http.StatusOK, body)
	}
	see := []string{http.MethodGet, http.MethodHead}
	s.Echo.Match(see, "/manifest.json", answer)
	s.Echo.Match(see, "/:token/manifest.json", answer)
}
