package webhook

import (
	"context"
	"fmt"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// maxEndpoints is how many endpoints a merchant may have: each of them gets a
// copy of every message.
const maxEndpoints = 200

// MaxOverlap is how long a replaced secret may sign on.
const MaxOverlap = 7 * 24 * time.Hour

// Secrets are those that sign for an endpoint now, the newest first.
func Secrets(e merchant.Endpoint, now time.Time) []string {
	if e.PreviousSecret != "" && now.Before(e.PreviousUntil) {
		return []string{e.Secret, e.PreviousSecret}
	}
	return []string{e.Secret}
}

// Register makes an endpoint for all of a merchant's events, or for those of
// one client id, and returns it with its secret, which is told this once. One
// URL hears of an event once: so what is registered for all cannot be registered
// for a client id as well, nor the other way round.
//
// Faults: Invalid "webhook_url" and "webhook_exists" on field "url";
// "too_many_webhooks".
func (s *Service) Register(ctx context.Context, m payment.MerchantID, url, clientID string) (merchant.Endpoint, error) {
	if err := s.guard.Check(url); err != nil {
		return merchant.Endpoint{}, err
	}
	all, err := s.store.Endpoints(ctx, m)
	if err != nil {
		return merchant.Endpoint{}, fmt.Errorf("loading endpoints of merchant %s: %w", m, err)
	}
	exists := fault.Field("url", "webhook_exists", "Webhook already exists, or a platform-level webhook with this URL already exists")
	for _, e := range all {
		if e.URL == url && (e.ClientID == clientID || e.ClientID == "" || clientID == "") {
			return merchant.Endpoint{}, exists
		}
	}
	if len(all) >= maxEndpoints {
		return merchant.Endpoint{}, fault.New(fault.Invalid, "too_many_webhooks", fmt.Sprintf("There are %d webhooks already, which is the most there may be.", len(all))).At("url")
	}
	now := time.Now().UTC()
	e := merchant.Endpoint{ID: payment.NewULID(now), Merchant: m, URL: url, Secret: NewSecret(), ClientID: clientID, Active: true, CreatedAt: now}
	if err := s.store.InsertEndpoint(ctx, e); err != nil {
		if fault.Is(err, fault.Conflict) {
			return merchant.Endpoint{}, exists
		}
		return merchant.Endpoint{}, fmt.Errorf("saving an endpoint: %w", err)
	}
	return e, nil
}

// Endpoints lists a merchant's endpoints, oldest first. Their secrets are in it:
// callers do not show them.
func (s *Service) Endpoints(ctx context.Context, m payment.MerchantID) ([]merchant.Endpoint, error) {
	return s.store.Endpoints(ctx, m)
}

// Endpoint is one of a merchant's endpoints.
//
// Faults: NotFound "webhook_not_found", also of a dialect's own, which its links name and
// nobody keeps.
func (s *Service) Endpoint(ctx context.Context, m payment.MerchantID, id string) (merchant.Endpoint, error) {
	e, err := s.store.Endpoint(ctx, m, id)
	if err == nil && e.Dialect != "" {
		return merchant.Endpoint{}, fault.New(fault.NotFound, "webhook_not_found", "There is no such webhook.")
	}
	return e, err
}

// Toggle switches an endpoint on or off, whichever it is not. Switched on it
// begins anew: why the server had switched it off is forgotten. What was queued
// when it was switched off is given up when it is due.
//
// Faults: NotFound.
func (s *Service) Toggle(ctx context.Context, e merchant.Endpoint) (merchant.Endpoint, error) {
	e.Active, e.FailingSince, e.DisabledAt, e.DisabledWhy = !e.Active, time.Time{}, time.Time{}, ""
	return e, s.store.SetEndpointActive(ctx, e.Merchant, e.ID, e.Active)
}

// Delete removes an endpoint. Its deliveries stay listed and are not sent.
//
// Faults: NotFound.
func (s *Service) Delete(ctx context.Context, e merchant.Endpoint) error {
	return s.store.DeleteEndpoint(ctx, e.Merchant, e.ID)
}

// Rotate gives an endpoint another secret, which is returned and told this once.
// The one it replaces signs beside it until the overlap has passed; an overlap
// of zero ends it at once, and any other before it. While an overlap lasts there
// is no other rotation with one: somebody may still be using the oldest secret.
//
// Faults: Invalid on field "overlapHours"; Conflict "rotation_running"; NotFound.
func (s *Service) Rotate(ctx context.Context, e merchant.Endpoint, overlap time.Duration) (secret string, until time.Time, err error) {
	if overlap < 0 || overlap > MaxOverlap {
		return "", time.Time{}, fault.Field("overlapHours", "invalid_overlap", fmt.Sprintf("overlapHours must be between 0 and %d.", int(MaxOverlap.Hours())))
	}
	now := time.Now().UTC()
	if overlap > 0 {
		if len(Secrets(e, now)) > 1 {
			return "", time.Time{}, fault.Newf(fault.Conflict, "rotation_running",
				"The last rotation's overlap lasts until %s. To end it now, rotate with overlapHours 0.", e.PreviousUntil.Format(time.RFC3339)).At("overlapHours")
		}
		until = now.Add(overlap).Truncate(time.Microsecond)
	}
	secret = NewSecret()
	if err := s.store.RotateSecret(ctx, e.ID, e.Secret, secret, until); err != nil {
		return "", time.Time{}, err
	}
	return secret, until, nil
}
