package merchant

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	slow   func() // what happens after the look-up, before its answer

	touched    int
	touchFails error

	destinations []Destination
}

func (s *shelf) TouchCredential(_ context.Context, id string, at time.Time) error {
	for hash, c := range s.byHash {
		if c.ID == id && s.touchFails == nil {
			s.touched++
			c.LastUsedAt = at
			s.byHash[hash] = c
		}
	}
	return s.touchFails
}

func (s *shelf) ActiveDestinations(_ context.Context, m payment.MerchantID) ([]Destination, error) {
	if s.down != nil {
		return nil, s.down
	}
	return slices.DeleteFunc(slices.Clone(s.destinations), func(d Destination) bool { return d.Merchant != m || !d.Active }), nil
}

func (s *shelf) Destination(_ context.Context, m payment.MerchantID, id string) (Destination, error) {
	for _, d := range s.destinations {
		if d.Merchant == m && d.ID == id {
			return d, nil
		}
	}
	return Destination{}, fault.New(fault.NotFound, "destination_not_found", "There is no such destination.")
}

func (s *shelf) CredentialByHash(_ context.Context, kind CredentialKind, hash string) (Credential, error) {
	s.asked++
	if s.down != nil {
		return Credential{}, s.down
	}
	c, ok := s.byHash[hash]
	if s.slow != nil {
		defer s.slow()
	}
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

// A credential that changes while it is being looked up lives no longer than one
// that changes right after.
func TestDirectoryCountsFromBeforeTheLookUp(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	s := &shelf{byHash: map[string]Credential{}}
	d := NewDirectory(s)
	d.now = func() time.Time { return now }
	s.add("key")
	s.slow = func() { now = now.Add(3 * time.Second) }
	if _, err := d.Authenticate(t.Context(), APIKey, "key"); err != nil {
		t.Fatal(err)
	}
	s.slow = nil
	c := s.byHash[HashSecret("key")]
	c.RevokedAt = now
	s.byHash[c.Hash] = c
	now = now.Add(directoryTTL - 3*time.Second)
	if _, err := d.Authenticate(t.Context(), APIKey, "key"); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("five seconds after the look-up began: %v", err)
	}
}

func TestClientIDThatIsSwitchedOff(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 30, 0, time.UTC)
	c := Credential{ID: "1", Kind: ClientID, Hash: HashSecret("cli_1")}
	s := &shelf{byHash: map[string]Credential{c.Hash: c}}
	d := NewDirectory(s)
	d.now = func() time.Time { return now }
	ask := func() error { _, err := d.Authenticate(t.Context(), ClientID, "cli_1"); return err }
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if used := s.byHash[c.Hash].LastUsedAt; !used.Equal(now.Truncate(time.Minute)) {
		t.Errorf("last used at %v", used)
	}
	touched := s.touched
	for range 5 {
		now = now.Add(directoryTTL)
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	if s.touched != touched {
		t.Errorf("a use within the minute was noted %d times more", s.touched-touched)
	}
	s.touchFails = errors.New("the disk is full")
	now = now.Add(time.Minute)
	if err := ask(); err != nil {
		t.Errorf("a use that cannot be noted is refused: %v", err)
	}
	s.touchFails = nil
	c.InactiveAt = now
	s.byHash[c.Hash] = c
	if err := ask(); err != nil {
		t.Errorf("before the memory ends: %v", err)
	}
	d.Forget(c)
	if err := ask(); !fault.Is(err, fault.Forbidden) {
		t.Errorf("switched off and forgotten: %v", err)
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
