package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"quittance/internal/asset"
)

// Result is the answer to one Call: Raw, or Err if the node refused this call
// alone (an *RPCError). The methods decode Raw, return Err if there is one, and
// refuse what is not of the form that was asked for.
type Result struct {
	Raw json.RawMessage
	Err error
}

// Batcher asks many questions in one round trip. *Client is one.
type Batcher interface {
	// Batch returns a result for each call, in order. What a node refuses of one call is
	// in its result.
	//
	// Faults: Unavailable "chain_unavailable" if nobody answered.
	Batch(ctx context.Context, calls []Call) ([]Result, error)
}

// Ask puts one question and decodes its answer:
//
//	wei, err := chain.Ask(ctx, node, chain.BalanceCall(a, chain.Latest), chain.Result.Big)
func Ask[T any](ctx context.Context, b Batcher, c Call, decode func(Result) (T, error)) (T, error) {
	rs, err := b.Batch(ctx, []Call{c})
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := decode(rs[0])
	if err != nil {
		return v, fmt.Errorf("%s: %w", c.Method, err)
	}
	return v, nil
}

// errNull is a null where the protocol has no null.
var errNull = errors.New("the node answered null")

func (r Result) text() (string, error) {
	var s *string
	if r.Err != nil {
		return "", r.Err
	}
	if err := json.Unmarshal(r.Raw, &s); err != nil {
		return "", errHex
	}
	if s == nil {
		return "", errNull
	}
	return *s, nil
}

// Uint decodes a quantity of at most 64 bits.
func (r Result) Uint() (uint64, error) {
	s, err := r.text()
	if err != nil {
		return 0, err
	}
	return parseUint(s)
}

// Big decodes a quantity of at most 256 bits.
func (r Result) Big() (*big.Int, error) {
	s, err := r.text()
	if err != nil {
		return nil, err
	}
	return parseBig(s)
}

// Bytes decodes data of any length, such as code or what a call returned.
func (r Result) Bytes() ([]byte, error) {
	s, err := r.text()
	if err != nil {
		return nil, err
	}
	return parseBytes(s)
}

// null reports whether the answer is null, and the error that stands instead of one.
func (r Result) null() (bool, error) {
	return string(r.Raw) == "null", r.Err
}

type wireHeader struct {
	Number     string  `json:"number"`
	Hash       string  `json:"hash"`
	ParentHash string  `json:"parentHash"`
	Timestamp  string  `json:"timestamp"`
	BaseFee    *string `json:"baseFeePerGas"`
}

// Header decodes a block's header, nil if the node has no such block.
func (r Result) Header() (*Header, error) {
	if null, err := r.null(); null || err != nil {
		return nil, err
	}
	var w wireHeader
	if err := json.Unmarshal(r.Raw, &w); err != nil {
		return nil, fmt.Errorf("header: %w", errHex)
	}
	var h Header
	var d decoder
	h.Number = d.uint("number", w.Number)
	h.Hash = d.hash("hash", w.Hash)
	h.Parent = d.hash("parentHash", w.ParentHash)
	h.Time = d.time("timestamp", w.Timestamp)
	if w.BaseFee != nil {
		h.BaseFee = d.big("baseFeePerGas", *w.BaseFee)
	}
	if d.err != nil {
		return nil, fmt.Errorf("header: %w", d.err)
	}
	return &h, nil
}

type wireLog struct {
	Address     string   `json:"address"`
	Topics      []string `json:"topics"`
	Data        string   `json:"data"`
	BlockNumber string   `json:"blockNumber"`
	BlockHash   string   `json:"blockHash"`
	Tx          string   `json:"transactionHash"`
	TxIndex     string   `json:"transactionIndex"`
	LogIndex    string   `json:"logIndex"`
	Removed     bool     `json:"removed"`
}

// errRemoved is a log that a reorganisation took away while it was read.
var errRemoved = errors.New("the node returned a log that was removed")

// maxTopics is what the virtual machine allows (LOG4).
const maxTopics = 4

// event decodes what every log has, simulated or real.
func (w wireLog) event(d *decoder) Log {
	l := Log{Address: d.address("address", w.Address), Data: d.bytes("data", w.Data)}
	if len(w.Topics) > maxTopics {
		d.fail("topics", errHex)
	}
	l.Topics = make([]string, len(w.Topics))
	for i, t := range w.Topics {
		l.Topics[i] = d.hash("topics", t)
	}
	return l
}

func (w wireLog) mined(d *decoder) Log {
	l := w.event(d)
	l.Block.Number = d.uint("blockNumber", w.BlockNumber)
	l.Block.Hash = d.hash("blockHash", w.BlockHash)
	l.Tx = d.hash("transactionHash", w.Tx)
	l.TxIndex = d.index("transactionIndex", w.TxIndex)
	l.Index = d.index("logIndex", w.LogIndex)
	if w.Removed {
		d.fail("removed", errRemoved)
	}
	return l
}

func minedLogs(ws []wireLog, d *decoder) []Log {
	ls := make([]Log, len(ws))
	for i, w := range ws {
		ls[i] = w.mined(d)
	}
	return ls
}

// Logs decodes event logs as they came: order, addresses and blocks are not
// checked against the question. A log that was removed is an error.
func (r Result) Logs() ([]Log, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	var ws []wireLog
	if err := json.Unmarshal(r.Raw, &ws); err != nil {
		return nil, fmt.Errorf("logs: %w", errHex)
	}
	if ws == nil {
		return nil, fmt.Errorf("logs: %w", errNull) // null is not "there are none"
	}
	var d decoder
	ls := minedLogs(ws, &d)
	if d.err != nil {
		return nil, fmt.Errorf("logs: %w", d.err)
	}
	return ls, nil
}

type wireReceipt struct {
	Tx          string    `json:"transactionHash"`
	BlockNumber string    `json:"blockNumber"`
	BlockHash   string    `json:"blockHash"`
	Status      string    `json:"status"`
	From        string    `json:"from"`
	To          *string   `json:"to"`
	GasUsed     string    `json:"gasUsed"`
	Logs        []wireLog `json:"logs"`
}

// Receipt decodes a transaction's outcome, nil if it is not mined.
func (r Result) Receipt() (*Receipt, error) {
	if null, err := r.null(); null || err != nil {
		return nil, err
	}
	var w wireReceipt
	if err := json.Unmarshal(r.Raw, &w); err != nil {
		return nil, fmt.Errorf("receipt: %w", errHex)
	}
	var d decoder
	v := &Receipt{
		Tx:        d.hash("transactionHash", w.Tx),
		Block:     Block{Number: d.uint("blockNumber", w.BlockNumber), Hash: d.hash("blockHash", w.BlockHash)},
		Succeeded: d.uint("status", w.Status) == 1,
		From:      d.address("from", w.From),
		To:        d.optional("to", w.To),
		GasUsed:   d.uint("gasUsed", w.GasUsed),
		Logs:      minedLogs(w.Logs, &d),
	}
	if d.err != nil {
		return nil, fmt.Errorf("receipt: %w", d.err)
	}
	return v, nil
}

type wireTransaction struct {
	Hash        string  `json:"hash"`
	From        string  `json:"from"`
	To          *string `json:"to"`
	Input       string  `json:"input"`
	Value       string  `json:"value"`
	Nonce       string  `json:"nonce"`
	BlockNumber *string `json:"blockNumber"`
	BlockHash   *string `json:"blockHash"`
}

// Transaction decodes a transaction, nil if the node does not know it.
func (r Result) Transaction() (*Transaction, error) {
	if null, err := r.null(); null || err != nil {
		return nil, err
	}
	var w wireTransaction
	if err := json.Unmarshal(r.Raw, &w); err != nil {
		return nil, fmt.Errorf("transaction: %w", errHex)
	}
	var d decoder
	v := &Transaction{
		Hash:  d.hash("hash", w.Hash),
		From:  d.address("from", w.From),
		To:    d.optional("to", w.To),
		Data:  d.bytes("input", w.Input),
		Value: d.big("value", w.Value),
		Nonce: d.uint("nonce", w.Nonce),
	}
	if w.BlockNumber != nil && w.BlockHash != nil {
		v.Block = &Block{Number: d.uint("blockNumber", *w.BlockNumber), Hash: d.hash("blockHash", *w.BlockHash)}
	}
	if d.err != nil {
		return nil, fmt.Errorf("transaction: %w", d.err)
	}
	return v, nil
}

type wireSimulated struct {
	Calls []struct {
		Status  string    `json:"status"`
		Return  string    `json:"returnData"`
		GasUsed string    `json:"gasUsed"`
		Logs    []wireLog `json:"logs"`
		Err     *wireErr  `json:"error"`
	} `json:"calls"`
}

// Simulated decodes the outcomes of SimulateCall, one for each call in order.
func (r Result) Simulated() ([]Simulated, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	var blocks []wireSimulated
	if err := json.Unmarshal(r.Raw, &blocks); err != nil {
		return nil, fmt.Errorf("simulation: %w", errHex)
	}
	if len(blocks) != 1 {
		return nil, fmt.Errorf("simulation: %d blocks instead of one", len(blocks))
	}
	var d decoder
	out := make([]Simulated, len(blocks[0].Calls))
	for i, w := range blocks[0].Calls {
		s := Simulated{
			Succeeded: d.uint("status", w.Status) == 1,
			Return:    d.bytes("returnData", w.Return),
			GasUsed:   d.uint("gasUsed", w.GasUsed),
			Logs:      make([]Log, len(w.Logs)),
		}
		for j, l := range w.Logs {
			s.Logs[j] = l.event(&d)
		}
		switch {
		case w.Err != nil:
			s.Succeeded = false // a node that says both is not believed
			s.Err = w.Err.public()
		case !s.Succeeded:
			s.Err = &RPCError{Message: "the call failed without a reason"}
		}
		out[i] = s
	}
	if d.err != nil {
		return nil, fmt.Errorf("simulation: %w", d.err)
	}
	return out, nil
}

// decoder keeps the first thing that is wrong, so that a decode reads as a list.
type decoder struct{ err error }

func (d *decoder) fail(field string, err error) {
	if d.err == nil && err != nil {
		d.err = fmt.Errorf("%s: %w", field, err)
	}
}

func (d *decoder) uint(field, text string) uint64 {
	v, err := parseUint(text)
	d.fail(field, err)
	return v
}

func (d *decoder) index(field, text string) uint {
	v := d.uint(field, text)
	if v > 1<<31 {
		d.fail(field, errHex)
	}
	return uint(v)
}

func (d *decoder) big(field, text string) *big.Int {
	v, err := parseBig(text)
	d.fail(field, err)
	return v
}

func (d *decoder) bytes(field, text string) []byte {
	v, err := parseBytes(text)
	d.fail(field, err)
	return v
}

func (d *decoder) hash(field, text string) string {
	v, err := parseHash(text)
	d.fail(field, err)
	return v
}

func (d *decoder) address(field, text string) asset.Address {
	v, err := asset.ParseAddress(text)
	d.fail(field, err)
	return v
}

func (d *decoder) optional(field string, text *string) asset.Address {
	if text == nil {
		return asset.Address{}
	}
	return d.address(field, *text)
}

// maxUnix keeps a hostile timestamp inside what time.Time and microseconds in a
// 64-bit column can hold: the end of the year 9999.
const maxUnix = 253402300799

func (d *decoder) time(field, text string) time.Time {
	v := d.uint(field, text)
	if v > maxUnix {
		d.fail(field, errHex)
		return time.Time{}
	}
	return time.Unix(int64(v), 0).UTC()
}
