package spacepay

import (
	"net/url"
	"strings"
	"testing"
)

func TestRedirect(t *testing.T) {
	const id = "4291f98b-d68c-4eb0-883e-6bc790a41c96"
	for _, c := range []struct{ name, to, metadata, want string }{
		{"the documented one", "https://merchant.example.com/checkout/success", `{"cartId":"abc123","promo":"SUMMER24"}`,
			"https://merchant.example.com/checkout/success?paymentId=" + id + "&status=completed&cartId=abc123&promo=SUMMER24"},
		{"nothing to add", "https://example.com/", "", "https://example.com/?paymentId=" + id + "&status=completed"},
		{"a query of its own", "https://example.com/?a=1&a=2#top", `{"b":2}`, "https://example.com/?a=1&a=2&paymentId=" + id + "&status=completed&b=2#top"},
		{"all kinds of values", "https://example.com/", `{"n":1.50,"t":true,"o":{"x":1},"l":[1],"z":null,"s":""}`,
			"https://example.com/?paymentId=" + id + "&status=completed&n=1.50&t=true&s="},
		{"what has to be encoded", "https://example.com/", `{"a b":"c&d=e","ü":"<>"}`, "https://example.com/?paymentId=" + id + "&status=completed&a+b=c%26d%3De&%C3%BC=%3C%3E"},
		{"a status of its own", "https://example.com/?x=1", `{"status":"failed","paymentId":"other","x":"2","":"3"}`,
			"https://example.com/?x=1&paymentId=" + id + "&status=completed"},
	} {
		if got, err := redirectTo(c.to, id, "completed", c.metadata); err != nil || got != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, ` {"a":1} `: true, `{"a":{"b":[{}]}}`: true,
		``: false, `[]`: false, `"a"`: false, `{"a":1`: false, `{"a":1}}`: false, `{"a":1} x`: false, `{"a":1}{}`: false, `{"a":1,"a":2}`: false, `{a:1}`: false, `null`: false,
		`{"a":"` + strings.Repeat("x", 2039) + `"}`: true, `{"a":"` + strings.Repeat("x", 2041) + `"}`: false,
	} {
		if fields, err := metadata(text); (err == nil) != ok {
			t.Errorf("%.40q: %v, %v", text, fields, err)
		}
	}
}

// FuzzRedirect: whatever the metadata is, the payment's id and status are ours, once, and
// the address stays where it was.
func FuzzRedirect(f *testing.F) {
	f.Add("https://merchant.example.com/checkout/success?a=1#b", `{"cartId":"abc123","n":1,"status":"failed"}`)
	f.Add("https://example.com/?paymentId=1&status=2", `{"a":"\u0000&status=failed","a&status":"x"}`)
	f.Fuzz(func(t *testing.T, to, custom string) {
		before, err := url.Parse(to)
		if err != nil {
			return
		}
		if _, err := url.ParseQuery(before.RawQuery); err != nil {
			return
		}
		got, err := redirectTo(to, "ID", "completed", custom)
		if err != nil {
			return
		}
		after, err := url.Parse(got)
		if err != nil || after.Host != before.Host || after.Scheme != before.Scheme {
			t.Fatalf("%q became %q, %v", to, got, err)
		}
		was, is := before.Query(), after.Query()
		for name := range was {
			if name != "status" && name != "paymentId" && strings.Join(was[name], "\x00") != strings.Join(is[name], "\x00") {
				t.Fatalf("%q became %q: %s changed", to, got, name)
			}
		}
		if n := len(is["status"]) - len(was["status"]); n != 1 || is["status"][len(is["status"])-1] != "completed" {
			t.Fatalf("%q became %q", to, got)
		}
	})
}
