package web

import (
	"fmt"
	"net/http"
)

// Admitted returns the wallet with which this browser was let in to see a
// payment, or "".
func (s *Sessions) Admitted(r *http.Request, token string) string {
	if _, err := r.Cookie(cookieName); err != nil {
		return ""
	}
	session, _ := s.store.Get(r, cookieName) // a cookie that cannot be read is an empty session
	wallet, _ := session.Values["in:"+token].(string)
	return wallet
}

// Admit remembers the wallet with which this browser was let in.
func (s *Sessions) Admit(w http.ResponseWriter, r *http.Request, token, wallet string) error {
	session, _ := s.store.Get(r, cookieName)
	if len(session.Values) >= maxAnnounced {
		clear(session.Values)
	}
	session.Values["in:"+token] = wallet
	if err := session.Save(r, w); err != nil {
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}
