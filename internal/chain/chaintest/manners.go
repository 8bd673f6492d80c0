package chaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// Answer makes a lie of an honest answer. It gets the call's parameters and the honest result.
type Answer func(params []json.RawMessage, honest json.RawMessage) any

// Stall makes the endpoint accept requests and not answer, until release is called, the caller gives
// up or the test ends. Calling release again does nothing.
func (c *Chain) Stall() (release func()) { return c.manners.stall() }

// Fail makes the endpoint answer every request with an HTTP status and no JSON, until Behave.
func (c *Chain) Fail(status int) { c.manners.set(func(m *manners) { m.status = status }) }

// FailMethod makes one method answer with a JSON-RPC error, until Behave.
func (c *Chain) FailMethod(method string, code int, message string) {
	c.manners.set(func(m *manners) { m.errors[method] = &rpcError{Code: code, Message: message} })
}

// Lie makes one method answer what f makes of the honest answer, until Behave.
func (c *Chain) Lie(method string, f Answer) { c.manners.set(func(m *manners) { m.lies[method] = f }) }

// MaxRange makes the endpoint refuse questions for the logs of more blocks, until Behave; 0 answers for any.
func (c *Chain) MaxRange(blocks uint64) { c.manners.set(func(m *manners) { m.maxRange = blocks }) }

// MaxRequest makes the endpoint refuse longer requests, until Behave; usually it takes 4 MiB.
func (c *Chain) MaxRequest(bytes int64) { c.manners.set(func(m *manners) { m.maxRequest = bytes }) }

// Behave ends Stall, Fail, FailMethod, Lie, MaxRange and MaxRequest.
func (c *Chain) Behave() { c.manners.behave() }

// Calls returns how often a method was called at the endpoint, each call of a batch counted.
func (c *Chain) Calls(method string) int {
	c.manners.mu.Lock()
	defer c.manners.mu.Unlock()
	return c.manners.calls[method]
}

// Requests returns how many HTTP requests the endpoint has had, a batch being one.
func (c *Chain) Requests() int {
	c.manners.mu.Lock()
	defer c.manners.mu.Unlock()
	return c.manners.requests
}

// manners is the endpoint: it asks the chain and decides what becomes of the answer.
type manners struct {
	client *rpc.Client

	mu       sync.Mutex
	stalled  chan struct{} // closed on release; nil when not stalling
	status   int
	errors   map[string]*rpcError
	lies     map[string]Answer
	maxRange uint64 // 0 for any
	calls    map[string]int
	requests int

	maxRequest int64 // bytes
}

const usualRequest = 4 << 20

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

type rpcCall struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

type rpcAnswer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

func newManners(client *rpc.Client) *manners {
	return &manners{
		client: client, errors: map[string]*rpcError{}, lies: map[string]Answer{}, calls: map[string]int{}, maxRequest: usualRequest,
	}
}

func (m *manners) set(f func(*manners)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

func (m *manners) stall() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stalled == nil {
		m.stalled = make(chan struct{})
	}
	current := m.stalled
	return func() {
		m.set(func(m *manners) {
			if m.stalled == current {
				close(current)
				m.stalled = nil
			}
		})
	}
}

func (m *manners) behave() {
	m.set(func(m *manners) {
		if m.stalled != nil {
			close(m.stalled)
			m.stalled = nil
		}
		m.status, m.maxRange, m.maxRequest = 0, 0, usualRequest
		clear(m.errors)
		clear(m.lies)
	})
}

func (m *manners) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests++
	stalled, status, most := m.stalled, m.status, m.maxRequest
	m.mu.Unlock()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
		http.Error(w, "request too long", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "unreadable request", http.StatusBadRequest)
		return
	}
	if stalled != nil {
		select {
		case <-stalled:
		case <-r.Context().Done():
			return
		}
	}
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	var out any
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		var batch []rpcCall
		if err := json.Unmarshal(trimmed, &batch); err != nil {
			http.Error(w, "not a JSON-RPC batch", http.StatusBadRequest)
			return
		}
		answers := make([]rpcAnswer, len(batch))
		for i, call := range batch {
			answers[i] = m.answer(r.Context(), call)
		}
		out = answers
	} else {
		var call rpcCall
		if err := json.Unmarshal(body, &call); err != nil {
			http.Error(w, "not a JSON-RPC call", http.StatusBadRequest)
			return
		}
		out = m.answer(r.Context(), call)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // a caller that hung up is the caller's business
}

func (m *manners) answer(ctx context.Context, call rpcCall) rpcAnswer {
	m.mu.Lock()
	m.calls[call.Method]++
	fault, lie := m.errors[call.Method], m.lies[call.Method]
	if m.maxRange > 0 && width(call) > m.maxRange {
		fault = &rpcError{Code: -32005, Message: "block range is too wide"}
	}
	m.mu.Unlock()
	out := rpcAnswer{Version: "2.0", ID: call.ID, Error: fault}
	if fault != nil {
		return out
	}
	params := make([]any, len(call.Params))
	for i, p := range call.Params {
		params[i] = p
	}
	var honest json.RawMessage
	if err := m.client.CallContext(ctx, &honest, call.Method, params...); err != nil {
		out.Error = wireError(err)
		return out
	}
	if lie != nil {
		out.Result = lie(call.Params, honest)
	} else {
		out.Result = honest
	}
	if out.Result == nil {
		out.Result = json.RawMessage("null") // omitempty would drop it, and a result must be there
	}
	return out
}

// width is of how many blocks a call asks for the logs, 0 if it asks for none by their numbers.
func width(call rpcCall) uint64 {
	var q struct{ FromBlock, ToBlock hexutil.Uint64 }
	if call.Method != "eth_getLogs" || len(call.Params) == 0 || json.Unmarshal(call.Params[0], &q) != nil {
		return 0
	}
	return uint64(q.ToBlock-q.FromBlock) + 1
}

func wireError(err error) *rpcError {
	out := &rpcError{Code: -32000, Message: err.Error()}
	var coded rpc.Error
	if errors.As(err, &coded) {
		out.Code = coded.ErrorCode()
	}
	var detailed rpc.DataError
	if errors.As(err, &detailed) {
		out.Data = detailed.ErrorData()
	}
	return out
}
