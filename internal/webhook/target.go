package webhook

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"

	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// lanes is how many lanes the deliveries of one merchant have in one dialect that has
// endpoints of its own. Links may name a URL each, and what it costs to find the next
// delivery depends on the number of lanes: so these endpoints share some, hosts together.
// One host is called in one lane, however many of its URLs are named.
//
// The endpoints themselves are not counted: each comes into being with a delivery that is
// kept as long, and a payment names a few.
const lanes = 8

// targeted pairs a message with the endpoints that it names, each once.
func (s *Service) targeted(ctx context.Context, of payment.MerchantID, dialect string, m Message) ([]Delivery, error) {
	var ds []Delivery
	way := map[string]string{} // what was said of a URL before
	for _, t := range m.To {
		if get, again := way[t.Endpoint]; again && get == t.Get {
			continue
		} else if again {
			// The store would keep only one of them, silently.
			return nil, fmt.Errorf("message %q names an endpoint of merchant %s in two ways", m.Event, of)
		}
		way[t.Endpoint] = t.Get
		e, err := s.store.DialectEndpoint(ctx, of, dialect, t.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("finding an endpoint of merchant %s: %w", of, err)
		}
		d := Delivery{Merchant: of, Endpoint: e.ID, Event: m.Event, Body: m.Body, Get: t.Get, Lane: lane(e)}
		if d.Get != "" {
			d.Body = nil
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// lane is the lane of a dialect's endpoint.
func lane(e merchant.Endpoint) string {
	host := e.URL
	if u, err := url.Parse(e.URL); err == nil {
		host = u.Hostname()
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(host)) // never fails
	return string(e.Merchant) + "/" + e.Dialect + "/" + strconv.FormatUint(uint64(h.Sum32()%lanes), 10)
}
