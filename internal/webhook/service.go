package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// The kinds of jobs this package does. They are stored.
const (
	RelayKind   = "webhook.relay"   // args: an event's id
	DeliverKind = "webhook.deliver" // args: a delivery's id
)

// Pages of List.
const (
	defaultList = 50
	maxList     = 200
)

// Config is what a Service is made of.
type Config struct {
	Store    Store
	Guard    *Guard
	Client   *http.Client       // makes the calls to receivers; the guard's if nil
	Encoders map[string]Encoder // by the dialect's name; operators' commands that word nothing have none
	Log      *slog.Logger
	// Tried hears of each attempt that was recorded, nil for nobody. It must be quick.
	Tried func(Tried)
}

// Service relays events, makes deliveries and keeps endpoints.
type Service struct {
	store    Store
	guard    *Guard
	client   *http.Client
	encoders map[string]Encoder
	log      *slog.Logger
	tried    func(Tried)
}

// New returns a Service.
func New(c Config) *Service {
	s := &Service{store: c.Store, guard: c.Guard, client: c.Client, encoders: c.Encoders, log: c.Log, tried: c.Tried}
	if s.client == nil {
		s.client = c.Guard.Client()
	}
	return s
}

// Handlers returns the package's jobs by kind.
func (s *Service) Handlers() map[string]job.Handler {
	return map[string]job.Handler{RelayKind: s.Relay, DeliverKind: s.Deliver}
}

// Relay words the event named by the job's args, puts the messages into the
// merchant's feed, but for quiet ones, and saves one delivery for each of them and
// each endpoint that is to hear it: those that it names, or else the merchant's own
// that are active. Done again, it changes nothing.
func (s *Service) Relay(ctx context.Context, j job.Job) error {
	e, p, err := s.store.Event(ctx, j.Args)
	switch {
	case fault.Is(err, fault.NotFound):
		return job.Cancel(fmt.Errorf("relaying event %s: %w", j.Args, err))
	case err != nil:
		return fmt.Errorf("loading event %s: %w", j.Args, err)
	}
	enc, ok := s.encoders[e.Dialect]
	if !ok {
		return fmt.Errorf("relaying event %s: no encoder for dialect %q", e.ID, e.Dialect)
	}
	messages, err := enc.Encode(ctx, e, p)
	if err != nil {
		return fmt.Errorf("wording event %s: %w", e.ID, err)
	}
	if len(messages) == 0 {
		return nil
	}
	if name, twice := repeated(messages); twice {
		// The store would keep only one of them, silently.
		return fmt.Errorf("wording event %s: two messages are named %q", e.ID, name)
	}
	now := time.Now().UTC()
	ds, err := s.addressed(ctx, e, p.Terms.ClientID, messages)
	if err != nil {
		return err
	}
	for i := range numbered(ds, now) {
		ds[i].EventID, ds[i].Payment, ds[i].Dialect = e.ID, e.Payment, e.Dialect
	}
	var entries []Entry
	for _, m := range messages {
		if m.Quiet {
			continue
		}
		entries = append(entries, Entry{
			Merchant: e.Merchant, ID: payment.NewULID(now), EventID: e.ID, Payment: e.Payment, Sequence: e.Seq,
			Event: m.Event, ClientID: p.Terms.ClientID, Dialect: e.Dialect, Body: m.Body, At: e.At,
		})
	}
	if err := s.store.SaveDeliveries(ctx, entries, ds); err != nil {
		return fmt.Errorf("saving deliveries of event %s: %w", e.ID, err)
	}
	return nil
}

func repeated(messages []Message) (name string, twice bool) {
	seen := map[string]bool{}
	for _, m := range messages {
		if seen[m.Event] {
			return m.Event, true
		}
		seen[m.Event] = true
	}
	return "", false
}

// addressed pairs messages with the endpoints that are to hear them, in the order of the
// messages.
func (s *Service) addressed(ctx context.Context, e payment.Event, clientID string, messages []Message) ([]Delivery, error) {
	var ds []Delivery
	var own []merchant.Endpoint // loaded for the first message that is for them
	loaded := false
	for _, m := range messages {
		if m.To != nil {
			some, err := s.targeted(ctx, e.Merchant, e.Dialect, m)
			if err != nil {
				return nil, err
			}
			ds = append(ds, some...)
			continue
		}
		if !loaded {
			all, err := s.store.Endpoints(ctx, e.Merchant)
			if err != nil {
				return nil, fmt.Errorf("loading endpoints of merchant %s: %w", e.Merchant, err)
			}
			own, loaded = hearing(all, clientID), true
		}
		ds = append(ds, deliveries(m, own)...)
	}
	return ds, nil
}

// hearing selects the active endpoints that hear of payments made by a client
// id, "" for those made with a key: the merchant's own and that client's. Those of a
// dialect hear only what names them.
func hearing(endpoints []merchant.Endpoint, clientID string) []merchant.Endpoint {
	var some []merchant.Endpoint
	for _, e := range endpoints {
		if e.Active && e.Dialect == "" && (e.ClientID == "" || e.ClientID == clientID) {
			some = append(some, e)
		}
	}
	return some
}

// deliveries pairs a message with endpoints.
func deliveries(m Message, endpoints []merchant.Endpoint) []Delivery {
	var ds []Delivery
	for _, e := range endpoints {
		if m.ClientID == "" || m.ClientID == e.ClientID {
			ds = append(ds, Delivery{Merchant: e.Merchant, Endpoint: e.ID, Event: m.Event, Body: m.Body})
		}
	}
	return ds
}

// numbered gives deliveries that are due now their ids, which ascend in their order, so
// that lists show messages as they were said.
func numbered(ds []Delivery, now time.Time) []Delivery {
	ids := make([]string, len(ds))
	for i := range ids {
		ids[i] = payment.NewULID(now)
	}
	slices.Sort(ids)
	for i := range ds {
		ds[i].ID, ds[i].State, ds[i].NextAt, ds[i].CreatedAt = ids[i], Queued, now, now
	}
	return ds
}

// Test queues a message for the active ones among the endpoints, marked as a
// test, and returns the deliveries. A test is tried as often as the documented
// retries say and no longer.
//
// Fault: NotFound "no_active_webhooks" if no endpoint is active.
func (s *Service) Test(ctx context.Context, dialect string, m Message, endpoints ...merchant.Endpoint) ([]Delivery, error) {
	if _, ok := s.encoders[dialect]; !ok {
		return nil, fmt.Errorf("testing webhooks: no encoder for dialect %q", dialect)
	}
	active := slices.DeleteFunc(slices.Clone(endpoints), func(e merchant.Endpoint) bool { return !e.Active })
	ds := numbered(deliveries(m, active), time.Now().UTC())
	if len(ds) == 0 {
		return nil, fault.New(fault.NotFound, "no_active_webhooks", "No active webhooks found")
	}
	for i := range ds {
		ds[i].Dialect, ds[i].Test = dialect, true
	}
	if err := s.store.SaveDeliveries(ctx, nil, ds); err != nil {
		return nil, fmt.Errorf("saving test deliveries: %w", err)
	}
	return ds, nil
}

// List returns deliveries, newest first: 50 unless the filter says otherwise,
// at most 200. The last one's id continues the list as the next Before.
//
// Fault: Invalid on field "state" if there is no such state.
func (s *Service) List(ctx context.Context, f Filter) ([]Delivery, error) {
	switch f.State {
	case "", Queued, Delivered, Exhausted:
	default:
		return nil, fault.Field("state", "delivery_state", "The state must be queued, delivered or exhausted.")
	}
	if f.Limit <= 0 {
		f.Limit = defaultList
	}
	f.Limit = min(f.Limit, maxList)
	ds, err := s.store.Deliveries(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	return ds, nil
}
