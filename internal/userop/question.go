package userop

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// The methods that pages and wallets may ask a server for, which asks its own
// services: nothing else is ever passed on.
const (
	MethodChain       = "eth_chainId"
	MethodEntryPoints = "eth_supportedEntryPoints"
	MethodEstimate    = "eth_estimateUserOperationGas"
	MethodSend        = "eth_sendUserOperation"
	MethodReceipt     = "eth_getUserOperationReceipt"
	MethodLookup      = "eth_getUserOperationByHash"
	MethodPrices      = "pimlico_getUserOperationGasPrice"
	MethodTip         = "rundler_maxPriorityFeePerGas"
	MethodStub        = "pm_getPaymasterStubData"
	MethodData        = "pm_getPaymasterData"
	MethodAlchemy     = "alchemy_requestGasAndPaymasterAndData"
)

// MaxQuestion is how long a question may be, in bytes: an operation that makes an
// account and pays takes about ten thousand.
const MaxQuestion = 64 << 10

// Question is what a page or a wallet asks: parsed, so that what is passed on is
// written anew. The EntryPoint and the chain are the right ones. Contexts, policies,
// overrides of prices and whatever else is between a server and its services are left
// out.
type Question struct {
	ID     jsontext.Value // as it was asked, for the answer
	Method string
	// Op is what MethodEstimate, MethodSend, MethodStub, MethodData and MethodAlchemy
	// are about; with the last, its signature is the one of the right form.
	Op   *Op
	Hash official.Hash // what MethodReceipt and MethodLookup are about
}

// Refusal is a question that is not answered, by JSON-RPC's codes.
type Refusal struct {
	Code    int
	Message string
	Name    string // what is wrong, for programs: a check's name, a fault's code; "" for none
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// The codes of JSON-RPC.
const (
	CodeParse   = -32700
	CodeRequest = -32600
	CodeMethod  = -32601
	CodeParams  = codeParams
	CodeServer  = -32000
)

// ParseQuestion reads one question; several at once are refused. With an error, a
// *Refusal, the answer has its ID as far as it could be read.
func ParseQuestion(body []byte, chain asset.ChainID) (Question, error) {
	var w struct {
		Version string           `json:"jsonrpc"`
		ID      jsontext.Value   `json:"id"`
		Method  string           `json:"method"`
		Params  []jsontext.Value `json:"params"`
	}
	q := Question{ID: jsontext.Value("null")}
	if len(body) > MaxQuestion {
		return q, &Refusal{Code: CodeRequest, Message: fmt.Sprintf("The question is longer than %d bytes.", MaxQuestion)}
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return q, &Refusal{Code: CodeParse, Message: "This is not one question of JSON-RPC."}
	}
	if kind := w.ID.Kind(); kind == '"' || kind == '0' {
		q.ID = w.ID
	}
	q.Method = w.Method
	if w.Version != "2.0" || string(q.ID) == "null" {
		return q, &Refusal{Code: CodeRequest, Message: "This is not one question of JSON-RPC."}
	}
	if err := q.params(w.Params, chain); err != nil {
		return q, err
	}
	return q, nil
}

func (q *Question) params(p []jsontext.Value, chain asset.ChainID) error {
	wrong := &Refusal{Code: CodeParams, Message: "The parameters are not those of " + q.Method + "."}
	switch q.Method {
	case MethodChain, MethodEntryPoints, MethodPrices, MethodTip:
		if len(p) > 0 {
			return wrong
		}
		return nil
	case MethodReceipt, MethodLookup:
		var h hashText
		if len(p) != 1 || json.Unmarshal(p[0], &h) != nil || h.v.IsZero() {
			return wrong
		}
		q.Hash = h.v
		return nil
	case MethodAlchemy:
		if len(p) != 1 {
			return wrong
		}
		return q.alchemy(p[0])
	case MethodEstimate, MethodSend:
		if len(p) < 2 || len(p) > 3 || len(p) == 3 && !nothing(p[2]) { // nobody simulates another state
			return wrong
		}
	case MethodStub, MethodData:
		var id quantity
		if len(p) < 3 || len(p) > 4 || json.Unmarshal(p[2], &id) != nil || orZero(id.v).Cmp(asNumber(chain)) != 0 {
			return wrong
		}
	default:
		return &Refusal{Code: CodeMethod, Message: "There is no such method here."}
	}
	return q.op(p[0], p[1])
}

// nothing reports whether an optional parameter says nothing.
func nothing(v jsontext.Value) bool { return v.Kind() == 'n' || string(v) == "{}" }

func (q *Question) op(text, point jsontext.Value) error {
	var a account
	if json.Unmarshal(point, &a) != nil || a.v != EntryPoint {
		return &Refusal{Code: CodeParams, Message: "Only EntryPoint 0.7 is served."}
	}
	o, err := Parse(text)
	if err != nil {
		return &Refusal{Code: CodeParams, Message: "The operation cannot be read."}
	}
	q.Op = &o
	return nil
}

// alchemy reads what Account Kit asks a gas manager.
func (q *Question) alchemy(param jsontext.Value) error {
	var w struct {
		EntryPoint jsontext.Value `json:"entryPoint"`
		Op         jsontext.Value `json:"userOperation"`
		Signature  hexBytes       `json:"dummySignature"`
	}
	if json.Unmarshal(param, &w) != nil || w.Op == nil || w.EntryPoint == nil {
		return &Refusal{Code: CodeParams, Message: "The parameters are not those of " + q.Method + "."}
	}
	if err := q.op(w.Op, w.EntryPoint); err != nil {
		return err
	}
	q.Op.Signature = w.Signature.v
	return nil
}

// Answer writes the answer to a question: an asset.ChainID, addresses, a Gas, Fees, a
// Grant, an official.Hash, a *Receipt or *Known (nil if there is none), with
// MethodAlchemy the sponsored Op, or a jsontext.Value that Result has written.
func (q Question) Answer(result any) ([]byte, error) {
	return q.envelope("result", q.inWords(result))
}

// Result writes what Answer puts into its envelope.
func (q Question) Result(result any) (jsontext.Value, error) {
	text, err := json.Marshal(q.inWords(result), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("answering %s: %w", q.Method, err)
	}
	return text, nil
}

func (q Question) inWords(result any) any {
	if f, ok := result.(Fees); ok && q.Method == MethodTip {
		return quantity{orZero(f.Tip)}
	}
	return wireResult(result)
}

// Refuse writes the answer that there is none. Of an error that is no *Refusal
// nothing is told but that it happened.
func (q Question) Refuse(err error) ([]byte, error) {
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		r = &Refusal{Code: CodeServer, Message: "This cannot be answered right now."}
	}
	said := map[string]any{"code": r.Code, "message": r.Message}
	if r.Name != "" {
		said["data"] = map[string]string{"code": r.Name}
	}
	return q.envelope("error", said)
}

func (q Question) envelope(name string, value any) ([]byte, error) {
	text, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": q.ID, name: value}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("answering %s: %w", q.Method, err)
	}
	return text, nil
}

// wireResult is a result in the form that bundlers and paymasters have.
func wireResult(result any) any {
	switch r := result.(type) {
	case jsontext.Value:
		return r
	case asset.ChainID:
		return quantity{asNumber(r)}
	case []asset.Address:
		out := make([]string, len(r))
		for i, a := range r {
			out[i] = a.String()
		}
		return out
	case official.Hash:
		return r.String()
	case Fees:
		f := map[string]quantity{"maxFeePerGas": {orZero(r.Max)}, "maxPriorityFeePerGas": {orZero(r.Tip)}}
		return map[string]any{"slow": f, "standard": f, "fast": f}
	case Gas:
		out := map[string]quantity{
			"callGasLimit": {orZero(r.Call)}, "verificationGasLimit": {orZero(r.Verification)}, "preVerificationGas": {orZero(r.PreVerification)},
		}
		if r.PaymasterVerification != nil {
			out["paymasterVerificationGasLimit"] = quantity{r.PaymasterVerification}
		}
		if r.PaymasterPostOp != nil {
			out["paymasterPostOpGasLimit"] = quantity{r.PaymasterPostOp}
		}
		return out
	case Grant:
		return grantMembers(r)
	case Op:
		out := grantMembers(*GrantOf(r))
		for name, v := range map[string]quantity{
			"callGasLimit": {orZero(r.CallGasLimit)}, "verificationGasLimit": {orZero(r.VerificationGasLimit)}, "preVerificationGas": {orZero(r.PreVerificationGas)},
			"maxFeePerGas": {orZero(r.MaxFeePerGas)}, "maxPriorityFeePerGas": {orZero(r.MaxPriorityFeePerGas)},
		} {
			out[name] = v
		}
		return out
	case *Receipt:
		if r != nil {
			return r.Raw
		}
		return nil
	case *Known:
		if r != nil {
			return r.Raw
		}
		return nil
	}
	panic(fmt.Sprintf("userop: %T is no answer", result)) // a caller's mistake, found by the first test
}

// grantMembers is a grant as ERC-7677 has it. It is never final: what was granted to a
// stub was not held against limits of gas.
func grantMembers(g Grant) map[string]any {
	return map[string]any{
		"paymaster": g.Paymaster.String(), "paymasterData": hexBytes{g.Data, true},
		"paymasterVerificationGasLimit": quantity{orZero(g.VerificationGas)}, "paymasterPostOpGasLimit": quantity{orZero(g.PostOpGas)},
	}
}

func asNumber(chain asset.ChainID) *big.Int { return new(big.Int).SetUint64(uint64(chain)) }
