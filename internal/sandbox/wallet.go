//go:build !nosandbox

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	walletBody    = 64 << 10 // bytes of a request
	walletTimeout = 10 * time.Second
)

// Error codes of JSON-RPC 2.0 and of providers (EIP-1193, EIP-1474).
const (
	codeParse        = -32700
	codeRequest      = -32600
	codeMethod       = -32601
	codeParams       = -32602
	codeServer       = -32000
	codeUnauthorized = 4100
	codeWrongChain   = 4901
)

// passed are the calls the wallet hands to the node as they are; besides these it knows only those
// that name or use its account.
var passed = map[string]bool{
	"eth_chainId": true, "eth_blockNumber": true, "eth_gasPrice": true, "eth_getBalance": true,
	"eth_call": true, "eth_estimateGas": true,
	"eth_getTransactionByHash": true, "eth_getTransactionReceipt": true,
}

// wallet is a payer's wallet as pages see it: JSON-RPC 2.0 by POST. It asks nobody before it signs,
// so only pages of its own origin may use it.
type wallet struct {
	account *account
	rpc     *rpc.Client
}

type walletRequest struct {
	Version string            `json:"jsonrpc"`
	ID      json.RawMessage   `json:"id"`
	Method  string            `json:"method"`
	Params  []json.RawMessage `json:"params"`
}

type walletAnswer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result"`
}

type walletRefusal struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   walletError     `json:"error"`
}

type walletError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (e *walletError) Error() string { return e.Message }

func (w *wallet) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	out.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		out.Header().Set("Allow", "POST")
		http.Error(out, "the sandbox wallet is used by POST", http.StatusMethodNotAllowed)
		return
	}
	if !sameOrigin(r) {
		http.Error(out, "the sandbox wallet serves pages of its own origin only", http.StatusForbidden)
		return
	}
	// A form of another site can be posted without asking; JSON cannot.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		http.Error(out, "the sandbox wallet takes application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, walletBody))
	if err != nil {
		http.Error(out, "the request is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), walletTimeout)
	defer cancel()
	w.account.node.AwaitHead() // a page that has seen a receipt must see the state it led to
	id, result, err := w.answer(ctx, body)
	var reply any = walletAnswer{"2.0", id, result}
	if err != nil {
		reply = walletRefusal{"2.0", id, refusal(err)}
	}
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(reply) // a page that has gone needs no answer
}

// sameOrigin believes what the browser says of the page. A caller that says nothing is not a browser,
// and could as well use the key that the demo prints.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func (w *wallet) answer(ctx context.Context, body []byte) (id json.RawMessage, result any, err error) {
	id = json.RawMessage("null")
	if !json.Valid(body) {
		return id, nil, &walletError{Code: codeParse, Message: "the request is not JSON"}
	}
	var call walletRequest
	// Batches end here too: a page has no need of them.
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&call); err != nil || call.Version != "2.0" || call.Method == "" {
		return id, nil, &walletError{Code: codeRequest, Message: "the request is not a single JSON-RPC 2.0 call with a list of parameters"}
	}
	if len(call.ID) > 0 {
		id = call.ID
	}
	switch {
	case call.Method == "eth_requestAccounts" || call.Method == "eth_accounts":
		return id, []string{address(w.account.key).Hex()}, nil
	case call.Method == "eth_sendTransaction":
		result, err = w.sendTransaction(ctx, call.Params)
		return id, result, err
	case call.Method == "personal_sign":
		result, err = w.personalSign(call.Params)
		return id, result, err
	case call.Method == "eth_signTypedData_v4":
		result, err = w.signTyped(call.Params)
		return id, result, err
	case passed[call.Method]:
		params := make([]any, len(call.Params))
		for i, p := range call.Params {
			params[i] = p
		}
		var raw json.RawMessage
		err = w.rpc.CallContext(ctx, &raw, call.Method, params...)
		return id, raw, err
	}
	return id, nil, &walletError{Code: codeMethod, Message: "the sandbox wallet does not know this method"}
}

// sendTransaction signs with the account's key and submits. Nonce and fees are the wallet's choice.
func (w *wallet) sendTransaction(ctx context.Context, params []json.RawMessage) (string, error) {
	var tx struct {
		From    *common.Address `json:"from"`
		To      *common.Address `json:"to"`
		Value   *hexutil.Big    `json:"value"`
		Data    *hexutil.Bytes  `json:"data"`
		Input   *hexutil.Bytes  `json:"input"`
		Gas     *hexutil.Uint64 `json:"gas"`
		ChainID *hexutil.Big    `json:"chainId"`
	}
	if len(params) != 1 {
		return "", &walletError{Code: codeParams, Message: "eth_sendTransaction takes one transaction"}
	}
	if err := json.Unmarshal(params[0], &tx); err != nil {
		return "", &walletError{Code: codeParams, Message: "the transaction is malformed: " + err.Error()}
	}
	if tx.From != nil && *tx.From != address(w.account.key) {
		return "", &walletError{Code: codeUnauthorized, Message: "the sandbox wallet has another account"}
	}
	if tx.ChainID != nil && tx.ChainID.ToInt().Cmp(w.account.chainID) != 0 {
		return "", &walletError{Code: codeWrongChain, Message: "the sandbox wallet is connected to another chain"}
	}
	if tx.To == nil {
		return "", &walletError{Code: codeParams, Message: "the sandbox wallet does not deploy contracts: to is missing"}
	}
	if tx.Data != nil && tx.Input != nil && !bytes.Equal(*tx.Data, *tx.Input) {
		return "", &walletError{Code: codeParams, Message: "data and input differ"}
	}
	c := call{to: *tx.To}
	if tx.Value != nil {
		c.value = tx.Value.ToInt()
	}
	if tx.Data != nil {
		c.data = *tx.Data
	} else if tx.Input != nil {
		c.data = *tx.Input
	}
	if tx.Gas != nil {
		c.gas = uint64(*tx.Gas)
	}
	hash, err := w.account.send(ctx, c)
	if err != nil {
		return "", err
	}
	return hash.Hex(), nil
}

// refusal puts an error on the wire. The node's own errors keep their code and revert data.
func refusal(err error) walletError {
	var own *walletError
	if errors.As(err, &own) {
		return *own
	}
	out := walletError{Code: codeServer, Message: err.Error()}
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
