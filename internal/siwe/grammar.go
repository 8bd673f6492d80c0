package siwe

import "strings"

// The character classes of RFC 3986.
const (
	alphabetic   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanumeric = alphabetic + "0123456789"
	unreserved   = alphanumeric + "-._~"
	subDelims    = "!$&'()*+,;="
	pchar        = unreserved + subDelims + ":@"
	statement    = unreserved + subDelims + ":/?#[]@ "
)

func only(s, class string) bool { return strings.Trim(s, class) == "" }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func digits(s string) bool { return s != "" && only(s, "0123456789") }

// escaped reports whether s has only characters of a class and percent-encoded bytes.
func escaped(s, class string) bool {
	for {
		plain, rest, found := strings.Cut(s, "%")
		if !only(plain, class) {
			return false
		}
		if !found {
			return true
		}
		if len(rest) < 2 || !only(rest[:2], "0123456789abcdefABCDEF") {
			return false
		}
		s = rest[2:]
	}
}

func validScheme(s string) bool {
	return s != "" && strings.Contains(alphabetic, s[:1]) && only(s, alphanumeric+"+-.")
}

// validAuthority reports whether s is [userinfo@]host[:port] with a host.
func validAuthority(s string) bool {
	if user, rest, found := strings.Cut(s, "@"); found {
		if !escaped(user, unreserved+subDelims+":") {
			return false
		}
		s = rest
	}
	if inside, isLiteral := strings.CutPrefix(s, "["); isLiteral {
		literal, port, closed := strings.Cut(inside, "]")
		return closed && literal != "" && only(literal, unreserved+subDelims+":") && (port == "" || (port[0] == ':' && only(port[1:], "0123456789")))
	}
	host, port, _ := strings.Cut(s, ":")
	return host != "" && escaped(host, unreserved+subDelims) && only(port, "0123456789")
}

// validURI reports whether s is a URI: a scheme, and behind it what RFC 3986 allows.
func validURI(s string) bool {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !validScheme(scheme) {
		return false
	}
	rest, fragment, _ := strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if !escaped(fragment, pchar+"/?") || !escaped(query, pchar+"/?") {
		return false
	}
	if below, hierarchical := strings.CutPrefix(rest, "//"); hierarchical {
		authority, path, _ := strings.Cut(below, "/")
		return (authority == "" || validAuthority(authority)) && escaped(path, pchar+"/")
	}
	return escaped(rest, pchar+"/")
}
