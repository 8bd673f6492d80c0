package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	collectpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"quittance/internal/span"
	"quittance/internal/telemetry"
)

// scrape reads all numbers as Prometheus does.
func scrape(t testing.TB, m *telemetry.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(rec.Body)
	if err != nil || rec.Code != http.StatusOK {
		t.Fatalf("status %d: %v", rec.Code, err)
	}
	return families
}

func TestWhatCallersMakeUpIsNoLabel(t *testing.T) {
	m := telemetry.New(telemetry.Build{Version: "v1", Revision: "abc"})
	for i := range 1000 {
		m.Request("", fmt.Sprintf("BREW%d", i), 404+i, false, time.Millisecond)
	}
	m.Request("/checkout/:token", http.MethodGet, 200, true, time.Hour)
	m.Request("/checkout/:token", http.MethodGet, 429, false, time.Millisecond)
	families := scrape(t, m)
	if n := len(families["quittance_http_requests_total"].Metric); n > 5 {
		t.Errorf("%d series of requests", n)
	}
	for _, x := range families["quittance_http_request_duration_seconds"].Metric {
		if x.Histogram.GetSampleSum() > 10 {
			t.Error("a stream's time counts as an answer's")
		}
	}
	if got := families["quittance_http_rate_limited_total"].Metric[0].Counter.GetValue(); got != 1 {
		t.Errorf("%v were limited", got)
	}
}

func TestAConfusedSourceTakesNothingAway(t *testing.T) {
	m := telemetry.New(telemetry.Build{})
	m.Add(telemetry.Number{Name: "twice", Help: "x", Labels: []string{"name"}, Read: func(emit telemetry.Emit) {
		emit(1, "a")
		emit(2, "a")
		emit(3)
		emit(4, "b")
	}}, telemetry.Number{Name: "fine_total", Help: "x", Kind: telemetry.Counter, Read: func(emit telemetry.Emit) { emit(7) }})
	families := scrape(t, m)
	if n := len(families["quittance_twice"].Metric); n != 2 {
		t.Errorf("%d values", n)
	}
	if got := families["quittance_fine_total"].Metric[0].Counter.GetValue(); got != 7 {
		t.Errorf("fine_total %v", got)
	}
	if families["go_goroutines"] == nil || families["quittance_build_info"] == nil {
		t.Error("the runtime or the build is missing")
	}
}

func TestSpansReachTheCollector(t *testing.T) {
	got := make(chan *collectpb.TracesData, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		sent := &collectpb.TracesData{}
		if err != nil || proto.Unmarshal(body, sent) != nil || r.Header.Get("X-Key") != "secret" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		got <- sent
	}))
	t.Cleanup(collector.Close)
	m := telemetry.New(telemetry.Build{})
	traces := telemetry.NewTraces(telemetry.TraceConfig{Endpoint: collector.URL + "/v1/traces", Headers: map[string]string{"X-Key": "secret"}, Sample: 1, Log: slog.New(slog.DiscardHandler)}, m)
	_, end := span.Root(t.Context(), traces.Tracer(), "work")
	end(nil)
	traces.Close()
	sent := <-got
	if name := sent.ResourceSpans[0].ScopeSpans[0].Spans[0].Name; name != "work" {
		t.Errorf("the span is named %q", name)
	}
	if v := scrape(t, m)["quittance_trace_spans_total"].Metric[0]; v.Label[0].GetValue() != "sent" || v.Counter.GetValue() != 1 {
		t.Errorf("counted: %v", v)
	}
}

// A collector that is not there costs nobody anything, and is complained about once,
// without its address.
func TestADeadCollectorCostsNothing(t *testing.T) {
	dead := httptest.NewServer(nil)
	url := dead.URL
	dead.Close()
	hangs := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(hangs) })
	refusing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refusing.Close)
	for name, endpoint := range map[string]string{"dead": url, "hanging": hanging.URL, "refusing": refusing.URL} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			m := telemetry.New(telemetry.Build{})
			traces := telemetry.NewTraces(telemetry.TraceConfig{Endpoint: endpoint + "/SECRET-KEY", Sample: 1, Log: slog.New(slog.NewTextHandler(&log, nil))}, m)
			begun := time.Now()
			for range 20_000 { // far more than wait for the collector
				_, end := span.Root(context.Background(), traces.Tracer(), "work")
				end(nil)
			}
			traces.Close()
			if took := time.Since(begun); took > 10*time.Second { // two seconds are promised for the last step
				t.Errorf("the stop took %v", took)
			}
			if strings.Contains(log.String(), "SECRET-KEY") || strings.Contains(log.String(), "127.0.0.1") && name == "refusing" {
				t.Errorf("the log tells the address: %s", log.String())
			}
			if n := strings.Count(log.String(), "does not take traces"); n != 1 {
				t.Errorf("%d complaints: %s", n, log.String())
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	m := telemetry.New(telemetry.Build{})
	b.ReportAllocs()
	for b.Loop() {
		m.Request("/checkout/:token/status", http.MethodGet, 200, false, time.Millisecond)
	}
}
