package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// LinkChange is what an operator wants to be different in what a merchant has set for
// payment links. What is nil stays.
type LinkChange struct {
	Callbacks     *[]string // URLs that links name by their places
	Endpoints     *[]string // likewise
	Default       *string   // the endpoints of links that name none: "0", "0,https://…", or "" for none
	ServiceFee    *string   // percent, "0.25"
	TellCancel    *bool
	Encrypted     *bool
	EncryptionKey *string // 32 characters, or "" for none
	// Rotate gives the merchant another secret for the signatures of links' webhooks. The one
	// it replaces signs beside it until Overlap has passed.
	Rotate  bool
	Overlap time.Duration
}

const (
	maxListedURLs = 100
	maxNamedURLs  = 10   // that a link has, as the dialect takes them
	maxListedURL  = 2048 // bytes
	linkKeySize   = 32   // of AES-256, as text
)

// SetLinks changes what a merchant has set for payment links, and returns what is set then.
//
// Errors: what cannot be is said in a sentence. Faults: NotFound; Conflict
// "rotation_running".
func (a *Admin) SetLinks(ctx context.Context, m payment.MerchantID, c LinkChange) (merchant.LinkSettings, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.LinkSettings{}, err
	}
	l, err := a.Store.LinkSettings(ctx, m)
	if err != nil {
		return merchant.LinkSettings{}, err
	}
	if err := a.changeLinks(&l, c); err != nil {
		return merchant.LinkSettings{}, err
	}
	if c.Rotate {
		if err := rotateLinks(&l, c.Overlap, time.Now().UTC()); err != nil {
			return merchant.LinkSettings{}, err
		}
	}
	return l, a.Store.SetLinkSettings(ctx, l)
}

func (a *Admin) changeLinks(l *merchant.LinkSettings, c LinkChange) error {
	guard := &webhook.Guard{AllowLoopback: a.setup.AllowLoopback}
	if c.Callbacks != nil {
		if err := listedURLs(*c.Callbacks, canGoBack); err != nil {
			return fmt.Errorf("--callback: %w", err)
		}
		l.Callbacks = *c.Callbacks
	}
	if c.Endpoints != nil {
		if err := listedURLs(*c.Endpoints, guard.Check); err != nil {
			return fmt.Errorf("--endpoint: %w", err)
		}
		l.Endpoints = *c.Endpoints
	}
	if c.Default != nil {
		l.Default = *c.Default
	}
	// A list that became shorter may leave a place out that the default names.
	if err := named(l.Default, l.Endpoints, guard.Check); err != nil {
		return fmt.Errorf("--default: %w", err)
	}
	if c.ServiceFee != nil {
		fee, err := money.ParsePercent(*c.ServiceFee)
		if err != nil {
			return errors.New("--service-fee is a percentage from 0 to 100 with at most 2 decimals")
		}
		l.ServiceFee = fee
	}
	if c.TellCancel != nil {
		l.TellCancel = *c.TellCancel
	}
	if c.EncryptionKey != nil {
		if k := *c.EncryptionKey; k != "" && (len(k) != linkKeySize || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' })) {
			return fmt.Errorf("an encryption key is %d characters of ASCII, without blanks", linkKeySize)
		}
		l.EncryptionKey = *c.EncryptionKey
	}
	if c.Encrypted != nil {
		l.Encrypted = *c.Encrypted
	}
	if l.Encrypted && l.EncryptionKey == "" {
		return errors.New("--encrypt needs an encryption key: links that bring none could not be made")
	}
	return nil
}

// rotateLinks gives settings another secret. While an overlap lasts there is no other
// rotation with one: somebody may still be using the oldest secret.
func rotateLinks(l *merchant.LinkSettings, overlap time.Duration, now time.Time) error {
	if overlap < 0 || overlap > webhook.MaxOverlap {
		return fmt.Errorf("an overlap is between 0 and %s", webhook.MaxOverlap)
	}
	if overlap > 0 && l.PreviousSecret != "" && now.Before(l.PreviousUntil) {
		return fault.Newf(fault.Conflict, "rotation_running",
			"The last rotation's overlap lasts until %s. To end it now, rotate with an overlap of 0.", l.PreviousUntil.Format(time.RFC3339))
	}
	old := l.Secret
	l.Secret, l.PreviousSecret, l.PreviousUntil = webhook.NewSecret(), "", time.Time{}
	if overlap > 0 {
		l.PreviousSecret, l.PreviousUntil = old, now.Add(overlap).Truncate(time.Microsecond)
	}
	return nil
}

// listedURLs checks a list of URLs that links name by their places. A comma is what separates
// them there.
func listedURLs(urls []string, check func(string) error) error {
	if len(urls) > maxListedURLs {
		return fmt.Errorf("at most %d URLs", maxListedURLs)
	}
	for _, u := range urls {
		if strings.Contains(u, ",") || len(u) > maxListedURL {
			return fmt.Errorf("%q: a URL has no comma (write %%2C) and at most %d bytes", u, maxListedURL)
		}
		if err := check(u); err != nil {
			return fmt.Errorf("%q: %w", u, err)
		}
	}
	return nil
}

// named checks a text that names URLs as links do: by places in a list, or whole.
func named(text string, list []string, check func(string) error) error {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxNamedURLs {
		return fmt.Errorf("at most %d endpoints", maxNamedURLs)
	}
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if part != "" && strings.Trim(part, "0123456789") == "" {
			if place, err := strconv.Atoi(part); err != nil || place >= len(list) {
				return fmt.Errorf("there is no endpoint %s: there are %d, counted from 0", part, len(list))
			}
			continue
		}
		if err := check(part); err != nil {
			return fmt.Errorf("%q: %w", part, err)
		}
	}
	return nil
}

// canGoBack checks a URL that payers are sent back to. Their browsers ask for it, so it may
// be anywhere.
func canGoBack(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || !unicode.IsPrint(r) }) {
		return errors.New("payers go back to an http or https URL with a host and without a password")
	}
	return nil
}
