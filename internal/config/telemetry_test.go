package config_test

import (
	"strings"
	"testing"

	"quittance/internal/config"
)

func TestTracing(t *testing.T) {
	c, err := load(t, good, none)
	if err != nil || c.Tracing.On() || c.AdminListen != "" {
		t.Fatalf("by default: %+v, %v", c, err)
	}
	c, err = load(t, good+"admin_listen: 127.0.0.1:8403\ntracing: {endpoint: \"https://traces.example/HIDDENKEY/v1/traces\", headers: {api-key: HIDDENKEY}}\n", none)
	if err != nil || c.AdminListen != "127.0.0.1:8403" || !c.Tracing.On() || c.Tracing.Sample != 0.1 || string(c.Tracing.Headers["api-key"]) != "HIDDENKEY" {
		t.Fatalf("as set: %+v, %v", c, err)
	}
	var out strings.Builder
	if err := c.Print(&out, none); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"admin_listen: 127.0.0.1:8403\n", "tracing.endpoint: [secret]\n", "tracing.sample: 0.1\n", "tracing.headers: 1 set\n"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is missing from:\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "HIDDEN") {
		t.Errorf("a key is printed:\n%s", out.String())
	}
	c, err = load(t, good, func(name string) string {
		return map[string]string{"QUITTANCE_ADMIN_LISTEN": "127.0.0.1:9", "QUITTANCE_TRACING_ENDPOINT": "http://127.0.0.1:4318/v1/traces",
			"QUITTANCE_TRACING_HEADERS": "a=b=c, d=e", "QUITTANCE_TRACING_SAMPLE": "1"}[name]
	})
	if want := map[string]config.Secret{"a": "b=c", "d": "e"}; err != nil || c.AdminListen != "127.0.0.1:9" || c.Tracing.Sample != 1 ||
		c.Tracing.Headers["a"] != want["a"] || c.Tracing.Headers["d"] != want["d"] || c.Tracing.Endpoint != "http://127.0.0.1:4318/v1/traces" {
		t.Errorf("from the environment: %+v, %v", c, err)
	}
}

func TestTracingRefuses(t *testing.T) {
	for text, field := range map[string]string{
		"admin_listen: nonsense":                                       "admin_listen",
		"admin_listen: 127.0.0.1:8402":                                 "admin_listen",
		"listen: \":8402\"\nadmin_listen: 127.0.0.1:8402":              "admin_listen",
		"admin_listen: 0.0.0.0:8402":                                   "admin_listen",
		"tracing: {endpoint: \"grpc://127.0.0.1:4317\"}":               "tracing.endpoint",
		"tracing: {endpoint: \"http://127.0.0.1:4318\", sample: 1.5}":  "tracing.sample",
		"tracing: {endpoint: \"http://127.0.0.1:4318\", sample: -1}":   "tracing.sample",
		"tracing: {headers: {\"a b\": c}}":                             "tracing.headers",
		"tracing: {headers: {a: \"b\\r\\nc\"}}":                        "tracing.headers",
		"tracing: {endpoint: \"http://127.0.0.1:4318\", samples: 0.1}": "samples",
	} {
		if _, err := load(t, good+text+"\n", none); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v, want a word about %s", text, err, field)
		}
	}
	if _, err := load(t, good+"listen: 127.0.0.1:8402\nadmin_listen: 127.0.0.2:8402\n", none); err != nil {
		t.Errorf("two addresses with one port: %v", err)
	}
}
