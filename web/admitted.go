package web

import "net/http"

// Admitted returns the wallet with which this browser was let in to see a
// payment, or "".
func (s *Sessions) Admitted(r *http.Request, token string) string {
	return s.value(r, "in:"+token)
}

// Admit remembers the wallet with which this browser was let in.
func (s *Sessions) Admit(w http.ResponseWriter, r *http.Request, token, wallet string) error {
	return s.put(w, r, "in:"+token, wallet)
}
