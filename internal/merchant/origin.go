package merchant

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"quittance/internal/fault"
)

// MaxOrigins is how many pages may use one client id.
const MaxOrigins = 10

// Origins writes a list of allowed origins. None twice: a list that says the same
// in two spellings was not meant like that.
//
// Faults: Invalid "invalid_domains", and those of Origin and "duplicate_domain"
// with the place in the list.
func Origins(texts []string) ([]string, error) {
	if len(texts) > MaxOrigins {
		return nil, fault.Field("allowedDomains", "invalid_domains", "allowedDomains must hold 1 to 10 domains.")
	}
	var out []string
	for i, text := range texts {
		field := "allowedDomains[" + strconv.Itoa(i) + "]"
		origin, err := Origin(text)
		if err != nil {
			return nil, fault.From(err).At(field)
		}
		if slices.Contains(out, origin) {
			return nil, fault.Field(field, "duplicate_domain", field+" is "+origin+", which stands in the list already.")
		}
		out = append(out, origin)
	}
	return out, nil
}

// Origin writes an allowed origin the way browsers send it (the URL standard's
// serialisation): scheme and host in lower case, no default port, no path. A
// page over plain http can be changed on its way by anybody, so only this
// machine's own addresses may go without https.
//
// Faults: Invalid "invalid_origin".
func Origin(text string) (string, error) {
	bad := fault.Field("allowedDomains", "invalid_origin", "An allowed domain is an origin like https://shop.example.com.")
	u, err := url.Parse(text)
	if len(text) > 300 || err != nil || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery ||
		u.Fragment != "" || strings.HasSuffix(text, "#") || strings.HasSuffix(u.Host, ":") {
		return "", bad
	}
	host, local, ok := originHost(strings.ToLower(u.Hostname()))
	if !ok {
		return "", bad
	}
	switch {
	case u.Scheme == "http" && !local:
		return "", fault.Field("allowedDomains", "insecure_origin", "An allowed domain must be https, except http://localhost and http://127.0.0.1.")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", bad
	}
	text = u.Scheme + "://" + host
	if u.Port() == "" {
		return text, nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", bad
	}
	if (u.Scheme == "https" && port == 443) || (u.Scheme == "http" && port == 80) {
		return text, nil
	}
	return text + ":" + strconv.FormatUint(port, 10), nil
}

// originHost writes a host name or address the way browsers do. Names of other
// alphabets have to come in their ASCII form (xn--), which is what browsers send.
func originHost(host string) (text string, local, ok bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		if a.Zone() != "" {
			return "", false, false
		}
		if a.Is4() {
			return a.String(), a.IsLoopback(), true
		}
		return "[" + a.String() + "]", a.IsLoopback(), !a.Is4In6()
	}
	if host == "" || len(host) > 253 {
		return "", false, false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false, false
		}
	}
	// Browsers read a name that ends in a number as an address and write it in full.
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "", false, false
	}
	return host, last == "localhost", true
}
