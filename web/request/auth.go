package request

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/merchant"
)

// caller is who makes a request, and from where.
type caller struct {
	merchant.Credential
	clientID string // "" for an API key
	origin   string // of the page that calls with a client id, "" for a backend
}

// keyScope keeps the idempotency keys of different callers of one merchant apart:
// a client id is public, and a page's keys must not meet the backend's.
func (w caller) keyScope() string {
	if w.clientID == "" {
		return ""
	}
	return w.ID + ":"
}

// authenticate finds the caller by x-api-key or, without one, by x-client-id
// with the Origin of a page that may use it. A client id without origins is a
// backend's. Browsers leave Origin out of some reads: where it is not required,
// only one that is there is checked.
//
// Faults: Unauthorized; Forbidden "origin_required", "origin_not_allowed".
func (d *Dialect) authenticate(c echo.Context) (caller, error) {
	return d.identify(c, false)
}

func (d *Dialect) identify(c echo.Context, originRequired bool) (caller, error) {
	ctx, h := c.Request().Context(), c.Request().Header
	keys, ids := h.Values("x-api-key"), h.Values("x-client-id")
	switch {
	case len(keys) == 1:
		who, err := d.Directory.Authenticate(ctx, merchant.APIKey, keys[0])
		return caller{Credential: who}, err
	case len(keys) > 1 || len(ids) != 1:
		return caller{}, fault.New(fault.Unauthorized, "missing_credential", "Send your API key in the x-api-key header, or a client id in x-client-id.")
	}
	who, err := d.Directory.Authenticate(ctx, merchant.ClientID, ids[0])
	if err != nil {
		return caller{}, err
	}
	origins := h.Values(echo.HeaderOrigin)
	switch {
	case len(origins) == 0 && originRequired && len(who.Origins) > 0:
		return caller{}, fault.New(fault.Forbidden, "origin_required", "Origin header is required")
	case len(origins) == 0:
		return caller{Credential: who, clientID: ids[0]}, nil
	case len(origins) > 1 || (len(who.Origins) > 0 && !slices.Contains(who.Origins, origins[0])):
		return caller{}, fault.New(fault.Forbidden, "origin_not_allowed", "This client id may not be used from this origin.")
	}
	if len(who.Origins) > 0 {
		c.Response().Header().Set(echo.HeaderAccessControlAllowOrigin, origins[0])
		c.Response().Header().Set(echo.HeaderAccessControlExposeHeaders, "Idempotent-Replayed, Retry-After, X-Request-Id")
	}
	return caller{Credential: who, clientID: ids[0], origin: origins[0]}, nil
}

// cors makes caches keep the answers to different origins apart.
func cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
		return next(c)
	}
}

// preflight answers preflights for a path with these methods. Any page may ask:
// a preflight carries no client id to judge by, and the request that follows it
// does. An API key is not among the headers a browser may send; it has no place
// in one.
func preflight(methods []string) echo.MiddlewareFunc {
	allowed := strings.Join(methods, ", ")
	return func(echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h, r := c.Response().Header(), c.Request()
			h.Add(echo.HeaderVary, echo.HeaderOrigin)
			if origin := r.Header.Get(echo.HeaderOrigin); origin != "" && r.Header.Get(echo.HeaderAccessControlRequestMethod) != "" {
				h.Set(echo.HeaderAccessControlAllowOrigin, origin)
				h.Set(echo.HeaderAccessControlAllowMethods, allowed)
				h.Set(echo.HeaderAccessControlAllowHeaders, "content-type, x-client-id, idempotency-key")
				h.Set(echo.HeaderAccessControlMaxAge, "600")
			}
			return c.NoContent(http.StatusNoContent)
		}
	}
}
