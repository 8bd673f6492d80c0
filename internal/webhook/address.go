package webhook

import "net/netip"

// private4 is the part of IPv4 that is not the public internet: the IANA
// special-purpose registry (RFC 6890 and its updates), multicast, the reserved
// top, and one cloud's metadata service that hides at a public address.
var private4 = prefixes(
	"0.0.0.0/8",        // this network
	"10.0.0.0/8",       // private (RFC 1918)
	"100.64.0.0/10",    // carrier-grade NAT (RFC 6598), and a cloud's metadata
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // Azure's host services
	"169.254.0.0/16",   // link-local, and most clouds' metadata
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments, and a cloud's metadata
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays (RFC 7526)
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarks
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved, broadcast
)

// global6 is the only part of IPv6 that is handed out as public unicast. All
// else (loopback, unique local with fd00:ec2::254, link-local, multicast,
// IPv4-compatible, SRv6) is outside of it.
var global6 = netip.MustParsePrefix("2000::/3")

// private6 is what inside global6 is not public, or carries an IPv4 address
// that a tunnel would go on to.
var private6 = prefixes(
	"2001::/23",     // protocol assignments, Teredo and ORCHID among them
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4
	"3fff::/20",     // documentation (RFC 9637)
)

// nat64 is the prefix that a network without IPv4 gives to public IPv4
// addresses (RFC 6052): the address inside is what is reached.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

func prefixes(texts ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		ps[i] = netip.MustParsePrefix(t)
	}
	return ps
}

// IsPublic reports whether an address belongs to the public internet. Addresses
// that carry an IPv4 address are judged by it where a network may legitimately
// use them (mapped, NAT64) and refused otherwise. An address with a zone is local.
func IsPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is4() {
		return !within(private4, a)
	}
	return global6.Contains(a) && !within(private6, a)
}

func within(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
