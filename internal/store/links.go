package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

const (
	// insertLinks makes what a merchant has before anything was set.
	insertLinks = `INSERT INTO link_settings (merchant, callbacks, endpoints, default_to, service_fee, tell_cancel, encrypted,
 encryption_key, secret, previous_secret, previous_until)
 VALUES ($1, '[]', '[]', '', 0, FALSE, FALSE, $2, $3, $2, 0) ON CONFLICT (merchant) DO NOTHING`

	updateLinks = `UPDATE link_settings SET callbacks = $2, endpoints = $3, default_to = $4, service_fee = $5, tell_cancel = $6,
 encrypted = $7, encryption_key = $8, secret = $9, previous_secret = $10, previous_until = $11 WHERE merchant = $1`

	selectLinks = `SELECT callbacks, endpoints, default_to, service_fee, tell_cancel, encrypted, encryption_key, secret,
 previous_secret, previous_until FROM link_settings WHERE merchant = $1`
)

// linksPlace is where a secret of a merchant's link settings is kept, for sealing.
func linksPlace(m payment.MerchantID, which string) string {
	return "link_settings/" + string(m) + "/" + which
}

// The secrets of link settings, by their columns.
const (
	linkKey      = "encryption_key"
	linkSecret   = "secret"
	linkPrevious = "previous_secret"
)

// sealLink seals one of these secrets; none stays nothing.
func (s *Store) sealLink(m payment.MerchantID, which, secret string) []byte {
	if secret == "" {
		return []byte{}
	}
	return s.seal.Seal([]byte(secret), linksPlace(m, which))
}

// LinkSettings implements merchant.Links.
//
// Faults: NotFound "merchant_not_found".
func (s *Store) LinkSettings(ctx context.Context, m payment.MerchantID) (merchant.LinkSettings, error) {
	l, err := s.loadLinks(ctx, s.read, m)
	if !fault.Is(err, fault.NotFound) {
		return l, err
	}
	err = s.write(ctx, func(t *tx) error {
		if err := t.makeLinks(ctx, m); err != nil {
			return err
		}
		l, err = s.loadLinks(ctx, t, m)
		return t.note(err)
	})
	return l, err
}

// makeLinks gives a merchant link settings with a new secret, unless there are some.
func (t *tx) makeLinks(ctx context.Context, m payment.MerchantID) error {
	_, err := t.exec(ctx, insertLinks, m, []byte{}, t.store.sealLink(m, linkSecret, webhook.NewSecret()))
	return recode(err, fault.NotFound, "merchant_not_found", "There is no such merchant.")
}

// SetLinkSettings implements merchant.Links. Without a Secret, the secrets stay as they were.
//
// Faults: NotFound "merchant_not_found".
func (s *Store) SetLinkSettings(ctx context.Context, l merchant.LinkSettings) error {
	callbacks, err := encodeList(l.Callbacks)
	if err != nil {
		return fmt.Errorf("encode callbacks: %w", err)
	}
	endpoints, err := encodeList(l.Endpoints)
	if err != nil {
		return fmt.Errorf("encode endpoints: %w", err)
	}
	return s.write(ctx, func(t *tx) error {
		if err := t.makeLinks(ctx, l.Merchant); err != nil {
			return err
		}
		if l.Secret == "" {
			old, err := s.loadLinks(ctx, t, l.Merchant)
			if err != nil {
				return t.note(err)
			}
			l.Secret, l.PreviousSecret, l.PreviousUntil = old.Secret, old.PreviousSecret, old.PreviousUntil
		}
		_, err := t.exec(ctx, updateLinks, l.Merchant, callbacks, endpoints, plain(l.Default), int64(l.ServiceFee), l.TellCancel, l.Encrypted,
			s.sealLink(l.Merchant, linkKey, l.EncryptionKey), s.sealLink(l.Merchant, linkSecret, l.Secret),
			s.sealLink(l.Merchant, linkPrevious, l.PreviousSecret), micros(l.PreviousUntil))
		return err
	})
}

// loadLinks reads settings. Fault: NotFound if none were made yet.
func (s *Store) loadLinks(ctx context.Context, on session, m payment.MerchantID) (merchant.LinkSettings, error) {
	l := merchant.LinkSettings{Merchant: m}
	var callbacks, endpoints string
	var key, secret, previous []byte
	var fee, until int64
	ok, err := found(on.row(ctx, selectLinks, []any{m}, &callbacks, &endpoints, &l.Default, &fee, &l.TellCancel, &l.Encrypted,
		&key, &secret, &previous, &until))
	if err != nil {
		return l, fmt.Errorf("load link settings: %w", err)
	}
	if !ok {
		return l, notFound("link settings")
	}
	l.ServiceFee, l.PreviousUntil = money.BasisPoints(fee), fromMicros(until)
	if l.Callbacks, err = decodeList(callbacks); err != nil {
		return l, fmt.Errorf("decode callbacks: %w", err)
	}
	if l.Endpoints, err = decodeList(endpoints); err != nil {
		return l, fmt.Errorf("decode endpoints: %w", err)
	}
	for _, x := range []struct {
		which  string
		sealed []byte
		into   *string
	}{{linkKey, key, &l.EncryptionKey}, {linkSecret, secret, &l.Secret}, {linkPrevious, previous, &l.PreviousSecret}} {
		if len(x.sealed) == 0 {
			continue
		}
		open, err := s.seal.Open(x.sealed, linksPlace(m, x.which))
		if err != nil {
			return l, fmt.Errorf("open %s of the link settings of merchant %s: %w", x.which, m, err)
		}
		*x.into = string(open)
	}
	return l, nil
}

// encodeList writes texts as JSON; none is "[]".
func encodeList(texts []string) (string, error) {
	kept := make([]string, len(texts))
	for i, text := range texts {
		kept[i] = plain(text)
	}
	b, err := json.Marshal(kept)
	return string(b), err
}

// decodeList reads what encodeList wrote; none is nil.
func decodeList(text string) (texts []string, err error) {
	if err := json.Unmarshal([]byte(text), &texts); err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, nil
	}
	return texts, nil
}

const (
	selectNamedEndpoint = `SELECT ` + endpointColumns + ` FROM endpoints WHERE merchant = $1 AND url = $2 AND client_id = '' AND dialect = $3`

	insertNamedEndpoint = `INSERT INTO endpoints (id, merchant, url, secret, client_id, active, created_at, dialect)
 VALUES ($1, $2, $3, $4, '', TRUE, $5, $6) ON CONFLICT (merchant, url, client_id, dialect) DO NOTHING`

	wakeEndpoint = `UPDATE endpoints SET active = TRUE, failing_since = 0, failed_at = 0, failures = 0, disabled_at = 0, disabled_why = ''
 WHERE merchant = $1 AND url = $2 AND client_id = '' AND dialect = $3 AND NOT active`
)

// DialectEndpoint returns the endpoint of a dialect's own that a merchant has named by its
// URL. It is made when it is named for the first time, and works again if the server had
// switched it off. It signs with the secrets of the merchant's link settings.
//
// Faults: NotFound "merchant_not_found".
func (s *Store) DialectEndpoint(ctx context.Context, m payment.MerchantID, dialect, url string) (merchant.Endpoint, error) {
	e, err := one(s.queryEndpoints(ctx, s.read, selectNamedEndpoint, m, plain(url), dialect))("webhook")
	if err == nil && e.Active || err != nil && !fault.Is(err, fault.NotFound) {
		return e, err
	}
	err = s.write(ctx, func(t *tx) error {
		if err := t.makeLinks(ctx, m); err != nil {
			return err
		}
		now := time.Now().UTC()
		if _, err := t.exec(ctx, insertNamedEndpoint, payment.NewULID(now), m, plain(url), []byte{}, micros(now), dialect); err != nil {
			return err
		}
		if _, err := t.exec(ctx, wakeEndpoint, m, plain(url), dialect); err != nil {
			return err
		}
		e, err = one(s.queryEndpoints(ctx, t, selectNamedEndpoint, m, plain(url), dialect))("webhook")
		return t.note(err)
	})
	return e, err
}
