package request_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"quittance/web/webtest"
)

// BenchmarkCreate is a creation with an idempotency key, over the handler and
// down to the durable commit, by many callers at once.
func BenchmarkCreate(b *testing.B) {
	w := webtest.New(b)
	var n atomic.Int64
	body := usdc("10.50")
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			got := w.API(http.MethodPost, route, body, fmt.Sprintf("Idempotency-Key: bench-%d", n.Add(1)))
			if got.Status != http.StatusCreated {
				b.Errorf("status %d: %s", got.Status, got.Body)
			}
		}
	})
}

// BenchmarkCreateBatch200 is the largest payment, one at a time.
func BenchmarkCreateBatch200(b *testing.B) {
	w := webtest.New(b)
	items := make([]string, 200)
	for i := range items {
		items[i] = fmt.Sprintf("0x%040x USDC-base %d.%06d", i+1, i+1, i)
	}
	body := batchOf("", items...)
	for b.Loop() {
		w.Create(body)
	}
}
