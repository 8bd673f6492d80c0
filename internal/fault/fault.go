// Package fault is the one error type that callers can act on: a kind for the
// reaction, a stable code for machines, and a sentence fit for the outside. It
// knows no HTTP status: each dialect maps kinds to statuses in its own table.
package fault

import (
	"errors"
	"fmt"
)

// Kind says how a caller should react.
type Kind string

// The kinds. A new one must be added to every dialect's table.
const (
	Invalid      Kind = "invalid"      // the request is wrong; the same request will fail again
	Unauthorized Kind = "unauthorized" // no credential, or one that is not valid
	Forbidden    Kind = "forbidden"    // a valid credential that may not do this, or a payment that is over
	NotFound     Kind = "not_found"    // there is no such thing, or not for this caller
	Conflict     Kind = "conflict"     // the thing is in another state; ask again after looking
	Mismatch     Kind = "mismatch"     // an idempotency key came back with another body
	Locked       Kind = "locked"       // something is under way that must end first
	TooLarge     Kind = "too_large"    // the body or a value is over its limit
	Limited      Kind = "limited"      // too many calls; wait
	Unavailable  Kind = "unavailable"  // a part we need does not answer now; try later
	Internal     Kind = "internal"     // our fault; the text says nothing of the cause
)

// Kinds lists every kind, for tables that must cover them all.
func Kinds() []Kind {
	return []Kind{Invalid, Unauthorized, Forbidden, NotFound, Conflict, Mismatch, Locked, TooLarge, Limited, Unavailable, Internal}
}

// Error is a failure with words for the outside (Public) and, unless empty, the
// input field at fault. The cause is for logs only.
type Error struct {
	Kind   Kind
	Code   string // stable, lower_snake_case
	Public string
	Field  string
	cause  error
}

// New returns a fault.
func New(k Kind, code, public string) *Error {
	return &Error{Kind: k, Code: code, Public: public}
}

// Newf is New with a formatted text.
func Newf(k Kind, code, format string, args ...any) *Error {
	return New(k, code, fmt.Sprintf(format, args...))
}

// Field returns an Invalid fault about one input field.
func Field(field, code, public string) *Error {
	return &Error{Kind: Invalid, Code: code, Public: public, Field: field}
}

// Because returns a copy that carries cause for the logs.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// At returns a copy that names the input field at fault.
func (e *Error) At(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Public + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Public
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// From returns the fault in err's chain. Any other error becomes an Internal
// fault with a bland text and err as its cause; nil stays nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return New(Internal, "internal", "Something went wrong on our side. Please try again.").Because(err)
}

// CodeOf returns the code of the fault in err's chain, "" if there is none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Is reports whether err's chain has a fault of kind k.
func Is(err error, k Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == k
}
