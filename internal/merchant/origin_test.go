package merchant

import (
	"net/url"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://shop.example.com": "https://shop.example.com", "https://Shop.Example.com/": "https://shop.example.com",
		"https://shop.example.com:443": "https://shop.example.com", "http://127.0.0.1:3000": "http://127.0.0.1:3000",
		"http://localhost:80": "http://localhost", "https://[::1]:8443": "https://[::1]:8443", "http://app.localhost:5173": "http://app.localhost:5173",
		"https://[2001:DB8:0:0:0:0:0:1]": "https://[2001:db8::1]", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
		"https://shop.example.com:0443": "https://shop.example.com", "HTTPS://10.0.0.7": "https://10.0.0.7", "http://[::1]:3000": "http://[::1]:3000",
	} {
		if got, err := Origin(text); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "shop.example.com", "https://", "https://*.example.com", "https://shop.example.com/pay", "https://a@shop.example.com",
		"https://shop.example.com?x", "https://shop.example.com#x", "javascript:alert(1)", "null", "https://shop .example.com", "ftp://shop.example.com",
		"http://shop.example.com", "http://10.0.0.7", "http://localhost.example.com", "http://localhost.", "http://127.0.0.1.example.com",
		"https://bücher.example", "https://shop.example.com:", "https://shop.example.com:0", "https://shop.example.com:65536", "https://shop..example.com",
		"https://.example.com", "https://shop.example.com.", "https://127.1", "https://0x7f.1", "https://2130706433", "https://[::ffff:127.0.0.1]",
		"https://[fe80::1%25eth0]", "https://shop.example.com?", "https://shop.example.com#", "https:/shop.example.com", "https:shop.example.com",
		"//shop.example.com", "https://shop.example.com\\@evil.example", "https://shop.example.com%2eevil.example", " https://shop.example.com",
		"https://shop.example.com\n", "https://a,https://b", "https://" + strings.Repeat("a", 64) + ".example", "https://" + strings.Repeat("a.", 130) + "example"} {
		if got, err := Origin(text); err == nil {
			t.Errorf("%q was taken as %q", text, got)
		}
	}
}

// FuzzOrigin: what is taken is what a browser sends, and is taken again as it is.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{"https://Shop.Example.com:443/", "http://127.0.0.1:3000", "https://[::1]", "https://a.b.c:08443", "https://0x.1", "http://localhost"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Origin(text)
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Path != "" || u.RawQuery != "" || u.User != nil || got != strings.ToLower(got) {
			t.Fatalf("%q was taken as %q: %v", text, got, err)
		}
		if u.Scheme == "http" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".localhost") && !strings.HasPrefix(u.Hostname(), "127.") && u.Hostname() != "::1" {
			t.Fatalf("%q was taken without https", text)
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] > '~' || strings.IndexByte(`"'<>\^{}|,;%*@`, got[i]) >= 0 {
				t.Fatalf("%q was taken as %q", text, got)
			}
		}
		if again, err := Origin(got); err != nil || again != got {
			t.Fatalf("%q became %q, and that %q, %v", text, got, again, err)
		}
	})
}
