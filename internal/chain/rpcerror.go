package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// RPCError is a node's refusal of one call. Message is the node's own text,
// shortened and without control characters: for logs, never for a page.
type RPCError struct {
	Code    int
	Message string
	Data    json.RawMessage // nil if there was none; hex text of the revert for reverted calls
}

func (e *RPCError) Error() string { return fmt.Sprintf("node error %d: %s", e.Code, e.Message) }

// codeReverted is how nodes report a revert that came with data.
const codeReverted = 3

// Reverted reports whether a contract refused the call, and the data it gave
// (an ABI-encoded error), nil if none.
func (e *RPCError) Reverted() (data []byte, ok bool) {
	var text string
	if json.Unmarshal(e.Data, &text) == nil {
		data, _ = parseBytes(text)
	}
	return data, e.Code == codeReverted || strings.Contains(strings.ToLower(e.Message), "execution reverted")
}

// Executed reports whether it was the contract that failed, which is its answer,
// and not the node that could not execute it. Nodes have no common code for this;
// a text that is not known here only makes a caller try again.
func (e *RPCError) Executed() bool {
	if _, reverted := e.Reverted(); reverted || e.Code == -32015 {
		return true
	}
	return contains(e.Message, "revert", "out of gas", "outofgas", "invalid opcode", "bad instruction", "invalid jump", "bad jump",
		"stack underflow", "stack limit", "stack overflow", "return data out of bounds", "write protection", "gas uint64 overflow", "vm exception")
}

// Unsupported reports whether the node does not have the method.
func (e *RPCError) Unsupported() bool {
	m := strings.ToLower(e.Message)
	return e.Code == -32601 || e.Code == -32004 ||
		strings.Contains(m, "method not found") || strings.Contains(m, "does not exist/is not available")
}

// limited reports whether the node wants to be asked less often. Providers
// have no common code: 429 and -32029 are used, -32005 stands for this and for
// too many results alike.
func (e *RPCError) limited() bool {
	return e.Code == 429 || e.Code == -32029 || contains(e.Message,
		"rate limit", "rate exceeded", "too many requests", "request count exceeded", "per second", "quota")
}

// tooMuch reports whether a question for logs covers more than the node wants
// to answer at once. The texts differ between providers; a wrong guess costs a
// smaller range, nothing else.
func (e *RPCError) tooMuch() bool {
	return !e.limited() && (e.Code == -32005 || contains(e.Message,
		"range", "results", "too many", "too large", "too wide", "exceed", "limit", "more than", "timeout", "timed out"))
}

func contains(text string, words ...string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// maxMessage bounds what a node can put into our logs.
const maxMessage = 300

func clean(text string) string {
	if len(text) > maxMessage {
		text = text[:maxMessage]
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// AsRPC returns the node's refusal in err's chain, and whether there is one.
func AsRPC(err error) (*RPCError, bool) { return errors.AsType[*RPCError](err) }
