package faultproxytest

import "time"

// Kind is a way to misbehave.
type Kind string

// The kinds. Those marked with a star have reached the service when they happen: the effect
// is there, and the answer is not.
const (
	None       Kind = ""
	HangBefore Kind = "hang before" // says nothing, and asks nobody
	HangAfter  Kind = "hang after"  // * asks, and says nothing
	Drip       Kind = "drip"        // * sends the answer a byte at a time
	Cut        Kind = "cut"         // * ends the connection in the middle of the body
	Reset      Kind = "reset"       // resets the connection before anything is asked
	ResetAfter Kind = "reset after" // * resets it when the answer is there
	Limited    Kind = "429"         // with Retry-After
	Broken     Kind = "500"
	BadGateway Kind = "502"
	Away       Kind = "503"
	LostAfter  Kind = "502 after" // * says that there was no answer
	Garbage    Kind = "garbage"   // no JSON
	Truncated  Kind = "truncated" // * half of the answer, with the length of the half
	Short      Kind = "short"     // * a Content-Length that is greater than the body
	Stale      Kind = "stale"     // the answer to an earlier request; what it is if there was none
	Twice      Kind = "twice"     // * the service is asked twice
	Huge       Kind = "huge"      // an answer that does not end for HugeBytes
	Redirect   Kind = "redirect"  // to another address of this machine
)

// Kinds are all of them but None.
func Kinds() []Kind {
	return []Kind{
		HangBefore, HangAfter, Drip, Cut, Reset, ResetAfter, Limited, Broken, BadGateway, Away, LostAfter, Garbage, Truncated, Short, Stale,
		Twice, Huge, Redirect,
	}
}

// Reaches reports whether the service is asked although something goes wrong.
func (k Kind) Reaches() bool {
	switch k {
	case None, HangAfter, Drip, Cut, ResetAfter, LostAfter, Truncated, Short, Twice:
		return true
	}
	return false
}

// Manner is how faults look that can look in more than one way. The zero value is usable.
type Manner struct {
	RetryAfter int           // seconds that a 429 asks for; 1 if zero
	Pause      time.Duration // between two bytes of a drip; 20 ms if zero
	HugeBytes  int64         // 64 MiB if zero
	RedirectTo string        // http://127.0.0.1:1/ if empty
}

func (m Manner) orDefault() Manner {
	if m.RetryAfter == 0 {
		m.RetryAfter = 1
	}
	if m.Pause == 0 {
		m.Pause = 20 * time.Millisecond
	}
	if m.HugeBytes == 0 {
		m.HugeBytes = 64 << 20
	}
	if m.RedirectTo == "" {
		m.RedirectTo = "http://127.0.0.1:1/"
	}
	return m
}
