package telemetry

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Emit gives one value, with the values of the labels in their order.
type Emit func(value float64, labels ...string)

// Kind says how a number moves.
type Kind = prometheus.ValueType

// The kinds of numbers.
const (
	Gauge   Kind = prometheus.GaugeValue
	Counter Kind = prometheus.CounterValue // only up, but for a restart
)

// Number is one that is read when somebody asks for it. Read must be quick and
// wait for nobody.
type Number struct {
	Name   string // without "quittance_"
	Help   string
	Kind   Kind // neither is given for a gauge
	Labels []string
	Read   func(Emit)
}

// Add has numbers read with every look at the metrics. It must be called before
// the first.
func (m *Metrics) Add(numbers ...Number) {
	for _, n := range numbers {
		if n.Kind == 0 {
			n.Kind = Gauge
		}
		m.registry.MustRegister(&reader{n, prometheus.NewDesc("quittance_"+n.Name, n.Help, n.Labels, nil)})
	}
}

type reader struct {
	Number
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (r *reader) Describe(to chan<- *prometheus.Desc) { to <- r.desc }

// Collect implements prometheus.Collector. Of two values with the same labels the
// first stays: one confused source must not take all numbers away.
func (r *reader) Collect(to chan<- prometheus.Metric) {
	seen := map[string]bool{}
	r.Read(func(value float64, labels ...string) {
		key := strings.Join(labels, "\x00")
		if seen[key] || len(labels) != len(r.Labels) {
			return
		}
		seen[key] = true
		to <- prometheus.MustNewConstMetric(r.desc, r.Kind, value, labels...)
	})
}
