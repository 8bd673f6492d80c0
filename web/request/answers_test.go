package request_test

import (
	"fmt"
	"net/http"
	"testing"

	"quittance/web/webtest"
)

func str(v any) string {
	s, _ := v.(string)
	return s
}

// refuses checks an error's status, words and field.
func refuses(t *testing.T, what string, r webtest.Response, status int, message, field string) {
	t.Helper()
	if r.Status != status {
		t.Errorf("%s: got status %d, want %d\n%s", what, r.Status, status, r.Body)
		return
	}
	got := r.JSON()
	if str(got["code"]) == "" || got["statusCode"] != float64(status) || got["error"] != http.StatusText(status) {
		t.Errorf("%s: %s", what, r.Body)
	}
	if message != "" && got["message"] != message {
		t.Errorf("%s: got message %q, want %q", what, got["message"], message)
	}
	if str(got["field"]) != field {
		t.Errorf("%s: got field %q, want %q", what, got["field"], field)
	}
}

// holds checks members of an answer.
func holds(t *testing.T, what string, got map[string]any, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if found, ok := got[name]; !ok || fmt.Sprint(found) != fmt.Sprint(v) {
			t.Errorf("%s: %s is %v, want %v", what, name, found, v)
		}
	}
}

// carries checks that an answer has members.
func carries(t *testing.T, what string, got map[string]any, want ...string) {
	t.Helper()
	for _, name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", what, name)
		}
	}
}

// start is enough of a long text to tell it by.
func start(s string) string { return s[:min(len(s), 40)] }
