//go:build linux

package chaostest

import (
	"bufio"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// tabLife is how long a tab may have to wait for news that its payment is paid: kills come
// so fast while the load goes on that little else gets done.
const tabLife = 5 * time.Minute

// follow is a payer's tab that follows a payment until it is paid: it is told by events, by
// whichever node it reaches, and connects again when that dies.
func (s *Suite) follow(r *rand.Rand, o *order) {
	ctx, cancel := context.WithTimeout(context.Background(), tabLife)
	defer cancel()
	s.tally.tab()
	for ctx.Err() == nil {
		if s.listen(ctx, s.any(r), o.id) == "paid" {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
	s.fail("a tab never saw that %s (%s) is paid", o.key, o.id)
}

// listen reads events until the payment is paid or the connection breaks, and returns the
// last state that was told. A tab that hears nothing for a while connects again.
func (s *Suite) listen(ctx context.Context, n *node, token string) (state string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(20*time.Second, cancel)
	defer quiet.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/checkout/"+token+"/events", nil)
	if err != nil {
		return ""
	}
	client := &http.Client{Transport: s.http.Transport} // without a time limit
	resp, err := client.Do(r)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		quiet.Reset(20 * time.Second)
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var v struct{ State string }
		if json.Unmarshal([]byte(data), &v) == nil && v.State != "" {
			state = v.State
		}
		if state == "paid" {
			return state
		}
	}
	return state
}
