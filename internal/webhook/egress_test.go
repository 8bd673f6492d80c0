package webhook_test

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"quittance/internal/fault"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
)

func answer(texts ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var as []netip.Addr
		for _, t := range texts {
			as = append(as, netip.MustParseAddr(t))
		}
		return as, nil
	}
}

func TestCheck(t *testing.T) {
	const (
		both = iota // accepted by every guard
		here        // accepted where loopback is allowed
		none
	)
	for _, c := range []struct {
		url  string
		want int
	}{
		{"https://partner.example.com/webhooks/request-network", both},
		{"https://partner.example.com", both},
		{"HTTPS://Partner.EXAMPLE.com/Hook", both},
		{"https://partner.example.com:443/?a=b%20c", both},
		{"https://partner.example.com:8443/", both},
		{"https://partner.example.com:65535/", both},
		{"https://xn--bcher-kva.example/", both},
		{"https://my_shop.example.com/", both},
		{"https://93.184.216.34/", both},
		{"https://[2606:2800:220:1:248:1893:25c8:1946]/", both},
		{"https://0x7f.example.com/", both},

		// Loopback, in the spellings that mean it to everyone.
		{"http://127.0.0.1:8080/hook", here},
		{"http://localhost/hook", here},
		{"http://LOCALHOST:25/", here},
		{"http://hooks.localhost:3000/", here},
		{"https://[::1]:8443/", here},
		{"http://[::ffff:127.0.0.1]/", here},
		{"http://127.9.9.9/", here},

		// Schemes and shapes.
		{"", none},
		{"http://partner.example.com/", none},
		{"http://93.184.216.34/", none},
		{"ftp://partner.example.com/", none},
		{"file:///etc/passwd", none},
		{"gopher://partner.example.com/", none},
		{"javascript:alert(1)", none},
		{"https:partner.example.com", none},
		{"//partner.example.com/", none},
		{"https:///hook", none},
		{"https://", none},
		{"https://user@partner.example.com/", none},
		{"https://user:secret@partner.example.com/", none},
		{"https://@partner.example.com/", none},
		{"https://partner.example.com\\@127.0.0.1/", none},
		{"https://partner.example.com/#part", none},
		{" https://partner.example.com/", none},
		{"https://partner.example.com/\r\nX: y", none},
		{"https://partner.exa\tmple.com/", none},
		{"https://partner.example.com/" + strings.Repeat("a", 2048), none},

		// Ports.
		{"https://partner.example.com:/", none},
		{"https://partner.example.com:0/", none},
		{"https://partner.example.com:22/", none},
		{"https://partner.example.com:25/", none},
		{"https://partner.example.com:80/", none},
		{"https://partner.example.com:1023/", none},
		{"https://partner.example.com:65536/", none},
		{"https://partner.example.com:99999999999999999999/", none},
		{"https://partner.example.com:+443/", none},

		// Names that are not public, or not names.
		{"https://intranet/", none},
		{"https://printer.local/", none},
		{"https://metadata.google.internal/", none},
		{"https://router.home.arpa/", none},
		{"https://x.onion/", none},
		{"https://partner.example.com./", none},
		{"https://127.0.0.1./", none},
		{"https://localhost./", none},
		{"https://.example.com/", none},
		{"https://partner..example.com/", none},
		{"https://-partner.example.com/", none},
		{"https://partner-.example.com/", none},
		{"https://" + strings.Repeat("a", 64) + ".example.com/", none},
		{"https://" + strings.Repeat("a.", 127) + "com/", none},
		{"https://bücher.example/", none},
		{"https://127。0。0。1/", none},
		{"https://①②⑦.⓪.⓪.①/", none},
		{"https://%31%32%37.0.0.1/", none},
		{"https://ex%2eample.com/", none},

		// 127.0.0.1 and 169.254.169.254 in other spellings.
		{"https://2130706433/", none},
		{"https://0x7f000001/", none},
		{"https://017700000001/", none},
		{"https://0x7f.0x0.0x0.0x1/", none},
		{"https://0X7F.1/", none},
		{"https://0177.0.0.1/", none},
		{"https://0177.0.0.01/", none},
		{"https://127.1/", none},
		{"https://127.0.1/", none},
		{"https://2852039166/", none},
		{"https://0xa9fea9fe/", none},
		{"https://169.254.169.254/latest/meta-data/", none},
		{"https://example.0x/", none},
		{"https://256.256.256.256/", none},
		{"https://1.2.3.4.5/", none},

		// IPv6 with something inside or beside.
		{"https://[::]/", none},
		{"https://[::ffff:10.0.0.1]/", none},
		{"https://[::ffff:a9fe:a9fe]/", none},
		{"https://[::127.0.0.1]/", none},
		{"https://[64:ff9b::10.0.0.1]/", none},
		{"https://[2002:7f00:1::]/", none},
		{"https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", none},
		{"https://[fe80::1]/", none},
		{"https://[fe80::1%25eth0]/", none},
		{"https://[2606:2800:220:1::1%25eth0]/", none},
		{"https://[::1%25lo]/", none},
		{"https://[fd00:ec2::254]/", none},
		{"https://[ff02::1]/", none},
		{"https://[partner.example.com]/", none},
		{"https://fd00:ec2::254/", none},
	} {
		strict := (&webhook.Guard{}).Check(c.url)
		loose := (&webhook.Guard{AllowLoopback: true}).Check(c.url)
		if (strict == nil) != (c.want == both) {
			t.Errorf("%q: %v", c.url, strict)
		}
		if (loose == nil) != (c.want != none) {
			t.Errorf("%q, loopback allowed: %v", c.url, loose)
		}
		if strict == nil {
			continue
		}
		if f := fault.From(strict); f.Kind != fault.Invalid || f.Code != "webhook_url" || f.Field != "url" {
			t.Errorf("%q: fault %+v", c.url, f)
		}
		if strings.Contains(strict.Error(), "secret") {
			t.Errorf("%q: the password is in %q", c.url, strict)
		}
	}
}

func TestIsPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "93.184.216.34": true, "100.63.255.255": true, "100.128.0.0": true,
		"172.15.255.255": true, "172.32.0.0": true, "169.253.255.255": true, "169.255.0.0": true, "223.255.255.255": true,
		"192.0.1.0": true, "198.17.255.255": true, "198.20.0.0": true, "168.63.129.15": true, "168.63.129.17": true,
		"2606:4700:4700::1111": true, "2a00:1450:4001::1": true, "2001:4860:4860::8888": true, "2001:200::1": true, "3ffe:ffff::1": true,
		"::ffff:8.8.8.8": true, "64:ff9b::8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.255.255.255": false, "100.64.0.0": false, "100.100.100.200": false,
		"100.127.255.255": false, "127.0.0.1": false, "127.255.255.255": false, "169.254.0.0": false, "169.254.169.254": false,
		"169.254.170.2": false, "168.63.129.16": false, "172.16.0.0": false, "172.31.255.255": false, "192.0.0.1": false,
		"192.0.0.192": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.0.1": false, "192.168.255.255": false, "198.18.0.1": false,
		"198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false,
		"240.0.0.1": false, "255.255.255.255": false,

		"::": false, "::1": false, "::7f00:1": false, "::808:808": false, "::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false,
		"::ffff:0:8.8.8.8": false, "64:ff9b::10.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b:1::8.8.8.8": false,
		"100::1": false, "1fff:ffff::1": false, "2001::1": false, "2001:0:4136:e378:8000:63bf:3fff:fdd2": false, "2001:10::1": false,
		"2001:20::1": false, "2001:db8::1": false, "2002:0808:0808::1": false, "2002:7f00:1::": false, "3fff::1": false, "3fff:fff::1": false,
		"4000::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fec0::1": false, "ff02::1": false,
		"fe80::1%eth0": false, "2606:4700:4700::1111%eth0": false,
	} {
		if got := webhook.IsPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("IsPublic(%s) = %t, want %t", text, got, want)
		}
	}
	if webhook.IsPublic(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// A name that answers with another address at every look-up: what was judged is
// what is dialled, and the next call is judged anew.
func TestRebindingGainsNothing(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	var asked atomic.Int32
	g := webhook.Guard{AllowLoopback: true, Roots: r.Roots(), Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "example.com" {
			t.Errorf("asked for %q", host)
		}
		if asked.Add(1) == 1 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
	}}
	client := g.Client()
	if err := get(t, client, "https://example.com"+port); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("resolved %d times for one call", n)
	}
	if err := get(t, client, "https://example.com"+port); err == nil || !strings.Contains(err.Error(), "no public address") {
		t.Errorf("second call: %v", err)
	}
	if n := len(r.Received()); n != 1 {
		t.Errorf("called %d times, want once", n)
	}
}

// The first address is dead: the second one is tried, in time.
func TestNextAddressIsTried(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	g := webhook.Guard{AllowLoopback: true, Roots: r.Roots(), Resolve: answer("127.0.0.2", "127.0.0.1")}
	if err := get(t, g.Client(), "https://example.com"+port); err != nil {
		t.Error(err)
	}
}

func TestCertificateMustBeForTheName(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	trusted := webhook.Guard{AllowLoopback: true, Roots: r.Roots(), Resolve: answer("127.0.0.1")}
	if err := get(t, trusted.Client(), "https://other.example.org"+port); err == nil {
		t.Error("a certificate for another name was accepted")
	}
	untrusted := webhook.Guard{AllowLoopback: true, Resolve: answer("127.0.0.1")}
	if err := get(t, untrusted.Client(), "https://example.com"+port); err == nil {
		t.Error("a certificate nobody vouches for was accepted")
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

func TestPlainHTTPStaysOnLoopback(t *testing.T) {
	r := webhooktest.New(t, webhook.NewSecret())
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	g := webhook.Guard{AllowLoopback: true, Resolve: answer("10.0.0.1")}
	if err := get(t, g.Client(), "http://hooks.localhost"+port); err == nil {
		t.Error("a name of loopback that leads elsewhere was dialled")
	}
	if err := get(t, (&webhook.Guard{}).Client(), r.URL); err == nil {
		t.Error("the strict guard called loopback")
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

// What is in the database may have been registered under looser rules.
func TestClientJudgesTheURLAgain(t *testing.T) {
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	_, port, _ := strings.Cut(strings.TrimPrefix(r.URL, "https://"), ":")
	g := webhook.Guard{Roots: r.Roots(), Resolve: answer("127.0.0.1")}
	for _, url := range []string{r.URL, "https://example.com:" + port, "https://localhost:" + port, "https://u:p@example.com:" + port, "http://example.com:" + port} {
		if err := get(t, g.Client(), url); err == nil {
			t.Errorf("%s was called", url)
		}
	}
	if n := len(r.Received()); n != 0 {
		t.Errorf("called %d times", n)
	}
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	proxy := webhooktest.New(t, webhook.NewSecret())
	r := webhooktest.NewTLS(t, webhook.NewSecret())
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	if os.Getenv("HTTPS_PROXY") != proxy.URL {
		t.Fatal("the environment has no proxy")
	}
	g := webhook.Guard{AllowLoopback: true, Roots: r.Roots(), Resolve: answer("127.0.0.1")}
	if err := get(t, g.Client(), "https://example.com"+r.URL[strings.LastIndex(r.URL, ":"):]); err != nil {
		t.Error(err)
	}
	if len(proxy.Received()) != 0 || len(r.Received()) != 1 {
		t.Errorf("proxy called %d times, receiver %d", len(proxy.Received()), len(r.Received()))
	}
}

func get(t *testing.T, c *http.Client, url string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// FuzzCheck: whatever the guard accepts is https to a host that no parser of
// addresses, however lenient, takes for something inside.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"https://partner.example.com/x", "https://0x7f.1/", "https://[::ffff:7f00:1]/", "https://a@b:1/", "https://1.1.1.1:8443"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if (&webhook.Guard{}).Check(raw) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPost, raw, nil)
		if err != nil {
			t.Fatalf("accepted %q, which cannot be called: %v", raw, err)
		}
		if req.URL.Scheme != "https" || req.URL.User != nil {
			t.Fatalf("accepted %q", raw)
		}
		host := req.URL.Hostname()
		if a, ok := inetAton(host); ok && (!webhook.IsPublic(a) || a.String() != host) {
			t.Fatalf("accepted %q, which some take for %s", raw, a)
		}
		if a, err := netip.ParseAddr(host); err == nil && !webhook.IsPublic(a) {
			t.Fatalf("accepted %q, which is not public", raw)
		}
	})
}

// inetAton reads what the C function of that name does: one to four parts, each
// decimal, octal or hexadecimal, the last one filling what is left.
func inetAton(s string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(s, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, p := range parts {
		base := 10
		if rest, hex := strings.CutPrefix(strings.ToLower(p), "0x"); hex {
			p, base = "0"+rest, 16
		} else if len(p) > 1 && p[0] == '0' {
			base = 8
		}
		n, err := strconv.ParseUint(p, base, 32)
		room := uint(8)
		if i == len(parts)-1 {
			room = uint(8 * (5 - len(parts)))
		}
		if err != nil || n >= 1<<room {
			return netip.Addr{}, false
		}
		sum = sum<<room | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}

// FuzzIsPublic: an address that the standard library knows as special is never public.
func FuzzIsPublic(f *testing.F) {
	for _, s := range []string{"169.254.169.254", "64:ff9b::7f00:1", "2606:4700::1", "fe80::1"} {
		b := netip.MustParseAddr(s).As16()
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok || !webhook.IsPublic(a) {
			return
		}
		a = a.Unmap()
		if a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || !a.IsGlobalUnicast() {
			t.Fatalf("%s is public", a)
		}
	})
}
