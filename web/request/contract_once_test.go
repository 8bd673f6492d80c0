package request_test

import (
	"context"
	"net/http"
	"time"

	"quittance/internal/checkout"
)

// once holds an operation to its idempotency key: the same body is answered from
// memory, another is refused, and while the first is at work so is the second.
// busyPath and busyBody are what may be done once more; "" leaves that out.
func (x *exchange) once(want int, method, path, body, other string, busyPath, busyBody string, headers ...string) answer {
	x.t.Helper()
	headers = append(headers[:len(headers):len(headers)], "Idempotency-Key: "+method+path)
	first := x.send(want, method, path, body, headers...)
	again := x.send(want, method, path, body, headers...)
	if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(first.Body) {
		x.t.Errorf("%s %s: a repeat was answered\n%.300s\nafter\n%.300s", method, path, again.Body, first.Body)
	}
	x.send(http.StatusUnprocessableEntity, method, path, other, headers...)
	if busyPath != "" {
		x.busy(method, busyPath, busyBody, headers[:len(headers)-1]...)
	}
	return first
}

// busy sends a request twice at once while nothing can be written: the second to
// come is told that the first is at work.
func (x *exchange) busy(method, path, body string, headers ...string) {
	x.t.Helper()
	release := x.hold()
	headers = append(headers[:len(headers):len(headers)], "Idempotency-Key: busy-"+method)
	answers := make(chan answer, 2)
	for range 2 {
		go func() { answers <- x.sendAny(method, path, body, headers...) }()
	}
	refused := <-answers
	if refused.Status != http.StatusConflict || refused.text("code") != "idempotency_key_running" || refused.Header.Get("Retry-After") == "" {
		x.t.Errorf("%s %s while the first is at work: %d %.300s", method, path, refused.Status, refused.Body)
	}
	release()
	<-answers
}

// hold keeps every other write waiting until it is released.
func (x *exchange) hold() (release func()) {
	x.t.Helper()
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, _, err := x.App.Store.Once(context.WithoutCancel(x.t.Context()), nil, time.Now().UTC(), func(context.Context) (checkout.Answer, error) {
			close(held)
			<-free
			return checkout.Answer{Status: http.StatusOK}, nil
		})
		done <- err
	}()
	<-held
	return func() {
		close(free)
		if err := <-done; err != nil {
			x.t.Errorf("holding writes: %v", err)
		}
	}
}
