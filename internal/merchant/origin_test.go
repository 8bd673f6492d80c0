package merchant

import "testing"

func TestOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://shop.example.com": "https://shop.example.com", "https://Shop.Example.com/": "https://shop.example.com",
		"https://shop.example.com:443": "https://shop.example.com", "http://127.0.0.1:3000": "http://127.0.0.1:3000",
		"http://shop.example.com:80": "http://shop.example.com", "https://[::1]:8443": "https://[::1]:8443",
	} {
		if got, err := Origin(text); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "shop.example.com", "https://", "https://*.example.com", "https://shop.example.com/pay", "https://a@shop.example.com",
		"https://shop.example.com?x", "https://shop.example.com#x", "javascript:alert(1)", "null", "https://shop .example.com", "ftp://shop.example.com"} {
		if got, err := Origin(text); err == nil {
			t.Errorf("%q was taken as %q", text, got)
		}
	}
}
