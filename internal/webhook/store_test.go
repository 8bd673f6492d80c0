package webhook_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

var errNone = fault.New(fault.NotFound, "not_found", "There is no such thing.")

// memory keeps what a database would, by the rules of webhook.Store.
type memory struct {
	mu         sync.Mutex
	forgotten  int64 // entries of the feed that are no longer kept
	events     map[string]payment.Event
	payments   map[payment.ID]*payment.Payment
	endpoints  []merchant.Endpoint
	deliveries map[string]webhook.Delivery
	lanes      map[string]string // of the deliveries' jobs
	attempts   []webhook.Attempt
	entries    []webhook.Entry
	health     map[string]webhook.Health
	failedAt   map[string]time.Time
	links      string // the secret of the merchants' link settings
	failRecord error  // what the next Attempted returns instead of recording
}

func newMemory(endpoints ...merchant.Endpoint) *memory {
	return &memory{
		events: map[string]payment.Event{}, payments: map[payment.ID]*payment.Payment{},
		endpoints: endpoints, deliveries: map[string]webhook.Delivery{}, lanes: map[string]string{}, links: webhook.NewSecret(),
		health: map[string]webhook.Health{}, failedAt: map[string]time.Time{},
	}
}

func (m *memory) Event(_ context.Context, id string) (payment.Event, *payment.Payment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.events[id]
	if !ok {
		return payment.Event{}, nil, errNone
	}
	return e, m.payments[e.Payment], nil
}

func (m *memory) Endpoints(_ context.Context, id payment.MerchantID) ([]merchant.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.endpoints), func(e merchant.Endpoint) bool { return e.Merchant != id || e.Dialect != "" }), nil
}

func (m *memory) DialectEndpoint(_ context.Context, of payment.MerchantID, dialect, url string) (merchant.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.endpoints {
		if e.Merchant == of && e.Dialect == dialect && e.URL == url {
			m.endpoints[i].Active, m.endpoints[i].DisabledAt, m.endpoints[i].DisabledWhy = true, time.Time{}, ""
			return m.endpoints[i], nil
		}
	}
	e := merchant.Endpoint{ID: fmt.Sprintf("own-%d", len(m.endpoints)), Merchant: of, URL: url, Secret: m.links, Dialect: dialect, Active: true}
	m.endpoints = append(m.endpoints, e)
	return e, nil
}

func (m *memory) Endpoint(_ context.Context, id payment.MerchantID, endpoint string) (merchant.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.endpoints {
		if e.ID == endpoint && e.Merchant == id {
			return e, nil
		}
	}
	return merchant.Endpoint{}, errNone
}

func (m *memory) InsertEndpoint(_ context.Context, e merchant.Endpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endpoints = append(m.endpoints, e)
	return nil
}

// set changes an endpoint.
func (m *memory) set(endpoint string, f func(*merchant.Endpoint)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.endpoints {
		if m.endpoints[i].ID == endpoint {
			f(&m.endpoints[i])
			return nil
		}
	}
	return errNone
}

func (m *memory) SetEndpointActive(_ context.Context, _ payment.MerchantID, id string, active bool) error {
	delete(m.health, id)
	return m.set(id, func(e *merchant.Endpoint) { e.Active, e.DisabledAt, e.DisabledWhy = active, time.Time{}, "" })
}

func (m *memory) DeleteEndpoint(_ context.Context, _ payment.MerchantID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endpoints = slices.DeleteFunc(m.endpoints, func(e merchant.Endpoint) bool { return e.ID == id })
	return nil
}

func (m *memory) RotateSecret(_ context.Context, id, old, secret string, until time.Time) error {
	return m.set(id, func(e *merchant.Endpoint) { e.Secret, e.PreviousSecret, e.PreviousUntil = secret, old, until })
}

func (m *memory) SaveDeliveries(_ context.Context, entries []webhook.Entry, ds []webhook.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		if !slices.ContainsFunc(m.entries, func(o webhook.Entry) bool { return o.EventID == e.EventID && o.Event == e.Event }) {
			e.Position = int64(len(m.entries) + 1)
			m.entries = append(m.entries, e)
		}
	}
	for _, d := range ds {
		same := false
		for _, o := range m.deliveries {
			same = same || (d.EventID != "" && o.EventID == d.EventID && o.Endpoint == d.Endpoint && o.Event == d.Event)
		}
		if !same {
			m.lanes[d.ID] = cmp.Or(d.Lane, d.Endpoint)
			d.Lane = ""
			m.deliveries[d.ID] = d
		}
	}
	return nil
}

func (m *memory) Delivery(_ context.Context, id string) (webhook.Delivery, merchant.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.deliveries[id]
	i := slices.IndexFunc(m.endpoints, func(e merchant.Endpoint) bool { return e.ID == d.Endpoint })
	if !ok || i < 0 {
		return d, merchant.Endpoint{}, errNone
	}
	return d, m.endpoints[i], nil
}

func (m *memory) Attempted(ctx context.Context, loaded webhook.Delivery, a webhook.Attempt, s webhook.DeliveryState, next time.Time) (left webhook.Outcome, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.failRecord); err != nil {
		m.failRecord = nil
		return left, err
	}
	d, ok := m.deliveries[loaded.ID]
	if !ok {
		return left, errNone
	}
	same := d.Attempts == loaded.Attempts
	if same || s == webhook.Delivered {
		d.Attempts++
	}
	if s == webhook.Delivered || same && d.State == webhook.Queued && d.NextAt.Equal(loaded.NextAt) {
		d.Last, d.State, d.NextAt = a, s, next
	}
	m.deliveries[d.ID], left.State, left.NextAt = d, d.State, d.NextAt
	m.attempts = append(m.attempts, a)
	if a.Error == "" {
		delete(m.health, d.Endpoint)
		return left, nil
	}
	h := m.health[d.Endpoint]
	if h.Failures == 0 || m.failedAt[d.Endpoint].Before(a.At.Add(-webhook.Pause)) {
		h = webhook.Health{FailingSince: a.At}
	}
	h.Failures++
	m.health[d.Endpoint], m.failedAt[d.Endpoint] = h, a.At
	left.Health = h
	return left, nil
}

func (m *memory) Disable(ctx context.Context, id string, at time.Time, why string, notice []webhook.Entry, ds []webhook.Delivery) (bool, error) {
	done := false
	err := m.set(id, func(e *merchant.Endpoint) {
		if done = e.Active && m.health[id].Failures > 0; done {
			e.Active, e.DisabledAt, e.DisabledWhy = false, at, why
		}
	})
	if err != nil || !done {
		return false, err
	}
	return true, m.SaveDeliveries(ctx, notice, ds)
}

func (m *memory) GiveUpQueued(_ context.Context, endpoint, why string, limit int) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, d := range m.deliveries {
		if d.Endpoint == endpoint && d.State == webhook.Queued && n < limit {
			d.State, d.Last.Error = webhook.Exhausted, why
			m.deliveries[id] = d
			n++
		}
	}
	return n, nil
}

func (m *memory) ReplayRange(_ context.Context, r webhook.Range, now time.Time, limit int) (n int, last string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.deliveries)) {
		d := m.deliveries[id]
		if d.Endpoint != r.Endpoint || d.ID <= r.After || d.State == webhook.Queued || (r.Failed && d.State != webhook.Exhausted) {
			continue
		}
		if n == limit {
			return n, last, nil
		}
		d.State, d.NextAt = webhook.Queued, now
		m.deliveries[id] = d
		n, last = n+1, id
	}
	return n, "", nil
}

func (m *memory) Feed(_ context.Context, f webhook.FeedFilter) ([]webhook.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.entries), func(e webhook.Entry) bool { return e.Position <= f.After }), nil
}

func (m *memory) FeedStart(context.Context, payment.MerchantID) (int64, error) {
	return m.forgotten + 1, nil
}

func (m *memory) FeedHead(context.Context, payment.MerchantID) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.entries)), nil
}

func (m *memory) Deliveries(_ context.Context, f webhook.Filter) ([]webhook.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ds []webhook.Delivery
	for _, d := range m.deliveries {
		if (f.Merchant == "" || d.Merchant == f.Merchant) && (f.Endpoint == "" || d.Endpoint == f.Endpoint) && (f.Payment == "" || d.Payment == f.Payment) &&
			(f.State == "" || d.State == f.State) && (f.Before == "" || d.ID < f.Before) {
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, func(a, b webhook.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	return ds[:min(len(ds), f.Limit)], nil
}

func (m *memory) Replay(_ context.Context, id string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.deliveries[id]
	if !ok {
		return errNone
	}
	d.State, d.NextAt = webhook.Queued, now
	m.deliveries[id] = d
	return nil
}

// only returns the one delivery there is.
func (m *memory) only(t *testing.T) webhook.Delivery {
	t.Helper()
	all := m.all()
	if len(all) != 1 {
		t.Fatalf("%d deliveries, want 1", len(all))
	}
	return all[0]
}

// all returns the deliveries, oldest first.
func (m *memory) all() []webhook.Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ds []webhook.Delivery
	for _, d := range m.deliveries {
		ds = append(ds, d)
	}
	slices.SortFunc(ds, func(a, b webhook.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return ds
}
