package webhook_test

import (
	"strings"
	"testing"
	"time"

	"quittance/internal/webhook"
)

// The example of the Standard Webhooks libraries' own test suites.
func TestSignAgreesWithStandardWebhooks(t *testing.T) {
	got, err := webhook.Sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
		time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
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
