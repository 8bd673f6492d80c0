package lifi

import (
	"context"
	"errors"
	"math/big"
	"net/url"

	"quittance/internal/asset"
)

// State is how far LI.FI says a transfer is. Others may come.
type State string

// The documented states.
const (
	StateNotFound State = "NOT_FOUND"
	StateInvalid  State = "INVALID"
	StatePending  State = "PENDING"
	StateDone     State = "DONE"
	StateFailed   State = "FAILED"
)

// Substate says more. These are the ones that change what a payer is told.
type Substate string

// Substates of DONE and PENDING.
const (
	SubstateCompleted Substate = "COMPLETED"
	SubstatePartial   Substate = "PARTIAL"
	SubstateRefunded  Substate = "REFUNDED"
	SubstateRefunding Substate = "REFUND_IN_PROGRESS"
)

// Progress is what a status means for a payment. It is news, not evidence:
// settlement is the fee proxy's event and nothing else.
type Progress string

// The kinds of progress.
const (
	Unseen    Progress = "unseen"    // not known yet; normal for the first seconds
	Underway  Progress = "underway"  // also whatever this program does not know
	Arrived   Progress = "arrived"   // LI.FI says it is done: look for the event
	Recovered Progress = "recovered" // arrived, but the payment's call failed: the fallback address has the money
	Refunding Progress = "refunding"
	Refunded  Progress = "refunded" // the refund address has the money, on the source chain
	Broken    Progress = "broken"   // the source transaction failed: nothing moved
)

// Leg is one end of a transfer, as far as it is known.
type Leg struct {
	Chain  asset.ChainID
	TxHash string // 0x and 64 hexadecimal digits, "" if unknown
	Token  Token
	Amount *big.Int // base units, nil if unknown
}

// Status is what LI.FI says about a transfer.
type Status struct {
	State              State
	Substate           Substate
	Message            string
	Tool               string
	TransactionID      string
	Sending, Receiving Leg
	Explorer           string // https link, "" if there is none
}

// Progress projects a status. An unknown state counts as under way: the chain
// decides in the end.
func (s Status) Progress() Progress {
	switch s.State {
	case StateNotFound, StateInvalid:
		return Unseen
	case StateFailed:
		return Broken
	case StateDone:
		switch s.Substate {
		case SubstatePartial:
			return Recovered
		case SubstateRefunded:
			return Refunded
		}
		return Arrived
	case StatePending:
		if s.Substate == SubstateRefunding {
			return Refunding
		}
	}
	return Underway
}

type wireLeg struct {
	Chain  asset.ChainID `json:"chainId"`
	TxHash string        `json:"txHash"`
	Token  wireListed    `json:"token"`
	Amount string        `json:"amount"`
}

func (w wireLeg) public() Leg {
	l := Leg{Chain: w.Chain}
	if isHash(w.TxHash) {
		l.TxHash = w.TxHash
	}
	l.Amount, _ = parseDigits(w.Amount) // news only: no amount is no error
	a, _ := asset.ParseAddress(w.Token.Address)
	l.Token = Token{Chain: w.Token.Chain, Address: a, Symbol: clean(w.Token.Symbol), Decimals: w.Token.Decimals, PriceUSD: cleanDecimal(w.Token.PriceUSD)}
	return l
}

func isHash(s string) bool {
	var q quantity
	return len(s) == 66 && q.UnmarshalJSON([]byte(`"`+s+`"`)) == nil && s[:2] == "0x"
}

// StatusQuery names a transfer by its source transaction.
type StatusQuery struct {
	TxHash   string // 0x and 64 hexadecimal digits
	From, To asset.ChainID
	Bridge   string // a Step's Tool, "" if unknown
}

// Status asks how far a transfer is. A transfer that LI.FI does not know, as
// for some seconds after it was sent, is StateNotFound and no error.
//
// Faults: see Client; Invalid "route_invalid" for a hash that is none.
func (c *Client) Status(ctx context.Context, q StatusQuery) (Status, error) {
	if !isHash(q.TxHash) {
		return Status{}, toFault(&Error{Code: CodeValidation, Message: "not a transaction hash"})
	}
	v := url.Values{"txHash": {q.TxHash}}
	if q.From != 0 {
		v.Set("fromChain", id(q.From))
	}
	if q.To != 0 {
		v.Set("toChain", id(q.To))
	}
	if q.Bridge != "" {
		v.Set("bridge", q.Bridge)
	}
	var w struct {
		State         State    `json:"status"`
		Message       string   `json:"substatusMessage"`
		Substatus     Substate `json:"substatus"`
		Tool          string   `json:"tool"`
		TransactionID string   `json:"transactionId"`
		Sending       wireLeg  `json:"sending"`
		Receiving     wireLeg  `json:"receiving"`
		Explorer      string   `json:"lifiExplorerLink"`
	}
	if _, err := c.ask(ctx, question{family: others, path: "/status", query: v, limit: maxAnswer}, &w); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Status == 404 && e.Code == CodeNotFound {
			return Status{State: StateNotFound}, nil
		}
		return Status{}, err
	}
	if w.State == "" {
		return Status{}, toFault(errAnswer)
	}
	return Status{
		State: State(clean(string(w.State))), Substate: Substate(clean(string(w.Substatus))), Message: clean(w.Message),
		Tool: clean(w.Tool), TransactionID: clean(w.TransactionID),
		Sending: w.Sending.public(), Receiving: w.Receiving.public(), Explorer: cleanLink(w.Explorer),
	}, nil
}
