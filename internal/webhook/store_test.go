package webhook_test

import (
	"cmp"
	"context"
	"errors"
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
	events     map[string]payment.Event
	payments   map[payment.ID]*payment.Payment
	endpoints  []merchant.Endpoint
	deliveries map[string]webhook.Delivery
	attempts   []webhook.Attempt
	failRecord error // what the next Attempted returns instead of recording
}

func newMemory(endpoints ...merchant.Endpoint) *memory {
	return &memory{
		events: map[string]payment.Event{}, payments: map[payment.ID]*payment.Payment{},
		endpoints: endpoints, deliveries: map[string]webhook.Delivery{},
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
	return slices.DeleteFunc(slices.Clone(m.endpoints), func(e merchant.Endpoint) bool { return e.Merchant != id }), nil
}

func (m *memory) SaveDeliveries(_ context.Context, ds []webhook.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range ds {
		same := false
		for _, o := range m.deliveries {
			same = same || (d.EventID != "" && o.EventID == d.EventID && o.Endpoint == d.Endpoint && o.Event == d.Event)
		}
		if !same {
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

func (m *memory) Attempted(ctx context.Context, id string, a webhook.Attempt, s webhook.DeliveryState, next time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.failRecord); err != nil {
		m.failRecord = nil
		return err
	}
	d, ok := m.deliveries[id]
	if !ok {
		return errNone
	}
	d.Attempts, d.Last, d.State, d.NextAt = d.Attempts+1, a, s, next
	m.deliveries[id] = d
	m.attempts = append(m.attempts, a)
	return nil
}

func (m *memory) Deliveries(_ context.Context, f webhook.Filter) ([]webhook.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ds []webhook.Delivery
	for _, d := range m.deliveries {
		if (f.Merchant == "" || d.Merchant == f.Merchant) && (f.Payment == "" || d.Payment == f.Payment) &&
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
