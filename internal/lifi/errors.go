package lifi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/fault"
)

// Code is LI.FI's number of an error.
type Code int

// The codes, as documented. Others may come.
const (
	CodeDefault        Code = 1000
	CodeFailedToBuild  Code = 1001
	CodeNoQuote        Code = 1002
	CodeNotFound       Code = 1003
	CodeNotProcessable Code = 1004
	CodeRateLimit      Code = 1005
	CodeServer         Code = 1006
	CodeSlippage       Code = 1007
	CodeThirdParty     Code = 1008
	CodeTimeout        Code = 1009
	CodeUnauthorized   Code = 1010
	CodeValidation     Code = 1011
	CodeRPCFailure     Code = 1012
	CodeMalformed      Code = 1013
)

// ToolError is why one bridge or exchange offers nothing: NO_POSSIBLE_ROUTE,
// INSUFFICIENT_LIQUIDITY, AMOUNT_TOO_LOW and so on.
type ToolError struct{ Tool, Code, Message string }

// Error is a refusal by the service. Every fault that a Client's methods return
// has one as its cause, where the service answered.
type Error struct {
	Status     int  // HTTP, 0 if our own limiter refused
	Code       Code // 0 if there was none
	Message    string
	Tools      []ToolError
	RetryAfter time.Duration // with CodeRateLimit
}

// Error is for logs: the operator sees why a route was not offered.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "LI.FI answered %d", e.Status)
	if e.Code != 0 {
		fmt.Fprintf(&b, ", code %d", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	for _, t := range e.Tools {
		fmt.Fprintf(&b, "; %s: %s %s", t.Tool, t.Code, t.Message)
	}
	return b.String()
}

// again reports whether the same question may be answered a moment later.
func (e *Error) again() bool {
	switch e.Code {
	case CodeServer, CodeThirdParty, CodeTimeout, CodeRPCFailure:
		return true
	}
	return e.Status >= 500
}

// errAnswer is an answer that cannot be one.
var errAnswer = errors.New("the routing service's answer makes no sense")

// toFault says what a caller can do about an error, in the words of Client.
func toFault(err error) error {
	var e *Error
	if errors.As(err, &e) {
		switch e.Code {
		case CodeNoQuote, CodeNotFound, CodeNotProcessable, CodeFailedToBuild, CodeSlippage:
			return fault.New(fault.NotFound, "no_route", "No route is offered for this payment right now.").Because(err)
		case CodeRateLimit:
			return fault.New(fault.Limited, "routing_limited",
				"Routes cannot be asked for this often. Please try again in a moment.").Because(err)
		case CodeValidation, CodeMalformed:
			return fault.New(fault.Invalid, "route_invalid", "The route is no longer available or not valid.").Because(err)
		}
	}
	return fault.New(fault.Unavailable, "routing_unavailable",
		"Paying from another chain or with another token is not possible right now.").Because(err)
}

const maxToolErrors = 20

// parseError reads LI.FI's envelope; a body that is none leaves the status.
func parseError(status int, body []byte) *Error {
	e := &Error{Status: status}
	var envelope struct {
		Message string         `json:"message"`
		Code    Code           `json:"code"`
		Errors  jsontext.Value `json:"errors"`
	}
	if json.Unmarshal(body, &envelope) == nil {
		e.Code, e.Message = envelope.Code, clean(envelope.Message)
		e.Tools = toolErrors(envelope.Errors)
	}
	switch { // without a code the status says as much
	case e.Code != 0:
	case status == 429:
		e.Code = CodeRateLimit
	case status == 404:
		e.Code = CodeNotFound
	case status == 400 || status == 422:
		e.Code = CodeValidation
	case status == 401 || status == 403:
		e.Code = CodeUnauthorized
	}
	return e
}

type wireToolError struct {
	Code    string `json:"code"`
	Tool    string `json:"tool"`
	Message string `json:"message"`
}

func (w wireToolError) public() ToolError {
	return ToolError{Tool: clean(w.Tool), Code: clean(w.Code), Message: clean(w.Message)}
}

// toolErrors reads both shapes there are: a list, or what was filtered out and
// what failed, by paths of tools.
func toolErrors(raw jsontext.Value) (out []ToolError) {
	var list []wireToolError
	if json.Unmarshal(raw, &list) == nil {
		for _, w := range list {
			out = append(out, w.public())
		}
		return out[:min(len(out), maxToolErrors)]
	}
	var paths struct {
		FilteredOut []struct {
			Path   string `json:"overallPath"`
			Reason string `json:"reason"`
		} `json:"filteredOut"`
		Failed []struct {
			Subpaths map[string][]wireToolError `json:"subpaths"`
		} `json:"failed"`
	}
	if json.Unmarshal(raw, &paths) != nil {
		return nil
	}
	for _, f := range paths.FilteredOut {
		out = append(out, ToolError{Tool: clean(f.Path), Code: "FILTERED_OUT", Message: clean(f.Reason)})
	}
	for _, f := range paths.Failed {
		for _, path := range sortedKeys(f.Subpaths) {
			for _, w := range f.Subpaths[path] {
				out = append(out, w.public())
			}
		}
	}
	return out[:min(len(out), maxToolErrors)]
}
