package request

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/web"
)

// fault is the dialect's one table from faults to answers.
func (d *dialect) fault(c echo.Context, f *fault.Error) error {
	status := web.Status(f)
	web.SayWhen(c, f, f.Code == codeRunning)
	if s, ok := errors.AsType[schemaFault](f); ok {
		return c.JSON(status, s.body)
	}
	w := errorWire{StatusCode: status, Message: f.Public, Error: http.StatusText(status), Code: f.Code, Field: f.Field}
	if f.Kind == fault.Internal || f.Kind == fault.Unavailable {
		w.RequestID = web.RequestID(c)
	}
	return c.JSON(status, w)
}

// over tells why a payment is not payable in this dialect's reading: money that
// is on its way leaves it pending until it has settled.
func over(p *payment.Payment) error {
	switch p.Standing.State {
	case payment.Open, payment.Seen:
		return nil
	case payment.Paid:
		return fault.New(fault.Conflict, checkout.CodeCompleted, "Secure payment has already been completed")
	case payment.Expired, payment.Canceled, payment.Failed:
		code := string(p.Standing.State)
		if statusOf(p) == checkout.ComplianceFailed {
			code = checkout.ComplianceFailed
		}
		return fault.New(fault.Forbidden, code, "Secure payment token expired or invalid status")
	}
	panic("request: unknown state " + p.Standing.State)
}

// underWay reports whether a fault's code is of a payment whose money is on its way, or may be
// sent by a Safe or a smart account at any time.
func underWay(code string) bool {
	switch code {
	case checkout.CodeInProgress, checkout.CodeBridging, checkout.CodeSafePending, checkout.CodeOpPending:
		return true
	}
	return false
}

// ended answers for a payment that cannot be paid any more (409, 403) or whose
// money is on its way (423), be it still on a bridge or to be sent by a Safe or a smart
// account, with the documented bodies; other faults pass. a is how far the caller was
// let in.
func (d *dialect) ended(c echo.Context, p *payment.Payment, a checkout.Admission, err error) error {
	f := fault.From(err)
	var status int
	var message string
	switch {
	case p == nil:
		return err
	case f.Code == checkout.CodeCompleted:
		status, message = http.StatusConflict, "Secure payment has already been completed"
	case underWay(f.Code):
		status, message = http.StatusLocked, "Secure payment is in progress"
	case f.Code == checkout.CodeExpired, f.Code == checkout.CodeCanceled, f.Code == checkout.CodeFailed, f.Code == checkout.ComplianceFailed:
		status, message = http.StatusForbidden, "Secure payment token expired or invalid status"
	default:
		return err
	}
	w := endedWire{
		StatusCode: status, Message: message, Error: http.StatusText(status), Code: f.Code,
		Status: statusOf(p), RequestStatuses: requestStatuses(p, hidden(p, a), time.Now()),
	}
	if why, ok := p.Failure(); ok && why.Safe != nil && p.Standing.State == payment.Failed {
		w.SubStatus = why.Reason
	}
	return c.JSON(status, w)
}
