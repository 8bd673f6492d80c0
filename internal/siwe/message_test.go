package siwe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/siwe"
)

// full has every line that the grammar knows.
const full = `https://pay.example.com:8443 wants you to sign in with your Ethereum account:
0xF5A5E415061470A8b9137959180901aEa72450a4

I accept the terms: https://pay.example.com/terms?x=1#y [v1], (it's free)!

URI: https://pay.example.com:8443/login?next=%2F#top
Version: 1
Chain ID: 8453
Nonce: k1t7Qm3ZpX9aRw2c
Issued At: 2026-01-02T12:00:00.123456Z
Expiration Time: 2026-01-02T13:05:00+01:00
Not Before: 2026-01-02T11:59:00Z
Request ID: some%20id:1@x
Resources:
- https://pay.example.com/terms
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- urn:example:a`

// least has only what the grammar insists on.
const least = `pay.example.com wants you to sign in with your Ethereum account:
0xF5A5E415061470A8b9137959180901aEa72450a4


URI: https://pay.example.com
Version: 1
Chain ID: 1
Nonce: k1t7Qm3Z
Issued At: 2026-01-02T12:00:00Z`

func TestParse(t *testing.T) {
	m, err := siwe.Parse(full)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := siwe.Message{
		Scheme: "https", Domain: "pay.example.com:8443", Address: address(t, "0xF5A5E415061470A8b9137959180901aEa72450a4"),
		Statement: "I accept the terms: https://pay.example.com/terms?x=1#y [v1], (it's free)!",
		URI:       "https://pay.example.com:8443/login?next=%2F#top", Chain: asset.Base, Nonce: "k1t7Qm3ZpX9aRw2c",
		IssuedAt: at("2026-01-02T12:00:00.123456Z"), ExpiresAt: at("2026-01-02T12:05:00Z"), NotBefore: at("2026-01-02T11:59:00Z"),
		RequestID: "some%20id:1@x", Resources: []string{
			"https://pay.example.com/terms", "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/", "urn:example:a",
		},
	}
	if got := m.String(); got != want.String() {
		t.Errorf("got %s\nwant %s", got, want.String())
	}
	if !m.ExpiresAt.Equal(want.ExpiresAt) || m.ExpiresAt.Location() != time.UTC || m.Statement != want.Statement || m.RequestID != want.RequestID {
		t.Errorf("got %+v", m)
	}
	if got := strings.Replace(full, "2026-01-02T13:05:00+01:00", "2026-01-02T12:05:00Z", 1); m.String() != got {
		t.Errorf("written again: %s", m)
	}
	for name, text := range map[string]string{
		"the least":             least,
		"empty request id":      least + "\nRequest ID: ",
		"no resources":          least + "\nResources:",
		"literal address":       strings.ReplaceAll(least, "pay.example.com", "[::1]:8402"),
		"a port and a user":     strings.Replace(least, "pay.example.com ", "me:you@pay.example.com:1 ", 1),
		"small letters in time": strings.Replace(least, "12:00:00Z", "12:00:00z", 1),
		"a fraction":            strings.Replace(least, "12:00:00Z", "12:00:00.123456789012Z", 1),
		"numbers for a host":    strings.ReplaceAll(least, "pay.example.com", "127.0.0.1:8402"),
	} {
		if _, err := siwe.Parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, m := range load(t).Messages[4:] {
		p, err := siwe.Parse(m.Message)
		if err != nil || p.Address.String() != m.Account {
			t.Errorf("a message of viem: %+v, %v", p, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	swap := func(old, now string) string {
		if !strings.Contains(full, old) {
			t.Fatalf("%q is not in the message", old)
		}
		return strings.Replace(full, old, now, 1)
	}
	for name, text := range map[string]string{
		"nothing":                    "",
		"a word":                     "hello",
		"too long":                   full + strings.Repeat("\n- urn:x", siwe.MaxMessage),
		"carriage returns":           strings.ReplaceAll(full, "\n", "\r\n"),
		"a line below":               full + "\n",
		"a line below the least":     least + "\n",
		"a space at the end":         least + " ",
		"no domain":                  swap("https://pay.example.com:8443 wants", " wants"),
		"scheme without a domain":    swap("https://pay.example.com:8443 wants", "https:// wants"),
		"scheme of a digit":          swap("https://pay.example.com:8443 wants", "1ttps://pay.example.com wants"),
		"domain with a path":         swap("https://pay.example.com:8443 wants", "https://pay.example.com/x wants"),
		"domain with a space":        swap("https://pay.example.com:8443 wants", "https://pay. example.com wants"),
		"domain in other letters":    swap("https://pay.example.com:8443 wants", "https://pаy.example.com wants"),
		"port of letters":            swap("https://pay.example.com:8443 wants", "https://pay.example.com:x wants"),
		"open bracket":               swap("https://pay.example.com:8443 wants", "https://[::1 wants"),
		"other words":                swap("wants you to sign in", "Wants you to sign in"),
		"another kind of account":    swap("Ethereum account:", "Solana account:"),
		"address without a checksum": swap("0xF5A5E415061470A8b9137959180901aEa72450a4", "0xf5a5e415061470a8b9137959180901aea72450a4"),
		"address with a wrong one":   swap("0xF5A5", "0xf5A5"),
		"address too short":          swap("0xF5A5E4", "0xF5A5"),
		"no empty line":              swap("0a4\n\nI acc", "0a4\nI acc"),
		"three empty lines":          strings.Replace(least, "\n\n\n", "\n\n\n\n", 1),
		"one empty line":             strings.Replace(least, "\n\n\n", "\n\n", 1),
		"statement of two lines":     swap("I accept", "I\naccept"),
		"statement with a tab":       swap("I accept", "I\taccept"),
		"statement with a quote":     swap("I accept", "I \"accept"),
		"statement in Greek":         swap("I accept", "Ι accept"),
		"no URI":                     swap("URI: https", "Uri: https"),
		"URI without a scheme":       swap("URI: https://", "URI: //"),
		"URI with a space":           swap("/login?next", "/lo gin?next"),
		"URI with a broken escape":   swap("%2F", "%2"),
		"URI with two fragments":     swap("#top", "#top#top"),
		"URI with a bracket":         swap("/login", "/[login"),
		"version 2":                  swap("Version: 1", "Version: 2"),
		"no version":                 swap("Version: 1\n", ""),
		"chain of letters":           swap("Chain ID: 8453", "Chain ID: 0x2105"),
		"chain out of range":         swap("Chain ID: 8453", "Chain ID: 18446744073709551616"),
		"no chain":                   swap("Chain ID: 8453", "Chain ID: "),
		"negative chain":             swap("Chain ID: 8453", "Chain ID: -1"),
		"nonce too short":            strings.Replace(least, "k1t7Qm3Z", "k1t7Qm3", 1),
		"nonce with a dash":          swap("k1t7Qm3ZpX9aRw2c", "k1t7-Qm3ZpX9aRw2c"),
		"no nonce":                   swap("Nonce: k1t7Qm3ZpX9aRw2c\n", ""),
		"no time":                    swap("Issued At: 2026-01-02T12:00:00.123456Z\n", ""),
		"time without a zone":        swap("12:00:00.123456Z", "12:00:00.123456"),
		"time with a comma":          swap("12:00:00.123456Z", "12:00:00,123456Z"),
		"time with a space":          swap("2026-01-02T12", "2026-01-02 12"),
		"short hour":                 swap("T12:00:00.123456Z", "T2:00:00.123456Z"),
		"31 February":                swap("2026-01-02T12:00:00.1", "2026-02-31T12:00:00.1"),
		"hour 25":                    swap("T12:00:00.123456Z", "T25:00:00.123456Z"),
		"before all time":            swap("2026-01-02T12:00:00.1", "0000-01-01T00:00:00.1"),
		"wrong order":                swap("Issued At: 2026-01-02T12:00:00.123456Z\nExpiration Time: 2026-01-02T13:05:00+01:00", "Expiration Time: 2026-01-02T13:05:00+01:00\nIssued At: 2026-01-02T12:00:00.123456Z"),
		"expiry twice":               swap("Not Before", "Expiration Time: 2026-01-02T13:05:00Z\nNot Before"),
		"expiry of a word":           swap("2026-01-02T13:05:00+01:00", "never"),
		"request id with a space":    swap("some%20id", "some id"),
		"resource without a scheme":  swap("- urn:example:a", "- example"),
		"resource without a dash":    swap("- urn:example:a", "urn:example:a"),
		"text behind resources":      swap("Resources:", "Resources: none"),
		"too many resources":         least + "\nResources:" + strings.Repeat("\n- urn:x", 51),
	} {
		_, err := siwe.Parse(text)
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Invalid || e.Code != "invalid_message" || e.Field != "message" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 1, 0, 0, time.UTC)
	ours := siwe.Expected{Scheme: "https", Domain: "pay.example.com", Known: func(id asset.ChainID) bool { return id == asset.Base }}
	good := siwe.Message{
		Domain: "pay.example.com", URI: "https://pay.example.com", Chain: asset.Base, Nonce: "k1t7Qm3Z", IssuedAt: now.Add(-time.Minute),
	}
	for name, c := range map[string]struct {
		change func(*siwe.Message)
		want   string
	}{
		"as it should be":         {func(*siwe.Message) {}, ""},
		"with our scheme":         {func(m *siwe.Message) { m.Scheme = "https" }, ""},
		"in capitals":             {func(m *siwe.Message) { m.Domain, m.URI = "PAY.example.com", "HTTPS://pay.EXAMPLE.com/x" }, ""},
		"below our origin":        {func(m *siwe.Message) { m.URI += "/sign-in?x#y" }, ""},
		"a clock ahead":           {func(m *siwe.Message) { m.IssuedAt = now.Add(time.Minute) }, ""},
		"valid for a moment":      {func(m *siwe.Message) { m.NotBefore, m.ExpiresAt = now, now.Add(1) }, ""},
		"another scheme":          {func(m *siwe.Message) { m.Scheme = "http" }, "wrong_domain"},
		"another domain":          {func(m *siwe.Message) { m.Domain = "evil.example" }, "wrong_domain"},
		"a suffix":                {func(m *siwe.Message) { m.Domain = "pay.example.com.evil.example" }, "wrong_domain"},
		"a prefix":                {func(m *siwe.Message) { m.Domain = "evilpay.example.com" }, "wrong_domain"},
		"a user":                  {func(m *siwe.Message) { m.Domain = "pay.example.com@evil.example" }, "wrong_domain"},
		"a port":                  {func(m *siwe.Message) { m.Domain = "pay.example.com:8443" }, "wrong_domain"},
		"a dot behind":            {func(m *siwe.Message) { m.Domain = "pay.example.com." }, "wrong_domain"},
		"another URI":             {func(m *siwe.Message) { m.URI = "https://evil.example" }, "wrong_uri"},
		"URI with a suffix":       {func(m *siwe.Message) { m.URI = "https://pay.example.com.evil.example" }, "wrong_uri"},
		"URI with a user":         {func(m *siwe.Message) { m.URI = "https://pay.example.com@evil.example" }, "wrong_uri"},
		"URI with a port":         {func(m *siwe.Message) { m.URI = "https://pay.example.com:444/" }, "wrong_uri"},
		"URI with another scheme": {func(m *siwe.Message) { m.URI = "http://pay.example.com" }, "wrong_uri"},
		"another chain":           {func(m *siwe.Message) { m.Chain = asset.Mainnet }, "wrong_chain"},
		"chain zero":              {func(m *siwe.Message) { m.Chain = 0 }, "wrong_chain"},
		"over":                    {func(m *siwe.Message) { m.ExpiresAt = now }, "message_expired"},
		"not yet":                 {func(m *siwe.Message) { m.NotBefore = now.Add(1) }, "message_not_yet_valid"},
		"from the future":         {func(m *siwe.Message) { m.IssuedAt = now.Add(3 * time.Minute) }, "message_not_yet_valid"},
	} {
		m := good
		c.change(&m)
		err := m.Check(ours, now)
		if c.want == "" && err == nil {
			continue
		}
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Unauthorized || e.Code != c.want || e.Field != "message" {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// What is written is read again as it was.
func TestWrittenMessagesAreRead(t *testing.T) {
	text := func(class string) *rapid.Generator[string] { return rapid.StringMatching("[" + class + "]{1,40}") }
	rapid.Check(t, func(t *rapid.T) {
		at := func(label string) time.Time {
			return time.UnixMicro(rapid.Int64Range(1, 4e15).Draw(t, label)).UTC()
		}
		m := siwe.Message{
			Scheme: rapid.SampledFrom([]string{"", "https", "a+b-c.d"}).Draw(t, "scheme"),
			Domain: rapid.SampledFrom([]string{"a", "pay.example.com", "127.0.0.1:1", "[::1]:8402", "u:p@h"}).Draw(t, "domain"),
			URI:    rapid.SampledFrom([]string{"https://a", "did:key:z6", "https://a/b?c=%20#d"}).Draw(t, "uri"),
			Chain:  asset.ChainID(rapid.Uint64().Draw(t, "chain")), Nonce: rapid.StringMatching("[a-zA-Z0-9]{8,40}").Draw(t, "nonce"),
			IssuedAt: at("issued"),
		}
		copy(m.Address[:], rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "address"))
		if rapid.Bool().Draw(t, "more") {
			m.Statement, m.RequestID = text(`a-zA-Z0-9 :/?#!$&'()*+,;=._~-`).Draw(t, "statement"), text(`a-zA-Z0-9._~:@-`).Draw(t, "request")
			m.ExpiresAt, m.NotBefore = at("expires"), at("before")
			m.Resources = rapid.SliceOfN(rapid.SampledFrom([]string{"urn:a:b", "https://x/y"}), 0, 5).Draw(t, "resources")
		}
		again, err := siwe.Parse(m.String())
		if err != nil || again.String() != m.String() {
			t.Fatalf("%q: %v\nread as %q", m, err, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(full)
	f.Add(least)
	for _, m := range load(f).Messages {
		f.Add(m.Message)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := siwe.Parse(text)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("an error that is no fault: %v", err)
			}
			return
		}
		again, err := siwe.Parse(m.String())
		if err != nil {
			t.Fatalf("%q is written as %q, which is not read: %v", text, m, err)
		}
		if again.String() != m.String() {
			t.Fatalf("%q is written as %q and then as %q", text, m, again)
		}
		// The lines a wallet shows and the fields that decide are the same.
		for _, line := range []string{m.Domain + " wants you", m.Address.String(), "\nURI: " + m.URI + "\n", "\nNonce: " + m.Nonce + "\n"} {
			if !strings.Contains(text, line) {
				t.Fatalf("%q was read out of %q", line, text)
			}
		}
	})
}
