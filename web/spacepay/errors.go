package spacepay

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/web"
)

type errorWire struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Code    string `json:"code"`
	Param   string `json:"param,omitempty"`
}

// The types of errors. The first three are documented; the others are in the manner of
// the APIs that this one resembles.
const (
	typeRequest     = "invalid_request_error"
	typeAuth        = "authentication_error"
	typeNotFound    = "not_found_error"
	typePermission  = "permission_error"
	typeIdempotency = "idempotency_error"
	typeLimit       = "rate_limit_error"
	typeAPI         = "api_error"
)

// answerTo is the dialect's one table from faults to answers.
func answerTo(f *fault.Error) (status int, body errorWire) {
	kind := typeRequest
	switch f.Kind {
	case fault.Invalid:
		status = http.StatusBadRequest
	case fault.Unauthorized:
		status, kind = http.StatusUnauthorized, typeAuth
	case fault.Forbidden:
		status, kind = http.StatusForbidden, typePermission
	case fault.NotFound:
		status, kind = http.StatusNotFound, typeNotFound
	case fault.Conflict:
		// A payment that is not pending any more: the documentation has 400 for it.
		status = http.StatusBadRequest
	case fault.Mismatch, fault.Locked:
		// An idempotency key that came with another body, or whose first request runs.
		status, kind = http.StatusConflict, typeIdempotency
	case fault.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case fault.Limited:
		status, kind = http.StatusTooManyRequests, typeLimit
	case fault.Unavailable:
		status, kind = http.StatusServiceUnavailable, typeAPI
	case fault.Internal:
		status, kind = http.StatusInternalServerError, typeAPI
	default:
		panic("spacepay: no answer for fault kind " + f.Kind)
	}
	switch f.Code {
	case web.CodeMethod, web.CodeMedia:
		status = web.Status(f)
	}
	return status, errorWire{errorBody{Type: kind, Message: f.Public, Code: f.Code, Param: f.Field}}
}

// fault answers with an error.
func (d *dialect) fault(c echo.Context, f *fault.Error) error {
	status, body := answerTo(f)
	web.SayWhen(c, f, f.Kind == fault.Locked)
	return answer(c, status, body)
}

// The faults whose texts are documented.
var (
	errKey     = fault.New(fault.Unauthorized, "invalid_api_key", "Invalid or missing x-spacepay-secret-key header")
	errSecret  = fault.New(fault.Unauthorized, "invalid_payment_secret", "Invalid or missing x-spacepay-payment-secret header")
	errPayment = fault.New(fault.NotFound, "payment_not_found", "Payment not found")
	errPending = fault.New(fault.Conflict, "payment_not_pending", "Payment is not pending, cannot create or update a quote")
)
