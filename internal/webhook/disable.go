package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// whyDisabled is kept of deliveries that wait for an endpoint that was switched off.
const whyDisabled = "the endpoint was switched off for failing"

// giveUpBatch is how many deliveries one transaction gives up.
const giveUpBatch = 500

// disable switches an endpoint off that has done nothing but fail, tells the
// merchant's other endpoints and the feed, and gives up what waits for it. The
// words are those of the dialect whose delivery failed last, if it has any.
func (s *Service) disable(ctx context.Context, dialect string, e merchant.Endpoint, h Health, last Attempt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	now := last.At
	e.Active, e.FailingSince, e.DisabledAt = false, h.FailingSince, now
	e.DisabledWhy = fmt.Sprintf("%d attempts and no success since %s; the last one: %s", h.Failures, h.FailingSince.Format(time.RFC3339), last.Error)
	enc, ok := s.encoders[dialect]
	if !ok {
		return fmt.Errorf("no encoder for dialect %q", dialect)
	}
	m, err := enc.Disabled(e)
	if err != nil {
		return fmt.Errorf("wording it: %w", err)
	}
	notice, ds, err := s.notice(ctx, dialect, e, m)
	if err != nil {
		return err
	}
	switch done, err := s.store.Disable(ctx, e.ID, now, e.DisabledWhy, notice, ds); {
	case err != nil:
		return err
	case !done:
		return nil // another attempt was faster, or one has just arrived
	}
	s.log.WarnContext(ctx, "webhook endpoint switched off for failing", "endpoint", e.ID, "merchant", e.Merchant,
		"since", h.FailingSince, "failures", h.Failures, "outcome", last.Error)
	// What this leaves behind, each delivery's own job gives up when it is due.
	for {
		n, err := s.store.GiveUpQueued(ctx, e.ID, whyDisabled, giveUpBatch)
		if err != nil {
			return fmt.Errorf("giving up what is queued: %w", err)
		}
		if n < giveUpBatch {
			return nil
		}
	}
}

// notice is what the feed and the merchant's other endpoints are told of an endpoint that
// was switched off; nothing if there are no words for it.
func (s *Service) notice(ctx context.Context, dialect string, e merchant.Endpoint, m Message) ([]Entry, []Delivery, error) {
	if m.Event == "" {
		return nil, nil, nil
	}
	all, err := s.store.Endpoints(ctx, e.Merchant)
	if err != nil {
		return nil, nil, fmt.Errorf("loading endpoints of merchant %s: %w", e.Merchant, err)
	}
	others := slices.DeleteFunc(hearing(all, e.ClientID), func(other merchant.Endpoint) bool { return other.ID == e.ID })
	now := e.DisabledAt
	event := payment.NamedULID("endpoint disabled", e.ID, now.Format(time.RFC3339Nano))
	ds := numbered(deliveries(m, others), now)
	for i := range ds {
		ds[i].EventID, ds[i].Dialect = event, dialect
	}
	return []Entry{{
		Merchant: e.Merchant, ID: payment.NewULID(now), EventID: event, Event: m.Event, ClientID: e.ClientID, Dialect: dialect, Body: m.Body, At: now,
	}}, ds, nil
}
