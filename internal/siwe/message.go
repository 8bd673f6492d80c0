package siwe

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
)

// MaxMessage is the longest message that is read, in bytes.
const MaxMessage = 8 << 10

// maxResources bounds how many resources a message may list.
const maxResources = 50

// Message is a message of Sign-In with Ethereum (EIP-4361, version 1). Times are
// UTC, zero where the message has none.
type Message struct {
	Scheme    string // of the page, "" if the message has none
	Domain    string // authority of the page that asks
	Address   asset.Address
	Statement string // "" if there is none
	URI       string
	Chain     asset.ChainID
	Nonce     string
	IssuedAt  time.Time
	ExpiresAt time.Time
	NotBefore time.Time
	RequestID string
	Resources []string
}

const intro = " wants you to sign in with your Ethereum account:"

// String writes the message the way it is signed.
func (m Message) String() string {
	var b strings.Builder
	if m.Scheme != "" {
		b.WriteString(m.Scheme + "://")
	}
	b.WriteString(m.Domain + intro + "\n" + m.Address.String() + "\n\n")
	if m.Statement != "" {
		b.WriteString(m.Statement + "\n")
	}
	b.WriteString("\nURI: " + m.URI + "\nVersion: 1\nChain ID: " + strconv.FormatUint(uint64(m.Chain), 10) +
		"\nNonce: " + m.Nonce + "\nIssued At: " + timestamp(m.IssuedAt))
	if !m.ExpiresAt.IsZero() {
		b.WriteString("\nExpiration Time: " + timestamp(m.ExpiresAt))
	}
	if !m.NotBefore.IsZero() {
		b.WriteString("\nNot Before: " + timestamp(m.NotBefore))
	}
	if m.RequestID != "" {
		b.WriteString("\nRequest ID: " + m.RequestID)
	}
	if len(m.Resources) > 0 {
		b.WriteString("\nResources:")
	}
	for _, r := range m.Resources {
		b.WriteString("\n- " + r)
	}
	return b.String()
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Parse reads a message by the grammar of EIP-4361 and nothing looser: what a
// wallet showed to its owner and what is read here must be the same. The address
// must carry its EIP-55 checksum.
//
// Faults: Invalid "invalid_message", which names the line at fault.
func Parse(text string) (Message, error) {
	if len(text) > MaxMessage {
		return Message{}, malformed("it is longer than %d bytes", MaxMessage)
	}
	p := parser{rest: strings.Split(text, "\n")}
	var m Message
	p.greeting(&m)
	m.URI = p.line("URI: ", validURI)
	p.line("Version: ", func(s string) bool { return s == "1" })
	id, err := strconv.ParseUint(p.line("Chain ID: ", digits), 10, 64)
	if err != nil && p.err == nil {
		return Message{}, malformed("its chain ID is out of range")
	}
	m.Chain = asset.ChainID(id)
	m.Nonce = p.line("Nonce: ", func(s string) bool { return len(s) >= 8 && only(s, alphanumeric) })
	m.IssuedAt = p.time("Issued At: ")
	if p.has("Expiration Time: ") {
		m.ExpiresAt = p.time("Expiration Time: ")
	}
	if p.has("Not Before: ") {
		m.NotBefore = p.time("Not Before: ")
	}
	if p.has("Request ID: ") {
		m.RequestID = p.line("Request ID: ", func(s string) bool { return escaped(s, pchar) })
	}
	if p.has("Resources:") {
		p.line("Resources:", func(s string) bool { return s == "" })
		for p.has("- ") && len(m.Resources) < maxResources {
			m.Resources = append(m.Resources, p.line("- ", validURI))
		}
	}
	if p.err == nil && len(p.rest) > 0 {
		p.err = malformed("it goes on where it must end")
	}
	if p.err != nil {
		return Message{}, p.err
	}
	return m, nil
}

func malformed(format string, args ...any) error {
	return fault.Field("message", "invalid_message", "message is no Sign-In with Ethereum message (EIP-4361): "+fmt.Sprintf(format, args...)+".")
}

// parser takes a message line by line. After the first error it takes nothing.
type parser struct {
	rest []string
	err  error
}

// next takes a line.
func (p *parser) next(what string) string {
	if p.err != nil {
		return ""
	}
	if len(p.rest) == 0 {
		p.err = malformed("it ends before %s", what)
		return ""
	}
	line := p.rest[0]
	p.rest = p.rest[1:]
	return line
}

func (p *parser) has(label string) bool {
	return p.err == nil && len(p.rest) > 0 && strings.HasPrefix(p.rest[0], label)
}

// line takes a line with a label and returns what follows the label.
func (p *parser) line(label string, valid func(string) bool) string {
	what := strings.Trim(label, ": ")
	v, ok := strings.CutPrefix(p.next(what), label)
	if p.err == nil && (!ok || !valid(v)) {
		p.err = malformed("its line %q is missing or wrong", what)
	}
	return v
}

func (p *parser) time(label string) time.Time {
	var t time.Time
	p.line(label, func(s string) bool {
		var err error
		t, err = dateTime(s)
		return err == nil
	})
	return t
}

// greeting takes everything above the URI.
func (p *parser) greeting(m *Message) {
	who, ok := strings.CutSuffix(p.next("the first line"), intro)
	m.Domain = who
	if scheme, domain, has := strings.Cut(who, "://"); has {
		m.Scheme, m.Domain = scheme, domain
		ok = ok && validScheme(scheme)
	}
	if p.err == nil && (!ok || !validAuthority(m.Domain)) {
		p.err = malformed("its first line must be the domain and %q", strings.TrimSpace(intro))
	}
	text := p.next("the address")
	a, err := asset.ParseAddress(text)
	if p.err == nil && (err != nil || text != a.String()) {
		p.err = malformed("its second line must be an address with its EIP-55 checksum")
	}
	m.Address = a
	empty := func(what string) {
		if line := p.next(what); p.err == nil && line != "" {
			p.err = malformed("%s is missing", what)
		}
	}
	empty("the empty line below the address")
	if p.err == nil && len(p.rest) > 0 && p.rest[0] != "" {
		m.Statement = p.next("the statement")
		if !only(m.Statement, statement) {
			p.err = malformed("its statement has characters that are not allowed there")
		}
	}
	empty("the empty line above the URI")
}

// dateTime reads an RFC 3339 time, whose grammar is stricter than Go's parser.
func dateTime(s string) (time.Time, error) {
	s = strings.ToUpper(s)
	const shape = "0000-00-00T00:00:00"
	if len(s) <= len(shape) || strings.Contains(s, ",") {
		return time.Time{}, fmt.Errorf("%q is no RFC 3339 time", s)
	}
	for i, c := range []byte(shape) {
		if (c == '0' && !digit(s[i])) || (c != '0' && s[i] != c) {
			return time.Time{}, fmt.Errorf("%q is no RFC 3339 time", s)
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if t = t.UTC(); err == nil && (t.Year() < 1970 || t.Year() > 9999) {
		return time.Time{}, fmt.Errorf("%q is out of range", s)
	}
	return t, err
}

// Expected is what a message must be about.
type Expected struct {
	Scheme string // of the server's own pages
	Domain string // their authority, without the scheme's own port
	Known  func(asset.ChainID) bool
}

// skew is how far a wallet's clock may be ahead of ours.
const skew = 2 * time.Minute

// Check tells whether a message is for this server and now. Whether its nonce is
// ours, and unused, who gave it out must tell.
//
// Faults: Unauthorized "wrong_domain", "wrong_uri", "wrong_chain",
// "message_expired", "message_not_yet_valid".
func (m Message) Check(e Expected, now time.Time) error {
	refuse := func(code, format string, args ...any) error {
		return fault.New(fault.Unauthorized, code, fmt.Sprintf(format, args...)).At("message")
	}
	origin := e.Scheme + "://" + e.Domain
	switch {
	case !strings.EqualFold(m.Domain, e.Domain) || (m.Scheme != "" && !strings.EqualFold(m.Scheme, e.Scheme)):
		return refuse("wrong_domain", "The message signs in to another domain than %s.", e.Domain)
	case !within(m.URI, origin):
		return refuse("wrong_uri", "The message's URI is not one of %s.", origin)
	case !e.Known(m.Chain):
		return refuse("wrong_chain", "The message's chain ID is not one of this server's chains.")
	case !m.ExpiresAt.IsZero() && !now.Before(m.ExpiresAt):
		return refuse("message_expired", "The message has expired.")
	case now.Before(m.NotBefore) || now.Add(skew).Before(m.IssuedAt):
		return refuse("message_not_yet_valid", "The message is not valid yet.")
	}
	return nil
}

// within reports whether a URI is an origin or below it.
func within(uri, origin string) bool {
	if len(uri) < len(origin) || !strings.EqualFold(uri[:len(origin)], origin) {
		return false
	}
	rest := uri[len(origin):]
	return rest == "" || strings.ContainsRune("/?#", rune(rest[0]))
}
