package request_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// A backend's client id is held to no origins, and what it sends as one goes into
// the payment and its webhooks.
func TestOriginsOfBackends(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
		"postgres": func(t *testing.T) string { return pgtest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := webtest.NewWith(t, webtest.Options{Database: database(t)})
			addDestination(t, w)
			active, err := w.App.Store.ActiveDestinations(t.Context(), w.Merchant)
			if err != nil {
				t.Fatal(err)
			}
			client := bindClientID(t, w, active[0].ID)
			for _, origin := range []string{"\xff\xfe", "https://shop.example.com\xc3", "https://" + strings.Repeat("x", 20_000) + ".example", "https://a b"} {
				r := w.Do(http.MethodPost, route, `{"requests":[{"amount":"1"}]}`, client, "Origin: "+origin)
				refuses(t, origin, r, http.StatusForbidden, "", "")
			}
			for _, origin := range []string{"https://shop.example.com", "chrome-extension://abcdef", "null", ""} {
				made := w.Do(http.MethodPost, route, `{"requests":[{"amount":"1"}]}`, client, "Origin: "+origin).Want(http.StatusCreated).JSON()
				if p := w.Load(str(made["token"])); p.Terms.Origin != origin {
					t.Errorf("kept %q of %q", p.Terms.Origin, origin)
				}
			}
		})
	}
}
