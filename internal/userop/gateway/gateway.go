// Package gateway plays the services that paying without gas needs, over HTTP: an
// ERC-4337 bundler that has the real EntryPoint try and execute operations, an
// ERC-7677 paymaster and Alchemy's gas manager. It is for chains of one's own, the
// sandbox's and those of tests, and misbehaves on command. It knows operations and
// the contracts that take them, and no payment: whoever knows the policy is sponsored.
package gateway

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/userop"
)

// Config is what a Gateway stands on.
type Config struct {
	Chain     asset.ChainID
	Client    *rpc.Client       // of a node that takes transactions; nil for a Gateway that neither signs nor sends
	Bundler   *ecdsa.PrivateKey // pays for bundles, and gets it back
	Paymaster asset.Address     // a VerifyingPaymaster
	Signer    *ecdsa.PrivateKey // whose word the paymaster takes
	Mine      func()            // has a block made with what was sent, nil if blocks come by themselves
}

// Policy is the one that the sponsors know.
const Policy = "played-policy"

// Behaviour is how the Gateway answers. The zero value is honest and quick.
type Behaviour struct {
	Delay      time.Duration
	Status     int    // answered instead, with Body
	Body       string // with Status 200 in place of an answer; $id in it is the question's
	RetryAfter string
	Redirect   string // answered instead, with 302
	Cut        bool   // the connection breaks in the middle of an answer
	// Refuse answers these methods with an error.
	Refuse map[string]Refusal
	// Lie changes results before they are sent, as JSON decodes them.
	Lie func(method string, result any) any
	// Hold takes operations and sends none. One that was held is sent when it is handed
	// in again later.
	Hold bool
	// Final has the stub be good for sending.
	Final bool
	// CallGas replaces what is estimated for the calls, unless zero.
	CallGas uint64
	// Forward is the address of another bundler on the same chain, whose answers are
	// given for its part; "" for none.
	Forward string
}

// Refusal is a JSON-RPC error.
type Refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// maxAsked bounds the questions that are kept: a sandbox runs for long.
const maxAsked = 1000

// Asked is one question that was put.
type Asked struct {
	Method        string
	Params        []json.RawMessage
	Path          string // of the URL, query included
	Authorization string
}

// Gateway plays a bundler, an ERC-7677 paymaster and Alchemy's gas manager behind one
// address, as providers have it. It is safe for concurrent use.
type Gateway struct {
	cfg Config
	eth *ethclient.Client

	mu    sync.Mutex
	b     Behaviour
	asked []Asked
	known map[official.Hash]*entry
	send  sync.Mutex // from a simulation to the block
}

type entry struct {
	op userop.Op
	tx common.Hash // zero while it is held
}

// New returns a Gateway that has seen nothing.
func New(cfg Config) *Gateway {
	return &Gateway{cfg: cfg, eth: ethclient.NewClient(cfg.Client), known: map[official.Hash]*entry{}}
}

// Behave changes how the Gateway answers from now on.
func (g *Gateway) Behave(b Behaviour) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.b = b
}

// Asked returns the questions so far, the last thousand of them.
func (g *Gateway) Asked() []Asked {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Asked(nil), g.asked...)
}

type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// ServeHTTP answers a question.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	var q request
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "not a question", http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	g.asked = append(g.asked[max(0, len(g.asked)+1-maxAsked):], Asked{q.Method, q.Params, r.URL.RequestURI(), r.Header.Get("Authorization")})
	b := g.b
	g.mu.Unlock()
	if b.Delay > 0 {
		select {
		case <-time.After(b.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case b.Redirect != "":
		http.Redirect(w, r, b.Redirect, http.StatusFound)
	case b.Status != 0:
		w.WriteHeader(b.Status)
		_, _ = io.WriteString(w, strings.ReplaceAll(b.Body, "$id", string(q.ID)))
	default:
		g.reply(w, r, q, b)
	}
}

func (g *Gateway) reply(w http.ResponseWriter, r *http.Request, q request, b Behaviour) {
	answer := map[string]any{"jsonrpc": "2.0", "id": q.ID}
	var result any
	var err error
	if no, refused := b.Refuse[q.Method]; refused {
		err = &no
	} else {
		result, err = g.answer(r.Context(), q, b)
	}
	if err != nil {
		code := -32000
		if no, ok := errors.AsType[*Refusal](err); ok {
			code = no.Code
		}
		answer["error"] = map[string]any{"code": code, "message": err.Error()}
	} else {
		if b.Lie != nil {
			result = b.Lie(q.Method, plain(result))
		}
		answer["result"] = result
	}
	text, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if b.Cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		text = text[:len(text)/2]
	}
	_, _ = w.Write(text)
}

// plain is a value as JSON decodes it.
func plain(v any) (out any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return v
	}
	return out
}
