package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// wire carries one batch to one endpoint and back: exactly one result for each
// call, in order, or an error that says nothing about any single call.
type wire interface {
	roundTrip(ctx context.Context, calls []Call) ([]Result, error)
	close()
}

// Transport is a node in the same process. go-ethereum's *rpc.Client is one.
type Transport interface {
	BatchCallContext(ctx context.Context, b []rpc.BatchElem) error
}

type inProcess struct{ node Transport }

func (p inProcess) close() {}

func (p inProcess) roundTrip(ctx context.Context, calls []Call) ([]Result, error) {
	raws := make([]json.RawMessage, len(calls))
	batch := make([]rpc.BatchElem, len(calls))
	for i, c := range calls {
		batch[i] = rpc.BatchElem{Method: c.Method, Args: c.Params, Result: &raws[i]}
	}
	if err := p.node.BatchCallContext(ctx, batch); err != nil {
		return nil, fmt.Errorf("calling the node: %w", err)
	}
	out := make([]Result, len(calls))
	for i, b := range batch {
		var refusal rpc.Error
		switch {
		case b.Error == nil && raws[i] == nil:
			return nil, fmt.Errorf("%w: no result for %s", errMalformed, calls[i].Method)
		case b.Error == nil:
			out[i].Raw = raws[i]
		case errors.As(b.Error, &refusal):
			e := &RPCError{Code: refusal.ErrorCode(), Message: clean(refusal.Error())}
			var detailed rpc.DataError
			if errors.As(b.Error, &detailed) {
				e.Data, _ = json.Marshal(detailed.ErrorData()) // came from JSON; if not, there is no data
			}
			out[i].Err = e
		default:
			return nil, fmt.Errorf("calling %s: %w", calls[i].Method, b.Error)
		}
	}
	return out, nil
}

// httpWire is an endpoint behind an http or https URL.
type httpWire struct {
	url         string
	http        *http.Client
	transport   *http.Transport
	maxResponse int64
}

func newHTTPWire(u *url.URL, maxResponse int64) *httpWire {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 8,
		MaxConnsPerHost:     32,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,

		MaxResponseHeaderBytes: 64 << 10,
	}
	return &httpWire{
		url: u.String(), transport: t, maxResponse: maxResponse,
		http: &http.Client{
			Transport: t,
			// A redirect could send our questions, and a key in the URL, to someone else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (w *httpWire) close() { w.transport.CloseIdleConnections() }

// errMalformed is a response that is no answer to what was asked.
var errMalformed = errors.New("the endpoint's response is not an answer to the batch")

// errTooLong is a response beyond Config.MaxResponse.
var errTooLong = errors.New("the endpoint's response is too long")

type wireCall struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

type wireErr struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e wireErr) public() *RPCError {
	if string(e.Data) == "null" {
		e.Data = nil
	}
	return &RPCError{Code: e.Code, Message: clean(e.Message), Data: e.Data}
}

type wireAnswer struct {
	ID     *int            `json:"id"`
	Result json.RawMessage `json:"result"`
	Err    *wireErr        `json:"error"`
}

func (w *httpWire) roundTrip(ctx context.Context, calls []Call) ([]Result, error) {
	body, err := encodeBatch(calls)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("making the request failed") // without the cause: it quotes the URL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if allReads(calls) {
		// Not sent (net/http, Transport): allows a read to be repeated on a kept
		// connection that turned out to be closed.
		req.Header["Idempotency-Key"] = []string{}
	}
	resp, err := w.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL: it may hold a key
		}
		return nil, fmt.Errorf("calling the endpoint: %w", err)
	}
	defer resp.Body.Close()
	if err := checkStatus(resp); err != nil {
		// Some answer 400 because they have read only a part of it.
		if long := len(body) > requestLeast; long && (resp.StatusCode == http.StatusRequestEntityTooLarge || resp.StatusCode == http.StatusBadRequest) {
			return nil, fmt.Errorf("%w: %d bytes: %w", errRequestTooLong, len(body), err)
		}
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, w.maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("reading the response: %w", err)
	}
	if int64(len(raw)) > w.maxResponse {
		return nil, errTooLong
	}
	return decodeBatch(raw, calls)
}

func encodeBatch(calls []Call) ([]byte, error) {
	batch := make([]wireCall, len(calls))
	for i, c := range calls {
		batch[i] = wireCall{Version: "2.0", ID: i + 1, Method: c.Method, Params: c.Params}
		if c.Params == nil {
			batch[i].Params = []any{}
		}
	}
	body, err := json.Marshal(batch)
	if err != nil {
		return nil, fmt.Errorf("writing the batch: %w", err)
	}
	return body, nil
}

func checkStatus(resp *http.Response) error {
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		seconds, err := strconv.Atoi(strings.TrimSpace(resp.Header.Get("Retry-After")))
		if err != nil || seconds < 0 {
			seconds = 0
		}
		return &limitError{after: time.Duration(min(seconds, 1<<20)) * time.Second, cause: errors.New("HTTP status 429")}
	}
	return fmt.Errorf("the endpoint answered with HTTP status %d", resp.StatusCode)
}

// decodeBatch matches the answers to the calls by their ids, 1 to len(calls),
// in whatever order they came. One answer missing, twice or with an unknown id
// makes the whole response worthless.
func decodeBatch(raw []byte, calls []Call) ([]Result, error) {
	var answers []wireAnswer
	if err := json.Unmarshal(raw, &answers); err != nil {
		var whole wireAnswer
		if json.Unmarshal(raw, &whole) == nil && whole.Err != nil {
			return nil, wholeRefusal(whole.Err.public())
		}
		return nil, errMalformed
	}
	out := make([]Result, len(calls))
	have := make([]bool, len(calls))
	for _, a := range answers {
		if a.ID == nil || *a.ID < 1 || *a.ID > len(calls) || have[*a.ID-1] {
			return nil, fmt.Errorf("%w: an unknown or repeated id", errMalformed)
		}
		i := *a.ID - 1
		have[i] = true
		switch {
		case a.Err != nil:
			out[i].Err = a.Err.public()
		case a.Result != nil:
			out[i].Raw = a.Result
		default:
			return nil, fmt.Errorf("%w: neither result nor error for %s", errMalformed, calls[i].Method)
		}
	}
	for i, ok := range have {
		if !ok {
			return nil, fmt.Errorf("%w: no answer for %s", errMalformed, calls[i].Method)
		}
	}
	return out, nil
}

// wholeRefusal is an endpoint that refused a batch as such.
func wholeRefusal(e *RPCError) error {
	if e.limited() {
		return &limitError{cause: e}
	}
	return fmt.Errorf("the endpoint refused the batch: %w", e)
}
