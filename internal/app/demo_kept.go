//go:build !nosandbox

package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// kept is what a demo keeps in its data directory so that a second start has
// the same keys: the database holds only their hashes.
type kept struct {
	Key            []byte             `json:"key"`
	MerchantID     payment.MerchantID `json:"merchantId"`
	APIKey         string             `json:"apiKey"`
	ClientID       string             `json:"clientId"`
	WebhookSecret  string             `json:"webhookSecret"`
	SpacePaySecret string             `json:"spacepaySecretKey"`
	SecPaidToken   string             `json:"secpaidToken"`
	PartnerID      payment.MerchantID `json:"partnerId"`    // of the merchant that links are shared with
	PartnerToken   string             `json:"partnerToken"` // and its token for links

	dir       string
	temporary bool
}

// openKept reads the data directory, or makes a temporary one if dir is empty.
func openKept(dir string) (*kept, error) {
	k := &kept{dir: dir}
	if dir == "" {
		var err error
		if k.dir, err = os.MkdirTemp("", "quittance-demo-"); err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		k.temporary = true
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	if err := k.forgetIfKilled(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(k.path("demo.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, k.make()
	case err != nil:
		return nil, fmt.Errorf("read the demo's keys: %w", err)
	}
	if err := json.Unmarshal(b, k); err != nil {
		return nil, fmt.Errorf("read the demo's keys: %w", err)
	}
	if k.PartnerID == "" { // kept by a demo without one
		k.makePartner()
		return k, k.write()
	}
	return k, nil
}

func (k *kept) makePartner() {
	k.PartnerID = payment.MerchantID(payment.NewULID(time.Now()))
	k.PartnerToken = merchant.NewSecret(merchant.SecPaidToken, true)
}

func (k *kept) make() error {
	k.Key = make([]byte, 32)
	_, _ = rand.Read(k.Key) // never fails: the runtime aborts instead
	k.MerchantID = payment.MerchantID(payment.NewULID(time.Now()))
	k.APIKey = merchant.NewSecret(merchant.APIKey, true)
	k.ClientID = merchant.NewSecret(merchant.ClientID, true)
	k.SpacePaySecret = merchant.NewSecret(merchant.SpacePaySecret, true)
	k.SecPaidToken = merchant.NewSecret(merchant.SecPaidToken, true)
	k.WebhookSecret = webhook.NewSecret()
	k.makePartner()
	return k.write()
}

func (k *kept) write() error {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the demo's keys: %w", err)
	}
	if err := os.WriteFile(k.path("demo.json"), b, 0o600); err != nil {
		return fmt.Errorf("keep the demo's keys: %w", err)
	}
	return nil
}

// configure writes a configuration with which the operator's commands work on the running
// demo, and returns its path.
func (k *kept) configure(baseURL string, networks []string) (string, error) {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "# Of the running demo, for the operator's commands.\nsandbox: true\nbase_url: %q\ndatabase: %q\nkeys: [%q]\nrouting: {enabled: false}\nsafe: {enabled: false}\nwebhooks: {allow_loopback: true}\nchains:\n",
		baseURL, "sqlite:"+k.path("quittance.db"), base64.StdEncoding.EncodeToString(k.Key))
	for _, n := range networks {
		_, _ = fmt.Fprintf(&b, "  %s: {rpc: [%q], confirmations: %d}\n", n, baseURL+"/sandbox/rpc/"+n, demoConfirmations)
	}
	file, err := filepath.Abs(k.path("quittance.yaml"))
	if err == nil {
		err = os.WriteFile(file, []byte(b.String()), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("write the demo's configuration: %w", err)
	}
	return file, nil
}

func (k *kept) path(name string) string { return filepath.Join(k.dir, name) }

// chainDir is where the chains live: in memory if nothing is to be kept.
func (k *kept) chainDir() string {
	if k.temporary {
		return ""
	}
	return k.path("chains")
}

// runningMark stands in the data directory while a demo runs.
const runningMark = "running"

// forgetIfKilled throws the chains and the database away if the last run did
// not stop in order: a killed development chain loses its last blocks, and a
// database that has seen them would wait for them for ever. The keys stay.
func (k *kept) forgetIfKilled() error {
	_, err := os.Stat(k.path(runningMark))
	if err == nil {
		if err := k.forget(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(k.path(runningMark), nil, 0o600); err != nil {
		return fmt.Errorf("mark the data directory as in use: %w", err)
	}
	return nil
}

// forget throws the chains and the database away: one is of no use without the
// other.
func (k *kept) forget() error {
	for _, pattern := range []string{"quittance.db*", filepath.Join("chains", "base"), filepath.Join("chains", "arbitrum-one")} {
		found, err := filepath.Glob(k.path(pattern))
		if err != nil {
			return fmt.Errorf("look for what the last run left: %w", err)
		}
		for _, f := range found {
			if err := os.RemoveAll(f); err != nil {
				return fmt.Errorf("remove what the last run left: %w", err)
			}
		}
	}
	return nil
}

// stopped says that this run ended in order.
func (k *kept) stopped() error {
	if k.temporary {
		return os.RemoveAll(k.dir)
	}
	return os.Remove(k.path(runningMark))
}
