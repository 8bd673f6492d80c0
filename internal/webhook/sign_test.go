package webhook_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/webhook"
)

// The example of the Standard Webhooks libraries' own test suites.
func TestSignAgreesWithStandardWebhooks(t *testing.T) {
	got, err := webhook.Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_p5jXN8AQM9LWM0D4loKWxJek",
		time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// While two secrets sign, the header has one signature of each, as the
// specification says of rotations, and a library that knows either is content.
func TestSignWithTwoSecrets(t *testing.T) {
	secrets := []string{webhook.NewSecret(), webhook.NewSecret()}
	at, body := time.Unix(1614265330, 0), []byte("{}")
	both, err := webhook.Sign(secrets, "msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(both, " ")
	for i, secret := range secrets {
		if alone, err := webhook.Sign([]string{secret}, "msg_1", at, body); err != nil || len(parts) != 2 || parts[i] != alone {
			t.Errorf("signature %d of %q, %v, want %s", i, both, err, alone)
		}
	}
	if _, err := webhook.Sign([]string{secrets[0], "hunter2"}, "msg_1", at, body); err == nil {
		t.Error("a broken secret was passed over")
	}
}

func TestSecretsAreLongAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		s := webhook.NewSecret()
		key, err := webhook.Key(s)
		if err != nil || len(key) != 32 || !strings.HasPrefix(s, "whsec_") || seen[s] {
			t.Fatalf("secret of %d bytes, repeated: %t, %v", len(key), seen[s], err)
		}
		seen[s] = true
	}
}
