package request

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/web"
)

// caller is who makes a request, and from where. Its merchant is always set; the
// rest of the credential is that of an API key or client id, and empty for a
// session.
type caller struct {
	merchant.Credential
	clientID string           // "" for an API key or a session
	origin   string           // of the page that calls with a client id, "" for a backend
	wallet   asset.Address    // that signed in, zero for an API key or a client id
	session  merchant.Session // empty for an API key or a client id
}

// isSession reports whether the caller is a wallet that has signed in.
func (w caller) isSession() bool { return w.session.Hash != "" }

// keyScope keeps the idempotency keys of different callers of one merchant apart:
// a client id is public, and a page's keys must not meet the backend's.
func (w caller) keyScope() string {
	switch {
	case w.clientID != "":
		return w.ID + ":"
	case w.isSession():
		return w.wallet.Lower() + ":"
	}
	return ""
}

// authenticate finds the caller of any kind. Browsers leave Origin out of some
// reads: only one that is there is checked.
//
// Faults: Unauthorized "missing_credential", "invalid_credential",
// "session_over"; Forbidden "client_id_revoked", "client_id_inactive",
// "origin_not_allowed", "cross_origin"; Limited.
func (d *dialect) authenticate(c echo.Context) (caller, error) {
	return d.identify(c, false)
}

// managed finds a caller who may change what belongs to the merchant: an API key
// or a session. A client id is public; beside an API key it only says what is
// meant.
//
// Faults: as authenticate; Forbidden "api_key_required".
func (d *dialect) managed(c echo.Context) (caller, error) {
	who, err := d.identify(c, false)
	if err == nil && who.clientID != "" {
		return caller{}, fault.New(fault.Forbidden, "api_key_required", "This needs an API key or a wallet session: a client id is public.")
	}
	return who, err
}

// signedIn finds a caller who has signed in with a wallet.
//
// Faults: as authenticate; Forbidden "session_required".
func (d *dialect) signedIn(c echo.Context) (caller, error) {
	who, err := d.identify(c, false)
	if err == nil && !who.isSession() {
		return caller{}, fault.New(fault.Forbidden, "session_required", "Forbidden - wallet session required")
	}
	return who, err
}

// identify finds the caller by the one kind of credential that counts, and counts
// the call. An address that keeps presenting what is refused has to wait,
// whatever it presents next. With originRequired a page's client id must come
// with its Origin (Forbidden "origin_required").
func (d *dialect) identify(c echo.Context, originRequired bool) (caller, error) {
	if err := d.Limits.Guessing(c); err != nil {
		return caller{}, err
	}
	h := c.Request().Header
	var who caller
	var err error
	switch keys, ids := h.Values("x-api-key"), h.Values("x-client-id"); {
	case len(keys) > 1 || len(ids) > 1:
		err = errMissing
	case len(keys) == 1:
		who, err = d.byKey(c, keys[0])
	case len(ids) == 1:
		who, err = d.byClientID(c, ids[0], originRequired)
	case len(h.Values("x-orchestrator-key")) > 0:
		err = fault.New(fault.Unauthorized, "orchestrator_unsupported", "x-orchestrator-key is not supported here: use x-api-key, or a client id in x-client-id.")
	default:
		who, err = d.bySession(c)
	}
	switch {
	case fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.Forbidden):
		d.Limits.Guessed(c)
		return caller{}, err
	case err != nil:
		return caller{}, err
	}
	return who, d.count(c, who)
}

var errMissing = fault.New(fault.Unauthorized, "missing_credential", "Send your API key in the x-api-key header, or a client id in x-client-id.")

// count counts a call of a caller from its address.
func (d *dialect) count(c echo.Context, who caller) error {
	switch {
	case who.clientID != "":
		return d.Limits.Take(c, d.Limits.Clients, "client", who.ID)
	case who.isSession():
		return d.Limits.Take(c, d.Limits.Sessions, "session", "")
	default:
		return d.Limits.Take(c, d.Limits.Keys, "key", who.ID)
	}
}

func (d *dialect) byKey(c echo.Context, key string) (caller, error) {
	who, err := d.Directory.Authenticate(c.Request().Context(), merchant.APIKey, key)
	return caller{Credential: who}, err
}

// byClientID finds a client id and holds browsers to its origins. One without
// origins is a backend's and may be used from anywhere.
func (d *dialect) byClientID(c echo.Context, id string, originRequired bool) (caller, error) {
	who, err := d.Directory.Authenticate(c.Request().Context(), merchant.ClientID, id)
	if err != nil {
		return caller{}, err
	}
	origins := c.Request().Header.Values(echo.HeaderOrigin)
	switch {
	case len(origins) == 0 && originRequired && len(who.Origins) > 0:
		return caller{}, fault.New(fault.Forbidden, "origin_required", "Origin header is required")
	case len(origins) == 0:
		return caller{Credential: who, clientID: id}, nil
	case len(origins) > 1 || !visible(origins[0]) || len(origins[0]) > maxOrigin || (len(who.Origins) > 0 && !slices.Contains(who.Origins, origins[0])):
		return caller{}, fault.New(fault.Forbidden, "origin_not_allowed", "This client id may not be used from this origin.")
	}
	if len(who.Origins) > 0 {
		c.Response().Header().Set(echo.HeaderAccessControlAllowOrigin, origins[0])
		c.Response().Header().Set(echo.HeaderAccessControlExposeHeaders, exposed)
	}
	return caller{Credential: who, clientID: id, origin: origins[0]}, nil
}

// maxOrigin bounds an origin, which a backend may choose: payments and webhooks
// carry it.
const maxOrigin = 300

// exposed are the headers of an answer that pages of other origins may read.
const exposed = "Idempotent-Replayed, Retry-After, X-Request-Id, " + web.RateLimitHeaders

// bySession finds a wallet's session by its secret: a bearer token, or a cookie
// that its own site's page sent.
func (d *dialect) bySession(c echo.Context) (caller, error) {
	secret, err := d.sessionSecret(c)
	if err != nil {
		return caller{}, err
	}
	s, err := d.Accounts.Session(c.Request().Context(), merchant.HashSecret(secret), time.Now().UTC())
	if fault.Is(err, fault.NotFound) {
		return caller{}, fault.New(fault.Unauthorized, "session_over", "The session has ended. Sign in again.")
	}
	if err != nil {
		return caller{}, err
	}
	return caller{Credential: merchant.Credential{Merchant: s.Merchant}, wallet: s.Wallet, session: s}, nil
}

func (d *dialect) sessionSecret(c echo.Context) (string, error) {
	r := c.Request()
	if values := r.Header.Values(echo.HeaderAuthorization); len(values) > 0 {
		scheme, token, _ := strings.Cut(values[0], " ")
		if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", errMissing
		}
		return token, nil
	}
	secret := d.Sessions.Secret(r)
	if secret == "" {
		return "", errMissing
	}
	return secret, d.Server.FromOwnPage(r)
}

// cors makes caches keep the answers to different origins apart.
func cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
		return next(c)
	}
}

// preflight answers the preflight of a path with these methods. Any page may ask:
// a preflight carries no client id to judge by, and the request that follows it
// does. Neither an API key nor a session's token is among the headers a page of
// another origin may send: they have no place there.
func preflight(c echo.Context, allowed string) {
	h, r := c.Response().Header(), c.Request()
	h.Add(echo.HeaderVary, echo.HeaderOrigin)
	if origin := r.Header.Get(echo.HeaderOrigin); origin != "" && r.Header.Get(echo.HeaderAccessControlRequestMethod) != "" {
		h.Set(echo.HeaderAccessControlAllowOrigin, origin)
		h.Set(echo.HeaderAccessControlAllowMethods, allowed)
		h.Set(echo.HeaderAccessControlAllowHeaders, "content-type, x-client-id, idempotency-key")
		h.Set(echo.HeaderAccessControlMaxAge, "600")
	}
}
