package gateway

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/userop"
)

// Thief is the paymaster in the lie about paymasters: nothing is there.
var Thief = asset.Address{0x66, 0x66, 19: 0x66}

// Lie changes one thing in honest answers.
type Lie struct {
	Name string
	Tell func(method string, result any) any // as Behaviour.Lie
}

// Lies are those that can be told over HTTP, each with its own name.
func Lies() []Lie {
	return []Lie{
		{"chain", replace(userop.MethodChain, "0x1")},
		{"hash", replace(userop.MethodSend, official.Hash{9}.String())},
		{"success", member([]string{userop.MethodReceipt}, "success", func(any) any { return true })},
		{"failure", member([]string{userop.MethodReceipt}, "success", func(any) any { return false })},
		{"paymaster", member([]string{userop.MethodStub, userop.MethodData, userop.MethodAlchemy}, "paymaster", func(any) any { return Thief.String() })},
		{"price", dear},
	}
}

func replace(method string, with any) func(string, any) any {
	return func(asked string, result any) any {
		if asked == method {
			return with
		}
		return result
	}
}

func member(methods []string, name string, change func(any) any) func(string, any) any {
	return func(asked string, result any) any {
		if m, ok := result.(map[string]any); ok && slices.Contains(methods, asked) {
			m[name] = change(m[name])
		}
		return result
	}
}

// dear is a price of gas that is a million times as high.
func dear(asked string, result any) any {
	if asked != userop.MethodPrices && asked != userop.MethodAlchemy {
		return result
	}
	m, ok := result.(map[string]any)
	for name, v := range m {
		if inner, nested := v.(map[string]any); ok && nested {
			m[name] = dear(asked, inner)
		}
		text, isText := v.(string)
		if price, err := hexutil.DecodeBig(text); isText && err == nil && strings.HasPrefix(name, "max") {
			m[name] = hexutil.EncodeBig(price.Mul(price, big.NewInt(1e6)))
		}
	}
	return result
}

// wireBehaviour is Behaviour as a browser's test sends it: durations are Go's
// ("1.5s").
type wireBehaviour struct {
	Delay      string                 `json:"delay,omitempty"`
	Status     int                    `json:"status,omitempty"`
	Body       string                 `json:"body,omitempty"`
	RetryAfter string                 `json:"retryAfter,omitempty"`
	Cut        bool                   `json:"cut,omitempty"`
	Refuse     map[string]wireRefusal `json:"refuse,omitempty"` // by method
	Lie        string                 `json:"lie,omitempty"`    // one of Lies
	Hold       bool                   `json:"hold,omitempty"`
	Final      bool                   `json:"final,omitempty"`
	CallGas    uint64                 `json:"callGas,omitempty"`
	Forward    string                 `json:"forward,omitempty"` // http on loopback
}

type wireRefusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

const (
	maxControl = 64 << 10
	maxDelay   = 10 * time.Minute
)

func (w wireBehaviour) parse() (Behaviour, error) {
	b := Behaviour{Status: w.Status, Body: w.Body, RetryAfter: w.RetryAfter, Cut: w.Cut, Hold: w.Hold, Final: w.Final, CallGas: w.CallGas, Forward: w.Forward}
	if w.Status != 0 && (w.Status < 200 || w.Status > 599) {
		return b, fmt.Errorf("status %d: expected 200 to 599", w.Status)
	}
	if w.Forward != "" {
		if err := checkForward(w.Forward); err != nil {
			return b, err
		}
	}
	if w.Delay != "" {
		var err error
		if b.Delay, err = time.ParseDuration(w.Delay); err != nil || b.Delay < 0 || b.Delay > maxDelay {
			return b, fmt.Errorf("delay %q: expected 0s to %s", w.Delay, maxDelay)
		}
	}
	if w.Lie != "" {
		i := slices.IndexFunc(Lies(), func(l Lie) bool { return l.Name == w.Lie })
		if i < 0 {
			return b, fmt.Errorf("no lie is called %q", w.Lie)
		}
		b.Lie = Lies()[i].Tell
	}
	for method, r := range w.Refuse {
		if !slices.Contains(methods, method) {
			return b, fmt.Errorf("nobody asks for %q", method)
		}
		if b.Refuse == nil {
			b.Refuse = map[string]Refusal{}
		}
		b.Refuse[method] = Refusal(r)
	}
	return b, nil
}

var methods = []string{
	userop.MethodChain, userop.MethodEntryPoints, userop.MethodEstimate, userop.MethodSend, userop.MethodReceipt, userop.MethodLookup,
	userop.MethodPrices, userop.MethodTip, userop.MethodStub, userop.MethodData, userop.MethodAlchemy,
}

// wireOp is an operation that was taken.
type wireOp struct {
	Hash   string `json:"userOpHash"`
	Sender string `json:"sender"`
	TxHash string `json:"txHash,omitempty"` // of its bundle, none while it is held
}

// Control tells the Gateway over HTTP how to behave: PUT takes a behaviour as JSON,
// {} for a good one, and GET shows the operations that were taken, how often each
// method was asked lately, and the lies that can be told. It has no authentication:
// serve it only where whoever reaches it may play.
func (g *Gateway) Control() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case http.MethodGet:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(g.describe()) // who has gone needs no answer
		case http.MethodPut:
			var body wireBehaviour
			in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
			in.DisallowUnknownFields()
			err := in.Decode(&body)
			var b Behaviour
			if err == nil {
				b, err = body.parse()
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			g.Behave(b)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", "GET, PUT")
			http.Error(w, "seen by GET, changed by PUT", http.StatusMethodNotAllowed)
		}
	})
}

func (g *Gateway) describe() any {
	out := struct {
		Operations []wireOp       `json:"operations"` // in the order of their hashes
		Asked      map[string]int `json:"asked"`
		Lies       []string       `json:"lies"`
	}{Operations: []wireOp{}, Asked: map[string]int{}}
	for _, l := range Lies() {
		out.Lies = append(out.Lies, l.Name)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for hash, e := range g.known {
		op := wireOp{Hash: hash.String(), Sender: e.op.Sender.String()}
		if e.tx != (common.Hash{}) {
			op.TxHash = e.tx.Hex()
		}
		out.Operations = append(out.Operations, op)
	}
	slices.SortFunc(out.Operations, func(a, b wireOp) int { return strings.Compare(a.Hash, b.Hash) })
	for _, a := range g.asked {
		out.Asked[a.Method]++
	}
	return out
}
