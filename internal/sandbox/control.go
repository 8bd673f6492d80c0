//go:build !nosandbox

package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"

	"quittance/internal/lifi"
)

const (
	maxControl = 64 << 10 // bytes of a request
	maxDelay   = 24 * time.Hour
	maxMined   = 200 // blocks in one request
)

// wireBridge is a bridge's behaviour: durations are Go's ("1.5s").
type wireBridge struct {
	Delay   string     `json:"delay"`
	Outcome Outcome    `json:"outcome"`
	Says    *wireClaim `json:"says,omitempty"`
}

type wireClaim struct {
	Status    lifi.State    `json:"status"`
	Substatus lifi.Substate `json:"substatus,omitempty"`
}

type wireTransfer struct {
	Stage   stage  `json:"stage"`
	From    string `json:"from"` // networks
	To      string `json:"to"`
	TxHash  string `json:"txHash"`
	EndedBy string `json:"endedBy,omitempty"` // the transaction that delivers or refunds it
}

func (w wireBridge) parse() (BridgeBehaviour, error) {
	b := BridgeBehaviour{Delay: DefaultDelay, Outcome: Deliver}
	switch w.Outcome {
	case "":
	case Deliver, Stop, Refund, Fail:
		b.Outcome = w.Outcome
	default:
		return b, fmt.Errorf("no outcome is called %q: deliver, stop, refund or fail", w.Outcome)
	}
	if w.Says != nil {
		if w.Says.Status == "" {
			return b, errors.New("says: status is missing")
		}
		b.Says = Claim{State: w.Says.Status, Substate: w.Says.Substatus}
	}
	if w.Delay == "" {
		return b, nil
	}
	var err error
	b.Delay, err = parseDelay(w.Delay)
	return b, err
}

func parseDelay(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && (d < 0 || d > maxDelay) {
		err = fmt.Errorf("delay %s: expected 0s to %s", text, maxDelay)
	}
	return d, err
}

// BridgeControl tells the bridge how to behave: PUT takes {"delay","outcome","says"}, {} for deliveries
// after three seconds, and GET shows that and the transfers.
func (r *Routing) BridgeControl() http.Handler {
	return control(func() any {
		b := r.Bridge.current()
		out := struct {
			wireBridge
			Transfers []wireTransfer `json:"transfers"`
		}{wireBridge{Delay: b.Delay.String(), Outcome: cmp.Or(b.Outcome, Deliver)}, r.Bridge.list()}
		if b.Says.State != "" {
			out.Says = &wireClaim{b.Says.State, b.Says.Substate}
		}
		return out
	}, func(_ *http.Request, body wireBridge) error {
		b, err := body.parse()
		if err == nil {
			r.Bridge.Behave(b)
		}
		return err
	})
}

func (b *Bridge) list() []wireTransfer {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []wireTransfer{}
	for _, t := range b.transfers {
		w := wireTransfer{Stage: t.stage, From: t.from.Network, To: t.to.Network, TxHash: t.tx.Hex()}
		if w.Stage == "" {
			w.Stage = waiting
		}
		if t.end.Big().Sign() != 0 {
			w.EndedBy = t.end.Hex()
		}
		out = append(out, w)
	}
	return out
}

// wireChain is what a chain is told to do. Members that are left out change nothing.
type wireChain struct {
	Down  *bool   `json:"down"`
	Delay *string `json:"delay"`
	Mine  int     `json:"mine"`  // blocks to add at once
	Reorg int     `json:"reorg"` // blocks to replace by empty ones; not final ones
}

// ChainControl tells the chains, each under its network's name, how to behave: PUT takes {"down","delay"}
// for the server's line to it, and {"mine"} or {"reorg"} with a number of blocks; GET shows the line and
// the head.
func (s *Chains) ChainControl() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := s.Chain(path.Base(r.URL.Path))
		if c == nil {
			http.NotFound(w, r)
			return
		}
		control(c.describe, c.command).ServeHTTP(w, r)
	})
}

func (c *Chain) describe() any {
	number, hash := c.node.Head()
	line := c.Line.State()
	return struct {
		Network string `json:"network"`
		Down    bool   `json:"down"`
		Delay   string `json:"delay"`
		Head    uint64 `json:"head"`
		Hash    string `json:"hash"`
	}{c.Network, line.Down, line.Delay.String(), number, hash.Hex()}
}

func (c *Chain) command(r *http.Request, body wireChain) error {
	line := c.Line.State()
	if body.Down != nil {
		line.Down = *body.Down
	}
	if body.Delay != nil {
		var err error
		if line.Delay, err = parseDelay(*body.Delay); err != nil {
			return err
		}
	}
	if body.Mine < 0 || body.Mine > maxMined || body.Reorg < 0 || body.Reorg > maxMined {
		return fmt.Errorf("mine and reorg: expected 0 to %d blocks", maxMined)
	}
	c.Line.Set(line)
	if body.Reorg > 0 {
		if err := c.Reorg(r.Context(), body.Reorg); err != nil {
			return err
		}
	}
	return c.Mine(r.Context(), body.Mine)
}

// control serves what can be seen by GET and changed by PUT. A form of another site can send neither:
// PUT is not a form's, and JSON of unknown members is refused.
func control[T any](see func() any, change func(*http.Request, T) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case http.MethodGet:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(see()) // who has gone needs no answer
		case http.MethodPut:
			var body T
			in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
			in.DisallowUnknownFields()
			err := in.Decode(&body)
			if err == nil {
				err = change(r, body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", "GET, PUT")
			http.Error(w, "seen by GET, changed by PUT", http.StatusMethodNotAllowed)
		}
	})
}
