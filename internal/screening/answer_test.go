package screening

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"quittance/internal/asset"
	"quittance/internal/checkout"
)

// FuzzAnswer: nothing but a plain yes lets a wallet in, and nothing a provider
// says is unfit to be kept and shown.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"status":"approved"}`, `{"status":"rejected","reason":"Mixer Use","reportUrl":"https://a.example/?x=1#y","reference":"\u202e","rawStatus":"é"}`,
		`{"status":"approved","status":"rejected"}`, `{"STATUS":"approved"}`, `{"status":["approved"]}`, `null`, `{"status":"approved","address":"0x0000000000000000000000000000000000000077"}`,
		`{"status":"approved"} `, "\xef\xbb\xbf{}", `{"status":"approved","reportUrl":"https://u@a.example"}`,
	} {
		f.Add([]byte(seed))
	}
	v := NewVendor(VendorConfig{Name: "acme"})
	f.Cleanup(v.Close)
	wallet := asset.Address{19: 0x77}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := v.understand(b, wallet)
		if err != nil {
			if x != (checkout.Screening{}) {
				t.Fatalf("an error and %+v", x)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(b, &plain); err != nil || (plain["status"] != "approved" && plain["status"] != "rejected") || plain["status"] != string(x.Verdict) {
			t.Fatalf("%q was understood as %+v", b, x)
		}
		if (x.Verdict == checkout.Rejected) != (x.Reason != "") || strings.Trim(x.Reason, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Fatalf("reason %q", x.Reason)
		}
		for _, text := range []string{x.Reference, x.Raw, x.Report} {
			if len(text) > maxURL || strings.ContainsFunc(text, unicode.IsControl) {
				t.Fatalf("kept %q", text)
			}
		}
		if u, err := url.Parse(x.Report); err != nil || (x.Report != "" && u.Scheme != "https") {
			t.Fatalf("report %q", x.Report)
		}
	})
}
