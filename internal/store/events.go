package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

const (
	insertEvent = `INSERT INTO events (payment, seq, id, merchant, dialect, kind, request, transfer, standing, detail, fields, at)
 VALUES ($1, (SELECT COALESCE(MAX(e.seq), 0) + 1 FROM events e WHERE e.payment = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

	// insertFirst is insertEvent for a payment of the same transaction.
	insertFirst = `INSERT INTO events (id, merchant, dialect, kind, request, transfer, standing, detail, fields, at, payment, seq)`

	eventColumns = `payment, seq, id, merchant, dialect, kind, request, transfer, standing, detail, fields, at`

	selectEvents = `SELECT ` + eventColumns + ` FROM events WHERE payment = $1 ORDER BY seq`
	selectEvent  = `SELECT ` + eventColumns + ` FROM events WHERE id = $1`
)

var intoEvents = newInto(4, insertFirst, 12, nil)

// AppendEvent implements checkout.Tx.
func (t *tx) AppendEvent(ctx context.Context, e payment.Event) error {
	transfer, err := encodeTransfer(e.Transfer)
	if err != nil {
		return fmt.Errorf("encode the event's transfer: %w", err)
	}
	standing, err := encodeStanding(e.Standing)
	if err != nil {
		return fmt.Errorf("encode the event's standing: %w", err)
	}
	fields, err := encodeFields(e.Fields)
	if err != nil {
		return fmt.Errorf("encode the event's fields: %w", err)
	}
	if err := t.warm(ctx, e.Payment); err != nil {
		return err
	}
	values := []any{e.ID, e.Merchant, e.Dialect, e.Kind, e.Request, transfer, standing, e.Detail, fields, micros(e.At)}
	if i := slices.Index(t.silent, e.Payment); i >= 0 {
		t.silent = slices.Delete(t.silent, i, i+1)
		err = t.insert(ctx, insertion{into: intoEvents, args: append(values, e.Payment, 1)})
	} else {
		_, err = t.exec(ctx, insertEvent, slices.Insert(values, 0, any(e.Payment))...)
	}
	if err != nil {
		return err
	}
	t.touch(e.Payment)
	t.tell(e)
	if !t.store.tells(e.Dialect, e.Kind) {
		return nil
	}
	return t.Enqueue(ctx, job.Job{Kind: webhook.RelayKind, Args: e.ID, RunAt: e.At})
}

var (
	findEvents = inPlace(selectEvents)
	findEvent  = inPlace(selectEvent)
)

// Events implements checkout.Store.
func (s *Store) Events(ctx context.Context, id payment.ID) ([]payment.Event, error) {
	return eventsOf(ctx, s.quick, id)
}

// Events implements checkout.Tx.
func (t *tx) Events(ctx context.Context, id payment.ID) ([]payment.Event, error) {
	es, err := eventsOf(ctx, t, id)
	return es, t.note(err)
}

func eventsOf(ctx context.Context, on session, id payment.ID) ([]payment.Event, error) {
	return gather(ctx, on, findEvents, 1, []any{id}, scanEvent)
}

// Event implements webhook.Store.
func (s *Store) Event(ctx context.Context, id string) (payment.Event, *payment.Payment, error) {
	e, err := s.event(ctx, id)
	if err != nil {
		return payment.Event{}, nil, err
	}
	p, err := s.Payment(ctx, e.Payment)
	return e, p, err
}

func (s *Store) event(ctx context.Context, id string) (payment.Event, error) {
	return one(gather(ctx, s.quick, findEvent, 1, []any{id}, scanEvent))("event")
}

func scanEvent(r rows) (payment.Event, error) {
	var e payment.Event
	var transfer, standing, fields string
	var at int64
	err := r.Scan(&e.Payment, &e.Seq, &e.ID, &e.Merchant, &e.Dialect, &e.Kind, &e.Request, &transfer, &standing, &e.Detail, &fields, &at)
	if err != nil {
		return e, err
	}
	e.At = fromMicros(at)
	if e.Transfer, err = decodeTransfer(transfer); err != nil {
		return e, fmt.Errorf("decode transfer of event %s: %w", e.ID, err)
	}
	if e.Standing, err = decodeStanding(standing); err != nil {
		return e, fmt.Errorf("decode standing of event %s: %w", e.ID, err)
	}
	if e.Fields, err = decodeFields(fields); err != nil {
		return e, fmt.Errorf("decode fields of event %s: %w", e.ID, err)
	}
	return e, nil
}

// encodeFields writes an event's further facts; none is "".
func encodeFields(fields map[string]string) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	kept := make(map[string]string, len(fields))
	for name, v := range fields {
		kept[plain(name)] = plain(v)
	}
	b, err := json.Marshal(kept)
	return string(b), err
}

// decodeFields reads what encodeFields wrote.
func decodeFields(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	var fields map[string]string
	err := json.Unmarshal([]byte(text), &fields)
	return fields, err
}

// storedTransfer is a transfer as an event keeps it: the names are part of the
// stored format and never change their meaning.
type storedTransfer struct {
	Key       string        `json:"key"`
	Request   int           `json:"request"`
	Rail      string        `json:"rail"`
	Asset     asset.ID      `json:"asset"`
	Amount    string        `json:"amount"`
	Credit    string        `json:"credit"`
	Quote     string        `json:"quote,omitempty"`
	Fee       string        `json:"fee,omitempty"`
	Stage     payment.Stage `json:"stage"`
	At        int64         `json:"at"`
	Chain     asset.ChainID `json:"chain,omitempty"`
	Block     uint64        `json:"block,omitempty"`
	BlockHash string        `json:"blockHash,omitempty"`
	Tx        string        `json:"tx,omitempty"`
	LogIndex  uint          `json:"logIndex,omitempty"`
	Payer     string        `json:"payer,omitempty"`
	Route     string        `json:"route,omitempty"`

	SourceChain  asset.ChainID `json:"sourceChain,omitempty"`
	SourceTx     string        `json:"sourceTx,omitempty"`
	SourceAsset  asset.ID      `json:"sourceAsset,omitempty"`
	SourceAmount string        `json:"sourceAmount,omitempty"`
}

func encodeTransfer(x *payment.Transfer) (string, error) {
	if x == nil {
		return "", nil
	}
	e := x.Evidence
	b, err := json.Marshal(storedTransfer{
		Key: x.Key, Request: x.Request, Rail: x.Rail, Asset: x.Asset,
		Amount: units(x.Amount), Credit: units(x.Credit), Quote: x.Quote, Fee: units(x.Fee), Stage: x.Stage, At: micros(x.At),
		Chain: e.Chain, Block: e.Block, BlockHash: e.BlockHash, Tx: e.Tx, LogIndex: e.LogIndex, Payer: e.Payer,
		Route: e.Source.Route, SourceChain: e.Source.Chain, SourceTx: e.Source.Tx, SourceAsset: e.Source.Asset, SourceAmount: units(e.Source.Amount),
	})
	return string(b), err
}

func decodeTransfer(text string) (*payment.Transfer, error) {
	if text == "" {
		return nil, nil
	}
	var s storedTransfer
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, err
	}
	x := &payment.Transfer{
		Key: s.Key, Request: s.Request, Rail: s.Rail, Asset: s.Asset, Quote: s.Quote, Stage: s.Stage, At: fromMicros(s.At),
		Evidence: payment.Evidence{Chain: s.Chain, Block: s.Block, BlockHash: s.BlockHash, Tx: s.Tx, LogIndex: s.LogIndex, Payer: s.Payer,
			Source: payment.Source{Route: s.Route, Chain: s.SourceChain, Tx: s.SourceTx, Asset: s.SourceAsset}},
	}
	return x, parseInto(map[**big.Int]string{
		&x.Amount: s.Amount, &x.Credit: s.Credit, &x.Fee: s.Fee, &x.Evidence.Source.Amount: s.SourceAmount,
	})
}

// storedStanding is a request's standing as an event keeps it.
type storedStanding struct {
	State    payment.State  `json:"state"`
	Oddity   payment.Oddity `json:"oddity"`
	Received string         `json:"received"`
	Settled  string         `json:"settled"`
	Late     string         `json:"late"`
}

func encodeStanding(s payment.RequestStanding) (string, error) {
	if s.State == "" {
		return "", nil
	}
	b, err := json.Marshal(storedStanding{s.State, s.Oddity, units(s.Received), units(s.Settled), units(s.Late)})
	return string(b), err
}

func decodeStanding(text string) (payment.RequestStanding, error) {
	if text == "" {
		return payment.RequestStanding{}, nil
	}
	var s storedStanding
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return payment.RequestStanding{}, err
	}
	r := payment.RequestStanding{State: s.State, Oddity: s.Oddity}
	err := parseInto(map[**big.Int]string{&r.Received: s.Received, &r.Settled: s.Settled, &r.Late: s.Late})
	return r, err
}

func parseInto(amounts map[**big.Int]string) error {
	for dest, text := range amounts {
		v, err := parseUnits(text)
		if err != nil {
			return err
		}
		*dest = v
	}
	return nil
}
