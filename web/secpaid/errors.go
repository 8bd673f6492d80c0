package secpaid

import (
	"net/http"
	"strconv"

	"quittance/internal/fault"
	"quittance/web"
)

// envelope is what every answer has; data stands before it where there is some.
type envelope struct {
	ResponseCode int    `json:"ResponseCode"` // 1, or 0 of an error
	ResponseMsg  string `json:"ResponseMsg"`
	Result       string `json:"Result"`     // "True", "False"
	ServerTime   string `json:"ServerTime"` // the name of a time zone
}

type answerWire[T any] struct {
	Data T `json:"data"`
	envelope
}

// The documented texts of what went well.
const (
	saidCreated = "Link has been created successfully"
	saidDeleted = "Link has been deleted successfully"
	saidListed  = "List retrived successfully" // sic
	// saidConfirmed is of an operation of our own.
	saidConfirmed = "Bank transfer has been confirmed"
)

// The faults whose texts are documented, beside those of amounts.
var (
	errNoToken  = fault.New(fault.Unauthorized, "missing_token", "Please enter token")
	errToken    = fault.New(fault.Unauthorized, "unknown_token", "No user found with the provided API key.")
	errNoLink   = fault.Field("link_id", "missing_link_id", "Please enter link_id")
	errLink     = fault.New(fault.NotFound, "unknown_link", "Invalid link ID")
	errLinkUsed = fault.New(fault.Conflict, "link_used", "This link is already used")
	// errLinkCancelled has the text that is documented of refunds.
	errLinkCancelled = fault.New(fault.Conflict, "link_cancelled", "Link is cancelled")
	// errNoWay is the caller's to mend: nothing is set up, and asking again is no use.
	errNoWay = fault.New(fault.Conflict, "no_way_to_pay", "No payment method is set up for this account")
	// These are of an operation of our own.
	errNoTransfer      = fault.Field("link_id", "no_bank_transfer", "This link cannot be paid by bank transfer")
	errMoreThanMissing = fault.Field("amount", "more_than_missing", "Amount should not be more than is missing")
)

// errRecipient is the documented fault of a recipient whom nobody knows.
func errRecipient(place int) error {
	return fault.Field("recipients", "unknown_recipient", "Invalid recipient token at index "+strconv.Itoa(place))
}

// statusOf is the dialect's one table from faults to HTTP statuses. Integrations look into
// the envelope and take every status but 200 for a failure of the transport: so that is
// what faults of the caller have, and the others are told as what they are.
func statusOf(f *fault.Error) int {
	switch f.Code {
	case web.CodeMethod, web.CodePath:
		return web.Status(f)
	}
	switch f.Kind {
	case fault.Invalid, fault.Unauthorized, fault.Forbidden, fault.NotFound, fault.Conflict, fault.Mismatch, fault.Locked:
		return http.StatusOK
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Limited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	panic("secpaid: no status for fault kind " + f.Kind)
}
