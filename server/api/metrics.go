package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the figures of one server, in a registry of its own.
type metrics struct {
	registry   *prometheus.Registry
	durations  *prometheus.HistogramVec
	inFlight   prometheus.Gauge
	listeners  prometheus.Gauge
	pushes     prometheus.Counter
	operations *prometheus.CounterVec
	pulled     prometheus.Counter
	diverged   prometheus.Counter
	uploaded   prometheus.Counter
}

func newMetrics(space Space) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fieldclue_http_request_seconds", Help: "Time from the last header to the answer, by route pattern.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route", "status"}),
		inFlight:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "fieldclue_http_in_flight", Help: "Requests being answered."}),
		listeners:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "fieldclue_event_listeners", Help: "Open event streams."}),
		pushes:     prometheus.NewCounter(prometheus.CounterOpts{Name: "fieldclue_sync_pushes_total", Help: "Batches committed, repetitions left out."}),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fieldclue_sync_operations_total", Help: "Operations of committed batches, by outcome."}, []string{"outcome"}),
		diverged:   prometheus.NewCounter(prometheus.CounterOpts{Name: "fieldclue_sync_diverged_scopes_total", Help: "Scopes that a phone held otherwise than the server at the same cursor; they were loaded afresh."}),
		pulled:     prometheus.NewCounter(prometheus.CounterOpts{Name: "fieldclue_sync_pulled_records_total", Help: "Records given to phones."}),
		uploaded:   prometheus.NewCounter(prometheus.CounterOpts{Name: "fieldclue_upload_bytes_total", Help: "Bytes of uploads that were taken."}),
	}
	m.registry.MustRegister(m.durations, m.inFlight, m.listeners, m.pushes, m.operations, m.pulled, m.diverged, m.uploaded, spaceMetrics{space},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// signIn shows what contradicts the log at sign-in.
func (m *metrics) signIn(contradictions func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: "fieldclue_signin_contradictions_total", Help: "Password hashes and records of sign-in that were not what the log says; they let nobody in. Run fieldclue verify."},
		func() float64 { return float64(contradictions()) },
	))
}

// receipts shows what the clock holds up.
func (m *metrics) receipts(withheld func() int64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Name: "fieldclue_receipts_withheld_total", Help: "Times that no receipt was given because it would not hold: the server's clock is before the time of its key. See /readyz."},
		func() float64 { return float64(withheld()) },
	))
}

// bodies shows what is under way of the guard's bounds.
func (m *metrics) bodies(underWay func() (uploads, bodies int, memory int64)) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fieldclue_uploads_under_way", Help: "Uploads that send at this moment."}, func() float64 {
			uploads, _, _ := underWay()
			return float64(uploads)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "fieldclue_body_memory_bytes", Help: "Bytes of other bodies over 8 KiB that are held in memory."}, func() float64 {
			_, _, memory := underWay()
			return float64(memory)
		}),
	)
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	m.durations.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}
