package request

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/web"
)

// Every kind of fault has one answer. What ends by itself says when to ask again, and what is
// the server's own fault how to ask about it.
func TestEveryFaultHasAnAnswer(t *testing.T) {
	type row struct {
		status      int
		wait, named bool
	}
	rows := map[fault.Kind]row{
		fault.Invalid: {status: 400}, fault.Unauthorized: {status: 401}, fault.Forbidden: {status: 403}, fault.NotFound: {status: 404}, fault.Conflict: {status: 409},
		fault.Mismatch: {status: 422}, fault.Locked: {status: 423}, fault.TooLarge: {status: 413}, fault.Limited: {status: 429, wait: true},
		fault.Unavailable: {status: 503, wait: true, named: true}, fault.Internal: {status: 500, named: true},
	}
	if len(rows) != len(fault.Kinds()) {
		t.Errorf("%d kinds, %d rows", len(fault.Kinds()), len(rows))
	}
	answers := func(f *fault.Error, want row) {
		rec := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/", nil), rec)
		c.Set("request_id", "01KE0000000000000000000001")
		if err := new(dialect).fault(c, f); err != nil {
			t.Fatal(err)
		}
		var got errorWire
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if rec.Code != want.status || got.StatusCode != want.status || got.Error != http.StatusText(want.status) || got.Code != f.Code || got.Message != f.Public ||
			(rec.Header().Get("Retry-After") != "") != want.wait || (got.RequestID != "") != want.named {
			t.Errorf("%s %s: %d, %s", f.Kind, f.Code, rec.Code, rec.Body)
		}
	}
	for _, k := range fault.Kinds() {
		answers(fault.New(k, "c", "t"), rows[k])
	}
	answers(fault.New(fault.Conflict, codeRunning, "t"), row{status: 409, wait: true})
	answers(fault.New(fault.Invalid, web.CodeMethod, "t"), row{status: 405})
	answers(fault.New(fault.Invalid, web.CodeMedia, "t"), row{status: 415})
}
