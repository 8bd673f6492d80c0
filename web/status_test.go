package web

import (
	"net/http"
	"testing"

	"quittance/internal/fault"
)

// A caller's mistake told as the server's is retried for ever, and a payment that is under
// way told as a failure is paid again.
func TestEveryKindOfFaultHasItsStatus(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Invalid: http.StatusBadRequest, fault.Unauthorized: http.StatusUnauthorized, fault.Forbidden: http.StatusForbidden,
		fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict, fault.Mismatch: http.StatusUnprocessableEntity,
		fault.Locked: http.StatusLocked, fault.TooLarge: http.StatusRequestEntityTooLarge, fault.Limited: http.StatusTooManyRequests,
		fault.Unavailable: http.StatusServiceUnavailable, fault.Internal: http.StatusInternalServerError,
	}
	for _, k := range fault.Kinds() {
		if got := StatusOf(k); got != want[k] {
			t.Errorf("%s: %d, want %d", k, got, want[k])
		}
	}
}

// What a caller did wrong with HTTP itself is told as HTTP tells it, of whatever kind it is.
func TestCodesWithAStatusOfTheirOwn(t *testing.T) {
	for code, want := range map[string]int{
		CodePath: http.StatusNotFound, CodeMethod: http.StatusMethodNotAllowed, CodeMedia: http.StatusUnsupportedMediaType, "else": http.StatusBadRequest,
	} {
		if got := Status(fault.New(fault.Invalid, code, "t")); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}
