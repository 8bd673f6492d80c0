package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/sessions"

	"quittance/internal/merchant"
)

// The names carry the __Host- prefix: browsers then insist on Secure, on Path=/
// and on no Domain.
const (
	cookieName   = "__Host-quittance"
	framedCookie = "__Host-quittance-framed"
)

// Sessions keeps what belongs to one browser in a sealed cookie.
type Sessions struct {
	store *sessions.CookieStore
	// framed tells that the page may be a frame on another site's page.
	framed bool
}

// Framed returns the same sessions for pages that other sites may frame. In such
// a frame a browser sends no cookie that is SameSite=Lax, though the page asks its
// own server. The cookie is partitioned instead: it is sent on pages of the site
// where it was set and on no other's, so that here, too, no other site gets a
// browser to act with it. Browsers that know no partitions send it everywhere;
// what changes anything asks where a request comes from in any case.
func (s *Sessions) Framed() *Sessions { return &Sessions{store: s.store, framed: true} }

// name is the page's cookie. There are two, so that one that was set before
// framing was allowed does not hide the other.
func (s *Sessions) name() string {
	if s.framed {
		return framedCookie
	}
	return cookieName
}

// page returns the session of the page's cookie; one that cannot be read is empty.
func (s *Sessions) page(r *http.Request) *sessions.Session {
	session, _ := s.store.Get(r, s.name())
	if s.framed {
		o := *session.Options
		o.SameSite, o.Partitioned = http.SameSiteNoneMode, true
		session.Options = &o
	}
	return session
}

// value reads one value of the page's cookie, "" for none.
func (s *Sessions) value(r *http.Request, key string) string {
	if _, err := r.Cookie(s.name()); err != nil {
		return ""
	}
	value, _ := s.page(r).Values[key].(string)
	return value
}

// put sets one value of the page's cookie.
func (s *Sessions) put(w http.ResponseWriter, r *http.Request, key, value string) error {
	session := s.page(r)
	if len(session.Values) >= maxAnnounced {
		clear(session.Values)
	}
	session.Values[key] = value
	if err := session.Save(r, w); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// NewSessions takes pairs of keys, newest first: each is 64 bytes, half to
// authenticate and half to encrypt. Cookies are written with the first pair and
// read with any, so that keys can be rotated.
func NewSessions(keys [][]byte) (*Sessions, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("sessions need at least one key")
	}
	var pairs [][]byte
	for i, k := range keys {
		if len(k) != 64 {
			return nil, fmt.Errorf("session key %d: got %d bytes, want 64", i, len(k))
		}
		pairs = append(pairs, k[:32], k[32:])
	}
	store := sessions.NewCookieStore(pairs...)
	store.Options = &sessions.Options{Path: "/", MaxAge: 12 * 60 * 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	store.MaxAge(store.Options.MaxAge)
	return &Sessions{store: store}, nil
}

// maxAnnounced bounds the cookie: a browser follows that many payments at once.
const maxAnnounced = 8

// Announced returns the transaction this browser said it sent for a payment, or "".
func (s *Sessions) Announced(r *http.Request, token string) string {
	return s.value(r, "tx:"+token)
}

// Announce remembers the transaction this browser said it sent.
func (s *Sessions) Announce(w http.ResponseWriter, r *http.Request, token, hash string) error {
	return s.put(w, r, "tx:"+token, hash)
}

// The cookie of a wallet's session is named as the documented API names it; its
// examples also use the other name.
const (
	walletCookie      = "session_token"
	walletCookieAlias = "session"
	walletCookieLife  = 12 * 60 * 60 // seconds; the session itself ends earlier if it is not used
)

// Secret returns the secret of the wallet session that a request's cookies
// carry, or "". People who copy it into a command line may send it bare.
func (s *Sessions) Secret(r *http.Request) string {
	for _, name := range []string{walletCookie, walletCookieAlias} {
		for _, c := range r.CookiesNamed(name) {
			if strings.HasPrefix(c.Value, merchant.SessionPrefix) {
				return c.Value
			}
			if secret := s.open(c.Value); secret != "" {
				return secret
			}
		}
	}
	return ""
}

// open reads a sealed cookie, under whichever name it came.
func (s *Sessions) open(value string) string {
	alone := &http.Request{Header: http.Header{"Cookie": {walletCookie + "=" + value}}}
	session, _ := s.store.Get(alone, walletCookie) // a cookie that cannot be read is an empty session
	secret, _ := session.Values["secret"].(string)
	return secret
}

// SignIn gives the browser the secret of a wallet's session.
func (s *Sessions) SignIn(w http.ResponseWriter, r *http.Request, secret string, secure bool) error {
	return s.save(w, r, secret, secure, walletCookieLife)
}

// SignOut takes it away again.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request, secure bool) error {
	return s.save(w, r, "", secure, -1)
}

func (s *Sessions) save(w http.ResponseWriter, r *http.Request, secret string, secure bool, life int) error {
	session := sessions.NewSession(s.store, walletCookie)
	session.Options = &sessions.Options{Path: "/", MaxAge: life, Secure: secure, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	session.Values["secret"] = secret
	if err := s.store.Save(r, w, session); err != nil {
		return fmt.Errorf("save wallet session: %w", err)
	}
	return nil
}
