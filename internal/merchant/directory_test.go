package merchant

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// shelf is a store with credentials only.
type shelf struct {
	Store
	byHash map[string]Credential
	asked  int
	down   error
}

func (s *shelf) CredentialByHash(_ context.Context, kind CredentialKind, hash string) (Credential, error) {
	s.asked++
	if s.down != nil {
		return Credential{}, s.down
	}
	c, ok := s.byHash[hash]
	if !ok || c.Kind != kind {
		return Credential{}, fault.New(fault.NotFound, "credential_not_found", "There is no such credential.")
	}
	return c, nil
}

func (s *shelf) add(secret string) {
	s.byHash[HashSecret(secret)] = Credential{ID: secret, Kind: APIKey, Merchant: payment.MerchantID("m:" + secret), Hash: HashSecret(secret)}
}

func TestDirectory(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	s := &shelf{byHash: map[string]Credential{}}
	d := NewDirectory(s)
	d.now = func() time.Time { return now }
	ask := func(secret string) (Credential, error) { return d.Authenticate(t.Context(), APIKey, secret) }

	if _, err := ask("later"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("unknown: %v", err)
	}
	s.add("later")
	if c, err := ask("later"); err != nil || c.Merchant != "m:later" {
		t.Errorf("a key that was refused before works at once: %v, %v", c, err)
	}
	asked := s.asked
	if _, err := ask("later"); err != nil || s.asked != asked {
		t.Errorf("asked again: %d, %v", s.asked, err)
	}
	if _, err := d.Authenticate(t.Context(), SpacePaySecret, "later"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a key of one kind opens another: %v", err)
	}
	c := s.byHash[HashSecret("later")]
	c.RevokedAt = now
	s.byHash[c.Hash] = c
	now = now.Add(directoryTTL)
	if _, err := ask("later"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("revoked: %v", err)
	}
	s.down = errors.New("the database is gone")
	if _, err := ask("other"); err == nil || fault.Is(err, fault.Unauthorized) {
		t.Errorf("a database that is gone is no wrong key: %v", err)
	}
	s.down = nil
	for i := range directorySize + 5 {
		secret := fmt.Sprint("key", i)
		s.add(secret)
		if c, err := ask(secret); err != nil || c.ID != secret {
			t.Fatalf("%s: %v, %v", secret, c, err)
		}
	}
	if len(d.keys) > directorySize {
		t.Errorf("the memory grew to %d", len(d.keys))
	}
}

func TestSecrets(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		for kind, prefix := range prefixes {
			s := NewSecret(kind, true)
			if !strings.HasPrefix(s, prefix) || seen[s] || len(s) < 32 {
				t.Fatalf("%s of kind %s", s, kind)
			}
			seen[s] = true
			if h := Hint(s); len(h) > 16 || strings.Contains(h, s) {
				t.Errorf("the hint %s gives too much away", h)
			}
		}
	}
	if Hint("abc") == "abc" {
		t.Error("the hint of a short secret is the secret")
	}
}
