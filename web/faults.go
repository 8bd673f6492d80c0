package web

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
)

// The codes of faults that HTTP has a status of its own for, whatever others of their kind have.
const (
	CodePath   = "no_such_path"
	CodeMethod = "method_not_allowed"
	CodeMedia  = "unsupported_media_type"
)

// lastResort answers errors that no group rendered: unknown paths, and panics
// outside of any dialect.
func (s *Server) lastResort(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	f := s.faultOf(c, err)
	s.logFault(c, f)
	for _, w := range s.below {
		if at := c.Request().URL.Path; at == w.path || strings.HasPrefix(at, w.path+"/") {
			if err := w.render(c, f); err != nil {
				s.log.DebugContext(c.Request().Context(), "answer not written", "err", err)
			}
			return
		}
	}
	if err := Refuse(c, Status(f), f); err != nil {
		s.log.DebugContext(c.Request().Context(), "answer not written", "err", err)
	}
}

// refusal is a fault in no dialect's words. It has the members of the Request API's errors.
type refusal struct {
	Code       string `json:"code"`
	Error      string `json:"error"`
	Field      string `json:"field,omitempty"`
	Message    string `json:"message"`
	StatusCode int    `json:"statusCode"`
}

// Refuse words a fault where no dialect does: for the page's script, and for paths that are
// nobody's.
func Refuse(c echo.Context, status int, f *fault.Error) error {
	return c.JSON(status, refusal{Code: f.Code, Error: http.StatusText(status), Field: f.Field, Message: f.Public, StatusCode: status})
}

// Status is the usual HTTP status of a fault; a dialect's own table may differ.
func Status(f *fault.Error) int {
	switch f.Code {
	case CodePath:
		return http.StatusNotFound
	case CodeMethod:
		return http.StatusMethodNotAllowed
	case CodeMedia:
		return http.StatusUnsupportedMediaType
	}
	return StatusOf(f.Kind)
}

// StatusOf is the usual HTTP status of a kind.
func StatusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Mismatch:
		return http.StatusUnprocessableEntity
	case fault.Locked:
		return http.StatusLocked
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	panic("web: no status for fault kind " + k)
}

// SayWhen has the caller ask again in a second, where nothing has said when: after what ends
// by itself, and after what the dialect says does.
func SayWhen(c echo.Context, f *fault.Error, ends bool) {
	wait := ends || f.Kind == fault.Unavailable || f.Kind == fault.Limited
	if h := c.Response().Header(); wait && h.Get(echo.HeaderRetryAfter) == "" {
		h.Set(echo.HeaderRetryAfter, "1")
	}
}
